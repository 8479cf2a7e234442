"""A phone in Chromium behind the man, and what is on its screen."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from tests.client.world import World
from tests.e2e.browser import Browser
from tests.e2e.phone_page import PhonePage, Story
from tests.relay.world import RelayProcess

from bench.drill.eyes import Sight

FOREIGN: Final = "Written by nobody who has the release key"
"""What a page of the attacker's says: where it is on the screen, other code runs."""


@dataclass
class Watched:
    """`lines`: what was on the screen when all was well. What is new there since is what the person sees."""

    name: str
    phone: PhonePage
    lines: set[str] = field(default_factory=set)
    alarms: list[Sight] = field(default_factory=list)
    harms: list[str] = field(default_factory=list)

    @classmethod
    async def opened(
        cls, name: str, browser: Browser, relay: RelayProcess, port: int, folder: Path
    ) -> Watched:
        """A new line in a browser profile of its own, which has taken the release in."""
        story = Story(relay, World(relay, folder), browser, port=port)
        phone = await story.phone(name)
        made = cls(name, phone)
        await phone.page.evaluate("async () => { await navigator.serviceWorker.ready }")
        await made.bundle()
        return made

    async def bundle(self) -> str:
        """The hash of the release that runs, as its settings show it."""
        page = self.phone.page
        await self.phone.home()
        await page.click("role=button[name=Settings]")
        await page.click("role=button[name='This version']")
        await page.see("role=img[name=/Hash of the bundle/]", 60)
        shown = await page.on("[data-qr]", "getAttribute", "data-qr")
        await self.phone.home()
        return str(shown)

    async def look(self) -> None:
        """All is well: this is what the screen says then."""
        self.lines |= await self._lines()

    async def look_again(self) -> None:
        """What is new is seen."""
        new = sorted(await self._lines() - self.lines)
        self.alarms += [Sight(self.name, "on the screen", line) for line in new]
        if any(FOREIGN in line for line in new):
            self.harms.append(f"{self.name}'s browser runs a page that nobody signed")

    async def _lines(self) -> set[str]:
        text = await self.phone.page.text("body")
        return {line.strip() for line in text.splitlines() if line.strip()}
