"""What the command line says, in English and in French. Errors of the table stay as the table has them."""

from __future__ import annotations

import os
from typing import Final

from chappe.cli.desk_words import DESK_WORDS
from chappe.cli.dossier_words import DOSSIER_WORDS
from chappe.cli.fleet_words import FLEET_WORDS
from chappe.cli.keeping_words import KEEPING_WORDS
from chappe.cli.log_words import LOG_WORDS
from chappe.cli.term_words import TERM_WORDS

_WORDS: Final[dict[str, tuple[str, str]]] = {
    "relay.ready": ("The relay is ready at {address}.", "Le relais est prêt à {address}."),
    "relay.codes": (
        "Two activation codes, one for each line (they hold for {days} days, and work once):",
        "Deux codes d'activation, un par ligne (valables {days} jours, une seule fois) :",
    ),
    "relay.page": ("The phone's page: {url}", "La page pour téléphones : {url}"),
    "relay.next": ("To try next, in another terminal:", "À essayer, dans un autre terminal :"),
    "relay.console": (
        "The operator's console: {url} The first operator, in another terminal, as yourself:",
        "La console de l'opérateur : {url} Le premier opérateur, dans un autre terminal, à votre nom :",
    ),
    "relay.qr": ("The first code as a picture:", "Le premier code en image :"),
    "relay.stop": ("Ctrl-C stops the relay.", "Ctrl-C arrête le relais."),
    "relay.stopped": ("The relay has stopped.", "Le relais est arrêté."),
    "organisation.added": (
        "{name} is an organisation of this relay now. Its fleet key: {fleet_key}",
        "{name} est désormais une organisation de ce relais. Sa clé de flotte : {fleet_key}",
    ),
    "organisation.known": (
        "{name} (lines: {lines}, officers: {officers})",
        "{name} (lignes : {lines}, responsables : {officers})",
    ),
    "organisation.key": ("  fleet key {fleet_key}", "  clé de flotte {fleet_key}"),
    "organisation.log": (
        "  audit log checked: {count} entries, root {root}",
        "  journal d'audit vérifié : {count} entrées, racine {root}",
    ),
    "shares.ready": (
        "The share service is ready at {address}.",
        "Le service des parts est prêt à {address}.",
    ),
    "shares.token": (
        "Its token, for the relay's share_token_file: {path}",
        "Son jeton, pour share_token_file du relais : {path}",
    ),
    "witness.ready": (
        "The witness is ready at {address}. Its key, for the relay's --witness URL=KEY:",
        "Le témoin est prêt à {address}. Sa clé, pour --witness URL=CLÉ du relais :",
    ),
    "witness.stopped": ("The witness has stopped.", "Le témoin est arrêté."),
    "shares.stopped": ("The share service has stopped.", "Le service des parts est arrêté."),
    "shares.devices": ("devices with a share: {count}", "appareils avec une part : {count}"),
    "shares.changed": ("last change: {when}", "dernier changement : {when}"),
    "shares.reset.explain": (
        "This destroys every share. A locked phone never opens again; an unlocked one must set its PIN anew.",
        "Ceci détruit toutes les parts. Un téléphone verrouillé ne s'ouvrira plus jamais ; un téléphone "
        "ouvert devra choisir son code à nouveau.",
    ),
    "shares.reset.ask": ("Type {word} to go on", "Tapez {word} pour continuer"),
    "shares.reset.not": ("Nothing was destroyed.", "Rien n'a été détruit."),
    "shares.reset.done": (
        "All shares are destroyed. Start the relay; each phone sets its PIN anew.",
        "Toutes les parts sont détruites. Démarrez le relais ; chaque téléphone choisit un nouveau code.",
    ),
    "activated": ("The line {address} is ready on this device.", "La ligne {address} est prête ici."),
    "linked": (
        "This device now belongs to {address}; it is in its conversations.",
        "Cet appareil appartient maintenant à {address} ; il est dans ses conversations.",
    ),
    "link.show": (
        "On the other device, within ten minutes:",
        "Sur l'autre appareil, dans les dix minutes :",
    ),
    "link.done": (
        "The new device is in all conversations.",
        "Le nouvel appareil est dans les conversations.",
    ),
    "pin.explain": (
        "Choose a PIN of six digits or more, or a passphrase of twelve characters or more. Nobody can give "
        "it back to you: ten wrong ones, and this profile opens no more.",
        "Choisissez un PIN de six chiffres au moins, ou une phrase de douze caractères au moins. Personne ne "
        "pourra vous le rendre : après dix erreurs, ce profil ne s'ouvre plus.",
    ),
    "pin.ask": ("PIN: ", "PIN : "),
    "pin.ask.old": ("The PIN as it is: ", "Le PIN actuel : "),
    "pin.ask.new": ("New PIN: ", "Nouveau PIN : "),
    "pin.ask.again": ("Once more: ", "Encore une fois : "),
    "stage.pin": ("(making keys of the PIN)", "(calcul des clés à partir du PIN)"),
    "stage.relay": ("(asking the relay)", "(demande au relais)"),
    "stage.offline": ("(the relay does not answer; without it)", "(le relais ne répond pas ; sans lui)"),
    "unlock.already": ("The profile is open already.", "Le profil est déjà ouvert."),
    "unlocked": (
        "The profile is open; it locks after {time} without use.",
        "Le profil est ouvert ; il se verrouille après {time} sans usage.",
    ),
    "unlocked.offline": (
        "The relay does not answer. Without it the profile opens until {until}.",
        "Le relais ne répond pas. Sans lui, le profil s'ouvre jusqu'à {until}.",
    ),
    "lock.set": ("The PIN is set.", "Le PIN est défini."),
    "lock.changed": ("The PIN is another now.", "Le PIN a été changé."),
    "locked": ("The profile is locked.", "Le profil est verrouillé."),
    "sent": ("sent", "envoyé"),
    "queued": ("waiting", "en attente"),
    "delivered": ("delivered", "reçu"),
    "read": ("read", "lu"),
    "failed": ("not sent", "non envoyé"),
    "received": ("", ""),
    "edited": ("edited", "modifié"),
    "deleted": ("(deleted)", "(supprimé)"),
    "unreadable": ("(a message that could not be opened)", "(un message illisible)"),
    "report.shows": (
        "The officers of your organisation will see:",
        "Les officiers de votre organisation verront :",
    ),
    "report.shows.not": (
        "Nothing else: no other message, and nobody else who is in the conversation. With it they can prove "
        "to anybody that this was said. The name of the conversation is part of what was signed.",
        "Rien d'autre : aucun autre message, ni qui d'autre est dans la conversation. Ils pourront prouver à "
        "quiconque que cela a été dit. Le nom de la conversation fait partie de ce qui a été signé.",
    ),
    "report.ask": ("Make the report?", "Établir le signalement ?"),
    "report.made": (
        "The report is in {path}: hand it to an officer. Nobody else can open it.",
        "Le signalement est dans {path} : remettez-le à un officier. Personne d'autre ne peut l'ouvrir.",
    ),
    "report.sender": ("Sent by {address}, device {device}", "Envoyé par {address}, appareil {device}"),
    "report.direct": ("two people", "deux personnes"),
    "report.where": ("In the conversation {name} ({id})", "Dans la conversation {name} ({id})"),
    "report.said": (
        "It says (received {when}, by the reporter's device):",
        "Il dit (reçu {when}, selon l'appareil de qui signale) :",
    ),
    "report.edited": ("Edited to (received {when}):", "Modifié en (reçu {when}) :"),
    "report.file": (
        "file {name}; with this its key goes to the officers, too",
        "fichier {name} ; les officiers en reçoivent aussi la clé",
    ),
    "report.by": ("Reported by {address}, {when}:", "Signalé par {address}, {when} :"),
    "report.holds": (
        "The proof holds: {address} sent this. When, only the reporter's device says.",
        "La preuve tient : {address} a envoyé ceci. La date, seul l'appareil de qui signale la dit.",
    ),
    "gap.one": (
        "(one message of theirs is missing: it was not delivered. If it matters, ask them to send it again)",
        "(il manque un de ses messages : il n'a pas été remis. S'il compte, demandez-le à nouveau)",
    ),
    "gap.more": (
        "({count} messages of theirs are missing: they were not delivered. If they matter, ask them to send "
        "them again)",
        "(il manque {count} de ses messages : ils n'ont pas été remis. S'ils comptent, demandez-les à "
        "nouveau)",
    ),
    "late": (
        "(the message above came late: it was written before something of theirs that had come already)",
        "(le message ci-dessus est arrivé en retard : il a été écrit avant ce qui était déjà arrivé de cette "
        "personne)",
    ),
    "fork.number": (
        "WARNING: messages of this person do not follow on one another. Somebody may be writing in their "
        "name, or from an old copy of their device. Compare what you both have, in person, and tell your "
        "officer.",
        "ATTENTION : les messages de cette personne ne se suivent pas. Quelqu'un écrit peut-être à sa place, "
        "ou depuis une ancienne copie de son appareil. Comparez de vive voix ce que chacun a reçu, et "
        "prévenez votre officier.",
    ),
    "fork.history": (
        "WARNING: a message came that is of another history of this conversation. The relay may be showing "
        "its members different things. Compare what you all have, in person, and tell your officer.",
        "ATTENTION : un message reçu vient d'une autre histoire de cette conversation. Le relais montre "
        "peut-être des choses différentes à ses membres. Comparez de vive voix ce que chacun a reçu, et "
        "prévenez votre officier.",
    ),
    "unknown": ("(a message of a newer version)", "(un message d'une version plus récente)"),
    "file": ("file {name}, {size}", "fichier {name}, {size}"),
    "reply": ("in reply to {id}", "en réponse à {id}"),
    "sending": ("sending {name}", "envoi de {name}"),
    "fetching": ("fetching {name}", "réception de {name}"),
    "saved": ("saved as {path}", "enregistré : {path}"),
    "nobody": ("No conversation yet. Begin one: chappe send ADDRESS 'hello'", "Aucune conversation."),
    "unread": ("{count} unread", "{count} non lus"),
    "left": ("left", "quittée"),
    "timer.off": ("messages stay", "les messages restent"),
    "timer.here": (
        "messages disappear here after {time}, as the organisation rules",
        "les messages disparaissent ici après {time}, par règle de l'organisation",
    ),
    "timer.on": ("messages disappear after {time}", "les messages disparaissent après {time}"),
    "verify.explain": (
        "Compare these digits with {address}, face to face or by voice. Theirs must be the same.",
        "Comparez ces chiffres avec {address}, de vive voix. Ils doivent être les mêmes.",
    ),
    "verify.ask": ("Are they the same?", "Sont-ils identiques ?"),
    "verify.accept": ("Take this new identity?", "Accepter cette nouvelle identité ?"),
    "verify.marked": ("{address} is marked as verified.", "{address} est marquée vérifiée."),
    "verify.not": ("Not marked.", "Non marquée."),
    "verify.changed": (
        "The identity key of {address} HAS CHANGED. Nothing is sent to it. These are the digits of the "
        "new one. If you know why it changed (a new phone), accept it: chappe verify {address} --accept",
        "La clé d'identité de {address} A CHANGÉ. Rien ne lui est envoyé. Voici les chiffres de la "
        "nouvelle. Si vous savez pourquoi elle a changé (nouveau téléphone), acceptez-la : "
        "chappe verify {address} --accept",
    ),
    "verify.known": ("verified", "vérifiée"),
    "verify.unknown": ("not verified", "non vérifiée"),
    "device.this": ("this device", "cet appareil"),
    "device.since": ("since {date}", "depuis le {date}"),
    "chat.hello": (
        "You are {address}. Write, and Enter sends. /help shows the commands, /quit ends.",
        "Vous êtes {address}. Écrivez, Entrée envoie. /help montre les commandes, /quit termine.",
    ),
    "chat.to": ("Talking in {name}", "Conversation : {name}"),
    "chat.nowhere": ("To whom? /to ADDRESS, or /list", "À qui ? /to ADRESSE, ou /list"),
    "chat.unknown": ("No such command; /help shows them.", "Commande inconnue ; /help les montre."),
    "chat.typing": ("{who} is typing …", "{who} écrit…"),
    "chat.online": ("(connected)", "(connecté)"),
    "chat.offline": ("(offline: what you write waits)", "(hors ligne : vos messages attendent)"),
    "chat.joined": ("(new conversation: {name})", "(nouvelle conversation : {name})"),
    "chat.members": ("(members: {members})", "(membres : {members})"),
    "chat.left": ("(you are no longer in {name})", "(vous n'êtes plus dans {name})"),
    "chat.ordered": (
        "(by order, a device of {address} is out of {name})",
        "(par ordre, un appareil de {address} n'est plus dans {name})",
    ),
    "chat.order.refused": (
        "The relay showed an order that is none:",
        "Le relais a montré un ordre qui n'en est pas un :",
    ),
    "chat.order.lock": ("Locked by order: {reason}", "Verrouillé par ordre : {reason}"),
    "chat.order.policy": (
        "The organisation has set bounds: {reason}",
        "L'organisation a fixé des limites : {reason}",
    ),
    "chat.order.revoke": ("Signed out by order: {reason}", "Déconnecté par ordre : {reason}"),
    "chat.order.erase": ("Erased by order: {reason}", "Effacé par ordre : {reason}"),
    "chat.changed": ("({name}: {timer})", "({name} : {timer})"),
    "chat.reacted": ("({id}: {reactions})", "({id} : {reactions})"),
    "chat.help": (
        "/to WHO           write to an address, a group's name or an id\n"
        "/list             conversations\n"
        "/history          the last messages here\n"
        "/reply ID TEXT    answer a message\n"
        "/react ID EMOJI   react to it\n"
        "/edit ID TEXT     change your own\n"
        "/delete ID        take your own back, for everybody\n"
        "/file PATH        send a file\n"
        "/save ID [DIR]    save a file\n"
        "/group NAME WHO…  a new group\n"
        "/members          who is here\n"
        "/add WHO  /remove WHO  /leave\n"
        "/timer 1h|off     disappearing messages\n"
        "/verify WHO       the safety number\n"
        "/quit             end",
        "/to QUI           écrire à une adresse, un groupe ou un identifiant\n"
        "/list             conversations\n"
        "/history          derniers messages ici\n"
        "/reply ID TEXTE   répondre à un message\n"
        "/react ID EMOJI   y réagir\n"
        "/edit ID TEXTE    modifier le vôtre\n"
        "/delete ID        reprendre le vôtre, pour tous\n"
        "/file CHEMIN      envoyer un fichier\n"
        "/save ID [DOS]    enregistrer un fichier\n"
        "/group NOM QUI…   nouveau groupe\n"
        "/members          qui est ici\n"
        "/add QUI  /remove QUI  /leave\n"
        "/timer 1h|off     messages éphémères\n"
        "/verify QUI       numéro de sûreté\n"
        "/quit             terminer",
    ),
    **TERM_WORDS,
    **KEEPING_WORDS,
} | FLEET_WORDS
_WORDS.update(DESK_WORDS)
_WORDS.update(DOSSIER_WORDS)
_WORDS.update(LOG_WORDS)


def language() -> str:
    """`fr` or `en`: CHAPPE_LANG, then the locale."""
    for name in ("CHAPPE_LANG", "LC_ALL", "LC_MESSAGES", "LANG"):
        value = os.environ.get(name)
        if value:
            return "fr" if value.lower().startswith("fr") else "en"
    return "en"


def say(key: str, **values: object) -> str:
    """The words for `key`."""
    english, french = _WORDS[key]
    return (french if language() == "fr" else english).format(**values)


def keys() -> dict[str, tuple[str, str]]:
    """All words, for the test that holds the languages together."""
    return dict(_WORDS)
