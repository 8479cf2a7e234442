"""Amounts: whole minor units (cents) and a currency; rates of VAT in basis points (20 % is 2,000)."""

from __future__ import annotations

from decimal import Decimal
from typing import Final, Literal, TypeAlias

from babel.numbers import format_currency, format_decimal

from chappe.wire.errors import error

Language: TypeAlias = Literal["fr", "en"]

CURRENCIES: Final = ("EUR", "CHF", "GBP", "USD", "CAD", "XOF", "MAD")
"""What a plan may be sold in. Their minor units differ: a franc CFA is not a hundred of anything. None has
three decimals, which EN 16931 has no room for (BR-DEC-09 to 28)."""
EURO: Final = "EUR"
_DIGITS: Final = {"XOF": 0}
MAX_AMOUNT: Final = 10**12
MAX_VAT: Final = 3_000
_WHOLE: Final = 10_000


def digits(currency: str) -> int:
    """How many decimals the currency has. Raises desk.malformed for one that is not sold in."""
    if currency not in CURRENCIES:
        raise error("desk.malformed", f"The currency is one of {', '.join(CURRENCIES)}.")
    return _DIGITS.get(currency, 2)


def decimal(minor: int, currency: str) -> Decimal:
    """The amount as it is written: 12345 of EUR is 123.45."""
    return Decimal(minor).scaleb(-digits(currency))


def vat_of(net: int, rate: int) -> int:
    """VAT on a net amount, rounded half away from zero, as invoices are."""
    product = abs(net) * rate
    rounded = (product + _WHOLE // 2) // _WHOLE
    return rounded if net >= 0 else -rounded


def euros(minor: int, currency: str, rate: int) -> int:
    """Cents of a euro, rounded half away from zero. `rate`: millionths of a euro for one unit."""
    whole = 1_000_000 * int(10 ** digits(currency))
    rounded = (abs(minor) * rate * 100 + whole // 2) // whole
    return rounded if minor >= 0 else -rounded


def checked_amount(minor: int) -> int:
    """A price as given. Raises desk.malformed if it is negative or beyond any price."""
    if not 0 <= minor <= MAX_AMOUNT:
        raise error("desk.malformed", "An amount is 0 or more, in whole cents.")
    return minor


def checked_rate(rate: int) -> int:
    """A rate of VAT as given. Raises desk.malformed outside 0 to 30 %."""
    if not 0 <= rate <= MAX_VAT:
        raise error("desk.malformed", f"VAT is 0 to {MAX_VAT // 100} %, in hundredths of a percent.")
    return rate


def shown(minor: int, currency: str, language: Language) -> str:
    """For people: `1 234,50 €`, `€1,234.50`."""
    return str(format_currency(decimal(minor, currency), currency, locale=_locale(language)))


def shown_rate(rate: int, language: Language) -> str:
    """For people: `20 %`, `5.5%`."""
    number = str(format_decimal(Decimal(rate).scaleb(-2), locale=_locale(language)))
    return f"{number}\u202f%" if language == "fr" else f"{number}%"


def shown_exchange(millionths: int, language: Language) -> str:
    """For people: `1,1532`."""
    number = Decimal(millionths).scaleb(-6)
    return str(format_decimal(number, format="#,##0.00####", locale=_locale(language)))


def _locale(language: Language) -> str:
    return "fr_FR" if language == "fr" else "en_GB"
