"""A phone whose term ends: it says so, only receives, is suspended, and comes back by a code."""

from __future__ import annotations

import secrets
import sqlite3
import time

import pytest

from chappe.relay.door import DirectoryDoor
from chappe.wire import codes
from chappe.wire.door import CodeBatch
from chappe.wire.terms import utc_date
from tests.client.world import texts, until
from tests.e2e.phone_page import PhonePage, Story, button, field_of

pytestmark = pytest.mark.anyio
DAY = 24 * 3600


async def code(story: Story, months: int = 6) -> str:
    door = DirectoryDoor(story.relay.settings)
    return (await door.make_codes(CodeBatch(secrets.token_bytes(16), 1, months, 30))).codes[0]


def ended(story: Story, phone: PhonePage, days: int) -> None:
    """The relay's tables say: the term of this line was over so many days ago."""
    ends = (int(time.time()) // DAY - days) * DAY
    with sqlite3.connect(story.relay.settings.database, timeout=10) as connection:
        connection.execute(
            "UPDATE lines SET term_ends = ?, term_day = ? WHERE address = ?",
            (ends, utc_date(ends - 1).day, phone.address),
        )


async def renew(phone: PhonePage, typed: str) -> None:
    await phone.page.click(f"{button('Renew')} >> visible=true >> nth=0")
    await phone.page.see("h1:text-is('Renew the line')")
    await phone.page.fill(field_of("Renewal code"), typed)
    await phone.page.click(f"form >> {button('Renew')}")


async def test_a_phone_is_reminded_runs_out_and_is_renewed(story: Story) -> None:
    (cyd,) = await story.world.phones("cyd")
    ada = await story.phone("ada", await code(story))
    await ada.begin(cyd.address)
    await ada.send("before")
    await until(lambda: texts(cyd) == ["before"])
    theirs = cyd.conversation(ada.address)

    # Five days before the end.
    ended(story, ada, -6)
    await ada.reload()
    await ada.unlock()
    await ada.page.see("text=/5 days are left/")

    # In grace: it receives, and has no field to write in.
    ended(story, ada, 2)
    await ada.reload()
    await ada.unlock()
    await ada.page.see("text=/You receive, but cannot send/")
    await cyd.send_text(theirs.id, "are you there?")
    await ada.open(cyd.address)
    await ada.reads("are you there?")
    await ada.page.see("text=/nothing can be sent/")
    assert not await ada.page.on(field_of("Message"), "isVisible")

    # Suspended: what is there can be read, and nothing comes.
    ended(story, ada, 20)
    await ada.reload()
    await ada.unlock()
    await ada.page.see("text=/Your line is suspended/")
    await cyd.send_text(theirs.id, "still there?")
    await ada.open(cyd.address)
    await ada.reads("are you there?")
    await ada.home()

    # A wrong code says so; the right one brings everything back.
    await renew(ada, "0000-0000-0000-0001")
    await ada.page.see("text=That is not an activation code. Look for a typing mistake.")
    await ada.page.fill(field_of("Renewal code"), codes.show(await code(story)).lower())
    await ada.page.click(f"form >> {button('Renew')}")
    await ada.page.see(button("New conversation"))
    await ada.open(cyd.address)
    await ada.reads("still there?")
    await ada.send("back")
    await until(lambda: texts(cyd)[-1:] == ["back"])
    await ada.home()
    assert not await ada.page.on("text=/suspended/", "isVisible")


async def test_a_line_without_a_term_says_nothing_of_one(story: Story) -> None:
    ben = await story.phone("ben")
    await ben.page.click(button("Settings"))
    await ben.page.see("h1:text-is('Settings')")
    assert not await ben.page.on("text=/paid until/", "isVisible")
