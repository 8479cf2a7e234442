"""Amounts are whole numbers, rounded once, and shown as people write them."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chappe.desk.money import (
    CURRENCIES,
    MAX_AMOUNT,
    checked_amount,
    checked_rate,
    decimal,
    digits,
    shown,
    shown_rate,
    vat_of,
)
from chappe.wire.errors import ChappeError


@pytest.mark.parametrize(
    ("net", "rate", "vat"),
    [
        (4900, 2000, 980),
        (999, 550, 55),
        (1, 2000, 0),
        (3, 2000, 1),
        (-3, 2000, -1),
        (0, 2000, 0),
        (100, 0, 0),
    ],
)
def test_vat_is_rounded_half_away_from_zero(net: int, rate: int, vat: int) -> None:
    assert vat_of(net, rate) == vat


@given(st.integers(-(10**12), 10**12), st.integers(0, 3000))
def test_vat_is_the_nearest_cent_and_taken_back_whole(net: int, rate: int) -> None:
    assert abs(Decimal(net) * rate / 10_000 - vat_of(net, rate)) <= Decimal("0.5")
    assert vat_of(-net, rate) == -vat_of(net, rate)


def test_each_currency_has_its_decimals() -> None:
    assert [str(decimal(12345, name)) for name in ("EUR", "XOF")] == ["123.45", "12345"]
    # An invoice of EN 16931 has two decimals at the most.
    assert {digits(name) for name in CURRENCIES} == {0, 2}
    for name in ("BTC", "TND"):
        with pytest.raises(ChappeError) as caught:
            digits(name)
        assert caught.value.code == "desk.malformed"


def test_people_read_them_as_they_write_them() -> None:
    assert shown(123450, "EUR", "fr").replace("\u202f", " ").replace("\xa0", " ") == "1 234,50 €"
    assert shown(123450, "EUR", "en") == "€1,234.50"
    assert (shown_rate(550, "fr"), shown_rate(2000, "en")) == ("5,5\u202f%", "20%")


@pytest.mark.parametrize("amount", [-1, MAX_AMOUNT + 1])
def test_a_price_out_of_bounds_is_refused(amount: int) -> None:
    with pytest.raises(ChappeError) as caught:
        checked_amount(amount)
    assert caught.value.code == "desk.malformed"


@pytest.mark.parametrize("rate", [-1, 3001])
def test_a_rate_out_of_bounds_is_refused(rate: int) -> None:
    with pytest.raises(ChappeError) as caught:
        checked_rate(rate)
    assert caught.value.code == "desk.malformed"
