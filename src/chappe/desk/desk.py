"""The desk as one thing: its settings, database, passkeys and allowances."""

from __future__ import annotations

import time
from typing import Final

from chappe.desk import accounts, once, sessions
from chappe.desk.database import Clock, Database
from chappe.desk.passkeys import Passkeys
from chappe.desk.settings import DeskSettings
from chappe.desk.who import SYSTEM
from chappe.wire.limits import Attempts

ATTEMPTS: Final = 30
ATTEMPTS_PER_MINUTE: Final = 30


class Desk:
    """Of one data directory; blocking. `close` it at the end."""

    def __init__(self, settings: DeskSettings, clock: Clock = time.time) -> None:
        """Raises StorageFailure."""
        self.settings = settings
        self.database = Database(settings.data_dir, clock)
        self.passkeys = Passkeys(settings, self.database)
        # What strangers of one network may ask at once: sign-ins, applications, wrong tokens.
        self.attempts = Attempts(ATTEMPTS, ATTEMPTS_PER_MINUTE)

    def close(self) -> None:
        self.database.close()

    def sweep(self) -> None:
        """What the desk does by itself as time goes by; once an hour is enough. Raises StorageFailure."""
        self.database.keep_books(sessions.sweep)
        self.database.keep_books(once.sweep)
        self.database.change(SYSTEM, accounts.forget_closed)
