"""The audit log: no change goes without it, and a changed, missing, added or moved entry is found."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest
from sqlalchemy import insert, select, update

from chappe.desk import log
from chappe.desk.database import Database, Unit
from chappe.desk.entries import decode, encode, entry
from chappe.desk.happenings import HAPPENINGS
from chappe.desk.log import Filter, Head
from chappe.desk.tables import sessions, sign_in_links, tokens
from chappe.desk.who import CONSOLE, SYSTEM, Actor, Role
from chappe.wire.errors import ChappeError
from tests.desk.world import Clock

ONE, TWO = b"\1" * 16, b"\2" * 16


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    opened = Database(tmp_path, Clock())
    yield opened
    opened.close()


def link(unit: Unit, number: int) -> None:
    unit.connection.execute(
        insert(sign_in_links).values(
            digest=bytes([number]) * 32, account=ONE, created_at=unit.now, expires_at=unit.now + 1
        )
    )


def links(database: Database) -> int:
    return len(database.read(lambda connection: connection.execute(select(sign_in_links)).all()))


def change(database: Database, number: int, actor: Actor = CONSOLE, what: str = "account.link_made") -> None:
    def work(unit: Unit) -> None:
        link(unit, number)
        unit.log(what, ONE, reseller=TWO if number % 2 else None, number=number)

    database.change(actor, work)


def edit(database: Database, *statements: str) -> None:
    """As somebody who can write to the file: triggers do not stop him."""
    with sqlite3.connect(database.path) as connection:
        for trigger in ("log_keeps_update", "log_keeps_delete"):
            connection.execute(f"DROP TRIGGER IF EXISTS {trigger}")
        for statement in statements:
            connection.execute(statement)


def test_what_changes_is_logged_in_the_same_transaction(database: Database) -> None:
    change(database, 1)
    found = database.read(lambda connection: log.read(connection, Filter()))
    assert [(one.number, one.entry.what, one.entry.by) for one in found] == [
        (0, "account.link_made", "console")
    ]
    assert found[0].entry.details == {"number": 1}
    assert found[0].root == database.read(log.head).root


def test_a_change_that_logs_nothing_is_undone(database: Database) -> None:
    with pytest.raises(ChappeError) as caught:
        database.change(CONSOLE, lambda unit: link(unit, 1))
    assert caught.value.code == "internal.bug"
    assert links(database) == 0


def test_a_change_that_fails_logs_nothing(database: Database) -> None:
    def work(unit: Unit) -> None:
        link(unit, 1)
        unit.log("account.link_made", ONE)
        raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        database.change(CONSOLE, work)
    assert links(database) == 0
    assert database.read(log.head).size == 0


def test_what_is_not_in_the_table_of_happenings_is_not_done(database: Database) -> None:
    with pytest.raises(KeyError):
        change(database, 1, what="account.vanished")
    assert links(database) == 0


def test_books_are_kept_without_the_log_and_nothing_else_is(database: Database) -> None:
    def session(unit: Unit) -> None:
        row = {"digest": b"s" * 32, "account": ONE, "enrolling": False, "signed_in_at": 1, "seen_at": 1}
        unit.connection.execute(insert(sessions).values(row))

    database.keep_books(session)
    database.keep_books(lambda unit: unit.connection.execute(update(tokens).values(used_at=1)))
    for work in (
        lambda unit: link(unit, 1),
        lambda unit: unit.connection.execute(update(tokens).values(scopes="all")),
        lambda unit: unit.connection.exec_driver_sql("DELETE FROM log"),
    ):
        with pytest.raises(ChappeError) as caught:
            database.keep_books(work)
        assert caught.value.code == "storage.failed"
    assert links(database) == 0
    assert database.read(log.head).size == 0


def test_the_database_refuses_to_change_or_delete_an_entry(database: Database) -> None:
    change(database, 1)
    for statement in ("UPDATE log SET at = 0", "DELETE FROM log"):
        with (
            sqlite3.connect(database.path) as connection,
            pytest.raises(sqlite3.IntegrityError, match="once"),
        ):
            connection.execute(statement)


def test_verifying_gives_the_head(database: Database) -> None:
    assert database.read(log.verify) == Head(0, database.read(log.head).root)
    for number in range(5):
        change(database, number)
    assert database.read(log.verify) == database.read(log.head)
    assert database.read(log.head).size == 5


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE log SET entry = (SELECT entry FROM log WHERE number = 2) WHERE number = 1",
        "DELETE FROM log WHERE number = 1",
        "DELETE FROM log WHERE number = 4",
        "DELETE FROM log",
        "UPDATE log SET number = 9 WHERE number = 4",
        "UPDATE log SET root = zeroblob(32) WHERE number = 3",
        "UPDATE log SET what = 'account.closed' WHERE number = 3",
        "UPDATE log SET account = zeroblob(16) WHERE number = 3",
        "UPDATE log SET reseller = NULL WHERE number = 1",
        "INSERT INTO log SELECT 5, entry, root, at, what, account, subject, reseller, organisation FROM log "
        "WHERE number = 4",
        "UPDATE log_heads SET chain = x'00'",
        "DELETE FROM log_heads",
    ],
)
def test_what_was_tampered_with_is_found(database: Database, statement: str) -> None:
    for number in range(5):
        change(database, number)
    edit(database, statement)
    with pytest.raises(ChappeError) as caught:
        database.read(log.verify)
    assert caught.value.code == "storage.failed"


def test_a_log_made_anew_is_found_by_who_kept_a_head(tmp_path: Path, database: Database) -> None:
    for number in range(3):
        change(database, number)
    kept = database.read(log.head)
    change(database, 3)
    assert database.read(lambda connection: log.verify(connection, kept=kept)).size == 4
    other = Database(tmp_path / "other", Clock(1_000.0))
    for number in range(4):
        change(other, number)
    for wrong in (kept, Head(9, kept.root)):
        with pytest.raises(ChappeError) as caught:
            other.read(partial(log.verify, kept=wrong))
        assert caught.value.code == "audit.rewritten"
    other.close()


def test_filters_and_pages(database: Database) -> None:
    someone = Actor("account", Role.AUDITOR, account=TWO)
    for number in range(6):
        change(database, number, someone if number == 4 else CONSOLE)
        database.clock.pass_by(10)  # type: ignore[attr-defined]
    change(database, 6, SYSTEM, "token.made")

    def numbers(wanted: Filter, **page: int) -> list[int]:
        return [one.number for one in database.read(lambda connection: log.read(connection, wanted, **page))]

    start = int(Clock().at)
    assert numbers(Filter()) == [6, 5, 4, 3, 2, 1, 0]
    assert numbers(Filter(), limit=2) == [6, 5]
    assert numbers(Filter(), before=5, limit=2) == [4, 3]
    assert numbers(Filter(account=TWO)) == [4]
    assert numbers(Filter(reseller=TWO)) == [5, 3, 1]
    assert numbers(Filter(subject=TWO)) == []
    assert numbers(Filter(what="token.")) == [6]
    assert numbers(Filter(what="%")) == []
    assert numbers(Filter(since=start + 10, until=start + 30)) == [2, 1]
    rest = database.read(lambda connection: log.pieces(connection, 2))
    assert [one.number for one in rest] == [2, 3, 4, 5, 6]


def test_an_entry_has_one_spelling() -> None:
    one = entry(CONSOLE, 5, "token.made", details={"b": 1, "a": "x"})
    data = encode(one)
    assert decode(data) == one
    assert encode(entry(CONSOLE, 5, "token.made", details={"a": "x", "b": 1})) == data
    for wrong in (
        data + b"\0",
        data[:-1],
        b"",
        b"\xc1" * 40,
        data.replace(b"\xa1a\xa1x\xa1b\x01", b"\xa1b\x01\xa1a\xa1x"),
    ):
        with pytest.raises(ChappeError) as caught:
            decode(wrong)
        assert caught.value.code == "storage.failed"
    with pytest.raises(ChappeError) as caught:
        encode(entry(CONSOLE, 5, "token.made", details={"a": "x" * 20_000}))
    assert caught.value.code == "desk.malformed"


def test_every_happening_has_words_in_both_languages() -> None:
    for what, (english, french) in HAPPENINGS.items():
        assert what.count(".") == 1, what
        assert english, what
        assert french, what
        assert english != french, what
