"""Numbers that a country gives its companies: checked by their form, and by their check digits where they
have some."""

from __future__ import annotations

import re
from typing import Final

from stdnum.eu import vat
from stdnum.exceptions import ValidationError
from stdnum.fr import siren

from chappe.wire.errors import error

_FORM: Final = re.compile(r"[A-Z0-9][A-Z0-9 ./-]{1,31}", re.ASCII)
_VAT_FORM: Final = re.compile(r"[A-Z0-9]{4,20}", re.ASCII)
# What VAT numbers of a country begin with, where that is not its code.
_VAT_PREFIX: Final = {"GR": "EL"}


def registration(country: str, typed: str) -> str:
    """Of the country's register of companies, in its short form. Raises desk.malformed."""
    if country == "FR":
        try:
            return str(siren.validate(typed))
        except ValidationError:
            raise error(
                "desk.malformed", "The registration is no SIREN: nine digits, the last a check."
            ) from None
    number = typed.strip().upper()
    if not _FORM.fullmatch(number):
        raise error("desk.malformed", "The registration has a form that no register of companies gives.")
    return number


def vat_number(country: str, typed: str, registered: str) -> str:
    """Of VAT, in its short form; empty stays empty: not everybody is liable.

    Raises desk.malformed for a wrong form or check digit, another country's number, and, in France, one of
    another company than is registered.
    """
    if not typed.strip():
        return ""
    if country.lower() not in vat.MEMBER_STATES:
        number = re.sub(r"[ .-]", "", typed).upper()
        if not _VAT_FORM.fullmatch(number):
            raise error("desk.malformed", "The VAT number has a form that no country gives.")
        return number
    try:
        number = str(vat.validate(typed))
    except ValidationError:
        raise error("desk.malformed", "The VAT number does not hold; check its digits.") from None
    if not number.startswith(_VAT_PREFIX.get(country, country)):
        raise error("desk.malformed", "The VAT number is of another country.")
    if country == "FR" and not number.endswith(registered):
        raise error("desk.malformed", "The VAT number is of another company than the SIREN.")
    return number
