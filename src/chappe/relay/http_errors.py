"""Failures of the HTTP API: which status each code has, and bodies read with a bound and a patience."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Final

from fastapi import Request, Response

from chappe.wire import api
from chappe.wire.errors import ChappeError, Fault, error

ERROR_HEADER: Final = "Chappe-Error"
"""The code once more, for answers to HEAD, which have no body."""
STALL_SECONDS: Final = 30.0
"""How long a small body may send nothing."""

_STATUS: Final = {
    "http.unknown_path": 404,
    "http.oversized": 413,
    "code.unknown": 404,
    "code.used": 409,
    "code.expired": 410,
    "address.taken": 409,
    "address.unknown": 404,
    "certificate.invalid": 403,
    "link.unknown": 404,
    "link.used": 409,
    "attachment.unknown": 404,
    "attachment.bad_token": 403,
    "attachment.bad_offset": 409,
    "attachment.too_large": 413,
    "attachment.bad_range": 416,
    "attachment.incomplete": 409,
    "attachment.quota": 403,
    "limit.rate": 429,
    "limit.connections": 503,
    "network.timeout": 408,
    "storage.full": 507,
    "internal.bug": 500,
}
_BY_FAULT: Final = {
    Fault.INPUT: 400,
    Fault.REFUSAL: 409,
    Fault.NETWORK: 503,
    Fault.CRYPTO: 403,
    Fault.STORAGE: 503,
}


def status_of(problem: ChappeError) -> int:
    """The HTTP status (RFC 9110 section 15) that goes with a code."""
    return _STATUS.get(problem.code, _BY_FAULT[problem.kind.fault])


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
