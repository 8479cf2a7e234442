"""What the command line says of the transparency log, in English and in French."""

from __future__ import annotations

from typing import Final

LOG_WORDS: Final[dict[str, tuple[str, str]]] = {
    "audit.head": (
        "{origin}: {size} entries, signed {when}\n  root {root}",
        "{origin} : {size} entrées, signé {when}\n  racine {root}",
    ),
    "audit.no_witness": (
        "  no witness has seen it: whether others are shown the same log, this does not tell",
        "  aucun témoin ne l'a vu : rien ne dit que d'autres voient le même journal",
    ),
    "audit.whole": (
        "Every entry is one that the log may hold, every tile leads to the root, every signature holds.",
        "Chaque entrée est permise, chaque tuile mène à la racine, chaque signature est valide.",
    ),
    "audit.lines": (
        "  {lines} lines with {devices} devices, {revoked} of them revoked",
        "  {lines} lignes et {devices} appareils, dont {revoked} révoqués",
    ),
    "audit.officers": (
        "  {organisations} organisations with {officers} officers",
        "  {organisations} organisations et {officers} responsables",
    ),
    "audit.release": (
        "  release {version} of the phone's page: {digest}",
        "  version {version} de la page du téléphone : {digest}",
    ),
    "audit.unvouched": (
        "  {count} devices were there before the log began: nobody has vouched for them",
        "  {count} appareils précèdent le journal : personne ne s'est porté garant d'eux",
    ),
    "audit.own_word": (
        "The keys are the relay's own word. Compare them with others, then give them with --policy.",
        "Les clés sont celles que le relais annonce. Comparez-les avec d'autres, puis donnez --policy.",
    ),
    "audit.new": ("  new: {count} {kind}", "  nouveau : {count} {kind}"),
    "audit.old": (
        "The head is of {when}: somebody keeps a newer one back, or the relay has stood still.",
        "La tête date du {when} : on en retient une plus récente, ou le relais est arrêté.",
    ),
    "audit.caught": (
        "The log is not what it must be: {why}. Tell others who use this relay; do not rely on it.",
        "Le journal n'est pas ce qu'il doit être : {why}. Prévenez les autres ; ne vous y fiez pas.",
    ),
    "audit.passing": (
        "This head is not taken: {why}. Looking again.",
        "Cette tête n'est pas retenue : {why}. Nouvel essai.",
    ),
    "audit.evidence": ("Both heads are kept in {path}.", "Les deux têtes sont gardées dans {path}."),
    "audit.no_answer": ("No answer now ({code}); trying again.", "Pas de réponse ({code}) ; nouvel essai."),
    "audit.no_policy": ("The policy cannot be read.", "La politique ne peut être lue."),
    "audit.other_policy": (
        "What was seen last was seen under another policy; name another file with --state.",
        "Le dernier état a été vu avec une autre politique ; donnez un autre fichier avec --state.",
    ),
    "log.unwatched": (
        "This relay has no transparency log that this device knows of.",
        "Ce relais n'a pas de journal de transparence connu de cet appareil.",
    ),
    "log.head": (
        "{origin}: {entries} entries read and checked, signed {when}",
        "{origin} : {entries} entrées lues et vérifiées, signé {when}",
    ),
    "log.root": (
        "  root {root}",
        "  racine {root}",
    ),
    "log.signer.log": (
        "  signed by the log {name}",
        "  signé par le journal {name}",
    ),
    "log.signer.witness": (
        "  seen by the witness {name}, {when}",
        "  vu par le témoin {name}, {when}",
    ),
    "log.devices": (
        "This line's devices in the log:",
        "Les appareils de cette ligne dans le journal :",
    ),
    "log.device": (
        "  {device} since {when}{more}",
        "  {device} depuis {when}{more}",
    ),
    "log.device.this": (
        ", this one",
        ", celui-ci",
    ),
    "log.device.revoked": (
        ", signed out {when}",
        ", déconnecté {when}",
    ),
    "log.device.unknown": (
        ", NOT LET IN BY THIS LINE",
        ", PAS ADMIS PAR CETTE LIGNE",
    ),
    "log.alarms": (
        "Alarms:",
        "Alertes :",
    ),
    "log.alarm": (
        "  {number}. {when} {text} [{code}]",
        "  {number}. {when} {text} [{code}]",
    ),
    "log.alarm.settled": (
        " (settled)",
        " (réglée)",
    ),
    "log.no_alarms": (
        "Nothing is amiss.",
        "Rien à signaler.",
    ),
    "log.forked": (
        "The relay shows different people different logs, or has changed its log's past. Nothing that you "
        "write is sent until you decide: keep the evidence (chappe log evidence), and tell your "
        "organisation by another way; then: chappe log settle",
        "Le relais montre des journaux différents à des personnes différentes, ou a réécrit le passé du "
        "journal. Rien de ce que vous écrivez n'est envoyé avant que vous ne décidiez : gardez les preuves "
        "(chappe log evidence) et prévenez votre organisation par une autre voie ; puis : chappe log settle",
    ),
    "log.forked.by": (
        "{address} was shown another log than this device. Nothing that you write is sent until you decide:"
        " compare in person; keep the evidence (chappe log evidence), and tell your organisation by another"
        " way; then: chappe log settle",
        "Un autre journal a été montré à {address}. Rien de ce que vous écrivez n'est envoyé avant que vous "
        "ne décidiez : comparez de vive voix ; gardez les preuves (chappe log evidence) et prévenez votre "
        "organisation par une autre voie ; puis : chappe log settle",
    ),
    "log.frozen": (
        "The relay has shown no fresh head of its log for a day, or none at all: new devices may be kept "
        "from you. Check this device's clock; then ask the relay's operator.",
        "Le relais ne montre plus d'état récent de son journal depuis un jour, ou plus de journal du tout :"
        " de nouveaux appareils peuvent vous être cachés. Vérifiez l'heure de cet appareil, puis demandez à"
        " l'opérateur du relais.",
    ),
    "log.not_there": (
        "A device of {address} is not in the log: it may be an impostor's. Nothing is sent where it is. Ask"
        " its owner by another way; then remove it, or: chappe log accept {address}",
        "Un appareil de {address} n'est pas dans le journal : c'est peut-être celui d'un imposteur. Rien "
        "n'est envoyé là où il se trouve. Demandez à son propriétaire par une autre voie ; puis retirez-le,"
        " ou : chappe log accept {address}",
    ),
    "log.own_line": (
        "The log shows a device of your own line that your devices did not let in. If it is not yours: "
        "revoke it (chappe devices), and tell your organisation at once by another way.",
        "Le journal montre un appareil de votre ligne que vos appareils n'ont pas admis. S'il n'est pas à "
        "vous : révoquez-le (chappe devices) et prévenez aussitôt votre organisation par une autre voie.",
    ),
    "log.broken": (
        "The relay's log holds an entry that it may not hold: nothing new in it is believed. Keep the "
        "evidence (chappe log evidence), and tell your organisation by another way.",
        "Le journal du relais contient une entrée interdite : rien de nouveau n'y est cru. Gardez les "
        "preuves (chappe log evidence) et prévenez votre organisation par une autre voie.",
    ),
    "relay.silent": (
        "The relay is holding back what is for this device: it took messages that this device sent to "
        "itself, and handed none of them out. What others write may not reach you. Ask them by another "
        "way, and tell your organisation.",
        "Le relais retient ce qui est destiné à cet appareil : il a pris des messages que cet appareil "
        "s'est envoyés à lui-même, et n'en a rendu aucun. Ce que les autres écrivent peut ne pas vous "
        "parvenir. Demandez-leur par une autre voie, et prévenez votre organisation.",
    ),
    "relay.key_reused": (
        "Somebody was let into a conversation with you by a key of yours that had been used already. The "
        "relay hands each of these keys out once: it has made a mistake, or is playing a trick. You are not "
        "in that conversation. Ask whoever wanted to write to you to try again, and tell your organisation.",
        "Quelqu'un a voulu vous joindre avec une de vos clés qui avait déjà servi. Le relais ne donne chaque "
        "clé qu'une fois : il s'est trompé, ou il vous trompe. Vous n'êtes pas dans cette conversation. "
        "Demandez à qui voulait vous écrire de réessayer, et prévenez votre organisation.",
    ),
    "log.settled.event": (
        "The log shows the device of {address} now: sending goes on.",
        "Le journal montre désormais l'appareil de {address} : l'envoi reprend.",
    ),
    "log.accepted": (
        "Its devices are written to from now on.",
        "Ses appareils reçoivent désormais.",
    ),
    "log.put_away": (
        "The alarm is settled; its evidence stays.",
        "L'alerte est réglée ; ses preuves restent.",
    ),
    "log.start_over.explain": (
        "This device gives up the log that it has believed so far, and trusts the one that the relay shows "
        "now. Do it only if the operator has told you by another way that the log's keys were replaced.",
        "Cet appareil abandonne le journal auquel il se fiait, et se fie à celui que le relais montre "
        "maintenant. Ne le faites que si l'opérateur vous a dit, par une autre voie, que les clés du "
        "journal ont été remplacées.",
    ),
    "log.start_over.ask": (
        "Type {word} to go on",
        "Tapez {word} pour continuer",
    ),
    "log.start_over.not": (
        "Nothing was changed.",
        "Rien n'a été changé.",
    ),
}
