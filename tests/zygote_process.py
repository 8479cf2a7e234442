"""The process that tests fork their relays, phones and commands off: `python -m tests.zygote_process FD`.

Everything that a relay, a `chappe` and the tests' own programs import is imported here once. FD is a Unix
socket to the test process. A request is the length of a JSON text (4 bytes, big-endian), with the new
process's standard input, output and error beside it, and that text: {"module", "arguments", "env", "cwd"}.
The answer is the new process's id, in 4 bytes. The new process's parent is the test process, which must have
made itself a subreaper. When the test process goes, the socket ends, and with it this process.
"""

from __future__ import annotations

import atexit
import contextlib
import ctypes
import functools
import gc
import importlib
import io
import json
import os
import pkgutil
import random
import runpy
import signal
import socket
import struct
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from types import ModuleType
from typing import Any, Final

from tests import fresh

HEADER: Final = struct.Struct(">I")
STANDARD: Final = 3
PR_SET_PDEATHSIG: Final = 1

PROGRAMS: Final = (
    "chappe.cli.main",
    "chappe.relay.__main__",
    "tests.client.talker",
    "tests.relay.shares.runner",
)
"""Imported for what they import, and forgotten: a program's own module is run anew each time."""

ELSEWHERE: Final = (
    "alembic.command",
    "alembic.ddl.postgresql",
    "alembic.ddl.sqlite",
    "sqlalchemy.dialects.postgresql.psycopg",
    "sqlalchemy.dialects.sqlite.aiosqlite",
    "typer._adapters",
    "uvicorn.lifespan.off",
    "uvicorn.loops.uvloop",
    "websockets.asyncio.client",
)
"""What is only imported in the course of a function, outside `chappe`."""


@dataclass(frozen=True, slots=True)
class Job:
    """A process to be."""

    module: str
    arguments: list[str]
    env: dict[str, str]
    cwd: str
    standard: list[int]


def serve(connection: socket.socket) -> Job | None:
    """Fork until the test process goes. Gives a job in each process that was forked, None in this one."""
    parent = os.getppid()
    while (job := _next(connection)) is not None:
        pid = _fork(parent)
        if pid == 0:
            connection.close()
            return job
        for descriptor in job.standard:
            os.close(descriptor)
        connection.sendall(HEADER.pack(pid))
    return None


def _next(connection: socket.socket) -> Job | None:
    header, standard, _, _ = socket.recv_fds(connection, HEADER.size, STANDARD)
    if not header:
        return None
    (size,) = HEADER.unpack(header)
    body = b""
    while len(body) < size:
        body += connection.recv(size - len(body))
    return Job(**json.loads(body), standard=standard)


def _fork(parent: int) -> int:
    """A grandchild, whose parent is gone when this returns: gives its id, and 0 in the grandchild."""
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        pid = os.fork()
        if pid == 0:
            os.close(read)
            os.close(write)
            _wait_for(parent)
            return 0
        os.write(write, HEADER.pack(pid))
        os._exit(0)
    os.close(write)
    (pid,) = HEADER.unpack(os.read(read, HEADER.size))
    os.close(read)
    os.waitpid(child, 0)
    return int(pid)


def _wait_for(parent: int) -> None:
    """Until the test process is the parent. From then on, whatever kills that one kills this one."""
    while os.getppid() != parent:
        time.sleep(0.000_2)
    ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def become(job: Job) -> None:
    """All that an interpreter finds when it starts, in place of what was this process's."""
    for number, descriptor in enumerate(job.standard):
        os.dup2(descriptor, number)
    for name in os.listdir("/proc/self/fd"):
        if int(name) >= STANDARD:
            with contextlib.suppress(OSError):  # the one that listed them
                os.close(int(name))
    os.chdir(job.cwd)
    os.environ.clear()
    os.environ.update(job.env)
    time.tzset()
    random.seed()
    sys.path[0] = job.cwd
    sys.argv = ["", *job.arguments]
    sys.orig_argv = [sys.executable, "-m", job.module, *job.arguments]
    for stream, name, mode in (
        (sys.stdin, "<stdin>", "r"),
        (sys.stdout, "<stdout>", "w"),
        (sys.stderr, "<stderr>", "w"),
    ):
        assert isinstance(stream, io.TextIOWrapper)
        _reopen(stream, name, mode)


def _reopen(stream: io.TextIOWrapper, name: str, mode: str) -> None:
    """What the interpreter does when it starts (create_stdio in CPython's pylifecycle.c), on the same object:
    libraries that were imported hold it. Encoding and errors are the locale's, which is the same."""
    unbuffered = isinstance(stream.buffer, io.RawIOBase)
    number = {"<stdin>": 0, "<stdout>": 1, "<stderr>": 2}[name]
    buffer: Any = open(number, f"{mode}b", buffering=0 if unbuffered else -1, closefd=False)  # noqa: SIM115
    raw = buffer if unbuffered else buffer.raw
    raw.name = name
    stream.__init__(  # type: ignore[misc]
        buffer,
        encoding=stream.encoding,
        errors=stream.errors,
        newline="\n",
        line_buffering=not stream.write_through and (name == "<stderr>" or raw.isatty()),
        write_through=stream.write_through,
    )
    stream.mode = mode  # type: ignore[misc]


def preload() -> None:
    """Import what a started process has imported. Nothing is begun: no thread, no file, no loop."""
    for name in (*ELSEWHERE, *_own()):
        # What lacks here is lacking to who asks for it, and to nobody else.
        with contextlib.suppress(ImportError):
            importlib.import_module(name)
    _remember_commands()
    for name in PROGRAMS:
        importlib.import_module(name)
        _forget(name)
    fresh.install()
    fresh.prepare()
    assert threading.active_count() == 1


def _remember_commands() -> None:
    """What Typer makes of the functions of `chappe`'s commands, which it looks through at each start, all of
    them, for half of what a short command costs. It is the same each time."""
    import typer.main

    from chappe.cli.main import app

    name = "_get_params_name_from_function"
    setattr(typer.main, name, functools.cache(getattr(typer.main, name)))
    typer.main.get_command(app)


def _own() -> Iterator[str]:
    """Every module of Chappe but the programs and the migrations, which Alembic runs."""
    import chappe

    for found in pkgutil.walk_packages(chappe.__path__, "chappe."):
        if ".migrations." not in found.name and not found.name.endswith(".__main__"):
            yield found.name


def _forget(name: str) -> None:
    package, _, last = name.rpartition(".")
    del sys.modules[name]
    delattr(sys.modules[package], last)


def spare_what_is_here() -> None:
    """An exit takes no module apart that was imported before the fork: it would write to all of their memory,
    which the system then copies, for half of what a short command costs. All else goes as it always does.

    Of all that is done at an exit, it is the last before the interpreter goes.
    """
    here: set[ModuleType] = set()

    @atexit.register
    def spare() -> None:
        for name in [name for name, module in sys.modules.items() if module in here]:
            del sys.modules[name]

    preload()
    for name, module in sys.modules.items():
        if name not in ("builtins", "sys", "__main__"):
            ctypes.pythonapi.Py_IncRef(ctypes.py_object(module))
            here.add(module)


def main() -> None:
    on_interrupt = signal.signal(signal.SIGINT, signal.SIG_IGN)
    connection = socket.socket(fileno=int(sys.argv[1]))
    spare_what_is_here()
    gc.collect()
    gc.freeze()
    job = serve(connection)
    if job is not None:
        signal.signal(signal.SIGINT, on_interrupt)
        become(job)
        runpy.run_module(job.module, run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main()
