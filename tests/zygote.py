"""New Python processes in milliseconds: forked off one that has imported everything.

Starting a relay costs a second of processor or more, nearly all of it for imports, and the tests start many
hundreds. `Popen` here is `subprocess.Popen`, but `[sys.executable, "-m", MODULE, …]` on Linux is forked off a
process that this one started on first use (zygote_process.py). What comes of it is a child of this process
as any other, with the arguments, environment, folder, standard streams and signals that it was given.

What only a process of its own can show (memory, limits, what it imports) is for `subprocess.Popen`;
CHAPPE_TEST_ZYGOTE=0 makes every process such a one. Those with a library of LD_PRELOAD have a zygote with it.
"""

from __future__ import annotations

import atexit
import ctypes
import json
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, AnyStr, Final

from tests.zygote_process import HEADER

PR_SET_CHILD_SUBREAPER: Final = 36
ROOT: Final = Path(__file__).parents[1]
READ_AT_START: Final = ("PYTHON", "TYPER_", "_TYPER_", "FORCE_COLOR", "GITHUB_ACTIONS", "TERMINAL_WIDTH")
"""How variables begin that the interpreter, or a library as it is imported, reads once. Where they are not
the zygote's, an interpreter is started."""


class Popen(subprocess.Popen[AnyStr]):
    """`subprocess.Popen`, forked off the zygote if it can be."""

    def _execute_child(
        self,
        args: Any,
        executable: Any,
        preexec_fn: Any,
        close_fds: bool,
        pass_fds: Sequence[int],
        cwd: Any,
        env: Mapping[Any, Any] | None,
        startupinfo: Any,
        creationflags: int,
        shell: bool,
        p2cread: int,
        p2cwrite: int,
        c2pread: int,
        c2pwrite: int,
        errread: int,
        errwrite: int,
        restore_signals: bool,
        *rest: Any,
    ) -> None:
        """CPython's own method, and the only way in. `rest` is group, groups, user, umask, session, process
        group, and what later versions add."""
        plain = not (executable or preexec_fn or pass_fds or shell) and close_fds and restore_signals
        words = _words(args) if plain and all(_is_unset(value) for value in rest) else None
        given = _texts(os.environ if env is None else env)
        folder = os.path.abspath(cwd or ".")
        zygote = _zygote_of(given)
        if words is None or zygote is None or not os.path.isdir(folder):
            super()._execute_child(  # type: ignore[misc]
                *(args, executable, preexec_fn, close_fds, pass_fds, cwd, env, startupinfo, creationflags),
                *(shell, p2cread, p2cwrite, c2pread, c2pwrite, errread, errwrite, restore_signals, *rest),
            )
            return
        module, *arguments = words
        request = {"module": module, "arguments": arguments, "env": given, "cwd": folder}
        pipes = (p2cread, c2pwrite, errwrite)
        # As for any process: a stream that was not given is this one's.
        standard = [number if pipe == -1 else pipe for number, pipe in enumerate(pipes)]
        self.pid = zygote.fork(request, standard)
        self._child_created = True
        self._close_pipe_fds(p2cread, p2cwrite, c2pread, c2pwrite, errread, errwrite)  # type: ignore[attr-defined]


def environment(**more: str) -> dict[str, str]:
    """For a program under test: this process's variables without Chappe's, text in UTF-8, and `more`."""
    kept = {
        name: value for name, value in os.environ.items() if not name.startswith(("CHAPPE_", "LC_", "LANG"))
    }
    return kept | {"LANG": "C.UTF-8"} | more


def run(
    args: Sequence[str], *, input: str | None = None, timeout: float | None = None, **options: Any
) -> subprocess.CompletedProcess[str]:
    """`subprocess.run` with text in, and text out and errors captured."""
    pipe = subprocess.PIPE
    with Popen[str](args, stdin=pipe, stdout=pipe, stderr=pipe, text=True, **options) as process:
        try:
            out, err = process.communicate(input, timeout=timeout)
        except BaseException:
            process.kill()
            raise
    return subprocess.CompletedProcess(args, process.returncode, out, err)


