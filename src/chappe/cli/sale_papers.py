"""`chappe desk sale`: single orders and invoices, payments, bookings."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Any

import typer

from chappe.cli.desk_caller import call
from chappe.cli.desk_commands import chosen, every, part, said, tell_all
from chappe.cli.sales_commands import Number, Order, app, tell_amount
from chappe.cli.show import clean, out
from chappe.cli.words import say


@app.command()
def show(order: Order) -> None:
    """Everything that is known of an order."""
    tell_all(call(chosen.place, "GET", f"/orders/{part(order)}"))


@app.command()
def invoice(number: Number) -> None:
    """Everything that is known of an invoice or credit note."""
    tell_all(call(chosen.place, "GET", f"/invoices/{part(number)}"))


@app.command()
def payments(number: Number) -> None:
    """What came in for an invoice."""
    for one in call(chosen.place, "GET", f"/invoices/{part(number)}/payments")["items"]:
        if not said(one):
            out(f"{one['received']}  {tell_amount(one)}  {clean(one['reference'])}")


@app.command()
def refunds(number: Number) -> None:
    """What was paid back for a credit note."""
    for one in call(chosen.place, "GET", f"/invoices/{part(number)}/refunds")["items"]:
        if not said(one):
            out(f"{one['paid']}  {tell_amount(one)}  {clean(one['reference'])}")


@app.command()
def refunded(
    number: Annotated[str, typer.Argument(help="The credit note, as 2026-000002.")],
    amount: Annotated[int, typer.Option(min=1, help="In cents.")],
    reference: Annotated[str, typer.Option(help="What the bank calls it.")],
    paid: Annotated[datetime | None, typer.Option(formats=["%Y-%m-%d"], show_default="today")] = None,
) -> None:
    """Note what was paid back, because a credit note took back what had been paid."""
    day = datetime.now(UTC).date() if paid is None else paid.date()
    body = {"amount": amount, "paid": day.isoformat(), "reference": reference}
    found = call(chosen.place, "POST", f"/invoices/{part(number)}/refunds", body)
    if not said(found):
        out(say("desk.refunded", number=number, amount=tell_amount(found)))


@app.command()
def rates() -> None:
    """What other currencies are worth in euros."""
    for one in call(chosen.place, "GET", "/rates")["items"]:
        _tell_rate(one)


@app.command()
def rate(
    currency: Annotated[str, typer.Argument(help="As GBP.")],
    euros: Annotated[str, typer.Argument(help="For one unit, as 1.1532: the European Central Bank's.")],
    day: Annotated[datetime | None, typer.Option(formats=["%Y-%m-%d"], show_default="today")] = None,
) -> None:
    """Say what a currency is worth, for invoices in it: the law has their VAT in euros."""
    known = call(chosen.place, "GET", "/rates")["items"]
    version = next((one["version"] for one in known if one["currency"] == currency), 0)
    on = datetime.now(UTC).date() if day is None else day.date()
    body = {"rate": euros, "day": on.isoformat(), "version": version}
    _tell_rate(call(chosen.place, "PUT", f"/rates/{part(currency)}", body))


def _tell_rate(one: dict[str, Any]) -> None:
    if not said(one):
        out(f"1 {one['currency']} = {one['rate']} EUR ({one['day']})")


@app.command()
def ledger(
    after: int = typer.Option(0, min=0, help="Bookings after this number."),
) -> None:
    """Bookings in their order: debits above zero, credits below."""
    for one in every("/ledger", {}, start=str(after)):
        if said(one):
            continue
        kind = say(f"desk.booking.{one['kind']}")
        out(f"{one['number']:>6}  {one['at']}  {kind}  {one['paper']}")
        for line in one["postings"]:
            shown = tell_amount({"amount": line["amount"], "currency": one["currency"]})
            out(f"        {line['account']:<6} {clean(line['name']):<28} {shown:>18}")
