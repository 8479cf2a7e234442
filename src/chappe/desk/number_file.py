"""The highest invoice number of each year, in a file beside the database and outside its backup.

A database that is brought back from an older copy would give numbers again that customers have on paper. The
file knows better: nothing is invoiced until the operator has said what became of the numbers between
(`chappe.desk.numbers`).
"""

from __future__ import annotations

import fcntl
import os
from pathlib import Path
from typing import Final

import msgspec

from chappe.wire.durable import replace_file
from chappe.wire.errors import error
from chappe.wire.sqlite import os_failure

FILE: Final = "invoice-numbers"
_LONGEST: Final = 64 * 1024


class NumberFile:
    """Of one data directory; several processes may have it."""

    def __init__(self, data_dir: Path) -> None:
        self._folder = data_dir
        self._path = data_dir / FILE

    def read(self) -> dict[int, int] | None:
        """The highest number by year; None where there is no file. Raises storage.* for one that cannot be
        read."""
        try:
            with self._path.open("rb") as file:
                text = file.read(_LONGEST)
        except FileNotFoundError:
            return None
        except OSError as problem:
            raise os_failure(problem) from None
        try:
            return msgspec.json.decode(text, type=dict[int, int])
        except msgspec.MsgspecError:
            raise error(
                "storage.failed", f"The file {FILE} cannot be read; see `chappe desk sale numbers`."
            ) from None

    def raise_to(self, highest: dict[int, int]) -> None:
        """From here on at least these, durably. What cannot be read is written anew. Raises storage.*."""
        try:
            descriptor = os.open(self._folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX)
                known = self._known()
                merged = {
                    year: max(highest.get(year, 0), known.get(year, 0)) for year in sorted(highest | known)
                }
                if merged != known or not self._path.exists():
                    replace_file(self._path, msgspec.json.encode(merged))
            finally:
                os.close(descriptor)
        except OSError as problem:
            raise os_failure(problem) from None

    def _known(self) -> dict[int, int]:
        try:
            return msgspec.json.decode(self._path.read_bytes(), type=dict[int, int])
        except (FileNotFoundError, msgspec.MsgspecError):
            return {}
