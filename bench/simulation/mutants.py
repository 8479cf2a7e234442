"""Deliberate faults, to see that the oracle sees: each must be found within some seeds (tests/simulation).

Nothing of this is in the program: a fault is put in for as long as a `with` lasts.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any, Final
from unittest import mock

from sqlalchemy import Connection

from bench.simulation.actor import Actor
from bench.simulation.disk import TurnWriter
from chappe.relay.delivery import LARGEST_FROM_MEMORY, Delivery
from chappe.relay.hub import Hub
from chappe.relay.mailroom import AckOperation, Mailroom, SendOperation
from chappe.relay.ports import Answer, Operation, Stored
from chappe.relay.relay import Relay
from chappe.relay.storage import sqlite_mail
from chappe.relay.usecases.move_group import MoveGroup


@dataclass(frozen=True, slots=True)
class Mutant:
    """Something of the program, and what stands in its place. `only`: kinds of trouble that are enough to
    find it; `seeds`: among how many at the most."""

    target: Any
    name: str
    stand_in: Any
    only: tuple[str, ...] | None = None
    seeds: int = 40

    def put_in(self) -> AbstractContextManager[Any]:
        return mock.patch.object(self.target, self.name, self.stand_in)


def _early_answer(writer: TurnWriter, operation: Operation, answer: Answer) -> None:
    """`accepted` is said when the message is queued, not when it is durable."""
    if isinstance(operation, SendOperation):
        answer(Stored(2_000_000_000))
        answer = _deaf
    _submit(writer, operation, answer)


def _deaf(_outcome: object) -> None: ...


_submit = TurnWriter.submit


def _early_ack(actor: Actor, keep: Callable[[], None], sequence: int) -> None:
    """The device acknowledges what it does not have durably yet."""
    actor._ack(sequence)
    actor._durably(keep, lambda: None)


def _no_ids(_connection: Connection, _rows: Any) -> None:
    """The relay forgets which ids it has taken."""


def _greedy_acks(connection: Connection, upto: list[tuple[int, int]]) -> None:
    """An acknowledgement deletes one envelope too many."""
    _acknowledge(connection, [(mailbox, sequence + 1) for mailbox, sequence in upto])


_acknowledge = sqlite_mail.acknowledge


def _forgets_large(self: Delivery, sequence: int, size: int) -> bool:
    """What is too large to be pushed from memory is not read from the store either."""
    return size <= LARGEST_FROM_MEMORY and _offer(self, sequence, size)


_offer = Delivery.offer


def _any_epoch(self: MoveGroup, unit: Any) -> None:
    """Two members may both move a group from one epoch."""


def _first_stays(self: Hub, mailbox: int, listener: Any) -> None:
    """What arrives goes to the older socket of a device."""
    self._here.setdefault(mailbox, listener)


def _not_told(self: Hub, mailbox: int) -> None:
    """A device that is signed out is not, while it is here."""


def _delete_once(self: Relay, mailbox: int, sequence: int) -> None:
    """What the disk did not delete stays."""
    self.store.submit(AckOperation(mailbox, sequence), _deaf)


def _stale_numbers(self: Mailroom) -> None:
    """After a transaction that was undone, what was remembered from it is kept."""


def _still_known(self: Mailroom, device: bytes) -> None:
    """The mailbox of a device that is signed out goes on taking mail."""


MUTANTS: Final[dict[str, Mutant]] = {
    "answers before the commit": Mutant(TurnWriter, "submit", _early_answer),
    "acknowledges before its store": Mutant(Actor, "_ack_after", _early_ack, ("device dies", "device disk")),
    "forgets ids": Mutant(sqlite_mail, "insert_ids", _no_ids),
    "deletes one too many": Mutant(sqlite_mail, "acknowledge", _greedy_acks, ()),
    "forgets large ones": Mutant(Delivery, "offer", _forgets_large, ()),
    "lets two commits win": Mutant(MoveGroup, "_compare_and_swap", _any_epoch),
    "serves an older socket": Mutant(Hub, "enter", _first_stays, ("half open",)),
    "does not tell who is signed out": Mutant(Hub, "sign_out", _not_told, ("order",)),
    "deletes no more than once": Mutant(Relay, "_delete", _delete_once, ("disk errors",)),
    "remembers what was undone": Mutant(Mailroom, "forget", _stale_numbers, ("disk errors", "disk full")),
    "goes on filling an erased mailbox": Mutant(Mailroom, "forget_device", _still_known, ("order",)),
}
