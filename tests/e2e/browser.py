"""Chromium, as a test drives it: playwright-core under Node, behind web/phone/tests/e2e/driver.mjs."""

from __future__ import annotations

import asyncio
import base64
import json
import os
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

WEB: Final = Path(__file__).parents[2] / "web" / "phone"
DRIVER: Final = WEB / "tests" / "e2e" / "driver.mjs"
CHROMIUM: Final = os.environ.get("CHAPPE_CHROMIUM", "/usr/bin/chromium")
ANSWER_SECONDS: Final = 90.0
PHONE_VIEW: Final = {"width": 390, "height": 844}
_LINE: Final = 64 * 1024 * 1024


def missing() -> str:
    """What these tests need and this machine has not; empty where all is there."""
    if shutil.which("node") is None:
        return "Node is missing"
    if not (WEB / "node_modules" / "playwright-core").exists():
        return "the phone's tools are not installed (make test does it)"
    if not Path(CHROMIUM).exists():
        return "Chromium is missing (Debian's package chromium)"
    if not (WEB / "dist" / "index.html").exists():
        return "the phone's page is not built (make test does it)"
    return ""


class BrowserError(AssertionError):
    """What Chromium or the page did not do."""


class Browser:
    """One Chromium. `page` gives a phone of its own in it."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process
        self._next = 0
        self._asked: dict[int, asyncio.Future[Any]] = {}
        self._phones: set[str] = set()
        self._reader = asyncio.create_task(self._read())

    async def ask(self, do: str, **what: Any) -> Any:
        """Raises BrowserError."""
        self._next += 1
        future: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self._asked[self._next] = future
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps({"id": self._next, "do": do} | what).encode() + b"\n")
        async with asyncio.timeout(ANSWER_SECONDS):
            return await future

    async def page(self, name: str, url: str, **options: Any) -> Page:
        """A phone called `name`, at `url`."""
        chosen = {"viewport": PHONE_VIEW, "locale": "en-GB", "ignoreHTTPSErrors": True} | options
        await self.ask("context", name=name, options=chosen)
        self._phones.add(name)
        page = Page(self, name)
        await page.call("goto", url)
        return page

    async def forget(self) -> None:
        """All its phones, with what they store. Those that were closed already stay so."""
        for name in self._phones:
            with suppress(BrowserError):
                await self.ask("close", context=name)
        self._phones.clear()

    async def persistent(self, name: str, url: str, folder: Path, *arguments: str, **options: Any) -> Page:
        """The same in a browser of its own, stored in `folder`: it can be killed, and started anew."""
        chosen = {"viewport": PHONE_VIEW, "locale": "en-GB", "ignoreHTTPSErrors": True} | options
        await self.ask("persist", name=name, folder=str(folder), args=arguments, options=chosen)
        page = Page(self, name)
        await page.call("goto", url)
        return page

    async def close(self) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()
        try:
            async with asyncio.timeout(15):
                await self._process.wait()
        except TimeoutError:
            self._process.kill()
        self._reader.cancel()

    async def _read(self) -> None:
        assert self._process.stdout is not None
        while line := await self._process.stdout.readline():
            answer = json.loads(line)
            future = self._asked.pop(answer["id"])
            if future.done():
                continue
            if "error" in answer:
                future.set_exception(BrowserError(answer["error"]))
            else:
                future.set_result(answer["value"])
        for future in self._asked.values():
            if not future.done():
                future.set_exception(BrowserError("the browser has ended"))


@dataclass
class Page:
    """A page. Selectors are playwright's: `role=button[name="Next"]`, `text=...`, CSS."""

    browser: Browser
    name: str
    tab: str = field(default="main")

    async def call(self, method: str, *args: Any) -> Any:
        """A method of the page."""
        return await self.browser.ask("call", context=self.name, page=self.tab, method=method, args=args)

    async def on(self, selector: str, method: str, *args: Any) -> Any:
        """A method of a locator."""
        return await self.browser.ask(
            "call", context=self.name, page=self.tab, selector=selector, method=method, args=args
        )

    async def click(self, selector: str) -> None:
        await self.on(selector, "click")

    async def fill(self, selector: str, text: str) -> None:
        await self.on(selector, "fill", text)

    async def see(self, selector: str, seconds: float = 45) -> None:
        """Wait until it is visible. Raises BrowserError with what the page shows instead."""
        await self._wait(selector, "visible", seconds)

    async def gone(self, selector: str, seconds: float = 45) -> None:
        await self._wait(selector, "hidden", seconds)

    async def _wait(self, selector: str, state: str, seconds: float) -> None:
        try:
            await self.on(f"{selector} >> nth=0", "waitFor", {"state": state, "timeout": seconds * 1000})
        except BrowserError as problem:
            shown = await self.on("body", "innerText")
            log = "\n".join((await self.log())[-20:])
            raise BrowserError(f"{problem}\n--- {self.name} shows:\n{shown}\n--- its log:\n{log}") from None

    async def text(self, selector: str) -> str:
        return str(await self.on(selector, "innerText"))

    async def count(self, selector: str) -> int:
        return int(await self.on(selector, "count"))

    async def evaluate(self, script: str, arg: Any = None) -> Any:
        """The source of a function, run in the page with `arg`."""
        return await self.browser.ask("evaluate", context=self.name, page=self.tab, script=script, arg=arg)

    async def worker(self, script: str, arg: Any = None) -> Any:
        """The source of a function, run in the service worker with `arg`."""
        return await self.browser.ask("worker", context=self.name, script=script, arg=arg)

    async def offline(self, off: bool) -> None:
        await self.browser.ask("offline", context=self.name, offline=off)

    async def download(self, selector: str) -> bytes:
        """Press it; the file that comes."""
        asked = {"context": self.name, "page": self.tab, "selector": selector}
        return base64.b64decode(await self.browser.ask("download", **asked))

    async def save(self, selector: str, path: Path) -> None:
        """The same, to a file: for those that are too large to hold."""
        asked = {"context": self.name, "page": self.tab, "selector": selector}
        await self.browser.ask("download", path=str(path), **asked)

    async def quota(self, size: int) -> None:
        """So many bytes for what the page stores; -1 for as many as before."""
        await self.browser.ask("quota", context=self.name, page=self.tab, bytes=size)

    async def cdp(self, method: str, params: dict[str, Any] | None = None, event: str = "") -> Any:
        """A command of the DevTools protocol; gives its answer, or the first `event` after it."""
        asked = {"context": self.name, "page": self.tab, "event": event}
        return await self.browser.ask("cdp", method=method, params=params or {}, **asked)

    async def heard(self, event: str) -> list[Any]:
        """All such events of the DevTools protocol since this was asked first."""
        asked = {"context": self.name, "page": self.tab, "event": event}
        return list(await self.browser.ask("heard", **asked))

    async def screenshot(self, path: Path, **options: Any) -> None:
        data = await self.call("screenshot", options)
        path.write_bytes(base64.b64decode(data))

    async def log(self) -> list[str]:
        """Console and errors, so far."""
        return list(await self.browser.ask("log", context=self.name))

    async def close(self) -> None:
        await self.browser.ask("close", context=self.name)

    async def kill(self) -> None:
        """SIGKILL to the browser of a persistent page."""
        await self.browser.ask("kill", context=self.name)

    async def pid(self) -> int:
        """Of the browser of a persistent page."""
        return int(await self.browser.ask("pid", context=self.name))


@asynccontextmanager
async def browsing(*arguments: str, plain: bool = False) -> AsyncIterator[Browser]:
    """A Chromium, ended with the block. `plain`: as a person starts it: a tab hides others."""
    process = await asyncio.create_subprocess_exec(
        *("node", str(DRIVER)),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        cwd=WEB,
        limit=_LINE,
    )
    browser = Browser(process)
    try:
        await browser.ask("launch", args=arguments, plain=plain)
        yield browser
    finally:
        await browser.close()
