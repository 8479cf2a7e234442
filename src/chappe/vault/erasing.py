"""Erasing a profile by order, step by step, so that a kill between any two is made good at the next start.

    erasing    the order is being carried out: what is needed to go on, with the key that signs the receipt
    erased     it was: what is left of the profile, with the signed receipt

Keys go first, then the store and what waits to be sent; each file is overwritten, removed, and its folder
made durable. The receipt is signed when all is gone, and then the key that signed it goes. What a file system
or flash keeps of old pages opens nothing without the share, which is destroyed elsewhere. All raise
storage.failed. Whoever calls holds the profile's lock.
"""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Annotated, Any, Final, Literal, TypeAlias, TypeVar

import msgspec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from msgspec import Meta

from chappe.vault import disk, files, session
from chappe.vault.files import Moment
from chappe.vault.keeping import PLAIN_KEY
from chappe.wire.durable import sync_folder
from chappe.wire.errors import ChappeError, StorageFailure, error
from chappe.wire.links import RelayPlace
from chappe.wire.orders import Receipt, SignedReceipt, sign_receipt
from chappe.wire.unlock import Bytes16, Bytes32

MARKER: Final = "erasing"
TOMBSTONE: Final = "erased"
STORE: Final = "phone.db"
SPOOL: Final = "spool"
_KEYS: Final = (files.DEVICE, PLAIN_KEY, files.VAULT, files.NEXT, files.OFFLINE)
_STORES: Final = (f"{STORE}-wal", f"{STORE}-shm", f"{STORE}-journal", STORE)

Sign: TypeAlias = Callable[[Receipt], SignedReceipt]


