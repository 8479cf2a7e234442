"""`python -m bench.tlog --entries 10000 --json`: reading a transparency log from nothing.

What a phone does when it first sees a log, without the network: every entry decoded, its rules and
signatures checked, its leaf hashed into the tree. Most entries are devices that another device let in, each
with an Ed25519 signature; the rest are lines. Then what comes after: one more entry, and the kept state
written and read. The phone's page reads the same log in Node, where that is there.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import tempfile
import time
from dataclasses import asdict, dataclass
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from chappe.client.log_state import LogState
from chappe.tlog.merkle import Frontier, leaf_hash
from chappe.wire import log_entries as e

PHONE = Path(__file__).parents[1] / "web" / "phone"
AT = 1_790_000_000
DEVICES_OF_A_LINE = 4


@dataclass(frozen=True, slots=True)
class Measured:
    """Times in seconds, `replay_cpu` of them at work; sizes in bytes."""

    entries: int
    signatures: int
    replay: float
    replay_cpu: float
    one_more: float
    state_bytes: int
    state_write: float
    state_read: float


def log_of(count: int) -> list[bytes]:
    """An honest log of `count` entries: lines of four devices, three of them let in by the first."""
    keys = [Ed25519PrivateKey.from_private_bytes(n.to_bytes(32, "big")) for n in range(64)]
    entries: list[e.LogEntry] = [e.LogOpened(1, AT, "bench/chappe")]
    while len(entries) < count:
        number = len(entries)
        line, key = number // DEVICES_OF_A_LINE, keys[number // DEVICES_OF_A_LINE % len(keys)]
        public = key.public_key().public_bytes_raw()
        made = {
            "line": e.device_hash(b"line" + line.to_bytes(4, "big")),
            "device": e.device_hash(number.to_bytes(4, "big")),
            "certificate": e.certificate_hash(number.to_bytes(4, "big")),
            "signature_key": public,
        }
        if number % DEVICES_OF_A_LINE == 0 or number == 1:
            entries.append(
                e.LineCreated(
                    1, AT + number, made["line"], public, b"", made["device"], made["certificate"], public
                )
            )
        else:
            first = e.device_hash(max(1, line * DEVICES_OF_A_LINE).to_bytes(4, "big"))
            mark = e.Endorsement(first, key.sign(e.endorsement_bytes(**made)))
            entries.append(e.DeviceAdded(1, AT + number, **made, by=mark, order=None))
    return [e.encode(entry) for entry in entries]


def measure(entries: list[bytes]) -> Measured:
    began, worked = time.perf_counter(), time.process_time()
    state, frontier = _read(entries)
    replay, cpu = time.perf_counter() - began, time.process_time() - worked
    began = time.perf_counter()
    more = LogState.from_bytes(state.to_bytes())
    more.apply(more.size, e.Release(1, AT * 2, bytes(32), "1"))
    frontier.append(leaf_hash(entries[-1])).root()
    one_more = time.perf_counter() - began
    began = time.perf_counter()
    data = state.to_bytes()
    written = time.perf_counter()
    LogState.from_bytes(data)
    read = time.perf_counter()
    signatures = sum(isinstance(e.decode(one), e.DeviceAdded) for one in entries)
    return Measured(
        len(entries), signatures, replay, cpu, one_more, len(data), written - began, read - written
    )


def measure_page(entries: list[bytes]) -> dict[str, float] | None:
    """The same by the phone's page in Node: entries, seconds, and CPU seconds. None where it cannot run."""
    vitest = PHONE / "node_modules" / "vitest" / "vitest.mjs"
    node = shutil.which("node")
    if node is None or not vitest.exists():
        return None
    with tempfile.TemporaryDirectory() as folder:
        given, found = Path(folder, "entries.json"), Path(folder, "measured.json")
        given.write_text(json.dumps([entry.hex() for entry in entries]))
        files = {"CHAPPE_LOG_BENCH": str(given), "CHAPPE_LOG_MEASURED": str(found)}
        subprocess.run(
            [node, str(vitest), "run", "tests/tlog/rules.test.ts"],
            cwd=PHONE,
            env=os.environ | files,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            check=True,
        )
        measured: dict[str, float] = json.loads(found.read_text())
        return measured


def _read(entries: list[bytes]) -> tuple[LogState, Frontier]:
    state = LogState()
    for index, data in enumerate(entries):
        state.apply_bytes(index, data)
    frontier = Frontier().extend([leaf_hash(data) for data in entries], lambda _node, _hash: None)
    frontier.root()
    return state, frontier


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="bench.tlog", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--entries", type=int, default=10_000)
    parser.add_argument("--no-page", action="store_true", help="leave the phone's page out")
    parser.add_argument("--json", action="store_true", help="print JSON")
    options = parser.parse_args(arguments)
    entries = log_of(options.entries)
    found = measure(entries)
    page = None if options.no_page else measure_page(entries)
    if options.json:
        print(json.dumps({"python": asdict(found), "page": page}, indent=2))
    else:
        if page is not None:
            print(f"the phone's page, in Node: {page['replay']:.2f} s")
        print(f"{found.entries} entries, {found.signatures} signatures: {found.replay:.2f} s")
        print(f"one more entry: {1000 * found.one_more:.1f} ms; kept state: {found.state_bytes} bytes")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
