"""The inventory is that of the real schema, and nothing is stored that nobody has a reason for."""

from __future__ import annotations

import json
import re
import sqlite3
from html.parser import HTMLParser
from pathlib import Path

import pytest

from chappe.cli.main import main
from chappe.desk.database import Database
from chappe.desk.dossier import stored
from chappe.desk.dossier.paper import as_html
from chappe.relay.kept import FILES
from chappe.relay.stored import stores
from chappe.wire.errors import ChappeError
from chappe.wire.stored import read_only
from tests.client.world import World, meet, texts, until
from tests.relay.world import RelayProcess

REASON = (
    "Say why each of these is stored, and for how long, in English and French: in src/chappe/relay/kept.py "
    "(relay, share service, files) or src/chappe/desk/kept.py (desk)."
)


def inventory(relay: RelayProcess) -> stored.Inventory:
    found = stored.found_in(relay.data_dir)
    all_stores = [*stores(relay.settings), stored.desk_store(relay.data_dir)]
    return stored.Inventory(all_stores, FILES, found, "0.1.0", "2026-11-29")


@pytest.fixture
def relay(tmp_path: Path) -> RelayProcess:
    return RelayProcess(tmp_path / "data", start=False)


def test_every_column_has_a_reason(relay: RelayProcess) -> None:
    """What this version would make."""
    made = inventory(relay)
    assert [len(store.tables) > 3 for store in made.stores] == [True, True, True]
    assert stored.unexplained(made) == [], REASON


async def test_every_column_and_file_of_a_relay_that_was_used(relay: RelayProcess, tmp_path: Path) -> None:
    """With a desk, devices, a PIN and a file; read while the relay runs."""
    relay.start()
    world = World(relay, tmp_path)
    try:
        Database(relay.data_dir).close()
        ada, ben = await world.phones("ada", "ben")
        mine, _ = await meet(ada, ben)
        await ada.set_pin("480297")
        report = tmp_path / "report.txt"
        report.write_text("a report")
        await ada.send_file(mine.id, report)
        await ada.settled(20)
        await until(lambda: not texts(ben) and len(list((relay.data_dir / "attachments").iterdir())) == 1)
        made = inventory(relay)
        assert stored.unexplained(made) == [], REASON
        rows = {(s.file, t.name): t.rows for s in made.stores for t in s.tables}
        assert rows["relay.db", "lines"] == 2
        assert rows["shares/shares.db", "shares"] == 1
        assert rows["desk/desk.db", "accounts"] == 0
        assert any(name.startswith("attachments/") for name, _ in made.found or [])
    finally:
        await world.close()
        relay.stop()


def test_a_column_or_file_without_a_reason_is_found(relay: RelayProcess) -> None:
    relay.code()
    with sqlite3.connect(relay.settings.database) as connection:
        connection.execute("ALTER TABLE lines ADD COLUMN location TEXT")
        connection.execute('CREATE TABLE "odd"" name" (who TEXT)')
    (relay.data_dir / "notes.txt").write_text("x")
    made = inventory(relay)
    assert stored.unexplained(made) == ["relay.db: lines.location", 'relay.db: odd" name.who', "notes.txt"]
    assert "NO REASON GIVEN" in as_html(stored.page(made, "en"))


def test_what_is_said_not_to_be_held_has_no_column(relay: RelayProcess) -> None:
    """`wording.in_no_hand` speaks of these; here only the names of columns are looked at."""
    forbidden = re.compile(
        r"(^|_)(ip|host|location|latitude|phone|member|contact|peer|recipient|sender|model|pin)s?($|_)"
    )
    relay_store, shares, _ = inventory(relay).stores
    for store in (relay_store, shares):
        for table in store.tables:
            assert not forbidden.search(table.name), table.name
            for column, _ in table.columns:
                assert not forbidden.search(column), (table.name, column)


class _Strict(HTMLParser):
    """Counts tags that are open."""

    VOID = frozenset({"meta", "br"})

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []

    def handle_starttag(self, tag: str, attrs: object) -> None:
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


@pytest.mark.parametrize("language", ["fr", "en"])
def test_the_page(relay: RelayProcess, language: str, tmp_path: Path) -> None:
    out = tmp_path / "page.html"
    asked = ["dossier", "inventory", "--lang", language, "--data-dir", str(relay.data_dir), "--out", str(out)]
    assert main(asked) == 0
    text = out.read_text()
    parser = _Strict()
    parser.feed(text)
    assert parser.open == []
    assert f'<html lang="{language}">' in text
    assert "<script" not in text
    for word in ("push_subscriptions", "identity_key", "recovery_codes", "enrolments"):
        assert word in text
    assert ("tant que" in text) == (language == "fr")
    assert main([*asked[:-1], str(tmp_path / "page.pdf"), "--format", "pdf"]) == 0
    assert (tmp_path / "page.pdf").read_bytes().startswith(b"%PDF")


def test_for_programs(relay: RelayProcess, capsys: pytest.CaptureFixture[str]) -> None:
    asked = ["dossier", "inventory", "--data-dir", str(relay.data_dir), "--format"]
    assert main([*asked, "json"]) == 0
    made = json.loads(capsys.readouterr().out)
    assert made["unexplained"] == []
    relay_tables = {table["name"]: table for table in made["stores"][0]["tables"]}
    assert relay_tables["lines"]["columns"][0]["why"] == {
        "en": "the line's random id",
        "fr": "identifiant aléatoire de la ligne",
    }
    assert len(made["not_held"]) >= 5
    assert main([*asked, "docx"]) == 2
    assert main([*asked, "pdf"]) == 2


def test_reading_cannot_write(relay: RelayProcess, tmp_path: Path) -> None:
    relay.code()
    with pytest.raises(ChappeError), read_only(relay.settings.database) as connection:
        connection.execute("DELETE FROM codes")
    with pytest.raises(ChappeError) as caught, read_only(tmp_path / "none.db"):
        pass
    assert caught.value.code == "storage.missing"
    (tmp_path / "none.db").write_bytes(b"no database at all, but long enough to be one" * 30)
    with pytest.raises(ChappeError) as caught, read_only(tmp_path / "none.db") as connection:
        connection.execute("SELECT 1 FROM sqlite_master")
    assert caught.value.code == "storage.failed"
