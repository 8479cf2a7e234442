"""The people of the drill, their phones, and a relay with a man in its place.

    async with stage_on(folder) as stage:
        await stage.enter(attack)
        await attack.scene(stage)
        judged = judge(stage, attack)

People are honest: what they write is in `said`, which conversations there are in `conversations`, whose
devices may be in them in `devices`. Regulars play in many runs, each in a conversation of its own; who could
be hurt for good is new (`fresh`).
"""

from __future__ import annotations

import asyncio
import contextlib
import random
import secrets
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, Final, TypeVar, cast
from unittest.mock import patch

from tests.e2e.browser import Browser
from tests.relay.world import RelayProcess

from bench.drill.attack import Attack
from bench.drill.eyes import Eyes, Sight
from bench.drill.middleman import Middleman
from bench.drill.page import Watched
from bench.drill.page_phone import PagePerson, Refusal
from chappe.client import Phone, keys, log_watch
from chappe.vault import keeping, store
from chappe.vault import keys as vault_keys
from chappe.vault.keys import Cost
from chappe.wire.errors import ChappeError

T = TypeVar("T")
NAMES: Final = ("ada", "ben", "cyd", "dan", "eve")
PATIENCE: Final = 30.0
LOOK: Final = 0.01
STILL: Final = 0.5
"""So long without a frame, where a phone waits for something that does not come, and the run is over: twice
what a phone waits before it tries anything again by itself."""
HONEST_STILL: Final = 10.0
"""Where nobody attacks, all comes: if nothing moves, the machine is busy."""
LATER: Final = 20
"""Seconds: more than a phone waits before it says that a message is missing."""
RUNS_OF_A_CAST: Final = 20
PACKAGES: Final = 2 * RUNS_OF_A_CAST + 10


@dataclass(frozen=True, slots=True)
class Said:
    """What a person wrote. `readers`: the names of those it was for, the sender's too."""

    sender: str
    conversation: bytes
    id: bytes
    text: str
    readers: frozenset[str]


@dataclass
class Person:
    name: str
    phone: Phone
    eyes: Eyes
    home: Path
    pin: str = ""
    """That a new phone has already."""
    since: int = 0
    before: frozenset[bytes] = frozenset()

    @property
    def ended(self) -> str:
        """Why the phone has ended, by order; empty while it lives."""
        return "" if self.phone.ended is None else self.phone.ended.code

    @property
    def away(self) -> bool:
        """The phone is locked, or ended."""
        return self.phone._opened is None

    async def unlock(self, pin: str) -> None:
        """Raises vault.*, unlock.*, network.*, device.erased. What was seen before stays seen."""
        opened = await Phone.unlock(self.home, pin)
        await self.eyes.close()
        await opened.__aenter__()
        self.phone, self.eyes = opened, Eyes(self.name, opened, self.eyes.alarms)

    @property
    def address(self) -> str:
        return self.phone.address

    def shown(self, conversation: bytes) -> list[tuple[str, str]]:
        """Names and texts, in the order on the screen."""
        with contextlib.suppress(ChappeError):
            return [
                (message.sender.partition("-")[0], message.text)
                for message in self.phone.messages(conversation, 10_000)
                if message.kind == "text"
            ]
        return []

    def places(self) -> dict[bytes, set[bytes]]:
        """Conversations of this run, and the devices in them."""
        groups = self.phone._engine.groups
        return {
            id_: {place.device for place in groups.places(id_)}
            for id_ in groups.watched()
            if id_ not in self.before
        }

    def is_in(self, conversation: bytes) -> bool:
        return self.phone._engine.groups.has(conversation)

    def state_of(self, message: bytes) -> str:
        try:
            return self.phone._engine.messages.get(message).state
        except ChappeError:
            return "gone"

    # --- as on the page (page_phone.py), where the engine is in another process

    @property
    def at_rest(self) -> bool:
        return self.phone._engine._is_settled() and self.eyes.idle

    @property
    def line_id(self) -> bytes:
        return self.phone._engine.core.me.line_id

    async def look(self) -> None:
        """All is seen at once here."""

    async def settle(self) -> None:
        """That is seen without asking."""

    async def later(self, seconds: int) -> None:
        core = self.phone._engine.core
        core._clock = partial(_ahead, core._clock, seconds)
        self.phone._engine._sweep_anew()

    async def look_at_log(self) -> None:
        await self.phone._engine.log.refresh()

    async def look_at_mailbox(self) -> None:
        await self.phone._engine.echo.pump()

    async def look_at_own_devices(self) -> None:
        await self.phone._engine.reconcile()


