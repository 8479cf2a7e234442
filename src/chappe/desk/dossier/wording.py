"""What several papers say alike: algorithms, keys, references, sources, in both languages."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, TypeAlias

from chappe.desk.dossier.paper import AnyBlock, Grid, Hex, Language, Lead, Text
from chappe.desk.dossier.references import Reference
from chappe.wire.cryptology import TABLE, Family, Function, Row

Say: TypeAlias = Callable[[str, str], str]


def say_in(language: Language) -> Say:
    """`say(english, french)`."""
    return lambda english, french: french if language == "fr" else english


_FAMILIES: Final = {
    Family.CIPHER: ("Encryption", "Chiffrement"),
    Family.AGREEMENT: ("Key exchange", "Échange de clés"),
    Family.SIGNATURE: ("Signature", "Signature"),
    Family.HASH: ("Hash", "Condensat"),
    Family.MAC: ("Message authentication", "Authentification de message"),
    Family.DERIVATION: ("Key derivation", "Dérivation de clés"),
    Family.RANDOM: ("Random numbers", "Aléa"),
    Family.COMPARISON: ("Comparison", "Comparaison"),
    Family.PROTOCOL: ("Protocol", "Protocole"),
}
_FUNCTIONS: Final = {
    Function.AUTHENTICATION: ("authentication", "authentification"),
    Function.INTEGRITY: ("integrity", "intégrité"),
    Function.CONFIDENTIALITY: ("confidentiality", "confidentialité"),
    Function.SIGNATURE: ("signature", "signature"),
}
_MODES: Final = {
    "hybrid KEM": "KEM hybride",
    "hash": "condensat",
    "hash, XOF": "condensat, XOF",
    "password hashing": "étirement de mot de passe",
    "of the operating system": "du système d'exploitation",
    "constant time": "temps constant",
    "module-lattice": "réseaux euclidiens",
    "CBC, HMAC-SHA-512 per page": "CBC, HMAC-SHA-512 par page",
    "base": "mode de base",
    "passkeys": "clés d'accès",
}
_PARAMETERS: Final = {
    "aes-256-cbc-hmac": "page de 4096 octets, vecteur d'initialisation aléatoire de 128 bits, clé donnée "
    "telle quelle, clé d'authentification des pages par PBKDF2-HMAC-SHA-512",
    "aes-256-gcm": "nonce de 96 bits, étiquette de 128 bits",
    "aes-128-gcm": "nonce de 96 bits, étiquette de 128 bits",
    "chacha20-poly1305": "nonce de 96 bits, étiquette de 128 bits",
    "x-wing": "ML-KEM-768 et X25519, combinaison par SHA3-256 ; clé d'encapsulation de 9728 bits",
    "ml-kem-768": "réseaux euclidiens, catégorie 3 ; clé d'encapsulation de 9472 bits, secret de 256 bits",
    "ecdh-nist": "points non compressés",
    "ed25519": "déterministe, signature de 512 bits",
    "ed448": "déterministe, signature de 912 bits",
    "ecdsa-nist": "SHA-256, SHA-384, SHA-512 ; déterministe (RFC 6979) dans MLS",
    "rsa-verify": "SHA-256, vérification seulement ; la clé est celle de l'authentificateur, de 2048 bits "
    "avec Windows Hello",
    "webauthn": "ES256, EdDSA, RS256 ; vérification seulement",
    "ml-dsa-44": "catégorie 2 ; clé publique de 10496 bits, signature de 19360 bits",
    "sha-256": "sortie de 256 bits",
    "sha-384": "sortie de 384 bits",
    "sha-512": "sortie de 512 bits",
    "sha3": "sortie de 256 bits ; 256 et 768 bits",
    "hmac-sha-2": "étiquettes de 64 à 512 bits",
    "hkdf-sha-2": "sans sel, paramètres « info » étiquetés",
    "argon2id": "65536 Kio, 3 passes, 1 voie, sel de 256 bits",
    "os-random": "getrandom(2), WebCrypto",
    "mls": "suite par défaut 0xF00D",
    "hpke": "X-Wing, HKDF-SHA-512, AES-256-GCM",
    "tls": "au moins 1.2 ; suites de la liste par défaut d'OpenSSL ; certificat ECDSA P-256 propre, ou "
    "certificat fourni",
    "web-push": "ECDH et ECDSA sur P-256, AES-128-GCM",
}
"""In French. A test holds their numbers to those of the table."""
_LIBRARIES: Final = (
    ("the browser", "le navigateur"),
    ("browser (subresource integrity)", "navigateur (intégrité des sous-ressources)"),
    ("own engine, primitives of cryptography", "moteur propre, primitives de cryptography"),
    ("; ", " ; "),
)
_NAMES: Final = {"CSPRNG": "Générateur d'aléa", "Comparison": "Comparaison"}


def family(row: Row, language: Language) -> str:
    return say_in(language)(*_FAMILIES[row.family])


def functions(row: Row, language: Language) -> str:
    say = say_in(language)
    return ", ".join(say(*_FUNCTIONS[one]) for one in row.functions)


def bits(row: Row, language: Language) -> str:
    """The longest key. What has none says so, as the form asks it to."""
    if row.key_bits is None:
        return say_in(language)("none", "NA")
    return f"{row.key_bits:,}".replace(",", "," if language == "en" else "\u202f") + " bits"


def algorithm(row: Row, language: Language) -> str:
    return _NAMES.get(row.algorithm, row.algorithm) if language == "fr" else row.algorithm


def mode(row: Row, language: Language) -> str:
    return _MODES.get(row.mode, row.mode) if language == "fr" else row.mode


def parameters(row: Row, language: Language) -> str:
    return _PARAMETERS.get(row.id, row.parameters) if language == "fr" else row.parameters


def library(row: Row, language: Language) -> str:
    text = row.library
    if language == "fr":
        for english, french in _LIBRARIES:
            text = text.replace(english, french)
    return text


def algorithms() -> list[Row]:
    """What is no protocol and no comparison: the rows of the form's table."""
    return [row for row in TABLE if row.family not in (Family.PROTOCOL, Family.COMPARISON)]


