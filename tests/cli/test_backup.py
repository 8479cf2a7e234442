"""`chappe backup` and `chappe restore`: whole or not at all, private, checked; what is not as it was made is
refused before anything is written."""

from __future__ import annotations

import json
import shutil
import sqlite3
import stat
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from chappe.relay.backup.restoring import restore
from chappe.relay.config import load_settings
from chappe.relay.storage import open_database
from chappe.wire.errors import ChappeError
from tests.cli.world import inside
from tests.relay.world import RelayProcess


@pytest.fixture(scope="module")
def stopped(tmp_path_factory: pytest.TempPathFactory) -> RelayProcess:
    """A relay that has been and is gone; its backup is `copy` beside the data directory."""
    relay = RelayProcess(tmp_path_factory.mktemp("relay") / "data")
    relay.code()
    (relay.data_dir / "attachments" / ("ab" * 32)).write_bytes(b"ciphertext")
    (relay.data_dir / "notes.txt").write_text("the operator's own")
    made = inside("backup", "new", str(relay.data_dir.parent / "copy"), "--data-dir", str(relay.data_dir))
    assert made.status == 0, made.err
    assert relay.stop() == 0
    return relay


@pytest.fixture
def copy(stopped: RelayProcess, tmp_path: Path) -> Path:
    return Path(shutil.copytree(stopped.data_dir.parent / "copy", tmp_path / "copy"))


def manifest(copy: Path) -> dict[str, object]:
    found: dict[str, object] = json.loads((copy / "manifest.json").read_text())
    return found


def test_what_is_in_it_and_what_is_not(stopped: RelayProcess, tmp_path: Path) -> None:
    copy = stopped.data_dir.parent / "copy"
    files = {path.relative_to(copy).as_posix(): path for path in copy.rglob("*") if path.is_file()}
    assert {"relay.db", "log.key", "push-key.pem", "tls-key.pem", "tlog/checkpoint", "manifest.json"} <= set(
        files
    )
    assert not [
        name for name in files if "share" in name or name.endswith(("-wal", "-shm")) or "clock" in name
    ]
    left = {one["name"]: one["why"] for one in manifest(copy)["left_out"]}  # type: ignore[attr-defined]
    assert {"shares", "attachments", "notes.txt"} <= set(left)
    assert "would bring back what was erased" in left["shares"]
    for path in (copy, *copy.rglob("*")):
        assert stat.S_IMODE(path.stat().st_mode) == (0o700 if path.is_dir() else 0o600), path
    # Once more into the same place, and beside a copy that was cut off.
    again = inside("backup", "new", str(copy), "--data-dir", str(stopped.data_dir))
    assert "[storage.exists]" in again.err
    (tmp_path / "other.part").mkdir()
    beside = inside("backup", "new", str(tmp_path / "other"), "--data-dir", str(stopped.data_dir))
    assert "[storage.exists]" in beside.err
    assert (
        "[storage.missing]" in inside("backup", "new", str(tmp_path / "x"), "--data-dir", str(tmp_path)).err
    )
    whole = inside("backup", "verify", str(copy))
    assert whole.status == 0, whole.err
    digest = whole.lines[-1].split()[-1]
    assert inside("backup", "verify", str(copy), "--sha256", digest.upper()).status == 0
    assert "[storage.failed]" in inside("backup", "verify", str(copy), "--sha256", "0" * 64).err


def change(name: str, work: Callable[[bytes], bytes]) -> Callable[[Path], object]:
    return lambda copy: (copy / name).write_bytes(work((copy / name).read_bytes()))


def edit(**fields: object) -> Callable[[Path], object]:
    return lambda copy: (copy / "manifest.json").write_text(json.dumps(manifest(copy) | fields))


def without(name: str) -> Callable[[Path], object]:
    """The file is gone, and the manifest knows it no more."""

    def work(copy: Path) -> None:
        found = manifest(copy)
        (copy / name).unlink()
        found["files"] = [one for one in found["files"] if one["name"] != name]  # type: ignore[attr-defined]
        (copy / "manifest.json").write_text(json.dumps(found))

    return work


def other_log(copy: Path) -> None:
    """An entry of the log is another, and every digest fits."""
    with closing(sqlite3.connect(copy / "relay.db")) as database, database:
        database.execute("UPDATE log_entries SET entry = x'00' WHERE number = 0")
    found = manifest(copy)
    part = next(one for one in found["files"] if one["name"] == "relay.db")  # type: ignore[attr-defined]
    from chappe.relay.backup.copying import part_of

    part["sha256"], part["size"] = part_of(copy / "relay.db", "").sha256, (copy / "relay.db").stat().st_size
    (copy / "manifest.json").write_text(json.dumps(found))


