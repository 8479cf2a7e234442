"""The parts of the share service: sealing as the wire does it, overwriting, keys, head, reserve."""

from __future__ import annotations

import errno
import os
import secrets
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chappe.relay.shares import disk, reserve, sealed
from chappe.relay.shares.epoch import FILE_BYTES, PLACE_BYTES, EpochFile, EpochKey
from chappe.relay.shares.head import Head
from chappe.wire import unlock
from chappe.wire.errors import ChappeError
from chappe.wire.wiping import wipe

KEY = unlock.ServiceKey.generate()
OPENER = sealed.Opener(KEY)


def refused(code: str) -> Any:
    return pytest.raises(ChappeError, match=rf"\[{code}\]")


# --- sealed


def test_the_opener_opens_what_the_wire_seals() -> None:
    assert OPENER.public == KEY.public
    enrolment = unlock.Enrolment(b"d" * 16, *[secrets.token_bytes(32) for _ in range(3)])
    assert OPENER.enrolment(unlock.seal_enrolment(KEY.public, enrolment)) == enrolment
    guess = unlock.make_guess(bytes(32), b"d" * 16, bytes(32), bytes(32))
    assert OPENER.guess(unlock.seal_guess(KEY.public, guess)) == guess


@settings(max_examples=50, deadline=None)
@given(
    st.sampled_from(["open", "wrong", "wait", "gone"]),
    st.none() | st.binary(min_size=32, max_size=32),
    st.integers(0, 10),
    st.integers(0, 2**31),
)
def test_answers_are_the_wires_to_the_byte(status: Any, share: bytes | None, tries: int, wait: int) -> None:
    answer = unlock.Answer(status, share, tries, wait)
    assert sealed.seal_answer(bytes(32), answer) == unlock.seal_answer(bytes(32), answer)


@settings(max_examples=50, deadline=None)
@given(st.binary(max_size=1500))
def test_what_does_not_open(data: bytes) -> None:
    for opened in (OPENER.enrolment, OPENER.guess):
        with refused("unlock.malformed"):
            opened(data)


# --- wiping


def test_overwriting() -> None:
    value, buffer = secrets.token_bytes(32), bytearray(secrets.token_bytes(32))
    wipe(value, buffer, None, b"", b"a")
    assert value == bytes(32) == buffer
    assert bytes([97]) == b"a"


# --- the epoch's key


def new_epoch(tmp_path: Path) -> tuple[Path, EpochFile]:
    path = tmp_path / "epoch"
    EpochFile.create(path)
    return path, EpochFile(path)


def wrapped(key: EpochKey, clear: bytes = bytes(range(64))) -> bytes:
    return key.wrap(b"d" * 16, b"u" * 32, bytearray(clear))


def opens(key: EpochKey, data: bytes, device: bytes = b"d" * 16, unlock_key: bytes = b"u" * 32) -> bytes:
    into = bytearray(64)
    key.unwrap(device, unlock_key, data, into)
    return bytes(into)


def test_a_row_opens_with_its_key_for_its_device_alone(tmp_path: Path) -> None:
    _, epoch = new_epoch(tmp_path)
    key = epoch.first()
    data = wrapped(key)
    assert opens(key, data) == bytes(range(64))
    assert wrapped(key) != data
    for other, changed, device, unlock_key in (
        (key, data, b"e" * 16, b"u" * 32),
        (key, data, b"d" * 16, b"v" * 32),
        (key, data[:-1], b"d" * 16, b"u" * 32),
        (key, b"", b"d" * 16, b"u" * 32),
        (key, bytes([data[0] ^ 1]) + data[1:], b"d" * 16, b"u" * 32),
        (epoch.begin(), data, b"d" * 16, b"u" * 32),
    ):
        with refused(r"storage\.failed"):
            opens(other, changed, device, unlock_key)


@pytest.mark.parametrize("keep", ["old", "new"])
def test_a_change_of_keys_that_a_crash_cuts_off(tmp_path: Path, keep: str) -> None:
    path, epoch = new_epoch(tmp_path)
    old, old_bytes = epoch.first(), path.read_bytes()[:32]
    new = epoch.begin()
    assert epoch.unsettled
    # The crash: only the file is left.
    again = EpochFile(path)
    assert again.unsettled
    counts = {"old": old, "new": new}[keep]
    again.settle(counts.id)
    assert not again.unsettled
    assert path.stat().st_size == FILE_BYTES
    assert (old_bytes in path.read_bytes()) is (keep == "old")
    assert len(path.read_bytes().replace(b"\0", b"")) <= 32
    assert again.key(counts.id).id == counts.id
    for _ in range(3):
        again.settle(again.begin().id)
    assert len(EpochFile(path).first().id) == 16


def test_keys_that_are_gone(tmp_path: Path) -> None:
    path, epoch = new_epoch(tmp_path)
    old = epoch.first().id
    new = epoch.begin()
    epoch.settle(new.id)
    with refused(r"shares\.rolled_back"):
        epoch.key(old)
    with refused(r"shares\.rolled_back"):
        epoch.settle(old)
    path.write_bytes(bytes(FILE_BYTES))
    with refused(r"shares\.rolled_back"):
        EpochFile(path).first()


def test_a_settled_key_is_overwritten_in_memory(tmp_path: Path) -> None:
    _, epoch = new_epoch(tmp_path)
    old = epoch.first()
    held = old._key
    epoch.settle(epoch.begin().id)
    assert held == bytes(32)
    new = epoch.first()
    epoch.forget()
    assert new._key == bytes(32)


def test_files_are_for_their_owner_alone(tmp_path: Path) -> None:
    path, _ = new_epoch(tmp_path)
    assert path.stat().st_mode & 0o777 == 0o600
    assert not path.with_name("epoch.new").exists()
    assert PLACE_BYTES * 2 == FILE_BYTES


# --- the head


def test_the_head(tmp_path: Path) -> None:
    path = tmp_path / "head"
    Head.create(path, b"k" * 96)
    head = Head(path, b"k" * 96)
    assert head.number == 0
    for number in (1, 2, 2**40):
        head.write(number)
        assert Head(path, b"k" * 96).number == head.number == number
    with refused(r"shares\.rolled_back"):
        Head(path, b"l" * 96)
    good = path.read_bytes()
    for bad in (b"", good[:-1], bytes(72), bytes(7) + b"\xff" + good[8:], good[:71] + bytes([good[71] ^ 1])):
        path.write_bytes(bad)
        with refused(r"shares\.rolled_back"):
            Head(path, b"k" * 96)


# --- the reserve and the disk


def test_the_reserve_takes_blocks_and_gives_them_up(tmp_path: Path) -> None:
    path = tmp_path / "reserve"
    held = reserve.Reserve(path)
    for size, expected in ((100_000, 100_000), (50_000, 100_000), (200_000, 200_000)):
        held.hold(size)
        assert path.stat().st_size == expected
        assert path.stat().st_blocks * 512 >= expected
    held.give_up()
    assert path.stat().st_size == path.stat().st_blocks == 0
    assert reserve.needed(100) < reserve.needed(10_000)


@pytest.mark.parametrize(
    ("number", "code"),
    [
        (errno.ENOSPC, "storage.full"),
        (errno.EDQUOT, "storage.full"),
        (errno.EACCES, "storage.unwritable"),
        (errno.EROFS, "storage.unwritable"),
        (errno.EIO, "storage.failed"),
    ],
)
def test_the_disks_errors(number: int, code: str) -> None:
    assert disk.disk_failure(OSError(number, os.strerror(number))).code == code
