"""`python -m bench.phone --messages 10000 --members 100 --json`: the phone's page in Chromium.

A relay of its own, and one phone in a headless browser; all others are Python phones in this process, and all
share the same cores. The messages are real: a Python phone sends them, the page's worker takes them in. Then
the page is loaded anew: lock screen, unlocking, list, search. Last comes a conversation of many members.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import statistics
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from dataclasses import asdict, dataclass
from pathlib import Path

from tests.client.world import World
from tests.e2e.browser import missing
from tests.relay.world import RelayProcess

from bench.phone_page import Loaded, PhonePage, phone_page
from chappe.client import Phone

CONVERSATIONS = 10
WORDS_OF_A_MESSAGE = 8
VOCABULARY = 3_000
PATIENCE_SECONDS = 600.0
COMMITS = 3
ONLINE = 3
"""Members of the large conversation that stay: each takes all in on the same cores."""
LINE = "ada"


@dataclass(frozen=True, slots=True)
class Spread:
    """Milliseconds."""

    p50: float
    p95: float
    runs: int


@dataclass(frozen=True, slots=True)
class Stored:
    """With so many messages in the store. Milliseconds unless named otherwise."""

    messages: int
    taken_in_per_second: float
    lock_screen_ms: Spread
    unlock_to_list_ms: Spread
    open_conversation_ms: Spread
    send_to_shown_ms: Spread
    send_to_sent_ms: Spread
    receive_ms: Spread
    search_ms: dict[str, float]
    worker_mib: float
    page_and_worker_mib: float


@dataclass(frozen=True, slots=True)
class Crowd:
    """One conversation of so many members, seen from the browser. Milliseconds unless named otherwise. Of the
    members, a few are online; the others have left their key packages and are away, as most are."""

    members: int
    online: int
    create_ms: float
    join_ms: float
    roster_ms: Spread
    own_commit_ms: Spread
    remove_ms: Spread
    add_ms: Spread
    others_commit_ms: Spread
    send_to_sent_ms: Spread
    receive_ms: Spread
    worker_mib: float


@dataclass(frozen=True, slots=True)
class Result:
    loaded: Loaded
    activate_ms: float
    stored: Stored
    crowd: Crowd | None


def main(argv: list[str]) -> int:
    """Measure and print; gives the exit status."""
    options = _options(argv)
    lacking = missing()
    if lacking:
        print(lacking)
        return 1
    with tempfile.TemporaryDirectory(dir=options.dir) as folder:
        result = asyncio.run(_measure(Path(folder), options))
    if options.json:
        print(json.dumps(asdict(result)))
    else:
        _print("", asdict(result))
    return 0


def _options(argv: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="bench.phone", description=__doc__)
    parser.add_argument("--messages", type=int, default=10_000, help="stored before the page is opened")
    parser.add_argument("--rounds", type=int, default=50, help="messages sent and received, one by one")
    parser.add_argument("--openings", type=int, default=5, help="how often the page is loaded and unlocked")
    parser.add_argument("--members", type=int, default=100, help="of the large conversation; 0 for none")
    parser.add_argument("--dir", default=None, help="where the data is put for the while")
    parser.add_argument("--json", action="store_true")
    return parser.parse_args(argv)


def _print(name: str, value: object) -> None:
    if isinstance(value, dict):
        for key, inner in value.items():
            _print(f"{name} {key.replace('_', ' ')}".strip(), inner)
    else:
        print(f"{name:44} {value:,.1f}" if isinstance(value, float) else f"{name:44} {value}")


async def _measure(folder: Path, options: argparse.Namespace) -> Result:
    relay = RelayProcess(folder / "relay", forked=False, attempts_burst=1_000_000)
    world = World(relay, folder)
    try:
        async with phone_page(relay.port) as page:
            loaded = await page.open()
            activated = await page.activate(relay.code(), LINE)
            stored = await _measure_stored(page, world, options)
            # A long run that breaks off later has said this much.
            print(json.dumps(asdict(stored)), file=sys.stderr)
            crowd = await _measure_crowd(page, world, options) if options.members else None
        return Result(_rounded(loaded), round(activated, 1), stored, crowd)
    finally:
        await world.close()
        relay.stop()


def _rounded(loaded: Loaded) -> Loaded:
    return Loaded(loaded.bytes, loaded.files, loaded.largest, round(loaded.first_view_ms, 1))


def _spread(times: list[float]) -> Spread:
    ordered = sorted(times)
    ninety_fifth = ordered[min(len(ordered) - 1, int(len(ordered) * 0.95))]
    return Spread(round(statistics.median(ordered), 1), round(ninety_fifth, 1), len(ordered))


def _mib(size: int) -> float:
    return round(size / 2**20, 1)


# --- many messages


async def _measure_stored(page: PhonePage, world: World, options: argparse.Namespace) -> Stored:
    (ben,) = await world.phones("ben")
    address = f"{LINE}@{world.relay.server_name}"
    names = [f"room {number:02}" for number in range(CONVERSATIONS)]
    groups = [(await ben.create_group(name, [address])).id for name in names]
    per_second = await _fill(page, ben, groups, options.messages)
    locks, unlocks, openings = await _open_often(page, names, options.openings)
    await page.open_conversation(names[0])
    shown, sent = await _send_often(page, options.rounds)
    received = await _receive_often(page, ben, groups[0], options.rounds)
    await page.back()
    words = _vocabulary()
    asked = {"a frequent word": words[0], "a rare word": words[-1], "a beginning": words[5][:3]}
    found = {name: round(await page.search(query), 1) for name, query in asked.items()}
    worker, whole = await page.memory()
    return Stored(
        options.messages,
        round(per_second, 1),
        _spread(locks),
        _spread(unlocks),
        _spread(openings),
        _spread(shown),
        _spread(sent),
        _spread(received),
        found,
        _mib(worker),
        _mib(whole),
    )


def _vocabulary() -> list[str]:
    """Made-up words, the frequent ones first."""
    chance = random.Random(7)
    syllables = [first + second for first in "bcdfglmnprstv" for second in ("a", "e", "i", "o", "ou", "an")]
    return ["".join(chance.choices(syllables, k=chance.randint(2, 4))) for _ in range(VOCABULARY)]


async def _fill(page: PhonePage, ben: Phone, groups: list[bytes], count: int) -> float:
    """Messages that were taken in a second, from the first one's sending to the last one's being stored."""
    chance, words = random.Random(11), _vocabulary()
    weights = [1 / (rank + 1) for rank in range(len(words))]
    began = time.monotonic()
    texts = [" ".join(chance.choices(words, weights, k=WORDS_OF_A_MESSAGE)) for _ in range(count)]
    texts[0] += f" {words[-1]}"
    for start in range(0, count, len(groups)):
        some = zip(groups, texts[start : start + len(groups)], strict=False)
        await asyncio.gather(*(ben.send_text(group, text) for group, text in some))
    await _until_unread(page, count)
    per_second = count / (time.monotonic() - began)
    for one in await page.call("conversations"):
        await page.call("markRead", one["id"])
    return per_second


async def _until_unread(page: PhonePage, count: int) -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while sum(one["unread"] for one in await page.call("conversations")) < count:
        if time.monotonic() > deadline:
            raise RuntimeError("the browser did not take the messages in")
        await asyncio.sleep(0.25)


async def _open_often(
    page: PhonePage, names: list[str], times: int
) -> tuple[list[float], list[float], list[float]]:
    locks, unlocks, openings = [], [], []
    for number in range(times):
        locks.append(await page.reload())
        unlocks.append(await page.unlock(len(names)))
        openings.append(await page.open_conversation(names[number % len(names)]))
        await page.back()
    return locks, unlocks, openings


async def _send_often(page: PhonePage, rounds: int) -> tuple[list[float], list[float]]:
    times = [await page.send(f"out {number:04}.") for number in range(rounds)]
    return [shown for shown, _ in times], [sent for _, sent in times]


async def _receive_often(page: PhonePage, sender: Phone, group: bytes, rounds: int) -> list[float]:
    """From a Python phone's call to the frame that shows the message."""
    times = []
    for number in range(rounds):
        text = f"in {number:04}."
        times.append(await _until_seen(page.seen, text, lambda t=text: sender.send_text(group, t)))  # type: ignore[misc]
    return times


