"""`chappe chaos clocks`: clocks that are wrong by up to ten years, of the relay and of phones.

The relay's: people have mail waiting, terms, shares, key packages, a code and an attachment. The relay is
started again on a clock that is wrong (its own Clock, shifted.py), sweeps, and people go on; then on the
right one, which the operator confirms. While the clock is wrong a request may be refused by name. Nothing
that was accepted, before or meanwhile, may be missing afterwards, no line closed, no share gone.

A phone's (real ones, with MLS): it writes and is written to with a wrong clock, is closed and opened; then
the clock is right again. Both have every text once, its key packages still open, a stranger can reach it.
"""

from __future__ import annotations

import asyncio
import random
import secrets
import sqlite3
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from contextlib import closing, suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Final

import httpx
from tests import zygote
from tests.client.world import World, alarms, meet, texts, until
from tests.relay.shares.test_routes import Line
from tests.relay.shares.world import Owner
from tests.relay.test_attachments import Upload
from tests.relay.world import Device, RelayProcess, activate

from bench.chaos.base import Options, Report, claim
from bench.chaos.shifted import swept_file
from chappe.client import Phone
from chappe.relay.new_codes import new_codes
from chappe.wire import frames
from chappe.wire.clock_guard import ClockGuard
from chappe.wire.errors import ChappeError

TITLE = (
    "Clocks from ten years back to ten years ahead, of the relay and of phones: nothing is dropped or closed"
)

DAY: Final = 24 * 3600
YEARS: Final = 3_650
OFFSETS: Final = (-YEARS, YEARS)
"""Days, always tried; `--large` adds those below, and more by chance."""
MORE_OFFSETS: Final = (-400, -31, -8, -1, 1, 8, 31, 400)
BY_CHANCE: Final = 20
WAITING: Final = 3


@dataclass
class Journal:
    accepted: int = 0
    lost: int = 0
    doubled: int = 0
    refused: Counter[str] = field(default_factory=Counter)
    """Codes of refusals while a clock was wrong."""
    wrong: list[str] = field(default_factory=list)

    def expect(self, holds: bool, what: str) -> None:
        if not holds:
            self.wrong.append(what)


class Shifted(RelayProcess):
    """A relay on a clock of ours."""

    @property
    def clock_file(self) -> Path:
        return self.data_dir.parent / "offset"

    def set_clock(self, days: float) -> None:
        """Before it is started."""
        swept_file(self.clock_file).unlink(missing_ok=True)
        self.clock_file.write_text(str(days * DAY), encoding="ascii")

    async def swept(self) -> None:
        """The sweep of the start is over."""
        await until(swept_file(self.clock_file).exists, "the sweep")

    def _spawn(self) -> subprocess.Popen[bytes]:
        options: list[str] = ["--data-dir", str(self.data_dir), "--port", str(self.port)]
        for name, value in self._given.items():
            options += [f"--{name.replace('_', '-')}", str(value)]
        with self._log_path.open("ab") as log:
            return zygote.Popen(
                [sys.executable, "-m", "bench.chaos.shifted", str(self.clock_file), *options],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=log,
                env=zygote.environment(),
            )


