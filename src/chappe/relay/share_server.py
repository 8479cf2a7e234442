"""The share service alone: a process of its own, for a relay on another machine.

Every route takes the bearer token. What goes through them is sealed between phone and service; the relay sees
which device asks, and nothing of what it says.
"""

from __future__ import annotations

import asyncio
import hmac
import secrets
import socket
import ssl
from collections.abc import Callable
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Final

import uvloop
from fastapi import Depends, FastAPI, Request, Response

from chappe.relay import logs, tls
from chappe.relay.app import add_errors
from chappe.relay.config import Settings
from chappe.relay.database import os_failure, prepare_folder
from chappe.relay.http_errors import read_body
from chappe.relay.serve import OnReady, Ready, Server, listen, server_config
from chappe.relay.shares import disk
from chappe.relay.shares.remote import MAX_DESTROYED, MAX_HELD, read_token
from chappe.relay.shares.service import Shares
from chappe.relay.shares.worker import LocalShares
from chappe.wire import api, frames
from chappe.wire.errors import error

JSON: Final = "application/json"
TOKEN_NAME: Final = "share-token"  # noqa: S105 - a file's name
_PRIVATE: Final = {"Cache-Control": "no-store"}

MakeShares = Callable[[Path], Shares]


def build_share_app(shares: LocalShares, token: str) -> FastAPI:
    """The application. Its routes are those of docs/protocol.md section 11."""

    async def check_token(request: Request) -> None:
        kind, _, given = request.headers.get("authorization", "").partition(" ")
        if kind.lower() != "bearer" or not hmac.compare_digest(given.strip().encode(), token.encode()):
            raise error("shares.bad_token")

    app = FastAPI(
        openapi_url=None,
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
        dependencies=[Depends(check_token)],
    )
    add_errors(app)
    _add_shares(app, shares)
    _add_unlocking(app, shares)
    return app


def _add_shares(app: FastAPI, shares: LocalShares) -> None:
    @app.get("/v1/shares/key")
    async def key() -> Response:
        body = api.ShareKey(api.to_base64(await shares.public_key()))
        return Response(api.encode(body), media_type=JSON)

    @app.get("/v1/shares/counts")
    async def counts() -> Response:
        return Response(api.encode(await shares.counts()), media_type=JSON, headers=_PRIVATE)

    @app.put("/v1/shares/{device}")
    async def enrol(device: str, request: Request) -> Response:
        sealed = await read_body(request, frames.MAX_ENROLMENT)
        await shares.enrol(api.from_base64(device, 16), sealed)
        return Response(status_code=204)

    @app.post("/v1/shares/held")
    async def held(request: Request) -> Response:
        ids = await read_body(request, 16 * MAX_HELD)
        if not ids or len(ids) % 16:
            raise error("http.malformed")
        found = await shares.held([ids[start : start + 16] for start in range(0, len(ids), 16)])
        return Response(api.encode(found), media_type=JSON, headers=_PRIVATE)

    @app.post("/v1/shares/destroy")
    async def destroy(request: Request) -> Response:
        ids = await read_body(request, 16 * MAX_DESTROYED)
        if not ids or len(ids) % 16:
            raise error("http.malformed")
        await shares.destroy([ids[start : start + 16] for start in range(0, len(ids), 16)])
        return Response(status_code=204)


def _add_unlocking(app: FastAPI, shares: LocalShares) -> None:
    @app.post("/v1/unlock/challenge")
    async def challenge(request: Request) -> Response:
        body = api.decode(await read_body(request, api.MAX_BODY), api.UnlockChallenge)
        fresh = await shares.challenge(api.from_base64(body.device, 16))
        answer = api.encode(api.UnlockChallenged(api.to_base64(fresh)))
        return Response(answer, media_type=JSON, headers=_PRIVATE)

    @app.post("/v1/unlock")
    async def unlock(request: Request) -> Response:
        body = api.decode(await read_body(request, api.MAX_BODY), api.Unlock)
        device, sealed = api.from_base64(body.device, 16), api.from_base64(body.sealed)
        answer = api.encode(api.Unlocked(api.to_base64(await shares.unlock(device, sealed))))
        return Response(answer, media_type=JSON, headers=_PRIVATE)


def serve_shares(
    settings: Settings, *, on_ready: OnReady | None = None, make_shares: MakeShares = Shares
) -> None:
    """Serve until SIGINT or SIGTERM. Of the settings it takes the folder, host, port, name, TLS and token.

    Raises storage.locked (another process has the shares), shares.rolled_back, storage.*, tls.unreadable,
    usage.invalid (a token that is none), network.port_taken.
    """
    logs.configure(settings)
    prepare_folder(settings.data_dir)
    token = read_token(settings.share_token_file or ensure_token(settings.data_dir))
    with closing(listen(settings.host, settings.port)) as listener:
        shares = make_shares(settings.shares)
        context = tls.server_context(settings)
        ready = Ready(settings.host, listener.getsockname()[1], tls.pin_in_force(settings))
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.get_loop().set_exception_handler(logs.report_loop_problem)
            said = partial(on_ready, ready) if on_ready else None
            runner.run(_run(settings, shares, token, listener, context, said))


async def _run(
    settings: Settings,
    shares: Shares,
    token: str,
    listener: socket.socket,
    context: ssl.SSLContext | None,
    on_ready: Callable[[], None] | None,
) -> None:
    local = LocalShares(shares)
    try:
        config = server_config(settings, build_share_app(local, token), "none", context)
        await Server(config, on_ready, "the share service").serve(sockets=[listener])
    finally:
        await local.close()


def ensure_token(data_dir: Path) -> Path:
    """The token's file, made on the first run, for its owner alone."""
    path = data_dir / TOKEN_NAME
    try:
        if not path.exists():
            disk.create(path, secrets.token_urlsafe(32).encode() + b"\n")
    except OSError as problem:
        raise os_failure(problem) from None
    return path