@dataclass
class Stage:
    relay: RelayProcess
    man: Middleman
    folder: Path
    chance: random.Random = field(default_factory=random.Random)
    cast: list[Person] = field(default_factory=list)
    said: list[Said] = field(default_factory=list)
    conversations: dict[bytes, set[str]] = field(default_factory=dict)
    browser: Browser | None = None
    watched: list[Watched] = field(default_factory=list)
    on_page: frozenset[str] = frozenset()
    """The names of those whose phone is the page."""
    _regulars: list[Person] = field(default_factory=list)
    _played: int = 0
    _count: int = 0

    # --- who plays

    async def enter(self, attack: Attack) -> None:
        """A new run begins."""
        self.man.attack = attack
        log_watch.GRACE_SECONDS = attack.grace  # type: ignore[misc]
        attack.man, attack.stage = self.man, self
        self.chance = attack.chance
        self.said, self.conversations = [], {}
        self.man.pages = set()
        for page in self.watched:
            await page.phone.page.close()
        self.watched = []
        gone, self.cast = [one for one in self.cast if one not in self._regulars], []
        await self._dismiss(gone)

    def renew(self) -> None:
        """Something broke: whoever played is not asked again."""
        self._played = RUNS_OF_A_CAST

    async def regulars(self, count: int) -> list[Person]:
        """People who have played before."""
        if self._played >= RUNS_OF_A_CAST or any(one.ended for one in self._regulars):
            await self._dismiss(self._regulars)
            self._regulars, self._played = [], 0
        self._played += 1
        while len(self._regulars) < count:
            self._regulars.append(await self._person(NAMES[len(self._regulars)], PACKAGES))
        chosen = self.chance.sample(self._regulars, count)
        for one in chosen:
            one.since = len(one.eyes.alarms)
            one.before = frozenset(one.phone._engine.groups.watched())
        self.cast += chosen
        return chosen

    async def fresh(self, count: int) -> list[Person]:
        """People with new phones."""
        made = [await self._person(name, 3) for name in NAMES[:count] if name not in self.on_page]
        made += [await self._page_person(name) for name in NAMES[:count] if name in self.on_page]
        made.sort(key=lambda one: one.name)
        self.cast += made
        return made

    async def _page_person(self, name: str) -> Person:
        port, address = self.man.place(name).port, f"{name}-{secrets.token_hex(4)}@localhost"
        grace = self.man.attack.grace
        made = await PagePerson.new(name, self.relay, port, self.folder, address, grace)
        self.man.pages.add(made.phone.device_id)
        return cast(Person, made)

    async def page(self, name: str) -> Watched:
        """A new line in Chromium."""
        assert self.browser is not None, "this attack needs --browser"
        place = self.man.place(name)
        made = await Watched.opened(name, self.browser, self.relay, place.port, self.folder)
        self.watched.append(made)
        return made

    async def _person(self, name: str, packages: int) -> Person:
        self._count += 1
        home = self.folder / f"{name}-{self._count}"
        address = f"{name}-{secrets.token_hex(4)}@localhost"
        with _stock(packages):
            phone = await Phone.activate(home, self.man.place(name), self.relay.code(), address)
            await phone.__aenter__()
            person = Person(name, phone, Eyes(name, phone), home)
            await phone.settled(PATIENCE)
            await self._until(lambda: phone._engine.core.store.get("last_resort_at") is not None)
        return person

    async def _dismiss(self, people: list[Person]) -> None:
        for one in people:
            await one.eyes.close()
            with contextlib.suppress(ChappeError):
                await one.phone.close()

    async def close(self) -> None:
        await self._dismiss([*self._regulars, *(one for one in self.cast if one not in self._regulars)])

    # --- what they do

    def alarms(self, person: Person) -> list[Sight]:
        return person.eyes.alarms[person.since :]

    @property
    def devices(self) -> set[bytes]:
        """Those that may be in a conversation."""
        return {one.phone.device_id for one in self.cast if not one.away}

    def conversations_of(self, person: Person) -> list[bytes]:
        return [id_ for id_, members in self.conversations.items() if person.name in members]

    async def tries(self, person: Person, call: Awaitable[T]) -> T | None:
        """A person wants something; what it is refused with, they read."""
        try:
            return await call
        except (ChappeError, Refusal) as problem:
            person.eyes.refused(problem)  # type: ignore[arg-type]
            return None

    async def direct(self, one: Person, other: Person) -> bytes | None:
        """A conversation of two, once both have it or it will not come."""
        made = await self.tries(one, one.phone.conversation_with(other.address))
        if made is None:
            return None
        self.conversations[made.id] = {one.name, other.name}
        await self.rest()
        return made.id

    async def group(self, founder: Person, *others: Person) -> bytes | None:
        made = await self.tries(
            founder, founder.phone.create_group(self.word(), [other.address for other in others])
        )
        if made is None:
            return None
        self.conversations[made.id] = {founder.name, *(other.name for other in others)}
        await self.rest()
        return made.id

    async def say(self, person: Person, conversation: bytes, text: str = "") -> None:
        """Nobody writes where they do not know of a conversation."""
        await person.look()
        if not person.is_in(conversation):
            return
        text = text or f"{person.name} {len(self.said)} {self.word()}"
        id_ = await self.tries(person, person.phone.send_text(conversation, text))
        if id_ is not None:
            readers = frozenset(self.conversations[conversation])
            self.said.append(Said(person.name, conversation, id_, text, readers))

    def word(self) -> str:
        return "".join(self.chance.choices("abdefgiklmnoprstuvz", k=8))

    async def meet(self, *, twos: bool | None = None) -> tuple[list[Person], bytes | None]:
        """Two or three people and their new conversation; `twos`: only two, or only three."""
        if self.on_page or (self.chance.random() < 0.3 if twos is None else twos):
            people = await self.fresh(2)
            return people, await self.direct(*people)
        people = await self.regulars(3)
        return people, await self.group(*people)

    async def talk(self, *, twos: bool | None = None, rounds: int = 2) -> None:
        """Everybody says something, in each round several times; then all comes to rest."""
        people, conversation = await self.meet(twos=twos)
        if conversation is None:
            return
        for _ in range(rounds):
            await self.round(people, conversation)
        await self.rest()

    async def round(self, people: list[Person], conversation: bytes) -> None:
        self.man.attack.talking = True
        turns = [person for person in people for _ in range(self.chance.randint(1, 2))]
        self.chance.shuffle(turns)
        for person in turns:
            await self.say(person, conversation)
            if self.chance.random() < 0.3:
                await self.rest()
        await self.rest()

    # --- waiting

    async def later(self, seconds: int = LATER) -> None:
        """So much later, by every phone's clock: what is still missing by then is told."""
        for one in self.cast:
            if not one.away:
                await one.later(seconds)
        await self.rest()

    async def silence(self, seconds: int) -> None:
        """So much later, and nobody has written: phones look whether their mailboxes give anything."""
        await self.later(seconds)
        for one in self.cast:
            if not one.away:
                await self.tries(one, one.look_at_mailbox())
        await self.rest()

    async def rest(self) -> None:
        """Until nothing is under way. Where somebody waits for what does not come: until nothing moves."""
        await self._rest()
        if self.on_page:
            for one in self.cast:
                await one.settle()
            await self._rest()
            for one in self.cast:
                await one.look()

    async def _rest(self) -> None:
        loop = asyncio.get_running_loop()
        began, moved = loop.time(), self.man.moved
        deadline = began + PATIENCE
        still = HONEST_STILL if type(self.man.attack) is Attack else STILL
        while loop.time() < deadline:
            await asyncio.sleep(LOOK)
            if self.man.moved != moved:
                moved, began = self.man.moved, loop.time()
            elif (
                self.man.quiet and all(self._at_rest(one) for one in self.cast)
            ) or loop.time() - began > still:
                return

    def _at_rest(self, person: Person) -> bool:
        return person.away or person.at_rest

    async def _until(self, holds: object) -> None:
        deadline = asyncio.get_running_loop().time() + PATIENCE
        while not holds():  # type: ignore[operator]
            assert asyncio.get_running_loop().time() < deadline, "a phone did not get ready"
            await asyncio.sleep(LOOK)


