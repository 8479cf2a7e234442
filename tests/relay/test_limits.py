"""Allowances: spent, refused without cost, coming back; one for each network."""

from __future__ import annotations

import os
import time
from pathlib import Path
from unittest.mock import Mock

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chappe.relay.files import Attachments
from chappe.relay.limits import Allowance, Attempts, network_of
from chappe.relay.quotas import RECIPIENTS_OF_ONE, QuotaLimits, Quotas
from chappe.relay.session import Ask
from chappe.wire import api, frames
from chappe.wire.errors import ChappeError
from tests.relay.world import RelayProcess


def test_spending_and_coming_back() -> None:
    allowance = Allowance(2, 0.5, now=100)
    allowance.spend(100)
    allowance.spend(100)
    for _ in range(3):
        with pytest.raises(ChappeError, match=r"limit\.rate"):
            allowance.spend(101)
    # What was refused cost nothing.
    allowance.spend(102)
    allowance.give_back()
    allowance.spend(102)
    # A clock that goes back gives nothing and takes nothing.
    with pytest.raises(ChappeError, match=r"limit\.rate"):
        allowance.spend(50)


@given(st.lists(st.floats(0, 10), max_size=50))
def test_never_more_than_the_burst_and_what_came_back(steps: list[float]) -> None:
    allowance, now, spent = Allowance(5, 1, now=0), 0.0, 0
    for step in steps:
        now += step
        try:
            allowance.spend(now)
        except ChappeError:
            continue
        spent += 1
    assert spent <= 5 + now + 1e-6


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("192.0.2.1", "192.0.2.1", True),
        ("192.0.2.1", "192.0.2.2", False),
        ("2001:db8::1", "2001:db8::ffff", True),
        ("2001:db8::1", "2001:db8:0:1::1", False),
        ("::ffff:192.0.2.1", "192.0.2.1", True),
        ("not an address", "", True),
    ],
)
def test_networks(one: str, other: str, same: bool) -> None:
    assert (network_of(one) == network_of(other)) is same
    attempts = Attempts(1, 1)
    attempts.of(one, 0).spend(0)
    if same:
        with pytest.raises(ChappeError, match=r"limit\.rate"):
            attempts.of(other, 0).spend(0)
    else:
        attempts.of(other, 0).spend(0)


def asked(frame: frames.Send | frames.Commit | frames.Register, size: int = 100) -> Ask:
    return Ask(frame, size)


def send(recipients: int = 1) -> frames.Send:
    return frames.Send(1, bytes(16), [bytes(16)] * recipients, b"x")


def test_a_line_has_so_much_and_what_is_refused_costs_nothing() -> None:
    quotas = Quotas(QuotaLimits(sends=4, sends_per_second=1, size=1_000, size_per_second=1, others=1))
    quotas.spend(b"ada", asked(send()), 0)
    # To many it counts as more than one; bytes count, too.
    for frame, size in ((send(4 * RECIPIENTS_OF_ONE), 1), (send(), 1_000)):
        with pytest.raises(ChappeError, match=r"limit\.rate"):
            quotas.spend(b"ada", asked(frame, size), 0)
    for _ in range(3):
        quotas.spend(b"ada", asked(send()), 0)
    with pytest.raises(ChappeError, match=r"limit\.rate"):
        quotas.spend(b"ada", asked(send()), 0)
    quotas.spend(b"ben", asked(send()), 0)
    quotas.spend(b"ada", asked(send()), 1)
    # What is no message has its own.
    quotas.spend(b"ada", asked(frames.Register(1, b"x")), 0)
    with pytest.raises(ChappeError, match=r"limit\.rate"):
        quotas.spend(b"ada", asked(frames.Register(1, b"x")), 0)


def commit(epoch: int) -> frames.Commit:
    return frames.Commit(1, bytes(16), bytes(32), epoch, bytes(32), bytes(32), [bytes(16)], b"x")


def test_a_line_begins_so_many_conversations_and_goes_on_in_all() -> None:
    quotas = Quotas(QuotaLimits(groups=2, groups_per_second=1))
    for _ in range(2):
        quotas.spend(b"ada", Ask(commit(0), 1), 0)
    with pytest.raises(ChappeError, match=r"limit\.rate"):
        quotas.spend(b"ada", Ask(commit(0), 1), 0)
    quotas.spend(b"ada", Ask(commit(1), 1), 0)
    quotas.spend(b"ben", Ask(commit(0), 1), 0)
    quotas.spend(b"ada", Ask(commit(0), 1), 1)


async def test_a_network_asks_for_pages_so_often_and_signs_in_all_the_same(tmp_path: Path) -> None:
    relay = RelayProcess(tmp_path / "data", requests_burst=5, requests_per_second=0.001)
    try:
        ada = await relay.device("ada")
        async with relay.http() as http:
            answers = [(await http.get("/v1/tlog/checkpoint")).status_code for _ in range(7)]
            assert answers == [200] * 5 + [429] * 2
            # What has its own bounds has nothing to do with it.
            body = api.encode(api.CodeFor("CHAP-0000-0000-0000-0000-0000"))
            assert (await http.post("/v1/activate/organisation", content=body)).status_code != 429
        async with relay.sign_in(ada):
            pass
    finally:
        relay.kill()


async def test_attachments_leave_room_for_messages(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    files = Attachments(
        tmp_path / "files", Mock(), time.time, max_size=10, quota=10, keep_seconds=1, reserve=1_000
    )
    for blocks, free, ok in ((10**6, 100, False), (10**6, 10**3, True), (50, 4, False), (50, 5, True)):
        told = Mock(f_blocks=blocks, f_bavail=free, f_frsize=1)
        with monkeypatch.context() as patched:
            patched.setattr(os, "statvfs", lambda _path, told=told: told)
            if ok:
                files.reserve(b"line", 10)
            else:
                with pytest.raises(ChappeError, match=r"storage\.full"):
                    files.reserve(b"line", 10)
