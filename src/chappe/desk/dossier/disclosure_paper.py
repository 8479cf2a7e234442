"""A disclosure as a paper, for people."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final

from chappe.desk.dossier.disclosure import Disclosed, Signed
from chappe.desk.dossier.paper import (
    AnyBlock,
    Fields,
    Hex,
    Items,
    Language,
    Lead,
    Note,
    Paper,
    Section,
    Text,
    day,
)
from chappe.desk.dossier.wording import say_in
from chappe.wire.kept import Kept

SHOWN: Final = 3
"""Rows of a table that the paper shows; the signed file has all."""
LONGEST: Final = 44
"""Characters of a value that the paper shows."""
_FIRST: Final = ("lines", "devices")
_TIME: Final = re.compile(r"(^|_)(at|expires|ends|forget|not_before)$|_at$")


def paper(signed: Signed, kept: Mapping[str, Mapping[str, Kept]], language: Language) -> Paper:
    """`kept`: the reasons, by database."""
    say, it = say_in(language), signed.disclosure
    date = it.at[:10]
    return Paper(
        language=language,
        title=say(f"What is held on {it.asked}", f"Ce qui est détenu sur {it.asked}"),
        kind=say(f"Disclosure no. {it.number}", f"Communication n° {it.number}"),
        author=it.operator,
        date=date,
        foot=f"Chappe {it.version} · {signed.signature[:16]}…",
        summary=say(
            f"All that the operator of {it.operator} held on this line at {it.at}, table by table, "
            f"and what he "
            "does not hold. The file that is signed beside it (JSON) is what counts.",
            f"Tout ce que l'opérateur de {it.operator} détenait sur cette ligne le {day(date, 'fr')} à "
            f"{it.at[11:19]} UTC, table par table, et ce qu'il ne détient pas. Le fichier signé joint "
            f"(JSON) fait foi.",
        ),
        sections=[
            _identity(it, language),
            _not_held(it, language),
            *_tables(it, kept, language),
            _proof(signed, language),
        ],
    )


def _identity(it: Disclosed, language: Language) -> Section:
    say = say_in(language)
    return Section(
        say("1. Subject", "1. Objet"),
        [
            Fields(
                [
                    (say("Line asked for", "Ligne demandée"), it.asked),
                    (say("Lines found (random ids)", "Lignes trouvées (identifiants)"), ", ".join(it.lines)),
                    (say("Reference of the request", "Référence de la demande"), it.reference or "—"),
                    (say("Made at", "Établi le"), it.at),
                ]
            )
        ],
    )


def _not_held(it: Disclosed, language: Language) -> Section:
    say = say_in(language)
    return Section(
        say("2. What the operator does not hold", "2. Ce que l'opérateur ne détient pas"),
        [
            Items(it.not_held[language]),
            Note(
                say(
                    "Not held means that no order can make the operator hand it over: it is not on "
                    "his machines.",
                    "Non détenu signifie qu'aucune réquisition ne peut l'obtenir de l'opérateur : "
                    "cela ne se trouve "
                    "pas sur ses machines.",
                )
            ),
        ],
    )


def _tables(it: Disclosed, kept: Mapping[str, Mapping[str, Kept]], language: Language) -> list[Section]:
    say = say_in(language)
    sections = [
        Section(
            say("3. What the operator holds", "3. Ce que l'opérateur détient"),
            [
                Text(
                    say(
                        "Times are UTC. Ciphertexts that wait, and secrets of a device, are named by "
                        "size and hash: "
                        "they are held, and not copied into this paper.",
                        "Les heures sont en UTC. Les textes chiffrés en attente et les secrets d'un "
                        "appareil sont "
                        "désignés par leur taille et leur condensat : ils sont détenus, sans être "
                        "recopiés ici.",
                    )
                )
            ],
        )
    ]
    for file, tables in it.held.items():
        ordered = [name for name in _FIRST if name in tables] + [n for n in tables if n not in _FIRST]
        for name in ordered:
            sections.append(
                Section(f"{name} ({file})", _rows(name, tables[name], kept.get(file, {}), language), 2)
            )
    return sections


def _rows(
    name: str, rows: list[dict[str, Any]], kept: Mapping[str, Kept], language: Language
) -> list[AnyBlock]:
    say, at = say_in(language), 1 if language == "fr" else 0
    reasons = kept.get(name)
    why = f"{reasons.why[at]}. {say('How long: ', 'Durée : ')}{reasons.how_long[at]}." if reasons else ""
    blocks: list[AnyBlock] = [Text(f"{say('Rows', 'Lignes')}{say(': ', ' : ')}{len(rows)}. {why}")]
    for number, row in enumerate(rows[:SHOWN], 1):
        if len(rows) > 1:
            blocks.append(Lead(f"{number} / {len(rows)}"))
        blocks.append(
            Fields(
                [
                    (f"{column}{_reason(reasons, column, at)}", _shown(column, value, language))
                    for column, value in row.items()
                ]
            )
        )
    if len(rows) > SHOWN:
        blocks.append(
            Note(
                say(
                    f"{len(rows) - SHOWN} more rows are in the signed file.",
                    f"{len(rows) - SHOWN} autres lignes sont dans le fichier signé.",
                )
            )
        )
    return blocks


def _reason(reasons: Kept | None, column: str, at: int) -> str:
    return f" ({reasons.columns[column][at]})" if reasons and column in reasons.columns else ""


def _shown(column: str, value: Any, language: Language) -> str:
    say = say_in(language)
    if value is None or value == "":
        return "—"
    if isinstance(value, dict):
        return say(
            f"{value['bytes']} bytes, SHA-256 {value['sha256']}",
            f"{value['bytes']} octets, SHA-256 {value['sha256']}",
        )
    if isinstance(value, int) and not isinstance(value, bool) and value > 10**8 and _TIME.search(column):
        return datetime.fromtimestamp(value, UTC).strftime("%Y-%m-%d %H:%M:%S")
    text = str(value)
    words = say(f"{len(text)} characters in all", f"{len(text)} caractères en tout")
    return text if len(text) <= LONGEST else f"{text[:LONGEST]}… ({words})"


def _proof(signed: Signed, language: Language) -> Section:
    say = say_in(language)
    return Section(
        say("4. Signature", "4. Signature"),
        [
            Text(
                say(
                    "chappe dossier verify checks the signed file. Compare the key with the "
                    "operator's over a channel "
                    "that you trust.",
                    "La commande « chappe dossier verify » contrôle le fichier signé. Comparez la "
                    "clé avec celle de "
                    "l'opérateur par un canal de confiance.",
                )
            ),
            Hex(
                [
                    (say("Key (Ed25519, base64url)", "Clé (Ed25519, base64url)"), signed.key),
                    (say("Signature (base64url)", "Signature (base64url)"), signed.signature),
                ]
            ),
        ],
    )
