"""kill -9, a full disk, a second relay: what was accepted is there, what was refused never was."""

from __future__ import annotations

import asyncio
import contextlib
import os
import resource
import secrets
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from websockets.exceptions import ConnectionClosed

from chappe.wire import frames
from tests.relay import stores
from tests.relay.test_activation import failure
from tests.relay.test_attachments import begin
from tests.relay.test_groups import Group, state
from tests.relay.world import RelayProcess


async def test_killed_between_accepted_and_delivery(data_dir: Path) -> None:
    own = RelayProcess(data_dir)
    try:
        ada, bob = await own.device("ada"), await own.device("bob")
        group = Group()
        async with own.sign_in(ada) as a:
            id_ = await a.send_accepted([bob], b"durable")
            await a.say(group.commit(0, [bob], b"a commit"))
            await a.hear(frames.Accepted)
            own.kill()
        own.start()
        assert state(own, group) is not None
        async with own.sign_in(bob) as b, own.sign_in(ada) as a:
            delivered = await b.hear(frames.Deliver)
            assert (delivered.sequence, delivered.id, delivered.payload) == (1, id_, b"durable")
            assert (await b.hear(frames.Deliver)).payload == b"a commit"
            await a.send_accepted([bob], b"durable", id_)
            await b.silence()
    finally:
        own.kill()


