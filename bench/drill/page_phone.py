"""A person whose phone is the page: its own client code, run by Node, behind the man like any other.

What they see is what the page would show: its words for its notices, alarms and refusals (i18n/en.ts).
"""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from tests.relay.world import RelayProcess
from tests.web.lines import NodeError
from tests.web.phones import PIN, WebPhone

from bench.drill.eyes import Sight, plain
from bench.drill.table import page_words
from chappe.relay.tls import CERTIFICATE_NAME

_LOUD: Final = ("gap", "late", "fork", "fork_history", "log_missing", "identity_changed")
"""Notices in a conversation that are no plain talk."""
_LOOK: Final = 0.02
_HASTE: Final = 10
"""An attack with less grace than this has the page wait less for the log."""


class Refusal(Exception):
    """What the page refused, as it says it."""

    def __init__(self, code: str) -> None:
        self.code = code
        super().__init__(page_words(f"error.{code}") or page_words("error.unknown", code=code))


@dataclass(frozen=True, slots=True)
class Place:
    """A conversation of the page."""

    id: bytes


@dataclass
class _Seen:
    """What the page held when it was looked at last."""

    shown: dict[bytes, list[tuple[str, str]]] = field(default_factory=dict)
    places: dict[bytes, set[bytes]] = field(default_factory=dict)
    states: dict[bytes, str] = field(default_factory=dict)


class PageEyes:
    """Watches the page as somebody who has it open: reads all, and marks it as read."""

    def __init__(self, name: str, web: WebPhone) -> None:
        self._name, self._web = name, web
        self.alarms: list[Sight] = []
        self._done = 0
        self._told: set[tuple[str, str]] = set()
        self._busy = False
        self._task = asyncio.create_task(self._watch())

    async def close(self) -> None:
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)

    @property
    def idle(self) -> bool:
        return self._done == len(self._web.events) and not self._busy

    def refused(self, problem: Refusal) -> None:
        self.alarms.append(Sight(self._name, problem.code, str(problem)))

    async def _watch(self) -> None:
        while True:
            while self._done < len(self._web.events):
                self._busy = True
                event = self._web.events[self._done]
                self._done += 1
                for what, text in _sights(event):
                    if (what, text) not in self._told:
                        self._told.add((what, text))
                        self.alarms.append(Sight(self._name, what, plain(text)))
                if event["type"] == "message" and not event["message"]["mine"]:
                    with contextlib.suppress(NodeError):
                        await self._web.call("markRead", event["message"]["conversation"])
                self._busy = False
            await asyncio.sleep(_LOOK)


def _sights(event: dict[str, Any]) -> list[tuple[str, str]]:
    """What of an event is no plain talking, with its words on the page."""
    kind = event["type"]
    if kind == "message":
        return _of_message(event["message"])
    if kind == "contact" and event["contact"]["changed"]:
        return [("identity changed", page_words("changed.title", who=event["contact"]["address"]))]
    if kind == "transparency":
        return [_of_alarm(one) for one in event["transparency"]["alarms"] if not one["settled"]]
    if kind == "failed":
        code = event["code"]
        return [(f"failed {code}", page_words(f"error.{code}"))]
    if kind == "online" and event["problem"] and not event["problem"].startswith("network."):
        return [(f"offline {event['problem']}", page_words(f"error.{event['problem']}"))]
    return []


def _of_message(message: dict[str, Any]) -> list[tuple[str, str]]:
    if message["kind"] == "unreadable":
        return [("unreadable", page_words("chat.unreadable"))]
    notice = message["notice"]
    if notice is None or notice["what"] not in _LOUD:
        return []
    key = f"notice.{notice['what']}"
    if notice["what"] == "gap":
        key += ".one" if notice["value"] == "1" else ".other"
    return [(notice["what"], page_words(key, who=", ".join(notice["who"]), value=notice["value"]))]


def _of_alarm(alarm: dict[str, Any]) -> tuple[str, str]:
    key = f"alarm.{alarm['code']}"
    titles = [f"{key}.by.title", f"{key}.title"] if alarm["address"] else [f"{key}.title"]
    words = next((text for title in titles if (text := page_words(title, who=alarm["address"]))), "")
    return f"log alarm {alarm['code']}", words


