"""What the clients of a test wrote down, and what is wrong with it.

Exactly once: every message that a client was told is `accepted` is in the journal of each of its recipients,
once, whole, and in the order of its sender's requests; nothing that was refused for good, and nothing that
nobody sent, is in any.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass, field


@dataclass(slots=True)
class Sent:
    """One message. `number` counts its sender's; `refused`: with what code, for good; `given_up`: the store
    failed, and its sender left it at that."""

    id: bytes
    sender: bytes
    number: int
    to: tuple[bytes, ...]
    payload: bytes
    accepted: bool = False
    refused: str = ""
    given_up: bool = False
    doubted: bool = False
    """The relay has said once that it does not know, or said nothing: what it refuses later it may have taken
    then."""
    put_off: bool = False
    """It was refused for the moment, and said again: others of its sender may have come before it."""


@dataclass(frozen=True, slots=True)
class Taken:
    """One delivery that was new to the client: no sequence at or below its last one."""

    sequence: int
    id: bytes
    digest: bytes


@dataclass(slots=True)
class Journals:
    """Of all clients. Devices are named by their ids."""

    sent: dict[bytes, Sent] = field(default_factory=dict)
    taken: dict[bytes, list[Taken]] = field(default_factory=dict)
    accepted: int = 0
    again: int = 0
    """Deliveries that came once more after a connection was lost, under the sequence they had: that is how
    it should be, before the acknowledgement is durable."""
    faults: list[str] = field(default_factory=list)

    def note_sent(self, message: Sent) -> None:
        self.sent[message.id] = message

    def note_accepted(self, id_: bytes) -> None:
        message = self.sent[id_]
        if message.refused:
            self.faults.append("accepted after it was refused for good")
        self.accepted += not message.accepted
        message.accepted = True

    def last(self, device: bytes) -> int:
        """The last sequence that the device has taken."""
        journal = self.taken.get(device)
        return journal[-1].sequence if journal else 0

    def note_delivery(self, device: bytes, sequence: int, id_: bytes, payload: bytes) -> None:
        journal = self.taken.setdefault(device, [])
        digest = hashlib.sha256(payload).digest()
        if journal and sequence <= journal[-1].sequence:
            self._note_again(journal, sequence, id_, digest)
        else:
            journal.append(Taken(sequence, id_, digest))

    def _note_again(self, journal: list[Taken], sequence: int, id_: bytes, digest: bytes) -> None:
        """It must be one of the last that were taken, as it was."""
        self.again += 1
        for taken in reversed(journal):
            if taken.sequence <= sequence:
                if taken != Taken(sequence, id_, digest):
                    self.faults.append(f"sequence {sequence} came twice, for two things")
                return
        self.faults.append(f"sequence {sequence} came late: another came first")

    def verdict(self) -> Verdict:
        found = Verdict(faults=list(self.faults))
        places: dict[bytes, dict[bytes, int]] = {}
        for device, journal in self.taken.items():
            mine = places[device] = {}
            newest: dict[bytes, int] = {}
            for place, taken in enumerate(journal):
                found.doubled += taken.id in mine
                mine[taken.id] = place
                self._check(found, device, taken, newest)
        for message in self.sent.values():
            if message.accepted and any(message.id not in places.get(to, {}) for to in message.to):
                found.lost += 1
        return found

    def _check(self, found: Verdict, device: bytes, taken: Taken, newest: dict[bytes, int]) -> None:
        message = self.sent.get(taken.id)
        if message is None or device not in message.to:
            found.faults.append("a message came that nobody sent there")
        elif message.refused:
            found.refused_yet_there += 1
        elif taken.digest != hashlib.sha256(message.payload).digest():
            found.faults.append("a message came changed")
        else:
            if not message.put_off:
                found.out_of_order += message.number < newest.get(message.sender, -1)
                newest[message.sender] = message.number


@dataclass(slots=True)
class Verdict:
    lost: int = 0
    doubled: int = 0
    refused_yet_there: int = 0
    out_of_order: int = 0
    faults: list[str] = field(default_factory=list)

    @property
    def clean(self) -> bool:
        return not (self.lost or self.doubled or self.refused_yet_there or self.out_of_order or self.faults)


def added(verdicts: Iterable[Verdict]) -> Verdict:
    """Of several crews."""
    whole = Verdict()
    for one in verdicts:
        whole.lost += one.lost
        whole.doubled += one.doubled
        whole.refused_yet_there += one.refused_yet_there
        whole.out_of_order += one.out_of_order
        whole.faults += one.faults
    return whole
