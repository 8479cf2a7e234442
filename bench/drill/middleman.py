"""A man in the relay's place: he holds its TLS key, reads every frame, and passes on what he likes.

The real relay runs behind him in the clear, as behind a proxy that ends TLS; phones pin his certificate, as
they pin a relay's. Left alone he passes on every byte, and keeps the books that tell when nothing is under
way. What he does otherwise is the attack's (attack.py).
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import ssl
import time
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from http import HTTPStatus
from pathlib import Path
from typing import TYPE_CHECKING, Final

import msgspec
from websockets.frames import Opcode
from websockets.protocol import Protocol, Side

from bench.drill.upstream import Upstream
from chappe.relay.tls import CERTIFICATE_NAME, KEY_NAME, certificate_pin, ensure_certificate
from chappe.wire import delivery, frames
from chappe.wire.api import from_base64
from chappe.wire.errors import ChappeError
from chappe.wire.links import RelayPlace

if TYPE_CHECKING:
    from bench.drill.attack import Attack

INJECTED: Final = 0
"""The sequence of an envelope that never was in a mailbox; the man gives it a number of his own."""
SEALED: Final = "/v1/deliver"
_PIECE: Final = 64 * 1024
_HOP_BY_HOP: Final = frozenset({"connection", "keep-alive", "transfer-encoding", "content-length", "upgrade"})


@dataclass(frozen=True, slots=True)
class Request:
    """One HTTP request of a phone. `path` with its query; `who` asks, by the door they came in: a relay tells
    its visitors apart by their network addresses, the drill's people all have one."""

    method: str
    path: str
    headers: list[tuple[str, str]]
    body: bytes
    who: str = ""


@dataclass(frozen=True, slots=True)
class Response:
    status: int
    headers: list[tuple[str, str]]
    body: bytes

    def with_body(self, body: bytes) -> Response:
        return Response(self.status, self.headers, body)


@dataclass
class Peer:
    """One device, over all its connections. Numbers: those of the relay's mailbox, and those that the phone
    is told, which differ once something was put in, held back or moved."""

    device: bytes
    way: Way | None = None
    given: dict[int, int] = field(default_factory=dict)
    last: int = 0
    newest_in: int = 0
    acknowledged: int = 0
    forwarded: int = 0

    @property
    def online(self) -> bool:
        return self.way is not None

    @property
    def busy(self) -> bool:
        """It has envelopes that it has not acknowledged."""
        return self.online and self.acknowledged < self.last

    def say(self, frame: frames.Frame) -> None:
        """To the phone, as from the relay. Nothing where it is away."""
        if self.way is not None:
            self.way.down([frame])

    def deliver(self, payload: bytes, id_: bytes | None = None) -> None:
        """An envelope that the mailbox never held."""
        envelope = hashlib.sha256(payload + self.last.to_bytes(8, "big")).digest()[:16]
        self.say(frames.Deliver(INJECTED, id_ or envelope, payload, int(time.time())))

    def numbered(self, frame: frames.Deliver) -> frames.Deliver:
        """With the number that the phone is told."""
        number = self.given.get(frame.sequence)
        if number is None:
            number = max(self.last + 1, frame.sequence)
            if frame.sequence != INJECTED:
                self.given[frame.sequence] = number
        self.last = max(self.last, number)
        return msgspec.structs.replace(frame, sequence=number)

    def newest(self, newest: int) -> int:
        """What `Welcome.newest` is in the phone's numbers."""
        return self.given.get(newest) or self.last + max(0, newest - self.newest_in)

    def acknowledgement(self, number: int) -> int | None:
        """How far the mailbox may be emptied, now that the phone has acknowledged `number`; None: no
        further than before. What the phone was never given stays there."""
        self.acknowledged = max(self.acknowledged, number)
        floor = self.forwarded
        while floor < self.newest_in and self.given.get(floor + 1, number + 1) <= number:
            floor += 1
        if floor == self.forwarded:
            return None
        self.forwarded = floor
        return floor


