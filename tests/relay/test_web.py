"""The phone's page as the relay serves it: its headers, its table of files, and nothing beside it."""

from __future__ import annotations

import gzip
import hashlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from chappe.relay import web
from tests.relay.world import RelayProcess

FILES = {
    "index.html": b"<!doctype html><title>Chappe</title>" + b" " * 500,
    "sw.js": b"self.addEventListener('install', () => {});",
    "assets/index-BX8d2k3f.js": b"export const answer = 42;\n" * 50,
    "icon-192.png": b"\x89PNG not really",
    "manifest.webmanifest": b"{}",
}


def built(folder: Path, **changes: Any) -> Path:
    """A built page in `folder`. `changes`: of the manifest."""
    for name, body in FILES.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(body)
    files = [
        {"path": name, "size": len(body), "sha256": hashlib.sha256(body).hexdigest()}
        for name, body in FILES.items()
    ]
    (folder / "release.json").write_text(json.dumps({"format": 1, "files": files} | changes))
    (folder / "release.sig").write_bytes(b"s" * 64)
    return folder


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RelayProcess]:
    folder = tmp_path_factory.mktemp("web")
    # What lies beside the page, and what lies in it unlisted, is nobody's business.
    (folder / "secret.txt").write_text("secret")
    page = built(folder / "dist")
    (page / "notes.js").write_text("unlisted")
    process = RelayProcess(folder / "data", web_dir=page)
    yield process
    assert process.stop() == 0
    assert "should not" not in process.log, process.log


async def test_the_page_and_its_files(served: RelayProcess) -> None:
    async with served.http() as http:
        for path, name, kind, cache in (
            ("/", "index.html", "text/html; charset=utf-8", "no-cache"),
            ("/sw.js", "sw.js", "text/javascript; charset=utf-8", "no-cache"),
            (
                "/assets/index-BX8d2k3f.js",
                "assets/index-BX8d2k3f.js",
                "text/javascript; charset=utf-8",
                "public, max-age=31536000, immutable",
            ),
            ("/icon-192.png", "icon-192.png", "image/png", "no-cache"),
            ("/manifest.webmanifest", "manifest.webmanifest", "application/manifest+json", "no-cache"),
        ):
            answer = await http.get(path)
            assert (answer.status_code, answer.content) == (200, FILES[name]), path
            assert answer.headers["content-type"] == kind
            assert answer.headers["cache-control"] == cache
        assert (await http.get("/release.json")).json()["format"] == 1
        assert (await http.get("/release.sig")).content == b"s" * 64
        # The API is where it was.
        assert (await http.get("/v1/info")).json()["name"] == "localhost"


async def test_every_file_carries_the_policy(served: RelayProcess) -> None:
    async with served.http() as http:
        for path in ("/", "/sw.js", "/assets/index-BX8d2k3f.js", "/release.json"):
            headers = (await http.get(path)).headers
            rules = dict(
                rule.strip().partition(" ")[::2] for rule in headers["content-security-policy"].split(";")
            )
            assert rules == {
                "default-src": "'none'",
                "script-src": "'self' 'wasm-unsafe-eval'",
                "style-src": "'self'",
                "connect-src": f"'self' wss://localhost:{served.port}",
                "img-src": "'self' blob: data:",
                "media-src": "'self' blob:",
                "worker-src": "'self'",
                "manifest-src": "'self'",
                "frame-ancestors": "'none'",
                "base-uri": "'none'",
                "form-action": "'none'",
                "require-trusted-types-for": "'script'",
                "trusted-types": "chappe svelte-trusted-html",
            }
            assert headers["cross-origin-opener-policy"] == "same-origin"
            assert headers["cross-origin-embedder-policy"] == "require-corp"
            assert headers["cross-origin-resource-policy"] == "same-origin"
            assert headers["x-content-type-options"] == "nosniff"
            assert headers["referrer-policy"] == "no-referrer"
            assert "camera=(self), microphone=(self), geolocation=()" in headers["permissions-policy"]
            assert "server" not in headers


@pytest.mark.parametrize(
    "host", ["evil; script-src *", "a b", "x'y", "", "host:99999999", "ü", "[::1", "a/b"]
)
def test_a_host_that_is_none_opens_nothing(host: str) -> None:
    assert "connect-src 'self'; img-src" in web.policy(host, secure=True)


@pytest.mark.parametrize("host", ["relay.example", "localhost:8440", "[::1]:8440", "192.0.2.7:1"])
def test_the_socket_of_the_page_itself(host: str) -> None:
    assert f"connect-src 'self' wss://{host}; " in web.policy(host, secure=True)
    assert f"connect-src 'self' ws://{host}; " in web.policy(host, secure=False)


@pytest.mark.parametrize(
    "path",
    [
        "/../secret.txt",
        "/%2e%2e/secret.txt",
        "/..%2fsecret.txt",
        "/assets/../../secret.txt",
        "/assets/..%5c..%5csecret.txt",
        "//etc/passwd",
        "/%00index.html",
        "/index.html%00.js",
        "/notes.js",
        "/index.html",
        "/assets/",
        "/assets",
        "/release.json/",
        "/SW.js",
        "/.release/key.pem",
        "/" + "a" * 4000,
    ],
)
async def test_nothing_else_is_there(served: RelayProcess, path: str) -> None:
    async with served.http() as http:
        request = http.build_request("GET", "/")
        request.url = request.url.copy_with(raw_path=path.encode())
        answer = await http.send(request)
    assert answer.status_code == 404
    assert answer.json()["code"] == "http.unknown_path"


