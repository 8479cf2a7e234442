"""The console in Chromium, at a real `chappe serve`, with the browser's virtual authenticator.

async with serving(folder) as console:
    ada = await console.operator("Ada")     # signed in, in a browser profile of her own
    await ada.go("Lines")
"""

from __future__ import annotations

import asyncio
import re
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from tests.cli.world import begin, chappe
from tests.console import seed
from tests.e2e import pages
from tests.e2e.browser import Browser, Page, browsing
from tests.e2e.phone_page import button, field_of

AUTHENTICATOR: Final = {
    "protocol": "ctap2",
    "transport": "internal",
    "hasResidentKey": True,
    "hasUserVerification": True,
    "isUserVerified": True,
    "automaticPresenceSimulation": True,
}
DESKTOP: Final = {"width": 1280, "height": 860}


# The theme is there, and was drawn.
SETTLED: Final = """async (theme) => {
  while (document.documentElement.dataset.theme !== theme) await new Promise(requestAnimationFrame);
  for (let frame = 0; frame < 3; frame += 1) await new Promise(requestAnimationFrame);
}"""


async def looked_at(who: Person, theme: str) -> list[str]:
    """What axe finds on what is shown, light or dark."""
    await who.page.call("emulateMedia", {"colorScheme": theme})
    await who.page.evaluate(SETTLED, theme)
    return await pages.violations(who.page)


@dataclass
class Person:
    """Somebody at the console."""

    page: Page
    codes: list[str] = field(default_factory=list)

    async def enrol(self) -> None:
        """From a sign-in link to the overview: a passkey is made, the recovery codes are read."""
        page = self.page
        await page.see("h1:text-is('Make your passkey')")
        await page.fill(field_of("A name for it"), "Test browser")
        await page.click(button("Make a passkey"))
        await page.see("h1:text-is('Keep your recovery codes')")
        self.codes = (await page.text("ol")).split("\n")
        await page.click(button("I have kept them"))
        await page.see("h1:text-is('Overview')")

    async def go(self, name: str, title: str = "") -> None:
        """To a view, by the navigation."""
        await self.page.click(f'nav >> role=link[name="{name}"]')
        await self.page.see(f'h1:text-is("{title or name}")')

    async def speak(self, language: str) -> None:
        """The page in another language, as the person chooses it; what is open stays open."""
        await self.page.evaluate(
            """async (language) => {
              const choice = document.querySelector("select:has(option[lang=fr])");
              choice.value = language;
              choice.dispatchEvent(new Event("change", { bubbles: true }));
              while (document.documentElement.lang !== language) await new Promise(requestAnimationFrame);
            }""",
            language,
        )

    async def sign_out(self) -> None:
        await self.page.click(button("Sign out"))
        await self.page.see("text=You have signed out.")

    async def clean(self) -> None:
        """Nothing failed in the page, and its policy let everything through that it needs."""
        # What the relay refused on purpose shows as a resource that did not load.
        said = [line for line in await self.page.log() if line.startswith(("error", "warning", "failed"))]
        assert not [line for line in said if "status of 4" not in line and "ERR_ABORTED" not in line], said


@dataclass
class Console:
    """A relay with its desk, and browsers."""

    data: Path
    url: str
    browser: Browser
    # Ids by name.
    resellers: dict[str, str] = field(default_factory=dict)
    people: int = 0

    def desk(self, *arguments: str) -> list[Any]:
        """`chappe desk --json`, beside the data."""
        port = self.url.rpartition(":")[2]
        ran = chappe("desk", "--data-dir", str(self.data), "--port", port, "--json", *arguments)
        assert ran.status == 0, ran.err
        return ran.json

    def link(self, role: str, name: str, *more: str) -> str:
        """A sign-in link of a new account."""
        email = f"{name.lower()}.{self.people}@example.org"
        if role == "operator":
            made = self.desk("operator", "new", "--name", name, "--email", email, "--language", "en")
        else:
            made = self.desk(
                *("account", "open", "--role", role, "--name", name),
                *("--email", email, "--language", "en", *more),
            )
        return str(made[-1]["link"])

    async def visit(self, url: str, **options: Any) -> Person:
        """Somebody with a browser profile and an authenticator of his own."""
        self.people += 1
        chosen = {"viewport": DESKTOP, "reducedMotion": "reduce"} | options
        page = await self.browser.page(f"console-{self.people}", f"{self.url}/release.json", **chosen)
        await page.cdp("WebAuthn.enable")
        await page.cdp("WebAuthn.addVirtualAuthenticator", {"options": AUTHENTICATOR})
        await page.call("goto", url)
        return Person(page)

    async def person(self, role: str, name: str, *more: str, **options: Any) -> Person:
        """Signed in."""
        person = await self.visit(self.link(role, name, *more), **options)
        await person.enrol()
        return person


@asynccontextmanager
async def serving(folder: Path, lines: int | None = None) -> AsyncIterator[Console]:
    """`lines`: how many there are, with a year of sales (tests/console/seed.py); None: nothing is there."""
    data = folder / "data"
    resellers = {} if lines is None else await asyncio.to_thread(seed.fill, data, lines)
    process: subprocess.Popen[str] = begin("serve", "--port", "0", "--data-dir", str(data), forked=False)
    assert process.stderr is not None
    port = None
    while port is None and (line := process.stderr.readline()):
        port = re.search(r"localhost:(\d+)", line)
    assert port is not None, "the relay did not start"
    try:
        async with browsing("--ignore-certificate-errors") as browser:
            yield Console(data, f"https://localhost:{port[1]}", browser, resellers)
    finally:
        process.terminate()
        process.communicate(timeout=30)
