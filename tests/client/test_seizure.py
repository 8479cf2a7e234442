"""The relay is seized after a busy hour: its database, its files, its logs and a core dump of it hold none of
a thousand canaries (what was written and sent, names of files, people and groups, PINs, keys).

That the search finds what is there is shown by what the relay must hold, and by canaries planted in it.
"""

from __future__ import annotations

import gzip
import random
import secrets
import struct
import zlib
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from chappe.client import Phone
from chappe.vault import keeping, keys
from chappe.wire import frames
from tests.client.canaries import Flock, spellings
from tests.client.world import PATIENCE, World, gather, meet, texts, until
from tests.relay.shares.test_traces import folder_image, memory_image
from tests.relay.world import RelayProcess
from tests.vault.service import CHEAP

CANARIES = 1000
NAMES = ("ada", "ben", "cyd", "dan")
TEXTS, EDITS, REPLIES, REACTIONS, DELETED = 160, 30, 30, 20, 20
GROUPS = 8
FILES, PINS = 36, 8
IN_A_TEXT = 4
"""Canaries in one text."""


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    """On a relay whose memory is its own, not a copy of this process's."""
    relay = RelayProcess(tmp_path / "data", forked=False, attempts_burst=10_000)
    made = World(relay, tmp_path)
    yield made
    await made.close()
    relay.kill()


@pytest.fixture(autouse=True)
def cheap(monkeypatch: pytest.MonkeyPatch) -> None:
    """Argon2id costs half a second a time, in a process that is not searched."""
    monkeypatch.setattr(keys.stretch, "__defaults__", (CHEAP,))
    monkeypatch.setattr(keeping.prepare, "__defaults__", (CHEAP,))


