"""Off the network and back; a relay that is killed; a page loaded anew without a network."""

from __future__ import annotations

import pytest

from chappe.client import Phone
from tests.client.world import texts, until
from tests.e2e.phone_page import PIN, PhonePage, Story, button, field_of

pytestmark = pytest.mark.anyio
OFFLINE = "No connection. What you write is sent later."


@pytest.fixture(scope="module")
async def cyd(story: Story) -> Phone:
    (phone,) = await story.world.phones("cyd")
    return phone


@pytest.fixture(scope="module")
async def ada(story: Story, cyd: Phone) -> PhonePage:
    phone = await story.phone("ada")
    await phone.begin(cyd.address)
    await phone.send("First")
    await until(lambda: texts(cyd) == ["First"])
    return phone


async def test_written_without_a_network(ada: PhonePage, cyd: Phone) -> None:
    """It stands there as waiting, and leaves when the network is back; what came meanwhile comes too."""
    await ada.page.offline(True)
    await ada.send("Written in a tunnel")
    await ada.state("Written in a tunnel", "waiting to be sent")
    await ada.back()
    await ada.sees(OFFLINE, 40)
    await cyd.send_text(cyd.conversation(ada.address).id, "Are you there?")
    await ada.page.offline(False)
    await ada.sees("Are you there?", 40)
    await ada.page.gone(f"text={OFFLINE}")
    await until(lambda: "Written in a tunnel" in texts(cyd))
    await ada.open(cyd.address)
    await ada.state("Written in a tunnel", "delivered")


async def test_loaded_anew_without_a_network(story: Story, ada: PhonePage, cyd: Phone) -> None:
    """The page comes from the service worker; it opens within the hours that were chosen, and not without."""
    await ada.page.evaluate("async () => { await navigator.serviceWorker.ready }")
    await ada.page.offline(True)
    await ada.reload()
    await ada.try_pin(PIN)
    await ada.sees("The relay does not answer. Check the network.", 30)

    await ada.page.offline(False)
    await ada.unlock()
    await ada.page.click(button("Settings"))
    await ada.page.on("label:has-text('Open without the relay') >> select", "selectOption", "8")
    # From the next unlocking on.
    await ada.lock()
    await ada.unlock()

    await ada.page.offline(True)
    await ada.reload()
    await ada.unlock()
    await ada.sees(OFFLINE, 40)
    await ada.open(cyd.address)
    await ada.reads("Written in a tunnel")
    await ada.send("Written after a reload")
    await ada.state("Written after a reload", "waiting to be sent")
    await ada.reload()
    await ada.page.offline(False)
    await ada.unlock()
    await until(lambda: texts(cyd).count("Written after a reload") == 1)


async def test_a_relay_that_is_killed(story: Story, ada: PhonePage, cyd: Phone) -> None:
    await ada.open(cyd.address)
    story.relay.kill()
    await ada.send("Where is the relay?")
    await ada.state("Where is the relay?", "waiting to be sent")
    await ada.back()
    await ada.sees(OFFLINE, 40)
    story.relay.start()
    # Whoever uses the phone need not wait for its next try.
    await ada.page.click(field_of("Search"))
    await ada.page.gone(f"text={OFFLINE}", 60)
    await until(lambda: texts(cyd).count("Where is the relay?") == 1, "the message", 60)
    await cyd.send_text(cyd.conversation(ada.address).id, "Here again")
    await ada.sees("Here again")
