"""`chappe desk`: beside the data, and at a desk elsewhere with a token over HTTPS."""

from __future__ import annotations

import base64
import hashlib
import re
import signal
import sqlite3
import ssl
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import pytest

from chappe.relay.tls import certificate_pin
from chappe.wire.errors import KINDS
from tests.cli.test_failures import failed
from tests.cli.world import Ran, begin, chappe, inside

APPLICATION = (
    *("--name", "Télé Plus", "--country", "FR", "--registration", "552 100 554"),
    *("--street", "1 rue de la Paix", "--postcode", "75002", "--city", "Paris"),
    *("--contact-name", "Camille Martin", "--contact-email", "camille@example.org"),
)
ID = r"[A-Za-z0-9_-]{22}"


@dataclass
class Beside:
    """`chappe desk` on a data directory."""

    data: Path

    def run(self, *arguments: str, **variables: str) -> Ran:
        return inside("desk", "--data-dir", str(self.data), *arguments, **variables)

    def ok(self, *arguments: str, **variables: str) -> Ran:
        ran = self.run(*arguments, **variables)
        assert ran.status == 0, ran.err
        return ran

    def operator(self, name: str = "Ada") -> str:
        """An operator's id."""
        said = self.ok("operator", "new", "--name", name, "--email", f"{name}@example.org").lines[0]
        found = re.search(rf"\(id ({ID})\)", said)
        assert found is not None, said
        return found[1]


@pytest.fixture
def beside(tmp_path: Path) -> Beside:
    return Beside(tmp_path / "data")


def day(number: int) -> str:
    return (datetime.now(UTC) + timedelta(days=number)).date().isoformat()


def test_the_first_operator_and_what_the_log_has_of_it(beside: Beside, tmp_path: Path) -> None:
    ran = beside.ok("operator", "new", "--name", "Ada", "--email", "ada@example.org")
    assert re.fullmatch(rf"Ada is operator here now \(id {ID}\)\.", ran.lines[0])
    assert re.fullmatch(r"https://localhost:8440/console/#link=[A-Za-z0-9_-]{43}", ran.lines[2])
    again = beside.run("operator", "new", "--name", "Eve", "--email", "ADA@example.org")
    failed(again, "desk.exists")
    failed(beside.run("operator", "new", "--name", "Eve", "--email", "eve"), "desk.malformed")
    (ada,) = beside.ok("--json", "account", "list").json
    assert (ada["role"], ada["email"], ada["passkeys"]) == ("operator", "ada@example.org", 0)
    said = beside.ok("log", "show", CHAPPE_LANG="fr").lines
    assert ["Lien de connexion créé" in said[0], "Compte ouvert" in said[1]] == [True, True]
    assert all("ligne de commande" in line and "ada" not in line for line in said)
    file = tmp_path / "log.jsonl"
    size, root = re.findall(r"(\d+) entries, root (\S+)", beside.ok("log", "verify").lines[0])[0]
    beside.ok("log", "export", str(file))
    failed(beside.run("log", "export", str(file)), "file.unreadable")
    checked = chappe("desk", "log", "check", str(file), "--size", size, "--root", root)
    assert checked.status == 0, checked.err
    file.write_bytes(file.read_bytes().replace(b'"number":0', b'"number":1'))
    failed(chappe("desk", "log", "check", str(file)), "storage.failed")
    beside.ok("log", "verify", "--size", size, "--root", root)
    failed(beside.run("log", "verify", "--size", size, "--root", "A" * 43), "audit.rewritten")


