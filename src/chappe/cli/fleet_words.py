"""What officers' commands say, in English and in French.

`erase.limits.*` is the one place that says what erasing does not do: docs/security.md, docs/fleet.md and
docs/fleet.fr.md have the same sentences, and a test holds them to it.
"""

from __future__ import annotations

from typing import Final

FLEET_WORDS: Final[dict[str, tuple[str, str]]] = {
    "erase.limits.title": ("What erasing does not do:", "Ce que l'effacement ne fait pas :"),
    "erase.limits.1": (
        "A phone that is open in the thief's hand shows what it shows, until it hears the order or locks.",
        "Un téléphone ouvert dans la main du voleur montre ce qu'il montre, jusqu'à ce qu'il reçoive l'ordre "
        "ou se verrouille.",
    ),
    "erase.limits.2": (
        "Whoever seized the relay before the order, and has the phone, can try PINs without limit: a short "
        "PIN falls.",
        "Qui a saisi le relais avant l'ordre, et tient le téléphone, peut essayer des codes sans limite : un "
        "code court tombe.",
    ),
    "erase.limits.3": (
        "Where the policy allows offline hours, a phone without network opens with its PIN until they are "
        "over.",
        "Là où la politique permet des heures hors ligne, un téléphone sans réseau s'ouvre avec son code "
        "jusqu'à leur fin.",
    ),
    "erase.does": (
        "Erasing destroys the relay's share of the vault, so that a locked phone never opens again, even one "
        "that is off; signs the device out for good; removes it from its conversations; and has it destroy "
        "what it holds when it shows up. A whole line is closed. It cannot be undone.",
        "L'effacement détruit la part du coffre que garde le relais, si bien qu'un téléphone verrouillé ne "
        "s'ouvre plus jamais, même éteint ; déconnecte l'appareil pour de bon ; le retire de ses "
        "conversations ; et lui fait détruire ce qu'il contient quand il réapparaît. Une ligne entière est "
        "fermée. C'est irréversible.",
    ),
    "revoke.does": (
        "Revoking signs the device out for good and removes it from its conversations. What it holds, it "
        "keeps.",
        "La révocation déconnecte l'appareil pour de bon et le retire de ses conversations. Ce qu'il "
        "contient, il le garde.",
    ),
    "erase.about": ("To be erased:", "À effacer :"),
    "revoke.about": ("To be revoked:", "À révoquer :"),
    "confirm.address": ("Type {what} to go on", "Tapez {what} pour continuer"),
    "confirm.count": (
        "Type the number of lines, {what}, to go on",
        "Tapez le nombre de lignes, {what}, pour continuer",
    ),
    "nothing.done": ("Nothing was done.", "Rien n'a été fait."),
    "chosen.whole": ("the whole line (devices: {count})", "toute la ligne (appareils : {count})"),
    "erase.unreadable": (
        "Unreadable: no share of it is released any more.",
        "Illisible : plus aucune part n'est délivrée.",
    ),
    "erase.not_yet": (
        "The share service did not answer: NOT yet unreadable. The relay goes on asking it; see the status.",
        "Le service des parts ne répond pas : PAS encore illisible. Le relais insiste ; suivez l'état.",
    ),
    "erase.status.hint": (
        "To follow it: chappe erase status {id} --watch",
        "Pour suivre : chappe erase status {id} --watch",
    ),
    "order.given": ("Order {id} is given.", "L'ordre {id} est donné."),
    "order.awaiting": (
        "Order {id} waits for a second officer: chappe erase approve. NOTHING was done yet.",
        "L'ordre {id} attend un second officier : chappe erase approve. RIEN n'est encore fait.",
    ),
    "order.unsealed": (
        "The conversations of device {device} are not known: it left no register that opens.",
        "Les conversations de l'appareil {device} sont inconnues : il n'a pas laissé de registre lisible.",
    ),
    "order.ask.policy": ("Set this policy?", "Fixer cette politique ?"),
    "order.ask.hold": ("Put {count} lines under legal hold?", "Placer {count} lignes sous séquestre ?"),
    "order.ask.release": ("End the legal hold of {count} lines?", "Lever le séquestre de {count} lignes ?"),
    "order.ask.lock": ("Lock them?", "Les verrouiller ?"),
    "approve.about": ("Ordered by {by}, because: {reason}", "Ordonné par {by}, motif : {reason}"),
    "approve.ask": ("Approve this order ({kind}, {count})?", "Approuver cet ordre ({kind}, {count}) ?"),
    "order.head": (
        "{kind}  {id}  by {by}, {when}: {reason}",
        "{kind}  {id}  par {by}, {when} : {reason}",
    ),
    "order.by.owner": ("the line's owner", "le titulaire de la ligne"),
    "order.waits": (
        "  Waits for a second officer: chappe erase approve {id}",
        "  Attend un second officier : chappe erase approve {id}",
    ),
    "order.false": (
        "  ! The receipt of {device} does not hold: it is NOT shown to be erased.",
        "  ! Le reçu de {device} ne tient pas : son effacement n'est PAS prouvé.",
    ),
    "order.no_pin": (
        "  ! {device} had no PIN: nothing makes it unreadable. Only its receipt shows that it is erased.",
        "  ! {device} n'avait pas de code : rien ne le rend illisible. Seul son reçu prouve l'effacement.",
    ),
    "order.missing": (
        "  ! The relay says nothing of {device}, which the order names.",
        "  ! Le relais ne dit rien de {device}, que l'ordre nomme.",
    ),
    "orders.none": ("No orders.", "Aucun ordre."),
    "kind.erase": ("ERASE", "EFFACER"),
    "kind.revoke": ("REVOKE", "RÉVOQUER"),
    "kind.lock": ("LOCK", "VERROUILLER"),
    "kind.policy": ("POLICY", "POLITIQUE"),
    "kind.hold": ("HOLD", "SÉQUESTRE"),
    "kind.release": ("RELEASE", "LEVÉE"),
    "stage.device": ("device", "appareil"),
    "stage.ordered": ("ordered", "ordonné"),
    "stage.unreadable": ("unreadable", "illisible"),
    "stage.no_pin": ("no PIN", "sans code"),
    "stage.removed": ("removed from", "retiré de"),
    "stage.done.erase": ("erased (receipt)", "effacé (reçu)"),
    "stage.done.revoke": ("revoked (receipt)", "révoqué (reçu)"),
    "stage.done.lock": ("locked (receipt)", "verrouillé (reçu)"),
    "stage.done.policy": ("taken (receipt)", "appliquée (reçu)"),
    "stage.done.hold": ("", ""),
    "stage.done.release": ("", ""),
    "removed.unknown": ("?", "?"),
    "removed.count": ("{done} of {all}", "{done} sur {all}"),
    "line.held": ("[legal hold]", "[séquestre]"),
    "line.closed": ("[erased]", "[effacée]"),
    "device.gone": ("signed out", "déconnecté"),
    "policy.offline": (
        "With {hours} offline hours, a stolen phone without network opens with its PIN for as long.",
        "Avec {hours} heures hors ligne, un téléphone volé sans réseau s'ouvre avec son code d'autant.",
    ),
    "policy.disappear": (
        "This binds your organisation's devices, from now on and {time} after reading. Others' devices keep "
        "what they receive by their own rules, and nothing stops a person from noting what they read.",
        "Cela lie les appareils de votre organisation, dès maintenant et {time} après lecture. Ceux des "
        "autres gardent ce qu'ils reçoivent selon leurs propres règles, et rien n'empêche de noter ce "
        "qu'on lit.",
    ),
    "audit.holds": (
        "The log holds: {size} entries, {seen} of them seen before; root {root}…",
        "Le journal tient : {size} entrées, dont {seen} déjà vues ; racine {root}…",
    ),
    "passphrase.explain": (
        "Choose a passphrase of twelve characters or more for your officer's file. Nobody can give it back; "
        "who has the file and the passphrase gives orders in your name.",
        "Choisissez une phrase secrète de douze caractères ou plus pour votre fichier d'officier. Personne "
        "ne peut vous la rendre ; qui a le fichier et la phrase ordonne en votre nom.",
    ),
    "passphrase.ask": ("Passphrase of the officer's file: ", "Phrase secrète du fichier d'officier : "),
    "passphrase.ask.new": ("New passphrase: ", "Nouvelle phrase secrète : "),
    "passphrase.ask.again": ("Once more: ", "Encore une fois : "),
    "founded": (
        "{organisation} is founded, with you as its officer. Your file: {path}",
        "{organisation} est fondée, vous en êtes l'officier. Votre fichier : {path}",
    ),
    "founded.next": (
        "Give {path} to your operator, who makes activation codes for your lines with it.",
        "Remettez {path} à votre opérateur, qui en fait des codes d'activation pour vos lignes.",
    ),
    "founded.digits": (
        "The organisation's fleet key, to compare: {digits}",
        "La clé de flotte de l'organisation, à comparer : {digits}",
    ),
    "request.made": (
        "Your request is in {path}: give it to an officer.",
        "Votre demande est dans {path} : remettez-la à un officier.",
    ),
    "request.digits": (
        "Its digits, for the officer to compare by voice: {digits}",
        "Ses chiffres, que l'officier comparera de vive voix : {digits}",
    ),
    "request.compare": (
        "{name} asks to be an officer. Compare by voice: {digits}",
        "{name} demande à être officier. Comparez de vive voix : {digits}",
    ),
    "request.same": ("Are they the same?", "Sont-ils identiques ?"),
    "draft.adds": ("Appoints {name} ({id}).", "Nomme {name} ({id})."),
    "draft.removes": ("Removes {name} ({id}).", "Révoque {name} ({id})."),
    "draft.ask": ("Sign this?", "Signer ?"),
    "draft.made": (
        "It takes a second officer: give {path} to one (chappe fleet officer sign).",
        "Il faut un second officier : remettez-lui {path} (chappe fleet officer sign).",
    ),
    "roster.amended": ("The roster is amended.", "La liste des officiers est modifiée."),
    "answer.made": (
        "Give {path} to the new officer (chappe fleet officer accept). It opens with their file alone.",
        "Remettez {path} au nouvel officier (chappe fleet officer accept). Seul son fichier l'ouvre.",
    ),
    "accepted": ("You are an officer of {organisation}.", "Vous êtes officier de {organisation}."),
    "officer.you": ("(you)", "(vous)"),
    "officer.removed.hint": (
        "Orders that only the removed officer signed no longer hold with phones: sign them again with "
        "chappe erase approve, where they are not finished.",
        "Les ordres que seul l'officier révoqué a signés ne valent plus pour les téléphones : signez-les à "
        "nouveau avec chappe erase approve, s'ils ne sont pas terminés.",
    ),
    "enrol.link": (
        "Hand this to {address}'s person. On the new phone it goes under “I lost my only phone”; in a "
        "terminal, after chappe recover.",
        "Remettez ceci au titulaire de {address}. Sur le nouveau téléphone : « J'ai perdu mon seul "
        "téléphone » ; dans un terminal, après chappe recover.",
    ),
    "enrol.compare": (
        "A new phone for {address}. Have its person read out, by voice: {digits}",
        "Un nouveau téléphone pour {address}. Faites lire de vive voix : {digits}",
    ),
    "enrol.does": (
        "It takes the line over, with a new identity key: contacts are told, and have to accept it. It gets "
        "none of the old messages.",
        "Il reprend la ligne, avec une nouvelle clé d'identité : les contacts en sont avertis et devront "
        "l'accepter. Il ne reçoit aucun ancien message.",
    ),
    "enrol.alive": (
        "The line has {count} devices that are not signed out. Erase or revoke them (chappe erase "
        "{address}/DEVICE), or the new phone does not come in.",
        "La ligne a {count} appareils non déconnectés. Effacez-les ou révoquez-les (chappe erase "
        "{address}/APPAREIL), sinon le nouveau téléphone n'entre pas.",
    ),
    "enrol.awaits": (
        "Order {id} waits for a second officer: chappe fleet enrol approve {id}. Nothing is announced yet.",
        "L'ordre {id} attend un second officier : chappe fleet enrol approve {id}. Rien n'est annoncé.",
    ),
    "enrol.announced": (
        "Order {id} is announced. The phone comes in from {when} on; to take it back: chappe fleet enrol "
        "cancel {id}",
        "L'ordre {id} est annoncé. Le téléphone entre à partir de {when} ; pour le retirer : chappe fleet "
        "enrol cancel {id}",
    ),
    "enrol.entered": ("Order {id}: the phone has come.", "Ordre {id} : le téléphone est entré."),
    "enrol.withdrawn": ("Order {id} was taken back.", "L'ordre {id} a été retiré."),
    "enrol.about": ("By {by}, because: {reason}", "Par {by}, motif : {reason}"),
    "enrol.cancel": ("Take this order back?", "Retirer cet ordre ?"),
    "enrol.none": ("No new phones.", "Aucun nouveau téléphone."),
    "enrol.refused": (
        "It does not come. Officers meant it: ask them why.",
        "Il n'entre pas. Des officiers l'ont voulu : demandez-leur pourquoi.",
    ),
    "enrol.coming": (
        "New phones on their way to this line: {count}. If you did not lose a phone, refuse it, and ask your "
        "officers.",
        "Nouveaux téléphones en route vers cette ligne : {count}. Si vous n'avez rien perdu, refusez, et "
        "interrogez vos officiers.",
    ),
    "recover.request": (
        "Send this to the officer, and read the digits out by voice, not by the same way:",
        "Envoyez ceci à l'officier, et lisez-lui les chiffres de vive voix, par une autre voie :",
    ),
    "recover.again": (
        "A day after two officers have approved it, run: chappe recover",
        "Un jour après l'accord de deux officiers, lancez : chappe recover",
    ),
    "roster.version": ("Roster version {version}, of {date}.", "Liste version {version}, du {date}."),
}
