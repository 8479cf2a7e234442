"""The shell around a session, on a transport that does as the test says."""

from __future__ import annotations

import asyncio
from unittest.mock import Mock

import pytest
from websockets.client import ClientProtocol
from websockets.typing import Subprotocol
from websockets.uri import parse_uri

from chappe.relay import socket
from chappe.relay.limits import Allowance
from chappe.wire import frames

HOST = "ws://localhost/v1/socket"


def opened() -> tuple[socket.Socket, Mock, Mock]:
    """A WebSocket after its handshake, with its transport and desk."""
    desk, transport = Mock(), Mock()
    desk.server_name, desk.unix_time.return_value = "localhost", 1
    desk.lookups.return_value = Allowance(1, 1, 0)
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
