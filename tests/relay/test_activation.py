"""Codes and certificates at the door: one line per code, one device per certificate, and no half ones."""

from __future__ import annotations

import asyncio
import dataclasses
import secrets
import time
from pathlib import Path

import httpx
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from chappe.relay.config import load_settings
from chappe.relay.new_codes import new_code
from chappe.wire import api, codes, frames
from chappe.wire.certificate import CONTEXT, SIGNATURE_BYTES, DeviceCertificate, issue
from chappe.wire.errors import KINDS
from tests.relay import stores
from tests.relay.world import Device, RelayProcess, activate, activate_body, add_device_body


def name() -> str:
    return "t" + secrets.token_hex(6)


def fresh(relay: RelayProcess) -> Device:
    return Device.of_new_line(f"{name()}@{relay.server_name}")


def failure(answer: httpx.Response) -> str:
    """The code of a failure, whose body must be a typed one."""
    assert answer.status_code >= 400
    body = api.decode(answer.content, api.Failure)
    assert body.code in KINDS
    assert answer.headers["chappe-error"] == body.code
    return body.code


def counts(relay: RelayProcess) -> tuple[int, int, int]:
    lines, devices, mailboxes = (
        stores.rows(relay.settings, f"SELECT count(*) FROM {table}")[0][0]
        for table in ("lines", "devices", "mailboxes")
    )
    return lines, devices, mailboxes


async def test_a_code_makes_a_line_and_answers_the_same_again(relay: RelayProcess) -> None:
    device, code = fresh(relay), relay.code()
    async with relay.http() as http:
        first = await activate(http, device, code)
        before = counts(relay)
        second = await activate(http, device, code)
    assert first.status_code == second.status_code == 200
    assert first.content == second.content
    assert counts(relay) == before
    answer = api.decode(first.content, api.Activated)
    assert api.from_base64(answer.line) == device.certificate.line_id
    assert api.from_base64(answer.device) == device.id
    assert answer.address == device.address


async def test_codes_are_read_as_people_type_them(relay: RelayProcess) -> None:
    device, code = fresh(relay), relay.code()
    body = activate_body(device, code)
    typed = " " + codes.show(code).lower().replace("0", "o")
    async with relay.http() as http:
        answer = await http.post(
            "/v1/activate", content=api.encode(api.Activate(typed, body.certificate, body.proof))
        )
    assert answer.status_code == 200


async def test_wrong_used_and_expired_codes(relay: RelayProcess) -> None:
    device, other, code = fresh(relay), fresh(relay), relay.code()
    expired = relay.code()
    past = int(time.time()) - 1
    stores.rows(
        relay.settings, "UPDATE codes SET expires_at = ? WHERE digest = ?", past, codes.digest(expired)
    )
    async with relay.http() as http:
        assert (await activate(http, device, code)).status_code == 200
        before = counts(relay)
        assert failure(await activate(http, other, codes.new())) == "code.unknown"
        assert failure(await activate(http, other, code)) == "code.used"
        assert failure(await activate(http, other, expired)) == "code.expired"
        # A code that cannot be one: the check character is wrong.
        wrong = code[:-1] + ("0" if code[-1] != "0" else "1")
        assert failure(await activate(http, other, wrong)) == "code.malformed"
        assert counts(relay) == before
        # The refused ones left no trace: the same device may still use a good code.
        assert (await activate(http, other, relay.code())).status_code == 200


async def test_a_taken_address_leaves_the_code_unused(relay: RelayProcess) -> None:
    device, code = fresh(relay), relay.code()
    impostor = Device.of_new_line(device.address)
    async with relay.http() as http:
        assert (await activate(http, device, relay.code())).status_code == 200
        assert failure(await activate(http, impostor, code)) == "address.taken"
        assert (await activate(http, fresh(relay), code)).status_code == 200


async def test_one_code_used_by_many_at_once_makes_one_line(relay: RelayProcess) -> None:
    code = relay.code()
    async with relay.http() as http:
        answers = await asyncio.gather(*(activate(http, fresh(relay), code) for _ in range(8)))
    good = [answer for answer in answers if answer.status_code == 200]
    assert len(good) == 1
    assert {failure(answer) for answer in answers if answer not in good} == {"code.used"}


