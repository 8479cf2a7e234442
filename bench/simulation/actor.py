"""A device: the SDK's own connection, and around it the least that a phone must do right, without MLS.

What it has durably outlives it; what it does takes its disk some time, and it may die meanwhile.
"""

from __future__ import annotations

import asyncio
import hashlib
import secrets
from collections.abc import Callable
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, Final, cast

import msgspec

from bench.simulation.host import SERVER, Account
from bench.simulation.loop import Process
from bench.simulation.oracle import LATER, Letter
from chappe.client.connection import Connection
from chappe.relay.locks import lock_of
from chappe.wire import frames
from chappe.wire.errors import ChappeError

if TYPE_CHECKING:
    from bench.simulation.world import World

PAUSE: Final = 2.0
GIVES_UP: Final = 0.3
"""How often a device gives up what a full mailbox does not take."""
GROUP: Final = b"g" * 16
COMMIT: Final = b"commit"
WELCOME: Final = b"welcome"
OVER: Final = ("signin.revoked", "signin.unknown_device")


@dataclass
class Disk:
    """What outlives the device's process."""

    outbox: dict[bytes, Letter] = field(default_factory=dict)
    cursor: int = 0
    epoch: int = 0
    """Of the group; -1 where a Welcome has not come yet."""
    pending: frames.Commit | None = None
    lost: dict[int, bytes] = field(default_factory=dict)
    """Commits of others that came before this device knew what became of its own."""


