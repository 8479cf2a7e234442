"""Writes scenarios: each is a pure function of its seed.

The author keeps its own simple picture of the group, who is in it since which epoch and who has opened what,
and so knows of each message whether its receiver must open it. What ts-mls cannot do it leaves out.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from random import Random
from typing import TypeVar

from tests.interop.steps import (
    Attempt,
    Begin,
    ComeIn,
    Commit,
    Hand,
    Land,
    Propose,
    Scenario,
    Send,
    Step,
    Wish,
)
from tests.interop.world import SUITES, is_ts

T = TypeVar("T")

PSKS = ("psk-a", "psk-b", "psk-c")
PAST_EPOCHS = {False: 2, True: 4}
"""How many epochs back a message still opens, by whether ts-mls is to open it (quirk 17)."""
MAX_LETTERS = 10
"""Of one sender in one epoch: ts-mls keeps no more skipped keys than that (quirk 17)."""
FULL = 32
LARGE_EVERY = 61
SMALL_SIZES = (2, 2, 2, 3, 3, 3, 4, 4, 5, 7)
LONG_EVERY = 6


def write(seed: int) -> Scenario:
    """The suites take turns. One seed of LARGE_EVERY has a group of FULL members; one of LONG_EVERY or so
    goes on until messages are too old for everybody."""
    random, suite = Random(seed), SUITES[seed % len(SUITES)]
    size, epochs, held_back = random.choice(SMALL_SIZES), random.randint(3, 4), 0.05
    if seed % LARGE_EVERY == LARGE_EVERY - 1:
        size, epochs = FULL, 3
    elif random.randrange(LONG_EVERY) == 0:
        size, epochs, held_back = random.randint(2, 3), 7, 0.3
    author = _Author(random, size, held_back)
    founder = author.found()
    author.fill()
    for _ in range(epochs):
        author.epoch_of_life()
    author.finish()
    return Scenario(seed, suite, founder, PSKS, tuple(author.steps))


@dataclass
class _Letter:
    send: Send
    epoch: int
    to_open: set[str]
    held_back: set[str]
    """Who gets it only when it is too old."""
    opened: set[str] = field(default_factory=set)


@dataclass
class _Author:
    random: Random
    size: int
    held_back: float
    """The share of messages that arrive only when they are too old."""
    steps: list[Step] = field(default_factory=list)
    epoch: int = 0
    since: dict[str, int] = field(default_factory=dict)
    """The members, and the first epoch of each."""
    left: dict[str, int] = field(default_factory=dict)
    """Who was put out, and the first epoch without them. Not those who were invited again."""
    pending: list[Propose] = field(default_factory=list)
    letters: list[_Letter] = field(default_factory=list)
    beaten: Attempt | None = None
    """Lost the last race, and tries again."""
    clients: int = 0

    # The whole --------------------------------------------------------------------------------------

    def found(self) -> str:
        founder = self._new_name()
        self.since[founder] = 0
        return founder

    def fill(self) -> None:
        """Several at a time, until the group has its size."""
        while len(self.since) < self.size:
            missing = self.size - len(self.since)
            some = missing if self.random.random() < 0.5 else self.random.randint(1, missing)
            adds = tuple(Wish("add", self._new_name()) for _ in range(some))
            self._race([Commit(self._member(), adds, public=self._chance(0.3))])

    def epoch_of_life(self) -> None:
        """Messages, proposals, more messages, and a commit."""
        self._send_some()
        self._hand_some(0.7)
        self._propose_some()
        self._hand_some(0.3)
        self._race(self._attempts())
        self._hand_some(0.3)
        self._hand_in_vain()

    def finish(self) -> None:
        """Everybody says something, and all that can still be opened is."""
        for name in self._some(self.since, 3 if self.size < FULL else 1):
            self._send(name)
        self._hand_some(1)
        self._hand_in_vain()

    # Proposals and commits --------------------------------------------------------------------------

    def _propose_some(self) -> None:
        for _ in range(self.random.choice((0, 0, 1, 1, 2, 3))):
            by = self._member()
            wish = self._wish(update=True)
            step = Propose(by, wish, public=self._chance(0.4))
            self.pending.append(step)
            if not self._committers():
                self.pending.pop()
                continue
            self._invited([wish])
            self.steps.append(step)

    def _wish(self, *, update: bool, spare: str = "") -> Wish:
        """`spare` is not to be removed."""
        kind = self.random.choice(("add", "remove", "psk", "update") if update else ("add", "remove", "psk"))
        if kind == "add" and len(self.since) < min(FULL, self.size + 1):
            return Wish("add", self._client())
        targets = [name for name in self.since if name != spare and name not in self._touched()]
        if kind == "remove" and len(targets) > 1 and len(self.since) > 2:
            return Wish("remove", self.random.choice(targets))
        if kind == "update":
            return Wish("update")
        return Wish("psk", self.random.choice(PSKS))

    def _touched(self) -> list[str]:
        """Whose leaf the pending proposals change, as often as they do."""
        leaves = {"remove": lambda p: p.wish.who, "update": lambda p: p.by}
        return [leaves[p.wish.kind](p) for p in self.pending if p.wish.kind in leaves]

    def _committers(self) -> list[str]:
        """ts-mls commits all that is pending or fails (quirk 13). The Python engine leaves out what does not
        fit: proposals for its own leaf, and all but one for any other."""
        touched = self._touched()
        clash = len(set(touched)) < len(touched)
        return [name for name in self.since if not is_ts(name) or not (clash or name in touched)]

    def _attempts(self) -> list[Attempt]:
        """One, or several of which the first wins."""
        makers = self._shuffled(self._committers())
        count = min(len(makers), self.random.choice((1, 1, 1, 1, 2, 2, 3)) if self.size < FULL else 1)
        attempts: list[Attempt] = [self._commit(by) for by in makers[:count]]
        if self._chance(0.4):
            attempts[self.random.randrange(count)] = self._come_in([a.by for a in attempts])
        if self.beaten is not None and (again := self._again(self.beaten)) is not None:
            attempts = [again, *(a for a in attempts if a.by != again.by)]
        self.beaten = None
        return attempts

    def _commit(self, by: str) -> Commit:
        wishes: list[Wish] = []
        for _ in range(self.random.choice((0, 1, 1, 2))):
            wish = self._wish(update=False, spare=by)
            if wish not in wishes and (wish.kind != "remove" or self._room_to_remove(wishes)):
                self._invited([wish])
                wishes.append(wish)
        return Commit(by, tuple(wishes), public=self._chance(0.4), path=self._chance(0.7))

    def _room_to_remove(self, wishes: Iterable[Wish]) -> bool:
        gone = sum(w.kind == "remove" for w in (*wishes, *(p.wish for p in self.pending)))
        return len(self.since) - gone > 2

    def _come_in(self, busy: Iterable[str]) -> ComeIn:
        others = [name for name in self.since if name not in busy]
        if others and len(self.since) > 1 and (self._chance(0.5) or len(self.since) >= FULL):
            by, resync = self.random.choice(others), True
        else:
            by, resync = self._client(), False
            self._invited([Wish("add", by)])
        informer = self.random.choice([name for name in self.since if name != by])
        # ts-mls cannot carry a PSK in an external commit (quirk 11).
        psks = tuple(self._some(PSKS, 2)) if not is_ts(by) and self._chance(0.4) else ()
        return ComeIn(by, informer, resync, psks)

    def _again(self, beaten: Attempt) -> Attempt | None:
        """What lost the race, made anew on the epoch that won it, as far as it still makes sense."""
        if isinstance(beaten, ComeIn):
            fits = (beaten.by in self.since) == beaten.resync and len(self.since) > 1
            informers = [name for name in self.since if name != beaten.by]
            return replace(beaten, informer=self.random.choice(informers)) if fits and informers else None
        if beaten.by not in self._committers():
            return None
        wishes = [w for w in beaten.wishes if self._makes_sense(w)]
        return replace(beaten, wishes=tuple(wishes))

    def _makes_sense(self, wish: Wish) -> bool:
        if wish.kind == "remove":
            return wish.who in self.since and wish.who not in self._touched() and self._room_to_remove([wish])
        return wish.kind != "add" or (wish.who not in self.since and len(self.since) < FULL)

    def _race(self, attempts: list[Attempt]) -> None:
        """The first wins, but is not always the first to be made."""
        winner = attempts[0]
        self.steps.append(Begin(tuple(self._shuffled(attempts))))
        if not self.pending and self._chance(0.4):
            self._send(self._member())
            self._hand_some(0.3)
        joiners, removed = self._effect(winner)
        self._move_on(winner, joiners, removed)
        self.steps.append(Land(winner.by, tuple(joiners), tuple(sorted(self.since))))
        self.beaten = attempts[1] if len(attempts) > 1 else None

    def _effect(self, winner: Attempt) -> tuple[list[str], set[str]]:
        if isinstance(winner, ComeIn):
            return [], set()
        wishes = [*(p.wish for p in self.pending), *winner.wishes]
        joiners = [w.who for w in wishes if w.kind == "add"]
        return joiners, {w.who for w in wishes if w.kind == "remove"} - {winner.by}

    def _move_on(self, winner: Attempt, joiners: Iterable[str], removed: Iterable[str]) -> None:
        self.epoch += 1
        for name in removed:
            del self.since[name]
            self.left[name] = self.epoch
            self._forget(name)
        for name in (*joiners, *([winner.by] if isinstance(winner, ComeIn) else [])):
            self.since[name] = self.epoch
            self._forget(name)
        self.pending = []

    def _forget(self, name: str) -> None:
        """It lost the keys of the epochs before."""
        for letter in self.letters:
            letter.to_open.discard(name)
            letter.opened.discard(name)

    # Messages ---------------------------------------------------------------------------------------

    def _send_some(self) -> None:
        for _ in range(self.random.choice((0, 1, 2, 3) if self.size < FULL else (0, 1))):
            self._send(self._member())

    def _send(self, by: str) -> None:
        if sum(x.send.by == by and x.epoch == self.epoch for x in self.letters) >= MAX_LETTERS:
            return
        size, padding = self.random.choice((0, 1, 62, 500)), self.random.choice((0, 1, 32))
        send = Send(len(self.letters), by, size, padding)
        to_open = [name for name in self.since if name != by]
        held_back = {name for name in to_open if self._chance(self.held_back)}
        self.letters.append(_Letter(send, self.epoch, set(to_open), held_back))
        self.steps.append(send)

    def _hand_some(self, share: float) -> None:
        """In any order. What is past its time is refused from now on."""
        waiting = [(letter, to) for letter in self.letters for to in sorted(letter.to_open)]
        for letter, to in self._shuffled(waiting):
            age = self.epoch - letter.epoch
            too_old = age > PAST_EPOCHS[is_ts(to)]
            if not self._chance(share) or (to in letter.held_back and not too_old):
                continue
            letter.to_open.remove(to)
            if too_old:
                self._hand(letter, to, "too old")
            else:
                letter.opened.add(to)
                why = "late" if age else ""
                self.steps.append(Hand(letter.send.number, to, opens=True, why=why))

    def _hand_in_vain(self) -> None:
        """One of each kind that must be refused."""
        for why, found in self._in_vain().items():
            for letter, to in self._some(found, 2):
                self._hand(letter, to, why)

    def _in_vain(self) -> dict[str, list[tuple[_Letter, str]]]:
        return {
            "replay": [(x, to) for x in self.letters for to in sorted(x.opened)],
            "own": [(x, x.send.by) for x in self.letters if self.since.get(x.send.by, FAR) <= x.epoch],
            "before its time": [
                (x, to) for x in self.letters for to in self.since if x.epoch < self.since[to]
            ],
            "after it left": [(x, to) for x in self.letters for to in self.left if x.epoch >= self.left[to]],
        }

    def _hand(self, letter: _Letter, to: str, why: str) -> None:
        self.steps.append(Hand(letter.send.number, to, opens=False, why=why))

    # Chance -----------------------------------------------------------------------------------------

    def _chance(self, share: float) -> bool:
        return self.random.random() < share

    def _member(self) -> str:
        return self.random.choice(list(self.since))

    def _shuffled(self, things: Iterable[T]) -> list[T]:
        found = list(things)
        self.random.shuffle(found)
        return found

    def _some(self, things: Iterable[T], most: int) -> list[T]:
        return self._shuffled(things)[:most]

    def _new_name(self) -> str:
        """Of the first two clients one is of each engine."""
        self.clients += 1
        side = self.clients % 2 if self.clients < 3 else self.random.randrange(2)
        if self.clients == 1:
            self._first = self.random.randrange(2)
        return f"{('py', 'ts')[(side + self._first) % 2]}{self.clients}"

    def _client(self) -> str:
        """Somebody new, or one who had left."""
        return self.random.choice(list(self.left)) if self.left and self._chance(0.3) else self._new_name()

    def _invited(self, wishes: Iterable[Wish]) -> None:
        """Whoever is invited again is a new client: what it held before is gone, if it comes in or not."""
        for wish in wishes:
            if wish.kind == "add":
                self.left.pop(wish.who, None)


FAR = 1 << 32
