"""Setting a PIN and unlocking, against a share service in memory: right, wrong, hostile, repeated."""

from __future__ import annotations

import secrets
from dataclasses import dataclass

import msgspec
import pytest

from chappe.vault import keys
from chappe.vault.files import Entry, Policy, Vault
from chappe.vault.unlocking import Opening, enrol
from chappe.wire import unlock
from chappe.wire.errors import ChappeError
from tests.vault.service import CHEAP, DEVICE, PLACE, Service, opening

KEY = bytes(range(32))
PIN = "480297"


@dataclass
class Phone:
    entry: Entry
    vault: Vault
    service: Service

    def try_(self, pin: str) -> bytearray:
        return self.through(opening(self.entry, self.vault, pin))

    def through(self, trying: Opening) -> bytearray:
        return trying.take(self.service.guess(trying.begin(self.service.challenge())))


@pytest.fixture
def phone() -> Phone:
    service, entry = Service(), Entry.new()
    made = enrol(PIN, KEY, entry, DEVICE, PLACE, service.key.public, Policy(), CHEAP)
    service.enrol(made.sealed)
    return Phone(entry, made.vault, service)


def refused(code: str, call: object, *arguments: object) -> str:
    with pytest.raises(ChappeError) as caught:
        call(*arguments)  # type: ignore[operator]
    assert caught.value.code == code
    return caught.value.message


def test_the_right_pin_opens(phone: Phone) -> None:
    assert phone.try_(PIN) == KEY
    assert phone.try_(PIN) == KEY


def test_a_wrong_pin_tells_what_is_left_and_the_last_destroys(phone: Phone) -> None:
    told = [refused("vault.wrong_pin", phone.try_, "000000") for _ in range(9)]
    assert "9 tries are left." in told[0]
    assert "7 tries are left." in told[2].replace(", the next in 1 minute", "")
    assert "the next in 1 minute" in told[3]
    assert "the next in 1 hour" in told[6]
    assert "1 try is left, the next in 8 hours; after a wrong one" in told[8]
    assert "destroyed" in refused("vault.destroyed", phone.try_, "000000")
    refused("vault.destroyed", phone.try_, PIN)


def test_the_right_pin_gives_all_tries_back(phone: Phone) -> None:
    for _ in range(3):
        refused("vault.wrong_pin", phone.try_, "111222")
    assert phone.try_(PIN) == KEY
    assert "9 tries" in refused("vault.wrong_pin", phone.try_, "111222")


def test_too_early(phone: Phone) -> None:
    phone.service.wait = 290
    assert "5 minutes" in refused("vault.wait", phone.try_, PIN)
    assert phone.service.guesses == 0


def test_a_wrong_share_is_the_relays_fault(phone: Phone) -> None:
    kept = phone.service.kept[DEVICE]
    phone.service.kept[DEVICE] = msgspec.structs.replace(kept, share=secrets.token_bytes(32))
    assert "not the PIN" in refused("vault.bad_share", phone.try_, PIN)
    phone.service.kept[DEVICE] = kept
    assert phone.try_(PIN) == KEY


def test_a_share_left_out(phone: Phone) -> None:
    trying = opening(phone.entry, phone.vault, PIN)
    sealed = trying.begin(phone.service.challenge())
    answer_key = phone.service.key.open_guess(sealed).answer_key
    refused("vault.bad_share", trying.take, unlock.seal_answer(answer_key, unlock.Answer("open")))


def test_the_right_share_for_a_wrong_pin_opens_nothing(phone: Phone) -> None:
    """A relay that gives the share to anybody: the PIN is needed all the same."""
    trying = opening(phone.entry, phone.vault, "999000")
    guess = phone.service.key.open_guess(trying.begin(phone.service.challenge()))
    answer = unlock.Answer("open", phone.service.kept[DEVICE].share)
    assert "operator" in refused("vault.wrong_pin", trying.take, unlock.seal_answer(guess.answer_key, answer))