def test_a_reseller_from_application_to_end(beside: Beside) -> None:
    hostile = ["Télé \x1b[31mPlus" if word == "Télé Plus" else word for word in APPLICATION]
    failed(beside.run("reseller", "apply", *hostile), "desk.malformed")
    applied = beside.ok("reseller", "apply", *APPLICATION).lines[0]
    found = re.fullmatch(rf"Télé Plus: has applied \(id ({ID})\)", applied)
    assert found is not None, applied
    id_ = found[1]
    days = ("--first", day(0), "--last", day(30))
    said = beside.ok("reseller", "accredit", id_, *days, "--contract", "C-7").lines[0]
    assert said.startswith(f"Télé Plus: accredited until {day(30)}")
    failed(
        beside.run("reseller", "accredit", id_, "--first", day(9), "--last", day(3), "--contract", "C"),
        "desk.malformed",
    )
    held = beside.ok("reseller", "suspend", id_, "--reason", "unpaid", CHAPPE_LANG="fr").lines[0]
    assert held.startswith("Télé Plus : suspendu : unpaid")
    failed(beside.run("reseller", "suspend", id_, "--reason", "again"), "desk.not_now")
    beside.ok("reseller", "resume", id_)
    beside.ok("reseller", "change", id_, "--city", "Lyon")
    assert "city: Lyon" in beside.ok("reseller", "show", id_).lines
    person = ("--name", "Camille", "--email", "c@example.org")
    opened = beside.ok("account", "open", "--role", "reseller", "--reseller", id_, *person)
    assert opened.lines[0].startswith("Camille is reseller here now")
    assert beside.ok("reseller", "list", "--standing", "accredited").lines[0].startswith("Télé Plus")
    assert beside.ok("reseller", "list", "--search", "nobody").lines == []
    assert "ended: closed" in beside.ok("reseller", "end", id_, "--reason", "closed its shop").lines[0]
    for wrong in ("A" * 21 + "Q", "../accounts", ""):
        assert beside.run("reseller", "show", wrong).status in (
            KINDS["desk.unknown"].exit_status,
            KINDS["usage.invalid"].exit_status,
        )


def test_accounts_are_closed_and_anything_of_the_api_is_called(beside: Beside) -> None:
    ada, eve = beside.operator("Ada"), beside.operator("Eve")
    assert beside.ok("account", "link", eve).lines[-1].startswith("https://localhost:8440/console/#link=")
    assert "Augusta" in beside.ok("account", "change", ada, "--name", "Augusta").lines[0]
    assert beside.ok("account", "close", eve).lines == ["The account of Eve is closed."]
    failed(beside.run("account", "close", ada), "desk.not_now")
    answer = beside.ok("call", "GET", "/accounts?closed=true").json[0]
    assert {one["id"] for one in answer["items"]} == {ada, eve}
    failed(beside.run("call", "POST", "/accounts", "{"), "usage.invalid")
    failed(beside.run("call", "GET", "accounts"), "usage.invalid")
    failed(beside.run("call", "GET", "/nothing"), "http.unknown_path")
    failed(beside.run("call", "GET", "/passkeys"), "desk.forbidden")


@pytest.fixture
def served(tmp_path: Path) -> Iterator[tuple[subprocess.Popen[str], Beside, str]]:
    """`chappe serve` with its desk, and where it is."""
    data = tmp_path / "data"
    process = begin("serve", "--port", "0", "--data-dir", str(data), forked=False)
    assert process.stderr is not None
    port = None
    while port is None and (line := process.stderr.readline()):
        port = re.search(r"localhost:(\d+)", line)
    assert port is not None
    yield process, Beside(data), f"https://localhost:{port[1]}"
    if process.poll() is None:
        process.kill()
    process.communicate()


