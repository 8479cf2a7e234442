"""The answer sheet for Annexe I: a means of cryptology.

The headings are those of ANSSI's form; `wording.sources` says what was taken from where. The texts go into
the form as they are.
"""

from __future__ import annotations

from typing import Final

from chappe.desk.dossier import wording
from chappe.desk.dossier.declaring import Declaring, attestation, joined, who
from chappe.desk.dossier.paper import (
    AnyBlock,
    Checks,
    Fields,
    Hex,
    Items,
    Lead,
    Note,
    Paper,
    Section,
    Text,
    day,
)
from chappe.wire.cryptology import DEFAULT_SUITE, SUITES, fingerprint

_OPERATIONS: Final = {
    "supply": ("Supply in France", "Fourniture en France"),
    "import": ("Import into France", "Importation en France"),
    "transfer": ("Transfer within the European Union", "Transfert intracommunautaire"),
    "export": ("Export", "Exportation"),
}


def means(it: Declaring) -> Paper:
    """The sheet for Annexe I."""
    say = it.say
    return Paper(
        language=it.language,
        title=say("Declaration of a means of cryptology", "Déclaration relative à un moyen de cryptologie"),
        kind=say("Answer sheet for Annexe I (DM)", "Fiche de réponses pour l'annexe I (DM)"),
        author=it.author,
        date=it.date,
        foot=it.foot,
        draft=it.draft,
        summary=say(
            f"{it.form.means.name} {it.version}: software for end-to-end encrypted lines of organisations. "
            "Every technical answer below is made from the table of cryptology that the running code is held "
            "to.",
            f"{it.form.means.name} {it.version} : logiciel de lignes chiffrées de bout en bout pour les "
            "organisations. Chaque réponse technique ci-dessous est tirée de la table de cryptologie à "
            "laquelle le code en service est tenu.",
        ),
        sections=[
            *who(it),
            Section(say("B. Means of cryptology declared", "B. Moyen de cryptologie déclaré"), []),
            *_what(it),
            *_how(it),
            *_market(it),
            Section(say("E. Pieces to join", "E. Pièces à joindre"), joined(it)),
            attestation(it, "F."),
            *_technical(it),
        ],
    )


def _what(it: Declaring) -> list[Section]:
    say, m = it.say, it.form.means
    return [
        Section(
            say("B.1 General information", "B.1 Informations générales sur le moyen"),
            [
                Fields(
                    [
                        (say("Brand", "Marque de distribution"), m.brand or "—"),
                        (say("Designation", "Dénomination"), m.name),
                        (say("Version", "Version"), it.version),
                        (say("Commercial reference", "Référence commerciale"), m.commercial_reference or "—"),
                        (say("First supply", "Date de mise sur le marché"), day(m.market_date, it.language)),
                        (
                            say("Manufacturer", "Fabricant"),
                            m.manufacturer or say("the declarant", "le déclarant"),
                        ),
                        (
                            say("Operations", "Opérations"),
                            ", ".join(say(*_OPERATIONS[one]) for one in m.operations),
                        ),
                        (say("Software licence", "Licence du logiciel"), "AGPL-3.0-or-later"),
                    ]
                ),
            ],
            2,
        ),
        Section(
            say("B.2 Functional description", "B.2 Description fonctionnelle du moyen"),
            [
                Lead(say("B.2.1 Category", "B.2.1 Catégorie")),
                Checks([(False, say("Hardware", "Matériel")), (True, say("Software", "Logiciel"))]),
                Lead(say("B.2.2 General description", "B.2.2 Description générale")),
                Text(
                    say(
                        "Chappe is a self-hosted network of end-to-end encrypted phone lines. A "
                        "relay server, run by an "
                        "operator on its own soil, passes on ciphertexts and holds no key to them. "
                        "The phone is an "
                        "installable web application for recent Android and iPhone browsers; a "
                        "terminal client and a "
                        "Python library speak the same protocol. Lines exchange messages, files and "
                        "groups. A lost "
                        "phone is made unreadable at a distance, by the customer alone, even while "
                        "it is off.",
                        "Chappe est un réseau auto-hébergé de lignes chiffrées de bout en bout. Un "
                        "serveur relais, exploité "
                        "sur son propre sol par un opérateur, transmet des textes chiffrés et n'en "
                        "détient aucune clé. Le "
                        "téléphone est une application web installable pour les navigateurs récents "
                        "d'Android et d'iPhone ; "
                        "un client de terminal et une bibliothèque Python parlent le même protocole. "
                        "Les lignes échangent "
                        "messages, fichiers et conversations de groupe. Un téléphone perdu est rendu "
                        "illisible à distance, "
                        "par le seul client, même éteint.",
                    )
                ),
                Lead(
                    say(
                        "B.2.3 Category of the principal function",
                        "B.2.3 Catégorie de la fonction principale",
                    )
                ),
                Checks(
                    [
                        (False, say("Information security", "Sécurité de l'information")),
                        (False, say("Computer", "Ordinateur")),
                        (
                            True,
                            say(
                                "Sending, storing, receiving information",
                                "Envoi, stockage, réception d'informations",
                            ),
                        ),
                        (False, say("Network", "Réseau")),
                    ]
                ),
            ],
            2,
        ),
    ]


