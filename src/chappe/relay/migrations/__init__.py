"""The schema's history. `upgrade` brings a database to the newest one; it runs at every start."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from chappe.wire import migrating

HEAD: Final = "0009"
"""The newest revision in `versions/`."""

FOLDER: Final = Path(__file__).parent


def upgrade(path: Path) -> None:
    """Make SQLite's database file, or bring it up to date, in one transaction. Safe beside a running relay,
    and beside another that does the same. Raises StorageFailure."""
    migrating.upgrade(path, FOLDER, HEAD)
