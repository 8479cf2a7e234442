"""The TLS presentation language as RFC 9420 uses it (section 2.1).

Encoders are functions that return bytes. `Reader` is a cursor over bytes that refuses, with
MalformedMessage, whatever is truncated, over-long or not minimally encoded.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Final, TypeVar

from chappe.mls.errors import MalformedMessage

T = TypeVar("T")

MAX_VECTOR: Final = 2**30 - 1


def u8(value: int) -> bytes:
    return value.to_bytes(1, "big")


def u16(value: int) -> bytes:
    return value.to_bytes(2, "big")


def u32(value: int) -> bytes:
    return value.to_bytes(4, "big")


def u64(value: int) -> bytes:
    return value.to_bytes(8, "big")


def varint(value: int) -> bytes:
    """A variable-size vector length (RFC 9420 section 2.1.2): 1, 2 or 4 bytes, the shortest."""
    if value < 0x40:
        return value.to_bytes(1, "big")
    if value < 0x4000:
        return (value | 0x4000).to_bytes(2, "big")
    if value <= MAX_VECTOR:
        return (value | 0x80000000).to_bytes(4, "big")
    raise ValueError("vector too long for RFC 9420")


def opaque(data: bytes) -> bytes:
    """`opaque data<V>`."""
    return varint(len(data)) + data


def vector(items: Iterable[bytes]) -> bytes:
    """`T items<V>` of already encoded items."""
    return opaque(b"".join(items))


def optional(encoded: bytes | None) -> bytes:
    """`optional<T>`."""
    return b"\x00" if encoded is None else b"\x01" + encoded


class Reader:
    """A cursor over `data[start:end]`. Every read raises MalformedMessage past the end."""

    __slots__ = ("data", "end", "pos")

    def __init__(self, data: bytes, start: int = 0, end: int | None = None) -> None:
        self.data = data
        self.pos = start
        self.end = len(data) if end is None else end

    def take(self, length: int) -> bytes:
        """The next `length` bytes."""
        start = self.pos
        stop = start + length
        if stop > self.end:
            raise MalformedMessage("truncated")
        self.pos = stop
        return self.data[start:stop]

    def u8(self) -> int:
        pos = self.pos
        if pos >= self.end:
            raise MalformedMessage("truncated")
        self.pos = pos + 1
        return self.data[pos]

    def u16(self) -> int:
        return int.from_bytes(self.take(2), "big")

    def u32(self) -> int:
        return int.from_bytes(self.take(4), "big")

    def u64(self) -> int:
        return int.from_bytes(self.take(8), "big")

    def varint(self) -> int:
        """A vector length; a longer form than needed is refused (RFC 9420 section 2.1.2)."""
        first = self.u8()
        prefix = first >> 6
        if prefix == 0:
            return first
        if prefix == 1:
            value = ((first & 0x3F) << 8) | self.u8()
            if value < 0x40:
                raise MalformedMessage("vector length not minimal")
            return value
        if prefix == 2:
            value = ((first & 0x3F) << 24) | int.from_bytes(self.take(3), "big")
            if value < 0x4000:
                raise MalformedMessage("vector length not minimal")
            return value
        raise MalformedMessage("vector length prefix 3 is invalid")

    def opaque(self) -> bytes:
        return self.take(self.varint())

    def vector(self, read: Callable[[Reader], T]) -> tuple[T, ...]:
        """`T items<V>`, each read by `read`; the items must fill the vector exactly."""
        length = self.varint()
        stop = self.pos + length
        if stop > self.end:
            raise MalformedMessage("truncated vector")
        inner = Reader(self.data, self.pos, stop)
        items: list[T] = []
        while inner.pos < stop:
            items.append(read(inner))
        self.pos = stop
        return tuple(items)

    def optional(self, read: Callable[[Reader], T]) -> T | None:
        flag = self.u8()
        if flag == 0:
            return None
        if flag == 1:
            return read(self)
        raise MalformedMessage("optional flag is neither 0 nor 1")

    def done(self) -> None:
        """Raise if anything is left."""
        if self.pos != self.end:
            raise MalformedMessage("trailing bytes")


def parse(read: Callable[[Reader], T], data: bytes) -> T:
    """`data` as one value that fills it exactly. Raises MalformedMessage."""
    reader = Reader(bytes(data))
    value = read(reader)
    reader.done()
    return value
