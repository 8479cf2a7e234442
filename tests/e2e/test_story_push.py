"""What a push comes to: names where the phone is open and nobody looks, none where it is locked or closed."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Final

import pytest

from chappe.client import Phone
from tests.client.world import texts, until
from tests.e2e.browser import Page
from tests.e2e.conftest import need_browser
from tests.e2e.phone_page import PhonePage, Story, button, telling
from tests.e2e.way import Way, way

pytestmark = [pytest.mark.anyio, pytest.mark.timeout(600)]
GENERAL: Final = {"title": "Chappe", "body": "New message"}
SOON: Final = 60.0
"""Chromium takes a notice away by itself after some 25 seconds. Far below the 100 after which the relay, and
with it the browser, notices a dead connection."""
LOOKED: Final = 15.0
"""Within which what is to go has gone: by the page and not by Chromium."""
PAUSE: Final = 5.0
"""Between two looks where nothing seems to happen."""
_EVENT: Final = "BackgroundService.backgroundServiceEventReceived"
_SHOWN: Final = """async () => (await (await navigator.serviceWorker.ready).getNotifications())
  .map(({ title, body }) => ({ title, body }))"""
_STATE: Final = "() => [Notification.permission, document.visibilityState, document.body.innerText]"
_FIRST: Final = """async () => {
  const at = await navigator.serviceWorker.ready;
  await at.showNotification("The first");
  for (const shown of await at.getNotifications()) shown.close();
}"""
"""On a machine that has no processor to spare it takes Chromium half a minute to get ready for one."""
_TAP: Final = """async () => {
  const [notification] = await self.registration.getNotifications();
  self.dispatchEvent(new NotificationEvent("notificationclick", { notification }));
}"""


@dataclass
class Desk:
    """Another tab before the phone's, and the hand that pushes."""

    tab: Page
    phone: PhonePage
    push: dict[str, str]
    name: str
    """Of who writes, as the phone shows it."""
    events: int = 0
    """Notices that were raised until the last look."""

    async def hide(self) -> None:
        await self.tab.call("bringToFront")
        await self._sees("hidden")

    async def show(self) -> None:
        await self.phone.page.call("bringToFront")
        await self._sees("visible")

    async def _sees(self, state: str) -> None:
        async with asyncio.timeout(10):
            while await self.phone.page.evaluate("() => document.visibilityState") != state:
                await asyncio.sleep(0.05)

    async def deliver(self) -> None:
        """As the browser's push service does, with what nobody believes."""
        await self.tab.cdp("ServiceWorker.deliverPushMessage", self.push | {"data": "from ada: secret"})

    async def shown(self) -> list[dict[str, Any]]:
        return list(await self.phone.page.evaluate(_SHOWN))

    async def raised(self, within: float = SOON) -> None:
        """Another one, since the last look. Raises TimeoutError."""
        async with asyncio.timeout(within):
            while await self._events() == self.events:
                await asyncio.sleep(0.05)

    async def shows(self, *expected: dict[str, Any]) -> None:
        """These and no others; what is to go must do so before Chromium takes it away by itself."""
        within = SOON if expected else LOOKED
        found: list[dict[str, Any]] = []
        looks = 0
        try:
            async with asyncio.timeout(within):
                while looks == 0 or found != list(expected):
                    await self._until_another(PAUSE if expected else PAUSE / 20)
                    looks, found = looks + 1, await self.shown()
        except TimeoutError:
            log = "\n".join((await self.phone.page.log())[-10:])
            log = f"{await self.phone.page.evaluate(_STATE)}\n{log}"
            told = f"{found} and not {list(expected)}, after {looks} looks"
            raise AssertionError(f"{told}\n{log}") from None

    async def _until_another(self, seconds: float) -> None:
        """Was raised since the last look. Whoever asks for those that stand there while
        Chromium raises one has it taken away: it is in one of its lists then, and not in the other."""
        with suppress(TimeoutError):
            await self.raised(seconds)
        self.events = await self._events()

    async def _events(self) -> int:
        heard = [event["backgroundServiceEvent"] for event in await self.tab.heard(_EVENT)]
        return sum(event["eventName"] == "Notification displayed" for event in heard)

    async def choose(self, label: str) -> None:
        """What notices show."""
        await self.phone.home()
        await self.phone.page.click(button("Settings"))
        selector = "label:has-text('Notifications show') >> select"
        await self.phone.page.on(selector, "selectOption", {"label": label})
        await self.phone.home()

    async def mute(self, other: Phone, *, on: bool) -> None:
        """The conversation with another, which is read by that."""
        await self.phone.open(other.address)
        await self.phone.info()
        switch = "role=switch[name^='Mute'] >> nth=0"
        await self.phone.page.see(switch)
        if await self.phone.page.on(switch, "isChecked") is not on:
            await self.phone.page.click(switch)
        await self.phone.home()

    def named(self, body: str) -> dict[str, Any]:
        return {"title": self.name, "body": body}


@pytest.fixture(scope="module")
async def story(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Story]:
    need_browser()
    async with telling(tmp_path_factory.mktemp("push"), plain=True) as told:
        yield told


@pytest.fixture(scope="module")
async def between(story: Story) -> AsyncIterator[Way]:
    """What the browser goes through to the relay."""
    async with way(story.relay.port) as it:
        story.port = it.port
        yield it


@pytest.fixture(scope="module")
async def cyd(story: Story) -> Phone:
    (phone,) = await story.world.phones("cyd")
    return phone