def link(copy: Path) -> None:
    (copy / "served").unlink(missing_ok=True)
    (copy / "served").symlink_to("/etc/hosts")


WRONG: dict[str, Callable[[Path], object]] = {
    "one bit": change("relay.db", lambda data: data[:5000] + bytes([data[5000] ^ 1]) + data[5001:]),
    "cut off": change("relay.db", lambda data: data[:-1]),
    "longer": change("log.key", lambda data: data + b"\0"),
    "empty": change("tls-key.pem", lambda _data: b""),
    "a file is gone": lambda copy: (copy / "push-key.pem").unlink(),
    "a file more": lambda copy: (copy / "relay.db-wal").write_bytes(b"x"),
    "a link": link,
    "manifest cut off": change("manifest.json", lambda data: data[: len(data) // 2]),
    "manifest is no JSON": change("manifest.json", lambda _data: b"\xff\xfe"),
    "of another version": edit(version=2),
    "of fields unknown": edit(more=1),
    "out of the folder": edit(files=[{"name": "../data/relay.db", "size": 0, "sha256": "0" * 64}]),
    "absolute": edit(files=[{"name": "/etc/hosts", "size": 0, "sha256": "0" * 64}]),
    "shares": edit(files=[{"name": "shares/shares.db", "size": 0, "sha256": "0" * 64}]),
    "the key of the log": without("log.key"),
    "another past": other_log,
}


@pytest.mark.parametrize("wrong", WRONG)
def test_what_is_not_as_it_was_made_is_refused(wrong: str, copy: Path, tmp_path: Path) -> None:
    WRONG[wrong](copy)
    assert "[storage.failed]" in inside("backup", "verify", str(copy)).err
    data = tmp_path / "data"
    refused = inside("restore", str(copy), "--data-dir", str(data), "--without-log")
    assert "[storage.failed]" in refused.err
    assert not (data / "relay.db").exists()
    assert not list(data.glob("*")) if data.exists() else True


def test_only_where_there_is_nothing(copy: Path, stopped: RelayProcess, tmp_path: Path) -> None:
    data = tmp_path / "data"
    assert "[usage.invalid]" in inside("restore", str(copy), "--data-dir", str(data)).err
    here = inside("restore", str(copy), "--data-dir", str(stopped.data_dir))
    assert "[storage.exists]" in here.err
    shutil.rmtree(data)
    data.mkdir()
    (data / "letters").mkdir()
    assert "[storage.exists]" in inside("restore", str(copy), "--data-dir", str(data), "--without-log").err
    assert "[storage.missing]" in inside("restore", str(tmp_path), "--data-dir", str(data)).err
    # One that was cut off is begun again.
    (data / "letters").rmdir()
    (data / "restoring").mkdir()
    (data / "restoring" / "relay.db").write_bytes(b"half")
    (data / "log.key").write_bytes(b"half")
    done = inside("restore", str(copy), "--data-dir", str(data), "--without-log")
    assert done.status == 0, done.err
    assert sorted(path.name for path in data.iterdir() if path.name == "restoring") == []
    relay = RelayProcess(data)
    assert relay.stop() == 0
    # The log that outlived it is the relay's own, or none: another one is refused.
    strange = tmp_path / "strange"
    shutil.copytree(data / "tlog", strange)
    (strange / "checkpoint").write_bytes(
        (strange / "checkpoint").read_bytes().replace(b"localhost", b"locolhost")
    )
    other = tmp_path / "other"
    refused = inside("restore", str(copy), "--data-dir", str(other), "--log", str(strange))
    assert "[storage.failed]" in refused.err
    assert inside("restore", str(copy), "--data-dir", str(other), "--log", str(tmp_path)).status != 0
    assert not (other / "relay.db").exists()
    done = inside("restore", str(copy), "--data-dir", str(other), "--log", str(data / "tlog"))
    assert done.status == 0, done.err


class Died(BaseException):
    """As if the power had gone."""


@pytest.mark.parametrize("steps", [0, 3, 7])
def test_a_restore_that_is_cut_off(
    steps: int, copy: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between any two files that it puts in their places: no relay starts on the half of it, and it is begun
    again."""
    data = tmp_path / "data"
    left = [steps]
    real = Path.replace

    def replace(self: Path, target: Path) -> Path:
        left[0] -= 1
        if left[0] < 0:
            raise Died
        return real(self, target)

    settings = load_settings({}, data_dir=data)
    with monkeypatch.context() as patched:
        patched.setattr(Path, "replace", replace)
        with pytest.raises(Died):
            restore(settings, copy, without_log=True)
    assert not (data / "relay.db").exists()
    with pytest.raises(ChappeError, match="was cut off"):
        open_database(settings).upgrade()
    restore(settings, copy, without_log=True)
    assert not (data / "restoring").exists()
    open_database(settings).upgrade()
