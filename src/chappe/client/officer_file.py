"""An officer's file: everything of one officer, sealed under a passphrase.

    header = "chappe officer v1\\n" || salt (16 bytes) || nonce (12)
    key    = HKDF-SHA256(Argon2id(passphrase, SHA-256("salt" || salt), 64 MiB, 3 passes), "officer file")
    file   = header || AES-256-GCM(key, nonce, MessagePack of `OfficerState`, the header as associated data)

It is one file, 0600, rewritten whole. Who has it and the passphrase is that officer; nobody can give
either back.
"""

from __future__ import annotations

import secrets
from pathlib import Path
from typing import Annotated, Final, Literal

import msgspec
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from msgspec import Meta

from chappe.vault import disk, pins
from chappe.vault.keys import derived, stretch
from chappe.wire.cryptology import GCM_NONCE_BYTES
from chappe.wire.errors import error
from chappe.wire.registers import Membership
from chappe.wire.rosters import Id16, Key32, Name, Seconds, SignedRoster, Strict

MAGIC: Final = b"chappe officer v1\n"
MAX_FILE: Final = 64 * 1024 * 1024
_SALT: Final = 16
_NONCE: Final = GCM_NONCE_BYTES
_HEADER: Final = len(MAGIC) + _SALT + _NONCE


class Place(Strict, frozen=True):
    """Where the relay is. `server`: its name, which orders bear."""

    host: str
    port: Annotated[int, Meta(gt=0, lt=65536)]
    pin: bytes | None
    server: str


class KnownLine(Strict, frozen=True):
    """A line as it was first seen. The relay could show another in its place; who remembers sees it."""

    line: Id16
    address: str
    identity_key: Key32


class Head(Strict, frozen=True):
    """How long the audit log was, and its root."""

    size: Annotated[int, Meta(ge=0)]
    root: Key32


class Removal(Strict, frozen=True):
    """A device that an order takes out of its conversations, as its register named them. `through`: the
    last epoch that a proposal was signed for, of each; -1 for none."""

    order: Id16
    device: Id16
    places: list[Membership]
    through: list[int]


class OfficerState(Strict, frozen=True):
    """`asked`: made here, not yet appointed; then there is no fleet seed. `rosters`: the whole chain."""

    version: Literal[1]
    state: Literal["asked", "appointed"]
    id: Id16
    name: Name
    seed: Key32
    made_at: Seconds
    fleet_seed: Key32 | None = None
    place: Place | None = None
    rosters: list[SignedRoster] = []  # noqa: RUF012
    audit: Head | None = None
    lines: list[KnownLine] = []  # noqa: RUF012
    removals: list[Removal] = []  # noqa: RUF012

    def __repr__(self) -> str:
        return f"<OfficerState {self.state}>"


class OfficerFile:
    """The open file: `state`, and `keep` to change it."""

    def __init__(self, path: Path, salt: bytes, key: bytes, state: OfficerState, written: bytes) -> None:
        self.path = path
        self.state = state
        self._salt = salt
        self._key = key
        self._written = written

    def __repr__(self) -> str:
        return f"<OfficerFile {self.state.state}>"

    @classmethod
    def create(cls, path: Path, passphrase: str, state: OfficerState) -> OfficerFile:
        """Raises fleet.exists, vault.weak_pin, storage.*."""
        if path.exists():
            raise error("fleet.exists")
        salt = secrets.token_bytes(_SALT)
        made = cls(path, salt, _key(check_passphrase(passphrase, state.name), salt), state, b"")
        made._write()
        return made

    @classmethod
    def open(cls, path: Path, passphrase: str) -> OfficerFile:
        """Raises fleet.missing, fleet.wrong_passphrase, storage.failed for what is no officer's file."""
        data = _read(path)
        if data is None:
            raise error("fleet.missing")
        header = data[:_HEADER]
        if len(header) < _HEADER or not header.startswith(MAGIC):
            raise error("storage.failed", "That is not an officer's file.")
        salt = header[len(MAGIC) : len(MAGIC) + _SALT]
        try:
            key = _key(pins.normalise(passphrase), salt)
            opened = AESGCM(key).decrypt(header[-_NONCE:], data[_HEADER:], header)
        except InvalidTag:
            raise error("fleet.wrong_passphrase") from None
        try:
            state = msgspec.msgpack.decode(opened, type=OfficerState)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            raise error("storage.failed", "The officer's file is of another version.") from None
        return cls(path, salt, key, state, header)

    def keep(self, **changes: object) -> None:
        """Rewrite it with these fields changed. Raises storage.*; then the file is as it was.

        Another command that wrote in between is not overwritten: what it knew would be lost.
        """
        if (_read(self.path) or b"")[:_HEADER] != self._written:
            raise error("storage.locked", "Another command changed the officer's file; run this one again.")
        self.state = msgspec.structs.replace(self.state, **changes)
        self._write()

    def _write(self) -> None:
        header = MAGIC + self._salt + secrets.token_bytes(_NONCE)
        sealed = AESGCM(self._key).encrypt(header[-_NONCE:], msgspec.msgpack.encode(self.state), header)
        disk.write(self.path, header + sealed)
        self._written = header


def check_passphrase(passphrase: str, *own: str) -> str:
    """Normalised. Whoever copies the file tries as often as they like: digits alone will not do.

    Raises vault.weak_pin, with the reason.
    """
    if passphrase.strip().isdigit():
        raise error("vault.weak_pin", "Digits alone are too easy to guess here: take a passphrase.")
    return pins.check(passphrase, *own)


def _key(passphrase: str, salt: bytes) -> bytes:
    return derived(stretch(passphrase, salt), b"officer file")


def _read(path: Path) -> bytes | None:
    try:
        with open(path, "rb") as file:
            data = file.read(MAX_FILE + 1)
    except FileNotFoundError:
        return None
    except OSError as problem:
        raise disk.os_failure(problem) from None
    if len(data) > MAX_FILE:
        raise error("storage.failed", "That is not an officer's file.")
    return data