def run(options: Options) -> Report:
    journal = Journal()
    chance = random.Random(options.seed)
    offsets: list[float] = list(OFFSETS)
    if options.large:
        offsets += [*MORE_OFFSETS, *(chance.uniform(-YEARS, YEARS) for _ in range(BY_CHANCE))]
    for number, days in enumerate(offsets):
        options.tell(number, 2 * len(offsets))
        folder = options.folder / f"relay-{number}"
        folder.mkdir()
        asyncio.run(_relay_is_wrong(folder, days, journal))
    for number in range(len(offsets)):
        (options.folder / "phones" / str(number)).mkdir(parents=True)
    asyncio.run(_phones_are_wrong(options.folder / "phones", offsets, journal))
    trials = 2 * len(offsets)
    figures: dict[str, int | float | str] = {
        "relay_clocks": len(offsets),
        "phone_clocks": len(offsets),
        "farthest_years": 10,
        "refused_meanwhile": ", ".join(f"{code} {times}" for code, times in sorted(journal.refused.items())),
    }
    if journal.wrong:
        figures["faults"] = "\n".join(journal.wrong)
    return Report(
        name="clocks",
        passed=not journal.wrong and not journal.lost and not journal.doubled,
        trials=trials,
        accepted=journal.accepted,
        lost=journal.lost,
        doubled=journal.doubled,
        figures=figures,
        can_claim=(
            f"Of clocks wrong by up to ten years: {claim(trials, min(trials, len(journal.wrong)))}. Of "
            f"messages accepted around them: {claim(journal.accepted, journal.lost + journal.doubled)}."
        ),
        cannot_claim=(
            "That TLS goes on for a phone without a pin whose clock is wrong: its system refuses the "
            "certificate. Messages that are to disappear do so by the phone's clock, and a past epoch's keys "
            "are forgotten by it: what was under way in that epoch is then shown as a gap."
        ),
    )


# --- the relay's clock


async def _relay_is_wrong(folder: Path, days: float, journal: Journal) -> None:
    relay = Shifted(folder / "data", start=False, sweep_seconds=3600, attempts_burst=100_000)
    relay.set_clock(0)
    relay.start()
    case = f"the relay's clock is {days:+.0f} days wrong"
    try:
        async with relay.http() as http:
            people = await People.of(relay, http)
            await people.write(WAITING)
            await relay.swept()
        relay.kill()
        relay.set_clock(days)
        relay.start()
        async with relay.http() as http:
            people.take_up(http)
            await relay.swept()
            await people.try_everything(journal)
        relay.kill()
        relay.set_clock(0)
        # As `chappe desk clock --confirm` does it.
        ClockGuard(relay.data_dir, time.time).confirm()
        relay.start()
        async with relay.http() as http:
            people.take_up(http)
            await relay.swept()
            await people.check(case, journal)
    finally:
        relay.kill()


