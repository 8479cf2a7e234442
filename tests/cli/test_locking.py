"""`chappe lock` and `chappe unlock`, and every command on a profile that is locked."""

from __future__ import annotations

import os
import shutil
import stat
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from chappe.cli.main import main
from chappe.wire.errors import KINDS, error
from tests.cli.world import People, Ran, begin
from tests.vault.image import holds, image

PIN, OTHER = "480297", "903761"
LOCKED = KINDS["vault.locked"].exit_status


@pytest.fixture(autouse=True)
def runtime(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A runtime folder of this test's own, in memory."""
    folder = Path(tempfile.mkdtemp(prefix="chappe-test-", dir="/dev/shm"))
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(folder))
    yield folder
    shutil.rmtree(folder)


def sessions(runtime: Path) -> list[Path]:
    return [path for path in runtime.rglob("*") if path.is_file()]


def failed(ran: Ran, code: str) -> Ran:
    """One clear line, and the exit status of the table."""
    assert ran.status == KINDS[code].exit_status, ran.err
    assert f"[{code}]" in ran.err
    assert ran.err.count("\n") == 1
    assert PIN not in ran.err + ran.out
    assert OTHER not in ran.err + ran.out
    return ran


def ended(process: subprocess.Popen[str], seconds: float = 30) -> Ran:
    """What a program says that ends by itself, its standard input left open."""
    status = process.wait(seconds)
    assert process.stdout is not None
    assert process.stderr is not None
    return Ran(status, process.stdout.read(), process.stderr.read())


def lock(people: People, pin: str = PIN, *options: str) -> Ran:
    return people.ok("ada", "lock", "--pin-file", "-", *options, stdin=pin + "\n")


def unlock(people: People, pin: str = PIN) -> Ran:
    return people.run("ada", "unlock", "--pin-file", "-", stdin=pin + "\n")


def test_a_day_with_a_pin(people: People, runtime: Path, tmp_path: Path) -> None:
    people.activate("ada", "ben")
    key = Path(people.home("ada"), "key").read_bytes()
    assert "The PIN is set." in lock(people).out
    assert holds(image(Path(people.home("ada"))), key) == []
    for command in (["receive"], ["chat"]):
        ran = failed(people.run("ada", *command), "vault.locked")
        assert "chappe unlock" in ran.err
    assert "9 tries are left" in failed(unlock(people, OTHER), "vault.wrong_pin").err
    assert sessions(runtime) == []
    assert "15m" in unlock(people).out.replace("15 minutes", "15m")
    (session,) = sessions(runtime)
    assert stat.S_IMODE(session.stat().st_mode) == 0o600
    assert stat.S_IMODE(session.parent.stat().st_mode) == 0o700
    assert key in session.read_bytes(), "the vault key lives there, and there alone"
    assert holds(image(Path(people.home("ada"))), key) == []
    people.ok("ada", "send", people.address("ben"), "hello")
    assert "hello" in people.ok("ben", "receive", "--wait", "20").out
    assert "already" in unlock(people).out
    with open(session, "rb") as held:
        assert "locked" in people.ok("ada", "lock").out
        assert held.read().strip(b"\0") == b"", "overwritten"
    assert sessions(runtime) == []
    failed(people.run("ada", "receive"), "vault.locked")
    people.ok("ada", "lock")
    # Another PIN: the one that holds is asked for first.
    new = tmp_path / "new"
    new.write_text(OTHER)
    change = ("lock", "--change-pin", "--pin-file", "-", "--new-pin-file", str(new))
    failed(people.run("ada", *change, stdin="111222\n"), "vault.wrong_pin")
    assert "another now" in people.ok("ada", *change, stdin=f"{PIN}\n").out
    failed(unlock(people), "vault.wrong_pin")
    assert unlock(people, OTHER).status == 0
    people.ok("ada", "receive")
    # A failure leaves the session: it may be the last that opens the profile.
    failed(people.run("ada", *change, stdin="111222\n"), "vault.wrong_pin")
    people.ok("ada", "receive")


