"""Web Push (RFC 8030, 8291, 8292): a knock that says nothing, for a phone whose page is closed.

Every knock is the same: sixteen zero bytes, encrypted for the browser, with the same headers. It carries no
sender, no conversation, no count. The push service learns that some device of this relay was knocked for, and
when; so the knock goes out once until the device has come, and no more often than `QUIET_SECONDS`. A service
that asks for a pause (429 or 503 with Retry-After, RFC 9110 section 10.2.3) gets it, and one that goes on
failing is asked less and less often.

A subscription is an address that a phone gives, which the relay then calls. It may be at a known push service
alone: else a phone could make the relay knock at any door of its own network.
"""

from __future__ import annotations

import os
import re
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC
from email.utils import parsedate_to_datetime
from enum import Enum
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

import httpx
import jwt
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat
from pydantic import ValidationError
from webpush import WebPush, WebPushSubscription

from chappe.relay.database import os_failure
from chappe.wire.api import from_base64, to_base64
from chappe.wire.durable import sync_folder
from chappe.wire.errors import ChappeError, error
from chappe.wire.frames import MAX_ENDPOINT

KEY_NAME: Final = "push-key.pem"
TTL_SECONDS: Final = 24 * 3600
"""A phone that is off for longer finds everything when it comes; an old knock would tell it nothing."""
QUIET_SECONDS: Final = 30.0
SEND_SECONDS: Final = 15.0
LONGEST_PAUSE: Final = 3600.0
"""Between two tries at a service that fails and does not say for how long."""
TOKEN_SECONDS: Final = 12 * 3600
"""How long a token of ours holds; RFC 8292 allows a day."""
KNOCK: Final = bytes(16)

SERVICES: Final = (
    "https://fcm.googleapis.com",
    "https://updates.push.services.mozilla.com",
    "https://*.push.apple.com",
    "https://*.notify.windows.com",
)
_POINT: Final = 65
_AUTH: Final = 16


class Outcome(Enum):
    """What became of a knock."""

    SENT = "sent"
    QUIET = "quiet"  # One went out a moment ago, or the service asked for a pause: see `Pusher.wait`.
    GONE = "gone"  # The subscription has ended: forget it.
    FAILED = "failed"  # The service did not take it: again after `Pusher.wait`.


@dataclass(frozen=True, slots=True)
class Subscription:
    """Where a browser is knocked for. `p256dh`: its P-256 point, 65 bytes; `auth`: 16 bytes (RFC 8291)."""

    endpoint: str
    p256dh: bytes
    auth: bytes


def check(endpoint: str, p256dh: str, auth: str, services: tuple[str, ...] = SERVICES) -> Subscription:
    """What a phone gave, keys as base64url. Raises BadInput http.malformed."""
    try:
        point, secret = from_base64(p256dh, _POINT), from_base64(auth, _AUTH)
        ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), point)
    except (ChappeError, ValueError, UnsupportedAlgorithm):
        raise error("http.malformed", "The push subscription's keys are not a browser's.") from None
    if not _is_at_a_service(endpoint, services):
        raise error("http.malformed", "The push subscription is not at a push service known here.")
    return Subscription(endpoint, point, secret)


def _is_at_a_service(endpoint: str, services: tuple[str, ...]) -> bool:
    if len(endpoint) > MAX_ENDPOINT or not re.fullmatch(r"[\x21-\x7e]+", endpoint) or "\\" in endpoint:
        return False
    try:
        parts = urlsplit(endpoint)
        port = parts.port
    except ValueError:
        return False
    if "@" in parts.netloc or not parts.hostname:
        return False
    origin = f"{parts.scheme}://{parts.hostname}" + (f":{port}" if port is not None else "")
    return any(_fits(origin, service) for service in services)


def _fits(origin: str, service: str) -> bool:
    pattern = re.escape(service).replace(r"\*", r"[a-z0-9-]+(\.[a-z0-9-]+)*")
    return re.fullmatch(pattern, origin) is not None


class PushKey:
    """The relay's VAPID key (RFC 8292): P-256, in the data folder, made on first use. Raises storage.*."""

    def __init__(self, folder: Path) -> None:
        path = folder / KEY_NAME
        try:
            if not path.exists():
                _make(path)
            key = serialization.load_pem_private_key(path.read_bytes(), None)
        except OSError as problem:
            raise os_failure(problem) from None
        except ValueError:
            raise error(
                "storage.failed", "The relay's push key cannot be read; restore or remove it."
            ) from None
        if not isinstance(key, ec.EllipticCurvePrivateKey):
            raise error("storage.failed", "The relay's push key is of another kind; restore or remove it.")
        self._private = key

    @property
    def public(self) -> str:
        """As `PushManager.subscribe` wants it: base64url of the uncompressed point."""
        return to_base64(
            self._private.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
        )

    def signer(self, contact: str) -> WebPush:
        """`contact`: an e-mail address that a push service may write to."""
        return WebPush(
            self._pem,
            self._private.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo),
            subscriber=contact,
            ttl=TTL_SECONDS,
        )

    def authorization(self, endpoint: str, contact: str) -> str:
        """Who knocks, for the service at `endpoint` (RFC 8292 section 3). Its origin is with the port, which
        `webpush` leaves out: a service that looks refuses that."""
        parts = urlsplit(endpoint)
        claims = {
            "aud": f"{parts.scheme}://{parts.netloc}",
            "exp": int(time.time()) + TOKEN_SECONDS,
            "sub": f"mailto:{contact}",
        }
        return f"vapid t={jwt.encode(claims, self._pem, 'ES256')}, k={self.public}"

    @property
    def _pem(self) -> bytes:
        return self._private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def _make(path: Path) -> None:
    """Whole or not at all, and for this user alone."""
    pem = ec.generate_private_key(ec.SECP256R1()).private_bytes(
        Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()
    )
    fresh = path.with_suffix(".new")
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(pem)
        file.flush()
        os.fsync(file.fileno())
    fresh.replace(path)
    sync_folder(path.parent)


