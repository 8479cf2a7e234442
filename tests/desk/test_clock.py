"""A clock that jumps ahead: the desk ends and forgets nothing until the operator says that it is right."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

from chappe.desk.who import Role
from tests.desk.lines_world import DAY, LinesWorld
from tests.desk.world import Browser


@pytest.fixture
def world(tmp_path: Path) -> Iterator[LinesWorld]:
    made = LinesWorld(tmp_path)
    yield made
    made.close()


def test_nothing_is_forgotten_until_the_clock_is_confirmed(world: LinesWorld) -> None:
    operator = world.signed_in(Role.OPERATOR)
    made = operator.post("/resellers", world.application("732829320")).json()
    asyncio.run(world.desk.each_hour())
    began = world.clock.at
    world.clock.pass_by(400 * DAY)
    asyncio.run(world.desk.each_hour())
    operator.sign_in()
    assert contact(operator, made["id"]) == ("applied", "Camille Martin")
    assert operator.get("/overview").json()["clock_days"] == 400
    shown = operator.get("/clock").json()
    assert shown["days"] == 400
    # The clock goes back: nothing was done that would have to be undone.
    world.clock.at = began
    asyncio.run(world.desk.each_hour())
    assert operator.get("/clock").json() == {"at": shown["before"], "before": None, "days": 0}
    world.clock.pass_by(400 * DAY)
    operator.sign_in()
    assert operator.post("/clock/confirm").json()["days"] == 0
    asyncio.run(world.desk.each_hour())
    assert contact(operator, made["id"]) == ("ended", "Camille Martin")
    assert operator.get("/log", what="clock.").json()["items"][0]["details"] == {"days": 400}


def test_who_is_no_operator_confirms_nothing(world: LinesWorld) -> None:
    world.desk.clock_guard.confirm()
    world.clock.pass_by(400 * DAY)
    auditor = world.signed_in(Role.AUDITOR)
    assert auditor.get("/clock").json()["days"] == 400
    assert auditor.post("/clock/confirm").json()["code"] == "desk.forbidden"
    assert auditor.get("/clock").json()["days"] == 400


def contact(operator: Browser, reseller: str) -> tuple[str, str]:
    shown = operator.get(f"/resellers/{reseller}").json()
    return shown["standing"], shown["contact_name"]
