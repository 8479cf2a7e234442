"""Tables that people keep in spreadsheets, as CSV: read with the place of every mistake, written so that no
spreadsheet takes a cell for a formula."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from chappe.wire.errors import error

MAX_BYTES: Final = 2 * 1024 * 1024
MAX_ROWS: Final = 5_000
MAX_CELL: Final = 400
MAX_PROBLEMS: Final = 200
SEPARATORS: Final = (";", ",", "\t")
_FORMULA: Final = ("=", "+", "-", "@", "\t", "\r")
# Those that turn the direction of writing, too: what others write is shown to people.
_HIDDEN: Final = frozenset("\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\ufeff")


@dataclass(frozen=True, slots=True)
class Problem:
    """`row`: as a spreadsheet counts, the header is row 1. `column`: its name; empty for the whole row."""

    row: int
    column: str
    message: str


@dataclass(frozen=True, slots=True)
class Sheet:
    """`rows`: number and cells by column. `encoding`: utf-8 or latin-1, which a person should look at."""

    encoding: str
    separator: str
    columns: tuple[str, ...]
    rows: list[tuple[int, dict[str, str]]]
    problems: list[Problem] = field(default_factory=list)


def read(data: bytes, names: Mapping[str, str]) -> Sheet:
    """`names`: what a column may be called, in small letters, and which it is.

    Raises desk.malformed for what is no such table at all: too large, another encoding, no header, a
    column that is not known or there twice. What is wrong with a row is in `problems`.
    """
    if len(data) > MAX_BYTES:
        raise error("http.oversized", f"The file has more than {MAX_BYTES // 1024 // 1024} MiB; split it.")
    text, encoding = _text(data)
    separator = _separator(text)
    lines = csv.reader(io.StringIO(text, newline=""), delimiter=separator, strict=True)
    try:
        columns = _header(next(lines, []), names)
        return _rows(lines, Sheet(encoding, separator, columns, []))
    except csv.Error as problem:
        raise error("desk.malformed", f"Row {lines.line_num} is no CSV: {_words(problem)}.") from None


def is_formula(cell: str) -> bool:
    """Whether a spreadsheet would take it for one."""
    return cell.startswith(_FORMULA)


def write(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> bytes:
    """CSV in UTF-8 with a mark that spreadsheets know it by, every cell in quotes. What a spreadsheet
    would take for a formula is made text by an apostrophe."""
    out = io.StringIO(newline="")
    table = csv.writer(out, quoting=csv.QUOTE_ALL)
    table.writerow(columns)
    for row in rows:
        table.writerow([f"'{cell}" if is_formula(cell) else cell for cell in row])
    return out.getvalue().encode("utf-8-sig")


def _text(data: bytes) -> tuple[str, str]:
    if data.startswith((b"\xff\xfe", b"\xfe\xff")) or b"\0" in data:
        raise error("desk.malformed", "The file is no CSV in UTF-8; save it as “CSV UTF-8”.")
    try:
        return data.decode("utf-8-sig"), "utf-8"
    except UnicodeDecodeError:
        # What spreadsheets on Windows call ANSI: Latin-1 with some more.
        try:
            return data.decode("cp1252"), "latin-1"
        except UnicodeDecodeError:
            raise error("desk.malformed", "The file is no CSV in UTF-8; save it as “CSV UTF-8”.") from None


def _separator(text: str) -> str:
    head = text.partition("\n")[0]
    return max(SEPARATORS, key=head.count)


def _header(cells: list[str], names: Mapping[str, str]) -> tuple[str, ...]:
    if not any(cell.strip() for cell in cells):
        raise error("desk.malformed", "The file is empty; its first row names the columns.")
    columns = []
    for cell in cells:
        shown = cell.strip()
        column = names.get(shown.lower().replace("_", " "))
        if column is None:
            raise error("desk.malformed", f"Row 1 has a column that is not known: {_shown(shown)}.")
        if column in columns:
            raise error("desk.malformed", f"Row 1 has the column {column} twice.")
        columns.append(column)
    return tuple(columns)


def _rows(lines: Iterable[list[str]], sheet: Sheet) -> Sheet:
    for number, cells in enumerate(lines, start=2):
        if number > MAX_ROWS + 1:
            raise error("desk.malformed", f"The file has more than {MAX_ROWS} rows; split it.")
        if not any(cell.strip() for cell in cells):
            continue
        if len(cells) != len(sheet.columns):
            said = f"It has {len(cells)} cells; the header has {len(sheet.columns)}."
            sheet.problems.append(Problem(number, "", said))
            continue
        row = {column: cell.strip() for column, cell in zip(sheet.columns, cells, strict=True)}
        sheet.problems.extend(_cell_problems(number, row))
        sheet.rows.append((number, row))
    return sheet


def _cell_problems(number: int, row: Mapping[str, str]) -> list[Problem]:
    found = []
    for column, cell in row.items():
        if len(cell) > MAX_CELL:
            found.append(Problem(number, column, f"It has more than {MAX_CELL} characters."))
        elif any(not one.isprintable() or one in _HIDDEN for one in cell):
            found.append(Problem(number, column, "It has characters that cannot be seen."))
        elif is_formula(cell) and not (cell[0] == "+" and cell[1:].replace(" ", "").isdigit()):
            found.append(Problem(number, column, "It begins like a formula of a spreadsheet."))
    return found


def _words(problem: csv.Error) -> str:
    return str(problem)[:80] or "it cannot be read"


def _shown(text: str) -> str:
    clean = "".join(one if one.isprintable() and one not in _HIDDEN else "?" for one in text)
    return f"“{clean[:40]}”"