async def test_other_methods(served: RelayProcess) -> None:
    async with served.http() as http:
        head = await http.head("/")
        assert (head.status_code, head.content) == (200, b"")
        assert head.headers["etag"] == f'"{hashlib.sha256(FILES["index.html"]).hexdigest()}"'
        for method in ("POST", "PUT", "DELETE"):
            answer = await http.request(method, "/sw.js", content=b"x")
            assert (answer.status_code, answer.json()["code"]) == (405, "http.unknown_path")


async def test_a_copy_that_is_still_good(served: RelayProcess) -> None:
    async with served.http() as http:
        etag = (await http.get("/")).headers["etag"]
        again = await http.get("/", headers={"If-None-Match": f'W/"x", {etag}'})
        assert (again.status_code, again.content) == (304, b"")
        assert "content-security-policy" in again.headers
        assert (await http.get("/", headers={"If-None-Match": '"other"'})).status_code == 200


async def test_squeezed_where_that_is_taken(served: RelayProcess) -> None:
    path = "/assets/index-BX8d2k3f.js"
    async with served.http() as http:
        for accepted, squeezed in (
            ("gzip", True),
            ("br, gzip;q=0.5", True),
            ("br", False),
            ("gzip;q=0", False),
            ("", False),
        ):
            async with http.stream("GET", path, headers={"Accept-Encoding": accepted}) as answer:
                raw = b"".join([piece async for piece in answer.aiter_raw()])
            assert (answer.headers.get("content-encoding") == "gzip") is squeezed, accepted
            assert (gzip.decompress(raw) if squeezed else raw) == FILES["assets/index-BX8d2k3f.js"]
            assert answer.headers["vary"] == "Accept-Encoding"


def broken(folder: Path, name: str) -> None:
    match name:
        case "a changed file":
            (folder / "sw.js").write_bytes(b"evil")
        case "a lost file":
            (folder / "sw.js").unlink()
        case "no manifest":
            (folder / "release.json").unlink()
        case "no signature":
            (folder / "release.sig").unlink()
        case "not JSON":
            (folder / "release.json").write_text("{")
        case "not UTF-8":
            (folder / "release.json").write_bytes(b"\xff\xfe")
        case "no page in it":
            built(folder, files=[])


@pytest.mark.parametrize(
    "name",
    [
        "a changed file",
        "a lost file",
        "no manifest",
        "no signature",
        "not JSON",
        "not UTF-8",
        "no page in it",
    ],
)
def test_a_page_that_is_not_whole_is_not_served(tmp_path: Path, name: str) -> None:
    assert "/sw.js" in web.load(built(tmp_path))
    broken(tmp_path, name)
    pages = web.load(tmp_path)
    assert list(pages) == ["/", "/console/"]
    assert b"make phone" in pages["/"].body


@pytest.mark.parametrize(
    "path",
    [
        "../data/relay.db",
        "/etc/passwd",
        "assets/../../x.js",
        "a/b.js",
        ".hidden.js",
        "x.py",
        "x",
        "",
        "a\\b.js",
        7,
    ],
)
def test_a_manifest_that_names_something_else(tmp_path: Path, path: object) -> None:
    built(tmp_path, files=[{"path": path, "size": 1, "sha256": "0" * 64}])
    assert list(web.load(tmp_path)) == ["/", "/console/"]


@pytest.mark.parametrize(
    "manifest", ["[]", "7", '{"files": 3}', '{"files": [3]}', '{"files": [{"path": "sw.js"}]}']
)
def test_a_manifest_of_another_form(tmp_path: Path, manifest: str) -> None:
    built(tmp_path)
    (tmp_path / "release.json").write_text(manifest)
    assert list(web.load(tmp_path)) == ["/", "/console/"]


def test_the_console_is_of_the_same_release(tmp_path: Path) -> None:
    files = {"index.html": b"<p>phone", "console/index.html": b"<p>console"}
    files |= {"console/assets/index-BX8d2k3f.js": b"1", "console/assets/../x.js": b"2"}
    for name, body in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(body)
    (tmp_path / "release.sig").write_bytes(b"s" * 64)

    def write(*names: str) -> None:
        listed = [{"path": one, "sha256": hashlib.sha256(files[one]).hexdigest()} for one in names]
        (tmp_path / "release.json").write_text(json.dumps({"files": listed}))

    write("index.html", "console/index.html", "console/assets/index-BX8d2k3f.js")
    pages = web.load(tmp_path)
    assert pages["/console/"].body == b"<p>console"
    assert "immutable" in pages["/console/assets/index-BX8d2k3f.js"].cache
    assert "/console/index.html" not in pages
    write("index.html")
    assert b"make phone" in web.load(tmp_path)["/console/"].body
    write(*files)
    assert b"<p>" not in web.load(tmp_path)["/"].body[:20]


async def test_a_relay_without_a_page_says_how(tmp_path: Path) -> None:
    process = RelayProcess(tmp_path / "data", web_dir=tmp_path / "nothing")
    try:
        async with process.http() as http:
            answer = await http.get("/")
            assert answer.status_code == 200
            assert "make phone" in answer.text
            assert "script-src 'self'" in answer.headers["content-security-policy"]
            assert (await http.get("/sw.js")).status_code == 404
            console = await http.get("/console")
            assert (console.status_code, console.headers["location"]) == (308, "/console/")
            assert "make phone" in (await http.get("/console/")).text
        assert str(tmp_path) not in process.log
    finally:
        process.stop()
