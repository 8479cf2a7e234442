"""Unlocked, from one command to the next: the vault key in a file that lives in memory.

The file is in $XDG_RUNTIME_DIR or /dev/shm, in a folder of its user's own, and nowhere else: a folder on a
disk is refused. Without use for the idle time it is destroyed by the first that looks. The time is that of
the running machine, so that nobody's clock matters. What lives in memory may still be swapped out: swap has
to be encrypted.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import stat
import struct
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from chappe.vault import disk, files
from chappe.vault.keys import KEY_BYTES
from chappe.vault.offline import running_seconds
from chappe.wire.errors import ChappeError, error
from chappe.wire.wiping import wipe

_MAGIC: Final = b"chappe session 1"
_LAYOUT: Final = struct.Struct(f">{len(_MAGIC)}s16sId{KEY_BYTES}s")
"""Magic, device, idle seconds, the time of last use in seconds since the machine started, key."""
_USED: Final = struct.Struct(">d")
_USED_AT: Final = len(_MAGIC) + 16 + 4
_IN_MEMORY: Final = frozenset({"tmpfs", "ramfs"})


@dataclass(frozen=True, slots=True)
class Session:
    """Of one profile. `key` is the caller's to wipe."""

    idle: int
    key: bytearray = field(repr=False)


def keep(home: Path, key: bytes | bytearray, device: bytes, idle: int) -> None:
    """Begin one. Raises storage.unwritable where no folder lives in memory, storage.full, storage.failed."""
    path = _path(home)
    disk.write(path, _LAYOUT.pack(_MAGIC, device, idle, running_seconds(), bytes(key)))


def use(home: Path) -> Session | None:
    """The session of the profile, used now; None where there is none any more."""
    path = _path_if_any(home)
    found = None if path is None else _read(path, home)
    if found is not None:
        touch(home)
    return found


def touch(home: Path) -> None:
    """It is in use."""
    path = _path_if_any(home)
    if path is not None:
        with contextlib.suppress(OSError), open(path, "r+b", buffering=0) as file:
            os.pwrite(file.fileno(), _USED.pack(running_seconds()), _USED_AT)


def shorten(home: Path, device: bytes, idle: int) -> None:
    """One that may go on for longer without use may not any more."""
    found = use(home)
    if found is not None:
        if found.idle > idle:
            keep(home, found.key, device, idle)
        wipe(found.key)


def alive(home: Path) -> bool:
    """Whether it is there; to look is no use of it."""
    path = _path_if_any(home)
    return path is not None and _read(path, home) is not None


def destroy(home: Path) -> bool:
    """Overwrite and remove; whether there was one. Raises storage.failed."""
    path = _path_if_any(home)
    if path is None:
        return False
    there = path.exists()
    disk.erase(path)
    for tail in ("new", "new.gone"):
        disk.erase(path.with_name(f"{path.name}.{tail}"))
    return there


def _read(path: Path, home: Path) -> Session | None:
    """One that is spent, or not of this profile, is destroyed."""
    data = _content(path)
    if data is None:
        return None
    magic, device, idle, used, key = _LAYOUT.unpack(data) if len(data) == _LAYOUT.size else (b"",) * 5
    vault = files.vault(home)
    if (
        magic != _MAGIC
        or vault is None
        or vault.device != device
        or not 0 <= running_seconds() - used <= idle
    ):
        disk.erase(path)
        return None
    return Session(idle, bytearray(key))


def _content(path: Path) -> bytes | None:
    """Of a file that is this user's alone."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
    except OSError:
        return None
    with open(descriptor, "rb") as file:
        about = os.fstat(descriptor)
        if not stat.S_ISREG(about.st_mode) or about.st_uid != os.geteuid() or about.st_mode & 0o077:
            return None
        return file.read(_LAYOUT.size + 1)


# --- where


def check_place() -> None:
    """Raises storage.unwritable where no session can be kept."""
    _folder()


def _path(home: Path) -> Path:
    """Raises storage.unwritable."""
    return _folder() / hashlib.sha256(os.fsencode(home.resolve())).hexdigest()[:32]


def _path_if_any(home: Path) -> Path | None:
    """None where there can be no session."""
    try:
        return _path(home)
    except ChappeError:
        return None


def _folder() -> Path:
    """This user's own, in memory. Raises storage.unwritable."""
    for folder in _choices():
        with contextlib.suppress(OSError):
            folder.mkdir(mode=0o700, exist_ok=True)
            about = folder.lstat()
            own = about.st_uid == os.geteuid() and not about.st_mode & 0o077
            if stat.S_ISDIR(about.st_mode) and own and in_memory(folder):
                return folder
    raise error(
        "storage.unwritable",
        "No folder that lives in memory ($XDG_RUNTIME_DIR, /dev/shm): the profile stays locked.",
    )


def _choices() -> list[Path]:
    runtime = os.environ.get("XDG_RUNTIME_DIR")
    shared = Path("/dev/shm") / f"chappe-{os.geteuid()}"  # noqa: S108 - checked to be this user's own
    return [Path(runtime) / "chappe", shared] if runtime else [shared]


def in_memory(folder: Path) -> bool:
    """Whether the file system of the folder is one that lives in memory; no where that cannot be told."""
    try:
        mounts = Path("/proc/self/mountinfo").read_text("utf-8", "surrogateescape").splitlines()
    except OSError:
        return False
    path, best, kind = str(folder.resolve()), -1, ""
    for line in mounts:
        before, _, after = line.partition(" - ")
        point = _unescaped(before.split(" ")[4])
        inside = path == point or path.startswith(point.rstrip("/") + "/")
        # Of two on one point the later hides the earlier.
        if inside and len(point) >= best:
            best, kind = len(point), after.split(" ")[0]
    return kind in _IN_MEMORY


def _unescaped(text: str) -> str:
    """Spaces and the like stand as \\040 in the list of mounts."""
    for code in ("040", "011", "012", "134"):
        text = text.replace(f"\\{code}", chr(int(code, 8)))
    return text