@dataclass
class People:
    """Ada writes, Ben (whose line has a term) reads some of it."""

    relay: Shifted
    ada: Device
    ben: Device
    line: Line
    upload: Upload
    code: str
    accepted: list[bytes] = field(default_factory=list)
    got: list[bytes] = field(default_factory=list)

    @classmethod
    async def of(cls, relay: Shifted, http: httpx.AsyncClient) -> People:
        ada = await relay.device("ada")
        ben = Device.of_new_line("ben@localhost")
        code, spare = new_codes(relay.settings, 2).codes
        assert (await activate(http, ben, code)).status_code == 200
        _give_term(relay, ben.certificate.line_id)
        line = Line(http, ben, Owner(ben.id))
        async with relay.sign_in(ben) as wire:
            assert isinstance(await wire.hear(frames.Frame), frames.Term)
            assert isinstance(await line.enrol(wire), frames.Done)
            await wire.say(frames.PublishKeyPackages(1, [b"one", b"two"], b"last"))
            await wire.hear(frames.Done)
        async with relay.sign_in(ada) as wire:
            await wire.say(frames.NewAttachment(6, 5))
            upload = Upload(http, await wire.hear(frames.Ticket))
        assert (await upload.patch(0, b"photo")).status_code == 204
        return cls(relay, ada, ben, line, upload, spare)

    def take_up(self, http: httpx.AsyncClient) -> None:
        self.line.http = self.upload.http = http

    async def write(self, count: int) -> None:
        async with self.relay.sign_in(self.ada) as wire:
            for _ in range(count):
                self.accepted.append(await wire.send_accepted([self.ben], secrets.token_bytes(50)))

    async def read(self, count: int | None = None) -> None:
        """So many, or all."""
        async with self.relay.sign_in(self.ben) as wire:
            last = 0
            while last < wire.welcome.newest and count != 0:
                frame = await wire.hear(frames.Deliver)
                self.got.append(frame.id)
                last = frame.sequence
                count = None if count is None else count - 1
            if last:
                await wire.say(frames.Ack(last))
                await wire.say(frames.Lookup(99, self.ada.address))
                while not isinstance(await wire.hear(frames.Frame), frames.Line):
                    pass

    async def try_everything(self, journal: Journal) -> None:
        """With the clock wrong: each is done, or refused by name; the helpers assert what they are told."""
        tried: list[Callable[[], Awaitable[None]]] = [
            partial(self.write, WAITING),
            partial(self.read, 1),
            self._open,
            self._stranger,
        ]
        for work in tried:
            try:
                await work()
            except AssertionError as problem:
                found = [code for code in REFUSALS if code in str(problem)]
                journal.expect(bool(found), f"with a wrong clock: {problem}"[:300])
                journal.refused[found[0] if found else "none"] += 1

    async def _open(self) -> None:
        assert (await self.line.guess()).status in ("open", "wait")

    async def _stranger(self) -> None:
        await self.relay.device("eve" + secrets.token_hex(4))

    async def check(self, case: str, journal: Journal) -> None:
        """The clock is right again."""
        await self.write(1)
        await self.read()
        journal.accepted += len(self.accepted)
        journal.lost += len(set(self.accepted) - set(self.got))
        journal.doubled += len(self.got) - len(set(self.got))
        if set(self.accepted) - set(self.got):
            journal.wrong.append(f"{case}: messages are gone")
        elif self.got != self.accepted:
            journal.wrong.append(f"{case}: another order")
        journal.expect((await self.line.guess()).status == "open", f"{case}: the share is gone")
        journal.expect((await self.upload.get()).content == b"photo", f"{case}: an attachment is gone")
        async with self.relay.sign_in(self.ben) as wire:
            journal.expect(wire.welcome.key_packages == 2, f"{case}: key packages are gone")
            term = await wire.hear(frames.Frame)
            journal.expect(
                isinstance(term, frames.Term) and term.stage == "active", f"{case}: the term is over"
            )
        late = Device.of_new_line(f"late{secrets.token_hex(4)}@localhost")
        answer = await activate(self.line.http, late, self.code)
        journal.expect(answer.status_code == 200, f"{case}: a code that was sold is refused: {answer.text}")
        with closing(sqlite3.connect(self.relay.settings.database)) as connection:
            (closed,) = connection.execute(
                "SELECT count(*) FROM lines WHERE closed_at IS NOT NULL"
            ).fetchone()
        journal.expect(closed == 0, f"{case}: {closed} lines are closed")


def _give_term(relay: RelayProcess, line: bytes) -> None:
    """A hundred days more, from today's midnight."""
    ends = int(time.time()) // DAY * DAY + 100 * DAY
    term = (ends, time.gmtime(ends - 1).tm_mday, 6, line)
    with closing(sqlite3.connect(relay.settings.database, timeout=20)) as connection, connection:
        connection.execute(
            "UPDATE lines SET term_ends = ?, term_day = ?, term_months = ? WHERE line = ?", term
        )


REFUSALS: Final = ("Term(stage='closed'", "certificate.invalid", "code.expired")
"""What a relay on a wrong clock may say no by: the term is over, as it sees it; the device's certificate is
not of today; the code is too old."""


# --- a phone's clock


async def _phones_are_wrong(folder: Path, offsets: list[float], journal: Journal) -> None:
    """Ada's clock is right. Ben's is wrong, and then right again; strangers look for him both times."""
    relay = RelayProcess(folder / "data", attempts_burst=100_000, packages_per_day=1_000)
    try:
        for number, days in enumerate(offsets):
            world = World(relay, folder / str(number))
            try:
                await _phone_is_wrong(world, days, journal)
            finally:
                world.is_honest = False
                await world.close()
    finally:
        relay.kill()


