"""A push service on this machine that takes nothing that RFC 8030, 8291 or 8292 does not allow.

async with service() as it:
    one = Browser(it)                      # a subscription, with the browser's private key behind it
    ... the relay knocks ...
    it.got[0].message                      # what the browser of that subscription opens
What did not fit is in `it.complaints`, and ends the block with an AssertionError.
"""

from __future__ import annotations

import asyncio
import base64
import json
import re
import secrets
import struct
import time
from collections import deque
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Final

from cryptography.exceptions import InvalidSignature, InvalidTag
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, utils
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from chappe.relay.push import Subscription, check
from chappe.wire.api import from_base64, to_base64

MOST_BYTES: Final = 4096
MOST_SECONDS: Final = 24 * 3600
URGENCIES: Final = ("very-low", "low", "normal", "high")


@dataclass
class Knock:
    """One that was taken. `message`: what the browser reads of it."""

    path: str
    headers: dict[str, str]
    body: bytes
    message: bytes


@dataclass
class Service:
    """Answers 201, or what is next in `answers`: (status, more headers). `status`: for all that come."""

    port: int = 0
    status: int = 201
    answers: deque[tuple[int, dict[str, str]]] = field(default_factory=deque)
    asked: list[str] = field(default_factory=list)
    """Paths of all that came, taken or not."""
    got: list[Knock] = field(default_factory=list)
    complaints: list[str] = field(default_factory=list)
    browsers: dict[str, Browser] = field(default_factory=dict)
    last: dict[str, str] = field(default_factory=dict)
    """Headers of the last one, taken or not."""

    @property
    def origin(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        line, *lines = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
        headers = {name.lower(): value.strip() for name, _, value in (one.partition(":") for one in lines)}
        body = await reader.readexactly(int(headers.get("content-length", "0")))
        status, more = self._answer(line, headers, body)
        head = "".join(f"{name}: {value}\r\n" for name, value in more.items())
        writer.write(f"HTTP/1.1 {status} x\r\n{head}Content-Length: 0\r\nConnection: close\r\n\r\n".encode())
        await writer.drain()
        writer.close()

    def _answer(self, line: str, headers: dict[str, str], body: bytes) -> tuple[int, Mapping[str, str]]:
        method, path, _ = line.split(" ")
        self.asked.append(path)
        self.last = headers
        status, more = self.answers.popleft() if self.answers else (self.status, {})
        browser = self.browsers.get(path)
        problem = "unknown" if browser is None else self.judge(method, headers, body, browser)
        if browser is None or problem:
            self.complaints.append(f"{path}: {problem}")
            return 400, {}
        if status == 201:
            self.got.append(Knock(path, headers, body, browser.open(body)))
            more = {"Location": f"{self.origin}/message/{secrets.token_hex(8)}"} | more
        return status, more

    def judge(self, method: str, headers: Mapping[str, str], body: bytes, browser: Browser) -> str:
        """Why it is refused; empty if it is not."""
        if method != "POST":
            return "RFC 8030 section 5: a message is POSTed"
        if not re.fullmatch(r"[0-9]+", headers.get("ttl", "")):
            return "RFC 8030 section 5.2: no TTL"
        if headers.get("urgency", "normal") not in URGENCIES:
            return "RFC 8030 section 5.3: no such urgency"
        if not re.fullmatch(r"[A-Za-z0-9_-]{1,32}", headers.get("topic", "x")):
            return "RFC 8030 section 5.4: no topic"
        if headers.get("content-encoding") != "aes128gcm" or len(body) > MOST_BYTES:
            return "RFC 8291 section 4: not one record of aes128gcm"
        try:
            browser.open(body)
        except (ValueError, InvalidTag, struct.error) as refusal:
            return f"RFC 8291: does not open: {refusal}"
        return self._judge_vapid(headers.get("authorization", ""), browser)

    def _judge_vapid(self, authorization: str, browser: Browser) -> str:
        """RFC 8292: who says that they send this."""
        found = re.fullmatch(
            r"vapid t=([\w-]+)\.([\w-]+)\.([\w-]+), ?k=([\w-]+)", authorization, re.ASCII | re.IGNORECASE
        )
        if found is None:
            return "RFC 8292 section 3: no vapid"
        head, body, signature, key = found.groups()
        if browser.server_key and key != browser.server_key:
            return "RFC 8292 section 4.2: the subscription is for another key"
        if _json(head).get("alg") != "ES256":
            return "RFC 8292 section 2: not ES256"
        claims = _json(body)
        if claims.get("aud") != self.origin:
            return f"RFC 8292 section 2: for {claims.get('aud')}, not {self.origin}"
        if not time.time() < float(str(claims.get("exp", 0))) <= time.time() + MOST_SECONDS:
            return "RFC 8292 section 2: it is over, or lasts for more than a day"
        if not str(claims.get("sub", "")).startswith(("mailto:", "https:")):
            return "RFC 8292 section 2.1: nobody to write to"
        raw = base64.urlsafe_b64decode(signature + "==")
        r, s = int.from_bytes(raw[:32], "big"), int.from_bytes(raw[32:], "big")
        point = ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), from_base64(key))
        try:
            point.verify(
                utils.encode_dss_signature(r, s), f"{head}.{body}".encode(), ec.ECDSA(hashes.SHA256())
            )
        except InvalidSignature:
            return "RFC 8292 section 2: the signature does not hold"
        return "" if len(raw) == 64 else "RFC 7518 section 3.4: a signature has 64 bytes"


