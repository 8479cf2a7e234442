"""The phone's client against a real relay and phones of the Python SDK: what the one says the other shows."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest

from chappe.client import Phone, events
from chappe.client.typing import EVERY
from tests.client.ways import Ways
from tests.client.world import PATIENCE, World, meet, members, texts, until
from tests.relay.world import RelayProcess
from tests.web.lines import NodeError, need_phone
from tests.web.phones import PIN, WebPhone

pytestmark = pytest.mark.anyio


@pytest.fixture(scope="module")
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(scope="module")
def relay(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RelayProcess]:
    need_phone()
    running = RelayProcess(tmp_path_factory.mktemp("relay") / "data", attempts_burst=10_000)
    yield running
    running.kill()


@pytest.fixture(scope="module")
async def world(relay: RelayProcess, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[World]:
    made = World(relay, tmp_path_factory.mktemp("homes"))
    yield made
    await made.close()


@pytest.fixture(scope="module")
async def ada(world: World) -> AsyncIterator[WebPhone]:
    """The phone in the browser."""
    phone = await WebPhone.activate(world, "ada")
    await phone.settled()
    yield phone
    phone.close()


@pytest.fixture(scope="module")
async def ben(world: World) -> Phone:
    """A terminal."""
    (phone,) = await world.phones("ben")
    return phone


@pytest.fixture(scope="module")
async def cleo(world: World) -> Phone:
    (phone,) = await world.phones("cleo")
    return phone


async def direct(ada: WebPhone, ben: Phone) -> tuple[str, bytes]:
    """The conversation of the two, as each has it."""
    mine = await ada.call("conversationWith", ben.address)
    await until(lambda: any(c.name == ada.address for c in ben.conversations()), "the conversation")
    return mine["id"], ben.conversation(ada.address).id


async def notices(phone: WebPhone, conversation: str) -> list[dict[str, Any]]:
    return [one["notice"] for one in await phone.messages(conversation) if one["kind"] == "notice"]


async def test_a_line_begins(ada: WebPhone, world: World) -> None:
    assert await ada.call("stage") == "open"
    me = await ada.call("me")
    assert me["address"] == world.address("ada")
    assert me["hasPin"] is True
    assert [one["self"] for one in await ada.call("devices")] == [True]


async def test_two_write_to_each_other(ada: WebPhone, ben: Phone) -> None:
    mine, theirs = await direct(ada, ben)
    sent = await ada.call("sendText", mine, "hello from the browser", None)
    await until(lambda: texts(ben, theirs) == ["hello from the browser"])
    message = ben.messages(theirs)[-1]
    assert message.id.hex() == sent
    await ada.shows(mine, sent, sending="delivered")
    await ben.send_text(theirs, "hello from the terminal", reply_to=message.id)
    await ada.reads(mine, "hello from the browser", "hello from the terminal")
    answer = (await ada.messages(mine))[-1]
    assert (answer["from"], answer["mine"], answer["replyTo"]) == (ben.address, False, sent)
    assert (await ada.conversation(ben.address))["unread"] == 1


async def test_receipts_edits_reactions_and_deletions(ada: WebPhone, ben: Phone) -> None:
    mine, theirs = await direct(ada, ben)
    sent = await ada.call("sendText", mine, "as it was", None)
    await until(lambda: "as it was" in texts(ben, theirs))
    await ben.mark_read(theirs)
    await ada.shows(mine, sent, sending="read")
    # From the browser.
    await ada.call("edit", mine, sent, "as it is")
    await until(lambda: texts(ben, theirs)[-1] == "as it is")
    await ada.call("react", mine, sent, "👍")
    await until(lambda: ben.messages(theirs)[-1].reactions == (("👍", ada.address),))
    await ada.call("react", mine, sent, "👍")
    await until(lambda: ben.messages(theirs)[-1].reactions == ())
    # From the terminal.
    his = await ben.send_text(theirs, "first")
    await ada.reads(mine, "as it is", "first")
    await ada.call("markRead", mine)
    await until(lambda: ben.messages(theirs)[-1].state == "read")
    assert (await ada.conversation(ben.address))["unread"] == 0
    await ben.edit(theirs, his, "second")
    await ada.shows(mine, his.hex(), text="second", edited=True)
    await ben.react(theirs, his, "🎉")
    await ada.shows(mine, his.hex(), reactions=[{"emoji": "🎉", "from": [ben.address]}])
    await ben.delete(theirs, his)
    await ada.shows(mine, his.hex(), kind="deleted", text="", reactions=[])
    await ada.call("deleteForAll", mine, sent)
    await until(lambda: ben.messages(theirs)[-2].kind == "deleted")
    with pytest.raises(NodeError) as problem:
        await ada.call("edit", mine, his.hex(), "not mine")
    assert problem.value.code == "message.unknown"


async def test_nobody_signs_in_to_send(ada: WebPhone, ben: Phone) -> None:
    """Each end has the other's delivery token by now, and shows it."""
    chat = (await ada.conversation(ben.address))["id"]
    engine = ben._engine
    (device,) = engine.groups.other_devices(bytes.fromhex(chat))
    await until(lambda: engine.tokens.of([device]) is not None, "the phone's token")
    await ada.settled()
    await ben.settled(PATIENCE)
    said, before = Ways(ben), await ada.ask("ways")
    await ada.call("sendText", chat, "by nobody", None)
    await until(lambda: texts(ben)[-1] == "by nobody")
    await ben.send_text(bytes.fromhex(chat), "neither")
    await ada.reads(chat, "neither")
    await ada.settled()
    await ben.settled(PATIENCE)
    after = await ada.ask("ways")
    # Messages, and receipts for what came.
    assert after["sealed"] >= before["sealed"] + 2
    assert after["signed_in"] == before["signed_in"]
    assert said.said["send"] == 0
    assert len(said.sealed) >= 2
    # A token that the relay takes for none: it goes the other way, once, and the token is forgotten.
    engine.core.store.set(f"delivery.of/{device.hex()}", bytes(36))
    await ben.send_text(bytes.fromhex(chat), "all the same")
    await ada.reads(chat, "neither", "all the same")
    assert engine.tokens.of([device]) is None
    said.end()


