"""Files of the phone where there is no private file system: refused, resumed, sent again; hostile ones."""

from __future__ import annotations

import asyncio
import sqlite3
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from chappe.client import Phone
from chappe.wire import content as c
from chappe.wire.terms import utc_date
from tests.client.test_terms import DAY, code
from tests.client.world import World, texts, until
from tests.relay.world import RelayProcess
from tests.web.lines import NodeError, need_phone
from tests.web.phones import PIN, WebPhone

pytestmark = pytest.mark.anyio
MOST = 1_000_000


@pytest.fixture(scope="module")
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(scope="module")
def relay(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RelayProcess]:
    need_phone()
    data = tmp_path_factory.mktemp("relay") / "data"
    running = RelayProcess(data, attempts_burst=10_000, max_attachment=MOST, attachment_quota=2 * MOST)
    yield running
    running.kill()


@pytest.fixture(scope="module")
async def world(relay: RelayProcess, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[World]:
    made = World(relay, tmp_path_factory.mktemp("homes"))
    yield made
    await made.close()


@pytest.fixture(scope="module")
async def ben(world: World) -> Phone:
    (phone,) = await world.phones("ben")
    return phone


@pytest.fixture(scope="module")
async def ada(world: World) -> AsyncIterator[WebPhone]:
    phone = await WebPhone.activate(world, "ada")
    await phone.settled()
    yield phone
    phone.close()


@pytest.fixture(scope="module")
async def mine(ada: WebPhone, ben: Phone) -> str:
    """Their conversation, as ada has it."""
    made = await ada.call("conversationWith", ben.address)
    await until(lambda: any(one.name == ada.address for one in ben.conversations()), "the conversation")
    return str(made["id"])


def names(ben: Phone, ada: WebPhone) -> list[str]:
    return [one.file.name for one in ben.messages(ben.conversation(ada.address).id) if one.file is not None]


async def send(ada: WebPhone, mine: str, name: str, size: int) -> str:
    data = (name.encode() * (size // len(name) + 1))[:size]
    return str(await ada.ask("send_file", conversation=mine, name=name, type="", data=data.hex()))


def out_of_term(relay: RelayProcess, address: str, days: int) -> None:
    """The term of this line was over so many days ago, the relay's tables say."""
    ends = (int(time.time()) // DAY - days) * DAY
    with sqlite3.connect(relay.settings.database, timeout=10) as connection:
        connection.execute(
            "UPDATE lines SET term_ends = ?, term_day = ? WHERE address = ?",
            (ends, utc_date(ends - 1).day, address),
        )


async def test_more_than_the_relay_takes_is_refused_before_it_is_read(ada: WebPhone, mine: str) -> None:
    before = len(await ada.messages(mine))
    with pytest.raises(NodeError) as refused:
        await send(ada, mine, "huge", MOST + 1)
    assert refused.value.code == "attachment.too_large"
    assert len(await ada.messages(mine)) == before


async def test_what_was_cut_off_goes_on_after_unlocking(
    ada: WebPhone, ben: Phone, mine: str, relay: RelayProcess, tmp_path: Path
) -> None:
    relay.kill()
    stand_in = await send(ada, mine, "later", 300_000)
    gone = await send(ada, mine, "never", 300_000)
    assert (await ada.shows(mine, stand_in, sending="queued"))["attachment"]["state"] == "loading"
    await ada.call("cancelFile", mine, gone)
    await ada.call("lock")
    relay.start()
    await ada.ask("unlock", pin=PIN)
    await until(lambda: names(ben, ada) == ["later"], "the file")
    (got,) = [one for one in ben.messages(ben.conversation(ada.address).id) if one.file is not None]
    assert (await ben.save_file(got.id, tmp_path)).read_bytes() == b"later" * 60_000
    assert [one["id"] for one in await ada.messages(mine)] == [got.id.hex()]


async def test_one_that_failed_goes_out_when_it_is_sent_again(
    ada: WebPhone, ben: Phone, mine: str, relay: RelayProcess
) -> None:
    await send(ada, mine, "first", 900_000)
    await until(lambda: "first" in names(ben, ada), "the file")
    refused = await send(ada, mine, "second", 900_000)
    shown = await ada.shows(mine, refused, sending="failed")
    assert (shown["failure"], shown["attachment"]["state"]) == ("attachment.quota", "here")
    relay.stop()
    relay._given["attachment_quota"] = 10 * MOST
    relay.start()
    await ada.settled()
    assert "second" not in names(ben, ada)
    await ada.call("retry", mine, refused)
    await until(lambda: "second" in names(ben, ada), "the file")


async def test_a_file_is_as_large_as_it_was_said_to_be(ada: WebPhone, ben: Phone, mine: str) -> None:
    """Shorter, longer, absurd, or of another hash: nothing of it is kept, and the true one opens."""
    conversation = ben.conversation(ada.address).id
    (first,) = [
        one for one in ben.messages(conversation) if one.file is not None and one.file.name == "later"
    ]
    engine = ben._engine
    file = engine.messages.file(first.id)
    sizes = {299_999: "corrupt", 300_001: "bad_range", 2**36: "too_large", 2**53 - 1: "too_large"}
    for size, why in sizes.items():
        said = c.Attachment(file.url, file.key, file.nonce, file.hash, size, "", f"{size}")
        id_, data = engine.messages.new(conversation, said)
        engine.outbox.put(conversation, data, None)
        engine.wake()
        await ada.shows(mine, id_.hex(), kind="file")
        with pytest.raises(NodeError) as refused:
            await ada.ask("open_file", conversation=mine, message=id_.hex())
        assert refused.value.code == f"attachment.{why}"
        assert (await ada.shows(mine, id_.hex()))["attachment"]["state"] == "failed"
    await ben.send_text(conversation, "and nothing stops")
    await ada.reads(mine, "and nothing stops")
    assert "and nothing stops" in texts(ben, conversation)


async def test_what_a_line_out_of_term_was_sending_goes_out_once_it_is_renewed(
    world: World, ben: Phone, relay: RelayProcess
) -> None:
    """As messages do: a file that waits has not failed."""
    dan = WebPhone(relay, "dan")
    me = await dan.ask("activate", link=await code(world), name=world.address("dan"), pin=PIN)
    mine = str((await dan.call("conversationWith", ben.address))["id"])
    await until(lambda: any(one.name == me["address"] for one in ben.conversations()), "the conversation")
    theirs = next(one.id for one in ben.conversations() if one.name == me["address"])
    relay.kill()
    waiting = await send(dan, mine, "waits", 200_000)
    out_of_term(relay, me["address"], days=2)
    relay.start()
    await ben.send_text(theirs, "and now?")
    await dan.reads(mine, "and now?")
    await dan.settled()
    assert (await dan.call("term"))["stage"] == "grace"
    await dan.call("lock")
    seen = len(dan.events)
    await dan.ask("unlock", pin=PIN)
    await until(lambda: any(one.get("online") for one in dan.events[seen:]), "the connection")
    await dan.settled()
    # Answers come in order: what was asked for the file before this has its own.
    with pytest.raises(NodeError):
        await dan.call("conversationWith", world.address("nobody"))
    shown = await dan.shows(mine, waiting, sending="queued")
    assert (shown["failure"], shown["attachment"]["state"]) == ("", "loading")
    await dan.call("renew", await code(world))
    await until(lambda: [one.file.name for one in ben.messages(theirs) if one.file] == ["waits"], "the file")
    dan.close()


async def test_a_transfer_that_never_ends_keeps_no_phone_open(world: World) -> None:
    """It locks all the same, within seconds: the pages are told, and the keys are let go of."""
    eve = await WebPhone.activate(world, "eve")
    await eve.settled()
    await eve.ask("stuck")
    await asyncio.wait_for(eve.call("lock"), 20)
    assert eve.events[-1] == {"type": "stage", "stage": "locked"}
    assert not await eve.ask("holds_keys")
    await eve.ask("unlock", pin=PIN)
    eve.close()
