"""A process that is forked off the zygote is, to all that can be seen, one that was started."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeAlias

import pytest

from tests import zygote
from tests.cli.world import environment

Starts: TypeAlias = type[subprocess.Popen[Any]]

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="processes are forked off on Linux only")

STATE = """
import json, locale, os, signal, sys, threading, time
links = [f"/proc/self/fd/{number}" for number in range(10)]
print(json.dumps({
    "argv": sys.argv, "orig": sys.orig_argv, "path": sys.path, "flags": repr(sys.flags),
    "main": [__name__, __spec__.name, __file__, sys.modules["__main__"].STATE],
    "cwd": os.getcwd(), "env": dict(os.environ), "zone": time.tzname,
    "handlers": [str(signal.getsignal(number)) for number in signal.valid_signals()],
    "blocked": [int(number) for number in signal.pthread_sigmask(signal.SIG_BLOCK, [])],
    "parent": os.getppid(), "group": os.getpgid(0), "session": os.getsid(0), "mask": os.umask(0o22),
    "locale": [locale.setlocale(locale.LC_CTYPE), locale.getpreferredencoding(), sys.getfilesystemencoding()],
    "streams": [
        [stream.name, stream.mode, stream.encoding, stream.errors, stream.newlines, stream.line_buffering,
         stream.write_through, stream.isatty(), stream.fileno(), type(stream.buffer).__name__]
        for stream in (sys.stdin, sys.stdout, sys.stderr)
    ],
    "same": [sys.stdin is sys.__stdin__, sys.stdout is sys.__stdout__, sys.stderr is sys.__stderr__],
    "threads": threading.active_count(), "tasks": len(os.listdir("/proc/self/task")),
    "open": [os.readlink(link) for link in links if os.path.exists(link)],
}))
"""


def program(folder: Path, text: str) -> list[str]:
    """`python -m program`, for who stands in the folder."""
    (folder / "program.py").write_text(f"STATE = 1\n{text}", encoding="utf-8")
    return [sys.executable, "-m", "program"]


def forks(process: subprocess.Popen[Any]) -> bool:
    """Whether it was forked: what the system holds for its command line is the zygote's."""
    return b"zygote_process" in Path(f"/proc/{process.pid}/cmdline").read_bytes()


def both(
    folder: Path, text: str, *arguments: str, **options: Any
) -> tuple[list[tuple[Any, ...]], list[bool]]:
    """Started and forked: (status, out, err) of each, and which was forked."""
    ended: list[tuple[Any, ...]] = []
    forked = []
    given: dict[str, Any] = {"cwd": folder, "env": environment()} | options
    text = f"import sys\nsys.stdin.buffer.read(1)\n{text}"
    for starts in (subprocess.Popen, zygote.Popen):
        with starts(
            [*program(folder, text), *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            **given,
        ) as process:
            forked.append(forks(process))
            out, err = process.communicate(b"\n" + "caf\u00e9".encode() + b"\xff\nmore", timeout=60)
        ended.append((process.returncode, out, err))
    return ended, forked


def test_it_finds_what_an_interpreter_finds(tmp_path: Path) -> None:
    """Arguments, folder, environment, signals, streams, open files, parent and session."""
    environ = environment(ODD="caf\u00e9\udcff", TZ="Asia/Tokyo")
    (started, ours), forked = both(tmp_path, STATE, "one", "caf\u00e9\udcff", "", env=environ)
    assert forked == [False, True]
    assert started[::2] == ours[::2] == (0, b"")
    expected, found = json.loads(started[1]), json.loads(ours[1])
    pipes = [state.pop("open") for state in (expected, found)]
    assert [len(names) for names in pipes] == [3, 3], "nothing else is open"
    assert found == expected
    assert found["parent"] == os.getpid()


@pytest.mark.parametrize(
    "text",
    [
        "pass",
        "import sys\nsys.exit(7)",
        "import sys\nsys.exit('no\u2026')",
        "import sys\nsys.exit([1])",
        "import os\nos._exit(9)",
        "import os, signal\nos.kill(os.getpid(), signal.SIGKILL)",
        "import os, signal\nos.kill(os.getpid(), signal.SIGTERM)",
        "import os, signal\nos.abort()",
        "print('caf\u00e9 \u2603', end='')",
        "import sys\nprint(ascii(sys.stdin.read()))",
        "import sys\nprint(ascii(sys.stdin.readline()), sys.stdin.buffer.read())",
        "import sys\nprint('out')\nprint('\u2603\\udcff', file=sys.stderr)",
        "import atexit\natexit.register(print, 'bye')\nprint('hello')",
        "import atexit, sys\natexit.register(print, 'bye')\nsys.exit(3)",
        "import threading, time\nthreading.Thread(target=lambda: (time.sleep(0.2), print('late'))).start()",
        "class Last:\n    def __del__(self): print('gone')\nlast = Last()\nlast.itself = last",
        "async def never(): pass\nnever()",
        "import sys\nsys.excepthook = lambda *about: print('hook', about[0])\n1 / 0",
    ],
)
def test_it_ends_as_an_interpreter_ends(tmp_path: Path, text: str) -> None:
    (started, ours), forked = both(tmp_path, text)
    assert forked == [False, True]
    assert ours == started


def test_an_exception_is_shown(tmp_path: Path) -> None:
    """With the frames of the program; those of how it was started are others."""
    (started, ours), _ = both(tmp_path, "def fall():\n    raise ValueError('na\u00efve')\nfall()")
    assert (ours[0], ours[1]) == (started[0], started[1]) == (1, b"")
    assert ours[2].startswith(b"Traceback (most recent call last):\n")
    assert (
        ours[2][ours[2].index(b'  File "' + bytes(tmp_path)) :]
        == started[2][started[2].index(b'  File "' + bytes(tmp_path)) :]
    )
    assert "ValueError: na\u00efve" in ours[2].decode()


def test_signals_reach_it(tmp_path: Path) -> None:
    wait = "import sys, time\nprint('up', flush=True)\ntime.sleep(60)"
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGKILL, signal.SIGHUP):
        with zygote.Popen[bytes](
            program(tmp_path, wait), stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd=tmp_path
        ) as process:
            assert forks(process)
            assert process.stdout is not None
            assert process.stdout.readline() == b"up\n"
            assert process.poll() is None
            process.send_signal(number)
            assert process.wait(timeout=60) == -number
            assert process.stderr is not None
            assert (b"KeyboardInterrupt" in process.stderr.read()) == (number == signal.SIGINT)


