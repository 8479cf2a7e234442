"""A whole session, for a process that is spied on: activate, talk, send a file, link, lock, unlock, knock."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

from chappe.client import Phone
from tests.client.test_files import received
from tests.client.world import World, meet, texts, until
from tests.relay.push_service import Browser
from tests.relay.test_knocks import address, knocking, knocks, send, some, subscribe

PIN = "480297"


async def session(folder: Path) -> None:
    async with knocking(folder / "relay", forked=False) as (service, relay):
        world = World(relay, folder)
        ada, ben = await world.phones("ada", "ben")
        mine, _ = await meet(ada, ben)
        await ada.send_text(mine.id, "hello")
        await until(lambda: texts(ben) == ["hello"])
        report = folder / "report.txt"
        report.write_text("a report")
        await ada.send_file(mine.id, report)
        message = await received(ben)
        (folder / "in").mkdir()
        assert (await ben.save_file(message, folder / "in")).read_text() == "a report"
        await world.linked("laptop", ada)
        await ada.set_pin(PIN)
        await ada.lock()
        ada = await world._enter("ada", await Phone.unlock(world.home("ada"), PIN))
        await ada.send_text(mine.id, "again")
        await until(lambda: texts(ben) == ["hello", "again"])
        await world.close()
        one, other = await some(relay, 2)
        await subscribe(relay, other, address(Browser(service)))
        await send(relay, one, other, b"knock")
        await knocks(service, 1)


if __name__ == "__main__":
    asyncio.run(session(Path(sys.argv[1])))
