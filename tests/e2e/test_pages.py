"""What people see: every main view in both themes, at phone size and narrower, by keyboard, in French."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e import pages
from tests.e2e.browser import Browser, Page
from tests.relay.world import RelayProcess

pytestmark = pytest.mark.anyio

_OPTIONS = """() => [...document.querySelectorAll('select')].find((one) => one.offsetParent)
  .innerText.split('\\n').map((one) => one.trim()).filter(Boolean)"""


@pytest.fixture(scope="module")
def relay(release: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RelayProcess]:
    process = pages.serve(tmp_path_factory.mktemp("relay") / "data", release)
    yield process
    process.stop()


async def opened(
    browser: Browser, relay: RelayProcess, name: str, stage: str = "open", **options: object
) -> Page:
    return await browser.page(name, pages.url(relay, stage), **options)


@pytest.mark.timeout(600)
async def test_axe_finds_nothing_and_nothing_is_cut_off(browser: Browser, relay: RelayProcess) -> None:
    """Every view in both languages, at 320 pixels; and in the dark, which is the same in both languages."""
    found: list[str] = []
    seen = 0
    options = {"colorScheme": "light", "reducedMotion": "reduce", "viewport": {"width": 320, "height": 568}}
    async for name, page in pages.views(browser, relay, "axe", **options):
        seen += 1
        for language, theme in (("fr", "light"), ("en", "light"), ("en", "dark")):
            await pages.say_in(page, language)
            await page.call("emulateMedia", {"colorScheme": theme})
            found += [f"{name} {language} {theme}: {one}" for one in await pages.violations(page)]
            if await pages.too_wide(page):
                found.append(f"{name} {language}: too wide")
        await page.call("emulateMedia", {"colorScheme": "light"})
        # The strict policy let everything through that the page needs, and nothing failed in it.
        found += [f"{name}: {line}" for line in await page.log() if line.startswith(("error", "warning"))]
    assert found == [], "\n".join(found)
    assert seen == 32


async def test_axe_would_find_something(browser: Browser, relay: RelayProcess) -> None:
    """The control for the test above."""
    page = await opened(browser, relay, "control")
    await page.see("role=heading[name=Chats]")
    await page.evaluate(
        "() => { const one = document.createElement('button');"
        " one.style.color = '#bbb'; one.style.background = '#fff'; document.body.append(one, 'x');"
        " const two = document.createElement('p'); two.textContent = 'pale';"
        " two.style.color = '#ccc'; two.style.background = '#fff'; document.body.append(two); }"
    )
    rules = {problem.split(":")[0] for problem in await pages.violations(page)}
    assert {"button-name", "color-contrast"} <= rules
    await page.close()


@pytest.mark.parametrize("theme", ["light", "dark"])
async def test_the_views_of_a_term(browser: Browser, relay: RelayProcess, theme: str) -> None:
    page = await opened(browser, relay, f"term-{theme}", colorScheme=theme, reducedMotion="reduce")
    await page.see("role=heading[name=Chats]")
    for stage in ("grace", "suspended", "closed"):
        term = {"stage": stage, "ends": 1_700_006_400, "suspends": 1_701_216_000}
        term |= {"closes": 1_707_782_400, "forgotten": 1_710_374_400}
        await page.evaluate("(term) => demo.tell({ type: 'term', term })", term)
        await page.see("role=status >> nth=0")
        assert not await pages.violations(page), stage
        assert not await pages.too_wide(page)
        if stage == "closed":
            break
        await page.click("role=button[name=Renew]")
        await page.see("role=heading[name='Renew the line']")
        assert not await pages.violations(page), stage
        await pages.back(page)
    await page.click("ul >> text=Night desk")
    await page.see("text=/nothing can be sent/")
    assert not await pages.violations(page)
    await page.close()


async def test_what_the_organisation_rules_is_said_and_not_offered(
    browser: Browser, relay: RelayProcess
) -> None:
    """Of messages: a timer that members agreed on is too long, and read receipts are nobody's to switch."""
    page = await opened(browser, relay, "ruled", viewport={"width": 320, "height": 568})
    await page.see("role=heading[name=Chats]")
    bounds: dict[str, object] = {"idleSeconds": 900, "offlineHours": 8, "pinLength": 6, "lockOnHide": False}
    bounds |= {"disappearFirst": 3600, "disappearMax": 86_400, "receipts": "off"}
    await page.evaluate(
        "async (bounds) => demo.tell({ type: 'settings', settings: await demo.settings(), bounds })", bounds
    )
    await page.click("ul >> text=Night desk")
    await page.see("header >> text='1 day'")
    await page.see("ol >> text=/1 week. Your organisation has messages disappear here after 1 day/")
    await page.click("header >> text=Night desk")
    await page.see("text=/Your organisation allows 1 day at the most. .* may stay longer/")
    timer = "role=combobox[name=/Disappearing/] >> visible=true"
    assert await page.evaluate(_OPTIONS) == ["30 seconds", "5 minutes", "1 hour", "8 hours", "1 day"]
    assert await page.on(timer, "inputValue") == "86400"
    assert not await pages.too_wide(page)
    await pages.back(page)
    await pages.back(page)
    await page.click("role=button[name=Settings]")
    switch = "role=switch[name=/Read receipts/]"
    await page.see(switch)
    assert await page.on(switch, "isDisabled")
    assert await page.on(switch, "getAttribute", "aria-checked") == "false"
    await page.see("text=/nobody sees that you have read/")
    await page.see("text=/disappear 1 hour after .* longer than 1 day after/")
    assert not await pages.violations(page)
    assert not await pages.too_wide(page)
    await page.close()


