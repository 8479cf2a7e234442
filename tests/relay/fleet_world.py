"""An organisation on a relay in this process: officers, lines with vaults, a clock, and a share service that
may be away. Everything is asked over HTTP, in the app."""

from __future__ import annotations

import asyncio
import atexit
import secrets
import shutil
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path
from typing import Any, TypeVar

import httpx
import msgspec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from chappe.relay import organisations
from chappe.relay.app import build_app
from chappe.relay.config import load_settings
from chappe.relay.migrations import upgrade
from chappe.relay.new_codes import new_codes
from chappe.relay.ports import DeviceRecord, ShareService
from chappe.relay.relay import Relay
from chappe.relay.serve import open_shares
from chappe.wire import api, fleet, orders
from chappe.wire.certificate import issue
from chappe.wire.errors import error
from chappe.wire.orders import FleetPolicy, Order, Reason, SignedOrder, Target
from chappe.wire.rosters import Officer, OfficerSignature, Roster, SignedRoster, roster_hash, sign_roster
from chappe.wire.unlock import ServiceKey
from tests.relay import stores
from tests.relay.shares.world import Owner
from tests.relay.world import Device, RelayProcess, activate, add_device_body

SERVER = "localhost"


@cache
def migrated() -> Path:
    """A database with nothing in it, made once."""
    path = Path(tempfile.mkdtemp()) / "relay.db"
    atexit.register(shutil.rmtree, path.parent)
    upgrade(path)
    return path


POLICY = FleetPolicy(8, 300)
A = TypeVar("A", bound=fleet.Answer)


class Refusal(Exception):
    """The code of a failure, which is its text."""


@dataclass
class Person:
    """An officer."""

    name: str
    id: bytes = field(default_factory=lambda: secrets.token_bytes(16))
    key: Ed25519PrivateKey = field(default_factory=Ed25519PrivateKey.generate, repr=False)

    @property
    def public(self) -> Officer:
        return Officer(self.id, self.name, self.key.public_key().public_bytes_raw())


@dataclass
class Organisation:
    """`officers` of the newest roster; the keys of all who ever were."""

    name: str
    officers: list[Person]
    id: bytes = field(default_factory=lambda: secrets.token_bytes(16))
    fleet: Ed25519PrivateKey = field(default_factory=Ed25519PrivateKey.generate, repr=False)
    seal: ServiceKey = field(default_factory=ServiceKey.generate, repr=False)
    chain: list[SignedRoster] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.chain.append(self.roster(self.officers, [self.officers[0]]))

    @property
    def fleet_key(self) -> bytes:
        return self.fleet.public_key().public_bytes_raw()

    @property
    def file(self) -> bytes:
        return msgspec.msgpack.encode(self.chain[0])

    def roster(self, officers: Sequence[Person], by: Sequence[Person], **changes: Any) -> SignedRoster:
        """The next one, not taken yet."""
        fields: dict[str, Any] = {
            "organisation": self.id,
            "name": self.name,
            "fleet_key": self.fleet_key,
            "seal_key": self.seal.public,
            "version": len(self.chain) + 1,
            "previous": roster_hash(self.chain[-1]) if self.chain else bytes(32),
            "officers": [person.public for person in officers],
            "issued_at": int(time.time()),
        }
        signers = {person.id: person.key for person in by}
        return sign_roster(Roster(**(fields | changes)), self.fleet, signers)

    def sign(self, order: Order, *by: Person) -> SignedOrder:
        signed = orders.sign_as_officer(order, self.fleet, by[0].id, by[0].key)
        more = [orders.approve(signed, person.id, person.key) for person in by[1:]]
        return msgspec.structs.replace(signed, officers=[*signed.officers, *more])


REASON = Reason("left in a taxi", b"salt" * 4)


class Shares:
    """The share service, that a test switches off and holds up."""

    def __init__(self, real: ShareService) -> None:
        self.real = real
        self.is_away = False
        self.asked: list[tuple[bytes, ...]] = []
        self.before_destroying: asyncio.Event | None = None

    async def destroy(self, devices: Sequence[bytes]) -> None:
        self.asked.append(tuple(devices))
        if self.before_destroying is not None:
            await self.before_destroying.wait()
        if self.is_away:
            raise error("unlock.unavailable")
        await self.real.destroy(devices)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.real, name)


