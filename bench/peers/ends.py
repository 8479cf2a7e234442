"""The two protocols as `bench.peers.load` sees them."""

from __future__ import annotations

import asyncio
import os
import ssl
from collections.abc import Callable
from dataclasses import dataclass

from bench.frames_client import Account, Client
from bench.peers.servers import Peer
from bench.peers.xmpp import XmppClient
from bench.relay import Running, _cpu
from chappe.wire import frames


class XmppEnd:
    def __init__(self, client: XmppClient) -> None:
        self._client = client

    def send(self, to: str, payload: bytes) -> None:
        self._client.write(self._client.message(to, payload.decode()))

    async def settled(self) -> None:
        await self._client.settled()

    def close(self) -> None:
        self._client.close()


@dataclass(frozen=True, slots=True)
class XmppServer:
    peer: Peer

    def cpu(self) -> float:
        return self.peer.cpu()

    def rss(self) -> int:
        return self.peer.rss()

    async def sign_in(self, user: str, heard: Callable[[], None]) -> XmppEnd:
        return XmppEnd(await XmppClient.sign_in(self.peer.address, user, lambda _body: heard()))

    async def register(self, count: int) -> None:
        """u0 … of so many. A server may close the stream of each that registered."""
        for number in range(count):
            client = await XmppClient.open(self.peer.address)
            await client.register(f"u{number}")
            client.close()


class ChappeEnd:
    """Acknowledges what it gets, as phones do."""

    def __init__(self, devices: dict[str, Account], heard: Callable[[], None]) -> None:
        self._devices = devices
        self._heard = heard
        self._client: Client
        self._waiting = 0
        self._settled: asyncio.Event = asyncio.Event()
        self._settled.set()
        self._unacknowledged = 0

    async def connect(self, account: Account, port: int, tls: ssl.SSLContext) -> None:
        self._client = await Client.connect(account, port, tls, self._frame)

    def send(self, to: str, payload: bytes) -> None:
        self._waiting += 1
        self._settled.clear()
        self._client.say(frames.Send(1, os.urandom(16), [self._devices[to].device], payload))

    async def settled(self) -> None:
        await self._settled.wait()

    def close(self) -> None:
        self._client.close()

    def _frame(self, frame: frames.FromRelay) -> None:
        if isinstance(frame, frames.Accepted):
            self._waiting -= 1
            if not self._waiting:
                self._settled.set()
        elif isinstance(frame, frames.Deliver):
            if not self._unacknowledged:
                asyncio.get_running_loop().call_soon(self._acknowledge)
            self._unacknowledged = frame.sequence
            self._heard()

    def _acknowledge(self) -> None:
        sequence, self._unacknowledged = self._unacknowledged, 0
        self._client.say(frames.Ack(sequence))


@dataclass(frozen=True, slots=True)
class ChappeServer:
    relay: Running
    accounts: list[Account]

    def cpu(self) -> float:
        return _cpu(self.relay)

    def rss(self) -> int:
        return int(self.relay.process.memory_info().rss)

    async def sign_in(self, user: str, heard: Callable[[], None]) -> ChappeEnd:
        devices = {f"u{number}": account for number, account in enumerate(self.accounts)}
        end = ChappeEnd(devices, heard)
        tls = ssl.create_default_context(cafile=self.relay.tls_file())
        await end.connect(devices[user], self.relay.port, tls)
        return end
