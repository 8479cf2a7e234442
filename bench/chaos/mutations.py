"""Mutations of valid samples that know the sample's form, so that they reach what lies behind the decoder.

A sample is JSON, MessagePack, CBOR, text, or bytes with lengths in them (MLS's TLS presentation, keys,
tiles). What is a tree is changed as a tree and encoded again: a value becomes one that its field cannot be,
an element goes, comes twice or moves, a field nobody knows is there. What has lengths gets one that lies, or
a vector of another size whose length is right. And any sample is changed as bytes: flipped, cut, spliced.
"""

from __future__ import annotations

import copy
import json
import random
from collections.abc import Callable, Sequence
from typing import Any, Final

import cbor2
import msgspec

NUMBERS: Final = (
    *(0, -1, 1, 23, 24, 127, 128, 255, 256, 65_535, 65_536, 2**31 - 1, 2**31, 2**32 - 1, 2**32),
    *(2**53, 2**53 + 1, 2**63 - 1, -(2**31), -(2**63), 2**64 - 1),
)
TEXTS: Final = (
    "",
    "x",
    "0",
    "é",
    "a\0b",
    "‮abc",
    "../../etc/passwd",
    "=1+1",
    "x" * 300,
    "x" * 70_000,
    "\U0001f600",
)
DEPTHS: Final = (2, 40, 600, 3_000)
LARGEST: Final = 200_000
"""Bytes: what is longer is cut, so that a sample does not grow without end."""


class Mutator:
    """An endless source of inputs from `samples`; the same `chance` gives the same inputs."""

    def __init__(self, samples: Sequence[bytes], chance: random.Random) -> None:
        self._samples = [(sample, _form(sample)) for sample in samples]
        self._chance = chance

    def next(self) -> bytes:
        sample, form = self._chance.choice(self._samples)
        data = sample
        if form is not None and self._chance.random() < 0.6:
            data = self._as_tree(sample, form)
        elif self._chance.random() < 0.4:
            data = self._with_lengths(sample)
        if data is sample or self._chance.random() < 0.3:
            for _ in range(self._chance.choice((1, 1, 1, 2, 5))):
                data = self._as_bytes(data)
        return data[:LARGEST]

    # --- trees

    def _as_tree(self, sample: bytes, form: _Form) -> bytes:
        tree = copy.deepcopy(form.read(sample))
        for _ in range(self._chance.choice((1, 1, 1, 2, 3))):
            tree = self._changed(tree)
        try:
            return form.write(tree)
        except (
            TypeError,
            ValueError,
            OverflowError,
            UnicodeEncodeError,
            RecursionError,
            msgspec.MsgspecError,
        ):
            return self._deep(form)
        except cbor2.CBOREncodeError:
            return self._deep(form)

    def _deep(self, form: _Form) -> bytes:
        """What no encoder writes: nested until a decoder that calls itself has no stack left."""
        return form.opener * self._chance.choice(DEPTHS) + self._chance.choice((b"", form.write(0)))

    def _changed(self, tree: Any) -> Any:
        places = list(_places(tree))
        if not places or self._chance.random() < 0.03:
            return self._odd(tree)
        holder, key = self._chance.choice(places)
        kind = self._chance.randrange(6)
        if kind <= 2:
            holder[key] = self._odd(holder[key])
        elif kind == 3:
            del holder[key]
        elif isinstance(holder, list):
            other = self._chance.randrange(len(holder))
            if kind == 4:
                holder.insert(other, copy.deepcopy(holder[key]))
            else:
                holder[key], holder[other] = holder[other], holder[key]
        elif kind == 4:
            holder[self._chance.choice(("unknown", "", "t", "version", 7))] = self._odd(None)
        else:
            holder[key] = [holder[key]]
        return tree

    def _odd(self, value: Any) -> Any:
        """Something near the value, or nothing like it."""
        chance = self._chance
        if isinstance(value, bytes) and chance.random() < 0.6:
            return chance.choice(
                (value[:-1], value + b"\0", b"", self._as_bytes(value), value * 2, bytes(len(value)))
            )
        if isinstance(value, str) and chance.random() < 0.6:
            return chance.choice((value[:-1], value + " ", value.upper(), value * 2, *TEXTS))
        if isinstance(value, int) and chance.random() < 0.6:
            return chance.choice((value + 1, value - 1, -value, *NUMBERS))
        return chance.choice(
            (
                *(
                    None,
                    True,
                    False,
                    1.5,
                    float("inf"),
                    float("nan"),
                    [],
                    {},
                    [None] * 2_000,
                    {"x": {"y": []}},
                ),
                *(b"", bytes(16), bytes(32), bytes(70_000)),
                chance.choice(NUMBERS),
                chance.choice(TEXTS),
                _nested(chance.choice(DEPTHS[:2])),
            )
        )

    # --- lengths

    def _with_lengths(self, data: bytes) -> bytes:
        """Take a place for a vector of MLS, TLS or of ours, and give it another length, or other contents."""
        found: list[tuple[int, int, int]] = []
        at = self._chance.randrange(len(data) + 1)
        for start in range(at, min(at + 64, len(data))):
            for size in (1, 2, 4):
                head = data[start : start + size]
                length = int.from_bytes(head, "big") & (
                    0x3FFF if size == 2 and head[:1] >= b"\x40" else 2**32 - 1
                )
                if len(head) == size and 0 < length <= len(data) - start - size:
                    found.append((start, size, length))
        if not found:
            return self._as_bytes(data)
        start, size, length = self._chance.choice(found)
        body = data[start + size : start + size + length]
        rest = data[start + size + length :]
        if self._chance.random() < 0.5:
            lie = self._chance.choice((0, length - 1, length + 1, (1 << 8 * size) - 1, len(data)))
            return data[:start] + (lie % (1 << 8 * size)).to_bytes(size, "big") + body + rest
        body = self._chance.choice((b"", body[:-1], body + b"\0", body * 2, self._as_bytes(body)))
        mark = data[start] & 0xC0 if size == 2 and data[start] >= 0x40 else 0
        head = (len(body) % (1 << 8 * size)).to_bytes(size, "big")
        return data[:start] + bytes([head[0] | mark]) + head[1:] + body + rest

    # --- bytes

    def _as_bytes(self, data: bytes) -> bytes:
        chance = self._chance
        at = chance.randrange(len(data) + 1)
        end = min(len(data), at + chance.choice((1, 2, 4, 16, 64)))
        other = chance.choice(self._samples)[0]
        start = chance.randrange(len(other) + 1)
        kinds: tuple[Callable[[], bytes], ...] = (
            lambda: data[:at],
            lambda: data[at:],
            lambda: data[:at] + data[end:],
            lambda: data[:at] + data[at:end] * 2 + data[end:],
            lambda: data[:at] + chance.randbytes(end - at) + data[end:],
            lambda: data[:at] + chance.randbytes(chance.choice((1, 2, 8, 300))) + data[at:],
            lambda: (
                data[:at]
                + bytes([1 << chance.randrange(8) ^ byte for byte in data[at : at + 1]])
                + data[at + 1 :]
            ),
            lambda: data[:at] + chance.choice((b"\0", b"\xff", b"\x7f", b"\x80")) * (end - at) + data[end:],
            lambda: data[:at] + other[start : start + 200] + data[at:],
            lambda: data[:at] + other[start:],
            lambda: data + data,
            lambda: data[:at] + (chance.choice(NUMBERS) % 2**64).to_bytes(8, "big") + data[at + 8 :],
            lambda: b"",
        )
        return chance.choice(kinds)()