class Actor:
    """`Connection`'s owner. `disk` is handed from life to life."""

    def __init__(self, world: World, account: Account) -> None:
        self.world = world
        self.account = account
        self.name = account.name
        self.disk = Disk()
        self.sent = 0
        self.process = Process(self.name)
        self.process.alive = False
        self.over = False
        self.bad_disk = False
        self.connection: Connection

    # --- life

    def start(self) -> None:
        if self.process.alive or self.over:
            return
        self.process = self.world.new_process(self.name)
        self.world.loop.start(self.process, self.world.watched(self.name, self._run()))

    def crash(self, *, told: bool) -> None:
        self.world.loop.kill(self.process)
        self.world.network.died(self.process, told=told)

    @property
    def quiet(self) -> bool:
        """Nothing is left to do."""
        return self.over or (
            self.process.alive
            and not self.disk.outbox
            and self.disk.pending is None
            and not self._works
            and self.connection.online
        )

    @property
    def _may_be_signed_out(self) -> bool:
        oracle = self.world.oracle
        return self.name in oracle.signed_out or self.name in oracle.doubtful

    async def _run(self) -> None:
        key, device = self.account.key, self.account.id
        place = SimpleNamespace(authority="relay")
        me = SimpleNamespace(place=place, server=SERVER, sign=key.sign, device_id=device)
        self._works: list[tuple[Callable[[], None], Callable[[], None]]] = []
        self._work_came = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []
        self._said: dict[int, bytes] = {}
        self._given_up: set[bytes] = set()
        self._refused = False
        """On this connection nothing is taken any more: the device is signed out."""
        self._commit_ref = 0
        """Of the commit that was said and is not done with."""
        self._commit_said: frames.Commit | None = None
        self._not_before = 0.0
        self._wake = asyncio.Event()
        self._seen = self.disk.cursor
        self.connection = Connection(cast(Any, me), self)
        self.connection._context = cast(Any, object())
        loop = asyncio.get_running_loop()
        for work in (self._persist(), self._pump()):
            self._tasks.append(loop.create_task(self.world.watched(self.name, work)))
        await self.connection.run()
        # For good: a person would have to look. Who was signed out stays out; else the person opens it again.
        fatal = self.connection.fatal
        self.world.trace(self.name, f"ends: {fatal.code if fatal else 'closed'}")
        if fatal is not None and fatal.code in OVER:
            self._signed_out(fatal.code)
            return
        if fatal is not None and fatal.code not in ("signin.superseded",):
            self.world.oracle.fail(f"{self.name} is refused for good: {fatal.code}")
        self.world.restart_later(self)

    def _signed_out(self, code: str) -> None:
        oracle = self.world.oracle
        if self.name not in oracle.signed_out and self.name not in oracle.doubtful:
            self.world.oracle.fail(f"{self.name} is refused as {code}, and nobody ordered that")
        self.over = True
        self.world.loop.call_soon(self.crash_soon)

    def crash_soon(self) -> None:
        self.crash(told=True)

    # --- the disk

    def _durably(self, change: Callable[[], None], then: Callable[[], None]) -> None:
        self._works.append((change, then))
        self._work_came.set()

    async def _persist(self) -> None:
        """In order: wait for the disk, change what is durable, go on."""
        while True:
            while self._works:
                await asyncio.sleep(self.world.choose.uniform(0.0005, 0.02))
                if self.bad_disk and self.world.choose.random() < 0.3:
                    self.world.trace(self.name, "its disk fails")
                    self.world.restart_later(self)
                    self.crash(told=True)
                    return
                change, then = self._works[0]
                change()
                then()
                self._works.pop(0)
            self._work_came.clear()
            await self._work_came.wait()

    # --- sending

    def compose(self, to: list[Actor], payload: bytes) -> None:
        """A person writes: durable first, then it may be said."""
        self.sent += 1
        names = tuple(actor.name for actor in to)
        letter = Letter(secrets.token_bytes(16), self.name, self.sent, names, payload, self.world.loop.time())

        def keep() -> None:
            self.world.oracle.sent(letter)
            self.disk.outbox[letter.id] = letter

        self._durably(keep, self._wake.set)

    async def _pump(self) -> None:
        while True:
            await self._wake.wait()
            self._wake.clear()
            wait = self._not_before - asyncio.get_running_loop().time()
            if wait > 0:
                await asyncio.sleep(wait)
            try:
                await self._say_all()
            except ChappeError as problem:
                if problem.code != "network.unreachable":
                    raise

    async def _say_all(self) -> None:
        for letter in [*self.disk.outbox.values()]:
            if not self.connection.online or self._refused:
                return
            if letter.id not in self.disk.outbox:
                continue
            if letter.id in self._said.values() or letter.id in self._given_up:
                continue
            ref = self.connection.new_ref()
            self._said[ref] = letter.id
            to = [self.world.actors[name].account.id for name in letter.to]
            self.world.trace(self.name, f"says {letter.name} to {','.join(letter.to)}")
            await self.connection.say(frames.Send(ref, letter.id, to, letter.payload))
        pending = self.disk.pending
        if pending is not None and self._commit_ref == 0 and self.connection.online and not self._refused:
            self._commit_ref, self._commit_said = self.connection.new_ref(), pending
            self.world.trace(self.name, f"commits from epoch {pending.epoch}")
            await self.connection.say(frames_with_ref(pending, self._commit_ref))

    # --- the group

    def commit(self, to: list[Actor]) -> None:
        """Move the group by an epoch, if this device knows of nothing that is under way."""
        disk = self.disk
        if disk.pending is not None or disk.epoch < 0:
            return
        welcome = WELCOME + (disk.epoch + 1).to_bytes(4, "big")
        outside = [actor.account.id for actor in to if actor.disk.epoch < 0]
        commit = frames.Commit(
            ref=0,
            id=secrets.token_bytes(16),
            group=GROUP,
            epoch=disk.epoch,
            opener=opener(disk.epoch),
            next_lock=lock_of(opener(disk.epoch + 1)),
            to=[actor.account.id for actor in to if actor.disk.epoch >= 0],
            payload=COMMIT + disk.epoch.to_bytes(4, "big") + secrets.token_bytes(16),
            welcomes=[frames.WelcomeFor(outside, welcome)] if outside else [],
        )

        def keep() -> None:
            if disk.pending is None and disk.epoch == commit.epoch:
                disk.pending = commit

        self._durably(keep, self._wake.set)

    def _commit_answered(self, answer: frames.FromRelay | ChappeError) -> None:
        said = self._commit_said
        assert said is not None
        code = answer.code if isinstance(answer, ChappeError) else type(answer).__name__.lower()
        self.world.trace(self.name, f"its commit from epoch {said.epoch}: {code}")
        if isinstance(answer, frames.Accepted):
            self.world.oracle.committed(said.epoch, said.id, self.name)
            self._durably(lambda: self._adopt_own(said), self._say_next_commit)
        elif code == "commit.conflict":
            self._durably(lambda: self._drop_own(said), self._say_next_commit)
        elif code in LATER:
            self._commit_ref = 0
            self._later()
        elif code in OVER and self._may_be_signed_out:
            self._refused = True
        else:
            self.world.oracle.fail(f"{self.name}'s commit from epoch {said.epoch} is answered {code}")

    def _say_next_commit(self) -> None:
        self._commit_ref = 0
        self._wake.set()

    def _adopt_own(self, pending: frames.Commit) -> None:
        if self.disk.pending is not pending:
            return
        self.disk.pending = None
        self.disk.epoch = pending.epoch + 1
        self._follow()

    def _drop_own(self, pending: frames.Commit) -> None:
        if self.disk.pending is pending:
            self.disk.pending = None
            self._follow()

    def _take_commit(self, id_: bytes, payload: bytes) -> None:
        epoch = int.from_bytes(payload[len(COMMIT) : len(COMMIT) + 4], "big")
        self.world.trace(self.name, f"follows a commit from epoch {epoch}")
        self.world.oracle.committed(epoch, id_, self.name)
        self.disk.lost[epoch] = id_
        self._follow()

    def _follow(self) -> None:
        """What came of others, epoch by epoch; an own commit under way from the same epoch has lost."""
        disk = self.disk
        while disk.epoch in disk.lost:
            if disk.pending is not None and disk.pending.epoch == disk.epoch:
                disk.pending = None
            disk.epoch += 1

    # --- Owner

    def opened(self, welcome: frames.Welcome) -> None:
        self.world.trace(self.name, f"online, newest {welcome.newest}, has {self.disk.cursor}")
        if welcome.newest < self.disk.cursor:
            self.world.oracle.fail(
                f"{self.name} has {self.disk.cursor} envelopes, the relay knows {welcome.newest}"
            )
        self._said.clear()
        self._commit_ref = 0
        self._refused = False
        self._not_before = 0.0
        self._wake.set()

    def delivered(self, envelopes: list[frames.Deliver]) -> None:
        fresh = []
        for envelope in envelopes:
            self.world.oracle.came(self.name, envelope.sequence, envelope.id, envelope.payload)
            if envelope.sequence > self._seen:
                self._seen = envelope.sequence
                fresh.append(envelope)

        def keep() -> None:
            for envelope in fresh:
                self.world.oracle.kept(self.name, envelope.sequence, envelope.id)
                self.disk.cursor = envelope.sequence
                if envelope.payload.startswith(COMMIT):
                    self._take_commit(envelope.id, envelope.payload)
                elif envelope.payload.startswith(WELCOME):
                    self.disk.epoch = max(self.disk.epoch, int.from_bytes(envelope.payload[-4:], "big"))
                    self._follow()
            if fresh:
                self.world.trace(self.name, f"has {self.disk.cursor}")

        self._ack_after(keep, envelopes[-1].sequence)

    def _ack_after(self, keep: Callable[[], None], sequence: int) -> None:
        self._durably(keep, lambda: self._ack(sequence))

    def _ack(self, sequence: int) -> None:
        self._tasks.append(asyncio.get_running_loop().create_task(self._say_ack(sequence)))

    async def _say_ack(self, sequence: int) -> None:
        try:
            await self.connection.say(frames.Ack(sequence))
        except ChappeError:
            return

    def answered(self, answers: list[tuple[int, frames.FromRelay | ChappeError]]) -> None:
        for ref, answer in answers:
            if ref == self._commit_ref:
                self._commit_answered(answer)
                continue
            id_ = self._said.pop(ref, None)
            if id_ is not None:
                self._letter_answered(id_, answer)

    def _letter_answered(self, id_: bytes, answer: frames.FromRelay | ChappeError) -> None:
        world = self.world
        letter = world.oracle.letters[id_]
        if isinstance(answer, frames.Accepted):
            world.trace(self.name, f"{letter.name} accepted")
            world.oracle.accepted(id_)
            self._durably(lambda: self._done(id_), lambda: None)
            return
        code = answer.code if isinstance(answer, ChappeError) else type(answer).__name__
        world.trace(self.name, f"{letter.name} refused: {code}")
        if code not in LATER:
            if code in OVER and self._may_be_signed_out:
                self._refused = True
                return
            self.world.oracle.fail(f"{letter.name} is refused: {code}")
        if code == "mailbox.full" and world.choose.random() < GIVES_UP:
            self._given_up.add(id_)
            self._durably(lambda: self._give_up(id_), lambda: None)
            return
        self._later()

    def _give_up(self, id_: bytes) -> None:
        self._done(id_)
        self.world.oracle.given_up(id_)

    def _done(self, id_: bytes) -> None:
        self.disk.outbox.pop(id_, None)

    def _later(self) -> None:
        loop = asyncio.get_running_loop()
        self._not_before = loop.time() + PAUSE
        loop.call_later(PAUSE, self._wake.set)

    def ordered(self, frame: frames.OrderFrame) -> None:
        self.world.trace(self.name, "is handed an order")

    def termed(self, term: frames.Term) -> None:
        self.world.oracle.fail(f"{self.name} is told of a term, and has none")

    def posted(self, frame: frames.Posted) -> None: ...

    def lost(self, reason: ChappeError) -> None:
        self.world.trace(self.name, f"offline: {reason.code}")


def opener(epoch: int) -> bytes:
    """What members know of each epoch, and the relay does not."""
    return hashlib.sha256(b"opener" + GROUP + epoch.to_bytes(4, "big")).digest()


def frames_with_ref(commit: frames.Commit, ref: int) -> frames.Commit:
    return msgspec.structs.replace(commit, ref=ref)
