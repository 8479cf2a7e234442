"""The drill, with few runs: every attack is noticed or harmless, nothing honest is called an attack, and
where nobody looks the judge says so. `chappe drill` makes as many runs as one likes."""

from __future__ import annotations

import asyncio
from collections import Counter
from pathlib import Path

import pytest
from bench.drill.attack import Attack, all_attacks
from bench.drill.main import main
from bench.drill.report import as_data, as_text
from bench.drill.runs import Series, drill
from bench.drill.table import shown, table
from bench.drill.verdict import HONEST, UNNOTICED

RUNS = 1


def runs(folder: Path, kinds: list[type[Attack]], count: int, **more: int | bool) -> list[Series]:
    return asyncio.run(drill(folder, kinds, seed=7, runs=count, **{"honest": 0} | more))  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Series]:
    series = runs(tmp_path_factory.mktemp("drill"), all_attacks(), RUNS, honest=3)
    return {one.name: one for one in series}


def test_honest_runs_raise_no_alarm(done: dict[str, Series]) -> None:
    honest = done["honest"]
    assert honest.verdicts == {HONEST: 3}, honest.failures
    assert not honest.sees


@pytest.mark.parametrize("name", [kind.name for kind in all_attacks()])
def test_every_attack_is_noticed_or_harmless(done: dict[str, Series], name: str) -> None:
    series = done[name]
    assert series.runs == RUNS
    assert series.passed, series.failures
    if series.harmed:
        assert series.sees, "harm, and nobody was shown anything"


def test_the_drill_can_fail(tmp_path: Path) -> None:
    """Phones that take any key, and eyes that are shut: the harm is called unnoticed."""
    wanted = ("freeze", "swap a key")
    kinds = [kind for kind in all_attacks() if kind.name in wanted]
    freeze, swap = runs(tmp_path, kinds, 2, control=True)
    assert freeze.verdicts[UNNOTICED] == 2
    assert swap.verdicts[UNNOTICED] == 2
    assert swap.read == 2, "the attack is real: without the check, the attacker reads"


def test_the_report_is_for_people_and_for_machines(done: dict[str, Series]) -> None:
    series = list(done.values())
    data = as_data(series, seed=7, control=False)
    (swap,) = [one for one in data["series"] if one["name"] == "swap a key"]
    assert swap["with_alarm"] == RUNS
    assert any("HAS CHANGED" in sight["text"] for sight in swap["sees"])
    told = as_text(series, control=False)
    assert f"{RUNS}× a person sees: ! The identity key of ben@localhost HAS CHANGED." in told
    lost = Series("x", "does", ("noticed",), 1, "", Counter({UNNOTICED: 1}))
    assert as_text([lost], control=False).endswith("NOT PASSED: x.")


def test_its_options(capfd: pytest.CaptureFixture[str]) -> None:
    assert main(["--list"]) == 0
    assert "swap a key" in capfd.readouterr().out


def test_the_page_has_every_attack_and_its_words_as_the_clients_say_them() -> None:
    """docs/drill.md is in step: `chappe drill --table` writes it anew."""
    page = (Path(__file__).parents[2] / "docs" / "drill.md").read_text()
    assert all(kind.shows for kind in all_attacks(browser=True))
    assert table() in page, "renew the table: chappe drill --table"


def test_a_text_that_nobody_says_is_refused() -> None:
    for key in ("no.such.word", "page:no.such.word"):
        with pytest.raises(KeyError):
            shown(key)


def test_what_the_table_says_is_what_is_seen(done: dict[str, Series]) -> None:
    """Of the attacks that always end the same way."""
    for name in ("freeze", "reuse a key package", "fork the log", "ghost device"):
        (kind,) = [kind for kind in all_attacks() if kind.name == name]
        start = shown(kind.shows[0]).removeprefix("! ").removeprefix("ben@localhost")[:40]
        assert any(start in text for text in done[name].sees), (name, start)
