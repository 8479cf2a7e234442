"""`chappe desk overview`, `organisations` and `clock`: how the relay stands."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from chappe.cli.desk_caller import call
from chappe.cli.desk_commands import app, chosen, said
from chappe.cli.show import clean, out
from chappe.cli.words import say


@app.command()
def overview(
    organisation: Annotated[str | None, typer.Option(help="Its id.", show_default=False)] = None,
) -> None:
    """How lines, orders to erase and the relay stand now."""
    found = call(chosen.place, "GET", "/overview", query={"organisation": organisation})
    if said(found):
        return
    out(say("desk.overview.lines", **found["lines"]))
    out(say("desk.overview.erasures", **found["erasures"]))
    if found["load"] is not None:
        out(say("desk.overview.load", **found["load"]))
    if found["unlocks"] is not None:
        out(say("desk.overview.unlocks", **found["unlocks"]))
    if found["clock_days"]:
        out(say("desk.clock.jump", days=found["clock_days"]))


@app.command()
def organisations() -> None:
    """The organisations of this relay, by name."""
    for one in call(chosen.place, "GET", "/organisations"):
        if not said(one):
            name, lines, officers = clean(one["name"]), one["lines"], one["officers"]
            out(say("desk.organisation", name=name, lines=lines, officers=officers, id=one["id"]))


@app.command()
def clock(
    confirm: Annotated[
        bool, typer.Option("--confirm", help="It is right: close and forget what has had its time by it.")
    ] = False,
) -> None:
    """What the machine's clock says, and whether it is believed."""
    found: dict[str, Any] = (
        call(chosen.place, "POST", "/clock/confirm") if confirm else call(chosen.place, "GET", "/clock")
    )
    if not said(found):
        out(say("desk.clock", at=found["at"]))
        if found["days"]:
            out(say("desk.clock.jump", days=found["days"]))
