"""The HTTP side of the port: activation, device links, attachments. Every failure is a typed body."""

from __future__ import annotations

import re
import time
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from importlib.metadata import version
from typing import Annotated, Final, Literal, TypeAlias

from fastapi import FastAPI, Query, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import StreamingResponse
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.routing import BaseRoute

from chappe.relay import registration, web
from chappe.relay.asking import Asking
from chappe.relay.delivering import add_delivering
from chappe.relay.fleet_routes import add_fleet
from chappe.relay.http_errors import failure, read_body
from chappe.relay.limits import Allowance
from chappe.relay.log_routes import add_log
from chappe.relay.ranges import Span, parse_range
from chappe.relay.relay import Relay
from chappe.relay.usecases.register import FindCode
from chappe.relay.watching.health import add_health
from chappe.relay.watching.readiness import Doctor
from chappe.relay.watching.traces import Traced
from chappe.wire import api, codes, frames
from chappe.wire.errors import ChappeError, error

JSON: Final = "application/json"
BYTES: Final = "application/octet-stream"
DAY: Final = 24 * 3600
# Refusals of one who knew what he was talking about: they cost no attempt.
_NO_GUESS: Final = (
    "attachment.incomplete",
    "attachment.bad_offset",
    "attachment.bad_range",
    "storage.",
    "unlock.unavailable",
)
_PRIVATE: Final = {"Cache-Control": "no-store"}
_NUMBER: Final = re.compile(r"[0-9]{1,15}", re.ASCII)

Slot: TypeAlias = Literal["offer", "answer"]


def build_app(relay: Relay, beside: Iterable[BaseRoute] = (), doctor: Doctor | None = None) -> FastAPI:
    """The application, with what else answers at the port. WebSockets do not come here (see socket.py)."""
    app = FastAPI(openapi_url=None, docs_url=None, redoc_url=None, redirect_slashes=False)
    settings = relay.settings
    app.add_middleware(
        Asking,
        burst=settings.requests_burst,
        per_second=settings.requests_per_second,
        refused=relay.refused,
    )
    if relay.tally.traces is not None:
        app.add_middleware(Traced, traces=relay.tally.traces)
    add_errors(app, relay.refused)
    add_health(app, doctor or Doctor(relay))
    _add_lines(app, relay)
    _add_links(app, relay)
    _add_attachments(app, relay)
    _add_unlocking(app, relay)
    add_delivering(app, relay)
    add_fleet(app, relay)
    add_log(app, relay.log)
    web.add_pages(app, relay.settings.web_dir)
    app.router.routes.extend(beside)
    return app


def add_errors(app: FastAPI, refused: Callable[[str], None] = lambda code: None) -> None:
    """Every failure as a typed body. `refused` hears of its code."""

    @app.exception_handler(ChappeError)
    async def typed(_request: Request, problem: ChappeError) -> Response:
        refused(problem.code)
        return failure(problem)

    @app.exception_handler(RequestValidationError)
    async def unfit(_request: Request, _problem: RequestValidationError) -> Response:
        return failure(error("http.malformed"))

    @app.exception_handler(HTTPException)
    async def unrouted(_request: Request, problem: HTTPException) -> Response:
        code = "http.unknown_path" if problem.status_code in (404, 405) else "http.malformed"
        answer = failure(error(code), problem.status_code)
        answer.headers.update(problem.headers or {})
        return answer

    @app.exception_handler(ClientDisconnect)
    async def gone(_request: Request, _problem: ClientDisconnect) -> Response:
        # Nobody reads this; without it the log would be told of a bug.
        return failure(error("http.malformed"))

    @app.exception_handler(Exception)
    async def bug(_request: Request, _problem: Exception) -> Response:
        # The server logs the traceback after this answer; the client sees none of it.
        return failure(error("internal.bug"))


