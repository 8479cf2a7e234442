"""Several gateways, watched: all are well, one leads, and the totals are of all."""

from __future__ import annotations

import asyncio
from pathlib import Path

from chappe.wire import frames
from tests.relay.gateways_world import Gateways
from tests.relay.test_watching import free_port, private, scrape


async def test_each_gateway_is_whole_and_one_leads(tmp_path: Path) -> None:
    world = Gateways(tmp_path, count=0)
    try:
        world.gateways += [world.gateway(metrics=f"127.0.0.1:{free_port()}") for _ in range(2)]
        one, other = world.gateways
        ada = await one.device("ada")
        async with other.sign_in(ada) as wire:
            for number in range(3):
                await wire.say(frames.Send(number, bytes([number]) * 16, [ada.id], b"x" * 100))
                await wire.hear(frames.Accepted)
        told = []
        for gateway in world.gateways:
            # At the very beginning the log has no head yet.
            async with private(gateway) as http, asyncio.timeout(40):
                while not (answer := (await http.get("/readyz")).json())["whole"]:
                    await asyncio.sleep(0.1)
            assert answer == {
                "ready": True,
                "whole": True,
                "checks": {"store": "ok", "shares": "ok", "log": "ok"},
            }
            told.append((await scrape(gateway))[1])
        assert sum(now["chappe_leads"] for now in told) == 1
        for now in told:
            assert (now["chappe_lines"], now["chappe_mailbox_items"], now["chappe_mailbox_bytes"]) == (
                1,
                3,
                300,
            )
            assert now["chappe_log_entries"] >= 1
            assert now["chappe_log_head_age_seconds"] < 300
        # The one that goes says so; the other takes what it had.
        leader = max(world.gateways, key=lambda gateway: told[world.gateways.index(gateway)]["chappe_leads"])
        world.gateways.remove(leader)
        assert await asyncio.to_thread(leader.stop) == 0
        (left,) = world.gateways
        async with asyncio.timeout(40):
            while not (await scrape(left))[1]["chappe_leads"]:
                await asyncio.sleep(0.05)
    finally:
        await asyncio.to_thread(world.stop)
