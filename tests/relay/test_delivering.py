"""`POST /v1/deliver`: a message is let in by its recipients' tokens, and by nothing else."""

from __future__ import annotations

import secrets
import sqlite3
from contextlib import closing
from pathlib import Path

import httpx
import msgspec
import pytest

from chappe.relay.doorway import MAX_OF_A_NETWORK, Doorway
from chappe.relay.migrations import upgrade
from chappe.relay.tokens import TokenLimits, Tokens, _Known
from chappe.wire import delivery, frames
from chappe.wire.errors import ChappeError
from tests.relay.shares.test_traces import folder_image
from tests.relay.test_migrations import upgrade_to
from tests.relay.world import Device, RelayProcess, Wire


class Sealed:
    """Who sends without a sign-in: knows tokens, and has no device."""

    def __init__(self, relay: RelayProcess) -> None:
        self._relay = relay
        self.tokens: dict[bytes, bytes] = {}

    async def leave(self, wire: Wire, device: Device, overlap: int = 0) -> bytes:
        """A device leaves a new token with the relay, and hands it out here."""
        token = self.tokens[device.id] = secrets.token_bytes(32)
        await wire.say(frames.LeaveToken(9, delivery.token_digest(token), overlap))
        assert await wire.hear(frames.Done) == frames.Done(9)
        return token

    def message(self, to: list[Device], payload: bytes, id_: bytes | None = None) -> delivery.Sealed:
        pairs = [(device.id, self.tokens.get(device.id, bytes(32))) for device in to]
        return delivery.Sealed(id_ or secrets.token_bytes(16), pairs, payload)

    async def post(self, *messages: delivery.Sealed) -> list[delivery.Taken | delivery.Turned]:
        async with self._relay.http() as http:
            answer = await post(http, delivery.encode(delivery.Deliver(list(messages))))
        assert answer.status_code == 200, answer.text
        assert answer.headers["cache-control"] == "no-store"
        assert "set-cookie" not in answer.headers
        return delivery.decode_answer(answer.content).answers

    async def one(self, to: list[Device], payload: bytes, id_: bytes | None = None) -> str:
        """The code of the refusal, or accepted."""
        (answer,) = await self.post(self.message(to, payload, id_))
        return answer.code if isinstance(answer, delivery.Turned) else "accepted"


async def post(http: httpx.AsyncClient, body: bytes) -> httpx.Response:
    return await http.post("/v1/deliver", content=body)


async def lines(relay: RelayProcess, *names: str) -> list[Device]:
    return [await relay.device(name + secrets.token_hex(5)) for name in names]


async def test_by_tokens_alone_and_all_or_nothing(relay: RelayProcess) -> None:
    bob, cid = await lines(relay, "b", "c")
    sealed = Sealed(relay)
    async with relay.sign_in(bob) as b, relay.sign_in(cid) as c:
        # Nobody has left a token; then one has; then the one who has not is told apart.
        assert await sealed.one([bob], b"no") == "delivery.refused"
        token = await sealed.leave(b, bob)
        assert await sealed.one([bob], b"first") == "accepted"
        (refused,) = await sealed.post(sealed.message([bob, cid], b"no"))
        assert isinstance(refused, delivery.Turned)
        assert refused.stale == [cid.id]
        await sealed.leave(c, cid)
        taken, same, reused = await sealed.post(
            first := sealed.message([bob, cid, bob], b"both"), first, sealed.message([bob], b"x", first.id)
        )
        assert taken == same == delivery.Taken(first.id, taken.expires)  # type: ignore[union-attr]
        assert isinstance(reused, delivery.Turned)
        assert reused.code == "id.reused"
        # One of them with another's token, and a device that is nowhere, answered alike.
        sealed.tokens[cid.id] = token
        nobody = Device.of_new_line("nobody@localhost")
        (refused,) = await sealed.post(sealed.message([bob, cid, nobody], b"no"))
        assert isinstance(refused, delivery.Turned)
        assert (refused.code, refused.stale) == ("delivery.refused", [cid.id, nobody.id])
        assert [(await b.hear(frames.Deliver)).payload for _ in range(2)] == [b"first", b"both"]
        assert (await c.hear(frames.Deliver)).payload == b"both"
        await b.silence(0.05)
        await c.silence(0.05)


async def test_said_sealed_and_signed_in_it_is_stored_once(relay: RelayProcess) -> None:
    """A crash between the two ways, and a token that has become another meanwhile."""
    ada, bob = await lines(relay, "a", "b")
    sealed = Sealed(relay)
    async with relay.sign_in(ada) as a, relay.sign_in(bob) as b:
        await sealed.leave(b, bob)
        id_ = secrets.token_bytes(16)
        assert await sealed.one([bob], b"once", id_) == "accepted"
        await a.send_accepted([bob], b"once", id_)
        await sealed.leave(b, bob)
        assert await sealed.one([bob], b"once", id_) == "accepted"
        assert (await b.hear(frames.Deliver)).id == id_
        await b.silence(0.05)


async def test_a_new_token_ends_the_old_one(relay: RelayProcess) -> None:
    """A removed member, who kept it, gets in no more; with an overlap, one generation and no more."""
    (bob,) = await lines(relay, "b")
    sealed = Sealed(relay)
    async with relay.sign_in(bob) as b:
        kept = await sealed.leave(b, bob)
        second = await sealed.leave(b, bob, overlap=600)
        holding = ((kept, "accepted"), (second, "accepted"), (bytes(32), "delivery.refused"))
        for token, expected in holding:
            sealed.tokens[bob.id] = token
            assert await sealed.one([bob], b"x") == expected
        third = await sealed.leave(b, bob, overlap=600)
        # The same again, as after each sign-in, does not put it before itself.
        await b.say(frames.LeaveToken(9, delivery.token_digest(third), 0))
        await b.hear(frames.Done)
        for token, expected in ((kept, "delivery.refused"), (second, "accepted")):
            sealed.tokens[bob.id] = token
            assert await sealed.one([bob], b"x") == expected
        await sealed.leave(b, bob)
        sealed.tokens[bob.id] = third
        assert await sealed.one([bob], b"x") == "delivery.refused"