async def test_messages_disappear(ada: WebPhone, ben: Phone) -> None:
    mine, theirs = await direct(ada, ben)
    await ada.call("setTimer", mine, 1)
    await until(lambda: ben.conversation(ada.address).timer == 1)
    sent = await ada.call("sendText", mine, "gone soon", None)
    his = await ben.send_text(theirs, "gone after reading")
    await ada.reads(mine, "gone after reading")
    await ada.call("markRead", mine)
    await until(lambda: "gone soon" in texts(ben, theirs))
    await ben.mark_read(theirs)
    gone = {sent, his.hex()}
    await until(lambda: gone <= {e["id"] for e in ada.events if e["type"] == "messageGone"}, "gone")
    assert not gone & {one["id"] for one in await ada.messages(mine)}
    await until(lambda: not {"gone soon", "gone after reading"} & set(texts(ben, theirs)))
    await ben.set_timer(theirs, 0)
    await ada.shows(mine, (await ada.messages(mine))[-1]["id"], kind="notice")


async def test_a_file_goes_both_ways(ada: WebPhone, ben: Phone, tmp_path: Path) -> None:
    mine, theirs = await direct(ada, ben)
    data = bytes(range(256)) * 3000
    before = len(ben.messages(theirs))
    stand_in = await ada.ask(
        "send_file", conversation=mine, name="plan.bin", type="image/png", data=data.hex()
    )
    assert stand_in.startswith("00")
    await until(lambda: len(ben.messages(theirs)) > before, "the file")
    got = ben.messages(theirs)[-1]
    assert got.file is not None
    assert (got.file.name, got.file.size, got.file.content_type) == ("plan.bin", len(data), "image/png")
    saved = await ben.save_file(got.id, tmp_path)
    assert saved.read_bytes() == data
    assert await ada.ask("open_file", conversation=mine, message=got.id.hex()) == data.hex()
    assert not [one for one in await ada.messages(mine) if one["id"] == stand_in]

    other = tmp_path / "answer.txt"
    other.write_bytes(data[:70_000])
    his = await ben.send_file(theirs, other)
    shown = await ada.shows(mine, his.hex(), kind="file")
    assert shown["attachment"]["state"] == "remote"
    assert await ada.ask("open_file", conversation=mine, message=his.hex()) == data[:70_000].hex()
    assert (await ada.shows(mine, his.hex()))["attachment"]["state"] == "here"


