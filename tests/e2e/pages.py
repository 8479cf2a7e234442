"""The phone's pages with a phone in memory (web/phone/tests/ui/demo.ts), served by a real relay."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Final

from tests.e2e.browser import WEB, Browser, Page
from tests.relay.world import RelayProcess

AXE: Final = WEB / "node_modules" / "axe-core" / "axe.min.js"
_RULES: Final = ("wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice")
_RUN: Final = """async (rules) => {
  const found = await globalThis.axe.run(document, { runOnly: { type: "tag", values: rules } });
  return found.violations.flatMap((rule) =>
    rule.nodes.map((node) => `${rule.id}: ${node.html.slice(0, 160)} ${node.failureSummary.slice(0, 300)}`));
}"""


def build(folder: Path) -> Path:
    """The demo's release, in `folder`."""
    vite = WEB / "node_modules" / ".bin" / "vite"
    subprocess.run(
        [vite, "build", "-c", "tests/ui/vite.config.ts", "--outDir", folder, "--logLevel", "warn"],
        cwd=WEB,
        check=True,
        capture_output=True,
        timeout=120,
    )
    return folder


def copied(release: Path, folder: Path) -> Path:
    """A copy that a test may break."""
    shutil.copytree(release, folder)
    return folder


def serve(data_dir: Path, release: Path) -> RelayProcess:
    """On http at localhost, which browsers trust like https: certificates are not the matter here."""
    return RelayProcess(data_dir, web_dir=release, behind_proxy=True)


def url(relay: RelayProcess, stage: str = "open") -> str:
    return f"http://localhost:{relay.port}/#stage={stage}"


async def violations(page: Page) -> list[str]:
    """What axe finds on what is shown."""
    await page.evaluate(f"() => {{ {AXE.read_text()} }}")
    found = await page.evaluate(_RUN, list(_RULES))
    return [str(one) for one in found]


async def say_in(page: Page, language: str) -> None:
    """The same view in another language: en or fr."""
    await page.evaluate("(language) => words.choose(language)", language)


async def too_wide(page: Page) -> bool:
    return bool(await page.evaluate("() => document.documentElement.scrollWidth > window.innerWidth"))


async def back(page: Page) -> None:
    await page.click("role=button[name=Back] >> visible=true")
    await page.call("waitForTimeout", 80)


async def views(
    browser: Browser, relay: RelayProcess, name: str, **options: object
) -> AsyncIterator[tuple[str, Page]]:
    """Every main view, one after another: its name, and the page that shows it."""
    async for stop in _first_start(browser, relay, name, options):
        yield stop
    for stage in ("locked", "erased"):
        page = await browser.page(f"{name}-{stage}", url(relay, stage), **options)
        await page.see("role=heading[level=1]")
        yield stage, page
        if stage == "erased":
            await page.click("role=button[name='Start anew']")
            await page.see("role=button[name='Activate a new line']")
            yield "anew", page
        await page.close()
    async for stop in _conversations(browser, relay, name, options):
        yield stop
    async for stop in _settings(browser, relay, name, options):
        yield stop


async def _first_start(
    browser: Browser, relay: RelayProcess, name: str, options: dict[str, object]
) -> AsyncIterator[tuple[str, Page]]:
    page = await browser.page(f"{name}-none", url(relay, "none"), **options)
    await page.see("role=button[name='Activate a new line']")
    yield "welcome", page
    await page.click("role=button[name='I have a line on another device']")
    await page.fill("input >> nth=0", "284917")
    await page.see("text=That will do.")
    await page.fill("input >> nth=1", "284917")
    await page.click("role=button[name='Show the QR code']")
    await page.see("role=img[name=/QR code/]")
    yield "link", page
    await page.call("reload")
    await page.click("role=button[name='I lost my only phone']")
    yield "recover", page
    await page.fill("textarea", "chappe://relay.example/r/…")
    await page.click("role=button[name=Continue]")
    await page.click("role=button[name='Let me in']")
    await page.see("text=The officers have not approved it yet")
    yield "recover-waiting", page
    await page.click("text=Show the request as a QR code")
    await page.see("role=img[name=/QR code/]")
    yield "recover-qr", page
    await page.click("role=button[name='Give up the request']")
    await page.see("dialog")
    yield "recover-give-up", page
    await page.click("dialog >> role=button[name=Cancel]")
    for said in ("It takes a second one", "Come back when 24 hours have passed"):
        await page.click("role=button[name='Let me in']")
        await page.see(f"text={said}")
    await page.click("role=button[name='Let me in']")
    await page.see("text=You are in")
    yield "recover-pin", page
    await page.call("reload")
    await page.click("role=button[name='Activate a new line']")
    yield "code", page
    await page.fill("textarea", "96ZE-DNKZ-96ZE-DNKZ")
    await page.click("role=button[name=Continue]")
    await page.fill("role=textbox[name=Name]", "ada")
    yield "name", page
    await page.click("role=button[name=Continue]")
    await page.fill("input >> nth=0", "123456")
    await page.see("text=Digits or letters in a row")
    yield "pin", page
    await page.fill("input >> nth=0", "284917")
    await page.fill("input >> nth=1", "284917")
    await page.click("role=button[name='Make my line']")
    await page.see("text=Your line is ready")
    yield "ready", page
    await page.close()