def test_a_desk_elsewhere_with_a_token(
    served: tuple[subprocess.Popen[str], Beside, str], tmp_path: Path
) -> None:
    """A token that was made beside the data is used over HTTPS, at the relay's port, and revoked."""
    process, beside, url = served
    ada = beside.operator()
    scopes = ("--scope", "resellers:write", "--scope", "resellers:read", "--scope", "log:read")
    made = beside.ok("token", "new", "--account", ada, "--label", "shop", *scopes).lines
    token = tmp_path / "token"
    token.write_text(made[1])
    trust = ("--pin", certificate_pin(beside.data))
    far = ("desk", "--url", url, "--token-file", str(token), *trust)
    applied = chappe(*far, "reseller", "apply", *APPLICATION)
    assert applied.status == 0, applied.err
    entry = chappe(*far, "--json", "log", "show", "--limit", "1").json[0]
    assert (entry["what"], entry["by"], entry["account"]) == ("reseller.applied", "token", ada)
    failed(chappe(*far, "account", "list"), "desk.forbidden")
    failed(chappe(*far[:5], "reseller", "list"), "network.untrusted")
    failed(chappe("desk", "--url", url, "reseller", "list"), "usage.invalid")
    failed(chappe("desk", "--url", "http://localhost", *far[3:], "reseller", "list"), "usage.invalid")
    (found,) = beside.ok("token", "list", "--account", ada).lines
    assert beside.ok("token", "revoke", found.split()[0], "--account", ada).lines == [
        "The token shop is revoked."
    ]
    failed(chappe(*far, "reseller", "list"), "desk.signed_out")
    wrong = ("--pin", "A" * 43)
    failed(chappe(*far[:5], *wrong, "reseller", "list"), "network.untrusted")
    token.write_text("chd_ two words")
    failed(chappe(*far, "reseller", "list"), "usage.invalid")
    process.send_signal(signal.SIGTERM)
    assert process.wait(timeout=30) == 0


def test_the_register_is_at_the_relays_door(served: tuple[subprocess.Popen[str], Beside, str]) -> None:
    _, beside, url = served
    trust = ssl.create_default_context(cafile=beside.data / "tls-certificate.pem")
    with httpx.Client(base_url=url, verify=trust) as client:
        page = client.get("/register", headers={"Accept-Language": "fr"})
        assert page.status_code == 200
        assert "Aucun revendeur" in page.text
        assert client.get("/register.json").json()["resellers"] == []
        assert client.get("/v1/desk/openapi.json").json()["openapi"].startswith("3.1")
        assert client.get("/v1/desk/accounts").json()["code"] == "desk.signed_out"
        # What is stored, from the schema of the databases that are there: for everybody, without counts.
        stored = client.get("/stored", headers={"Accept-Language": "fr"})
        assert stored.status_code == 200
        assert '<html lang="fr">' in stored.text
        assert "lignes actuelles" not in stored.text
        style = stored.text.partition("<style>")[2].partition("</style>")[0]
        digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
        assert f"style-src 'sha256-{digest}'" in stored.headers["content-security-policy"]
        with sqlite3.connect(beside.data / "desk" / "desk.db") as connection:
            connection.execute("ALTER TABLE rates ADD COLUMN whose TEXT")
        plain = client.get("/stored.json").json()
        assert plain["unexplained"] == ["desk/desk.db: rates.whose"]
        tables = {table["name"]: table for store in plain["stores"] for table in store["tables"]}
        assert {"lines", "enrolments", "refunds"} <= set(tables)
        assert all(table["rows"] is None for table in tables.values())
        assert "NO REASON GIVEN" in client.get("/stored?lang=en").text
        # The relay is where it was.
        assert client.get("/v1/info").json()["name"] == "localhost"


SELLER = (
    *("--name", "Chappe SAS", "--street", "1 rue du Télégraphe", "--postcode", "75020", "--city", "Paris"),
    *("--country", "FR", "--registration", "404833048", "--iban", "FR7630006000011234567890189"),
    *("--vat-number", "FR83404833048"),
)


