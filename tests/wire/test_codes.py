"""Activation codes: shown, typed again, and every likely typing mistake found."""

from __future__ import annotations

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chappe.wire import codes
from chappe.wire.errors import BadInput

bits = st.integers(min_value=0, max_value=2**75 - 1)


def test_a_known_code_keeps_its_form() -> None:
    code = codes.new(0x123456789ABCDEF0123)
    assert codes.show(code) == "4HMA-SW9N-F6YY-093X"
    assert codes.digest(code) == hashlib.sha256(b"chappe code v14HMASW9NF6YY093X").digest()


def test_codes_differ() -> None:
    assert len({codes.new() for _ in range(100)}) == 100


@given(bits, st.sampled_from(["upper", "lower"]), st.sampled_from(["-", " ", "", "\u2013", " - "]))
def test_what_is_shown_can_be_typed(value: int, case: str, dash: str) -> None:
    code = codes.new(value)
    typed = getattr(codes.show(code).replace("-", dash), case)()
    assert codes.parse(f" {typed}\n") == code


@given(bits)
def test_look_alikes_are_read_as_meant(value: int) -> None:
    code = codes.new(value)
    assert codes.parse(code.replace("0", "O").replace("1", "l")) == code
    assert codes.parse(code.replace("0", "o").replace("1", "I")) == code


@given(bits, st.integers(0, 15), st.sampled_from(codes.ALPHABET))
def test_one_wrong_character_is_found(value: int, place: int, char: str) -> None:
    code = codes.new(value)
    wrong = code[:place] + char + code[place + 1 :]
    if wrong == code:
        return
    with pytest.raises(BadInput, match=r"code\.malformed"):
        codes.parse(wrong)


@given(bits, st.integers(0, 15), st.integers(0, 15))
def test_two_characters_that_changed_places_are_found(value: int, one: int, other: int) -> None:
    chars = list(codes.new(value))
    if chars[one] == chars[other]:
        return
    chars[one], chars[other] = chars[other], chars[one]
    with pytest.raises(BadInput, match=r"code\.malformed"):
        codes.parse("".join(chars))


@given(st.text())
def test_any_text_is_a_code_or_malformed(text: str) -> None:
    try:
        code = codes.parse(text)
    except BadInput as exc:
        assert exc.code == "code.malformed"  # noqa: PT017 - either outcome is right, this one has a code
    else:
        assert codes.parse(codes.show(code)) == code


@pytest.mark.parametrize("text", ["", "4HMA-SW9N-F6YY-093", "4HMA-SW9N-F6YY-093X0", "U" * 16, "0" * 10_000])
def test_other_lengths_and_characters_are_refused(text: str) -> None:
    with pytest.raises(BadInput, match=r"code\.malformed"):
        codes.parse(text)


@pytest.mark.parametrize("value", [-1, 2**75])
def test_a_code_has_75_bits(value: int) -> None:
    with pytest.raises(ValueError, match="75 bits"):
        codes.new(value)
