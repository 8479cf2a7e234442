"""What is held on a line: all of it, signed, noted, and nothing that is another's."""

from __future__ import annotations

import base64
import hashlib
import json
import sqlite3
import stat
import threading
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from chappe.cli.main import main
from chappe.desk import log
from chappe.desk.all_tables import metadata as desk_metadata
from chappe.desk.database import Database
from chappe.desk.dossier import disclosure, pdf
from chappe.desk.dossier.disclosure_paper import paper
from chappe.desk.dossier.operator_key import OperatorKey
from chappe.desk.kept import TABLES as DESK
from chappe.relay.disclosing import _BY_HAND, NOT_BY_LINE, key_of
from chappe.relay.figures import figures
from chappe.relay.kept import TABLES
from chappe.relay.schema import metadata
from chappe.wire.api import from_base64, to_base64
from chappe.wire.audit import decode
from chappe.wire.errors import ChappeError
from chappe.wire.orders import Target
from tests.client.world import World, meet, texts, until
from tests.desk.lines_world import LinesWorld, id_of, run
from tests.desk.world import NAME
from tests.relay.fleet_world import World as FleetWorld
from tests.relay.fleet_world import only
from tests.relay.shares.world import Owner, ServiceProcess
from tests.relay.world import RelayProcess

WORDS = "a sentence that nobody else may read"
GROUP = "the name of a group"


@pytest.fixture(scope="module")
def anyio_backend() -> str:
    return "asyncio"


def test_every_table_is_looked_through() -> None:
    """One that is added is by a line's column, by hand, or in the list of those that name no line."""
    names = {table.name for table in metadata.sorted_tables}
    by_column = {t.name for t in metadata.sorted_tables if key_of(t.name, t.columns.keys()) is not None}
    assert names - by_column - set(_BY_HAND) - set(NOT_BY_LINE) == set(), "see src/chappe/relay/disclosing.py"
    for table in metadata.sorted_tables:
        if table.name in NOT_BY_LINE and table.name != "gone_devices":
            assert not {"line", "device", "mailbox"} & set(table.columns.keys()), table.name
    assert set(_BY_HAND) <= names
    assert names <= set(TABLES)


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    relay = RelayProcess(tmp_path / "data", attempts_burst=10_000)
    made = World(relay, tmp_path)
    try:
        yield made
    finally:
        await made.close()
        relay.stop()


def disclosed(capsys: pytest.CaptureFixture[str], *asked: str) -> tuple[int, list[str], str]:
    capsys.readouterr()
    status = main(["dossier", *asked])
    said = capsys.readouterr()
    return status, said.out.splitlines(), said.err


