"""The session: a key in memory, for as long as it is used, and never on a disk."""

from __future__ import annotations

import shutil
import stat
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from chappe.vault import session
from chappe.wire.errors import ChappeError
from tests.vault.service import DEVICE, Service, set_pin

KEY = bytes(range(32))


@pytest.fixture
def now(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Seconds since the machine started, for the test to move."""
    clock = [1000.0]
    monkeypatch.setattr(session, "running_seconds", lambda: clock[0])
    return clock


@pytest.fixture
def runtime(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    folder = Path(tempfile.mkdtemp(prefix="chappe-test-", dir="/dev/shm"))
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(folder))
    yield folder
    shutil.rmtree(folder)


@pytest.fixture
def home(tmp_path: Path, runtime: Path) -> Path:
    """A profile with a PIN and a session of a minute."""
    set_pin(tmp_path / "p", Service(), "480297", KEY)
    session.keep(tmp_path / "p", KEY, DEVICE, 60)
    return tmp_path / "p"


def the_file(runtime: Path) -> Path:
    (path,) = (runtime / "chappe").iterdir()
    return path


def test_it_lives_while_it_is_used(now: list[float], home: Path, runtime: Path) -> None:
    for _ in range(5):
        now[0] += 50
        found = session.use(home)
        assert found is not None
        assert found.key == KEY
        assert KEY.hex() not in repr(found)
    now[0] += 50
    session.touch(home)
    now[0] += 50
    assert session.alive(home)
    now[0] += 11
    path = the_file(runtime)
    with open(path, "rb") as held:
        assert not session.alive(home), "to look was no use of it"
        assert held.read().strip(b"\0") == b""
    assert not path.exists()
    assert session.use(home) is None
    session.touch(home)
    assert not session.alive(home)


def test_a_time_before_its_own_ends_it(now: list[float], home: Path) -> None:
    """The machine was started anew, and the file is there all the same."""
    now[0] = 5
    assert session.use(home) is None


def test_it_is_private_and_of_one_profile(home: Path, runtime: Path, tmp_path: Path) -> None:
    assert stat.S_IMODE(the_file(runtime).stat().st_mode) == 0o600
    set_pin(tmp_path / "q", Service(), "480297", bytes(32))
    assert session.use(tmp_path / "q") is None
    assert session.use(home) is not None
    assert session.destroy(home)
    assert not session.destroy(home)
    assert list((runtime / "chappe").iterdir()) == []


def test_a_profile_in_the_place_of_another(home: Path, runtime: Path) -> None:
    shutil.rmtree(home)
    home.mkdir()
    assert session.use(home) is None
    assert list((runtime / "chappe").iterdir()) == []


def test_a_file_that_others_may_read_is_none(home: Path, runtime: Path) -> None:
    the_file(runtime).chmod(0o640)
    assert session.use(home) is None
    target = runtime / "elsewhere"
    the_file(runtime).chmod(0o600)
    the_file(runtime).rename(target)
    (runtime / "chappe" / target.name).unlink(missing_ok=True)
    link = session._path(home)
    link.symlink_to(target)
    assert session.use(home) is None


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(st.binary(max_size=200))
def test_anything_else_in_the_file_is_no_session(home: Path, data: bytes) -> None:
    path = session._path(home)
    path.write_bytes(data)
    path.chmod(0o600)
    assert session.use(home) is None
    assert not path.exists()


def test_a_folder_on_a_disk_is_refused(home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert session.in_memory(Path("/dev/shm"))
    assert not session.in_memory(Path("/proc"))
    assert not session.in_memory(tmp_path)
    monkeypatch.setattr(session, "_choices", lambda: [tmp_path / "on-disk"])
    with pytest.raises(ChappeError) as caught:
        session.keep(home, KEY, DEVICE, 60)
    assert caught.value.code == "storage.unwritable"
    with pytest.raises(ChappeError):
        session.check_place()
    assert session.use(home) is None
    assert not session.alive(home)
    assert not session.destroy(home)
    assert list((tmp_path / "on-disk").iterdir()) == []


def test_a_folder_that_somebody_else_prepared_is_refused(
    home: Path, runtime: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (runtime / "open").mkdir(mode=0o755)
    (runtime / "link").symlink_to(runtime / "chappe")
    monkeypatch.setattr(session, "_choices", lambda: [runtime / "open", runtime / "link"])
    with pytest.raises(ChappeError, match=r"storage\.unwritable"):
        session.keep(home, KEY, DEVICE, 60)
