"""Where two devices of a line meet: write-once slots, waiting, forgetting."""

from __future__ import annotations

import asyncio
import secrets
from pathlib import Path

import pytest

from chappe.relay.rendezvous import Rendezvous
from chappe.wire import api
from chappe.wire.errors import ChappeError
from tests.relay.test_activation import failure
from tests.relay.world import RelayProcess


def meeting() -> str:
    return f"/v1/links/{api.to_base64(secrets.token_bytes(16))}"


async def test_an_offer_and_an_answer(relay: RelayProcess) -> None:
    path = meeting()
    async with relay.http() as http:
        assert failure(await http.get(f"{path}/offer")) == "link.unknown"
        assert failure(await http.put(f"{path}/answer", content=b"too early")) == "link.unknown"
        assert (await http.put(f"{path}/offer", content=b"offer")).status_code == 204
        assert (await http.get(f"{path}/offer")).content == b"offer"
        waiting = asyncio.create_task(http.get(f"{path}/answer?wait=20"))
        await asyncio.sleep(0.1)
        assert (await http.put(f"{path}/answer", content=b"\0answer")).status_code == 204
        answer = await waiting
        assert (answer.status_code, answer.content) == (200, b"\0answer")


async def test_slots_are_written_once(relay: RelayProcess) -> None:
    path = meeting()
    async with relay.http() as http:
        assert (await http.put(f"{path}/offer", content=b"first")).status_code == 204
        # The very same is a retry.
        assert (await http.put(f"{path}/offer", content=b"first")).status_code == 204
        assert failure(await http.put(f"{path}/offer", content=b"second")) == "link.used"
        assert (await http.get(f"{path}/offer")).content == b"first"


async def test_waiting_for_an_offer_that_has_not_begun(relay: RelayProcess) -> None:
    path = meeting()
    async with relay.http() as http:
        waiting = asyncio.create_task(http.get(f"{path}/offer?wait=5"))
        await asyncio.sleep(0.1)
        await http.put(f"{path}/offer", content=b"here")
        assert (await waiting).content == b"here"
        assert failure(await http.get(f"{meeting()}/offer?wait=0.1")) == "link.unknown"


async def test_what_does_not_fit(relay: RelayProcess) -> None:
    path = meeting()
    async with relay.http() as http:
        assert failure(await http.put(f"{path}/offer", content=b"")) == "http.malformed"
        largest = b"x" * api.MAX_RENDEZVOUS
        assert failure(await http.put(f"{path}/offer", content=largest + b"!")) == "http.oversized"
        assert (await http.put(f"{path}/offer", content=largest)).status_code == 204
        assert failure(await http.put(f"{path}/other", content=b"x")) == "http.malformed"
        assert failure(await http.put("/v1/links/short/offer", content=b"x")) == "http.malformed"
        for wait in ("-1", "31", "soon"):
            assert failure(await http.get(f"{path}/offer?wait={wait}")) == "http.malformed"


async def test_meetings_end_and_are_limited() -> None:
    now = [1_000.0]
    links = Rendezvous(lambda: now[0], 2)
    await links.put(b"a", "offer", b"1")
    await links.put(b"b", "offer", b"2")
    with pytest.raises(ChappeError, match=r"limit\.rate"):
        await links.put(b"c", "offer", b"3")
    now[0] += api.RENDEZVOUS_SECONDS - 1
    assert await links.get(b"a", "offer", 0) == b"1"
    now[0] += 1
    with pytest.raises(ChappeError, match=r"link\.unknown"):
        await links.get(b"a", "offer", 0)
    with pytest.raises(ChappeError, match=r"link\.unknown"):
        await links.put(b"b", "answer", b"late")
    await links.put(b"c", "offer", b"3")
    await links.put(b"a", "offer", b"anew")
    assert await links.get(b"a", "offer", 0) == b"anew"


async def test_one_network_does_not_fill_the_room_for_all(data_dir: Path) -> None:
    own = RelayProcess(data_dir, attempts_burst=5, attempts_per_minute=0.01)
    try:
        async with own.http() as http:
            paths = [meeting() for _ in range(5)]
            for path in paths:
                assert (await http.put(f"{path}/offer", content=b"x")).status_code == 204
                # Neither a retry nor the rest of the meeting costs anything.
                if path != paths[-1]:
                    assert (await http.put(f"{path}/offer", content=b"x")).status_code == 204
                    assert (await http.put(f"{path}/answer", content=b"y")).status_code == 204
                    assert (await http.get(f"{path}/answer")).content == b"y"
            assert failure(await http.put(f"{meeting()}/offer", content=b"x")) == "limit.rate"
    finally:
        own.kill()
