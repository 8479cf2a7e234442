"""Server-delivered code: what the release key did not sign never runs, and what is here needs no network."""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import httpx
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from tests.e2e import pages
from tests.e2e.browser import WEB, Browser, Page
from tests.relay.world import RelayProcess

pytestmark = pytest.mark.anyio
_REFUSED = "text=A new version was refused"


@pytest.fixture
def served(release: Path, tmp_path: Path) -> Iterator[tuple[RelayProcess, Path]]:
    """A relay with a copy of the release that a test may change while the relay is down."""
    folder = pages.copied(release, tmp_path / "dist")
    process = pages.serve(tmp_path / "data", folder)
    yield process, folder
    process.stop()


def put(folder: Path, name: str, body: bytes, *, sign: bool) -> str:
    """A release with this file in it, as a hostile relay (`sign` False) or the release's maker would have it.

    Gives its bundle's hash.
    """
    (folder / name).write_bytes(body)
    manifest = json.loads((folder / "release.json").read_text())
    for file in manifest["files"]:
        if file["path"] == name:
            file |= {"size": len(body), "sha256": hashlib.sha256(body).hexdigest()}
    lines = "".join(f"{file['sha256']}  {file['path']}\n" for file in manifest["files"])
    manifest |= {"bundle": hashlib.sha256(lines.encode()).hexdigest(), "serial": manifest["serial"] + 1}
    (folder / "release.json").write_text(json.dumps(manifest))
    if sign:
        key = load_pem_private_key((WEB / ".release" / "key.pem").read_bytes(), None)
        assert isinstance(key, Ed25519PrivateKey)
        sign_with(folder, key)
    return str(manifest["bundle"])


def sign_with(folder: Path, key: Ed25519PrivateKey) -> None:
    manifest = (folder / "release.json").read_bytes()
    (folder / "release.sig").write_bytes(key.sign(b"chappe release v1\0" + manifest))


