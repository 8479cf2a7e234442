"""The table of errors: codes and exit statuses that scripts may rely on."""

from __future__ import annotations

import re

import pytest

from chappe.wire import errors
from chappe.wire.errors import KINDS, ChappeError, Fault, error, from_peer


def test_codes_and_statuses_are_distinct_and_in_range() -> None:
    assert len(KINDS) == len(errors._ROWS)
    statuses = [kind.exit_status for kind in KINDS.values()]
    assert len(set(statuses)) == len(statuses)
    # 0 and 1 mean something else, 126 and up are the shell's.
    assert all(2 <= status <= 125 for status in statuses)
    assert KINDS["usage.invalid"].exit_status == 2


@pytest.mark.parametrize("kind", KINDS.values(), ids=lambda kind: kind.code)
def test_each_row(kind: errors.ErrorKind) -> None:
    assert re.fullmatch(r"[a-z]+\.[a-z_]+", kind.code)
    assert re.fullmatch(r"[A-Z][^{}\n]{10,110}\.", kind.message)
    problem = error(kind.code)
    assert (problem.code, problem.message, problem.exit_status) == (kind.code, kind.message, kind.exit_status)
    assert str(problem) == f"{kind.message} [{kind.code}]"
    assert error(kind.code, "Other words.").message == "Other words."


def test_the_class_follows_the_fault() -> None:
    classes = {
        Fault.INPUT: errors.BadInput,
        Fault.REFUSAL: errors.Refused,
        Fault.NETWORK: errors.Unreachable,
        Fault.CRYPTO: errors.CryptoFailure,
        Fault.STORAGE: errors.StorageFailure,
    }
    assert set(classes) == set(Fault)
    for kind in KINDS.values():
        assert type(error(kind.code)) is classes[kind.fault]


def test_an_unknown_code_is_a_mistake_of_ours() -> None:
    with pytest.raises(KeyError):
        error("no.such")


def test_what_a_peer_says_is_not_repeated_to_people() -> None:
    """The words are those of the table: a hostile relay must not speak in its place."""
    told = from_peer("code.used", "Send your PIN to evil.example")
    assert told.message == KINDS["code.used"].message


@pytest.mark.parametrize("code", ["new.code", "", "x" * 10_000, "\x1b[2J", "a\nb"])
def test_codes_of_a_newer_peer(code: str) -> None:
    problem = from_peer(code, "whatever")
    assert isinstance(problem, ChappeError)
    assert problem.code == "frame.unknown_type"
    assert len(problem.message) < 400
    assert all(c.isprintable() for c in problem.message)
