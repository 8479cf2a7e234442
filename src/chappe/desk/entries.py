"""An entry of the desk's audit log: what is hashed, in its one spelling."""

from __future__ import annotations

from typing import Annotated, Final, Literal, TypeAlias

import msgspec
from msgspec import Meta

from chappe.desk.happenings import HAPPENINGS
from chappe.desk.who import Actor, Kind
from chappe.wire.errors import ChappeError, error

MAX_DETAILS: Final = 16 * 1024
"""Bytes of MessagePack that the details of one entry may take."""

Id16: TypeAlias = Annotated[bytes, Meta(min_length=16, max_length=16)]
Seconds: TypeAlias = Annotated[int, Meta(ge=0, le=2**53)]
Detail: TypeAlias = str | int | bool | None


class Entry(msgspec.Struct, forbid_unknown_fields=True, frozen=True, kw_only=True):
    """One change, at the desk's clock.

    `by`: what kind of actor; `account`: which one, or in whose name `token` acted. `subject`: what it was
    done to. `reseller`, `organisation`: whose affair it is. `details`: what else there is to know, **never
    a name, an e-mail address or another thing of a person**: the log is never shortened, and those have a
    date to go by.
    """

    version: Literal[1] = 1
    at: Seconds
    what: Annotated[str, Meta(max_length=64)]
    by: Kind
    account: Id16 | None
    token: Id16 | None
    subject: Id16 | None
    reseller: Id16 | None
    organisation: Id16 | None
    details: dict[str, Detail]


_ENCODER: Final = msgspec.msgpack.Encoder(order="deterministic")
_DECODER: Final = msgspec.msgpack.Decoder(Entry)


def entry(
    actor: Actor,
    at: int,
    what: str,
    *,
    subject: bytes | None = None,
    reseller: bytes | None = None,
    organisation: bytes | None = None,
    details: dict[str, Detail] | None = None,
) -> Entry:
    """Raises KeyError where `what` is nothing that `HAPPENINGS` has: a mistake of ours."""
    HAPPENINGS[what]
    return Entry(
        at=at,
        what=what,
        by=actor.kind,
        account=actor.account,
        token=actor.token,
        subject=subject,
        reseller=reseller,
        organisation=organisation,
        details=details or {},
    )


def encode(one: Entry) -> bytes:
    """The MessagePack that is hashed: fields in their order, details by name, each in its shortest form.

    Raises desk.malformed for details that are too long.
    """
    data = _ENCODER.encode(one)
    if len(data) > MAX_DETAILS:
        raise error("desk.malformed", "That is more text than the audit log takes; shorten it.")
    return data


def decode(data: bytes) -> Entry:
    """Raises storage.failed for what is no entry, or not in its one spelling."""
    try:
        one = _DECODER.decode(data)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        raise unreadable() from None
    if _ENCODER.encode(one) != data:
        raise unreadable()
    return one


def unreadable() -> ChappeError:
    return error("storage.failed", "The desk's audit log has an entry that cannot be read.")
