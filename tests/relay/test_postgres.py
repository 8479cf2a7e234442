"""What is PostgreSQL's alone: addresses, promises of a server, several writers at once, lost connections.

All else of the relay runs on it in the other files (`--store`).
"""

from __future__ import annotations

import asyncio
import itertools
import secrets
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg
import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import create_engine, exc, insert

from bench import postgres
from chappe.relay import migrations, stored
from chappe.relay.config import Settings, load_settings
from chappe.relay.disclosing import held_by_relay, lines_at
from chappe.relay.failures import is_lost, storage_failure
from chappe.relay.figures import figures
from chappe.relay.mailroom import AckOperation, Mailroom, SendOperation
from chappe.relay.new_codes import new_code
from chappe.relay.ports import Arrival, Outcome, Stored, Unit
from chappe.relay.schema import metadata
from chappe.relay.storage import Database, change, look, open_database, statements_of
from chappe.relay.storage.postgres import set_numbers
from chappe.relay.tables import devices, entries, lines, mailboxes, payloads, shares
from chappe.relay.writer import Answers, Writer
from chappe.wire import frames
from chappe.wire.errors import ChappeError
from tests import zygote
from tests.relay import stores
from tests.relay.world import RelayProcess

PATIENCE = 60.0


@pytest.fixture
def settings(tmp_path: Path) -> Iterator[Settings]:
    data_dir = stores.place(tmp_path / "data", "postgres")
    data_dir.mkdir()
    yield load_settings({}, data_dir=data_dir, **stores.given(data_dir))
    stores.leave(data_dir)


@pytest.fixture
def database(settings: Settings) -> Database:
    return open_database(settings)


def person(database: Database) -> tuple[bytes, int]:
    """A device that takes mail, and its mailbox."""
    device = secrets.token_bytes(16)
    with change(database) as connection:
        key = connection.execute(insert(mailboxes).values(gone_sequence=0, gone_bytes=0)).inserted_primary_key
        assert key is not None
        rest = {"line": b"l" * 16, "certificate": b"c", "signature_key": b"k" * 32, "created_at": 0}
        connection.execute(insert(devices).values(device=device, mailbox=key[0], **rest))
    return device, key[0]


class Gateway:
    """A writer as a relay process has one, and what it answered."""

    def __init__(self, database: Database) -> None:
        mailroom = Mailroom(max_items=100_000, max_bytes=2**30, keep_seconds=1_000)
        self.arrived: list[Arrival] = []
        self.doubts = 0
        self._writer = Writer(database, mailroom, lambda: 1_000.0, self._report, doubted=self._doubted)
        self._writer.start()

    def _doubted(self) -> None:
        self.doubts += 1

    def _report(self, answers: Answers, arrivals: list[Arrival]) -> None:
        self.arrived += arrivals
        for answer, outcome in answers:
            answer(outcome)

    def submit(self, operation: object) -> Callable[[], Outcome]:
        """Gives what waits for the outcome."""
        told, found = threading.Event(), []

        def answer(outcome: Outcome) -> None:
            found.append(outcome)
            told.set()

        def wait() -> Outcome:
            assert told.wait(PATIENCE)
            return found[0]

        self._writer.submit(operation, answer)  # type: ignore[arg-type]
        return wait

    def run(self, operation: object) -> Outcome:
        return self.submit(operation)()

    def stop(self) -> None:
        self._writer.stop()


@pytest.fixture
def gateways(database: Database) -> Iterator[tuple[Gateway, Gateway]]:
    pair = Gateway(database), Gateway(database)
    yield pair
    for one in pair:
        one.stop()


def send(to: list[bytes], payload: bytes, id_: bytes | None = None) -> SendOperation:
    return SendOperation(id_ or secrets.token_bytes(16), to, payload)


def count(settings: Settings, table: str) -> int:
    return int(stores.rows(settings, f"SELECT count(*) FROM {table}")[0][0])


# --- addresses


@pytest.mark.parametrize(
    "url",
    [
        "mysql://u:sesame@h/d",
        "postgresql://u:sesame@h:port/d",
        "postgresql://u:sesame@h/d?nothing=1",
        "sesame",
    ],
)
def test_an_address_that_is_none(tmp_path: Path, url: str) -> None:
    with pytest.raises(ChappeError) as caught:
        open_database(load_settings({}, data_dir=tmp_path, database_url=url))
    assert caught.value.code == "usage.invalid"
    assert "sesame" not in str(caught.value)


