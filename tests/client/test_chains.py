"""A relay that drops, repeats and forges, a device that forks, honest runs that look alike: what is said."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from chappe.client import Phone, chains, events
from chappe.client.connection import Connection
from chappe.mls import peek
from chappe.wire import chain as wire
from chappe.wire import content as c
from chappe.wire import frames
from chappe.wire.errors import error
from tests.client.test_trust import hand
from tests.client.world import World, alarms, all_messages, gather, meet, say, texts, until


@pytest.fixture
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is missing is told without waiting for it."""
    monkeypatch.setattr(chains, "GRACE", 0)


class Relay:
    """Stands before a phone's inbox as a relay that is not honest. `kept`: what it held back."""

    def __init__(self, phone: Phone, drops: Callable[[int], bool]) -> None:
        self.kept: list[bytes] = []
        self.passed: list[bytes] = []
        self._inbox = phone._engine.inbox
        self._take, self._drops, self._count = self._inbox.take, drops, 0
        self._inbox.take = self.take  # type: ignore[method-assign]

    def take(self, payload: bytes, at: int) -> None:
        self._count += 1
        if self._drops(self._count):
            self.kept.append(payload)
        else:
            self.passed.append(payload)
            self._take(payload, at)


def notices(phone: Phone) -> list[tuple[str, str, str]]:
    return [(m.kind, m.sender, m.text) for m in all_messages(phone) if m.kind in ("gap", "fork")]


async def heard(told: Any, kind: type[events.Gap | events.Replay | events.Fork]) -> Any:
    async with asyncio.timeout(60):
        while not isinstance(event := await anext(told), kind):
            pass
    return event


@pytest.mark.usefixtures("at_once")
async def test_what_a_relay_drops_is_said_and_taken_back_when_it_comes(world: World) -> None:
    ada, ben = await world.phones("ada", "ben")
    mine, _ = await meet(ada, ben)
    world.is_honest = False
    told, relay = ben.events(), Relay(ben, lambda count: count in (2, 3))
    for number in range(1, 5):
        await ada.send_text(mine.id, str(number))
    await until(lambda: texts(ben) == ["1", "4"])
    event = await heard(told, events.Gap)
    assert (event.name, event.address, event.count) == ("gap", ada.address, 2)
    assert notices(ben) == [("gap", ada.address, "2")]
    hand(ben, relay.kept[1])
    assert notices(ben) == [("gap", ada.address, "1")]
    hand(ben, relay.kept[0])
    assert [(await heard(told, events.Gap)).count for _ in range(2)] == [1, 0]
    assert (texts(ben), notices(ben)) == (["1", "4", "3", "2"], [])
    # And it knows what it has seen after it was closed.
    await world.shut("ben")
    ben = await world.open("ben")
    told = ben.events()
    hand(ben, *relay.passed, *relay.kept)
    assert (await heard(told, events.Replay)).name == "replay"
    assert texts(ben) == ["1", "4", "3", "2"]
    await ada.send_text(mine.id, "5")
    await until(lambda: texts(ben)[-1] == "5")
    assert alarms(ben) == []


async def test_a_message_that_is_only_late_is_no_gap(world: World) -> None:
    """A device that the relay told to wait may be heard in another order."""
    ada, ben = await world.phones("ada", "ben")
    mine, _ = await meet(ada, ben)
    relay = Relay(ben, lambda count: count == 2)
    for number in range(1, 4):
        await ada.send_text(mine.id, str(number))
    await until(lambda: texts(ben) == ["1", "3"])
    ben._engine.chains.sweep()
    assert notices(ben) == []
    hand(ben, *relay.kept)
    assert texts(ben) == ["1", "3", "2"]
    # The order on the screen is not the one in which it was written: that is said.
    assert [(m.kind, m.sender) for m in all_messages(ben)][-1] == ("late", ada.address)


async def test_two_messages_with_one_number_are_a_fork_shown_once(world: World) -> None:
    """As of a device whose store was put back from an old copy."""
    ada, ben = await world.phones("ada", "ben")
    mine, _ = await meet(ada, ben)
    world.is_honest = False
    told, store = ben.events(), ada._engine.core.store
    for number in range(3):
        await ada.send_text(mine.id, str(number))
    await ada.settled(30)
    kept = store.one("SELECT counter, head FROM conversations WHERE id = ?", mine.id)
    await ada.send_text(mine.id, "then")
    await ada.settled(30)
    assert kept is not None
    with ada._engine.core.change():
        store.run("UPDATE conversations SET counter = ?, head = ? WHERE id = ?", *kept, mine.id)
    await ada.send_text(mine.id, "or so")
    await ada.send_text(mine.id, "and on")
    event = await heard(told, events.Fork)
    assert (event.name, event.address, event.what) == ("fork", ada.address, "number")
    await until(lambda: texts(ben)[-1:] == ["and on"])
    assert notices(ben) == [("fork", ada.address, "number")]