@dataclass
class Hour:
    """What people do in it. Each canary is made where it is used."""

    world: World
    flock: Flock
    phones: list[Phone]
    files: int = 0

    async def all(self) -> None:
        ada, ben, cyd, _ = self.phones
        direct, his = await meet(ada, ben)
        group = await gather(ada, ben, cyd, name=self.flock.one("group name"))
        places = [(ada, direct.id), (ben, his.id), (ada, group), (ben, group), (cyd, group)]
        await self.words(places)
        await self.groups()
        await self.shared(places)
        await self.pins()
        self.keep_keys()
        await self.one_who_is_away(ada, group)
        for phone in (ada, ben):
            await phone.settled(PATIENCE)

    async def words(self, places: list[tuple[Phone, bytes]]) -> None:
        sent: list[tuple[Phone, bytes, bytes]] = []
        for number in range(TEXTS):
            phone, where = places[number % len(places)]
            sent.append((phone, where, await phone.send_text(where, self.text("text"))))
        for phone, where, id_ in sent[:EDITS]:
            await phone.edit(where, id_, self.flock.one("edit"))
        for phone, where, id_ in sent[EDITS : EDITS + REPLIES]:
            await phone.send_text(where, self.flock.one("reply"), reply_to=id_)
        for phone, where, id_ in sent[60 : 60 + REACTIONS]:
            await phone.react(where, id_, self.flock.one("reaction"))
        for phone, where, id_ in sent[80 : 80 + DELETED]:
            await phone.delete(where, id_)
        for phone, where in places:
            await phone.settled(PATIENCE)
            await phone.mark_read(where)

    def text(self, kind: str) -> str:
        return " – ".join(self.flock.one(kind) for _ in range(IN_A_TEXT))

    async def groups(self) -> None:
        """Called after people, as address books do."""
        ada, ben, *_ = self.phones
        made = [await ada.create_group(self.flock.one("contact name"), [ben.address]) for _ in range(GROUPS)]
        for one in made:
            await ada.rename(one.id, self.flock.one("contact name"))

    async def shared(self, places: list[tuple[Phone, bytes]]) -> None:
        """Documents, pictures and address cards: names, contents, and what is inside a picture."""
        for number in range(FILES):
            phone, where = places[number % len(places)]
            body, ending = (self._document, self._picture, self._card)[number % 3]()
            path = self.world.folder / f"{self.flock.one('file name')}.{ending}"
            path.write_bytes(body)
            await phone.send_file(where, path)

    def _document(self) -> tuple[bytes, str]:
        return b"\n".join(self.flock.one("file content").encode() for _ in range(3)), "txt"

    def _picture(self) -> tuple[bytes, str]:
        """A PNG of one pixel, with a word in its text chunk."""
        pieces = [
            (b"IHDR", struct.pack(">IIBBBBB", 1, 1, 8, 0, 0, 0, 0)),
            (b"tEXt", b"Comment\0" + self.flock.one("picture").encode()),
            (b"IDAT", zlib.compress(b"\0\0")),
            (b"IEND", b""),
        ]
        chunks = [
            struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
            for kind, data in pieces
        ]
        return b"\x89PNG\r\n\x1a\n" + b"".join(chunks), "png"

    def _card(self) -> tuple[bytes, str]:
        lines = ["BEGIN:VCARD", "VERSION:4.0", f"FN:{self.flock.one('contact name')}"]
        lines += [f"NOTE:{self.flock.one('safety label')}", "END:VCARD"]
        return "\r\n".join(lines).encode(), "vcf"

    async def pins(self) -> None:
        """Set, changed, guessed right and wrong."""
        dan, home = self.phones[3], self.world.home("dan")
        for _ in range(PINS // 2):
            right = self.flock.pin()
            await dan.set_pin(right)
        await dan.lock()
        for _ in range(2):
            with pytest.raises(Exception, match=r"vault\.wrong_pin"):
                await Phone.unlock(home, self.flock.pin())
        self.phones[3] = await self.world._enter("dan", await Phone.unlock(home, right))

    async def one_who_is_away(self, ada: Phone, group: bytes) -> None:
        """What waits in a mailbox is on the relay's disk when it is seized."""
        await self.world.shut("cyd")
        while len(self.flock.all) < CANARIES:
            await ada.send_text(group, self.text("text that waits"))

    def keep_keys(self) -> None:
        """What would open everything."""
        for phone, name in zip(self.phones[:2], NAMES[:2], strict=True):
            me = phone._engine.core.me
            self.flock.keys[f"{name}'s identity key"] = me.identity.private_bytes_raw()
            self.flock.keys[f"{name}'s signature key"] = me.signer.private
            self.flock.keys[f"{name}'s vault key"] = bytes(phone._engine.core.profile.key)
            for one in phone._engine.groups.active()[:1]:
                secret = phone._engine.groups.group(one).export("seizure", b"", 32)
                self.flock.keys[f"a secret of {name}'s conversation {one.hex()[:4]}"] = secret


@dataclass(frozen=True, slots=True)
class Seized:
    """All that there is."""

    disk: bytes
    log: bytes
    memory: bytes

    @classmethod
    def of(cls, relay: RelayProcess, folder: Path) -> Seized:
        return cls(folder_image(relay.data_dir), relay.log.encode(), memory_image(relay.pid, folder))

    def found(self, flock: Flock) -> dict[str, set[str]]:
        places = {"disk": self.disk, "log": self.log, "memory": self.memory}
        return {name: hits for name, image in places.items() if (hits := flock.found(image))}


async def test_a_seized_relay_tells_nothing(world: World, tmp_path: Path) -> None:
    flock = Flock(random.Random(secrets.randbits(64)))
    hour = Hour(world, flock, await world.phones(*NAMES))
    await hour.all()
    ada, ben, *_ = hour.phones
    assert len(flock.all) >= CANARIES
    assert set(flock.kinds) >= {"text", "file content", "file name", "picture", "PIN", "contact name"}
    # The hour was a real one: what was written is there, at the other end.
    await until(lambda: sum(flock.mark in text for text in texts(ben)) > TEXTS / 2)

    seized = Seized.of(world.relay, tmp_path)

    assert seized.found(flock) == {}
    # The control: what a relay has to hold is there, and the same search finds it.
    assert ada.address.encode() in seized.disk
    assert ada.device_id in seized.disk
    assert ada.device_id in seized.memory
    assert world.relay.settings.server_name.encode() in seized.memory
    assert len(seized.memory) > 10_000_000

    await _plant(world, flock, ada)
    seized = Seized.of(world.relay, tmp_path)
    found = seized.found(flock)
    spelled = {f"a canary, {name}" for name in spellings(flock.mark.encode())}
    assert found["disk"] >= spelled | {"a PIN, raw", "a canary, raw, compressed", "ada's vault key"}
    assert "a canary, raw" in found["memory"]


async def _plant(world: World, flock: Flock, ada: Phone) -> None:
    """A device that says everything in the clear, in every spelling, to somebody who is away."""
    canary, pin = flock.one("planted"), flock.pin()
    pieces = [b"".join(spellings(canary.encode()[at:]).values()) for at in range(3)]
    pieces += [zlib.compress(canary.encode()), gzip.compress(pin.encode()), pin.encode()]
    pieces.append(flock.keys["ada's vault key"])
    away = next(
        place.device
        for one in ada._engine.groups.active()
        for place in ada._engine.groups.places(one)
        if place.address.startswith("cyd-")
    )
    payload = b"\0".join(pieces)
    await ada._engine.connection.ask(
        lambda ref: frames.Send(ref, secrets.token_bytes(16), [away], payload), frames.Accepted
    )
