"""What people do with each other, from end to end over a real relay."""

from __future__ import annotations

import asyncio

import pytest

from chappe.client import Phone, ShownMessage, events
from chappe.mls import MLSError, accept_any
from chappe.wire import content as c
from chappe.wire.errors import ChappeError
from tests.client.world import PATIENCE, World, gather, meet, members, texts, until


async def refused(code: str, call: object) -> None:
    with pytest.raises(ChappeError) as caught:
        await call  # type: ignore[misc]
    assert caught.value.code == code


def only(phone: Phone, text: str) -> ShownMessage:
    found = [m for c in phone.conversations() for m in phone.messages(c.id) if m.text == text]
    assert len(found) == 1, found
    return found[0]


async def test_two_lines_talk(world: World) -> None:
    ada, ben = await world.phones("ada", "ben")
    mine, his = await meet(ada, ben)
    first = await ada.send_text(mine.id, "hello ben")
    await until(lambda: texts(ben) == ["hello ben"])
    await ben.send_text(his.id, "hello ada", reply_to=first)
    await until(lambda: texts(ada) == ["hello ben", "hello ada"])
    answer = only(ada, "hello ada")
    assert (answer.sender, answer.reply_to, answer.state, answer.mine) == (
        ben.address,
        first,
        "received",
        False,
    )
    assert his.kind == mine.kind == "direct"
    assert (mine.name, his.name) == (ben.address, ada.address)
    assert mine.members == his.members == tuple(sorted((ada.address, ben.address)))


async def test_what_is_written_before_the_other_is_in_arrives(world: World) -> None:
    ada, ben = await world.phones("ada", "ben")
    conversation = await ada.conversation_with(ben.address)
    for number in range(20):
        await ada.send_text(conversation.id, str(number))
    await until(lambda: texts(ben) == [str(number) for number in range(20)])


async def test_states_of_a_message(world: World) -> None:
    ada, ben = await world.phones("ada", "ben")
    mine, his = await meet(ada, ben)
    await world.shut("ben")
    await ada.send_text(mine.id, "are you there")
    assert only(ada, "are you there").state in ("queued", "sent")
    await until(lambda: only(ada, "are you there").state == "sent")
    ben = await world.open("ben")
    await until(lambda: only(ada, "are you there").state == "delivered")
    assert ben.conversation(his.id.hex()).unread == 1
    await ben.mark_read(his.id)
    assert ben.conversation(his.id.hex()).unread == 0
    await until(lambda: only(ada, "are you there").state == "read")


async def test_reactions(world: World) -> None:
    ada, ben = await world.phones("ada", "ben")
    mine, his = await meet(ada, ben)
    message = await ada.send_text(mine.id, "lunch?")
    await until(lambda: texts(ben) == ["lunch?"])
    await ben.react(his.id, message, "👍")
    await until(lambda: only(ada, "lunch?").reactions == (("👍", ben.address),))
    await ada.react(mine.id, message, "🎉")
    await ben.react(his.id, message, "❤️")
    await until(lambda: set(only(ada, "lunch?").reactions) == {("❤️", ben.address), ("🎉", ada.address)})
    await until(lambda: only(ben, "lunch?").reactions == only(ada, "lunch?").reactions)
    await ben.unreact(his.id, message, "❤️")
    await until(lambda: only(ada, "lunch?").reactions == (("🎉", ada.address),))
    await refused("message.unknown", ben.unreact(his.id, message, "❤️"))
    await refused("content.malformed", ben.react(his.id, message, "x" * 65))


async def test_edits_and_deletions(world: World) -> None:
    ada, ben = await world.phones("ada", "ben")
    mine, his = await meet(ada, ben)
    message = await ada.send_text(mine.id, "at noon")
    await until(lambda: texts(ben) == ["at noon"])
    await ada.edit(mine.id, message, "at one")
    await until(lambda: texts(ben) == ["at one"])
    assert only(ben, "at one").edited
    assert only(ada, "at one").edited
    await refused("message.unknown", ben.edit(his.id, message, "never"))
    await refused("message.unknown", ben.delete(his.id, message))
    await ada.delete(mine.id, message)
    await until(lambda: [m.kind for m in ben.messages(his.id)] == ["deleted"])
    shown = ben.messages(his.id)[0]
    assert (shown.text, shown.reactions, shown.sender) == ("", (), ada.address)
    await refused("message.unknown", ada.edit(mine.id, message, "back"))


async def test_nobody_changes_what_another_wrote(world: World) -> None:
    """What the SDK refuses to send is refused by the receiver too: a peer may run another program."""
    ada, ben, cyd = await world.phones("ada", "ben", "cyd")
    group = await gather(ada, ben, cyd)
    message = await ada.send_text(group, "mine")
    await until(lambda: texts(ben) == ["mine"] and texts(cyd) == ["mine"])

    for body in (c.Text("not mine"), c.Deleted()):
        ben._put(group, body, replaces=message)
    await ben.send_text(group, "after")
    await until(lambda: texts(cyd) == ["mine", "after"])
    assert texts(ada)[:1] == ["mine"]
    assert not only(cyd, "mine").edited


