"""The private port: metrics, and health with its reasons. For who runs the relay; never the public port.

It has no TLS and no password: it listens where the operator says (`--metrics`), which is to be loopback, or
a network that only Prometheus reaches. There is nothing personal in it, but how busy a relay is, and what is
wrong with it, is nobody's business.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterator
from typing import TYPE_CHECKING

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from chappe.relay.watching.metrics import CONTENT_TYPE, Metrics
from chappe.relay.watching.readiness import Doctor

if TYPE_CHECKING:
    import socket

    from chappe.relay.relay import Relay


class PrivatePort:
    """Made, started and closed in the relay's event loop."""

    def __init__(self, relay: Relay, doctor: Doctor, listener: socket.socket) -> None:
        """`listener` is closed with it."""
        config = uvicorn.Config(
            build_private_app(relay, doctor),
            ws="none",
            lifespan="off",
            log_config=None,
            access_log=False,
            server_header=False,
            limit_concurrency=32,
            timeout_graceful_shutdown=1,
        )
        self._server = _Quiet(config)
        self._listener = listener
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        self._task = asyncio.get_running_loop().create_task(self._server.serve(sockets=[self._listener]))

    async def close(self) -> None:
        """It answers until now, so that a drain can be watched."""
        self._server.should_exit = True
        if self._task is not None:
            await asyncio.gather(self._task, return_exceptions=True)


class _Quiet(uvicorn.Server):
    """Signals are the relay's own affair."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


def build_private_app(relay: Relay, doctor: Doctor) -> Starlette:
    metrics = Metrics(relay, doctor)

    async def scrape(_request: Request) -> Response:
        page = await metrics.page(asyncio.get_running_loop().time())
        return Response(page, headers={"Content-Type": CONTENT_TYPE, "Cache-Control": "no-store"})

    async def lives(_request: Request) -> Response:
        return JSONResponse({"alive": True})

    async def takes_work(_request: Request) -> Response:
        found = await doctor.look()
        told = {"ready": found.ready, "whole": found.whole, "checks": found.checks}
        return JSONResponse(told, status_code=200 if found.ready else 503)

    return Starlette(
        routes=[Route("/metrics", scrape), Route("/healthz", lives), Route("/readyz", takes_work)]
    )
