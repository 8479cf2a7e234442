"""`python -m tests.web.relay FOLDER`: a real relay for the phone's tests, and Python's end of a file.

It speaks plain HTTP on loopback, as behind a proxy. One line of JSON a command on standard input, one a line
back; it ends, and the relay with it, when standard input does.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from chappe.client import files
from chappe.client.messages import StoredFile
from chappe.wire.errors import ChappeError
from tests.relay.world import RelayProcess
from tests.web.plain import plain


class Driver:
    def __init__(self, folder: Path) -> None:
        self.relay = RelayProcess(folder / "relay", behind_proxy=True)
        self.commands: Final[dict[str, Callable[..., object]]] = {
            "origin": lambda: f"http://127.0.0.1:{self.relay.port}",
            "code": self.relay.code,
            "kill": self.relay.kill,
            "start": self.relay.start,
            "seal": lambda path, spool: plain(files.seal(Path(path), Path(spool))),
            "unseal": _unseal,
        }

    def run(self) -> None:
        for line in sys.stdin:
            asked: dict[str, Any] = json.loads(line)
            try:
                answer = {"value": self.commands[asked.pop("do")](**asked)}
            except ChappeError as problem:
                answer = {"error": problem.code}
            print(json.dumps(answer), flush=True)


def _unseal(part: str, target: str, key: str, nonce: str, hash: str, size: int) -> None:
    """What a phone does that fetched a file: the hash first, then the tag."""
    file = StoredFile("", bytes.fromhex(key), bytes.fromhex(nonce), bytes.fromhex(hash), size, "", "", "")
    if not files._hash_holds(Path(part), file.hash):
        raise ChappeError("attachment.corrupt")
    files.unseal(Path(part), file, Path(target))


if __name__ == "__main__":
    driver = Driver(Path(sys.argv[1]))
    try:
        driver.run()
    finally:
        driver.relay.kill()
