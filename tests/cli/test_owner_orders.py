"""A lost device of one's own line, by commands of another: locked, signed out, erased; how far that got."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from pathlib import Path

import pytest

from chappe.client import Phone
from tests.cli.world import People, Ran, inside
from tests.client.world import place_of

PIN = "294817"


@dataclass
class Line:
    """Ada's devices, each with a home; commands run in this process, where most of what they take is their
    start."""

    people: People

    def address(self, name: str) -> str:
        return self.people.address(name)

    def run(self, name: str, *words: str) -> Ran:
        return inside("--home", self.people.home(name), *words)

    def ok(self, name: str, *words: str) -> Ran:
        ran = self.run(name, *words)
        assert ran.status == 0, ran.err
        return ran

    async def link(self, *names: str) -> None:
        place = place_of(self.people.relay)
        async with await Phone.open(Path(self.people.home("ada"))) as ada:
            for name in names:
                shown: asyncio.Future[str] = asyncio.get_running_loop().create_future()
                linking = asyncio.create_task(
                    Phone.link(Path(self.people.home(name)), place, shown.set_result)
                )
                adding = asyncio.create_task(ada.add_device(await shown))
                async with await linking as device:
                    await adding
                    await device.settled(60)


@pytest.fixture
def line(people: People) -> Line:
    """Ada with two more devices, and a conversation that all of them are in."""
    made = Line(people)
    for name in ("ada", "ben"):
        made.ok(name, "activate", people.link(), "--name", people.address(name))
    made.ok("ada", "send", people.address("ben"), "hello")
    asyncio.run(made.link("tablet", "laptop"))
    return made


def device_of(line: Line, name: str) -> str:
    (found,) = [one for one in line.ok(name, "devices", "list", "--json").json if one["this"]]
    return str(found["device"])


def lock_with_pin(line: Line, name: str, folder: Path) -> list[str]:
    """Gives the options that unlock it."""
    pin = folder / "pin"
    pin.write_text(PIN + "\n")
    file = ["--pin-file", str(pin)]
    line.ok(name, "lock", *file)
    return file


def test_locked_signed_out_and_erased_from_another_device(line: Line, tmp_path: Path) -> None:
    tablet, laptop = device_of(line, "tablet"), device_of(line, "laptop")
    pin = lock_with_pin(line, "tablet", tmp_path)
    line.ok("tablet", "unlock", *pin)

    locked = line.ok("ada", "devices", "lock", tablet[:8], "--reason", "left on a desk", "--yes")
    assert "is given" in locked.out
    assert line.run("tablet", "receive").status != 0, "the order locks it when it comes online"
    line.ok("tablet", "unlock", *pin)
    line.ok("tablet", "lock", *pin)
    (stages,) = line.ok("ada", "erase", "status", "--json").json
    assert (stages["kind"], stages["reason"], stages["by"]) == ("lock", "left on a desk", [])
    (device,) = stages["devices"]
    assert (device["device"], device["done_at"] is not None) == (tablet, True)

    out = line.ok("ada", "devices", "revoke", laptop[:8], "--reason", "sold", "--yes")
    assert "revoked" in out.err.lower()
    erased = line.ok("ada", "erase", tablet[:8], "--reason", "left in a taxi", "--yes")
    # In plain words: what it does, and what it does not.
    assert "never opens again" in erased.err
    assert "does NOT" in erased.err or "does not" in erased.err
    shown = {one["kind"]: one for one in line.ok("ada", "erase", "status", "--json").json}
    (gone,) = shown["erase"]["devices"]
    assert gone["unreadable_at"] is not None
    assert gone["done_at"] is None, "it has not shown up"
    assert gone["removed"] == gone["conversations"] == 1
    (sold,) = shown["revoke"]["devices"]
    assert (sold["unreadable_at"], sold["removed"]) == (None, 1)

    # Its own right PIN opens nothing any more, and it erases itself.
    assert line.run("tablet", "unlock", *pin).status == 47
    (order,) = line.ok("ada", "erase", "status", shown["erase"]["order"][:8], "--json").json
    assert order["devices"][0]["done_at"] is not None, "by its receipt"
    table = line.ok("ada", "erase", "status").out
    for word in ("left in a taxi", "sold", "left on a desk"):
        assert word in table
    assert len(line.ok("ada", "devices").lines) == 1
    assert line.run("laptop", "receive").status != 0
    # The others go on, without them.
    line.ok("ada", "send", line.address("ben"), "still here")
    assert [m["text"] for m in line.ok("ben", "receive", "--json").json][-1] == "still here"


def test_what_is_refused_does_nothing(line: Line) -> None:
    mine, tablet = device_of(line, "ada"), device_of(line, "tablet")
    ben = line.address("ben")
    for words, status in (
        (["erase", tablet[:8], "--reason", " ", "--yes"], 2),
        (["erase", tablet[:8], "--reason", "lost"], 2),
        (["erase", tablet[:3], "--reason", "lost", "--yes"], 2),
        (["erase", "00000000", "--reason", "lost", "--yes"], 2),
        (["erase", mine[:8], "--reason", "lost", "--yes"], 2),
        (["erase", line.address("ada"), "--reason", "lost", "--yes"], 2),
        (["erase", f"{ben}/{tablet[:8]}", "--reason", "lost", "--yes"], 2),
        (["devices", "revoke", mine[:8], "--reason", "lost", "--yes"], 2),
        (["devices", "lock", mine[:8], "--reason", "lost", "--yes"], 2),
        (["devices", "lock", tablet[:8], "--reason", " ", "--yes"], 2),
        (["erase", "status", "feedfeed"], 119),
    ):
        assert line.run("ada", *words).status == status, words
    assert line.ok("ada", "erase", "status").lines == ["No orders."]
    assert line.run("ben", "erase", tablet[:8], "--reason", "mine", "--yes").status == 2, "another line's"
    assert len(line.ok("ada", "devices").lines) == 3
