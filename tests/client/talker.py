"""A phone in a process of its own, for tests that kill: `python -m tests.client.talker HOME PLAN`.

PLAN is JSON: `group` (its name), `texts` (how many to send), `pause` (the longest between two, in seconds),
`expect` (how many texts in all), `file` (a path to send, or null), `files` (how many to save), `folder`
(where to), `stay` (a path: end when it is there). It may be killed and started again at any time: it goes on
where its store says it is.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import random
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from chappe.client import Phone, ShownMessage
from chappe.wire.errors import ChappeError, Unreachable


async def talk(home: Path, plan: dict[str, Any]) -> None:
    phone = await Phone.open(home)
    async with phone:
        group = await joined(phone, plan["group"])
        sending = asyncio.create_task(send_all(phone, group, plan))
        saving = asyncio.create_task(save_all(phone, group, plan))
        await asyncio.gather(sending, saving)
        await until(lambda: len(texts(phone, group)) >= plan["expect"])
        done = Path(plan["folder"]) / "done"
        done.touch()
        await until(Path(plan["stay"]).exists)
        await phone.settled(60)


async def until(holds: Callable[[], bool]) -> None:
    """For as long as it takes. Looking takes a tenth of the time at the most: it reads all that was said."""
    while True:
        began = time.monotonic()
        if holds():
            return
        await asyncio.sleep(max(0.05, 9 * (time.monotonic() - began)))


async def joined(phone: Phone, name: str) -> bytes:
    def groups() -> list[bytes]:
        return [one.id for one in phone.conversations() if one.name == name and len(one.members) > 1]

    await until(lambda: bool(groups()))
    return groups()[0]


async def send_all(phone: Phone, group: bytes, plan: dict[str, Any]) -> None:
    sent = len([m for m in texts(phone, group) if m.mine])
    for number in range(sent, plan["texts"]):
        await phone.send_text(group, f"{phone.address} {number:04}")
        await asyncio.sleep(random.uniform(0, plan["pause"]))
    under_way = not phone._engine.transfers.idle
    if plan["file"] and not under_way and not any(m.mine and m.kind == "file" for m in all_of(phone, group)):
        # Once: where the relay stays away, the file goes out by itself.
        with contextlib.suppress(Unreachable):
            await phone.send_file(group, Path(plan["file"]))


async def save_all(phone: Phone, group: bytes, plan: dict[str, Any]) -> None:
    def files() -> list[bytes]:
        return [message.id for message in all_of(phone, group) if message.kind == "file"]

    await until(lambda: len(files()) >= plan["files"])
    for id_ in files() if plan["files"] else []:
        target = Path(plan["folder"]) / f"{id_.hex()}.bin"
        if not target.exists():
            await patiently(lambda i=id_, t=target: phone.save_file(i, t))


async def patiently(call: Any) -> None:
    """Again as long as the relay is away; anything else is a failure of the test."""
    while True:
        try:
            await call()
        except ChappeError as problem:
            if not problem.code.startswith("network."):
                raise
        else:
            return


def all_of(phone: Phone, group: bytes) -> list[ShownMessage]:
    return phone.messages(group, 100_000)


def texts(phone: Phone, group: bytes) -> list[ShownMessage]:
    return [message for message in phone.messages(group, 100_000) if message.kind == "text"]


if __name__ == "__main__":
    asyncio.run(talk(Path(sys.argv[1]), json.loads(sys.argv[2])))
