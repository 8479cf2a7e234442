"""Runs with whole phones: the SDK with its vault, real MLS and all that it says over HTTP, in one group.

Each life of a phone begins on a copy of what the one before left on its disk, write-ahead log and all. A run
costs some ten times as much as one that talks frames: a few of many are of this kind.
"""

from __future__ import annotations

import asyncio
import random
import shutil
from collections import Counter
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final, cast

from bench.simulation.disk import Disk
from bench.simulation.edges import Clocks, edges
from bench.simulation.host import SERVER, Host, settings_in
from bench.simulation.image import Image
from bench.simulation.loop import Process, VirtualLoop
from bench.simulation.network import Network
from bench.simulation.plan import Plan
from bench.simulation.world import World
from chappe.client import Phone
from chappe.client.connection import FATAL
from chappe.relay.migrations import upgrade
from chappe.relay.new_codes import new_codes
from chappe.wire.errors import ChappeError
from chappe.wire.links import RelayPlace

NAMES: Final = ("ada", "ben", "cleo")
PLACE: Final = RelayPlace(SERVER, 8440, None)
TABLE: Final = "table"
SETTLE: Final = 120.0
PHONES_TROUBLE: Final = (
    "relay dies",
    "power cut",
    "relay restarts",
    "device dies",
    "cut",
    "half open",
    "partition",
    "slow reader",
    "disk full",
    "disk errors",
    "sweep",
    "weather",
)
ALARMS: Final = ("gap", "fork", "failed")


@dataclass(frozen=True, slots=True)
class PhoneImage(Image):
    """`homes`: the folder of the phones' profiles, by their names; `group`: what they are all in."""

    homes: Path
    group: bytes


def plan_of_phones(seed: int) -> Plan:
    plan = Plan.of(seed)
    choose = random.Random(f"phones {seed}")
    kinds = [kind for kind in PHONES_TROUBLE if choose.random() < 0.4]
    return replace(plan, steps=choose.randint(6, 14), trouble={kind: choose.randint(1, 3) for kind in kinds})


def make_phone_image(folder: Path) -> PhoneImage:
    """Three lines in one group, all that waited read, and everything closed."""
    choose = random.Random("phones")
    loop = VirtualLoop(choose)
    network = Network(loop, choose)
    loop.connector = network.connect
    empty = folder / "empty"
    empty.mkdir(parents=True, mode=0o700)
    with edges(Clocks(loop), choose):
        upgrade(settings_in(empty).database)
        host = Host(loop, network, Disk(choose), empty, folder / "made", http=True)
        group = loop.run_until_complete(_gather(loop, host, folder / "homes"))
        loop.end()
    return PhoneImage(host.data, (), folder / "homes", group)


async def _gather(loop: VirtualLoop, host: Host, homes: Path) -> bytes:
    await host.start()
    process = Process("phones")

    async def gather() -> bytes:
        made = []
        for name in NAMES:
            (code,) = new_codes(settings_in(host.data)).codes
            phone = await Phone.activate(homes / name, PLACE, code, f"{name}@{SERVER}")
            await phone.__aenter__()
            await phone.settled(SETTLE)
            made.append(phone)
        group = await made[0].create_group(TABLE, [phone.address for phone in made[1:]])
        while not all(any(c.id == group.id for c in phone.conversations()) for phone in made):
            await asyncio.sleep(1.0)
        for phone in made:
            await phone.settled(SETTLE)
            await phone.close()
        return group.id

    group = await loop.start(process, gather())
    await host.stop()
    return group