def protocols() -> list[Row]:
    return [row for row in TABLE if row.family is Family.PROTOCOL]


def form_table(language: Language) -> Grid:
    """Algorithm, mode, longest key, function: the columns of the form."""
    say = say_in(language)
    return Grid(
        [
            say("Algorithm", "Algorithme"),
            say("Mode", "Mode"),
            say("Longest key", "Taille de clé maximale"),
            say("Function", "Fonction"),
        ],
        [
            [
                algorithm(row, language),
                mode(row, language),
                bits(row, language),
                f"{family(row, language)}{say(': ', ' : ')}{_inside(row.use[language])}",
            ]
            for row in algorithms()
        ],
        [1.3, 1.5, 1.1, 3.4],
        "",
    )


def _inside(text: str) -> str:
    """A text as it goes on after a colon: names keep their capital."""
    plain = text[1:2].islower() and not text.startswith("Web ")
    return text[:1].lower() + text[1:] if plain else text


def standards_table(language: Language) -> Grid:
    say = say_in(language)
    return Grid(
        [
            say("Algorithm or protocol", "Algorithme ou protocole"),
            say("Standards", "Normes"),
            say("Library", "Bibliothèque"),
            say("Functions", "Fonctions"),
        ],
        [
            [
                algorithm(row, language),
                ", ".join(row.standards),
                library(row, language),
                functions(row, language),
            ]
            for row in TABLE
            if row.standards
        ],
        [1.4, 2.1, 2.2, 1.7],
        "",
    )


def keys_table(language: Language) -> Grid:
    """Where each key is made, how it travels, where it lies, how it ends."""
    say = say_in(language)
    return Grid(
        [
            say("Key", "Clé"),
            say("Generation", "Génération"),
            say("Distribution", "Distribution"),
            say("Storage", "Stockage"),
            say("Destruction", "Destruction"),
        ],
        [[say(*cell) for cell in row] for row in _KEYS],
        [1.25, 1.35, 1.7, 1.5, 1.6],
        "",
    )