async def test_a_leaked_token_brings_so_much_and_shuts_nobody_out(data_dir: Path) -> None:
    relay = RelayProcess(
        data_dir,
        token_burst=4,
        token_per_second=0.001,
        mailbox_items=8,
        deliver_burst=9,
        # On a slow machine, too, nothing of it is back when the next one is counted.
        deliver_per_minute=0.1,
    )
    try:
        ada, bob, cid = await lines(relay, "a", "b", "c")
        sealed = Sealed(relay)
        async with relay.sign_in(bob) as b, relay.sign_in(cid) as c, relay.sign_in(ada) as a:
            await sealed.leave(b, bob)
            await sealed.leave(c, cid)
            answers = await sealed.post(*(sealed.message([bob], b"%d" % n) for n in range(6)))
            codes = [getattr(answer, "code", "accepted") for answer in answers]
            assert codes == ["accepted"] * 4 + ["limit.rate"] * 2
            # Nobody else's is less for it, nor is one that stands beside it in a message that was refused.
            assert await sealed.one([bob, cid], b"x") == "limit.rate"
            for _ in range(4):
                assert await sealed.one([cid], b"x") == "accepted"
            # With a new token it begins anew, up to three quarters of the mailbox; the rest is the signed-in.
            await sealed.leave(b, bob)
            assert [await sealed.one([bob], b"x") for _ in range(3)] == ["accepted"] * 2 + ["mailbox.full"]
            for _ in range(2):
                await a.send_accepted([bob], b"x")
            await a.send([bob], b"x")
            assert await a.refused() == "mailbox.full"
            # Who guesses is not looked at any more, from this network.
            sealed.tokens[bob.id] = bytes(32)
            async with relay.http() as http:
                body = delivery.encode(delivery.Deliver([sealed.message([bob], b"x")] * 9))
                statuses = [(await post(http, body)).status_code for _ in range(2)]
            assert statuses == [200, 429]
    finally:
        relay.kill()


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        (b"", 400, "http.malformed"),
        (b"\xc1", 400, "http.malformed"),
        (msgspec.msgpack.encode({"messages": []}), 400, "http.malformed"),
        (msgspec.msgpack.encode({"messages": [], "sender": bytes(16)}), 400, "http.malformed"),
        (bytes(delivery.MAX_BODY + 1), 413, "http.oversized"),
    ],
)
async def test_what_is_no_delivery(relay: RelayProcess, body: bytes, status: int, code: str) -> None:
    async with relay.http() as http:
        answer = await http.post("/v1/deliver", content=body)
    assert (answer.status_code, answer.headers["chappe-error"]) == (status, code)


async def test_a_token_needs_a_sign_in_to_be_left(relay: RelayProcess) -> None:
    async with relay.connect() as wire:
        await wire.say(frames.LeaveToken(1, bytes(32)))
        assert await wire.refused() == "signin.required"


def test_a_network_holds_only_so_much_of_what_is_coming() -> None:
    doorway = Doorway(10, 60)
    with doorway.reserve("192.0.2.1", MAX_OF_A_NETWORK, 0):
        with pytest.raises(ChappeError, match=r"limit\.rate"), doorway.reserve("192.0.2.1", 1, 0):
            pass
        with doorway.reserve("192.0.2.2", 1, 0):
            pass
    with doorway.reserve("192.0.2.1", MAX_OF_A_NETWORK, 0):
        pass


def test_sizes_count_for_each_token_and_what_is_refused_costs_nothing() -> None:
    tokens = Tokens(TokenLimits(messages=100, messages_per_second=0, size=10, size_per_second=1))
    one, two = secrets.token_bytes(32), secrets.token_bytes(32)
    tokens._known = {n: _Known(delivery.token_digest(t), None, 0) for n, t in ((1, one), (2, two))}

    def spend(*given: tuple[int, bytes, int], now: int = 0) -> None:
        for mailbox, token, _ in given:
            assert tokens.holds(mailbox, token, now)
        tokens.spend([mailbox for mailbox, _, _ in given], given[0][2], now)

    spend((1, one, 6))
    with pytest.raises(ChappeError, match=r"limit\.rate"):
        spend((2, two, 6), (1, one, 6))
    spend((2, two, 10))
    spend((1, one, 6), now=2)
    assert not tokens.holds(1, two, 0)


def test_the_upgrade_keeps_the_ids_and_drops_who_sent(tmp_path: Path) -> None:
    path = tmp_path / "relay.db"
    upgrade_to(path, "0004")
    sender = 0x5EAD_5EAD_5EAD
    rows = [(sender, bytes([n]) * 16, b"d" * 16, 2**40) for n in range(3)]
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.executemany("INSERT INTO sent_ids VALUES (?, ?, ?, ?)", rows)
    assert sender.to_bytes(6, "big") in folder_image(tmp_path)
    upgrade(path)
    with closing(sqlite3.connect(path)) as connection:
        kept = connection.execute("SELECT id, digest, expires FROM sent_ids ORDER BY id").fetchall()
    assert kept == [row[1:] for row in rows]
    assert sender.to_bytes(6, "big") not in folder_image(tmp_path)