def _add_lines(app: FastAPI, relay: Relay) -> None:
    @app.get("/v1/info")
    async def about() -> Response:
        info = api.Info(
            name=relay.server_name,
            version=version("chappe"),
            max_payload=frames.MAX_PAYLOAD,
            max_attachment=relay.settings.max_attachment,
            mailbox_days=frames.MAILBOX_SECONDS // DAY,
            share_key=api.to_base64(await relay.share_key()),
            push_key=relay.push_key,
        )
        return Response(api.encode(info), media_type=JSON)

    @app.post("/v1/activate")
    async def activate(request: Request) -> Response:
        with _attempt(relay, request):
            body = api.decode(await read_body(request, api.MAX_BODY), api.Activate)
            operation = registration.activation(body, relay.server_name, relay.unix_time())
            registered = await relay.store.run(operation)
        return Response(api.encode(registration.answer(registered)), media_type=JSON, headers=_PRIVATE)

    @app.post("/v1/activate/organisation")
    async def whose_code(request: Request) -> Response:
        with _attempt(relay, request):
            body = api.decode(await read_body(request, api.MAX_BODY), api.CodeFor)
            found = await relay.store.run(FindCode(codes.digest(codes.parse(body.code))))
        answer = registration.organisation(found)
        return Response(api.encode(answer), media_type=JSON, headers=_PRIVATE)

    @app.post("/v1/devices")
    async def add_device(request: Request) -> Response:
        with _attempt(relay, request):
            body = api.decode(await read_body(request, api.MAX_BODY), api.AddDevice)
            operation = registration.addition(body, relay.server_name, relay.unix_time())
            registered = await relay.store.run(operation)
        return Response(api.encode(registration.answer(registered)), media_type=JSON, headers=_PRIVATE)

    @app.post("/v1/devices/enrolled")
    async def enter(request: Request) -> Response:
        with _attempt(relay, request):
            body = api.decode(await read_body(request, api.MAX_BODY), api.Enter)
            entered = await relay.store.run(registration.entry(body, relay.server_name, relay.unix_time()))
        return Response(api.encode(registration.answer(entered)), media_type=JSON, headers=_PRIVATE)

    @app.post("/v1/renew")
    async def renew(request: Request) -> Response:
        async def key_of(device: bytes) -> bytes | None:
            record = await relay.store.device(device)
            return None if record is None else record.signature_key

        with _attempt(relay, request):
            body = api.decode(await read_body(request, api.MAX_BODY), api.Renew)
            operation = await registration.renewal(body, relay.server_name, key_of)
            (renewed,) = await relay.renew(operation)
        return Response(api.encode(registration.renewed(renewed.term)), media_type=JSON, headers=_PRIVATE)


def _add_links(app: FastAPI, relay: Relay) -> None:
    @app.put("/v1/links/{meeting}/{slot}")
    async def leave(meeting: str, slot: Slot, request: Request) -> Response:
        with _attempt(relay, request) as allowance:
            id_ = api.from_base64(meeting, 16)
            if await relay.rendezvous.put(id_, slot, await read_body(request, api.MAX_RENDEZVOUS)):
                # There is room for so many meetings: one network must not have it all.
                _charge(allowance)
        return Response(status_code=204)

    @app.get("/v1/links/{meeting}/{slot}")
    async def fetch(
        meeting: str, slot: Slot, request: Request, wait: Annotated[float, Query(ge=0, le=30)] = 0
    ) -> Response:
        with _attempt(relay, request):
            data = await relay.rendezvous.get(api.from_base64(meeting, 16), slot, wait)
        return Response(data, media_type=BYTES, headers=_PRIVATE)


