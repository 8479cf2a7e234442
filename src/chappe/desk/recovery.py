"""Recovery codes: ten, each for one sign-in, shown once and kept hashed. For who has lost every passkey."""

from __future__ import annotations

from typing import Final

from sqlalchemy import delete, insert

from chappe.desk.database import Unit
from chappe.desk.secret import recovery_digest
from chappe.desk.tables import recovery_codes
from chappe.wire import codes

COUNT: Final = 10


def renew(unit: Unit, account: bytes) -> list[str]:
    """Ten fresh codes, `XXXX-XXXX-XXXX-XXXX`; those before hold no more."""
    fresh = [codes.new() for _ in range(COUNT)]
    unit.connection.execute(delete(recovery_codes).where(recovery_codes.c.account == account))
    unit.connection.execute(
        insert(recovery_codes),
        [{"digest": recovery_digest(code), "account": account, "created_at": unit.now} for code in fresh],
    )
    unit.log("recovery.renewed", account)
    return [codes.show(code) for code in fresh]
