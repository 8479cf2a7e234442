"""Mailboxes against a real relay: stored once, in order, kept until acknowledged, refused without a trace."""

from __future__ import annotations

import asyncio
import secrets
import time
from pathlib import Path

import pytest

from chappe.wire import frames
from tests.relay import stores
from tests.relay.world import Device, RelayProcess


def rows(relay: RelayProcess) -> dict[str, int]:
    """How many rows each table of the mail has."""
    return {
        table: stores.rows(relay.settings, f"SELECT count(*) FROM {table}")[0][0]
        for table in ("entries", "payloads", "shares", "sent_ids", "groups")
    }


async def two(relay: RelayProcess) -> tuple[Device, Device]:
    return await relay.device("a" + secrets.token_hex(5)), await relay.device("b" + secrets.token_hex(5))


async def test_sent_delivered_acknowledged_gone(relay: RelayProcess) -> None:
    ada, bob = await two(relay)
    before = rows(relay)
    async with relay.sign_in(ada) as a, relay.sign_in(bob) as b:
        id_ = await a.send([bob], b"hello")
        accepted = await a.hear(frames.Accepted)
        delivered = await b.hear(frames.Deliver)
        assert (delivered.sequence, delivered.id, delivered.payload) == (1, id_, b"hello")
        assert accepted.expires == delivered.at + frames.MAILBOX_SECONDS
        assert abs(delivered.at - time.time()) < 5
        await b.say(frames.Ack(1))
        await b.send_accepted([ada], b"a round trip: the acknowledgement is done")
        await a.hear(frames.Deliver)
        await a.say(frames.Ack(1))
        await a.send_accepted([bob], b"2")
    async with relay.sign_in(bob) as b:
        assert (await b.hear(frames.Deliver)).sequence == 2
        await b.say(frames.Ack(2))
        await b.send_accepted([bob], b"3")
        assert (await b.hear(frames.Deliver)).sequence == 3
        await b.say(frames.Ack(3))
        await b.say(frames.Lookup(5, bob.address))
        await b.hear(frames.Line)
    after = rows(relay)
    assert after["sent_ids"] == before["sent_ids"] + 4
    assert {**after, "sent_ids": 0} == {**before, "sent_ids": 0}


async def test_what_is_not_acknowledged_comes_again_in_order(relay: RelayProcess) -> None:
    ada, bob = await two(relay)
    async with relay.sign_in(ada) as a:
        for number in range(300):
            await a.send([bob], b"%d" % number, ref=number)
        for number in range(300):
            assert (await a.hear(frames.Accepted)).ref == number
    # Read and not acknowledged; read again and acknowledged in part; then the rest is all that is left.
    for start, acknowledged in ((0, 0), (0, 120), (120, 300), (300, 300)):
        async with relay.sign_in(bob) as b:
            for number in range(start, 300):
                delivered = await b.hear(frames.Deliver)
                assert (delivered.sequence, delivered.payload) == (number + 1, b"%d" % number)
            await b.silence(0.05)
            await b.say(frames.Ack(acknowledged))
            await b.say(frames.Lookup(1, bob.address))
            await b.hear(frames.Line)


async def test_a_device_learns_how_far_its_mailbox_goes(relay: RelayProcess) -> None:
    ada, bob = await two(relay)
    async with relay.sign_in(ada) as a:
        assert a.welcome.newest == 0
        for number in range(3):
            await a.send_accepted([bob], bytes([number]))
        async with relay.sign_in(bob) as b:
            assert b.welcome.newest == 3
            for _ in range(3):
                await b.hear(frames.Deliver)
            await b.say(frames.Ack(2))
            await b.send_accepted([ada], b"after the acknowledgement")
        async with relay.sign_in(bob) as b:
            assert b.welcome.newest == 3
            await b.say(frames.Ack((await b.hear(frames.Deliver)).sequence))
            await b.send_accepted([ada], b"after this one too")
        async with relay.sign_in(bob) as b:
            assert b.welcome.newest == 3


