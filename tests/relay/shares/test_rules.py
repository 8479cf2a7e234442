"""The rules of unlocking, with a service in this process: what counts a try, what waits, what destroys."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from chappe.relay.shares import challenges
from chappe.relay.shares.service import status_of
from chappe.wire import unlock
from chappe.wire.errors import ChappeError
from chappe.wire.unlock import TRIES, WAITS
from tests.relay.shares.world import HOURS, Bench, Owner


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    made = Bench(tmp_path / "shares")
    yield made
    made.shares.close()


def refused(code: str) -> Any:
    return pytest.raises(ChappeError, match=rf"\[{code}\]")


def test_the_right_pin_opens_and_brings_the_tries_back(bench: Bench) -> None:
    owner = bench.enrolled()
    assert bench.try_(owner) == unlock.Answer("open", share=owner.share, tries=TRIES)
    for left in (9, 8, 7):
        assert bench.try_wrong(owner) == unlock.Answer("wrong", tries=left, wait=0)
    assert bench.try_(owner).status == "open"
    assert bench.try_wrong(owner) == unlock.Answer("wrong", tries=9, wait=0)


def test_each_wrong_guess_waits_as_long_as_is_said_and_the_tenth_destroys(bench: Bench) -> None:
    owner, other = bench.enrolled(), bench.enrolled()
    for number, wait in enumerate(WAITS, 1):
        assert bench.try_wrong(owner) == unlock.Answer("wrong", tries=TRIES - number, wait=wait)
        if wait:
            bench.clock.now += wait - 1
            # Not even the right one is looked at, and no try is used.
            assert bench.try_(owner) == unlock.Answer("wait", tries=TRIES - number, wait=1)
            bench.clock.now += 1
    assert bench.try_wrong(owner).status == "gone"
    assert bench.compared == [owner.device] * TRIES
    assert bench.try_(owner).status == "gone"
    assert len(bench.compared) == TRIES
    assert bench.try_(other).status == "open"


def test_the_tenth_guess_may_still_be_right(bench: Bench) -> None:
    owner = bench.enrolled()
    bench.wrong_until_one_is_left(owner)
    assert bench.try_(owner) == unlock.Answer("open", share=owner.share, tries=TRIES)


def test_a_restart_changes_nothing(bench: Bench) -> None:
    owner = bench.enrolled()
    for left in (9, 8, 7, 6):
        assert bench.try_wrong(owner).tries == left
        bench.restart()
    assert bench.try_(owner) == unlock.Answer("wait", tries=6, wait=60)


def test_a_clock_set_back_makes_no_wait_longer_than_it_is(bench: Bench) -> None:
    owner = bench.enrolled()
    for _ in range(4):
        bench.try_wrong(owner)
    bench.clock.now -= 365 * 24 * HOURS
    assert bench.try_(owner) == unlock.Answer("wait", tries=6, wait=60)
    bench.clock.now += 60
    assert bench.try_(owner).status == "open"


def test_a_stranger_uses_no_try(bench: Bench) -> None:
    owner = bench.enrolled()
    stranger = Owner(device=owner.device)
    for _ in range(20):
        with refused("unlock.bad_signature"):
            bench.try_(stranger)
    assert bench.compared == []
    assert bench.try_wrong(owner).tries == 9


def test_a_changed_guess_is_not_one(bench: Bench) -> None:
    owner = bench.enrolled()
    for field in ("challenge", "auth", "answer_key"):
        made = unlock.make_guess(owner.key, owner.device, bench.shares.challenge(owner.device), owner.auth)
        values = {name: getattr(made, name) for name in made.__struct_fields__}
        if field == "challenge":
            values[field] = bench.shares.challenge(owner.device)
        else:
            values[field] = secrets.token_bytes(32)
        sealed = unlock.seal_guess(bench.shares.public_key, unlock.Guess(**values))
        with refused("unlock.bad_signature"):
            bench.shares.unlock(owner.device, sealed)
    assert bench.compared == []


def test_challenges_are_for_one_guess_of_one_device_for_a_minute(bench: Bench) -> None:
    owner, other = bench.enrolled(), bench.enrolled()
    service = bench.shares.public_key
    guess = owner.wrong(service, bench.shares.challenge(owner.device))
    assert guess.open(bench.shares.unlock(owner.device, guess.sealed)).status == "wrong"
    for challenge in (
        secrets.token_bytes(32),
        bytes(32),
        bench.shares.challenge(other.device),
        bench.shares.challenge(owner.device)[::-1],
    ):
        with refused("unlock.bad_challenge"):
            bench.shares.unlock(owner.device, owner.guess(service, challenge).sealed)
    # The same recorded request.
    with refused("unlock.bad_challenge"):
        bench.shares.unlock(owner.device, guess.sealed)
    late = owner.guess(service, bench.shares.challenge(owner.device))
    bench.clock.now += 59
    in_time = owner.guess(service, bench.shares.challenge(owner.device))
    bench.clock.now += 2
    with refused("unlock.bad_challenge"):
        bench.shares.unlock(owner.device, late.sealed)
    # Nor after a crash, whether it was used or not.
    bench.restart()
    with refused("unlock.bad_challenge"):
        bench.shares.unlock(owner.device, in_time.sealed)
    assert len(bench.compared) == 1


def test_a_flood_of_challenges_pushes_none_out(bench: Bench) -> None:
    owner = bench.enrolled()
    guess = owner.guess(bench.shares.public_key, bench.shares.challenge(owner.device))
    for number in range(100_000):
        bench.shares.challenge(owner.device if number % 2 else number.to_bytes(16, "big"))
    assert guess.open(bench.shares.unlock(owner.device, guess.sealed)).status == "open"


def test_what_is_remembered_of_challenges_is_bounded(bench: Bench) -> None:
    owner, other = bench.enrolled(), bench.enrolled()
    for _ in range(challenges.PER_MINUTE):
        bench.try_wrong(owner)
    with refused(r"limit\.rate"):
        bench.try_wrong(owner)
    assert bench.try_(other).status == "open"
    bench.clock.now += 62
    assert bench.try_(owner).status == "open"
    remembered = bench.shares._challenges
    assert (len(remembered._used), dict(remembered._by_device)) == (1, {owner.device: 1})


def test_unknown_devices(bench: Bench) -> None:
    nobody = Owner()
    assert len(bench.shares.challenge(nobody.device)) == 32
    with refused("unlock.unknown_device"):
        bench.try_(nobody)
    bench.shares.destroy([nobody.device])
    with refused("unlock.unknown_device"):
        bench.try_(nobody)
    with refused(r"signin\.revoked"):
        bench.shares.enrol(nobody.device, nobody.enrolment(bench.shares.public_key))


def test_enrolling_again_replaces_share_and_tries(bench: Bench) -> None:
    owner = bench.enrolled()
    bench.wrong_until_one_is_left(owner)
    renewed = Owner(owner.device, owner.key)
    bench.shares.enrol(owner.device, renewed.enrolment(bench.shares.public_key))
    assert bench.try_(owner).tries == 9
    assert bench.try_(renewed).share == renewed.share
    assert bench.shares.status().devices == 1


def test_a_recorded_enrolment_brings_nothing_back(bench: Bench) -> None:
    """Neither tries, nor an old share, nor one that ten wrong guesses destroyed."""
    owner = Owner()
    first = owner.enrolment(bench.shares.public_key)
    bench.shares.enrol(owner.device, first)
    bench.try_wrong(owner)
    # Sent again because its answer was lost: done already, and no more than that.
    bench.shares.enrol(owner.device, first)
    assert bench.try_wrong(owner).tries == 8
    renewed = Owner(owner.device, owner.key)
    bench.shares.enrol(owner.device, renewed.enrolment(bench.shares.public_key))
    with refused("unlock.malformed"):
        bench.shares.enrol(owner.device, first)
    assert bench.try_(renewed).status == "open"
    bench.wrong_until_one_is_left(renewed)
    assert bench.try_wrong(renewed).status == "gone"
    with refused("unlock.malformed"):
        bench.shares.enrol(owner.device, first)
    # The device itself may begin anew.
    anew = Owner(owner.device, owner.key)
    bench.shares.enrol(owner.device, anew.enrolment(bench.shares.public_key))
    assert bench.try_(anew).share == anew.share


def test_destroyed_by_order_is_for_good(bench: Bench) -> None:
    owner, other = bench.enrolled(), bench.enrolled()
    bench.shares.destroy([owner.device])
    bench.shares.destroy([owner.device])
    assert bench.try_(owner).status == "gone"
    # Only the device itself is told.
    with refused("unlock.bad_signature"):
        bench.try_(Owner(device=owner.device))
    for _ in range(2):
        with refused(r"signin\.revoked"):
            bench.shares.enrol(owner.device, owner.enrolment(bench.shares.public_key))
        bench.restart()
    assert bench.try_(other).status == "open"
    assert bench.compared == [other.device]


@pytest.mark.parametrize("what", ["rubbish", "empty", "another", "guess", "cut", "long", "other service"])
def test_enrolments_that_are_none(bench: Bench, what: str) -> None:
    owner, service = Owner(), bench.shares.public_key
    good = owner.enrolment(service)
    sealed = {
        "rubbish": secrets.token_bytes(1400),
        "empty": b"",
        "another": Owner().enrolment(service),
        "guess": owner.guess(service, bytes(32)).sealed,
        "cut": good[:-1],
        "long": good + bytes(4096),
        "other service": owner.enrolment(unlock.ServiceKey.generate().public),
    }[what]
    with refused("unlock.malformed"):
        bench.shares.enrol(owner.device, sealed)
    assert bench.shares.status().devices == 0


def test_a_guess_for_another_device_than_it_says(bench: Bench) -> None:
    owner, other = bench.enrolled(), bench.enrolled()
    guess = owner.guess(bench.shares.public_key, bench.shares.challenge(owner.device))
    with refused("unlock.malformed"):
        bench.shares.unlock(other.device, guess.sealed)
    for sealed in (b"", bytes(1300), guess.sealed[:-1], owner.enrolment(bench.shares.public_key)):
        with refused("unlock.malformed"):
            bench.shares.unlock(owner.device, sealed)
    assert bench.compared == []


def test_answers_are_of_one_length(bench: Bench) -> None:
    owner = bench.enrolled()
    lengths, seen = set(), set()
    for number in range(14):
        guess = owner.guess(
            bench.shares.public_key, bench.shares.challenge(owner.device), bytes(32) if number else None
        )
        answer = bench.shares.unlock(owner.device, guess.sealed)
        lengths.add(len(answer))
        seen.add(guess.open(answer).status)
        bench.clock.now += 0 if number == 4 else 9 * HOURS
    assert seen == {"open", "wrong", "wait", "gone"}
    assert lengths == {144}


def test_the_status_names_nobody(bench: Bench, tmp_path: Path) -> None:
    bench.enrolled()
    bench.enrolled()
    found = status_of(tmp_path / "shares")
    assert found == bench.shares.status()
    assert (found.devices, found.changed_at) == (2, int(bench.clock.now))
    with refused(r"storage\.missing"):
        status_of(tmp_path / "elsewhere")


def test_nothing_shows_a_secret(bench: Bench) -> None:
    for shown in (repr(bench.shares), repr(bench.shares._epoch), repr(bench.shares._key())):
        assert "bytearray" not in shown
        assert "b'" not in shown
