"""`chappe fleet` and `chappe erase` as people type them: from the founding to a lost phone."""

from __future__ import annotations

import os
import stat
from dataclasses import dataclass
from pathlib import Path

import pytest

from chappe.cli.fleet_words import FLEET_WORDS
from chappe.relay.new_codes import new_codes
from chappe.vault import keys
from tests.cli.world import People, Ran, chappe, inside
from tests.relay.world import RelayProcess
from tests.vault.service import CHEAP

WORDS = "violets at the ministry"
POLICY = ("fleet", "policy", "--offline-hours", "0", "--idle", "5m", "--reason", "house", "--yes")


@dataclass
class Desk:
    """Officers, each with a file and a passphrase in a folder, who type commands."""

    relay: RelayProcess
    people: People
    folder: Path
    name: str

    def run(self, who: str, *words: str, **variables: str) -> Ran:
        """In this process: most of what a command takes is its start."""
        return inside(*self.words(who, *words), CHAPPE_OFFICER=self.paper(f"{who}.chappe"), **variables)

    def words(self, who: str, *words: str) -> list[str]:
        secret = self.folder / "passphrase"
        secret.write_text(WORDS + "\n")
        return [*words, "--passphrase-file", str(secret)]

    def ok(self, who: str, *words: str, **variables: str) -> Ran:
        ran = self.run(who, *words, **variables)
        assert ran.status == 0, ran.err
        return ran

    def found(self) -> None:
        roster = str(self.folder / "first.roster")
        place = ["--relay", f"localhost:{self.relay.port}", "--pin", str(self.relay.pin)]
        names = ["--organisation", self.name, "--name", "Ada"]
        made = self.ok("ada", "fleet", "key", "new", *names, *place, "--out", roster)
        added = inside("organisation", "add", roster, "--data-dir", str(self.relay.data_dir))
        assert added.status == 0, added.err
        # What officer and operator read to each other is the same.
        assert made.lines[-1].partition(": ")[2] == added.lines[0].partition("key: ")[2] != ""

    def activate(self, *names: str) -> None:
        for name in names:
            # As a reseller hands it over: a bare code. The officer's own file knows the key, and where.
            code = new_codes(self.relay.settings, 1, self.name).codes[0]
            (link,) = self.ok("ada", "fleet", "link", code).lines
            self.people.ok(name, "activate", link, "--name", self.people.address(name))

    def paper(self, name: str) -> str:
        return str(self.folder / name)


@pytest.fixture
def cheap(monkeypatch: pytest.MonkeyPatch) -> None:
    """Argon2id that takes no time."""
    monkeypatch.setattr(keys.stretch, "__defaults__", (CHEAP,))


@pytest.fixture
def desk(relay: RelayProcess, people: People, tmp_path: Path) -> Desk:
    made = Desk(relay, people, tmp_path, f"Gazette {people.tail}")
    made.found()
    return made