async def test_typing_is_told_both_ways_and_kept_nowhere(ada: WebPhone, ben: Phone) -> None:
    mine, theirs = await direct(ada, ben)
    heard = ben.events()
    hearing = asyncio.create_task(_first(heard, events.Typing))
    await asyncio.sleep(0)
    before = len(await ada.messages(mine)), len(ben.messages(theirs))
    unread = (await ada.conversation(ben.address))["unread"]
    await ben.settled(PATIENCE)
    await ada.settled()
    await ada.call("typing", mine)
    told = await asyncio.wait_for(hearing, PATIENCE)
    assert (told.conversation, told.address) == (theirs, ada.address)
    assert await ben.typing(theirs)
    await until(lambda: any(e["type"] == "typing" for e in ada.events), "typing")
    seen = next(e for e in ada.events if e["type"] == "typing")
    assert (seen["conversation"], seen["address"]) == (mine, ben.address)
    assert (len(await ada.messages(mine)), len(ben.messages(theirs))) == before
    assert (await ada.conversation(ben.address))["unread"] == unread
    # Switched off, it is neither seen nor said.
    settings = await ada.call("settings")
    await ada.call("saveSettings", settings | {"typing": False})
    count = sum(e["type"] == "typing" for e in ada.events)
    await asyncio.sleep(EVERY)
    assert await ben.typing(theirs)
    await ben.send_text(theirs, "done typing")
    await ada.reads(mine, "done typing")
    assert sum(e["type"] == "typing" for e in ada.events) == count
    await ada.call("saveSettings", settings)
    await ada.call("markRead", mine)


async def _first(heard: AsyncIterator[events.Event], kind: type[events.Typing]) -> events.Typing:
    async for event in heard:
        if isinstance(event, kind):
            return event
    raise AssertionError


async def test_what_is_said_of_a_file_arrives_with_it(ada: WebPhone, ben: Phone) -> None:
    mine, theirs = await direct(ada, ben)
    before = len(ben.messages(theirs))
    meta = {"seconds": 3, "waveform": [0, 128, 255]}
    await ada.ask("send_file", conversation=mine, name="v.webm", type="audio/webm", data="00" * 50, meta=meta)
    await until(lambda: len(ben.messages(theirs)) > before, "the file")
    got = ben.messages(theirs)[-1]
    assert got.file is not None
    assert (got.file.kind, got.file.seconds) == ("voice", 3)
    shown = await ada.shows(mine, got.id.hex(), kind="voice")
    assert shown["attachment"]["waveform"] == [0, 128, 255]


async def test_a_group_of_three(ada: WebPhone, ben: Phone, cleo: Phone) -> None:
    group = await ada.call("createGroup", "table", [ben.address, cleo.address])
    for other in (ben, cleo):
        await until(lambda o=other: any(c.name == "table" for c in o.conversations()), "the group")  # type: ignore[misc]
    theirs = ben.conversation("table").id
    assert theirs.hex() == group["id"]
    assert members(ben, theirs) == ["ada", "ben", "cleo"]
    await ben.send_text(theirs, "one")
    await ada.reads(group["id"], "one")
    await ada.call("sendText", group["id"], "two", None)
    await until(lambda: texts(cleo, theirs) == ["one", "two"])
    await cleo.rename(theirs, "round table")
    await ada.has_conversation("round table")
    # Both change it at once: one loses, and does it again.
    await asyncio.gather(ada.call("rename", group["id"], "square"), ben.set_timer(theirs, 3600))
    await until(
        lambda: [(c.name, c.timer) for c in ben.conversations() if c.id == theirs] == [("square", 3600)],
        "both changes",
    )
    await ada.call("remove", group["id"], cleo.address)
    await until(lambda: not next(c for c in cleo.conversations() if c.id == theirs).active, "removed")
    assert members(ben, theirs) == ["ada", "ben"]
    await ben.add(theirs, cleo.address)
    await until(lambda: next(c for c in cleo.conversations() if c.id == theirs).active, "back")
    await cleo.send_text(theirs, "again")
    await ada.reads(group["id"], "again")
    await cleo.leave(theirs)
    await until(lambda: members(ben, theirs) == ["ada", "ben"], "left")
    await ada.settled()
    said = await notices(ada, group["id"])
    assert [(n["what"], [who.split("-")[0] for who in n["who"]]) for n in said] == [
        ("joined", ["ben", "cleo"]),
        ("renamed", []),
        *sorted([("renamed", []), ("timer", [])], key=lambda n: [m["what"] for m in said].index(n[0], 2)),
        ("removed", ["cleo"]),
        ("joined", ["cleo"]),
        ("left", ["cleo"]),
    ]
    # And the phone itself.
    await ada.call("leave", group["id"])
    await until(lambda: members(ben, theirs) == ["ben"], "the phone left")
    assert (await ada.conversation("square"))["state"] == "left"
    with pytest.raises(NodeError) as problem:
        await ada.call("sendText", group["id"], "too late", None)
    assert problem.value.code == "conversation.left"


