"""The entries of the transparency log (docs/protocol.md section 14).

One log per relay, public. The relay appends an entry in the transaction of what it tells of; clients, and
whoever runs `chappe audit`, read them all. Nothing in an entry tells an address, a name, a line id or a
device id to who does not know it already: ids are random, a line stands there as a salted commitment.

An entry is a MessagePack map with the fields in the order below, `what` first, each in its shortest form,
nil where one is absent: there is one spelling of an entry, and another is refused.

What a log may hold in which order is `chappe.client.log_state`'s to judge. `log.opened` is there once. Before
it stands what an older relay already had: there alone may a device have been added by nobody.
"""

from __future__ import annotations

import hashlib
from typing import Annotated, Final, Literal, TypeAlias

import msgspec
from msgspec import Meta

from chappe.wire.errors import ChappeError, error
from chappe.wire.rosters import MAX_ROSTERS, ROSTER_CONTEXT, Key32, Seconds, Signature, Strict
from chappe.wire.signing import joined

LINE_CONTEXT: Final = b"chappe log line v1"
ORGANISATION_CONTEXT: Final = b"chappe log organisation v1"
DEVICE_CONTEXT: Final = b"chappe log device v1"
OFFICER_CONTEXT: Final = b"chappe log officer v1"
ADDED_CONTEXT: Final = b"chappe log device added v1"
ANNOUNCED_CONTEXT: Final = b"chappe log device announced v1"

MAX_ENTRY: Final = 1_024
SALT_BYTES: Final = 32
ANNOUNCED_SECONDS: Final = 24 * 3600
"""How long before officers' device is added it must have been announced."""

Hash32: TypeAlias = Key32
HashOrNone: TypeAlias = Annotated[bytes, Meta(max_length=32)]
"""32 bytes, or none; `decode` checks."""


class Entry(Strict, frozen=True, tag_field="what"):
    """What every entry has. `at`: the relay's clock, never less than in the entry before."""

    version: Literal[1]
    at: Seconds


class LogOpened(Entry, frozen=True, tag="log.opened"):
    """From here on every change is told as it happens. `origin`: the log's, as in its checkpoints."""

    origin: Annotated[str, Meta(min_length=1, max_length=255)]


class LineCreated(Entry, frozen=True, tag="line.created"):
    """A line and its first device. `line`: `line_commitment`. `organisation`: `organisation_hash`, empty for
    a line of none. `device`, `certificate`: `device_hash`, `certificate_hash`."""

    line: Hash32
    identity_key: Key32
    organisation: HashOrNone
    device: Hash32
    certificate: Hash32
    signature_key: Key32


class Endorsement(Strict, frozen=True):
    """`signature`, over `endorsement_bytes`, by the signature key of `device` (`device_hash`): one of the
    line's that was in the log before and is not revoked."""

    device: Hash32
    signature: Signature


class DeviceAdded(Entry, frozen=True, tag="device.added"):
    """One more device of a line. It has `by` or `order`, the digest of an order that an entry
    `device.announced` with the same fields named; neither only before `log.opened`."""

    line: Hash32
    device: Hash32
    certificate: Hash32
    signature_key: Key32
    by: Endorsement | None
    order: Hash32 | None


class OfficerMark(Strict, frozen=True):
    """`signature` by the key that the log has for `officer` (`officer_hash`)."""

    officer: Hash32
    signature: Signature


class DeviceAnnounced(Entry, frozen=True, tag="device.announced"):
    """Two officers of the line's organisation are going to add a device, `ANNOUNCED_SECONDS` from here at the
    soonest. Their signatures are over `announcement_bytes`. `identity_key`: the line's from then on, as the
    certificate has it; whoever lost every device has lost the old one."""

    line: Hash32
    device: Hash32
    certificate: Hash32
    signature_key: Key32
    identity_key: Key32
    order: Hash32
    officers: Annotated[list[OfficerMark], Meta(min_length=2, max_length=2)]


class DeviceRevoked(Entry, frozen=True, tag="device.revoked"):
    """The device is signed out for good. `order`: its digest, nil where the line's term was over. Of one that
    is only announced: it never comes, and `order` is the digest of the one that announced it."""

    device: Hash32
    by: Literal["owner", "officers", "lapsed"]
    order: Hash32 | None


class EraseOrdered(Entry, frozen=True, tag="erase.ordered"):
    """The device, revoked by now, is to be erased."""

    device: Hash32
    order: Hash32


class ShareDestroyed(Entry, frozen=True, tag="share.destroyed"):
    """The share service has destroyed the device's share: by order, or because its line is forgotten."""

    device: Hash32


