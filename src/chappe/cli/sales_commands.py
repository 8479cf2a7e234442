"""`chappe desk sale`: plans, the seller, orders of codes, invoices, payments, the ledger."""

from __future__ import annotations

from datetime import UTC, date, datetime
from pathlib import Path
from typing import Annotated, Any, Final

import typer

from chappe.cli.desk_caller import call, fetch
from chappe.cli.desk_commands import chosen, every, part, said, tell_all
from chappe.cli.show import clean, out
from chappe.cli.words import language, say

app = typer.Typer(no_args_is_help=True, help="What is sold: plans, codes, invoices, the ledger.")

Order = Annotated[str, typer.Argument(help="Its id; see `orders`.")]
Number = Annotated[str, typer.Argument(help="As 2026-000001.")]
File = Annotated[Path, typer.Argument(help="A new file.")]
Reseller = Annotated[str | None, typer.Option(help="Its id.", show_default=False)]
_SELLER: Final = (
    "name",
    "street",
    "postcode",
    "city",
    "country",
    "registration",
    "vat_number",
    "email",
    "iban",
)


@app.command()
def plan(
    name: Annotated[str, typer.Option()],
    price: Annotated[int, typer.Option(min=0, help="Of a line for a term, without VAT, in cents.")],
    months: Annotated[int, typer.Option(min=1, max=60)] = 6,
    vat: Annotated[int, typer.Option(min=0, max=3000, help="In hundredths of a percent.")] = 2000,
    currency: Annotated[str, typer.Option()] = "EUR",
) -> None:
    """Put a plan on sale. Its price never changes: withdraw it, and make another."""
    body = {"name": name, "unit_net": price, "months": months, "vat_rate": vat, "currency": currency}
    _tell_plan(call(chosen.place, "POST", "/plans", body))


@app.command()
def plans(withdrawn: Annotated[bool, typer.Option("--withdrawn", help="Also what was.")] = False) -> None:
    """What is sold."""
    query = {"withdrawn": "true"} if withdrawn else {}
    for one in call(chosen.place, "GET", "/plans", query=query)["items"]:
        _tell_plan(one)


@app.command()
def withdraw(plan: Annotated[str, typer.Argument(help="Its id; see `plans --withdrawn`.")]) -> None:
    """Sell a plan no more."""
    known = call(chosen.place, "GET", "/plans", query={"withdrawn": "true"})["items"]
    version = next((one["version"] for one in known if one["id"] == plan), 1)
    _tell_plan(call(chosen.place, "POST", f"/plans/{part(plan)}/withdraw", {"version": version}))


@app.command()
def seller(
    name: Annotated[str | None, typer.Option(help="As it is registered.", show_default=False)] = None,
    street: Annotated[str, typer.Option()] = "",
    city: Annotated[str, typer.Option()] = "",
    country: Annotated[str, typer.Option(help="Two letters, as FR.")] = "FR",
    postcode: Annotated[str, typer.Option()] = "",
    registration: Annotated[str, typer.Option(help="The SIREN in France.")] = "",
    vat_number: Annotated[str, typer.Option()] = "",
    email: Annotated[str, typer.Option()] = "",
    iban: Annotated[str, typer.Option()] = "",
    version: Annotated[int, typer.Option(min=0, help="Of what is replaced; 0 for the first.")] = 0,
) -> None:
    """Say who sells: the operator, as he stands on invoices. Without a name: show who does."""
    if name is None:
        tell_all(call(chosen.place, "GET", "/seller"))
        return
    values = (name, street, postcode, city, country, registration, vat_number, email, iban)
    body: dict[str, Any] = dict(zip(_SELLER, values, strict=True))
    found = call(chosen.place, "PUT", "/seller", body | {"version": version})
    if not said(found):
        out(say("desk.seller", name=clean(found["name"]), version=found["version"]))


@app.command()
def order(
    plan: Annotated[str, typer.Option(help="Its id.")],
    quantity: Annotated[int, typer.Option(min=1, max=1000)],
    reseller: Reseller = None,
    organisation: Annotated[str | None, typer.Option(help="Its id.", show_default=False)] = None,
) -> None:
    """Order codes for a reseller. They are shown this once."""
    body = {"plan": plan, "quantity": quantity, "reseller": reseller, "organisation": organisation}
    given = {key: value for key, value in body.items() if value is not None}
    _tell_codes(call(chosen.place, "POST", "/orders", given))


@app.command()
def orders(reseller: Reseller = None) -> None:
    """The newest first."""
    for one in every("/orders", {"reseller": reseller}):
        _tell_order(one)


@app.command()
def codes(order: Order) -> None:
    """How many codes of an order were used."""
    found = call(chosen.place, "GET", f"/orders/{part(order)}/codes")
    if not said(found):
        out(say("desk.codes", **found))


@app.command()
def remake(order: Order) -> None:
    """Make those codes anew that nobody used; the old ones do nothing any more."""
    _tell_codes(call(chosen.place, "POST", f"/orders/{part(order)}/remake", {"version": _version(order)}))


@app.command()
def cancel(order: Order) -> None:
    """Take back the codes that nobody used, and credit them."""
    _tell_order(call(chosen.place, "POST", f"/orders/{part(order)}/cancel", {"version": _version(order)}))


