"""A phone whose term ends: reminded, then only receiving, then suspended; and back by a code, with what
waited."""

from __future__ import annotations

import asyncio
import secrets
import sqlite3
import time
from datetime import date

import pytest

from chappe.client import Phone
from chappe.client.events import Event, TermChanged
from chappe.client.model import LineTerm
from chappe.relay.door import DirectoryDoor
from chappe.wire import codes
from chappe.wire.door import CodeBatch
from chappe.wire.errors import ChappeError
from chappe.wire.terms import utc_date
from tests.client.world import PATIENCE, World, meet, texts, until

DAY = 24 * 3600


async def code(world: World, months: int = 6) -> str:
    """As the operator makes it beside the running relay."""
    door = DirectoryDoor(world.relay.settings)
    return (await door.make_codes(CodeBatch(secrets.token_bytes(16), 1, months, 30))).codes[0]


async def termed(world: World, name: str) -> Phone:
    phone = await Phone.activate(world.home(name), world.place, await code(world), world.address(name))
    await world._enter(name, phone)
    await world.ready(phone)
    return phone


def ended(world: World, phone: Phone, days: int) -> None:
    """The term of this line was over so many days ago, the relay's tables say."""
    ends = (int(time.time()) // DAY - days) * DAY
    with sqlite3.connect(world.relay.settings.database, timeout=10) as connection:
        connection.execute(
            "UPDATE lines SET term_ends = ?, term_day = ? WHERE line = ?",
            (ends, utc_date(ends - 1).day, phone.line_id),
        )


def stage(phone: Phone) -> str | None:
    return None if phone.term is None else phone.term.stage


def heard(phone: Phone) -> list[Event]:
    found: list[Event] = []

    async def listen() -> None:
        async for event in phone.events():
            found.append(event)

    phone._test_listening = asyncio.create_task(listen())  # type: ignore[attr-defined]
    return found


async def refused(call: object) -> str:
    with pytest.raises(ChappeError) as caught:
        await call  # type: ignore[misc]
    return caught.value.code


async def test_a_line_without_a_term_has_none(world: World) -> None:
    phone = await world.phone("ada")
    await phone.settled(PATIENCE)
    assert phone.term is None
    assert await refused(phone.renew(await code(world))) == "term.none"


async def test_a_line_knows_its_term_and_a_code_adds_to_it(world: World) -> None:
    ada = await termed(world, "ada")
    await until(lambda: stage(ada) == "active")
    before = ada.term
    assert before is not None
    more = await code(world, 3)
    renewed = await ada.renew(codes.show(more).lower())
    assert renewed == ada.term
    assert before.ends + 85 * DAY < renewed.ends < before.ends + 95 * DAY
    assert await ada.renew(more) == renewed
    assert await refused(ada.renew("0000-0000-0000-0001")) == "code.malformed"
    assert await refused(ada.renew(codes.new())) == "code.unknown"


async def test_in_grace_a_line_receives_and_what_it_could_not_send_goes_out_when_it_is_renewed(
    world: World,
) -> None:
    ada, ben = await termed(world, "ada"), await world.phone("ben")
    await world.ready(ben)
    mine, theirs = await meet(ada, ben)
    await world.shut("ada")
    ended(world, ada, 1)
    ada = await world.open("ada")
    await until(lambda: stage(ada) == "grace")
    await ben.send_text(theirs.id, "are you there?")
    await until(lambda: texts(ada) == ["are you there?"])
    for call in (
        ada.send_text(mine.id, "yes"),
        ada.react(mine.id, ada.messages(mine.id)[0].id, "👍"),
        ada.set_timer(mine.id, 60),
        ada.create_group("table", [ben.address]),
    ):
        assert await refused(call) == "term.grace"
    # A receipt is no message of hers, and waits.
    await ada.mark_read(mine.id)
    await ada.settled(PATIENCE)
    events = heard(ada)
    await ada.renew(await code(world))
    await until(lambda: any(isinstance(event, TermChanged) for event in events))
    await ada.send_text(mine.id, "yes")
    await ada.settled(PATIENCE)
    await until(lambda: texts(ben) == ["are you there?", "yes"])
    await until(lambda: ben.messages(theirs.id)[0].state == "read")


async def test_what_was_on_its_way_when_the_term_ended_is_kept(world: World) -> None:
    """Written while the phone did not know: refused by the relay, and not lost."""
    ada, ben = await termed(world, "ada"), await world.phone("ben")
    await world.ready(ben)
    mine, _ = await meet(ada, ben)
    await world.shut("ada")
    ada = await Phone.open(world.home("ada"))
    message = await ada.send_text(mine.id, "late")
    ended(world, ada, 1)
    await world._enter("ada", ada)
    await until(lambda: stage(ada) == "grace")
    await ada.settled(PATIENCE)
    assert ada.message(message.hex()).state == "queued"
    await ada.renew(await code(world))
    await until(lambda: texts(ben) == ["late"])


async def test_a_suspended_line_does_not_sign_in_and_comes_back_by_a_code(world: World) -> None:
    ada, ben = await termed(world, "ada"), await world.phone("ben")
    await world.ready(ben)
    mine, theirs = await meet(ada, ben)
    await world.shut("ada")
    ended(world, ada, 20)
    await ben.send_text(theirs.id, "hello?")
    ada = await world.open("ada")
    assert await refused(ada.settled(PATIENCE)) == "term.suspended"
    assert (stage(ada), ada.online, texts(ada)) == ("suspended", False, [])
    assert await refused(ada.send_text(mine.id, "no")) == "term.suspended"
    await ada.renew(await code(world))
    await ada.settled(PATIENCE)
    await until(lambda: texts(ada) == ["hello?"])
    await ada.send_text(mine.id, "back")
    await until(lambda: texts(ben) == ["hello?", "back"])


async def test_a_line_that_runs_out_while_it_is_online_is_told(world: World) -> None:
    """A device that is connected hears of each stage; another of its line, too."""
    ada = await termed(world, "ada")
    second = await world.linked("ada-2", ada)
    await until(lambda: stage(second) == "active")
    # The relay asks its tables only when a stage ends: make this one end in a moment.
    await world.shut("ada")
    await world.shut("ada-2")
    ended(world, ada, 1)
    ada, second = await world.open("ada"), await world.open("ada-2")
    await until(lambda: (stage(ada), stage(second)) == ("grace", "grace"))
    ended(world, ada, 15)
    await until(lambda: (stage(ada), stage(second)) == ("suspended", "suspended"), "the relay's tick")
    await until(lambda: not second.online, "the relay's goodbye")
    assert await refused(second.settled(PATIENCE)) == "term.suspended"


async def test_renewed_beside_the_relay_a_connected_phone_hears_of_it(world: World) -> None:
    ada = await termed(world, "ada")
    await world.shut("ada")
    ended(world, ada, 1)
    ada = await world.open("ada")
    await until(lambda: stage(ada) == "grace")
    door = DirectoryDoor(world.relay.settings)
    await door.renew_with_code(ada.line_id, None, await code(world))
    await until(lambda: stage(ada) == "active", "the relay's tick")


def test_reminders_as_a_phone_counts_them() -> None:
    ends = 1_000 * DAY
    term = LineTerm("active", ends, ends + 14 * DAY, ends + 90 * DAY, ends + 120 * DAY)
    assert term.last_day == date(1972, 9, 26)
    days = {left: term.reminder(ends - DAY - left * DAY) for left in (31, 30, 8, 7, 2, 1, 0, -1)}
    assert days == {31: None, 30: 30, 8: 30, 7: 7, 2: 7, 1: 1, 0: 1, -1: None}
