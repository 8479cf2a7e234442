"""A real relay in a process of its own, and a raw client that speaks frames and nothing else.

relay = RelayProcess(tmp_path)          # started, answering
ada = await relay.device("ada")         # activated, over HTTP
async with relay.sign_in(ada) as wire:
    await wire.say(frames.Send(...))
    accepted = await wire.hear(frames.Accepted)
relay.kill(); relay.start()             # the same port, the same data
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import secrets
import signal
import ssl
import subprocess
import sys
import time
from collections import deque
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, TypeVar

import httpx
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from websockets.asyncio.client import ClientConnection, connect
from websockets.typing import Subprotocol

from chappe.relay.config import Settings, load_settings
from chappe.relay.new_codes import new_code
from chappe.wire import api, frames, log_entries
from chappe.wire.certificate import DeviceCertificate, issue
from tests import zygote
from tests.relay import stores

T = TypeVar("T", bound=frames.Frame)
PATIENCE = 30.0


class RelayProcess:
    """`python -m chappe.relay` on a data directory; settings as keyword arguments. Starts at once.

    `module`: another program that takes the same options; `environment`: more variables for it.
    Without `forked` the interpreter is started, too: for tests of the start, and of what is in memory.
    """

    def __init__(
        self,
        data_dir: Path,
        *,
        preexec: Callable[[], None] | None = None,
        forked: bool = True,
        start: bool = True,
        module: str = "chappe.relay",
        environment: dict[str, str] | None = None,
        **settings: Any,
    ) -> None:
        self.data_dir = data_dir.absolute()
        self.port = 0
        self.pin: str | None = None
        self._given = {"sweep_seconds": 3600, "drain_seconds": 3} | stores.given(data_dir) | settings
        self._module = module
        self._environment = environment or {}
        self._preexec = preexec
        self._popen = zygote.Popen[bytes] if forked else subprocess.Popen[bytes]
        self._process: subprocess.Popen[bytes] | None = None
        if start:
            self.start()

    @property
    def settings(self) -> Settings:
        return load_settings({}, data_dir=self.data_dir, **self._given)

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    @property
    def log(self) -> str:
        """All that the relay's processes wrote to standard error."""
        return self._log_path.read_text() if self._log_path.exists() else ""

    @property
    def _log_path(self) -> Path:
        return self.data_dir.parent / f"{self.data_dir.name}.log"

    def begin(self) -> None:
        """Start it, and do not wait until it answers."""
        assert self._process is None, "it runs"
        self._process = self._spawn()

    def start(self) -> None:
        """Start it (again, on the port it had). Raises RuntimeError if it does not come up."""
        self.begin()
        assert self._process is not None
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            status = self._process.wait()
            self._process = None
            raise RuntimeError(f"the relay ended with {status}: {self.log}")
        ready = json.loads(line)
        self.port, self.pin = ready["port"], ready["pin"]

    def _spawn(self) -> subprocess.Popen[bytes]:
        options: list[str] = ["--data-dir", str(self.data_dir), "--port", str(self.port)]
        for name, value in self._given.items():
            options += [f"--{name.replace('_', '-')}", str(value)]
        with self._log_path.open("ab") as log:
            return self._popen(
                [sys.executable, "-m", self._module, *options],
                cwd=zygote.ROOT,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=log,
                env=zygote.environment(**self._environment),
                preexec_fn=self._preexec,
            )

    def ends(self, seconds: float) -> bool:
        """Whether it ends by itself within so long; `kill` is then still to be called."""
        assert self._process is not None
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(seconds)
            return True
        return False

    def kill(self) -> None:
        """SIGKILL: no goodbye of any kind."""
        self._end(signal.SIGKILL)

    def stop(self) -> int:
        """SIGTERM, and wait; gives the exit status."""
        return self._end(signal.SIGTERM)

    def _end(self, number: signal.Signals) -> int:
        process, self._process = self._process, None
        if process is None:
            return 0
        process.send_signal(number)
        status = process.wait(timeout=20)
        assert process.stdout is not None
        process.stdout.close()
        return status

    # --- talking to it

    @property
    def server_name(self) -> str:
        return self.settings.server_name

    def code(self) -> str:
        return new_code(self.settings)[0]

    def tls(self) -> ssl.SSLContext:
        """Trusts the relay's own certificate and no other."""
        return ssl.create_default_context(cafile=str(self.data_dir / "tls-certificate.pem"))

    def http(self) -> httpx.AsyncClient:
        return httpx.AsyncClient(
            base_url=f"https://localhost:{self.port}", verify=self.tls(), trust_env=False, timeout=30
        )

    async def device(self, name: str) -> Device:
        """A device of a new line `name@…`, activated."""
        device = Device.of_new_line(f"{name}@{self.server_name}")
        async with self.http() as http:
            answer = await activate(http, device, self.code())
        assert answer.status_code == 200, answer.text
        return device

    @contextlib.asynccontextmanager
    async def connect_raw(self) -> AsyncIterator[Wire]:
        """A socket of which nothing was read yet."""
        async with connect(
            f"wss://localhost:{self.port}/v1/socket",
            ssl=self.tls(),
            subprotocols=[Subprotocol(frames.SUBPROTOCOL)],
            max_size=None,
            ping_interval=None,
            compression=None,
            proxy=None,
            close_timeout=1,
        ) as connection:
            yield Wire(connection)

    @contextlib.asynccontextmanager
    async def connect(self) -> AsyncIterator[Wire]:
        """A socket whose greeting was read, not signed in."""
        async with self.connect_raw() as wire:
            wire.hello = await wire.hear(frames.Hello)
            yield wire

    @contextlib.asynccontextmanager
    async def sign_in(self, device: Device) -> AsyncIterator[Wire]:
        async with self.connect() as wire:
            await wire.say(device.sign_in(wire.hello))
            wire.welcome = await wire.hear(frames.Welcome)
            yield wire


