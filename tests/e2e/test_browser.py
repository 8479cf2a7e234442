"""The harness itself: what it says of a page is so, and what is not there is told with what is."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.e2e.browser import Browser, BrowserError

pytestmark = pytest.mark.anyio
PAGE = (
    "data:text/html,<title>t</title><button onclick=\"document.body.append('pressed')\">Press</button><input>"
)


async def test_a_page_is_driven(browser: Browser, tmp_path: Path) -> None:
    page = await browser.page("one", PAGE)
    await page.click("role=button[name=Press]")
    await page.see("text=pressed")
    await page.fill("input", "héllo")
    assert await page.on("input", "inputValue") == "héllo"
    assert await page.evaluate("(n) => n + document.title.length", 2) == 3
    await page.screenshot(tmp_path / "page.png")
    assert (tmp_path / "page.png").read_bytes().startswith(b"\x89PNG")
    with pytest.raises(BrowserError, match=r"one shows:\s+Press"):
        await page.see("text=elsewhere", 0.3)
    await page.close()


async def test_errors_of_a_page_are_kept(browser: Browser) -> None:
    page = await browser.page("two", PAGE)
    await page.evaluate("() => { setTimeout(() => { throw new Error('oh') }); console.warn('ah') }")
    await page.call("waitForTimeout", 200)
    log = await page.log()
    assert any("warning: ah" in line for line in log)
    assert any("Error: oh" in line for line in log)
    await page.close()
