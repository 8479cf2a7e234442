"""The phone's page, as the relay serves it at `/`, and the console's at `/console/`.

What is served is a table made at the start from the release manifest: the files that `release.json` lists,
each with the hash that it names. The console shares the phone's origin, and so is of the same signed release.
No request becomes a path on the disk, so none can leave the folder.
"""

from __future__ import annotations

import asyncio
import gzip
import hashlib
import json
import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Final

import structlog
from fastapi import FastAPI, Request, Response
from fastapi.responses import RedirectResponse

log = structlog.get_logger()

DEFAULT_DIR: Final = Path(__file__).resolve().parents[3] / "web" / "phone" / "dist"
MANIFEST: Final = "release.json"
SIGNATURE: Final = "release.sig"
CONSOLE: Final = "/console/"
MAX_FILES: Final = 500
MAX_VERSION: Final = 64
MAX_FILE: Final = 16 * 1024 * 1024

# Names that the build gives; nothing that could mean another folder.
_NAME: Final = re.compile(r"(console/)?(assets/)?[A-Za-z0-9_][A-Za-z0-9_.-]{0,120}", re.ASCII)
_HASHED: Final = re.compile(r"(console/)?assets/.*[-.][A-Za-z0-9_-]{8,}\.[a-z0-9]+", re.ASCII)
_HOST: Final = re.compile(r"(\[[0-9a-fA-F:.]{2,45}\]|[A-Za-z0-9.-]{1,253})(:[0-9]{1,5})?", re.ASCII)
_TYPES: Final = {
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".json": "application/json",
    ".webmanifest": "application/manifest+json",
    ".svg": "image/svg+xml",
    ".png": "image/png",
    ".wasm": "application/wasm",
    ".sig": "application/octet-stream",
}
_SQUEEZED: Final = frozenset({".html", ".js", ".css", ".json", ".webmanifest", ".svg", ".wasm"})

_POLICY: Final = (
    "default-src 'none'; script-src 'self' 'wasm-unsafe-eval'; style-src 'self'; connect-src 'self'{socket}; "
    "img-src 'self' blob: data:; media-src 'self' blob:; worker-src 'self'; manifest-src 'self'; "
    "frame-ancestors 'none'; base-uri 'none'; form-action 'none'; "
    "require-trusted-types-for 'script'; trusted-types chappe svelte-trusted-html"
)
_HEADERS: Final = {
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Embedder-Policy": "require-corp",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(self), microphone=(self), geolocation=(), payment=(), usb=(), midi=(), "
    "display-capture=(), browsing-topics=()",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Vary": "Accept-Encoding",
}
_NOT_BUILT: Final = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>Chappe</title></head><body>
<h1>Chappe</h1>
<p>This relay runs, but its phone page is not built. Install Node 20 or newer where the relay is, run
<code>make phone</code>, and start the relay again. The terminal client works without it.</p>
<p lang="fr">Ce relais fonctionne, mais sa page pour téléphones n'est pas construite. Installez Node 20 ou
plus récent là où est le relais, lancez <code>make phone</code>, puis redémarrez-le. Le client en terminal
s'en passe.</p>
</body></html>
"""
_NO_CONSOLE: Final = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>Chappe</title></head><body>
<h1>Chappe</h1>
<p>This relay runs, but its console is not built. Install Node 20 or newer where the relay is, run
<code>make phone</code>, and start the relay again. Until then <code>chappe desk</code> does the same.</p>
<p lang="fr">Ce relais fonctionne, mais sa console n'est pas construite. Installez Node 20 ou plus récent là
où est le relais, lancez <code>make phone</code>, puis redémarrez-le. D'ici là, <code>chappe desk</code> fait
la même chose.</p>
</body></html>
"""


@dataclass(frozen=True, slots=True)
class Release:
    """SHA-256 of a manifest, and the version that it names."""

    digest: bytes
    version: str


@dataclass(frozen=True)
class Page:
    """One file: its bytes, type, ETag, caching, and whether it is text, which can be squeezed."""

    body: bytes
    media_type: str
    etag: str
    cache: str
    is_text: bool

    @cached_property
    def squeezed(self) -> bytes | None:
        """The bytes in gzip, None where that wins nothing. Made when it is first asked for: a relay is to be
        back at once after a crash, and squeezing all takes longer than the rest of its start."""
        squeezed = gzip.compress(self.body, 9, mtime=0) if self.is_text else None
        return None if squeezed is None or len(squeezed) >= len(self.body) else squeezed


def load(folder: Path | None) -> dict[str, Page]:
    """What is served, by path. `folder`: a built page (None: the repository's own).

    A page that is missing or is not what its manifest says is not served at all; a plain page then tells how
    to build it, and the log why.
    """
    folder = folder or DEFAULT_DIR
    try:
        pages = _listed(folder)
    except FileNotFoundError:
        log.warning("the phone's page is not built", hint="make phone")
        return _plain()
    except (OSError, ValueError, RecursionError) as problem:
        log.error("the phone's page is not served", reason=type(problem).__name__, detail=_reason(problem))
        return _plain()
    pages["/"] = pages.pop("/index.html")
    console = pages.pop(f"{CONSOLE}index.html", None)
    pages[CONSOLE] = console or _page("index.html", _NO_CONSOLE.encode())
    return pages


