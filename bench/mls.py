"""`python -m bench.mls --members 2,10,100,1000,10000 --suite 0xF00D --json`: what each operation costs.

For each size there are two trees: `bulk`, as one member leaves it who has just added all others (inner nodes
are blank, so a path is encrypted to many leaves), and `populated`, in which one member in ten, all over the
tree, has renewed its leaf since. Times are medians, in milliseconds; `p90` beside them. `join_memory_mib` is
the peak memory of a process of its own that does nothing but join.

`--against ts-mls` measures that library on the same machine in the same run, up to 1,000 members (it needs
Node and the set-up of `make test`).
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from bench.mls_trees import NOW, Layout, founded, new_client
from chappe.mls import (
    Add,
    CipherSuite,
    Group,
    KeyPackageBundle,
    accept_any,
    cipher_suite,
    parse_key_package,
)

KIB = bytes(1024)
JOINS = 5
TS_MLS = Path(__file__).with_name("ts_mls.mjs")
TS_MLS_LIMIT = 1000
MESSAGES_A_ROUND = 50


@dataclass
class Times:
    """Milliseconds of each run."""

    runs: list[float] = field(default_factory=list)

    def take(self, work: Callable[[], Any]) -> Any:
        started = time.perf_counter()
        result = work()
        self.runs.append((time.perf_counter() - started) * 1000)
        return result

    @property
    def summary(self) -> dict[str, float | int]:
        ordered = sorted(self.runs)
        return {
            "median": round(statistics.median(ordered), 4),
            "p90": round(ordered[min(len(ordered) - 1, int(len(ordered) * 0.9))], 4),
            "runs": len(ordered),
        }


def add(bundle: KeyPackageBundle) -> Add:
    return Add(parse_key_package(bundle.message))


def process(group: Group, message: bytes) -> tuple[Group, Any]:
    return group.process(message, now=NOW, authenticate=accept_any)


def measure_handshakes(layout: Layout, rounds: int) -> dict[str, Times]:
    """From the same state each time: no result is adopted."""
    commit, processing, adding = Times(), Times(), Times()
    founder, other = layout.members(0, len(layout.signers) - 1)
    for number in range(rounds):
        result = commit.take(partial(founder.commit, now=NOW))
        processing.take(partial(process, other, result.message))
        proposal = add(new_client(layout.tree.suite, 10_000_000 + number)[1])
        adding.take(partial(founder.commit, [proposal], now=NOW))
    return {"add": adding, "commit": commit, "process": processing}


def measure_joining(layout: Layout) -> tuple[Times, float]:
    """One more member comes in by a Welcome: how long that takes it, and how much memory."""
    suite, join = layout.tree.suite, Times()
    signer, bundle = new_client(suite, 20_000_000)
    welcome = layout.members(0)[0].commit([add(bundle)], now=NOW).welcome
    assert welcome is not None
    for _ in range(JOINS):
        join.take(partial(Group.join, welcome, bundle, signer, authenticate=accept_any))
    with TemporaryDirectory() as folder:
        parts = (welcome, bundle.to_bytes(), signer.private)
        for name, part in zip(("welcome", "bundle", "signer"), parts, strict=True):
            (Path(folder) / name).write_bytes(part)
        command = [sys.executable, "-c", _JOIN, folder, str(suite.id)]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
    return join, float(done.stdout)


_JOIN = r"""
import pathlib, re, sys
from chappe.mls import Group, KeyPackageBundle, accept_any, cipher_suite
folder, suite = pathlib.Path(sys.argv[1]), cipher_suite(int(sys.argv[2]))
welcome, bundle, signer = ((folder / name).read_bytes() for name in ("welcome", "bundle", "signer"))
key = suite.signature_key(signer)
group = Group.join(welcome, KeyPackageBundle.from_bytes(bundle), key, authenticate=accept_any)
status = pathlib.Path("/proc/self/status").read_text()
print(int(re.search(r"VmHWM:\s+(\d+) kB", status)[1]) / 1024)
"""


def measure_messages(layout: Layout, rounds: int) -> tuple[dict[str, Times], Group]:
    first, encrypt, decrypt, store = Times(), Times(), Times(), Times()
    sender, receiver = layout.members(0, len(layout.signers) - 1)
    for number in range(rounds + 1):
        sender, message = encrypt.take(partial(sender.encrypt, KIB, now=NOW))
        opening = first if number == 0 else decrypt
        receiver, _ = opening.take(partial(process, receiver, message))
        if number % 10 == 0:
            store.take(receiver.secret_bytes)
    del encrypt.runs[0]
    return {"encrypt": encrypt, "decrypt": decrypt, "first_decrypt": first, "secret_bytes": store}, receiver


def measure(suite: CipherSuite, size: int, rounds: int, note: Callable[[str], None]) -> dict[str, Any]:
    create = Times()
    for _ in range(rounds):
        create.take(lambda: founded(suite))
    layout = Layout.bulk(suite, size, note)
    results: dict[str, Any] = {"members": size, "create": create.summary}
    note(f"{size} members: commits in a bulk tree")
    results["bulk"] = _summaries(measure_handshakes(layout, rounds))
    layout.populate(note)
    note(f"{size} members: commits in a populated tree")
    results["populated"] = _summaries(measure_handshakes(layout, rounds))
    note(f"{size} members: joining")
    join, memory = measure_joining(layout)
    results["join"], results["join_memory_mib"] = join.summary, round(memory, 1)
    messages, group = measure_messages(layout, MESSAGES_A_ROUND * rounds)
    results["messages"] = _summaries(messages)
    results["state_bytes"] = {"shared": len(group.shared_bytes()), "secret": len(group.secret_bytes())}
    return results


def _summaries(times: dict[str, Times]) -> dict[str, Any]:
    return {name: one.summary for name, one in times.items()}


def measure_ts_mls(suite: CipherSuite, sizes: list[int], rounds: int) -> list[dict[str, Any]]:
    """The same on ts-mls under Node, in the bulk tree that its own API makes."""
    command = ["node", str(TS_MLS), str(suite.id), ",".join(map(str, sizes)), str(rounds)]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True, env=os.environ)
    found: list[dict[str, Any]] = json.loads(done.stdout)
    return found


def main(argv: list[str]) -> int:
    """Measure and print; gives the exit status."""
    options = _options(argv)
    suite = cipher_suite(options.suite)
    results = []
    for size in options.members:
        results.append(measure(suite, size, options.rounds, _note))
        if not options.json:
            _show(results[-1])
    report: dict[str, Any] = {
        "suite": suite.name,
        "milliseconds": True,
        "python": platform.python_version(),
        "machine": platform.machine(),
        "sizes": results,
    }
    if options.against:
        _note("ts-mls")
        sizes = [size for size in options.members if size <= TS_MLS_LIMIT]
        report["ts_mls"] = measure_ts_mls(suite, sizes, min(options.rounds, 3))
    if options.json:
        print(json.dumps(report))
    elif options.against:
        _compare(report)
    return 0


def _options(argv: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="bench.mls", description=__doc__)
    parser.add_argument("--members", type=_sizes, default=[2, 10, 100, 1000], help="sizes, with commas")
    parser.add_argument("--suite", type=lambda text: int(text, 0), default=0xF00D)
    parser.add_argument("--rounds", type=int, default=10, help="repetitions")
    parser.add_argument("--against", choices=["ts-mls"], help="measure this library too")
    parser.add_argument("--json", action="store_true")
    return parser.parse_args(argv)


def _sizes(text: str) -> list[int]:
    sizes = [int(word) for word in text.split(",")]
    if min(sizes) < 2:
        raise argparse.ArgumentTypeError("a group to measure has two members or more")
    return sizes


def _note(text: str) -> None:
    if sys.stderr.isatty():
        print(f"\r{text:70}", end="", file=sys.stderr, flush=True)


def _show(result: dict[str, Any]) -> None:
    print(f"\r{result['members']} members{'':60}")
    for group in ("bulk", "populated", "messages"):
        for name, summary in result[group].items():
            print(f"  {group:10} {name:14} {summary['median']:10.3f} ms   (p90 {summary['p90']:.3f})")
    for name in ("create", "join"):
        print(f"  {'':10} {name:14} {result[name]['median']:10.3f} ms   (p90 {result[name]['p90']:.3f})")
    print(f"  {'':10} {'join, memory':14} {result['join_memory_mib']:10.1f} MiB")


def _compare(report: dict[str, Any]) -> None:
    print(f"\r{'members':>8} {'':10} {'Chappe':>12} {'ts-mls':>12}{'':30}")
    for mine, theirs in zip(report["sizes"], report["ts_mls"], strict=False):
        for name in ("commit", "process", "join", "encrypt", "decrypt"):
            own = next(part[name] for part in (mine["bulk"], mine["messages"], mine) if name in part)
            print(
                f"{mine['members']:>8} {name:10} {own['median']:>9.2f} ms {theirs[name]['median']:>9.2f} ms"
            )


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
