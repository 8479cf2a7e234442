"""`chappe chaos`: Chappe through faults (`bench/chaos/`), run from the source."""

from __future__ import annotations

import importlib
import sys

import typer

from chappe.cli.bench import FOLDER


def chaos(context: typer.Context) -> None:
    """Break things around the relay, and see that nothing is lost: chappe chaos --help."""
    from chappe.wire.errors import error

    if not (FOLDER / "chaos").is_dir():
        raise error("usage.invalid", "The reliability tests are not here: run them from the source.")
    sys.path.insert(0, str(FOLDER.parent))
    status = importlib.import_module("bench.chaos.main").main(context.args)
    if status:
        raise typer.Exit(status)
