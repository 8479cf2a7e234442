"""Bodies of the HTTP API (docs/protocol.md), used by both ends.

JSON; bytes travel as base64url without padding, in the one canonical spelling. Unknown fields are refused.
"""

from __future__ import annotations

import base64
import binascii
from typing import Annotated, Final, TypeAlias, TypeVar

import msgspec
from msgspec import Meta

from chappe.wire.errors import error
from chappe.wire.signing import joined

MAX_BODY: Final = 16 * 1024
"""Largest JSON body that the relay reads, in bytes."""
MAX_RENDEZVOUS: Final = 64 * 1024
"""Largest offer or answer of a device link, in bytes."""
RENDEZVOUS_SECONDS: Final = 600
ACTIVATE_CONTEXT: Final = b"chappe activate v1"
ADD_DEVICE_CONTEXT: Final = b"chappe add device v1"
RENEW_CONTEXT: Final = b"chappe renew v1"

Base64: TypeAlias = Annotated[str, Meta(pattern=r"^[A-Za-z0-9_-]*$", max_length=2048)]


class Body(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """The root of every body."""


class Ready(Body, frozen=True):
    """GET /readyz. `ready`: it takes messages; `whole`: nothing else is wrong either."""

    ready: bool
    whole: bool


class Info(Body, frozen=True):
    """GET /v1/info. Sizes in bytes; `name` is the host part of this relay's addresses."""

    name: str
    version: str
    max_payload: int
    max_attachment: int
    mailbox_days: int
    share_key: Base64 = ""
    """The share service's public key; empty while the service does not answer."""
    push_key: Base64 = ""
    """What a browser subscribes to pushes with (RFC 8292): 65 bytes; empty where there are none."""


class Activate(Body, frozen=True):
    """POST /v1/activate: the first device of a new line.

    `proof` is the device signature key's signature over `activate_bytes(...)`.
    """

    code: Annotated[str, Meta(max_length=64)]
    certificate: Base64
    proof: Base64


class CodeFor(Body, frozen=True):
    """POST /v1/activate/organisation: whose lines does this code make?"""

    code: Annotated[str, Meta(max_length=64)]


class Organisation(Body, frozen=True, omit_defaults=True):
    """Answer: its name and the fleet key (base64url of 32 bytes); both empty where it is of none.

    `pin_length`: digits that a PIN there has at least. The relay's word, for who chooses one; what holds is
    the signed policy.
    """

    name: str
    fleet_key: Base64
    pin_length: Annotated[int, Meta(ge=6, le=32)] = 6


class AddDevice(Body, frozen=True):
    """POST /v1/devices: one more device; `certificate` is signed by the line's identity key.

    `by`, `endorsement`: a device of the line, as base64url of its 32-byte name in the transparency log, and
    its signature over `chappe.wire.log_entries.endorsement_bytes`.
    """

    certificate: Base64
    proof: Base64
    by: Base64
    endorsement: Base64


class Enter(Body, frozen=True):
    """POST /v1/devices/enrolled: a new phone that two officers let in; `certificate` is the one that they
    announced. `proof`: as in `AddDevice`."""

    certificate: Base64
    proof: Base64


class Activated(Body, frozen=True):
    """Answer to both: ids as base64url of 16 bytes, the line's address, and the salt under which it stands in
    the transparency log (base64url of 32 bytes)."""

    line: Base64
    device: Base64
    address: str
    salt: Base64


class Renew(Body, frozen=True):
    """POST /v1/renew: a device renews its line's term. `device` is base64url of the 16 bytes; `proof` its
    signature key's signature over `renew_bytes(...)`."""

    code: Annotated[str, Meta(max_length=64)]
    device: Base64
    proof: Base64


class Renewed(Body, frozen=True):
    """Answer: the term as it is now; instants as in `chappe.wire.frames.Term`, Unix seconds."""

    stage: str
    ends: int
    suspends: int
    closes: int
    forgotten: int


class UnlockChallenge(Body, frozen=True):
    """POST /v1/unlock/challenge: `device` is base64url of the 16 bytes."""

    device: Base64


class UnlockChallenged(Body, frozen=True):
    """Answer: base64url of 32 bytes, for one guess of this device within a minute."""

    challenge: Base64


class Unlock(Body, frozen=True):
    """POST /v1/unlock: `sealed` is base64url of what `chappe.wire.unlock.seal_guess` gives."""

    device: Base64
    sealed: Base64


class Unlocked(Body, frozen=True):
    """Answer: base64url of what `chappe.wire.unlock.open_answer` takes."""

    sealed: Base64


class ShareKey(Body, frozen=True):
    """GET /v1/shares/key, of a share service that runs alone: base64url of its public key."""

    share_key: Base64


class HeldShare(Body, frozen=True):
    """A share that is there. Of the wrapped one its size and SHA-256 alone: it does not leave the service."""

    device: Base64
    unlock_key: Base64
    wrapped_bytes: int
    wrapped_sha256: str
    tries: int
    not_before: int


class GoneShare(Body, frozen=True):
    """One that was destroyed. `unlock_key` is empty where there never was one."""

    device: Base64
    unlock_key: Base64
    ordered: bool


class SharesHeld(Body, frozen=True):
    """POST /v1/shares/held, of a share service that runs alone: what it has of the devices asked for."""

    shares: list[HeldShare]
    gone: list[GoneShare]


class Failure(Body, frozen=True):
    """Every 4xx and 5xx answer; `code` is one of chappe.wire.errors."""

    code: str
    message: str


T = TypeVar("T", bound=Body)


def encode(body: Body) -> bytes:
    """The JSON of one body."""
    return msgspec.json.encode(body)


def decode(data: bytes, kind: type[T]) -> T:
    """One body of type `kind`. Raises BadInput http.malformed."""
    if len(data) > MAX_BODY:
        raise error("http.malformed")
    try:
        return msgspec.json.decode(data, type=kind)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
        raise error("http.malformed") from None


def to_base64(data: bytes) -> str:
    """base64url without padding."""
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode("ascii")


def from_base64(text: str, length: int | None = None) -> bytes:
    """The bytes of a base64url text, `length` bytes if given.

    Raises BadInput http.malformed for padding, foreign characters, stray bits or another length: one
    value has one spelling, so that ids in URLs compare.
    """
    try:
        raw = text.encode("ascii")
        data = base64.b64decode(raw + b"=" * (-len(raw) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, UnicodeEncodeError):
        raise error("http.malformed") from None
    if to_base64(data) != text or (length is not None and len(data) != length):
        raise error("http.malformed")
    return data


def activate_bytes(server: str, code: str, certificate: bytes) -> bytes:
    """What the new device signs to activate; `code` in its canonical form (16 characters)."""
    return joined(ACTIVATE_CONTEXT, server.encode(), code.encode(), certificate)


def add_device_bytes(server: str, certificate: bytes) -> bytes:
    """What a linked device signs to be added."""
    return joined(ADD_DEVICE_CONTEXT, server.encode(), certificate)


def renew_bytes(server: str, code: str, device: bytes) -> bytes:
    """What a device signs to renew its line's term; `code` in its canonical form (16 characters)."""
    return joined(RENEW_CONTEXT, server.encode(), code.encode(), device)