class PagePhone:
    """What a scene does with a phone, done on the page. Raises Refusal."""

    def __init__(self, web: WebPhone, device: bytes, line: bytes) -> None:
        self.web, self.device_id, self.line_id = web, device, line
        self.locked = False

    @property
    def address(self) -> str:
        return self.web.address

    async def ask(self, op: str, **args: Any) -> Any:
        try:
            return await self.web.ask(op, **args)
        except NodeError as problem:
            raise Refusal(problem.code) from None

    async def call(self, method: str, *args: Any) -> Any:
        return await self.ask("call", method=method, args=list(args))

    async def conversation_with(self, address: str) -> Place:
        return Place(bytes.fromhex((await self.call("conversationWith", address))["id"]))

    async def create_group(self, name: str, addresses: list[str]) -> Place:
        return Place(bytes.fromhex((await self.call("createGroup", name, addresses))["id"]))

    async def send_text(self, conversation: bytes, text: str) -> bytes:
        return bytes.fromhex(await self.call("sendText", conversation.hex(), text, None))

    async def rename(self, conversation: bytes, name: str) -> None:
        await self.call("rename", conversation.hex(), name)

    async def lock(self) -> None:
        await self.call("lock")
        self.locked = True

    async def close(self) -> None:
        await asyncio.to_thread(self.web.close)


class PagePerson:
    """As stage.Person. What the judge asks is as it was when they were looked at last (`look`)."""

    pin = PIN
    since = 0
    before: frozenset[bytes] = frozenset()

    def __init__(self, name: str, phone: PagePhone, eyes: PageEyes) -> None:
        self.name, self.phone, self.eyes = name, phone, eyes
        self._seen = _Seen()
        self._stage = "open"

    @classmethod
    async def new(
        cls, name: str, relay: RelayProcess, port: int, folder: Path, address: str, grace: int
    ) -> PagePerson:
        """A new line, by the door of that port."""
        web = WebPhone(relay, name, port=port, certificate=folder / CERTIFICATE_NAME)
        me = await web.ask("activate", link=relay.code(), name=address, pin=PIN)
        web.address = me["address"]
        if grace < _HASTE:
            await web.ask("hasten")
        await web.settled()
        ids = await web.ask("me")
        phone = PagePhone(web, bytes.fromhex(ids["device"]), bytes.fromhex(ids["line"]))
        return cls(name, phone, PageEyes(name, web))

    @property
    def address(self) -> str:
        return self.phone.address

    @property
    def line_id(self) -> bytes:
        return self.phone.line_id

    @property
    def ended(self) -> str:
        return "erased" if self._stage in ("erased", "none") else ""

    @property
    def away(self) -> bool:
        return self.phone.locked or self._stage != "open"

    @property
    def at_rest(self) -> bool:
        return self.eyes.idle

    async def look(self) -> None:
        """See all that the page has."""
        self._stage = await self.phone.call("stage")
        if self.away:
            return
        seen = _Seen()
        for one in await self.phone.call("conversations"):
            id_ = bytes.fromhex(one["id"])
            seen.shown[id_] = []
            for message in await self.phone.call("messages", one["id"], 0, 10_000):
                if message["mine"]:
                    seen.states[bytes.fromhex(message["id"])] = message["sending"]
                if message["kind"] == "text":
                    seen.shown[id_].append((message["from"].partition("-")[0], message["text"]))
        for id_, devices in (await self.phone.ask("places")).items():
            seen.places[bytes.fromhex(id_)] = {bytes.fromhex(device) for device in devices}
        self._seen = seen

    async def settle(self) -> None:
        """Until nothing waits on the page, or it waits for what does not come."""
        with contextlib.suppress(Refusal):
            await self.phone.call("settled", 1)

    async def unlock(self, pin: str) -> None:
        await self.phone.ask("unlock", pin=pin)
        self.phone.locked, self._stage = False, "open"

    async def later(self, seconds: int) -> None:
        await self.phone.ask("later", seconds=seconds)

    async def look_at_log(self) -> None:
        await self.phone.call("readLog")

    async def look_at_mailbox(self) -> None:
        await self.phone.ask("look_at_mailbox")

    async def look_at_own_devices(self) -> None:
        await self.phone.ask("look_at_own_devices")

    # --- for the judge

    def shown(self, conversation: bytes) -> list[tuple[str, str]]:
        return self._seen.shown.get(conversation, [])

    def places(self) -> dict[bytes, set[bytes]]:
        return self._seen.places

    def is_in(self, conversation: bytes) -> bool:
        return conversation in self._seen.places

    def state_of(self, message: bytes) -> str:
        return self._seen.states.get(message, "gone")
