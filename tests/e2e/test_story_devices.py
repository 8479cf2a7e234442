"""A second device of a line, a browser's and a terminal's; and somebody with another identity key."""

from __future__ import annotations

import asyncio
import sqlite3

import pytest

from chappe.client import Phone
from tests.client.world import texts, until
from tests.e2e.phone_page import PhonePage, Story, button

pytestmark = pytest.mark.anyio
LINK = "text=/^chappe:..localhost:/"


@pytest.fixture(scope="module")
async def cyd(story: Story) -> Phone:
    (phone,) = await story.world.phones("cyd")
    return phone


@pytest.fixture(scope="module")
async def ada(story: Story, cyd: Phone) -> PhonePage:
    phone = await story.phone("ada")
    await phone.begin(cyd.address)
    await phone.send("Before the others")
    await until(lambda: texts(cyd) == ["Before the others"])
    return phone


async def paste_link(phone: PhonePage, link: str) -> None:
    """On the old device."""
    await phone.home()
    await phone.page.click(button("Settings"))
    await phone.page.click("role=button[name=/Devices/]")
    await phone.page.click(button("Link a device"))
    await phone.page.fill('role=textbox[name="Text from the new device"]', link)
    await phone.page.click(f"dialog >> {button('Continue')}")
    await phone.sees("The device is linked.", 40)


async def test_a_terminal_joins_the_line_of_a_browser(story: Story, ada: PhonePage, cyd: Phone) -> None:
    shown: asyncio.Future[str] = asyncio.get_running_loop().create_future()
    linking = asyncio.create_task(Phone.link(story.world.home("desk"), story.world.place, shown.set_result))
    giving = asyncio.create_task(paste_link(ada, await shown))
    desk = await story.world._enter("desk", await linking)
    await giving
    assert desk.address == ada.address
    await until(lambda: bool(desk.conversations()), "the conversation")
    assert texts(desk) == []
    await cyd.send_text(cyd.conversation(ada.address).id, "To both of you")
    await ada.open(cyd.address)
    await ada.reads("To both of you")
    await until(lambda: texts(desk) == ["To both of you"])
    await desk.send_text(desk.conversation(cyd.address).id, "From the desk")
    await ada.reads("From the desk")
    await ada.state("From the desk", "delivered")
    await until(lambda: texts(cyd)[-1] == "From the desk")
    await ada.info()
    await ada.sees("2 devices")


async def test_a_browser_joins_the_line_of_a_terminal(story: Story, ada: PhonePage, cyd: Phone) -> None:
    phone = await story.visit("cyd2")
    await phone.page.click(button("I have a line on another device"))
    await phone.choose_pin("836104")
    await phone.page.click(button("Show the QR code"))
    await phone.page.see(LINK)
    adding = asyncio.create_task(cyd.add_device(await phone.page.text(LINK)))
    await phone.start()
    await adding
    assert phone.address == cyd.address
    await phone.open(ada.address)
    await ada.open(cyd.address)
    await ada.send("To the new one too")
    await phone.reads("To the new one too")
    await phone.send("From the new one")
    await asyncio.gather(ada.reads("From the new one"))
    await until(lambda: texts(cyd)[-1] == "From the new one")


async def test_an_identity_that_changed(story: Story, ada: PhonePage) -> None:
    """The relay gives the address to somebody else: the phone says so, and nothing is sent."""
    (dan,) = await story.world.phones("dan")
    await ada.begin(dan.address)
    await ada.send("For the first Dan")
    await until(lambda: texts(dan) == ["For the first Dan"])
    await story.world.shut("dan")
    _forget_line(story, dan)
    again = await Phone.activate(
        story.world.home("dan again"), story.world.place, story.relay.code(), dan.address
    )
    again = await story.world._enter("dan again", again)
    await story.world.ready(again)
    await again.conversation_with(ada.address)
    name = dan.address.split("@")[0]
    await ada.sees(f"{name} has a new identity key", 40)
    assert await ada.page.count('role=textbox[name="Message"]') == 0
    await ada.page.click(button("Accept"))
    await ada.sees(f"Accept the new identity of {name}?")
    await ada.page.click(f"dialog >> {button('Accept')}")
    await ada.page.see('role=textbox[name="Message"]')


def _forget_line(story: Story, phone: Phone) -> None:
    """What a relay that lies does: the address is free again."""
    story.relay.stop()
    with sqlite3.connect(story.relay.settings.database) as database:
        database.execute("UPDATE lines SET address = 'nobody@localhost' WHERE line = ?", (phone.line_id,))
    database.close()
    story.relay.start()
