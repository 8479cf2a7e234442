"""What was declared, kept in the data directory: the inventory of cryptology with its fingerprint.

`DATA_DIR/dossier/declared.json`; an earlier declaration is kept beside it under its date. The repository's
own baseline (`docs/cryptology.json`) has the same form, so that a build notices a change before an authority
does.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final, Literal

import msgspec

from chappe.wire.cryptology import fingerprint, inventory
from chappe.wire.errors import error
from chappe.wire.sqlite import os_failure, prepare_folder

FOLDER: Final = "dossier"
FILE: Final = "declared.json"
MAX_FILE: Final = 1024 * 1024


class Declared(msgspec.Struct, forbid_unknown_fields=True, frozen=True, kw_only=True):
    """`date`: a day, ISO 8601. `inventory`: what `cryptology.inventory()` was; `fingerprint` is its."""

    format: Literal[1] = 1
    date: str
    version: str
    fingerprint: str
    inventory: dict[str, Any]


def current(version: str, date: str) -> Declared:
    """What this version would declare."""
    return Declared(date=date, version=version, fingerprint=fingerprint(), inventory=inventory())


def encode(declared: Declared) -> bytes:
    return msgspec.json.format(msgspec.json.encode(declared, order="deterministic"), indent=1) + b"\n"


def keep(data_dir: Path, declared: Declared) -> Path:
    """Keep a declaration; the one before stays under its date. Gives the file. Raises storage.*."""
    folder = data_dir / FOLDER
    prepare_folder(data_dir)
    prepare_folder(folder)
    path = folder / FILE
    try:
        if path.exists():
            before = read(path)
            if before.fingerprint != declared.fingerprint or before.version != declared.version:
                path.rename(folder / f"declared-{before.date}-{before.fingerprint[:12]}.json")
        beside = path.with_suffix(".new")
        beside.write_bytes(encode(declared))
        beside.replace(path)
    except OSError as problem:
        raise os_failure(problem) from None
    return path


def kept(data_dir: Path) -> Declared:
    """Raises dossier.undeclared, dossier.malformed."""
    return read(data_dir / FOLDER / FILE)


def read(path: Path) -> Declared:
    """Raises dossier.undeclared where there is no file; dossier.malformed for one that is none, or whose
    inventory was changed after its fingerprint was made."""
    try:
        with path.open("rb") as file:
            data = file.read(MAX_FILE + 1)
    except FileNotFoundError:
        raise error("dossier.undeclared") from None
    except OSError:
        raise error("dossier.malformed", f"{path.name} cannot be read; check its name and rights.") from None
    try:
        declared = msgspec.json.decode(data, type=Declared)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        raise error("dossier.malformed", f"{path.name} is not a declared inventory of this format.") from None
    if len(data) > MAX_FILE or fingerprint(declared.inventory) != declared.fingerprint:
        raise error(
            "dossier.malformed", f"{path.name} was changed: its fingerprint is not that of what it says."
        )
    return declared


def differences(before: Any, now: Any, path: str = "") -> Iterator[str]:
    """What changed, a line each: `+` is new, `-` is gone, `~` is other than it was."""
    if isinstance(before, dict) and isinstance(now, dict):
        for name in sorted({*before, *now}):
            inside = f"{path}.{name}" if path else name
            if name not in now:
                yield f"- {inside}: {_said(before[name])}"
            elif name not in before:
                yield f"+ {inside}: {_said(now[name])}"
            else:
                yield from differences(before[name], now[name], inside)
    elif before != now:
        yield f"~ {path}: {_said(before)} → {_said(now)}"


def _said(value: Any) -> str:
    if isinstance(value, dict) and "algorithm" in value:
        bits = f", {value['key_bits']} bits" if value.get("key_bits") else ""
        return f"{value['algorithm']} {value.get('mode', '')}{bits}"
    return msgspec.json.encode(value).decode() if not isinstance(value, str) else value