async def test_put_out_by_another(ada: WebPhone, ben: Phone) -> None:
    group = await ben.create_group("short", [ada.address])
    mine = (await ada.has_conversation("short"))["id"]
    await ben.remove(group.id, ada.address)
    # The state is in the phone's memory, the notice in its store: either may be seen first.
    said = {"what": "removed", "who": [ada.address], "value": ""}
    loop = asyncio.get_running_loop()
    deadline = loop.time() + 20
    while (await notices(ada, mine))[-1] != said:
        assert loop.time() < deadline
        await asyncio.sleep(0.05)
    assert (await ada.conversation("short"))["state"] == "left"


async def test_what_is_written_offline_goes_out_later(ada: WebPhone, ben: Phone, relay: RelayProcess) -> None:
    mine, theirs = await direct(ada, ben)
    await ada.settled()
    relay.kill()
    sent = [await ada.call("sendText", mine, f"offline {n}", None) for n in range(3)]
    assert {one["sending"] for one in await ada.messages(mine) if one["id"] in sent} == {"queued"}
    relay.start()
    # Somebody looks at the phone: it does not wait any longer.
    await ada.call("touch")
    await until(lambda: texts(ben, theirs)[-3:] == ["offline 0", "offline 1", "offline 2"])
    for one in sent:
        await ada.shows(mine, one, sending="delivered")


async def test_lock_and_unlock(ada: WebPhone, ben: Phone) -> None:
    mine, theirs = await direct(ada, ben)
    before = await ada.texts(mine)
    await ada.call("sendText", mine, "before the lock", None)
    await until(lambda: "before the lock" in texts(ben, theirs))
    await ada.call("lock")
    assert await ada.call("stage") == "locked"
    with pytest.raises(NodeError) as problem:
        await ada.call("conversations")
    assert problem.value.code == "vault.locked"
    await ben.send_text(theirs, "while it was locked")
    with pytest.raises(NodeError) as wrong:
        await ada.ask("unlock", pin="733118")
    assert wrong.value.code == "vault.wrong_pin"
    await ada.ask("unlock", pin=PIN)
    await ada.reads(mine, *before[-1:], "before the lock", "while it was locked")
    await ada.call("sendText", mine, "after the lock", None)
    await until(lambda: "after the lock" in texts(ben, theirs))


async def test_it_is_found_again(ada: WebPhone, ben: Phone) -> None:
    mine, _ = await direct(ada, ben)
    sent = await ada.call("sendText", mine, "Die Brücke über den Fluß", None)
    hits = await ada.call("search", "brucke flu", 10)
    assert [hit["message"]["id"] for hit in hits] == [sent]
    assert hits[0]["conversation"]["id"] == mine
    await ada.call("deleteForAll", mine, sent)
    assert await ada.call("search", "brucke flu", 10) == []


