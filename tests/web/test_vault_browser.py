"""The vault in a real Chromium: what survives, what lies there, and what is left."""

from __future__ import annotations

import functools
import http.server
import os
import secrets
import shutil
import subprocess
import threading
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from chappe.vault import keys
from chappe.wire import unlock
from tests.e2e.browser import CHROMIUM, Browser, Page, browsing
from tests.web.lines import PHONE, need_phone

PIN, CANARY = "480297", "CANARY-the-tower-at-noon"
CONFIG = PHONE / "tests" / "vault" / "page" / "vite.config.ts"


class _Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The page, built and served on localhost, which a browser trusts without TLS."""
    need_phone()
    if not Path(CHROMIUM).exists() or shutil.which("node") is None:
        if os.environ.get("CI") == "true":
            pytest.fail("Chromium is missing: these tests must run here")
        pytest.skip("Chromium is missing (Debian's package chromium)")
    out = tmp_path_factory.mktemp("page")
    vite = ["node", "node_modules/vite/bin/vite.js", "build", "--config", str(CONFIG)]
    environ = os.environ | {"OUT": str(out), "NODE_NO_WARNINGS": "1"}
    subprocess.run(vite, cwd=PHONE, env=environ, check=True, capture_output=True)
    handler = functools.partial(_Quiet, directory=str(out))
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://localhost:{server.server_port}/"
    server.shutdown()
    server.server_close()
    thread.join()


@dataclass
class Web:
    """The page, by what it offers."""

    page: Page

    async def __call__(self, name: str, *args: Any) -> Any:
        answer = await self.outcome(name, *args)
        assert "ok" in answer, answer
        return answer["ok"]

    async def outcome(self, name: str, *args: Any) -> dict[str, Any]:
        script = "([name, args]) => call(name, ...args)"
        answer: dict[str, Any] = await self.page.evaluate(script, [name, list(args)])
        return answer

    async def reload(self) -> None:
        await self.page.call("reload")
        await self.ready()

    async def ready(self) -> None:
        await self.page.call("waitForFunction", "() => 'vault' in window")


@pytest.fixture(scope="module")
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(scope="module")
async def browser(url: str) -> AsyncIterator[Browser]:
    async with browsing() as opened:
        yield opened


@pytest.fixture
async def web(browser: Browser, url: str) -> AsyncIterator[Web]:
    """A phone with nothing in it."""
    page = await browser.page(secrets.token_hex(4), url)
    made = Web(page)
    await made.ready()
    yield made
    await page.close()


async def test_the_store_and_its_keys_survive_a_reload(web: Web) -> None:
    key = await web("create")
    await web("put", CANARY, 1)
    await web.reload()
    assert await web("open") == key
    assert await web("texts", 10) == [CANARY]
    service = unlock.ServiceKey.generate().public.hex()
    public = await web("setPin", PIN, key, service)
    await web.reload()
    assert (await web.outcome("open"))["code"] == "vault.locked"
    data = secrets.token_bytes(40)
    signature = bytes.fromhex(await web("sign", data.hex()))
    Ed25519PublicKey.from_public_bytes(bytes.fromhex(public)).verify(signature, data)
    assert (await web.outcome("openWith", secrets.token_hex(32)))["code"] == "storage.wrong_key"
    await web("openWith", key)
    assert await web("texts", 10) == [CANARY]


async def test_a_pin_gives_the_same_key_in_the_browser(web: Web) -> None:
    r = secrets.token_bytes(32)
    found = await web("stretch", PIN, r.hex())
    assert found["a"] == keys.stretch(PIN, r).hex()
    print(f"\nArgon2id, 64 MiB, 3 passes: {found['time']} ms")


async def test_a_dump_of_all_that_is_stored_finds_no_secret(web: Web) -> None:
    key = await web("create")
    await web("put", CANARY, 1)
    await web("fill", 2, 20, True)
    kept = await web("keepFile", CANARY, 20_000)
    assert kept == {"folder": True, "size": 20_000 * len(CANARY)}
    before = await web("dump")
    await web("setPin", PIN, key, unlock.ServiceKey.generate().public.hex())
    dumped = before + await web("dump")
    assert len(dumped) > 1_000_000
    assert "key extractable=false" in dumped
    assert "extractable=true" not in dumped
    for secret in (CANARY, "lantern", "conversation", "messages"):
        assert secret not in dumped
        assert secret.encode().hex() not in dumped
    assert key not in dumped
    assert PIN not in dumped.split("\n")
    assert PIN.encode().hex() not in dumped
    assert await web("readFile") == CANARY * 20_000
    await web.reload()
    await web("openWith", key)
    assert await web("readFile") == CANARY * 20_000


async def test_a_kill_in_the_middle_of_a_change_leaves_all_or_nothing(web: Web) -> None:
    await web("create")
    before, cut_off = 0, 0
    # On a busy machine a change is over before the page is: then a larger one.
    for delay, size in ((400, 2000), (160, 2000), (80, 2000), (0, 2000), (0, 8000), (0, 16_000), (0, 32_000)):
        if cut_off and size > 2000:
            break
        await web.page.evaluate(
            "([from, size]) => { void vault.fill(from, size, false) }", [1 + before, size]
        )
        await web.page.call("waitForTimeout", delay)
        await web.reload()
        await web("open")
        count = await web("count")
        assert count in (before, before + size)
        cut_off += count == before
        before = count
        await web("put", CANARY, 900_000)
        assert await web("texts", 1) == [CANARY]
    assert cut_off


async def test_a_second_tab_is_told(web: Web) -> None:
    key = await web("create")
    script = """async (key) => {
      const frame = document.createElement("iframe");
      frame.src = location.href;
      document.body.append(frame);
      await new Promise((done) => { frame.onload = done; });
      while (!frame.contentWindow.call) await new Promise((done) => setTimeout(done, 20));
      window.other = frame.contentWindow;
      return window.other.call("openWith", key);
    }"""
    assert (await web.page.evaluate(script, key))["code"] == "storage.locked"
    await web("close")
    assert await web.page.evaluate("(key) => other.call('openWith', key)", key) == {"ok": None}


async def test_erasing_leaves_a_tombstone_alone(web: Web) -> None:
    key = await web("create")
    await web("put", CANARY, 1)
    await web("keepFile", CANARY, 10)
    await web("setPin", PIN, key, unlock.ServiceKey.generate().public.hex())
    await web.page.evaluate("async () => { await (await caches.open('pages')).put('/x', new Response('x')) }")
    assert (await web("left"))["caches"] == ["pages"]
    assert await web("erase") == "erased"
    assert await web("left") == {"databases": ["chappe-erased"], "folders": [], "caches": []}
    await web.reload()
    assert await web("tombstone") == "erased"
    assert await web("resume") == "erased"
    dumped = await web("dump")
    assert key not in dumped
    assert CANARY.encode().hex() not in dumped
    assert (await web.outcome("openWith", key))["code"] == "storage.missing"


async def test_ten_thousand_messages_open_fast(web: Web) -> None:
    """The figures are printed (`pytest -s`), nothing is said of them here."""
    key = await web("create")
    for start in range(1, 10_001, 1000):
        await web("fill", start, 1000, True)
    figures = await web("figures", key)
    assert figures["count"] == 10_000
    assert figures["found"] > 0
    print(f"\n10,000 messages, milliseconds: {figures}")
