"""Phones on a real relay.

ada, ben = await world.phones("ada", "ben")     # activated, online, ready
await until(lambda: texts(ben) == ["hello"])
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Callable
from contextlib import AsyncExitStack
from pathlib import Path

from chappe.client import Conversation, Phone, ShownMessage, chain
from chappe.mls import Group
from chappe.wire import chain as links
from chappe.wire.api import from_base64
from chappe.wire.links import RelayPlace
from tests.relay.world import RelayProcess

PATIENCE = 60.0


async def until(holds: Callable[[], bool], what: str = "", seconds: float = PATIENCE) -> None:
    """Wait until something holds; fails when it takes too long.

    Looking takes a tenth of the time at the most: to read a hundred phones every moment would be most of what
    a test does.
    """
    loop = asyncio.get_running_loop()
    deadline = loop.time() + seconds
    while True:
        began = loop.time()
        if holds():
            return
        assert loop.time() < deadline, f"took too long: {what or holds}"
        await asyncio.sleep(max(0.01, 9 * (loop.time() - began)))


def place_of(relay: RelayProcess) -> RelayPlace:
    assert relay.pin is not None
    return RelayPlace("localhost", relay.port, from_base64(relay.pin, 32))


def all_messages(phone: Phone) -> list[ShownMessage]:
    return [message for one in phone.conversations() for message in phone.messages(one.id, 100_000)]


def seal(group: Group, data: bytes, now: int, link: bytes | None = None) -> tuple[Group, bytes]:
    """A message as a device sends it, by a group that the test has in its hand. `link`: of a stream of its
    own where none is given."""
    link = link or links.Link(secrets.token_bytes(links.STREAM_BYTES), 1, group.epoch, links.START).encode()
    history = links.history(group.group_id, group.epoch, group.transcript_hash(group.epoch) or b"")
    return group.encrypt(link + data, now=now, authenticated_data=history)


def say(phone: Phone, group: Group, data: bytes) -> tuple[Group, bytes]:
    """The phone's next message, by its group as the test has it in its hand."""
    core = phone._engine.core
    with core.change():
        link = phone._engine.chains.link(group.group_id, group.epoch, data)
    return seal(group, data, core.now(), link)


def alarms(phone: Phone) -> list[str]:
    """What a phone has to say of messages that are missing or do not fit, told already or not yet."""
    told = [message.kind for message in all_messages(phone) if message.kind in ("gap", "fork")]
    states = [chain.decode(row[0]) for row in phone._engine.core.store.all("SELECT state FROM chains")]
    return told + ["hole" for state in states for hole in state.holes if not hole.quiet]


def texts(phone: Phone, conversation: bytes | None = None) -> list[str]:
    """What is to be read, in order."""
    messages = all_messages(phone) if conversation is None else phone.messages(conversation, 100_000)
    return [message.text for message in messages if message.kind == "text"]


class World:
    """Names get a random tail, so that tests share a relay."""

    def __init__(self, relay: RelayProcess, folder: Path) -> None:
        self.relay = relay
        self.folder = folder
        self._tail = secrets.token_hex(4)
        self._stack = AsyncExitStack()
        self._open: dict[str, Phone] = {}
        self.is_honest = True
        """Then no phone has anything to say of messages that are missing or do not fit."""

    @property
    def place(self) -> RelayPlace:
        return place_of(self.relay)

    def address(self, name: str) -> str:
        return f"{name}-{self._tail}@localhost"

    def home(self, name: str) -> Path:
        return self.folder / name

    async def phone(self, name: str) -> Phone:
        """A new line, online, its key packages published."""
        phone = await Phone.activate(self.home(name), self.place, self.relay.code(), self.address(name))
        return await self._enter(name, phone)

    async def phones(self, *names: str) -> list[Phone]:
        made = [await self.phone(name) for name in names]
        for phone in made:
            await self.ready(phone)
        return made

    async def ready(self, phone: Phone) -> None:
        """Until others can write to it."""
        await phone.settled(PATIENCE)
        wire = phone._engine.connection
        await until(lambda: phone._engine.core.store.get("last_resort_at") is not None, "key packages")
        assert wire.online

    async def open(self, name: str) -> Phone:
        """Open a profile that was closed."""
        return await self._enter(name, await Phone.open(self.home(name)))

    async def linked(self, name: str, old: Phone) -> Phone:
        """One more device for the line of `old`."""
        shown: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        linking = asyncio.create_task(Phone.link(self.home(name), self.place, shown.set_result))
        adding = asyncio.create_task(old.add_device(await shown))
        phone = await self._enter(name, await linking)
        await adding
        return phone

    async def _enter(self, name: str, phone: Phone) -> Phone:
        await phone.__aenter__()
        self._open[name] = phone
        return phone

    async def shut(self, name: str) -> None:
        await self._open.pop(name).close()

    async def close(self) -> None:
        found = []
        for phone in self._open.values():
            if self.is_honest and phone._opened is not None and phone.ended is None:
                found += alarms(phone)
            await phone.close()
        self._open.clear()
        assert found == [], "an alarm without a cause"


async def meet(one: Phone, other: Phone) -> tuple[Conversation, Conversation]:
    """A direct conversation, as each has it."""
    mine = await one.conversation_with(other.address)
    await one.settled(PATIENCE)
    await until(lambda: any(c.name == one.address for c in other.conversations()), "the conversation")
    return mine, other.conversation(one.address)


async def gather(founder: Phone, *others: Phone, name: str = "table") -> bytes:
    """A group that all are in; gives its id."""
    group = await founder.create_group(name, [other.address for other in others])
    for other in others:
        await until(lambda o=other: any(c.id == group.id for c in o.conversations()), "the group")  # type: ignore[misc]
    return group.id


def members(phone: Phone, conversation: bytes) -> list[str]:
    """Names without their tails."""
    shown = next(c for c in phone.conversations() if c.id == conversation)
    return [address.rpartition("-")[0] for address in shown.members]
