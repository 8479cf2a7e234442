"""On what terms the desk sells: who the seller is on invoices, and how each reseller is invoiced."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from babel import Locale
from sqlalchemy import Connection, select
from sqlalchemy.dialects.sqlite import insert as upsert
from stdnum import iban as iban_numbers
from stdnum.exceptions import ValidationError

from chappe.desk import companies
from chappe.desk.database import Unit
from chappe.desk.invoice import Party, Treatment
from chappe.desk.ledger_tables import seller as seller_table
from chappe.desk.ledger_tables import trading_terms
from chappe.wire.errors import error

TREATMENTS: Final[tuple[Treatment, ...]] = ("standard", "reverse_charge", "exempt")
MAX_PAYMENT_DAYS: Final = 60
"""Article L441-10 of the French commercial code: no longer between businesses."""
DEFAULT_PAYMENT_DAYS: Final = 30


@dataclass(frozen=True, slots=True)
class Seller:
    """The operator as he stands on invoices. `version` 0: not told yet."""

    party: Party
    iban: str
    version: int


@dataclass(frozen=True, slots=True)
class Terms:
    """How a reseller is invoiced. `version` 0: as everybody is."""

    treatment: Treatment = "standard"
    exemption: str = ""
    payment_days: int = DEFAULT_PAYMENT_DAYS
    version: int = 0


def seller(connection: Connection) -> Seller:
    """Raises desk.not_now while the operator has not said who he is: no invoice can be issued then."""
    row = connection.execute(select(seller_table)).one_or_none()
    if row is None:
        raise error("desk.not_now", "The desk does not know the seller yet: say who sells, for the invoices.")
    party = Party(
        row.name,
        row.street,
        row.postcode,
        row.city,
        row.country,
        row.vat_number,
        row.registration,
        row.email,
    )
    return Seller(party, row.iban, row.version)


def set_seller(unit: Unit, party: Party, iban: str, version: int) -> Seller:
    """`version`: of what is replaced, 0 for the first. Raises desk.malformed, desk.changed."""
    values = _checked_party(party) | {"iban": checked_iban(iban)}
    before = unit.connection.execute(select(seller_table.c.version)).scalar() or 0
    if before != version:
        raise error("desk.changed")
    new = values | {"seller": 1, "version": version + 1}
    unit.connection.execute(
        upsert(seller_table).values(new).on_conflict_do_update(index_elements=["seller"], set_=new)
    )
    unit.log("seller.set")
    return seller(unit.connection)


def terms_of(connection: Connection, reseller: bytes) -> Terms:
    """What was agreed with a reseller, or what everybody has."""
    row = connection.execute(select(trading_terms).where(trading_terms.c.reseller == reseller)).one_or_none()
    return Terms() if row is None else Terms(row.treatment, row.exemption, row.payment_days, row.version)


def set_terms(unit: Unit, reseller: bytes, terms: Terms) -> Terms:
    """`terms.version`: of what is replaced. Raises desk.malformed, desk.changed."""
    exemption = " ".join(terms.exemption.split())
    if terms.treatment not in TREATMENTS or not 0 <= terms.payment_days <= MAX_PAYMENT_DAYS:
        raise error("desk.malformed", f"VAT is one of {', '.join(TREATMENTS)}; at most 60 days to pay.")
    if (terms.treatment == "exempt") != bool(exemption) or len(exemption) > 200:
        raise error("desk.malformed", "Who is exempt from VAT is so for a reason, which the invoice says.")
    if terms_of(unit.connection, reseller).version != terms.version:
        raise error("desk.changed")
    new = {
        "reseller": reseller,
        "treatment": terms.treatment,
        "exemption": exemption,
        "payment_days": terms.payment_days,
        "version": terms.version + 1,
    }
    unit.connection.execute(
        upsert(trading_terms).values(new).on_conflict_do_update(index_elements=["reseller"], set_=new)
    )
    unit.log(
        "trading.changed",
        reseller,
        reseller=reseller,
        treatment=terms.treatment,
        payment_days=terms.payment_days,
    )
    return terms_of(unit.connection, reseller)


def check_vat(seller: Party, buyer: Party, treatment: Treatment, rate: int) -> None:
    """Raises desk.not_now for an invoice that the directive (2006/112/EC, article 226, 3 and 4) does not
    allow: VAT that nobody with a number charges, or that is left to a buyer whose number is not on it."""
    if treatment == "reverse_charge" and not (seller.vat_number and buyer.vat_number):
        raise error(
            "desk.not_now", "Reverse charge needs the VAT numbers of both, the seller and the reseller."
        )
    if treatment == "standard" and rate and not seller.vat_number:
        raise error(
            "desk.not_now", "The seller has no VAT number, and so charges none: give it, or a plan at 0 %."
        )


def checked_iban(text: str) -> str:
    """In its compact form; empty for none. Raises desk.malformed."""
    if not text.strip():
        return ""
    try:
        return str(iban_numbers.validate(text))
    except ValidationError:
        raise error("desk.malformed", "That is no IBAN; check it for a typing mistake.") from None


def checked_country(text: str) -> str:
    """ISO 3166-1 alpha-2. Raises desk.malformed."""
    code = text.strip().upper()
    if len(code) != 2 or not code.isalpha() or code not in Locale("en").territories:
        raise error("desk.malformed", "A country is two letters, such as FR.")
    return code


def _checked_party(party: Party) -> dict[str, object]:
    values = {
        "name": (party.name, 1, 120),
        "street": (party.street, 1, 200),
        "postcode": (party.postcode, 0, 16),
        "city": (party.city, 1, 80),
        "registration": (party.legal_id, 0, 32),
        "vat_number": (party.vat_number, 0, 20),
        "email": (party.email, 0, 254),
    }
    checked: dict[str, object] = {"country": checked_country(party.country)}
    for name, (text, least, most) in values.items():
        text = " ".join(text.split())
        if not least <= len(text) <= most or not text.isprintable():
            raise error("desk.malformed", f"The seller's {name} has {least} to {most} letters.")
        checked[name] = text
    country = str(checked["country"])
    if checked["registration"] or country == "FR":
        checked["registration"] = companies.registration(country, str(checked["registration"]))
    number = str(checked["vat_number"])
    checked["vat_number"] = companies.vat_number(country, number, str(checked["registration"]))
    return checked
