"""The transparency log over HTTP, for anybody: its head, its tiles, and whom to believe about it."""

from __future__ import annotations

import asyncio
from functools import partial
from typing import Final

from fastapi import FastAPI, Response

from chappe.relay.database import os_failure
from chappe.relay.log_sequencer import Sequencer
from chappe.tlog.errors import Malformed
from chappe.tlog.tiles import Tile
from chappe.wire.errors import error

TEXT: Final = "text/plain; charset=utf-8"
BYTES: Final = "application/octet-stream"
_FOREVER: Final = {"Cache-Control": "public, max-age=31536000, immutable"}
_NOW: Final = {"Cache-Control": "no-cache"}


def add_log(app: FastAPI, sequencer: Sequencer) -> None:
    @app.get("/v1/tlog/checkpoint")
    async def checkpoint() -> Response:
        if sequencer.note is None:
            raise error(
                "http.unknown_path", "The transparency log has no head yet that enough witnesses saw."
            )
        return Response(sequencer.note, media_type=TEXT, headers=_NOW)

    @app.get("/v1/tlog/policy")
    async def policy() -> Response:
        return Response(sequencer.policy_text(), media_type=TEXT, headers=_NOW)

    @app.get("/v1/tlog/{path:path}")
    async def tile(path: str) -> Response:
        # Only a canonical name of a tile becomes a path on the disk.
        try:
            wanted = Tile.parse(path)
            data = await asyncio.to_thread(partial(sequencer.files.read, wanted))
        except (Malformed, FileNotFoundError):
            raise error("http.unknown_path") from None
        except OSError as problem:
            raise os_failure(problem) from None
        return Response(data, media_type=BYTES, headers=_FOREVER)