class _Form:
    """How a sample is read and written again; `opener` begins a list."""

    def __init__(self, opener: bytes, read: Callable[[bytes], Any], write: Callable[[Any], bytes]) -> None:
        self.opener, self.read, self.write = opener, read, write


def _cbor(data: bytes) -> Any:
    found = cbor2.loads(data)
    if cbor2.dumps(found, canonical=True) != data and cbor2.dumps(found) != data:
        raise ValueError("more than one item, or in another spelling")
    return found


_FORMS: Final = (
    _Form(b"[", json.loads, lambda tree: json.dumps(tree).encode()),
    _Form(b"\x91", msgspec.msgpack.decode, msgspec.msgpack.encode),
    _Form(b"\x81", _cbor, cbor2.dumps),
)


def _form(sample: bytes) -> _Form | None:
    """The form in which the sample is a tree; None where it is none."""
    for form in _FORMS:
        try:
            found = form.read(sample)
        except Exception:  # noqa: BLE001 - a form that the sample is not in; decoders say so in many ways
            continue
        if isinstance(found, (dict, list)):
            return form
    return None


def _places(tree: Any) -> list[tuple[Any, Any]]:
    """Every (holder, key) in the tree."""
    found: list[tuple[Any, Any]] = []
    todo = [tree]
    while todo:
        holder = todo.pop()
        keys = (
            list(holder)
            if isinstance(holder, dict)
            else range(len(holder))
            if isinstance(holder, list)
            else ()
        )
        for key in keys:
            found.append((holder, key))
            todo.append(holder[key])
    return found


def _nested(depth: int) -> Any:
    tree: Any = []
    for _ in range(depth):
        tree = [tree]
    return tree
