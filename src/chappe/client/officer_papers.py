"""What officers hand each other to appoint or remove one: requests, drafts and answers.

A **request** is the newcomer's: their public keys, signed with their own. A **draft** is a next roster that
some officers have signed, and not yet enough. An **answer** carries the fleet's seed, sealed to the
newcomer. None of them is secret; whoever passes a request on could put another in its place, so both ends
compare its digits (`digits`).
"""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Annotated, Final, Literal, TypeVar

import msgspec
from cryptography.exceptions import InvalidTag
from msgspec import Meta

from chappe.client.officer_file import Place
from chappe.client.officer_keys import KeyPairs
from chappe.vault import disk
from chappe.wire.errors import error
from chappe.wire.rosters import (
    MAX_ROSTERS,
    Id16,
    Key32,
    Name,
    Officer,
    SealKey,
    Signature,
    SignedRoster,
    Strict,
    verify,
)
from chappe.wire.unlock import open_sealed, seal_to

REQUEST_CONTEXT: Final = b"chappe officer request v1"
ANSWER_CONTEXT: Final = b"chappe officer answer v1"
MAX_PAPER: Final = 8 * 1024 * 1024
_DIGITS: Final = 30


class Request(Strict, tag="officer request", frozen=True):
    """`signature`: by `key`, over the rest."""

    version: Literal[1]
    id: Id16
    name: Name
    key: Key32
    seal_key: SealKey
    signature: Signature

    @property
    def officer(self) -> Officer:
        return Officer(self.id, self.name, self.key)


class Draft(Strict, tag="roster draft", frozen=True):
    """`request`: of whom it appoints, if it appoints one."""

    version: Literal[1]
    roster: SignedRoster
    request: Request | None = None


class Answer(Strict, tag="officer answer", frozen=True):
    """`sealed`: the fleet's seed, to the newcomer's key."""

    version: Literal[1]
    officer: Id16
    place: Place
    rosters: Annotated[list[SignedRoster], Meta(min_length=1, max_length=MAX_ROSTERS)]
    sealed: Annotated[bytes, Meta(max_length=4096)]


P = TypeVar("P", Request, Draft, Answer, SignedRoster)


def ask(id_: bytes, name: str, keys: KeyPairs) -> Request:
    """A newcomer's request."""
    signature = keys.signing.sign(_request_bytes(id_, name, keys.public, keys.seal_key))
    return Request(1, id_, name, keys.public, keys.seal_key, signature)


def check_request(request: Request) -> None:
    """Raises roster.invalid where it is not signed with the key that it brings."""
    signed = _request_bytes(request.id, request.name, request.key, request.seal_key)
    verify(request.key, request.signature, signed, "roster.invalid")


def _request_bytes(id_: bytes, name: str, key: bytes, seal_key: bytes) -> bytes:
    body = msgspec.msgpack.encode([id_, name, key, seal_key])
    return REQUEST_CONTEXT + b"\0" + hashlib.sha256(body).digest()


def digits(*, id_: bytes, name: str, key: bytes, seal_key: bytes) -> str:
    """Thirty digits in six groups, which newcomer and officer compare by voice."""
    number = int.from_bytes(hashlib.sha512(_request_bytes(id_, name, key, seal_key)).digest(), "big")
    text = f"{number % 10**_DIGITS:0{_DIGITS}d}"
    return " ".join(text[at : at + 5] for at in range(0, _DIGITS, 5))


def digits_of(request: Request) -> str:
    return digits(id_=request.id, name=request.name, key=request.key, seal_key=request.seal_key)


def seal_fleet(request: Request, fleet_seed: bytes) -> bytes:
    """The fleet's seed for the newcomer alone. Raises roster.invalid for a seal key that is none."""
    try:
        return seal_to(request.seal_key, ANSWER_CONTEXT + request.id, fleet_seed)
    except ValueError:
        raise error("roster.invalid") from None


def open_fleet(answer: Answer, keys: KeyPairs) -> bytes:
    """Raises roster.invalid for what is not for these keys."""
    try:
        seed = open_sealed(keys.sealing.private, ANSWER_CONTEXT + answer.officer, answer.sealed)
    except (InvalidTag, ValueError):
        raise error("roster.invalid", "The answer is not for this officer's file.") from None
    if len(seed) != 32:
        raise error("roster.invalid")
    return seed


def write(path: Path, paper: Request | Draft | Answer | SignedRoster) -> None:
    """Raises storage.*."""
    disk.write(path, msgspec.msgpack.encode(paper))


def read(path: Path, kind: type[P]) -> P:
    """Raises file.unreadable."""
    try:
        with open(path, "rb") as file:
            data = file.read(MAX_PAPER + 1)
    except OSError:
        raise error("file.unreadable") from None
    return decode(data, kind)


def decode(data: bytes, kind: type[P]) -> P:
    """Raises file.unreadable."""
    try:
        if len(data) > MAX_PAPER:
            raise error("file.unreadable")
        return msgspec.msgpack.decode(data, type=kind)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        raise error("file.unreadable", "That file is not what was asked for; check its name.") from None