async def _conversations(
    browser: Browser, relay: RelayProcess, name: str, options: dict[str, object]
) -> AsyncIterator[tuple[str, Page]]:
    page = await browser.page(f"{name}-open", url(relay), **options)
    await page.see("role=heading[name=Chats]")
    yield "list", page
    await page.fill("role=textbox[name=Search]", "page")
    await page.see("mark >> nth=0")
    yield "search", page
    await page.click("role=button[name='Clear the search']")
    await page.click("ul >> text=Night desk")
    await page.see("ol >> text=Layout at six")
    await page.call("waitForTimeout", 300)
    yield "chat", page
    await page.on("ol >> text=Layout at six", "click", {"button": "right"})
    await page.see("dialog")
    yield "actions", page
    await page.on("dialog", "press", "Escape")
    await page.on("ol >> text=/^Page 12 is confirmed/", "click", {"button": "right"})
    await page.click("dialog >> role=button[name=/^Report to/]")
    await page.fill("dialog >> role=textbox", "a threat")
    await page.see("dialog >> text=/Page 12 is confirmed/")
    yield "report", page
    await page.click("role=button[name='Save the report']")
    await page.see("text=/Hand the file to an officer/")
    await page.click("role=button[name=Attach]")
    yield "attach", page
    await page.on("dialog", "press", "Escape")
    await page.click("header >> text=About this conversation")
    await page.see("role=heading[name=Members]")
    await page.click("summary >> nth=1")
    yield "members", page
    await page.click("role=button[name='Verify ben']")
    await page.see("role=heading[name='Safety number']")
    yield "verify", page
    for _ in range(3):
        await back(page)
    await page.click("ul >> text=elsa >> nth=0")
    await page.see("role=button[name=Compare]")
    yield "changed", page
    await page.click("role=button[name=Accept]")
    await page.see("dialog >> text=Safety number of the new identity")
    yield "accept", page
    await page.on("dialog", "press", "Escape")
    await page.close()


async def _settings(
    browser: Browser, relay: RelayProcess, name: str, options: dict[str, object]
) -> AsyncIterator[tuple[str, Page]]:
    page = await browser.page(f"{name}-settings", url(relay), **options)
    await page.click("role=button[name='New conversation']")
    await page.see("text=People you know")
    yield "new", page
    await page.click("role=button[name='New group']")
    await page.see("role=textbox[name='Name of the group']")
    await page.click("role=button[name=/clara/]")
    yield "group", page
    await back(page)
    await page.click("role=button[name=Settings]")
    await page.see("role=heading[name=Privacy]")
    yield "settings", page
    await page.click("role=button[name=Devices]")
    await page.see("text=Unreadable")
    yield "devices", page
    await page.click("role=button[name=/^Lost/]")
    await page.see("dialog >> text=What should happen to it?")
    yield "lost", page
    await page.fill("dialog >> role=textbox[name=Reason]", "Left in a taxi")
    await page.click("dialog >> role=button[name=Continue]")
    await page.see("dialog >> text=It cannot be taken back")
    yield "sure", page
    await page.on("dialog", "press", "Escape")
    await back(page)
    await page.click("role=button[name='Change PIN']")
    yield "change", page
    await back(page)
    await page.click("role=button[name='This version']")
    await page.see("role=img[name=/Hash of the bundle/]")
    yield "version", page
    await page.close()
