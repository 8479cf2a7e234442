"""The key schedule: from one epoch's secrets to the next (RFC 9420 section 8)."""

from __future__ import annotations

from dataclasses import dataclass, field, fields, replace

from chappe.mls.codec import Reader, opaque
from chappe.mls.suites import CipherSuite, KeyPair


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

    @classmethod
    def gone(cls) -> EpochSecrets:
        """What a client keeps of a group that it is out of: nothing."""
        return cls(*(b"" for _ in fields(cls)))

    def closed(self) -> EpochSecrets:
        """What a group closed by a ReInit keeps: proof of its history, the exporter, and the PSK that its
        successor is tied to it by."""
        return replace(
            self.gone(),
            exporter_secret=self.exporter_secret,
            epoch_authenticator=self.epoch_authenticator,
            resumption_psk=self.resumption_psk,
        )

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
