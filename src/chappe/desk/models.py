"""What bodies of the API are made of: ids, times, texts, pages. Unknown fields are refused."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import Annotated, Final, Generic, TypeAlias, TypeVar

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from chappe.wire import api
from chappe.wire.errors import ChappeError, error

MAX_LIMIT: Final = 200

# Neither control characters nor what turns the direction of writing: what others write is shown to people.
_PLAIN: Final = (
    r"^[^\x00-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069\ufeff]*"
    r"[^\s\x00-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069\ufeff]$"
)
_MAYBE: Final = r"^[^\x00-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069\ufeff]*$"

Id: TypeAlias = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_-]{21}[AQgw]$")]
"""16 bytes as base64url."""
Name: TypeAlias = Annotated[str, StringConstraints(min_length=1, max_length=100, pattern=_PLAIN)]
Label: TypeAlias = Annotated[str, StringConstraints(min_length=1, max_length=60, pattern=_PLAIN)]
Reason: TypeAlias = Annotated[str, StringConstraints(min_length=3, max_length=500, pattern=_PLAIN)]
Email: TypeAlias = Annotated[
    str,
    StringConstraints(
        max_length=254, pattern=r"^[A-Za-z0-9._%+-]{1,64}@[A-Za-z0-9-]{1,63}(\.[A-Za-z0-9-]{1,63}){1,8}$"
    ),
]
Phone: TypeAlias = Annotated[str, StringConstraints(pattern=r"^(\+[1-9][0-9]{6,14})?$")]
Language: TypeAlias = Annotated[str, StringConstraints(pattern=r"^(en|fr)$")]
Country: TypeAlias = Annotated[str, StringConstraints(pattern=r"^[A-Z]{2}$")]
Version: TypeAlias = Annotated[
    int, Field(ge=1, le=2**31 - 1, description="As it was read; a stale one is refused.")
]


def text(most: int) -> StringConstraints:
    """One line of at most so many characters, which may be empty."""
    return StringConstraints(max_length=most, pattern=_MAYBE)


class Body(BaseModel):
    """The root of every body."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class FieldProblem(Body):
    """`field`: its path in the request, joined by dots."""

    field: str
    message: str


class Failure(Body):
    """What is answered in place of a result (docs/protocol.md section 10)."""

    code: str
    message: str
    fields: list[FieldProblem] = []


T = TypeVar("T")


class Page(Body, Generic[T]):
    """`next`: what to give as `after` for those that follow; null where there are none."""

    items: list[T]
    next: str | None


def show_id(raw: bytes) -> str:
    return api.to_base64(raw)


def maybe_id(raw: bytes | None) -> str | None:
    return None if raw is None else api.to_base64(raw)


def read_id(shown: str) -> bytes:
    """16 bytes. Raises desk.unknown: what is no id is nobody's."""
    try:
        return api.from_base64(shown, 16)
    except ChappeError:
        raise error("desk.unknown") from None


def moment(seconds: int) -> datetime:
    """Unix seconds as a time in UTC."""
    return datetime.fromtimestamp(seconds, UTC)


def maybe_moment(seconds: int | None) -> datetime | None:
    return None if seconds is None else moment(seconds)


def today(seconds: int) -> date:
    """The date in UTC."""
    return moment(seconds).date()
