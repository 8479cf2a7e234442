"""A relay that is not made to be trusted: SQLite with `synchronous=NORMAL`, which does not wait for the disk.

The control of `chappe chaos power`, which must lose messages here. `python -m bench.chaos.unsynced …` takes
what `python -m chappe.relay` does; there is no such setting.
"""

from __future__ import annotations

import sqlite3
import sqlite3.dbapi2
import sys
from functools import partial
from typing import Any, Final

from chappe.relay.__main__ import main

ASKED: Final = "synchronous=FULL"
GIVEN: Final = "synchronous=NORMAL"


class Unsynced(sqlite3.Connection):
    def execute(self, sql: str, *given: Any) -> sqlite3.Cursor:
        return super().execute(sql.replace(ASKED, GIVEN), *given)


if __name__ == "__main__":
    connect = partial(sqlite3.dbapi2.connect, factory=Unsynced)
    sqlite3.connect = sqlite3.dbapi2.connect = connect  # type: ignore[assignment]
    sys.exit(main(sys.argv[1:]))
