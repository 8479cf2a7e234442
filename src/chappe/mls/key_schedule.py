"""The key schedule: from one epoch's secrets to the next (RFC 9420 section 8)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, fields

from chappe.mls.codec import Reader, opaque, u8, u16, u64
from chappe.mls.errors import MalformedMessage
from chappe.mls.suites import CipherSuite, KeyPair

_EXTERNAL, _RESUMPTION = 1, 2


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
        if usage not in (1, 2, 3):
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
class EpochSecrets:
    """What an epoch's members keep (section 8, figure 22). No field shows in a repr."""

    sender_data_secret: bytes = field(repr=False)
    exporter_secret: bytes = field(repr=False)
    epoch_authenticator: bytes = field(repr=False)
    external_secret: bytes = field(repr=False)
    confirmation_key: bytes = field(repr=False)
    membership_key: bytes = field(repr=False)
    resumption_psk: bytes = field(repr=False)
    init_secret: bytes = field(repr=False)

    def encode(self) -> bytes:
        return b"".join(opaque(getattr(self, f.name)) for f in fields(self))

    @classmethod
    def read(cls, r: Reader) -> EpochSecrets:
        return cls(*(r.opaque() for _ in fields(cls)))

    def export(self, suite: CipherSuite, label: str, context: bytes, length: int) -> bytes:
        """MLS-Exporter (section 8.5)."""
        secret = suite.derive_secret(self.exporter_secret, label)
        return suite.expand_with_label(secret, "exported", suite.hash(context), length)

    def external_key_pair(self, suite: CipherSuite) -> KeyPair:
        """The key pair behind `external_pub` (section 8.3)."""
        return suite.derive_key_pair(self.external_secret)


@dataclass(frozen=True, slots=True)
class KeySchedule:
    """The secrets of an epoch, and those that only a joiner or the secret tree uses."""

    joiner_secret: bytes = field(repr=False)
    welcome_secret: bytes = field(repr=False)
    encryption_secret: bytes = field(repr=False)
    epoch: EpochSecrets = field(repr=False)


def next_joiner_secret(suite: CipherSuite, init: bytes, commit_secret: bytes, context: bytes) -> bytes:
    """From the last epoch's init secret, the commit secret and the new GroupContext."""
    return suite.expand_with_label(suite.extract(init, commit_secret), "joiner", context, suite.nh)


def welcome_secret(suite: CipherSuite, joiner: bytes, psk: bytes) -> bytes:
    """What a joiner opens the GroupInfo with, before it knows the GroupContext."""
    return suite.derive_secret(suite.extract(joiner, psk), "welcome")


def schedule(suite: CipherSuite, joiner: bytes, psk: bytes, context: bytes) -> KeySchedule:
    """All secrets of an epoch from its joiner secret."""
    member = suite.extract(joiner, psk)
    epoch_secret = suite.expand_with_label(member, "epoch", context, suite.nh)
    return KeySchedule(
        joiner,
        suite.derive_secret(member, "welcome"),
        suite.derive_secret(epoch_secret, "encryption"),
        epoch_secrets(suite, epoch_secret),
    )


def epoch_secrets(suite: CipherSuite, epoch_secret: bytes) -> EpochSecrets:
    """Table 4 of section 8, without the encryption secret."""
    labels = (
        "sender data",
        "exporter",
        "authentication",
        "external",
        "confirm",
        "membership",
        "resumption",
        "init",
    )
    return EpochSecrets(*(suite.derive_secret(epoch_secret, label) for label in labels))
