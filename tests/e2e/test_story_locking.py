"""Wrong PINs, and erasing by an officer's order: on an open phone, a locked one, and one that was away."""

from __future__ import annotations

import asyncio
import random
import sqlite3
from collections.abc import AsyncIterator
from pathlib import Path

import msgspec
import pytest

from chappe.client import Phone
from chappe.client.officer import Officer
from chappe.relay import organisations
from chappe.relay.new_codes import new_codes
from chappe.wire.links import activation_link
from chappe.wire.orders import Target
from tests.client.world import PATIENCE, place_of, texts, until
from tests.e2e.phone_page import PIN, PhonePage, Story, button

pytestmark = pytest.mark.anyio
WRONG = "507219"
CACHED = """async () => {
  const release = await (await fetch("/release.json")).json();
  const known = new Set(release.files.map(({ path }) => `/${path}`));
  const found = [];
  for (const name of await caches.keys()) {
    for (const { url } of await (await caches.open(name)).keys()) {
      const { pathname } = new URL(url);
      if (!known.has(pathname) && !/^\\/(release\\.(json|sig)|__state)?$/.test(pathname)) found.push(url);
    }
  }
  return found;
}"""


@pytest.fixture(scope="module")
async def officer(story: Story, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Officer]:
    made = await Officer.found(
        tmp_path_factory.mktemp("officer") / "file",
        "seven otters juggle wet umbrellas",
        place_of(story.relay),
        organisation="Press",
        name="Olga",
    )
    organisations.add(story.relay.settings, msgspec.msgpack.encode(made.state.rosters[0]))
    yield made
    await made.close()


@pytest.fixture(scope="module")
async def cyd(story: Story) -> Phone:
    (phone,) = await story.world.phones("cyd")
    return phone


async def member(story: Story, name: str, cyd: Phone, folder: Path) -> PhonePage:
    """A browser with a line of the organisation, from its link, that has sent cyd a message and a file."""
    made = new_codes(story.relay.settings, 1, "Press")
    place = story.world.place
    link = activation_link(place.host, place.port, made.codes[0], story.relay.pin, made.fleet_key)
    phone = await story.phone(name, link)
    await phone.begin(cyd.address)
    await phone.send(f"{name} was here")
    await until(lambda: f"{name} was here" in texts(cyd))
    path = folder / f"{name}.bin"
    path.write_bytes(random.Random(name).randbytes(300_000))
    await phone.attach("Sent as it is", path)
    await phone.state(f"{name}.bin", "delivered")
    there = await phone.stored()
    assert there["databases"]
    assert [one for one in there["files"] if one.startswith("chappe-files/")]
    return phone


async def target(officer: Officer, phone: PhonePage) -> Target:
    (line,) = [one for one in await officer.lines() if one.address == phone.address]
    (device,) = line.devices
    return Target(line.id, device.id)


async def erased(phone: PhonePage, reason: str) -> None:
    """The page says so and by what; nothing of the phone is left in the browser, after a reload neither."""
    for _ in range(2):
        await phone.sees("This device was erased", 40)
        await phone.sees(f"Reason given: {reason}")
        await phone.sees("The receipt has reached the relay.")
        await phone.reload()
    left = await phone.stored()
    # What the erased screen shows; the app's own files, which every visitor gets, may come back with it.
    assert [one for one in left["databases"] if not one.startswith("chappe-erased/")] == []
    assert left["files"] == []
    assert left["kept"] == []
    # What caches hold is the app, file by file as its release names it.
    assert await phone.page.evaluate(CACHED) == []


async def receipt(officer: Officer, order: bytes) -> None:
    loop = asyncio.get_running_loop()
    deadline = loop.time() + PATIENCE
    while True:
        (view,) = await officer.orders(order)
        (device,) = view.devices
        if device.receipt == "holds":
            assert device.unreadable_at is not None
            return
        assert loop.time() < deadline, view
        await asyncio.sleep(0.1)


