"""Gateways hear of each other on a real NATS cluster, whatever happens to its nodes."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from nats.aio.client import Client

from chappe.relay import tls
from chappe.relay.bus.nats import NatsBus, Place, instance_of
from chappe.relay.bus.wakes import (
    MAIL,
    Kind,
    Notice,
    decode_notice,
    decode_to_mailbox,
    encode_mail,
    encode_notice,
)
from chappe.wire.errors import ChappeError
from tests.relay.nats_world import NatsCluster

PATIENCE = 30.0
INSTANCE = instance_of("relay.example.org")


@dataclass
class Ears:
    """What one gateway hears."""

    here: set[int] = field(default_factory=set)
    mails: list[tuple[int, int]] = field(default_factory=list)
    changes: list[int] = field(default_factory=list)
    notices: list[Notice] = field(default_factory=list)
    times_missed: int = 0

    def mail(self, mailbox: int, sequence: int) -> None:
        self.mails.append((mailbox, sequence))

    def changed(self, mailbox: int) -> None:
        self.changes.append(mailbox)

    def answers_for(self, mailbox: int) -> bool:
        return mailbox in self.here

    def notice(self, notice: Notice) -> None:
        self.notices.append(notice)

    def missed(self) -> None:
        self.times_missed += 1


async def until(true: Callable[[], bool]) -> None:
    async with asyncio.timeout(PATIENCE):
        while not true():
            await asyncio.sleep(0.01)


@contextlib.asynccontextmanager
async def gateway(urls: str, ears: Ears, **place: object) -> AsyncIterator[NatsBus]:
    bus = NatsBus(Place(urls, INSTANCE, **place))  # type: ignore[arg-type]
    await bus.start(ears)
    try:
        await until(lambda: ears.times_missed > 0)
        yield bus
    finally:
        await bus.close()


@pytest.fixture(scope="module")
def nats(tmp_path_factory: pytest.TempPathFactory) -> Iterator[NatsCluster]:
    with NatsCluster(tmp_path_factory.mktemp("nats")) as cluster:
        yield cluster


async def heard(bus: NatsBus, ears: Ears, mailbox: int) -> None:
    """Say it until it is heard: a subscription takes a moment to reach all nodes."""
    before = len(ears.mails)
    async with asyncio.timeout(PATIENCE):
        while len(ears.mails) == before:
            bus.mail(mailbox, 1)
            await asyncio.sleep(0.05)


async def test_a_wake_reaches_the_gateway_that_holds_the_mailbox_and_no_other(nats: NatsCluster) -> None:
    one, two, three = Ears(), Ears(here={7}), Ears()
    async with (
        gateway(nats.url(0), one) as a,
        gateway(nats.url(1), two) as b,
        gateway(nats.url(2), three) as c,
    ):
        b.enter(7)
        c.enter(8)
        await heard(a, two, 7)
        await heard(a, three, 8)
        del two.mails[:], three.mails[:]
        for sequence in range(1, 2_000):
            a.mail(7, sequence)
        a.changed(7)
        a.notify(Notice(Kind.POSTED, name=bytes(range(32))))
        a.notify(Notice(Kind.MOVED, mailbox=9))
        await until(lambda: len(two.notices) == 2 and len(three.notices) == 2 and two.changes == [7])
        # Said in one go: the newest number is all that counts.
        assert [mail for mail in two.mails if mail != (7, 1)] == [(7, 1_999)]
        assert set(three.mails) <= {(8, 1)}
        assert (three.changes, one.notices) == ([], [])
        assert two.notices == [Notice(Kind.POSTED, name=bytes(range(32))), Notice(Kind.MOVED, mailbox=9)]
        assert await a.is_elsewhere(7)
        assert not await a.is_elsewhere(8), "its gateway has no socket of it"
        assert not await a.is_elsewhere(9), "nobody listens"
        b.leave(7)
        async with asyncio.timeout(PATIENCE):
            while await a.is_elsewhere(7):
                await asyncio.sleep(0.01)


async def test_a_node_is_killed_then_all_of_them_and_gateways_go_on(tmp_path: Path) -> None:
    with NatsCluster(tmp_path) as nats:
        one, two = Ears(), Ears(here={7})
        async with gateway(nats.urls, one) as a, gateway(nats.urls, two) as b:
            b.enter(7)
            await heard(a, two, 7)
            for node in range(3):
                nats.kill(node)
                await heard(a, two, 7)
                assert await a.is_elsewhere(7)
                nats.start(node)
            missed = (one.times_missed, two.times_missed)
            nats.kill_all()
            await until(lambda: not a._client.is_connected and not b._client.is_connected)
            a.mail(7, 5)
            assert not await a.is_elsewhere(7), "who cannot be asked is nowhere"
            # Comes while nobody answers, and is heard of all the same.
            b.enter(8)
            nats.start_all()
            await until(lambda: one.times_missed > missed[0] and two.times_missed > missed[1])
            await heard(a, two, 7)
            await heard(a, two, 8)


async def test_what_is_no_wake_is_nothing(nats: NatsCluster) -> None:
    ears = Ears(here={7})
    hostile = Client()
    await hostile.connect(nats.url(0))
    async with gateway(nats.url(1), ears) as bus, gateway(nats.url(2), Ears()) as other:
        bus.enter(7)
        await heard(other, ears, 7)
        del ears.mails[:]
        missed = ears.times_missed
        numbers = (b"\x01" * 8, b"\x01" + bytes(8), b"\x01" + b"\xff" * 8)
        for data in (*numbers, b"", b"\x01", b"\x04", b"\x02\x00"):
            await hostile.publish(f"chappe.{INSTANCE}.m.7", data)
            await hostile.publish(f"chappe.{INSTANCE}.all", data)
        for data in (b"\x12", b"\x12" + bytes(8), b"\x15" + bytes(15), b"\x13\x00", b"\xff", b"\x15" * 5_000):
            await hostile.publish(f"chappe.{INSTANCE}.all", data)
        await hostile.flush()
        await heard(other, ears, 7)
        assert set(ears.mails) == {(7, 1)}
        assert (ears.changes, ears.notices, ears.times_missed) == ([], [], missed)
    await hostile.close()


async def test_more_wakes_than_are_heard_are_dropped_and_everything_is_looked_at(nats: NatsCluster) -> None:
    ears = Ears(here={7})
    hostile = Client()
    await hostile.connect(nats.url(0))
    async with gateway(nats.url(0), ears) as bus:
        bus.enter(7)
        await until(lambda: 7 in bus._entered)
        missed = ears.times_missed
        async with asyncio.timeout(PATIENCE):
            while ears.times_missed == missed:
                for _ in range(1_000):
                    await hostile.publish(f"chappe.{INSTANCE}.m.7", encode_mail(3))
                await hostile.flush()
        assert bus._entered[7].pending_msgs <= 64
    await hostile.close()


async def test_with_a_password_and_tls_of_the_operators_own_authority(tmp_path: Path) -> None:
    tls.ensure_certificate(tmp_path, "localhost")
    certificate, key = tmp_path / "tls-certificate.pem", tmp_path / "tls-key.pem"
    options = ("--auth", "pass-word", "--tls", "--tlscert", str(certificate), "--tlskey", str(key))
    with NatsCluster(tmp_path, 1, options) as nats:
        url = nats.urls.replace("nats://127.0.0.1", "tls://localhost")
        one, two = Ears(), Ears()
        place = {"token": "pass-word", "authority": certificate}
        async with gateway(url, one, **place) as a, gateway(url, two, **place) as b:
            b.enter(3)
            await heard(a, two, 3)
        # A server that nobody vouches for, and one that refuses the token: asked again, and no more.
        wrongs: list[dict[str, Any]] = [{"token": "pass-word"}, {"token": "other", "authority": certificate}]
        for wrong in wrongs:
            ears = Ears()
            bus = NatsBus(Place(url, INSTANCE, **wrong))
            await bus.start(ears)
            await asyncio.sleep(0.3)
            assert (ears.times_missed, bus._client.is_connected) == (0, False)
            bus.mail(3, 1)
            await bus.close()
        assert "pass-word" not in repr(Place(url, INSTANCE, token="pass-word"))


def test_wakes_are_what_they_were() -> None:
    for notice in (
        *(Notice(kind) for kind in (Kind.TERMS, Kind.LOG, Kind.MISSED)),
        *(Notice(kind, mailbox=2**40) for kind in (Kind.SUBSCRIPTION, Kind.MOVED)),
        *(Notice(kind, name=b"g" * 32) for kind in (Kind.POSTED, Kind.UPLOAD)),
        Notice(Kind.POSTED, name=b"g" * 16),
    ):
        assert decode_notice(encode_notice(notice)) == notice
        if notice.name:
            assert decode_notice(encode_notice(notice)[:16]) is None
            continue
        assert decode_notice(encode_notice(notice) + b"\x00") is None
        assert decode_notice(encode_notice(notice)[:-1]) is None
    assert decode_to_mailbox(encode_mail(2**50)) == (MAIL, 2**50)


def test_certificates_of_the_bus_that_cannot_be_read_say_so(tmp_path: Path) -> None:
    with pytest.raises(ChappeError) as caught:
        Place("tls://localhost:4222", INSTANCE, authority=tmp_path / "none.pem").tls()
    assert caught.value.code == "tls.unreadable"
