"""`chappe migrate-store`: a relay's tables from SQLite to PostgreSQL, while it runs."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Annotated, Final

import typer

from chappe.cli.show import note, out
from chappe.cli.words import say
from chappe.wire.errors import error

TELL_SECONDS: Final = 1.0
VARIABLE: Final = "CHAPPE_DATABASE_URL"


def migrate_store(
    data_dir: Annotated[Path, typer.Option("--from", help="The relay's data directory, with relay.db.")],
    to: Annotated[
        str | None,
        typer.Option(
            "--to",
            help=f"postgresql://…, empty; else {VARIABLE}, which no process list shows.",
            show_default=False,
        ),
    ] = None,
    wait: Annotated[bool, typer.Option(help="Wait until the relay is stopped, and finish then.")] = True,
) -> None:
    """Move a relay from SQLite to PostgreSQL while it runs; it stands still for the last seconds alone.
    It may be cut off at any moment, and given again (docs/operating.md)."""
    from chappe.relay.moving.moving import Teller, move

    url = to or os.environ.get(VARIABLE)
    if not url:
        raise error("usage.invalid", f"Say where to: --to postgresql://…, or {VARIABLE}.")
    last = [0.0]

    def rows(name: str, count: int) -> None:
        now = time.monotonic()
        if now - last[0] >= TELL_SECONDS:
            last[0] = now
            note(say("moving.rows", name=name, count=count))

    teller = Teller(rows, lambda step: note(say("moving.step", step=step)), lambda: note(say("moving.waits")))
    done = move(data_dir, url, teller, wait=wait)
    for name, count in done.rows.items():
        if count:
            out(say("moving.table", name=name, count=count))
    out(say("moving.done", seconds=f"{done.still:.1f}"))
    note(say("moving.next"))
