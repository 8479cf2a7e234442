"""What waits for an epoch to come is bounded by number and by bytes: a sender fills no profile with it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from chappe.client import parked
from chappe.client.parked import Parked
from chappe.vault.store import Store

A, B, C, D = (bytes([one]) * 16 for one in b"abcd")


@pytest.fixture
def waiting(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Parked]:
    monkeypatch.setattr(parked, "MAX_HELD", 5)
    monkeypatch.setattr(parked, "MAX_HELD_BYTES", 1000)
    monkeypatch.setattr(parked, "MAX_ALL_BYTES", 2500)
    store = Store.create(tmp_path / "store", bytes(32))
    yield Parked(store)
    store.close()


def come(waiting: Parked, conversation: bytes, *sizes: int) -> None:
    for size in sizes:
        waiting.add(conversation, bytes(size), 1)


def kept(waiting: Parked, conversation: bytes) -> list[int]:
    return [len(payload) for _, _, payload in waiting.of(conversation)]


def test_so_many_of_a_conversation(waiting: Parked) -> None:
    come(waiting, A, 1, 2, 3, 4, 5, 6, 7)
    assert kept(waiting, A) == [3, 4, 5, 6, 7]


def test_so_many_bytes_of_a_conversation(waiting: Parked) -> None:
    come(waiting, A, 600, 300, 200)
    assert kept(waiting, A) == [300, 200]
    come(waiting, A, 1001)
    assert kept(waiting, A) == []


def test_so_many_bytes_in_all(waiting: Parked) -> None:
    """The conversation that holds most gives."""
    come(waiting, A, 100, 100)
    come(waiting, B, 500, 500)
    come(waiting, C, 500, 400)
    come(waiting, D, 400, 10)
    assert kept(waiting, A) == [100, 100]
    assert kept(waiting, B) == [500]
    assert kept(waiting, C) == [500, 400]
    assert kept(waiting, D) == [400, 10]