async def test_a_message_of_another_history_is_told_from_a_damaged_one(world: World) -> None:
    ada, ben, cyd = await world.phones("ada", "ben", "cyd")
    id_ = await gather(ada, ben, cyd)
    world.is_honest = False
    told, group = ben.events(), ada._engine.groups.group(id_)
    now = ada._engine.core.now()
    data = ada._engine.messages.new(id_, c.Text("hello"))[1]
    # Two commits of one epoch: a relay that shows each to other members has made two histories.
    one, other = group.commit([], now=now), group.commit([], now=now)
    _, there = say(ada, other.group, data)
    hand(ben, one.message)
    damaged = bytearray(say(ada, one.group, data)[1])
    damaged[-1] ^= 1
    hand(ben, bytes(damaged))
    assert [m.kind for m in all_messages(ben)] == ["unreadable"]
    hand(ben, there)
    event = await heard(told, events.Fork)
    assert (event.address, event.what) == ("", "history")
    # Whoever sends such things can do it often; it is said once.
    hand(ben, there, there)
    assert notices(ben) == [("fork", "", "history")]
    # What the relay sees of it is the same for all members.
    seen = {peek(say(phone, one.group, data)[1]).authenticated_data for phone in (ada, ben)}
    assert seen == {wire.history(id_, one.group.epoch, one.group.transcript_hash(one.group.epoch) or b"")}


async def test_what_the_relay_refuses_for_good_is_no_gap(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    ada, ben = await world.phones("ada", "ben")
    mine, _ = await meet(ada, ben)
    connection, refused = ada._engine.connection, asyncio.Event()
    honest = connection.say
    # Signed in, so that it is said on the socket; and what phones say by themselves is said.
    await ada.settled(60)
    ada._engine.outbox._signed_in_until = float("inf")

    async def once(self: Connection, frame: Any) -> None:
        if isinstance(frame, frames.Send) and not refused.is_set():
            refused.set()
            ada._engine.answered([(frame.ref, error("mailbox.unknown_recipient"))])
            return
        await honest(frame)

    monkeypatch.setattr(connection, "say", once.__get__(connection))
    for text in ("never", "one", "two"):
        await ada.send_text(mine.id, text)
    await until(lambda: texts(ben) == ["one", "two"])
    await ada.send_text(mine.id, "three")
    await until(lambda: texts(ben)[-1] == "three")
    await until(lambda: alarms(ben) == [], "the void")
    assert next(m.state for m in all_messages(ada)) == "failed"


async def test_a_message_that_is_encrypted_anew_keeps_its_place(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The relay has it, and its answer says otherwise: it goes out twice, and is one message."""
    ada, ben = await world.phones("ada", "ben")
    mine, _ = await meet(ada, ben)
    told, connection, said = ben.events(), ada._engine.connection, asyncio.Event()
    honest = connection.say
    await ada.settled(60)
    ada._engine.outbox._signed_in_until = float("inf")

    async def twice(self: Connection, frame: Any) -> None:
        await honest(frame)
        if isinstance(frame, frames.Send) and not said.is_set():
            said.set()
            ada._engine.answered([(frame.ref, error("id.reused"))])

    monkeypatch.setattr(connection, "say", twice.__get__(connection))
    for text in ("one", "two"):
        await ada.send_text(mine.id, text)
    assert (await heard(told, events.Replay)).count == 1
    await until(lambda: texts(ben) == ["one", "two"])


async def test_who_comes_back_begins_anew_and_so_do_the_others(world: World) -> None:
    ada, ben, cyd = await world.phones("ada", "ben", "cyd")
    id_ = await gather(ada, ben, cyd)
    for phone in (ada, ben):
        await phone.send_text(id_, "one")
    await until(lambda: len(texts(cyd, id_)) == 2 and len(texts(ada, id_)) == 2)
    await ada.remove(id_, ben.address)
    await until(lambda: not ben.conversation(id_.hex()).active)
    await cyd.send_text(id_, "without ben")
    await until(lambda: texts(ada, id_)[-1] == "without ben")
    await ada.add(id_, ben.address)
    await until(lambda: ben.conversation(id_.hex()).active)
    for phone in (ben, cyd, ada):
        await phone.send_text(id_, "two")
    for phone in (ada, ben, cyd):
        await until(lambda p=phone: texts(p, id_).count("two") == 3)  # type: ignore[misc]
