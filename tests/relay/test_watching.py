"""Metrics and health of a real relay: numbers that are right, and nobody's name anywhere."""

from __future__ import annotations

import asyncio
import base64
import re
import socket
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

from chappe.cli.main import main
from chappe.relay.config import load_settings
from chappe.relay.watching.metrics import LABELS
from chappe.relay.watching.totals import count
from chappe.wire import api, delivery, frames
from chappe.wire.errors import KINDS, ChappeError
from tests.relay.world import RelayProcess


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture(scope="module")
def relay(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RelayProcess]:
    relay = RelayProcess(
        tmp_path_factory.mktemp("watched") / "data", metrics=f"127.0.0.1:{free_port()}", log_json=True
    )
    yield relay
    relay.stop()


def private(relay: RelayProcess) -> httpx.AsyncClient:
    return httpx.AsyncClient(base_url=f"http://{relay.settings.metrics}", trust_env=False)


async def scrape(relay: RelayProcess) -> tuple[str, dict[str, float]]:
    """The page, and its samples without labels."""
    async with private(relay) as http:
        page = (await http.get("/metrics")).text
    found = [sample for family in text_string_to_metric_families(page) for sample in family.samples]
    return page, {sample.name: sample.value for sample in found if not sample.labels}


async def test_a_busy_session_is_counted_and_names_nobody(relay: RelayProcess) -> None:
    ada, ben = await relay.device("canary-ada"), await relay.device("canary-ben")
    payload = b"canary-payload" * 20
    async with relay.sign_in(ada) as sends, relay.sign_in(ben) as takes:
        for number in range(20):
            await sends.say(frames.Send(number, bytes([number]) * 16, [ben.id], payload))
            await sends.hear(frames.Accepted)
        for _ in range(20):
            taken = await takes.hear(frames.Deliver)
        await takes.say(frames.Ack(taken.sequence))
        # A refusal at the socket, one in the store, one over HTTP, and a guess at nothing.
        await sends.say(frames.Send(99, b"x" * 16, [b"nobody-has-it-16"], payload))
        assert (await sends.hear(frames.Refusal)).code == "mailbox.unknown_recipient"
        await sends.say(frames.Ack(1_000))
        await sends.hear(frames.Refusal)
        # What was acknowledged is durable before this is answered.
        await takes.say(frames.Lookup(7, ada.address))
        await takes.hear(frames.Line)
        page, now = await scrape(relay)
    async with relay.http() as http:
        stray = delivery.Sealed(b"s" * 16, [(ben.id, b"t" * 32)], payload)
        await http.post("/v1/deliver", content=delivery.encode(delivery.Deliver([stray])))
        await http.get("/v1/attachments/" + "A" * 43)
        await http.post("/v1/unlock", content=b'{"device":"AAAAAAAAAAAAAAAAAAAAAA","sealed":"AAAA"}')
    page += (await scrape(relay))[0]
    assert now["chappe_messages_accepted_total"] == 20
    assert now["chappe_items_acknowledged_total"] == 20
    assert now["chappe_sign_ins_total"] == now["chappe_connections_signed_in"] == 2
    assert now["chappe_ready"] == 1
    assert now["chappe_log_entries"] >= 3
    assert now["chappe_batch_operations_sum"] >= 22
    assert 'chappe_refusals_total{code="mailbox.unknown_recipient"} 1.0' in page
    assert 'chappe_refusals_total{code="mailbox.not_yours"} 1.0' in page
    assert 'chappe_refusals_total{code="attachment.unknown"} 1.0' in page
    assert "chappe_sealed_stale_total 1.0" in page
    assert "canary" not in page
    for secret in (ada.id, ben.id, ada.certificate.line_id, ben.certificate.line_id, payload):
        for shown in (secret.hex(), api.to_base64(secret), base64.b64encode(secret).decode()):
            assert shown not in page
    assert "127.0.0.1" not in page
    assert "canary" not in relay.log