class _Order(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """By which order, why, and where its receipt goes. `at`: Unix seconds."""

    version: Literal[1]
    order: Bytes16
    device: Bytes16
    at: Moment
    reason: Annotated[str, Meta(max_length=500)]
    host: Annotated[str, Meta(min_length=1, max_length=255)]
    port: Annotated[int, Meta(ge=1, le=65535)]
    pin: Bytes32 | None

    def __repr__(self) -> str:
        return f"<{type(self).__name__}>"

    @property
    def place(self) -> RelayPlace:
        return RelayPlace(self.host, self.port, self.pin)


class Plan(_Order, frozen=True):
    """What `erasing` holds. `seed`: of the key that signs the receipt, if it is none that only a running
    phone has; `key` says which it is."""

    key: Literal["device", "unlock"] = "unlock"
    seed: Bytes32 | None = None


class Tombstone(_Order, frozen=True):
    """What `erased` holds. `receipt` is None where the keys went before it could be signed."""

    receipt: SignedReceipt | None = None
    delivered: bool = False


K = TypeVar("K", Plan, Tombstone)


def plan(order: bytes, device: bytes, reason: str, place: RelayPlace, key: Any, seed: bytes | None) -> Plan:
    """An erasing that begins now."""
    return Plan(
        1, order, device, int(time.time()), reason, place.host, place.port, place.pin, key=key, seed=seed
    )


def begin(home: Path, plan: Plan) -> None:
    """The point of no return: from here on no start of any command opens the profile, and its keys are gone.

    A full disk takes no marker; the keys go all the same, and their room lets the rest go on."""
    with contextlib.suppress(StorageFailure):
        disk.write(home / MARKER, msgspec.msgpack.encode(plan))
    _destroy_keys(home)


def finish(home: Path, plan: Plan, sign: Sign | None = None) -> Tombstone:
    """Everything else. `sign` makes the receipt; without, the plan's own key."""
    _destroy_keys(home)
    _destroy_rest(home)
    left = buried(home)
    if left is None:
        left = _tombstone(plan, sign)
        disk.write(home / TOMBSTONE, msgspec.msgpack.encode(left))
    _erase_all(home, MARKER)
    return left


def is_cut_off(home: Path) -> bool:
    """Whether something of an erasing has to be made good."""
    return bool(_named(home, MARKER))


def resume(home: Path) -> None:
    """Go on where a kill cut it off. What was cut off before it began, or after it ended, leaves no key."""
    found = _read(home / MARKER, Plan)
    if found is not None:
        begin(home, found)
        finish(home, found)
    _erase_all(home, MARKER)


def buried(home: Path) -> Tombstone | None:
    """What is left of a profile that was erased."""
    return _read(home / TOMBSTONE, Tombstone)


def delivered(home: Path, left: Tombstone) -> None:
    """The relay has the receipt."""
    disk.write(home / TOMBSTONE, msgspec.msgpack.encode(msgspec.structs.replace(left, delivered=True)))


def forget(home: Path) -> None:
    """Another profile takes the folder."""
    _erase_all(home, TOMBSTONE)


def erased(left: Tombstone) -> ChappeError:
    """When and why, for people."""
    when = time.strftime("%Y-%m-%d %H:%M", time.localtime(left.at))
    reason = "".join(one if one.isprintable() else "?" for one in left.reason)
    return error(
        "device.erased",
        f"This profile was erased by order on {when}: {reason}. Activate or link it anew.",
    )


def check(home: Path) -> None:
    """Raises device.erased."""
    left = buried(home)
    if left is not None:
        raise erased(left)


# --- inside


def _tombstone(plan: Plan, sign: Sign | None) -> Tombstone:
    receipt = Receipt(1, plan.order, plan.device, "erased", int(time.time()))
    signed: SignedReceipt | None = None
    if sign is not None:
        signed = sign(receipt)
    elif plan.seed is not None:
        signed = sign_receipt(receipt, plan.key, Ed25519PrivateKey.from_private_bytes(plan.seed))
    return Tombstone(
        1,
        plan.order,
        plan.device,
        plan.at,
        plan.reason,
        plan.host,
        plan.port,
        plan.pin,
        receipt=signed,
        delivered=signed is None,
    )


def _named(home: Path, *names: str) -> list[Path]:
    """The files of these names that are there, with what a kill left of them half written or half gone."""
    found: list[Path] = []
    try:
        there = sorted(os.listdir(home))
    except FileNotFoundError:
        return []
    except OSError as problem:
        raise disk.os_failure(problem) from None
    for name in names:
        for one in there:
            head, tail = one[: len(name)], one[len(name) :]
            if head == name and set(tail.split(".")) <= {"", "new", "gone"}:
                found.append(home / one)
    return found


def _erase_all(home: Path, *names: str) -> None:
    """In this order."""
    for path in _named(home, *names):
        _erase_if_there(path)


def _destroy_keys(home: Path) -> None:
    """Each of them alone opens nothing; the device's secret goes first."""
    _erase_all(home, *_KEYS)
    session.destroy(home)


def _destroy_rest(home: Path) -> None:
    _erase_all(home, *_STORES, files.LINE)
    for path in _spooled(home):
        _erase_if_there(path)
    _remove_folders(home / SPOOL)


def _spooled(home: Path) -> Iterator[Path]:
    for folder, folders, names in os.walk(home / SPOOL):
        for name in (*folders, *names):
            path = Path(folder) / name
            if name in names or path.is_symlink():
                yield path


def _remove_folders(spool: Path) -> None:
    try:
        for folder, _, _ in os.walk(spool, topdown=False):
            os.rmdir(folder)
        sync_folder(spool.parent)
    except OSError as problem:
        raise disk.os_failure(problem) from None


def _erase_if_there(path: Path) -> None:
    if path.is_symlink():
        # Not the profile's own: what it points to is left alone.
        path.unlink()
    elif os.path.lexists(path):
        disk.erase(path)


def _read(path: Path, kind: type[K]) -> K | None:
    data = disk.read(path)
    if data is None:
        return None
    try:
        return msgspec.msgpack.decode(data, type=kind)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        raise files.damaged(path.name) from None