def _ahead(clock: Callable[[], float], seconds: float) -> float:
    return clock() + seconds


@contextmanager
def _stock(count: int) -> Iterator[None]:
    """So many one-time key packages for a new phone: making them is half of what a new phone costs."""
    usual = keys.STOCK
    keys.STOCK = count  # type: ignore[misc]
    try:
        yield
    finally:
        keys.STOCK = usual  # type: ignore[misc]


@contextmanager
def _cheap_pins() -> Iterator[None]:
    """Argon2id costs half a second and 64 MiB for each guess, and is not what is on trial here."""
    cheap = (Cost(memory_kib=8, passes=1),)
    with (
        patch.object(vault_keys.stretch, "__defaults__", cheap),
        patch.object(keeping.prepare, "__defaults__", cheap),
    ):
        yield


def _key_given(connection: Any, key: bytes | bytearray) -> None:
    connection.execute(f"PRAGMA key = \"x'{key.hex()}'\"")


@contextmanager
def _plain_memory() -> Iterator[None]:
    """SQLCipher locks and wipes each piece of memory that it uses, a fifth of all that a run costs: against
    who reads a phone's memory, which no relay does."""
    with patch.object(store, "_give_key", _key_given):
        yield


@contextmanager
def _known_missing() -> Iterator[None]:
    """httpcore looks for a library that is not here with each request, in every folder of the path."""
    had = "sniffio" in sys.modules
    sys.modules.setdefault("sniffio", None)  # type: ignore[arg-type]
    try:
        yield
    finally:
        if not had:
            del sys.modules["sniffio"]


@asynccontextmanager
async def stage_on(folder: Path) -> AsyncIterator[Stage]:
    relay = RelayProcess(
        folder / "relay",
        behind_proxy=True,
        attempts_burst=10_000_000,
        lookups_burst=10_000_000,
    )
    try:
        man = Middleman(relay.port, folder, Attack(random.Random(0)))
        with _cheap_pins(), _plain_memory(), _known_missing():
            async with man.standing(NAMES):
                stage = Stage(relay, man, folder)
                try:
                    yield stage
                finally:
                    await stage.close()
    finally:
        relay.stop()
