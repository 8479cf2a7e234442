"""The vault's small files in a profile's folder.

    device      `r` and the key that signs guesses, by entries: it stands for the platform's keystore
    vault       what unlocking needs besides: relay, service key, wrapped vault key, commitment, policy
    vault.next  the same for PINs that are being set; one becomes `vault` once the service has its share
    offline     a sealed copy of the share, where the policy lets a device open without the relay
    line        whose orders this device obeys: what a locked phone needs to verify one

`vault`, `offline` and `line` carry a MAC under a key made from `r`: who can write to the folder, but has no
hands on the keystore, changes nothing in them. All are replaced whole or not at all.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from pathlib import Path
from typing import Annotated, Any, Final, Literal, TypeAlias, TypeVar

import msgspec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from msgspec import Meta

from chappe.vault import disk
from chappe.vault.keys import WRAPPED_BYTES, derived
from chappe.wire.errors import ChappeError, error
from chappe.wire.links import RelayPlace
from chappe.wire.orders import FleetPolicy
from chappe.wire.unlock import PUBLIC_KEY_BYTES, Bytes16, Bytes32

DEVICE: Final = "device"
VAULT: Final = "vault"
NEXT: Final = "vault.next"
OFFLINE: Final = "offline"
LINE: Final = "line"
NAMES: Final = (DEVICE, VAULT, NEXT, OFFLINE, LINE)

MAX_OFFLINE_HOURS: Final = 72
IDLE_SECONDS: Final = 15 * 60
MIN_IDLE: Final = 10
MAX_IDLE: Final = 24 * 3600
MAX_PENDING: Final = 8
"""PINs whose setting began and whose answer was lost, before one of them has to be unlocked with."""
_MAC_BYTES: Final = 32

EntryName: TypeAlias = Annotated[bytes, Meta(min_length=8, max_length=8)]
Wrapped: TypeAlias = Annotated[bytes, Meta(min_length=WRAPPED_BYTES, max_length=WRAPPED_BYTES)]
Moment: TypeAlias = Annotated[int, Meta(ge=0, le=2**53)]


class _Kept(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """The root of what the files hold. Its values never show."""

    def __repr__(self) -> str:
        return f"<{type(self).__name__}>"


class Entry(_Kept, frozen=True):
    """One key of the keystore: the device's secret, and the Ed25519 seed that signs guesses."""

    name: EntryName
    r: Bytes32
    seed: Bytes32

    @property
    def signing_key(self) -> Ed25519PrivateKey:
        return Ed25519PrivateKey.from_private_bytes(self.seed)

    @classmethod
    def new(cls) -> Entry:
        return cls(secrets.token_bytes(8), secrets.token_bytes(32), secrets.token_bytes(32))


class Keystore(_Kept, frozen=True):
    """What `device` holds: one entry, and more while a PIN is being set."""

    version: Literal[1]
    entries: Annotated[list[Entry], Meta(max_length=MAX_PENDING + 1)]

    def entry(self, name: bytes) -> Entry:
        """Raises storage.failed."""
        for entry in self.entries:
            if entry.name == name:
                return entry
        raise damaged(DEVICE)


class Policy(_Kept, frozen=True):
    """How long without the relay, in hours, and how long without use, in seconds.

    No hour without the relay is the default here, though an organisation's policy may say otherwise: a
    desktop keeps `r` in a file, and whoever copies the folder while it holds a sealed share may guess at
    the PIN for as long as they like.
    """

    offline_hours: Annotated[int, Meta(ge=0, le=MAX_OFFLINE_HOURS)] = 0
    idle_seconds: Annotated[int, Meta(ge=MIN_IDLE, le=MAX_IDLE)] = IDLE_SECONDS


class Vault(_Kept, frozen=True):
    """What `vault` and `vault.next` hold. `entry` names one of `device`; `pin` is the hash of the relay's
    certificate, where it made that itself."""

    version: Literal[1]
    entry: EntryName
    device: Bytes16
    host: Annotated[str, Meta(min_length=1, max_length=255)]
    port: Annotated[int, Meta(ge=1, le=65535)]
    pin: Bytes32 | None
    service: Annotated[bytes, Meta(min_length=PUBLIC_KEY_BYTES, max_length=PUBLIC_KEY_BYTES)]
    wrapped: Wrapped
    commitment: Bytes32
    policy: Policy

    @property
    def place(self) -> RelayPlace:
        return RelayPlace(self.host, self.port, self.pin)


class OfflineCopy(_Kept, frozen=True):
    """What `offline` holds. Times in Unix seconds; `boot` and `up` say where in which run of the machine
    the copy was made. `seen` is the latest time that anything looked, `tries` what wrong PINs are left."""

    version: Literal[1]
    entry: EntryName
    sealed: Wrapped
    since: Moment
    until: Moment
    seen: Moment
    boot: Annotated[str, Meta(max_length=64)]
    up: Moment
    tries: Annotated[int, Meta(ge=0, le=16)]


