"""Profiles: how they come to be, and what becomes of them when things go wrong."""

from __future__ import annotations

import asyncio
import itertools
import os
import stat
from pathlib import Path
from typing import Any

import pytest

from chappe.client import Phone, activation
from chappe.client.identity import Me
from chappe.client.transport import HttpApi
from chappe.vault import profile
from chappe.vault.store import Store, new_key
from chappe.wire import api
from chappe.wire.errors import ChappeError
from chappe.wire.links import RelayPlace
from tests.client.world import World, meet, texts, until
from tests.relay.world import RelayProcess


async def refused(code: str, call: object) -> None:
    with pytest.raises(ChappeError) as caught:
        await call  # type: ignore[misc]
    assert caught.value.code == code


async def test_codes_and_addresses_that_are_refused_leave_no_profile(world: World) -> None:
    code, home = world.relay.code(), world.folder / "p"
    other = "Z" if code[0] != "Z" else "Y"
    await refused("code.malformed", Phone.activate(home, world.place, other + code[1:], world.address("p")))
    await refused("code.malformed", Phone.activate(home, world.place, "", world.address("p")))
    await refused("address.malformed", Phone.activate(home, world.place, code, "p"))
    await refused("address.malformed", Phone.activate(home, world.place, code, "p@elsewhere.example"))
    assert not home.exists()
    phone = await Phone.activate(home, world.place, code, world.address("p"))
    await phone.close()
    await refused("code.used", Phone.activate(world.folder / "q", world.place, code, world.address("q")))
    again = world.relay.code()
    await refused("address.taken", Phone.activate(world.folder / "q", world.place, again, world.address("p")))
    assert not (world.folder / "q" / "phone.db").exists()
    phone = await Phone.activate(world.folder / "q", world.place, again, world.address("q"))
    await phone.close()


async def test_a_profile_is_not_overwritten(world: World) -> None:
    phone = await world.phone("ada")
    line = phone.line_id
    await refused(
        "storage.locked",
        Phone.activate(world.home("ada"), world.place, world.relay.code(), world.address("b")),
    )
    await world.shut("ada")
    await refused(
        "storage.exists",
        Phone.activate(world.home("ada"), world.place, world.relay.code(), world.address("b")),
    )
    await refused("storage.exists", Phone.link(world.home("ada"), world.place, print))
    phone = await world.open("ada")
    assert phone.line_id == line


