"""An invoice, or the credit note that takes one back: what stands on it, and its sums. No database here.

The sums are those of EN 16931: lines are net, VAT is taken once for each rate on the sum of its lines.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import Literal, TypeAlias

from chappe.desk.money import euros, vat_of

Kind: TypeAlias = Literal["invoice", "credit_note"]
Treatment: TypeAlias = Literal["standard", "reverse_charge", "exempt"]
"""Of VAT: charged; owed by the buyer (article 196 of directive 2006/112/EC); not charged, for a reason."""


@dataclass(frozen=True, slots=True)
class Party:
    """Who sells or buys. `country`: ISO 3166 alpha-2; `legal_id`: SIREN or its equal, or empty."""

    name: str
    street: str
    postcode: str
    city: str
    country: str
    vat_number: str = ""
    legal_id: str = ""
    email: str = ""


@dataclass(frozen=True, slots=True)
class Line:
    """`unit_net` in minor units; `vat_rate` in basis points."""

    designation: str
    quantity: int
    unit_net: int
    vat_rate: int

    @property
    def net(self) -> int:
        return self.quantity * self.unit_net


@dataclass(frozen=True, slots=True)
class Vat:
    """What is owed at one rate."""

    rate: int
    base: int
    amount: int


@dataclass(frozen=True, slots=True)
class Invoice:
    """A credit note has the same positive amounts, and names the invoice that it takes back. `rate`:
    millionths of a euro for one unit of another currency, on `rate_day`; 0 where the VAT need not be said in
    euros."""

    number: str
    kind: Kind
    issued: date
    due: date
    seller: Party
    buyer: Party
    lines: tuple[Line, ...]
    currency: str
    treatment: Treatment = "standard"
    exemption: str = ""
    refers_to: str = ""
    reference: str = ""
    iban: str = ""
    terms: str = ""
    rate: int = 0
    rate_day: date | None = None

    @property
    def net(self) -> int:
        return sum(line.net for line in self.lines)

    @property
    def vat(self) -> tuple[Vat, ...]:
        """One for each rate, lowest first."""
        bases: dict[int, int] = {}
        for line in self.lines:
            rate = line.vat_rate if self.treatment == "standard" else 0
            bases[rate] = bases.get(rate, 0) + line.net
        return tuple(Vat(rate, base, vat_of(base, rate)) for rate, base in sorted(bases.items()))

    @property
    def vat_total(self) -> int:
        return sum(one.amount for one in self.vat)

    @property
    def vat_in_euros(self) -> int | None:
        """In cents, where VAT is charged in another currency and has to be said in euros (BT-111)."""
        return euros(self.vat_total, self.currency, self.rate) if self.rate and self.vat_total else None

    @property
    def gross(self) -> int:
        return self.net + self.vat_total
