"""The drill's report: for machines, and in plain words."""

from __future__ import annotations

import json
from typing import Any, Final

from bench.drill.runs import Series
from bench.drill.verdict import NOTICED

TEXTS: Final = 12


def as_data(done: list[Series], *, seed: int, control: bool) -> dict[str, Any]:
    return {
        "seed": seed,
        "control": control,
        "passed": all(series.passed for series in done),
        "series": [_series(series) for series in done],
    }


def _series(series: Series) -> dict[str, Any]:
    return {
        "name": series.name,
        "does": series.does,
        "client": series.client,
        "runs": series.runs,
        "passed": series.passed,
        "verdicts": dict(series.verdicts),
        "with_alarm": series.alarmed,
        "with_harm": series.harmed,
        "read_by_the_attacker": series.read,
        "seconds": series.seconds,
        "sees": [{"text": text, "runs": runs} for text, runs in series.sees.most_common(TEXTS)],
        "failures": series.failures,
    }


def as_json(done: list[Series], *, seed: int, control: bool) -> str:
    return json.dumps(as_data(done, seed=seed, control=control), ensure_ascii=False)


def as_text(done: list[Series], *, control: bool) -> str:
    lines: list[str] = []
    for series in done:
        lines += _told(series)
    failed = [series.name for series in done if not series.passed]
    lines.append("")
    if control:
        lines.append("The control: nobody looked, and some checks were off; harm had to be called unnoticed.")
    if failed:
        lines.append(f"NOT PASSED: {', '.join(failed)}.")
    else:
        lines.append("Passed." if not control else "The drill can fail, as it should.")
    return "\n".join(lines)


def _told(series: Series) -> list[str]:
    verdicts = ", ".join(f"{count:,} {word}" for word, count in sorted(series.verdicts.items()))
    lines = [
        f"{series.name}: {series.does}",
        f"  {series.runs:,} runs in {series.seconds:,.1f} s: {verdicts}",
    ]
    if series.verdicts[NOTICED]:
        silent = series.verdicts[NOTICED] - series.alarmed
        lines.append(f"  noticed by an alarm {series.alarmed:,} times, by what stays away {silent:,} times")
    lines += [f"  {runs:,}× a person sees: {text}" for text, runs in series.sees.most_common(TEXTS)]
    for failure in series.failures:
        lines.append(f"  ! run {failure['run']}: {failure['verdict']}")
        lines += [f"      {harm}" for harm in failure["harms"]]  # type: ignore[attr-defined]
        lines += [f"      {sight}" for sight in failure["sees"]]  # type: ignore[attr-defined]
    return lines
