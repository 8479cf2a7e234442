"""New phones that officers let into a line, on a relay with a clock."""

from __future__ import annotations

import secrets
from dataclasses import replace
from typing import Any

import httpx
import msgspec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from chappe.wire import api, enrolments, fleet
from chappe.wire.certificate import issue
from chappe.wire.rosters import OfficerSignature
from tests.relay.fleet_world import REASON, SERVER, Organisation, Person
from tests.relay.term_world import TermWorld
from tests.relay.world import SALTS, Device


def new_phone(lost: Device, now: float, **changes: Any) -> Device:
    """For the line of `lost`, with keys of its own."""
    identity, key = Ed25519PrivateKey.generate(), Ed25519PrivateKey.generate()
    fields: dict[str, Any] = {
        "line_id": lost.certificate.line_id,
        "address": lost.address,
        "device_id": secrets.token_bytes(16),
        "signature_key": key.public_key().public_bytes_raw(),
        "issued_at": int(now),
        "fleet_key": lost.certificate.fleet_key,
    }
    return Device(identity, key, issue(identity, **(fields | changes)))


class EnrolWorld(TermWorld):
    def enrolment(self, of: Organisation, lost: Device, phone: Device, **changes: Any) -> bytes:
        fields: dict[str, Any] = {
            "version": 1,
            "id": secrets.token_bytes(16),
            "server": SERVER,
            "organisation": of.id,
            "certificate": phone.certificate.to_bytes(),
            "salt": SALTS[lost.certificate.line_id],
            "former_key": lost.certificate.identity_key,
            "issued_at": int(self.now),
            "reason_digest": REASON.digest(),
        }
        return msgspec.msgpack.encode(enrolments.Enrolment(**(fields | changes)))

    async def enrol(self, of: Organisation, body: bytes, by: Person | None = None) -> bytes:
        """The order's id."""
        officer = by or of.officers[0]
        signed = enrolments.SignedEnrolment(body, [enrolments.sign(body, officer.id, officer.key)])
        answer = await self.ask(of, fleet.Enrol(signed, REASON), fleet.Enrolments, officer)
        (one,) = answer.enrolments
        assert one.enrolment.body == body
        return enrolments.read(body).order.id

    async def second(self, of: Organisation, body: bytes, by: Person | None = None) -> fleet.EnrolmentStatus:
        officer = by or of.officers[1]
        signature = enrolments.sign(body, officer.id, officer.key)
        return await self.approve_with(of, body, signature, officer)

    async def approve_with(
        self, of: Organisation, body: bytes, signature: OfficerSignature, by: Person
    ) -> fleet.EnrolmentStatus:
        ask = fleet.ApproveEnrolment(enrolments.read(body).order.id, signature)
        (one,) = (await self.ask(of, ask, fleet.Enrolments, by)).enrolments
        return one

    async def announced(self, of: Organisation, lost: Device) -> tuple[Device, bytes]:
        """A new phone that two officers let in now, and the order's body."""
        phone = new_phone(lost, self.now)
        body = self.enrolment(of, lost, phone)
        await self.enrol(of, body)
        assert (await self.second(of, body)).announced_at is not None
        return phone, body

    async def enter(self, phone: Device) -> httpx.Response:
        raw = phone.certificate.to_bytes()
        proof = phone.key.sign(api.add_device_bytes(SERVER, raw))
        body = api.Enter(api.to_base64(raw), api.to_base64(proof))
        return await self.http.post("/v1/devices/enrolled", content=api.encode(body))


def refused(answer: httpx.Response) -> str:
    assert answer.status_code >= 400, answer.text
    return api.decode(answer.content, api.Failure).code


def with_key(phone: Device) -> Device:
    """The same certificate in the hands of somebody without its signature key."""
    return replace(phone, key=Ed25519PrivateKey.generate())