class Known(_Kept, frozen=True):
    """By whose word this device is erased or locked, and what was done so far.

    `fleet_key` is empty where the line is of no organisation; `roster_hash`, of its newest roster seen, where
    none was. `locked_at`, `policy_at`: when the last order of that kind that was carried out was issued."""

    line: Bytes16
    device: Bytes16
    server: Annotated[str, Meta(min_length=1, max_length=253)]
    fleet_key: Annotated[bytes, Meta(max_length=32)]
    identity_key: Bytes32
    roster_version: Moment = 0
    roster_hash: Annotated[bytes, Meta(max_length=32)] = b""
    locked_at: Moment = 0
    policy_at: Moment = 0
    bounds: FleetPolicy | None = None


class Line(_Kept, frozen=True):
    """What `line` holds. Nothing of it is secret."""

    version: Literal[1]
    entry: EntryName
    known: Known


_Pending: TypeAlias = Annotated[list[bytes], Meta(max_length=MAX_PENDING)]
M = TypeVar("M", Vault, OfflineCopy, Line)


def damaged(name: str) -> ChappeError:
    return error("storage.failed", f"The profile's file {name!r} is damaged; nothing was changed.")


# --- forms: bytes to values and back


def encode(kept: Keystore) -> bytes:
    return msgspec.msgpack.encode(kept)


def decode(data: bytes) -> Keystore:
    """Raises storage.failed."""
    kept: Keystore = _decoded(data, Keystore, DEVICE)
    return kept


def encode_sealed(kept: Vault | OfflineCopy | Line, r: bytes) -> bytes:
    data = msgspec.msgpack.encode(kept)
    return _mac(r, type(kept), data) + data


def decode_sealed(data: bytes, kind: type[M], keystore: Keystore) -> M:
    """Read, find the entry that it names, check the MAC. Raises storage.failed."""
    kept: M = _decoded(data[_MAC_BYTES:], kind, kind.__name__.lower())
    expected = _mac(keystore.entry(kept.entry).r, kind, data[_MAC_BYTES:])
    if not hmac.compare_digest(expected, data[:_MAC_BYTES]):
        raise damaged(kind.__name__.lower())
    return kept


def decode_list(data: bytes) -> list[bytes]:
    """The sealed vaults of `vault.next`. Raises storage.failed."""
    kept: list[bytes] = _decoded(data, _Pending, NEXT)
    return kept


def _decoded(data: bytes, kind: Any, name: str) -> Any:
    try:
        return msgspec.msgpack.decode(data, type=kind)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        raise damaged(name) from None


def _mac(r: bytes, kind: type[Vault] | type[OfflineCopy] | type[Line], data: bytes) -> bytes:
    key = derived(r, b"file " + kind.__name__.lower().encode())
    return hmac.digest(key, data, hashlib.sha256)


# --- files


def has_pin(home: Path) -> bool:
    """Whether the profile opens with a PIN alone. Raises storage.failed."""
    try:
        return (home / VAULT).exists()
    except OSError as problem:
        raise disk.os_failure(problem) from None


def keystore(home: Path) -> Keystore:
    """An empty one where there is none. Raises storage.failed."""
    data = disk.read(home / DEVICE)
    return Keystore(1, []) if data is None else decode(data)


def vault(home: Path) -> Vault | None:
    """None where there is none. Raises storage.failed."""
    data = disk.read(home / VAULT)
    return None if data is None else decode_sealed(data, Vault, keystore(home))


def pending(home: Path) -> list[Vault]:
    """What `vault.next` holds, the newest first. Raises storage.failed."""
    data = disk.read(home / NEXT)
    if data is None:
        return []
    known = keystore(home)
    return [decode_sealed(one, Vault, known) for one in decode_list(data)]


def offline(home: Path) -> OfflineCopy | None:
    """None where there is none. Raises storage.failed."""
    data = disk.read(home / OFFLINE)
    return None if data is None else decode_sealed(data, OfflineCopy, keystore(home))


def line(home: Path) -> Line | None:
    """None where there is none. Raises storage.failed."""
    data = disk.read(home / LINE)
    return None if data is None else decode_sealed(data, Line, keystore(home))


def write_line(home: Path, kept: Line, r: bytes) -> None:
    disk.write(home / LINE, encode_sealed(kept, r))


def write_keystore(home: Path, kept: Keystore) -> None:
    disk.write(home / DEVICE, encode(kept))


def write_vault(home: Path, kept: Vault, r: bytes) -> None:
    disk.write(home / VAULT, encode_sealed(kept, r))


def write_pending(home: Path, kept: list[Vault], known: Keystore) -> None:
    """The newest first."""
    sealed = [encode_sealed(one, known.entry(one.entry).r) for one in kept]
    disk.write(home / NEXT, msgspec.msgpack.encode(sealed))


def write_offline(home: Path, kept: OfflineCopy, r: bytes) -> None:
    disk.write(home / OFFLINE, encode_sealed(kept, r))
