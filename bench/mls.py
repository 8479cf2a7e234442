"""`python -m bench.mls --members 2,10,100,1000 --suite 0xF00D --json`: what each operation costs.

For each size there are two trees: `bulk`, made by one member who adds all others in a few commits (inner
nodes are blank, so a path is encrypted to many leaves), and `populated`, in which 64 members all over the
tree have made an update commit since (inner nodes are filled, as in a group that has lived for a while).
Times are medians, in milliseconds; `p90` beside them.
"""

from __future__ import annotations

import argparse
import json
import platform
import statistics
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from chappe.mls import (
    Add,
    CipherSuite,
    Credential,
    Group,
    KeyPackageBundle,
    SignatureKey,
    accept_any,
    cipher_suite,
    create_key_package,
    parse_key_package,
)

NOW = 1_790_000_000
DAY = 24 * 3600
KIB = bytes(1024)
CREDENTIAL_BYTES = 220
"""As long as a device certificate."""
ADD_AT_ONCE = 250
SPREAD = 64
"""So many members, all over the tree, are really there to make it a populated one."""


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


def new_client(suite: CipherSuite, number: int) -> tuple[SignatureKey, KeyPackageBundle]:
    signer = suite.generate_signature_key()
    credential = Credential.basic(number.to_bytes(4, "big") * (CREDENTIAL_BYTES // 4))
    bundle = create_key_package(suite, signer, credential, not_before=NOW - DAY, not_after=NOW + 90 * DAY)
    return signer, bundle


def add(bundle: KeyPackageBundle) -> Add:
    return Add(parse_key_package(bundle.message))


def founded(suite: CipherSuite) -> Group:
    signer = suite.generate_signature_key()
    credential = Credential.basic(bytes(CREDENTIAL_BYTES))
    return Group.create(suite, b"group" * 3 + b"!", signer, credential, now=NOW)


@dataclass
class Crowd:
    """A group of `size`: its founder, and a few of the others as real members."""

    suite: CipherSuite
    size: int
    groups: list[Group]
    join: Times

    @classmethod
    def gather(cls, suite: CipherSuite, size: int) -> Crowd:
        """The founder adds everybody; members spread over the tree join in the last commit's Welcome."""
        clients = [new_client(suite, number) for number in range(1, size)]
        late = set(range(0, size - 1, max(1, (size - 1) // SPREAD)))
        founder = founded(suite)
        early = [clients[number] for number in range(size - 1) if number not in late]
        for start in range(0, len(early), ADD_AT_ONCE):
            adds = [add(bundle) for _, bundle in early[start : start + ADD_AT_ONCE]]
            founder = founder.commit(adds, now=NOW).group
        return cls._let_in(suite, size, founder, [clients[number] for number in sorted(late)])

    @classmethod
    def _let_in(
        cls, suite: CipherSuite, size: int, founder: Group, late: list[tuple[SignatureKey, KeyPackageBundle]]
    ) -> Crowd:
        join = Times()
        result = founder.commit([add(bundle) for _, bundle in late], now=NOW)
        assert result.welcome is not None
        welcome = result.welcome
        groups = [result.group]
        for signer, bundle in late:
            work = partial(Group.join, welcome, bundle, signer, authenticate=accept_any)
            groups.append(join.take(work))
        return cls(suite, size, groups, join)

    def populate(self, note: Callable[[str], None]) -> None:
        """Everyone who is really there renews its leaf in turn; the others follow."""
        for by in range(len(self.groups)):
            note(f"{self.size} members: {by + 1} of {len(self.groups)} have renewed their leaf")
            result = self.groups[by].commit(now=NOW)
            for number, group in enumerate(self.groups):
                if number != by:
                    self.groups[number] = process(group, result.message)[0]
            self.groups[by] = result.group


def process(group: Group, message: bytes) -> tuple[Group, Any]:
    return group.process(message, now=NOW, authenticate=accept_any)


def measure_handshakes(crowd: Crowd, rounds: int) -> dict[str, Times]:
    """From the same state each time: no result is adopted."""
    commit, processing, adding = Times(), Times(), Times()
    founder, other = crowd.groups[0], crowd.groups[-1]
    for number in range(rounds):
        result = commit.take(partial(founder.commit, now=NOW))
        processing.take(partial(process, other, result.message))
        proposal = add(new_client(crowd.suite, 10_000 + number)[1])
        adding.take(partial(founder.commit, [proposal], now=NOW))
    return {"add": adding, "commit": commit, "process": processing}


def measure_messages(crowd: Crowd, rounds: int) -> dict[str, Times]:
    first, encrypt, decrypt, store = Times(), Times(), Times(), Times()
    sender, receiver = crowd.groups[0], crowd.groups[-1]
    for number in range(rounds + 1):
        sender, message = encrypt.take(partial(sender.encrypt, KIB, now=NOW))
        opening = first if number == 0 else decrypt
        receiver, _ = opening.take(partial(process, receiver, message))
        if number % 10 == 0:
            store.take(receiver.secret_bytes)
    del encrypt.runs[0]
    return {"encrypt": encrypt, "decrypt": decrypt, "first_decrypt": first, "secret_bytes": store}


def measure(suite: CipherSuite, size: int, rounds: int, note: Callable[[str], None]) -> dict[str, Any]:
    create = Times()
    for _ in range(rounds):
        create.take(lambda: founded(suite))
    note(f"{size} members: gathering")
    crowd = Crowd.gather(suite, size)
    results: dict[str, Any] = {"members": size, "create": create.summary, "join": crowd.join.summary}
    results["bulk"] = {name: times.summary for name, times in measure_handshakes(crowd, rounds).items()}
    crowd.populate(note)
    results["populated"] = {name: times.summary for name, times in measure_handshakes(crowd, rounds).items()}
    results["messages"] = {name: t.summary for name, t in measure_messages(crowd, 50 * rounds).items()}
    group = crowd.groups[-1]
    results["state_bytes"] = {"shared": len(group.shared_bytes()), "secret": len(group.secret_bytes())}
    return results


def main(argv: list[str]) -> int:
    """Measure and print; gives the exit status."""
    options = _options(argv)
    suite = cipher_suite(options.suite)
    results = []
    for size in options.members:
        results.append(measure(suite, size, options.rounds, _note))
        if not options.json:
            _show(results[-1])
    if options.json:
        machine = {"python": platform.python_version(), "machine": platform.machine()}
        print(json.dumps({"suite": suite.name, "milliseconds": True, **machine, "sizes": results}))
    return 0


def _options(argv: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="bench.mls", description=__doc__)
    parser.add_argument("--members", type=_sizes, default=[2, 10, 100, 1000], help="sizes, with commas")
    parser.add_argument("--suite", type=lambda text: int(text, 0), default=0xF00D)
    parser.add_argument("--rounds", type=int, default=10, help="repetitions")
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


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
