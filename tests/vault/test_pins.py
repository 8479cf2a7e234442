"""What is a PIN: every refusal says why, and no random PIN outside the weak classes is refused."""

from __future__ import annotations

import random
import unicodedata
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chappe.vault import pins
from chappe.wire.errors import ChappeError

REASONS = {
    "": "six|6 digits|12 characters",
    "12345": "6 digits",
    "1111111": "same digit",
    "123456": "in a row",
    "654321": "in a row",
    "890123": "in a row",
    "3210987": "in a row",
    "121212": "repeated",
    "123123": "repeated",
    "48154815": "repeated",
    "311299": "date",
    "123199": "date",
    "991231": "date",
    "31121999": "date",
    "12312005": "date",
    "20051231": "date",
    "121984": "date",
    "198412": "date",
    "123321": "most used",
    "159753": "most used",
    "12344321": "most used",
    "483915": "address",
    "short words": "12 characters",
    "aaaaaaaaaaaaa": "different characters",
    "abc123abc123": "repeated",
    "abcdefghijklm": "in a row",
    "qwertyuiopasd": "in a row",
    "Password1234": "most used",
    "mot de passe 12": "most used",
    "ada@relay.example": "own address",
    "ada relay.example": "own address",
    "PIN with\ttab in it": "control",
    "x" * 257: "at most",
}


@pytest.mark.parametrize("pin", list(REASONS))
def test_weak_ones_are_refused_with_the_reason(pin: str) -> None:
    with pytest.raises(ChappeError, match=REASONS[pin]) as caught:
        pins.check(pin, "ada@relay.example", "line483915@relay.example")
    assert caught.value.code == "vault.weak_pin"
    assert not pin or len(pin) < 6 or pin not in caught.value.message, "a message holds no PIN"


@pytest.mark.parametrize(
    "pin",
    [
        "480297",
        "903761",
        "5550123",
        "7291046385",
        "green kettles sing",
        "Zwölf Kräne am Fluß",
        "пять синих лодок",
    ],
)
def test_good_ones(pin: str) -> None:
    assert pins.check(pin, "ada@relay.example") == unicodedata.normalize("NFC", pin)


def test_one_form_for_what_looks_the_same() -> None:
    composed, apart = "Café crème brûlée", unicodedata.normalize("NFD", "Café crème brûlée")
    assert composed != apart
    assert pins.check(composed) == pins.check(apart)


@given(st.text(max_size=300), st.lists(st.text(max_size=20), max_size=3))
def test_anything_is_taken_or_refused_with_a_reason(pin: str, own: list[str]) -> None:
    taken, refused = _checked(pin, *own)
    if refused is None:
        assert pins.check(taken, *own) == taken
        assert len(taken) >= 6
    else:
        assert refused.code == "vault.weak_pin"
        assert refused.message.endswith(".")
        assert len(refused.message) > 20


def _checked(pin: str, *own: str) -> tuple[str, ChappeError | None]:
    try:
        return pins.check(pin, *own), None
    except ChappeError as problem:
        return "", problem


def weak_class(pin: str) -> bool:
    """The classes once more, told another way."""
    n = len(pin)
    digits = [int(c) for c in pin]
    if all((b - a) % 10 == 1 for a, b in pairwise(digits)):
        return True
    if all((a - b) % 10 == 1 for a, b in pairwise(digits)):
        return True
    if any(n % size == 0 and pin == pin[:size] * (n // size) for size in range(1, n)):
        return True
    if pin in pins._COMMON_PINS:
        return True
    return maybe_date(pin)


def maybe_date(pin: str) -> bool:
    """Too wide rather than too narrow: a day and a month, with a year in some place."""

    def day_and_month(text: str) -> bool:
        a, b = int(text[:2]), int(text[2:])
        return (1 <= a <= 31 and 1 <= b <= 12) or (1 <= a <= 12 and 1 <= b <= 31)

    if len(pin) == 6:
        months = pin[:2] in ("19", "20") and 1 <= int(pin[4:]) <= 12
        months |= pin[2:4] in ("19", "20") and 1 <= int(pin[:2]) <= 12
        return months or day_and_month(pin[:4]) or day_and_month(pin[2:])
    if len(pin) == 8:
        early = pin[:2] in ("19", "20") and day_and_month(pin[4:])
        return early or (pin[4:6] in ("19", "20") and day_and_month(pin[:4]))
    return False


@given(st.text("0123456789", min_size=6, max_size=20))
def test_random_digits_outside_the_weak_classes_are_taken(pin: str) -> None:
    if not weak_class(pin):
        assert pins.check(pin, "ada@relay.example") == pin


def test_most_random_pins_are_taken() -> None:
    """The rules leave enough: a person who takes random digits is seldom sent back."""
    chance = random.Random(1)

    def taken(length: int) -> float:
        good = 0
        for _ in range(3000):
            good += _checked("".join(chance.choices("0123456789", k=length)))[1] is None
        return good / 3000

    assert taken(6) > 0.85
    assert taken(7) > 0.99
    assert taken(8) > 0.98
