"""`chappe desk reseller`: applications, accreditations, suspensions."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

import typer

from chappe.cli.desk_caller import call
from chappe.cli.desk_commands import chosen, every, part, said
from chappe.cli.show import clean, out
from chappe.cli.words import say

app = typer.Typer(no_args_is_help=True, help="Who may sell lines of this relay.")

Reseller = Annotated[str, typer.Argument(help="Its id; see `list`.")]
Reason = Annotated[str, typer.Option(help="The reseller reads it, and the audit log keeps it.")]
Day = Annotated[datetime, typer.Option(formats=["%Y-%m-%d"], help="Included, in UTC.")]
Text = Annotated[str | None, typer.Option(show_default=False)]


@app.command()
def apply(
    name: Annotated[str, typer.Option(help="As it is registered.")],
    country: Annotated[str, typer.Option(help="Two letters, as FR.")],
    registration: Annotated[str, typer.Option(help="At its register of companies; the SIREN in France.")],
    street: Annotated[str, typer.Option()],
    postcode: Annotated[str, typer.Option()],
    city: Annotated[str, typer.Option()],
    contact_name: Annotated[str, typer.Option()],
    contact_email: Annotated[str, typer.Option()],
    contact_phone: Annotated[str, typer.Option(help="As +33123456789.")] = "",
    trade_name: Annotated[str, typer.Option()] = "",
    vat_number: Annotated[str, typer.Option()] = "",
    website: Annotated[str, typer.Option(help="https://…")] = "",
    language: Annotated[str, typer.Option(help="fr or en.")] = "fr",
) -> None:
    """File an application that came on paper."""
    body = {
        "name": name,
        "country": country,
        "registration": registration,
        "street": street,
        "postcode": postcode,
        "city": city,
        "contact_name": contact_name,
        "contact_email": contact_email,
        "contact_phone": contact_phone,
        "trade_name": trade_name,
        "vat_number": vat_number,
        "website": website,
        "language": language,
    }
    _tell(call(chosen.place, "POST", "/resellers", body))


@app.command("list")
def list_(
    standing: Annotated[
        str | None,
        typer.Option(help="applied, coming, accredited, suspended, expired or ended.", show_default=False),
    ] = None,
    search: Annotated[
        str | None, typer.Option(help="A part of a name or number.", show_default=False)
    ] = None,
) -> None:
    """By name."""
    for one in every("/resellers", {"standing": standing, "search": search}):
        _tell(one)


@app.command()
def show(reseller: Reseller) -> None:
    """Everything that is known of one."""
    found = call(chosen.place, "GET", f"/resellers/{part(reseller)}")
    if not said(found):
        for key, value in found.items():
            if value not in (None, ""):
                out(f"{key}: {clean(str(value))}")


@app.command()
def change(
    reseller: Reseller,
    name: Text = None,
    trade_name: Text = None,
    registration: Text = None,
    vat_number: Text = None,
    street: Text = None,
    postcode: Text = None,
    city: Text = None,
    website: Text = None,
    contact_name: Text = None,
    contact_email: Text = None,
    contact_phone: Text = None,
) -> None:
    """Change its particulars."""
    fields = {
        "name": name,
        "trade_name": trade_name,
        "registration": registration,
        "vat_number": vat_number,
        "street": street,
        "postcode": postcode,
        "city": city,
        "website": website,
        "contact_name": contact_name,
        "contact_email": contact_email,
        "contact_phone": contact_phone,
    }
    path = f"/resellers/{part(reseller)}"
    body = {key: value for key, value in fields.items() if value is not None}
    _tell(call(chosen.place, "PATCH", path, body | {"version": _version(reseller)}))


@app.command()
def accredit(
    reseller: Reseller,
    first: Day,
    last: Day,
    contract: Annotated[str, typer.Option(help="The contract's reference.")],
) -> None:
    """Accredit it from a day to a day; again for another period."""
    days = {"first": first.date().isoformat(), "last": last.date().isoformat()}
    _decide(reseller, "accredit", days | {"contract": contract})


@app.command()
def suspend(reseller: Reseller, reason: Reason) -> None:
    """Suspend it: its codes activate no more until it is resumed."""
    _decide(reseller, "suspend", {"reason": reason})


@app.command()
def resume(reseller: Reseller) -> None:
    """Lift the suspension."""
    _decide(reseller, "resume", {})


@app.command()
def end(reseller: Reseller, reason: Reason) -> None:
    """Turn an application down, or end an accreditation, for good."""
    _decide(reseller, "end", {"reason": reason})


def _decide(reseller: str, verb: str, body: dict[str, Any]) -> None:
    body = body | {"version": _version(reseller)}
    _tell(call(chosen.place, "POST", f"/resellers/{part(reseller)}/{verb}", body))


def _version(reseller: str) -> int:
    version: int = call(chosen.place, "GET", f"/resellers/{part(reseller)}")["version"]
    return version


def _tell(one: dict[str, Any]) -> None:
    if not said(one):
        standing = say(
            f"desk.standing.{one['standing']}",
            first=one["accredited_from"],
            last=one["accredited_until"],
            reason=clean(one["reason"]),
        )
        out(say("desk.reseller", name=clean(one["name"]), standing=standing, id=one["id"]))
