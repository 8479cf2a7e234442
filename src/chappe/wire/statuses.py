"""Which HTTP status goes with each error code (RFC 9110 section 15)."""

from __future__ import annotations

from typing import Final

from chappe.wire.errors import ChappeError, Fault

_STATUS: Final = {
    "http.unknown_path": 404,
    "http.oversized": 413,
    "code.unknown": 404,
    "code.used": 409,
    "code.expired": 410,
    "line.unknown": 404,
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
    "delivery.refused": 403,
    "storage.full": 507,
    "desk.malformed": 422,
    "desk.unknown": 404,
    "desk.forbidden": 403,
    "desk.signed_out": 401,
    "desk.sign_in_again": 401,
    "desk.cross_site": 403,
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