def reissued(device: Device, **changes: object) -> DeviceCertificate:
    """The device's certificate with changed fields, properly signed."""
    named: dict[str, object] = {
        "line_id": device.certificate.line_id,
        "address": device.certificate.address,
        "device_id": device.id,
        "signature_key": device.certificate.signature_key,
        "issued_at": device.certificate.issued_at,
    }
    return issue(device.identity, **(named | changes))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"address": "someone@elsewhere.example"}, "address.malformed"),
        ({"address": "someone@elsewhere"}, "address.malformed"),
        ({"issued_at": int(time.time()) - 3 * 24 * 3600}, "certificate.invalid"),
        ({"issued_at": int(time.time()) + 3 * 24 * 3600}, "certificate.invalid"),
    ],
)
async def test_certificates_that_do_not_fit(
    relay: RelayProcess, changes: dict[str, object], expected: str
) -> None:
    device, code = fresh(relay), relay.code()
    changed = dataclasses.replace(device, certificate=reissued(device, **changes))
    async with relay.http() as http:
        assert failure(await activate(http, changed, code)) == expected
        assert (await activate(http, device, code)).status_code == 200


@pytest.mark.parametrize(
    "address", ["some one@localhost", "Someone@localhost", "localhost", "x" * 40 + "@localhost"]
)
async def test_addresses_that_are_none(relay: RelayProcess, address: str) -> None:
    """In certificates that are whole and properly signed: `issue` would not make them."""
    device, code = fresh(relay), relay.code()
    signed = device.certificate.to_bytes()[: -SIGNATURE_BYTES - 2]
    before, after = opaque(device.address.encode()), opaque(address.encode())
    assert signed.count(before) == 1
    signed = signed.replace(before, after)
    raw = signed + opaque(device.identity.sign(opaque(CONTEXT) + signed))
    proof = device.key.sign(api.activate_bytes(relay.server_name, code, raw))
    body = api.Activate(code, api.to_base64(raw), api.to_base64(proof))
    async with relay.http() as http:
        answer = await http.post("/v1/activate", content=api.encode(body))
        assert failure(answer) == "certificate.invalid"
        assert (await activate(http, device, code)).status_code == 200


def opaque(data: bytes) -> bytes:
    return (bytes([len(data)]) if len(data) < 64 else (len(data) | 0x4000).to_bytes(2, "big")) + data


async def test_forged_certificates_and_proofs(relay: RelayProcess) -> None:
    device, other, code = fresh(relay), fresh(relay), relay.code()
    raw = device.certificate.to_bytes()
    good = activate_body(device, code)
    other_key = dataclasses.replace(device, key=other.key)
    bent = raw[:-1] + bytes([raw[-1] ^ 1])
    async with relay.http() as http:

        async def post(body: api.Activate) -> str:
            return failure(await http.post("/v1/activate", content=api.encode(body)))

        # Not the device's key.
        assert await post(activate_body(other_key, code)) == "certificate.invalid"
        # A proof for another relay, and one for another code.
        assert await post(activate_body(device, code, server="elsewhere")) == "certificate.invalid"
        elsewhere = activate_body(device, relay.code())
        assert await post(api.Activate(code, good.certificate, elsewhere.proof)) == "certificate.invalid"
        # The identity's signature does not hold; too short; too long; nothing.
        for certificate in (bent, raw[:-1], raw + b"\0", b""):
            proof = device.key.sign(api.activate_bytes("localhost", code, certificate))
            body = api.Activate(code, api.to_base64(certificate), api.to_base64(proof))
            assert await post(body) == "certificate.invalid"
        assert (await activate(http, device, code)).status_code == 200


async def test_more_devices_of_a_line(relay: RelayProcess) -> None:
    device = await relay.device(name())
    sibling = device.sibling()
    async with relay.http() as http:

        async def add(added: Device) -> httpx.Response:
            return await http.post("/v1/devices", content=api.encode(add_device_body(added)))

        first = await add(sibling)
        before = counts(relay)
        assert first.status_code == 200
        assert (await add(sibling)).content == first.content
        # Another identity key for the same line; a line that is not here; a device id that is taken.
        stranger = dataclasses.replace(device, identity=Ed25519PrivateKey.generate()).sibling()
        assert failure(await add(stranger)) == "certificate.invalid"
        assert failure(await add(fresh(relay))) == "address.unknown"
        taken = dataclasses.replace(sibling, certificate=reissued(sibling, device_id=device.id))
        assert failure(await add(taken)) == "certificate.invalid"
        # A proof made for activation does not add a device.
        body = activate_body(sibling, relay.code())
        good = add_device_body(sibling)
        wrong = api.AddDevice(body.certificate, body.proof, good.by, good.endorsement)
        assert failure(await http.post("/v1/devices", content=api.encode(wrong))) == "certificate.invalid"
        assert counts(relay) == before
    async with relay.sign_in(sibling) as wire:
        assert wire.welcome.key_packages == 0