def test_to_another_machine_it_is_said_whether_the_way_is_encrypted(tmp_path: Path) -> None:
    def opened(rest: str) -> object:
        url = f"postgresql://u:sesame@{rest}"
        return open_database(load_settings({}, data_dir=tmp_path, database_url=url))

    for plain in ("db.example/d", "127.0.0.1,db.example/d", "db.example/d?sslmode=prefer", "10.0.0.1/d"):
        with pytest.raises(ChappeError, match="sslmode=verify-full"):
            opened(plain)
    for fit in (
        "127.0.0.1/d",
        "localhost:5433,[::1]/d",
        "/d?host=/run/postgresql",
        "a,b/d?sslmode=verify-full",
    ):
        assert "sesame" not in repr(opened(fit))
    opened("db.example/d?sslmode=disable")


def test_the_password_is_in_no_text(tmp_path: Path) -> None:
    settings = load_settings(
        {"CHAPPE_DATABASE_URL": "postgresql://u:sesame@127.0.0.1:1/d"}, data_dir=tmp_path
    )
    database = open_database(settings)
    with pytest.raises(ChappeError) as caught:
        database.upgrade()
    assert caught.value.code == "storage.failed"
    assert "cannot be reached" in caught.value.message
    for shown in (repr(settings), str(settings), repr(database), repr(vars(caught.value)), str(caught.value)):
        assert "sesame" not in shown


def test_a_command_that_is_not_told_the_address_makes_no_second_database(settings: Settings) -> None:
    open_database(settings).upgrade()
    new_code(settings)
    with pytest.raises(ChappeError, match="CHAPPE_DATABASE_URL"):
        new_code(load_settings({}, data_dir=settings.data_dir))
    assert not settings.database.exists()


# --- what a server must promise


@pytest.mark.parametrize(
    "promise", ["synchronous_commit = off", "synchronous_commit = local", "synchronous_commit = remote_write"]
)
def test_a_server_that_may_lose_what_it_stored_is_refused(settings: Settings, promise: str) -> None:
    (name,) = stores.rows(settings, "SELECT current_database()")[0]
    stores.rows(settings, f"ALTER DATABASE {name} SET {promise}")
    with pytest.raises(ChappeError) as caught:
        open_database(settings).upgrade()
    assert caught.value.code == "storage.failed"
    assert promise in caught.value.message
    gateway = Gateway(open_database(settings))
    refused = gateway.run(send([b"d" * 16], b"x"))
    gateway.stop()
    assert isinstance(refused, ChappeError)
    assert refused.code == "storage.failed"


def test_what_a_connection_promises_stays_for_its_life(settings: Settings) -> None:
    """Whatever becomes of the server's configuration meanwhile."""
    with open_database(settings).engine(writes=True).connect() as connection:
        found = connection.exec_driver_sql(
            "SELECT setting, source FROM pg_settings WHERE name = 'synchronous_commit'"
        ).one()
    assert tuple(found) == ("on", "session")


def test_without_fsync_it_is_refused(tmp_path: Path) -> None:
    with postgres.running(postgres.SMALL | {"fsync": "off", "full_page_writes": "off"}) as server:
        settings = load_settings({}, data_dir=tmp_path, database_url=server.url())
        with pytest.raises(ChappeError, match="fsync = off, full_page_writes = off"):
            open_database(settings).upgrade()
        # A server that takes no writes, as a standby is, is none either.
        server.execute("ALTER SYSTEM SET default_transaction_read_only = on")
        server.execute("SELECT pg_reload_conf()")
        with pytest.raises(ChappeError, match="takes no writes"):
            open_database(settings).upgrade()


# --- the tables


def test_the_migrated_schema_is_the_described_one(settings: Settings) -> None:
    assert settings.database_url is not None
    url = settings.database_url.get_secret_value()
    engine = create_engine("postgresql+psycopg://", creator=lambda: psycopg.connect(url))
    with engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert list(compare_metadata(context, metadata)) == []
    engine.dispose()


