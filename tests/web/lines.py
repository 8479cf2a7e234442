"""The phone's TypeScript under Node: bundled by Vite once a session, then spoken to line by line.

    with Node.start("mls") as node:
        node("client", client="ts0", identity="00")

`web/phone/tests/node/lines.ts` says what a line is. Bytes are given and taken as hex.
"""

from __future__ import annotations

import functools
import json
import os
import queue
import shutil
import subprocess
import tempfile
import threading
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any, Self

import pytest

PHONE = Path(__file__).parents[2] / "web" / "phone"
MIN_NODE = 20
STDERR_LINES = 60


class NodeError(Exception):
    """The operation was refused; `code` says by what."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code


def need_phone() -> None:
    """Skips, or in CI fails, where the phone's code cannot run."""
    reason = _missing()
    if reason is None:
        return
    if os.environ.get("CI") == "true":
        pytest.fail(f"the phone's tests must run in CI: {reason}")
    pytest.skip(f"the phone's tests: {reason}")


def _missing() -> str | None:
    if shutil.which("node") is None:
        return "no node in the path"
    version = subprocess.run(["node", "--version"], capture_output=True, text=True).stdout.strip()
    if int(version.removeprefix("v").split(".")[0]) < MIN_NODE:
        return f"node {version} is older than {MIN_NODE}"
    if not (PHONE / "node_modules" / "ts-mls").is_dir():
        return "its packages are not installed: npm ci --prefix web/phone"
    return None


@functools.cache
def bundled(driver: str) -> Path:
    """The file that Node runs: `web/phone/tests/node/DRIVER.ts` with all that it imports."""
    out = Path(tempfile.mkdtemp(prefix="chappe-phone-"))
    subprocess.run(
        ["node", "node_modules/vite/bin/vite.js", "build", "--config", "tests/node/vite.config.ts"],
        cwd=PHONE,
        env={**os.environ, "DRIVER": driver, "OUT": str(out), "NODE_NO_WARNINGS": "1"},
        check=True,
        capture_output=True,
        text=True,
    )
    return out / f"{driver}.mjs"


class Node:
    """One process. Requests are answered in their order; what is not an answer goes to `on_event`."""

    def __init__(self, process: subprocess.Popen[str], timeout: float) -> None:
        self._process = process
        self._timeout = timeout
        self._answers: queue.Queue[str | None] = queue.Queue()
        self._stderr: list[str] = []
        self._next_id = 0
        self.on_event: Callable[[dict[str, Any]], None] = lambda _event: None
        assert process.stdout is not None
        assert process.stderr is not None
        threads = ((self._read_answers, process.stdout), (self._read_stderr, process.stderr))
        self._threads = [threading.Thread(target=work, args=(pipe,), daemon=True) for work, pipe in threads]
        for thread in self._threads:
            thread.start()

    @classmethod
    def start(cls, driver: str, *, timeout: float = 60.0, env: dict[str, str] | None = None) -> Self:
        """`timeout`: of each request, in seconds."""
        process = subprocess.Popen(
            ["node", str(bundled(driver))],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, "NODE_NO_WARNINGS": "1", **(env or {})},
        )
        return cls(process, timeout)

    def __call__(self, op: str, **args: Any) -> Any:
        """Gives the `ok` of the answer. Raises NodeError."""
        self._next_id += 1
        line = json.dumps({"id": self._next_id, "op": op, **args})
        assert self._process.stdin is not None
        self._process.stdin.write(line + "\n")
        self._process.stdin.flush()
        answer = self._answers.get(timeout=self._timeout)
        assert answer is not None, f"{op}: the process ended\n{''.join(self._stderr)}"
        found = json.loads(answer)
        assert found["id"] == self._next_id
        if "error" in found:
            raise NodeError(found["error"]["code"], found["error"]["message"])
        return found["ok"]

    def kill(self) -> None:
        """As a phone that loses its power."""
        self._process.kill()
        self.close()

    def close(self) -> None:
        """End the process and wait for it. More than once does no harm."""
        process = self._process
        try:
            if process.stdin is not None and not process.stdin.closed:
                process.stdin.close()
            process.wait(timeout=20)
        except (subprocess.TimeoutExpired, BrokenPipeError):
            process.kill()
            process.wait()
        for thread in self._threads:
            thread.join(timeout=20)
        for stream in (process.stdout, process.stderr):
            if stream is not None:
                stream.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _read_answers(self, stdout: IO[str]) -> None:
        for line in stdout:
            if line.startswith('{"event"'):
                self.on_event(json.loads(line)["event"])
            else:
                self._answers.put(line)
        self._answers.put(None)

    def _read_stderr(self, stderr: IO[str]) -> None:
        for line in stderr:
            self._stderr.append(line)
            del self._stderr[:-STDERR_LINES]
