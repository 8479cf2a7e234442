"""`chappe simulate`: relay and clients on virtual time (`bench/simulation/`), run from the source."""

from __future__ import annotations

import importlib
import sys

import typer

from chappe.cli.bench import FOLDER


def simulate(context: typer.Context) -> None:
    """Run the relay and its clients through seeded faults, again and again: chappe simulate --help."""
    from chappe.wire.errors import error

    if not (FOLDER / "simulation").is_dir():
        raise error("usage.invalid", "The simulation is not here: run it from the source.")
    sys.path.insert(0, str(FOLDER.parent))
    status = importlib.import_module("bench.simulation.main").main(context.args)
    if status:
        raise typer.Exit(status)
