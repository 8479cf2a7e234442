"""One run: relay and devices, what the seed does to them, and the end, when all must be quiet."""

from __future__ import annotations

import asyncio
import hashlib
import random
from collections.abc import Coroutine
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from sqlalchemy import func, select

from bench.simulation import happenings
from bench.simulation.actor import GROUP, Actor
from bench.simulation.disk import Disk
from bench.simulation.edges import Clocks, edges
from bench.simulation.host import Host
from bench.simulation.image import Image
from bench.simulation.loop import Process, Stuck, VirtualLoop
from bench.simulation.network import ROOM, Network
from bench.simulation.oracle import Oracle, Violation
from bench.simulation.plan import Plan
from chappe.relay.delivery import WINDOW_BYTES
from chappe.relay.tables import entries, groups, payloads
from chappe.wire import frames

DRAIN: Final = 400.0
"""Seconds of virtual time after the last trouble in which everything must have come to rest."""
LINGER: Final = 90.0
"""Seconds after that in which the relay must have let go of sockets that nobody is at."""
MOST_OUT: Final = ROOM + WINDOW_BYTES + 1024 * 1024
"""Bytes that the relay may have on the way to one device."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """`violation`: what did not hold, or None. `digest`: of the trace."""

    seed: int
    violation: str | None
    digest: str
    trace: tuple[str, ...] = field(repr=False)
    figures: dict[str, int] = field(repr=False)


def run(plan: Plan, image: Image, folder: Path, kind: type[World] | None = None) -> Outcome:
    """The same plan gives the same outcome, trace and all. `folder` is made, and the caller's to remove.
    `kind`: which world; devices that talk frames, if not given."""
    choose = random.Random(f"run {plan.seed}")
    loop = VirtualLoop(random.Random(choose.getrandbits(64)))
    clocks = Clocks(loop)
    world = (kind or World)(plan, image, folder, loop, clocks, choose)
    with edges(clocks, random.Random(choose.getrandbits(64))) as logged:
        try:
            loop.run_until_complete(world.live())
        except Violation:
            pass
        except Stuck as problem:
            world.oracle.first = world.oracle.first or str(problem)
        finally:
            loop.end()
    world.look_for_bugs(logged)
    lines = tuple(world.lines)
    digest = hashlib.sha256("\n".join(lines).encode()).hexdigest()
    return Outcome(plan.seed, world.oracle.first, digest, lines, world.figures())


class World:
    def __init__(
        self,
        plan: Plan,
        image: Image,
        folder: Path,
        loop: VirtualLoop,
        clocks: Clocks,
        choose: random.Random,
        *,
        http: bool = False,
    ) -> None:
        self.plan = plan
        self.folder = folder
        self.loop = loop
        self.clocks = clocks
        self.choose = choose
        self.oracle = Oracle()
        self.lines: list[str] = []
        self.network = Network(loop, random.Random(choose.getrandbits(64)), plan.weather)
        loop.connector = self.network.connect
        self.disk = Disk(random.Random(choose.getrandbits(64)))
        self.host = Host(loop, self.network, self.disk, image.folder, folder, http=http)
        self.processes: list[Process] = []
        self.actors = self.make_actors(image)
        self.healing = False
        self.count: dict[str, int] = {}
        self.linked = 0

    def make_actors(self, image: Image) -> dict[str, Actor]:
        return {account.name: Actor(self, account) for account in image.accounts}

    # --- for all

    def trace(self, who: str, what: str) -> None:
        self.lines.append(f"{self.loop.time():10.4f} {who:6} {what}")

    def new_process(self, name: str) -> Process:
        process = Process(name)
        self.processes.append(process)
        return process

    async def watched(self, name: str, work: Coroutine[Any, Any, None]) -> None:
        try:
            await work
        except Violation:
            return
        except Exception as problem:  # noqa: BLE001 - whatever it is, the run has failed
            if self.loop.over:
                return
            self.oracle.first = self.oracle.first or f"{name} failed: {problem!r}"

    def restart_later(self, actor: Actor) -> None:
        delay = self.choose.uniform(0.05, 8.0)
        self.loop.call_later(delay, self._restart, actor, context=self.network.context)

    def _restart(self, actor: Actor) -> None:
        if actor.over:
            return
        if actor.process.alive:
            actor.crash(told=True)
        self.trace(actor.name, "starts")
        actor.start()

    def figures(self) -> dict[str, int]:
        sent = self.oracle.letters.values()
        return {
            "sent": len(sent),
            "accepted": sum(letter.accepted for letter in sent),
            "given_up": sum(letter.given_up for letter in sent),
            "received": sum(len(ids) for ids in self.oracle.received.values()),
            "epochs": len(self.oracle.commits),
            "signed_out": len(self.oracle.signed_out),
            "seconds": int(self.loop.time()),
            **self.count,
        }

    def look_for_bugs(self, logged: Any) -> None:
        """What the loop and the relay's log say of failures that should not be."""
        for entry in logged:
            if "should not" in entry["event"]:
                self.oracle.first = self.oracle.first or f"the relay: {entry['event']}: {entry}"
        for problem in self.loop.problems:
            self.oracle.first = self.oracle.first or f"a callback failed: {problem}"

    # --- the run

    async def live(self) -> None:
        await self.host.start()
        for actor in self.actors.values():
            actor.start()
        await asyncio.sleep(self.choose.uniform(0, 1))
        kinds = {"send": 10, "commit": 3} | self.plan.trouble
        names, weights = list(kinds), list(kinds.values())
        for _ in range(self.plan.steps):
            (kind,) = self.choose.choices(names, weights)
            self.count[kind] = self.count.get(kind, 0) + 1
            self.happen(kind)
            await asyncio.sleep(self.choose.expovariate(1 / self.plan.pace))
            self._look()
        await self._heal()
        await self._drain()
        await self.judge()

    def happen(self, kind: str) -> None:
        happenings.KINDS[kind](self)

    def _look(self) -> None:
        if self.oracle.first is not None:
            raise Violation(self.oracle.first)
        for end in self.network.of(self.host.process):
            if end.out.size > MOST_OUT:
                self.oracle.fail(f"{end.out.size} bytes are on the way to one device")

    def here(self) -> list[Actor]:
        return [actor for actor in self.actors.values() if not actor.over]

    def up(self) -> list[Actor]:
        return [actor for actor in self.here() if actor.process.alive]

    def one(self) -> Actor | None:
        up = self.up()
        return self.choose.choice(up) if up else None

    # --- the end

    async def _heal(self) -> None:
        """No more trouble; who is off comes back."""
        self.healing = True
        self.trace("all", "heals")
        happenings.mend_disk(self)
        self.clocks.off.clear()
        for name in list(self.network.held):
            happenings.reach(self, name)
        for actor in self.actors.values():
            actor.bad_disk = False
        for end in list(self.network.ends):
            if end.paused and end.owner is not self.host.process:
                end.resume_reading()

    async def _drain(self) -> None:
        deadline = self.loop.time() + DRAIN
        while not await self._is_quiet():
            await asyncio.sleep(1.0)
            self._look()
            for actor in self.here():
                if not actor.process.alive and self.loop.time() > deadline - DRAIN + 10:
                    self._restart(actor)
            if self.loop.time() > deadline:
                late = ", ".join(self._restless())[:300] or "the relay holds mail"
                self.oracle.fail(f"after {DRAIN:.0f} seconds not at rest: {late}")
        await asyncio.sleep(LINGER if self.plan.lingers else 2.0)
        self._look()

    async def _is_quiet(self) -> bool:
        relay = self.host.relay
        if self._restless() or relay is None:
            return False
        left = await relay.store.read(self._left)
        return not left["entries"]

    def _restless(self) -> list[str]:
        """Who is not done: with something to send, or with an envelope that did not come yet."""
        if self.host.relay is None:
            return ["relay"]
        gone = self.oracle.signed_out
        found = [a.name for a in self.here() if a.name not in gone and not a.quiet]
        there = {name: set(ids) for name, ids in self.oracle.received.items()}
        for letter in self.oracle.letters.values():
            if letter.accepted:
                late = [n for n in letter.to if n not in gone and letter.id not in there.get(n, ())]
                found += [f"{letter.name} to {name}" for name in late]
        found += sorted(self.oracle.doubtful - set(gone))
        return found

    async def judge(self) -> None:
        self.oracle.judge(ordered=not self.disk.refused)
        left = await self.judge_relay()
        here = [a for a in self.here() if a.name not in self.oracle.signed_out]
        epochs = {a.name: a.disk.epoch for a in here if a.disk.epoch >= 0}
        if len(set(epochs.values())) > 1 or (epochs and set(epochs.values()) != {left["epoch"]}):
            self.oracle.fail(f"members are in epochs {epochs}, the relay in {left['epoch']}")

    async def judge_relay(self) -> dict[str, int]:
        """Nothing is left in it. Gives what its tables say."""
        relay = self.host.relay
        assert relay is not None
        here = [a for a in self.here() if a.name not in self.oracle.signed_out]
        left = await relay.store.read(self._left)
        if left["entries"] or left["payloads"]:
            self.oracle.fail(f"all is acknowledged, and the relay still holds {left}")
        sockets, _ = relay.load()
        if self.plan.lingers and sockets > len(here):
            self.oracle.fail(f"{sockets} sockets are open for {len(here)} devices")
        if relay.store.waiting_bytes:
            self.oracle.fail(
                f"{relay.store.waiting_bytes} bytes wait for the store, and nothing is under way"
            )
        return left

    def _left(self, connection: Any) -> dict[str, int]:
        def count(table: Any) -> int:
            return int(connection.execute(select(func.count()).select_from(table)).scalar_one())

        epoch = connection.execute(select(groups.c.epoch).where(groups.c.group_id == GROUP)).scalar()
        return {"entries": count(entries), "payloads": count(payloads), "epoch": epoch or 0}


assert frames.MAILBOX_SECONDS == 30 * 86_400
