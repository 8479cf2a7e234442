"""The real `chappe` in processes of its own."""

from __future__ import annotations

import contextlib
import io
import json
import os
import secrets
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from unittest.mock import patch

import typer.main

from chappe.cli.main import app, main
from chappe.wire.links import activation_link
from tests import zygote
from tests.relay.world import RelayProcess

PROGRAM = (sys.executable, "-m", "chappe.cli.main")
COMMANDS = typer.main.get_command(app)
"""Made once: `inside` would look through all of them at each command, for most of what it costs."""
SECONDS = 90


@dataclass
class Ran:
    """What a command left behind."""

    status: int
    out: str
    err: str

    @property
    def lines(self) -> list[str]:
        return self.out.splitlines()

    @property
    def json(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.lines]


def environment(**more: str) -> dict[str, str]:
    return zygote.environment(**{"COLUMNS": "100"} | more)


def chappe(*arguments: str, stdin: str = "", **variables: str) -> Ran:
    """Run it to its end. No command ever shows a traceback."""
    done = zygote.run(
        [*PROGRAM, *arguments],
        input=stdin,
        encoding="utf-8",
        errors="surrogateescape",
        timeout=SECONDS,
        env=environment(**variables),
    )
    assert "Traceback" not in done.stderr + done.stdout, done.stderr
    return Ran(done.returncode, done.stdout, done.stderr)


def inside(*words: str, **variables: str) -> Ran:
    """`chappe` without a process of its own, and with nobody at the terminal: most of what a command takes is
    its start."""
    out, err = io.StringIO(), io.StringIO()
    with (
        patch.dict(os.environ, environment(**variables), clear=True),
        patch.object(typer.main, "get_command", {app: COMMANDS}.__getitem__),
        contextlib.redirect_stdout(out),
        contextlib.redirect_stderr(err),
    ):
        status = main(list(words))
    return Ran(status, out.getvalue(), err.getvalue())


def begin(*arguments: str, forked: bool = True) -> subprocess.Popen[str]:
    """Run it beside the test. Without `forked` the interpreter is started, too."""
    popen = zygote.Popen if forked else subprocess.Popen
    return popen(
        [*PROGRAM, *arguments],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment(),
    )


@dataclass
class People:
    """Lines on one relay, each with a home."""

    relay: RelayProcess
    folder: Path
    tail: str = field(default_factory=lambda: secrets.token_hex(4))

    def address(self, name: str) -> str:
        return f"{name}-{self.tail}@localhost"

    def home(self, name: str) -> str:
        return str(self.folder / name)

    def link(self) -> str:
        return activation_link("localhost", self.relay.port, self.relay.code(), self.relay.pin)

    def activate(self, *names: str) -> None:
        for name in names:
            self.ok(name, "activate", self.link(), "--name", self.address(name))

    def run(self, name: str, *arguments: str, stdin: str = "", **variables: str) -> Ran:
        return chappe("--home", self.home(name), *arguments, stdin=stdin, **variables)

    def ok(self, name: str, *arguments: str, stdin: str = "", **variables: str) -> Ran:
        ran = self.run(name, *arguments, stdin=stdin, **variables)
        assert ran.status == 0, ran.err
        return ran
