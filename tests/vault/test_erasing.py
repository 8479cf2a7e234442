"""Erasing by order: only a tombstone with a receipt that verifies is left, wherever a kill cuts it off."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from chappe.vault import disk, erasing, files, keeping, profile, session
from chappe.vault.erasing import Plan
from chappe.vault.files import Known
from chappe.vault.profile import create, held, open_profile
from chappe.wire.errors import ChappeError, error
from chappe.wire.orders import Receipt, check_receipt, sign_receipt
from tests.vault.image import holds, image
from tests.vault.service import DEVICE, PLACE, Service, set_pin

PIN = "480297"
ORDER, TEXT = bytes(range(16)), b"what Ada wrote to Ben, in clear and long enough to be found"
REASON = "lost in a train"
KNOWN = Known(bytes(16), DEVICE, "localhost", bytes(32), bytes(range(32)))
COUNTED = ("fsync", "replace", "unlink", "pwrite", "rmdir")
KILLED = -9


class Secrets:
    """What must be nowhere after: keys, and what was written."""

    def __init__(self, home: Path, key: bytes) -> None:
        entry = files.keystore(home).entries[0]
        vault = files.vault(home)
        assert vault is not None
        self.unlock = entry.signing_key.public_key().public_bytes_raw()
        self.all = [key, entry.r, entry.seed, vault.wrapped, TEXT]
        self.seed = entry.seed


def made(home: Path) -> Secrets:
    """A locked profile with a PIN, an offline copy's stand-in, spooled text, and a text in its store."""
    profile = create(home)
    profile.store.set("words", TEXT)
    key = bytes(profile.key)
    (home / "spool" / "one").write_bytes(TEXT * 100)
    profile.close()
    set_pin(home, Service(), PIN, key)
    (home / "key").unlink(missing_ok=True)
    keeping.keep_known(home, KNOWN)
    (home / "offline.new").write_bytes(TEXT)
    return Secrets(home, key)


def a_plan(secrets: Secrets) -> Plan:
    return erasing.plan(ORDER, DEVICE, REASON, PLACE, "unlock", secrets.seed)


def check_gone(home: Path, secrets: Secrets) -> None:
    left = image(home)
    assert set(left) <= {"erased", "lock"}
    assert not (home / "spool").exists()
    for secret in secrets.all:
        assert holds(left, secret) == []
    found = erasing.buried(home)
    assert found is not None
    assert (found.order, found.reason, found.place, found.delivered) == (ORDER, REASON, PLACE, False)
    assert found.receipt is not None
    receipt = check_receipt(found.receipt, signature_key=bytes(32), unlock_key=secrets.unlock)
    assert (receipt.order, receipt.device, receipt.outcome) == (ORDER, DEVICE, "erased")


def refused_as_erased(home: Path) -> str:
    with pytest.raises(ChappeError) as caught, held(home):
        pass
    assert caught.value.code == "device.erased"
    return caught.value.message


def test_all_of_it_goes(tmp_path: Path) -> None:
    home = tmp_path / "p"
    secrets = made(home)
    before = image(home)
    # The control: what is looked for after is found before.
    assert all(holds(before, secret) for secret in secrets.all[1:])
    plan = a_plan(secrets)
    with held(home):
        erasing.begin(home, plan)
        erasing.finish(home, plan)
    check_gone(home, secrets)
    assert REASON in refused_as_erased(home)
    with pytest.raises(ChappeError, match=r"device\.erased"):
        open_profile(home, bytes(32))


@pytest.mark.timeout(120)
def test_a_kill_at_each_step(tmp_path: Path) -> None:
    """Before or after: untouched while the order was not taken, gone at the next start once it was."""
    limit, done = 0, False
    while not done:
        home = tmp_path / f"p{limit}"
        secrets = made(home)
        done = _erased_counted(home, a_plan(secrets), limit)
        if (home / "erasing").exists() or erasing.buried(home) is not None:
            refused_as_erased(home)
            check_gone(home, secrets)
        else:
            assert not done
            with held(home):
                assert len(keeping.candidates(home)) == 1
                assert keeping.known_to(home) == KNOWN
                assert not erasing.is_cut_off(home)
        limit += 1
    assert limit > 40


@pytest.mark.timeout(120)
def test_a_kill_while_a_kill_is_made_good(tmp_path: Path) -> None:
    for first in (4, 30):
        for second in range(0, 40, 13):
            home = tmp_path / f"p{first}-{second}"
            secrets = made(home)
            assert not _erased_counted(home, a_plan(secrets), first)
            assert erasing.is_cut_off(home)
            _counted(lambda: profile.finish_erasing(home), second)  # noqa: B023 - called at once
            refused_as_erased(home)
            check_gone(home, secrets)


def _erased_counted(home: Path, plan: Plan, limit: int) -> bool:
    def work() -> None:
        erasing.begin(home, plan)
        erasing.finish(home, plan)

    return _counted(work, limit)