async def test_erased_while_open(story: Story, officer: Officer, cyd: Phone, tmp_path: Path) -> None:
    ada = await member(story, "ada", cyd, tmp_path)
    given = await officer.order("erase", [await target(officer, ada)], "left in a taxi")
    await erased(ada, "left in a taxi")
    await receipt(officer, given.order)
    await ada.page.close()


async def test_erased_while_locked(story: Story, officer: Officer, cyd: Phone, tmp_path: Path) -> None:
    ben = await member(story, "ben", cyd, tmp_path)
    await ben.lock()
    given = await officer.order("erase", [await target(officer, ben)], "stolen")
    await ben.try_pin(PIN)
    await erased(ben, "stolen")
    await receipt(officer, given.order)
    await ben.page.close()


async def test_erased_while_away(story: Story, officer: Officer, cyd: Phone, tmp_path: Path) -> None:
    """The page was closed when the order was given. Opened again, it is as locked, and a PIN finds out."""
    dan = await member(story, "dan", cyd, tmp_path)
    await dan.page.call("goto", "about:blank")
    given = await officer.order("erase", [await target(officer, dan)], "lost at sea")
    await dan.page.call("goto", story.url)
    await dan.try_pin(WRONG)
    await erased(dan, "lost at sea")
    await receipt(officer, given.order)
    await dan.page.close()


async def test_wrong_pins(story: Story) -> None:
    """Each says what is left; then come waits; the tenth destroys, and the right one then opens nothing."""
    eve = await story.phone("eve")
    await eve.lock()
    for left in (9, 8, 7):
        await eve.try_pin(WRONG)
        await eve.page.see(f"text={left} tries are left.", 30)
    await eve.try_pin(WRONG)
    await eve.page.see("text=The next try is in 1 min", 30)
    await eve.try_pin(PIN)
    await eve.page.see("text=Too many wrong PINs. Wait before the next try.", 30)
    await _no_wait(story)
    await eve.unlock()
    await eve.lock()
    for left in (9, 8, 7, 6, 5, 4, 3, 2):
        await _no_wait(story)
        await eve.try_pin(WRONG)
        await eve.page.see(f"text={left} tries are left.", 30)
    await _no_wait(story)
    await eve.try_pin(WRONG)
    await eve.page.see("text=1 try is left. After a wrong one nothing opens this device any more.", 30)
    await _no_wait(story)
    await eve.try_pin(WRONG)
    await eve.page.see("text=its share was destroyed", 30)
    await eve.try_pin(PIN)
    await eve.page.see("text=its share was destroyed", 30)
    assert not await eve.page.count(button("New conversation"))


async def _no_wait(story: Story) -> None:
    """As if the hours had passed: the service's own note of when the next try is."""
    path: Path = story.relay.settings.shares / "shares.db"
    with sqlite3.connect(path, timeout=10) as database:
        database.execute("UPDATE shares SET not_before = 0")
    database.close()


async def test_in_french(story: Story) -> None:
    """What the browser prefers is what the page speaks."""
    zoe = await story.visit("zoe", locale="fr-FR")
    await zoe.page.click(button("Activer une nouvelle ligne"))
    await zoe.page.fill('role=textbox[name="Code ou lien d\'activation"]', story.relay.code())
    await zoe.page.click(button("Continuer"))
    await zoe.page.fill('role=textbox[name="Nom"]', story.world.address("zoe").split("@")[0])
    await zoe.page.click(button("Continuer"))
    await zoe.choose_pin(PIN)
    await zoe.page.click(button("Créer ma ligne"))
    await zoe.page.click(button("Commencer"))
    await zoe.page.click(button("Verrouiller"))
    await zoe.page.see("text=Chappe est verrouillé")
    await zoe.page.fill("input[type=password]", WRONG)
    await zoe.page.click(button("Déverrouiller"))
    await zoe.page.see("text=Il reste 9 essais.", 30)
    assert await zoe.page.evaluate("() => document.documentElement.lang") == "fr"
