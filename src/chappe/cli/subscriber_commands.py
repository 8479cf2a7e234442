"""`chappe desk subscriber`: the record of subscribers that the law asks of who operates a network."""

from __future__ import annotations

import os
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any, Final

import typer

from chappe.cli.desk_caller import call, calls
from chappe.cli.desk_commands import chosen, every, part, said, tell_all
from chappe.cli.show import clean, out
from chappe.cli.words import say
from chappe.wire.errors import error

app = typer.Typer(no_args_is_help=True, help="The record of subscribers; each reading is logged.")

# An id may begin with a dash, and is no option then.
_IDS: Final = {"ignore_unknown_options": True}
Subscriber = Annotated[str, typer.Argument(help="Its id; see `list`.")]
Text = Annotated[str | None, typer.Option(show_default=False)]
Id = Annotated[str | None, typer.Option(help="Its id.", show_default=False)]
Day = Annotated[datetime | None, typer.Option(formats=["%Y-%m-%d"], show_default="today")]


@app.command("list")
def list_(
    organisation: Id = None,
    line: Id = None,
    address: Annotated[str | None, typer.Option(help="A line's, whole.", show_default=False)] = None,
) -> None:
    """Records, without who they are of."""
    for one in every("/subscribers", {"organisation": organisation, "line": line, "address": address}):
        _tell(one)


@app.command(context_settings=_IDS)
def show(subscriber: Subscriber) -> None:
    """One record, whole. The audit log tells that it was read."""
    tell_all(call(chosen.place, "GET", f"/subscribers/{part(subscriber)}"))


@app.command()
def add(
    surname: Annotated[str, typer.Option(help="Of the person, or of who acts for the company.")],
    given_name: Annotated[str, typer.Option()],
    kind: Annotated[str, typer.Option(help="person or company.")] = "person",
    company: Text = None,
    registration: Text = None,
    born_on: Text = None,
    born_at: Text = None,
    street: Text = None,
    postcode: Text = None,
    city: Text = None,
    country: Annotated[str, typer.Option(help="Two letters, as FR.")] = "FR",
    email: Text = None,
    phone: Text = None,
    address: Annotated[str | None, typer.Option(help="The line's.", show_default=False)] = None,
    contract: Text = None,
    payment: Annotated[str | None, typer.Option(help="card, transfer, …", show_default=False)] = None,
    payment_reference: Annotated[
        str | None, typer.Option(help="Never a card's or account's number.", show_default=False)
    ] = None,
    organisation: Id = None,
    began: Day = None,
) -> None:
    """File a record."""
    given = locals()
    began_on = None if began is None else began.date().isoformat()
    body = {name: given[name] for name in (*_CHANGED, "address", "organisation")} | {"began_on": began_on}
    _tell(call(chosen.place, "POST", "/subscribers", _without_none(body)))


@app.command(context_settings=_IDS)
def change(
    subscriber: Subscriber,
    kind: Text = None,
    company: Text = None,
    registration: Text = None,
    surname: Text = None,
    given_name: Text = None,
    born_on: Text = None,
    born_at: Text = None,
    street: Text = None,
    postcode: Text = None,
    city: Text = None,
    country: Text = None,
    email: Text = None,
    phone: Text = None,
    contract: Text = None,
    payment: Text = None,
    payment_reference: Text = None,
) -> None:
    """Correct a record."""
    given = locals()
    body = _without_none({name: given[name] for name in _CHANGED})
    before = call(chosen.place, "GET", f"/subscribers/{part(subscriber)}")
    body["version"] = before["version"]
    tell_all(call(chosen.place, "PATCH", f"/subscribers/{part(subscriber)}", body))


@app.command(context_settings=_IDS)
def end(
    subscriber: Subscriber,
    on: Annotated[
        datetime | None,
        typer.Option(formats=["%Y-%m-%d"], help="The contract's last day.", show_default="today"),
    ] = None,
) -> None:
    """The contract has ended: what is kept has its dates from that day."""
    day = datetime.now(UTC).date() if on is None else on.date()
    before = call(chosen.place, "GET", f"/subscribers/{part(subscriber)}")
    body = {"version": before["version"], "on": day.isoformat()}
    _tell(call(chosen.place, "POST", f"/subscribers/{part(subscriber)}/end", body))


@app.command()
def export(
    file: Annotated[Path, typer.Argument(help="A new file, for you alone.")],
    organisation: Id = None,
) -> None:
    """All records, whole, as CSV. Each is a reading that the audit log tells of."""
    from chappe.desk.sheets import write

    try:
        descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    except OSError:
        raise error(
            "file.unreadable", "The file is there already, or its folder cannot be written."
        ) from None
    with os.fdopen(descriptor, "wb") as opened:
        found = every("/subscribers", {"organisation": organisation})
        asked = [("GET", f"/subscribers/{part(one['id'])}", None, None) for one in found]
        whole: list[dict[str, Any]] = calls(chosen.place, asked) if asked else []
        columns = list(whole[0]) if whole else ["id"]
        opened.write(
            write(
                columns, [["" if row[name] is None else str(row[name]) for name in columns] for row in whole]
            )
        )
    if not said({"file": str(file), "records": len(whole)}):
        out(say("desk.subscriber.exported", count=len(whole), file=clean(str(file))))


_CHANGED: Final = (
    "kind",
    "company",
    "registration",
    "surname",
    "given_name",
    "born_on",
    "born_at",
    "street",
    "postcode",
    "city",
    "country",
    "email",
    "phone",
    "contract",
    "payment",
    "payment_reference",
)


def _without_none(body: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in body.items() if value is not None}


def _tell(one: dict[str, Any]) -> None:
    if said(one):
        return
    key = "desk.subscriber" if one["ended_on"] is None else "desk.subscriber.ended"
    out(
        say(
            key,
            id=one["id"],
            began=one["began_on"],
            ended=one["ended_on"],
            account=one["account_until"],
            identity=one["identity_until"],
        )
    )
