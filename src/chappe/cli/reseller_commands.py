"""`chappe desk reseller`: applications, accreditations, suspensions."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

import typer

from chappe.cli.desk_caller import call
from chappe.cli.desk_commands import chosen, every, part, said, tell_all
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
    tell_all(call(chosen.place, "GET", f"/resellers/{part(reseller)}"))


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
    body = {key: value for key, value in fields.items() if value is not None}
    _tell(call(chosen.place, "PATCH", f"/resellers/{part(reseller)}", body | {"version": _version(reseller)}))


@app.command()
def accredit(
    reseller: Reseller,
    first: Day,
    last: Day,
    contract: Annotated[str, typer.Option(help="The contract's reference.")],
) -> None:
    """Accredit it from a day to a day; again for another period."""
    days = {"first": first.date().isoformat(), "last": last.date().isoformat()}
    body = days | {"contract": contract, "version": _version(reseller)}
    _tell(call(chosen.place, "POST", f"/resellers/{part(reseller)}/accredit", body))


@app.command()
def suspend(reseller: Reseller, reason: Reason) -> None:
    """Suspend it: its codes activate no more until it is resumed."""
    body = {"reason": reason, "version": _version(reseller)}
    _tell(call(chosen.place, "POST", f"/resellers/{part(reseller)}/suspend", body))


@app.command()
def resume(reseller: Reseller) -> None:
    """Lift the suspension."""
    body = {"version": _version(reseller)}
    _tell(call(chosen.place, "POST", f"/resellers/{part(reseller)}/resume", body))


@app.command()
def end(reseller: Reseller, reason: Reason) -> None:
    """Turn an application down, or end an accreditation, for good."""
    body = {"reason": reason, "version": _version(reseller)}
    _tell(call(chosen.place, "POST", f"/resellers/{part(reseller)}/end", body))


@app.command()
def terms(
    reseller: Reseller,
    vat: Annotated[
        str | None, typer.Option(help="standard, reverse_charge or exempt.", show_default=False)
    ] = None,
    exemption: Annotated[str, typer.Option(help="Why no VAT, where it is exempt.")] = "",
    days: Annotated[int | None, typer.Option(min=0, max=60, help="To pay.", show_default=False)] = None,
) -> None:
    """How it is invoiced; with an option, agree on something else."""
    found = call(chosen.place, "GET", f"/resellers/{part(reseller)}/terms")
    if vat is not None or exemption or days is not None:
        body = found | {
            "treatment": vat or found["treatment"],
            "exemption": exemption or (found["exemption"] if vat in (None, "exempt") else ""),
            "payment_days": found["payment_days"] if days is None else days,
        }
        found = call(chosen.place, "PUT", f"/resellers/{part(reseller)}/terms", body)
    if not said(found):
        words = say(f"desk.vat.{found['treatment']}", why=clean(found["exemption"]))
        out(say("desk.terms", vat=words, days=found["payment_days"]))


@app.command()
def register() -> None:
    """The public register: who is accredited today."""
    for one in call(chosen.place, "GET", "/register")["resellers"]:
        if not said(one):
            state = say(
                f"desk.standing.{one['standing']}",
                first=one["accredited_from"],
                last=one["accredited_until"],
                reason="-",
            )
            out(f"{clean(one['name'])} ({one['country']} {clean(one['registration'])}): {state}")


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
