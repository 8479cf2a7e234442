"""Failures of the HTTP API: which status each code has, and bodies read with a bound and a patience."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Final

from fastapi import Request, Response

from chappe.wire import api
from chappe.wire.errors import ChappeError, error
from chappe.wire.statuses import status_of

__all__ = ["ERROR_HEADER", "failure", "read_body", "status_of"]

ERROR_HEADER: Final = "Chappe-Error"
"""The code once more, for answers to HEAD, which have no body."""
STALL_SECONDS: Final = 30.0
"""How long a small body may send nothing."""


def failure(problem: ChappeError, status: int | None = None) -> Response:
    """The answer that tells of a failure."""
    headers = {ERROR_HEADER: problem.code, "Cache-Control": "no-store"}
    if problem.code == "limit.rate":
        headers["Retry-After"] = "10"
    return Response(
        api.encode(api.Failure(problem.code, problem.message)),
        status_code=status or status_of(problem),
        media_type="application/json",
        headers=headers,
    )


async def read_body(request: Request, limit: int) -> bytes:
    """The whole body, of at most `limit` bytes. Raises http.oversized as soon as it is more, and
    network.timeout where it does not come."""
    announced = request.headers.get("content-length")
    if announced is not None and int(announced) > limit:
        raise error("http.oversized")
    pieces: list[bytes] = []
    held = 0
    stream: AsyncIterator[bytes] = request.stream()
    try:
        async with asyncio.timeout(STALL_SECONDS):
            async for piece in stream:
                held += len(piece)
                if held > limit:
                    raise error("http.oversized")
                pieces.append(piece)
    except TimeoutError:
        raise error("network.timeout", "The request did not come whole in time.") from None
    return b"".join(pieces)