@pytest.fixture(scope="module")
async def desk(story: Story, between: Way, cyd: Phone) -> Desk:
    phone = await story.phone("ada", permissions=["notifications"])
    await phone.begin(cyd.address)
    await phone.send("Are you there?")
    await until(lambda: texts(cyd) == ["Are you there?"])
    await phone.home()
    await phone.page.evaluate(_FIRST)
    tab = Page(story.browser, "ada", "desk")
    await tab.call("goto", "about:blank")
    await tab.heard(_EVENT)
    await tab.cdp("BackgroundService.startObserving", {"service": "notifications"})
    await tab.cdp("BackgroundService.setRecording", {"service": "notifications", "shouldRecord": True})
    told = await tab.cdp("ServiceWorker.enable", event="ServiceWorker.workerRegistrationUpdated")
    (found,) = (one for one in told["registrations"] if story.url in one["scopeURL"])
    push = {"origin": story.url.rstrip("/"), "registrationId": found["registrationId"]}
    return Desk(tab, phone, push, cyd.address.split("@")[0])


@pytest.fixture(autouse=True)
async def nothing_new(desk: Desk, cyd: Phone) -> None:
    """What a test begins with, its second try, too: a person who looks, and has read all."""
    page = desk.phone.page
    await page.offline(False)
    if await page.call("url") == "about:blank":
        await page.call("goto", desk.push["origin"] + "/")
    await desk.show()
    if await page.on("text=Chappe is locked", "count"):
        await desk.phone.unlock()
    await desk.mute(cyd, on=False)
    await desk.shows()


async def say(cyd: Phone, desk: Desk, text: str) -> None:
    await cyd.send_text(cyd.conversation(desk.phone.address).id, text)


async def test_who_does_not_look_is_told_what_the_setting_says(desk: Desk, cyd: Phone) -> None:
    await desk.hide()
    await say(cyd, desk, "The first secret")
    await desk.shows(desk.named("New message"))
    await say(cyd, desk, "The second")
    await desk.shows(desk.named("2 new messages"))
    # A push beside it changes nothing.
    await desk.deliver()
    # A tap opens that conversation; read, it goes.
    await desk.phone.page.worker(_TAP)
    await desk.phone.reads("The second")
    await desk.show()
    await desk.shows()
    await desk.choose("Name and text")
    await desk.hide()
    await say(cyd, desk, "The third")
    await desk.shows(desk.named("The third"))
    await desk.show()
    await desk.choose("Nothing")
    await desk.shows()
    await desk.hide()
    await say(cyd, desk, "The fourth")
    await desk.shows(GENERAL)
    await desk.show()
    await desk.phone.open(cyd.address)
    await desk.shows()
    await desk.choose("Name only")


async def test_who_looks_is_not_told_twice(desk: Desk, cyd: Phone) -> None:
    await say(cyd, desk, "You see this")
    await desk.phone.sees("You see this")
    await desk.deliver()
    # What a hidden page would show is there by then: the next message comes after it.
    await say(cyd, desk, "And this")
    await desk.phone.sees("And this")
    assert await desk.shown() == []


async def test_a_push_wakes_a_phone_behind_a_dead_connection(
    desk: Desk, between: Way, cyd: Phone, record_property: Any
) -> None:
    """Neither end knows that the connection is dead, and the browser would not ask for minutes."""
    await desk.hide()
    between.die()
    await say(cyd, desk, "Through the silence")
    began = time.monotonic()
    await desk.deliver()
    await desk.shows(desk.named("New message"))
    record_property("seconds", round(time.monotonic() - began, 1))
    print(f"\na push behind a dead connection: {time.monotonic() - began:.1f} s until the notice")
    await desk.phone.sees("Through the silence")


async def test_without_a_network_a_push_says_only_that_something_came(desk: Desk, cyd: Phone) -> None:
    await desk.hide()
    await desk.phone.page.offline(True)
    await desk.deliver()
    await desk.shows(GENERAL)
    # Somebody looks.
    await desk.show()
    await desk.shows()
    await desk.hide()
    await say(cyd, desk, "While you were away")
    await desk.deliver()
    await desk.shows(GENERAL)
    # What it was takes its place.
    await desk.phone.page.offline(False)
    await desk.raised()
    async with asyncio.timeout(LOOKED):
        await desk.shows(desk.named("New message"))


async def test_a_muted_conversation_is_silent(desk: Desk, cyd: Phone) -> None:
    await desk.mute(cyd, on=True)
    await desk.hide()
    await say(cyd, desk, "Quietly")
    await desk.deliver()
    await desk.phone.sees("Quietly")
    await asyncio.sleep(0.5)
    assert await desk.shown() == []


async def test_a_locked_phone_names_nobody(desk: Desk, cyd: Phone) -> None:
    await desk.hide()
    await say(cyd, desk, "Before the lock")
    await desk.shows(desk.named("New message"))
    # A page that nobody sees draws nothing, and is not clicked: as the idle time does it.
    await desk.phone.page.on(button("Lock now"), "dispatchEvent", "click")
    await desk.phone.page.on("text=Chappe is locked", "waitFor", {"state": "attached"})
    # What was named goes with the lock.
    await desk.shows()
    await say(cyd, desk, "After the lock")
    await desk.deliver()
    await desk.shows(GENERAL)
    await desk.deliver()
    await desk.raised()
    await desk.shows(GENERAL)
    # Nobody's page is there.
    await desk.phone.page.call("goto", "about:blank")
    await desk.deliver()
    await desk.raised()
    await desk.phone.page.call("goto", desk.push["origin"] + "/")
    await desk.shows(GENERAL)
    await desk.show()
    await desk.phone.unlock()
    await desk.shows()
    await desk.phone.sees("After the lock")
