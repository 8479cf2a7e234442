"""A share service alone in a process of its own, on a clock that a test moves: `python -m … FOLDER PORT`.

FOLDER holds `clock` (seconds, as text), and gets `compared`, to which each comparison adds a line before it
is made. With CHAPPE_TEST_LEAVE=1 nothing is overwritten in memory: what a test must then find.
"""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path

from chappe.relay.config import load_settings
from chappe.relay.serve import Ready
from chappe.relay.share_server import serve_shares
from chappe.relay.shares import epoch, sealed, service
from chappe.relay.shares.service import Shares
from chappe.wire import wiping


def main() -> None:
    folder, port = Path(sys.argv[1]), int(sys.argv[2])
    if os.environ.pop("CHAPPE_TEST_LEAVE", ""):
        leave_everything()
    settings = load_settings({}, data_dir=folder / "data", port=port, behind_proxy=True, log_level="warning")
    serve_shares(settings, on_ready=announce, make_shares=lambda path: on_test_clock(path, folder))


def announce(ready: Ready) -> None:
    print(json.dumps({"port": ready.port}), flush=True)


def on_test_clock(path: Path, folder: Path) -> Shares:
    def clock() -> float:
        return float((folder / "clock").read_text())

    def compared(device: bytes) -> None:
        with (folder / "compared").open("a") as file:
            file.write(device.hex() + "\n")

    return Shares(path, clock=clock, steady=time.monotonic, compared=compared)


_LEFT: list[bytes] = []


def leave_everything() -> None:
    """As if nobody had thought of memory, and no chance had written over what was freed."""

    def leave(*values: bytes | bytearray | None) -> None:
        _LEFT.extend(bytes(value) for value in values if value)

    for module in (wiping, sealed, epoch, service):
        module.wipe = leave  # type: ignore[attr-defined]


if __name__ == "__main__":
    main()