async def test_messages_disappear(world: World) -> None:
    ada, ben = await world.phones("ada", "ben")
    mine, his = await meet(ada, ben)
    await ada.set_timer(mine.id, 2)
    await until(lambda: ben.conversation(his.id.hex()).timer == 2)
    await ada.send_text(mine.id, "gone soon")
    await until(lambda: texts(ben) == ["gone soon"])
    assert only(ben, "gone soon").expires_at is None
    await until(lambda: texts(ada) == [], "the sender's copy")
    # The receiver's clock starts when it is read.
    assert texts(ben) == ["gone soon"]
    await ben.mark_read(his.id)
    assert only(ben, "gone soon").expires_at is not None
    await until(lambda: texts(ben) == [], "the receiver's copy")
    await ben.set_timer(his.id, 0)
    await until(lambda: ada.conversation(mine.id.hex()).timer == 0)
    await refused("usage.invalid", ben.set_timer(his.id, -1))


async def test_what_has_disappeared_is_gone_from_the_store_after_a_restart(world: World) -> None:
    ada, ben = await world.phones("ada", "ben")
    mine, _ = await meet(ada, ben)
    await ada.set_timer(mine.id, 1)
    await ada.send_text(mine.id, "gone soon")
    await ada.settled(PATIENCE)
    await world.shut("ada")
    await asyncio.sleep(1.5)
    ada = await world.open("ada")
    await until(lambda: texts(ada) == [])
    assert ada._engine.core.store.one("SELECT 1 FROM messages") is None


async def test_a_group_and_its_changes(world: World) -> None:
    ada, ben, cyd, dan = await world.phones("ada", "ben", "cyd", "dan")
    group = await gather(ada, ben, cyd)
    assert members(cyd, group) == ["ada", "ben", "cyd"]
    await cyd.send_text(group, "hello all")
    await until(lambda: texts(ada) == texts(ben) == ["hello all"])
    await ben.add(group, dan.address)
    await until(lambda: all(len(members(p, group)) == 4 for p in (ada, ben, cyd)))
    await until(lambda: any(c.id == group for c in dan.conversations()))
    assert texts(dan) == [], "who joins does not read what was before"
    await dan.send_text(group, "hello from dan")
    await until(lambda: texts(ada)[-1:] == texts(cyd)[-1:] == ["hello from dan"])
    await dan.rename(group, "the four of us")
    await until(lambda: all(p.conversation(group.hex()).name == "the four of us" for p in (ada, ben, cyd)))
    await refused("conversation.member", ada.add(group, ben.address))
    await refused("conversation.member", ada.remove(group, ada.address))
    await refused("address.unknown", ada.add(group, "nobody-at-all@localhost"))
    await refused("usage.invalid", ada.rename(group, ""))


async def test_who_is_removed_opens_nothing_sent_after(world: World) -> None:
    ada, ben, cyd = await world.phones("ada", "ben", "cyd")
    group = await gather(ada, ben, cyd)
    await ada.send_text(group, "before")
    await until(lambda: texts(cyd) == texts(ben) == ["before"])
    spy = cyd._engine.groups.group(group)
    await ada.remove(group, cyd.address)
    await ada.send_text(group, "after")
    await until(lambda: texts(ben) == ["before", "after"])
    await until(lambda: not cyd.conversation(group.hex()).active)
    assert texts(cyd) == ["before"]
    await refused("conversation.left", cyd.send_text(group, "still here?"))
    # Even with the ciphertext in hand, and its last keys kept.
    after, ciphertext = ada._engine.groups.group(group).encrypt(b"secret", now=ada._engine.core.now())
    del after

    with pytest.raises(MLSError):
        spy.process(ciphertext, now=0, authenticate=accept_any)
    row = cyd._engine.core.store.one("SELECT shared, secret FROM conversations WHERE id = ?", group)
    assert row == (b"", b"")


async def test_who_was_removed_can_be_let_in_again(world: World) -> None:
    ada, ben = await world.phones("ada", "ben")
    group = await gather(ada, ben)
    await ada.remove(group, ben.address)
    await until(lambda: not ben.conversation(group.hex()).active)
    await ada.add(group, ben.address)
    await until(lambda: ben.conversation(group.hex()).active)
    await ben.send_text(group, "back")
    await until(lambda: texts(ada) == ["back"])


