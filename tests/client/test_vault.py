"""A phone with a PIN: on the real relay with its share service, and on relays that lie or stay away."""

from __future__ import annotations

import secrets
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest

from chappe.client import Phone, Policy, locking
from chappe.client.connection import Connection
from chappe.client.transport import HttpApi
from chappe.vault import files, keeping, keys
from chappe.vault.offline import Clock
from chappe.wire import api, frames
from chappe.wire.errors import ChappeError, error
from tests.client.world import World, meet, texts, until
from tests.relay.world import RelayProcess
from tests.vault.image import holds, image
from tests.vault.service import CHEAP, Service

PIN, OTHER = "480297", "903761"


@pytest.fixture
def cheap(monkeypatch: pytest.MonkeyPatch) -> None:
    """Argon2id that takes no half second."""
    monkeypatch.setattr(keys.stretch, "__defaults__", (CHEAP,))
    monkeypatch.setattr(keeping.prepare, "__defaults__", (CHEAP,))


async def refused(code: str, call: Awaitable[Any]) -> str:
    with pytest.raises(ChappeError) as caught:
        await call
    assert caught.value.code == code
    return caught.value.message


# --- the real relay


async def test_a_pin_from_setting_to_changing(world: World) -> None:
    """With Argon2id as it is: set, lock, unlock, change; what was written is there, the old PIN is not."""
    ada, ben = await world.phones("ada", "ben")
    home = world.home("ada")
    mine, _ = await meet(ada, ben)
    await ada.send_text(mine.id, "before")
    key = (home / "key").read_bytes()
    stages: list[str] = []
    await ada.set_pin(PIN, tell=stages.append)
    assert stages == ["pin", "relay"]
    assert ada.has_pin
    await ada.send_text(mine.id, "after")
    await ada.settled(10)
    await ada.lock()
    assert holds(image(home), key) == []
    assert not (home / "key").exists()
    await refused("vault.locked", Phone.open(home))
    assert "9 tries are left" in await refused("vault.wrong_pin", Phone.unlock(home, OTHER))
    stages.clear()
    ada = await world._enter("ada", await Phone.unlock(home, PIN, stages.append))
    assert stages == ["pin", "relay"]
    assert texts(ada) == ["before", "after"]
    await ada.set_pin(OTHER)
    await ada.lock()
    await refused("vault.wrong_pin", Phone.unlock(home, PIN))
    ada = await world._enter("ada", await Phone.unlock(home, OTHER))
    await ada.send_text(mine.id, "again")
    await until(lambda: texts(ben) == ["before", "after", "again"])


async def test_a_locked_phone_does_nothing(world: World, cheap: None) -> None:
    ada = await world.phone("ada")
    await refused("vault.no_pin", ada.lock())
    await ada.set_pin(PIN)
    await ada.lock()
    await ada.lock()
    await ada.close()
    for call in (
        ada.settled(1),
        ada.contact(world.address("ada")),
        ada.send_text(bytes(16), "x"),
    ):
        await refused("vault.locked", call)
    with pytest.raises(ChappeError, match=r"vault\.locked"):
        ada.conversations()
    assert ada._profile.key == bytearray(32)


async def test_weak_pins_are_refused_and_change_nothing(world: World, cheap: None) -> None:
    ada = await world.phone("ada")
    for pin in ("12345", "111111", "121212", world.address("ada"), "ab"):
        await refused("vault.weak_pin", ada.set_pin(pin))
    assert not ada.has_pin
    assert not (world.home("ada") / "device").exists()


async def test_wrong_pins_wait_and_the_right_one_too(world: World, cheap: None) -> None:
    ada = await world.phone("ada")
    await ada.set_pin(PIN)
    await ada.lock()
    told = [await refused("vault.wrong_pin", Phone.unlock(world.home("ada"), OTHER)) for _ in range(4)]
    assert "6 tries are left, the next in 1 minute" in told[3]
    await refused("vault.wait", Phone.unlock(world.home("ada"), PIN))


async def test_a_profile_without_a_pin_and_none(world: World) -> None:
    await world.phone("ada")
    await world.shut("ada")
    await refused("vault.no_pin", Phone.unlock(world.home("ada"), PIN))
    await refused("storage.missing", Phone.unlock(world.folder / "none", PIN))


async def test_a_locked_profile_is_not_overwritten(world: World, cheap: None) -> None:
    ada = await world.phone("ada")
    await ada.set_pin(PIN)
    await refused("storage.locked", Phone.unlock(world.home("ada"), PIN))
    await ada.lock()
    home = world.home("ada")
    await refused("storage.exists", Phone.activate(home, world.place, world.relay.code(), world.address("b")))
    await refused("storage.exists", Phone.link(home, world.place, print))


