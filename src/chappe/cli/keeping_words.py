"""What backup and restore say, in English and in French."""

from __future__ import annotations

from typing import Final

KEEPING_WORDS: Final[dict[str, tuple[str, str]]] = {
    "backup.made": (
        "The backup is in {path}: {files} files, {bytes} bytes.",
        "La sauvegarde est dans {path} : {files} fichiers, {bytes} octets.",
    ),
    "backup.whole": (
        "The backup is whole: {files} files, {bytes} bytes, made {when}.",
        "La sauvegarde est complète : {files} fichiers, {bytes} octets, faite le {when}.",
    ),
    "backup.digest": (
        "SHA-256 of its manifest, to keep elsewhere: {digest}",
        "SHA-256 de son manifeste, à garder ailleurs : {digest}",
    ),
    "backup.log": (
        "Its transparency log: {log}, {size} entries.",
        "Son journal de transparence : {log}, {size} entrées.",
    ),
    "backup.secret": (
        "It holds the relay's keys and its subscribers: encrypt it before it leaves this machine.",
        "Elle contient les clés du relais et ses abonnés : chiffrez-la avant qu'elle ne quitte cette "
        "machine.",
    ),
    "backup.left": ("Left out: {name} ({why})", "Laissé de côté : {name} ({why})"),
    "restore.done": (
        "The relay of {when} is back in {path}. Start it, and look at the log.",
        "Le relais du {when} est de retour dans {path}. Démarrez-le et lisez son journal.",
    ),
    "restore.learned": (
        "The transparency log knew {entries} entries more: {signed_out} devices signed out again, "
        "{to_erase} of "
        "them to be erased, {closed} lines closed.",
        "Le journal de transparence avait {entries} entrées de plus : {signed_out} appareils révoqués "
        "de nouveau, "
        "dont {to_erase} à effacer, {closed} lignes fermées.",
    ),
    "restore.by_shares": (
        "The share service knew {count} devices more to be erased: signed out again.",
        "Le service des parts connaissait {count} appareils effacés de plus : révoqués de nouveau.",
    ),
    "restore.no_log": (
        "No log outlived the backup: who was signed out or erased after {when} is not known here. "
        "Officers and "
        "owners must give those orders again, before anybody is let in.",
        "Aucun journal n'a survécu : les révocations et effacements postérieurs au {when} sont inconnus ici. "
        "Responsables et titulaires doivent redonner ces ordres, avant que quiconque ne se connecte.",
    ),
    "restore.devices": (
        "Lost: {count} devices that were added since. Each is to be linked anew.",
        "Perdu : {count} appareils ajoutés depuis. Chacun doit être lié de nouveau.",
    ),
    "restore.lines": (
        "Lost: {count} lines that were made since. Each takes an activation code again.",
        "Perdu : {count} lignes créées depuis. Chacune demande un nouveau code d'activation.",
    ),
    "restore.officers": (
        "Lost: {count} changes of officers since. Those organisations order nothing until an officer "
        "has given "
        "the newest roster again (`chappe fleet officer list`): tell them.",
        "Perdu : {count} changements de responsables depuis. Ces organisations n'ordonnent rien tant qu'un "
        "responsable n'a pas redonné la dernière liste (`chappe fleet officer list`) : prévenez-les.",
    ),
    "restore.attachments": (
        "Lost: {count} attachments, whose files are not in the backup.",
        "Perdu : {count} pièces jointes, dont les fichiers ne sont pas dans la sauvegarde.",
    ),
    "restore.waiting": (
        "{count} envelopes wait, as they did then. What was accepted since is lost.",
        "{count} messages attendent, comme alors. Ce qui a été accepté depuis est perdu.",
    ),
    "restore.shares": (
        "Shares are in no backup: phones that had a PIN set it anew, from an open phone, unless the share "
        "service outlived this.",
        "Aucune sauvegarde n'a de parts : les téléphones redéfinissent leur code, ouverts, sauf si le "
        "service des "
        "parts a survécu.",
    ),
    "moving.step": ("{step} …", "{step} …"),
    "moving.rows": ("  {name}: {count} rows", "  {name} : {count} lignes"),
    "moving.waits": (
        "All is copied. Stop the relay now; what changed meanwhile follows, and takes seconds.",
        "Tout est copié. Arrêtez le relais maintenant ; ce qui a changé suit, en quelques secondes.",
    ),
    "moving.table": (
        "{name}: {count} rows, the same on both sides",
        "{name} : {count} lignes, identiques des deux côtés",
    ),
    "moving.done": (
        "The relay's tables are in PostgreSQL. It stood still for {seconds} seconds.",
        "Les tables du relais sont dans PostgreSQL. Il est resté arrêté {seconds} secondes.",
    ),
    "moving.next": (
        "Start it with CHAPPE_DATABASE_URL. relay.db.moved is the old database: delete it when you like.",
        "Démarrez-le avec CHAPPE_DATABASE_URL. relay.db.moved, l'ancienne base, peut être supprimée.",
    ),
}
