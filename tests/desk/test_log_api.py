"""The audit log over the API: pages and filters, its head, its verification, its export."""

from __future__ import annotations

import json
import sqlite3

import pytest

from chappe.desk import exported
from chappe.desk.log import Head
from chappe.wire.api import from_base64
from chappe.wire.errors import ChappeError
from tests.desk.world import Browser, World


def head_of(operator: Browser) -> dict[str, object]:
    found: dict[str, object] = operator.get("/log/head").json()
    return found


def test_the_log_comes_in_pages_and_by_time(world: World, operator: Browser) -> None:
    seen, after = [], None
    while True:
        page = operator.get("/log", limit=2, **({"after": after} if after else {})).json()
        seen += [one["number"] for one in page["items"]]
        after = page["next"]
        if after is None:
            break
    assert seen == list(range(int(str(head_of(operator)["size"])) - 1, -1, -1))
    world.clock.pass_by(10)
    operator.post("/recovery-codes")
    (newest,) = operator.get("/log", limit=1).json()["items"]
    since = newest["at"].replace("+00:00", "Z")
    assert [one["what"] for one in operator.get("/log", since=since).json()["items"]] == ["recovery.renewed"]
    assert operator.get("/log", until=since, what="recovery.").json()["items"][0]["number"] < newest["number"]
    for wrong in ("yesterday", "2026-06-09T10:00:00", "2026-99-01T00:00:00Z"):
        assert operator.get("/log", since=wrong).json()["code"] == "desk.malformed"


def test_a_kept_head_finds_a_log_that_was_made_anew(world: World, operator: Browser) -> None:
    kept = head_of(operator)
    operator.post("/recovery-codes")
    assert operator.post("/log/verify", kept).json() == head_of(operator)
    assert operator.post("/log/verify", {}).json() == head_of(operator)
    assert operator.post("/log/verify", {"size": 1}).json()["code"] == "desk.malformed"
    assert operator.post("/log/verify", kept | {"root": "A" * 43}).json()["code"] == "audit.rewritten"
    assert operator.post("/log/verify", kept | {"root": "A" * 42}).json()["code"] == "desk.malformed"


def test_a_damaged_log_is_said_to_be(world: World, operator: Browser) -> None:
    with sqlite3.connect(world.desk.database.path) as connection:
        connection.execute("DROP TRIGGER log_keeps_update")
        connection.execute("UPDATE log SET what = 'account.closed' WHERE number = 1")
    answer = operator.post("/log/verify", {})
    assert answer.json()["code"] == "storage.failed"
    assert "entry 1" in answer.json()["message"]


def test_an_export_is_checked_without_the_desk(operator: Browser) -> None:
    before = head_of(operator)
    answer = operator.get("/log/export")
    assert answer.headers["content-type"] == "application/jsonl"
    lines = answer.content.splitlines()
    kept = Head(int(str(before["size"])), from_base64(str(before["root"]), 32))
    found = exported.check(lines, kept=kept)
    # That it was exported is its newest entry.
    assert found.size == kept.size + 1
    assert json.loads(lines[-2])["what"] == "log.exported"
    damaged = {
        "cut off": lines[:-1],
        "an entry left out": lines[:1] + lines[2:],
        "moved": [lines[1], lines[0], *lines[2:]],
        "put in": [lines[0], *lines],
        "more behind its end": [*lines, lines[0]],
        "no head": [*lines[:-1], b'{"head":{"size":"x"}}'],
        "another head": [*lines[:-1], lines[-1].replace(b'"size": ', b'"size": 1')],
        "no JSON": [b"x", *lines],
        "nothing": [],
    }
    for name, wrong in damaged.items():
        with pytest.raises(ChappeError) as caught:
            exported.check(wrong)
        assert caught.value.code == "storage.failed", name
    with pytest.raises(ChappeError) as caught:
        exported.check(lines, kept=Head(kept.size, bytes(32)))
    assert caught.value.code == "audit.rewritten"
