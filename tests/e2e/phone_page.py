"""A phone in Chromium, as a person uses it: by what is written on its buttons.

async with telling(folder) as story:
    ada = await story.phone("ada")            # a line of its own, activated in its own browser profile
    await ada.begin(ben.address)
    await ada.send("Hello")
    await ada.state("Hello", "read")
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from chappe.wire.links import activation_link
from tests.client.world import World
from tests.e2e.browser import Browser, Page, browsing
from tests.relay.world import RelayProcess

PIN: Final = "836104"
FLAGS: Final = (
    # The relay's certificate is its own; without this no service worker registers.
    "--ignore-certificate-errors",
    "--use-fake-device-for-media-stream",
    "--use-fake-ui-for-media-stream",
)


def button(name: str) -> str:
    return f'role=button[name="{name}"]'


def field_of(name: str) -> str:
    return f'role=textbox[name="{name}"]'


@dataclass
class PhonePage:
    """One phone. `address` once it has a line."""

    page: Page
    story: Story
    address: str = ""

    # --- a line

    async def activate(self, link: str, name: str, pin: str = PIN) -> None:
        page = self.page
        await page.click(button("Activate a new line"))
        await page.fill(field_of("Activation code or link"), link)
        await page.click(button("Continue"))
        await page.fill(field_of("Name"), name)
        await page.click(button("Continue"))
        await self.choose_pin(pin)
        await page.click(button("Make my line"))
        await self.start()

    async def choose_pin(self, pin: str) -> None:
        for nth in (0, 1):
            await self.page.fill(f"input[type=password] >> nth={nth}", pin)

    async def start(self) -> None:
        """The last step of setting up."""
        await self.page.see(button("Start"), 60)
        found = re.search(r"[a-z0-9._-]+@[a-z0-9.-]+", await self.page.text("main"))
        assert found is not None
        self.address = found[0]
        await self.page.click(button("Start"))
        await self.page.see(button("New conversation"))

    async def reload(self) -> None:
        await self.page.call("reload")
        await self.page.see("main")

    async def try_pin(self, pin: str) -> None:
        await self.page.see("text=Chappe is locked")
        await self.page.fill("input[type=password]", pin)
        await self.page.click(button("Unlock"))

    async def unlock(self, pin: str = PIN) -> None:
        await self.try_pin(pin)
        await self.page.see(button("New conversation"), 30)

    async def lock(self) -> None:
        await self.home()
        await self.page.click(button("Lock now"))
        await self.page.see("text=Chappe is locked")

    # --- conversations

    async def home(self) -> None:
        """Back to the list, from anywhere."""
        while not await self.page.on(button("New conversation"), "isVisible"):
            await self.page.click(f"{button('Back')} >> visible=true")
            await self.page.call("waitForTimeout", 50)

    async def begin(self, address: str) -> None:
        await self.home()
        await self.page.click(button("New conversation"))
        await self.page.fill(field_of("Address"), address)
        await self.page.click(button("Begin"))
        await self.page.see(field_of("Message"))

    async def make_group(self, name: str, *addresses: str) -> None:
        await self.home()
        await self.page.click(button("New conversation"))
        await self.page.click(button("New group"))
        await self.page.fill(field_of("Name of the group"), name)
        for address in addresses:
            await self.page.fill(field_of("Address"), address)
            await self.page.click(button("Add"))
            await self.page.see(button(f"Remove {address.split('@')[0]}"))
        await self.page.click(button("Make the group"))
        await self.page.see(field_of("Message"))

    async def open(self, name: str) -> None:
        """The conversation of that name; a line's name does for a direct one."""
        await self.home()
        await self.page.click(f'ul[aria-label="Conversations"] >> text="{name.split("@")[0]}" >> nth=0')
        await self.page.see(f'h1 bdi:text-is("{name.split("@")[0]}")')

    async def info(self) -> None:
        await self.page.click("header >> role=button[name=/About this conversation/]")
        await self.page.see("h1:text-is('Details')")

    async def back(self) -> None:
        await self.page.click(f"{button('Back')} >> visible=true")

    # --- messages

    async def send(self, text: str) -> None:
        await self.page.fill(field_of("Message"), text)
        await self.page.click(button("Send"))
        await self.page.see(self.message(text))

    def message(self, text: str) -> str:
        return f'li[id^="m-"]:has-text("{text}")'

    async def sees(self, text: str, seconds: float = 45) -> None:
        await self.page.see(f'text="{text}"', seconds)

    async def reads(self, text: str) -> None:
        """A message with this text, in the conversation that is open."""
        await self.page.see(self.message(text))

    async def gone(self, text: str, seconds: float = 45) -> None:
        await self.page.gone(self.message(text), seconds)

    async def state(self, text: str, word: str) -> None:
        """What became of a message, as a screen reader says it."""
        await self.page.see(f'{self.message(text)} >> text="{word}"')

    async def act(self, text: str, action: str) -> None:
        """Something from a message's menu."""
        await self.page.click(f"{self.message(text)} >> {button('Message: actions')}")
        await self.page.click(f"dialog >> {button(action)}")

    async def attach(self, kind: str, path: Path) -> None:
        """Through the file input of "Photo" or "File"."""
        await self.page.click(button("Attach"))
        await self.page.on(f'dialog label:has-text("{kind}") input', "setInputFiles", str(path))

    # --- what is stored

    async def stored(self) -> dict[str, list[str]]:
        """What there is in this browser of the phone: databases, files at any depth, caches."""
        found: dict[str, list[str]] = await self.page.evaluate(
            """async () => {
              const files = [];
              const list = async (folder, path) => {
                for await (const [name, handle] of folder.entries()) {
                  if (handle.kind === "directory") await list(handle, `${path}${name}/`);
                  else files.push(path + name);
                }
              };
              await list(await navigator.storage.getDirectory(), "");
              const databases = [];
              for (const { name } of await indexedDB.databases()) {
                const open = await new Promise((done, fail) => {
                  const asked = indexedDB.open(name);
                  asked.onsuccess = () => done(asked.result);
                  asked.onerror = fail;
                });
                for (const store of open.objectStoreNames) {
                  const count = await new Promise((done) => {
                    const asked = open.transaction(store).objectStore(store).count();
                    asked.onsuccess = () => done(asked.result);
                  });
                  if (count > 0) databases.push(`${name}/${store}`);
                }
                open.close();
              }
              return { databases, files, caches: await caches.keys(), kept: Object.keys(localStorage) };
            }"""
        )
        return found


