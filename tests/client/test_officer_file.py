"""An officer's file: sealed, whole or not there, and theirs alone."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chappe.client.officer_file import MAGIC, Head, OfficerFile, OfficerState, check_passphrase
from chappe.client.officer_keys import fleet_keys, new_seed, officer_keys
from chappe.wire.errors import BadInput, ChappeError

WORDS = "violets at the ministry"
SEED, FLEET_SEED = b"officer seed".ljust(32, b"."), b"fleet seed".ljust(32, b".")
STATE = OfficerState(1, "appointed", b"i" * 16, "Ada", SEED, 1, FLEET_SEED)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("officer") / "officer.chappe"
    OfficerFile.create(path, WORDS, STATE)
    return path


def refused(path: Path, code: str, words: str = WORDS) -> None:
    with pytest.raises(ChappeError) as caught:
        OfficerFile.open(path, words)
    assert caught.value.code == code


def test_round_trip_and_rights(made: Path) -> None:
    assert OfficerFile.open(made, WORDS).state == STATE
    assert stat.S_IMODE(made.stat().st_mode) == 0o600
    assert [one.name for one in made.parent.iterdir()] == [made.name]


def test_nothing_of_it_lies_open(made: Path) -> None:
    data = made.read_bytes()
    for secret in (SEED, FLEET_SEED, b"Ada", fleet_keys(FLEET_SEED).sealing.private, WORDS.encode()):
        assert secret not in data
    opened = OfficerFile.open(made, WORDS)
    for text in (repr(opened), repr(opened.state), repr(fleet_keys(FLEET_SEED)), str(opened.state)):
        assert "seed" not in text
        assert FLEET_SEED.hex() not in text


def test_another_passphrase(made: Path) -> None:
    refused(made, "fleet.wrong_passphrase", "violets at the museum")


def test_the_same_passphrase_spelled_in_another_unicode_form(tmp_path: Path) -> None:
    path = tmp_path / "file"
    OfficerFile.create(path, "caf\u00e9 au lait et violettes", STATE)
    assert OfficerFile.open(path, "cafe\u0301 au lait et violettes").state == STATE


def test_no_file_and_a_file_already(made: Path, tmp_path: Path) -> None:
    refused(tmp_path / "none", "fleet.missing")
    before = made.read_bytes()
    with pytest.raises(ChappeError, match=r"fleet\.exists"):
        OfficerFile.create(made, WORDS, STATE)
    assert made.read_bytes() == before


def test_a_file_of_something_else(tmp_path: Path) -> None:
    for data in (b"", b"hello", MAGIC, MAGIC + bytes(27)):
        (tmp_path / "file").write_bytes(data)
        refused(tmp_path / "file", "storage.failed")


@settings(max_examples=4, deadline=None)
@given(at=st.integers(len(MAGIC), 10_000), bit=st.integers(0, 7))
def test_every_bit_counts(made: Path, at: int, bit: int) -> None:
    """Header, salt and nonce are authenticated as well."""
    data = bytearray(made.read_bytes())
    data[len(MAGIC) + at % (len(data) - len(MAGIC))] ^= 1 << bit
    spoilt = made.with_name("spoilt")
    spoilt.write_bytes(data)
    try:
        refused(spoilt, "fleet.wrong_passphrase")
    finally:
        spoilt.unlink()


def test_keeping_changes_it_whole(tmp_path: Path) -> None:
    path = tmp_path / "file"
    first = OfficerFile.create(path, WORDS, STATE)
    before = path.read_bytes()
    first.keep(audit=Head(3, b"r" * 32))
    assert OfficerFile.open(path, WORDS).state.audit == Head(3, b"r" * 32)
    header = len(MAGIC) + 16
    assert path.read_bytes()[:header] == before[:header]
    assert path.read_bytes()[header : header + 12] != before[header : header + 12], "a nonce is used once"
    assert [one.name for one in tmp_path.iterdir()] == ["file"]


def test_two_commands_do_not_forget_for_each_other(tmp_path: Path) -> None:
    path = tmp_path / "file"
    OfficerFile.create(path, WORDS, STATE)
    one, other = OfficerFile.open(path, WORDS), OfficerFile.open(path, WORDS)
    one.keep(audit=Head(3, b"r" * 32))
    with pytest.raises(ChappeError, match=r"storage\.locked"):
        other.keep(audit=Head(2, b"s" * 32))
    assert OfficerFile.open(path, WORDS).state.audit == Head(3, b"r" * 32)


@pytest.mark.parametrize(
    "words", ["", "12345678901234567890", "short", "aaaaaaaaaaaaaaaa", "Ada Ada Ada Ada"]
)
def test_passphrases_that_are_none(words: str, tmp_path: Path) -> None:
    """Whoever copies the file guesses without a count: digits alone are never enough."""
    with pytest.raises(BadInput, match=r"vault\.weak_pin"):
        OfficerFile.create(tmp_path / "file", words, STATE)
    assert not (tmp_path / "file").exists()


def test_a_passphrase() -> None:
    assert check_passphrase(WORDS, "Ada") == WORDS


def test_keys_come_from_seeds_and_are_apart() -> None:
    seed = new_seed()
    fleet, officer = fleet_keys(seed), officer_keys(seed)
    assert fleet.public == fleet_keys(seed).public
    assert len({fleet.public, officer.public, fleet.seal_key, officer.seal_key}) == 4
    assert fleet_keys(new_seed()).public != fleet.public
    assert len(fleet.seal_key) == 1216
    assert seed.hex() not in repr(fleet)
