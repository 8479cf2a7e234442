"""A share service on another machine, over HTTP. What is sealed passes through unread."""

from __future__ import annotations

import ssl
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, TypeVar

import httpx

from chappe.relay.shares.gate import Gate
from chappe.wire import api
from chappe.wire.door import UnlockCounts
from chappe.wire.errors import ChappeError, error, from_peer
from chappe.wire.unlock import PUBLIC_KEY_BYTES

SECONDS: Final = 20.0
KEY_SECONDS: Final = 3.0
"""How long to wait for the public key, and not to ask again after it did not come."""
_PASSED_ON: Final = ("unlock.", "storage.", "limit.rate", "signin.revoked")
"""What the service may say to a phone. Anything else is between the relay and it."""

MAX_DESTROYED: Final = 1_000
"""Devices that one request may name."""
MAX_HELD: Final = 40
"""And where it is asked what is kept of them: the answer is to stay within `api.MAX_BODY`."""

B = TypeVar("B", bound=api.Body)


@dataclass(frozen=True, slots=True)
class Place:
    """Where the service is, its token, and the certificate to trust (None: as a browser does)."""

    url: str
    token: str = field(repr=False)
    authority: Path | None = None


def read_token(path: Path) -> str:
    """The token in a file: 32 to 256 characters on its one line. Raises storage.missing, usage.invalid."""
    try:
        token = path.read_text().strip()
    except (OSError, UnicodeDecodeError):
        raise error("storage.missing", "The share service's token file cannot be read.") from None
    if not 32 <= len(token) <= 256 or not token.isascii() or not token.isprintable() or " " in token:
        raise error("usage.invalid", "The share service's token has 32 to 256 characters, without spaces.")
    return token


class RemoteShares:
    """Every method raises unlock.unavailable where the service does not answer, or not as it should."""

    def __init__(self, place: Place) -> None:
        """Raises tls.unreadable."""
        self._gate = Gate()
        self._public_key: bytes | None = None
        self._ask_key_at = 0.0
        self._http = httpx.AsyncClient(
            base_url=place.url,
            verify=_trust(place.authority),
            headers={"Authorization": f"Bearer {place.token}"},
            trust_env=False,
        )

    async def close(self) -> None:
        await self._http.aclose()

    async def public_key(self) -> bytes:
        """Asked once; raises unlock.unavailable until then."""
        if self._public_key is None:
            now = time.monotonic()
            if now < self._ask_key_at:
                raise error("unlock.unavailable")
            self._ask_key_at = now + KEY_SECONDS
            body = await self._ask("GET", "/v1/shares/key", api.ShareKey, seconds=KEY_SECONDS)
            self._public_key = _bytes(body.share_key, PUBLIC_KEY_BYTES)
        return self._public_key

    async def ping(self) -> None:
        """It answers, now."""
        await self._ask("GET", "/v1/shares/key", api.ShareKey, seconds=KEY_SECONDS)

    async def counts(self) -> UnlockCounts:
        return await self._ask("GET", "/v1/shares/counts", UnlockCounts, seconds=KEY_SECONDS)

    async def enrol(self, device: bytes, sealed: bytes) -> None:
        await self._send("PUT", f"/v1/shares/{api.to_base64(device)}", sealed)

    async def challenge(self, device: bytes) -> bytes:
        body = api.UnlockChallenge(api.to_base64(device))
        answer = await self._ask("POST", "/v1/unlock/challenge", api.UnlockChallenged, api.encode(body))
        return _bytes(answer.challenge, 32)

    async def unlock(self, device: bytes, sealed: bytes) -> bytes:
        with self._gate.guess(device) as passed:
            body = api.Unlock(api.to_base64(device), api.to_base64(sealed))
            answer = await self._ask("POST", "/v1/unlock", api.Unlocked, api.encode(body))
            passed.check()
            return _bytes(answer.sealed)

    async def held(self, devices: Sequence[bytes]) -> api.SharesHeld:
        """What is kept of these devices, for a disclosure."""
        found = api.SharesHeld([], [])
        for start in range(0, len(devices), MAX_HELD):
            piece = b"".join(devices[start : start + MAX_HELD])
            more = await self._ask("POST", "/v1/shares/held", api.SharesHeld, piece)
            found = api.SharesHeld(found.shares + more.shares, found.gone + more.gone)
        return found

    async def destroy(self, devices: Sequence[bytes]) -> None:
        for start in range(0, len(devices), MAX_DESTROYED):
            piece = devices[start : start + MAX_DESTROYED]
            await self._send("POST", "/v1/shares/destroy", b"".join(piece))
            for device in piece:
                self._gate.destroyed(device)

    async def _ask(
        self, method: str, path: str, kind: type[B], content: bytes = b"", seconds: float = SECONDS
    ) -> B:
        answer = await self._send(method, path, content, seconds)
        try:
            return api.decode(answer, kind)
        except ChappeError:
            raise error("unlock.unavailable") from None

    async def _send(self, method: str, path: str, content: bytes = b"", seconds: float = SECONDS) -> bytes:
        try:
            answer = await self._http.request(method, path, content=content, timeout=seconds)
        except (httpx.HTTPError, httpx.InvalidURL, OSError):
            raise error("unlock.unavailable") from None
        if answer.is_success:
            return answer.content
        raise _refusal(answer.content)


def _refusal(body: bytes) -> ChappeError:
    try:
        failure = api.decode(body, api.Failure)
    except ChappeError:
        return error("unlock.unavailable")
    if failure.code.startswith(_PASSED_ON):
        return from_peer(failure.code, failure.message)
    return error("unlock.unavailable")


def _bytes(text: str, length: int | None = None) -> bytes:
    try:
        return api.from_base64(text, length)
    except ChappeError:
        raise error("unlock.unavailable") from None


def _trust(authority: Path | None) -> ssl.SSLContext:
    try:
        return ssl.create_default_context(cafile=authority)
    except (OSError, ssl.SSLError):
        raise error("tls.unreadable", "The share service's certificate file cannot be read.") from None
