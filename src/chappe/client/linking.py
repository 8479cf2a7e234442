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
from chappe.wire.cryptology import XWING_PUBLIC_BYTES
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
    """What the old device gives the new one. `identity` is the line's private key; `organisation`, its name,
    is empty where the line is of none.

    `certificate` is the new device's, `endorsement` how the old one lets it in, for the transparency log:
    `by` is the old device's name there (chappe.wire.log_entries).
    """

    identity: bytes
    line: bytes
    address: str
    contacts: list[KnownContact]
    organisation: str
    certificate: bytes
    by: bytes
    endorsement: bytes

    def __repr__(self) -> str:
        return f"<Handover of {self.address}>"


@dataclass(frozen=True, slots=True)
class Offer:
    """What the new device says of itself: its id, its signature key, and the key that the answer is sealed
    to."""

    device_id: bytes
    signature_key: bytes
    sealing_key: bytes

    def to_bytes(self) -> bytes:
        return self.device_id + self.signature_key + self.sealing_key

    @classmethod
    def from_bytes(cls, data: bytes) -> Offer:
        """Raises link.malformed."""
        if len(data) != 16 + 32 + XWING_PUBLIC_BYTES:
            raise error("link.malformed")
        return cls(data[:16], data[16:48], data[48:])


def rendezvous_id(secret: bytes) -> bytes:
    """Where the two meet; from it the relay does not learn `secret`."""
    return hashlib.sha256(b"chappe rendezvous v1" + secret).digest()[:16]


async def receive(
    api: HttpApi,
    place: RelayPlace,
    show: Callable[[str], None],
    *,
    device_id: bytes,
    signature_key: bytes,
) -> Handover:
    """On the new device: show a link, wait for the answer. Raises link.unknown when time is up.

    `device_id`, `signature_key` (public): what the answer's certificate is to be for.
    """
    keys = SUITE.generate_key_pair(os.urandom)
    offer = Offer(device_id, signature_key, keys.public).to_bytes()
    link = DeviceLink(place, os.urandom(SECRET_BYTES), hashlib.sha256(offer).digest())
    await api.put_link(rendezvous_id(link.rendezvous), "offer", offer)
    show(str(link))
    answer = await _await_slot(api, link.rendezvous, "answer", RENDEZVOUS_SECONDS)
    return opened(keys.private, link.rendezvous, answer)


def opened(private: bytes, secret: bytes, answer: bytes) -> Handover:
    """What the other device sealed. Raises link.malformed."""
    try:
        sealed = parse(HPKECiphertext.read, answer)
        found = SUITE.decrypt_with_label(private, _LABEL, secret, sealed)
        return msgspec.msgpack.decode(found, type=Handover)
    except (MLSError, msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        raise error("link.malformed", "The other device's answer does not open; start again.") from None


def sealed_handover(public: bytes, secret: bytes, handover: bytes) -> bytes:
    """The answer, for the key of the offer. Raises link.malformed for a key that is none."""
    try:
        return SUITE.encrypt_with_label(public, _LABEL, secret, handover).encode()
    except MLSError:
        raise error("link.malformed") from None


async def give(api: HttpApi, link: DeviceLink, handover: Callable[[Offer], Handover]) -> None:
    """On the old device: `handover` makes what the device of the offer is given. Raises link.unknown,
    link.used, link.malformed."""
    offer = await _await_slot(api, link.rendezvous, "offer", _WAIT)
    if not hmac.compare_digest(hashlib.sha256(offer).digest(), link.key_hash):
        raise error("link.malformed", "The link's key is not the one that the relay gave; do not go on.")
    read = Offer.from_bytes(offer)
    given = msgspec.msgpack.encode(handover(read))
    answer = sealed_handover(read.sealing_key, link.rendezvous, given)
    await api.put_link(rendezvous_id(link.rendezvous), "answer", answer)


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
