"""`chappe log`: what was read is shown; alarms are said in plain words, in both languages, until seen to."""

from __future__ import annotations

import asyncio
import base64
from pathlib import Path

import pytest

from chappe.cli.log_commands import alarm_text
from chappe.client import Phone
from chappe.client.events import LogAlarm
from chappe.client.log_alarms import Evidence
from tests.cli.world import People


def test_what_the_log_shows(people: People) -> None:
    people.activate("ada")
    (shown,) = people.ok("ada", "log", "status", "--json").json
    assert (shown["watched"], shown["origin"], shown["alarms"]) == (True, "localhost/chappe", [])
    assert shown["entries"] >= 2
    assert [one["this"] for one in shown["devices"]] == [True]
    assert {one["name"] for one in shown["signers"]} == {"localhost/chappe"}
    assert "Nothing is amiss." in people.ok("ada", "log", "status").out


def test_an_alarm_is_said_until_it_is_seen_to(people: People, monkeypatch: pytest.MonkeyPatch) -> None:
    people.activate("ada")

    async def alarm() -> None:
        phone = await Phone.open(Path(people.home("ada")))
        log = phone._engine.log
        log.alarms.raise_("log.frozen", Evidence(b"ours", b"theirs", "said"), about=b"x")
        await phone.close()

    asyncio.run(alarm())
    ran = people.run("ada", "conversation", "list")
    assert "clock" in ran.err
    assert "[log.frozen]" in ran.err
    (proof,) = people.ok("ada", "log", "evidence").json
    assert (base64.b64decode(proof["ours"]), base64.b64decode(proof["theirs"])) == (b"ours", b"theirs")
    people.ok("ada", "log", "settle", str(proof["number"]))
    assert "[log.frozen]" not in people.run("ada", "conversation", "list").err
    assert "(settled)" in people.ok("ada", "log", "status").out
    assert people.run("ada", "log", "settle", "77").status == 2
    for language, word in (("en", "log"), ("fr", "journal")):
        monkeypatch.setenv("CHAPPE_LANG", language)
        for code in ("log.forked", "log.frozen", "log.not_there", "log.own_line", "log.broken"):
            said = alarm_text(LogAlarm(code, None, "ben@x\u202e", ""))
            assert word in said
            assert "\u202e" not in said