async def test_a_line_of_a_relay_that_runs(
    world: World, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """What waits for it, its devices, its share; not its words, contacts, groups, and nothing of others."""
    ada, ben, cyd = await world.phones("ada", "ben", "cyd")
    mine, _ = await meet(ada, ben)
    await ben.set_pin("480297")
    await ada.create_group(GROUP, [ben.address, cyd.address])
    await ada.send_text(mine.id, "an early word")
    await until(lambda: "an early word" in texts(ben))
    await ben.settled(20)
    await world.shut("ben")
    await ada.send_text(mine.id, WORDS)
    await ada.settled(20)

    data = str(world.relay.data_dir)
    asked = ("disclose", ben.address, "--data-dir", data, "--out", str(tmp_path / "out"), "--lang", "fr")
    status, files, said = disclosed(capsys, *asked, "--reference", "Réquisition 12/2026")
    assert status == 0, said
    signed_file, pdf_file = map(Path, files)
    assert (signed_file.name, pdf_file.name) == ("disclosure-0001.json", "disclosure-0001.pdf")
    assert stat.S_IMODE(signed_file.stat().st_mode) == 0o600
    assert pdf_file.read_bytes().startswith(b"%PDF")

    signed = disclosure.read(signed_file)
    held = signed.disclosure.held["relay.db"]
    (line,) = held["lines"]
    assert line["address"] == ben.address
    assert from_base64(line["line"], 16).hex() == signed.disclosure.lines[0]
    assert len(held["devices"]) == 1
    assert len(held["entries"]) == len(held["payloads"]) == 1
    (payload,) = held["payloads"]
    assert set(payload["data"]) == {"bytes", "sha256"}
    (share,) = signed.disclosure.held["shares/shares.db"]["shares"]
    assert share["tries"] == 10
    assert set(share["wrapped"]) == {"bytes", "sha256"}
    assert signed.disclosure.reference == "Réquisition 12/2026"

    text = signed_file.read_text()
    others = [phone.address for phone in (ada, cyd)]
    with sqlite3.connect(world.relay.settings.database) as connection:
        for other in tuple(others):
            row = connection.execute(
                "SELECT line, identity_key FROM lines WHERE address = ?", (other,)
            ).fetchone()
            others += [to_base64(bytes(value)) for value in row]
    for hidden in (WORDS, GROUP, "an early word", *others):
        assert hidden not in text, hidden


async def test_each_is_noted_and_a_second_has_the_next_number(
    world: World, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (ada,) = await world.phones("ada")
    data = ("--data-dir", str(world.relay.data_dir))
    asked = ("disclose", ada.address.upper(), *data, "--out", str(tmp_path / "out"), "--json-only")
    for number in (1, 2):
        status, files, _ = disclosed(capsys, *asked)
        assert status == 0
        assert [Path(one).name for one in files] == [f"disclosure-000{number}.json"]
    by_id = disclosure.read(tmp_path / "out" / "disclosure-0001.json").disclosure.lines[0]
    assert disclosed(capsys, "disclose", by_id, *asked[2:])[0] == 0
    database = Database(world.relay.data_dir)
    try:
        noted = database.read(lambda connection: log.read(connection, log.Filter(what="dossier.")))
        assert [one.entry.details["number"] for one in noted] == [3, 2, 1]
        assert all(ada.address not in str(one.entry) for one in noted)
        database.read(log.verify)
    finally:
        database.close()
    year = disclosure.read(tmp_path / "out" / "disclosure-0001.json").disclosure.at[:4]
    status, lines, _ = disclosed(capsys, "figures", "--year", year, "--format", "json", *data)
    made = json.loads("\n".join(lines))
    assert made["figures"]["disclosures"] == 3
    assert made["figures"]["lines_activated"] == made["figures"]["lines_at_the_end"] == 1


def test_the_code_that_renewed_a_line_is_held(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The code's row names the line, and who sold it."""
    world = LinesWorld(tmp_path / "data")
    try:
        ada, ben = world.line("ada"), world.line("ben")
        seller = b"s" * 16
        run(world.door.allow_seller(seller))
        for device, sold_by in ((ada, seller), (ben, None)):
            run(world.door.renew_with_code(device.certificate.line_id, None, world.code(seller=sold_by)))
        data = ("--data-dir", str(tmp_path / "data"), "--out", str(tmp_path / "out"))
        status, files, said = disclosed(capsys, "disclose", ada.certificate.address, *data, "--json-only")
        assert status == 0, said
        (code,) = disclosure.read(Path(files[0])).disclosure.held["relay.db"]["codes"]
        assert (code["renewed"], code["seller"]) == (id_of(ada), to_base64(seller))
    finally:
        world.close()


async def test_what_officers_did_to_a_line_is_held(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Orders, how far they are, the audit log's entries about it; not what they did to another line."""
    world = FleetWorld(tmp_path / "data")
    try:
        of = world.organisation()
        ada, ben = await world.line(of), await world.line(of)
        await world.give(of, "erase", Target(ada.certificate.line_id, None))
        await world.give(of, "revoke", only(ben))
        data = ("--data-dir", str(tmp_path / "data"))
        asked = ("disclose", ada.address, *data, "--out", str(tmp_path / "out"), "--json-only")
        status, files, said = disclosed(capsys, *asked)
        assert status == 0, said
        held = disclosure.read(Path(files[0])).disclosure.held["relay.db"]
        assert [row["kind"] for row in held["orders"]] == ["erase"]
        assert [row["device"] for row in held["order_devices"]] == [to_base64(ada.id)]
        assert [row["name"] for row in held["organisations"]] == [of.name]
        told = [decode(base64.urlsafe_b64decode(row["entry"] + "==")) for row in held["audit"]]
        assert {one.what for one in told} >= {"line.activated", "order.given"}
        assert to_base64(ben.id) not in Path(files[0]).read_text()
        # The address is another person's now: what the first one had is not told of him.
        again = await world.line(of, ada.address.partition("@")[0])
        status, files, said = disclosed(capsys, *asked)
        assert status == 0
        assert ada.certificate.line_id.hex() in said
        now = Path(files[0]).read_text()
        assert to_base64(again.id) in now
        assert to_base64(ada.id) not in now
        counts = figures(world.settings, 0, 2**40)
        assert (counts["orders_given"], counts["erasures_ordered"]) == (2, 1)
        assert (counts["lines_activated"], counts["organisations_at_the_end"]) == (3, 1)
        assert figures(world.settings, 0, 1)["lines_at_the_end"] == 0
    finally:
        await world.close()


def test_the_record_of_the_subscriber_is_held(tmp_path: Path) -> None:
    """By the line; by its address where the line is not known yet; not another's: nor of who asked for that
    address in another organisation, or whose contract was over before there was a line."""
    database = Database(tmp_path)
    mine, other = b"m" * 16, b"o" * 16
    ours, theirs = b"G" * 16, b"H" * 16
    rows = [
        (b"1" * 16, mine, "x@h", ours, None),
        (b"2" * 16, None, "ada@h", ours, None),
        (b"3" * 16, other, "ada@h", ours, None),
        (b"4" * 16, None, "b@h", ours, None),
        (b"5" * 16, None, "ada@h", theirs, None),
        (b"6" * 16, None, "ada@h", None, None),
        (b"7" * 16, None, "ada@h", ours, "2026-01-01"),
    ]
    try:
        with sqlite3.connect(database.path) as connection:
            names = [row[1] for row in connection.execute("PRAGMA table_info(subscribers)")]
            for subscriber, line, address, organisation, ended in rows:
                values: dict[str, object] = dict.fromkeys(names, "") | {"created_at": 1, "version": 1}
                values |= {"subscriber": subscriber, "line": line, "address": address}
                values |= {"organisation": organisation, "ended_on": ended}
                marks = ",".join("?" * len(names))
                connection.execute(
                    f"INSERT INTO subscribers VALUES ({marks})", [values[name] for name in names]
                )
        held = disclosure.held_by_desk(database, [mine], [("ada@h", ours)])
        of_none = disclosure.held_by_desk(database, [b"n" * 16], [("ada@h", None)])
    finally:
        database.close()
    assert sorted(row["subscriber"] for row in held["subscribers"]) == [b"1" * 16, b"2" * 16]
    assert [row["subscriber"] for row in of_none["subscribers"]] == [b"6" * 16]


def test_every_table_of_the_desk_is_looked_through() -> None:
    """One that names lines has a column `line`, and is found by it; the others are these."""
    others = {table.name for table in desk_metadata.sorted_tables if "line" not in table.c}
    assert others <= NAMES_NO_LINE, "does it name a line? see held_by_desk; else add it here"


NAMES_NO_LINE = {
    "accounts", "answers", "batches", "bookings", "ceremonies", "invoices", "log", "log_heads",
    "number_notes", "passkeys", "payments", "plans", "postings", "rates", "recovery_codes", "refunds",
    "relay_batches", "resellers", "seller", "sessions", "sign_in_links", "tokens", "trading_terms",
}  # fmt: skip
"""The log is looked through by what its entries are about."""


# --- signatures


@pytest.fixture
def signed(tmp_path: Path) -> disclosure.Signed:
    database = Database(tmp_path / "data")
    rows: dict[str, Any] = {
        "lines": [{"line": b"l" * 16, "address": "ada@localhost", "created_at": 1_790_000_000}]
    }
    holdings = disclosure.Holdings(
        "ada@localhost",
        [b"l" * 16],
        {"relay.db": rows, "desk/desk.db": {}},
        {"relay.db": TABLES, "desk/desk.db": DESK},
    )
    try:
        key = OperatorKey.of(tmp_path / "data")
        return disclosure.disclose(
            database, key, holdings, operator="relay.example", version="0.1.0", reference=""
        )
    finally:
        database.close()


def test_a_changed_paper_is_noticed(signed: disclosure.Signed) -> None:
    data = disclosure.encode(signed)
    assert disclosure.check(data) == signed
    for old, new in (
        (b"ada@localhost", b"eve@localhost"),
        (b'"number": 1', b'"number": 2'),
        (b"1790000000", b"1790000001"),
        (b'"reference": ""', b'"reference": "x"'),
        (signed.signature[:6].encode(), b"AAAAAA"),
    ):
        assert old in data
        with pytest.raises(ChappeError) as caught:
            disclosure.check(data.replace(old, new, 1))
        assert caught.value.code == "dossier.forged", old


@pytest.mark.parametrize(
    "data", [b"", b"{}", b"[" * 100_000, b"\xff", b'{"disclosure": {}, "key": "", "signature": ""}']
)
def test_what_is_no_disclosure(data: bytes) -> None:
    with pytest.raises(ChappeError) as caught:
        disclosure.check(data)
    assert caught.value.code == "dossier.malformed"


def test_verify(signed: disclosure.Signed, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "it.json"
    file.write_bytes(disclosure.encode(signed))
    elsewhere = ("--data-dir", str(tmp_path / "elsewhere"))
    status, lines, err = disclosed(capsys, "verify", str(file), *elsewhere)
    assert status == 0
    assert signed.key in lines[0]
    assert err
    assert disclosed(capsys, "verify", str(file), *elsewhere, "--key", signed.key)[2] == ""
    assert disclosed(capsys, "verify", str(file), "--data-dir", str(tmp_path / "data"))[0] == 0
    other = OperatorKey.of(tmp_path / "elsewhere").public
    assert disclosed(capsys, "verify", str(file), "--key", other)[0] == 89
    assert disclosed(capsys, "verify", str(file), *elsewhere)[0] == 89
    assert disclosed(capsys, "verify", str(tmp_path / "none"), *elsewhere)[0] == 97
    assert disclosed(capsys, "key", "--data-dir", str(tmp_path / "data"))[1] == [signed.key]


def test_the_key_is_made_once_and_is_the_owners_alone(tmp_path: Path) -> None:
    made: list[str] = []
    threads = [
        threading.Thread(target=lambda: made.append(OperatorKey.of(tmp_path).public)) for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(made) == 4
    assert len(set(made)) == 1
    assert [one.name for one in (tmp_path / "dossier").iterdir()] == ["operator-key"]
    path = tmp_path / "dossier" / "operator-key"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert repr(OperatorKey.of(tmp_path)) == "<OperatorKey>"
    path.write_bytes(b"short")
    with pytest.raises(ChappeError) as caught:
        OperatorKey.of(tmp_path)
    assert caught.value.code == "storage.failed"


@pytest.mark.parametrize("language", ["fr", "en"])
def test_the_paper(signed: disclosure.Signed, language: Any) -> None:
    made = paper(signed, {"relay.db": TABLES}, language)
    assert pdf.make(made).startswith(b"%PDF")
    said = str(made)
    assert "2026-09-21 14:13:20" in said
    assert ("ne détient pas" in said) == (language == "fr")
    assert made.sections[1].title.startswith("2. ")


def test_what_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    data = ("--data-dir", str(tmp_path / "data"), "--out", str(tmp_path / "out"), "--json-only")
    assert disclosed(capsys, "disclose", "ada@localhost", *data)[0] == 76
    RelayProcess(tmp_path / "data", start=False).code()
    for named in ("ada@localhost", "00" * 16, "x" * 32, "' OR 1=1 --", ""):
        assert disclosed(capsys, "disclose", named, *data)[0] == 36, named
    database = Database(tmp_path / "data")
    try:
        assert database.read(lambda connection: log.read(connection, log.Filter(what="dossier."))) == []
    finally:
        database.close()
    assert not (tmp_path / "out").exists()


def test_a_share_service_on_another_machine_is_asked_and_hands_out_no_share(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    lines, service = LinesWorld(tmp_path / "data"), ServiceProcess(tmp_path / "service")
    device, other = lines.line("ada"), lines.line("eve")

    async def enrol() -> None:
        remote = service.remote()
        key = await remote.public_key()
        for owner in (Owner(device.id), Owner(other.id)):
            await remote.enrol(owner.device, owner.enrolment(key))
        await remote.close()

    token = tmp_path / "token"
    token.write_text(service.token())
    monkeypatch.setenv("CHAPPE_SHARE_SERVICE", f"http://127.0.0.1:{service.port}")
    monkeypatch.setenv("CHAPPE_SHARE_TOKEN_FILE", str(token))
    asked = ("disclose", f"ada@{NAME}", "--data-dir", str(tmp_path / "data"), "--json-only")
    try:
        run(enrol())
        status, files, err = disclosed(capsys, *asked, "--out", str(tmp_path / "out"))
        assert status == 0, err
        (share,) = disclosure.read(Path(files[0])).disclosure.held["shares/shares.db"]["shares"]
        with sqlite3.connect(service.shares / "shares.db") as connection:
            statement = "SELECT wrapped, unlock_key FROM shares WHERE device = ?"
            wrapped, key = connection.execute(statement, (device.id,)).fetchone()
        assert share == {
            "device": to_base64(device.id),
            "unlock_key": to_base64(key),
            "wrapped": {"bytes": len(wrapped), "sha256": hashlib.sha256(wrapped).hexdigest()},
            "tries": 10,
            "not_before": share["not_before"],
        }
        service.kill()
        # Whole or not at all.
        status, files, err = disclosed(capsys, *asked, "--out", str(tmp_path / "none"))
        assert (status != 0, files) == (True, [])
        assert "unlock.unavailable" in err
        assert not (tmp_path / "none").exists()
    finally:
        service.kill()
        lines.close()
