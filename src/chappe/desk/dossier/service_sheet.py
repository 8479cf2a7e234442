"""The answer sheet for Annexe II: a service of cryptology."""

from __future__ import annotations

from chappe.desk.dossier import wording
from chappe.desk.dossier.declaring import Declaring, attestation, joined, who
from chappe.desk.dossier.paper import Checks, Fields, Hex, Items, Paper, Section, Text, day
from chappe.wire.cryptology import fingerprint


def service(it: Declaring) -> Paper:
    """The sheet for Annexe II."""
    say, s = it.say, it.form.service
    return Paper(
        language=it.language,
        title=say(
            "Declaration of a service of cryptology",
            "Déclaration de fourniture d'une prestation de cryptologie",
        ),
        kind=say("Answer sheet for Annexe II (DP)", "Fiche de réponses pour l'annexe II (DP)"),
        author=it.author,
        date=it.date,
        foot=it.foot,
        draft=it.draft,
        summary=say(
            "The running of a relay: it passes on what phones have encrypted, and holds no key to it.",
            "L'exploitation d'un relais : il transmet ce que les téléphones ont chiffré et n'en "
            "détient aucune "
            "clé.",
        ),
        sections=[
            *who(it),
            Section(
                say("B. Service declared", "B. Prestation déclarée"),
                [
                    Fields(
                        [
                            (say("Designation", "Désignation"), s.name),
                            (say("Begin", "Date de début"), day(s.start_date, it.language)),
                            (say("For whom", "Utilisateurs visés"), s.users),
                            (say("Server", "Nom du serveur"), s.server_name),
                            (say("Hosting", "Hébergement"), s.hosting),
                            (say("Means used", "Moyen mis en œuvre"), f"{it.form.means.name} {it.version}"),
                            (
                                say("Attestation of the means", "Attestation du moyen"),
                                s.means_reference or say("declared with this file", "déclaré en même temps"),
                            ),
                        ]
                    ),
                ],
            ),
            Section(
                say("B.1 What the service does", "B.1 Description de la prestation"),
                [
                    Text(
                        say(
                            "The provider keeps mailboxes of ciphertexts until they are fetched, "
                            "files for 30 days, public "
                            "keys and certificates of devices, and a share of each vault's key that "
                            "opens nothing without "
                            "the device and its PIN. It hands a share out for the right PIN, ten "
                            "tries at the most, and "
                            "destroys it on an order that only the customer can sign.",
                            "Le prestataire conserve des boîtes de textes chiffrés jusqu'à leur "
                            "relève, des fichiers chiffrés "
                            "pendant 30 jours, les clés publiques et certificats des appareils, et "
                            "une part de la clé de "
                            "chaque coffre, qui n'ouvre rien sans l'appareil et son code. Il rend "
                            "une part contre le bon code, "
                            "dix essais au plus, et la détruit sur un ordre que seul le client peut signer.",
                        )
                    ),
                    Text(
                        say("Functions that the service provides:", "Fonctions assurées par la prestation :")
                    ),
                    Checks(
                        [
                            (True, say("Authentication", "Authentification")),
                            (True, say("Integrity", "Intégrité")),
                            (
                                True,
                                say(
                                    "Confidentiality (by the means; the provider has no key)",
                                    "Confidentialité (par le moyen ; le prestataire n'a pas de clé)",
                                ),
                            ),
                            (True, "Signature"),
                        ]
                    ),
                ],
                2,
            ),
            Section(
                say("B.2 What the provider does not hold", "B.2 Ce que le prestataire ne détient pas"),
                [
                    Items(wording.in_no_hand(it.language)),
                ],
                2,
            ),
            Section(
                say("B.3 Algorithms and longest keys", "B.3 Algorithmes et longueurs maximales de clés"),
                [
                    wording.form_table(it.language),
                ],
                2,
            ),
            Section(
                say(
                    "B.4 Keys: generation, distribution, storage, destruction",
                    "B.4 Clés : génération, distribution, stockage, destruction",
                ),
                [
                    wording.keys_table(it.language),
                ],
                2,
            ),
            Section(say("C. Pieces to join", "C. Pièces à joindre"), joined(it)),
            attestation(it, "D."),
            Section(
                say(
                    "E. Fingerprint of the inventory, and changes",
                    "E. Empreinte de l'inventaire et changements",
                ),
                [
                    Hex([("SHA-256", fingerprint())]),
                    Text(wording.duty(it.language)),
                ],
            ),
            Section(say("F. Sources", "F. Sources"), [Items(wording.sources(it.language))]),
        ],
    )
