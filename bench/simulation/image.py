"""The data directory that every run begins with: some lines and their devices, made once in a process."""

from __future__ import annotations

import random
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from bench.simulation.disk import Disk
from bench.simulation.edges import Clocks, edges
from bench.simulation.host import Account, Host, endorse, new_account, settings_in
from bench.simulation.loop import VirtualLoop
from bench.simulation.network import Network
from chappe.relay.migrations import upgrade
from chappe.relay.new_codes import new_codes
from chappe.relay.usecases.register import ActivateLine, AddDevice, Registered
from chappe.wire import codes

LINES: Final = {"ada": 2, "ben": 1, "cleo": 1}
"""Devices of each line."""


@dataclass(frozen=True, slots=True)
class Image:
    folder: Path
    accounts: tuple[Account, ...]


def make_image(folder: Path) -> Image:
    """In `folder`, which is made. The same each time, but for what `cryptography` draws."""
    choose = random.Random("image")
    loop = VirtualLoop(choose)
    network = Network(loop, choose)
    empty = folder / "empty"
    empty.mkdir(parents=True, mode=0o700)
    with edges(Clocks(loop), choose):
        upgrade(settings_in(empty).database)
        host = Host(loop, network, Disk(choose), empty, folder / "made")
        accounts = loop.run_until_complete(_fill(host))
        loop.end()
    return Image(host.data, accounts)


async def _fill(host: Host) -> tuple[Account, ...]:
    from bench.simulation.edges import BEGIN

    await host.start()
    assert host.relay is not None
    store = host.relay.store
    made: list[Account] = []
    for line, count in LINES.items():
        first = new_account(f"{line}1", line, BEGIN)
        (code,) = new_codes(settings_in(host.data)).codes
        done = await store.run(ActivateLine(codes.digest(codes.parse(code)), first.certificate))
        assert isinstance(done, Registered)
        first.salt = done.salt
        made.append(first)
        for number in range(2, count + 1):
            more = new_account(f"{line}{number}", line, BEGIN, first)
            await store.run(AddDevice(more.certificate, endorse(more, first)))
            made.append(more)
    await host.stop()
    return tuple(made)
