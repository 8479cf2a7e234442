"""Messages that nobody signs in to send: phones do so where they can; and what that leaves at the relay."""

from __future__ import annotations

import secrets
import sqlite3
from collections.abc import Sequence
from contextlib import closing
from typing import Any

import pytest

from chappe.client import Phone
from chappe.client import outbox as outbox_module
from chappe.client import tokens as tokens_module
from chappe.client.courier import Courier
from chappe.wire import delivery, frames
from chappe.wire.api import to_base64
from chappe.wire.errors import error
from tests.client.ways import Answers, Ways
from tests.client.world import World, gather, meet, texts, until
from tests.relay.shares.test_traces import folder_image
from tests.relay.world import RelayProcess


async def settle(*phones: Phone) -> None:
    """Until all have heard what all have to say by themselves: tokens, receipts."""
    for _ in range(2):
        for phone in phones:
            await phone.settled(60)


def knows(phone: Phone, *others: Phone) -> bool:
    return phone._engine.tokens.of([other._engine.core.me.device_id for other in others]) is not None


async def acquainted(*phones: Phone) -> None:
    """Each has the others' tokens."""
    for phone in phones:
        others = [other for other in phones if other is not phone]
        await until(lambda p=phone, o=others: knows(p, *o), "their tokens")  # type: ignore[misc]
    await settle(*phones)


@pytest.fixture
async def met(world: World) -> tuple[Phone, Phone, bytes]:
    ada, ben = await world.phones("ada", "ben")
    mine, _ = await meet(ada, ben)
    await acquainted(ada, ben)
    return ada, ben, mine.id


async def test_once_they_have_met_nobody_signs_in_to_send(world: World) -> None:
    ada, ben, cat = await world.phones("ada", "ben", "cat")
    group = await gather(ada, ben, cat)
    await acquainted(ada, ben, cat)
    ways = [Ways(phone) for phone in (ada, ben, cat)]
    for phone in (ada, ben, cat):
        await phone.send_text(group, phone.address)
    await until(lambda: all(len(texts(phone)) == 3 for phone in (ada, ben, cat)))
    await settle(ada, ben, cat)
    assert await ada.typing(group)
    assert [len(way.sealed) for way in ways] == [2, 1, 1]
    for way in ways:
        # What is still said on the socket goes to nobody.
        assert way.said.keys() <= {"ack"}
    # It is a new connection when the old one has not been used for a while.
    assert ada._engine.courier._client is not None
    await ada._engine.courier.close()
    await ada.send_text(group, "again")
    await until(lambda: texts(cat)[-1] == "again")