class OfficerChange(Entry, frozen=True):
    """Of a roster: `roster` is its version, `digest` the SHA-256 of its body, which is what officers sign
    (`signed_digest`). `signatures`: of one officer of the first version, of two of the version before
    (of the one where there was but one) for a later one. All changes of one version stand together."""

    organisation: Hash32
    officer: Hash32
    key: Key32
    roster: Annotated[int, Meta(ge=1, le=MAX_ROSTERS)]
    digest: Hash32
    signatures: Annotated[list[OfficerMark], Meta(min_length=1, max_length=2)]


class OfficerAdded(OfficerChange, frozen=True, tag="officer.added"):
    """An officer with a signing key. One who changes keys is removed and added."""


class OfficerRemoved(OfficerChange, frozen=True, tag="officer.removed"):
    """`key`: the one that the officer had."""


class Release(Entry, frozen=True, tag="release"):
    """The phone's page that the relay serves from here on. `digest`: SHA-256 of its `release.json`."""

    digest: Hash32
    release: Annotated[str, Meta(min_length=1, max_length=64)]


LogEntry: TypeAlias = (
    LogOpened
    | LineCreated
    | DeviceAdded
    | DeviceAnnounced
    | DeviceRevoked
    | EraseOrdered
    | ShareDestroyed
    | OfficerAdded
    | OfficerRemoved
    | Release
)

_encoder: Final = msgspec.msgpack.Encoder()
_decoder: Final[msgspec.msgpack.Decoder[LogEntry]] = msgspec.msgpack.Decoder(LogEntry)


def encode(entry: LogEntry) -> bytes:
    """The bytes of the leaf: at most MAX_ENTRY. Raises BadInput order.malformed where they are more."""
    data = _encoder.encode(entry)
    if len(data) > MAX_ENTRY:
        raise _malformed()
    return data


def decode(data: bytes) -> LogEntry:
    """Raises BadInput order.malformed for what is no entry, or not in its one spelling."""
    if len(data) > MAX_ENTRY:
        raise _malformed()
    try:
        entry = _decoder.decode(data)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        raise _malformed() from None
    if _encoder.encode(entry) != data or not _fits(entry):
        raise _malformed()
    return entry


def line_commitment(salt: bytes, line_id: bytes, address: str) -> bytes:
    """What stands for a line: 32 bytes that only who knows `salt` (32 bytes) can hold against an address."""
    return hashlib.sha256(LINE_CONTEXT + salt + line_id + address.encode("ascii")).digest()


def organisation_hash(fleet_key: bytes) -> bytes:
    """Empty for no organisation."""
    return hashlib.sha256(ORGANISATION_CONTEXT + fleet_key).digest() if fleet_key else b""


def device_hash(device_id: bytes) -> bytes:
    return hashlib.sha256(DEVICE_CONTEXT + device_id).digest()


def officer_hash(officer_id: bytes) -> bytes:
    return hashlib.sha256(OFFICER_CONTEXT + officer_id).digest()


def certificate_hash(certificate: bytes) -> bytes:
    """SHA-256 of the certificate's bytes, as they stand in the MLS credential."""
    return hashlib.sha256(certificate).digest()


def endorsement_bytes(*, line: bytes, device: bytes, certificate: bytes, signature_key: bytes) -> bytes:
    """What a device of the line signs to let another one in: the fields of `DeviceAdded`, 32 bytes each."""
    return joined(ADDED_CONTEXT, line, device, certificate, signature_key)


def announcement_bytes(
    *, line: bytes, device: bytes, certificate: bytes, signature_key: bytes, identity_key: bytes, order: bytes
) -> bytes:
    """What two officers sign to announce a device: the fields of `DeviceAnnounced`, 32 bytes each. With the
    order's digest in it, a signature is good for that one order."""
    return joined(ANNOUNCED_CONTEXT, line, device, certificate, signature_key, identity_key, order)


def signed_digest(digest: bytes) -> bytes:
    """What officers signed of the roster with this `digest`, the SHA-256 of its body: `roster_bytes`."""
    return ROSTER_CONTEXT + b"\0" + digest


def _fits(entry: LogEntry) -> bool:
    if isinstance(entry, LineCreated):
        return len(entry.organisation) in (0, 32)
    if isinstance(entry, DeviceAdded):
        return entry.by is None or entry.order is None
    return True


def _malformed() -> ChappeError:
    return error("order.malformed", "The transparency log has an entry that cannot be read.")
