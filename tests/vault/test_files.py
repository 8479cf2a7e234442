"""The vault's small files: whole or not at all, private, and read as strictly as anything from outside."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from chappe.vault import disk, files, keeping
from chappe.vault.files import Entry, Keystore, OfflineCopy, Policy, Vault
from chappe.wire.errors import ChappeError
from tests.vault.service import DEVICE, Service, set_pin, unlock_home

KEY = bytes(range(32))
PIN = "480297"
ENTRY = Entry(b"n" * 8, b"r" * 32, b"s" * 32)
KNOWN = Keystore(1, [ENTRY])
VAULT = Vault(
    1, ENTRY.name, DEVICE, "relay.example", 8440, None, bytes(1216), bytes(60), bytes(32), Policy(8, 900)
)
COPY = OfflineCopy(1, ENTRY.name, bytes(60), 1_000, 2_000, 1_500, "boot", 77, 5)


def test_what_is_written_is_read() -> None:
    assert files.decode(files.encode(KNOWN)) == KNOWN
    assert files.decode_sealed(files.encode_sealed(VAULT, ENTRY.r), Vault, KNOWN) == VAULT
    assert files.decode_sealed(files.encode_sealed(COPY, ENTRY.r), OfflineCopy, KNOWN) == COPY


def _refused(call: object) -> None:
    with pytest.raises(ChappeError) as caught:
        call()  # type: ignore[operator]
    assert caught.value.code == "storage.failed"
    assert "damaged" in caught.value.message


@given(st.binary(max_size=2000))
def test_anything_else_is_a_typed_error(data: bytes) -> None:
    _refused(lambda: files.decode(data))
    _refused(lambda: files.decode_sealed(data, Vault, KNOWN))
    _refused(lambda: files.decode_sealed(data, OfflineCopy, KNOWN))
    if data[:1] != b"\x90":
        _refused(lambda: [files.decode_sealed(one, Vault, KNOWN) for one in files.decode_list(data)] or 1 / 0)


@given(st.data())
def test_every_changed_byte_of_a_sealed_file_is_noticed(data: st.DataObject) -> None:
    for kept, kind in ((VAULT, Vault), (COPY, OfflineCopy)):
        sealed = bytearray(files.encode_sealed(kept, ENTRY.r))
        at = data.draw(st.integers(0, len(sealed) - 1))
        sealed[at] ^= data.draw(st.integers(1, 255))
        _refused(lambda s=bytes(sealed), k=kind: files.decode_sealed(s, k, KNOWN))
        cut = data.draw(st.integers(0, len(sealed) - 1))
        _refused(lambda s=bytes(sealed[:cut]), k=kind: files.decode_sealed(s, k, KNOWN))


@pytest.mark.parametrize(
    "change",
    [
        {"version": 2},
        {"port": 0},
        {"host": ""},
        {"pin": bytes(31)},
        {"service": bytes(1215)},
        {"wrapped": bytes(61)},
        {"policy": Policy(73, 900)},
        {"policy": Policy(0, 5)},
        {"entry": b"short"},
    ],
    ids=str,
)
def test_values_that_do_not_fit(change: dict[str, object]) -> None:
    sealed = files.encode_sealed(msgspec.structs.replace(VAULT, **change), ENTRY.r)
    _refused(lambda: files.decode_sealed(sealed, Vault, KNOWN))


def test_one_kind_of_file_is_not_taken_for_another(tmp_path: Path) -> None:
    _refused(lambda: files.decode_sealed(files.encode_sealed(COPY, ENTRY.r), Vault, KNOWN))
    _refused(lambda: files.decode_sealed(files.encode_sealed(VAULT, b"x" * 32), Vault, KNOWN))
    _refused(lambda: files.decode_sealed(files.encode_sealed(VAULT, ENTRY.r), Vault, Keystore(1, [])))
    big = tmp_path / files.VAULT
    big.write_bytes(bytes(disk.MAX_BYTES + 1))
    _refused(lambda: files.vault(tmp_path))


def test_files_that_were_changed_or_taken_away(tmp_path: Path) -> None:
    home, service = tmp_path / "p", Service()
    set_pin(home, service, PIN, KEY)
    good = {path.name: path.read_bytes() for path in home.iterdir()}
    assert set(good) == {"device", "vault"}
    for name, data in good.items():
        for bad in (b"", data[:-1], data + b"\0", bytes(len(data)), data[:40] + b"\xff" + data[41:]):
            (home / name).write_bytes(bad)
            _refused(lambda: unlock_home(home, service, PIN))
        (home / name).write_bytes(data)
    (home / "device").unlink()
    _refused(lambda: unlock_home(home, service, PIN))
    (home / "device").write_bytes(good["device"])
    assert unlock_home(home, service, PIN) == KEY
    (home / "vault").unlink()
    with pytest.raises(ChappeError, match=r"vault\.no_pin"):
        unlock_home(home, service, PIN)


def test_files_are_private_and_old_content_is_overwritten(tmp_path: Path) -> None:
    path = tmp_path / "device"
    disk.write(path, b"the first secret")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    with open(path, "rb") as old:
        disk.write(path, b"another")
        assert old.read() == bytes(16)
    with open(path, "rb") as old:
        disk.erase(path)
        assert old.read() == bytes(7)
    disk.erase(path)
    assert list(tmp_path.iterdir()) == []


def test_a_link_in_the_place_of_a_file_is_not_followed(tmp_path: Path) -> None:
    precious = tmp_path / "precious"
    precious.write_bytes(b"keep")
    os.symlink(precious, tmp_path / "offline")
    with pytest.raises(ChappeError, match=r"storage\.failed"):
        disk.erase(tmp_path / "offline")
    assert precious.read_bytes() == b"keep"


def test_the_policy_is_kept(tmp_path: Path) -> None:
    home, service = tmp_path / "p", Service()
    with pytest.raises(ChappeError, match=r"vault\.no_pin"):
        keeping.set_policy(tmp_path, Policy(8))
    set_pin(home, service, PIN, KEY)
    keeping.set_policy(home, Policy(8, 60))
    kept = files.vault(home)
    assert kept is not None
    assert (kept.policy.offline_hours, kept.policy.idle_seconds) == (8, 60)
    assert unlock_home(home, service, PIN) == KEY