@dataclass
class Story:
    """A relay, a browser, Python phones."""

    relay: RelayProcess
    world: World
    browser: Browser
    pages: list[PhonePage] = field(default_factory=list)
    port: int = 0
    """Of what stands between browsers and the relay; 0: nothing does."""

    @property
    def url(self) -> str:
        return f"https://localhost:{self.port or self.relay.port}/"

    async def visit(self, name: str, **options: Any) -> PhonePage:
        """A browser without a line yet."""
        phone = PhonePage(await self.browser.page(name, self.url, **options), self)
        self.pages.append(phone)
        return phone

    async def phone(self, name: str, code: str = "", **options: Any) -> PhonePage:
        """A browser with a new line."""
        phone = await self.visit(name, **options)
        await phone.activate(code or self.relay.code(), self.world.address(name).split("@")[0])
        return phone

    def link(self) -> str:
        """An activation link, as whoever runs the relay hands it out."""
        place = self.world.place
        return activation_link(place.host, place.port, self.relay.code(), self.relay.pin)


@asynccontextmanager
async def telling(folder: Path, *flags: str, plain: bool = False, **settings: Any) -> AsyncIterator[Story]:
    """All of it, ended with the block. `flags`: more for Chromium; `plain`: see `browsing`."""
    relay = RelayProcess(folder / "data", **({"attempts_burst": 10_000} | settings))
    world = World(relay, folder)
    try:
        async with browsing(*FLAGS, *flags, plain=plain) as browser:
            yield Story(relay, world, browser)
    finally:
        await world.close()
        relay.kill()
