"""What both answer sheets of a declaration share: who declares, what is joined, the attestation."""

from __future__ import annotations

from dataclasses import dataclass

from chappe.desk.dossier.form import Contact, Form
from chappe.desk.dossier.paper import AnyBlock, Checks, Fields, Language, Note, Section, Sign, Text, day
from chappe.desk.dossier.references import Reference
from chappe.wire.cryptology import fingerprint


@dataclass(frozen=True, slots=True)
class Declaring:
    """What a declaration is made from. `date`: ISO 8601."""

    form: Form
    language: Language
    version: str
    date: str
    references: list[Reference]
    draft: bool

    def say(self, english: str, french: str) -> str:
        return french if self.language == "fr" else english

    @property
    def author(self) -> str:
        return self.form.declarant.name or self.say("Declarant to be filled in", "Déclarant à compléter")

    @property
    def foot(self) -> str:
        return f"Chappe {self.version} · {self.say('fingerprint', 'empreinte')} {fingerprint()[:16]}"


def who(it: Declaring) -> list[Section]:
    say, d = it.say, it.form.declarant
    company = d.kind == "company"
    person: list[tuple[str, str]] = [
        (say("Registered name", "Raison sociale") if company else say("Full name", "Nom et prénoms"), d.name)
    ]
    if company:
        person += [(say("Legal form", "Forme juridique"), d.legal_form or "—")]
        person += [
            (say("SIREN, SIRET or register number", "SIREN, SIRET ou numéro au registre"), d.registration)
        ]
    else:
        person += [(say("Nationality", "Nationalité"), d.nationality)]
    where = ", ".join(part for part in (d.address, f"{d.postal_code} {d.city}".strip(), d.country) if part)
    person += [
        (say("Address", "Adresse"), where),
        (say("Telephone", "Téléphone"), d.telephone),
        (say("E-mail", "Adresse électronique"), d.email),
        (say("Website", "Site internet"), d.website or "—"),
    ]
    return [
        Section(
            say("A. Declarant", "A. Déclarant"),
            [
                Checks(
                    [
                        (company, say("Legal person", "Personne morale")),
                        (not company, say("Natural person", "Personne physique")),
                    ]
                ),
                Fields(person),
            ],
        ),
        Section(
            say("A.1 Who answers for the file", "A.1 Personne chargée du dossier administratif"),
            [_contact(it, it.form.administrative)],
            2,
        ),
        Section(
            say("A.2 Who answers for what is technical", "A.2 Personne chargée des éléments techniques"),
            [_contact(it, it.form.technical)],
            2,
        ),
    ]


def _contact(it: Declaring, contact: Contact) -> Fields:
    say = it.say
    return Fields(
        [
            (say("Name", "Nom et prénom"), contact.name),
            (say("Position", "Fonction"), contact.position),
            (say("Telephone", "Téléphone"), contact.telephone),
            (say("E-mail", "Adresse électronique"), contact.email),
        ]
    )


def pieces(it: Declaring) -> list[tuple[bool, str]]:
    say = it.say
    company = it.form.declarant.kind == "company"
    pieces = [
        (
            False,
            say(
                "This sheet, copied into the form; the attestation (F), dated and signed",
                "Cette fiche, recopiée dans le formulaire ; l'attestation (F), datée et signée",
            ),
        ),
        (
            False,
            say("Technical brochure (brochure-technique.pdf)", "Brochure technique (brochure-technique.pdf)"),
        ),
        (
            False,
            say(
                "Commercial brochure of the means (brochure-commerciale.pdf)",
                "Brochure commerciale du moyen (brochure-commerciale.pdf)",
            ),
        ),
        (False, say("User's guide (docs/using.md)", "Manuel de l'utilisateur (docs/using.md)")),
        (
            False,
            say("Administrator's guide (docs/operating.md)", "Guide de l'administrateur (docs/operating.md)"),
        ),
    ]
    if company:
        pieces[1:1] = [
            (False, say("Presentation of the company", "Document général présentant la société")),
            (
                False,
                say(
                    "Extract of the register (Kbis), less than three months old",
                    "Extrait Kbis de moins de trois mois (ou équivalent)",
                ),
            ),
        ]
    return pieces


def attestation(it: Declaring, number: str) -> Section:
    say, s = it.say, it.form.signing
    return Section(
        f"{number} Attestation",
        [
            Text(
                say(
                    f"I, the undersigned, {s.name or '…'}, acting as {s.capacity or '…'}, certify that the "
                    "information in this file is accurate and given in good faith, and undertake to tell the "
                    "Agence nationale de la sécurité des systèmes d'information, without delay, of any new "
                    "matter of fact or of law that would change this declaration.",
                    f"Je soussigné(e), {s.name or '…'}, agissant en qualité de {s.capacity or '…'}, certifie "
                    "que les renseignements figurant dans ce dossier sont exacts et établis de bonne foi, et "
                    "m'engage à porter sans délai à la connaissance de l'Agence nationale de la sécurité des "
                    "systèmes d'information tout élément nouveau de fait ou de droit de nature à modifier la "
                    "présente déclaration.",
                )
            ),
            Sign(
                [
                    say(
                        f"Done at {s.place or '…'}, {day(s.date, it.language) or '…'}.",
                        f"Fait à {s.place or '…'}, le {day(s.date, it.language) or '…'}.",
                    )
                ]
            ),
        ],
    )


def joined(it: Declaring) -> list[AnyBlock]:
    """The list of pieces, with what is not to be joined."""
    return [
        Checks(pieces(it)),
        Note(
            it.say(
                "Source code is not joined unless ANSSI asks for it (decree, article 7).",
                "Le code source n'est pas joint, sauf demande de l'ANSSI (décret, article 7).",
            )
        ),
    ]
