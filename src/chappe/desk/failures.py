"""Every failure of the desk's API as a typed body: a code, what to do, and which fields do not fit."""

from __future__ import annotations

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException

from chappe.desk.gate import HEADERS
from chappe.desk.models import Failure, FieldProblem
from chappe.wire.errors import ChappeError, error
from chappe.wire.statuses import status_of

_MAX_FIELDS = 50


def failure(
    problem: ChappeError, *, status: int | None = None, fields: list[FieldProblem] | None = None
) -> Response:
    headers = {"Chappe-Error": problem.code} | HEADERS
    if problem.code == "limit.rate":
        headers["Retry-After"] = "10"
    return Response(
        Failure(code=problem.code, message=problem.message, fields=fields or []).model_dump_json(),
        status_code=status or status_of(problem),
        media_type="application/json",
        headers=headers,
    )


def add_failures(app: FastAPI) -> None:
    @app.exception_handler(ChappeError)
    async def typed(_request: Request, problem: ChappeError) -> Response:
        return failure(problem)

    @app.exception_handler(RequestValidationError)
    async def unfit(_request: Request, problem: RequestValidationError) -> Response:
        # Never what was sent: it may be a secret in the wrong field.
        fields = [
            FieldProblem(field=".".join(str(part) for part in one["loc"][1:])[:200], message=one["msg"][:200])
            for one in problem.errors()[:_MAX_FIELDS]
        ]
        return failure(error("desk.malformed"), fields=fields)

    @app.exception_handler(HTTPException)
    async def unrouted(_request: Request, problem: HTTPException) -> Response:
        code = "http.unknown_path" if problem.status_code in (404, 405) else "http.malformed"
        answer = failure(error(code), status=problem.status_code)
        answer.headers.update(problem.headers or {})
        return answer

    @app.exception_handler(Exception)
    async def bug(_request: Request, _problem: Exception) -> Response:
        # The server logs the traceback after this answer; the client sees none of it.
        return failure(error("internal.bug"))
