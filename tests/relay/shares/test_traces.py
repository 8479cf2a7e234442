"""After a share is destroyed nothing of it is left: not in the folder, not in the process.

Searched are every file, a whole file system of its own (ext4: with slack, freed blocks and journal), and the
memory of the process as gdb's gcore writes it, or, without gdb, as /proc has it. Before destruction the same
search must find what it looks for, and where overwriting is turned off it must find what overwriting is for.
"""

from __future__ import annotations

import base64
import os
import re
import secrets
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from chappe.relay.shares.epoch import EpochFile
from chappe.relay.shares.store import ShareStore
from chappe.wire import api, frames
from tests.relay.shares.test_routes import Line
from tests.relay.shares.world import Bench, Owner, ServiceProcess
from tests.relay.world import RelayProcess

LEAST = 16
"""Bytes in a row that count as found: half a secret is a find."""


def spellings(secret: bytes) -> list[bytes]:
    """Both halves of it, raw, in hex, and in the whole's base64 (both alphabets, without the ragged end)."""
    halves = [secret[:LEAST], secret[LEAST:]]
    standard, urlsafe = base64.b64encode(secret)[:40], base64.urlsafe_b64encode(secret)[:40]
    return [
        *halves,
        *[half.hex().encode() for half in halves],
        *[half.hex().upper().encode() for half in halves],
        standard[:20],
        standard[20:],
        urlsafe[:20],
        urlsafe[20:],
    ]


def found(image: bytes, secrets_: dict[str, bytes]) -> set[str]:
    """The names of the secrets of which the image holds any spelling."""
    return {name for name, secret in secrets_.items() if any(text in image for text in spellings(secret))}


def folder_image(folder: Path) -> bytes:
    """Every file."""
    return b"".join(path.read_bytes() + b"\0" for path in sorted(folder.rglob("*")) if path.is_file())


def memory_image(pid: int, folder: Path) -> bytes:
    """A core dump; or, without gdb, all that is readable and writable in /proc."""
    if shutil.which("gcore"):
        done = subprocess.run(
            ["gcore", "-o", str(folder / "core"), str(pid)], capture_output=True, check=False, timeout=60
        )
        dump = folder / f"core.{pid}"
        if done.returncode == 0 and dump.exists():
            try:
                return dump.read_bytes()
            finally:
                dump.unlink()
    try:
        return proc_image(pid)
    except OSError:
        pytest.skip("neither gcore nor /proc/PID/mem is allowed here")


def proc_image(pid: int) -> bytes:
    pieces = []
    with Path(f"/proc/{pid}/mem").open("rb", 0) as memory:
        for line in Path(f"/proc/{pid}/maps").read_text().splitlines():
            fit = re.match(r"([0-9a-f]+)-([0-9a-f]+) rw", line)
            if fit:
                start, end = int(fit[1], 16), int(fit[2], 16)
                memory.seek(start)
                try:
                    pieces.append(memory.read(end - start))
                except OSError:
                    continue
    return b"".join(pieces)


@pytest.fixture
def process(tmp_path: Path) -> Iterator[ServiceProcess]:
    made = ServiceProcess(tmp_path / "service", forked=False)
    yield made
    made.kill()


def epoch_key(shares: Path) -> bytes:
    data = (shares / "epoch").read_bytes()
    places = [data[:32], data[4096 : 4096 + 32]]
    (key,) = [place for place in places if any(place)]
    return key


def wrapped_row(shares: Path, device: bytes) -> bytes:
    store = ShareStore(shares / "shares.db")
    row = store.row(device)
    store.close()
    assert row is not None
    return row.wrapped


async def use(process: ServiceProcess, owner: Owner) -> list[bytes]:
    """Enrol, guess right and wrong: the secrets go every way that they ever go. Gives the answer keys."""
    remote = process.remote()
    service = await remote.public_key()
    await remote.enrol(owner.device, owner.enrolment(service))
    keys = []
    for auth in (None, None, bytes(32), None):
        guess = owner.guess(service, await remote.challenge(owner.device), auth)
        guess.open(await remote.unlock(owner.device, guess.sealed))
        keys.append(guess.answer_key)
    await remote.close()
    return keys


async def test_nothing_is_left_in_folder_and_memory(process: ServiceProcess, tmp_path: Path) -> None:
    owner, others = Owner(), [Owner() for _ in range(30)]
    remote = process.remote()
    for other in others:
        await remote.enrol(other.device, other.enrolment(await remote.public_key()))
    answer_keys = await use(process, owner)
    old = epoch_key(process.shares)
    kept = {"share": owner.share, "auth": owner.auth, "epoch key": old}
    rows = {"row": wrapped_row(process.shares, owner.device)[12:44]}
    # Before: the key is in the file and in memory, and with the row it gives the share.
    assert found(folder_image(process.folder / "data"), kept | rows) == {"epoch key", "row"}
    assert "epoch key" in found(memory_image(process.pid, tmp_path), kept)
    clear = bytearray(64)
    row = ShareStore(process.shares / "shares.db").row(owner.device)
    assert row is not None
    EpochFile(process.shares / "epoch").first().unwrap(owner.device, row.unlock_key, row.wrapped, clear)
    assert clear == owner.auth + owner.share
    old_database = process.folder / "old.db"
    shutil.copy(process.shares / "shares.db", old_database)

    await remote.destroy([owner.device])

    image = memory_image(process.pid, tmp_path)
    assert found(image, kept | {f"answer key {n}": key for n, key in enumerate(answer_keys)}) == set()
    assert found(folder_image(process.folder / "data"), kept | rows) == set()
    assert epoch_key(process.shares) != old
    assert (process.shares / "shares.db-wal").stat().st_size == 0
    assert "epoch key" in found(image, {"epoch key": epoch_key(process.shares)})
    # The others are as they were.
    for other in others[:3]:
        guess = other.guess(await remote.public_key(), await remote.challenge(other.device))
        assert guess.open(await remote.unlock(other.device, guess.sealed)).share == other.share
    await remote.close()


