"""Run the relay: one process, one port, one data directory, until a signal says stop."""

from __future__ import annotations

import asyncio
import gc
import resource
import signal
import socket
import ssl
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from typing import Final, Literal, Protocol, TypeAlias, cast

import structlog
import uvicorn
import uvloop
from fastapi import FastAPI
from starlette.routing import BaseRoute

from chappe.relay import logs, tls
from chappe.relay.accepting import Acceptor
from chappe.relay.app import build_app
from chappe.relay.config import Settings
from chappe.relay.database import prepare_folder
from chappe.relay.http_protocol import PatientProtocol
from chappe.relay.notify import READY, STOPPING, notify
from chappe.relay.ports import ShareService
from chappe.relay.relay import Relay
from chappe.relay.seats import Seat, Seats
from chappe.relay.shares.remote import Place, RemoteShares, read_token
from chappe.relay.shares.service import Shares
from chappe.relay.shares.worker import LocalShares
from chappe.relay.socket import protocol_class
from chappe.relay.starting import hold, set_up
from chappe.relay.storage import Database, open_database
from chappe.relay.watching.private import PrivatePort
from chappe.relay.watching.readiness import Doctor
from chappe.wire.errors import error

log = structlog.get_logger()

BACKLOG: Final = 2_048
STOP_SECONDS: Final = 5
FEW: Final = 1_000
"""Connections at once of a service that is asked by few: share service, witness."""
COLLECT_AFTER: Final = (5_000, 10, 10)
"""gc.set_threshold. With Python's own 700 all sockets are looked through every few seconds."""
STOPS: Final = (signal.SIGINT, signal.SIGTERM)


@dataclass(frozen=True, slots=True)
class Ready:
    """The relay answers: where, and the pin of its certificate if it made that itself."""

    host: str
    port: int
    pin: str | None


OnReady: TypeAlias = Callable[[Ready], None]


class Part(Protocol):
    """What answers at the relay's port beside it, such as the desk. It is made before connections are
    taken, and works in the relay's event loop."""

    def routes(self) -> Sequence[BaseRoute]: ...

    async def start(self) -> None: ...

    async def close(self) -> None: ...


Mount: TypeAlias = Callable[[Relay, Ready], Part]


def serve(settings: Settings, *, on_ready: OnReady | None = None, mounts: Sequence[Mount] = ()) -> None:
    """Serve until SIGINT or SIGTERM; `on_ready` is called once, when connections are taken. `mounts` makes
    what answers at the port beside the relay.

    Raises storage.locked (another relay has the directory), storage.unwritable, storage.*, tls.unreadable,
    shares.rolled_back, network.port_taken: a start that fails leaves no port taken and no lock held.
    """
    logs.configure(settings)
    prepare_folder(settings.data_dir)
    database = open_database(settings)
    with hold(settings, database), closing(listen(settings.host, settings.port)) as listener:
        set_up(settings, database)
        context = tls.server_context(settings)
        ready = Ready(settings.host, listener.getsockname()[1], tls.pin_in_force(settings))
        _raise_file_limit()
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.get_loop().set_exception_handler(logs.report_loop_problem)
            runner.run(_run(settings, database, listener, context, ready, on_ready, mounts))


async def _run(
    settings: Settings,
    database: Database,
    listener: socket.socket,
    context: ssl.SSLContext | None,
    ready: Ready,
    on_ready: OnReady | None,
    mounts: Sequence[Mount],
) -> None:
    relay = Relay(settings, open_shares(settings), database=database)
    parts: list[Part] = []
    private: PrivatePort | None = None
    try:
        await relay.start()
        for mount in mounts:
            parts.append(mount(relay, ready))
            await parts[-1].start()
        routes = [route for part in parts for route in part.routes()]
        # uvicorn asks for a class and only ever calls it.
        sockets = cast(type[asyncio.Protocol], protocol_class(relay))
        doctor = Doctor(relay)
        private = await _open_private(settings, relay, doctor)
        config = server_config(settings, build_app(relay, routes, doctor), sockets, context)
        told = partial(on_ready, ready) if on_ready else None
        _settle()
        server = Server(
            config,
            told,
            "the relay",
            relay.seats,
            partial(_drain, settings, relay),
            proxied=settings.proxy_protocol,
        )
        await server.serve(sockets=[listener])
    finally:
        if private is not None:
            await private.close()
        for part in reversed(parts):
            await part.close()
        await relay.close()


