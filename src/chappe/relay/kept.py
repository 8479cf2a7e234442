"""Why the relay keeps each of its columns, and for how long."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from chappe.wire.kept import (
    AT,
    FOR_GOOD,
    MADE_AT,
    THE_DEVICE,
    THE_LINE,
    THE_MAILBOX,
    THE_ORDER,
    THE_ORGANISATION,
    THIRTY_DAYS,
    WHILE_RUNNING,
    WITH_THE_DEVICE,
    Kept,
    KeptFile,
)

TABLES: Final[Mapping[str, Kept]] = {
    "lines": Kept(
        (
            "A line: its address, and the key by which others know it",
            "Une ligne : son adresse, et la clé à laquelle les autres la reconnaissent",
        ),
        (
            "until it is forgotten 120 days after its term; an erased line stays, closed",
            "jusqu'à son oubli, 120 jours après la fin de sa période ; une ligne effacée reste, fermée",
        ),
        {
            "line": THE_LINE,
            "address": (
                "where it is written to; nobody else may take it",
                "où on lui écrit ; personne d'autre ne peut la prendre",
            ),
            "identity_key": (
                "public key that vouches for its devices",
                "clé publique qui garantit ses appareils",
            ),
            "created_at": ("when it was activated", "date d'activation"),
            "organisation": THE_ORGANISATION,
            "held_at": ("since when it is under legal hold", "début du séquestre"),
            "held_by": ("the order that put it under hold", "ordre de mise sous séquestre"),
            "closed_at": ("when it was erased or closed", "date d'effacement ou de fermeture"),
            "term_ends": ("end of the paid term", "fin de la période payée"),
            "term_day": (
                "day of the month that the term counts from",
                "jour du mois d'où la période est comptée",
            ),
            "term_months": ("months that were paid last", "derniers mois payés"),
            "lapsed_at": ("closed because its term was over, when", "date de fermeture pour fin de période"),
            "salt": (
                "hides it in the public log from who does not look it up",
                "la cache, dans le journal public, à qui ne la recherche pas",
            ),
        },
    ),
    "log_entries": Kept(
        (
            "The public transparency log: hashes and public keys, no address, line id or device id",
            "Le journal public de transparence : condensats et clés publiques, ni adresse ni identifiant",
        ),
        FOR_GOOD,
        {
            "number": ("its place", "sa place"),
            "entry": ("what is public about the change", "ce qui est public du changement"),
            "at": AT,
        },
    ),
    "holders": Kept(
        (
            "With several gateways: which socket of a device is its newest",
            "Avec plusieurs passerelles : la connexion la plus récente d'un appareil",
        ),
        (
            "while the device has a socket; of a gateway that was killed, until the device comes again",
            "tant que l'appareil est connecté ; après l'arrêt brutal d'une passerelle, jusqu'à son retour",
        ),
        {
            "mailbox": THE_MAILBOX,
            "holder": (
                "random number of the gateway's run, and of the socket",
                "numéro aléatoire de la passerelle en marche, et de la connexion",
            ),
        },
    ),
    "meetings": Kept(
        (
            "With several gateways: where two devices of a line meet once; sealed end to end",
            "Avec plusieurs passerelles : la rencontre de deux appareils d'une ligne, chiffrée",
        ),
        ("ten minutes", "dix minutes"),
        {
            "meeting": ("random number that both know", "numéro aléatoire que tous deux connaissent"),
            "ends": ("when it is forgotten", "quand elle est oubliée"),
            "offer": ("what one left, sealed", "ce que l'un a laissé, chiffré"),
            "answer": ("what the other left, sealed", "ce que l'autre a laissé, chiffré"),
        },
    ),
    "log_heads": Kept(
        (
            "With several gateways: the signed head of the public transparency log",
            "Avec plusieurs passerelles : la tête signée du journal public de transparence",
        ),
        ("until the next one", "jusqu'à la suivante"),
        {
            "id": ("there is one", "il y en a une"),
            "size": ("how many entries it is of", "le nombre de ses entrées"),
            "note": ("the signed note that everybody may read", "la note signée que chacun peut lire"),
        },
    ),
    "devices": Kept(
        (
            "A device of a line: who may sign in, and what others check it against",
            "Un appareil d'une ligne : qui peut se connecter, et de quoi le vérifier",
        ),
        (
            "with its line; one that was signed out stays signed out",
            "avec sa ligne ; un appareil révoqué le reste",
        ),
        {
            "device": THE_DEVICE,
            "line": THE_LINE,
            "mailbox": THE_MAILBOX,
            "certificate": ("public keys, signed by the line", "clés publiques, signées par la ligne"),
            "signature_key": ("public key that signs in", "clé publique de connexion"),
            "created_at": ("when it was added", "date d'ajout"),
            "revoked_at": ("when it was signed out for good", "date de révocation"),
            "revoked_by": ("the order that did it", "ordre de révocation"),
            "unlock_key": (
                "public key that signs its PIN tries",
                "clé publique qui signe ses essais de code",
            ),
            "unlock_proof": ("the device's signature over that key", "signature de cette clé par l'appareil"),
        },
    ),
    "mailboxes": Kept(
        ("A device's queue: up to where it was emptied", "La file d'un appareil : jusqu'où elle est vidée"),
        WITH_THE_DEVICE,
        {
            "mailbox": THE_MAILBOX,
            "gone_sequence": ("number of the last item that is gone", "numéro du dernier élément supprimé"),
            "gone_bytes": (
                "bytes that went through, for the queue's limit",
                "octets passés, pour la limite de la file",
            ),
        },
    ),
    "entries": Kept(
        ("An encrypted item that waits in a mailbox", "Un élément chiffré qui attend dans une boîte"),
        (
            "until the device acknowledges it, 30 days at the most",
            "jusqu'à l'accusé de réception, 30 jours au plus",
        ),
        {
            "mailbox": THE_MAILBOX,
            "sequence": ("its place in the queue", "place dans la file"),
            "envelope": (
                "random id, so that it is shown once",
                "identifiant aléatoire, pour n'être montré qu'une fois",
            ),
            "payload": ("where the ciphertext is", "emplacement du texte chiffré"),
            "total_bytes": ("running count, for the queue's limit", "cumul, pour la limite de la file"),
            "at": ("when it came, for the 30 days", "date d'arrivée, pour les 30 jours"),
        },
    ),
    "payloads": Kept(
        (
            "A ciphertext that waits, once for all its mailboxes",
            "Un texte chiffré en attente, en un exemplaire",
        ),
        (
            "until the last device acknowledges it, 30 days at the most",
            "jusqu'au dernier accusé de réception, 30 jours au plus",
        ),
        {
            "payload": ("number", "numéro"),
            "at": ("when it came", "date d'arrivée"),
            "data": (
                "ciphertext, to which the relay has no key",
                "texte chiffré dont le relais n'a pas la clé",
            ),
        },
    ),
    "shares": Kept(
        (
            "How many mailboxes a ciphertext still waits in",
            "Nombre de boîtes où un texte chiffré attend encore",
        ),
        ("as the ciphertext", "comme le texte chiffré"),
        {"payload": ("number", "numéro"), "mailboxes_left": ("how many", "combien")},
    ),
    "delivery_tokens": Kept(
        (
            "By what a mailbox takes messages from people who do not sign in",
            "Ce qui ouvre une boîte aux messages d'expéditeurs qui ne se connectent pas",
        ),
        WITH_THE_DEVICE,
        {
            "mailbox": THE_MAILBOX,
            "digest": (
                "hash of the token that the device handed out inside its conversations",
                "condensat du jeton que l'appareil a remis dans ses conversations",
            ),
            "before": (
                "hash of the token before, while it holds",
                "condensat du jeton précédent, tant qu'il vaut",
            ),
            "before_until": ("until when that holds", "date de fin du jeton précédent"),
        },
    ),
    "sent_ids": Kept(
        (
            "Ids of what was sent, without by whom, so that a repetition is stored once",
            "Identifiants des envois, sans expéditeur, pour ne les stocker qu'une fois",
        ),
        THIRTY_DAYS,
        {
            "id": ("random id", "identifiant aléatoire"),
            "digest": (
                "hash of what was sent; to whom is in no column",
                "condensat de l'envoi ; aucune colonne ne dit à qui",
            ),
            "expires": ("when it is forgotten", "date d'oubli"),
        },
    ),
    "key_packages": Kept(
        (
            "Public keys by which a device is added to conversations",
            "Clés publiques qui permettent d'ajouter un appareil à une conversation",
        ),
        ("until taken; that it was taken, 100 days", "jusqu'à l'usage ; la trace de l'usage, 100 jours"),
        {
            "mailbox": THE_MAILBOX,
            "digest": (
                "hash, so that none is given out twice",
                "condensat, pour n'en donner aucune deux fois",
            ),
            "position": ("order in which they are given out", "ordre de distribution"),
            "data": ("public keys; emptied once taken", "clés publiques ; vidé après usage"),
            "taken_at": ("when it was taken, not by whom", "date d'usage, sans dire par qui"),
        },
    ),
    "last_resort_packages": Kept(
        ("The key package for when all others are used up", "Le paquet de clés de dernier recours"),
        WITH_THE_DEVICE,
        {"mailbox": THE_MAILBOX, "data": ("public keys", "clés publiques")},
    ),
    "groups": Kept(
        (
            "A conversation, as a random number with a lock: so that one change at a time wins",
            "Une conversation, réduite à un nombre aléatoire et un verrou : un seul changement "
            "l'emporte à la fois",
        ),
        WHILE_RUNNING,
        {
            "group_id": ("random id, not linked to any line", "identifiant aléatoire, lié à aucune ligne"),
            "epoch": ("how often it changed", "nombre de changements"),
            "lock": ("hash that only members can open", "condensat que seuls les membres ouvrent"),
            "moved_at": ("when it last changed", "date du dernier changement"),
        },
    ),
    "codes": Kept(
        ("An activation code, as a hash", "Un code d'activation, sous forme de condensat"),
        ("a year after it was used or expired", "un an après usage ou expiration"),
        {
            "digest": ("hash of the code", "condensat du code"),
            "created_at": MADE_AT,
            "expires_at": ("until when it holds", "date d'expiration"),
            "used_at": (
                "on which day it was used; which line it made is in no column",
                "jour d'usage ; aucune colonne ne dit quelle ligne il a créée",
            ),
            "organisation": THE_ORGANISATION,
            "months": ("length of the term that it makes", "durée de la période créée"),
            "seller": ("the reseller who sold it", "revendeur qui l'a vendu"),
            "batch": ("the order it belongs to", "commande dont il fait partie"),
            "voided_at": ("when it was taken back", "date d'annulation"),
            "renewed": ("the line that it renewed", "ligne qu'il a renouvelée"),
        },
    ),
    "sellers": Kept(
        ("Resellers whose codes are not taken for now", "Revendeurs dont les codes ne sont pas acceptés"),
        ("until lifted", "jusqu'à la levée"),
        {
            "seller": ("the reseller's random id", "identifiant aléatoire du revendeur"),
            "withheld_at": ("since when", "depuis quand"),
        },
    ),
    "given_addresses": Kept(
        (
            "Addresses of forgotten lines, as a hash: so that nobody passes for who was there",
            "Adresses de lignes oubliées, en condensat : personne ne doit se faire passer pour "
            "l'ancien titulaire",
        ),
        FOR_GOOD,
        {"digest": ("hash of the address", "condensat de l'adresse"), "organisation": THE_ORGANISATION},
    ),
    "gone_devices": Kept(
        (
            "Devices of forgotten lines: so that who writes to them is not refused",
            "Appareils de lignes oubliées : pour ne pas refuser ceux qui leur écrivent encore",
        ),
        FOR_GOOD,
        {"device": THE_DEVICE},
    ),
    "attachments": Kept(
        ("An encrypted file that waits", "Un fichier chiffré en attente"),
        THIRTY_DAYS,
        {
            "attachment": (
                "random id; neither name nor sender",
                "identifiant aléatoire ; ni nom ni expéditeur",
            ),
            "token_digest": ("hash of the right to upload", "condensat du droit de dépôt"),
            "size": ("bytes of the ciphertext", "taille du texte chiffré"),
            "received": ("bytes that have come", "octets reçus"),
            "expires": ("when it is deleted", "date de suppression"),
        },
    ),
    "attachment_use": Kept(
        (
            "Room that a line used for files, per day, for its quota",
            "Place utilisée par une ligne, par jour, pour son quota",
        ),
        THIRTY_DAYS,
        {"line": THE_LINE, "day": ("day", "jour"), "bytes": ("bytes", "octets")},
    ),
    "push_subscriptions": Kept(
        (
            "Where a device's browser is knocked for; every knock is alike",
            "Où prévenir le navigateur d'un appareil ; tous les signaux sont identiques",
        ),
        (
            "until the device or its push service ends it",
            "jusqu'à la fin décidée par l'appareil ou son service de notification",
        ),
        {
            "mailbox": THE_MAILBOX,
            "endpoint": (
                "address at the browser's push service",
                "adresse auprès du service de notification du navigateur",
            ),
            "p256dh": ("the browser's public key", "clé publique du navigateur"),
            "auth": (
                "the browser's secret for that subscription",
                "secret du navigateur pour cet abonnement",
            ),
        },
    ),
    "organisations": Kept(
        ("A customer", "Un client"),
        FOR_GOOD,
        {
            "organisation": ("its random id", "identifiant aléatoire"),
            "name": ("its name", "nom"),
            "fleet_key": ("public key that signs its orders", "clé publique qui signe ses ordres"),
            "created_at": MADE_AT,
        },
    ),
    "rosters": Kept(
        (
            "Who its officers were and are, signed by them",
            "Qui sont et furent ses officiers, signé par eux",
        ),
        FOR_GOOD,
        {
            "organisation": ("whose", "organisation"),
            "version": ("number", "numéro"),
            "signed": (
                "officers' names and public keys, signatures",
                "noms et clés publiques des officiers, signatures",
            ),
        },
    ),
    "orders": Kept(
        (
            "An order of the customer: erase, lock, hold, policy",
            "Un ordre du client : effacer, verrouiller, conserver, politique",
        ),
        ("for good; one that nobody approved, 7 days", "sans limite ; un ordre non approuvé, 7 jours"),
        {
            "order_id": THE_ORDER,
            "kind": ("what was ordered", "nature de l'ordre"),
            "organisation": THE_ORGANISATION,
            "line": ("the line whose owner gave it", "ligne dont le titulaire l'a donné"),
            "officer": ("the officer who gave it", "officier qui l'a donné"),
            "signed": ("the order itself with its signatures", "l'ordre lui-même avec ses signatures"),
            "digest": (
                "hash, so that a repetition is answered again",
                "condensat, pour répondre à une répétition",
            ),
            "reason": ("why, in the officer's words", "motif, dans les mots de l'officier"),
            "salt": (
                "random number that hides the reason in the order",
                "aléa qui masque le motif dans l'ordre",
            ),
            "issued_at": ("when it was signed", "date de signature"),
            "given_at": ("when it came", "date de réception"),
            "executed_at": ("when it was carried out", "date d'exécution"),
            "alone": ("whether one officer signed it", "indique un seul signataire"),
            "for_all": ("whether it is for all lines", "indique un ordre pour toutes les lignes"),
        },
    ),
    "order_devices": Kept(
        ("How far an order is, device by device", "L'avancement d'un ordre, appareil par appareil"),
        FOR_GOOD,
        {
            "order_id": THE_ORDER,
            "device": THE_DEVICE,
            "line": THE_LINE,
            "ordered_at": ("when it was ordered", "date de l'ordre"),
            "unreadable_at": ("when its share was destroyed", "date de destruction de la part"),
            "told_at": ("when its removal was posted", "date d'envoi des retraits"),
            "removed_at": (
                "when it was out of all conversations",
                "date de sortie de toutes les conversations",
            ),
            "done_at": ("when the device reported", "date du compte rendu de l'appareil"),
            "receipt": ("the device's signed receipt", "reçu signé de l'appareil"),
            "doomed": ("whether its share is to be destroyed", "indique une part à détruire"),
        },
    ),
    "registers": Kept(
        (
            "In how many conversations a device is, sealed to its organisation's officers",
            "Les conversations d'un appareil, scellées pour les officiers de son organisation",
        ),
        (
            "until it is out of them, 30 days at most after it was signed out",
            "jusqu'à sa sortie, 30 jours au plus après sa révocation",
        ),
        {
            "device": THE_DEVICE,
            "sealed": ("ciphertext for the officers alone", "texte chiffré pour les seuls officiers"),
        },
    ),
    "enrolments": Kept(
        (
            "A new phone that two officers let into a line which lost its own",
            "Un nouveau téléphone que deux officiers font entrer dans une ligne qui a perdu le sien",
        ),
        (
            "with its line; one that nobody approved, 7 days",
            "avec sa ligne ; sans second officier, 7 jours",
        ),
        {
            "order_id": THE_ORDER,
            "organisation": THE_ORGANISATION,
            "line": THE_LINE,
            "device": THE_DEVICE,
            "signed": (
                "the order, with the phone's certificate: officers check by it why the line's key changed",
                "l'ordre, avec le certificat : les officiers y vérifient pourquoi la clé a changé",
            ),
            "reason": ("why, for the audit log", "le motif, pour le journal d'audit"),
            "salt": ("hides the reason from those who see the order", "cache le motif à qui voit l'ordre"),
            "given_at": ("when it was ordered", "date de l'ordre"),
            "announced_at": (
                "when the public log announced it: a day counts from there",
                "annonce au journal public : le jour d'attente part de là",
            ),
            "added_at": ("when the phone came", "arrivée du téléphone"),
            "withdrawn_at": ("when it was taken back", "date du retrait"),
        },
    ),
    "postings": Kept(
        ("A removal that is under way in a conversation", "Un retrait en cours dans une conversation"),
        ("until settled, 30 days at the most", "jusqu'à son terme, 30 jours au plus"),
        {
            "group_id": ("the conversation's random id", "identifiant aléatoire de la conversation"),
            "order_id": THE_ORDER,
            "device": THE_DEVICE,
            "settled_at": ("when it was done", "date d'achèvement"),
        },
    ),
    "proposals": Kept(
        ("A signed proposal to remove a device", "Une proposition signée de retrait d'un appareil"),
        ("until settled, 30 days at the most", "jusqu'à son terme, 30 jours au plus"),
        {
            "group_id": ("the conversation's random id", "identifiant aléatoire de la conversation"),
            "order_id": THE_ORDER,
            "device": THE_DEVICE,
            "epoch": ("for which state of the conversation", "état visé de la conversation"),
            "message": ("the proposal", "la proposition"),
        },
    ),
    "audit": Kept(
        (
            "The organisation's audit log, which officers verify",
            "Le journal d'audit de l'organisation, vérifié par ses officiers",
        ),
        FOR_GOOD,
        {
            "organisation": ("whose", "organisation"),
            "number": ("place in the log", "place dans le journal"),
            "at": AT,
            "entry": (
                "what was done, by which officer, to which lines, and why",
                "ce qui a été fait, par quel officier, sur quelles lignes, et pourquoi",
            ),
            "root": ("hash of the log up to here", "condensat du journal jusqu'ici"),
        },
    ),
    "audit_heads": Kept(
        ("The head of that log", "La tête de ce journal"),
        FOR_GOOD,
        {"organisation": ("whose", "organisation"), "chain": ("hashes", "condensats")},
    ),
    "alembic_version": Kept(
        ("Which schema the database has", "Version du schéma de la base"),
        WHILE_RUNNING,
        {"version_num": ("number", "numéro")},
    ),
}

SHARES: Final[Mapping[str, Kept]] = {
    "shares": Kept(
        ("The share of a device that has a PIN", "La part d'un appareil qui a un code PIN"),
        (
            "until it is destroyed by order or ten wrong PINs, or set anew",
            "jusqu'à sa destruction sur ordre ou après dix codes faux, ou son renouvellement",
        ),
        {
            "device": THE_DEVICE,
            "unlock_key": ("public key that signs its tries", "clé publique qui signe ses essais"),
            "wrapped": (
                "share and what a right PIN proves, encrypted under the epoch key",
                "part et preuve du bon code, chiffrées sous la clé d'époque",
            ),
            "tries": ("tries that are left", "essais restants"),
            "not_before": ("when the next try is looked at", "date du prochain essai"),
        },
    ),
    "gone": Kept(
        ("A device whose share was destroyed", "Un appareil dont la part a été détruite"),
        FOR_GOOD,
        {
            "device": THE_DEVICE,
            "unlock_key": ("public key, so that only it is told", "clé publique, pour n'informer que lui"),
            "ordered": ("whether it was ordered", "indique un ordre"),
        },
    ),
    "enrolments": Kept(
        (
            "Hashes of enrolments, so that none is taken twice",
            "Condensats d'enrôlements, pour n'en accepter aucun deux fois",
        ),
        FOR_GOOD,
        {"digest": ("hash", "condensat")},
    ),
    "meta": Kept(
        ("The state of the share store", "L'état du magasin de parts"),
        WHILE_RUNNING,
        {
            "epoch": ("name of the epoch key", "nom de la clé d'époque"),
            "counter": ("number of the last change", "numéro du dernier changement"),
            "changed_at": ("when that was", "date de ce changement"),
        },
    ),
}

FILES: Final = (
    KeptFile(
        "relay.db*",
        ("the tables of the relay", "les tables du relais"),
        ("as the tables say", "selon les tables"),
    ),
    KeptFile(
        "database.elsewhere",
        ("says that the tables are in PostgreSQL", "dit que les tables sont dans PostgreSQL"),
        WHILE_RUNNING,
    ),
    KeptFile("attachments/*", ("encrypted files that wait", "fichiers chiffrés en attente"), THIRTY_DAYS),
    KeptFile(
        "shares/shares.db*",
        ("the tables of the share service", "les tables du service des parts"),
        ("as the tables say", "selon les tables"),
    ),
    KeptFile(
        "shares/epoch",
        ("the key that shares are wrapped under", "la clé sous laquelle les parts sont chiffrées"),
        ("replaced and overwritten with each destruction", "remplacée et écrasée à chaque destruction"),
    ),
    KeptFile(
        "shares/service.key",
        ("what phones seal their tries to", "clé à laquelle les téléphones scellent leurs essais"),
        WHILE_RUNNING,
    ),
    KeptFile(
        "shares/head",
        ("signed number of the last change", "numéro signé du dernier changement"),
        WHILE_RUNNING,
    ),
    KeptFile(
        "shares/reserve",
        (
            "room, so that destroying works on a full disk",
            "réserve de place, pour pouvoir détruire sur un disque plein",
        ),
        WHILE_RUNNING,
    ),
    KeptFile("shares/lock", ("one process per folder", "un seul processus par dossier"), WHILE_RUNNING),
    KeptFile(
        "tls-*.pem",
        ("the relay's own certificate and key", "certificat et clé propres du relais"),
        WHILE_RUNNING,
    ),
    KeptFile(
        "tlog/*",
        ("the public transparency log, as it is served", "le journal public de transparence, tel que servi"),
        FOR_GOOD,
    ),
    KeptFile(
        "log.key",
        ("signs the heads of the transparency log", "signe les têtes du journal de transparence"),
        WHILE_RUNNING,
    ),
    KeptFile("push-key.pem", ("signs knocks", "signe les notifications"), WHILE_RUNNING),
    KeptFile(
        "served",
        (
            "the name and port of the last start: links are made of them",
            "le nom et le port du dernier démarrage : les liens en sont faits",
        ),
        WHILE_RUNNING,
    ),
    KeptFile(
        "clock",
        (
            "the last time that was believed: a clock that jumps ahead ends nothing",
            "la dernière heure admise : une horloge qui saute en avant ne met fin à rien",
        ),
        WHILE_RUNNING,
    ),
    KeptFile(
        "invoice-numbers",
        (
            "the highest invoice number of each year: none is given twice",
            "le plus haut numéro de facture de chaque année : aucun n'est donné deux fois",
        ),
        WHILE_RUNNING,
    ),
    KeptFile("relay.lock", ("one relay per folder", "un seul relais par dossier"), WHILE_RUNNING),
    KeptFile(
        "set-up.lock",
        (
            "of several gateways one makes tables and keys",
            "de plusieurs passerelles, une crée tables et clés",
        ),
        WHILE_RUNNING,
    ),
    KeptFile("desk.lock", ("one desk per folder", "un seul guichet par dossier"), WHILE_RUNNING),
    KeptFile(
        "desk/desk.db*",
        ("the tables of the desk", "les tables du guichet"),
        ("as the tables say", "selon les tables"),
    ),
    KeptFile(
        "desk/*",
        ("what the desk made for its customers: invoices, keys", "pièces du guichet : factures, clés"),
        ("as the law asks for", "durée légale"),
    ),
    KeptFile(
        "dossier/declared*.json",
        ("what was declared, with date and version", "ce qui a été déclaré, avec date et version"),
        FOR_GOOD,
    ),
    KeptFile("dossier/operator-key*", ("signs disclosures", "signe les communications"), WHILE_RUNNING),
)
