"""A push in the real service worker: one notice that says nothing, and none while people look at the page."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.e2e import pages
from tests.e2e.browser import Browser, Page
from tests.relay.world import RelayProcess

pytestmark = pytest.mark.anyio
_LISTEN = """async () => {
  await navigator.serviceWorker.ready;
  globalThis.heard = new Promise((done) =>
    navigator.serviceWorker.addEventListener("message", ({ data }) => data.type === "knock" && done(data)));
}"""
_SHOWN = """async () => (await (await navigator.serviceWorker.ready).getNotifications())
  .map(({ title, body, tag, data }) => ({ title, body, tag, data }))"""
_SOON_MILLISECONDS = 300
_TRIES = 5


@pytest.fixture
def served(release: Path, tmp_path: Path) -> Iterator[RelayProcess]:
    process = pages.serve(tmp_path / "data", release)
    yield process
    process.stop()


async def registration(desk: Page, relay: RelayProcess) -> dict[str, str]:
    """Which worker pushes are for; `desk` is a tab that is none of the phone's."""
    told = await desk.cdp("ServiceWorker.enable", event="ServiceWorker.workerRegistrationUpdated")
    (only,) = told["registrations"]
    return {"origin": f"http://localhost:{relay.port}", "registrationId": only["registrationId"]}


async def shown(page: Page) -> list[dict[str, Any]]:
    return list(await page.evaluate(_SHOWN))


async def test_a_push_shows_one_notice_and_none_to_who_looks(browser: Browser, served: RelayProcess) -> None:
    page = await browser.page("pushed", pages.url(served), permissions=["notifications"])
    await page.see("role=heading[name=Chats]")
    await page.evaluate(_LISTEN)
    desk = Page(browser, "pushed", "desk")
    await desk.call("goto", "about:blank")
    push = await registration(desk, served) | {"data": "ada says hello"}

    await desk.cdp("ServiceWorker.deliverPushMessage", push)
    assert await page.evaluate("() => globalThis.heard") == {"type": "knock"}
    await page.call("waitForTimeout", _SOON_MILLISECONDS)
    assert await shown(page) == []

    notices: list[dict[str, Any]] = []
    for _ in range(_TRIES):  # A worker that starts late finds that the page is back.
        await page.call("goto", "about:blank")
        await desk.cdp("ServiceWorker.deliverPushMessage", push)
        await desk.cdp("ServiceWorker.deliverPushMessage", push)
        await desk.call("waitForTimeout", _SOON_MILLISECONDS)
        await page.call("goto", pages.url(served))
        await page.see("role=heading[name=Chats]")
        if notices := await shown(page):
            break
    assert notices == [
        {"title": "Chappe", "body": "Something has arrived.", "tag": "chappe", "data": None},
    ]
    await page.close()
