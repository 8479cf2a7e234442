"""Who may propose from outside a group: its `external_senders` extension (RFC 9420 section 12.1.8.1)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from chappe.mls.codec import Reader, opaque, parse, vector
from chappe.mls.leaf_node import Credential, Extension, Extensions, ExtensionType, find_extension


@dataclass(frozen=True, slots=True)
class ExternalSender:
    """An entry of the extension."""

    signature_key: bytes
    credential: Credential

    def encode(self) -> bytes:
        return opaque(self.signature_key) + self.credential.encode()

    @classmethod
    def read(cls, r: Reader) -> ExternalSender:
        return cls(r.opaque(), Credential.read(r))


def external_senders_extension(*senders: ExternalSender) -> Extension:
    """The GroupContext extension that lets these propose from outside."""
    return Extension(ExtensionType.EXTERNAL_SENDERS, vector(sender.encode() for sender in senders))


def external_senders(extensions: Extensions) -> tuple[ExternalSender, ...]:
    """Those who may propose from outside, by index. Raises MalformedMessage."""
    data = find_extension(extensions, ExtensionType.EXTERNAL_SENDERS)
    return () if data is None else parse(lambda r: r.vector(ExternalSender.read), data)


def authenticate_new_senders(
    before: Extensions, after: Extensions, authenticate: Callable[[Credential, bytes], None]
) -> None:
    """Ask the application about every sender that `after` brings (section 5.3.1). Raises MalformedMessage, or
    what `authenticate` raises."""
    if before == after:
        return
    known = external_senders(before)
    for sender in external_senders(after):
        if sender not in known:
            authenticate(sender.credential, sender.signature_key)