async def _until_seen(
    watch: Callable[[str], Awaitable[float]], what: str, do: Callable[[], Awaitable[object]]
) -> float:
    """From the beginning of `do` to the frame that shows what comes of it."""
    seen = asyncio.ensure_future(watch(what))
    await asyncio.sleep(0.05)
    began = time.time()
    await do()
    return await seen - began * 1000


# --- many members


async def _measure_crowd(page: PhonePage, world: World, options: argparse.Namespace) -> Crowd:
    others, addresses = await _others(world, options.members - 1)
    first = others[0]
    created = await page.timed("createGroup", "crowd", addresses)
    (group,) = [one["id"] for one in await page.call("conversations") if one["name"] == "crowd"]
    id_ = bytes.fromhex(group)
    _say("made", created)
    await _until_in(others, id_)
    await page.open_conversation("crowd")
    rosters = [await page.timed("roster", group) for _ in range(COMMITS)]
    removed, added = [], []
    for _ in range(COMMITS):
        removed.append(await page.timed("remove", group, addresses[-1]))
        added.append(await page.timed("add", group, addresses[-1]))
    _say("removed and added", *removed, *added)
    own = [await page.timed("rename", group, f"crowd {number}") for number in range(COMMITS)]
    theirs = []
    for number in range(COMMITS):
        name = f"their crowd {number}"
        theirs.append(await _until_seen(page.titled, name, lambda n=name: first.rename(id_, n)))  # type: ignore[misc]
    _say("commits", *own, *theirs)
    _, sent = await _send_often(page, options.rounds)
    received = await _receive_often(page, first, id_, options.rounds)
    await page.back()
    _say("sent and received")
    joined = await _join(page, first, id_, world.relay.server_name)
    worker, _ = await page.memory()
    return Crowd(
        options.members,
        1 + len(others),
        round(created, 1),
        round(joined, 1),
        _spread(rosters),
        _spread(own),
        _spread(removed),
        _spread(added),
        _spread(theirs),
        _spread(sent),
        _spread(received),
        _mib(worker),
    )


async def _others(world: World, count: int) -> tuple[list[Phone], list[str]]:
    """So many lines, of which the first few stay online; and the addresses of all."""
    online, addresses = [], []
    for number in range(count):
        name = f"p{number:02}"
        (phone,) = await world.phones(name)
        addresses.append(phone.address)
        if number < ONLINE:
            online.append(phone)
        else:
            await world.shut(name)
    return online, addresses


def _say(what: str, *times: float) -> None:
    """A long run that breaks off later has said this much."""
    print(what, *(round(one) for one in times), file=sys.stderr, flush=True)


async def _until_in(phones: list[Phone], group: bytes) -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not all(any(one.id == group for one in phone.conversations()) for phone in phones):
        if time.monotonic() > deadline:
            raise RuntimeError("the members did not come in")
        await asyncio.sleep(0.1)


async def _join(page: PhonePage, member: Phone, group: bytes, server: str) -> float:
    """Put out, and let in again: from the beginning of another's commit to the list."""
    address = f"{LINE}@{server}"
    await member.remove(group, address)
    await page.listed("crowd", left=True)
    return await _until_seen(page.listed, "crowd", lambda: member.add(group, address))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