class Middleman:
    """`attack`: what he does now. `packages`: key packages that devices published as they passed."""

    def __init__(self, target: int, folder: Path, attack: Attack) -> None:
        self._target = target
        ensure_certificate(folder, "localhost")
        self.pin = from_base64(certificate_pin(folder), 32)
        self._tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._tls.load_cert_chain(folder / CERTIFICATE_NAME, folder / KEY_NAME)
        self._relay = Upstream(target)
        self._tasks: set[asyncio.Task[None]] = set()
        self._seen: set[tuple[bytes, bytes]] = set()
        self._under_way = 0
        self._flying: set[tuple[bytes, bytes]] = set()
        self.attack = attack
        self.peers: dict[bytes, Peer] = {}
        self.packages: dict[bytes, list[bytes]] = {}
        self.faults: list[Exception] = []
        """Of attacks: a run with one is none."""
        self.moved = 0
        """Frames so far: while it grows, something is under way."""
        self._doors: dict[int, str] = {}
        self.pages: set[bytes] = set()
        """Devices of people whose phone is the page."""

    def place(self, who: str) -> RelayPlace:
        """The way in of one of the people."""
        port = next(port for port, name in self._doors.items() if name == who)
        return RelayPlace("localhost", port, self.pin)

    def peer(self, device: bytes) -> Peer:
        return self.peers.setdefault(device, Peer(device))

    @property
    def quiet(self) -> bool:
        """The relay owes no phone that is here an envelope or an answer, and no phone an acknowledgement."""
        owed = any(device in self.peers and self.peers[device].online for device, _ in self._flying)
        return not owed and not self._under_way and not any(peer.busy for peer in self.peers.values())

    @asynccontextmanager
    async def standing(self, people: Iterable[str]) -> AsyncIterator[Middleman]:
        servers = []
        for who in people:
            server = await asyncio.start_server(self._take, "127.0.0.1", 0, ssl=self._tls)
            self._doors[server.sockets[0].getsockname()[1]] = who
            servers.append(server)
        try:
            yield self
        finally:
            for server in servers:
                server.close()
            for task in list(self._tasks):
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)
            self._relay.close()

    def spared(self, peer: Peer) -> bool:
        """The attack may not strike there: it is to strike the page."""
        return self.attack.picks and bool(self.pages) and peer.device not in self.pages

    # --- what comes in

    async def _take(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        try:
            with contextlib.suppress(OSError, asyncio.IncompleteReadError, EOFError):
                await self._requests(reader, writer)
        except asyncio.CancelledError:
            pass
        except Exception as problem:  # noqa: BLE001 - a fault of the attack is told by the run, not the server
            self.faults.append(problem)
        finally:
            self._tasks.discard(task)
            writer.transport.abort()

    async def _requests(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            head = await reader.readuntil(b"\r\n\r\n")
            first, *lines = head.decode("latin-1").split("\r\n")
            headers = [
                (name, value.strip()) for name, _, value in (line.partition(":") for line in lines if line)
            ]
            named = {name.lower(): value for name, value in headers}
            if named.get("upgrade", "").lower() == "websocket":
                await self._socket(head, reader, writer)
                return
            method, path, _ = first.split(" ", 2)
            body = await reader.readexactly(int(named.get("content-length", 0)))
            self.moved += 1
            who = self._doors[writer.get_extra_info("sockname")[1]]
            request = Request(method, path, headers, body, who)
            self._under_way += 1
            try:
                answer = await self.attack.http(request, self.onward)
                self._sealed(request, answer)
            finally:
                self._under_way -= 1
            writer.write(_written(answer, method))
            await writer.drain()

    async def onward(self, request: Request) -> Response:
        """What the relay itself answers."""
        kept = [(n, v) for n, v in request.headers if n.lower() not in _HOP_BY_HOP | {"accept-encoding"}]
        headers = [*kept, ("accept-encoding", "identity")]
        return Response(*await self._relay.ask(request.method, request.path, headers, request.body))

    async def _socket(self, head: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        far_reader, far_writer = await asyncio.open_connection("127.0.0.1", self._target)
        try:
            far_writer.write(head)
            answer = await far_reader.readuntil(b"\r\n\r\n")
            writer.write(answer)
            if b" 101 " not in answer.partition(b"\r\n")[0]:
                writer.write(await far_reader.read())
                return
            await Way(self, writer, far_writer).carry(reader, far_reader)
        finally:
            far_writer.transport.abort()

    # --- the books

    def accepted(self, request: frames.FromDevice) -> None:
        """The relay owes these envelopes from now on."""
        if isinstance(request, frames.Send):
            self._owe(request.to, request.id)
        elif isinstance(request, frames.Commit):
            self._owe(request.to, request.id)
            for place, welcome in enumerate(request.welcomes):
                digest = hashlib.sha256(b"chappe welcome id v1" + request.id + place.to_bytes(2, "big"))
                self._owe(welcome.to, digest.digest()[:16])

    def _sealed(self, request: Request, answer: Response) -> None:
        """Messages that came without a sign-in."""
        if request.path != SEALED or answer.status != HTTPStatus.OK:
            return
        sent = {one.id: [device for device, _ in one.to] for one in sealed_in(request)}
        for told in delivery.decode_answer(answer.body).answers:
            if isinstance(told, delivery.Taken) and told.id in sent:
                self._owe(sent[told.id], told.id)

    def _owe(self, devices: Iterable[bytes], id_: bytes) -> None:
        self._flying |= {(device, id_) for device in devices} - self._seen

    def came(self, device: bytes, id_: bytes) -> None:
        self._seen.add((device, id_))
        self._flying.discard((device, id_))


class Way:
    """One socket of a phone through the man to the relay."""

    def __init__(self, man: Middleman, near: asyncio.StreamWriter, far: asyncio.StreamWriter) -> None:
        self._man = man
        self._near, self._far = Protocol(Side.SERVER, max_size=None), Protocol(Side.CLIENT, max_size=None)
        self._writers = {id(self._near): near, id(self._far): far}
        self._parts = {id(self._near): b"", id(self._far): b""}
        self._asked: dict[int, frames.FromDevice] = {}
        self.peer: Peer | None = None

    async def carry(self, near: asyncio.StreamReader, far: asyncio.StreamReader) -> None:
        tasks = [
            asyncio.create_task(self._carry(near, self._near, self._far)),
            asyncio.create_task(self._carry(far, self._far, self._near)),
        ]
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            if self.peer is not None and self.peer.way is self:
                self.peer.way = None

    async def _carry(self, reader: asyncio.StreamReader, here: Protocol, there: Protocol) -> None:
        with contextlib.suppress(OSError):
            while data := await reader.read(_PIECE):
                here.receive_data(data)
                for event in here.events_received():
                    self._take(event, here, there)
                self._flush(here)
                self._flush(there)

    def _take(self, event: object, here: Protocol, there: Protocol) -> None:
        opcode = getattr(event, "opcode", None)
        if opcode is Opcode.CLOSE:
            code = here.close_rcvd.code if here.close_rcvd else 1000
            with contextlib.suppress(Exception):
                there.send_close(code, here.close_rcvd.reason if here.close_rcvd else "")
        elif opcode in (Opcode.BINARY, Opcode.CONT):
            self._parts[id(here)] += event.data  # type: ignore[attr-defined]
            if event.fin:  # type: ignore[attr-defined]
                data, self._parts[id(here)] = self._parts[id(here)], b""
                self._frame_up(data) if here is self._near else self._frame_down(data)
        elif opcode is Opcode.TEXT:
            there.send_text(event.data)  # type: ignore[attr-defined]

    def _flush(self, side: Protocol) -> None:
        writer = self._writers[id(side)]
        for data in side.data_to_send():
            if data:
                writer.write(data)
            else:
                writer.close()

    # --- frames

    def _frame_up(self, data: bytes) -> None:
        man = self._man
        man.moved += 1
        try:
            frame = frames.decode_from_device(data)
        except ChappeError:
            self._far.send_binary(data)
            return
        if isinstance(frame, frames.SignIn):
            self.peer = man.peer(frame.device)
            self.peer.way = self
        if self.peer is None:
            self._far.send_binary(data)
            return
        if isinstance(frame, frames.Ack):
            floor = self.peer.acknowledgement(frame.sequence)
            if floor is not None:
                self._far.send_binary(frames.encode(frames.Ack(floor)))
            return
        if isinstance(frame, frames.PublishKeyPackages):
            man.packages.setdefault(self.peer.device, []).extend(frame.one_time)
        for out in [frame] if man.spared(self.peer) else man.attack.up(self.peer, frame):
            if (ref := getattr(out, "ref", None)) is not None:
                self._asked[ref] = out
            self._far.send_binary(data if out is frame else frames.encode(out))

    def _frame_down(self, data: bytes) -> None:
        man, peer = self._man, self.peer
        man.moved += 1
        frame = frames.decode_from_relay(data)
        if isinstance(frame, frames.Accepted) and frame.ref in self._asked:
            man.accepted(self._asked.pop(frame.ref))
        if peer is None:
            self._near.send_binary(data)
            return
        if isinstance(frame, frames.Welcome):
            frame = msgspec.structs.replace(frame, newest=peer.newest(frame.newest))
        if isinstance(frame, frames.Deliver):
            man.came(peer.device, frame.id)
            peer.newest_in = max(peer.newest_in, frame.sequence)
        passed = man.spared(peer)
        self.down([frame] if passed else man.attack.down(peer, frame))

    def down(self, said: Iterable[frames.Frame]) -> None:
        """To the phone."""
        assert self.peer is not None
        for frame in said:
            self._man.moved += 1
            numbered = self.peer.numbered(frame) if isinstance(frame, frames.Deliver) else frame
            with contextlib.suppress(Exception):
                self._near.send_binary(frames.encode(numbered))
        self._flush(self._near)


def sealed_in(request: Request) -> list[delivery.Sealed]:
    """The messages of a `POST /v1/deliver`."""
    return delivery.decode_request(request.body).messages if request.path == SEALED else []


def _written(answer: Response, method: str) -> bytes:
    lengths = [(n, v) for n, v in answer.headers if n.lower() == "content-length"]
    headers = [(n, v) for n, v in answer.headers if n.lower() not in _HOP_BY_HOP]
    if method != "HEAD":
        lengths = [("content-length", str(len(answer.body)))]
    lines = [f"HTTP/1.1 {answer.status} X", *(f"{name}: {value}" for name, value in [*headers, *lengths])]
    return "\r\n".join(lines).encode("latin-1") + b"\r\n\r\n" + (b"" if method == "HEAD" else answer.body)
