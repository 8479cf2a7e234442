"""Unlocking over a real relay: the socket, the two routes, bad input, and what strangers may spend."""

from __future__ import annotations

import secrets
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from chappe.wire import api, frames, unlock
from tests.relay.shares.world import Owner
from tests.relay.test_activation import failure
from tests.relay.world import Device, RelayProcess, Wire


@dataclass
class Line:
    """A device of the relay and its half of unlocking."""

    http: httpx.AsyncClient
    device: Device
    owner: Owner

    async def service(self) -> bytes:
        info = api.decode((await self.http.get("/v1/info")).content, api.Info)
        return api.from_base64(info.share_key, unlock.PUBLIC_KEY_BYTES)

    async def enrol(self, wire: Wire, sealed: bytes | None = None) -> frames.FromRelay:
        await wire.say(frames.Enrol(7, sealed or self.owner.enrolment(await self.service())))
        answer = await wire.hear(frames.Frame)
        assert isinstance(answer, (frames.Done, frames.Refusal))
        assert answer.ref == 7
        return answer

    async def challenge(self) -> bytes:
        body = api.UnlockChallenge(api.to_base64(self.owner.device))
        answer = await self.http.post("/v1/unlock/challenge", content=api.encode(body))
        assert answer.status_code == 200, answer.text
        assert answer.headers["cache-control"] == "no-store"
        return api.from_base64(api.decode(answer.content, api.UnlockChallenged).challenge, 32)

    async def post(self, sealed: bytes, device: bytes | None = None) -> httpx.Response:
        body = api.Unlock(api.to_base64(device or self.owner.device), api.to_base64(sealed))
        return await self.http.post("/v1/unlock", content=api.encode(body))

    async def guess(self, auth: bytes | None = None) -> unlock.Answer:
        guess = self.owner.guess(await self.service(), await self.challenge(), auth)
        answer = await self.post(guess.sealed)
        assert answer.status_code == 200, answer.text
        return guess.open(api.from_base64(api.decode(answer.content, api.Unlocked).sealed))


async def line_on(relay: RelayProcess, http: httpx.AsyncClient) -> Line:
    device = await relay.device(f"u{secrets.token_hex(6)}")
    return Line(http, device, Owner(device.id))


@pytest.fixture
async def line(relay: RelayProcess) -> AsyncIterator[Line]:
    async with relay.http() as http:
        yield await line_on(relay, http)


async def test_enrol_and_unlock(relay: RelayProcess, line: Line) -> None:
    async with relay.sign_in(line.device) as wire:
        assert await line.enrol(wire) == frames.Done(7)
    assert await line.guess() == unlock.Answer("open", share=line.owner.share, tries=10)
    assert await line.guess(bytes(32)) == unlock.Answer("wrong", tries=9)


async def test_enrolling_for_another_device_or_with_rubbish(relay: RelayProcess, line: Line) -> None:
    service = await line.service()
    async with relay.sign_in(line.device) as wire:
        assert await line.enrol(wire) == frames.Done(7)
        for sealed in (Owner().enrolment(service), b"x", secrets.token_bytes(4096)):
            refusal = await line.enrol(wire, sealed)
            assert isinstance(refusal, frames.Refusal)
            assert refusal.code == "unlock.malformed"
        await wire.say_raw(frames.encode(frames.Enrol(7, bytes(4097))))
        assert await wire.refused() == "frame.malformed"
        await wire.say_raw(frames.encode(frames.Enrol(7, b"")))
        assert await wire.refused() == "frame.malformed"
    # The share before is still in force.
    assert (await line.guess()).share == line.owner.share


async def test_enrolments_are_rationed_and_hold_nothing_up(relay: RelayProcess, line: Line) -> None:
    service = await line.service()
    async with relay.sign_in(line.device) as wire:
        for ref in range(12):
            await wire.say(frames.Enrol(ref, Owner(line.device.id).enrolment(service)))
        answers = [await wire.hear(frames.Frame) for _ in range(12)]
        refused = [answer for answer in answers if isinstance(answer, frames.Refusal)]
        assert [answer.code for answer in refused] == ["limit.rate"] * 2
        await wire.send_accepted([line.device], b"x")


async def test_nobody_enrols_before_sign_in(relay: RelayProcess) -> None:
    async with relay.connect() as wire:
        await wire.say(frames.Enrol(1, b"x"))
        assert await wire.refused() == "signin.required"