def test_a_lost_phone(desk: Desk) -> None:
    max_ = desk.people.address("max")
    desk.activate("max", "lea")
    desk.people.ok("max", "send", desk.people.address("lea"), "hello")
    assert stat.S_IMODE(os.stat(desk.paper("ada.chappe")).st_mode) == 0o600
    # What was said to one member is proved to the officers, and to nobody else.
    (heard,) = desk.people.ok("lea", "receive", "--json").json
    report = ["report", heard["id"][:12], "--reason", "a threat", "--out", desk.paper("one.chappe-report")]
    unasked = desk.people.run("lea", *report)
    assert unasked.status == 2, "nobody was there to ask"
    assert "a threat" in unasked.err
    desk.people.ok("lea", *report, "--yes")
    assert desk.people.run("lea", *report, "--yes").status == 97, "nothing is overwritten"
    verified = desk.ok("ada", "fleet", "report", "verify", desk.paper("one.chappe-report"))
    assert (max_ in verified.lines[0], verified.lines[3].strip()) == (True, "hello")
    assert "The proof holds" in verified.out
    (checked,) = desk.ok("ada", "fleet", "report", "verify", desk.paper("one.chappe-report"), "--json").json
    assert (checked["sender"], checked["reporter"]) == (max_, desk.people.address("lea"))
    assert b"hello" not in Path(desk.paper("one.chappe-report")).read_bytes()
    shown = desk.ok("ada", "fleet", "lines")
    assert max_ in shown.out

    ran = desk.run("ada", "erase", max_, "--reason", "left in a taxi")
    assert ran.status == 2, "nobody was there to ask"
    for number in (1, 2, 3):
        assert FLEET_WORDS[f"erase.limits.{number}"][0] in ran.err
    assert desk.ok("ada", "erase", "status").lines == ["No orders."]

    given = desk.ok("ada", "erase", max_, "--reason", "left in a taxi", "--yes")
    # It has no PIN, and so no share: that is said, and no false comfort given.
    assert "Unreadable" not in given.out
    assert "had no PIN" in given.out
    shown = desk.ok("ada", "erase", "status")
    assert "no PIN" in shown.out
    (silent,) = desk.ok("ada", "erase", "status", "--json").json
    assert silent["devices"][0]["has_pin"] is False
    assert (silent["reason"], silent["by"], silent["finished"]) == ("left in a taxi", ["Ada"], False)
    assert silent["devices"][0]["stage"] == "ordered"
    assert silent["devices"][0]["done_at"] is None

    ended = desk.people.run("max", "receive")
    assert ended.status == 47
    assert "left in a taxi" in ended.err
    (erased,) = desk.ok("ada", "erase", "status", silent["order"][:8], "--json").json
    assert (erased["devices"][0]["receipt"], erased["devices"][0]["done_at"] is not None) == ("holds", True)
    table = desk.ok("ada", "erase", "status")
    assert "erased (receipt)" in table.out
    french = desk.ok("ada", "erase", "status", CHAPPE_LANG="fr")
    assert "effacé (reçu)" in french.out
    log = chappe(*desk.words("ada", "fleet", "audit"), CHAPPE_OFFICER=desk.paper("ada.chappe"))
    assert "left in a taxi" in log.out
    assert "The log holds" in log.err
    assert [line["what"] for line in desk.ok("ada", "fleet", "audit", "--json").json][-1] == "receipt.taken"

    # What is ruled of messages binds who is left.
    ruled = ["--disappear-max", "1d", "--receipts", "off", "--reason", "house rules", "--yes"]
    told = desk.ok("ada", "fleet", "policy", "--offline-hours", "0", "--idle", "5m", *ruled)
    assert "binds your organisation's devices, from now on and 1d after reading" in told.err.replace(
        "\n", " "
    )
    (talk,) = desk.people.ok("lea", "conversation", "list", "--json").json
    assert (talk["timer"], talk["timer_here"]) == (0, 86_400)
    refused = desk.people.run("lea", "conversation", "timer", max_, "off")
    assert refused.status == 2
    assert "1 day after it was read" in refused.err


@pytest.mark.usefixtures("cheap")
def test_a_second_officer(desk: Desk) -> None:
    desk.activate("max")
    max_ = desk.people.address("max")
    request, answer, draft = desk.paper("ben.request"), desk.paper("ben.answer"), desk.paper("cyd.draft")
    desk.ok("ben", "fleet", "officer", "request", "--name", "Ben", "--out", request)
    assert desk.run("ben", "fleet", "lines").status == 125
    assert desk.run("ada", "fleet", "officer", "add", request).status == 2, "the digits were not compared"
    desk.ok("ada", "fleet", "officer", "add", request, "--yes", "--out", answer)
    desk.ok("ben", "fleet", "officer", "accept", answer)
    assert len(desk.ok("ben", "fleet", "officer", "list", "--json").json) == 2

    desk.ok("ada", "fleet", "hold", max_, "--reason", "a court asked", "--yes")
    waits = desk.ok("ada", "erase", max_, "--reason", "stolen", "--yes")
    assert "NOTHING was done yet" in waits.out
    (order,) = [one for one in desk.ok("ben", "erase", "status", "--json").json if one["kind"] == "erase"]
    assert order["awaiting"]
    assert desk.run("ada", "erase", "approve", order["order"][:8], "--yes").status == 120
    approved = desk.ok("ben", "erase", "approve", order["order"][:8], "--yes")
    assert f"Order {order['order']} is given." in approved.out
    assert "had no PIN" in approved.out

    other = desk.paper("cyd.request")
    desk.ok("cyd", "fleet", "officer", "request", "--name", "Cyd", "--out", other)
    desk.ok("ada", "fleet", "officer", "add", other, "--yes", "--out", draft)
    assert len(desk.ok("ada", "fleet", "officer", "list", "--json").json) == 2
    signed = desk.ok("ben", "fleet", "officer", "sign", draft, "--yes", "--out", answer)
    assert "Cyd" in signed.err
    desk.ok("cyd", "fleet", "officer", "accept", answer)
    assert "[erased]" in desk.ok("cyd", "fleet", "lines").out


