"""`chappe bench NAME`: the measurements in `bench/`, run from the source."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path
from typing import Annotated

import typer

import chappe

FOLDER = Path(chappe.__file__).parents[2] / "bench"


def names() -> list[str]:
    """What can be measured; none where Chappe does not run from its source."""
    if not (FOLDER / "__init__.py").exists():
        return []
    alone = {path.stem: path for path in FOLDER.glob("[a-z]*.py")}
    folders = {path.parent.name: path for path in FOLDER.glob("[a-z]*/__init__.py")}
    return sorted(name for name, path in (alone | folders).items() if "def main(" in path.read_text())


def bench(
    context: typer.Context,
    name: Annotated[str, typer.Argument(help="What to measure, for example relay.")],
) -> None:
    """Measure this machine. Options after NAME are the measurement's: chappe bench relay --help."""
    from chappe.wire.errors import error

    if name not in names():
        known = ", ".join(names()) or "none here: run it from the source"
        raise error("usage.invalid", f"Nothing of that name is measured. There is: {known}.")
    sys.path.insert(0, str(FOLDER.parent))
    status = importlib.import_module(f"bench.{name}").main(context.args)
    if status:
        raise typer.Exit(status)
