"""Setting a PIN is killed before and after each thing that it does to a file: the profile opens all the same.

With the old key file or the old PIN while the service has not taken the new share, with the new PIN once it
has; and then the plain key is nowhere in the folder.
"""

from __future__ import annotations

import contextlib
import os
import signal
from collections.abc import Callable
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from chappe.vault import files, keeping
from chappe.vault.files import Policy
from chappe.vault.profile import create, held, open_profile
from chappe.wire.errors import ChappeError
from tests.vault.image import holds, image
from tests.vault.service import CHEAP, DEVICE, PLACE, Service, set_pin, unlock_home

OLD, NEW = "480297", "903761"
KILLED = -9

COUNTED = ("fsync", "replace", "unlink", "pwrite")


def run(home: Path, state: Path, pin: str, limit: int, key: bytes) -> tuple[bool, bool]:
    """Set a PIN in a process that kills itself before its step number `limit`.

    Gives whether it came to the end, and whether the service has the new share.
    """
    before = state.read_bytes()
    child = os.fork()
    if child == 0:
        try:
            _set_counted(home, state, pin, limit, key)
        except BaseException:  # noqa: BLE001 - whatever it is, the test's own process must not go on here
            os._exit(1)
        os._exit(0)
    _, status = os.waitpid(child, 0)
    code = os.waitstatus_to_exitcode(status)
    assert code in (0, KILLED)
    return code == 0, state.read_bytes() != before


def _set_counted(home: Path, state: Path, pin: str, limit: int, key: bytes) -> None:
    steps = count()

    def step() -> None:
        if next(steps) == limit:
            os.kill(os.getpid(), signal.SIGKILL)

    def counted(real: Callable[..., Any]) -> Callable[..., Any]:
        def call(*arguments: Any, **named: Any) -> Any:
            step()
            return real(*arguments, **named)

        return call

    service = Service.load(state)
    for name in COUNTED:
        setattr(os, name, counted(getattr(os, name)))
    prepared = keeping.prepare(home, pin, key, DEVICE, PLACE, service.key.public, Policy(), CHEAP)
    step()
    service.enrol(prepared.sealed)
    service.save(state)
    step()
    keeping.settle(home, prepared.entry)


def opens_with_pin(home: Path, state: Path, pin: str) -> bytes | None:
    service = Service.load(state)
    with held(home):
        with contextlib.suppress(WrongPin):
            return _unlocked(home, service, pin)
        return None


class WrongPin(Exception):
    """That, and no other failure."""


def _unlocked(home: Path, service: Service, pin: str) -> bytes:
    try:
        return unlock_home(home, service, pin)
    except ChappeError as problem:
        if problem.code == "vault.wrong_pin":
            raise WrongPin from None
        raise


def made(tmp_path: Path, number: int) -> tuple[Path, Path, bytes]:
    """A profile without a PIN, and a service's state beside it."""
    home, state = tmp_path / f"p{number}", tmp_path / f"s{number}"
    profile = create(home)
    profile.store.set("words", b"hello")
    key = bytes(profile.key)
    profile.close()
    Service().save(state)
    return home, state, key


def check_open(home: Path, key: bytes) -> None:
    profile = open_profile(home, key)
    assert profile.store.get("words") == b"hello"
    profile.close()


@pytest.mark.timeout(120)
def test_a_first_pin(tmp_path: Path) -> None:
    limit, done = 0, False
    while not done:
        home, state, key = made(tmp_path, limit)
        done, taken = run(home, state, NEW, limit, key)
        if (home / files.VAULT).exists():
            assert taken, "the PIN holds before the service has the share"
            with pytest.raises(ChappeError, match=r"vault\.locked"):
                open_profile(home)
            assert opens_with_pin(home, state, NEW) == key
            check_open(home, key)
            assert holds(image(home), key) == []
            assert set(image(home)) == {"device", "lock", "phone.db", "vault"} | (
                set(image(home)) & {"phone.db-wal", "phone.db-shm"}
            )
        else:
            assert not done
            profile = open_profile(home)
            assert profile.store.get("words") == b"hello"
            profile.close()
            # And it can be begun again.
            assert run(home, state, NEW, 10_000, key) == (True, True)
            assert opens_with_pin(home, state, NEW) == key
        limit += 1
    assert limit > 12


@pytest.mark.timeout(120)
def test_another_pin(tmp_path: Path) -> None:
    limit, done = 0, False
    while not done:
        home, state, key = made(tmp_path, limit)
        service = Service.load(state)
        set_pin(home, service, OLD, key)
        service.save(state)
        (home / "key").unlink(missing_ok=True)
        done, taken = run(home, state, NEW, limit, key)
        right, wrong = (NEW, OLD) if taken else (OLD, NEW)
        assert opens_with_pin(home, state, wrong) is None
        assert opens_with_pin(home, state, right) == key
        check_open(home, key)
        vault = files.vault(home)
        assert vault is not None
        assert [entry.name for entry in files.keystore(home).entries] == [vault.entry]
        assert not (home / files.NEXT).exists()
        assert holds(image(home), key) == []
        limit += 1
    assert limit > 12


def test_answers_lost_again_and_again(tmp_path: Path) -> None:
    """The service took the second of several, and the phone never heard: the one that holds is found."""
    home, service, key = tmp_path / "p", Service(), bytes(range(32))
    set_pin(home, service, OLD, key)
    pins = [f"{number}80297" for number in range(files.MAX_PENDING)]
    for number, pin in enumerate(pins):
        prepared = keeping.prepare(home, pin, key, DEVICE, PLACE, service.key.public, Policy(), CHEAP)
        if number == 1:
            service.enrol(prepared.sealed)
    with pytest.raises(ChappeError, match=r"unlock\.unavailable"):
        keeping.prepare(home, NEW, key, DEVICE, PLACE, service.key.public, Policy(), CHEAP)
    for pin in (OLD, pins[0], pins[2]):
        with pytest.raises(ChappeError, match=r"vault\.wrong_pin"):
            unlock_home(home, service, pin)
    assert unlock_home(home, service, pins[1]) == key
    assert len(files.keystore(home).entries) == 1
    assert len(keeping.candidates(home)) == 1
