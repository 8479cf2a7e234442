"""`chappe renew`, and what other commands say of a term, in both languages."""

from __future__ import annotations

import asyncio
import secrets
import sqlite3
import time
from pathlib import Path
from string import Formatter

import pytest

from chappe.cli.term_words import TERM_WORDS, state
from chappe.client import LineTerm
from chappe.relay.door import DirectoryDoor
from chappe.wire.door import CodeBatch
from chappe.wire.links import activation_link
from chappe.wire.terms import begin, utc_date
from tests.cli.world import People

DAY = 24 * 3600


def code(people: People, months: int = 6) -> str:
    door = DirectoryDoor(people.relay.settings)
    return asyncio.run(door.make_codes(CodeBatch(secrets.token_bytes(16), 1, months, 30))).codes[0]


def ended(people: People, name: str, days: int) -> None:
    """The relay's tables say: the term of this line was over so many days ago (or will be)."""
    ends = (int(time.time()) // DAY - days) * DAY
    with sqlite3.connect(people.relay.settings.database, timeout=10) as connection:
        connection.execute(
            "UPDATE lines SET term_ends = ?, term_day = ? WHERE address = ?",
            (ends, utc_date(ends - 1).day, people.address(name)),
        )


def activate(people: People, name: str) -> None:
    link = activation_link("localhost", people.relay.port, code(people), people.relay.pin)
    people.ok(name, "activate", link, "--name", people.address(name))


def test_a_line_is_reminded_runs_out_and_is_renewed(people: People, tmp_path: Path) -> None:
    activate(people, "ada")
    people.activate("ben")
    ben = people.address("ben")
    sent = people.ok("ada", "send", ben, "hello")
    assert "paid" not in sent.err
    report = tmp_path / "report.txt"
    report.write_text("all that was found")
    people.ok("ben", "send", people.address("ada"), "--file", str(report))
    (got,) = people.ok("ada", "receive", "--json").json
    until = begin(6, int(time.time())).last_day
    assert people.ok("ada", "renew").out == f"This line is paid until {until}.\n"
    ended(people, "ada", -5)
    assert "4 days are left" in people.ok("ada", "send", ben, "hello").err
    assert "reste 4 jours" in people.ok("ada", "receive", LANG="fr_FR.UTF-8").err
    ended(people, "ada", 3)
    refused = people.run("ada", "send", ben, "hello")
    # The phone hears of it while it sends: it either knew, or keeps the message until the line is renewed.
    assert "receives, and sends nothing" in refused.err
    assert people.run("ada", "send", ben, "hello").status == 25
    assert people.ok("ada", "receive").status == 0
    ended(people, "ada", 30)
    suspended = people.run("ada", "receive")
    assert suspended.status == 26
    assert "suspended" in suspended.err
    # What is here is still shown.
    assert "hello" in people.ok("ada", "conversation", "show", ben).out
    (saved,) = people.ok("ada", "conversation", "save", got["id"], str(tmp_path / "saved.txt")).lines
    assert Path(saved).read_text() == "all that was found"
    link = activation_link("localhost", people.relay.port, code(people, 12), people.relay.pin)
    assert people.run("ada", "renew", "0000").status == 30
    renewed = people.ok("ada", "renew", link)
    assert renewed.out == f"Renewed: this line is paid until {begin(12, int(time.time())).last_day}.\n"
    assert people.ok("ada", "renew", link).out == renewed.out
    assert people.ok("ada", "send", ben, "back").err == ""
    assert people.ok("ben", "renew").out == "This line has no term: it needs no renewal.\n"
    assert people.run("ben", "renew", code(people)).status == 28


@pytest.mark.parametrize(
    ("left", "key"),
    [(40, "until"), (30, "reminder"), (2, "reminder"), (1, "tomorrow"), (0, "today")],
)
def test_words_for_what_is_left(left: int, key: str) -> None:
    ends = 20_000 * DAY
    term = LineTerm("active", ends, ends, ends, ends)
    assert state(term, ends - (left + 1) * DAY)[0] == f"term.{key}"


def test_every_word_has_both_languages_and_the_same_places() -> None:
    for english, french in TERM_WORDS.values():
        places = [{name for _, name, _, _ in Formatter().parse(text) if name} for text in (english, french)]
        assert places[0] == places[1]
        assert english != french
    ends = 20_000 * DAY
    for stage in ("grace", "suspended", "closed"):
        key, inside = state(LineTerm(stage, ends, ends + 1, ends + 2, ends + 3), ends)
        for text in TERM_WORDS[key]:
            assert "{" not in text.format(**inside)
