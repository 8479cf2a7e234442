"""Runs vector files and says what came of each: a line per file, then `N passed, N failed`.

A file whose name is unknown is an error, and so is a vector of a suite that the engine does not implement:
none is skipped.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from chappe.mls.errors import MLSError
from chappe.mls.vectors import crypto, groups, trees

Vector = dict[str, Any]

CHECKS: dict[str, Callable[[Vector], None]] = {
    "crypto-basics": crypto.crypto_basics,
    "deserialization": crypto.deserialization,
    "key-schedule": crypto.key_schedule,
    "message-protection": groups.message_protection,
    "messages": groups.messages,
    "passive-client-handling-commit": groups.passive_client,
    "passive-client-welcome": groups.passive_client,
    "psk_secret": crypto.psk_secret,
    "secret-tree": crypto.secret_tree,
    "transcript-hashes": groups.transcript_hashes,
    "tree-math": trees.tree_math,
    "tree-operations": trees.tree_operations,
    "tree-validation": trees.tree_validation,
    "treekem": trees.treekem,
    "welcome": groups.welcome,
}


@dataclass
class Tally:
    """What came of one file."""

    passed: int = 0
    failures: list[str] = field(default_factory=list)

    def line(self, name: str) -> str:
        return f"{name}: {self.passed} passed, {len(self.failures)} failed"


def run_file(path: Path) -> Tally:
    """Every vector of one file. ValueError, OSError or KeyError where it is no vector file known here."""
    check = CHECKS[path.stem]
    vectors = json.loads(path.read_text())
    if not isinstance(vectors, list) or not vectors:
        raise ValueError("not a list of vectors")
    tally = Tally()
    for number, vector in enumerate(vectors):
        try:
            check(vector)
        except (AssertionError, MLSError, KeyError, ValueError) as exc:
            tally.failures.append(f"  vector {number}: {type(exc).__name__}: {exc}")
        else:
            tally.passed += 1
    return tally


def main(argv: Sequence[str] | None = None) -> int:
    """0 if every vector run passed, 1 otherwise, 2 without arguments."""
    names = list(sys.argv[1:] if argv is None else argv)
    if not names:
        print("usage: python -m chappe.mls.vectors PATH…", file=sys.stderr)
        return 2
    paths = [
        p
        for name in names
        for p in (sorted(Path(name).glob("*.json")) if Path(name).is_dir() else [Path(name)])
    ]
    passed = failed = 0
    for path in paths:
        try:
            tally = run_file(path)
        except KeyError:
            print(f"{path.name}: unknown vector file; known are {', '.join(sorted(CHECKS))}")
            failed += 1
            continue
        except (OSError, ValueError) as exc:
            print(f"{path.name}: cannot be read: {exc}")
            failed += 1
            continue
        print(tally.line(path.name))
        for failure in tally.failures:
            print(failure)
        passed += tally.passed
        failed += len(tally.failures)
    print(f"{passed} passed, {failed} failed")
    return 1 if failed or not passed else 0
