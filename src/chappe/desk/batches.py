"""Batches: codes that were ordered, and what became of the order. The desk's half; the codes are the relay's.

An order is written, invoiced and booked before the relay is asked for its codes, so that no code exists
that was not sold. The relay's answer is shown once. If it is lost on its way, the codes that nobody used are
voided and as many made under another id; the order, and its price, stay one.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import Connection, Row, insert, select, update

from chappe.desk import rates
from chappe.desk.database import Unit
from chappe.desk.ids import new_id
from chappe.desk.invoice import Line, Party
from chappe.desk.invoice_words import designation
from chappe.desk.invoices import Draft, issue
from chappe.desk.invoices import find as find_invoice
from chappe.desk.ledger_tables import batches as table
from chappe.desk.ledger_tables import relay_batches
from chappe.desk.money import Language
from chappe.desk.plans import find as find_plan
from chappe.desk.trading import check_vat, seller, terms_of
from chappe.wire.errors import error
from chappe.wire.terms import utc_date

MAX_QUANTITY: Final = 1_000
MAX_PAGE: Final = 200
MAX_AGE: Final = 300 * 24 * 3600
"""How long an order can be taken back, or its codes made anew. The relay forgets a code a year after it was
made: then it could no longer say how many were used."""


@dataclass(frozen=True, slots=True)
class Buyer:
    """A reseller as it is invoiced."""

    reseller: bytes
    party: Party
    language: Language


@dataclass(frozen=True, slots=True)
class Batch:
    """`unit_net` in minor units. `made_at`: since when the relay has its codes."""

    id: bytes
    reseller: bytes
    organisation: bytes | None
    plan: bytes
    months: int
    unit_net: int
    currency: str
    vat_rate: int
    quantity: int
    ordered_at: int
    invoice: str
    made_at: int | None
    cancelled_at: int | None
    version: int

    @property
    def reference(self) -> str:
        """What people call it."""
        return self.id.hex()[:8].upper()


def order(unit: Unit, buyer: Buyer, plan: bytes, quantity: int, organisation: bytes | None) -> Batch:
    """An order, invoiced and booked. Raises desk.unknown, desk.malformed, desk.not_now."""
    if not 1 <= quantity <= MAX_QUANTITY:
        raise error("desk.malformed", f"An order is of 1 to {MAX_QUANTITY} codes.")
    sold = find_plan(unit.connection, plan)
    if sold.withdrawn_at is not None:
        raise error("desk.not_now", "This plan is sold no more; choose another.")
    id_ = new_id()
    lines = (Line(designation(sold.months, buyer.language), quantity, sold.unit_net, sold.vat_rate),)
    invoice = issue(unit, _draft(unit, buyer, id_, lines, sold.currency))
    unit.connection.execute(
        insert(table).values(
            batch=id_,
            reseller=buyer.reseller,
            organisation=organisation,
            plan=plan,
            months=sold.months,
            unit_net=sold.unit_net,
            currency=sold.currency,
            vat_rate=sold.vat_rate,
            quantity=quantity,
            ordered_at=unit.now,
            invoice=invoice.number,
            version=1,
        )
    )
    unit.log(
        "batch.ordered",
        id_,
        reseller=buyer.reseller,
        organisation=organisation,
        quantity=quantity,
        months=sold.months,
        number=invoice.number,
    )
    return find(unit.connection, id_)


def ask_for_codes(unit: Unit, batch: Batch) -> tuple[Batch, bytes]:
    """The order as it stands from now on, and a fresh id to ask the relay for its codes under.

    Whoever is late hears it here, before anything is voided. Raises desk.changed where somebody else just did
    something with this order; desk.not_now for one that was cancelled, or is too old.
    """
    _still(unit, batch.id, batch.version)
    relay_batch = new_id()
    unit.connection.execute(
        insert(relay_batches).values(relay_batch=relay_batch, batch=batch.id, at=unit.now)
    )
    _update(unit, batch)
    unit.log("batch.asked", batch.id, reseller=batch.reseller, organisation=batch.organisation)
    return find(unit.connection, batch.id), relay_batch


def made(unit: Unit, batch: Batch) -> Batch:
    """The relay has the codes. Raises desk.changed where the order was taken back, or its codes were asked
    for anew, while the relay made them: then they are nobody's."""
    before = _still(unit, batch.id, batch.version)
    _update(unit, before, made_at=unit.now)
    unit.log("batch.made", batch.id, reseller=before.reseller, organisation=before.organisation)
    return find(unit.connection, batch.id)


def take_back(unit: Unit, batch: Batch) -> Batch:
    """From here on nobody else makes codes of it, or shows some: `cancel` comes after what is unused was
    voided. Raises desk.changed, desk.not_now."""
    before = _still(unit, batch.id, batch.version)
    _update(unit, before)
    unit.log("batch.reclaimed", batch.id, reseller=before.reseller, organisation=before.organisation)
    return find(unit.connection, batch.id)


