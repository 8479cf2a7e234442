"""From a sign-in link to a passkey, out, in again, and back with a recovery code."""

from __future__ import annotations

import pytest

from tests.console.world import Console, looked_at
from tests.e2e.phone_page import button, field_of

pytestmark = pytest.mark.anyio


async def test_first_sign_in_passkey_and_recovery_code(console: Console) -> None:
    link = console.link("operator", "Ada")
    ada = await console.visit(link)
    page = ada.page
    await page.see("h1:text-is('Make your passkey')")
    assert not await looked_at(ada, "light")
    await ada.speak("fr")
    assert not await looked_at(ada, "dark")
    await ada.speak("en")
    await ada.enrol()
    assert len(ada.codes) == 10
    # The link left the address bar, and the cookie is no script's.
    assert "link=" not in await page.evaluate("() => location.href")
    assert await page.evaluate("() => document.cookie") == ""
    await ada.sign_out()
    assert await page.count("nav") == 0
    await ada.speak("fr")
    assert not await looked_at(ada, "dark")
    await ada.speak("en")
    assert not await looked_at(ada, "light")
    await page.click(button("Sign in with a passkey"))
    await page.see("h1:text-is('Overview')")
    # The page loaded anew is still signed in; codes are shown once.
    await page.call("reload")
    await page.see("h1:text-is('Overview')")
    assert ada.codes[0] not in await page.text("body")
    await ada.sign_out()
    # A recovery code, with a typing mistake first.
    await page.click(button("Use a recovery code"))
    await page.fill(field_of("Recovery code"), "AAAA-BBBB")
    await page.click(button("Continue"))
    await page.see("role=alert")
    await page.fill(field_of("Recovery code"), ada.codes[3])
    await page.click(button("Continue"))
    await page.see("h1:text-is('Make your passkey')")
    await ada.clean()
    # The link was used up.
    other = await console.visit(link)
    await other.page.see("text=This code or link is not valid")


async def test_a_session_that_the_desk_ended_is_told_plainly(console: Console) -> None:
    eve = await console.person("auditor", "Eve")
    (account,) = [one for one in console.desk("account", "list") if one["name"] == "Eve"]
    console.desk("account", "close", account["id"])
    await eve.page.click(button("Refresh"))
    await eve.page.see("text=Your session ended on the relay.")
    assert await eve.page.count("nav") == 0


async def test_the_phones_worker_opens_the_signed_console(console: Console) -> None:
    """In a browser that has the phone's page, each file of the console comes through its service worker."""
    max_ = await console.visit(f"{console.url}/")
    page = max_.page
    await page.evaluate(
        "async () => { await navigator.serviceWorker.ready;"
        " while (!navigator.serviceWorker.controller) await new Promise(requestAnimationFrame); }"
    )
    await page.call("goto", f"{console.url}/console/")
    await page.see("h1:text-is('Sign in')")
    assert await page.evaluate("() => navigator.serviceWorker.controller !== null")
    # Nothing else below it is a page of this origin.
    await page.call("goto", f"{console.url}/console/other")
    await page.see("text=Activate a new line")
