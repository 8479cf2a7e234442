"""Padding: sizes tell little, and cost little."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chappe.wire.padding import LEAST, padded_length, padding_for


@given(st.integers(0, 2**40))
def test_it_never_shrinks_and_adds_an_eighth_at_most(length: int) -> None:
    padded = padded_length(length)
    assert padded == length + padding_for(length)
    assert padded >= max(length, LEAST)
    assert length <= LEAST or padded <= length * 1.12
    assert padded_length(padded) == padded


@given(st.integers(0, 2**30), st.integers(0, 2**30))
def test_a_longer_one_is_not_shorter_padded(one: int, other: int) -> None:
    if one <= other:
        assert padded_length(one) <= padded_length(other)


def test_sizes_fall_into_few_classes() -> None:
    assert len({padded_length(length) for length in range(257)}) == 1
    assert len({padded_length(length) for length in range(1024 * 1024)}) <= 257


@pytest.mark.parametrize(
    ("length", "padded"),
    [(0, 256), (256, 256), (257, 272), (272, 272), (1000, 1024), (1025, 1088), (10_000, 10_240)],
)
def test_known_lengths(length: int, padded: int) -> None:
    """By hand: 257 has 9 bits, of which PADMÉ keeps 5; 1,025 has 11, of which it keeps 5."""
    assert padded_length(length) == padded


def test_a_length_is_not_negative() -> None:
    with pytest.raises(ValueError, match="negative"):
        padded_length(-1)
