"""Several members change a group at once: all agree in the end, and nobody's wish is lost."""

from __future__ import annotations

import asyncio
import time

from chappe.client import Phone
from chappe.mls.state import PAST_EPOCH_SECONDS
from tests.client.world import PATIENCE, World, gather, members, texts, until


def agree(phones: list[Phone], group: bytes) -> bool:
    states = [phone._engine.groups.group(group) for phone in phones]
    return len({state.epoch_authenticator for state in states}) == 1


async def test_everyone_adds_someone_at_once(world: World) -> None:
    founders = await world.phones("ada", "ben", "cyd", "dan")
    newcomers = await world.phones("eve", "fay", "gil", "hal")
    group = await gather(*founders)
    await asyncio.gather(
        *(one.add(group, other.address) for one, other in zip(founders, newcomers, strict=True))
    )
    everyone = [*founders, *newcomers]
    await until(lambda: all(any(c.id == group for c in p.conversations()) for p in newcomers))
    await until(lambda: agree(everyone, group))
    assert all(len(members(phone, group)) == 8 for phone in everyone)
    for phone in everyone:
        await phone.send_text(group, phone.address)
    await until(lambda: all(set(texts(p)) == {q.address for q in everyone} for p in everyone))


async def test_the_same_person_is_added_by_two(world: World) -> None:
    ada, ben, cyd = await world.phones("ada", "ben", "cyd")
    group = await gather(ada, ben)
    await asyncio.gather(ada.add(group, cyd.address), ben.add(group, cyd.address))
    await until(lambda: agree([ada, ben, cyd], group))
    assert members(ada, group) == ["ada", "ben", "cyd"]


async def test_one_is_added_while_another_is_removed_and_everyone_talks(world: World) -> None:
    ada, ben, cyd, dan = await world.phones("ada", "ben", "cyd", "dan")
    group = await gather(ada, ben, cyd)

    async def chatter(phone: Phone) -> None:
        for number in range(30):
            await phone.send_text(group, f"{phone.address} {number:02}")
            await asyncio.sleep(0.005)

    await asyncio.gather(
        chatter(ada), chatter(ben), ada.add(group, dan.address), ben.remove(group, cyd.address)
    )
    for phone in (ada, ben):
        await phone.settled(PATIENCE)
    await until(lambda: agree([ada, ben, dan], group))
    assert members(dan, group) == ["ada", "ben", "dan"]
    for phone in (ada, ben):
        await until(lambda p=phone: len(texts(p)) == 60)  # type: ignore[misc]
        for sender in (ada, ben):
            theirs = [text for text in texts(phone) if text.startswith(sender.address)]
            assert theirs == [f"{sender.address} {number:02}" for number in range(30)]
    assert not any(m.kind == "unreadable" for m in [*ada.messages(group), *ben.messages(group)])


async def test_leaves_are_renewed_when_they_are_due(world: World) -> None:
    ada, ben = await world.phones("ada", "ben")
    group = await gather(ada, ben)
    before = ada._engine.groups.group(group)
    with ada._engine.core.change():
        ada._engine.core.store.run("UPDATE conversations SET leaf_sent = 1000")
    ada._engine.changes.want_fresh_leaves()
    ada._engine.wake()
    await until(
        lambda: agree([ada, ben], group) and ada._engine.groups.group(group).epoch == before.epoch + 1
    )
    assert ada._engine.core.store.one("SELECT leaf_sent FROM conversations") == (0,)
    ada._engine.changes.want_fresh_leaves()
    assert ada._engine.changes.idle
    with ada._engine.core.change():
        ada._engine.core.store.run("UPDATE conversations SET leaf_at = leaf_at - 7 * 24 * 3600")
    ada._engine.changes.want_fresh_leaves()
    assert not ada._engine.changes.idle
    ada._engine.wake()
    await until(
        lambda: agree([ada, ben], group) and ada._engine.groups.group(group).epoch == before.epoch + 2
    )


async def test_keys_of_past_epochs_go_where_nothing_happens(world: World) -> None:
    ada, ben = await world.phones("ada", "ben")
    id_ = await gather(ada, ben)
    await ben.rename(id_, "another table")
    await until(lambda: agree([ada, ben], id_) and ada.conversation(id_.hex()).name == "another table")
    engine = ada._engine
    assert engine.groups.group(id_)._state.past
    engine.core._clock = lambda: time.time() + PAST_EPOCH_SECONDS
    with engine.core.change():
        engine.groups.drop_expired()
    assert not engine.groups.group(id_)._state.past
    engine.groups._cache.clear()
    assert not engine.groups.group(id_)._state.past
