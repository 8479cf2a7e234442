"""Web Push, against a push service on this machine: all get the same, and it opens as RFC 8291 says."""

from __future__ import annotations

import asyncio
import base64
import json
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, utils
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from chappe.relay.push import KEY_NAME, Outcome, Pusher, PushKey, Subscription, check
from chappe.wire.api import from_base64, to_base64
from chappe.wire.errors import ChappeError

CONTACT = "operator@relay.example"


@dataclass
class Service:
    """A push service: answers `status`, and keeps what it got."""

    port: int = 0
    status: int = 201
    got: list[tuple[dict[str, str], bytes]] = field(default_factory=list)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        headers = {
            name.lower(): value.strip()
            for name, _, value in (line.partition(":") for line in head.split("\r\n")[1:])
            if name
        }
        body = await reader.readexactly(int(headers.get("content-length", "0")))
        self.got.append((headers | {"": head.split("\r\n")[0]}, body))
        location = "Location: http://127.0.0.1:1/\r\n" if self.status == 307 else ""
        writer.write(
            f"HTTP/1.1 {self.status} x\r\n{location}Content-Length: 0\r\nConnection: close\r\n\r\n".encode()
        )
        await writer.drain()
        writer.close()


@asynccontextmanager
async def service() -> AsyncIterator[Service]:
    it = Service()
    server = await asyncio.start_server(it.serve, "127.0.0.1", 0)
    it.port = server.sockets[0].getsockname()[1]
    async with server:
        yield it


class Browser:
    """The browser's end of a subscription (RFC 8291 section 3)."""

    def __init__(self, port: int, name: str = "one") -> None:
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._auth = bytes(range(16))
        self.point = self._key.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
        self.subscription = check(
            f"http://127.0.0.1:{port}/push/{name}",
            to_base64(self.point),
            to_base64(self._auth),
            (f"http://127.0.0.1:{port}",),
        )

    def open(self, body: bytes) -> bytes:
        salt, size, length = body[:16], *struct.unpack("!LB", body[16:21])
        assert size == 4096
        theirs, sealed = body[21 : 21 + length], body[21 + length :]
        shared = self._key.exchange(
            ec.ECDH(), ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), theirs)
        )
        secret = derive(shared, self._auth, b"WebPush: info\0" + self.point + theirs, 32)
        key = derive(secret, salt, b"Content-Encoding: aes128gcm\0", 16)
        nonce = derive(secret, salt, b"Content-Encoding: nonce\0", 12)
        return AESGCM(key).decrypt(nonce, sealed, None)


def derive(secret: bytes, salt: bytes, info: bytes, length: int) -> bytes:
    return HKDF(hashes.SHA256(), length, salt, info).derive(secret)


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


async def test_a_knock_says_nothing_and_is_signed(tmp_path: Path) -> None:
    key = PushKey(tmp_path)
    async with service() as it:
        one, other = Browser(it.port), Browser(it.port, "other")
        pusher = Pusher(key, CONTACT, Clock())
        assert await pusher.knock(one.subscription) is Outcome.SENT
        assert await pusher.knock(other.subscription) is Outcome.SENT
        await pusher.close()
    (headers, body), (others, other_body) = it.got
    assert one.open(body) == other.open(other_body) == bytes(16) + b"\x02"
    assert len(body) == len(other_body)
    differ = {name for name in headers if headers[name] != others[name]}
    assert differ <= {"", "authorization"}
    assert (headers["ttl"], headers["topic"], headers["content-encoding"]) == ("86400", "chappe", "aes128gcm")
    # RFC 8292: the token is this relay's, for this service, and short-lived.
    token, public = headers["authorization"].removeprefix("vapid t=").split(", k=")
    assert public == key.public
    signed, _, signature = token.rpartition(".")
    claims = json.loads(base64.urlsafe_b64decode(signed.split(".")[1] + "=="))
    assert claims["sub"] == f"mailto:{CONTACT}"
    assert claims["aud"].startswith("http://127.0.0.1")
    raw = base64.urlsafe_b64decode(signature + "==")
    der = utils.encode_dss_signature(int.from_bytes(raw[:32], "big"), int.from_bytes(raw[32:], "big"))
    point = ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), from_base64(public))
    point.verify(der, signed.encode(), ec.ECDSA(hashes.SHA256()))


