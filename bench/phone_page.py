"""The phone in Chromium, as `bench.phone` drives and times it: through its page, by the page's own clock.

Times are taken in the page: from the press or the call, to the frame in which what was waited for is shown.
What the page has no button for that can be pressed fast enough (a group of a hundred) is asked of the phone's
worker in the words in which the page asks it (Comlink).
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, Final

from tests.e2e.browser import PHONE_VIEW, Page, browsing

PIN: Final = "836104"

FLAGS: Final = (
    "--ignore-certificate-errors",
    # Memory is counted when it is asked for, not at the next collection.
    "--enable-blink-features=ForceEagerMeasureMemory",
)

_HELPERS: Final = """
{
  const Real = Worker;
  let worker = null;
  window.Worker = class extends Real {
    constructor(...given) { super(...given); worker ??= this; }
  };
  const frame = () => new Promise((done) => requestAnimationFrame(() => done(performance.now())));
  /** In which frame it is shown that `holds`, by performance.now(). */
  const until = (holds) => new Promise((done) => {
    const look = () => {
      if (!holds()) return;
      watching.disconnect();
      frame().then(done);
    };
    const watching = new MutationObserver(look);
    const all = { subtree: true, childList: true, attributes: true, characterData: true };
    watching.observe(document, all);
    look();
  });
  const bubble = (text) => [...document.querySelectorAll("ol > li")].slice(-8)
    .find((one) => one.textContent.includes(text));
  const isSent = (text) => [...(bubble(text)?.querySelectorAll(".sr-only") ?? [])]
    .some((one) => ["sent", "delivered", "read"].includes(one.textContent));
  const call = (method, args) => new Promise((done, fail) => {
    const id = crypto.randomUUID();
    const hear = ({ data }) => {
      if (data?.id !== id) return;
      worker.removeEventListener("message", hear);
      if (data.type === "HANDLER") fail(new Error(`${method}: ${JSON.stringify(data.value.value)}`));
      else done(data.value);
    };
    worker.addEventListener("message", hear);
    const argumentList = args.map((value) => ({ type: "RAW", value }));
    worker.postMessage({ id, type: "APPLY", path: [method], argumentList });
  });
  const write = (selector, text) => {
    const field = document.querySelector(selector);
    field.value = text;
    field.dispatchEvent(new Event("input", { bubbles: true }));
  };
  const button = (name) => [...document.querySelectorAll("button")]
    .find((one) => one.textContent.trim() === name);
  const isFirstView = () => document.querySelector("main button, main input") !== null;
  window.bench = { until, frame, button, bubble, isSent, call, write, first: until(isFirstView) };
}
"""


@dataclass(frozen=True, slots=True)
class Loaded:
    """Bytes as they crossed the wire, and milliseconds from navigation to the first view."""

    bytes: int
    files: int
    largest: dict[str, int]
    first_view_ms: float


class PhonePage:
    """One phone in the browser. Times in milliseconds."""

    def __init__(self, page: Page, url: str) -> None:
        self._page = page
        self._url = url

    async def open(self) -> Loaded:
        """The very first load: nothing is cached."""
        await self._page.call("goto", self._url)
        shown = await self._page.evaluate("() => window.bench.first")
        await self._page.call("waitForTimeout", 1000)
        # The page knows of its worker's script, and the browser of what that script loads.
        known = await self._page.evaluate(_RESOURCES)
        known += await self._page.browser.ask("loaded", context=self._page.name)
        sizes: dict[str, int] = {}
        for one in known:
            path = str(one["url"]).removeprefix(self._url)
            sizes[path] = max(sizes.get(path, 0), int(one["bytes"]))
        largest = dict(sorted(sizes.items(), key=lambda item: -item[1])[:4])
        return Loaded(sum(sizes.values()), len(sizes), largest, shown)

    async def activate(self, code: str, name: str) -> float:
        """A new line; from the last press to the line's being there."""
        page = self._page
        await page.click('role=button[name="Activate a new line"]')
        await page.fill("role=textbox", code)
        await page.click('role=button[name="Continue"]')
        await page.fill('role=textbox[name="Name"]', name)
        await page.click('role=button[name="Continue"]')
        await page.fill("input[type=password] >> nth=0", PIN)
        await page.fill("input[type=password] >> nth=1", PIN)
        took = await page.evaluate(_ACTIVATE)
        await page.click('role=button[name="Start"]')
        await page.see('role=button[name="New conversation"]')
        return float(took)

    async def call(self, method: str, *args: Any) -> Any:
        """A method of the worker's `PhoneFace`."""
        return (await self._call(method, args))[0]

    async def timed(self, method: str, *args: Any) -> float:
        return float((await self._call(method, args))[1])

    async def _call(self, method: str, args: tuple[Any, ...]) -> Any:
        return await self._page.evaluate(_CALL, [method, list(args)])

    async def reload(self) -> float:
        """From navigation to the lock screen."""
        await self._page.call("reload")
        return float(await self._page.evaluate("() => window.bench.first"))

    async def unlock(self, rows: int) -> float:
        """From the press to the list with so many conversations."""
        await self._page.fill("input[type=password]", PIN)
        return float(await self._page.evaluate(_UNLOCK, rows))

    async def open_conversation(self, name: str) -> float:
        """From the press on its row to its messages."""
        return float(await self._page.evaluate(_OPEN, name))

    async def back(self) -> None:
        await self._page.click('role=button[name="Back"]')
        await self._page.see('role=button[name="New conversation"]')

    async def send(self, text: str) -> tuple[float, float]:
        """From the press to the bubble, and to the bubble that says that the relay has it."""
        shown, sent = await self._page.evaluate(_SEND, text)
        return shown, sent

    async def seen(self, text: str) -> float:
        """When a message is shown, in Unix milliseconds."""
        return float(await self._page.evaluate(_SEEN, text))

    async def titled(self, name: str) -> float:
        """When the open conversation has that name, in Unix milliseconds."""
        return float(await self._page.evaluate(_TITLED, name))

    async def listed(self, name: str, left: bool = False) -> float:
        """When the list has a conversation of that name that one is in, or has left, in Unix milliseconds."""
        return float(await self._page.evaluate(_LISTED, [name, left]))

    async def search(self, words: str) -> float:
        """From the last key to the messages found; the page waits 150 ms of it for another key."""
        took = float(await self._page.evaluate(_SEARCH, words))
        await self._page.click('role=button[name="Clear the search"]')
        return took

    async def memory(self) -> tuple[int, int]:
        """Bytes of the worker's heap, and of page and worker with all that they share."""
        worker, whole = await self._page.evaluate(_MEMORY)
        return worker, whole


