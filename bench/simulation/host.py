"""The relay as a process that starts, stops, and dies; its disk outlives it.

The first start is from a copy of a data directory that was made once: some lines and their devices.
"""

from __future__ import annotations

import secrets
import shutil
import time
from collections.abc import Callable
from concurrent.futures import Executor
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any, Final, cast
from unittest import mock

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from sqlalchemy import Engine
from uvicorn.server import ServerState

from bench.simulation.disk import Disk, TurnWriter
from bench.simulation.loop import Process, VirtualLoop
from bench.simulation.network import Listener, Network
from chappe.relay import store
from chappe.relay.app import build_app
from chappe.relay.config import Settings, load_settings
from chappe.relay.database import open_engine
from chappe.relay.relay import Relay
from chappe.relay.serve import open_shares, server_config
from chappe.relay.socket import Socket, protocol_class
from chappe.relay.storage.sqlite import SqliteDatabase
from chappe.wire.certificate import DeviceCertificate, issue
from chappe.wire.log_entries import (
    Endorsement,
    certificate_hash,
    device_hash,
    endorsement_bytes,
    line_commitment,
)

SERVER: Final = "localhost"
MAILBOX_ITEMS: Final = 14
"""So few that a mailbox becomes full now and then."""


@dataclass
class Account:
    """The keys of one device. No MLS anywhere."""

    name: str
    identity: Ed25519PrivateKey = field(repr=False)
    key: Ed25519PrivateKey = field(repr=False)
    certificate: DeviceCertificate
    salt: bytes = field(default=bytes(32), repr=False)

    @property
    def id(self) -> bytes:
        return self.certificate.device_id

    @property
    def line(self) -> bytes:
        return self.certificate.line_id


def new_account(name: str, line: str, now: float, beside: Account | None = None) -> Account:
    """The first device of a line, or one more beside another."""
    identity = Ed25519PrivateKey.generate() if beside is None else beside.identity
    key = Ed25519PrivateKey.generate()
    certificate = issue(
        identity,
        line_id=secrets.token_bytes(16) if beside is None else beside.line,
        address=f"{line}@{SERVER}",
        device_id=secrets.token_bytes(16),
        signature_key=key.public_key().public_bytes_raw(),
        issued_at=int(now),
    )
    return Account(name, identity, key, certificate, bytes(32) if beside is None else beside.salt)


def endorse(new: Account, by: Account) -> Endorsement:
    """How a device of the line lets another in."""
    certificate = new.certificate
    signed = endorsement_bytes(
        line=line_commitment(by.salt, certificate.line_id, certificate.address),
        device=device_hash(new.id),
        certificate=certificate_hash(certificate.to_bytes()),
        signature_key=certificate.signature_key,
    )
    return Endorsement(device_hash(by.id), by.key.sign(signed))


class Tables(SqliteDatabase):
    """The relay's, whose engines are made once for each place, whoever lives there: what they have compiled
    need not be compiled again."""

    def engine(self, *, writes: bool) -> Engine:
        return _engine(self.path, writes=writes)


@cache
def _engine(path: Path, *, writes: bool) -> Engine:
    return open_engine(path, writes=writes)


@cache
def _settings() -> Settings:
    return load_settings(
        {},
        server_name=SERVER,
        mailbox_items=MAILBOX_ITEMS,
        ping_seconds=20,
        sign_in_seconds=8,
        sweep_seconds=600,
        web_dir=Path("no-page"),
    )


def settings_in(folder: Path) -> Settings:
    return _settings().model_copy(update={"data_dir": folder})


class InOrder(dict[Any, None]):
    """In the place of a set of sockets: gone through in the order in which they came, where a set would go by
    their addresses in memory, which no seed rules."""

    def add(self, one: Any) -> None:
        self[one] = None

    def discard(self, one: Any) -> None:
        self.pop(one, None)


class Host:
    """`folder` holds the data directory of each life; the newest is what is on the disk."""

    def __init__(
        self,
        loop: VirtualLoop,
        network: Network,
        disk: Disk,
        image: Path,
        folder: Path,
        *,
        http: bool = False,
    ) -> None:
        """`http`: as uvicorn serves it, with all that answers over HTTP; else sockets alone, at less cost."""
        self._http = http
        self._loop = loop
        self._network = network
        self._disk = disk
        self._image = image
        self._folder = folder
        self._life = 0
        self.process = Process("relay")
        self.process.alive = False
        self.relay: Relay | None = None
        """The one that answers; None also while it starts."""
        self.sockets = InOrder()
        self.old: list[Relay] = []

    @property
    def data(self) -> Path:
        return self._folder / "data"

    async def start(self) -> None:
        """A new life on what the last one left: a copy, since what is dead still has its files open."""
        before = self._image
        if self._life:
            before = self._folder / f"before-{self._life}"
            self.data.rename(before)
        self._life += 1
        shutil.copytree(before, self.data)
        self.process = Process("relay")
        await self._loop.start(self.process, self._start())

    async def _start(self) -> None:
        writer = type("Writer", (TurnWriter,), {"disk": self._disk})
        settings = settings_in(self.data)
        with mock.patch.object(store, "Writer", writer):
            relay = Relay(
                settings, open_shares(settings), lambda: time.time(), database=Tables(settings.database)
            )
        relay._sockets = cast(Any, InOrder())
        self._loop.before_work = self._before_work
        self.old.append(relay)
        await relay.start()
        self.sockets = sockets = InOrder()
        make = self._served(relay, settings) if self._http else None
        self._network.listener = Listener(
            self.process, make or (lambda: Socket(relay, cast(Any, sockets), set()))
        )
        self.relay = relay

    def _served(self, relay: Relay, settings: Settings) -> Callable[[], Any]:
        """uvicorn's protocol as the relay has it, but for TLS."""
        config = server_config(settings, build_app(relay), cast(Any, protocol_class(relay)), None)
        config.load()
        state = ServerState()
        state.connections = cast(Any, self.sockets)
        kind = cast(Any, config.http_protocol_class)
        return lambda: kind(config=config, server_state=state, app_state={})

    def _before_work(self, executor: Executor | None) -> None:
        if getattr(executor, "_thread_name_prefix", "").startswith("chappe-reader"):
            self._disk.before_read()

    def crash(self, *, told: bool) -> None:
        """As SIGKILL, or (not `told`) as a power cut: the other ends hear nothing."""
        self._network.listener = None
        self._loop.kill(self.process)
        self._network.died(self.process, told=told)
        self.relay = None

    async def stop(self) -> None:
        """As SIGTERM."""
        relay, self.relay = self.relay, None
        self._network.listener = None
        if relay is None:
            return
        await self._loop.start(self.process, self._stop(relay))
        self._loop.kill(self.process)
        self._network.died(self.process, told=True)

    async def _stop(self, relay: Relay) -> None:
        for socket in list(self.sockets):
            socket.shutdown()
        await relay.close()