async def test_killed_while_messages_pour_in(data_dir: Path) -> None:
    """Twice killed in full flow: all that was accepted is there, once, in order; a client that sends
    again what it has no answer for loses nothing either."""
    own = RelayProcess(data_dir, sends_burst=1_000_000)
    ids = [secrets.token_bytes(16) for _ in range(3_000)]
    accepted = 0
    try:
        ada, bob = await own.device("ada"), await own.device("bob")
        for round_ in range(3):
            async with own.sign_in(ada) as a:
                with contextlib.suppress(ConnectionClosed):
                    for number in range(accepted, len(ids)):
                        await a.send([bob], b"%d" % number, ids[number], number)
                        if round_ < 2 and number - accepted == 600:
                            own.kill()
                    while accepted < len(ids):
                        assert (await a.hear(frames.Accepted)).id == ids[accepted]
                        accepted += 1
                with contextlib.suppress(ConnectionClosed, AssertionError):
                    while round_ < 2:
                        assert (await a.hear(frames.Accepted)).id == ids[accepted]
                        accepted += 1
            if round_ < 2:
                own.start()
        assert accepted == len(ids)
        async with own.sign_in(bob) as b:
            for number, id_ in enumerate(ids):
                delivered = await b.hear(frames.Deliver)
                assert (delivered.sequence, delivered.id) == (number + 1, id_)
                await b.say(frames.Ack(delivered.sequence))
            await b.silence()
    finally:
        own.kill()


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A real file system of four mebibytes; skips where mounting is not allowed."""
    mounted = tmp_path / "disk"
    mounted.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", str(mounted)]
    if os.geteuid() != 0 or subprocess.run(command, capture_output=True, check=False).returncode != 0:
        pytest.skip("mounting a small file system is not allowed here")
    yield mounted
    subprocess.run(["umount", "-l", str(mounted)], check=True)


async def test_a_full_disk(small_disk: Path) -> None:
    own = RelayProcess(small_disk / "data")
    try:
        ada, bob = await own.device("ada"), await own.device("bob")
        async with own.sign_in(ada) as a:
            stored = [await a.send_accepted([bob], b"before")]
            refused = 0
            payload = secrets.token_bytes(300_000)
            for _ in range(40):
                id_ = await a.send([bob], payload)
                answer = await a.hear(frames.Frame)
                if isinstance(answer, frames.Accepted):
                    stored.append(id_)
                else:
                    assert isinstance(answer, frames.Refusal)
                    assert answer.code == "storage.full"
                    refused += 1
            assert refused > 10
            # No room for a group either, and no half of it.
            group = Group()
            await a.say(group.commit(0, [bob], payload, [frames.WelcomeFor([bob.id], payload)]))
            assert await a.refused() == "storage.full"
            assert state(own, group) is None
        # Nothing that was accepted is lost, by a relay that was killed on the full disk at that.
        own.kill()
        own.start()
        async with own.sign_in(bob) as b:
            for number, id_ in enumerate(stored):
                delivered = await b.hear(frames.Deliver)
                assert (delivered.sequence, delivered.id) == (number + 1, id_)
                if number % 3 == 2:
                    # May be refused room, too; it is made good below.
                    await b.say(frames.Ack(delivered.sequence))
        _make_room(own.data_dir.parent)
        async with own.sign_in(bob) as b, own.sign_in(ada) as a:
            id_ = await a.send_accepted([bob], b"after")
            while (delivered := await b.hear(frames.Deliver)).id != id_:
                await b.say(frames.Ack(delivered.sequence))
    finally:
        own.kill()


def _make_room(mounted: Path) -> None:
    subprocess.run(["mount", "-o", "remount,size=16m", str(mounted)], check=True, capture_output=True)


@pytest.mark.sqlite_alone("the limit is on its own files; PostgreSQL says 53100, see test_postgres.py")
async def test_a_database_at_its_limit(data_dir: Path) -> None:
    """As above, on any machine: the largest file that the process may write is small."""
    limit = 3 * 1024 * 1024

    def small_files() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, resource.RLIM_INFINITY))

    own = RelayProcess(data_dir, preexec=small_files)
    try:
        ada, bob = await own.device("ada"), await own.device("bob")
        stored = []
        async with own.sign_in(ada) as a:
            for _ in range(30):
                id_ = await a.send([bob], secrets.token_bytes(300_000))
                answer = await a.hear(frames.Frame)
                if isinstance(answer, frames.Accepted):
                    stored.append(id_)
                else:
                    assert isinstance(answer, frames.Refusal)
                    assert answer.code in ("storage.full", "storage.failed")
            assert 0 < len(stored) < 30
        own.kill()
        roomy = RelayProcess(data_dir)
        try:
            async with roomy.sign_in(bob) as b, roomy.sign_in(ada) as a:
                stored.append(await a.send_accepted([bob], b"after"))
                for number, id_ in enumerate(stored):
                    delivered = await b.hear(frames.Deliver)
                    assert (delivered.sequence, delivered.id) == (number + 1, id_)
                    await b.say(frames.Ack(delivered.sequence))
        finally:
            roomy.kill()
    finally:
        own.kill()


async def test_an_upload_that_does_not_fit_the_disk(data_dir: Path) -> None:
    def small_files() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (3 * 1024 * 1024, resource.RLIM_INFINITY))

    own = RelayProcess(data_dir, preexec=small_files)
    data = secrets.token_bytes(6 * 1024 * 1024)
    try:
        async with own.http() as http:
            upload = await begin(own, http, len(data))
            answer = await upload.patch(0, data)
            assert (answer.status_code, failure(answer)) == (507, "storage.full")
        own.kill()
        roomy = RelayProcess(data_dir)
        try:
            async with roomy.http() as http:
                upload.http = http
                offset = await upload.offset()
                assert (await upload.patch(offset, data[offset:])).status_code == 204
                assert (await upload.get()).content == data
        finally:
            roomy.kill()
    finally:
        own.kill()


async def test_stopped_politely_with_a_log_that_names_nobody(data_dir: Path) -> None:
    own = RelayProcess(data_dir, log_level="debug")
    try:
        ada = await own.device("adalovelace")
        async with own.sign_in(ada) as a:
            await a.send_accepted([ada], b"x")
            await a.say(frames.Lookup(1, "nobodyhere@localhost"))
            assert await a.refused() == "address.unknown"
            assert await asyncio.to_thread(own.stop) == 0
            assert await a.closed() == 1012
    finally:
        own.kill()
    # All of the log is in the database, which no other process holds.
    if own.settings.database_url is None:
        assert stores.rows(own.settings, "PRAGMA integrity_check") == [("ok",)]
    assert stores.rows(own.settings, "SELECT count(*) FROM entries") == [(1,)]
    assert "takes connections" in own.log
    assert "has stopped" in own.log
    for name in ("adalovelace", "nobodyhere", "127.0.0.1", ada.id.hex(), "::1"):
        assert name not in own.log