@pytest.mark.usefixtures("cheap")
def test_what_is_refused(desk: Desk) -> None:
    """Typed, with a status of its own, and nothing is done."""
    desk.activate("max")
    max_ = desk.people.address("max")
    wrong = desk.folder / "wrong"
    wrong.write_text("another passphrase")
    ada = ["--officer", desk.paper("ada.chappe")]
    for words, status in (
        (["erase", max_, "--reason", " ", "--yes"], 2),
        (["erase", desk.people.address("nobody"), "--reason", "lost", "--yes"], 36),
        (["erase", f"{max_}/0000", "--reason", "lost", "--yes"], 36),
        (["erase", "approve", "feedfeed", "--yes"], 119),
        (["erase", "status", "feedfeed"], 119),
        (["fleet", "release", max_, "--reason", "over", "--yes"], 120),
        (["fleet", "policy", "--offline-hours", "0", "--idle", "5s", "--reason", "house"], 2),
        ([*POLICY, "--disappear-max", "10s"], 2),
        ([*POLICY, "--disappear-max", "367d"], 2),
        ([*POLICY, "--disappear-max", "1h", "--disappear-default", "1d"], 2),
        ([*POLICY, "--receipts", "never"], 2),
        (["fleet", "officer", "accept", desk.paper("ada.chappe")], 97),
        (["fleet", "officer", "remove", "Nobody", "--yes"], 2),
    ):
        assert desk.run("ada", *words).status == status, words
    assert desk.run("nobody", "fleet", "lines").status == 49
    assert inside("fleet", "lines", *ada, "--passphrase-file", str(wrong)).status == 48
    assert inside("fleet", "lines", *ada).status == 2, "there is no terminal to ask at"
    assert inside("erase", max_, *ada, "--passphrase-file", str(wrong)).status == 2, "no reason"
    assert desk.run("ada", "fleet", "officer", "request", "--name", "Ada").status == 55
    assert desk.ok("ada", "erase", "status").lines == ["No orders."]


@pytest.mark.usefixtures("cheap")
def test_a_line_on_a_new_phone(desk: Desk, tmp_path: Path) -> None:
    """Asked for, approved, and seen by the line that still has a phone, which refuses it."""
    desk.activate("max")
    max_ = desk.people.address("max")
    request, answer = desk.paper("ben.request"), desk.paper("ben.answer")
    desk.ok("ben", "fleet", "officer", "request", "--name", "Ben", "--out", request)
    desk.ok("ada", "fleet", "officer", "add", request, "--yes", "--out", answer)
    desk.ok("ben", "fleet", "officer", "accept", answer)

    (link,) = desk.ok("ada", "fleet", "enrol", "link", max_).lines
    home = str(tmp_path / "new")
    first = inside("--home", home, "recover", link)
    assert first.status == 0, first.err
    text, *rows = first.lines
    digits = " ".join(" ".join(rows).split())
    asking = ["fleet", "enrol", "request", text, "--reason", "left in a taxi"]
    unasked = desk.run("ada", *asking)
    assert (unasked.status, digits in unasked.err) == (2, True), "nobody compared the digits"
    desk.ok("ada", *asking, "--yes")
    (waits,) = desk.ok("ben", "fleet", "enrol", "list", "--json").json
    assert (waits["state"], waits["digits"], waits["by"]) == ("awaits", digits, ["Ada"])
    assert desk.run("ada", "fleet", "enrol", "approve", waits["order"], "--yes").status == 120
    desk.ok("ben", "fleet", "enrol", "approve", waits["order"][:8], "--yes")
    early = inside("--home", home, "recover")
    assert early.status == 123
    assert "UTC" in early.err
    assert inside("--home", home, "devices").status == 76, "it is no phone yet"

    assert digits in desk.people.ok("max", "devices", "refuse").out
    assert "log.own_line" in desk.people.ok("max", "log", "status").out
    desk.people.ok("max", "devices", "refuse", waits["order"][:8])
    (gone,) = desk.ok("ada", "fleet", "enrol", "list", "--json").json
    assert gone["state"] == "withdrawn"
    assert inside("--home", home, "recover").status == 119
    assert desk.run("ada", "fleet", "enrol", "cancel", "00000000", "--yes").status == 119
    again = inside("--home", home, "recover", link, "--anew")
    assert again.lines[0] != text
