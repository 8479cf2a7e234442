"""`/healthz` and `/readyz` at the public port: yes or no, for load balancers. The reasons are elsewhere."""

from __future__ import annotations

from fastapi import FastAPI, Response

from chappe.relay.watching.readiness import Doctor
from chappe.wire import api

_PRIVATE = {"Cache-Control": "no-store"}


def add_health(app: FastAPI, doctor: Doctor) -> None:
    @app.get("/healthz")
    async def lives() -> Response:
        return Response(b'{"alive":true}', media_type="application/json", headers=_PRIVATE)

    @app.get("/readyz")
    async def takes_work() -> Response:
        found = await doctor.look()
        body = api.encode(api.Ready(ready=found.ready, whole=found.whole))
        status = 200 if found.ready else 503
        return Response(body, status_code=status, media_type="application/json", headers=_PRIVATE)
