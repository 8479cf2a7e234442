"""Hours without the relay: for so long, not longer, and not by turning the clock."""

from __future__ import annotations

from pathlib import Path

import pytest

from chappe.vault import files, keeping
from chappe.vault.files import Policy
from chappe.vault.keys import stretch
from chappe.vault.offline import TRIES, Clock
from chappe.wire.errors import ChappeError
from tests.vault.service import CHEAP, DEVICE, Service, opening, set_pin

KEY = bytes(range(32))
PIN = "480297"
START = 1_800_000_000
HOUR = 3600


def clock(wall: float, up: float | None = None, boot: str = "one") -> Clock:
    """Hours after the start, by the wall and since the machine was started."""
    return Clock(int(START + wall * HOUR), boot, int(1000 + (wall if up is None else up) * HOUR))


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """Unlocked online just now, with eight hours without the relay."""
    service = Service()
    set_pin(tmp_path, service, PIN, KEY, Policy(offline_hours=8))
    (candidate,) = keeping.candidates(tmp_path)
    a = stretch(PIN, candidate.entry.r, CHEAP)
    keeping.keep_offline(tmp_path, candidate, a, service.kept[DEVICE].share, clock(0))
    return tmp_path


def opened(home: Path, pin: str, now: Clock) -> bytes | None:
    """The vault key; None where there is no copy."""
    candidate = keeping.candidates(home)[-1]
    share = keeping.open_offline(home, candidate, stretch(pin, candidate.entry.r, CHEAP), now)
    return None if share is None else bytes(opening(candidate.entry, candidate.vault, pin).take_share(share))


def refused(code: str, home: Path, pin: str, now: Clock) -> str:
    with pytest.raises(ChappeError) as caught:
        opened(home, pin, now)
    assert caught.value.code == code
    return caught.value.message


def test_it_opens_for_so_long_and_is_destroyed_then(home: Path) -> None:
    for hours in (0.0, 1, 7.9):
        assert opened(home, PIN, clock(hours)) == KEY
    assert opened(home, PIN, clock(8.01)) is None
    assert not (home / files.OFFLINE).exists()
    assert opened(home, PIN, clock(1)) is None


def test_an_expired_copy_is_destroyed_by_the_first_that_looks(home: Path) -> None:
    content = (home / files.OFFLINE).read_bytes()
    with open(home / files.OFFLINE, "rb") as held:
        assert keeping.look_offline(home, clock(9)) is None
        assert held.read() == bytes(len(content))
    assert not (home / files.OFFLINE).exists()


def test_a_wrong_pin_is_told_and_some_destroy_the_copy(home: Path) -> None:
    for left in range(TRIES - 1, 0, -1):
        assert f"{left} more" in refused("vault.wrong_pin", home, "999000", clock(1))
    assert "only the relay" in refused("vault.wrong_pin", home, "999000", clock(1))
    assert not (home / files.OFFLINE).exists()
    assert opened(home, PIN, clock(1)) is None


def test_the_right_pin_gives_the_tries_back(home: Path) -> None:
    for _ in range(3):
        for _ in range(TRIES - 1):
            refused("vault.wrong_pin", home, "999000", clock(1))
        assert opened(home, PIN, clock(1)) == KEY


def test_the_clock_turned_back(home: Path) -> None:
    assert opened(home, PIN, clock(6)) == KEY
    refused("vault.clock", home, PIN, clock(3))
    refused("vault.clock", home, PIN, clock(-24))
    # Started anew, the running time says nothing: the latest time seen does.
    refused("vault.clock", home, PIN, clock(3, up=0, boot="two"))
    assert (home / files.OFFLINE).exists()
    assert opened(home, PIN, clock(6.5, up=0, boot="two")) == KEY


def test_the_clock_held_still(home: Path) -> None:
    """Within one run of the machine its own time counts, whatever the wall says."""
    assert opened(home, PIN, clock(1, up=7)) == KEY
    # Seen by the running time: turning the wall clock back after is seen too, also after a new start.
    refused("vault.clock", home, PIN, clock(2, up=0, boot="two"))
    assert opened(home, PIN, clock(1, up=8.1)) is None
    assert not (home / files.OFFLINE).exists()


def test_a_clock_set_right_by_a_little_is_no_rollback(home: Path) -> None:
    assert opened(home, PIN, clock(2)) == KEY
    assert opened(home, PIN, clock(2 - 60 / HOUR)) == KEY


def test_a_copy_that_was_changed_is_no_use_and_goes(home: Path) -> None:
    good = (home / files.OFFLINE).read_bytes()
    for at in (0, 40, len(good) - 1):
        (home / files.OFFLINE).write_bytes(good[:at] + bytes([good[at] ^ 1]) + good[at + 1 :])
        assert opened(home, PIN, clock(1)) is None
        assert not (home / files.OFFLINE).exists()


def test_fewer_hours_and_another_pin_end_it_at_once(home: Path) -> None:
    keeping.set_policy(home, Policy(offline_hours=9))
    assert (home / files.OFFLINE).exists()
    keeping.set_policy(home, Policy(offline_hours=0))
    assert not (home / files.OFFLINE).exists()


def test_a_new_pin_ends_the_copy(home: Path) -> None:
    set_pin(home, Service(), "903761", KEY, Policy(offline_hours=8))
    assert not (home / files.OFFLINE).exists()
    assert opened(home, "903761", clock(1)) is None


def test_no_hours_no_copy(home: Path) -> None:
    keeping.set_policy(home, Policy())
    (candidate,) = keeping.candidates(home)
    a = stretch(PIN, candidate.entry.r, CHEAP)
    keeping.keep_offline(home, candidate, a, bytes(32), clock(0))
    assert not (home / files.OFFLINE).exists()
