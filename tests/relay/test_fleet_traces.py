"""A thief with the phone's folder, everything that the relay has on its disk, and a core dump of it, after an
erase order: no PIN opens anything. Before the order, the same search opens it.

The PIN is one of ten thousand, and Argon2id is cheap here, so that all of them are really tried.
"""

from __future__ import annotations

import secrets
import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from chappe.relay.shares.epoch import EpochKey
from chappe.vault import keys, unlocking
from chappe.vault.files import Entry, Policy, Vault
from chappe.wire import api, frames, unlock
from chappe.wire.errors import ChappeError
from chappe.wire.links import RelayPlace
from tests.relay.fleet_world import LiveWorld, only
from tests.relay.shares.test_routes import Line
from tests.relay.shares.test_traces import epoch_key, folder_image, found, memory_image
from tests.relay.shares.world import Owner
from tests.relay.world import Device, RelayProcess
from tests.vault.image import windows
from tests.vault.service import CHEAP

PIN = "7316"
PINS = [f"{number:04}" for number in range(10_000)]


@dataclass
class Phone:
    """What a locked phone keeps, and what it had in its hands for a moment."""

    device: Device
    vault: Vault
    entry: Entry
    key: bytes
    share: bytes = b""
    a: bytes = field(default_factory=bytes)

    def secrets(self) -> dict[str, bytes]:
        """What must be nowhere once it is erased."""
        kek = keys.kek_of(self.a, self.entry.r, self.share)
        return {"share": self.share, "kek": kek, "vault key": self.key}


@dataclass(frozen=True, slots=True)
class StoredRow:
    """What the share database held of a phone: a thief may have an old copy of it."""

    device: bytes
    unlock_key: bytes
    wrapped: bytes


@pytest.fixture
def relay(data_dir: Path) -> Iterator[RelayProcess]:
    process = RelayProcess(data_dir, forked=False, attempts_burst=10_000)
    yield process
    process.kill()


async def enrolled(relay: RelayProcess, world: LiveWorld, device: Device) -> Phone:
    """Sets a PIN as a phone does, and unlocks once, right, and once, wrong."""
    line = Line(world.http, device, Owner(device.id))
    key, entry = secrets.token_bytes(32), Entry.new()
    place = RelayPlace("localhost", relay.port, None)
    made = unlocking.enrol(PIN, key, entry, device.id, place, await line.service(), Policy(), CHEAP)
    async with relay.sign_in(device) as wire:
        await wire.say(frames.Enrol(7, made.sealed))
        assert await wire.hear(frames.Done) == frames.Done(7)
    phone = Phone(device, made.vault, entry, key)
    a = keys.stretch(PIN, entry.r, CHEAP)
    phone.a = bytes(a)
    opening = unlocking.Opening(a, entry, made.vault)
    assert opening.take(await answer(line, opening)) == key
    phone.share = bytes(opening.share or b"")
    wrong = unlocking.Opening(keys.stretch("0000", entry.r, CHEAP), entry, made.vault)
    with pytest.raises(ChappeError, match=r"vault\.wrong_pin"):
        wrong.take(await answer(line, wrong))
    return phone


async def answer(line: Line, opening: unlocking.Opening) -> bytes:
    said = await line.post(opening.begin(await line.challenge()))
    return api.from_base64(api.decode(said.content, api.Unlocked).sealed)


def stored_row(data_dir: Path, device: bytes) -> StoredRow:
    with sqlite3.connect(data_dir / "shares" / "shares.db") as connection:
        row = connection.execute(
            "SELECT unlock_key, wrapped FROM shares WHERE device = ?", (device,)
        ).fetchone()
    return StoredRow(device, *row)


def shares_in(image: bytes, phone: Phone, row: StoredRow) -> set[bytes]:
    """What a thief can take for the share: each run of 32 bytes, for itself and for a key that opens the
    row. The phone's own commitment says which is the share, for any PIN."""
    runs = windows({"relay": image})
    opened = set()
    for run in runs:
        clear = bytearray(64)
        try:
            EpochKey(bytearray(run)).unwrap(row.device, row.unlock_key, row.wrapped, clear)
        except ChappeError:
            continue
        opened.add(bytes(clear[32:]))
    commitment = phone.vault.commitment
    return opened | {run for run in runs if unlock.share_commitment(phone.device.id, run) == commitment}


def pins_that_open(phone: Phone, candidates: set[bytes]) -> list[str]:
    """All ten thousand, each with each candidate, and with none."""
    right = []
    for pin in PINS:
        a = bytes(keys.stretch(pin, phone.entry.r, CHEAP))
        for share in candidates | {b""}:
            kek = keys.kek_of(a, phone.entry.r, share)
            if keys.unwrap(kek, phone.vault.wrapped, keys.WRAP_CONTEXT + phone.device.id) is not None:
                right.append(pin)
    return right


@pytest.mark.sqlite_alone("it searches the folder, where the shares are on both, and the tables here alone")
async def test_after_an_erase_order_nothing_of_the_relay_opens_the_phone(
    relay: RelayProcess, tmp_path: Path
) -> None:
    world = LiveWorld(relay)
    organisation = world.organisation()
    phone = await enrolled(relay, world, await world.line(organisation))
    others = [await enrolled(relay, world, await world.line(organisation)) for _ in range(3)]
    row = stored_row(relay.data_dir, phone.device.id)
    old = epoch_key(relay.data_dir / "shares")
    kept = phone.secrets() | {"epoch key": old}
    # The control: the key is on the disk and in memory, with the row it gives the share; then one PIN opens.
    before = folder_image(relay.data_dir)
    assert found(before, kept) == {"epoch key"}
    assert "epoch key" in found(memory_image(relay.pid, tmp_path), kept)
    assert pins_that_open(phone, shares_in(before, phone, row)) == [PIN]

    given = await world.give(organisation, "erase", only(phone.device))
    assert given.unreadable

    after = folder_image(relay.data_dir)
    assert (relay.data_dir / "shares" / "shares.db-wal").stat().st_size == 0
    assert found(after, kept) == set()
    assert found(memory_image(relay.pid, tmp_path), kept) == set()
    # Not even with the row of before.
    assert shares_in(after, phone, row) == set()
    assert pins_that_open(phone, set()) == []
    for other in others:
        found_row = stored_row(relay.data_dir, other.device.id)
        assert shares_in((relay.data_dir / "shares" / "epoch").read_bytes(), other, found_row) == {
            other.share
        }
    await world.close()