async def test_two_panes_where_there_is_room(browser: Browser, relay: RelayProcess) -> None:
    page = await opened(browser, relay, "wide", viewport={"width": 1200, "height": 800})
    await page.see("text=Choose a conversation, or begin one.")
    await page.click("ul >> text=Night desk")
    await page.see("ol >> text=Layout at six")
    await page.see("role=heading[name=Chats]")
    assert not await pages.violations(page)
    await page.close()


async def test_a_message_by_keyboard_alone(browser: Browser, relay: RelayProcess) -> None:
    page = await opened(browser, relay, "keys")
    await page.on("ul >> role=button[name=/^ben/] >> nth=0", "press", "Enter")
    await page.see("text=New messages")
    await page.on("role=textbox[name=Message]", "pressSequentially", "Hello <b>Ben</b>")
    await page.on("role=textbox[name=Message]", "press", "Enter")
    await page.see("ol >> text=Hello <b>Ben</b>")
    await page.see("ol >> text=delivered >> nth=-1")
    # The menu of a message, and back to where one was.
    await page.on("role=button[name='Message: actions'] >> nth=-1", "press", "Enter")
    await page.on("role=button[name='React with 👍']", "press", "Enter")
    await page.see("role=button[name='👍 from You']")
    await page.on("role=button[name='Message: actions'] >> nth=-1", "press", "Enter")
    await page.on("dialog >> role=button[name=Edit]", "press", "Enter")
    await page.fill("role=textbox[name=Message]", "Hello Ben")
    await page.on("role=textbox[name=Message]", "press", "Enter")
    await page.see("ol >> text=edited")
    await page.on("role=button[name='Message: actions'] >> nth=-1", "press", "Enter")
    await page.on("dialog >> role=button[name='Delete for everybody']", "press", "Enter")
    await page.see("ol >> text=This message was deleted >> nth=-1")
    await page.close()


async def test_a_search_opens_the_conversation_at_the_message(browser: Browser, relay: RelayProcess) -> None:
    """By keyboard, and said to a screen reader; it is on the screen, and where the keyboard goes on."""
    page = await opened(browser, relay, "search", viewport={"width": 390, "height": 320})
    await page.see("role=heading[name=Chats]")
    found = await page.evaluate(_OLDEST)
    await page.fill("role=textbox[name=Search]", found["text"])
    await page.on("ul[aria-label=Messages] >> role=button >> nth=0", "press", "Enter")
    await page.see("role=textbox[name=Message]")
    await page.see(f"ol >> #m-{found['id']}")
    await page.browser.ask(
        "call",
        context=page.name,
        page=page.tab,
        method="waitForFunction",
        args=[f"document.activeElement?.id === 'm-{found['id']}'"],
    )
    assert await page.evaluate(_INSIDE, f"m-{found['id']}")
    assert found["text"] in await page.text("p[aria-live=polite].sr-only")
    await page.close()


async def test_from_lock_to_a_message_with_keys_alone(browser: Browser, relay: RelayProcess) -> None:
    """Nothing is clicked, nothing focused by the test: Tab, and what a keyboard has."""
    page = await opened(browser, relay, "keys alone", "locked")
    await page.see("text=Chappe is locked")

    async def press(key: str) -> None:
        await page.browser.ask("keys", context=page.name, page=page.tab, press=key)

    async def type_(text: str) -> None:
        await page.browser.ask("keys", context=page.name, page=page.tab, type=text)

    async def tab_to(name: str, *, whole: bool = True) -> None:
        """Until what has the focus is called so, or says so somewhere."""
        for _ in range(60):
            names = await page.evaluate(_FOCUSED)
            if name in names or (not whole and any(name in one for one in names)):
                return
            await press("Tab")
        raise AssertionError(f"no Tab leads to {name}")

    await tab_to("Your PIN or passphrase")
    await type_("284917")
    await press("Enter")
    await page.see("role=heading[name=Chats]")
    await tab_to("Search")
    await type_("layout")
    await page.see("mark >> nth=0")
    await tab_to("Layout at six", whole=False)
    await press("Enter")
    await page.see("role=textbox[name=Message]")
    await tab_to("Message")
    await type_("By keys alone")
    await press("Enter")
    await page.see("ol >> text=By keys alone")
    await page.close()


