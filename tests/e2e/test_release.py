"""Server-delivered code: what the release key did not sign never runs, and what is here needs no network."""

from __future__ import annotations

import hashlib
import json
import subprocess
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

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
        key = WEB / ".release" / "key.pem"
        signed = folder.parent / "signed"
        signed.write_bytes(b"chappe release v1\0" + (folder / "release.json").read_bytes())
        script = (
            "const { createPrivateKey, sign } = require('node:crypto');"
            "const { readFileSync, writeFileSync } = require('node:fs');"
            "const [key, data, out] = process.argv.slice(1);"
            "writeFileSync(out, sign(null, readFileSync(data), createPrivateKey(readFileSync(key))));"
        )
        subprocess.run(["node", "-e", script, key, signed, folder / "release.sig"], check=True)
    return str(manifest["bundle"])


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


async def test_what_nobody_signed_never_runs(browser: Browser, served: tuple[RelayProcess, Path]) -> None:
    relay, folder = served
    page = await browser.page("evil", pages.url(relay))
    before = await taken(page)
    relay.stop()
    evil = b"<!doctype html><title>Evil</title><h1>Evil</h1>"
    put(folder, "index.html", evil, sign=False)
    relay.start()
    await page.call("reload")
    await page.see(_REFUSED)
    await page.call("reload")
    await page.see(_REFUSED)
    assert await page.count("text=Evil") == 0
    assert await taken(page) == before
    # The relay does hand out the other page: it is the worker that refuses.
    async with httpx.AsyncClient(trust_env=False) as http:
        assert (await http.get(f"http://localhost:{relay.port}/")).content == evil
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
