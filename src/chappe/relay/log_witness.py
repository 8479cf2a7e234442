"""A witness (C2SP tlog-witness): it cosigns what extends the last head that it cosigned, and nothing else.

It runs on another machine than the relay, and best on somebody else's. What it keeps is one small file for
each log, durable before the answer is given. It knows no line, no device and no message.
"""

from __future__ import annotations

import asyncio
import hashlib
import secrets
import socket
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final

import structlog
import uvloop
from fastapi import FastAPI, Request, Response

from chappe.relay import logs
from chappe.relay.app import add_errors
from chappe.relay.config import Settings
from chappe.relay.database import os_failure, prepare_folder
from chappe.relay.http_errors import read_body
from chappe.relay.ports import Clock, system_clock
from chappe.relay.serve import Ready, Server, listen, server_config
from chappe.relay.shares import disk
from chappe.relay.starting import alone_in
from chappe.tlog.errors import (
    Conflict,
    Fork,
    Malformed,
    OutOfRange,
    TlogError,
    Unsigned,
    WrongLog,
    WrongProof,
    WrongSignature,
)
from chappe.tlog.keys import Kind, Signer, VerifierKey
from chappe.tlog.text import from_base64, from_decimal, to_base64
from chappe.tlog.witness import MAX_REQUEST, AddCheckpoint, Cosigned, Witness
from chappe.wire.errors import error

log = structlog.get_logger()

KEY_NAME: Final = "witness.key"
HEADS: Final = "witness"
SIZE_TYPE: Final = "text/x.tlog.size"
KIND: Final = Kind.COSIGNATURE_ML_DSA_44
_SEED: Final = 32
_STATUS: Final[dict[type[TlogError], int]] = {
    Malformed: 400,
    OutOfRange: 400,
    WrongSignature: 403,
    Unsigned: 403,
    WrongLog: 404,
    Conflict: 409,
    Fork: 409,
    WrongProof: 422,
}


class Heads:
    """The last head of each log that was cosigned, one file each."""

    def __init__(self, folder: Path) -> None:
        """Raises storage.*."""
        disk.make_folder(folder)
        self._folder = folder

    def held(self, origin: str) -> Cosigned:
        """Raises storage.*: a file that cannot be read must not look like a log never seen."""
        try:
            text = self._path(origin).read_text()
        except FileNotFoundError:
            return Cosigned(origin)
        except (OSError, UnicodeDecodeError):
            raise error("storage.failed", "A head that this witness cosigned cannot be read.") from None
        try:
            name, size, root, end = text.split("\n")
            if name != origin or end:
                raise Malformed("not the head of this log")
            return Cosigned(origin, from_decimal(size), from_base64(root, 32))
        except (ValueError, TlogError):
            raise error("storage.failed", "A head that this witness cosigned cannot be read.") from None

    def keep(self, head: Cosigned) -> None:
        """Durable when it returns. Raises storage.*."""
        text = f"{head.origin}\n{head.size}\n{to_base64(head.root)}\n"
        try:
            disk.create(self._path(head.origin), text.encode())
        except OSError as problem:
            raise os_failure(problem) from None

    def _path(self, origin: str) -> Path:
        return self._folder / hashlib.sha256(origin.encode()).hexdigest()


@dataclass(slots=True)
class Desk:
    """One request after the other: between the look at the head and the new one nobody comes."""

    witness: Witness
    heads: Heads
    clock: Clock
    turn: asyncio.Lock

    async def add(self, body: bytes) -> bytes:
        """The signature line. Raises TlogError, storage.*."""
        request = AddCheckpoint.parse(body)
        async with self.turn:
            return await asyncio.to_thread(self._cosign, request)

    def _cosign(self, request: AddCheckpoint) -> bytes:
        held = self.heads.held(self.witness.origin(request))
        try:
            head, line = self.witness.cosign(request, held, int(self.clock()))
        except Fork:
            log.error("a log has two pasts", origin=held.origin, size=held.size)
            raise
        if head != held:
            self.heads.keep(head)
        return line


def build_witness_app(desk: Desk) -> FastAPI:
    app = FastAPI(openapi_url=None, docs_url=None, redoc_url=None, redirect_slashes=False)
    add_errors(app)

    @app.post("/add-checkpoint")
    async def add_checkpoint(request: Request) -> Response:
        body = await read_body(request, MAX_REQUEST)
        try:
            line = await desk.add(body)
        except Conflict as conflict:
            return Response(f"{conflict.size}\n", status_code=409, headers={"content-type": SIZE_TYPE})
        except TlogError as problem:
            return Response(f"{problem}\n", status_code=_STATUS[type(problem)], media_type="text/plain")
        return Response(line, media_type="text/plain")

    return app


def load_key(data_dir: Path, name: str) -> Signer:
    """The witness's signer, made on the first run. Raises storage.*, usage.invalid."""
    path = data_dir / KEY_NAME
    try:
        if not path.exists():
            disk.create(path, secrets.token_bytes(_SEED))
        return Signer.from_seed(name, KIND, path.read_bytes())
    except OSError as problem:
        raise os_failure(problem) from None
    except Malformed as problem:
        raise error("usage.invalid", f"The witness's name or key does not fit: {problem}.") from None


def read_logs(vkeys: Sequence[str]) -> tuple[VerifierKey, ...]:
    """The keys of the logs to witness. Raises usage.invalid."""
    try:
        return tuple(VerifierKey.parse(vkey) for vkey in vkeys)
    except Malformed as problem:
        raise error("usage.invalid", f"The key of a log does not fit: {problem}.") from None


def serve_witness(
    settings: Settings,
    name: str,
    log_keys: Sequence[str],
    *,
    on_ready: Callable[[Ready, VerifierKey], None] | None = None,
    clock: Clock = system_clock,
) -> None:
    """Serve until SIGINT or SIGTERM. Of the settings it takes folder, host, port and logging.

    Plain HTTP: what it is told is public, and what it answers is signed. Raises storage.*, usage.invalid,
    network.port_taken.
    """
    logs.configure(settings)
    keys = read_logs(log_keys)
    prepare_folder(settings.data_dir)
    with alone_in(settings.data_dir), closing(listen(settings.host, settings.port)) as listener:
        signer = load_key(settings.data_dir, name)
        desk = Desk(Witness(signer, keys), Heads(settings.data_dir / HEADS), clock, asyncio.Lock())
        ready = Ready(settings.host, listener.getsockname()[1], None)
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            told = partial(on_ready, ready, signer.key) if on_ready else None
            runner.run(_run(settings, desk, listener, told))


async def _run(
    settings: Settings, desk: Desk, listener: socket.socket, told: Callable[[], None] | None
) -> None:
    config = server_config(settings, build_witness_app(desk), "none", None)
    await Server(config, told, "the witness").serve(sockets=[listener])
