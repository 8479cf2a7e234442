"""The socket against a real relay: sign-in, order of frames, and everything that is no frame."""

from __future__ import annotations

import asyncio
import contextlib
import secrets
import ssl
from pathlib import Path

import msgspec
import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus

from chappe.wire import frames
from tests.relay.world import Device, RelayProcess

POLICY = 1008


async def test_signing_in(relay: RelayProcess) -> None:
    ada = await relay.device("signs" + secrets.token_hex(4))
    async with relay.connect() as wire:
        assert wire.hello.server == relay.server_name
        await wire.say(ada.sign_in(wire.hello))
        assert await wire.hear(frames.Welcome) == frames.Welcome(0, False)
        await wire.silence()
    async with relay.connect() as first, relay.connect() as second:
        assert first.hello.nonce != second.hello.nonce


async def test_a_forged_signature(relay: RelayProcess) -> None:
    ada, eve = (
        await relay.device("ada" + secrets.token_hex(4)),
        await relay.device("eve" + secrets.token_hex(4)),
    )
    async with relay.connect() as wire:
        signature = eve.key.sign(frames.sign_in_bytes(wire.hello.server, wire.hello.nonce))
        await wire.say(frames.SignIn(ada.id, signature))
        assert await wire.refused() == "signin.bad_signature"
        assert await wire.closed() == POLICY


async def test_a_signature_for_another_relay(relay: RelayProcess) -> None:
    ada = await relay.device("ada" + secrets.token_hex(4))
    async with relay.connect() as wire:
        signature = ada.key.sign(frames.sign_in_bytes("elsewhere", wire.hello.nonce))
        await wire.say(frames.SignIn(ada.id, signature))
        assert await wire.refused() == "signin.bad_signature"


async def test_a_replayed_sign_in(relay: RelayProcess) -> None:
    ada = await relay.device("ada" + secrets.token_hex(4))
    async with relay.connect() as wire:
        used = ada.sign_in(wire.hello)
        await wire.say(used)
        await wire.hear(frames.Welcome)
    async with relay.connect() as wire:
        await wire.say(used)
        assert await wire.refused() == "signin.bad_signature"
        assert await wire.closed() == POLICY


async def test_an_unknown_device(relay: RelayProcess) -> None:
    nobody = Device.of_new_line("nobody@localhost")
    async with relay.connect() as wire:
        await wire.say(nobody.sign_in(wire.hello))
        assert await wire.refused() == "signin.unknown_device"
        assert await wire.closed() == POLICY


@pytest.mark.parametrize(
    "frame",
    [
        frames.Send(7, bytes(16), [bytes(16)], b"x"),
        frames.Ack(0),
        frames.Lookup(7, "ada@localhost"),
        frames.NewAttachment(7, 10),
        frames.PublishKeyPackages(7),
        frames.Commit(7, bytes(16), bytes(16), 0, bytes(32), bytes(32), [], b"x"),
    ],
)
async def test_a_frame_before_sign_in(relay: RelayProcess, frame: frames.Frame) -> None:
    async with relay.connect() as wire:
        await wire.say(frame)
        refusal = await wire.hear(frames.Refusal)
        assert (refusal.code, refusal.ref) == ("signin.required", getattr(frame, "ref", None))
        assert await wire.closed() == POLICY


async def test_a_second_sign_in_on_one_socket_changes_nothing(relay: RelayProcess) -> None:
    ada = await relay.device("ada" + secrets.token_hex(4))
    async with relay.sign_in(ada) as wire:
        await wire.say(ada.sign_in(wire.hello))
        assert await wire.refused() == "frame.unexpected"
        await wire.send_accepted([ada], b"still here")


def tagged(tag: str, **fields: object) -> bytes:
    return msgspec.msgpack.encode({"t": tag, **fields})


GOOD_SEND = {"ref": 5, "id": bytes(16), "to": [bytes(16)], "payload": b"x"}
UNFIT: list[tuple[bytes, str, int | None]] = [
    (b"", "frame.malformed", None),
    (b"\xc1", "frame.malformed", None),
    (tagged("send", **GOOD_SEND)[:-1], "frame.malformed", None),
    (tagged("send", **GOOD_SEND) + b"\0", "frame.malformed", None),
    (tagged("sendd", **GOOD_SEND), "frame.unknown_type", 5),
    (tagged("welcome", key_packages=1, last_resort=True), "frame.unknown_type", None),
    (msgspec.msgpack.encode({"ref": 5}), "frame.malformed", 5),
    (tagged("send", **GOOD_SEND, more=1), "frame.malformed", 5),
    (tagged("send", **(GOOD_SEND | {"id": bytes(15)})), "frame.malformed", 5),
    (tagged("send", **(GOOD_SEND | {"to": []})), "frame.malformed", 5),
    (tagged("send", **(GOOD_SEND | {"payload": b""})), "frame.malformed", 5),
    (tagged("send", **(GOOD_SEND | {"payload": bytes(frames.MAX_PAYLOAD + 1)})), "frame.malformed", 5),
    (tagged("send", **(GOOD_SEND | {"ref": -1})), "frame.malformed", None),
    (tagged("send", **(GOOD_SEND | {"ref": "5"})), "frame.malformed", None),
    (tagged("ack", sequence=2**60), "frame.malformed", None),
    (tagged("attach", ref=5, size=0), "frame.malformed", 5),
    (tagged("commit", ref=5, id=bytes(16)), "frame.malformed", 5),
    (msgspec.msgpack.encode([1, 2, 3]), "frame.malformed", None),
    (b"\x91" * 5_000, "frame.malformed", None),
]


