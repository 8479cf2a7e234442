"""Pictures of a real session for docs/using.md: `python -m tests.e2e.screenshots`. Look at them before they
are committed. A relay, two browsers and two terminals; the other views are in tests/e2e/pictures.py."""

from __future__ import annotations

import asyncio
import tempfile
import time
from pathlib import Path
from typing import Final

from chappe.client import Phone
from tests.client.world import until
from tests.e2e.phone_page import PhonePage, Story, button, telling
from tests.e2e.picture import draw
from tests.e2e.pictures import IMAGES, MAX_BYTES

EVENING: Final = 17


def timezone() -> str:
    """One in which it is after five in the afternoon. Etc/GMT+3 is three hours behind."""
    behind = (time.gmtime().tm_hour - EVENING) % 24
    return f"Etc/GMT+{behind}" if behind <= 12 else f"Etc/GMT-{24 - behind}"


async def line(story: Story, name: str) -> Phone:
    address = f"{name}@localhost"
    made = await Phone.activate(story.world.home(name), story.world.place, story.relay.code(), address)
    phone = await story.world._enter(name, made)
    await story.world.ready(phone)
    return phone


async def say(phone: Phone, conversation: str, text: str) -> None:
    await until(lambda: any(one.name == conversation for one in phone.conversations()), "the conversation")
    await phone.send_text(phone.conversation(conversation).id, text)


async def take(phone: PhonePage, name: str) -> None:
    page = phone.page
    await page.evaluate("() => document.activeElement?.blur()")
    await page.on("body", "hover", {"position": {"x": 5, "y": 5}})
    await page.call("waitForTimeout", 700)
    path = IMAGES / f"{name}.jpg"
    await page.screenshot(path, type="jpeg", quality=72)
    assert path.stat().st_size <= MAX_BYTES, f"{path.name} is too large"


async def talk(story: Story, folder: Path) -> PhonePage:
    """A working day: a group, a direct conversation, a photo, an answer, a reaction."""
    look = {"deviceScaleFactor": 1.5, "reducedMotion": "reduce", "timezoneId": timezone()}
    ada, ben = await story.visit("ada", **look), await story.visit("ben", **look)
    await ada.activate(story.relay.code(), "ada")
    await ben.activate(story.relay.code(), "ben")
    clara, daniel = [await line(story, name) for name in ("clara", "daniel")]
    await ada.begin(daniel.address)
    await ada.send("Are you on the late train?")
    await say(daniel, ada.address, "Yes, seat 42. I will read your draft on the way.")
    await ada.begin(ben.address)
    await ada.send("Can you look at page 12 again?")
    await ben.open("ada")
    await ben.send("On it. Ten minutes.")
    await ada.make_group("Night desk", ben.address, clara.address, daniel.address)
    await ben.open("Night desk")
    await ben.send("From the roof, just now.")
    (folder / "roof.png").write_bytes(draw(1200, 800, detail=1200))
    await ben.attach("Photo", folder / "roof.png")
    await ben.page.click(f"dialog >> {button('Send')}")
    await ada.reads("From the roof, just now.")
    await ada.page.see("img[alt=Photo]")
    await ada.act("From the roof, just now.", "React with ❤️")
    await ada.send("That is the front page.")
    await say(clara, "Night desk", "The second source confirms.")
    await ada.reads("The second source confirms.")
    await ada.act("The second source confirms.", "Reply")
    await ada.send("Then we print. Thank you all!")
    for phone in (clara, daniel):
        group = phone.conversation("Night desk").id
        await until(lambda p=phone, g=group: p.messages(g)[-1].text.startswith("Then we print"))  # type: ignore[misc]
        await phone.mark_read(group)
    await ada.state("That is the front page.", "read")
    return ada


async def main() -> None:
    IMAGES.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        async with telling(folder) as story:
            ada = await talk(story, folder)
            await take(ada, "chat")
            await ada.page.call("emulateMedia", {"colorScheme": "dark"})
            await take(ada, "chat-dark")


if __name__ == "__main__":
    asyncio.run(main())