async def test_one_knock_until_somebody_comes(tmp_path: Path) -> None:
    clock = Clock()
    async with service() as it:
        one = Browser(it.port).subscription
        pusher = Pusher(PushKey(tmp_path), CONTACT, clock)
        assert await pusher.knock(one) is Outcome.SENT
        clock.now = 29
        assert await pusher.knock(one) is Outcome.QUIET
        pusher.came(one)
        assert await pusher.knock(one) is Outcome.SENT
        clock.now = 60
        assert await pusher.knock(one) is Outcome.SENT
        await pusher.close()
    assert len(it.got) == 3


@pytest.mark.parametrize(
    ("status", "outcome"),
    [
        (201, Outcome.SENT),
        (404, Outcome.GONE),
        (410, Outcome.GONE),
        (429, Outcome.FAILED),
        (500, Outcome.FAILED),
        (307, Outcome.FAILED),
    ],
)
async def test_what_services_answer(tmp_path: Path, status: int, outcome: Outcome) -> None:
    async with service() as it:
        it.status = status
        pusher = Pusher(PushKey(tmp_path), CONTACT, Clock())
        assert await pusher.knock(Browser(it.port).subscription) is outcome
        await pusher.close()
    assert len(it.got) == 1


async def test_a_service_that_is_not_there(tmp_path: Path) -> None:
    pusher = Pusher(PushKey(tmp_path), CONTACT, Clock())
    assert await pusher.knock(Browser(1).subscription) is Outcome.FAILED
    await pusher.close()


def test_the_key_is_made_once_for_this_user_alone(tmp_path: Path) -> None:
    public = PushKey(tmp_path).public
    assert (tmp_path / KEY_NAME).stat().st_mode & 0o777 == 0o600
    assert PushKey(tmp_path).public == public
    assert len(from_base64(public)) == 65
    (tmp_path / KEY_NAME).write_text("not a key")
    with pytest.raises(ChappeError, match=r"storage\.failed"):
        PushKey(tmp_path)


GOOD = to_base64(
    ec.generate_private_key(ec.SECP256R1())
    .public_key()
    .public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
)
AUTH = to_base64(bytes(16))


@pytest.mark.parametrize(
    "endpoint",
    [
        "https://fcm.googleapis.com/fcm/send/abc",
        "https://updates.push.services.mozilla.com/wpush/v2/x",
        "https://web.push.apple.com/Q",
        "https://db5p.notify.windows.com/w/?token=x",
    ],
)
def test_push_services_that_are_known(endpoint: str) -> None:
    assert check(endpoint, GOOD, AUTH) == Subscription(endpoint, from_base64(GOOD), bytes(16))


@pytest.mark.parametrize(
    "endpoint",
    [
        "http://fcm.googleapis.com/x",
        "https://fcm.googleapis.com:8443/x",
        "https://fcm.googleapis.com.evil.example/x",
        "https://evil.example/fcm.googleapis.com",
        "https://fcm.googleapis.com@127.0.0.1/x",
        "https://127.0.0.1/x",
        "https://localhost/x",
        "https://[::1]/x",
        "https://169.254.169.254/latest/meta-data",
        "https://push.apple.com.evil.example/",
        "https://evil.example#.push.apple.com",
        "https://evil.example\\.push.apple.com/",
        "https://evil.example/\r\nX: y",
        "https://fcm.googleapis.com/" + "x" * 1024,
        "https://fcm.googleapis.com:99999999/",
        "file:///etc/passwd",
        "https://",
        "",
        "https://é.push.apple.com/",
    ],
)
def test_doors_that_the_relay_does_not_knock_at(endpoint: str) -> None:
    with pytest.raises(ChappeError, match=r"http\.malformed"):
        check(endpoint, GOOD, AUTH)


@pytest.mark.parametrize(
    ("point", "auth"),
    [
        ("", AUTH),
        (GOOD[:-2], AUTH),
        (to_base64(b"\x04" + bytes(64)), AUTH),
        (to_base64(bytes(65)), AUTH),
        (GOOD, ""),
        (GOOD, to_base64(bytes(15))),
        (GOOD, "!" * 22),
    ],
    # The good point is another in each process, and xdist wants the same names in all of them.
    ids=lambda _: "key",
)
def test_keys_that_are_none(point: str, auth: str) -> None:
    with pytest.raises(ChappeError, match=r"http\.malformed"):
        check("https://fcm.googleapis.com/x", point, auth)