def _how(it: Declaring) -> list[Section]:
    say = it.say
    others = ", ".join(
        f"{row.algorithm} ({', '.join(row.standards)})" for row in wording.protocols() if row.id != "tls"
    )
    return [
        Section(
            say("B.3 Cryptographic services", "B.3 Description technique des services de cryptologie"),
            [
                Lead(say("B.3.1 Functionality", "B.3.1 Fonctionnalités cryptographiques")),
                Text(
                    say(
                        f"Conversations are MLS groups (RFC 9420), suite {SUITES[DEFAULT_SUITE]}: "
                        f"hybrid post-quantum key "
                        "exchange (ML-KEM-768 with X25519), AES-256-GCM, SHA-512, Ed25519. "
                        "Identities, devices and orders "
                        "are signed (Ed25519). What a device keeps is encrypted under a key that "
                        "takes the PIN, a secret of "
                        "the device and a share that the relay's share service holds. Users can "
                        "neither choose nor change "
                        "an algorithm or a key length.",
                        f"Les conversations sont des groupes MLS (RFC 9420), suite "
                        f"{SUITES[DEFAULT_SUITE]} : échange de clés "
                        "hybride post-quantique (ML-KEM-768 avec X25519), AES-256-GCM, SHA-512, "
                        "Ed25519. Identités, "
                        "appareils et ordres sont signés (Ed25519). Ce qu'un appareil conserve est "
                        "chiffré sous une clé qui "
                        "exige le code PIN, un secret de l'appareil et une part détenue par le "
                        "service des parts du relais. "
                        "L'utilisateur ne peut ni choisir ni modifier un algorithme ou une taille de clé.",
                    )
                ),
                Lead(say("B.3.2 Categories of functions", "B.3.2 Catégories des fonctions cryptographiques")),
                Checks(
                    [
                        (True, say("Authentication", "Authentification")),
                        (True, say("Integrity", "Intégrité")),
                        (True, say("Confidentiality", "Confidentialité")),
                        (True, "Signature"),
                    ]
                ),
                Lead(say("B.3.3 Secure protocols", "B.3.3 Protocoles sécurisés utilisés")),
                Checks(
                    [
                        (False, "IPsec"),
                        (False, "SSH"),
                        (False, say("VoIP protocols (SIP/RTP)", "Protocoles liés à la VoIP (SIP/RTP)")),
                        (True, "SSL/TLS (TLS 1.2, 1.3)"),
                        (True, f"{say('Others: ', 'Autres : ')}{others}"),
                    ]
                ),
            ],
            2,
        ),
        Section(
            say("B.3.4 Algorithms and longest keys", "B.3.4 Algorithmes et longueurs maximales de clés"),
            [
                wording.form_table(it.language),
                Note(
                    say(
                        "All algorithms are published by standards bodies or in a draft that is "
                        "named; none is "
                        "proprietary. For public-key algorithms the longest key is the public key or "
                        "the size of the "
                        "curve. SHA-1 occurs in the opening of a WebSocket (RFC 6455), inside "
                        "libraries, without a "
                        "function of security.",
                        "Tous les algorithmes sont publiés par des organismes de normalisation ou "
                        "dans un projet de norme "
                        "cité ; aucun n'est propriétaire. Pour les algorithmes à clé publique, la "
                        "taille est celle de la clé "
                        "publique ou de la courbe. SHA-1 n'intervient que dans l'ouverture d'un "
                        "WebSocket (RFC 6455), au "
                        "sein de bibliothèques, sans fonction de sécurité.",
                    )
                ),
            ],
            2,
        ),
    ]