def _counted(work: Callable[[], Any], limit: int) -> bool:
    """In a process that kills itself before its step number `limit`; whether it came to the end."""
    child = os.fork()
    if child == 0:
        try:
            steps = count()

            def counted(real: Callable[..., Any]) -> Callable[..., Any]:
                def call(*arguments: Any, **named: Any) -> Any:
                    if next(steps) == limit:
                        os.kill(os.getpid(), signal.SIGKILL)
                    return real(*arguments, **named)

                return call

            for name in COUNTED:
                setattr(os, name, counted(getattr(os, name)))
            work()
        except BaseException:  # noqa: BLE001 - whatever it is, the test's own process must not go on here
            os._exit(1)
        os._exit(0)
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    assert code in (0, KILLED)
    return code == 0


def test_a_running_phone_signs_with_its_own_key(tmp_path: Path) -> None:
    """Its receipt is made by a key that no file ever held; the store was open until then."""
    home, signer = tmp_path / "p", Ed25519PrivateKey.generate()
    secrets = made(home)
    opened = open_profile(home, secrets.all[0])
    opened.store.set("more", TEXT)
    plan = a_plan(secrets)
    erasing.begin(home, plan)
    asked: list[Receipt] = []

    def sign(receipt: Receipt) -> Any:
        asked.append(receipt)
        # By now all is gone.
        assert set(image(home)) == {"erasing", "lock"}
        return sign_receipt(receipt, "device", signer)

    left = opened.erase(plan, sign)
    assert left.receipt is not None
    key = signer.public_key().public_bytes_raw()
    assert check_receipt(left.receipt, signature_key=key, unlock_key=None) == asked[0]
    assert set(image(home)) == {"erased", "lock"}
    for secret in secrets.all:
        assert holds(image(home), secret) == []
    # Nobody holds the folder.
    refused_as_erased(home)
    create(home).close()


def test_a_full_disk_erases_all_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    home = tmp_path / "p"
    secrets = made(home)
    real = disk.write

    def full(path: Path, data: bytes) -> None:
        if path.name == erasing.MARKER:
            raise error("storage.full")
        real(path, data)

    monkeypatch.setattr(disk, "write", full)
    plan = a_plan(secrets)
    erasing.begin(home, plan)
    assert not {"device", "vault", "key"} & set(image(home))
    erasing.finish(home, plan)
    check_gone(home, secrets)


def test_the_session_goes_too(tmp_path: Path) -> None:
    home = tmp_path / "p"
    secrets = made(home)
    session.keep(home, secrets.all[0], DEVICE, 900)
    assert session.alive(home)
    erasing.begin(home, a_plan(secrets))
    path = session._path(home)
    assert not path.exists()


def test_another_profile_takes_the_folder(tmp_path: Path) -> None:
    home = tmp_path / "p"
    plan = a_plan(made(home))
    erasing.begin(home, plan)
    # Cut off: making a new one first finishes the erasing.
    again = create(home)
    again.close()
    assert erasing.buried(home) is None
    assert not erasing.is_cut_off(home)
    open_profile(home).close()


def test_links_out_of_the_folder_are_not_followed(tmp_path: Path) -> None:
    home, outside = tmp_path / "p", tmp_path / "outside"
    outside.mkdir()
    (outside / "letter").write_bytes(TEXT)
    secrets = made(home)
    (home / "spool" / "letter").symlink_to(outside / "letter")
    (home / "spool" / "folder").symlink_to(outside)
    plan = a_plan(secrets)
    erasing.begin(home, plan)
    erasing.finish(home, plan)
    check_gone(home, secrets)
    assert (outside / "letter").read_bytes() == TEXT


@pytest.mark.parametrize("name", ["erasing", "erased"])
def test_a_damaged_marker_erases_nothing(tmp_path: Path, name: str) -> None:
    home = tmp_path / "p"
    made(home)
    (home / "offline.new").unlink()
    before = image(home)
    (home / name).write_bytes(b"\x81\xa1x\x01")
    if name == "erasing":
        with pytest.raises(ChappeError, match=r"storage\.failed"), held(home):
            pass
    else:
        with held(home):
            pass
    assert {k: v for k, v in image(home).items() if k != name} == before


def test_the_reason_is_shown_harmless(tmp_path: Path) -> None:
    home = tmp_path / "p"
    secrets = made(home)
    plan = erasing.plan(ORDER, DEVICE, "gone\x1b[2J\n", PLACE, "unlock", secrets.seed)
    erasing.begin(home, plan)
    message = refused_as_erased(home)
    assert "gone?[2J?" in message
    assert message.isprintable()


def test_whose_orders_are_obeyed_is_bound_to_the_keystore(tmp_path: Path) -> None:
    """Who can write to the folder, but does not know `r`, makes it obey nobody else; another PIN keeps it."""
    home = tmp_path / "p"
    secrets = made(home)
    forged = bytearray((home / "line").read_bytes())
    forged[-1] ^= 1
    kept = (home / "line").read_bytes()
    (home / "line").write_bytes(forged)
    assert keeping.known_to(home) is None
    (home / "line").write_bytes(kept)
    assert keeping.known_to(home) == KNOWN
    set_pin(home, Service(), "903761", secrets.all[0])
    assert keeping.known_to(home) == KNOWN
    assert len(files.keystore(home).entries) == 1