def released(folder: Path | None) -> Release | None:
    """Which release the folder has, by its manifest; None where there is none."""
    try:
        manifest = ((folder or DEFAULT_DIR) / MANIFEST).read_bytes()
        version = json.loads(manifest)["version"]
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return None
    if not isinstance(version, str) or not 1 <= len(version) <= MAX_VERSION:
        return None
    return Release(hashlib.sha256(manifest).digest(), version)


def add_pages(app: FastAPI, folder: Path | None) -> None:
    """A route for each file: GET, and HEAD."""
    for path, page in load(folder).items():
        app.add_route(path, _answering(page), methods=["GET"], include_in_schema=False)
    app.add_route(CONSOLE.rstrip("/"), _to_console, methods=["GET"], include_in_schema=False)


def policy(host: str, *, secure: bool) -> str:
    """The Content-Security-Policy for a page fetched at `host`.

    The socket's origin is named for browsers that do not take it as 'self'; a Host header that is none names
    nothing.
    """
    scheme = "wss" if secure else "ws"
    socket = f" {scheme}://{host}" if _HOST.fullmatch(host) else ""
    return _POLICY.format(socket=socket)


async def _to_console(_request: Request) -> Response:
    return RedirectResponse(CONSOLE, status_code=308)


def _answering(page: Page) -> Callable[[Request], Awaitable[Response]]:
    async def answer(request: Request) -> Response:
        headers = _HEADERS | {
            "Cache-Control": page.cache,
            "Content-Security-Policy": policy(
                request.headers.get("host", ""), secure=request.url.scheme == "https"
            ),
            "ETag": page.etag,
        }
        if page.etag in request.headers.get("if-none-match", ""):
            return Response(status_code=304, headers=headers)
        if page.is_text and _takes_gzip(request.headers.get("accept-encoding", "")):
            squeezed = await asyncio.to_thread(lambda: page.squeezed)
            if squeezed is not None:
                headers["Content-Encoding"] = "gzip"
                return Response(squeezed, media_type=page.media_type, headers=headers)
        return Response(page.body, media_type=page.media_type, headers=headers)

    return answer


def _takes_gzip(accepted: str) -> bool:
    """RFC 9110 section 12.5.3; a quality of zero refuses."""
    for part in accepted.split(","):
        name, _, weight = part.partition(";")
        if name.strip().lower() == "gzip":
            return not re.fullmatch(r"\s*q=0(\.0*)?\s*", weight)
    return False


def _listed(folder: Path) -> dict[str, Page]:
    """Raises OSError, ValueError."""
    manifest = (folder / MANIFEST).read_bytes()
    files = _files(json.loads(manifest))
    pages = {
        f"/{MANIFEST}": _page(MANIFEST, manifest),
        f"/{SIGNATURE}": _page(SIGNATURE, (folder / SIGNATURE).read_bytes()),
    }
    for name, digest in files.items():
        body = (folder / name).read_bytes()
        if hashlib.sha256(body).hexdigest() != digest:
            raise ValueError(f"{name} is not what {MANIFEST} says")
        pages[f"/{name}"] = _page(name, body)
    if "/index.html" not in pages:
        raise ValueError(f"{MANIFEST} lists no index.html")
    return pages


def _files(manifest: Any) -> dict[str, str]:
    """Name to SHA-256. Raises ValueError for a manifest of another form."""
    entries = manifest.get("files") if isinstance(manifest, dict) else None
    if not isinstance(entries, list) or len(entries) > MAX_FILES:
        raise ValueError(f"{MANIFEST} has another form")
    files: dict[str, str] = {}
    for entry in entries:
        name, digest = (entry.get("path"), entry.get("sha256")) if isinstance(entry, dict) else (None, None)
        if not isinstance(name, str) or not isinstance(digest, str) or not _NAME.fullmatch(name):
            raise ValueError(f"{MANIFEST} lists something that is not a file of the page")
        files[name] = digest
    return files


def _page(name: str, body: bytes) -> Page:
    suffix = Path(name).suffix
    if suffix not in _TYPES or len(body) > MAX_FILE:
        raise ValueError(f"{name} is of a type or size that is not served")
    cache = "public, max-age=31536000, immutable" if _HASHED.fullmatch(name) else "no-cache"
    etag = f'"{hashlib.sha256(body).hexdigest()}"'
    return Page(body, _TYPES[suffix], etag, cache, suffix in _SQUEEZED)


def _plain() -> dict[str, Page]:
    return {
        "/": _page("index.html", _NOT_BUILT.encode()),
        CONSOLE: _page("index.html", _NO_CONSOLE.encode()),
    }


def _reason(problem: Exception) -> str:
    """Without the machine's paths."""
    if isinstance(problem, OSError):
        return problem.strerror or ""
    return str(problem) if not isinstance(problem, json.JSONDecodeError) else f"{MANIFEST} is no JSON"