@app.command()
def invoices(reseller: Reseller = None) -> None:
    """Invoices and credit notes, the newest first."""
    for one in every("/invoices", {"reseller": reseller}):
        if not said(one):
            amounts = {name: _amount(one[name], one["currency"]) for name in ("gross", "owed")}
            words = say(f"desk.{one['kind']}", number=one["number"], buyer=clean(one["buyer"]), **amounts)
            out(words)


@app.command()
def pdf(number: Number, file: File) -> None:
    """Save an invoice as Factur-X: a PDF with the same invoice as XML in it."""
    fetch(chosen.place, f"/invoices/{part(number)}/pdf", file)
    if not said({"file": str(file)}):
        out(say("desk.saved", file=clean(str(file))))


@app.command()
def paid(
    number: Number,
    amount: Annotated[int, typer.Option(min=1, help="In cents.")],
    reference: Annotated[str, typer.Option(help="What the bank calls it.")],
    received: Annotated[datetime | None, typer.Option(formats=["%Y-%m-%d"], show_default="today")] = None,
) -> None:
    """Note what came in for an invoice."""
    day: date = datetime.now(UTC).date() if received is None else received.date()
    body = {"amount": amount, "received": day.isoformat(), "reference": reference}
    found = call(chosen.place, "POST", f"/invoices/{part(number)}/payments", body)
    if not said(found):
        out(say("desk.paid", number=number, amount=_amount(amount, found["currency"])))


@app.command()
def check() -> None:
    """Add the whole ledger up anew, and look for missing invoice numbers."""
    found = call(chosen.place, "GET", "/ledger/check")
    if said(found):
        return
    out(say("desk.ledger", bookings=found["bookings"], invoices=found["invoices"]))
    for one in found["balances"]:
        out(f"{one['account']:<6} {clean(one['name']):<28} {_amount(one['amount'], one['currency']):>18}")


@app.command()
def numbers() -> None:
    """The newest invoice numbers, and whether database and file agree on them."""
    _tell_numbers(call(chosen.place, "GET", "/numbers"))


@app.command()
def lost(
    last: Annotated[str, typer.Option(help="The newest number on any paper, as 2026-000042.")],
    reason: Annotated[str, typer.Option(help="The audit log and the tax office read it.")],
) -> None:
    """An older database was brought back: its papers up to a number are lost; go on after it."""
    _tell_numbers(call(chosen.place, "POST", "/numbers/lost", {"last": last, "reason": reason}))


@app.command()
def misdated(
    reason: Annotated[str, typer.Option(help="The audit log and the tax office read it.")],
) -> None:
    """Invoices that bear a day to come were issued while the clock was ahead; go on from today."""
    _tell_numbers(call(chosen.place, "POST", "/numbers/misdated", {"reason": reason}))


@app.command()
def fec(file: File) -> None:
    """Save the ledger as the French tax office asks for it."""
    fetch(chosen.place, "/ledger/fec", file)
    if not said({"file": str(file)}):
        out(say("desk.saved", file=clean(str(file))))


@app.command()
def figures(reseller: Reseller = None) -> None:
    """What was sold, by reseller and month."""
    query = {} if reseller is None else {"reseller": reseller}
    for one in call(chosen.place, "GET", "/sales", query=query)["items"]:
        if not said(one):
            net = _amount(one["net"], one["currency"])
            out(f"{one['month']}  {net:>18}  {one['codes']:>6}  {clean(one['name'])}")


def _tell_numbers(found: dict[str, Any]) -> None:
    if said(found):
        return
    newest = ", ".join(found["newest"]) or "-"
    kept = ", ".join(found["in_file"] or []) or "-"
    out(say("desk.numbers", newest=newest, kept=kept))
    for one in found["notes"]:
        words = {"first": one["first"], "last": one["last"], "reason": clean(one["reason"])}
        out(say(f"desk.numbers.{one['kind']}", **words))
    if found["problem"]:
        out(found["problem"])


def _version(order: str) -> int:
    version: int = call(chosen.place, "GET", f"/orders/{part(order)}")["version"]
    return version


def _tell_plan(one: dict[str, Any]) -> None:
    if not said(one):
        key = "desk.plan.withdrawn" if one["withdrawn_at"] else "desk.plan"
        price = _amount(one["unit_net"], one["currency"])
        out(say(key, name=clean(one["name"]), months=one["months"], price=price, id=one["id"]))


def _tell_order(one: dict[str, Any]) -> None:
    if not said(one):
        state = "cancelled" if one["cancelled_at"] else "made" if one["made_at"] else "unmade"
        words = {name: one[name] for name in ("reference", "quantity", "months", "invoice", "id")}
        out(say(f"desk.order.{state}", **words))


def _tell_codes(made: dict[str, Any]) -> None:
    if said(made):
        return
    _tell_order(made["order"])
    out(say("desk.codes.once"))
    for code in made["codes"]:
        out(code)


def tell_amount(one: dict[str, Any]) -> str:
    """As people write it, of something with an amount and a currency."""
    return _amount(one["amount"], one["currency"])


def _amount(minor: int, currency: str) -> str:
    from chappe.desk.money import shown

    return shown(minor, currency, "fr" if language() == "fr" else "en")