async def test_acknowledging_what_was_not_delivered(relay: RelayProcess) -> None:
    ada, bob = await two(relay)
    async with relay.sign_in(ada) as a, relay.sign_in(bob) as b:
        await a.send_accepted([bob], b"one")
        assert (await b.hear(frames.Deliver)).sequence == 1
        for beyond in (2, 3, 2**53):
            await b.say(frames.Ack(beyond))
            assert await b.refused() == "mailbox.not_yours"
        # Ada's mailbox is empty: no sequence of another mailbox is hers.
        await a.say(frames.Ack(1))
        assert await a.refused() == "mailbox.not_yours"
        await a.send_accepted([bob], b"two")
        assert (await b.hear(frames.Deliver)).sequence == 2
    async with relay.sign_in(bob) as b:
        assert [(await b.hear(frames.Deliver)).sequence for _ in range(2)] == [1, 2]


async def test_an_unknown_recipient_refuses_the_whole(relay: RelayProcess) -> None:
    ada, bob = await two(relay)
    nobody = Device.of_new_line("nobody@localhost")
    async with relay.sign_in(ada) as a, relay.sign_in(bob) as b:
        before = rows(relay)
        id_ = await a.send([bob, nobody], b"to both")
        assert await a.refused() == "mailbox.unknown_recipient"
        assert rows(relay) == before
        await b.silence(0.1)
        # The id was not used up.
        await a.send_accepted([bob], b"to one", id_)
        assert (await b.hear(frames.Deliver)).sequence == 1


async def test_the_same_id_is_stored_once(relay: RelayProcess) -> None:
    ada, bob = await two(relay)
    async with relay.sign_in(ada) as a, relay.sign_in(bob) as b:
        id_ = await a.send([bob], b"once", ref=1)
        first = await a.hear(frames.Accepted)
        await a.send([bob], b"once", id_, ref=2)
        await a.send([bob], b"twice", id_, ref=3)
        await a.send([bob, ada], b"once", id_, ref=4)
        assert await a.hear(frames.Accepted) == frames.Accepted(2, id_, first.expires)
        assert await a.refused() == "id.reused"
        assert await a.refused() == "id.reused"
        assert (await b.hear(frames.Deliver)).payload == b"once"
        await b.silence()
    async with relay.sign_in(ada) as a:
        # Also after the recipient has acknowledged, and from another socket.
        await a.send([bob], b"once", id_, ref=5)
        assert (await a.hear(frames.Accepted)).ref == 5
    # Whose id it was is kept nowhere: another device cannot use it for something else, either.
    async with relay.sign_in(bob) as b:
        await b.send([ada], b"mine", id_)
        assert await b.refused() == "id.reused"


async def test_a_recipient_less_and_a_payload_longer_by_it_is_another_message(relay: RelayProcess) -> None:
    ada, bob = await two(relay)
    async with relay.sign_in(ada) as a, relay.sign_in(bob) as b:
        id_ = await a.send_accepted([ada, bob], b"x")
        await a.send([ada], bob.id + b"x", id_)
        assert await a.refused() == "id.reused"
        await b.hear(frames.Deliver)


async def test_the_same_id_twice_in_one_batch(relay: RelayProcess) -> None:
    ada, bob = await two(relay)
    id_ = secrets.token_bytes(16)
    async with relay.sign_in(ada) as a, relay.sign_in(bob) as b:
        for ref, payload in enumerate((b"x", b"x", b"y", b"x")):
            await a.send([bob], payload, id_, ref)
        assert [(await a.hear(frames.Accepted)).ref for _ in range(2)] == [0, 1]
        assert await a.refused() == "id.reused"
        assert (await a.hear(frames.Accepted)).ref == 3
        await b.hear(frames.Deliver)
        await b.silence()


async def test_a_recipient_named_twice_gets_it_once(relay: RelayProcess) -> None:
    ada, bob = await two(relay)
    async with relay.sign_in(ada) as a, relay.sign_in(bob) as b:
        await a.send_accepted([bob, bob, bob], b"once")
        await b.hear(frames.Deliver)
        await b.silence()


async def test_one_payload_for_many_is_stored_once(relay: RelayProcess) -> None:
    ada, bob = await two(relay)
    cleo = await relay.device("c" + secrets.token_hex(5))
    before = rows(relay)
    async with relay.sign_in(ada) as a:
        await a.send_accepted([ada, bob, cleo], b"to all")
        stored = rows(relay)
        assert stored["payloads"] == before["payloads"] + 1
        assert stored["entries"] == before["entries"] + 3
        for device in (ada, bob, cleo):
            async with relay.sign_in(device) as wire:
                assert (await wire.hear(frames.Deliver)).payload == b"to all"
                await wire.say(frames.Ack(1))
                await wire.say(frames.Lookup(1, device.address))
                await wire.hear(frames.Line)
    after = rows(relay)
    for table in ("payloads", "entries", "shares"):
        assert after[table] == before[table]


