"""Canaries: a thousand secrets of all kinds that phones handle, and a search that finds them in any spelling.

A canary has 26 letters, and in its middle a mark that all of one flock share and nothing else has: whatever
holds 18 of them in a row holds the mark whole, so that one look for the mark finds any of a thousand. A PIN
has its mark in digits. Keys have no mark; they are looked for one by one.
"""

from __future__ import annotations

import base64
import random
import re
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field

LETTERS = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
SIDE, MARK = 8, 10
PIN_SIDE = 4
_STREAMS = re.compile(rb"\x78[\x01\x5e\x9c\xda]|\x1f\x8b\x08")
"""How zlib and gzip streams begin."""
LARGEST_STREAM = 1 << 20
PAGE = 4096


@dataclass
class Flock:
    """`kinds`: how many of each kind were made; `all`: every one, by its letters."""

    chance: random.Random
    kinds: dict[str, int] = field(default_factory=dict)
    all: dict[str, str] = field(default_factory=dict)
    keys: dict[str, bytes] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.mark = self._word(LETTERS, MARK)
        self.pin_mark = self._word("0123456789", MARK)

    def one(self, kind: str) -> str:
        """A fresh canary of a kind."""
        return self._kept(kind, self._word(LETTERS, SIDE) + self.mark + self._word(LETTERS, SIDE))

    def pin(self) -> str:
        digits = "0123456789"
        return self._kept("PIN", self._word(digits, PIN_SIDE) + self.pin_mark + self._word(digits, PIN_SIDE))

    def _kept(self, kind: str, canary: str) -> str:
        self.kinds[kind] = self.kinds.get(kind, 0) + 1
        self.all[canary] = kind
        return canary

    def _word(self, letters: str, length: int) -> str:
        return "".join(self.chance.choices(letters, k=length))

    def found(self, image: bytes) -> set[str]:
        """What of the flock is in an image, as it is or compressed: kinds, and how they are spelled."""
        image = without_zeros(image)
        packed = b"\0\0".join(unpacked(image))
        return self._found(image) | {f"{hit}, compressed" for hit in self._found(packed)}

    def _found(self, image: bytes) -> set[str]:
        marks = {"a canary": self.mark, "a PIN": self.pin_mark}
        hits = {
            f"{what}, {name}"
            for what, mark in marks.items()
            for name, spelled in spellings(mark.encode()).items()
            if spelled in image
        }
        for name, key in self.keys.items():
            half = len(key) // 2
            if any(text in image for text in (key[:half], key[half:], key.hex().encode())):
                hits.add(name)
        return hits


def without_zeros(image: bytes) -> bytes:
    """Without pages that hold nothing, which is most of a core dump."""
    nothing = bytes(PAGE)
    pages = (image[at : at + PAGE] for at in range(0, len(image), PAGE))
    return b"".join(page for page in pages if page != nothing)


def spellings(secret: bytes) -> dict[str, bytes]:
    """As it is, in hex, in both alphabets of base64 wherever it may begin in one, in UTF-16 and UTF-32, and
    written backwards."""
    text = secret.decode("latin-1")
    found = {
        "raw": secret,
        "hex": secret.hex().encode(),
        "HEX": secret.hex().upper().encode(),
        "UTF-16": text.encode("utf-16-le")[1:-1],
        "UTF-32": text.encode("utf-32-le")[3:-3],
        "backwards": secret[::-1],
        "percent": "".join(f"%{byte:02X}" for byte in secret).encode(),
    }
    for shift in range(3):
        padded = bytes(shift) + secret
        whole = padded[: len(padded) // 3 * 3]
        start = 0 if shift == 0 else 4
        for name, encode in (("base64", base64.b64encode), ("base64url", base64.urlsafe_b64encode)):
            found[f"{name} at {shift}"] = encode(whole)[start:]
    return found


def unpacked(image: bytes) -> Iterator[bytes]:
    """What zlib and gzip streams in an image hold, as far as they go."""
    for match in _STREAMS.finditer(image):
        reader = zlib.decompressobj(wbits=47)
        try:
            piece = reader.decompress(image[match.start() : match.start() + LARGEST_STREAM], LARGEST_STREAM)
        except zlib.error:
            continue
        if len(piece) >= MARK:
            yield piece