def _market(it: Declaring) -> list[Section]:
    say, m = it.say, it.form.means
    asked: list[AnyBlock] = [
        Checks(
            [
                (m.mass_market, say("The class is asked for", "Le classement est demandé")),
                (not m.mass_market, say("The class is not asked for", "Le classement n'est pas demandé")),
            ]
        )
    ]
    if m.mass_market:
        asked += [
            Text(
                say(
                    "Distribution: the program is offered to any organisation, without restriction, "
                    "by accredited "
                    "resellers.",
                    "Commercialisation : le logiciel est proposé à toute organisation, sans "
                    "restriction, par des "
                    "revendeurs accrédités.",
                )
            ),
            Text(
                say(
                    "Modification: algorithms and key lengths are constants of the program; no "
                    "setting changes them.",
                    "Modification : algorithmes et tailles de clés sont des constantes du programme "
                    "; aucun réglage ne "
                    "les modifie.",
                )
            ),
            Text(
                say(
                    "Installation: a web page that is installed from the browser with an activation "
                    "link, without help "
                    "of the supplier.",
                    "Installation : une page web installée depuis le navigateur avec un lien "
                    "d'activation, sans "
                    "assistance du fournisseur.",
                )
            ),
        ]
    return [
        Section(
            say(
                "C. Category 3 of the decree's annex 2 (“grand public”)",
                "C. Catégorie 3 de l'annexe 2 du décret (« grand public »)",
            ),
            asked,
        ),
        Section(
            say("D. Earlier attestation or authorisation", "D. Attestation ou autorisation antérieure"),
            [
                Fields([(say("Reference", "Référence"), m.earlier_reference or say("none", "aucune"))]),
            ],
        ),
    ]


def _technical(it: Declaring) -> list[Section]:
    say = it.say
    return [
        Section(
            say("Technical elements", "Éléments techniques complémentaires"),
            [
                Text(
                    say(
                        "What ANSSI may ask for within a year (decree, article 7) is given here at once.",
                        "Les éléments que l'ANSSI peut demander pendant un an (décret, article 7) "
                        "sont donnés "
                        "d'emblée.",
                    )
                ),
            ],
        ),
        Section(say("G. Standards", "G. Normes"), [wording.standards_table(it.language)], 2),
        Section(
            say(
                "H. Keys: generation, distribution, storage, destruction",
                "H. Clés : génération, distribution, stockage, destruction",
            ),
            [wording.keys_table(it.language)],
            2,
        ),
        Section(
            say("I. Three reference outputs", "I. Trois sorties de référence"),
            [
                Text(
                    say(
                        "Computed by the running code when this sheet was made, in hexadecimal.",
                        "Calculées par le code en service lors de l'établissement de cette fiche, en "
                        "hexadécimal.",
                    )
                ),
                *wording.reference_blocks(it.references, it.language),
            ],
            2,
        ),
        Section(
            say(
                "J. Fingerprint of the inventory, and changes", "J. Empreinte de l'inventaire et changements"
            ),
            [
                Hex(
                    [
                        (
                            say(
                                "SHA-256 over the canonical inventory (dossier.json)",
                                "SHA-256 de l'inventaire canonique (dossier.json)",
                            ),
                            fingerprint(),
                        )
                    ]
                ),
                Text(wording.duty(it.language)),
            ],
            2,
        ),
        Section(say("K. Sources", "K. Sources"), [Items(wording.sources(it.language))], 2),
    ]