async def test_a_full_mailbox_refuses_and_frees(data_dir: Path) -> None:
    own = RelayProcess(data_dir, mailbox_items=3)
    try:
        ada, bob = await two(own)
        async with own.sign_in(ada) as a:
            for _ in range(3):
                await a.send_accepted([bob], b"x")
            before = rows(own)
            await a.send([ada, bob], b"one too many")
            assert await a.refused() == "mailbox.full"
            assert rows(own) == before
            async with own.sign_in(bob) as b:
                for _ in range(3):
                    await b.hear(frames.Deliver)
                await b.say(frames.Ack(2))
                await b.send_accepted([ada], b"done")
            await a.send_accepted([bob], b"fits")
            await a.send_accepted([bob], b"fits")
            await a.send([bob], b"one too many")
            assert await a.refused() == "mailbox.full"
    finally:
        own.kill()


async def test_a_slow_reader_costs_a_window_and_no_more(relay: RelayProcess) -> None:
    """Who does not acknowledge is pushed a window; the rest waits on the disk, and comes in order."""
    ada, bob = await two(relay)
    payload, count = secrets.token_bytes(60_000), 60
    async with relay.sign_in(ada) as a, relay.sign_in(bob) as b:
        for _ in range(count):
            await a.send([bob], payload)
        for _ in range(count):
            await a.hear(frames.Accepted)
        pushed = 0
        while True:
            try:
                delivered = await asyncio.wait_for(b.hear(frames.Deliver), 0.5)
            except TimeoutError:
                break
            pushed += 1
            assert delivered.sequence == pushed
        assert 1024 * 1024 // len(payload) <= pushed <= 1024 * 1024 // len(payload) + 2
        while pushed < count:
            await b.say(frames.Ack(pushed))
            pushed += 1
            assert (await b.hear(frames.Deliver)).sequence == pushed


async def test_the_largest_payload_and_one_byte_more(relay: RelayProcess) -> None:
    ada, bob = await two(relay)
    async with relay.sign_in(ada) as a, relay.sign_in(bob) as b:
        payload = secrets.token_bytes(frames.MAX_PAYLOAD)
        await a.send_accepted([bob], payload)
        assert (await b.hear(frames.Deliver)).payload == payload
        await a.send([bob], payload + b"!")
        assert await a.refused() == "frame.malformed"


async def test_many_devices_at_once_in_order(relay: RelayProcess) -> None:
    """Ten senders, one mailbox: each sender's messages keep their order, sequences have no gap."""
    bob = await relay.device("b" + secrets.token_hex(5))
    senders = [await relay.device("s" + secrets.token_hex(5)) for _ in range(10)]

    async def pour(sender: Device, number: int) -> None:
        async with relay.sign_in(sender) as wire:
            for count in range(50):
                await wire.send([bob], bytes([number, count]), ref=count)
            for count in range(50):
                assert (await wire.hear(frames.Accepted)).ref == count

    async with relay.sign_in(bob) as b:
        pouring = asyncio.gather(*(pour(sender, number) for number, sender in enumerate(senders)))
        last = dict.fromkeys(range(10), -1)
        for sequence in range(1, 501):
            delivered = await b.hear(frames.Deliver)
            assert delivered.sequence == sequence
            sender, count = delivered.payload
            assert count == last[sender] + 1
            last[sender] = count
            await b.say(frames.Ack(sequence))
        await pouring


@pytest.mark.parametrize("size", [1, 64 * 1024, 64 * 1024 + 1])
async def test_sizes_around_the_way_through_memory(relay: RelayProcess, size: int) -> None:
    ada, bob = await two(relay)
    async with relay.sign_in(ada) as a, relay.sign_in(bob) as b:
        for number in range(3):
            await a.send([bob], bytes([number]) * size)
        assert [(await b.hear(frames.Deliver)).payload[0] for _ in range(3)] == [0, 1, 2]
