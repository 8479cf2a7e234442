"""What must hold, judged by what the clients were told and what came to them, never by the relay's word.

- accepted: it comes to each recipient that is still there, once; refused for good: it comes to nobody;
- a mailbox counts 1, 2, 3, …; nothing comes twice under two numbers, and what two mailboxes both hold they
  hold in the same order; what one device sent comes in the order in which it was sent;
- an epoch of a group has one commit, and all members have the same one;
- what was sent after a device was known to be signed out never comes to it;
- once faults are over, all queues drain; nothing failed in a way that it should not, and nothing grew.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final, NoReturn

LATER: Final = frozenset({"mailbox.full", "storage.full", "storage.failed"})
"""Refusals after which the same is said again."""


class Violation(Exception):
    """Something that must hold does not."""


@dataclass(eq=False)
class Letter:
    """Something sent: `number` counts what its sender sent."""

    id: bytes
    sender: str
    number: int
    to: tuple[str, ...]
    payload: bytes = field(repr=False)
    sent_at: float
    accepted: bool = False
    given_up: bool = False

    @property
    def name(self) -> str:
        return f"{self.sender}#{self.number}"


@dataclass(eq=False)
class Oracle:
    """All journals. Raises Violation at once where one line shows it, else in `judge`; `first` keeps the
    first, whoever catches it."""

    first: str | None = None

    letters: dict[bytes, Letter] = field(default_factory=dict)
    received: dict[str, list[bytes]] = field(default_factory=dict)
    """By device: ids as its journal has them, in order."""
    seen: dict[str, dict[bytes, int]] = field(default_factory=dict)
    """By device: ids that ever came, with their numbers, journal or not."""
    signed_out: dict[str, float] = field(default_factory=dict)
    """When an order was known to be carried out."""
    doubtful: set[str] = field(default_factory=set)
    """Devices that an order is under way about."""
    commits: dict[int, bytes] = field(default_factory=dict)
    """Of the group: the commit of each epoch, as whoever made it was told or as it came."""

    def fail(self, text: str) -> NoReturn:
        """Raises Violation."""
        if self.first is None:
            self.first = text
        raise Violation(text)

    def sent(self, letter: Letter) -> None:
        self.letters[letter.id] = letter

    def accepted(self, id_: bytes) -> None:
        letter = self.letters[id_]
        if letter.given_up:
            self.fail(f"{letter.name} was refused for good, then accepted")
        letter.accepted = True

    def given_up(self, id_: bytes) -> None:
        letter = self.letters[id_]
        if letter.accepted:
            self.fail(f"{letter.name} was accepted, then refused")
        letter.given_up = True

    def came(self, device: str, sequence: int, id_: bytes, payload: bytes) -> None:
        """An envelope on its way into a journal."""
        seen = self.seen.setdefault(device, {})
        before = seen.setdefault(id_, sequence)
        if before != sequence:
            self.fail(f"{device} is given one envelope twice, as {before} and as {sequence}")
        letter = self.letters.get(id_)
        if letter is None:
            return
        if letter.payload != payload:
            self.fail(f"{letter.name} comes to {device} with another content")
        if device not in letter.to:
            self.fail(f"{letter.name} comes to {device}, and was not for it")
        if letter.sent_at > self.signed_out.get(device, float("inf")):
            self.fail(f"{letter.name} comes to {device}, which was signed out before it was sent")

    def kept(self, device: str, sequence: int, id_: bytes) -> None:
        """An envelope is in a device's journal."""
        journal = self.received.setdefault(device, [])
        if sequence != len(journal) + 1:
            self.fail(f"{device} has {len(journal)} envelopes, and the next one is number {sequence}")
        journal.append(id_)

    def committed(self, epoch: int, id_: bytes, by: str) -> None:
        before = self.commits.setdefault(epoch, id_)
        if before != id_:
            self.fail(f"epoch {epoch} has two commits; {by} knows another than others")

    def judge(self, *, ordered: bool) -> None:
        """When all is quiet. `ordered`: no refusal can have turned the order of what a device sent."""
        there = {name: set(ids) for name, ids in self.received.items()}
        for letter in self.letters.values():
            for name in letter.to:
                is_here = letter.id in there.get(name, ())
                if letter.given_up and is_here:
                    self.fail(f"{letter.name} was refused for good, and came to {name}")
                gone = name in self.signed_out or name in self.doubtful
                if letter.accepted and not is_here and not gone:
                    self.fail(f"{letter.name} was accepted, and never came to {name}")
        self._judge_order()
        if ordered:
            self._judge_senders()

    def _judge_order(self) -> None:
        """One order of all that was stored fits every mailbox."""
        names = sorted(self.received)
        for at, one in enumerate(names):
            place = {id_: number for number, id_ in enumerate(self.received[one])}
            for other in names[at + 1 :]:
                common = [place[id_] for id_ in self.received[other] if id_ in place]
                if common != sorted(common):
                    self.fail(f"{one} and {other} have the same messages in another order")

    def _judge_senders(self) -> None:
        for name, ids in self.received.items():
            last: dict[str, int] = {}
            for id_ in ids:
                letter = self.letters.get(id_)
                if letter is None:
                    continue
                if letter.number < last.get(letter.sender, 0):
                    self.fail(f"{letter.name} comes to {name} after a later one of its sender")
                last[letter.sender] = letter.number