_KEYS: Final = (
    (
        ("Identity of a line (Ed25519)", "Identité d'une ligne (Ed25519)"),
        ("On its first device, system random", "Sur son premier appareil, aléa du système"),
        (
            "Public: in device certificates. Private: to a linked device alone, over an end-to-end encrypted "
            "link that begins with a QR code",
            "Publique : dans les certificats d'appareil. Privée : vers un appareil lié seulement, "
            "par un lien "
            "chiffré de bout en bout qui commence par un QR code",
        ),
        ("In the device's vault", "Dans le coffre de l'appareil"),
        ("With the vault", "Avec le coffre"),
    ),
    (
        ("Device signature (Ed25519)", "Signature d'un appareil (Ed25519)"),
        ("On the device", "Sur l'appareil"),
        ("Public: in its certificate", "Publique : dans son certificat"),
        ("In its vault", "Dans son coffre"),
        ("With the vault; revoked by order", "Avec le coffre ; révoquée sur ordre"),
    ),
    (
        ("Secrets of a conversation (MLS)", "Secrets d'une conversation (MLS)"),
        ("By its members, anew with each epoch", "Par ses membres, à nouveau à chaque époque"),
        ("Sealed to each member (X-Wing)", "Scellés à chaque membre (X-Wing)"),
        ("In the vaults of members", "Dans les coffres des membres"),
        (
            "A message's key after one use; two past epochs for 24 hours at the most",
            "La clé d'un message après usage ; deux époques passées pendant 24 heures au plus",
        ),
    ),
    (
        ("Key of a file (AES-256)", "Clé d'un fichier (AES-256)"),
        ("By the sender, one a file", "Par l'expéditeur, une par fichier"),
        ("Inside the encrypted message", "Dans le message chiffré"),
        ("In the vaults of members", "Dans les coffres des membres"),
        ("With the message", "Avec le message"),
    ),
    (
        ("Vault key (256 bits)", "Clé du coffre (256 bits)"),
        ("On the device", "Sur l'appareil"),
        ("None", "Aucune"),
        (
            "Wrapped under a key from PIN, device secret and share",
            "Enveloppée sous une clé tirée du code, du secret de l'appareil et de la part",
        ),
        (
            "Overwritten at lock; unreadable once the share is destroyed",
            "Écrasée au verrouillage ; illisible dès que la part est détruite",
        ),
    ),
    (
        ("Share (256 bits)", "Part (256 bits)"),
        ("On the device", "Sur l'appareil"),
        (
            "To the share service, sealed (X-Wing); back for the right PIN, ten tries",
            "Au service des parts, scellée (X-Wing) ; rendue contre le bon code, dix essais",
        ),
        (
            "At the share service, wrapped under an epoch key that no backup holds",
            "Au service des parts, sous une clé d'époque qui n'est dans aucune sauvegarde",
        ),
        (
            "Row deleted, epoch key replaced and overwritten",
            "Ligne supprimée, clé d'époque remplacée et écrasée",
        ),
    ),
    (
        (
            "Fleet and officers' keys (Ed25519, X-Wing)",
            "Clés de flotte et des officiers (Ed25519, X-Wing)",
        ),
        ("On the officer's machine", "Sur la machine de l'officier"),
        ("From officer to officer, sealed (X-Wing)", "D'officier à officier, scellées (X-Wing)"),
        (
            "In the officer's file, sealed under a passphrase (Argon2id, AES-256-GCM)",
            "Dans le fichier de l'officier, scellé sous une phrase de passe (Argon2id, AES-256-GCM)",
        ),
        ("With the file; out of the roster", "Avec le fichier ; retrait de la liste"),
    ),
    (
        ("Relay: TLS, Web Push (P-256)", "Relais : TLS, Web Push (P-256)"),
        ("On the relay, at its first start", "Sur le relais, au premier démarrage"),
        ("Public halves alone", "Parties publiques seulement"),
        (
            "In the data directory, for its owner alone",
            "Dans le répertoire de données, accès au seul propriétaire",
        ),
        ("By deleting the file", "Par suppression du fichier"),
    ),
)


def reference_blocks(references: list[Reference], language: Language) -> list[AnyBlock]:
    say = say_in(language)
    found: list[AnyBlock] = []
    for number, one in enumerate(references, 1):
        found.append(Lead(f"{number}. {say(*one.title)}"))
        found.append(Text(say(*one.text)))
        found.append(Hex([(say(en, fr), data) for en, fr, data in (*one.inputs, *one.outputs)]))
    return found


def in_no_hand(language: Language) -> list[str]:
    """What the operator does not hold, in plain words. Tests hold the relay's schema to it."""
    say = say_in(language)
    return [
        say(
            "The content of any message or file, or a key that would open it: they are encrypted from device "
            "to device.",
            "Le contenu d'un message ou d'un fichier, ni une clé qui l'ouvrirait : ils sont chiffrés "
            "d'appareil à appareil.",
        ),
        say(
            "Who is in a conversation, its name, or whom a line knows: there is no list of members and no "
            "address book.",
            "Qui est dans une conversation, son nom, ou qui une ligne connaît : il n'existe ni liste de "
            "membres ni carnet d'adresses.",
        ),
        say(
            "A message that was fetched: it is deleted when the device has acknowledged it, after 30 days at "
            "the latest.",
            "Un message relevé : il est supprimé dès que l'appareil en a accusé réception, au plus "
            "tard après "
            "30 jours.",
        ),
        say(
            "IP addresses, locations, models of devices, or when a line was online.",
            "Adresses IP, positions, modèles d'appareils, ou heures de connexion.",
        ),
        say(
            "A PIN, or what a PIN could be checked against without the device.",
            "Un code PIN, ou de quoi vérifier un code PIN sans l'appareil.",
        ),
        say(
            "A means to decrypt what lines say. The share of a vault's key that is held opens "
            "nothing without "
            "the device itself and its PIN.",
            "Un moyen de déchiffrer ce que disent les lignes. La part de clé détenue n'ouvre rien sans "
            "l'appareil lui-même et son code PIN.",
        ),
    ]


