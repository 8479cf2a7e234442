"""How `chappe desk` reaches a desk: the one in the data directory, or one elsewhere, with a token over HTTPS.

Both are asked by the same API. Beside the data there is no socket: the application runs in this process,
and the caller is the operator because he can write to the directory.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

from chappe.cli.show import clean
from chappe.wire.api import from_base64
from chappe.wire.errors import KINDS, ChappeError, error

if TYPE_CHECKING:
    import httpx
    from starlette.types import ASGIApp, Receive, Scope, Send

PREFIX: Final = "/v1/desk"
SECONDS: Final = 60.0
DEFAULT_PORT: Final = 443
MAX_TOKEN_FILE: Final = 4096


@dataclass(slots=True)
class Place:
    """Which desk. `url`: one elsewhere; else that of the data directory."""

    data_dir: Path | None = None
    port: int | None = None
    name: str | None = None
    url: str | None = None
    token_file: Path | None = None
    pin: str | None = None


def call(
    place: Place,
    method: str,
    path: str,
    body: Any = None,
    query: dict[str, Any] | None = None,
) -> Any:
    """What the desk answers, from JSON; None where it answers nothing. `body`: JSON, or the bytes of a CSV.
    Raises the error that it names, and network.*, storage.*, usage.invalid."""
    (answer,) = calls(place, [(method, path, body, query)])
    return answer


def calls(place: Place, wanted: Iterable[tuple[str, str, Any, dict[str, Any] | None]]) -> list[Any]:
    """Several, one after the other."""

    async def run() -> list[Any]:
        async with _client(place) as client:
            return [await _ask(client, *one) for one in wanted]

    return asyncio.run(run())


def fetch(place: Place, path: str, file: Path) -> None:
    """A download, into a new file. Raises file.unreadable where the file is there already."""

    async def run() -> None:
        async with _client(place) as client, client.stream("GET", PREFIX + path) as answer:
            if answer.is_error:
                await answer.aread()
                raise _failure(answer)
            with file.open("xb") as out:
                async for piece in answer.aiter_bytes():
                    out.write(piece)

    try:
        asyncio.run(run())
    except OSError:
        raise error(
            "file.unreadable", "The file is there already, or its folder cannot be written."
        ) from None


@asynccontextmanager
async def _client(place: Place) -> AsyncIterator[httpx.AsyncClient]:
    if place.url is not None:
        async with await _far(place) as client:
            yield client
        return
    from chappe.cli.desk_beside import as_served, desk_of
    from chappe.relay.config import load_settings

    settings = as_served(load_settings(data_dir=place.data_dir, port=place.port, server_name=place.name))
    desk = desk_of(settings)
    try:
        async with _near(desk, settings.server_name) as client:
            yield client
    finally:
        desk.close()


def _near(desk: Any, server_name: str) -> httpx.AsyncClient:
    import httpx
    from starlette.applications import Starlette
    from starlette.routing import Mount

    from chappe.desk.api import build_app

    app = Starlette(routes=[Mount(PREFIX, build_app(desk))])
    return httpx.AsyncClient(
        transport=httpx.ASGITransport(_as_console(app)), base_url=f"https://{server_name}", trust_env=False
    )


def _as_console(app: ASGIApp) -> ASGIApp:
    """Everything that comes through is asked by the operator, at the command line."""
    from chappe.desk.gate import ACTOR_SCOPE
    from chappe.desk.who import CONSOLE

    async def asked(scope: Scope, receive: Receive, send: Send) -> None:
        await app({**scope, ACTOR_SCOPE: CONSOLE}, receive, send)

    return asked


async def _far(place: Place) -> httpx.AsyncClient:
    import httpx

    from chappe.client.transport import tls_context
    from chappe.wire.links import RelayPlace

    url = place.url or ""
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port or DEFAULT_PORT
    except ValueError:
        host = None
    if not host or parts.scheme != "https" or parts.path.strip("/") or parts.query or parts.username:
        raise error("usage.invalid", "--url is https://HOST[:PORT] of the relay that the desk is at.")
    if place.token_file is None:
        raise error("usage.invalid", "--url needs --token-file: a file with an API token of that desk.")
    headers = {"Authorization": f"Bearer {_token(place.token_file)}"}
    trust = await tls_context(RelayPlace(host, port, _pin(place.pin)))
    return httpx.AsyncClient(base_url=url, headers=headers, verify=trust, timeout=SECONDS, trust_env=False)


def _pin(given: str | None) -> bytes | None:
    try:
        return None if given is None else from_base64(given.removeprefix("#"), 32)
    except ChappeError:
        raise error("usage.invalid", "--pin is what stands after # in an activation link.") from None


def _token(file: Path) -> str:
    try:
        with file.open("rb") as opened:
            token = opened.read(MAX_TOKEN_FILE).decode("ascii").strip()
    except (OSError, UnicodeDecodeError):
        raise error("file.unreadable") from None
    if not token.startswith("chd_") or not token.isprintable() or " " in token:
        raise error("usage.invalid", "The file of --token-file holds no API token of a desk (chd_…).")
    return token


async def _ask(
    client: httpx.AsyncClient, method: str, path: str, body: Any, query: dict[str, Any] | None
) -> Any:
    import httpx

    from chappe.desk.secret import new_secret

    headers = {"Idempotency-Key": new_secret()} if method == "POST" else {}
    given = {name: value for name, value in (query or {}).items() if value is not None}
    sent: dict[str, Any] = {"json": body}
    if isinstance(body, bytes):
        sent, headers = {"content": body}, headers | {"Content-Type": "text/csv"}
    try:
        answer = await client.request(method, PREFIX + path, params=given or None, headers=headers, **sent)
    except httpx.TimeoutException:
        raise error("network.timeout", "The desk took too long; look whether it was done.") from None
    except httpx.HTTPError as problem:
        code = "network.untrusted" if "CERTIFICATE_VERIFY" in str(problem) else "network.unreachable"
        raise error(code) from None
    if answer.is_error:
        raise _failure(answer)
    return answer.json() if answer.content else None


def _failure(answer: httpx.Response) -> ChappeError:
    """The desk's words, made harmless: it names the field that does not fit."""
    try:
        said = answer.json()
        code, message = str(said["code"]), clean(str(said["message"]))[:500]
        fields = [
            f"{clean(str(one['field']))}: {clean(str(one['message']))}" for one in said.get("fields", [])
        ]
    except (json.JSONDecodeError, KeyError, TypeError, UnicodeDecodeError):
        return error(
            "http.malformed", f"The desk answered {answer.status_code}, and nothing that can be read."
        )
    if code not in KINDS:
        return error("http.malformed", f"The desk answered {clean(code)[:64]!r}, unknown here.")
    return error(code, " ".join([message, "; ".join(fields)[:500]]).strip())