def relay_ids(connection: Connection, batch: bytes) -> list[bytes]:
    """The ids under which the relay was asked for its codes, oldest first."""
    query = select(relay_batches.c.relay_batch).where(relay_batches.c.batch == batch)
    return list(connection.execute(query.order_by(relay_batches.c.at)).scalars())


def cancel(unit: Unit, batch: bytes, version: int, unused: int) -> Batch:
    """Take back the codes that nobody used: `unused` of them, voided at the relay before. They are credited.

    Raises desk.changed, desk.not_now (cancelled before, or too old).
    """
    before = _still(unit, batch, version)
    if unused:
        _credit(unit, before, unused)
    _update(unit, before, cancelled_at=unit.now)
    unit.log(
        "batch.cancelled",
        batch,
        reseller=before.reseller,
        organisation=before.organisation,
        unused=unused,
    )
    return find(unit.connection, batch)


def find(connection: Connection, batch: bytes, reseller: bytes | None = None) -> Batch:
    """`reseller`: who asks; None for whoever sees all. Raises desk.unknown."""
    row = connection.execute(select(table).where(table.c.batch == batch)).one_or_none()
    if row is None or (reseller is not None and row.reseller != reseller):
        raise error("desk.unknown")
    return _batch(row)


def page(
    connection: Connection, *, reseller: bytes | None = None, after: bytes | None = None, limit: int = 50
) -> list[Batch]:
    """The newest first. Raises desk.unknown for a page after what is not there."""
    query = (
        select(table).order_by(table.c.ordered_at.desc(), table.c.batch.desc()).limit(min(limit, MAX_PAGE))
    )
    if reseller is not None:
        query = query.where(table.c.reseller == reseller)
    if after is not None:
        last = find(connection, after, reseller)
        query = query.where(
            (table.c.ordered_at < last.ordered_at)
            | ((table.c.ordered_at == last.ordered_at) & (table.c.batch < last.id))
        )
    return [_batch(row) for row in connection.execute(query)]


def sold_for(connection: Connection, reseller: bytes, organisation: bytes) -> bool:
    """Whether this reseller has had codes for lines of this organisation."""
    query = select(table.c.batch).where(table.c.reseller == reseller, table.c.organisation == organisation)
    return connection.execute(query.limit(1)).first() is not None


def check_open(batch: Batch, now: int) -> None:
    """Raises desk.not_now for an order that was cancelled, or so old that the relay has forgotten codes."""
    if batch.cancelled_at is not None:
        raise error("desk.not_now", "This order was cancelled; order anew.")
    if now - batch.ordered_at > MAX_AGE:
        raise error("desk.not_now", "This order is too old to be changed.")


def _still(unit: Unit, batch: bytes, version: int) -> Batch:
    found = find(unit.connection, batch)
    if found.version != version:
        raise error("desk.changed")
    check_open(found, unit.now)
    return found


def _draft(unit: Unit, buyer: Buyer, batch: bytes, lines: tuple[Line, ...], currency: str) -> Draft:
    who = seller(unit.connection)
    agreed = terms_of(unit.connection, buyer.reseller)
    check_vat(who.party, buyer.party, agreed.treatment, max(line.vat_rate for line in lines))
    rate = rates.needed(unit.connection, currency, who.party.country, utc_date(unit.now))
    return Draft(
        kind="invoice",
        reseller=buyer.reseller,
        batch=batch,
        seller=who.party,
        buyer=buyer.party,
        lines=lines,
        currency=currency,
        language=buyer.language,
        treatment=agreed.treatment,
        exemption=agreed.exemption,
        payment_days=agreed.payment_days,
        reference=batch.hex()[:8].upper(),
        iban=who.iban,
        rate=0 if rate is None else rate.millionths,
        rate_day=None if rate is None else rate.day,
    )


def _credit(unit: Unit, batch: Batch, unused: int) -> None:
    """As the invoice was: its seller, its buyer, its treatment of VAT and its rate, whatever came since."""
    was = find_invoice(unit.connection, batch.invoice)
    line = was.invoice.lines[0]
    issue(
        unit,
        Draft(
            kind="credit_note",
            reseller=batch.reseller,
            batch=batch.id,
            seller=was.invoice.seller,
            buyer=was.invoice.buyer,
            lines=(Line(line.designation, unused, line.unit_net, line.vat_rate),),
            currency=was.invoice.currency,
            language=was.language,
            treatment=was.invoice.treatment,
            exemption=was.invoice.exemption,
            payment_days=0,
            reference=batch.reference,
            iban="",
            refers_to=batch.invoice,
            rate=was.invoice.rate,
            rate_day=was.invoice.rate_day,
        ),
    )


def _update(unit: Unit, batch: Batch, **values: object) -> None:
    unit.connection.execute(
        update(table).where(table.c.batch == batch.id).values(values | {"version": batch.version + 1})
    )


def _batch(row: Row[Any]) -> Batch:
    return Batch(
        row.batch,
        row.reseller,
        row.organisation,
        row.plan,
        row.months,
        row.unit_net,
        row.currency,
        row.vat_rate,
        row.quantity,
        row.ordered_at,
        row.invoice,
        row.made_at,
        row.cancelled_at,
        row.version,
    )