def _add_attachments(app: FastAPI, relay: Relay) -> None:
    attachments = relay.attachments

    @app.head("/v1/attachments/{attachment}")
    async def how_far(attachment: str, request: Request) -> Response:
        with _attempt(relay, request):
            record = await attachments.find(api.from_base64(attachment, 32))
        progress = {"Upload-Offset": str(record.received), "Upload-Length": str(record.size)}
        return Response(headers=progress | _PRIVATE)

    @app.patch("/v1/attachments/{attachment}")
    async def upload(attachment: str, request: Request) -> Response:
        with _attempt(relay, request):
            received = await attachments.upload(
                api.from_base64(attachment, 32),
                _token(request),
                _number(request, "upload-offset"),
                _number(request, "content-length") if "content-length" in request.headers else None,
                _pieces(request),
            )
        return Response(status_code=204, headers={"Upload-Offset": str(received)} | _PRIVATE)

    @app.get("/v1/attachments/{attachment}")
    async def download(attachment: str, request: Request) -> Response:
        with _attempt(relay, request):
            id_ = api.from_base64(attachment, 32)
            record = await attachments.find(id_)
            if record.received < record.size:
                raise error("attachment.incomplete")
            etag = f'"{attachment}"'
            changed = request.headers.get("if-range", etag) != etag
            try:
                span = None if changed else parse_range(request.headers.get("range"), record.size)
            except ChappeError as problem:
                return _unsatisfied(problem, record.size)
            whole = Span(0, record.size - 1)
            body = await attachments.read(id_, (span or whole).first, (span or whole).last)
        return _download(body, span, record.size, etag)


def _add_unlocking(app: FastAPI, relay: Relay) -> None:
    """For phones that are locked, and so cannot sign in."""

    @app.post("/v1/unlock/challenge")
    async def challenge(request: Request) -> Response:
        with _attempt(relay, request):
            body = api.decode(await read_body(request, api.MAX_BODY), api.UnlockChallenge)
            fresh = await relay.challenge(api.from_base64(body.device, 16))
        answer = api.encode(api.UnlockChallenged(api.to_base64(fresh)))
        return Response(answer, media_type=JSON, headers=_PRIVATE)

    @app.post("/v1/unlock")
    async def unlock(request: Request) -> Response:
        with _attempt(relay, request):
            body = api.decode(await read_body(request, api.MAX_BODY), api.Unlock)
            device, sealed = api.from_base64(body.device, 16), api.from_base64(body.sealed)
            answered = await relay.unlock(device, sealed)
        answer = api.encode(api.Unlocked(api.to_base64(answered)))
        return Response(answer, media_type=JSON, headers=_PRIVATE)


def _download(body: AsyncIterator[bytes], span: Span | None, size: int, etag: str) -> Response:
    headers = {"Accept-Ranges": "bytes", "ETag": etag, "Content-Length": str(size)}
    if span is not None:
        headers["Content-Range"] = f"bytes {span.first}-{span.last}/{size}"
        headers["Content-Length"] = str(span.last - span.first + 1)
    return StreamingResponse(
        body, status_code=200 if span is None else 206, media_type=BYTES, headers=headers | _PRIVATE
    )


def _unsatisfied(problem: ChappeError, size: int) -> Response:
    answer = failure(problem)
    answer.headers["Content-Range"] = f"bytes */{size}"
    return answer


@contextmanager
def _attempt(relay: Relay, request: Request) -> Iterator[Allowance]:
    """A request of somebody unknown: what fails is taken from the allowance of its network, and with none
    left nothing is looked at."""
    allowance = relay.attempts(request.client.host if request.client else "")
    allowance.spend(time.monotonic())
    allowance.give_back()
    try:
        yield allowance
    except ChappeError as problem:
        if not problem.code.startswith(_NO_GUESS):
            _charge(allowance)
        raise


def _charge(allowance: Allowance) -> None:
    """Take one from it, if another request at the same time has left one."""
    with suppress(ChappeError):
        allowance.spend(time.monotonic())


def _token(request: Request) -> bytes:
    kind, _, token = request.headers.get("authorization", "").partition(" ")
    if kind.lower() != "bearer":
        raise error("attachment.bad_token")
    return api.from_base64(token.strip(), 32)


def _number(request: Request, header: str) -> int:
    text = request.headers.get(header, "")
    if not _NUMBER.fullmatch(text):
        raise error("http.malformed")
    return int(text)


async def _pieces(request: Request) -> AsyncIterator[bytes]:
    """The body as it comes. Raises ConnectionError where it is cut off."""
    try:
        async for piece in request.stream():
            yield piece
    except ClientDisconnect:
        raise ConnectionError("cut off") from None