async def test_leaving(world: World) -> None:
    ada, ben, cyd = await world.phones("ada", "ben", "cyd")
    group = await gather(ada, ben, cyd)
    await cyd.leave(group)
    assert not cyd.conversation(group.hex()).active
    await refused("conversation.left", cyd.send_text(group, "bye"))
    await until(lambda: members(ada, group) == members(ben, group) == ["ada", "ben"])
    await ada.send_text(group, "they are gone")
    await until(lambda: texts(ben) == ["they are gone"])
    assert texts(cyd) == []
    row = cyd._engine.core.store.one("SELECT secret FROM conversations WHERE id = ?", group)
    await until(lambda: cyd._engine.core.store.one("SELECT secret FROM conversations") == (b"",), str(row))


async def test_leaving_a_group_of_one(world: World) -> None:
    ada, ben = await world.phones("ada", "ben")
    group = await gather(ada, ben)
    await ben.leave(group)
    await until(lambda: members(ada, group) == ["ada"])
    await ada.send_text(group, "to myself")
    await until(lambda: only(ada, "to myself").state == "sent")
    await ada.leave(group)
    await until(lambda: ada._engine.changes.idle and not ada._engine.changes._intents(group))
    await refused("conversation.left", ada.send_text(group, "x"))


async def test_both_begin_at_once(world: World) -> None:
    """Two groups come to be; people see one conversation, and both write to the same."""
    ada, ben = await world.phones("ada", "ben")
    mine, his = await asyncio.gather(ada.conversation_with(ben.address), ben.conversation_with(ada.address))
    await asyncio.gather(ada.send_text(mine.id, "me first"), ben.send_text(his.id, "no, me"))
    await until(lambda: set(texts(ada)) == set(texts(ben)) == {"me first", "no, me"})
    await until(
        lambda: ada._engine.groups.direct_with(ben.address) == ben._engine.groups.direct_with(ada.address)
    )
    assert len(ada.conversations()) == len(ben.conversations()) == 1
    await ada.send_text(ada.conversation(ben.address).id, "after you")
    await until(lambda: texts(ben)[-1] == "after you")


async def test_events(world: World) -> None:
    ada, ben = await world.phones("ada", "ben")
    mine, his = await meet(ada, ben)
    heard, seen = ben.events(), ada.events()
    message = await ada.send_text(mine.id, "x")
    async with asyncio.timeout(PATIENCE):
        first = await anext(heard)
        assert isinstance(first, events.MessageReceived)
        assert (first.message.id, first.message.text) == (message, "x")
        assert await anext(seen) == events.MessageSent(mine.id, message)
        receipt = await anext(seen)
        assert receipt == events.ReceiptReceived(mine.id, message, ben.address, "delivered")
    await ben.mark_read(his.id)
    async with asyncio.timeout(PATIENCE):
        kinds = [type(await anext(seen)) for _ in range(3)]
    assert kinds == [events.MessageChanged, events.ReceiptReceived, events.MessageChanged]


async def test_unseen_messages_are_handed_out_once(world: World) -> None:
    ada, ben = await world.phones("ada", "ben")
    mine, _ = await meet(ada, ben)
    for text in ("one", "two"):
        await ada.send_text(mine.id, text)
    await until(lambda: len(ben.unseen()) == 2)
    (row, message), _ = ben.unseen()
    assert message.text == "one"
    ben.mark_seen(row)
    await world.shut("ben")
    ben = await world.open("ben")
    assert [m.text for _, m in ben.unseen()] == ["two"]
    assert ada.unseen() == []


async def test_what_is_asked_for_wrongly(world: World) -> None:
    ada, ben = await world.phones("ada", "ben")
    mine, _ = await meet(ada, ben)
    await refused("address.malformed", ada.conversation_with("not an address"))
    await refused("address.unknown", ada.conversation_with("nobody-here@localhost"))
    await refused("address.unknown", ada.conversation_with("ben@elsewhere.example"))
    await refused("conversation.member", ada.conversation_with(ada.address))
    await refused("conversation.unknown", ada.send_text(b"\x00" * 16, "x"))
    await refused("conversation.member", ada.add(mine.id, "x@localhost"))
    await refused("content.malformed", ada.send_text(mine.id, "x" * 70_000))
    await refused("message.unknown", ada.react(mine.id, b"\x01" * 32, "👍"))
    for key in ("", "zz", "0", "nobody@localhost"):
        with pytest.raises(ChappeError, match=r"conversation\.unknown"):
            ada.conversation(key)
    for prefix in ("", "01", "zzzz", "%%%%", "ffffffff"):
        with pytest.raises(ChappeError, match=r"message\.unknown"):
            ada.message(prefix)
    assert texts(ben) == []


async def test_a_message_is_found_by_the_start_of_its_id(world: World) -> None:
    ada, ben = await world.phones("ada", "ben")
    mine, _ = await meet(ada, ben)
    message = await ada.send_text(mine.id, "find me")
    for prefix in (message.hex(), message.hex()[:12], message.hex()[2:14].upper()):
        assert ada.message(prefix).text == "find me"
