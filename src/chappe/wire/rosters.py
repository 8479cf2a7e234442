"""Who may order: an organisation's fleet key, and the roster of its officers (docs/protocol.md section 12).

The **fleet key** stands for the organisation; every officer holds it, and every line of the organisation
has it in its certificates. An **officer key** stands for one person. A roster names the officers; it is
signed by the fleet key and by officers of the roster before, so that whoever holds the fleet key alone, a
former officer among them, neither orders nor makes officers.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Annotated, Final, TypeAlias

import msgspec
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from msgspec import Meta

from chappe.wire.errors import error
from chappe.wire.unlock import PUBLIC_KEY_BYTES

ROSTER_CONTEXT: Final = b"chappe roster v1"
MAX_OFFICERS: Final = 32
MAX_ROSTERS: Final = 256
"""Of an organisation, ever: a phone takes the chain in one frame."""
MAX_ROSTER: Final = 16 * 1024

Id16: TypeAlias = Annotated[bytes, Meta(min_length=16, max_length=16)]
Key32: TypeAlias = Annotated[bytes, Meta(min_length=32, max_length=32)]
Signature: TypeAlias = Annotated[bytes, Meta(min_length=64, max_length=64)]
SealKey: TypeAlias = Annotated[bytes, Meta(min_length=PUBLIC_KEY_BYTES, max_length=PUBLIC_KEY_BYTES)]
Seconds: TypeAlias = Annotated[int, Meta(ge=0, le=2**53)]
Name: TypeAlias = Annotated[str, Meta(min_length=1, max_length=64)]


class Strict(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """The root of what is signed, and of what carries it."""


class Officer(Strict, frozen=True):
    """A person who administers lines. `key`: Ed25519."""

    id: Id16
    name: Name
    key: Key32


class Roster(Strict, frozen=True):
    """One version, from 1. `previous`: `roster_hash` of the version before, zeros for the first.
    `seal_key`: the X-Wing key whose private half the officers hold; phones seal their registers to it."""

    organisation: Id16
    name: Name
    fleet_key: Key32
    seal_key: SealKey
    version: Annotated[int, Meta(ge=1, le=MAX_ROSTERS)]
    previous: Key32
    officers: Annotated[list[Officer], Meta(min_length=1, max_length=MAX_OFFICERS)]
    issued_at: Seconds

    def officer(self, id_: bytes) -> Officer | None:
        return next((officer for officer in self.officers if officer.id == id_), None)


class OfficerSignature(Strict, frozen=True):
    """`signature` by the key of the officer with this id."""

    officer: Id16
    signature: Signature


class SignedRoster(Strict, frozen=True):
    """`body`: the MessagePack of a `Roster`, as it was signed."""

    body: Annotated[bytes, Meta(min_length=1, max_length=MAX_ROSTER)]
    fleet_signature: Signature
    officers: Annotated[list[OfficerSignature], Meta(min_length=1, max_length=MAX_OFFICERS)]


@dataclass(frozen=True, slots=True)
class Chain:
    """A verified line of rosters, to its newest."""

    roster: Roster
    hashes: tuple[bytes, ...]
    """`roster_hash` of each version, oldest first."""


def roster_hash(signed: SignedRoster) -> bytes:
    """What the next version names as `previous`."""
    return hashlib.sha256(ROSTER_CONTEXT + signed.body).digest()


def fingerprint(fleet_key: bytes) -> str:
    """What officers, operators and owners of lines compare: 32 digits of its SHA-256 in groups of four."""
    digits = hashlib.sha256(fleet_key).hexdigest()[:32]
    return " ".join(digits[start : start + 4] for start in range(0, 32, 4))


def roster_bytes(body: bytes) -> bytes:
    """What fleet key and officers sign."""
    return ROSTER_CONTEXT + b"\0" + hashlib.sha256(body).digest()


def sign_roster(
    roster: Roster, fleet: Ed25519PrivateKey, officers: dict[bytes, Ed25519PrivateKey]
) -> SignedRoster:
    """`officers`: signing keys by officer id."""
    body = msgspec.msgpack.encode(roster)
    signed = roster_bytes(body)
    signatures = [OfficerSignature(id_, key.sign(signed)) for id_, key in sorted(officers.items())]
    return SignedRoster(body, fleet.sign(signed), signatures)


def check_chain(rosters: list[SignedRoster], *, fleet_key: bytes) -> Chain:
    """The chain from its first version, every step checked. Raises CryptoFailure roster.invalid.

    The first is signed by one of its own officers; each later one by two officers of the version before, or
    by all where there was but one.
    """
    if not 1 <= len(rosters) <= MAX_ROSTERS:
        raise error("roster.invalid")
    before: Roster | None = None
    hashes: list[bytes] = []
    for signed in rosters:
        before = _next(before, hashes[-1] if hashes else bytes(32), signed, fleet_key)
        hashes.append(roster_hash(signed))
    assert before is not None
    return Chain(before, tuple(hashes))


def needed_signatures(roster: Roster) -> int:
    """How many officers of `roster` must sign what takes two."""
    return min(2, len(roster.officers))


def _next(before: Roster | None, previous: bytes, signed: SignedRoster, fleet_key: bytes) -> Roster:
    roster = _read(signed)
    version = 1 if before is None else before.version + 1
    fits = roster.fleet_key == fleet_key and roster.version == version and roster.previous == previous
    if before is not None:
        fits = fits and (roster.organisation, roster.seal_key) == (before.organisation, before.seal_key)
    ids = {officer.id for officer in roster.officers}
    keys = {officer.key for officer in roster.officers}
    # Every officer holds the fleet key: as an officer's own it would be everybody's.
    fits = fits and roster.fleet_key not in keys
    if not fits or len(ids) != len(roster.officers) or len(keys) != len(roster.officers):
        raise error("roster.invalid")
    signed_bytes = roster_bytes(signed.body)
    verify(fleet_key, signed.fleet_signature, signed_bytes, "roster.invalid")
    judges = before or roster
    found = check_officers(judges, signed.officers, signed_bytes, "roster.invalid")
    if len(found) < (1 if before is None else needed_signatures(judges)):
        raise error("roster.invalid", "The roster needs the signatures of two officers.")
    return roster


def _read(signed: SignedRoster) -> Roster:
    try:
        return msgspec.msgpack.decode(signed.body, type=Roster)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        raise error("roster.invalid") from None


def check_officers(
    roster: Roster, signatures: list[OfficerSignature], signed: bytes, code: str, *, gone: bool = False
) -> tuple[bytes, ...]:
    """The ids of those who signed, each once. Raises CryptoFailure `code` for one that does not hold or is
    not on the roster; with `gone`, those who are not on it count for nothing."""
    found: list[bytes] = []
    if len({one.officer for one in signatures}) != len(signatures):
        raise error(code)
    for one in signatures:
        officer = roster.officer(one.officer)
        if officer is None and gone:
            continue
        if officer is None:
            raise error(code)
        verify(officer.key, one.signature, signed, code)
        found.append(one.officer)
    return tuple(found)


def verify(key: bytes, signature: bytes, signed: bytes, code: str) -> None:
    """Raises the error `code` unless `key` (Ed25519) signed."""
    try:
        Ed25519PublicKey.from_public_bytes(key).verify(signature, signed)
    except (InvalidSignature, ValueError):
        raise error(code) from None
