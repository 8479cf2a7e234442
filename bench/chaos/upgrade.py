"""`chappe chaos upgrade`: from every released schema to this one, by the real `chappe serve`.

For each revision of relay and desk: databases of that revision are made by its own migrations, and every
table filled with rows as they were then (old_rows.py). `chappe serve` is started on them. Nothing may be
missing, and the people of that time go on: who was signed in signs in, is handed what waited, says again what
it had said (and that is stored once), activates by an old code, fetches an old file, moves its group on.

Then kill -9 before each statement of an upgrade (some of them, in small): what is left upgrades, and nothing
is missing. And a database of a newer Chappe is refused by name, and not touched.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
import random
import re
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, Final

import httpx
from sqlalchemy import Engine, event
from tests import zygote
from tests.relay.world import Device, RelayProcess, activate

from bench.chaos import old_rows
from bench.chaos.base import Options, Report, claim
from bench.chaos.old_rows import Past
from chappe.desk import migrations as desk_history
from chappe.relay import migrations as relay_history
from chappe.relay.locks import lock_of
from chappe.wire import api, delivery, frames
from chappe.wire.sqlite import open_engine

TITLE = "Upgrades from every released schema; kill -9 in the middle of one; a database that is too new"

RELAY: Final = "relay.db"
DESK: Final = "desk/desk.db"
BASES: Final = (RELAY, DESK)
KILLS: Final = 6
"""Of an upgrade of each database, in small."""


@dataclass
class Journal:
    """What the people of that time were promised, and what came."""

    accepted: int = 0
    lost: list[str] = field(default_factory=list)
    doubled: int = 0
    wrong: list[str] = field(default_factory=list)

    def expect(self, holds: bool, what: str) -> None:
        if not holds:
            self.wrong.append(what)


class Serve(RelayProcess):
    """`chappe serve`, with relay and desk, on a data directory."""

    def _spawn(self) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-m", "chappe.cli.main", "serve", "--data-dir", str(self.data_dir)]
        return zygote.Popen(
            [*command, "--port", str(self.port)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env=zygote.environment(),
        )

    def start(self) -> None:
        """Until it says where it listens. Raises RuntimeError with what it said instead."""
        self._process = self._spawn()
        assert self._process.stdout is not None
        said = b""
        while line := self._process.stdout.readline():
            said += line
            if found := re.search(rb"localhost:([0-9]+)", line):
                self.port = int(found[1])
                return
        self._process.wait()
        self._process = None
        raise RuntimeError(said.decode(errors="replace"))


def run(options: Options) -> Report:
    journal = Journal()
    revisions = [file.name[:4] for file in _versions(relay_history)]
    desks = [file.name[:4] for file in _versions(desk_history)]
    took = []
    for number, revision in enumerate(revisions):
        desk = desks[min(number, len(desks) - 1)]
        folder = options.folder / f"from-{revision}"
        took.append(asyncio.run(_from(folder, revision, desk, journal)))
    kills, middle = _kills(options, revisions, desks, journal)
    _too_new(options.folder / "new", journal)
    trials = len(revisions) + kills
    failures = len(journal.wrong) + len(journal.lost) + journal.doubled
    figures: dict[str, int | float | str] = {
        "relay_revisions": len(revisions),
        "desk_revisions": len(desks),
        "slowest_start_seconds": round(max(took), 2),
        "kills": kills,
        "kills_that_left_the_old_schema": middle,
    }
    if failures:
        figures["faults"] = "\n".join([*journal.wrong, *journal.lost])
    return Report(
        name="upgrade",
        passed=failures == 0,
        trials=trials,
        accepted=journal.accepted,
        lost=len(journal.lost),
        doubled=journal.doubled,
        figures=figures,
        can_claim=(
            "Every schema that was ever released, with a row in every table, comes to this one by a start "
            f"of `chappe serve`. Of kills between two statements: {claim(kills, min(kills, failures))}."
        ),
        cannot_claim=(
            "That an upgrade of millions of rows is as quick. Kills are between statements, not inside "
            "SQLite's writing (`chappe chaos power`). Rows that no release wrote are not tried."
        ),
    )


def _versions(history: Any) -> list[Path]:
    folder = Path(history.__file__).parent / "versions"
    return sorted(folder.glob("[0-9][0-9][0-9][0-9]_*.py"))


# --- from each revision


async def _from(folder: Path, revision: str, desk: str, journal: Journal) -> float:
    """Seconds that the start took."""
    past = Past()
    _make(folder, revision, desk, past)
    before = {name: old_rows.everything(folder / name) for name in BASES}
    started = time.monotonic()
    relay = Serve(folder)
    took = time.monotonic() - started
    try:
        for name, rows in before.items():
            for row in old_rows.missing(rows, old_rows.everything(folder / name)):
                journal.lost.append(f"{revision} {name}: {row}")
            journal.accepted += sum(map(len, rows.values()))
        await _people(relay, past, revision, journal)
        await _books(relay, desk, journal)
    finally:
        relay.kill()
    return took


def _make(folder: Path, revision: str, desk: str, past: Past) -> None:
    (folder / "attachments").mkdir(parents=True)
    upgrade_to(folder / "relay.db", relay_history, revision)
    old_rows.fill(folder / "relay.db", past.relay())
    (folder / "attachments" / past.attachment.hex()).write_bytes(b"photo")
    (folder / DESK).parent.mkdir()
    upgrade_to(folder / DESK, desk_history, desk)
    old_rows.fill(folder / DESK, past.desk())


async def _people(relay: RelayProcess, past: Past, revision: str, journal: Journal) -> None:
    """They go on where they were."""
    both, alone = old_rows.WAITING

    def expect(holds: bool, what: str) -> None:
        journal.expect(holds, f"{revision}: {what}")

    async with relay.sign_in(past.ada) as ada, relay.sign_in(past.ben) as ben:
        heard = [await ada.hear(frames.Deliver) for _ in range(2)]
        expect([one.payload for one in heard] == [both, alone], "what waited for Ada is another")
        expect([one.sequence for one in heard] == [1, 2], "Ada's sequence is another")
        expect(heard[0].id == past.sent, "the id of what waited is another")
        last = await ben.hear(frames.Deliver)
        expect((last.sequence, last.payload) == (8, both), "what waited for Ben is another")
        expect((ada.welcome.key_packages, ada.welcome.last_resort) == (2, True), "key packages are gone")
        await ada.say(frames.Ack(2))
        # Ben's answer was lost then: he says it again.
        if revision >= "0004":
            expect((await ben.hear(frames.Term)).stage == "active", "Ben's term is another")
        await ben.send([past.ada, past.ben], both, past.sent)
        expect(isinstance(await ben.hear(frames.Frame), frames.Accepted), "said again it is refused")
        await ben.send_accepted([past.ada], b"new")
        new = await ada.hear(frames.Deliver)
        if new.payload == both:
            journal.doubled += 1
        expect((new.sequence, new.payload) == (3, b"new"), "what is new does not come next")
        await ada.say(_commit(past))
        expect(isinstance(await ada.hear(frames.Frame), frames.Accepted), "the group does not move on")
        await ben.say(frames.Lookup(2, past.ada.address, key_packages=True))
        line = await ben.hear(frames.Line)
        found = {one.device: one.key_package for one in line.devices}
        expect(found.get(past.ada.id) == b"package 1", "the oldest key package is not handed out")
        expect(set(found) == {past.ada.id, past.second.id}, "Ada's devices are others")
    async with relay.sign_in(past.second) as second:
        expect(second.welcome.newest == 1, "Ada's second device has mail that is not its own")
    await _over_http(relay, past, revision, expect)


async def _over_http(
    relay: RelayProcess, past: Past, revision: str, expect: Callable[[bool, str], None]
) -> None:
    async with relay.connect() as wire:
        await wire.say(past.cyd.sign_in(wire.hello))
        told = await wire.hear(frames.Frame)
        refused = isinstance(told, frames.Refusal) and told.code == "signin.revoked"
        expect(refused or isinstance(told, frames.OrderFrame), "a device that was signed out is let in")
    async with relay.http() as http:
        answer = await http.get(f"/v1/attachments/{api.to_base64(past.attachment)}")
        expect(answer.content == b"photo", "an attachment is gone")
        eve = Device.of_new_line("eva@localhost")
        expect((await activate(http, eve, past.code)).status_code == 200, "a code that was sold is refused")
        if revision >= "0006":
            sealed = delivery.Sealed(os.urandom(16), [(past.ada.id, past.delivery)], b"sealed")
            body = delivery.encode(delivery.Deliver([sealed]))
            told_of = delivery.decode_answer((await http.post("/v1/deliver", content=body)).content)
            expect(isinstance(told_of.answers[0], delivery.Taken), "a delivery token does not hold")


def _commit(past: Past) -> frames.Commit:
    next_lock = lock_of(os.urandom(32))
    return frames.Commit(
        9, os.urandom(16), past.group, 5, past.opener, next_lock, [past.second.id], b"commit", []
    )


async def _books(relay: RelayProcess, desk: str, journal: Journal) -> None:
    """The desk answers a program whose token was made then."""
    wanted = {"/resellers": "0001", "/log": "0001", "/plans": "0002", "/subscribers": "0003"}
    async with relay.http() as http:
        for path, since in wanted.items():
            if since > desk:
                continue
            answer = await _get(http, path)
            rows = answer.json() if answer.status_code == 200 else {}
            journal.expect(
                any(isinstance(value, list) and value for value in rows.values()),
                f"desk {desk}: {path} answers {answer.status_code} {answer.text[:200]}",
            )


async def _get(http: httpx.AsyncClient, path: str) -> httpx.Response:
    return await http.get(f"/v1/desk{path}", headers={"Authorization": f"Bearer {old_rows.TOKEN}"})


def upgrade_to(path: Path, history: Any, revision: str) -> None:
    """By the migrations up to that one."""
    from alembic import command
    from alembic.config import Config

    engine = open_engine(path, writes=True)
    config = Config()
    config.set_main_option("script_location", str(Path(history.__file__).parent))
    with engine.connect() as connection, connection.begin():
        config.attributes["connection"] = connection
        command.upgrade(config, revision)
    engine.dispose()


# --- killed in the middle


def _kills(options: Options, revisions: list[str], desks: list[str], journal: Journal) -> tuple[int, int]:
    """(kills, those after which the old schema was still there)."""
    done = middle = 0
    chance = random.Random(options.seed)
    past = Past()
    for name, history, all_of_it in (
        (RELAY, relay_history, revisions),
        ("desk.db", desk_history, desks),
    ):
        for number, revision in enumerate(all_of_it[:-1] if options.large else all_of_it[:1]):
            options.tell(number, len(all_of_it))
            folder = options.folder / f"kill-{name}-{revision}"
            folder.mkdir()
            upgrade_to(folder / name, history, revision)
            old_rows.fill(folder / name, past.relay() if name == RELAY else past.desk())
            before = old_rows.everything(folder / name)
            statements = _count(folder / name, history)
            chosen = range(1, statements + 1)
            for at in chosen if options.large else sorted(chance.sample(chosen, min(KILLS, statements))):
                trial = folder / f"{at}" / name
                shutil.copytree(folder, trial.parent, ignore=shutil.ignore_patterns("[0-9]*"))
                middle += _kill_once(trial, history, revision, at, journal)
                for row in old_rows.missing(before, old_rows.everything(trial)):
                    journal.lost.append(f"{name} {revision}, killed at statement {at}: {row}")
                journal.accepted += sum(map(len, before.values()))
                done += 1
                shutil.rmtree(trial.parent)
    return done, middle


def _kill_once(path: Path, history: Any, revision: str, at: int, journal: Journal) -> bool:
    """Killed, and upgraded again. Gives whether the kill left the schema that was there."""
    case = f"{path.name} {revision}, killed at statement {at}"
    status = _in_child(partial(_upgrade_and_die, path, history, at))
    journal.expect(status == -signal.SIGKILL, f"{case}: it ended with {status}")
    was_old = _revision(path) == revision
    status = _in_child(partial(history.upgrade, path))
    journal.expect(status == 0, f"{case}: it does not upgrade")
    return was_old


def _in_child(work: Callable[[], None]) -> int:
    """The exit status of a child that does this and no more; negative for a signal."""
    child = os.fork()
    if child == 0:
        try:
            work()
            os._exit(0)
        except BaseException:  # noqa: BLE001 - the status says that it failed
            os._exit(1)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def _upgrade_and_die(path: Path, history: Any, at: int) -> None:
    """SIGKILL itself before the statement of that number (the commit is the last)."""
    left = [at]

    def step(*_: object) -> None:
        left[0] -= 1
        if left[0] == 0:
            os.kill(os.getpid(), signal.SIGKILL)

    event.listen(Engine, "before_cursor_execute", step)
    event.listen(Engine, "commit", step)
    history.upgrade(path)


def _count(path: Path, history: Any) -> int:
    """The statements of an upgrade, with its commit."""
    copy = path.with_suffix(".counted")
    shutil.copy(path, copy)
    done = [0]

    def step(*_: object) -> None:
        done[0] += 1

    event.listen(Engine, "before_cursor_execute", step)
    event.listen(Engine, "commit", step)
    try:
        history.upgrade(copy)
    finally:
        event.remove(Engine, "before_cursor_execute", step)
        event.remove(Engine, "commit", step)
        for left in path.parent.glob("*.counted*"):
            left.unlink()
    return done[0]


def _revision(path: Path) -> str:
    with closing(sqlite3.connect(path)) as connection:
        (found,) = connection.execute("SELECT version_num FROM alembic_version").fetchone()
    return str(found)


# --- too new


def _too_new(folder: Path, journal: Journal) -> None:
    """Both databases, one after the other: refused by name, and as they were."""
    past = Past()
    for name in BASES:
        data = folder / name.partition(".")[0]
        _make(data, _versions(relay_history)[-1].name[:4], _versions(desk_history)[-1].name[:4], past)
        with closing(sqlite3.connect(data / name)) as connection, connection:
            connection.execute("UPDATE alembic_version SET version_num = '9999'")
        before = hashlib.sha256((data / name).read_bytes()).digest()
        try:
            relay = Serve(data)
        except RuntimeError as problem:
            journal.expect("newer Chappe" in str(problem), f"{name} too new: {problem}")
        else:
            relay.kill()
            journal.expect(False, f"{name} of a newer Chappe is served")
        journal.expect(hashlib.sha256((data / name).read_bytes()).digest() == before, f"{name} was touched")