class World:
    """A relay, its clock, its organisations."""

    def __init__(self, data_dir: Path, **settings: Any) -> None:
        given = stores.given(data_dir) | settings
        self.settings = load_settings({}, data_dir=data_dir, attempts_burst=100_000, **given)
        data_dir.mkdir(exist_ok=True)
        if self.settings.database_url is None:
            shutil.copy(migrated(), self.settings.database)
        self.now = time.time()
        self.start()

    def start(self) -> None:
        self.shares = Shares(open_shares(self.settings))
        self.relay = Relay(self.settings, self.shares, lambda: self.now)
        transport = httpx.ASGITransport(build_app(self.relay), raise_app_exceptions=False)
        self.http = httpx.AsyncClient(transport=transport, base_url="http://relay")

    async def close(self) -> None:
        await self.http.aclose()
        await self.relay.close()

    async def restart(self) -> None:
        """What is in memory alone is gone."""
        await self.close()
        self.start()

    # --- who is there

    def organisation(self, name: str = "La Gazette", officers: int = 2) -> Organisation:
        made = Organisation(name, [Person(f"officer {number}") for number in range(officers)])
        organisations.add(self.settings, made.file)
        return made

    async def line(self, of: Organisation | None = None, name: str | None = None) -> Device:
        """The first device of a new line."""
        device = new_device(of, f"{name or 't' + secrets.token_hex(6)}@{SERVER}")
        code = new_codes(self.settings, 1, None if of is None else of.name).codes[0]
        answer = await activate(self.http, device, code)
        assert answer.status_code == 200, answer.text
        return device

    async def sibling(self, device: Device) -> Device:
        made = sibling_of(device)
        answer = await self.http.post("/v1/devices", content=api.encode(add_device_body(made)))
        assert answer.status_code == 200, answer.text
        return made

    async def record(self, device: Device) -> DeviceRecord:
        found = await self.relay.store.device(device.id)
        assert found is not None
        return found

    async def vault(self, device: Device) -> Owner:
        """Its share, enrolled as its socket would."""
        owner = Owner(device.id)
        await self.relay._shares.enrol(device.id, owner.enrolment(await self.relay.share_key()))
        return owner

    async def guess(self, owner: Owner) -> str:
        """What the right PIN gives, over HTTP: the answer's status, or a refusal's code."""
        body = api.encode(api.UnlockChallenge(api.to_base64(owner.device)))
        answer = await self.http.post("/v1/unlock/challenge", content=body)
        if answer.status_code != 200:
            return api.decode(answer.content, api.Failure).code
        challenge = api.from_base64(api.decode(answer.content, api.UnlockChallenged).challenge)
        guess = owner.guess(await self.relay.share_key(), challenge)
        request = api.Unlock(api.to_base64(owner.device), api.to_base64(guess.sealed))
        answer = await self.http.post("/v1/unlock", content=api.encode(request))
        if answer.status_code != 200:
            return api.decode(answer.content, api.Failure).code
        return guess.open(api.from_base64(api.decode(answer.content, api.Unlocked).sealed)).status

    # --- asking

    async def post(self, envelope: fleet.Envelope | bytes) -> fleet.Answer:
        """Raises Refusal."""
        body = envelope if isinstance(envelope, bytes) else fleet.encode(envelope)
        answer = await self.http.post("/v1/fleet", content=body)
        if answer.status_code != 200:
            raise Refusal(api.decode(answer.content, api.Failure).code)
        assert answer.headers["content-type"] == fleet.MEDIA_TYPE
        return fleet.decode_answer(answer.content)

    async def ask(self, of: Organisation, ask: fleet.Ask, kind: type[A], by: Person | None = None) -> A:
        officer = by or of.officers[0]
        return expect(
            await self.post(fleet.by_officer(SERVER, of.id, officer.id, officer.key, int(self.now), ask)),
            kind,
        )

    async def ask_as_owner(self, device: Device, ask: fleet.Ask, kind: type[A]) -> A:
        line = device.certificate.line_id
        envelope = fleet.by_owner(SERVER, line, device.identity, int(self.now), ask)
        return expect(await self.post(envelope), kind)

    async def ask_as_device(self, device: Device, ask: fleet.Ask, kind: type[A]) -> A:
        envelope = fleet.by_device(SERVER, device.id, "device", device.key, int(self.now), ask)
        return expect(await self.post(envelope), kind)

    def order(self, of: Organisation | None, kind: str, targets: Sequence[Target], **changes: Any) -> Order:
        return make_order(of, kind, targets, self.now, **changes)

    async def give(
        self, of: Organisation, kind: str, *targets: Target, by: Person | None = None, **changes: Any
    ) -> fleet.Given:
        officer = by or of.officers[0]
        signed = of.sign(self.order(of, kind, targets, **changes), officer)
        return await self.ask(of, fleet.Give(signed, REASON), fleet.Given, officer)

    async def give_as_owner(
        self, device: Device, kind: str, *targets: Target, conversations: Sequence[bytes] = ()
    ) -> fleet.Given:
        signed = orders.sign_as_owner(self.order(None, kind, targets), device.identity)
        ask = fleet.Give(signed, REASON, list(conversations))
        return await self.ask_as_owner(device, ask, fleet.Given)

    async def approve(self, of: Organisation, order: bytes, by: Person) -> fleet.Given:
        body = (await self.status(of, order, by)).order.body
        signature = OfficerSignature(by.id, by.key.sign(orders.order_bytes(body)))
        return await self.ask(of, fleet.Approve(order, signature), fleet.Given, by)

    async def status(
        self, of: Organisation, order: bytes | None = None, by: Person | None = None
    ) -> fleet.OrderStatus:
        return (await self.ask(of, fleet.Status(order), fleet.Orders, by)).orders[0]

    async def audit(self, of: Organisation) -> fleet.AuditPage:
        return await self.ask(of, fleet.Audit(), fleet.AuditPage)

    # --- the tables

    def dump(self) -> dict[str, list[tuple[Any, ...]]]:
        """All rows of all tables: what leaves no trace leaves this as it was."""
        return {
            name: sorted(self.sql(f"SELECT * FROM {name}"), key=repr) for name in stores.tables(self.settings)
        }

    def sql(self, statement: str, *values: object) -> list[tuple[Any, ...]]:
        return stores.rows(self.settings, statement, *values)


