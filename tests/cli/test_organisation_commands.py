"""`chappe organisation` and the codes of one: what an operator does before officers do the rest."""

from __future__ import annotations

import sqlite3
from pathlib import Path

from chappe.relay.tls import ensure_certificate
from chappe.wire import links
from chappe.wire.rosters import fingerprint
from tests.cli.test_failures import failed
from tests.cli.world import chappe
from tests.relay.fleet_world import Organisation, Person
from tests.relay.world import RelayProcess


def test_taking_an_organisation_on(relay: RelayProcess, tmp_path: Path) -> None:
    """While the relay runs."""
    data = ("--data-dir", str(relay.data_dir))
    of = Organisation("La \x1b[31mGazette", [Person("one"), Person("two")])
    file = tmp_path / "gazette.roster"
    file.write_bytes(of.file)
    key = fingerprint(of.fleet_key)
    added = chappe("organisation", "add", str(file), *data)
    assert added.lines == [f"La [31mGazette is an organisation of this relay now. Its fleet key: {key}"]
    assert chappe("organisation", "add", str(file), *data).lines == added.lines
    known = chappe("organisation", "list", *data).lines
    first = known.index("La [31mGazette (lines: 0, officers: 2)")
    assert known[first + 1] == f"  fleet key {key}"
    assert "1 entries" in known[first + 2]

    ran = chappe("code", "new", "--organisation", of.name, "--count", "2", *data)
    for line in ran.lines:
        link = links.parse(line)
        assert isinstance(link, links.ActivationLink)
        assert link.fleet_key == of.fleet_key
    assert len(ran.lines) == 2
    link = links.parse(chappe("code", "new", *data).lines[0])
    assert isinstance(link, links.ActivationLink)
    assert link.fleet_key == b""


def test_what_is_refused(tmp_path: Path) -> None:
    data = ("--data-dir", str(tmp_path / "data"))
    of = Organisation("La Gazette", [Person("one")])
    file = tmp_path / "gazette.roster"
    failed(chappe("organisation", "add", str(file), *data), "file.unreadable")
    file.write_bytes(of.file[:-1] + bytes([of.file[-1] ^ 1]))
    failed(chappe("organisation", "add", str(file), *data), "roster.invalid")
    file.write_bytes(b"x" * 100_000)
    failed(chappe("organisation", "add", str(file), *data), "roster.invalid")
    # Before any code is made that no link could be given for.
    failed(chappe("code", "new", "--organisation", "La Gazette", *data), "storage.missing")
    (tmp_path / "data").mkdir()
    ensure_certificate(tmp_path / "data", "localhost")
    failed(chappe("code", "new", "--organisation", "La Gazette", *data), "organisation.unknown")
    file.write_bytes(of.file)
    assert chappe("organisation", "add", str(file), *data).status == 0
    with sqlite3.connect(tmp_path / "data" / "relay.db") as connection:
        connection.execute("UPDATE audit SET entry = x'00'")
    failed(chappe("organisation", "list", *data), "storage.failed")