def test_selling_from_a_plan_to_the_books(beside: Beside, tmp_path: Path) -> None:
    beside.ok("sale", "seller", *SELLER)
    failed(beside.run("sale", "seller", *SELLER), "desk.changed")
    plan = beside.ok("--json", "sale", "plan", "--name", "Six mois", "--price", "4900").json[0]["id"]
    applied = beside.ok("--json", "reseller", "apply", *APPLICATION).json[0]["id"]
    wanted = ("sale", "order", "--plan", plan, "--quantity", "2", "--reseller", applied)
    failed(beside.run(*wanted), "desk.not_now")
    beside.ok("reseller", "accredit", applied, "--first", day(0), "--last", day(9), "--contract", "C")
    ordered = beside.ok(*wanted).lines
    assert len(ordered) == 2 + 2
    assert "invoice " in ordered[0]
    (order,) = beside.ok("--json", "sale", "orders").json
    assert beside.ok("sale", "codes", order["id"]).lines == ["0 used, 2 open, 0 expired, 0 taken back"]
    anew = beside.ok("sale", "remake", order["id"], CHAPPE_LANG="fr").lines
    assert anew[1] == "Voici les codes, montrés cette seule fois :"
    assert not set(anew[2:]) & set(ordered[2:])
    number = order["invoice"]
    beside.ok("sale", "pdf", number, str(tmp_path / "invoice.pdf"))
    assert (tmp_path / "invoice.pdf").read_bytes().startswith(b"%PDF")
    failed(beside.run("sale", "paid", number, "--amount", "999999", "--reference", "V"), "desk.not_now")
    beside.ok("sale", "paid", number, "--amount", "5880", "--reference", "V1")
    beside.ok("sale", "cancel", order["id"])
    credited, invoice = beside.ok("sale", "invoices").lines
    assert credited.startswith("Credit note")
    assert "€117.60, of which -€58.80 are owed" in invoice
    assert beside.ok("sale", "check").lines[0].startswith("3 bookings add up; none of 2 invoice numbers")
    beside.ok("sale", "fec", str(tmp_path / "fec.txt"))
    assert len((tmp_path / "fec.txt").read_text().splitlines()) == 1 + 3 + 2 + 3
    assert len(beside.ok("sale", "figures").lines) == 1
    beside.ok("sale", "withdraw", plan)
    assert beside.ok("sale", "plans").lines == []
    assert "quantity: 2" in beside.ok("sale", "show", order["id"]).lines
    assert f"number: {number}" in beside.ok("sale", "invoice", number).lines
    assert "€58.80" in beside.ok("sale", "payments", number).lines[0]
    books = beside.ok("sale", "ledger").lines
    assert [len(books), books[0].split()[2:]] == [3 + 3 + 2 + 3, ["sale", number]]
    assert "iban: FR7630006000011234567890189" in beside.ok("sale", "seller").lines
    agreed = beside.ok("reseller", "terms", applied, "--days", "45").lines
    assert agreed == ["VAT is charged; 45 days to pay"]
    exempt = ("--vat", "exempt", "--exemption", "Article 262 ter")
    assert beside.ok("reseller", "terms", applied, *exempt).lines[0].startswith("no VAT: Article 262 ter; 45")
    assert "Télé Plus (FR 552100554): accredited until" in beside.ok("reseller", "register").out
    newest = f"{number[:5]}000002"
    beside.ok("sale", "refunded", newest, "--amount", "5880", "--reference", "R1")
    assert "€58.80  R1" in beside.ok("sale", "refunds", newest).lines[0]
    said = beside.ok("sale", "rate", "GBP", "1.1532").lines
    assert said == beside.ok("sale", "rates").lines == [f"1 GBP = 1.153200 EUR ({day(0)})"]
    said = beside.ok("sale", "numbers").lines
    assert said == [f"Newest invoice numbers: {newest} here, {newest} in the file"]
    (beside.data / "invoice-numbers").unlink()
    assert "is missing" in beside.ok("sale", "numbers").lines[1]
    failed(beside.run("sale", "lost", "--last", number, "--reason", "moved"), "desk.malformed")
    assert beside.ok("sale", "lost", "--last", newest, "--reason", "moved").lines == said
