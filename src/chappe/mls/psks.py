"""Pre-shared keys: their ids, where they are, and how they enter the key schedule (RFC 9420 section 8.4)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import IntEnum

from chappe.mls.codec import Reader, opaque, u8, u16, u64
from chappe.mls.errors import InvalidMessage, MalformedMessage
from chappe.mls.suites import CipherSuite

_EXTERNAL, _RESUMPTION = 1, 2


class ResumptionUsage(IntEnum):
    """What a resumption PSK is for (section 8.4)."""

    APPLICATION = 1
    REINIT = 2
    BRANCH = 3


@dataclass(frozen=True, slots=True)
class PreSharedKeyID:
    """External (`psk_id`) or resumption (`usage`, `psk_group_id`, `psk_epoch`) (section 8.4)."""

    psktype: int
    psk_nonce: bytes
    psk_id: bytes = b""
    usage: int = 0
    psk_group_id: bytes = b""
    psk_epoch: int = 0

    @classmethod
    def external(cls, psk_id: bytes, psk_nonce: bytes) -> PreSharedKeyID:
        return cls(_EXTERNAL, psk_nonce, psk_id=psk_id)

    @classmethod
    def resumption(cls, usage: int, group_id: bytes, epoch: int, psk_nonce: bytes) -> PreSharedKeyID:
        return cls(_RESUMPTION, psk_nonce, usage=usage, psk_group_id=group_id, psk_epoch=epoch)

    @property
    def is_external(self) -> bool:
        return self.psktype == _EXTERNAL

    def encode(self) -> bytes:
        if self.is_external:
            return u8(_EXTERNAL) + opaque(self.psk_id) + opaque(self.psk_nonce)
        body = u8(self.usage) + opaque(self.psk_group_id) + u64(self.psk_epoch)
        return u8(_RESUMPTION) + body + opaque(self.psk_nonce)

    @classmethod
    def read(cls, r: Reader) -> PreSharedKeyID:
        kind = r.u8()
        if kind == _EXTERNAL:
            return cls.external(r.opaque(), r.opaque())
        if kind != _RESUMPTION:
            raise MalformedMessage("unknown PSK type")
        usage = r.u8()
        if usage not in tuple(ResumptionUsage):
            raise MalformedMessage("unknown resumption PSK usage")
        return cls.resumption(usage, r.opaque(), r.u64(), r.opaque())


def psk_secret(suite: CipherSuite, psks: Sequence[tuple[PreSharedKeyID, bytes]]) -> bytes:
    """Section 8.4; all zero for no PSK."""
    secret, zero = bytes(suite.nh), bytes(suite.nh)
    for index, (psk_id, psk) in enumerate(psks):
        label = psk_id.encode() + u16(index) + u16(len(psks))
        extracted = suite.extract(zero, psk)
        secret = suite.extract(suite.expand_with_label(extracted, "derived psk", label, suite.nh), secret)
    return secret


@dataclass(frozen=True, slots=True)
class PskStore:
    """The pre-shared keys that a client has: external ones by id, resumption ones by group and epoch."""

    external: Mapping[bytes, bytes] = field(default_factory=dict, repr=False)
    resumption: Mapping[tuple[bytes, int], bytes] = field(default_factory=dict, repr=False)

    def secret(self, suite: CipherSuite, ids: Sequence[PreSharedKeyID]) -> bytes:
        """`psk_secret` of these, in their order. Raises InvalidMessage for one that is not here."""
        return psk_secret(suite, [(psk_id, self._find(psk_id)) for psk_id in ids])

    def _find(self, psk_id: PreSharedKeyID) -> bytes:
        if psk_id.is_external:
            found = self.external.get(psk_id.psk_id)
        else:
            found = self.resumption.get((psk_id.psk_group_id, psk_id.psk_epoch))
        if found is None:
            raise InvalidMessage("a pre-shared key that this client does not have")
        return found
