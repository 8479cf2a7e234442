"""`python -m bench.chaos.shifted FILE OPTION…`: `chappe.relay` on a clock that is wrong by so many seconds.

FILE holds them, and is read at each look. The clock is the one that Relay and share service are handed; the
machine's own stays as it is, and so do steady seconds, as when somebody sets a clock.
"""

from __future__ import annotations

import functools
import sys
import time
from pathlib import Path

from chappe.relay import __main__ as program
from chappe.relay import serve
from chappe.relay.config import Settings
from chappe.relay.ports import ShareService
from chappe.relay.relay import Relay
from chappe.relay.shares.service import Shares
from chappe.relay.shares.worker import LocalShares


def swept_file(file: Path) -> Path:
    """There once the relay has swept."""
    return file.with_suffix(".swept")


def main(file: Path, arguments: list[str]) -> int:
    """The relay's exit status."""

    def clock() -> float:
        return time.time() + float(file.read_text(encoding="ascii") or 0)

    def shares(settings: Settings) -> ShareService:
        return LocalShares(Shares(settings.shares, clock=clock))

    class Told(Relay):
        """Says when it has swept, or found that it may not."""

        async def sweep_if_due(self) -> None:
            await super().sweep_if_due()
            swept_file(file).touch()

    vars(serve)["Relay"] = functools.partial(Told, clock=clock)
    vars(serve)["open_shares"] = shares
    return program.main(arguments)


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), sys.argv[2:]))
