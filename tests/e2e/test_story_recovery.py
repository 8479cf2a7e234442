"""Somebody lost their only phone: with two officers, and a day, their line is on a new one.

The day is over in the relay's table alone. tests/web/test_recovery.py is the same with clocks and a log that
are a day ahead."""

from __future__ import annotations

import sqlite3

import pytest

from chappe.client import enrolling
from chappe.client.officer_lines import FleetLine
from chappe.wire import log_entries, recovery
from chappe.wire.orders import Target
from tests.client.test_enrolling import DAY, line_at
from tests.client.test_officer import Bureau, bureau, cheap
from tests.client.world import World
from tests.e2e.phone_page import PIN, PhonePage, Story, button

__all__ = ["bureau", "cheap"]
pytestmark = pytest.mark.anyio


@pytest.fixture
def world(story: Story) -> World:
    return story.world


async def says(phone: PhonePage, part: str) -> None:
    """Of a sentence."""
    await phone.page.see(f"text={part}")


async def test_a_line_on_a_new_phone(story: Story, bureau: Bureau, monkeypatch: pytest.MonkeyPatch) -> None:
    # For who reads the log in this process a day is no time.
    monkeypatch.setattr(log_entries, "ANNOUNCED_SECONDS", 0)
    ben = await bureau.phone("ben")
    lost = await bureau.activated("max")
    address = lost.address
    await lost.close()

    async with bureau.ada as ada, await bureau.second("eve") as eve:
        line: FleetLine = await line_at(ada, address)
        phone = await story.visit("new")
        await phone.page.click(button("I lost my only phone"))
        await phone.page.fill("textarea", "chappe://nowhere")
        await phone.page.click(button("Continue"))
        await says(phone, "That is not a Chappe link")
        await phone.page.fill("textarea", str(enrolling.link(ada, line)))
        await phone.page.click(button("Continue"))
        await says(phone, address)
        # The keys wait for a day: the page is closed, and opened again.
        await phone.page.call("reload")
        await says(phone, "This phone asks to come in")
        # Given up, it is not shown again: its keys are gone.
        given_up = await phone.page.text("main")
        await phone.page.click(button("Give up the request"))
        await phone.page.click(f"dialog >> {button('Give up the request')}")
        await phone.page.see("textarea")
        await phone.page.click(button("Back"))
        await phone.page.click(button("I lost my only phone"))
        await phone.page.fill("textarea", str(enrolling.link(ada, line)))
        await phone.page.click(button("Continue"))
        await says(phone, "This phone asks to come in")
        assert await phone.page.text("main") != given_up
        await phone.page.click("text=Show the request as a QR code")
        text = str(await phone.page.on("svg[data-qr]", "getAttribute", "data-qr"))
        certificate = recovery.parse_request(text)
        digits = recovery.digits(certificate.to_bytes())
        for group in digits.split():
            await says(phone, group)
        await phone.page.click(button("Let me in"))
        await says(phone, "The officers have not approved it yet")

        await enrolling.begin(ada, certificate, line, "left in a taxi")
        await phone.page.click(button("Let me in"))
        await says(phone, "It takes a second one")
        await eve.lines()
        ((seen, status),) = await enrolling.listed(eve)
        assert seen.digits == digits
        await enrolling.approve(eve, seen, status)
        await phone.page.click(button("Let me in"))
        await says(phone, "Come back when 24 hours have passed")
        with sqlite3.connect(story.relay.settings.database, timeout=10) as connection:
            connection.execute("UPDATE enrolments SET announced_at = announced_at - ?", (DAY,))
        await phone.page.click(button("Let me in"))
        await says(phone, "The line still has another device")
        await ada.order("revoke", [Target(line.id, line.devices[0].id)], "lost")

    await phone.page.click(button("Let me in"))
    await says(phone, f"You are in: {address}")
    # Cut off before there is a PIN.
    await phone.page.call("reload")
    await says(phone, f"You are in: {address}")
    await phone.choose_pin(PIN)
    await phone.page.click(button("Open my line"))
    await phone.start()
    assert phone.address == address
    await phone.reload()
    await phone.unlock()
    await phone.page.see("role=heading[name=Chats]")
    await ben.send_text((await ben.conversation_with(address)).id, "welcome back")
    await phone.open(ben.address)
    await phone.reads("welcome back")
