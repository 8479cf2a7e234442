"""Codes that a camera sees: a line is activated, a person verified, a device linked, without typing."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from tests.e2e.camera import Camera
from tests.e2e.conftest import need_browser
from tests.e2e.phone_page import PIN, PhonePage, Story, button, field_of, telling

pytestmark = pytest.mark.anyio


@pytest.fixture(scope="module")
def camera(tmp_path_factory: pytest.TempPathFactory) -> Camera:
    return Camera(tmp_path_factory.mktemp("camera") / "sees.y4m")


@pytest.fixture(scope="module")
async def story(tmp_path_factory: pytest.TempPathFactory, camera: Camera) -> AsyncIterator[Story]:
    need_browser()
    async with telling(tmp_path_factory.mktemp("story"), camera.flag) as told:
        yield told


@pytest.fixture(scope="module")
async def ada(story: Story, camera: Camera) -> PhonePage:
    """Activated by a scan of the whole link."""
    phone = await story.visit("ada")
    page = phone.page
    await page.click(button("Activate a new line"))
    camera.show("https://example.org/a-poster-on-the-wall")
    await page.click(button("Scan the QR code"))
    await page.see("text=That is not an activation code.")
    camera.show(story.link())
    await page.click(button("Scan the QR code"))
    await page.fill(field_of("Name"), story.world.address("ada").split("@")[0])
    await page.click(button("Continue"))
    await phone.choose_pin(PIN)
    await page.click(button("Make my line"))
    await phone.start()
    return phone


@pytest.fixture(scope="module")
async def ben(story: Story, ada: PhonePage) -> PhonePage:
    phone = await story.phone("ben")
    await phone.begin(ada.address)
    await phone.send("Shall we compare?")
    await ada.open(phone.address)
    await ada.reads("Shall we compare?")
    return phone


def name_of(phone: PhonePage) -> str:
    return phone.address.split("@")[0]


async def verify(phone: PhonePage, other: PhonePage) -> str:
    """Open the page on which `phone` verifies `other`; gives what its code says."""
    await phone.info()
    await phone.page.click(f'summary:has-text("{other.address}")')
    await phone.page.click(button(f"Verify {name_of(other)}"))
    await phone.page.see("[data-qr]")
    return str(await phone.page.on("[data-qr]", "getAttribute", "data-qr"))


async def test_a_person_is_verified_by_the_code_on_their_phone(
    camera: Camera, ada: PhonePage, ben: PhonePage
) -> None:
    shown = await verify(ben, ada)
    assert await verify(ada, ben) == shown
    scan = button(f"Scan {name_of(ben)}'s code")
    prefix, digits = shown.split(":")
    camera.show(f"{prefix}:{int(digits[0]) ^ 1}{digits[1:]}")
    await ada.page.click(scan)
    await ada.page.see("text=The codes do not match.")
    camera.show("chappe-version:" + "0" * 64)
    await ada.page.click(scan)
    await ada.page.see("text=That is not a safety code.")
    assert await ada.page.count(button("The numbers are the same")) == 1
    camera.show(shown)
    await ada.page.click(scan)
    await ada.page.see(f"text=The codes match. {name_of(ben)} is verified.")
    await ada.page.see(button("No longer verified"))


async def test_a_device_is_linked_by_the_code_on_it(story: Story, camera: Camera, ada: PhonePage) -> None:
    tablet = await story.visit("tablet")
    await tablet.page.click(button("I have a line on another device"))
    await tablet.choose_pin(PIN)
    await tablet.page.click(button("Show the QR code"))
    await tablet.page.see("[data-qr]")
    camera.show(str(await tablet.page.on("[data-qr]", "getAttribute", "data-qr")))
    await ada.home()
    await ada.page.click(button("Settings"))
    await ada.page.click("role=button[name=/Devices/]")
    await ada.page.click(button("Link a device"))
    await ada.page.click(f"dialog >> {button('Scan')}")
    await asyncio.gather(tablet.start(), ada.sees("The device is linked.", 40))
    assert tablet.address == ada.address