def test_several_may_upgrade_at_once_and_a_newer_one_is_left_alone(tmp_path: Path) -> None:
    name = f"fresh_{secrets.token_hex(4)}"
    settings = load_settings({}, data_dir=tmp_path, database_url=stores.server().create(name))
    problems: list[BaseException] = []

    def run() -> None:
        try:
            open_database(settings).upgrade()
        except BaseException as problem:  # noqa: BLE001 - handed to the test
            problems.append(problem)

    threads = [threading.Thread(target=run) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert problems == []
    assert stores.rows(settings, "SELECT version_num FROM alembic_version") == [(migrations.HEAD,)]
    stores.rows(settings, "UPDATE alembic_version SET version_num = '9999'")
    with pytest.raises(ChappeError, match="newer Chappe"):
        open_database(settings).upgrade()
    stores.server().drop(name)


def test_numbers_go_on_after_rows_were_copied_in(settings: Settings, database: Database) -> None:
    with change(database) as connection:
        connection.execute(insert(mailboxes).values(mailbox=41, gone_sequence=0, gone_bytes=0))
        connection.execute(insert(payloads).values(payload=1_000, at=0, data=b""))
        set_numbers(connection)
    assert person(database)[1] == 42
    with change(database) as connection:
        numbers = statements_of(connection).payload_numbers(connection, 2)
        assert list(itertools.islice(numbers, 5)) == [1_001, 1_002, 1_003, 1_004, 1_005]


# --- several writers


def test_two_gateways_file_into_the_same_mailboxes_at_once(
    settings: Settings, database: Database, gateways: tuple[Gateway, Gateway]
) -> None:
    """Sequences without a gap or a double, each seen only after the one before; what all took is gone."""
    people = [person(database) for _ in range(4)]
    ids, boxes = [device for device, _ in people], [box for _, box in people]
    watched: list[list[int]] = []
    done = threading.Event()

    def watch() -> None:
        """As a reader: what it sees of a mailbox is never missing one before the last."""
        while not done.is_set():
            with look(database) as connection:
                found = connection.execute(
                    entries.select().where(entries.c.mailbox == boxes[0]).order_by(entries.c.sequence)
                ).all()
            watched.append([row.sequence for row in found])

    def pour(gateway: Gateway, order: list[bytes]) -> None:
        waiting = []
        for number in range(150):
            # In opposite orders: locks taken as they come would wait for each other.
            to = order[: 1 + number % 4]
            waiting.append(gateway.submit(send(to, b"%d" % number)))
            if number % 10 == 9:
                # A batch of its own now and then, not one of all.
                waiting[-1]()
        assert all(isinstance(wait(), Stored) for wait in waiting)

    threads = [
        threading.Thread(target=watch),
        threading.Thread(target=pour, args=(gateways[0], ids)),
        threading.Thread(target=pour, args=(gateways[1], ids[::-1])),
    ]
    for thread in threads:
        thread.start()
    for thread in threads[1:]:
        thread.join()
    done.set()
    threads[0].join()
    for box in boxes:
        rows = stores.rows(settings, "SELECT sequence FROM entries WHERE mailbox = ? ORDER BY sequence", box)
        assert [row[0] for row in rows] == list(range(1, len(rows) + 1))
    assert all(seen == list(range(1, len(seen) + 1)) for seen in watched)
    assert count(settings, "payloads") == 300
    places = sorted(place for gateway in gateways for one in gateway.arrived for place in one.places)
    assert len(places) == len(set(places)) == count(settings, "entries")
    # Both acknowledge shared payloads at once, in opposite orders.
    waits = [
        gateway.submit(AckOperation(box, 2**40))
        for gateway, order in ((gateways[0], boxes[:2]), (gateways[1], boxes[:1:-1]))
        for box in order
    ]
    assert [wait() for wait in waits] == [None] * 4
    assert [count(settings, table.name) for table in (entries, payloads, shares)] == [0, 0, 0]


def test_the_same_message_at_two_gateways_is_stored_once(
    settings: Settings, database: Database, gateways: tuple[Gateway, Gateway]
) -> None:
    """Into one mailbox; and into none, where nothing but the id itself is in the way of the second."""
    device, _ = person(database)
    gone, _ = person(database)
    stores.rows(settings, "UPDATE devices SET revoked_at = 1 WHERE device = ?", gone)
    for to in ([device], [gone]):
        for _ in range(40):
            id_ = secrets.token_bytes(16)
            waits = [gateway.submit(send(to, b"same", id_)) for gateway in gateways]
            assert all(isinstance(wait(), Stored) for wait in waits)
    assert (count(settings, "entries"), count(settings, "sent_ids")) == (40, 80)
    # Something else under that id is refused, whoever was first.
    outcomes = [
        gateway.submit(send([device], text, b"i" * 16))
        for gateway, text in zip(gateways, (b"one", b"two"), strict=True)
    ]
    told = [wait() for wait in outcomes]
    assert sorted(one.code if isinstance(one, ChappeError) else "" for one in told) == ["", "id.reused"]


class Alone:
    """An operation of any other kind. Waits until it may end."""

    weight = 1

    def __init__(self) -> None:
        self.running, self.may_end = threading.Event(), threading.Event()

    def run(self, unit: Unit) -> object:
        del unit
        self.running.set()
        assert self.may_end.wait(PATIENCE)
        return "alone"


def test_what_is_no_message_has_the_database_to_itself(
    database: Database, gateways: tuple[Gateway, Gateway]
) -> None:
    device, _ = person(database)
    alone = Alone()
    first = gateways[0].submit(alone)
    assert alone.running.wait(PATIENCE)
    sent = gateways[1].submit(send([device], b"x"))
    _until(lambda: _waiting_for_locks(database) == 1)
    assert gateways[1].arrived == []
    alone.may_end.set()
    assert first() == "alone"
    assert isinstance(sent(), Stored)


class Unfit:
    weight = 1

    def run(self, unit: Unit) -> object:
        unit.connection.execute(devices.select().where(devices.c.device == b"")).all()
        unit.connection.exec_driver_sql("SELECT 1 FROM lines WHERE address = %s", ("nul\0",))
        return None


def test_a_text_that_it_cannot_hold_refuses_its_operation_alone(
    database: Database, gateways: tuple[Gateway, Gateway]
) -> None:
    refused = gateways[0].run(Unfit())
    assert isinstance(refused, ChappeError)
    assert refused.code == "storage.failed"
    assert isinstance(gateways[0].run(send([person(database)[0]], b"x")), Stored)


# --- lost connections


def _until(happened: Callable[[], bool]) -> None:
    until = time.monotonic() + PATIENCE
    while not happened():
        assert time.monotonic() < until
        time.sleep(0.01)


def _activity(database: Database, what: str) -> int:
    with look(database) as connection:
        return int(
            connection.exec_driver_sql(
                f"SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND {what}"
            ).scalar_one()
        )


def _waiting_for_locks(database: Database) -> int:
    return _activity(database, "wait_event_type = 'Lock'")


def _end_all(settings: Settings) -> None:
    stores.rows(
        settings,
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
        "WHERE datname = current_database() AND pid <> pg_backend_pid()",
    )


def test_a_connection_that_died_unnoticed_costs_nothing(
    settings: Settings, database: Database, gateways: tuple[Gateway, Gateway]
) -> None:
    device, _ = person(database)
    gateway = gateways[0]
    for number in range(3):
        assert isinstance(gateway.run(send([device], b"%d" % number)), Stored)
        _end_all(settings)
    alone = Alone()
    alone.may_end.set()
    assert gateway.run(alone) == "alone"
    assert gateway.doubts == 0


def test_a_commit_that_nobody_knows_of(tmp_path: Path) -> None:
    """The server commits, waits for a standby that is not there, and the connection is cut: a message is
    found by its id and told as stored, once; of anything else it is said that nobody knows."""
    options = postgres.SMALL | {"max_wal_senders": "2", "wal_level": "replica"}
    with postgres.running(options) as server:
        settings = load_settings({}, data_dir=tmp_path, database_url=server.url())
        database = open_database(settings)
        database.upgrade()
        device, _ = person(database)
        gateway = Gateway(database)
        assert isinstance(gateway.run(send([device], b"first")), Stored)

        def cut(operation: object) -> Outcome:
            # Started with it: told to a running server, its checkpointer makes it known when it gets to it.
            _standby(server, "somebody")
            server.kill()
            server.start()
            told = gateway.submit(operation)
            _until(lambda: _activity(database, "wait_event = 'SyncRep'") == 1)
            server.kill()
            server.start()
            _standby(server, "")
            return told()

        # Killed before it said so; and yet it is on the disk, and comes back with the server.
        id_ = secrets.token_bytes(16)
        again = cut(send([device], b"second", id_))
        assert isinstance(again, (Stored, ChappeError))
        assert isinstance(gateway.run(send([device], b"second", id_)), Stored)
        assert gateway.doubts == 1
        assert count(settings, "entries") == 2
        alone = Alone()
        alone.may_end.set()
        # Nothing is written by it: the server has nothing to wait with, and it simply ends.
        assert gateway.run(alone) == "alone"
        unknown = cut(Insert())
        assert isinstance(unknown, ChappeError)
        assert "not known" in unknown.message
        assert count(settings, "codes") == 1
        gateway.stop()


class Insert:
    """What would be done twice if it were tried again."""

    weight = 1

    def run(self, unit: Unit) -> object:
        unit.connection.exec_driver_sql(
            "INSERT INTO codes (digest, created_at, expires_at) VALUES (%s, 1, 2)", (secrets.token_bytes(32),)
        )
        return "inserted"


def _standby(server: postgres.Server, name: str) -> None:
    server.execute(f"ALTER SYSTEM SET synchronous_standby_names = '{name}'")
    server.execute("SELECT pg_reload_conf()")


@pytest.mark.parametrize(
    ("state", "code", "lost"),
    [
        ("53100", "storage.full", False),
        ("42501", "storage.unwritable", False),
        ("57P01", "storage.failed", True),
        ("25006", "storage.failed", True),
        ("08006", "storage.failed", True),
        ("XX001", "storage.failed", False),
    ],
)
def test_what_the_server_says_has_a_code(state: str, code: str, lost: bool) -> None:
    """And no word of its own, which may name people."""
    original = psycopg.errors.lookup(state)("of ada@localhost")
    problem = exc.DBAPIError("SELECT 1", None, original)
    failure = storage_failure(problem)
    assert (failure.code, is_lost(problem)) == (code, lost)
    assert "ada" not in failure.message


# --- an operator's commands


def test_commands_beside_it(settings: Settings) -> None:
    """From the environment, as docs/operating.md says. What is disclosed has the device that is there."""
    assert settings.database_url is not None
    url = settings.database_url.get_secret_value()
    folder = str(settings.data_dir)

    def ran(*words: str, **variables: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "chappe.cli.main", *words, "--data-dir", folder]
        environment = zygote.environment(CHAPPE_BEHIND_PROXY="true", **variables)
        return zygote.run(command, env=environment, timeout=PATIENCE)

    links = ran("code", "new", "--count", "2", CHAPPE_DATABASE_URL=url)
    assert links.returncode == 0, links.stderr
    assert len(links.stdout.split()) == count(settings, "codes") == 2
    refused = ran("code", "new")
    assert refused.returncode != 0
    assert "CHAPPE_DATABASE_URL" in refused.stderr
    address = f"ada{secrets.token_hex(4)}@localhost"
    line = {"line": b"l" * 16, "identity_key": b"k" * 32, "created_at": 1, "salt": b"s" * 32}
    with change(open_database(settings)) as connection:
        connection.execute(insert(lines).values(address=address, **line))
    device, mailbox = person(open_database(settings))
    with change(open_database(settings)) as connection:
        statements = statements_of(connection)
        statements.insert_payloads(connection, [(7, 1, b"p")])
        statements.insert_entries(connection, [(mailbox, 1, b"e" * 16, 7, 1, 1)])
    assert lines_at(settings, address) == (b"l" * 16, [])
    held = held_by_relay(settings, [b"l" * 16])
    assert [row["device"] for row in held["devices"]] == [device]
    assert [row["data"] for row in held["payloads"]] == [b"p"]
    assert figures(settings, 0, 10)["lines_activated"] == 1
    inventory = stored.stores(settings)[0]
    assert inventory.file == "PostgreSQL"
    assert {table.name: table.rows for table in inventory.tables}["codes"] == 2
    for table in inventory.tables:
        assert {name for name, _ in table.columns} <= set(inventory.kept[table.name].columns)


async def test_a_relay_that_outlives_its_database(tmp_path: Path) -> None:
    """Killed and back: who is connected stays, hears that it was not taken, asks again; nothing is lost."""
    with postgres.running() as server:
        own = RelayProcess(tmp_path / "data", database_url=server.url())
        try:
            ada, bob = await own.device("ada"), await own.device("bob")
            async with own.sign_in(ada) as a, own.sign_in(bob) as b:
                await a.send_accepted([bob], b"before")
                await asyncio.to_thread(server.kill)
                id_ = await a.send([bob], b"meanwhile")
                assert await a.refused() == "storage.failed"
                await asyncio.to_thread(server.start)
                await a.send_accepted([bob], b"meanwhile", id_)
                for number, payload in enumerate((b"before", b"meanwhile"), 1):
                    delivered = await b.hear(frames.Deliver)
                    assert (delivered.sequence, delivered.payload) == (number, payload)
                    await b.say(frames.Ack(number))
            async with own.sign_in(bob) as b:
                await b.silence()
            assert await asyncio.to_thread(own.stop) == 0
        finally:
            own.kill()
