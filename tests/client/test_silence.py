"""A relay that keeps a mailbox shut is found out, a quiet day is not; a key package serves once."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from chappe.client import Phone, echo
from chappe.mls import WireFormat, peek
from chappe.wire import delivery, frames
from tests.client.test_sealed import acquainted
from tests.client.world import World, meet, texts, until


class Sealed:
    """What a phone sends without a sign-in."""

    def __init__(self, phone: Phone) -> None:
        self.messages: list[delivery.Sealed] = []
        self._deliver = phone._engine.courier.deliver
        phone._engine.courier.deliver = self.deliver  # type: ignore[method-assign]

    async def deliver(self, messages: Sequence[delivery.Sealed]) -> list[delivery.Taken | delivery.Turned]:
        self.messages += messages
        return await self._deliver(messages)


def later(phone: Phone, seconds: int) -> None:
    core = phone._engine.core
    clock = core._clock
    core._clock = lambda: clock() + seconds


def codes(phone: Phone) -> list[str]:
    return [alarm.code for alarm in phone.log.alarms]


@pytest.fixture
async def met(world: World) -> tuple[Phone, Phone, bytes]:
    ada, ben = await world.phones("ada", "ben")
    mine, _ = await meet(ada, ben)
    await acquainted(ada, ben)
    return ada, ben, mine.id


async def test_a_quiet_hour_is_looked_into_by_what_looks_like_a_receipt(
    met: tuple[Phone, Phone, bytes],
) -> None:
    ada, ben, chat = met
    of_ada, of_ben = Sealed(ada), Sealed(ben)
    await ada.send_text(chat, "one")
    await until(lambda: texts(ben) == ["one"] and bool(of_ben.messages), "a receipt")
    await ada.settled(60)
    of_ada.messages.clear()
    later(ada, echo.QUIET_SECONDS + 1)
    await ada._engine.echo.pump()
    await until(lambda: not ada._engine.echo._out, "what it sent to itself")
    (own,) = of_ada.messages
    receipt = of_ben.messages[-1]
    assert len(own.payload) == len(receipt.payload)
    seen, real = peek(own.payload), peek(receipt.payload)
    assert (seen.group_id, seen.epoch, seen.content_type) == (real.group_id, real.epoch, real.content_type)
    assert seen.authenticated_data == real.authenticated_data
    # Nothing is asked again before it is time, and nobody is told anything.
    await ada._engine.echo.pump()
    assert len(of_ada.messages) == 1
    assert codes(ada) == []
    assert texts(ada) == ["one"]


async def test_a_relay_that_hands_nothing_out_is_told_of_until_it_does(
    met: tuple[Phone, Phone, bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    ada, ben, chat = met
    kept: list[frames.Deliver] = []
    deliver = ada._engine.delivered
    monkeypatch.setattr(ada._engine, "delivered", kept.extend)
    await ben.send_text(chat, "are you there?")
    await until(lambda: len(kept) == 1)
    for seconds, count, told in (
        (echo.QUIET_SECONDS, 1, []),
        (echo.ANSWER_SECONDS, 2, []),
        (echo.ANSWER_SECONDS, 2, ["relay.silent"]),
    ):
        later(ada, seconds + 1)
        await ada._engine.echo.pump()
        await until(lambda n=count: len(kept) == 1 + n, "one more")  # type: ignore[misc]
        assert codes(ada) == told
    # It gives in: all is read, and the alarm goes.
    monkeypatch.setattr(ada._engine, "delivered", deliver)
    deliver(kept)
    assert texts(ada) == ["are you there?"]
    assert codes(ada) == []
    # One that comes again says nothing, and is nobody's message.
    with ada._engine.core.change():
        assert ada._engine.echo.took(kept[1].id)


async def test_whoever_waits_for_an_answer_looks_sooner(met: tuple[Phone, Phone, bytes]) -> None:
    ada, _, _ = met
    later(ada, echo.WAITING_SECONDS + 1)
    of_ada = Sealed(ada)
    await ada._engine.echo.pump()
    assert not of_ada.messages
    ada._engine.echo.said()
    await ada._engine.echo.pump()
    assert len(of_ada.messages) == 1


async def test_a_second_welcome_to_one_key_package_is_told(world: World) -> None:
    ada, ben = await world.phones("ada", "ben")
    taken: list[bytes] = []
    take = ben._engine.inbox.take

    def watch(payload: bytes, at: int) -> None:
        if peek(payload).wire_format is WireFormat.WELCOME:
            taken.append(payload)
        take(payload, at)

    ben._engine.inbox.take = watch  # type: ignore[method-assign]
    await meet(ada, ben)
    (welcome,) = taken
    with ben._engine.core.change():
        take(welcome, 0)
    assert codes(ben) == []
    for _ in range(2):
        with ben._engine.core.change():
            take(welcome[:-1] + bytes([welcome[-1] ^ 1]), 0)
    assert codes(ben) == ["relay.key_reused"]
