"""That somebody is typing is told and kept nowhere."""

from __future__ import annotations

import asyncio

from chappe.client import Phone, events
from chappe.client import messages as messages_module
from tests.client.world import World, meet, texts, until


def watch(phone: Phone) -> list[events.Event]:
    heard: list[events.Event] = []

    async def listen() -> None:
        async for event in phone.events():
            heard.append(event)

    phone.listening = asyncio.create_task(listen())  # type: ignore[attr-defined]
    return heard


def left_behind(phone: Phone) -> list[object]:
    store = phone._engine.core.store
    return [*store.all("SELECT * FROM messages"), *store.all("SELECT * FROM outbox")]


async def test_it_is_told_at_once_and_kept_nowhere(world: World) -> None:
    ada, ben = await world.phones("ada", "ben")
    mine, his = await meet(ada, ben)
    heard = watch(ben)
    # What meeting leaves to do, such as fresh key packages, is done.
    await ben.settled(20)
    await ada.settled(20)
    before = left_behind(ada), left_behind(ben)
    assert await ada.typing(mine.id)
    assert not await ada.typing(mine.id), "once in five seconds"
    await until(lambda: any(isinstance(e, events.Typing) for e in heard))
    told = [e for e in heard if isinstance(e, events.Typing)]
    assert [(e.conversation, e.address) for e in told] == [(his.id, ada.address)]
    await ben.settled(20)
    await ada.settled(20)
    assert (left_behind(ada), left_behind(ben)) == before
    assert ben.conversation(ada.address).unread == 0
    # The ratchet went on: what comes after it is read.
    await ada.send_text(mine.id, "said")
    await until(lambda: texts(ben) == ["said"])


async def test_offline_it_is_dropped(world: World) -> None:
    ada, ben = await world.phones("ada", "ben")
    mine, _ = await meet(ada, ben)
    await ada._engine.stop()
    assert not await ada.typing(mine.id)
    assert left_behind(ada) == []


async def test_an_unknown_kind_whose_time_is_over_leaves_nothing(world: World, monkeypatch) -> None:  # type: ignore[no-untyped-def]
    """As a version before this one took it."""
    ada, ben = await world.phones("ada", "ben")
    mine, _ = await meet(ada, ben)
    before = left_behind(ben)
    monkeypatch.setattr(messages_module.Messages, "_take_typing", messages_module.Messages._insert)
    assert await ada.typing(mine.id)
    await ada.send_text(mine.id, "after it")
    await until(lambda: texts(ben) == ["after it"])
    assert len(left_behind(ben)) <= len(before) + 2  # the text and its receipt
    assert [m.kind for m in ben.messages(ben.conversation(ada.address).id)] == ["text"]