@dataclass(frozen=True, slots=True)
class _Held:
    """No knock at a door before `until` (steady seconds); so many tries in a row failed."""

    until: float
    failures: int


class Pusher:
    """Knocks. `clock`: steady seconds."""

    def __init__(self, key: PushKey, contact: str, clock: Callable[[], float]) -> None:
        self._key = key
        self._contact = contact
        self._signer = key.signer(contact)
        self._clock = clock
        self._quiet: dict[str, float] = {}
        self._held: dict[str, _Held] = {}
        self._http: httpx.AsyncClient | None = None

    async def knock(self, subscription: Subscription) -> Outcome:
        """Knock once. Never raises for what a push service does; nothing of it reaches a log."""
        now, door = self._clock(), subscription.endpoint
        self._forget(now)
        if self.wait(subscription) > 0:
            return Outcome.QUIET
        self._quiet[door] = now + QUIET_SECONDS
        try:
            message = self._signer.get(KNOCK, _for_browser(subscription))
        except (ValueError, ValidationError):
            return Outcome.GONE
        headers = dict(message.headers) | {
            "authorization": self._key.authorization(door, self._contact),
            "urgency": "high",
            "topic": "chappe",
        }
        try:
            answer = await self._client().post(door, content=message.encrypted, headers=headers)
        except (httpx.HTTPError, httpx.InvalidURL):
            return self._fail(door, None)
        if answer.status_code in (404, 410):
            self._held.pop(door, None)
            return Outcome.GONE
        if not answer.is_success:
            return self._fail(door, answer.headers.get("retry-after"))
        self._held.pop(door, None)
        return Outcome.SENT

    def wait(self, subscription: Subscription) -> float:
        """Seconds until a knock may go out there again; 0 if one may now."""
        door, now = subscription.endpoint, self._clock()
        held = self._held.get(door)
        return max(0.0, self._quiet.get(door, now) - now, 0.0 if held is None else held.until - now)

    def came(self, subscription: Subscription) -> None:
        """The device has signed in: the next envelope may knock at once, unless a pause was asked for."""
        self._quiet.pop(subscription.endpoint, None)

    async def close(self) -> None:
        if self._http is not None:
            await self._http.aclose()

    def _client(self) -> httpx.AsyncClient:
        """Made at the first knock: it reads all of the authorities, which would hold up the start."""
        if self._http is None:
            # A redirect would lead past the check of the endpoint.
            self._http = httpx.AsyncClient(timeout=SEND_SECONDS, follow_redirects=False, trust_env=False)
        return self._http

    def _fail(self, door: str, retry_after: str | None) -> Outcome:
        """Nothing went out. A service that names no pause, or a short one, is asked less and less often."""
        self._quiet.pop(door, None)
        before = self._held.get(door)
        failures = 1 if before is None else before.failures + 1
        grown, named = 2.0 ** min(failures - 1, 20), _seconds_of(retry_after)
        pause = grown * QUIET_SECONDS if named is None else max(named, grown)
        longest = LONGEST_PAUSE if named is None else TTL_SECONDS
        self._held[door] = _Held(self._clock() + min(pause, longest), failures)
        return Outcome.FAILED

    def _forget(self, now: float) -> None:
        for door in [one for one, until in self._quiet.items() if until <= now]:
            del self._quiet[door]
        # How often one failed counts for as long as it may be tried again.
        for door in [one for one, held in self._held.items() if held.until + 2 * LONGEST_PAUSE <= now]:
            del self._held[door]


def _seconds_of(retry_after: str | None) -> float | None:
    """RFC 9110 section 10.2.3: seconds, or a date; a day at the most, for a knock is worth no more then."""
    if retry_after is None:
        return None
    if re.fullmatch(r"[0-9]{1,9}", retry_after):
        seconds = float(retry_after)
    else:
        try:
            seconds = parsedate_to_datetime(retry_after).replace(tzinfo=UTC).timestamp() - time.time()
        except ValueError:
            return None
    return min(max(seconds, 0.0), float(TTL_SECONDS))


def _for_browser(subscription: Subscription) -> WebPushSubscription:
    keys = {"p256dh": to_base64(subscription.p256dh), "auth": to_base64(subscription.auth)}
    return WebPushSubscription.model_validate({"endpoint": subscription.endpoint, "keys": keys})
