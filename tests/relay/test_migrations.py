"""The migrated schema is the one that tables.py describes, and migrating again changes nothing."""

from __future__ import annotations

import sqlite3
import threading
from pathlib import Path

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import create_engine

from chappe.relay import migrations, tables
from chappe.relay.database import open_engine
from chappe.relay.migrations import upgrade
from chappe.relay.schema import metadata
from chappe.wire.errors import StorageFailure

assert tables.lines.metadata is metadata


def statements(path: Path) -> dict[str, str]:
    with sqlite3.connect(path) as connection:
        rows = connection.execute("SELECT name, sql FROM sqlite_master WHERE sql IS NOT NULL").fetchall()
    return {name: " ".join(sql.split()) for name, sql in rows if name != "alembic_version"}


def differences(path: Path) -> list[object]:
    engine = create_engine(f"sqlite:///{path}")
    try:
        with engine.connect() as connection:
            context = MigrationContext.configure(connection, opts={"compare_type": True})
            return list(compare_metadata(context, metadata))
    finally:
        engine.dispose()


def test_the_migrated_schema_is_the_described_one(tmp_path: Path) -> None:
    upgrade(tmp_path / "migrated.db")
    assert differences(tmp_path / "migrated.db") == []
    engine = open_engine(tmp_path / "described.db", writes=True)
    metadata.create_all(engine)
    engine.dispose()
    # Also what the comparison does not look at: WITHOUT ROWID, AUTOINCREMENT, partial indexes.
    assert statements(tmp_path / "migrated.db") == statements(tmp_path / "described.db")


def test_the_comparison_sees_a_missing_column(tmp_path: Path) -> None:
    upgrade(tmp_path / "relay.db")
    with sqlite3.connect(tmp_path / "relay.db") as connection:
        connection.execute("ALTER TABLE codes DROP COLUMN voided_at")
    assert len(differences(tmp_path / "relay.db")) == 1


def test_upgrading_again_keeps_what_is_there(tmp_path: Path) -> None:
    path = tmp_path / "relay.db"
    upgrade(path)
    with sqlite3.connect(path) as connection:
        connection.execute("INSERT INTO codes (digest, created_at, expires_at) VALUES (x'00', 1, 2)")
    upgrade(path)
    with sqlite3.connect(path) as connection:
        assert connection.execute("SELECT count(*) FROM codes").fetchone() == (1,)
        assert connection.execute("SELECT version_num FROM alembic_version").fetchall() == [
            (migrations.HEAD,)
        ]


def test_two_may_upgrade_at_once(tmp_path: Path) -> None:
    problems: list[BaseException] = []

    def run() -> None:
        try:
            upgrade(tmp_path / "relay.db")
        except BaseException as problem:  # noqa: BLE001 - handed to the test
            problems.append(problem)

    threads = [threading.Thread(target=run) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert problems == []
    assert differences(tmp_path / "relay.db") == []


def test_a_file_that_is_no_database_is_a_typed_error(tmp_path: Path) -> None:
    path = tmp_path / "relay.db"
    path.write_bytes(b"this is not a database, whatever it says" * 200)
    with pytest.raises(StorageFailure) as caught:
        upgrade(path)
    assert caught.value.code == "storage.failed"
    assert path.read_bytes().startswith(b"this is not")


def test_a_database_of_a_newer_chappe_is_a_typed_error_and_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "relay.db"
    upgrade(path)
    with sqlite3.connect(path) as connection:
        connection.execute("UPDATE alembic_version SET version_num = '9999'")
    with pytest.raises(StorageFailure) as caught:
        upgrade(path)
    assert caught.value.code == "storage.failed"
    assert "newer" in caught.value.message
    with sqlite3.connect(path) as connection:
        assert connection.execute("SELECT version_num FROM alembic_version").fetchall() == [("9999",)]


def test_the_head_is_the_newest_revision() -> None:
    config = Config()
    config.set_main_option("script_location", str(Path(migrations.__file__).parent))
    assert ScriptDirectory.from_config(config).get_heads() == [migrations.HEAD]


def test_what_was_there_before_organisations_stays(tmp_path: Path) -> None:
    """A database of the first schema with something in it: nothing is lost, and it is of no organisation."""
    path = tmp_path / "relay.db"
    upgrade_to(path, "0001")
    with sqlite3.connect(path) as connection:
        connection.execute("INSERT INTO lines VALUES (x'01', 'ada@localhost', x'02', 3)")
        connection.execute("INSERT INTO devices VALUES (x'04', x'01', 1, x'05', x'06', 7, NULL)")
        connection.execute("INSERT INTO devices VALUES (x'08', x'01', 2, x'09', x'0a', 11, 12)")
        connection.execute("INSERT INTO codes VALUES (x'0b', 13, 14, 15)")
        connection.execute("INSERT INTO mailboxes VALUES (1, 0, 0), (2, 0, 0)")
    upgrade(path)
    assert differences(path) == []
    with sqlite3.connect(path) as connection:
        line = connection.execute("SELECT * FROM lines").fetchone()
        assert line[:-1] == (b"\1", "ada@localhost", b"\2", 3, *[None] * 8)
        assert len(line[-1]) == 32
        assert connection.execute("SELECT * FROM devices ORDER BY mailbox").fetchall() == [
            (b"\4", b"\1", 1, b"\5", b"\6", 7, None, None, None, None),
            (b"\x08", b"\1", 2, b"\x09", b"\x0a", 11, 12, None, None, None),
        ]
        assert connection.execute("SELECT * FROM codes").fetchone() == (b"\x0b", 13, 14, 0, *[None] * 6)
        # Two open lines with one address there still cannot be; a closed one and an open one there can.
        second = (
            "INSERT INTO lines (line, address, identity_key, created_at, salt) VALUES "
            "(x'0c', 'ada@localhost', x'02', 3, x'0d')"
        )
        with pytest.raises(sqlite3.IntegrityError):
            connection.execute(second)
        connection.execute("UPDATE lines SET closed_at = 9")
        connection.execute(second)


def test_what_was_there_before_terms_goes_on_without_one(tmp_path: Path) -> None:
    """Lines and codes of the third schema, of an organisation and held: all stays, and none has a term."""
    path = tmp_path / "relay.db"
    upgrade_to(path, "0003")
    with sqlite3.connect(path) as connection:
        line = (b"\1" * 16, "ada@localhost", b"\2" * 32, 3, b"\4" * 16, 5, b"\6" * 16, 7)
        code = (b"\7" * 32, 13, 14, None, b"\4" * 16)
        connection.execute(f"INSERT INTO lines VALUES ({','.join('?' * 8)})", line)
        connection.execute(f"INSERT INTO lines VALUES ({','.join('?' * 8)})", (b"\2" * 16, "ben", *line[2:]))
        connection.execute(f"INSERT INTO codes VALUES ({','.join('?' * 5)})", code)
    upgrade(path)
    assert differences(path) == []
    with sqlite3.connect(path) as connection:
        (*found, salt), (*_, other) = connection.execute("SELECT * FROM lines").fetchall()
        assert found == [*line, None, None, None, None]
        # Each has a salt of its own.
        assert len(salt) == len(other) == 32
        assert salt != other
        assert connection.execute("SELECT * FROM codes").fetchall() == [(*code, *[None] * 5)]


def upgrade_to(path: Path, revision: str) -> None:
    engine = open_engine(path, writes=True)
    config = Config()
    config.set_main_option("script_location", str(Path(migrations.__file__).parent))
    with engine.connect() as connection, connection.begin():
        config.attributes["connection"] = connection
        command.upgrade(config, revision)
    engine.dispose()
