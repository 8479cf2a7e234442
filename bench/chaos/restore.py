"""`chappe chaos restore`: the relay dies with its disk, and comes back from a backup that is older than what
its phones know.

A trial: people with enrolled shares write to each other; a backup is made beside the running relay, at a
moment of chance; more is written, read and acknowledged, some of it waits, and officers erase a phone. Then
the disk is gone, but for what outlived it: the log and the shares, or the log alone. `chappe restore` brings
the relay back, and people go on. Phones take what is numbered above the last that they took, as real ones do,
so that a number that went back would hide a message: their journals say whether one was, or came twice.

The control is a plain copy of the database, put back by hand: there messages must be found hidden.
"""

from __future__ import annotations

import asyncio
import random
import secrets
import shutil
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import httpx
from tests.client.office import Office
from tests.client.world import World
from tests.relay.fleet_world import new_device
from tests.relay.shares.test_routes import Line
from tests.relay.shares.world import Owner
from tests.relay.world import Device, RelayProcess, Wire, activate

from bench.chaos.base import Options, Report, claim
from chappe.relay.backup.restoring import restore
from chappe.relay.backup.taking import take
from chappe.wire import frames
from chappe.wire.errors import ChappeError
from chappe.wire.orders import Target

TITLE = "An old backup is restored: what was erased stays erased, and what is said from then on arrives once"

TRIALS: Final = 2
TRIALS_LARGE: Final = 100
PEOPLE: Final = 4
SURVIVORS: Final = (("tlog", "shares"), ("tlog",))


@dataclass
class Person:
    """A phone of frames alone, and its journal. `high`: the last number it took; what is not above it, it
    takes for something that it has."""

    device: Device
    line: Line
    high: int = 0
    got: list[bytes] = field(default_factory=list)
    owed: list[bytes] = field(default_factory=list)
    """Ids that somebody was told `accepted` for, to this one, since the restore, in their order."""


@dataclass
class Journal:
    accepted: int = 0
    lost: int = 0
    doubled: int = 0
    erased: int = 0
    wrong: list[str] = field(default_factory=list)


def run(options: Options) -> Report:
    journal, control = Journal(), Journal()
    trials = TRIALS_LARGE if options.large else TRIALS
    for number in range(trials):
        options.tell(number, trials)
        chance = random.Random(f"{options.seed} {number}")
        asyncio.run(Trial(options.folder / str(number), chance, journal, SURVIVORS[number % 2]).run())
        shutil.rmtree(options.folder / str(number), ignore_errors=True)
    chance = random.Random(options.seed)
    asyncio.run(Trial(options.folder / "control", chance, control, None).run())
    figures: dict[str, int | float | str] = {
        "erased_phones": journal.erased,
        "control_hidden": control.lost,
        "people": PEOPLE,
    }
    if journal.wrong:
        figures["faults"] = "\n".join(journal.wrong)
    return Report(
        name="restore",
        passed=not journal.lost and not journal.doubled and not journal.wrong and control.lost > 0,
        trials=trials,
        accepted=journal.accepted,
        lost=journal.lost,
        doubled=journal.doubled,
        figures=figures,
        can_claim=(
            f"Of restores of a backup of any moment: {claim(trials, min(trials, len(journal.wrong)))}. Of "
            f"messages accepted after one: {claim(journal.accepted, journal.lost + journal.doubled)}."
        ),
        cannot_claim=(
            "What was accepted between backup and loss and not fetched is lost, as docs/operating.md says. "
            "Without the log that outlived the disk, erasures since the backup are not known. Conversations "
            "of real phones (MLS) are for tests/client/test_backup.py."
        ),
    )