def _json(part: str) -> dict[str, object]:
    found = json.loads(base64.urlsafe_b64decode(part + "=="))
    assert isinstance(found, dict)
    return found


class Browser:
    """The browser's end of a subscription (RFC 8291 section 3). `server_key`: the one it subscribed with."""

    def __init__(self, at: Service | int, name: str = "one", server_key: str = "") -> None:
        port = at if isinstance(at, int) else at.port
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._auth = secrets.token_bytes(16)
        self.server_key = server_key
        self.point = self._key.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
        self.subscription: Subscription = check(
            f"http://127.0.0.1:{port}/push/{name}",
            to_base64(self.point),
            to_base64(self._auth),
            (f"http://127.0.0.1:{port}",),
        )
        if isinstance(at, Service):
            at.browsers[f"/push/{name}"] = self

    def open(self, body: bytes) -> bytes:
        """The one record, after RFC 8188 and RFC 8291. Raises ValueError, InvalidTag."""
        salt, size, length = body[:16], *struct.unpack("!LB", body[16:21])
        theirs, sealed = body[21 : 21 + length], body[21 + length :]
        if length != 65 or size < 18 or len(sealed) > size:
            raise ValueError("a header of another form, or more than one record")
        shared = self._key.exchange(
            ec.ECDH(), ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), theirs)
        )
        secret = _derive(shared, self._auth, b"WebPush: info\0" + self.point + theirs, 32)
        key = _derive(secret, salt, b"Content-Encoding: aes128gcm\0", 16)
        nonce = _derive(secret, salt, b"Content-Encoding: nonce\0", 12)
        record = AESGCM(key).decrypt(nonce, sealed, None).rstrip(b"\0")
        if not record.endswith(b"\x02"):
            raise ValueError("the last record ends with 2, then zeros")
        return record[:-1]


def _derive(secret: bytes, salt: bytes, info: bytes, length: int) -> bytes:
    return HKDF(hashes.SHA256(), length, salt, info).derive(secret)


@asynccontextmanager
async def service() -> AsyncIterator[Service]:
    it = Service()
    server = await asyncio.start_server(it.serve, "127.0.0.1", 0)
    it.port = server.sockets[0].getsockname()[1]
    async with server:
        yield it
    assert it.complaints == []