async def test_a_relay_that_is_away_and_the_hours_without_it(tmp_path: Path, cheap: None) -> None:
    relay = RelayProcess(tmp_path / "relay-data", attempts_burst=10_000)
    world = World(relay, tmp_path)
    try:
        ada = await world.phone("ada")
        home = world.home("ada")
        await ada.set_pin(PIN, Policy(offline_hours=8))
        await ada.lock()
        # Setting a PIN keeps no copy; unlocking with the relay does.
        assert not (home / files.OFFLINE).exists()
        await (await Phone.unlock(home, PIN)).lock()
        relay.kill()
        stages: list[str] = []
        assert "4 more" in await refused("vault.wrong_pin", Phone.unlock(home, OTHER))
        unlocked = await locking.unlock(home, PIN, stages.append)
        assert stages == ["pin", "relay", "offline"]
        assert unlocked.until is not None
        assert 7.9 * 3600 < unlocked.until - time.time() <= 8 * 3600
        unlocked.wipe()
        ada = await Phone.unlock(home, PIN)
        ada.set_policy(Policy(offline_hours=0))
        await ada.lock()
        await refused("network.unreachable", Phone.unlock(home, PIN))
    finally:
        await world.close()
        relay.kill()


async def test_the_clock_without_the_relay(
    world: World, cheap: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    ada = await world.phone("ada")
    home = world.home("ada")
    await ada.set_pin(PIN, Policy(offline_hours=8))
    await ada.lock()
    await (await Phone.unlock(home, PIN)).lock()

    async def nobody(_place: object) -> HttpApi:
        raise error("network.unreachable")

    monkeypatch.setattr(HttpApi, "to", nobody)
    now = Clock.now()
    await (await Phone.unlock(home, PIN)).lock()
    monkeypatch.setattr(Clock, "now", lambda: Clock(now.wall - 7200, "another", 5))
    await refused("vault.clock", Phone.unlock(home, PIN))
    # Who has the key already is not held up by it.
    await refused("vault.locked", Phone.open(home))
    monkeypatch.setattr(Clock, "now", lambda: Clock(now.wall + 9 * 3600, "another", 5))
    # The first that looks destroys it: here a command that finds the profile locked.
    await refused("vault.locked", Phone.open(home))
    assert not (home / "offline").exists()
    await refused("network.unreachable", Phone.unlock(home, PIN))


# --- relays that lie: the share service in this process, so that it can


class Liar:
    """Stands between the phone and a share service; `enrol`, `challenge` and `answer` can be replaced."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.service = Service()
        self.enrol: Callable[[bytes], None] = self.service.enrol
        self.answer: Callable[[bytes], bytes] = self.service.guess
        ask, info = Connection.ask, HttpApi.info
        liar = self

        async def asked(self: Connection, make: Callable[[int], frames.Frame], kind: Any) -> Any:
            frame = make(7)
            if isinstance(frame, frames.Enrol):
                liar.enrol(frame.sealed)
                return frames.Done(7)
            return await ask(self, make, kind)

        async def informed(self: HttpApi) -> api.Info:
            key = api.to_base64(liar.service.key.public)
            return msgspec.structs.replace(await info(self), share_key=key)

        async def challenged(self: HttpApi, device: bytes) -> bytes:
            return liar.service.challenge()

        async def answered(self: HttpApi, device: bytes, sealed: bytes) -> bytes:
            return liar.answer(sealed)

        monkeypatch.setattr(Connection, "ask", asked)
        monkeypatch.setattr(HttpApi, "info", informed)
        monkeypatch.setattr(HttpApi, "unlock_challenge", challenged)
        monkeypatch.setattr(HttpApi, "unlock", answered)


@pytest.fixture
async def liar(world: World, cheap: None, monkeypatch: pytest.MonkeyPatch) -> Liar:
    """Ada's profile in `world.home("ada")` has a PIN and an offline copy, and is locked."""
    made = Liar(monkeypatch)
    ada = await world.phone("ada")
    await ada.set_pin(PIN, Policy(offline_hours=8))
    await ada.lock()
    await (await Phone.unlock(world.home("ada"), PIN)).lock()
    return made


def small_files(home: Path) -> dict[str, bytes]:
    return {name: data for name, data in image(home).items() if name in files.NAMES}


async def test_a_wrong_share_is_the_relays_fault_and_erases_nothing(world: World, liar: Liar) -> None:
    home, service = world.home("ada"), liar.service
    before = small_files(home)
    (device,) = service.kept
    right = service.kept[device]
    service.kept[device] = msgspec.structs.replace(right, share=secrets.token_bytes(32))
    assert "relay" in await refused("vault.bad_share", Phone.unlock(home, PIN))
    assert small_files(home) == before
    service.kept[device] = right
    await (await Phone.unlock(home, PIN)).close()


@pytest.mark.parametrize(
    "code", ["vault.destroyed", "vault.wrong_pin", "unlock.unknown_device", "signin.revoked", "internal.bug"]
)
async def test_what_is_not_sealed_is_nobodys_word(world: World, liar: Liar, code: str) -> None:
    """An error that somebody on the way makes up: nothing is erased, no PIN is called wrong."""
    home = world.home("ada")
    before = small_files(home)

    def lies(_sealed: bytes) -> bytes:
        raise error(code)

    liar.answer = lies
    said = "unlock.malformed" if code.startswith("vault.") else code
    await refused(said, Phone.unlock(home, PIN))
    assert small_files(home) == before


async def test_a_destroyed_share_takes_the_offline_copy_along(world: World, liar: Liar) -> None:
    home = world.home("ada")
    assert (home / "offline").exists()
    liar.service.gone |= set(liar.service.kept)
    await refused("vault.destroyed", Phone.unlock(home, PIN))
    assert not (home / "offline").exists()


async def test_answers_of_another_time(world: World, liar: Liar) -> None:
    home, kept = world.home("ada"), []

    def keeps(sealed: bytes) -> bytes:
        kept.append(liar.service.guess(sealed))
        return kept[0]

    liar.answer = keeps
    await (await Phone.unlock(home, PIN)).close()
    await refused("unlock.malformed", Phone.unlock(home, PIN))
    await refused("unlock.malformed", Phone.unlock(home, OTHER))


async def test_a_guess_tells_a_relay_nothing(world: World, liar: Liar) -> None:
    """What passes is sealed: neither what proves the PIN is in it nor, on the way back, the share."""
    home, seen = world.home("ada"), []

    def watches(sealed: bytes) -> bytes:
        answer = liar.service.guess(sealed)
        seen.extend([sealed, answer])
        return answer

    liar.answer = watches
    await (await Phone.unlock(home, PIN)).close()
    ((_, kept),) = liar.service.kept.items()
    passed = {str(number): data for number, data in enumerate(seen)}
    assert holds(passed, kept.share) == []
    assert holds(passed, kept.auth) == []
    assert len(seen[1]) == 144


async def test_a_service_key_that_is_none(world: World, liar: Liar) -> None:
    ben = await world.phone("ben")
    for key, code in (
        (b"", "unlock.unavailable"),
        (bytes(9), "unlock.malformed"),
        (bytes(1216), "unlock.malformed"),
    ):
        liar.service.key = type("Key", (), {"public": key})()
        await refused(code, ben.set_pin(PIN))
        assert not ben.has_pin


async def test_a_change_whose_answer_was_lost(
    world: World, liar: Liar, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The service has the new share, the phone never heard: the new PIN opens, nothing is left of the old."""
    home = world.home("ada")
    monkeypatch.setattr(locking, "ENROL_TIMES", 1)
    ada = await world._enter("ada", await Phone.unlock(home, PIN))

    def loses(sealed: bytes) -> None:
        liar.service.enrol(sealed)
        raise error("network.timeout")

    liar.enrol = loses
    await refused("network.timeout", ada.set_pin(OTHER))
    await ada.lock()
    assert "set last" in await refused("vault.wrong_pin", Phone.unlock(home, PIN))
    await (await Phone.unlock(home, OTHER)).close()
    assert len(files.keystore(home).entries) == 1
    await refused("vault.wrong_pin", Phone.unlock(home, PIN))


async def test_a_change_that_never_arrived(world: World, liar: Liar, monkeypatch: pytest.MonkeyPatch) -> None:
    home = world.home("ada")
    monkeypatch.setattr(locking, "ENROL_TIMES", 2)
    monkeypatch.setattr(locking, "ENROL_PAUSE", 0)
    ada = await world._enter("ada", await Phone.unlock(home, PIN))
    asked = []

    def away(sealed: bytes) -> None:
        asked.append(sealed)
        raise error("unlock.unavailable")

    liar.enrol = away
    await refused("unlock.unavailable", ada.set_pin(OTHER))
    assert len(asked) == 2
    assert len(set(asked)) == 1, "the same bytes again"
    await ada.lock()
    tries = liar.service.guesses
    await (await Phone.unlock(home, PIN)).close()
    assert liar.service.guesses == tries + 1, "the guess under the other entry was not looked at"
    assert not (home / files.NEXT).exists()
    await refused("vault.wrong_pin", Phone.unlock(home, OTHER))


async def test_a_first_pin_that_never_arrived_leaves_the_profile_as_it_was(
    world: World, liar: Liar, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(locking, "ENROL_TIMES", 1)
    ben = await world.phone("ben")

    def away(_sealed: bytes) -> None:
        raise error("signin.revoked")

    liar.enrol = away
    await refused("signin.revoked", ben.set_pin(PIN))
    assert not ben.has_pin
    await world.shut("ben")
    ben = await world.open("ben")
    liar.enrol = liar.service.enrol
    await ben.set_pin(OTHER)
    await ben.lock()
    await (await Phone.unlock(world.home("ben"), OTHER)).close()


async def test_a_session_key_opens_and_another_does_not(world: World, liar: Liar) -> None:
    home = world.home("ada")
    unlocked = await locking.unlock(home, PIN)
    await (await Phone.open(home, unlocked.key)).close()
    assert unlocked.key != bytearray(32), "the caller's own is the caller's to wipe"
    await refused("storage.wrong_key", Phone.open(home, secrets.token_bytes(32)))
    unlocked.wipe()
    assert unlocked.key == bytearray(32)
    assert "key" not in repr(unlocked)
