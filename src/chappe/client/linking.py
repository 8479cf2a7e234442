"""One more device for a line: what its two devices say to each other (docs/protocol.md section 9.2)."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import os
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import msgspec

from chappe.client.groups import SUITE
from chappe.client.transport import HttpApi
from chappe.mls import MLSError
from chappe.mls.codec import parse
from chappe.mls.suites import HPKECiphertext
from chappe.wire.api import RENDEZVOUS_SECONDS
from chappe.wire.errors import ChappeError, error
from chappe.wire.links import DeviceLink, RelayPlace

_LABEL: Final = "chappe device link v1"
_WAIT: Final = 25
SECRET_BYTES: Final = 16


class KnownContact(msgspec.Struct, frozen=True, array_like=True):
    address: str
    line: bytes
    identity_key: bytes
    verified: bool


class Handover(msgspec.Struct, frozen=True, array_like=True):
    """What the old device gives the new one. `identity` is the line's private key; `fleet_key` and
    `organisation`, its name, are empty where the line is of none."""

    identity: bytes
    line: bytes
    address: str
    contacts: list[KnownContact]
    fleet_key: bytes = b""
    organisation: str = ""

    def __repr__(self) -> str:
        return f"<Handover of {self.address}>"


@dataclass(frozen=True, slots=True)
class _Offer:
    link: DeviceLink
    public: bytes
    private: bytes


def rendezvous_id(secret: bytes) -> bytes:
    """Where the two meet; from it the relay does not learn `secret`."""
    return hashlib.sha256(b"chappe rendezvous v1" + secret).digest()[:16]


async def receive(api: HttpApi, place: RelayPlace, show: Callable[[str], None]) -> Handover:
    """On the new device: show a link, wait for the answer. Raises link.unknown when time is up."""
    keys = SUITE.generate_key_pair(os.urandom)
    link = DeviceLink(place, os.urandom(SECRET_BYTES), hashlib.sha256(keys.public).digest())
    await api.put_link(rendezvous_id(link.rendezvous), "offer", keys.public)
    show(str(link))
    answer = await _await_slot(api, link.rendezvous, "answer", RENDEZVOUS_SECONDS)
    try:
        sealed = parse(HPKECiphertext.read, answer)
        opened = SUITE.decrypt_with_label(keys.private, _LABEL, link.rendezvous, sealed)
        return msgspec.msgpack.decode(opened, type=Handover)
    except (MLSError, msgspec.MsgspecError, UnicodeDecodeError):
        raise error("link.malformed", "The other device's answer does not open; start again.") from None


async def give(api: HttpApi, link: DeviceLink, handover: Handover) -> None:
    """On the old device. Raises link.unknown, link.used, link.malformed."""
    public = await _await_slot(api, link.rendezvous, "offer", _WAIT)
    if not hmac.compare_digest(hashlib.sha256(public).digest(), link.key_hash):
        raise error("link.malformed", "The link's key is not the one that the relay gave; do not go on.")
    try:
        sealed = SUITE.encrypt_with_label(public, _LABEL, link.rendezvous, msgspec.msgpack.encode(handover))
    except MLSError:
        raise error("link.malformed") from None
    await api.put_link(rendezvous_id(link.rendezvous), "answer", sealed.encode())


async def _await_slot(api: HttpApi, secret: bytes, slot: str, seconds: float) -> bytes:
    """What the other one leaves, once it does."""
    loop = asyncio.get_running_loop()
    deadline = loop.time() + seconds
    while True:
        try:
            left = deadline - loop.time()
            return await api.get_link(rendezvous_id(secret), slot, max(0, min(_WAIT, int(left))))
        except ChappeError as problem:
            passing = problem.code in ("link.unknown", "network.unreachable", "network.timeout")
            if not passing or loop.time() >= deadline:
                raise
        await asyncio.sleep(0.2)