async def test_unfit_frames_are_refused_one_by_one(relay: RelayProcess) -> None:
    ada = await relay.device("ada" + secrets.token_hex(4))
    async with relay.sign_in(ada) as wire:
        for data, code, ref in UNFIT:
            await wire.say_raw(data)
            refusal = await wire.hear(frames.Refusal)
            assert (refusal.code, refusal.ref) == (code, ref), data[:40]
        # Signed in as before, and nothing was stored.
        await wire.send_accepted([ada], b"still here")
        assert (await wire.hear(frames.Deliver)).sequence == 1


async def test_an_oversized_frame_ends_the_socket(relay: RelayProcess) -> None:
    ada = await relay.device("ada" + secrets.token_hex(4))
    async with relay.sign_in(ada) as wire:
        with contextlib.suppress(OSError):
            await wire.say_raw(bytes(frames.MAX_FRAME + 1))
        assert await wire.refused() == "frame.oversized"
        assert await wire.closed() == 1009
    async with relay.connect() as wire:
        # Before sign-in a kilobyte is the most.
        await wire.say_raw(bytes(2_000))
        assert await wire.refused() == "frame.oversized"


async def test_a_text_message_is_no_frame(relay: RelayProcess) -> None:
    async with relay.connect() as wire:
        await wire.connection.send("hello?")
        assert await wire.refused() == "frame.malformed"
        assert await wire.closed() == POLICY


async def test_a_frame_in_several_websocket_fragments(relay: RelayProcess) -> None:
    ada = await relay.device("ada" + secrets.token_hex(4))
    async with relay.sign_in(ada) as wire:
        data = frames.encode(frames.Send(9, bytes(16), [ada.id], b"in pieces" * 100))
        await wire.connection.send([data[:10], data[10:11], data[11:]])
        assert (await wire.hear(frames.Accepted)).ref == 9
        assert (await wire.hear(frames.Deliver)).payload == b"in pieces" * 100


async def test_another_path_is_no_socket(relay: RelayProcess) -> None:
    with pytest.raises(InvalidStatus) as caught:
        async with connect(f"wss://localhost:{relay.port}/v2/socket", ssl=relay.tls(), proxy=None):
            pass
    assert caught.value.response.status_code == 404


async def test_a_second_socket_supersedes_the_first(relay: RelayProcess) -> None:
    ada, bob = (
        await relay.device("ada" + secrets.token_hex(4)),
        await relay.device("bob" + secrets.token_hex(4)),
    )
    async with relay.sign_in(ada) as old, relay.sign_in(ada) as new, relay.sign_in(bob) as other:
        assert await old.refused() == "signin.superseded"
        assert await old.closed() == POLICY
        await other.send_accepted([ada], b"for the new one")
        assert (await new.hear(frames.Deliver)).payload == b"for the new one"


async def test_one_connection_too_many(data_dir: Path) -> None:
    own = RelayProcess(data_dir, max_connections=2)
    try:
        async with own.connect(), own.connect(), own.connect_raw() as third:
            assert await third.refused() == "limit.connections"
            assert await third.closed() == 1013
    finally:
        own.kill()


async def test_who_does_not_sign_in_is_shown_out(data_dir: Path) -> None:
    own = RelayProcess(data_dir, sign_in_seconds=0.4)
    try:
        async with own.connect() as wire:

            async def drip() -> None:
                while True:
                    await wire.connection.ping()
                    await asyncio.sleep(0.05)

            dripping = asyncio.create_task(drip())
            assert await wire.refused() == "signin.required"
            dripping.cancel()
    finally:
        own.kill()


async def test_plain_text_and_old_tls_are_not_served(relay: RelayProcess) -> None:
    reader, writer = await asyncio.open_connection("localhost", relay.port)
    writer.write(b"GET /v1/info HTTP/1.1\r\nHost: localhost\r\n\r\n")
    with contextlib.suppress(ConnectionError):
        assert b"HTTP/1.1 200" not in await asyncio.wait_for(reader.read(1000), 5)
    writer.close()
    context = relay.tls()
    with pytest.warns(DeprecationWarning, match="TLSv1_1"):
        context.minimum_version = context.maximum_version = ssl.TLSVersion.TLSv1_1
    with pytest.raises((ssl.SSLError, ConnectionError)):
        await asyncio.open_connection("localhost", relay.port, ssl=context)
