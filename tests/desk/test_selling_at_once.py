"""Two at once over one order: what was credited is not handed out, and what was shown works."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection

from chappe.desk import batches
from chappe.wire.door import CodeBatch, MadeCodes
from tests.desk.test_selling import Shop, refusal


class Elsewhere:
    """A client that is asked from within another one's request: in a thread of its own."""

    def __init__(self, client: Any) -> None:
        self._client = client

    def __getattr__(self, name: str) -> Any:
        def asked(*given: Any, **more: Any) -> Any:
            found: list[Any] = []
            thread = threading.Thread(
                target=lambda: found.append(getattr(self._client, name)(*given, **more))
            )
            thread.start()
            thread.join()
            return found[0]

        return asked


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[Shop]:
    made = Shop(tmp_path)
    yield made
    made.close()


@pytest.mark.parametrize("anew", [False, True])
def test_codes_that_were_credited_while_they_were_made_are_nobodys(
    shop: Shop, monkeypatch: pytest.MonkeyPatch, anew: bool
) -> None:
    order = shop.order(quantity=2)["order"] if anew else None
    make = shop.door.make_codes
    asked: list[bytes] = []

    async def slow(batch: CodeBatch) -> MadeCodes:
        """The relay takes its time; the operator takes the order back meanwhile."""
        asked.append(batch.batch)
        (found,) = operator.get("/orders").json()["items"]
        body = {"version": found["version"]}
        assert operator.post(f"/orders/{found['id']}/cancel", body).status_code == 200
        return await make(batch)

    operator = Elsewhere(shop.operator)
    monkeypatch.setattr(shop.door, "make_codes", slow)
    if order is None:
        answer = shop.mine.post("/orders", {"plan": shop.plan["id"], "quantity": 2})
    else:
        answer = shop.mine.post(f"/orders/{order['id']}/remake", {"version": order["version"]})
    assert refusal(answer) == "desk.changed"
    state = asyncio.run(shop.door.batch(asked[0]))
    assert (state.open, state.voided) == (0, 2)
    note, invoice = shop.mine.get("/invoices").json()["items"]
    assert (note["kind"], invoice["owed"]) == ("credit_note", 0)


def test_codes_that_were_shown_are_not_voided_by_who_was_late(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    order = shop.order(quantity=2)["order"]
    path, body = f"/orders/{order['id']}/remake", {"version": order["version"]}
    ids, first = batches.relay_ids, [True]
    answers: list[Any] = []

    def slow(connection: Connection, batch: bytes) -> list[bytes]:
        """One has the order as it was, and the other one is through with it."""
        if first:
            first.clear()
            answers.append(Elsewhere(shop.operator).post(path, body))
        return ids(connection, batch)

    monkeypatch.setattr(batches, "relay_ids", slow)
    answers.append(shop.mine.post(path, body))
    monkeypatch.setattr(batches, "relay_ids", ids)
    (shown,) = [answer.json()["codes"] for answer in answers if answer.status_code == 200]
    assert [refusal(answer) for answer in answers if answer.status_code != 200] == ["desk.changed"]
    for code, name in zip(shown, ("ada", "ben"), strict=True):
        shop.activate(code, name)