def test_each_has_chances_of_its_own(tmp_path: Path) -> None:
    text = "import random, secrets, uuid\nprint(random.random(), secrets.token_hex(), uuid.uuid4())"
    text += "\nfrom cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key as rsa"
    text += "\nprint(rsa(65537, 1024).public_key().public_numbers().n)"
    said = [zygote.run(program(tmp_path, text), cwd=tmp_path, timeout=60).stdout.split() for _ in range(3)]
    assert len({word for words in said for word in words}) == 12


def test_the_zygote_holds_nothing() -> None:
    """No thread, no file, no socket but that to this process; and it is not the parent of what it made."""
    zygote.run([sys.executable, "-m", "this"], timeout=60)
    process = zygote._zygotes[""]._process
    assert process is not None
    about = Path(f"/proc/{process.pid}")
    assert len(list((about / "task").iterdir())) == 1
    links = [os.readlink(path) for path in (about / "fd").iterdir() if path.name != "2"]
    assert sorted(link.partition(":")[0] for link in links) == ["/dev/null", "/dev/null", "socket"]
    assert (about / "task" / str(process.pid) / "children").read_text() == ""


@pytest.mark.parametrize(
    "options",
    [
        {"env": environment(PYTHONHASHSEED="1")},
        {"env": environment(LANG="C.ISO-8859-1")},
        {"env": environment(LC_ALL="fr_FR.UTF-8")},
        {"preexec_fn": lambda: None},
        {"start_new_session": True},
        {"umask": 0},
        {"executable": sys.executable},
    ],
)
def test_what_it_cannot_be_is_started(options: dict[str, Any]) -> None:
    with zygote.Popen[bytes](
        [sys.executable, "-m", "http.server", "0"],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        **options,
    ) as process:
        assert not forks(process)
        process.kill()


def test_it_can_be_turned_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CHAPPE_TEST_ZYGOTE", "0")
    test_what_it_cannot_be_is_started({})


def test_errors_of_the_start_are_errors(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        zygote.Popen([sys.executable, "-m", "this"], cwd=tmp_path / "none")
    with pytest.raises(subprocess.TimeoutExpired):
        zygote.run([sys.executable, "-m", "asyncio"], timeout=0.001)


def test_nothing_outlives_the_tests(tmp_path: Path) -> None:
    """Killed without a word, the test process takes the zygote and all that came of it with it."""
    wait = "import os, sys, time\nprint(os.getpid(), flush=True)\ntime.sleep(600)"
    words = program(tmp_path, wait)
    tests = f"""
import subprocess
from tests import zygote
process = zygote.Popen({words!r}, stdout=subprocess.PIPE, cwd={str(tmp_path)!r})
print(process.stdout.readline().decode().strip(), zygote._zygotes[""]._process.pid, flush=True)
process.wait()
"""
    with subprocess.Popen([sys.executable, "-c", tests], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        pids = [int(word) for word in process.stdout.readline().split()]
        assert len(pids) == 2
        process.kill()
    wait_until(lambda: not any(alive(pid) for pid in pids))


def alive(pid: int) -> bool:
    """A zombie is not: somebody else is to bury it."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def wait_until(holds: Callable[[], bool], seconds: float = 30) -> None:
    end = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < end
        time.sleep(0.02)
