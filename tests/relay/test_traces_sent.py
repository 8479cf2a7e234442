"""Traces of a real relay, as they come to a collector: what took how long, and nobody in them."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from chappe.relay.config import load_settings
from chappe.relay.watching import traces
from chappe.wire import api, frames
from chappe.wire.errors import KINDS, ChappeError
from tests.relay.world import RelayProcess


class Collector:
    """Takes OTLP over HTTP and keeps the bodies."""

    def __init__(self) -> None:
        bodies: list[bytes] = []
        self.bodies = bodies

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                bodies.append(self.rfile.read(int(self.headers["content-length"])))
                self.send_response(200)
                self.send_header("content-length", "0")
                self.end_headers()

            def log_message(self, *_words: object) -> None:
                return

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}/v1/traces"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


@pytest.fixture
def collector() -> Iterator[Collector]:
    collector = Collector()
    yield collector
    collector.close()


async def test_spans_say_what_and_how_long_and_not_who(tmp_path: Path, collector: Collector) -> None:
    relay = RelayProcess(tmp_path / "data", traces=collector.url, traces_share=1)
    try:
        ada, ben = await relay.device("canary-ada"), await relay.device("canary-ben")
        async with relay.sign_in(ada) as wire:
            await wire.say(frames.Send(1, b"canary-id-16byte", [ben.id], b"canary-payload"))
            await wire.hear(frames.Accepted)
            await wire.say(frames.Lookup(2, "canary-nobody@localhost"))
            await wire.hear(frames.Refusal)
        async with relay.http() as http:
            await http.get("/v1/attachments/" + "canary-attachment".ljust(43, "A"))
            await http.get(
                "/canary-path?canary=1", headers={"traceparent": "00-" + "c" * 32 + "-" + "c" * 16 + "-01"}
            )
        assert await asyncio.to_thread(relay.stop) == 0
    finally:
        relay.kill()
    sent = [ExportTraceServiceRequest.FromString(body) for body in collector.bodies]
    found = [
        span for one in sent for of in one.resource_spans for scope in of.scope_spans for span in scope.spans
    ]
    by_name = {span.name: {a.key: a.value for a in span.attributes} for span in found}
    assert {"store commit", "socket Send", "socket Lookup", "POST /v1/activate"} <= set(by_name)
    assert by_name["socket Send"]["chappe.outcome"].string_value == "ok"
    assert by_name["socket Lookup"]["chappe.outcome"].string_value == "address.unknown"
    assert by_name["GET /v1/attachments/{attachment}"]["http.response.status_code"].int_value == 404
    assert all(span.end_time_unix_nano >= span.start_time_unix_nano > 0 for span in found)
    known = {
        "chappe.operations",
        "chappe.outcome",
        "http.request.method",
        "http.route",
        "http.response.status_code",
    }
    for attributes in by_name.values():
        assert set(attributes) <= known
        if "chappe.outcome" in attributes:
            assert attributes["chappe.outcome"].string_value in {"ok", *KINDS}
    everything = b"".join(collector.bodies)
    for secret in (b"canary", ada.id, ben.id, ada.certificate.line_id, b"127.0.0.1", b"c" * 16, b"\xcc" * 8):
        assert secret not in everything
        assert secret.hex().encode() not in everything
        assert api.to_base64(secret).encode() not in everything


def test_they_are_off_and_go_nowhere_in_clear(monkeypatch: pytest.MonkeyPatch) -> None:
    assert traces.open_traces(load_settings({}).traces, 1) is None
    with pytest.raises(ChappeError, match="loopback"):
        load_settings({}, traces="http://collector.example.org/v1/traces")
    monkeypatch.setitem(__import__("sys").modules, "opentelemetry.sdk.trace", None)
    with pytest.raises(ChappeError, match=r"chappe\[traces\]"):
        traces.open_traces("http://127.0.0.1:1/v1/traces", 1)
