"""A device that speaks frames and no MLS, as cheap as Python allows: what is measured is the relay.

One asyncio protocol on websockets' sans-I/O core, writing once per turn of the loop.
"""

from __future__ import annotations

import asyncio
import secrets
import ssl
import time
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Any, TypeVar, cast

import httpx
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from websockets.client import ClientProtocol
from websockets.frames import Frame, Opcode
from websockets.http11 import Response
from websockets.protocol import State
from websockets.typing import Subprotocol
from websockets.uri import parse_uri

from chappe.wire import api, frames
from chappe.wire.certificate import issue

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Account:
    """What a signed-in device needs: its id and its private signature key, both plain to cross processes."""

    device: bytes
    key: bytes


async def activate(http: httpx.AsyncClient, server: str, code: str) -> Account:
    """A device of a new line."""
    key = Ed25519PrivateKey.generate()
    device = secrets.token_bytes(16)
    certificate = issue(
        Ed25519PrivateKey.generate(),
        line_id=secrets.token_bytes(16),
        address=f"b{secrets.token_hex(10)}@{server}",
        device_id=device,
        signature_key=key.public_key().public_bytes_raw(),
        issued_at=int(time.time()),
    ).to_bytes()
    proof = key.sign(api.activate_bytes(server, code, certificate))
    body = api.Activate(code, api.to_base64(certificate), api.to_base64(proof))
    try:
        answer = await http.post("/v1/activate", content=api.encode(body))
    except httpx.RemoteProtocolError:
        # A kept connection was closed in the moment of its use: the same is asked, and answered, again.
        answer = await http.post("/v1/activate", content=api.encode(body))
    answer.raise_for_status()
    return Account(device, key.private_bytes_raw())


class Client(asyncio.Protocol):
    """Signs in by itself; then `heard` gets every frame. `signed_in` resolves at the Welcome, `lost` when the
    connection ends, however it does."""

    def __init__(self, account: Account, port: int, heard: Callable[[frames.FromRelay], None]) -> None:
        self._account = account
        self._heard = heard
        self._core = ClientProtocol(
            parse_uri(f"wss://localhost:{port}/v1/socket"),
            subprotocols=[Subprotocol(frames.SUBPROTOCOL)],
            max_size=None,
        )
        self._transport: asyncio.Transport | None = None
        self._buffer: list[bytes] = []
        self._loop = asyncio.get_running_loop()
        self.signed_in: asyncio.Future[None] = self._loop.create_future()
        self.lost: asyncio.Future[None] = self._loop.create_future()
        self.newest = 0
        """The sequence of the mailbox's last envelope ever, as the Welcome said."""

    @classmethod
    async def connect(
        cls, account: Account, port: int, tls: ssl.SSLContext, heard: Callable[[frames.FromRelay], None]
    ) -> Client:
        _, client = await asyncio.get_running_loop().create_connection(
            lambda: cls(account, port, heard), "127.0.0.1", port, ssl=tls, server_hostname="localhost"
        )
        await client.signed_in
        return client

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._core.send_request(self._core.connect())
        self._flush_soon()

    def data_received(self, data: bytes) -> None:
        self._core.receive_data(data)
        for event in self._core.events_received():
            if isinstance(event, Frame) and event.opcode is Opcode.BINARY:
                self._frame(frames.decode_from_relay(bytes(event.data)))
            elif isinstance(event, Response) and self._core.state is not State.OPEN:
                raise ConnectionError("the relay did not open the socket")
        self._flush_soon()

    def _frame(self, frame: frames.FromRelay) -> None:
        if isinstance(frame, frames.Hello):
            key = Ed25519PrivateKey.from_private_bytes(self._account.key)
            signature = key.sign(frames.sign_in_bytes(frame.server, frame.nonce))
            self.say(frames.SignIn(self._account.device, signature))
        elif isinstance(frame, frames.Welcome):
            self.newest = frame.newest
            self.signed_in.set_result(None)
        elif isinstance(frame, frames.Refusal) and not self.signed_in.done():
            self.signed_in.set_exception(ConnectionError(f"refused: {frame.code}"))
        else:
            self._heard(frame)

    def say(self, frame: frames.Frame) -> None:
        """Lost, as on any network, where the connection is about to end."""
        if self._core.state is not State.OPEN:
            return
        self._core.send_binary(frames.encode(frame))
        self._flush_soon()

    def _flush_soon(self) -> None:
        if not self._buffer:
            self._loop.call_soon(self._flush)
        self._buffer += self._core.data_to_send()

    def _flush(self) -> None:
        data = b"".join(self._buffer)
        self._buffer.clear()
        if data and self._transport is not None:
            self._transport.write(data)

    def connection_lost(self, exc: Exception | None) -> None:
        self._transport = None
        if not self.lost.done():
            self.lost.set_result(None)
        if not self.signed_in.done():
            self.signed_in.set_exception(exc or ConnectionError("closed before the Welcome"))

    def close(self) -> None:
        if self._transport is not None:
            self._transport.abort()


async def while_connected(work: Coroutine[Any, Any, T], *clients: Client) -> T:
    """Raises ConnectionError where one of them is cut off before it is done: what would then be waited for
    does not come."""
    task = asyncio.ensure_future(work)
    ends: list[asyncio.Future[Any]] = [task, *(client.lost for client in clients)]
    await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
    if not task.done():
        task.cancel()
        raise ConnectionError("a connection ended before all had come")
    return await task


def in_loop(work: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine on uvloop. What fails in a callback, where nobody would notice, ends it, a signal's
    exception too."""
    import uvloop

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(_watched(work))


async def _watched(work: Coroutine[Any, Any, T]) -> T:
    task, failed = asyncio.ensure_future(work), []

    def fails(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        problem = context.get("exception")
        if problem is None or isinstance(problem, OSError) or {"task", "future"} & context.keys():
            # A connection that ends, or what somebody has chosen not to wait for.
            loop.default_exception_handler(context)
            return
        failed.append(problem)
        task.cancel()

    asyncio.get_running_loop().set_exception_handler(fails)
    try:
        return await task
    except asyncio.CancelledError:
        if failed:
            raise failed[0] from None
        raise
