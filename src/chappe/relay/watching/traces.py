"""Traces for who looks for where time goes: spans of requests and commits, with no id of anybody in them.

Off unless the relay is told where they go. What a span says: which operation, when, how long, how it ended,
how many shared a transaction. Not who, not from where, not to whom, not how large. What a client says of a
trace of its own is not taken. Still, when something happened is told to whoever has the traces; that is why
only a share of them is sent, and to https or this machine alone.
"""

from __future__ import annotations

import time
from functools import partial
from importlib.metadata import version
from typing import TYPE_CHECKING, Any, Final

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from chappe.relay.ports import Answer, Outcome
from chappe.wire.errors import ChappeError, error

if TYPE_CHECKING:
    from opentelemetry.trace import Tracer

BILLION: Final = 1_000_000_000
EXPORT_SECONDS: Final = 3.0
"""How long a collector may take; a stop waits for it once."""


class Traces:
    """Used from every thread. Made by `open_traces`."""

    def __init__(self, provider: Any) -> None:
        self._provider = provider
        self._tracer: Tracer = provider.get_tracer("chappe.relay")

    def close(self) -> None:
        """Send what was not sent yet. Blocks, for some seconds at most."""
        self._provider.shutdown()

    def commit(self, operations: int, seconds: float) -> None:
        """A transaction is over, as it should be."""
        self._tell("store commit", seconds, {"chappe.operations": operations})

    def asked(self, kind: str, answer: Answer) -> Answer:
        """`answer`, telling how long it took until it was there."""
        return partial(self._answered, kind, time.perf_counter(), answer)

    def request(self, method: str, route: str, status: int, seconds: float) -> None:
        """An HTTP request was answered. `route`: as it stands in the program, without what people fill in."""
        attributes = {"http.request.method": method, "http.route": route, "http.response.status_code": status}
        self._tell(f"{method} {route}", seconds, attributes)

    def _answered(self, kind: str, began: float, answer: Answer, outcome: Outcome) -> None:
        answer(outcome)
        code = outcome.code if isinstance(outcome, ChappeError) else "ok"
        self._tell(f"socket {kind}", time.perf_counter() - began, {"chappe.outcome": code})

    def _tell(self, name: str, seconds: float, attributes: dict[str, Any]) -> None:
        end = time.time_ns()
        span = self._tracer.start_span(name, attributes=attributes, start_time=end - int(seconds * BILLION))
        span.end(end)


class Traced:
    """An ASGI application around the relay's."""

    def __init__(self, app: ASGIApp, traces: Traces) -> None:
        self._app = app
        self._traces = traces

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        began, status = time.perf_counter(), 0

        async def sending(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self._app(scope, receive, sending)
        finally:
            # The pattern, never the path: ids are in paths.
            route = getattr(scope.get("route"), "path", "")
            self._traces.request(scope["method"], route, status, time.perf_counter() - began)


def open_traces(endpoint: str | None, share: float) -> Traces | None:
    """None without an endpoint. `share`: of the spans, 0 to 1. Raises usage.invalid where OpenTelemetry is
    not installed."""
    if endpoint is None:
        return None
    try:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
        from opentelemetry.sdk.resources import Resource
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import BatchSpanProcessor
        from opentelemetry.sdk.trace.sampling import TraceIdRatioBased
    except ImportError:
        raise error("usage.invalid", "Traces take OpenTelemetry: install `chappe[traces]`.") from None
    # Not Resource.create, which looks around on the machine.
    resource = Resource({"service.name": "chappe-relay", "service.version": version("chappe")})
    provider = TracerProvider(resource=resource, sampler=TraceIdRatioBased(share), shutdown_on_exit=False)
    provider.add_span_processor(
        BatchSpanProcessor(OTLPSpanExporter(endpoint=endpoint, timeout=EXPORT_SECONDS))
    )
    return Traces(provider)