async def test_a_reply_and_a_draft(browser: Browser, relay: RelayProcess) -> None:
    page = await opened(browser, relay, "draft")
    await page.click("ul >> text=clara >> nth=0")
    assert await page.on("role=textbox[name=Message]", "inputValue") == "The second source says that"
    await page.on("ol >> text=Call me when you can.", "click", {"button": "right"})
    await page.click("dialog >> role=button[name=Reply]")
    await page.see("text=Reply to clara")
    await page.fill("role=textbox[name=Message]", "Half written")
    await pages.back(page)
    await page.see("ul >> text=Half written")
    await page.close()


async def test_sending_stops_while_an_identity_has_changed(browser: Browser, relay: RelayProcess) -> None:
    page = await opened(browser, relay, "changed")
    await page.click("ul >> text=elsa >> nth=0")
    await page.see("text=elsa has a new identity key")
    assert await page.count("role=textbox[name=Message]") == 0
    await page.click("role=button[name=Accept]")
    await page.click("dialog >> role=button[name=Accept]")
    await page.see("role=textbox[name=Message]")
    await page.close()


async def test_a_photo_leaves_without_what_the_camera_wrote(
    browser: Browser, relay: RelayProcess, tmp_path: Path
) -> None:
    page = await opened(browser, relay, "photo")
    await page.click("ul >> text=clara >> nth=0")
    await page.click("role=button[name=Attach]")
    has_place, picture = await page.evaluate(_PICTURE)
    assert has_place
    file = tmp_path / "IMG_4711.jpg"
    file.write_bytes(base64.b64decode(picture))
    await page.on("dialog >> input[type=file] >> nth=0", "setInputFiles", str(file))
    await page.click("dialog >> role=button[name=Send]")
    await page.see("ol >> img[alt=Photo]")
    sent = await page.evaluate(_SENT)
    assert sent["type"] == "image/jpeg"
    assert (sent["width"], sent["height"]) == (2048, 1024)
    assert sent["preview"].startswith("data:image/jpeg;base64,")
    assert len(sent["preview"]) < 4000
    assert not sent["secret"]
    await page.close()


async def test_locked_and_opened(browser: Browser, relay: RelayProcess) -> None:
    page = await opened(browser, relay, "lock", "locked")
    await page.fill("input", "111222")
    await page.click("role=button[name=Unlock]")
    await page.see("text=That is not the PIN. 9 tries are left.")
    await page.fill("input", "284917")
    await page.on("input", "press", "Enter")
    await page.see("role=heading[name=Chats]")
    await page.click("ul >> text=Night desk")
    await page.see("ol >> text=Layout at six")
    await pages.back(page)
    await page.click("role=button[name='Lock now']")
    await page.see("text=Chappe is locked")
    # Nothing of what was read is left in the page.
    assert "Layout" not in await page.evaluate("() => document.documentElement.outerHTML")
    await page.close()


async def test_in_french(browser: Browser, relay: RelayProcess) -> None:
    page = await opened(browser, relay, "french", locale="fr-FR")
    await page.see("role=heading[name=Discussions]")
    assert await page.evaluate("() => document.documentElement.lang") == "fr"
    await page.click("role=button[name=Réglages]")
    await page.on("select >> nth=2", "selectOption", "en")
    await page.see("role=heading[name=Settings]")
    await page.call("reload")
    await page.see("role=heading[name=Chats]")
    await page.close()


_OLDEST = """async () => {
  const [found] = (await demo.messages("c1", 0, 1000)).filter((one) => one.kind === "text");
  return { id: found.id, text: found.text };
}"""
_INSIDE = """(id) => {
  const { top, bottom } = document.getElementById(id).getBoundingClientRect();
  const shown = document.querySelector("[role=region]").getBoundingClientRect();
  return top >= shown.top - 1 && bottom <= shown.bottom + 1;
}"""
_FOCUSED = """() => {
  const at = document.activeElement;
  const label = at?.labels?.[0]?.textContent ?? "";
  const text = at === document.body ? "" : (at?.textContent ?? "");
  return [at?.getAttribute?.("aria-label") ?? "", label, text].map((one) => one.trim());
}"""
_PICTURE = """async () => {
  const canvas = new OffscreenCanvas(4000, 2000);
  canvas.getContext("2d").fillRect(10, 10, 900, 900);
  const jpeg = new Uint8Array(await (await canvas.convertToBlob({ type: "image/jpeg" })).arrayBuffer());
  // An APP1 segment, where cameras write where they were.
  const exif = new TextEncoder().encode("..Exif..GPS 48.8566 N 2.3522 E");
  const segment = new Uint8Array([0xff, 0xe1, 0, exif.length + 2, ...exif]);
  const whole = new Uint8Array([...jpeg.slice(0, 2), ...segment, ...jpeg.slice(2)]);
  let text = "";
  for (const byte of whole) text += String.fromCharCode(byte);
  return [text.includes("GPS 48.8566"), btoa(text)];
}"""
_SENT = """async () => {
  const all = await demo.messages("c3", 0, 10);
  const { id, attachment } = all.at(-1);
  const file = await demo.openFile("c3", id);
  const text = new TextDecoder("latin1").decode(await file.arrayBuffer());
  const { type, width, height, preview } = attachment;
  return { type, width, height, preview, secret: text.includes("GPS") || text.includes("Exif") };
}"""
