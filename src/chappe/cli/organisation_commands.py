"""`chappe organisation`: the operator takes organisations on, and sees which there are."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from chappe.cli.relay_commands import DataDir
from chappe.cli.show import clean, out
from chappe.cli.words import say
from chappe.wire.errors import error

app = typer.Typer(no_args_is_help=True, help="Organisations of this relay; their officers have the keys.")


@app.command()
def add(
    roster: Annotated[Path, typer.Argument(help="The roster file of `chappe fleet key new`.")],
    data_dir: DataDir = None,
) -> None:
    """Take an organisation on. Compare the fleet key that is shown with its officer's, over a channel that
    you trust. The relay may run meanwhile."""
    from chappe.relay import organisations
    from chappe.relay.config import load_settings
    from chappe.wire.rosters import fingerprint

    try:
        with roster.open("rb") as file:
            data = file.read(organisations.MAX_FILE + 1)
    except OSError:
        raise error("file.unreadable") from None
    found = organisations.add(load_settings(data_dir=data_dir), data)
    out(say("organisation.added", name=clean(found.name), fleet_key=fingerprint(found.fleet_key)))


@app.command("list")
def list_(data_dir: DataDir = None) -> None:
    """Which there are, with their lines and officers; every entry of their audit logs is checked."""
    from chappe.relay import organisations
    from chappe.relay.config import load_settings
    from chappe.wire.api import to_base64
    from chappe.wire.rosters import fingerprint

    for one in organisations.known(load_settings(data_dir=data_dir)):
        size, root = one.log
        out(say("organisation.known", name=clean(one.name), lines=one.lines, officers=one.officers))
        out(say("organisation.key", fleet_key=fingerprint(one.fleet_key)))
        out(say("organisation.log", count=size, root=to_base64(root)))
