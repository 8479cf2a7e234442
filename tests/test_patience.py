"""A test that hangs fails, is named, and holds nobody up: pytest is run on one."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

PLUGINS = ("-p", "tests.patience", "-p", "tests.again", "-p", "no:cacheprovider")
ROOT = Path(__file__).parents[1]
CONFIGURATION = """
[pytest]
anyio_mode = auto
timeout = {timeout}
faulthandler_timeout = {last}
faulthandler_exit_on_timeout = true
"""
FIXTURE = """
import asyncio
import pathlib
import anyio
import pytest
import time

@pytest.fixture
def anyio_backend():
    return "asyncio"

@pytest.fixture
async def thing():
    yield
    await asyncio.sleep(0.01)
    pathlib.Path("cleared").touch()
"""


def run(folder: Path, tests: str, *options: str, timeout: float = 4, below: str = "relay") -> tuple[int, str]:
    """What it ended with, and said."""
    tests_folder = folder / "tests" / below
    tests_folder.mkdir(parents=True, exist_ok=True)
    (folder / "pytest.ini").write_text(CONFIGURATION.format(timeout=timeout, last=4 * timeout))
    (tests_folder / "test_it.py").write_text(FIXTURE + tests)
    command = [sys.executable, "-m", "pytest", *PLUGINS, *options]
    done = subprocess.run(
        command,
        cwd=folder,
        env={"PYTHONPATH": str(ROOT), "PATH": "", "PYTHONWARNINGS": ""},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    return done.returncode, done.stdout + done.stderr


def test_an_async_test_that_waits_for_ever_is_told_where_and_its_fixtures_clear_up(tmp_path: Path) -> None:
    status, said = run(
        tmp_path,
        """
async def test_waits(thing):
    await asyncio.Event().wait()

async def test_next(thing):
    pass
""",
    )
    assert status == 1
    assert "await asyncio.Event().wait()" in said
    assert "TimeoutError" in said
    assert "1 failed, 1 passed" in said
    assert (tmp_path / "cleared").exists()


def test_so_are_fixtures_before_and_after(tmp_path: Path) -> None:
    status, said = run(
        tmp_path,
        """
@pytest.fixture
async def slow_before():
    await asyncio.Event().wait()
    yield

@pytest.fixture(scope="module")
def anyio_backend():
    return "asyncio"

@pytest.fixture(scope="module")
async def slow_after():
    yield
    await asyncio.Event().wait()

async def test_waits_before(slow_before, thing, slow_after):
    pass

async def test_waits_after(thing, slow_after):
    pass
""",
    )
    assert status == 1
    assert "ERROR at setup of test_waits_before" in said
    assert "ERROR at teardown of test_waits_after" in said
    assert "1 passed, 2 errors" in said


def test_it_is_tried_once_more_and_named(tmp_path: Path) -> None:
    status, said = run(
        tmp_path,
        """
async def test_waits_at_first(thing):
    if not pathlib.Path("cleared").exists():
        await asyncio.Event().wait()
""",
        timeout=15,
    )
    assert status == 0
    assert "held on the second try: tests/relay/test_it.py::test_waits_at_first" in said
    assert "TimeoutError" in said


STORY = """
@pytest.fixture(scope="module")
def told():
    with pathlib.Path("begun").open("a") as file:
        file.write("x")
    if {fails} and pathlib.Path("begun").read_text() == "x":
        raise OSError("not ready")
    return []

def test_one(told):
    told.append(1)

def test_two(told):
    told.append(2)
    assert len(pathlib.Path("begun").read_text()) == 2
    assert told == {before}

def test_three(told):
    assert told == {before}
"""


def test_a_story_is_told_again_from_its_beginning(tmp_path: Path) -> None:
    status, said = run(tmp_path, STORY.format(fails=False, before=[1, 2]), below="e2e", timeout=20)
    assert status == 0, said
    assert "3 passed" in said
    assert said.count("held on the second try") == 1
    assert "test_it.py::test_two" in said


@pytest.mark.parametrize("below", ["e2e", "client"])
def test_a_fixture_that_failed_once_is_made_once_more(tmp_path: Path, below: str) -> None:
    """Of a file, which would be remembered as failed."""
    status, said = run(tmp_path, STORY.format(fails=True, before=[1, 2]), below=below, timeout=20)
    assert status == 0, said
    assert said.count("held on the second try") == 1
    assert "OSError: not ready" in said


def test_a_second_try_has_the_timeout_too_and_says_how_the_first_one_failed(tmp_path: Path) -> None:
    status, said = run(
        tmp_path,
        """
def test_fails_and_hangs():
    if not pathlib.Path("cleared").exists():
        pathlib.Path("cleared").touch()
        raise OSError("at first")
    time.sleep(60)
""",
        timeout=8,
    )
    assert status == 1
    assert "Timeout" in said
    assert "The first try" in said
    assert "OSError: at first" in said


def test_what_a_fixture_says_as_it_ends_is_not_lost(tmp_path: Path) -> None:
    status, said = run(
        tmp_path,
        """
@pytest.fixture(scope="module")
def server():
    yield
    assert False, "the server had died"

def test_uses_it(server):
    assert pathlib.Path("cleared").exists() or pathlib.Path("cleared").touch()

def test_next(server):
    pass
""",
        below="e2e",
        timeout=20,
    )
    # It fails where the file ends, too.
    assert status == 1
    assert "held on the second try: tests/e2e/test_it.py::test_uses_it" in said
    assert "the end of a fixture failed" in said
    assert said.count("the server had died") >= 2


CATCHES = """
def test_catches():
    while True:
        try:
            time.sleep(0.1)
        except BaseException:
            pass
"""


def test_what_nothing_else_ends_is_ended_with_its_process(tmp_path: Path) -> None:
    """Here it catches the timeout."""
    status, said = run(tmp_path, CATCHES, timeout=1)
    assert status == 1
    assert "in test_catches" in said


@pytest.mark.parametrize("processes", ["1", "2"])
def test_and_the_others_are_run_by_another_process(tmp_path: Path, processes: str) -> None:
    """Those of its own file, and of files that it had before it, none of them twice."""
    folder = tmp_path / "tests" / "relay"
    folder.mkdir(parents=True)
    for name in "abcxyz":
        (folder / f"test_{name}.py").write_text(f"def test_{name}(): pass\n")
    options = ("-n", processes, "--dist", "loadfile", "--no-loadscope-reorder")
    status, said = run(tmp_path, CATCHES + "def test_next(): pass\n", *options, timeout=1)
    assert status == 1
    assert "crashed while running 'tests/relay/test_it.py::test_catches'" in said
    assert "1 failed, 7 passed" in said
