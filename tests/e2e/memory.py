"""How much memory a browser's processes take while something runs, from /proc."""

from __future__ import annotations

import asyncio
import re
from pathlib import Path
from typing import Final, Self

_EVERY: Final = 0.05


class Memory:
    """Samples the anonymous memory of a browser's processes in the block; what matters is what it grew by."""

    def __init__(self, pid: int) -> None:
        self._pid = pid
        self._first: dict[str, int] = {}
        self._peak: dict[str, int] = {}

    async def __aenter__(self) -> Self:
        self._first = self._sample()
        self._task = asyncio.create_task(self._watch())
        return self

    async def __aexit__(self, *_: object) -> None:
        self._task.cancel()

    def said(self) -> str:
        grown = {kind: self._peak.get(kind, 0) - self._first.get(kind, 0) for kind in ("renderer", "browser")}
        return ", ".join(f"{kind} {size / 2**20:+.0f} MiB at most" for kind, size in grown.items())

    async def _watch(self) -> None:
        while True:
            for kind, size in self._sample().items():
                self._peak[kind] = max(size, self._peak.get(kind, 0))
            await asyncio.sleep(_EVERY)

    def _sample(self) -> dict[str, int]:
        """Bytes by kind of process."""
        sizes: dict[str, int] = {}
        for pid in _family(self._pid):
            try:
                command = Path(f"/proc/{pid}/cmdline").read_text().replace("\0", " ")
                status = Path(f"/proc/{pid}/status").read_text()
            except OSError:
                continue
            found = re.search(r"RssAnon:\s+(\d+) kB", status)
            kind = re.search(r"--type=([a-z-]+)", command)
            name = kind[1] if kind else "browser"
            sizes[name] = sizes.get(name, 0) + (int(found[1]) * 1024 if found else 0)
        return sizes


def _family(pid: int) -> list[int]:
    """A process and all that it started."""
    found = [pid]
    for parent in found:
        for path in Path(f"/proc/{parent}/task").glob("*/children"):
            try:
                found += [int(one) for one in path.read_text().split()]
            except OSError:
                continue
    return found
