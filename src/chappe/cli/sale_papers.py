"""`chappe desk sale`: single orders and invoices, payments, bookings."""

from __future__ import annotations

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
