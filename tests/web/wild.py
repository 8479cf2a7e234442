"""Random frames, from their own types: every field within its limits, the limits themselves among them."""

from __future__ import annotations

import random
from types import UnionType
from typing import Annotated, Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

import msgspec

from chappe.wire import frames

S = TypeVar("S", bound=msgspec.Struct)
_WORDS = "abcdefghijklmnopqrstuvwxyz0123456789@.-é日😀 \n"


def relay_frame(rng: random.Random) -> frames.Frame:
    return _frame(rng, get_args(frames.FromRelay))


def device_frame(rng: random.Random) -> frames.Frame:
    return _frame(rng, get_args(frames.FromDevice))


def _frame(rng: random.Random, kinds: tuple[type[frames.Frame], ...]) -> frames.Frame:
    return struct(rng, rng.choice(kinds))


def struct(rng: random.Random, kind: type[S]) -> S:
    """A value of a struct; fields that have a default are left out now and then."""
    hints = get_type_hints(kind, include_extras=True)
    needed = len(kind.__struct_fields__) - len(kind.__struct_defaults__)
    given = {
        name: _value(rng, hints[name])
        for at, name in enumerate(kind.__struct_fields__)
        if at < needed or rng.random() < 0.8
    }
    return kind(**given)


def _value(rng: random.Random, hint: Any) -> Any:
    if get_origin(hint) is Annotated:
        inner, meta = get_args(hint)[0], get_args(hint)[1]
        return _limited(rng, inner, meta)
    if get_origin(hint) is Literal:
        return rng.choice(get_args(hint))
    if get_origin(hint) in (Union, UnionType):
        return _value(rng, rng.choice(get_args(hint)))
    return _limited(rng, hint, msgspec.Meta())


def _limited(rng: random.Random, kind: Any, meta: msgspec.Meta) -> Any:
    if kind is type(None):
        return None
    if kind is bool:
        return rng.random() < 0.5
    if kind is int:
        low, high = int(meta.ge or 0), min(int(meta.le or 2**32), 2**53 - 1)
        return rng.choice((low, high, rng.randint(low, high), rng.randint(low, min(high, 300))))
    length = _length(rng, meta)
    if kind is bytes:
        return rng.randbytes(length)
    if kind is str:
        return "".join(rng.choice(_WORDS) for _ in range(length))
    if get_origin(kind) is list:
        (item,) = get_args(kind)
        return [_value(rng, item) for _ in range(min(length, 6))]
    return struct(rng, kind)


def _length(rng: random.Random, meta: msgspec.Meta) -> int:
    """Small for the most part: encodings change their form at 16, 32 and 256."""
    least = meta.min_length or 0
    most = 400 if meta.max_length is None else meta.max_length
    likely = (least, 1, 15, 16, 31, 32, 255, 256, min(most, 1100))
    return min(most, max(least, rng.choice(likely)))