@dataclass
class Device:
    """The keys and ids of one device. No MLS anywhere."""

    identity: Ed25519PrivateKey = field(repr=False)
    key: Ed25519PrivateKey = field(repr=False)
    certificate: DeviceCertificate
    endorser: Device | None = field(default=None, repr=False)
    """The device of its line that lets it in."""

    @classmethod
    def of_new_line(cls, address: str) -> Device:
        return cls._issue(Ed25519PrivateKey.generate(), secrets.token_bytes(16), address)

    def sibling(self) -> Device:
        """Another device of the same line."""
        made = self._issue(self.identity, self.certificate.line_id, self.certificate.address)
        return replace(made, endorser=self)

    @classmethod
    def _issue(cls, identity: Ed25519PrivateKey, line: bytes, address: str) -> Device:
        key = Ed25519PrivateKey.generate()
        certificate = issue(
            identity,
            line_id=line,
            address=address,
            device_id=secrets.token_bytes(16),
            signature_key=key.public_key().public_bytes_raw(),
            issued_at=int(time.time()),
        )
        return cls(identity, key, certificate)

    @property
    def id(self) -> bytes:
        return self.certificate.device_id

    @property
    def address(self) -> str:
        return self.certificate.address

    def sign_in(self, hello: frames.Hello) -> frames.SignIn:
        return frames.SignIn(self.id, self.key.sign(frames.sign_in_bytes(hello.server, hello.nonce)))


def activate_body(device: Device, code: str, server: str = "localhost") -> api.Activate:
    raw = device.certificate.to_bytes()
    proof = device.key.sign(api.activate_bytes(server, code, raw))
    return api.Activate(code, api.to_base64(raw), api.to_base64(proof))