async def test_a_line_has_room_for_a_hundred_devices(relay: RelayProcess) -> None:
    """Else one code made mailboxes without number, and an answer to a lookup that fits no frame."""
    device = await relay.device(name())
    siblings = [device.sibling() for _ in range(frames.MAX_DEVICES)]
    async with relay.http() as http:

        async def add(added: Device) -> httpx.Response:
            return await http.post("/v1/devices", content=api.encode(add_device_body(added)))

        for sibling in siblings[:-1]:
            assert (await add(sibling)).status_code == 200
        before = counts(relay)
        refused = await add(siblings[-1])
        assert (refused.status_code, failure(refused)) == (409, "devices.too_many")
        assert counts(relay) == before
        # One that is there is answered as before.
        assert (await add(siblings[0])).status_code == 200


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"[]",
        b"null",
        b"\xff\xfe",
        b'{"code": 5, "certificate": "", "proof": ""}',
        b'{"code": "", "certificate": ""}',
        b'{"code": "", "certificate": "", "proof": "", "more": 1}',
        b'{"code": "", "certificate": "a+b/", "proof": ""}',
        b"[" * 10_000,
    ],
)
async def test_bodies_that_are_none(relay: RelayProcess, body: bytes) -> None:
    async with relay.http() as http:
        answer = await http.post("/v1/activate", content=body)
        assert answer.status_code == 400
        assert failure(answer) == "http.malformed"


async def test_oversized_bodies_are_refused_while_they_come(relay: RelayProcess) -> None:
    async def endless() -> object:
        for _ in range(100):
            yield b"x" * 1024

    async with relay.http() as http:
        announced = await http.post("/v1/activate", content=b"x" * (api.MAX_BODY + 1))
        streamed = await http.post("/v1/activate", content=endless())  # type: ignore[arg-type]
        fits = await http.post("/v1/activate", content=b"x" * api.MAX_BODY)
    assert failure(announced) == failure(streamed) == "http.oversized"
    assert announced.status_code == 413
    assert failure(fits) == "http.malformed"


async def test_paths_and_methods_that_are_none(relay: RelayProcess) -> None:
    async with relay.http() as http:
        for method, path, status in (
            ("GET", "/docs", 404),
            ("GET", "/v1/info/", 404),
            ("DELETE", "/v1/info", 405),
            ("GET", "/v1/activate", 405),
        ):
            answer = await http.request(method, path)
            assert answer.status_code == status
            assert failure(answer) == "http.unknown_path"


async def test_the_relay_tells_what_it_is(relay: RelayProcess) -> None:
    async with relay.http() as http:
        answer = await http.get("/v1/info")
    info = api.decode(answer.content, api.Info)
    assert (info.name, info.mailbox_days) == ("localhost", 30)
    assert info.max_attachment == relay.settings.max_attachment
    assert "server" not in answer.headers


async def test_guessing_is_slowed_down_and_right_requests_are_not(data_dir: Path) -> None:
    own = RelayProcess(data_dir, attempts_burst=5, attempts_per_minute=0.01)
    try:
        async with own.http() as http:
            for _ in range(8):
                assert (await activate(http, fresh(own), own.code())).status_code == 200
            guesses = [failure(await activate(http, fresh(own), codes.new())) for _ in range(7)]
            assert guesses == ["code.unknown"] * 5 + ["limit.rate"] * 2
            last = await activate(http, fresh(own), own.code())
            assert last.status_code == 429
            assert (await http.get("/v1/info")).status_code == 200
    finally:
        own.kill()


def test_codes_before_the_first_start(data_dir: Path) -> None:
    settings = load_settings({}, data_dir=data_dir, code_days=2, **stores.given(data_dir))
    made = new_code(settings, 3)
    assert len(set(made)) == 3
    rows = stores.rows(settings, "SELECT digest, expires_at - created_at, used_at FROM codes")
    assert sorted(rows) == sorted((codes.digest(code), 2 * 24 * 3600, None) for code in made)
    # The code itself is nowhere in the directory.
    for path in settings.data_dir.iterdir():
        assert not any(code.encode() in path.read_bytes() for code in made)