def duty(language: Language) -> str:
    """What the declarant promises about changes."""
    return say_in(language)(
        "The declarant tells ANSSI without delay of any new matter of fact or of law that changes this "
        "declaration. The command “chappe dossier check” compares the running version with this "
        "fingerprint at any time: "
        "while it agrees, the functions of cryptology are unchanged; when it does not, the change is "
        "declared "
        "before it is supplied.",
        "Le déclarant porte sans délai à la connaissance de l'ANSSI tout élément nouveau de fait ou de droit "
        "de nature à modifier cette déclaration. La commande « chappe dossier check » compare à tout "
        "moment la "
        "version en service avec cette empreinte : tant qu'elles concordent, les fonctions de "
        "cryptologie sont "
        "inchangées ; sinon, le changement est déclaré avant d'être fourni.",
    )


def sources(language: Language) -> list[str]:
    """What was taken from where, and what could not be read."""
    say = say_in(language)
    return [
        say(
            "Law 2004-575 of 21 June 2004 (LCEN), articles 29 to 31: definitions of means and service of "
            "cryptology, free use, prior declaration.",
            "Loi n° 2004-575 du 21 juin 2004 (LCEN), articles 29 à 31 : définitions du moyen et de la "
            "prestation de cryptologie, liberté d'utilisation, déclaration préalable.",
        ),
        say(
            "Decree 2007-663 of 2 May 2007: articles 3 to 8 (declaration at least one month before supply; "
            "two months for an export; technical elements that may be asked for within a year), its annex 1 "
            "(exemptions) and annex 2 (category 3: “grand public”).",
            "Décret n° 2007-663 du 2 mai 2007 : articles 3 à 8 (déclaration un mois au moins avant la "
            "fourniture, deux mois pour une exportation ; éléments techniques pouvant être demandés pendant "
            "un an), son annexe 1 (dispenses) et son annexe 2 (catégorie 3 : « grand public »).",
        ),
        say(
            "Order of 25 May 2007 (NOR PRMD0753669A): it is this order, not the decree, that has the forms "
            "as its annexes: I (DM, means), II (DP, service), III (AM, authorisation).",
            "Arrêté du 25 mai 2007 (NOR PRMD0753669A) : c'est lui, et non le décret, qui porte les "
            "formulaires en annexes : I (DM, moyen), II (DP, prestation), III (AM, autorisation).",
        ),
        say(
            "The headings A to F of the sheet for means follow ANSSI's form (Annexe I, version 2) as public "
            "declarations repeat it; the online form that has replaced it since 31 March 2026 "
            "(demarche.numerique.gouv.fr, ANSSI's notice V3) asks for the same answers.",
            "Les rubriques A à F de la fiche du moyen suivent le formulaire de l'ANSSI (annexe I, version 2) "
            "tel que des déclarations publiques le reproduisent ; la démarche en ligne qui l'a remplacé "
            "depuis le 31 mars 2026 (demarche.numerique.gouv.fr, notice V3 de l'ANSSI) demande les mêmes "
            "réponses.",
        ),
        say(
            "The text of Annexe II (DP), and that of the technical characteristics of Annexe I, could not be "
            "consulted when this program was written: the sheet for the service takes over the points of "
            "Annexe I; key management and three reference outputs are given without being asked. "
            "Compare with the forms in force before filing.",
            "Le texte de l'annexe II (DP) et celui des caractéristiques techniques de l'annexe I "
            "n'ont pas pu "
            "être consultés lors de l'écriture de ce programme : la fiche de la prestation reprend "
            "les points "
            "de l'annexe I ; la gestion des clés et trois sorties de référence sont fournies "
            "d'emblée. Comparez avec les formulaires en vigueur avant le dépôt.",
        ),
    ]