async def test_a_token_that_holds_no_more_and_an_answer_that_is_lost(
    met: tuple[Phone, Phone, bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Once each, whatever way it took first."""
    monkeypatch.setattr(outbox_module, "PAUSE", 0.01)
    ada, ben, chat = met
    ways, device = Ways(ada), ben._engine.core.me.device_id
    # Taken, and the answer lost; meanwhile the token has become another.
    deliver, lost = ada._engine.courier.deliver, [True]

    async def lose(messages: Sequence[delivery.Sealed]) -> Answers:
        answers = await deliver(messages)
        if lost and lost.pop():
            assert all(isinstance(answer, delivery.Taken) for answer in answers)
            ada._engine.core.store.set(f"delivery.of/{device.hex()}", bytes(36))
            raise error("network.unreachable")
        return answers

    monkeypatch.setattr(ada._engine.courier, "deliver", lose)
    await ada.send_text(chat, "one")
    await ada.send_text(chat, "two")
    await until(lambda: texts(ben) == ["one", "two"])
    await ada.send_text(chat, "three")
    await until(lambda: texts(ben)[2:] == ["three"])
    await settle(ada, ben)
    assert texts(ben) == ["one", "two", "three"]
    assert not knows(ada, ben)
    assert ways.said["send"] >= 1


async def test_where_the_token_is_used_up_it_goes_signed_in(
    met: tuple[Phone, Phone, bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(outbox_module, "PAUSE", 0.01)
    ada, ben, chat = met
    ways = Ways(ada)

    async def used_up(messages: Sequence[delivery.Sealed]) -> Answers:
        ways.sealed += messages
        return [delivery.Turned(message.id, "limit.rate", "") for message in messages]

    monkeypatch.setattr(ada._engine.courier, "deliver", used_up)
    await ada.send_text(chat, "late")
    await until(lambda: texts(ben) == ["late"])
    await ada.settled(60)
    assert [message.id for message in ways.sealed] == [ways.sealed[0].id] * outbox_module.STRIKES
    assert ways.said["send"] == 1
    # The token is as good as before.
    assert knows(ada, ben)


async def test_who_was_removed_gets_in_no_more(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("LEAST_SECONDS", "OVERLAP_SECONDS"):
        monkeypatch.setattr(tokens_module, name, 0)
    ada, ben, cat = await world.phones("ada", "ben", "cat")
    group = await gather(ada, ben, cat)
    await acquainted(ada, ben, cat)
    stray = Courier(world.place, cat._engine.connection)
    devices = [one._engine.core.me.device_id for one in (ada, ben)]
    kept = cat._engine.tokens.of(devices) or []

    async def by_the_kept() -> list[str]:
        pairs = zip(devices, kept, strict=True)
        made = [delivery.Sealed(secrets.token_bytes(16), [pair], b"hey") for pair in pairs]
        return [getattr(answer, "code", "accepted") for answer in await stray.deliver(made)]

    assert await by_the_kept() == ["accepted"] * 2
    await ada.remove(group, cat.address)
    of_ada, of_ben = ([device] for device in devices)
    await until(lambda: ben._engine.tokens.of(of_ada) not in (None, kept[:1]), "ada's new token")
    await until(lambda: ada._engine.tokens.of(of_ben) not in (None, kept[1:]), "ben's new token")
    assert await by_the_kept() == ["delivery.refused"] * 2
    ways = Ways(ada)
    await ada.send_text(group, "without her")
    await until(lambda: texts(ben)[-1:] == ["without her"])
    assert ways.said["send"] == 0
    await stray.close()


# --- what the relay holds


def dump(relay: RelayProcess) -> dict[str, set[tuple[Any, ...]]]:
    """Every row of every table."""
    with closing(sqlite3.connect(relay.settings.database, timeout=10)) as connection:
        names = connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall()
        return {name: set(connection.execute(f"SELECT * FROM {name}").fetchall()) for (name,) in names}


async def without_journal(relay: RelayProcess) -> bytes:
    """All files of the relay, once its journal is written back: that holds whole pages, and so what stands
    beside a change comes again with it."""

    def written_back() -> bool:
        with closing(sqlite3.connect(relay.settings.database, timeout=10)) as connection:
            (busy, _, _) = connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
            return not busy

    await until(written_back, "the journal is written back")
    return folder_image(relay.data_dir)


def traces(
    before: dict[str, set[tuple[Any, ...]]], after: dict[str, set[tuple[Any, ...]]], who: set[Any]
) -> set[str]:
    """Tables with a row that came or changed meanwhile and says who."""
    return {
        name
        for name, rows in after.items()
        if any(value in who for row in rows - before[name] for value in row)
    }


async def test_nothing_at_the_relay_says_who_sent(world: World) -> None:
    """Tables, all files, and the log, while messages wait and after. The control: room for
    an attachment is counted by line, and that is found; a mailbox that a message came into is found, too."""
    await world.relay.device("first" + secrets.token_hex(4))
    with closing(sqlite3.connect(world.relay.settings.database, timeout=10)) as connection, connection:
        # Mailboxes with numbers that nothing else has.
        connection.execute("UPDATE sqlite_sequence SET seq = 7000000000000 WHERE name = 'mailboxes'")
    ada, ben = await world.phones("ada", "ben")
    chat = (await meet(ada, ben))[0].id
    await acquainted(ada, ben)
    me, her = ada._engine.core.me, ben._engine.core.me
    relay = world.relay
    with closing(sqlite3.connect(relay.settings.database, timeout=10)) as connection:
        boxes = dict(connection.execute("SELECT device, mailbox FROM devices").fetchall())
    line = me.certificate.line_id
    who: set[Any] = {me.device_id, line, me.address, boxes[me.device_id], me.certificate.signature_key}
    await ben._engine.stop()
    # What she was sent is acknowledged: that changes her own row, and tells of nothing that she sends.
    mine = boxes[me.device_id]
    await until(lambda: all(row[0] != mine for row in dump(relay)["entries"]), "her mailbox is empty")
    before, image = dump(relay), await without_journal(relay)
    for number in range(20):
        await ada.send_text(chat, f"secret {number}")
    await ada.settled(60)
    waiting, later = dump(relay), await without_journal(relay)
    assert len(waiting["entries"] - before["entries"]) == 20
    assert traces(before, waiting, who) == set()
    assert traces(before, waiting, {boxes[her.device_id]}) == {"entries"}
    for name in (me.device_id, line, me.certificate.signature_key):
        assert later.count(name) <= image.count(name)
    for name in (me.device_id, her.device_id, line):
        assert name.hex() not in relay.log
        assert to_base64(name) not in relay.log
    assert me.address not in relay.log
    ticket = await ada._engine.connection.ask(lambda ref: frames.NewAttachment(ref, 1000), frames.Ticket)
    assert ticket.token
    assert traces(before, dump(relay), who) == {"attachment_use"}
