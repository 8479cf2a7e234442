"""`manifest.json`: what a backup holds, file by file, with sizes and SHA-256.

Who changes a file is found out by it; who changes the manifest as well is found out by the manifest's own
SHA-256, which `chappe backup new` prints, and which is kept elsewhere.
"""

from __future__ import annotations

import hashlib
import re
from pathlib import Path
from typing import Annotated, Final, Literal

import msgspec
from msgspec import Meta

from chappe.wire.errors import ChappeError, error
from chappe.wire.sqlite import os_failure

NAME: Final = "manifest.json"
VERSION: Final = 1
MAX_BYTES: Final = 256 * 1024 * 1024
"""Of a manifest: a million attachments fit."""
RELAY_DB: Final = "relay.db"
DESK_DB: Final = "desk/desk.db"
DUMP: Final = "relay.pgdump"
"""In place of `relay.db`, of a relay on PostgreSQL: what pg_dump makes (custom format)."""
CHECKPOINT: Final = "tlog/checkpoint"
NEVER: Final = frozenset(
    {"shares", "clock", "invoice-numbers", "relay.lock", "restoring", "database.elsewhere"}
)
_NAMES: Final = re.compile(
    r"[A-Za-z0-9][A-Za-z0-9._-]{0,254}(/[A-Za-z0-9][A-Za-z0-9._-]{0,254}){0,8}", re.ASCII
)


class Part(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One file. `name`: from the data directory; `size` in bytes."""

    name: Annotated[str, Meta(max_length=512)]
    size: Annotated[int, Meta(ge=0)]
    sha256: Annotated[str, Meta(pattern="^[0-9a-f]{64}$")]


class LeftOut(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What is not in the backup though it is in the data directory."""

    name: Annotated[str, Meta(max_length=512)]
    why: Annotated[str, Meta(max_length=512)]


class Manifest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`made_at`: Unix seconds, when the relay's database was copied. `schemas`: the revision of each
    database.
    `log`: the name of the transparency log, empty where there is none yet; `log_size`: entries that the
    copied head signs."""

    version: Literal[1]
    chappe: str
    made_at: Annotated[int, Meta(ge=0)]
    log: str
    log_size: Annotated[int, Meta(ge=0)]
    schemas: dict[str, str]
    attachments: bool
    files: list[Part]
    left_out: list[LeftOut]

    def part(self, name: str) -> Part | None:
        return next((part for part in self.files if part.name == name), None)


def broken(why: str) -> ChappeError:
    """storage.failed: the backup is not what was made."""
    return error("storage.failed", f"The backup is not whole: {why}. Nothing was restored; take another.")


def encode(manifest: Manifest) -> bytes:
    return msgspec.json.format(msgspec.json.encode(manifest), indent=1) + b"\n"


def digest(data: bytes) -> str:
    """What a manifest is known by, in hexadecimal."""
    return hashlib.sha256(data).hexdigest()


def read(folder: Path, expected: str | None = None) -> tuple[Manifest, str]:
    """The manifest of the backup in `folder`, and its digest. `expected`: the digest that it must have.

    Raises storage.missing (there is no backup), storage.failed (it is not whole, or another one), storage.*.
    """
    try:
        with (folder / NAME).open("rb") as file:
            data = file.read(MAX_BYTES + 1)
    except (FileNotFoundError, NotADirectoryError):
        raise error("storage.missing", f"There is no backup here: {folder} has no {NAME}.") from None
    except OSError as problem:
        raise os_failure(problem) from None
    found = digest(data)
    if expected is not None and found != expected.strip().lower():
        raise broken("its manifest has another SHA-256 than the one that was given")
    try:
        manifest = msgspec.json.decode(data, type=Manifest)
    except msgspec.ValidationError:
        raise broken("its manifest is of another version, or was changed") from None
    except msgspec.MsgspecError:
        raise broken("its manifest cannot be read") from None
    names = [part.name for part in manifest.files]
    if len(data) > MAX_BYTES or len(set(names)) != len(names) or not all(map(_is_name, names)):
        raise broken("its manifest was changed")
    return manifest, found


def _is_name(name: str) -> bool:
    """No name leads out of the folder: none has a part that begins with a dot. And none is of what no backup
    holds: who changed one must not bring shares back with it."""
    return _NAMES.fullmatch(name) is not None and name != NAME and name.partition("/")[0] not in NEVER
