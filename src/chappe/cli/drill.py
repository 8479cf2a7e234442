"""`chappe drill`: honest phones against a relay that attacks (`bench/drill/`), run from the source."""

from __future__ import annotations

import importlib
import sys

import typer

from chappe.cli.bench import FOLDER


def drill(context: typer.Context) -> None:
    """Attack honest phones, and see that they notice: chappe drill --help."""
    from chappe.wire.errors import error

    if not (FOLDER / "drill").is_dir():
        raise error("usage.invalid", "The drill is not here: run it from the source.")
    sys.path.insert(0, str(FOLDER.parent))
    status = importlib.import_module("bench.drill.main").main(context.args)
    if status:
        raise typer.Exit(status)
