"""A photograph that no camera took: the sun going down over hills, as a PNG."""

from __future__ import annotations

import math
import struct
import zlib
from collections.abc import Mapping
from typing import Final

_SKY: Final = ((38, 52, 104), (226, 110, 84), (250, 204, 132))
_HILLS: Final = ((94, 74, 108), (58, 52, 84), (30, 34, 56))


def draw(width: int, height: int, text: Mapping[str, str] | None = None, detail: int = 480) -> bytes:
    """`text`: what a camera writes beside it, as tEXt chunks. `detail`: how many columns are not alike."""
    small = _rows(detail, detail * height // width)
    columns = [x * detail // width for x in range(width)]
    lines: dict[int, bytes] = {}
    for at, row in enumerate(small):
        lines[at] = b"\0" + b"".join([row[x * 3 : x * 3 + 3] for x in columns])
    data = b"".join([lines[y * len(small) // height] for y in range(height)])
    chunks = [_chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))]
    chunks += [_chunk(b"tEXt", f"{key}\0{value}".encode("latin-1")) for key, value in (text or {}).items()]
    chunks += [_chunk(b"IDAT", zlib.compress(data, 1)), _chunk(b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunks)


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def _rows(width: int, height: int) -> list[bytes]:
    return [
        b"".join([_pixel(x / width, y / height, width / height) for x in range(width)]) for y in range(height)
    ]


def _pixel(x: float, y: float, ratio: float) -> bytes:
    """The colour at a place, both from 0 to 1."""
    for nearer, colour in reversed(list(enumerate(_HILLS))):
        ridge = 0.58 + 0.13 * nearer + 0.05 * math.sin(x * (5 + 3 * nearer) + nearer * 2)
        ridge += 0.015 * math.sin(x * 23 + nearer)
        if y > ridge:
            return bytes(colour)
    far = math.hypot((x - 0.62) * ratio, y - 0.5)
    if far < 0.085:
        return bytes((255, 240, 200))
    glow = max(0.0, 0.35 - far) * 0.9
    upper, lower = (_SKY[0], _SKY[1]) if y < 0.4 else (_SKY[1], _SKY[2])
    part = y / 0.4 if y < 0.4 else (y - 0.4) / 0.3
    mixed = [a + (b - a) * min(1.0, part) for a, b in zip(upper, lower, strict=True)]
    return bytes(min(255, int(one + (255 - one) * glow)) for one in mixed)
