"""`chappe chaos disk`, small: each kind of fault, at operations spread over what the relay does."""

from __future__ import annotations

import errno
import secrets
from pathlib import Path

import pytest
from bench.chaos import disk
from bench.chaos.base import Options
from bench.chaos.crew import GIVE_UP_EVERY, Crew
from bench.chaos.journals import Sent
from bench.chaos.shim import ALL, FOR_GOOD, SYNCS, Disk, compiled

from chappe.wire import frames
from chappe.wire.errors import error
from tests.bench.compiler import needs_compiler
from tests.relay.world import RelayProcess


@needs_compiler
@pytest.mark.slow
def test_a_disk_that_fails_loses_nothing_and_is_named(tmp_path: Path) -> None:
    report = disk.run(Options(seed=4, large=False, folder=tmp_path), faults=12)
    assert report.passed, report.as_text()
    assert report.trials >= 8
    assert int(report.figures["refusals_storage"]) > 0
    assert int(report.figures["went_on"]) > 0
    assert int(report.figures["other_promises_kept"]) > 0


async def test_what_nobody_answered_is_never_given_up(tmp_path: Path) -> None:
    """The relay may have taken it before it died: a refusal, when it is said again, is no word on that."""
    relay = RelayProcess(tmp_path)
    crew = Crew(relay, "judge", size=2, window=8)
    try:
        await crew.enter()
        await crew.until(lambda: all(member.newest is not None for member in crew.members))
        crew.go_on(16)
        relay.kill()
        relay.start()
        await crew.finish()
    finally:
        await crew.leave()
        relay.kill()
    sent = list(crew.journals.sent.values())
    assert len(sent) == 16
    assert all(message.doubted for message in sent)
    full = error("storage.full")
    refusal = frames.Refusal(1, full.code, full.message)
    assert not any(crew.gives_up(message, refusal) for message in sent)
    answered = Sent(secrets.token_bytes(16), sent[0].sender, GIVE_UP_EVERY, sent[0].to, b"text")
    assert crew.gives_up(answered, refusal)


@needs_compiler
async def test_who_is_told_that_nothing_was_accepted_can_rely_on_it(tmp_path: Path) -> None:
    """A disk that is full has not taken the end of a transaction. One whose fsync fails may have: a loss of
    power then may bring it back, and so the answer says that it is not known."""
    data = tmp_path / "data"
    data.mkdir()
    faulty = Disk(tmp_path, data, compiled(tmp_path))
    faulty.begin()
    relay = RelayProcess(data, environment=faulty.environment)
    try:
        ada, ben = await relay.device("ada"), await relay.device("ben")
        async with relay.sign_in(ada) as wire, relay.sign_in(ben) as bens:
            ids = [secrets.token_bytes(16) for _ in range(2)]
            for id_, why, kinds, code, known in (
                (ids[0], errno.ENOSPC, ALL & ~SYNCS, "storage.full", True),
                (ids[1], errno.EIO, SYNCS, "storage.failed", False),
            ):
                faulty.fail(1, why, kinds, times=FOR_GOOD)
                await wire.send([ben], b"text", id_)
                refusal = await wire.hear(frames.Refusal)
                faulty.heal()
                assert refusal.code == code
                assert ("nothing was accepted" in refusal.message) is known
                assert ("not known" in refusal.message) is not known
                await wire.send_accepted([ben], b"text", id_)
                assert (await bens.hear(frames.Deliver)).id == id_
    finally:
        relay.kill()