def _is_unset(value: object) -> bool:
    """0 is a value: the superuser, or a umask."""
    return value is None or value is False or value == -1


def _words(args: Any) -> list[str] | None:
    """What follows `python -m`, if that is what is to be run."""
    if isinstance(args, (str, bytes, os.PathLike)):
        return None
    words = [os.fsdecode(word) for word in args]
    return words[2:] if words[:2] == [sys.executable, "-m"] and len(words) > 2 else None


def _texts(env: Mapping[Any, Any]) -> dict[str, str]:
    return {os.fsdecode(name): os.fsdecode(value) for name, value in env.items()}


def _zygote_of(env: Mapping[str, str]) -> _Zygote | None:
    """The one that starts as a process with these variables does; None where that is an interpreter's."""
    if sys.platform != "linux" or os.environ.get("CHAPPE_TEST_ZYGOTE") == "0":
        return None
    preload = env.get("LD_PRELOAD", "")
    zygote = _zygotes.setdefault(preload, _Zygote(preload))
    return zygote if _at_start(env) == zygote.at_start else None


def _at_start(env: Mapping[str, str]) -> dict[str, str]:
    """The variables that count at the start, with the locale of text as the interpreter finds it."""
    found = {name: value for name, value in env.items() if name.startswith(READ_AT_START)}
    locale = env.get("LC_ALL") or env.get("LC_CTYPE") or env.get("LANG") or "C"
    return found | {"LC_CTYPE": "C.UTF-8" if locale in ("C", "POSIX") else locale}


@dataclass
class _Zygote:
    """The process, once it runs."""

    preload: str = ""
    at_start: dict[str, str] = field(default_factory=lambda: _at_start({**os.environ, "LC_ALL": "C.UTF-8"}))
    _connection: socket.socket | None = None
    _process: subprocess.Popen[bytes] | None = None
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def fork(self, request: dict[str, Any], standard: list[int]) -> int:
        """Gives the id of the new child of this process. Raises RuntimeError if the zygote has ended."""
        body = json.dumps(request).encode()
        with self._lock:
            connection = self._connection or self._begin()
            try:
                socket.send_fds(connection, [HEADER.pack(len(body))], standard)
                connection.sendall(body)
                answer = connection.recv(HEADER.size, socket.MSG_WAITALL)
            except ConnectionError:
                answer = b""
        if len(answer) < HEADER.size:
            raise RuntimeError("tests/zygote_process.py has ended; it said why on standard error")
        (pid,) = HEADER.unpack(answer)
        return int(pid)

    def _begin(self) -> socket.socket:
        if ctypes.CDLL(None, use_errno=True).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) != 0:
            raise OSError(ctypes.get_errno(), "this process cannot take in the zygote's grandchildren")
        ours, theirs = socket.socketpair()
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "tests.zygote_process", str(theirs.fileno())],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                pass_fds=[theirs.fileno()],
                cwd=ROOT,
                env={**os.environ, "LC_ALL": "C.UTF-8"}
                | ({"LD_PRELOAD": self.preload} if self.preload else {}),
            )
        self._connection = ours
        return ours

    def end(self) -> None:
        """It ends by itself when this process does; this waits for it."""
        if self._connection is not None and self._process is not None:
            self._connection.close()
            self._process.wait()
        self.forget()

    def forget(self) -> None:
        """A process that was forked off this one, by whatever else, starts its own."""
        self._connection = self._process = None
        self._lock = threading.Lock()


_zygotes: Final[dict[str, _Zygote]] = {}


@atexit.register
def _end_all() -> None:
    for zygote in _zygotes.values():
        zygote.end()


def _forget_all() -> None:
    for zygote in _zygotes.values():
        zygote.forget()


os.register_at_fork(after_in_child=_forget_all)