def add_device_body(device: Device, server: str = "localhost") -> api.AddDevice:
    raw = device.certificate.to_bytes()
    proof, by = device.key.sign(api.add_device_bytes(server, raw)), endorsement_of(device)
    parts = (raw, proof, by.device, by.signature)
    return api.AddDevice(*(api.to_base64(part) for part in parts))


SALTS: dict[bytes, bytes] = {}
"""Of lines, by their ids, as the relay told them."""


def note_salt(answer: httpx.Response) -> None:
    """From the answer to an activation."""
    if answer.status_code == 200:
        told = api.decode(answer.content, api.Activated)
        SALTS[api.from_base64(told.line)] = api.from_base64(told.salt, 32)


def endorsement_of(device: Device) -> log_entries.Endorsement:
    """How its endorser lets it in; by itself where it has none."""
    certificate, endorser = device.certificate, device.endorser or device
    salt = SALTS.get(certificate.line_id, bytes(32))
    signed = log_entries.endorsement_bytes(
        line=log_entries.line_commitment(salt, certificate.line_id, certificate.address),
        device=log_entries.device_hash(device.id),
        certificate=log_entries.certificate_hash(certificate.to_bytes()),
        signature_key=certificate.signature_key,
    )
    return log_entries.Endorsement(log_entries.device_hash(endorser.id), endorser.key.sign(signed))


async def activate(http: httpx.AsyncClient, device: Device, code: str) -> httpx.Response:
    answer = await http.post("/v1/activate", content=api.encode(activate_body(device, code)))
    note_salt(answer)
    return answer


class Wire:
    """One WebSocket: frames out, frames in."""

    hello: frames.Hello
    welcome: frames.Welcome

    def __init__(self, connection: ClientConnection) -> None:
        self.connection = connection
        self._answers: deque[frames.FromRelay] = deque()
        self._deliveries: deque[frames.FromRelay] = deque()

    async def say(self, frame: frames.Frame) -> None:
        await self.connection.send(frames.encode(frame))

    async def say_raw(self, data: bytes) -> None:
        await self.connection.send(data)

    async def hear(self, kind: type[T]) -> T:
        """The next delivery, or the next answer, which must be of this kind. The two come in an order of
        their own each, and mixed in any way."""
        wanted, other = self._answers, self._deliveries
        if kind is frames.Deliver:
            wanted, other = other, wanted
        while not wanted:
            frame = await self.hear_any()
            (self._deliveries if isinstance(frame, frames.Deliver) else self._answers).append(frame)
        found = wanted.popleft()
        assert isinstance(found, kind), f"{found!r} is no {kind.__name__}"
        return found

    async def hear_any(self) -> frames.FromRelay:
        """The next frame as it comes."""
        async with asyncio.timeout(PATIENCE):
            data = await self.connection.recv(decode=False)
        return frames.decode_from_relay(data)

    async def refused(self) -> str:
        """The code of the next frame, which must be a refusal."""
        return (await self.hear(frames.Refusal)).code

    async def closed(self) -> int | None:
        """Wait for the relay to close; gives its close code."""
        async with asyncio.timeout(PATIENCE):
            await self.connection.wait_closed()
        return self.connection.close_code

    async def silence(self, seconds: float = 0.2) -> None:
        """Nothing comes for a while."""
        assert not self._answers
        assert not self._deliveries
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                data = await self.connection.recv(decode=False)
            raise AssertionError(f"unexpected: {frames.decode_from_relay(data)!r}")

    async def send(self, to: list[Device], payload: bytes, id_: bytes | None = None, ref: int = 1) -> bytes:
        """Say a Send; gives its id."""
        id_ = secrets.token_bytes(16) if id_ is None else id_
        await self.say(frames.Send(ref, id_, [device.id for device in to], payload))
        return id_

    async def send_accepted(self, to: list[Device], payload: bytes, id_: bytes | None = None) -> bytes:
        """Send, and wait until it is durable."""
        id_ = await self.send(to, payload, id_)
        assert (await self.hear(frames.Accepted)).id == id_
        return id_