async def test_nothing_is_left_after_the_tenth_wrong_guess(process: ServiceProcess, tmp_path: Path) -> None:
    owner = Owner()
    await use(process, owner)
    old = epoch_key(process.shares)
    remote = process.remote()
    service = await remote.public_key()
    for _ in range(10):
        process.set_clock(process.now + 9 * 3600)
        guess = owner.wrong(service, await remote.challenge(owner.device))
        answer = guess.open(await remote.unlock(owner.device, guess.sealed))
    assert answer.status == "gone"
    kept = {"share": owner.share, "auth": owner.auth, "epoch key": old}
    assert found(memory_image(process.pid, tmp_path), kept) == set()
    assert found(folder_image(process.folder / "data"), kept) == set()
    await remote.close()


async def test_the_search_finds_what_overwriting_is_there_for(tmp_path: Path) -> None:
    """The same, with everything that should be overwritten left where it is: all three are found."""
    assert await _left_lying(tmp_path) == {"share", "auth", "epoch key"}


async def _left_lying(folder: Path) -> set[str]:
    """What a service that overwrites nothing has in memory after it destroyed a share."""
    process = ServiceProcess(folder / "service", forked=False, CHAPPE_TEST_LEAVE="1")
    try:
        owner = Owner()
        await use(process, owner)
        kept = {"share": owner.share, "auth": owner.auth, "epoch key": epoch_key(process.shares)}
        remote = process.remote()
        await remote.destroy([owner.device])
        await remote.close()
        return found(memory_image(process.pid, folder), kept)
    finally:
        process.kill()


async def test_a_relay_that_runs_the_service_keeps_no_share_in_memory(
    relay: RelayProcess, tmp_path: Path
) -> None:
    """Not even before it is destroyed: it is there for the time of one answer."""
    device = await relay.device(f"t{secrets.token_hex(6)}")
    owner = Owner(device.id)
    async with relay.http() as http, relay.sign_in(device) as wire:
        line = Line(http, device, owner)
        assert await line.enrol(wire) == frames.Done(7)
        assert (await line.guess()).share == owner.share
        assert (await line.guess(bytes(32))).tries == 9
    image = memory_image(relay.pid, tmp_path)
    key = epoch_key(relay.data_dir / "shares")
    assert found(image, {"share": owner.share, "auth": owner.auth, "epoch key": key}) == {"epoch key"}


@pytest.fixture
def file_system(tmp_path: Path) -> Iterator[tuple[Path, Path]]:
    """A real ext4 of its own: where it is mounted, and its image. Skips where that is not allowed."""
    image, mounted = tmp_path / "image", tmp_path / "mounted"
    mounted.mkdir()
    with image.open("wb") as file:
        file.truncate(16 * 1024 * 1024)
    for command in (["mkfs.ext4", "-q", "-F", str(image)], ["mount", "-o", "loop", str(image), str(mounted)]):
        if (
            shutil.which(command[0]) is None
            or subprocess.run(command, capture_output=True, check=False).returncode
        ):
            pytest.skip("a file system of its own cannot be made here")
    yield mounted, image
    subprocess.run(["umount", "-l", str(mounted)], capture_output=True, check=False)


def test_nothing_is_left_on_the_file_system(file_system: tuple[Path, Path]) -> None:
    """Slack, freed blocks, journal and all; with the log of many changes, and keys that changed before."""
    mounted, image = file_system
    bench = Bench(mounted / "shares")
    owners = [bench.enrolled() for _ in range(60)]
    owner, other = owners[17], owners[18]
    secrets_: dict[str, bytes] = {}

    def look(name: str) -> None:
        row = bench.shares._store.row(owner.device)
        assert row is not None
        secrets_[f"{name} key"] = epoch_key(mounted / "shares")
        secrets_[f"{name} row"] = row.wrapped[12:44]

    for number, victim in enumerate(owners[:5]):
        look(f"{number}.")
        bench.shares.destroy([victim.device])
        assert bench.try_(owner).share == owner.share
        bench.try_wrong(owner)
    look("last")
    os.sync()
    assert {"last key", "last row"} <= found(image.read_bytes(), secrets_)
    bench.shares.destroy([owner.device])
    assert bench.try_(other).share == other.share
    bench.shares.close()
    subprocess.run(["umount", str(mounted)], check=True)
    everything = image.read_bytes()
    keys = {name: secret for name, secret in secrets_.items() if name.endswith("key")}
    assert found(everything, keys | {"share": owner.share, "auth": owner.auth}) == set()
    # Freed blocks of the log may hold rows (they do); without their key nothing opens them.


def test_the_search_itself() -> None:
    secret = secrets.token_bytes(32)
    around = secrets.token_bytes(100)
    for spelled in (
        secret,
        secret[:16],
        secret[16:],
        secret.hex().encode(),
        secret.hex().upper().encode(),
        base64.b64encode(secret),
        api.to_base64(secret).encode(),
    ):
        assert found(around + spelled + around, {"it": secret}) == {"it"}
    assert found(around, {"it": secret}) == set()
    mine = memory_image_of_this_process_holds(secret)
    assert mine


def memory_image_of_this_process_holds(secret: bytes) -> bool:
    try:
        return secret in proc_image(os.getpid())
    except OSError:
        pytest.skip("/proc/self/mem cannot be read here")