async def test_people_and_settings(ada: WebPhone, ben: Phone, cleo: Phone) -> None:
    me = ben._engine.core.me
    assert await ada.call("contact", f" {ben.address.upper()} ") == {
        "address": ben.address,
        "verified": False,
        "changed": False,
        "identity": (me.line_id + me.certificate.identity_key).hex(),
    }
    safety = await ada.call("safetyNumber", ben.address)
    assert safety["number"] == await ben.safety_number(ada.address)
    await ada.call("markVerified", ben.address, safety["identity"])
    assert (await ada.call("contact", ben.address))["verified"] is True
    with pytest.raises(NodeError) as nobody:
        await ada.call("contact", "nobody-at-all@localhost")
    assert nobody.value.code == "address.unknown"
    settings = await ada.call("settings")
    await ada.call("saveSettings", {**settings, "readReceipts": False, "offlineHours": 2})
    assert (await ada.call("settings"))["readReceipts"] is False
    mine, theirs = await direct(ada, ben)
    his = await ben.send_text(theirs, "read in silence")
    await ada.reads(mine, "read in silence")
    await ada.call("markRead", mine)
    await ada.settled()
    after = await ada.call("sendText", mine, "you see nothing", None)
    await until(lambda: "you see nothing" in texts(ben, theirs))
    assert next(m for m in ben.messages(theirs) if m.id == his).state == "delivered"
    assert after


async def test_a_device_of_a_terminals_line(world: World, ada: WebPhone, cleo: Phone) -> None:
    cleos, hers = await meet(cleo, (await world.phones("dan"))[0])
    second = await WebPhone.linked(world, "cleo-web", cleo)
    try:
        assert second.address == cleo.address
        dan = hers.name
        assert dan == cleo.address
        shown = await second.has_conversation(cleos.name)
        sent = await second.call("sendText", shown["id"], "from her other device", None)
        await until(lambda: "from her other device" in texts(cleo, cleos.id))
        assert next(m for m in cleo.messages(cleos.id) if m.id.hex() == sent).mine
        await cleo.send_text(cleos.id, "from her first")
        await second.reads(shown["id"], "from her other device", "from her first")
        assert (await second.messages(shown["id"]))[-1]["mine"] is True
        assert [one["self"] for one in await second.call("devices")].count(True) == 1
    finally:
        second.close()


async def test_a_device_of_the_phones_line(world: World, ada: WebPhone, ben: Phone) -> None:
    mine, theirs = await direct(ada, ben)
    home = world.home("ada-terminal")
    shown: asyncio.Future[str] = asyncio.get_running_loop().create_future()
    linking = asyncio.create_task(Phone.link(home, world.place, shown.set_result))
    giving = asyncio.create_task(ada.call("giveLink", await shown))
    terminal = await world._enter("ada-terminal", await linking)
    await giving
    assert terminal.address == ada.address
    await until(lambda: any(c.name == ben.address for c in terminal.conversations()), "let in")
    here = terminal.conversation(ben.address).id
    assert next(c for c in terminal.contacts() if c.address == ben.address).verified
    await terminal.send_text(here, "from the terminal")
    await ada.reads(mine, "from the terminal")
    await ada.call("sendText", mine, "from the browser", None)
    await until(lambda: texts(terminal, here)[-1:] == ["from the browser"])
    await until(lambda: texts(ben, theirs)[-2:] == ["from the terminal", "from the browser"])
    assert {"what": "device_added", "who": [ada.address], "value": ""} in await notices(ada, mine)


async def test_one_more_device_of_another_line_is_never_silent(world: World, ada: WebPhone) -> None:
    (fay,) = await world.phones("fay")
    mine, _ = await direct(ada, fay)
    second = await WebPhone.linked(world, "fay-web", fay)
    try:
        shown = await second.has_conversation(ada.address)
        await second.call("sendText", shown["id"], "from her other device", None)
        await ada.reads(mine, "from her other device")
        said = [one for one in await notices(ada, mine) if one["who"] == [fay.address]]
        assert said == [{"what": "device_added", "who": [fay.address], "value": ""}]
    finally:
        second.close()


async def test_out_of_sight_it_locks_where_that_is_wanted(world: World) -> None:
    phone = await WebPhone.activate(world, "hidden")
    try:
        await phone.call("visible", False)
        assert await phone.call("stage") == "open"
        await phone.call("saveSettings", await phone.call("settings") | {"lockOnHide": True})
        await phone.call("visible", True)
        assert await phone.call("stage") == "open"
        await phone.call("visible", False)
        assert await phone.call("stage") == "locked"
        with pytest.raises(NodeError, match=r"vault\.locked"):
            await phone.call("conversations")
    finally:
        phone.close()