_RESOURCES: Final = """() => performance.getEntriesByType("resource")
  .map(({ name, transferSize }) => ({ url: name, bytes: transferSize }))"""
_ACTIVATE: Final = """async () => {
  const { button, until } = window.bench;
  // The PIN is judged first.
  await until(() => button("Make my line")?.disabled === false);
  const from = performance.now();
  button("Make my line").click();
  return (await until(() => button("Start"))) - from;
}"""
_CALL: Final = """async ([method, args]) => {
  const from = performance.now();
  const found = await window.bench.call(method, args);
  return [found ?? null, performance.now() - from];
}"""
_UNLOCK: Final = """async (rows) => {
  const from = performance.now();
  document.querySelector("form").requestSubmit();
  const listed = () => document.querySelectorAll("ul[aria-label=Conversations] > li").length >= rows;
  return (await window.bench.until(listed)) - from;
}"""
_OPEN: Final = """async (name) => {
  const row = [...document.querySelectorAll("ul[aria-label=Conversations] button")]
    .find((one) => one.textContent.includes(name));
  const from = performance.now();
  row.click();
  return (await window.bench.until(() => document.querySelector("ol > li") !== null)) - from;
}"""
_SEND: Final = """async (text) => {
  const { write, frame, until, bubble, isSent } = window.bench;
  write("textarea", text);
  await frame();
  const from = performance.now();
  document.querySelector("form button[aria-label=Send]").click();
  const shown = await until(() => bubble(text));
  return [shown - from, (await until(() => isSent(text))) - from];
}"""
_SEEN: Final = """async (text) =>
  performance.timeOrigin + (await window.bench.until(() => window.bench.bubble(text)))"""
_TITLED: Final = """async (name) => performance.timeOrigin + (await window.bench.until(() =>
  [...document.querySelectorAll("h1")].some((one) => one.textContent === name)))"""
_LISTED: Final = """async ([name, left]) => performance.timeOrigin + (await window.bench.until(() =>
  [...document.querySelectorAll("ul[aria-label=Conversations] button")]
    .some(({ textContent: shown }) => shown.includes(name) && shown.includes("You have left") === left)))"""
_SEARCH: Final = """async (words) => {
  const { write, until } = window.bench;
  const from = performance.now();
  write("search input", words);
  return (await until(() => document.querySelector("ul[aria-label=Messages] > li") !== null)) - from;
}"""
_MEMORY: Final = """async () => {
  const { bytes, breakdown } = await performance.measureUserAgentSpecificMemory();
  const isWorker = (part) => part.attribution.some((one) => one.scope.startsWith("DedicatedWorker"));
  return [breakdown.filter(isWorker).reduce((sum, part) => sum + part.bytes, 0), bytes];
}"""


@asynccontextmanager
async def phone_page(port: int) -> AsyncIterator[PhonePage]:
    """A Chromium with one phone in it that was never here before."""
    async with browsing(*FLAGS) as browser:
        options = {"viewport": PHONE_VIEW, "locale": "en-GB", "ignoreHTTPSErrors": True}
        await browser.ask("context", name="phone", options=options)
        page = Page(browser, "phone")
        await page.call("addInitScript", {"content": _HELPERS})
        yield PhonePage(page, f"https://localhost:{port}/")
