"""What of a data directory goes into a backup. What this version does not know is left out, and said."""

from __future__ import annotations

import fnmatch
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from chappe.relay.backup.manifest import DESK_DB, RELAY_DB, LeftOut

_MOVED: Final = "relay.db.moved"
DATABASES: Final = (RELAY_DB, DESK_DB)
COPIED: Final = (
    "log.key",
    "push-key.pem",
    "served",
    "tls-certificate.pem",
    "tls-key.pem",
    "dossier/declared*.json",
    "dossier/operator-key*",
)
"""Files that are written once, or replaced whole."""
SURVIVORS: Final = (
    "shares",
    "tlog",
    "invoice-numbers",
    "clock",
    "relay.lock",
    "database.elsewhere",
    "restoring",
)
"""What may lie in a data directory that a backup is brought back to: nothing of it is in the backup, or it
knows more than the backup does."""
WHY: Final = {
    "shares": "shares of devices: an old copy would bring back what was erased, and tries that were used",
    "invoice-numbers": "an old copy would give invoice numbers twice",
    "clock": "the machine's clock is believed anew",
    _MOVED: "the database that was moved to PostgreSQL",
    "attachments": "ciphertexts that end within 30 days; --attachments takes them along",
}
_PASSING: Final = (
    "relay.db-*",
    "desk/desk.db-*",
    "relay.lock",
    "*.new",
    "served.new",
    "tlog/*",
    "restoring/*",
)
_UNKNOWN: Final = "this version of Chappe does not know what it is"


@dataclass(frozen=True, slots=True)
class Contents:
    """`files`: to be copied as they are. `attachments`: their names, if they are wanted."""

    files: tuple[str, ...]
    attachments: tuple[str, ...]
    left_out: tuple[LeftOut, ...]


def contents(data_dir: Path, *, attachments: bool) -> Contents:
    """Raises OSError."""
    files: list[str] = []
    left_out: list[LeftOut] = []
    for name in ("shares", "invoice-numbers", "clock", _MOVED):
        if (data_dir / name).exists():
            left_out.append(LeftOut(name, WHY[name]))
    waiting = (
        sorted(_below(data_dir, data_dir / "attachments")) if (data_dir / "attachments").is_dir() else []
    )
    if waiting and not attachments:
        left_out.append(LeftOut("attachments", WHY["attachments"]))
    for name in sorted(_below(data_dir, data_dir)):
        top = name.partition("/")[0]
        if top in WHY or name in DATABASES or _matches(name, _PASSING):
            continue
        if _matches(name, COPIED):
            files.append(name)
        else:
            left_out.append(LeftOut(name[:512], _UNKNOWN))
    return Contents(tuple(files), tuple(waiting) if attachments else (), tuple(left_out))


def _matches(name: str, patterns: tuple[str, ...]) -> bool:
    return any(fnmatch.fnmatchcase(name, pattern) for pattern in patterns)


def _below(root: Path, folder: Path) -> Iterator[str]:
    """Files; of folders that are links, the link's own name."""
    for path in folder.iterdir():
        name = path.relative_to(root).as_posix()
        if path.is_dir() and not path.is_symlink():
            if name not in ("shares", "tlog", "restoring"):
                yield from _below(root, path)
        elif path.is_file() or path.is_dir():
            yield name
