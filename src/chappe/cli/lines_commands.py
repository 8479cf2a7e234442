"""`chappe desk lines`: what the relay has of lines, their renewals, the import and export as CSV."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Annotated, Any, Final

import typer

from chappe.cli.desk_caller import call, fetch
from chappe.cli.desk_commands import chosen, every, part, said
from chappe.cli.show import clean, out
from chappe.cli.words import say
from chappe.wire.errors import error

app = typer.Typer(no_args_is_help=True, help="Lines of this relay and their terms.")

MAX_FILE: Final = 2 * 1024 * 1024
Line = Annotated[str, typer.Argument(help="Its id; see `list`.")]
# A line's id may begin with a dash, and is no option then.
_IDS: Final = {"ignore_unknown_options": True}
Organisation = Annotated[
    str | None, typer.Option(help="Its id; see `chappe desk organisations`.", show_default=False)
]


@app.command("list")
def list_(
    organisation: Organisation = None,
    stage: Annotated[
        str | None, typer.Option(help="none, active, grace, suspended or closed.", show_default=False)
    ] = None,
    search: Annotated[str | None, typer.Option(help="A part of the address.", show_default=False)] = None,
    ends_before: Annotated[
        datetime | None, typer.Option(formats=["%Y-%m-%d"], help="The term's end.", show_default=False)
    ] = None,
) -> None:
    """By address, or, with --ends-before, those that end first."""
    query = {
        "organisation": organisation,
        "stage": stage,
        "search": search,
        "ends_before": None if ends_before is None else ends_before.date().isoformat(),
        "order": "address" if ends_before is None else "ends",
    }
    for one in every("/lines", query):
        _tell(one)


@app.command(context_settings=_IDS)
def show(line: Line) -> None:
    """One line."""
    _tell(call(chosen.place, "GET", f"/lines/{part(line)}"))


@app.command(context_settings=_IDS)
def devices(line: Line) -> None:
    """All devices that a line ever had."""
    for one in call(chosen.place, "GET", f"/lines/{part(line)}/devices"):
        if not said(one):
            gone = (
                "" if one["signed_out_at"] is None else f"  {say('desk.signed_out', at=one['signed_out_at'])}"
            )
            out(f"{one['id']}  {one['created_at']}{gone}")


@app.command(context_settings=_IDS)
def renew(
    line: Line,
    months: Annotated[int | None, typer.Option(min=1, max=60, help="So many months.")] = None,
    code: Annotated[str | None, typer.Option(help="A renewal code, in place of months.")] = None,
) -> None:
    """Renew a line's term by months, or by a code."""
    if (months is None) == (code is None):
        raise error("usage.invalid", "Say --months or --code.")
    if code is not None:
        _tell(call(chosen.place, "POST", f"/lines/{part(line)}/renew", {"code": code}))
        return
    term = call(chosen.place, "GET", f"/lines/{part(line)}")["term"]
    if term is None:
        raise error("term.none")
    asked = [{"line": line, "last_day": term["last_day"]}]
    renewed = call(chosen.place, "POST", "/lines/renew", {"lines": asked, "months": months})
    _tell(renewed["lines"][0])


@app.command("import")
def import_(
    file: Annotated[Path, typer.Argument(help="A CSV; docs/operating.md tells its columns.")],
    organisation: Organisation = None,
    months: Annotated[int, typer.Option(min=1, max=60, help="Where no column says so.")] = 6,
    make: Annotated[bool, typer.Option("--make", help="Make them; else every mistake is told.")] = False,
) -> None:
    """Codes and subscribers' records for lines to be made. The codes are shown this once."""
    try:
        with file.open("rb") as opened:
            data = opened.read(MAX_FILE + 1)
    except OSError:
        raise error("file.unreadable") from None
    query = {"organisation": organisation, "months": months, "dry_run": not make}
    answer = call(chosen.place, "POST", "/lines/import", data, query)
    if said(answer):
        return
    if answer["encoding"] != "utf-8":
        out(say("desk.lines.latin"))
    for one in answer["problems"]:
        out(say("desk.lines.problem", row=one["row"], column=one["column"] or "-", message=one["message"]))
    if answer["more_problems"]:
        out("…")
    for one in answer["lines"]:
        out(f"{clean(one['address'])} {one['code']}")
    if not make:
        out(say("desk.lines.looked", rows=answer["rows"], problems=len(answer["problems"])))


@app.command()
def export(file: Annotated[Path, typer.Argument(help="A new file.")]) -> None:
    """All lines as CSV."""
    fetch(chosen.place, "/lines/export", file)


def _tell(one: dict[str, Any]) -> None:
    if said(one):
        return
    term = one["term"]
    out(
        say(
            "desk.line",
            address=clean(one["address"]),
            stage=say(f"desk.stage.{one['stage']}"),
            last_day="-" if term is None else term["last_day"],
            id=one["id"],
        )
    )
