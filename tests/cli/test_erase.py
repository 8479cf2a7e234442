"""`chappe fleet` and `chappe erase` as people type them: from the founding to a lost phone."""

from __future__ import annotations

import os
import stat
from dataclasses import dataclass
from pathlib import Path

import pytest

from chappe.cli.fleet_words import FLEET_WORDS
from chappe.relay.new_codes import new_codes
from chappe.wire.links import activation_link
from tests.cli.world import People, Ran, chappe
from tests.relay.world import RelayProcess

WORDS = "violets at the ministry"


@dataclass
class Desk:
    """Officers, each with a file and a passphrase in a folder, who type commands."""

    relay: RelayProcess
    people: People
    folder: Path
    name: str

    def run(self, who: str, *words: str, stdin: str = "", **variables: str) -> Ran:
        secret = self.folder / "passphrase"
        secret.write_text(WORDS + "\n")
        file = str(self.folder / f"{who}.chappe")
        return chappe(*words, "--passphrase-file", str(secret), stdin=stdin, CHAPPE_OFFICER=file, **variables)

    def ok(self, who: str, *words: str, **variables: str) -> Ran:
        ran = self.run(who, *words, **variables)
        assert ran.status == 0, ran.err
        return ran

    def found(self) -> None:
        roster = str(self.folder / "first.roster")
        place = ["--relay", f"localhost:{self.relay.port}", "--pin", str(self.relay.pin)]
        self.ok(
            "ada",
            "fleet",
            "key",
            "new",
            "--organisation",
            self.name,
            "--name",
            "Ada",
            *place,
            "--out",
            roster,
        )
        done = chappe("organisation", "add", roster, "--data-dir", str(self.relay.data_dir))
        assert done.status == 0, done.err

    def activate(self, *names: str) -> None:
        for name in names:
            fresh = new_codes(self.relay.settings, 1, self.name)
            link = activation_link(
                "localhost", self.relay.port, fresh.codes[0], self.relay.pin, fresh.fleet_key
            )
            self.people.ok(name, "activate", link, "--name", self.people.address(name))

    def paper(self, name: str) -> str:
        return str(self.folder / name)


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
    shown = desk.ok("ada", "fleet", "lines")
    assert max_ in shown.out

    ran = desk.run("ada", "erase", max_, "--reason", "left in a taxi")
    assert ran.status == 2, "nobody was there to ask"
    for number in (1, 2, 3):
        assert FLEET_WORDS[f"erase.limits.{number}"][0] in ran.err
    assert desk.ok("ada", "erase", "status").lines == ["No orders."]

    given = desk.ok("ada", "erase", max_, "--reason", "left in a taxi", "--yes")
    assert "Unreadable" in given.out
    (silent,) = desk.ok("ada", "erase", "status", "--json").json
    assert (silent["reason"], silent["by"], silent["finished"]) == ("left in a taxi", ["Ada"], False)
    assert silent["devices"][0]["stage"] == "unreadable"
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
    log = desk.ok("ada", "fleet", "audit")
    assert "left in a taxi" in log.out
    assert "The log holds" in log.err
    assert [line["what"] for line in desk.ok("ada", "fleet", "audit", "--json").json][-1] == "receipt.taken"


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
    assert "Unreadable" in approved.out

    other = desk.paper("cyd.request")
    desk.ok("cyd", "fleet", "officer", "request", "--name", "Cyd", "--out", other)
    desk.ok("ada", "fleet", "officer", "add", other, "--yes", "--out", draft)
    assert len(desk.ok("ada", "fleet", "officer", "list", "--json").json) == 2
    signed = desk.ok("ben", "fleet", "officer", "sign", draft, "--yes", "--out", answer)
    assert "Cyd" in signed.err
    desk.ok("cyd", "fleet", "officer", "accept", answer)
    assert "[erased]" in desk.ok("cyd", "fleet", "lines").out


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
        (["fleet", "officer", "accept", desk.paper("ada.chappe")], 97),
        (["fleet", "officer", "remove", "Nobody", "--yes"], 2),
    ):
        assert desk.run("ada", *words).status == status, words
    assert desk.run("nobody", "fleet", "lines").status == 49
    assert chappe("fleet", "lines", *ada, "--passphrase-file", str(wrong)).status == 48
    assert chappe("fleet", "lines", *ada).status == 2, "there is no terminal to ask at"
    assert chappe("erase", max_, *ada, "--passphrase-file", str(wrong)).status == 2, "no reason"
    assert desk.run("ada", "fleet", "officer", "request", "--name", "Ada").status == 55
    assert desk.ok("ada", "erase", "status").lines == ["No orders."]
