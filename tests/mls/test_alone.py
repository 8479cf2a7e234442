"""The engine by itself: the example of docs/mls.md runs, and nothing but `cryptography` is needed."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

PAGE = Path(__file__).parents[2] / "docs" / "mls.md"
EXAMPLES = re.findall(r"^```python\n(.*?)^```", PAGE.read_text(), re.DOTALL | re.MULTILINE)

ALLOWED = {"chappe", "cryptography", "_cffi_backend", "_openssl"}
"""The last two are parts of `cryptography`."""
_IMPORTED = """
import sys
before = set(sys.modules)
import chappe.mls
print("\\n".join(sorted(set(sys.modules) - before)))
"""


@pytest.mark.parametrize("example", EXAMPLES)
def test_the_example_runs(example: str) -> None:
    lines = [line for line in example.splitlines() if line and not line.startswith("#")]
    assert len(lines) <= 20
    exec(compile(example, str(PAGE), "exec"), {})


def test_there_is_an_example() -> None:
    assert len(EXAMPLES) == 1


def test_it_needs_cryptography_and_nothing_else() -> None:
    done = subprocess.run([sys.executable, "-c", _IMPORTED], capture_output=True, text=True, check=True)
    names = done.stdout.split()
    ours = [name for name in names if name.startswith("chappe.") and not name.startswith("chappe.mls")]
    foreign = {name.partition(".")[0] for name in names} - sys.stdlib_module_names - ALLOWED
    assert ours == []
    assert foreign == set()


def test_it_neither_logs_nor_reads_a_clock() -> None:
    folder = Path(__file__).parents[2] / "src" / "chappe" / "mls"
    for path in folder.glob("*.py"):
        assert not re.search(
            r"^\s*(import|from) (logging|time|datetime|socket|threading)\b", path.read_text(), re.M
        )
        assert "print(" not in path.read_text()