async def test_challenges_tell_nothing_of_the_device(relay: RelayProcess, line: Line) -> None:
    unknown = Line(line.http, line.device, Owner())
    assert len(await unknown.challenge()) == len(await line.challenge()) == 32
    guess = unknown.owner.guess(await line.service(), await unknown.challenge())
    answer = await unknown.post(guess.sealed)
    assert (answer.status_code, failure(answer)) == (409, "unlock.unknown_device")


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{}",
        b"[]",
        b"\xff",
        b'{"device": 7, "sealed": ""}',
        b'{"device": "", "sealed": ""}',
        b'{"device": "AAAAAAAAAAAAAAAAAAAAAA==", "sealed": ""}',
        b'{"device": "AAAAAAAAAAAAAAAAAAAAAA", "sealed": "!"}',
        b'{"device": "AAAAAAAAAAAAAAAAAAAAAB", "sealed": ""}',
        b'{"device": "AAAAAAAAAAAAAAAAAAAAAA", "sealed": "", "more": 1}',
        b'{"device": "AAAAAAAAAAAAAAAAAAAAAA", "challenge": ""}',
        b'{"device": "AAAAAAAAAAAAAAAAAAAAAA", "sealed": "' + b"A" * 2049 + b'"}',
        b"[" * 9_000,
    ],
)
@pytest.mark.parametrize("path", ["/v1/unlock", "/v1/unlock/challenge"])
async def test_bodies_that_do_not_fit(line: Line, path: str, body: bytes) -> None:
    answer = await line.http.post(path, content=body)
    assert (answer.status_code, failure(answer)) == (400, "http.malformed")


@pytest.mark.parametrize("path", ["/v1/unlock", "/v1/unlock/challenge"])
async def test_methods_and_sizes(line: Line, path: str) -> None:
    for method in ("GET", "PUT", "DELETE"):
        answer = await line.http.request(method, path)
        assert (answer.status_code, failure(answer)) == (405, "http.unknown_path")
    answer = await line.http.post(path, content=bytes(17_000))
    assert (answer.status_code, failure(answer)) == (413, "http.oversized")
    # The routes of a service that runs alone are none of the relay's.
    answer = await line.http.delete(f"/v1/shares/{api.to_base64(line.device.id)}")
    assert (answer.status_code, failure(answer)) == (404, "http.unknown_path")


async def test_sealed_that_does_not_open(line: Line) -> None:
    for sealed in (b"", b"x", secrets.token_bytes(1357), secrets.token_bytes(1536)):
        answer = await line.post(sealed)
        assert (answer.status_code, failure(answer)) == (403, "unlock.malformed")


async def test_a_recorded_request_is_worth_nothing(relay: RelayProcess, line: Line) -> None:
    async with relay.sign_in(line.device) as wire:
        await line.enrol(wire)
    guess = line.owner.guess(await line.service(), await line.challenge())
    assert (await line.post(guess.sealed)).status_code == 200
    answer = await line.post(guess.sealed)
    assert (answer.status_code, failure(answer)) == (409, "unlock.bad_challenge")


async def test_what_fails_costs_the_networks_attempts(data_dir: Path) -> None:
    own = RelayProcess(data_dir, attempts_burst=5, attempts_per_minute=1)
    try:
        async with own.http() as http:
            line = await line_on(own, http)
            async with own.sign_in(line.device) as wire:
                await line.enrol(wire)
            for _ in range(8):
                # In good order: costs nothing.
                assert (await line.guess()).status == "open"
            for _ in range(5):
                assert failure(await line.post(b"x")) == "unlock.malformed"
            answer = await line.post(b"x")
            assert (answer.status_code, failure(answer)) == (429, "limit.rate")
    finally:
        own.kill()


async def test_killed_and_restarted_the_relay_knows_the_tries(data_dir: Path) -> None:
    own = RelayProcess(data_dir)
    try:
        async with own.http() as http:
            line = await line_on(own, http)
            async with own.sign_in(line.device) as wire:
                await line.enrol(wire)
            service = await line.service()
            assert (await line.guess(bytes(32))).tries == 9
            own.kill()
            own.start()
            assert await line.service() == service
            assert (await line.guess(bytes(32))).tries == 8
            assert (await line.guess()).share == line.owner.share
        log: Any = own.log
        for name in (line.owner.device.hex(), api.to_base64(line.owner.device), line.owner.share.hex()):
            assert name not in log
    finally:
        own.kill()
