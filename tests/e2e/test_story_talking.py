"""Two browsers and a terminal in conversation: what one does, the others see."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from chappe.client import Conversation, Phone
from tests.client.world import members, texts, until
from tests.e2e.phone_page import PhonePage, Story, button

pytestmark = pytest.mark.anyio


@pytest.fixture(scope="module")
async def ada(story: Story) -> PhonePage:
    """Activated from a whole link."""
    return await story.phone("ada", story.link())


@pytest.fixture(scope="module")
async def ben(story: Story) -> PhonePage:
    """Activated from a bare code, as it is read out on the telephone."""
    code = story.relay.code()
    spoken = "-".join(code[at : at + 4] for at in range(0, 16, 4)).lower()
    return await story.phone("ben", spoken)


@pytest.fixture(scope="module")
async def cyd(story: Story) -> Phone:
    """A terminal."""
    (phone,) = await story.world.phones("cyd")
    return phone


def last(phone: Phone, conversation: Conversation) -> str:
    return phone.messages(conversation.id)[-1].text


async def test_a_browser_and_a_terminal(ada: PhonePage, cyd: Phone) -> None:
    await ada.begin(cyd.address)
    await ada.send("Hello from the browser")
    await until(lambda: texts(cyd) == ["Hello from the browser"])
    await ada.state("Hello from the browser", "delivered")
    his = cyd.conversation(ada.address)
    assert cyd.messages(his.id)[-1].sender == ada.address
    await cyd.send_text(his.id, "Hello from the terminal")
    await ada.reads("Hello from the terminal")
    await cyd.mark_read(his.id)
    await ada.state("Hello from the browser", "read")


async def test_what_a_person_does_with_messages(ada: PhonePage, cyd: Phone) -> None:
    his = cyd.conversation(ada.address)
    await ada.send("A mistke")
    await ada.act("A mistke", "Edit")
    await ada.page.fill('role=textbox[name="Message"]', "A mistake")
    await ada.page.click(button("Save"))
    await ada.state("A mistake", "edited")
    await until(lambda: last(cyd, his) == "A mistake")

    await ada.act("Hello from the terminal", "React with 👍")
    await until(lambda: any(m.reactions for m in cyd.messages(his.id)), "the reaction")
    await ada.act("Hello from the terminal", "React with 👍")
    await until(lambda: not any(m.reactions for m in cyd.messages(his.id)), "the reaction taken back")

    await ada.act("Hello from the terminal", "Reply")
    await ada.send("An answer")
    await until(lambda: last(cyd, his) == "An answer")
    asked = next(m for m in cyd.messages(his.id) if m.text == "Hello from the terminal")
    assert cyd.messages(his.id)[-1].reply_to == asked.id

    await ada.send("Never mind")
    await until(lambda: last(cyd, his) == "Never mind")
    await ada.act("Never mind", "Delete for everybody")
    await ada.reads("This message was deleted")
    await until(lambda: "Never mind" not in texts(cyd))
    await ada.act("An answer", "Delete on this device")
    await ada.gone("An answer")
    assert "An answer" in texts(cyd)


async def test_what_a_terminal_does_with_messages(ada: PhonePage, cyd: Phone) -> None:
    his = cyd.conversation(ada.address)
    first = next(m for m in cyd.messages(his.id) if m.text == "Hello from the browser")
    mine = await cyd.send_text(his.id, "Seen from the terimnal", first.id)
    await ada.reads("Seen from the terimnal")
    await ada.page.see(f"{ada.message('Seen from the terimnal')} >> text='Hello from the browser'")
    await cyd.edit(his.id, mine, "Seen from the terminal")
    await ada.state("Seen from the terminal", "edited")
    await cyd.react(his.id, mine, "🙏")
    await ada.page.see('role=button[name^="🙏 from"]')
    await cyd.delete(his.id, mine)
    await ada.gone("Seen from the terminal")


async def test_a_group_of_three(story: Story, ada: PhonePage, ben: PhonePage, cyd: Phone) -> None:
    await ada.make_group("Night desk", ben.address, cyd.address)
    await ada.send("To both of you")
    await ben.open("Night desk")
    await ben.reads("To both of you")
    await ben.send("Ben has it")
    await ada.reads("Ben has it")
    await until(lambda: texts(cyd, group_of(cyd).id) == ["To both of you", "Ben has it"])
    await cyd.send_text(group_of(cyd).id, "The terminal too")
    await asyncio.gather(ada.reads("The terminal too"), ben.reads("The terminal too"))


def group_of(phone: Phone) -> Conversation:
    return phone.conversation("Night desk")


async def test_members_come_and_go(story: Story, ada: PhonePage, ben: PhonePage, cyd: Phone) -> None:
    (dan,) = await story.world.phones("dan")
    await ada.info()
    await ada.page.click(button("Add somebody"))
    await ada.page.fill("dialog >> role=textbox[name=Address]", dan.address)
    await ada.page.click("dialog >> role=button[name=Add]")
    await until(lambda: any(c.name == "Night desk" for c in dan.conversations()), "the invitation")
    await ada.page.see(f"text={dan.address}")
    await ada.back()
    await ada.send("Welcome, Dan")
    await until(lambda: texts(dan) == ["Welcome, Dan"])

    await ada.info()
    name = dan.address.split("@")[0]
    await ada.page.click(f'summary:has-text("{dan.address}")')
    await ada.page.click(button(f"Remove {name}") + " >> visible=true")
    await ada.page.click("dialog >> " + button(f"Remove {name}"))
    await until(lambda: not dan.conversation("Night desk").active)
    assert members(cyd, group_of(cyd).id) == ["ada", "ben", "cyd"]
    await ada.back()
    await ada.reads(f"{name} was removed")
    await ada.send("Without Dan")
    await asyncio.gather(ben.reads("Without Dan"), ben.reads(f"{name} was removed"))
    await until(lambda: last(cyd, group_of(cyd)) == "Without Dan")
    assert "Without Dan" not in texts(dan)

    # A terminal removes, and a browser is told.
    await cyd.remove(group_of(cyd).id, ben.address)
    await ben.sees("You are no longer in this conversation.")


async def test_messages_disappear(ada: PhonePage, ben: PhonePage) -> None:
    """The shortest time that the page offers is too long for a test; any second will do in a terminal."""
    await ben.begin(ada.address)
    await ben.info()
    await ben.page.on("select >> nth=0", "selectOption", "30")
    await ben.back()
    await ben.reads("Messages now disappear after 30 seconds")
    await ada.open(ben.address)
    await ada.reads("Messages now disappear after 30 seconds")


async def test_messages_of_a_terminal_disappear(ada: PhonePage, cyd: Phone) -> None:
    his = cyd.conversation(ada.address)
    await ada.open(cyd.address)
    await cyd.set_timer(his.id, 1)
    await ada.reads("Messages now disappear after")
    await cyd.send_text(his.id, "Gone in a second")
    await ada.send("Mine too")
    await until(lambda: "Mine too" in texts(cyd))
    await cyd.mark_read(his.id)
    await ada.gone("Gone in a second")
    await ada.gone("Mine too")
    await until(lambda: not {"Gone in a second", "Mine too"} & set(texts(cyd)))


async def test_read_receipts_switched_off(ada: PhonePage, cyd: Phone) -> None:
    his = cyd.conversation(ada.address)
    await cyd.set_timer(his.id, 0)
    await ada.reads("Messages no longer disappear")
    await ada.home()
    await ada.page.click(button("Settings"))
    await ada.page.click("role=switch[name^='Read receipts']")
    await ada.page.see("role=switch[name^='Read receipts'][checked=false]")
    await ada.open(cyd.address)
    sent = await cyd.send_text(his.id, "Did you see this?")
    await ada.reads("Did you see this?")
    await until(lambda: cyd.message(sent.hex()).state == "delivered")
    # Something later has arrived, and still nothing says that it was read.
    await ada.send("Perhaps")
    await until(lambda: last(cyd, his) == "Perhaps")
    assert cyd.message(sent.hex()).state == "delivered"


@pytest.fixture(scope="module", autouse=True)
async def no_errors(story: Story) -> AsyncIterator[None]:
    """Nothing went wrong in a page that a person was not told of."""
    yield
    for phone in story.pages:
        assert not [line for line in await phone.page.log() if line.startswith("error:")]
