"""A client of an XMPP server, as cheap as Python allows: what is measured is the server.

It writes stanzas as text and looks for the few things in the answers that it needs (RFC 6120, RFC 6121,
XEP-0077 to register, XEP-0199 as a sign that everything before it was dealt with).
"""

from __future__ import annotations

import asyncio
import base64
import itertools
import re
import ssl
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, cast

DOMAIN: Final = "localhost"
PASSWORD: Final = "peers"
_BODY: Final = re.compile(rb"<body>([^<]*)</body>")


@dataclass(frozen=True, slots=True)
class Address:
    """Where an XMPP server takes TLS connections, and what it is trusted by."""

    port: int
    tls: ssl.SSLContext


class XmppClient(asyncio.Protocol):
    """One stream. `heard` gets the body of every message that arrives."""

    def __init__(self, heard: Callable[[bytes], None] = lambda _body: None) -> None:
        self._heard = heard
        self._transport: asyncio.Transport | None = None
        self._buffer = b""
        self._wanted: tuple[bytes, asyncio.Future[bytes]] | None = None
        self._numbers = itertools.count(1)
        self._bodies = False

    @classmethod
    async def open(cls, at: Address, heard: Callable[[bytes], None] = lambda _body: None) -> XmppClient:
        """A stream of nobody yet, with the server's features read."""
        loop = asyncio.get_running_loop()
        _, client = await loop.create_connection(
            lambda: cls(heard), "127.0.0.1", at.port, ssl=at.tls, server_hostname=DOMAIN
        )
        await client._begin()
        return client

    @classmethod
    async def sign_in(
        cls, at: Address, user: str, heard: Callable[[bytes], None] = lambda _body: None
    ) -> XmppClient:
        """Signed in, bound to a resource, and present: messages come."""
        client = await cls.open(at, heard)
        proof = base64.b64encode(f"\0{user}\0{PASSWORD}".encode()).decode()
        await client.ask(
            f"<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='PLAIN'>{proof}</auth>", b"<success"
        )
        client._buffer = b""
        await client._begin()
        await client.ask(
            "<iq type='set' id='bind'><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'>"
            "<resource>bench</resource></bind></iq>",
            b"</iq>",
        )
        client._bodies = True
        client.write("<presence/>")
        await client.settled()
        return client

    async def register(self, user: str) -> None:
        """A new account (XEP-0077)."""
        await self.ask(
            "<iq type='set' id='new'><query xmlns='jabber:iq:register'>"
            f"<username>{user}</username><password>{PASSWORD}</password></query></iq>",
            b"new",
        )

    def message(self, to: str, body: str) -> str:
        """The text of a message stanza to a user."""
        number = next(self._numbers)
        return f"<message type='chat' to='{to}@{DOMAIN}' id='m{number}'><body>{body}</body></message>"

    async def settled(self) -> None:
        """The server has dealt with all that was said before."""
        mark = f"ping{next(self._numbers)}x"
        await self.ask(f"<iq type='get' id='{mark}'><ping xmlns='urn:xmpp:ping'/></iq>", mark.encode())

    async def ask(self, text: str, sign: bytes) -> bytes:
        """Say it, and wait until `sign` stands in what comes back."""
        future: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()
        self._wanted = sign, future
        self.write(text)
        return await future

    def write(self, text: str) -> None:
        if self._transport is not None:
            self._transport.write(text.encode())

    def close(self) -> None:
        if self._transport is not None:
            self._transport.abort()

    async def _begin(self) -> None:
        await self.ask(
            f"<?xml version='1.0'?><stream:stream to='{DOMAIN}' version='1.0' xmlns='jabber:client' "
            "xmlns:stream='http://etherx.jabber.org/streams'>",
            b"</stream:features>",
        )
        self._buffer = b""

    # --- asyncio.Protocol

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        if self._wanted is not None and self._wanted[0] in self._buffer:
            future = self._wanted[1]
            self._wanted = None
            if not future.done():
                future.set_result(self._buffer)
        if self._bodies:
            self._take_bodies()

    def _take_bodies(self) -> None:
        end = 0
        for found in _BODY.finditer(self._buffer):
            end = found.end()
            self._heard(found[1])
        # A message that is not whole yet stays.
        self._buffer = self._buffer[end:] if end else self._buffer[-16_384:]

    def connection_lost(self, exc: Exception | None) -> None:
        self._transport = None
        if self._wanted is not None and not self._wanted[1].done():
            self._wanted[1].set_exception(exc or ConnectionError("the server closed the stream"))
