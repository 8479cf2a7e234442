"""Published vectors of primitives: reading them, and the two questions that every test here asks of them.

A source is run in full or its cases are counted by what cannot be run and why. Each source has its negative
control: the same case, changed by one bit or given the other verdict, must no longer agree with the engine.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

Case = dict[str, Any]
Agrees = Callable[[Case], bool]


def load(vectors: Path, name: str) -> list[Case]:
    cases: list[Case] = json.loads((vectors / name).read_text())
    return cases


def wycheproof(vectors: Path, name: str) -> list[Case]:
    """The cases of one file, each with what its group says of it."""
    file = json.loads((vectors / "wycheproof" / f"{name}_test.json").read_text())
    cases = [group | case for group in file["testGroups"] for case in group["tests"]]
    assert len(cases) == file["numberOfTests"]
    return cases


def is_valid(case: Case) -> bool:
    assert case["result"] in ("valid", "invalid")
    return bool(case["result"] == "valid")


def raw(case: Case, *names: str) -> list[bytes]:
    return [bytes.fromhex(case[name]) for name in names]


def flipped(text: str) -> str:
    """The same hex text with its last bit changed."""
    return text[:-1] + f"{int(text[-1], 16) ^ 1:x}"


def with_flipped(case: Case, name: str) -> Case:
    return case | {name: flipped(case[name])}


def with_other_result(case: Case) -> Case:
    return case | {"result": "invalid" if is_valid(case) else "valid"}


def assert_all_agree(cases: list[Case], agrees: Agrees, count: int) -> None:
    assert len(cases) == count
    assert [case for case in cases if not agrees(case)] == []


def assert_none_agrees(changed: Iterable[Case], agrees: Agrees) -> None:
    """The negative control, of every case that is given."""
    cases = list(changed)
    assert cases
    assert [case for case in cases if agrees(case)] == []
