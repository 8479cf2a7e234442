"""What Chromium's camera sees: a file in place of a lens, read anew whenever a page opens the camera."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import segno

WIDTH: Final = 640
HEIGHT: Final = 480
_MARGIN: Final = 4
"""Modules around a code, by its standard (ISO/IEC 18004)."""
_LIGHT, _DARK, _GREY = 225, 30, 128


class Camera:
    """Give Chromium `flag`; `show` before a page looks."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self.show("")

    @property
    def flag(self) -> str:
        return f"--use-file-for-fake-video-capture={self._file}"

    def show(self, text: str) -> None:
        """A QR code with this text, on a table; nothing but the table for an empty one."""
        luma = bytearray([_GREY]) * (WIDTH * HEIGHT)
        if text:
            _draw(luma, text)
        colour = bytes([128]) * (WIDTH * HEIGHT // 4)
        frame = b"FRAME\n" + bytes(luma) + colour + colour
        header = f"YUV4MPEG2 W{WIDTH} H{HEIGHT} F10:1 Ip A1:1 C420jpeg\n".encode()
        # Whole or not at all: a page may be looking.
        fresh = self._file.with_suffix(".new")
        fresh.write_bytes(header + frame * 2)
        fresh.replace(self._file)


def _draw(luma: bytearray, text: str) -> None:
    code = segno.make(text, error="m", micro=False)
    rows = [list(row) for row in code.matrix_iter(scale=1, border=_MARGIN)]
    module = HEIGHT // len(rows)
    assert module >= 3, "a code that a camera of this size cannot see"
    left = (WIDTH - module * len(rows)) // 2
    for y, row in enumerate(rows):
        line = b"".join(bytes([_DARK if dark else _LIGHT]) * module for dark in row)
        for inner in range(module):
            start = (y * module + inner) * WIDTH + left
            luma[start : start + len(line)] = line