class PhoneActor:
    """A phone, life after life. `World` sees of it what it sees of an `Actor`."""

    def __init__(self, world: PhoneWorld, name: str, home: Path) -> None:
        self.world = world
        self.name = name
        self.process = Process(name)
        self.process.alive = False
        self.over = False
        self.bad_disk = False
        self.phone: Phone | None = None
        self._home = home
        self._life = 0

    def start(self) -> None:
        if self.process.alive:
            return
        before, self._life = self._home, self._life + 1
        self._home = self.world.folder / f"{self.name}-{self._life}"
        shutil.copytree(before, self._home)
        self.process = self.world.new_process(self.name)
        self.world.loop.start(self.process, self.world.watched(self.name, self._open()))

    async def _open(self) -> None:
        phone = await Phone.open(self._home)
        await phone.__aenter__()
        self.phone = phone
        self.world.trace(self.name, "is open")

    def crash(self, *, told: bool) -> None:
        self.phone = None
        self.world.loop.kill(self.process)
        self.world.network.died(self.process, told=told)

    @property
    def quiet(self) -> bool:
        phone = self.phone
        if phone is None:
            return False
        engine = phone._engine
        fatal = engine.connection.fatal
        if fatal is not None and fatal.code in FATAL - {"signin.superseded"}:
            self.world.oracle.fail(f"{self.name} is refused for good: {fatal.code}")
        return engine.ready and engine.outbox.empty and engine.changes.idle


class PhoneWorld(World):
    """`said`: texts that a phone's call returned for; `tried`: that one may have taken, and died."""

    def __init__(self, *given: Any) -> None:
        super().__init__(*given, http=True)
        self.said: dict[str, list[str]] = {name: [] for name in NAMES}
        self.tried: set[str] = set()

    def make_actors(self, image: Image) -> dict[str, Any]:
        assert isinstance(image, PhoneImage)
        self.group = image.group
        return {name: PhoneActor(self, name, image.homes / name) for name in NAMES}

    def happen(self, kind: str) -> None:
        if kind not in ("send", "commit"):
            super().happen(kind)
            return
        ups = [one for one in cast(list[PhoneActor], self.up()) if one.phone is not None]
        if not ups:
            return
        if kind == "send":
            sender = self.choose.choice(ups)
            for _ in range(self.choose.choice((1, 1, 2, 4))):
                self._in(sender, self._say(sender))
            return
        for one in self.choose.sample(ups, self.choose.randint(1, len(ups))):
            self._in(one, self._rename(one))

    def _in(self, actor: PhoneActor, work: Any) -> None:
        self.loop.start(actor.process, self.watched(actor.name, work))

    async def _say(self, actor: PhoneActor) -> None:
        assert actor.phone is not None
        text = f"{actor.name} {len(self.tried)}"
        self.tried.add(text)
        await actor.phone.send_text(self.group, text)
        self.said[actor.name].append(text)
        self.trace(actor.name, f"says {text!r}")

    async def _rename(self, actor: PhoneActor) -> None:
        assert actor.phone is not None
        self.trace(actor.name, "renames the group")
        try:
            await actor.phone.rename(self.group, f"table {self.choose.randrange(1000)}")
        except ChappeError as problem:
            # It waits on, and is done when that can be.
            self.trace(actor.name, f"renaming: {problem.code}")

    async def judge(self) -> None:
        texts: dict[str, list[str]] = {}
        states = set()
        for name, actor in self.actors.items():
            phone = cast(PhoneActor, actor).phone
            assert phone is not None
            shown = phone.messages(self.group, 100_000)
            texts[name] = [one.text for one in shown if one.kind == "text"]
            if wrong := [one.kind for one in shown if one.kind in ALARMS]:
                self.oracle.fail(f"{name} has something to say of what is missing: {wrong}")
            group = phone._engine.groups.group(self.group)
            states.add((group.epoch, phone.conversation(self.group.hex()).name))
            self.trace(name, f"has {len(texts[name])} texts, epoch {group.epoch}")
        self.count["texts"] = sum(len(said) for said in self.said.values())
        self.count["received texts"] = sum(len(those) for those in texts.values())
        if len(states) != 1:
            self.oracle.fail(f"the phones are in different states of the group: {sorted(states)}")
        for name, there in texts.items():
            self._judge_texts(name, there)
        await self.judge_relay()

    def _judge_texts(self, name: str, there: list[str]) -> None:
        doubled = [text for text, count in Counter(there).items() if count > 1]
        if doubled or not set(there) <= self.tried:
            self.oracle.fail(f"{name} has what it should not have, or twice: {doubled}")
        for sender, said in self.said.items():
            if missing := set(said) - set(there):
                self.oracle.fail(f"{name} lacks {sorted(missing)}")
            found = [text for text in there if text in said]
            if name != sender and found != said and not self.disk.refused:
                self.oracle.fail(f"{name} has {found}, and {sender} said {said}")
