"""The phone's engine (web/phone/src/client) in Node, beside phones of the Python SDK on the same relay."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any, Self

from chappe.client import Phone
from tests.client.world import PATIENCE, World, until
from tests.relay.world import RelayProcess
from tests.web.lines import Node

PIN = "294817"


class WebPhone:
    """One phone. Requests run in a thread: they block."""

    def __init__(
        self, relay: RelayProcess, name: str, *, port: int = 0, certificate: Path | None = None
    ) -> None:
        """`port`, `certificate`: of who stands before the relay, if anybody does."""
        env = {
            "RELAY": f"localhost:{port or relay.port}",
            "NODE_EXTRA_CA_CERTS": str(certificate or relay.data_dir / "tls-certificate.pem"),
            "NODE_OPTIONS": "--experimental-websocket",
        }
        self.name = name
        self._turn = asyncio.Lock()
        self.events: list[dict[str, Any]] = []
        self.address = ""
        self.node = Node.start("phone", env=env)
        self.node.on_event = self.events.append

    async def ask(self, op: str, **args: Any) -> Any:
        async with self._turn:
            return await asyncio.to_thread(self.node, op, **args)

    async def call(self, method: str, *args: Any) -> Any:
        """A call of the face."""
        return await self.ask("call", method=method, args=list(args))

    @classmethod
    async def activate(cls, world: World, name: str) -> Self:
        phone = cls(world.relay, name)
        me = await phone.ask("activate", link=world.relay.code(), name=world.address(name), pin=PIN)
        phone.address = me["address"]
        return phone

    @classmethod
    async def linked(cls, world: World, name: str, old: Phone | WebPhone) -> Self:
        """One more device for the line of `old`."""
        phone = cls(world.relay, name)
        receiving = asyncio.create_task(phone.ask("receive_link", pin=PIN))
        await until(lambda: any(e["type"] == "link" for e in phone.events), "the link")
        link = next(e["link"] for e in phone.events if e["type"] == "link")
        if isinstance(old, Phone):
            # The page does not know the certificate's hash; a terminal needs it to reach the relay.
            giving = asyncio.create_task(old.add_device(link))
        else:
            giving = asyncio.create_task(old.call("giveLink", link))
        phone.address = (await receiving)["address"]
        await giving
        return phone

    async def recovered(self) -> None:
        """Its line, on this phone, once officers have let it in."""
        self.address = (await self.ask("recover", pin=PIN))["address"]

    async def settled(self) -> None:
        await self.call("settled", PATIENCE)

    def close(self) -> None:
        self.node.close()

    # --- what it shows

    async def conversation(self, name: str) -> dict[str, Any]:
        """By the other line's address, or the group's name."""
        found = [one for one in await self.call("conversations") if one["name"] == name]
        assert len(found) == 1, f"{name}: {len(found)}"
        return dict(found[0])

    async def messages(self, conversation: str) -> list[dict[str, Any]]:
        return list(await self.call("messages", conversation, 0, 1000))

    async def texts(self, conversation: str) -> list[str]:
        return [one["text"] for one in await self.messages(conversation) if one["kind"] == "text"]

    async def has_conversation(self, name: str) -> dict[str, Any]:
        await self._until(lambda all_: any(one["name"] == name for one in all_), "conversations")
        return await self.conversation(name)

    async def reads(self, conversation: str, *texts: str) -> None:
        """Until these are the last texts there."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + PATIENCE
        while (found := await self.texts(conversation))[-len(texts) :] != list(texts):
            assert loop.time() < deadline, f"{self.name} reads {found}"
            await asyncio.sleep(0.05)

    async def notes(self, conversation: str, *notices: dict[str, Any]) -> None:
        """Until this is what it says of messages that are missing or do not fit."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + PATIENCE
        while True:
            found = [one["notice"] for one in await self.messages(conversation) if one["kind"] == "notice"]
            if [one for one in found if one["what"] in ("gap", "fork", "fork_history")] == list(notices):
                return
            assert loop.time() < deadline, f"{self.name} notes {found}"
            await asyncio.sleep(0.05)

    async def shows(self, conversation: str, message: str, **wanted: Any) -> dict[str, Any]:
        """Until the message is so."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + PATIENCE
        while True:
            found = [one for one in await self.messages(conversation) if one["id"] == message]
            if found and all(found[0][key] == value for key, value in wanted.items()):
                return found[0]
            assert loop.time() < deadline, f"{self.name} shows {found}, not {wanted}"
            await asyncio.sleep(0.05)

    async def _until(self, holds: Any, method: str) -> None:
        loop = asyncio.get_running_loop()
        deadline = loop.time() + PATIENCE
        while not holds(found := await self.call(method)):
            assert loop.time() < deadline, f"{self.name}: {method} gives {found}"
            await asyncio.sleep(0.05)
