"""A drill of thousands of runs that was broken off goes on where it was; what is missing is not passed."""

from __future__ import annotations

from pathlib import Path

import pytest
from bench.drill.campaign import PIECE, Plan, pieces, read, run
from bench.drill.eyes import Sight
from bench.drill.journal import Journal
from bench.drill.runs import BROKEN, Run
from bench.drill.verdict import HONEST, NOTICED


@pytest.fixture
def plan(tmp_path: Path) -> Plan:
    return Plan(("freeze", "replay"), 7, 30, 50, False, False, tmp_path, tmp_path / "journal")


def noticed(number: int) -> Run:
    return Run("freeze", number, NOTICED, ["lost"], [Sight("ada", "gap", "missing")], [], True, 0.5)


def test_every_run_is_in_one_piece_and_all_series_go_forward_alike(plan: Plan) -> None:
    cut = pieces(plan)
    runs = [(piece.name, number) for piece in cut for number in piece.numbers]
    wanted = {("honest", number) for number in range(50)}
    wanted |= {(name, number) for name in plan.attacks for number in range(30)}
    assert sorted(runs) == sorted(wanted)
    assert all(len(piece.numbers) <= PIECE for piece in cut)
    assert [piece.name for piece in cut[:3]] == ["honest", "freeze", "replay"]


def test_what_has_a_result_is_not_run_again_and_what_broke_is(plan: Plan) -> None:
    journal = Journal(plan.journal)
    journal.write(Run("freeze", 4, BROKEN, ["no answer"]))
    for number in range(4):
        journal.write(noticed(number))
    with plan.journal.open("ab") as file:
        file.write(b'{"series":"freeze","numb')
    left = [number for piece in pieces(plan) if piece.name == "freeze" for number in piece.numbers]
    assert left == list(range(4, 30))


def test_a_series_with_a_run_missing_is_not_passed(plan: Plan) -> None:
    journal = Journal(plan.journal)
    for number in range(29):
        journal.write(noticed(number))
    for number in range(50):
        journal.write(Run("honest", number, HONEST))
    honest, freeze, replay = read(plan)
    assert (honest.passed, freeze.passed, replay.passed) == (True, False, False)
    journal.write(noticed(29))
    _, freeze, _ = read(plan)
    assert freeze.passed
    assert (freeze.alarmed, freeze.harmed, freeze.read) == (30, 30, 30)
    assert freeze.sees == {"missing": 30}


def test_a_second_call_with_the_same_journal_has_nothing_to_do(plan: Plan) -> None:
    journal = Journal(plan.journal)
    for name in plan.attacks:
        for number in range(30):
            journal.write(Run(name, number, NOTICED))
    for number in range(50):
        journal.write(Run("honest", number, HONEST))
    assert all(series.passed for series in run(plan, 4, lambda told: None))