async def test_an_activation_whose_answer_was_lost_is_repeated(
    world: World, unused_port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The relay has taken the code, the phone was killed before it knew: the same command finishes."""
    code, home = world.relay.code(), world.home("ada")
    real = HttpApi.activate

    async def and_then_killed(self: HttpApi, body: api.Activate) -> api.Activated:
        await real(self, body)
        raise asyncio.CancelledError

    monkeypatch.setattr(HttpApi, "activate", and_then_killed)
    with pytest.raises(asyncio.CancelledError):
        await Phone.activate(home, world.place, code, world.address("ada"))
    monkeypatch.undo()
    await refused("storage.missing", Phone.open(home))
    away = RelayPlace("localhost", unused_port, world.place.pin)
    await refused("network.unreachable", Phone.activate(home, away, code, world.address("ada")))
    opened = profile.open_profile(home)
    device = Me.kept(opened.store).device_id
    opened.close()
    phone = await Phone.activate(home, world.place, code, world.address("ada"))
    assert phone.device_id == device
    async with phone:
        await phone.settled(10)


async def test_a_relay_that_is_not_there(tmp_path: Path, unused_port: int) -> None:
    place = RelayPlace("localhost", unused_port, None)
    code = "0" * 16
    await refused("network.unreachable", Phone.activate(tmp_path / "p", place, code, "p@localhost"))
    assert not (tmp_path / "p").exists()


@pytest.fixture
def unused_port() -> int:
    import socket

    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return int(taken.getsockname()[1])


async def test_profiles_that_do_not_open(world: World, tmp_path: Path) -> None:
    await refused("storage.missing", Phone.open(tmp_path / "none"))
    await world.phone("ada")
    home = world.home("ada")
    await refused("storage.locked", Phone.open(home))
    await world.shut("ada")
    key = (home / "key").read_bytes()
    for wrong in (b"", key[:-1], bytes(32)):
        (home / "key").write_bytes(wrong)
        await refused("storage.wrong_key", Phone.open(home))
    (home / "key").unlink()
    await refused("storage.wrong_key", Phone.open(home))
    (home / "key").write_bytes(key)
    await (await Phone.open(home)).close()
    (home / "phone.db").write_bytes(b"not a database" * 1000)
    await refused("storage.wrong_key", Phone.open(home))


async def test_what_is_on_the_disk_is_encrypted_and_private(world: World) -> None:
    ada, ben = await world.phones("ada", "ben")
    mine, _ = await meet(ada, ben)
    await ada.send_text(mine.id, "the kingfisher flies at dawn")
    await until(lambda: texts(ben) == ["the kingfisher flies at dawn"])
    words = (b"kingfisher", ben.address.encode(), b"CREATE TABLE", ada._engine.core.me.signer.private)
    for name in ("ada", "ben"):
        for path in world.home(name).rglob("*"):
            if path.is_file():
                data = path.read_bytes()
                assert not any(word in data for word in words), path.name
                assert stat.S_IMODE(path.stat().st_mode) & 0o077 == 0 or not data, path.name
    assert stat.S_IMODE(world.home("ada").stat().st_mode) == 0o700


async def test_state_survives_closing(world: World) -> None:
    ada, ben = await world.phones("ada", "ben")
    mine, his = await meet(ada, ben)
    await ada.send_text(mine.id, "one")
    await until(lambda: texts(ben) == ["one"])
    await ben.react(his.id, ben.messages(his.id)[0].id, "👍")
    await ben.settled(10)
    before = (ben.conversations(), ben.messages(his.id), ben.contacts())
    await world.shut("ben")
    ben = await world.open("ben")
    assert (ben.conversations(), ben.messages(his.id), ben.contacts()) == before


async def test_written_offline_sent_later(tmp_path: Path) -> None:
    relay = RelayProcess(tmp_path / "relay-data", attempts_burst=10_000)
    world = World(relay, tmp_path)
    try:
        ada, ben = await world.phones("ada", "ben")
        mine, _ = await meet(ada, ben)
        relay.kill()
        await until(lambda: not ada.online)
        for number in range(100):
            await ada.send_text(mine.id, f"{number:03}")
        assert {m.state for m in ada.messages(mine.id)} == {"queued"}
        await refused("network.unreachable", ada.wait_online(0.5))
        await world.shut("ada")
        ada = await world.open("ada")
        relay.start()
        await until(lambda: texts(ben) == [f"{number:03}" for number in range(100)])
        await until(lambda: {m.state for m in ada.messages(mine.id)} <= {"sent", "delivered"})
    finally:
        await world.close()
        relay.kill()


async def test_the_same_profile_twice_at_the_relay(world: World, tmp_path: Path) -> None:
    """A copied profile signs in from elsewhere: the first is told and stops, and does not fight."""
    ada = await world.phone("ada")
    await ada.settled(10)
    copy = tmp_path / "copy"
    copy.mkdir()
    for name in ("phone.db", "phone.db-wal", "key"):
        (copy / name).write_bytes((world.home("ada") / name).read_bytes())
    twin = await Phone.open(copy)
    async with twin:
        await twin.wait_online(10)
        await until(lambda: not ada.online)
        await refused("signin.superseded", ada.wait_online(10))


def test_a_transaction_is_all_or_nothing(tmp_path: Path) -> None:
    store = Store.create(tmp_path / "db", new_key())
    undone: list[bool] = []
    store.rolled_back.append(lambda: undone.append(True))
    store.set("a", b"1")

    def fails() -> None:
        with store.transaction():
            store.set("a", b"2")
            with store.transaction():
                store.set("b", b"3")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fails()
    assert (store.get("a"), store.get("b"), undone) == (b"1", None, [True])
    with store.transaction():
        store.set("a", b"4")
    assert store.get("a") == b"4"
    with pytest.raises(ChappeError, match=r"storage\.failed"):
        store.run("SELECT nonsense")


def test_an_unfinished_profile_of_another_command_is_replaced(tmp_path: Path) -> None:
    opened = profile.create(tmp_path / "p")
    opened.close()
    assert activation.unfinished(tmp_path / "p", "0" * 16, "a@localhost") is None
    assert not profile.exists(tmp_path / "p")


def test_a_profile_whose_making_was_cut_off_is_made_anew(tmp_path: Path) -> None:
    """Killed before or after any step of making or taking away a profile: it can be made again."""
    for step in ("unlink", "replace", "_write_key", "create"):
        for number in range(10):
            home = tmp_path / f"{step}{number}"
            child = os.fork()
            if child == 0:
                kill_at(step, number)
                profile.create(home).destroy()
                os._exit(0)
            os.waitpid(child, 0)
            if profile.exists(home):  # Then it is whole.
                profile.open_profile(home).destroy()
            profile.create(home).close()
            profile.open_profile(home).close()


def kill_at(step: str, number: int) -> None:
    """Let this process die at the `number // 2`th call of a step, before it or (odd numbers) after it."""
    owner = {"unlink": Path, "replace": os, "_write_key": profile, "create": Store}[step]
    real, calls = getattr(owner, step), itertools.count()

    def call(*arguments: Any, **named: Any) -> Any:
        here = next(calls) == number // 2
        if here and number % 2 == 0:
            os._exit(1)
        done = real(*arguments, **named)
        if here:
            os._exit(1)
        return done

    setattr(owner, step, call)


async def test_a_connection_that_held_is_followed_by_a_short_pause(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What failed before it does not make the phone wait longer, in a session of weeks."""
    (ada,) = await world.phones("ada")
    wire, longest = ada._engine.connection, []

    def no_pause(least: float, most: float) -> float:
        longest.append(most)
        return 0.0

    monkeypatch.setattr("chappe.client.connection.random.uniform", no_pause)
    monkeypatch.setattr("chappe.client.connection.FIRST_PAUSE", 0.05)
    for _ in range(6):
        await asyncio.sleep(0.3)
        socket = wire._socket
        assert socket is not None
        await socket.close()
        await until(lambda closed=socket: wire.online and wire._socket is not closed)  # type: ignore[misc]
    assert len(longest) == 6
    assert max(longest) < 0.3