def test_lock_ends_what_runs_and_time_does(people: People, runtime: Path) -> None:
    people.activate("ada")
    lock(people, PIN, "--idle", "12s")
    assert unlock(people).status == 0
    chat, following = begin("--home", people.home("ada"), "chat"), None
    try:
        assert chat.stdout is not None
        assert "You are" in chat.stdout.readline()
        people.ok("ada", "lock")
        # It has let go of the profile when `lock` returns, and says why it ended; no line was typed.
        ran = ended(chat)
        assert ran.status == LOCKED
        assert "was locked" in ran.err
        # Without use: what only waits is no use, and ends by itself.
        assert unlock(people).status == 0
        started = time.monotonic()
        following = begin("--home", people.home("ada"), "receive", "--follow")
        ran = ended(following, 60)
        assert ran.status == LOCKED
        assert 8 < time.monotonic() - started < 40
        assert sessions(runtime) == []
        failed(people.run("ada", "receive"), "vault.locked")
    finally:
        for process in (chat, following):
            if process is not None and process.poll() is None:
                process.kill()


def test_pins_that_are_not_taken(people: People, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    people.activate("ada")

    def run(*arguments: str) -> Ran:
        """In this process: a person has typed nothing yet when these fail."""
        capsys.readouterr()
        status = main(["--home", people.home("ada"), *arguments])
        return Ran(status, *capsys.readouterr())

    def pin_file(content: bytes) -> str:
        (tmp_path / "pin").write_bytes(content)
        return str(tmp_path / "pin")

    failed(run("unlock", "--pin-file", pin_file(b"480297")), "vault.no_pin")
    for pin, reason in ((b"12345", "6 digits"), (b"111111", "same digit"), (b"", "6 digits")):
        assert reason in failed(run("lock", "--pin-file", pin_file(pin)), "vault.weak_pin").err
    failed(run("lock"), "usage.invalid")
    failed(run("lock", "--pin-file", str(tmp_path / "none")), "file.unreadable")
    failed(run("lock", "--pin-file", pin_file(b"7" * 5000)), "file.unreadable")
    failed(run("lock", "--pin-file", pin_file(b"caf\xe9 cr\xe8me et th\xe9")), "file.unreadable")
    failed(run("lock", "--idle", "1s"), "usage.invalid")
    failed(run("lock", "--offline-hours", "73"), "usage.invalid")
    people.ok("ada", "receive")
    assert not Path(people.home("ada"), "device").exists()


def test_typed_at_a_terminal(people: People) -> None:
    """Asked for twice, without echo."""
    import pty

    people.activate("ada")
    for typed, status in (((PIN, OTHER), KINDS["usage.invalid"].exit_status), ((PIN, PIN), 0)):
        child, terminal = pty.fork()
        if child == 0:
            os.environ["LANG"] = "C.UTF-8"
            os.execvp("env", [*_program(), "--home", people.home("ada"), "lock"])
        shown = _type(terminal, ["New PIN: ", "Once more: "], typed)
        _, ended = os.waitpid(child, 0)
        os.close(terminal)
        assert os.waitstatus_to_exitcode(ended) == status, shown
        assert PIN not in shown
        assert OTHER not in shown
    failed(people.run("ada", "receive"), "vault.locked")
    assert unlock(people).status == 0


def _program() -> list[str]:
    import sys

    return ["env", sys.executable, "-m", "chappe.cli.main"]


def _type(terminal: int, prompts: list[str], answers: tuple[str, ...]) -> str:
    """Answer each prompt; gives all that was shown."""
    shown = ""
    for prompt, answer in zip(prompts, answers, strict=True):
        while prompt not in shown:
            shown += os.read(terminal, 4096).decode()
        time.sleep(0.3)
        os.write(terminal, answer.encode() + b"\n")
    try:
        while piece := os.read(terminal, 4096):
            shown += piece.decode()
    except OSError:
        pass
    return shown


def test_a_share_that_is_lost_while_the_profile_is_open(
    people: People, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The service was made anew: a phone that is open sets its PIN anew; one that is locked cannot."""
    from chappe.client.transport import HttpApi

    people.activate("ada")
    (tmp_path / "pin").write_text(PIN)
    (tmp_path / "new").write_text(OTHER)
    options = ["--home", people.home("ada")]
    change = [*options, "lock", "--change-pin", "--pin-file", str(tmp_path / "pin")]
    change += ["--new-pin-file", str(tmp_path / "new")]
    assert main([*options, "lock", "--pin-file", str(tmp_path / "pin")]) == 0
    assert main([*options, "unlock", "--pin-file", str(tmp_path / "pin")]) == 0

    async def lost(self: HttpApi, device: bytes, sealed: bytes) -> bytes:
        raise error("unlock.unknown_device")

    monkeypatch.setattr(HttpApi, "unlock", lost)
    assert main(change) == 0
    assert main(change) == KINDS["unlock.unknown_device"].exit_status, "locked: nothing opens it"
    monkeypatch.undo()
    assert unlock(people, OTHER).status == 0
