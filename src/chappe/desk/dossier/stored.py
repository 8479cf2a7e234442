"""The inventory: every field that is stored, why, and for how long, from the databases as they are."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

from chappe.desk.all_tables import metadata
from chappe.desk.database import FILE, FOLDER
from chappe.desk.dossier.paper import Grid, Items, Language, Note, Paper, Section, Text
from chappe.desk.dossier.wording import in_no_hand
from chappe.desk.kept import TABLES
from chappe.wire.kept import KeptFile, Words
from chappe.wire.stored import Store, StoredTable, tables_in


@dataclass(frozen=True, slots=True)
class Inventory:
    """`found`: files of the data directory, from it, with their bytes; None where nobody looked. `date`: ISO
    8601."""

    stores: list[Store]
    files: tuple[KeptFile, ...]
    found: list[tuple[str, int]] | None
    version: str
    date: str


def desk_store(data_dir: Path, *, count: bool = True) -> Store:
    """Raises storage.*."""
    tables = tables_in(data_dir / FOLDER / FILE, metadata, count=count)
    return Store(("Desk", "Guichet"), f"{FOLDER}/{FILE}", tables, TABLES)


def found_in(data_dir: Path) -> list[tuple[str, int]]:
    """Every file there, with its bytes."""
    if not data_dir.is_dir():
        return []
    return [
        (path.relative_to(data_dir).as_posix(), path.stat().st_size)
        for path in sorted(data_dir.rglob("*"))
        if path.is_file()
    ]


def unexplained(inventory: Inventory) -> list[str]:
    """Columns and files that nobody gave a reason for. Empty, or a test fails."""
    columns = [
        f"{store.file}: {table.name}.{column}"
        for store in inventory.stores
        for table in store.tables
        for column, _ in table.columns
        if table.name not in store.kept or column not in store.kept[table.name].columns
    ]
    files = [name for name, _ in inventory.found or [] if _file(inventory.files, name) is None]
    return columns + files


def _file(files: Iterable[KeptFile], name: str) -> KeptFile | None:
    return next((one for one in files if fnmatch(name, one.pattern)), None)


def as_plain(inventory: Inventory) -> dict[str, Any]:
    """For programs, in both languages."""
    return {
        "format": 1,
        "date": inventory.date,
        "version": inventory.version,
        "stores": [_store(one) for one in inventory.stores],
        "files": [
            {
                "pattern": one.pattern,
                "why": _words(one.why),
                "how_long": _words(one.how_long),
            }
            | _sizes(inventory, one)
            for one in inventory.files
        ],
        "logs": _words(_LOGS),
        "not_held": [{"en": en, "fr": fr} for en, fr in zip(in_no_hand("en"), in_no_hand("fr"), strict=True)],
        "unexplained": unexplained(inventory),
    }


def _sizes(inventory: Inventory, kept: KeptFile) -> dict[str, int]:
    if inventory.found is None:
        return {}
    sizes = [size for name, size in inventory.found if _file(inventory.files, name) is kept]
    return {"found": len(sizes), "bytes": sum(sizes)}


def _store(store: Store) -> dict[str, Any]:
    return {
        "name": _words(store.name),
        "file": store.file,
        "tables": [
            {
                "name": table.name,
                "rows": table.rows,
                "why": _words(store.kept[table.name].why) if table.name in store.kept else None,
                "how_long": _words(store.kept[table.name].how_long) if table.name in store.kept else None,
                "columns": [
                    {"name": column, "type": kind, "why": _why(store, table, column)}
                    for column, kind in table.columns
                ],
            }
            for table in store.tables
        ],
    }


def _why(store: Store, table: StoredTable, column: str) -> dict[str, str] | None:
    kept = store.kept.get(table.name)
    return _words(kept.columns[column]) if kept is not None and column in kept.columns else None


def _words(words: Words) -> dict[str, str]:
    return {"en": words[0], "fr": words[1]}


_LOGS: Words = (
    "Logs go to standard error and say what happened to the relay, never to whom: no address, no device, no "
    "message, no network address. Where they are kept, and how long, is up to whoever runs the machine.",
    "Les journaux techniques vont à la sortie d'erreur et disent ce qui arrive au relais, jamais à "
    "qui : ni adresse, "
    "ni appareil, ni message, ni adresse réseau. Leur lieu et leur durée de conservation dépendent "
    "de l'opérateur "
    "de la machine.",
)


def page(inventory: Inventory, language: Language) -> Paper:
    """For people. A column without a reason says so, loudly."""

    def say(words: Words) -> str:
        return words[1] if language == "fr" else words[0]

    missing: Words = ("NO REASON GIVEN", "AUCUNE RAISON DONNÉE")
    sections = []
    for number, store in enumerate(inventory.stores, 1):
        sections.append(
            Section(f"{number}. {say(store.name)}", [Text(say(_FILE_WORDS).format(file=store.file))])
        )
        for table in store.tables:
            kept = store.kept.get(table.name)
            rows = "" if table.rows is None else say(_ROWS).format(rows=table.rows)
            why, how_long = (say(kept.why), say(kept.how_long)) if kept else (say(missing), "?")
            head = f"{why}. {say(_HOW_LONG)}{how_long}."
            lines = [
                [column, kind, say(kept.columns[column]) if kept and column in kept.columns else say(missing)]
                for column, kind in table.columns
            ]
            grid = Grid([say(one) for one in _HEAD], lines, [1.2, 0.9, 3], "")
            sections.append(Section(f"{table.name}{rows}", [Text(head), grid], 2))
    sections += _rest(inventory, language, len(inventory.stores) + 1)
    return Paper(
        language=language,
        title=say(("Every field that is stored", "Chaque champ conservé")),
        kind=say(("Inventory of stored data", "Inventaire des données conservées")),
        author=f"Chappe {inventory.version}",
        date=inventory.date,
        foot=say(_FOOT),
        summary=say(_SUMMARY),
        sections=sections,
    )


_HEAD: tuple[Words, ...] = (("Field", "Champ"), ("Type", "Type"), ("Why", "Pourquoi"))
_FILE_WORDS: Words = ("Database {file} in the data directory.", "Base {file} du répertoire de données.")
_ROWS: Words = (" (rows now: {rows})", " (lignes actuelles : {rows})")
_HOW_LONG: Words = ("How long: ", "Durée : ")
_FOOT: Words = ("Made by chappe dossier inventory.", "Produit par chappe dossier inventory.")
_SUMMARY: Words = (
    "Read from the schema of the databases at the moment this page was made: what is stored, why, "
    "and for how "
    "long. What the operator does not hold stands at the end.",
    "Lu dans le schéma des bases au moment où cette page a été produite : ce qui est conservé, "
    "pourquoi, et combien "
    "de temps. Ce que l'opérateur ne détient pas est dit à la fin.",
)


def _rest(inventory: Inventory, language: Language, number: int) -> list[Section]:
    def say(words: Words) -> str:
        return words[1] if language == "fr" else words[0]

    head = [
        say(one)
        for one in (
            ("Files", "Fichiers"),
            ("Why", "Pourquoi"),
            ("How long", "Durée"),
            ("Now", "Actuellement"),
        )
    ]
    rows = []
    for one in inventory.files:
        row = [one.pattern, say(one.why), say(one.how_long)]
        if inventory.found is not None:
            sizes = _sizes(inventory, one)
            row.append(f"{sizes['found']} ({_size(sizes['bytes'])})" if sizes["found"] else "—")
        rows.append(row)
    widths = [1.5, 2.2, 1.8, 1][: 3 if inventory.found is None else 4]
    grid = Grid(head[: len(widths)], rows, widths, "")
    return [
        Section(f"{number}. {say(('Files', 'Fichiers'))}", [grid]),
        Section(f"{number + 1}. {say(('Logs', 'Journaux'))}", [Note(say(_LOGS))]),
        Section(
            f"{number + 2}. {say(('What is not held', 'Ce qui n’est pas détenu'))}",
            [Items(in_no_hand(language))],
        ),
    ]


def _size(count: int) -> str:
    amount, units = float(count), ("B", "kB", "MB", "GB", "TB")
    for unit in units:
        if amount < 1000 or unit == units[-1]:
            return f"{amount:.0f} {unit}"
        amount /= 1000
    raise AssertionError
