"""Web Push (RFC 8030, 8291, 8292): a knock that says nothing, for a phone whose page is closed.

Every knock is the same: sixteen zero bytes, encrypted for the browser, with the same headers. It carries no
sender, no conversation, no count. The push service learns that some device of this relay was knocked for, and
when; so the knock goes out once until the device has come, and no more often than `QUIET_SECONDS`.

A subscription is an address that a phone gives, which the relay then calls. It may be at a known push service
alone: else a phone could make the relay knock at any door of its own network.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

import httpx
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
    QUIET = "quiet"  # One went out a moment ago.
    GONE = "gone"  # The subscription has ended: forget it.
    FAILED = "failed"  # The service did not take it; the next envelope tries again.


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
            self._private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()),
            self._private.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo),
            subscriber=contact,
            ttl=TTL_SECONDS,
        )


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


class Pusher:
    """Knocks. `clock`: monotonic seconds."""

    def __init__(self, key: PushKey, contact: str, clock: Callable[[], float]) -> None:
        self._signer = key.signer(contact)
        self._clock = clock
        self._knocked: dict[str, float] = {}
        # A redirect would lead past the check of the endpoint.
        self._http = httpx.AsyncClient(timeout=SEND_SECONDS, follow_redirects=False, trust_env=False)

    async def knock(self, subscription: Subscription) -> Outcome:
        """Knock once. Never raises for what a push service does; nothing of it reaches a log."""
        now = self._clock()
        self._forget(now)
        if subscription.endpoint in self._knocked:
            return Outcome.QUIET
        self._knocked[subscription.endpoint] = now
        try:
            message = self._signer.get(KNOCK, _for_browser(subscription))
        except (ValueError, ValidationError):
            return Outcome.GONE
        headers = dict(message.headers) | {"urgency": "high", "topic": "chappe"}
        try:
            answer = await self._http.post(subscription.endpoint, content=message.encrypted, headers=headers)
        except (httpx.HTTPError, httpx.InvalidURL):
            return Outcome.FAILED
        if answer.status_code in (404, 410):
            return Outcome.GONE
        return Outcome.SENT if answer.is_success else Outcome.FAILED

    def came(self, subscription: Subscription) -> None:
        """The device has signed in: the next envelope may knock at once."""
        self._knocked.pop(subscription.endpoint, None)

    async def close(self) -> None:
        await self._http.aclose()

    def _forget(self, now: float) -> None:
        for endpoint in [one for one, when in self._knocked.items() if now - when >= QUIET_SECONDS]:
            del self._knocked[endpoint]


def _for_browser(subscription: Subscription) -> WebPushSubscription:
    keys = {"p256dh": to_base64(subscription.p256dh), "auth": to_base64(subscription.auth)}
    return WebPushSubscription.model_validate({"endpoint": subscription.endpoint, "keys": keys})
