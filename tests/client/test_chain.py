"""A stream of messages as a value: what is missing is known at each moment, whatever the order."""

from __future__ import annotations

import random
from dataclasses import replace

import pytest

from chappe.client import chain
from chappe.client.chain import AGAIN, FORK, NEW, Stream
from chappe.wire import chain as wire
from chappe.wire.chain import Kind, Link
from chappe.wire.errors import BadInput

GROUP, DEVICE, STREAM = b"g" * 16, b"d" * 16, b"s" * 16
Sent = list[tuple[Link, bytes]]


def stream(count: int, text: str = "") -> Sent:
    sent: Sent = []
    before = wire.START
    for number in range(1, count + 1):
        link = Link(STREAM, number, 3, before)
        before = link.hash(GROUP, DEVICE, wire.digest_of(f"{text}{number}".encode()))
        sent.append((link, before))
    return sent


def take_all(sent: Sent, state: Stream | None = None, joined: int = 0) -> tuple[Stream, list[str]]:
    verdicts = []
    for link, hash_ in sent:
        taken = chain.take(state, link, hash_, now=1, joined=joined)
        state = chain.decode(chain.encode(taken.stream))
        verdicts.append(taken.verdict)
    assert state is not None
    return state, verdicts


def holes(state: Stream) -> set[int]:
    return {n for hole in state.holes if not hole.quiet for n in range(hole.first, hole.last + 1)}


def test_in_whatever_order_they_come_the_missing_are_known_and_nobody_is_accused() -> None:
    rng = random.Random(41)
    sent = stream(24)
    for _ in range(60):
        order = sent[:]
        rng.shuffle(order)
        state, seen = None, set()
        for link, hash_ in order:
            state, verdicts = take_all([(link, hash_)], state)
            seen.add(link.counter)
            assert verdicts == [NEW]
            # Who comes in begins with what it sees first.
            assert holes(state) == set(range(order[0][0].counter, state.high)) - seen
        assert state is not None
        assert state.holes == ()


def test_a_repeat_and_another_message_of_the_same_number_are_told_apart() -> None:
    sent, other = stream(5), stream(5, "other")
    state, _ = take_all(sent)
    for at in range(5):
        assert chain.take(state, *sent[at], now=1, joined=0).verdict == AGAIN
        assert chain.take(state, *other[at], now=1, joined=0).verdict == FORK


def test_what_does_not_follow_is_a_fork_at_the_end_and_at_both_edges_of_a_hole() -> None:
    sent, other = stream(6), stream(6, "other")
    assert take_all([*sent[:3], other[3]])[1][-1] == FORK
    late = [sent[0], sent[4]]
    for wrong, verdict in ((other[1], FORK), (other[3], FORK), (other[2], NEW), (sent[1], NEW)):
        state, verdicts = take_all([*late, wrong])
        assert verdicts[-1] == verdict
        # In the middle nothing tells; its neighbours do.
        if wrong is other[2]:
            assert take_all([sent[1]], state)[1] == [FORK]
            assert take_all([sent[3]], state)[1] == [FORK]


def test_a_hole_that_begins_before_this_device_came_in_is_nobodys() -> None:
    sent = [(replace(link, epoch=2 if link.counter < 3 else 5), hash_) for link, hash_ in stream(6)]
    state, _ = take_all([sent[1], sent[3], sent[5]], joined=5)
    assert holes(state) == {5}


def test_a_flood_of_holes_is_bounded() -> None:
    state, verdicts = take_all(stream(400)[::2])
    assert len(state.holes) == chain.MAX_HOLES
    assert len(state.recent) <= chain.RECENT + 1
    assert set(verdicts) == {NEW}


def test_links_have_one_spelling() -> None:
    (first, hash_), (second, _) = stream(2)
    for link in (first, second):
        assert wire.decode(link.encode() + b"hello") == wire.Item(Kind.LINKED, link, b"hello")
        void = wire.voided(link.encode()) + wire.digest_of(b"hello")
        assert wire.decode(void).digest == wire.decode(link.encode() + b"hello").digest
    assert wire.decode(wire.loose(b"typing")) == wire.Item(Kind.LOOSE, None, b"typing")
    good = second.encode()
    for bad in (
        b"",
        b"\1",
        b"\2" + good[1:],
        b"\1\3" + good[2:],
        good[:-1],
        replace(first, before=hash_).encode(),
        replace(second, before=wire.START).encode(),
        replace(second, counter=0).encode(),
        replace(second, counter=2**53).encode(),
        replace(second, epoch=2**53).encode(),
        wire.voided(good) + bytes(31),
    ):
        with pytest.raises(BadInput):
            wire.decode(bad)