def expect(answer: fleet.Answer, kind: type[A]) -> A:
    assert isinstance(answer, kind), answer
    return answer


def new_device(of: Organisation | None, address: str) -> Device:
    return _issued(
        Ed25519PrivateKey.generate(), secrets.token_bytes(16), address, of.fleet_key if of else b""
    )


def sibling_of(device: Device, fleet_key: bytes | None = None) -> Device:
    """One more device of its line, whose certificate may name another organisation."""
    certificate = device.certificate
    named = certificate.fleet_key if fleet_key is None else fleet_key
    made = _issued(device.identity, certificate.line_id, certificate.address, named)
    return replace(made, endorser=device)


def _issued(identity: Ed25519PrivateKey, line: bytes, address: str, fleet_key: bytes) -> Device:
    key = Ed25519PrivateKey.generate()
    certificate = issue(
        identity,
        line_id=line,
        address=address,
        device_id=secrets.token_bytes(16),
        signature_key=key.public_key().public_bytes_raw(),
        issued_at=int(time.time()),
        fleet_key=fleet_key,
    )
    return Device(identity, key, certificate)


def make_order(
    of: Organisation | None, kind: str, targets: Sequence[Target], now: float, **changes: Any
) -> Order:
    fields: dict[str, Any] = {
        "version": 1,
        "id": secrets.token_bytes(16),
        "kind": kind,
        "server": SERVER,
        "organisation": b"" if of is None else of.id,
        "targets": list(targets),
        "issued_at": int(now),
        "reason_digest": REASON.digest(),
        "policy": POLICY if kind == "policy" else None,
    }
    return Order(**(fields | changes))


def whole(device: Device) -> Target:
    return Target(device.certificate.line_id)


def only(device: Device) -> Target:
    return Target(device.certificate.line_id, device.id)


class LiveWorld(World):
    """The same on a relay process: its clock, its port. What asks `relay` itself is not there."""

    def __init__(self, process: RelayProcess) -> None:
        self.settings = process.settings
        self.now = time.time()
        self.http = process.http()

    async def close(self) -> None:
        await self.http.aclose()

    def organisation(self, name: str = "", officers: int = 2) -> Organisation:
        """The relay is shared: each has a name of its own."""
        return super().organisation(name or f"La Gazette {secrets.token_hex(4)}", officers)
