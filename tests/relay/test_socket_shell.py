"""The shell around a session, on a transport that does as the test says."""

from __future__ import annotations

import asyncio
import sys
from typing import Any
from unittest.mock import Mock, patch

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from websockets.client import ClientProtocol
from websockets.frames import Frame, Opcode
from websockets.typing import Subprotocol
from websockets.uri import parse_uri

from chappe.relay import socket
from chappe.relay.limits import Allowance
from chappe.relay.ports import DeviceRecord
from chappe.relay.session import LOOKUP_WITH_PACKAGES_WEIGHT, MAX_IN_FLIGHT_BYTES, Ask, Session
from chappe.wire import frames
from chappe.wire.errors import error

HOST = "ws://localhost/v1/socket"


def fragment(opcode: Opcode, data: bytes, fin: bool) -> bytes:
    return Frame(opcode, data, fin).serialize(mask=True)


def opened() -> tuple[socket.Socket, Mock, Mock]:
    """A WebSocket after its handshake, with its transport and desk."""
    desk, transport = Mock(), Mock()
    desk.server_name, desk.unix_time.return_value = "localhost", 1
    desk.lookups.return_value = Allowance(1_000, 1, 0)
    desk.carry_out.return_value = 0.0
    transport.is_closing.return_value = False
    transport.close.side_effect = lambda: transport.is_closing.configure_mock(return_value=True)
    shell = socket.Socket(desk, set(), set())
    shell.connection_made(transport)
    client = ClientProtocol(parse_uri(HOST), subprotocols=[Subprotocol(frames.SUBPROTOCOL)])
    client.send_request(client.connect())
    shell.data_received(b"".join(client.data_to_send()))
    return shell, transport, desk


async def test_who_does_not_take_the_last_words_is_cut_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(socket, "LINGER_SECONDS", 0.0)
    monkeypatch.setattr(socket, "TAKE_SECONDS", 0.01)
    shell, transport, desk = opened()
    desk.admit.assert_called_once_with(shell)
    shell.superseded()
    # The transport closes only when all is written, which here never happens.
    for _ in range(200):
        await asyncio.sleep(0.005)
        if transport.abort.called:
            break
    transport.close.assert_called_once()
    transport.abort.assert_called_once()


async def test_fragments_without_number_take_no_memory() -> None:
    shell, _, _ = opened()
    shell.data_received(fragment(Opcode.BINARY, b"half", False))
    empty = fragment(Opcode.CONT, b"", False) * 1_000
    before = sys.getsizeof(shell._parts)
    for _ in range(10):
        shell.data_received(empty)
    assert sys.getsizeof(shell._parts) - before < 1_000
    session = shell._session
    assert session is not None
    with patch.object(type(session), "receive", return_value=[]) as receive:
        shell.data_received(fragment(Opcode.CONT, b" a frame", True))
        shell.data_received(fragment(Opcode.BINARY, b"whole", True))
    assert [call.args[0] for call in receive.call_args_list] == [b"half a frame", b"whole"]


async def test_one_read_does_not_put_more_under_way_than_the_bound() -> None:
    """The rest of it waits for answers, in its order, and the transport is not read meanwhile."""
    shell, transport, desk = opened()
    session = shell._session
    assert session is not None
    _let_in(session)
    asked: list[tuple[Ask, Any]] = []
    desk.carry_out.side_effect = lambda _record, ask, answer: asked.append((ask, answer))
    lookups = b"".join(
        fragment(Opcode.BINARY, frames.encode(frames.Lookup(ref, "ada@localhost", True)), True)
        for ref in range(100)
    )
    shell.data_received(lookups)
    bound = MAX_IN_FLIGHT_BYTES // LOOKUP_WITH_PACKAGES_WEIGHT
    assert len(asked) == bound
    transport.pause_reading.assert_called_once()
    for done, (_, answer) in enumerate(asked, start=1):
        answer(error("address.unknown"))
        assert len(asked) - done <= bound
    assert [ask.frame.ref for ask, _ in asked] == list(range(100))
    transport.resume_reading.assert_called_once()


async def test_who_does_not_take_answers_is_not_asked_for_more() -> None:
    shell, _, desk = opened()
    session = shell._session
    assert session is not None
    _let_in(session)
    shell.pause_writing()
    shell.data_received(fragment(Opcode.BINARY, frames.encode(frames.Lookup(1, "ada@localhost")), True))
    desk.carry_out.assert_not_called()
    shell.resume_writing()
    desk.carry_out.assert_called_once()


def _let_in(session: Session) -> None:
    """As after a sign-in, with an empty mailbox."""
    key = Ed25519PrivateKey.generate()
    signed = frames.sign_in_bytes("localhost", session._nonce)
    public = key.public_key().public_bytes_raw()
    session.receive(frames.encode(frames.SignIn(b"d" * 16, key.sign(signed))), 0)
    session.identified(DeviceRecord(b"d" * 16, b"l" * 16, 1, public, False, 0, 0, False, 0))
