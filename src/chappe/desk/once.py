"""A double submit gives the first answer: what an `Idempotency-Key` was answered with, kept for a day.

The answer is kept in the transaction of what it tells of, so that there is no moment at which one is there
without the other. An answer with something that is shown once is not kept: the second asker hears that it was
done.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, TypeVar

from pydantic import BaseModel
from sqlalchemy import delete, insert, select

from chappe.desk.database import Database, Unit
from chappe.desk.tables import answers
from chappe.desk.who import Actor
from chappe.wire.errors import error

KEPT_SECONDS: Final = 24 * 3600

M = TypeVar("M", bound=BaseModel)


@dataclass(frozen=True, slots=True)
class Once:
    """`key` as the client chose it; `asked` is SHA-256 of the operation, its path and its body."""

    key: str
    asked: bytes


def change_once(
    database: Database,
    actor: Actor,
    once: Once | None,
    kind: type[M],
    work: Callable[[Unit], M],
    *,
    shown_once: bool = False,
) -> M:
    """`database.change`, or what it answered before. `shown_once`: the answer holds a secret.

    Raises id.reused (the key was used for something else), desk.exists (done before, and shown then), and
    what `database.change` raises.
    """
    if once is None:
        return database.change(actor, work)
    digest = _digest(actor, once)

    def work_once(unit: Unit) -> M:
        row = unit.connection.execute(
            select(answers).where(answers.c.digest == digest, answers.c.at > unit.now - KEPT_SECONDS)
        ).one_or_none()
        if row is not None:
            if row.asked != once.asked:
                raise error("id.reused", "This Idempotency-Key was used for something else; take another.")
            if row.answer is None:
                raise error("desk.exists", "This was done before, and what it made was shown then.")
            return kind.model_validate_json(row.answer)
        result = work(unit)
        answer = None if shown_once else result.model_dump_json().encode()
        unit.connection.execute(delete(answers).where(answers.c.digest == digest))
        unit.connection.execute(
            insert(answers).values(digest=digest, asked=once.asked, answer=answer, at=unit.now)
        )
        return result

    return database.change(actor, work_once)


def sweep(unit: Unit) -> None:
    """Drop those of more than a day ago."""
    unit.connection.execute(delete(answers).where(answers.c.at <= unit.now - KEPT_SECONDS))


def _digest(actor: Actor, once: Once) -> bytes:
    who = actor.token or actor.account or actor.kind.encode()
    return hashlib.sha256(b"chappe desk once v1\0" + who + b"\0" + once.key.encode()).digest()
