"""Who is at the other end, as a load balancer in front says it: PROXY protocol, version 2.

A load balancer that passes TLS on unopened has no header to write the address into. It says it before the
first byte instead; without that all people would be one network, and one who guesses would shut everybody
out.
The specification is HAProxy's: https://www.haproxy.org/download/3.2/doc/proxy-protocol.txt, section 2.2.
"""

from __future__ import annotations

import asyncio
import ipaddress
import socket
from typing import Final

SIGNATURE: Final = b"\r\n\r\n\0\r\nQUIT\n"
_HEAD: Final = len(SIGNATURE) + 4
_LONGEST: Final = 1_024
"""Of the addresses and what may follow them; the specification's own least that has to be taken is 216."""
_LOCAL, _PROXY = 0x20, 0x21
_OVER_TCP4, _OVER_TCP6 = 0x11, 0x21


class NoProxy(Exception):
    """It is not said, or not as it should be."""


async def read_source(connection: socket.socket) -> str | None:
    """The address of who connected to the load balancer; None where it is the load balancer itself, that
    looks whether we live. Takes not a byte more. Raises NoProxy, OSError."""
    head = await _exactly(connection, _HEAD)
    if not head.startswith(SIGNATURE):
        raise NoProxy
    command, family, length = head[12], head[13], int.from_bytes(head[14:16], "big")
    if length > _LONGEST:
        raise NoProxy
    addresses = await _exactly(connection, length)
    if command == _LOCAL:
        return None
    if command != _PROXY:
        raise NoProxy
    size = {_OVER_TCP4: 4, _OVER_TCP6: 16}.get(family)
    if size is None or length < 2 * size + 4:
        raise NoProxy
    return str(ipaddress.ip_address(addresses[:size]))


async def _exactly(connection: socket.socket, size: int) -> bytes:
    loop = asyncio.get_running_loop()
    data = b""
    while len(data) < size:
        piece = await loop.sock_recv(connection, size - len(data))
        if not piece:
            raise NoProxy
        data += piece
    return data
