"""The history of the desk's schema. `upgrade` brings a database to the newest one; it runs at every start.

A change of the tables comes with a file in `versions/`, numbered one higher than the newest; nothing else
has to be changed for it.
"""

from __future__ import annotations

from pathlib import Path

from chappe.wire import migrating

_FOLDER = Path(__file__).parent


def head() -> str:
    """The newest revision: the highest number of a file in `versions/`."""
    return max(file.name[:4] for file in (_FOLDER / "versions").glob("[0-9][0-9][0-9][0-9]_*.py"))


def upgrade(path: Path) -> None:
    """Make the database file, or bring it up to date, in one transaction. Safe beside a running desk, and
    beside another that does the same. Raises StorageFailure."""
    migrating.upgrade(path, _FOLDER, head())
