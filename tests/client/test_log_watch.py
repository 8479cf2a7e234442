"""The watch over the transparency log, on real relays: silent with an honest one, and with no other."""

from __future__ import annotations

import asyncio
import secrets
import shutil
import sqlite3
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from chappe.client import Phone, log_watch
from chappe.client.identity import Me, linked, new_signer
from chappe.vault import profile
from chappe.wire.errors import ChappeError
from tests.client.world import PATIENCE, World, meet, texts, until
from tests.relay.world import RelayProcess

DATABASE = "relay.db"


@pytest.fixture(autouse=True)
def _soon(monkeypatch: pytest.MonkeyPatch) -> None:
    """The log takes milliseconds; what it does not show by then it will not show."""
    monkeypatch.setattr(log_watch, "GRACE_SECONDS", 1)
    monkeypatch.setattr(log_watch, "POLL_SECONDS", 0.1)


@pytest.fixture(scope="module")
def hostile(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RelayProcess]:
    """A relay whose folder is bent under it."""
    process = RelayProcess(tmp_path_factory.mktemp("hostile") / "data", attempts_burst=10_000)
    yield process
    process.stop()


def codes(phone: Phone) -> list[str]:
    return [alarm.code for alarm in phone.log.alarms]


def ghost_of(victim: Phone, home: Path, data_dir: Path) -> None:
    """One more device of a line, whose identity key is known, put into the database and not into the log."""
    me, signer, device = victim._engine.core.me, new_signer(), secrets.token_bytes(16)
    certificate = me.certify(device, signer.public, int(time.time()))
    with sqlite3.connect(data_dir / DATABASE, timeout=30) as database:
        mailbox = database.execute(
            "INSERT INTO mailboxes (gone_sequence, gone_bytes) VALUES (0, 0)"
        ).lastrowid
        database.execute(
            "INSERT INTO devices (device, line, mailbox, certificate, signature_key, created_at) "
            "VALUES (?, ?, ?, ?, ?, ?)",
            (device, me.line_id, mailbox, certificate.to_bytes(), signer.public, int(time.time())),
        )
    opened = profile.create(home)
    identity = me.identity.private_bytes_raw()
    made: Me = linked(signer, device, identity, certificate.to_bytes(), me.place)
    with opened.store.transaction():
        made.keep(opened.store)
    opened.close()


async def test_an_honest_relay_is_silent(world: World) -> None:
    ada, ben = await world.phones("ada", "ben")
    to_ben, to_ada = await meet(ada, ben)
    second = await world.linked("ada-2", ada)
    await world.ready(second)
    await ada.send_text(to_ben.id, "hello")
    await until(lambda: texts(ben) == ["hello"])
    await ben.send_text(to_ada.id, "hello ada")
    await until(lambda: texts(second) == ["hello", "hello ada"])
    await world.shut("ben")
    third = await world.linked("ada-3", second)
    await world.ready(third)
    ben = await world.open("ben")
    await third.send_text(third.conversation(ben.address).id, "from the third")
    await until(lambda: "from the third" in texts(ben))
    for phone in (ada, ben, second, third):
        await phone.settled(PATIENCE)
        await phone.log.refresh()
        standing = phone.log.standing()
        assert standing.watched
        assert standing.alarms == ()
        assert standing.origin == "localhost/chappe"
        assert standing.entries >= 5
        assert not phone._engine.log.busy
    own = ada.log.standing().devices
    assert [one.this for one in own] == [True, False, False]
    assert all(one.known for one in own)
    assert [one.by for one in own[1:]] == [own[0].device, own[1].device]


async def test_a_device_that_the_log_does_not_have_gets_nothing(
    hostile: RelayProcess, tmp_path: Path
) -> None:
    world = World(hostile, tmp_path)
    try:
        ada, ben, eve = await world.phones("ada", "ben", "eve")
        ghost_of(ada, world.home("ghost"), hostile.data_dir)
        ghost = await world.open("ghost")
        await world.ready(ghost)
        # Who adds the line lets the logged device in, and says what is wrong with the other.
        to_ada, _ = await meet(ben, ada)
        assert codes(ben) == ["log.not_there"]
        assert ben.log.alarms[0].device == ghost.device_id.hex()
        assert len(ben._engine.groups.other_devices(to_ada.id)) == 1
        await ben.send_text(to_ada.id, "for ada alone")
        await until(lambda: texts(ada) == ["for ada alone"])
        assert ghost.conversations() == []
        # A member who does not look lets it into a group: then nobody who looks writes there.
        await eve.settled(PATIENCE)
        eve._engine.log._ledger = None
        eve._engine.log._met = True
        group = await eve.create_group("trap", [ben.address, ada.address])
        await until(lambda: any(one.id == group.id for one in ben.conversations()), "the group")
        await until(lambda: ben.log.in_doubt(group.id) == [ada.address], "the doubt")
        with pytest.raises(ChappeError, match="does not show this device"):
            await ben.send_text(group.id, "never")
        ben.log.accept(group.id)
        await ben.send_text(group.id, "accepted")
        await until(lambda: "accepted" in texts(ghost))
    finally:
        await world.close()


async def test_a_log_with_two_pasts_is_found(tmp_path: Path) -> None:
    one = RelayProcess(tmp_path / "one", attempts_burst=10_000)
    world = World(one, tmp_path)
    try:
        ada, ben = await world.phones("ada", "ben")
        to_ben, _ = await meet(ada, ben)
        await world.shut("ben")
        await world.shut("ada")
        one.stop()
        shutil.copytree(one.data_dir, tmp_path / "two")
        one.start()
        await world.phone("carl")
        await world.shut("carl")
        ada = await world.open("ada")
        await ada.settled(PATIENCE)
        await ada.log.refresh()
        seen = ada.log.standing().entries
        assert codes(ada) == [], "the relay was restarted, and that is all"
        await world.shut("ada")
        one.stop()
        # The same relay, so it says, with another past: carl never was, dora is.
        two = RelayProcess(tmp_path / "two", start=False, attempts_burst=10_000)
        two.port = one.port
        two.start()
        world.relay = two
        await world.phone("dora")
        ada = await world.open("ada")
        await until(lambda: codes(ada) == ["log.forked"], "the fork")
        (alarm,) = ada.log.alarms
        assert alarm.evidence.ours
        assert alarm.evidence.theirs
        assert ada.log.standing().entries == seen, "the log that was believed stays"
        # Who saw only the second one hears of it by the first message.
        ben = await world.open("ben")
        await ben.settled(PATIENCE)
        assert codes(ben) == []
        # A person decides first. What waited since then, and what others do by themselves, is another matter.
        with pytest.raises(ChappeError, match="different logs"):
            await ada.send_text(to_ben.id, "never")
        with ada._engine.core.change():
            ada._engine.outbox.put(to_ben.id, b"x", b"m" * 16)
        assert ada._engine.outbox.empty
        with ada._engine.core.change():
            ada._engine.core.store.run("DELETE FROM outbox")
        ada.log.settle(alarm.row)
        await ada.send_text(to_ben.id, "what do you see?")
        await until(lambda: codes(ben) == ["log.forked"], "word of the fork")
        assert ben.log.alarms[0].address == ada.address
        # Its phones answer its farewell.
        await asyncio.to_thread(two.stop)
    finally:
        await world.close()
        one.stop()