class Trial:
    """`survivors`: what of the disk outlives the loss; None for the control."""

    def __init__(
        self, folder: Path, chance: random.Random, journal: Journal, survivors: tuple[str, ...] | None
    ) -> None:
        folder.mkdir(parents=True)
        self.folder = folder
        self.chance = chance
        self.journal = journal
        self.survivors = survivors
        self.people: list[Person] = []

    async def run(self) -> None:
        self.relay = RelayProcess(
            self.folder / "data", attempts_burst=100_000, sends_burst=100_000, sends_per_second=100_000
        )
        try:
            self.office = Office(World(self.relay, self.folder))
            async with self.relay.http() as http:
                self.people = [await self._person(http) for _ in range(PEOPLE)]
                await self._before()
                victim = await self._since()
            await self._lose_and_restore()
            async with self.relay.http() as http:
                await self._after(http, victim)
        finally:
            self.relay.kill()

    async def _person(self, http: httpx.AsyncClient) -> Person:
        device = new_device(self.office.of, f"p{secrets.token_hex(6)}@localhost")
        answer = await activate(http, device, self.office.code())
        assert answer.status_code == 200, answer.text
        person = Person(device, Line(http, device, Owner(device.id)))
        async with self.relay.sign_in(device) as wire:
            assert isinstance(await person.line.enrol(wire), frames.Done)
        return person

    # --- before and after the backup

    async def _before(self) -> None:
        """Some is read, some waits; in the middle of it the backup is made."""
        for who in range(PEOPLE):
            await self._say(who, self.chance.randint(1, 6))
        for who in self.chance.sample(range(PEOPLE), self.chance.randint(0, PEOPLE - 1)):
            await self._read(self.people[who])
        if self.survivors is None:
            # By hand: stopped, copied, started.
            self.relay.stop()
            shutil.copytree(self.relay.data_dir, self.folder / "copy")
            self.relay.start()
        else:
            saying = asyncio.create_task(self._say(0, 20))
            await asyncio.to_thread(take, self.relay.data_dir, self.folder / "copy")
            await saying

    async def _since(self) -> Person:
        """All that the backup does not know. Gives who was erased."""
        for who in range(PEOPLE):
            await self._say(who, self.chance.randint(1, 4))
        victim, *readers = self.chance.sample(self.people, PEOPLE)
        for person in (victim, *readers):
            await self._read(person)
        assert (await victim.line.guess()).status == "open"
        given = await self.office.give("erase", Target(victim.device.certificate.line_id, victim.device.id))
        assert given.unreadable
        self.journal.erased += 1
        # What waits when the disk dies is lost, and nobody claims more.
        await self._say(self.people.index(readers[0]), 2)
        return victim

    async def _lose_and_restore(self) -> None:
        """Stopped, so that the published log, which may be a second behind, is at the database's head."""
        relay = self.relay
        if self.survivors is None:
            relay.kill()
            shutil.rmtree(relay.data_dir)
            shutil.copytree(self.folder / "copy", relay.data_dir)
        else:
            relay.stop()
            lost = relay.data_dir.with_name("lost")
            relay.data_dir.rename(lost)
            relay.data_dir.mkdir()
            for name in self.survivors:
                (lost / name).rename(relay.data_dir / name)
            await asyncio.to_thread(restore, relay.settings, self.folder / "copy")
        relay.start()

    # --- and then

    async def _after(self, http: httpx.AsyncClient, victim: Person) -> None:
        for person in self.people:
            person.line.http = http
            person.owed.clear()
        if self.survivors is not None:
            await self._stays_out(victim)
        living = [person for person in self.people if person is not victim]
        for _ in range(3):
            for person in living:
                await self._say(self.people.index(person), self.chance.randint(1, 8), living)
            for person in self.chance.sample(living, self.chance.randint(1, len(living))):
                await self._read(person)
        for person in living:
            await self._read(person)
            self._judge(person)
            if self.survivors is not None:
                await self._unlocks(person)

    def _judge(self, person: Person) -> None:
        journal = self.journal
        journal.accepted += len(person.owed)
        journal.lost += len(set(person.owed) - set(person.got))
        journal.doubled += len(person.got) - len(set(person.got))
        wanted = set(person.owed)
        if not journal.lost and [id_ for id_ in person.got if id_ in wanted] != person.owed:
            journal.wrong.append("what came after the restore is in another order")

    async def _stays_out(self, victim: Person) -> None:
        """Not let in, and the right PIN opens nothing."""
        async with self.relay.connect() as wire:
            await wire.say(victim.device.sign_in(wire.hello))
            answer = await wire.hear_any()
            if isinstance(answer, frames.Welcome):
                self.journal.wrong.append("an erased phone is let in")
        try:
            guess = victim.line.owner.guess(await victim.line.service(), await self._challenge(victim))
            answer_to = await victim.line.post(guess.sealed)
        except ChappeError:
            return
        if answer_to.status_code == 200 and (await self._opened(victim)):
            self.journal.wrong.append("an erased phone opens")

    async def _challenge(self, person: Person) -> bytes:
        try:
            return await person.line.challenge()
        except AssertionError:
            return bytes(32)

    async def _opened(self, person: Person) -> bool:
        try:
            return (await person.line.guess()).status == "open"
        except AssertionError:
            return False

    async def _unlocks(self, person: Person) -> None:
        """Where the shares outlived the disk, as ever; else after it has set its PIN anew."""
        assert self.survivors is not None
        kept = "shares" in self.survivors
        if await self._opened(person) != kept:
            self.journal.wrong.append("a phone does not open" if kept else "a share came back from a backup")
        if not kept:
            async with self.relay.sign_in(person.device) as wire:
                await person.line.enrol(wire)
            if not await self._opened(person):
                self.journal.wrong.append("a phone that sets its PIN anew does not open")

    # --- talking

    async def _say(self, who: int, count: int, to: list[Person] | None = None) -> None:
        """To all others at once; in their journals once it is accepted."""
        sender = self.people[who]
        others = [person for person in (to or self.people) if person is not sender]
        async with self.relay.sign_in(sender.device) as wire:
            for _ in range(count):
                id_ = await wire.send([person.device for person in others], secrets.token_bytes(60))
                answer = await _answer(wire)
                if not isinstance(answer, frames.Accepted):
                    self.journal.wrong.append(f"a message is refused: {answer}")
                    continue
                for person in others:
                    person.owed.append(id_)

    async def _read(self, person: Person) -> None:
        """All that waits, acknowledged."""
        async with AsyncExitStack() as stack:
            wire = await stack.enter_async_context(self.relay.sign_in(person.device))
            newest = wire.welcome.newest
            seen = 0
            while seen < newest and (frame := await _delivery(wire)) is not None:
                seen = frame.sequence
                if frame.sequence > person.high:
                    person.high = frame.sequence
                    person.got.append(frame.id)
            if seen:
                await wire.say(frames.Ack(seen))
                # In its order behind the acknowledgement: when this is answered, that is done.
                await wire.say(frames.Lookup(99, person.device.address))
                await _answer(wire)


async def _answer(wire: Wire) -> frames.Frame:
    """The next that is none of what comes by itself."""
    while True:
        answer = await wire.hear(frames.Frame)
        if not isinstance(answer, (frames.Term, frames.OrderFrame)):
            return answer


async def _delivery(wire: Wire) -> frames.Deliver | None:
    """The next one; None where nothing waits, though the number of the newest is higher: it is gone."""
    try:
        async with asyncio.timeout(1.0):
            return await wire.hear(frames.Deliver)
    except TimeoutError:
        return None
