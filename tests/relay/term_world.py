"""A relay with a clock that a test moves, the desk's door to it, and codes of plans."""

from __future__ import annotations

import secrets
from typing import Any

import httpx

from chappe.relay.door import RelayDoor
from chappe.wire import api
from chappe.wire.door import CodeBatch
from chappe.wire.terms import Term, begin
from tests.relay.fleet_world import SERVER, Organisation, World, new_device
from tests.relay.world import Device, activate

DAY = 24 * 3600


class TermWorld(World):
    @property
    def door(self) -> RelayDoor:
        return RelayDoor(self.relay)

    async def code(
        self, months: int = 6, of: Organisation | None = None, seller: bytes | None = None, days: int = 3_650
    ) -> str:
        batch = CodeBatch(secrets.token_bytes(16), 1, months, days, seller, None if of is None else of.id)
        return (await self.door.make_codes(batch)).codes[0]

    async def activate(self, code: str, of: Organisation | None = None, name: str = "") -> httpx.Response:
        self.made = new_device(of, f"{name or 't' + secrets.token_hex(6)}@{SERVER}")
        return await activate(self.http, self.made, code)

    async def termed(self, months: int = 6, of: Organisation | None = None) -> Device:
        """The device of a new line with a term."""
        answer = await self.activate(await self.code(months, of), of)
        assert answer.status_code == 200, answer.text
        return self.made

    async def renew(self, device: Device, code: str, **changes: Any) -> httpx.Response:
        return await self.http.post("/v1/renew", content=api.encode(renew_body(device, code, **changes)))

    def term(self, device: Device) -> Term:
        """As it is in the table."""
        rows = self.sql("SELECT term_ends, term_day FROM lines WHERE line = ?", device.certificate.line_id)
        return Term.of(*rows[0])

    def to(self, at: int) -> None:
        self.now = at


def renew_body(device: Device, code: str, server: str = SERVER) -> api.Renew:
    """What is signed is the code in its canonical form, however it was typed."""
    signed = code.upper().replace("-", "")
    proof = device.key.sign(api.renew_bytes(server, signed, device.id))
    return api.Renew(code, api.to_base64(device.id), api.to_base64(proof))


def failed(answer: httpx.Response) -> str:
    """The code of a failure, which has words for people."""
    assert answer.status_code >= 400, answer.text
    body = api.decode(answer.content, api.Failure)
    assert len(body.message) > 10
    return body.code


def fresh_term(world: World, months: int = 6) -> Term:
    return begin(months, int(world.now))
