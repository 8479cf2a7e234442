"""The log: words that stand in the program, the fields of the table in docs/watching.md, JSON if asked."""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Iterator
from pathlib import Path

from tests.relay.world import RelayProcess

ROOT = Path(__file__).parents[2]
LEVELS = {"debug", "info", "warning", "error", "exception", "critical"}


def calls() -> Iterator[tuple[str, ast.Call]]:
    """Every call of a logger in what runs at the server."""
    for room in ("relay", "desk"):
        for path in sorted((ROOT / "src" / "chappe" / room).rglob("*.py")):
            for node in ast.walk(ast.parse(path.read_text())):
                if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Attribute):
                    continue
                owner = node.func.value
                if isinstance(owner, ast.Name) and owner.id == "log" and node.func.attr in LEVELS:
                    yield str(path), node


def documented() -> set[str]:
    section = (ROOT / "docs" / "watching.md").read_text().split("## Logs\n")[1].split("\n## ")[0]
    return {
        name
        for line in section.splitlines()
        if line.startswith("|")
        for name in re.findall(r"`(\w+)`", line.split("|")[1])
    }


def is_of_the_program(event: ast.expr) -> bool:
    """Words, or one of two; an f-string may say which of the services it is, and nothing else."""
    if isinstance(event, ast.IfExp):
        return is_of_the_program(event.body) and is_of_the_program(event.orelse)
    if isinstance(event, ast.JoinedStr):
        filled = [part.value for part in event.values if isinstance(part, ast.FormattedValue)]
        return {ast.unparse(value) for value in filled} <= {"self._name"}
    return isinstance(event, ast.Constant)


def test_events_are_words_of_the_program_and_fields_are_those_documented() -> None:
    known, found = documented(), list(calls())
    assert len(found) > 20
    for path, call in found:
        (event,) = call.args
        assert is_of_the_program(event), (path, ast.unparse(call))
        assert {keyword.arg for keyword in call.keywords} <= known, (path, ast.unparse(call))


def test_json_lines_have_event_level_and_time(tmp_path: Path) -> None:
    relay = RelayProcess(tmp_path / "data", log_json=True, log_level="debug", web_dir=tmp_path)
    try:
        assert relay.stop() == 0
    finally:
        relay.kill()
    lines = [json.loads(line) for line in relay.log.splitlines()]
    assert lines
    for line in lines:
        assert {"event", "level", "timestamp"} <= set(line) <= documented()
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d+Z", line["timestamp"])
    events = [line["event"] for line in lines]
    assert "the relay takes connections" in events
    assert events[-1] == "the relay has stopped"
    assert {line["level"] for line in lines} <= {"debug", "info", "warning", "error"}
