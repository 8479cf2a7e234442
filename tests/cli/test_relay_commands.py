"""`chappe serve` and `chappe code`, as the README has them."""

from __future__ import annotations

import re
import shlex
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from chappe.wire import links
from tests.cli.world import PROGRAM, begin, chappe, environment


@pytest.fixture
def welcomed(tmp_path: Path) -> Iterator[tuple[subprocess.Popen[str], list[str]]]:
    """`chappe serve --welcome`, and what it printed before it waited."""
    process = begin("serve", "--welcome", "--port", "0", "--data-dir", str(tmp_path / "data"), forked=False)
    assert process.stdout is not None
    lines = []
    while line := process.stdout.readline():
        lines.append(line.rstrip("\n"))
        if "Ctrl-C" in line:
            break
    yield process, lines
    if process.poll() is None:
        process.kill()
    process.communicate()


def test_a_newcomer_follows_what_the_relay_prints(
    welcomed: tuple[subprocess.Popen[str], list[str]], tmp_path: Path
) -> None:
    """Every command that is printed is run as it stands, but for the place of the profiles."""
    process, lines = welcomed
    found = [line.strip() for line in lines if line.startswith("  chappe://")]
    assert len(found) == len(set(found)) == 2
    for text in found:
        link = links.parse(text)
        assert isinstance(link, links.ActivationLink)
        assert link.place.pin is not None
    commands = [line.strip() for line in lines if " --home ~/chappe-" in line]
    assert [shlex.split(command)[1] for command in commands] == [
        "activate",
        "activate",
        "send",
        "receive",
        "chat",
    ]
    for command in commands:
        words = shlex.split(command.replace("~/", f"{tmp_path}/"))[1:]
        ran = chappe(*words, stdin="/quit\n")
        assert ran.status == 0, (command, ran.err)
        if words[0] == "receive":
            assert "Hello!" in ran.out
    (console,) = [line for line in lines if "/console/ " in line]
    (operator,) = [line.strip() for line in lines if " operator new " in line]
    opened = chappe(*shlex.split(operator)[1:])
    assert opened.status == 0, opened.err
    # The port is that of the relay that runs, whoever asks.
    place = re.search(r"https://localhost:\d+/console/", console)
    assert place is not None
    assert opened.lines[2].startswith(f"{place[0]}#link=")
    assert any(set(line) <= set("█▀▄ ") and len(line) > 20 for line in lines), "the picture"
    process.send_signal(signal.SIGINT)
    assert process.wait(timeout=20) == 0


def test_codes_are_made_while_the_relay_runs(
    welcomed: tuple[subprocess.Popen[str], list[str]], tmp_path: Path
) -> None:
    _, lines = welcomed
    port = re.search(r"chappe://localhost:(\d+)/", "\n".join(lines))
    assert port is not None
    ran = chappe("code", "new", "--count", "2", "--data-dir", str(tmp_path / "data"))
    assert len(ran.lines) == 2
    assert all(f"chappe://localhost:{port[1]}/" in line for line in ran.lines)
    done = chappe("--home", str(tmp_path / "eve"), "activate", ran.lines[1], "--name", "eve@localhost")
    assert done.status == 0, done.err
    assert "█" in chappe("code", "new", "--qr", "--data-dir", str(tmp_path / "data")).out


def test_make_run_is_what_is_tested() -> None:
    makefile = (Path(__file__).parents[2] / "Makefile").read_text()
    assert "chappe serve --welcome" in makefile


def test_the_version_and_the_help() -> None:
    done = subprocess.run([*PROGRAM, "--version"], capture_output=True, text=True, check=True)
    assert re.fullmatch(r"chappe \d+\.\d+\.\d+\n", done.stdout)
    for command in ([], ["send"], ["conversation"], ["devices"], ["code", "new"], ["serve"]):
        ran = chappe(*command, "--help")
        assert ran.status == 0
        assert "Usage" in ran.out


def test_bench_hands_its_options_on() -> None:
    assert "--pairs" in chappe("bench", "relay", "--help").out


def test_a_reader_that_goes_away_is_no_failure() -> None:
    started = time.monotonic()
    pipe = f"{shlex.join(PROGRAM)} --help | head -1"
    done = subprocess.run(
        ["bash", "-c", pipe], capture_output=True, text=True, env=environment(), check=False
    )
    assert done.stderr == ""
    assert time.monotonic() - started < 80
