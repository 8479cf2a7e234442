"""What was sold, on paper: `/invoices`, their payments, `/ledger`, `/sales`."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, datetime
from typing import Annotated, Any, Literal

from fastapi import FastAPI, Query, Response
from fastapi.responses import StreamingResponse
from pydantic import Field, StringConstraints

from chappe.desk import fec, invoices, ledger, numbers, payments, refunds, resellers, sales
from chappe.desk.desk import Desk
from chappe.desk.gate import OnceKey, Who
from chappe.desk.invoice_pdf import pdf
from chappe.desk.invoices import Issued
from chappe.desk.ledger import ACCOUNTS, Booking
from chappe.desk.models import MAX_LIMIT, Body, Id, Page, moment, show_id
from chappe.desk.money import MAX_AMOUNT
from chappe.desk.once import change_once
from chappe.desk.payments import Payment
from chappe.desk.refunds import Refund
from chappe.desk.routes_orders import only_of

Number = Annotated[str, StringConstraints(pattern=r"^2[0-9]{3}-[0-9]{6,9}$")]


class InvoiceView(Body):
    """Amounts in minor units. `owed`: gross and refunds, less credit notes and payments; 0 of a credit
    note."""

    number: Number
    kind: Literal["invoice", "credit_note"]
    reseller: Id
    order: Id
    buyer: str
    issued: date
    due: date
    currency: str
    net: int
    vat: int
    gross: int
    owed: int
    refers_to: str


class NewPayment(Body):
    """`reference`: what the bank calls it; each is noted once."""

    amount: Annotated[int, Field(ge=1, le=MAX_AMOUNT)]
    received: date
    reference: Annotated[str, StringConstraints(min_length=1, max_length=80)]


class PaymentView(NewPayment):
    id: Id
    invoice: Number
    currency: str


class NewRefund(Body):
    """`reference`: what the bank calls it; each is noted once."""

    amount: Annotated[int, Field(ge=1, le=MAX_AMOUNT)]
    paid: date
    reference: Annotated[str, StringConstraints(min_length=1, max_length=80)]


class RefundView(NewRefund):
    id: Id
    credit_note: Number
    invoice: Number
    currency: str


class PostingView(Body):
    """`amount`: a debit above zero, a credit below."""

    account: str
    name: str
    amount: int


class BookingView(Body):
    number: int
    at: datetime
    kind: Literal["sale", "credit", "payment", "refund"]
    paper: str
    reseller: Id
    currency: str
    postings: list[PostingView]


class Balance(Body):
    account: str
    name: str
    currency: str
    amount: int


class Checked(Body):
    """The ledger adds up, and no invoice number is missing."""

    bookings: int
    invoices: int
    balances: list[Balance]


class SoldView(Body):
    """`month` as 2026-11, UTC. Less what was credited in that month."""

    month: str
    reseller: Id
    name: str
    currency: str
    net: int
    vat: int
    codes: int


class Sales(Body):
    items: list[SoldView]


def add_papers(app: FastAPI, desk: Desk) -> None:
    database = desk.database

    @app.get("/invoices", operation_id="invoices.list")
    def list_(
        who: Who,
        after: Number | None = None,
        limit: Annotated[int, Query(ge=1, le=MAX_LIMIT)] = 50,
        reseller: Id | None = None,
    ) -> Page[InvoiceView]:
        """Invoices and credit notes, the newest first. A reseller sees its own."""
        mine = only_of(who, reseller)

        def read(connection: Any) -> list[InvoiceView]:
            found = invoices.page(connection, reseller=mine, before=after, limit=limit)
            return _views(connection, found)

        found = database.read(read)
        return Page(items=found, next=found[-1].number if len(found) == limit else None)

    @app.get("/invoices/{number}", operation_id="invoices.show")
    def show(number: Number, who: Who) -> InvoiceView:
        """One of them."""
        mine = only_of(who, None)
        return database.read(
            lambda connection: _views(connection, [invoices.find(connection, number, mine)])[0]
        )

    @app.get("/invoices/{number}/pdf", operation_id="invoices.pdf", response_class=Response)
    def paper(number: Number, who: Who) -> Response:
        """As Factur-X: a PDF with the same invoice as XML in it."""
        mine = only_of(who, None)
        issued = database.read(lambda connection: invoices.find(connection, number, mine))
        return Response(
            pdf(issued.invoice, issued.language),
            media_type="application/pdf",
            headers={"Content-Disposition": f'attachment; filename="{number}.pdf"'},
        )

    _add_payments(app, desk)
    _add_refunds(app, desk)
    _add_books(app, desk)


def _add_payments(app: FastAPI, desk: Desk) -> None:
    database = desk.database

    @app.get("/invoices/{number}/payments", operation_id="payments.list")
    def list_(number: Number, who: Who) -> Page[PaymentView]:
        """What came in for it."""
        mine = only_of(who, None)

        def read(connection: Any) -> list[Payment]:
            invoices.find(connection, number, mine)
            return payments.of_invoice(connection, number)

        return Page(items=[_payment(one) for one in database.read(read)], next=None)

    @app.post("/invoices/{number}/payments", operation_id="payments.note", status_code=201)
    def note(number: Number, body: NewPayment, who: Who, once: OnceKey) -> PaymentView:
        """Note what came in at the bank."""
        fields = body.model_dump()
        return change_once(
            database,
            who,
            once,
            PaymentView,
            lambda unit: _payment(payments.record(unit, number, **fields)),
        )


def _add_refunds(app: FastAPI, desk: Desk) -> None:
    database = desk.database

    @app.get("/invoices/{number}/refunds", operation_id="refunds.list")
    def list_(number: Number, who: Who) -> Page[RefundView]:
        """What was paid back for a credit note."""
        mine = only_of(who, None)

        def read(connection: Any) -> list[Refund]:
            invoices.find(connection, number, mine)
            return refunds.of_credit_note(connection, number)

        return Page(items=[_refund(one) for one in database.read(read)], next=None)

    @app.post("/invoices/{number}/refunds", operation_id="refunds.note", status_code=201)
    def note(number: Number, body: NewRefund, who: Who, once: OnceKey) -> RefundView:
        """Note what was paid back at the bank, because a credit note took it back."""
        fields = body.model_dump()
        return change_once(
            database,
            who,
            once,
            RefundView,
            lambda unit: _refund(refunds.record(unit, number, **fields)),
        )


def _add_books(app: FastAPI, desk: Desk) -> None:
    database = desk.database

    @app.get("/ledger", operation_id="ledger.list")
    def books(
        after: Annotated[int, Query(ge=0, le=2**53)] = 0,
        limit: Annotated[int, Query(ge=1, le=MAX_LIMIT)] = 50,
    ) -> Page[BookingView]:
        """Bookings in their order."""
        found = database.read(lambda connection: ledger.read(connection, after=after, limit=limit))
        more = str(found[-1].number) if len(found) == limit else None
        return Page(items=[_booking(one) for one in found], next=more)

    @app.get("/ledger/check", operation_id="ledger.check")
    def check() -> Checked:
        """Add everything up anew."""

        def read(connection: Any) -> Checked:
            return Checked(
                bookings=ledger.check(connection),
                invoices=numbers.check_whole(connection),
                balances=[
                    Balance(account=account, name=ACCOUNTS[account], currency=currency, amount=amount)
                    for (account, currency), amount in sorted(ledger.balances(connection).items())
                ],
            )

        return database.read(read)

    @app.get("/ledger/fec", operation_id="ledger.export", response_class=StreamingResponse)
    def export(who: Who) -> StreamingResponse:
        """As the French tax office asks for it (FEC)."""
        database.change(who, lambda unit: unit.log("ledger.exported"))
        lines = database.read(lambda connection: list(fec.written(connection, resellers.names(connection))))
        return StreamingResponse(
            _encoded(lines),
            media_type="text/plain; charset=utf-8",
            headers={"Content-Disposition": 'attachment; filename="FEC.txt"'},
        )

    @app.get("/sales", operation_id="sales.show")
    def show_sales(
        who: Who, since: Annotated[date | None, Query()] = None, reseller: Id | None = None
    ) -> Sales:
        """By reseller and month. A reseller sees its own."""
        mine = only_of(who, reseller)
        start = 0 if since is None else int(datetime.fromisoformat(f"{since}T00:00:00+00:00").timestamp())

        def read(connection: Any) -> Sales:
            names = resellers.names(connection)
            return Sales(
                items=[
                    SoldView(
                        month=one.month,
                        reseller=show_id(one.reseller),
                        name=names.get(one.reseller, ""),
                        currency=one.currency,
                        net=one.net,
                        vat=one.vat,
                        codes=one.codes,
                    )
                    for one in sales.by_month(connection, start, reseller=mine)
                ]
            )

        return database.read(read)


def _views(connection: Any, found: list[Issued]) -> list[InvoiceView]:
    owed = invoices.owed(connection, [one.invoice.number for one in found])
    return [_view(one, owed[one.invoice.number]) for one in found]


def _view(one: Issued, owed: int) -> InvoiceView:
    invoice = one.invoice
    return InvoiceView(
        number=invoice.number,
        kind=invoice.kind,
        reseller=show_id(one.reseller),
        order=show_id(one.batch),
        buyer=invoice.buyer.name,
        issued=invoice.issued,
        due=invoice.due,
        currency=invoice.currency,
        net=invoice.net,
        vat=invoice.vat_total,
        gross=invoice.gross,
        owed=owed,
        refers_to=invoice.refers_to,
    )


def _payment(one: Payment) -> PaymentView:
    return PaymentView(
        id=show_id(one.id),
        invoice=one.invoice,
        amount=one.amount,
        currency=one.currency,
        received=date.fromisoformat(one.received),
        reference=one.reference,
    )


def _refund(one: Refund) -> RefundView:
    return RefundView(
        id=show_id(one.id),
        credit_note=one.credit_note,
        invoice=one.invoice,
        amount=one.amount,
        currency=one.currency,
        paid=date.fromisoformat(one.paid),
        reference=one.reference,
    )


def _booking(one: Booking) -> BookingView:
    return BookingView(
        number=one.number,
        at=moment(one.at),
        kind=one.kind,
        paper=one.paper,
        reseller=show_id(one.reseller),
        currency=one.currency,
        postings=[
            PostingView(account=line.account, name=ACCOUNTS[line.account], amount=line.amount)
            for line in one.postings
        ],
    )


def _encoded(lines: list[str]) -> Iterator[bytes]:
    for line in lines:
        yield line.encode() + b"\r\n"