def _settle() -> None:
    """What is there now stays as long as the process: the collector of cycles is not to look through it again
    and again, some 100 ms each time in which nobody is answered."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(*COLLECT_AFTER)


async def _open_private(settings: Settings, relay: Relay, doctor: Doctor) -> PrivatePort | None:
    """Raises network.port_taken."""
    if settings.metrics is None:
        return None
    host, _, port = settings.metrics.rpartition(":")
    private = PrivatePort(relay, doctor, listen(host.strip("[]"), int(port)))
    await private.start()
    return private


def open_shares(settings: Settings) -> ShareService:
    """The share service that the settings name: one on another machine, or one in this process.

    Made in the event loop that uses it. Raises shares.rolled_back, storage.*, tls.unreadable, usage.invalid.
    """
    if settings.share_service is None:
        return LocalShares(Shares(settings.shares))
    assert settings.share_token_file is not None
    token = read_token(settings.share_token_file)
    return RemoteShares(Place(settings.share_service, token, settings.share_authority))


def server_config(
    settings: Settings,
    app: FastAPI,
    sockets: type[asyncio.Protocol] | Literal["none"],
    context: ssl.SSLContext | None,
) -> uvicorn.Config:
    """uvicorn as Chappe runs it."""
    return uvicorn.Config(
        app,
        http=PatientProtocol,
        ws=sockets,
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=settings.behind_proxy,
        forwarded_allow_ips=["127.0.0.1", "::1"],
        backlog=BACKLOG,
        timeout_graceful_shutdown=STOP_SECONDS,
        ssl_context_factory=(lambda _config, _default: context) if context is not None else None,
    )


async def _drain(settings: Settings, relay: Relay, stop_taking: Callable[[], None]) -> None:
    """Between the signal and the end: nobody new, and nobody who was told nothing."""
    relay.draining = True
    if settings.drain_notice:
        log.info("the relay goes soon, and says so where its health is asked")
        await asyncio.sleep(settings.drain_notice)
    stop_taking()
    await relay.drain(settings.drain_seconds)


Drain: TypeAlias = Callable[[Callable[[], None]], Awaitable[None]]


class Server(uvicorn.Server):
    """uvicorn with connections taken as `Acceptor` does, telling when it is ready, draining before it ends,
    and ending with the exit status of a job well done."""

    def __init__(
        self,
        config: uvicorn.Config,
        on_ready: Callable[[], None] | None,
        name: str,
        seats: Seats | None = None,
        drain: Drain | None = None,
        *,
        proxied: bool = False,
    ) -> None:
        """`drain` is awaited at the end, with what stops the taking of connections; `proxied` as in
        `Acceptor`."""
        super().__init__(config)
        self._name = name
        self._on_ready = on_ready
        self._seats = Seats(of_a_network=None, in_all=FEW) if seats is None else seats
        self._drain = drain
        self._proxied = proxied
        self._acceptor: Acceptor | None = None

    def _make(self, seat: Seat) -> asyncio.Protocol:
        """As uvicorn does it."""
        protocol = PatientProtocol(self.config, self.server_state, self.lifespan.state)
        protocol.seat = seat
        return protocol

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup([])
        self._acceptor = Acceptor(self._seats, self._make, self.config.ssl, proxied=self._proxied)
        self._acceptor.open(sockets or [])
        log.info(f"{self._name} takes connections")
        notify(READY)
        if self._on_ready is not None:
            self._on_ready()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        assert self._acceptor is not None
        notify(STOPPING)
        if self._drain is not None:
            going = asyncio.ensure_future(self._drain(self._acceptor.close))
            while not going.done() and not self.force_exit:
                await asyncio.wait({going}, timeout=0.1)
            going.cancel()
            (problem,) = await asyncio.gather(going, return_exceptions=True)
            if isinstance(problem, Exception):
                log.error("the drain failed in a way it should not", exc_info=problem)
        self._acceptor.close()
        await super().shutdown([])

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """As uvicorn does it, but the signal is not raised once more at the end: the store is still to be
        closed then, and a relay that was asked to stop and did has not failed."""
        before = {number: signal.signal(number, self.handle_exit) for number in STOPS}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)
            log.info(f"{self._name} has stopped")


def listen(host: str, port: int) -> socket.socket:
    """The listening socket. Connections that come before the relay is ready wait in its backlog."""
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        listener = socket.socket(family, kind, protocol)
    except OSError:
        raise error("network.port_taken", "The host to listen on is not one of this machine.") from None
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
        listener.listen(BACKLOG)
    except OSError:
        listener.close()
        raise error("network.port_taken") from None
    return listener


def _raise_file_limit() -> None:
    """As many open files, and so connections, as the system lets this process have."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != hard:
        with suppress(OSError, ValueError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