def test_answers_are_taken_once_and_for_their_own_guess(phone: Phone) -> None:
    trying = opening(phone.entry, phone.vault, PIN)
    first = phone.service.guess(trying.begin(phone.service.challenge()))
    second = phone.service.guess(trying.begin(phone.service.challenge()))
    refused("unlock.malformed", trying.take, first)
    refused("unlock.malformed", trying.take, second)
    third = phone.service.guess(trying.begin(phone.service.challenge()))
    assert trying.take(third) == KEY
    refused("unlock.malformed", trying.take, third)
    refused("unlock.malformed", opening(phone.entry, phone.vault, PIN).take, third)


def test_answers_that_were_changed(phone: Phone) -> None:
    for change in (
        lambda b: b"",
        lambda b: b[:-1],
        lambda b: b[:-1] + bytes([b[-1] ^ 1]),
        lambda b: bytes(144),
    ):
        trying = opening(phone.entry, phone.vault, PIN)
        answer = phone.service.guess(trying.begin(phone.service.challenge()))
        refused("unlock.malformed", trying.take, change(answer))


def test_another_services_key(phone: Phone) -> None:
    """Enrolled at one, pinned another: the guess opens at nobody else's, and nothing of it is told."""
    other = Service()
    vault = msgspec.structs.replace(phone.vault, service=other.key.public)
    trying = opening(phone.entry, vault, PIN)
    refused("unlock.malformed", phone.service.guess, trying.begin(phone.service.challenge()))
    refused("unlock.unknown_device", other.guess, trying.begin(other.challenge()))


@pytest.mark.parametrize("service", [b"", bytes(1216), bytes(1215), b"\xff" * 1216])
def test_a_service_key_that_is_none(service: bytes) -> None:
    refused("unlock.malformed", enrol, PIN, KEY, Entry.new(), DEVICE, PLACE, service, Policy(), CHEAP)


@pytest.mark.parametrize("challenge", [b"", bytes(31), bytes(33)])
def test_a_challenge_that_is_none(phone: Phone, challenge: bytes) -> None:
    refused("unlock.malformed", opening(phone.entry, phone.vault, PIN).begin, challenge)


def test_a_guess_that_is_replayed_uses_no_try(phone: Phone) -> None:
    trying = opening(phone.entry, phone.vault, "999000")
    sealed = trying.begin(phone.service.challenge())
    refused("vault.wrong_pin", trying.take, phone.service.guess(sealed))
    refused("unlock.bad_challenge", phone.service.guess, sealed)
    assert phone.service.guesses == 1


def test_what_one_device_keeps_opens_nothing_of_another(phone: Phone) -> None:
    vault = msgspec.structs.replace(phone.vault, device=bytes(16))
    trying = opening(phone.entry, vault, PIN)
    refused("vault.bad_share", trying.take_share, phone.service.kept[DEVICE].share)


def test_nothing_secret_shows(phone: Phone) -> None:
    trying = opening(phone.entry, phone.vault, PIN)
    phone.through(trying)
    shown = f"{phone.entry!r} {phone.vault!r} {trying!r} {phone.service.kept[DEVICE]!r}"
    for secret in (phone.entry.r, phone.entry.seed, KEY, phone.service.kept[DEVICE].share):
        assert secret.hex() not in shown
        assert repr(secret) not in shown
    trying.wipe()
    assert trying.share == bytearray(32)
    assert trying._a == bytes(32)


def test_the_derivation_is_what_it_is_said_to_be() -> None:
    """Fixed once and for all: the phone app has to come to the same."""
    r, s = bytes(range(32)), bytes(range(32, 64))
    a = keys.stretch("480297", r, keys.COST)
    assert a.hex() == "537b38cbb0581e3f4debeddd492c78010fce8c4a7b80ac3a6f0e04001e38a57b"
    assert keys.auth_of(a, r).hex() == "97c74301d643591aafec92d4996af980c2e9e5df7cc2d95f5fdb309c24ebffe2"
    assert keys.kek_of(a, r, s).hex() == "e7e91e600a84555b95cc38a69a9b211258cbeb10a8f2a0fbce72e754812ec19b"
    assert keys.stretch("e\u0301e\u0301", r, CHEAP) == keys.stretch("\u00e9\u00e9", r, CHEAP)