@contextmanager
def handed_out(folder: Path, port: int) -> Iterator[None]:
    """By a relay that looks at nothing: the one here serves no file that its manifest does not mean."""
    handler = partial(Quiet, directory=str(folder))
    with ThreadingHTTPServer(("127.0.0.1", port), handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        try:
            yield
        finally:
            server.shutdown()
            thread.join()


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        """Nothing of it belongs in a test's output."""


async def taken(page: Page) -> str:
    """Wait until the service worker has a release; gives its bundle's hash."""
    await page.see("role=heading[name=Chats]")
    await page.click("role=button[name=Settings]")
    await page.click("role=button[name='This version']")
    await page.see("role=img[name=/Hash of the bundle/]")
    shown = await page.on("[data-qr]", "getAttribute", "data-qr")
    assert shown.startswith("chappe-version:")
    return str(shown.removeprefix("chappe-version:"))


async def test_the_hash_that_is_shown_is_the_bundle_that_runs(
    browser: Browser, served: tuple[RelayProcess, Path]
) -> None:
    relay, folder = served
    page = await browser.page("hash", pages.url(relay))
    lines = "".join(
        f"{hashlib.sha256((folder / name).read_bytes()).hexdigest()}  {name}\n"
        for name in sorted(
            str(file.relative_to(folder))
            for file in folder.rglob("*")
            if file.is_file() and file.name not in ("release.json", "release.sig")
        )
    )
    assert await taken(page) == hashlib.sha256(lines.encode()).hexdigest()
    await page.close()


async def test_the_page_opens_without_a_network(browser: Browser, served: tuple[RelayProcess, Path]) -> None:
    relay, _ = served
    page = await browser.page("offline", pages.url(relay))
    await taken(page)
    relay.stop()
    await page.call("reload")
    await page.see("role=heading[name=Chats]")
    await page.click("ul >> text=Night desk")
    await page.see("ol >> text=Layout at six")
    await page.close()


EVIL = b"<!doctype html><title>Evil</title><h1>Evil</h1>"


def unsigned(folder: Path) -> None:
    """A release of its own making, with the signature of the one before."""
    put(folder, "index.html", EVIL, sign=False)


def signed_by_another(folder: Path) -> None:
    put(folder, "index.html", EVIL, sign=False)
    sign_with(folder, Ed25519PrivateKey.generate())


def one_file_changed(folder: Path) -> None:
    """Under a manifest that is newer, and signed."""
    put(folder, "index.html", (folder / "index.html").read_bytes() + b"<!-- 2 -->", sign=True)
    (folder / "index.html").write_bytes(EVIL)


@pytest.mark.parametrize("change", [unsigned, signed_by_another, one_file_changed])
async def test_what_nobody_signed_never_runs(
    browser: Browser, served: tuple[RelayProcess, Path], change: Callable[[Path], None]
) -> None:
    """It is refused, the person is told, and what is there goes on."""
    relay, folder = served
    page = await browser.page(change.__name__, pages.url(relay))
    before = await taken(page)
    relay.stop()
    change(folder)
    with handed_out(folder, relay.port):
        await page.call("reload")
        await page.see(_REFUSED)
        await page.call("reload")
        await page.see(_REFUSED)
        assert await page.count("text=Evil") == 0
        assert await taken(page) == before
        # It does hand out the other page: it is the worker that refuses.
        async with httpx.AsyncClient(trust_env=False) as http:
            assert (await http.get(f"http://localhost:{relay.port}/")).content == EVIL
    relay.start()
    await page.close()


async def test_no_path_of_the_relay_opens_as_a_page_of_this_origin(
    browser: Browser, served: tuple[RelayProcess, Path]
) -> None:
    """A link to one must not make a page, with all that the origin keeps, of what a relay says there."""
    relay, _ = served
    page = await browser.page("paths", pages.url(relay))
    await taken(page)
    for path in ("/v1/info", "/release.json", "/sw.js"):
        await page.call("goto", f"http://localhost:{relay.port}{path}#stage=open")
        await page.see("role=heading[name=Chats]")
    fetched = "async () => (await fetch('/release.json')).headers.get('content-type')"
    assert await page.evaluate(fetched) == "application/json"
    await page.close()


async def test_what_was_signed_is_taken_and_told(browser: Browser, served: tuple[RelayProcess, Path]) -> None:
    relay, folder = served
    page = await browser.page("next", pages.url(relay))
    before = await taken(page)
    relay.stop()
    old = {name: (folder / name).read_bytes() for name in ("index.html", "release.json", "release.sig")}
    bundle = put(folder, "index.html", old["index.html"].replace(b"<title>", b"<title>2 "), sign=True)
    assert bundle != before
    relay.start()
    await page.call("reload")
    await page.see("text=A new version is ready.")
    await page.click("role=button[name=Restart]")
    assert await taken(page) == bundle
    # What was signed once does not come back.
    relay.stop()
    for name, body in old.items():
        (folder / name).write_bytes(body)
    relay.start()
    await page.call("reload")
    await page.see(_REFUSED)
    assert await taken(page) == bundle
    await page.close()


async def test_a_release_with_another_worker_is_told_and_taken(
    browser: Browser, served: tuple[RelayProcess, Path]
) -> None:
    """The browser fetches the worker by itself, which takes its release before the page has asked for one."""
    relay, folder = served
    page = await browser.page("worker", pages.url(relay))
    before = await taken(page)
    relay.stop()
    bundle = put(folder, "sw.js", (folder / "sw.js").read_bytes() + b"// 2\n", sign=True)
    relay.start()
    await page.evaluate("async () => { await (await navigator.serviceWorker.ready).update() }")
    await page.see("text=A new version is ready.")
    waits = "async () => Boolean((await navigator.serviceWorker.ready).waiting)"
    assert await page.evaluate(waits)
    await page.click("role=button[name=Restart]")
    await page.gone("text=A new version is ready.")
    assert await taken(page) == bundle != before
    assert not await page.evaluate(waits)
    await page.close()