async def _phone_is_wrong(world: World, days: float, journal: Journal) -> None:
    case = f"a phone's clock is {days:+.0f} days wrong"
    ada, ben, cyd = await world.phones("ada", "ben", "cyd")
    mine, theirs = await meet(ada, ben)
    said = Said(journal, ada, ben, mine.id, theirs.id)
    await said.both("before")
    packages = _packages(ben)

    await world.shut("ben")
    ben = said.ben = await _open(world, "ben", days)
    await said.both("meanwhile")
    await _reach(cyd, ben, journal, must=False)
    await ben.settled(30)

    await world.shut("ben")
    ben = said.ben = await _open(world, "ben", 0)
    await said.both("after")
    journal.expect(ben.ended is None, f"{case}: it is ended")
    gone = packages - _packages(ben) - _used(ben)
    journal.expect(not gone, f"{case}: {len(gone)} key packages do not open any more")
    now = int(time.time())
    last = ben._engine.core.store.all("SELECT expires FROM key_packages WHERE last_resort = 1")
    journal.expect(
        any(now < expires <= now + 91 * DAY for (expires,) in last), f"{case}: no last resort that is of now"
    )
    (dan,) = await world.phones("dan")
    await _reach(dan, ben, journal, must=True, case=case)
    for phone in (ada, ben):
        journal.expect(not alarms(phone), f"{case}: {alarms(phone)}")
    said.judge(case)


async def _open(world: World, name: str, days: float) -> Phone:
    phone = await Phone.open(world.home(name))
    phone._engine.core._clock = lambda: time.time() + days * DAY
    await world._enter(name, phone)
    await phone.wait_online(30)
    return phone


def _packages(phone: Phone) -> set[bytes]:
    return {bytes(row[0]) for row in phone._engine.core.store.all("SELECT ref FROM key_packages")}


def _used(phone: Phone) -> set[bytes]:
    """Those that let it into a conversation, and are gone for that."""
    return {bytes.fromhex(key.partition("/")[2]) for key, _ in phone._engine.core.store.all_of("spent/")}


async def _reach(phone: Phone, other: Phone, journal: Journal, *, must: bool, case: str = "") -> None:
    """A conversation begins, or is refused by name."""
    try:
        await phone.conversation_with(other.address)
        await phone.settled(30)
        await until(
            lambda: any(c.name == phone.address for c in other.conversations()), "the conversation", 20
        )
    except (ChappeError, AssertionError) as problem:
        journal.expect(not must, f"{case}: nobody reaches it: {problem}")
        code = problem.code if isinstance(problem, ChappeError) else "not reached"
        journal.refused[code] += 1


def _has(phone: Phone, address: str) -> bool:
    return any(one.name == address for one in phone.conversations())


@dataclass
class Said:
    """What two wrote to each other: accepted is what left the phone, and was told `sent`."""

    journal: Journal
    ada: Phone
    ben: Phone
    mine: bytes
    theirs: bytes
    words: list[str] = field(default_factory=list)

    async def both(self, when: str) -> None:
        for number in range(3):
            for who, phone, where in (("ada", self.ada, self.mine), ("ben", self.ben, self.theirs)):
                await phone.send_text(where, f"{who} {when} {number}")
                self.words.append(f"{who} {when} {number}")
        for phone in (self.ada, self.ben):
            await phone.settled(30)
        with suppress(AssertionError):
            await until(self._all_there, "what they say", 30)

    def _all_there(self) -> bool:
        return all(set(self.words) <= set(texts(phone)) for phone in (self.ada, self.ben))

    def judge(self, case: str) -> None:
        for phone in (self.ada, self.ben):
            found = Counter(texts(phone))
            lost = [word for word in self.words if word not in found]
            self.journal.accepted += len(self.words)
            self.journal.lost += len(lost)
            self.journal.doubled += sum(times - 1 for times in found.values())
            self.journal.expect(not lost, f"{case}: lost {lost}")