async def test_every_label_says_what_it_may_say(relay: RelayProcess) -> None:
    page, _ = await scrape(relay)
    seen = set()
    for family in text_string_to_metric_families(page):
        for sample in family.samples:
            for label, value in sample.labels.items():
                seen.add(label)
                if label == "le":
                    assert re.fullmatch(r"[0-9.e+]+|\+Inf", value)
                else:
                    assert value in LABELS[label], (sample.name, label, value)
    assert seen <= {"le", *LABELS}
    assert {"le", "code", "outcome", "check"} <= seen


async def test_what_waits_is_counted_as_it_stands(tmp_path: Path, relay: RelayProcess) -> None:
    """Against a look at every row."""
    from sqlalchemy import text

    from chappe.relay.database import open_engine

    cyd, dan = await relay.device("cyd"), await relay.device("dan")
    async with relay.sign_in(cyd) as wire:
        for number in range(5):
            await wire.say(frames.Send(number, bytes([100 + number]) * 16, [dan.id, cyd.id], b"x" * 100))
            await wire.hear(frames.Accepted)
        await wire.say(frames.Ack(2))
        await wire.say(frames.Lookup(9, dan.address))
        await wire.hear(frames.Line)
    engine = open_engine(relay.settings.database, writes=False)
    with engine.connect() as connection:
        found = count(connection)
        rows = connection.execute(
            text(
                "SELECT count(*), sum(length(p.data)) FROM entries e JOIN payloads p ON p.payload = e.payload"
            )
        ).one()
        assert (found.waiting_items, found.waiting_bytes) == tuple(rows)
        assert found.waiting_items >= 8
    engine.dispose()


async def test_strangers_hear_yes_or_no_and_the_private_port_says_why(relay: RelayProcess) -> None:
    async with relay.http() as public, private(relay) as inside:
        answers = await asyncio.gather(*(public.get("/readyz") for _ in range(20)))
        assert {(a.status_code, a.text) for a in answers} == {(200, '{"ready":true,"whole":true}')}
        assert (await public.get("/healthz")).text == '{"alive":true}'
        assert (await public.get("/metrics")).status_code == 404
        told = (await inside.get("/readyz")).json()
        assert told == {"ready": True, "whole": True, "checks": {"store": "ok", "shares": "ok", "log": "ok"}}


async def test_a_store_that_takes_nothing_is_not_ready_and_lost_shares_are_not_whole(tmp_path: Path) -> None:
    port = free_port()
    relay = RelayProcess(
        tmp_path / "data",
        metrics=f"127.0.0.1:{port}",
        share_service="http://127.0.0.1:1",
        share_token_file=write_token(tmp_path),
    )
    try:
        async with relay.http() as public, private(relay) as inside:
            answer = await public.get("/readyz")
            assert (answer.status_code, answer.json()) == (200, {"ready": True, "whole": False})
            assert (await inside.get("/readyz")).json()["checks"]["shares"] == "unlock.unavailable"
    finally:
        relay.stop()


def write_token(folder: Path) -> Path:
    path = folder / "token"
    path.write_text("t" * 40)
    return path


def test_metrics_never_share_the_public_port() -> None:
    with pytest.raises(ChappeError, match="port of its own"):
        load_settings({}, port=9464, metrics="127.0.0.1:9464")


async def test_health_at_the_command_line(relay: RelayProcess, capsys: pytest.CaptureFixture[str]) -> None:
    url, authority = f"https://localhost:{relay.port}", str(relay.data_dir / "tls-certificate.pem")
    asked = [
        ["health", url, "--authority", authority],
        ["health", f"http://{relay.settings.metrics}", "--json"],
        ["health", url],
        ["health", "https://localhost:1", "--insecure"],
    ]
    statuses = [await asyncio.to_thread(main, words) for words in asked]
    shown = capsys.readouterr()
    assert statuses == [
        0,
        0,
        KINDS["network.untrusted"].exit_status,
        KINDS["network.unreachable"].exit_status,
    ]
    assert shown.out.splitlines()[0] == "ready"
    assert '"store": "ok"' in shown.out
