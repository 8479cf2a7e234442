"""The service on a machine of its own: its token, a relay that uses it, and what is said when it is away."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import httpx
import pytest

from chappe.relay.config import load_settings
from chappe.relay.migrations import upgrade
from chappe.relay.relay import Relay
from chappe.relay.serve import open_shares
from chappe.relay.shares.remote import Place, RemoteShares, read_token
from chappe.wire import api, frames, unlock
from chappe.wire.errors import ChappeError
from tests.relay.shares.test_routes import line_on
from tests.relay.shares.world import Owner, ServiceProcess
from tests.relay.test_activation import failure
from tests.relay.world import RelayProcess


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServiceProcess]:
    made = ServiceProcess(tmp_path_factory.mktemp("alone") / "service")
    yield made
    made.kill()
    assert "should not" not in made.log, made.log


@pytest.fixture
async def http(service: ServiceProcess) -> AsyncIterator[httpx.AsyncClient]:
    async with service.http() as client:
        yield client


def path_of(device: bytes) -> str:
    return f"/v1/shares/{api.to_base64(device)}"


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/v1/shares/key"),
        ("GET", "/v1/shares/counts"),
        ("PUT", path_of(bytes(16))),
        ("POST", "/v1/shares/destroy"),
        ("POST", "/v1/shares/held"),
        ("POST", "/v1/unlock/challenge"),
        ("POST", "/v1/unlock"),
    ],
)
async def test_every_route_takes_the_token(http: httpx.AsyncClient, method: str, path: str) -> None:
    token = http.headers["authorization"]
    for wrong in ("", "Bearer", token[:-1], token + "x", token.replace("Bearer", "Basic"), "Bearer é"):
        answer = await http.request(method, path, headers={b"Authorization": wrong.encode()})
        assert (answer.status_code, failure(answer)) == (409, "shares.bad_token")
    answer = await http.request(method, path)
    assert answer.is_success or failure(answer) != "shares.bad_token"


async def test_bad_input(http: httpx.AsyncClient) -> None:
    for device in ("x", "A" * 21, "A" * 21 + "B", "A" * 23, "%2e%2e"):
        answer = await http.put(f"/v1/shares/{device}", content=b"x")
        assert failure(answer) in ("http.malformed", "http.unknown_path")
    for content in (b"", b"x", bytes(15), bytes(17)):
        for path in ("/v1/shares/destroy", "/v1/shares/held"):
            answer = await http.post(path, content=content)
            assert (answer.status_code, failure(answer)) == (400, "http.malformed")
    answer = await http.post("/v1/shares/destroy", content=bytes(16_001))
    assert (answer.status_code, failure(answer)) == (413, "http.oversized")
    for content in (b"", b"x", secrets.token_bytes(4096)):
        answer = await http.put(path_of(bytes(16)), content=content)
        assert (answer.status_code, failure(answer)) == (403, "unlock.malformed")
    answer = await http.put(path_of(bytes(16)), content=bytes(4097))
    assert (answer.status_code, failure(answer)) == (413, "http.oversized")
    for path in ("/v1/unlock", "/v1/unlock/challenge"):
        for content in (b"", b"{}", b"\xff", b'{"device": "x", "sealed": ""}'):
            answer = await http.post(path, content=content)
            assert (answer.status_code, failure(answer)) == (400, "http.malformed")
    assert failure(await http.get("/v1/info")) == "http.unknown_path"
    assert failure(await http.post("/v1/shares/key")) == "http.unknown_path"


async def test_the_client_of_a_service(service: ServiceProcess) -> None:
    remote = service.remote()
    owner, key = Owner(), await remote.public_key()
    with pytest.raises(ChappeError, match=r"unlock\.malformed"):
        await remote.enrol(secrets.token_bytes(16), owner.enrolment(key))
    before = (await remote.counts()).devices
    await remote.enrol(owner.device, owner.enrolment(key))
    assert (await remote.counts()).devices == before + 1
    guess = owner.guess(key, await remote.challenge(owner.device))
    assert guess.open(await remote.unlock(owner.device, guess.sealed)).share == owner.share
    await asyncio.gather(*[remote.destroy([owner.device]) for _ in range(20)])
    with pytest.raises(ChappeError, match=r"signin\.revoked"):
        await remote.enrol(owner.device, owner.enrolment(key))
    await remote.close()
    wrong = RemoteShares(Place(f"http://127.0.0.1:{service.port}", "x" * 40))
    asked = (wrong.public_key(), wrong.challenge(owner.device), wrong.destroy([owner.device]), wrong.counts())
    for call in asked:
        with pytest.raises(ChappeError, match=r"unlock\.unavailable"):
            await call
    assert "x" * 40 not in repr(Place("http://x", "x" * 40))
    await wrong.close()


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"{}",
        b"nonsense",
        b'{"challenge": "A"}',
        b'{"code": "internal.bug", "message": "m"}',
        b"[" * 9000,
    ],
)
@pytest.mark.parametrize("status", [200, 302, 500])
async def test_a_service_that_talks_nonsense(answer: bytes, status: int) -> None:
    remote = RemoteShares(Place("http://127.0.0.1:1", "x" * 40))
    await remote._http.aclose()
    transport = httpx.MockTransport(lambda _request: httpx.Response(status, content=answer))
    remote._http = httpx.AsyncClient(base_url="http://nowhere", transport=transport)
    for call in (remote.public_key(), remote.challenge(bytes(16)), remote.unlock(bytes(16), b"x")):
        with pytest.raises(ChappeError, match=r"unlock\.unavailable"):
            await call
    await remote.close()


async def test_an_answer_that_comes_after_destroying_is_not_handed_out() -> None:
    """The service answered in time, and its answer was long on its way to the relay."""
    on_its_way = asyncio.Event()

    async def answer(request: httpx.Request) -> httpx.Response:
        if request.url.path == "/v1/shares/destroy":
            return httpx.Response(204)
        await on_its_way.wait()
        return httpx.Response(200, content=api.encode(api.Unlocked(api.to_base64(b"the share"))))

    remote = RemoteShares(Place("http://127.0.0.1:1", "x" * 40))
    await remote._http.aclose()
    remote._http = httpx.AsyncClient(base_url="http://nowhere", transport=httpx.MockTransport(answer))
    late = asyncio.create_task(remote.unlock(b"d" * 16, b"x"))
    other = asyncio.create_task(remote.unlock(b"e" * 16, b"x"))
    await asyncio.sleep(0.01)
    await remote.destroy([b"d" * 16])
    on_its_way.set()
    with pytest.raises(ChappeError, match=r"unlock\.unavailable"):
        await late
    assert await other == b"the share"
    await remote.close()


def test_tokens(tmp_path: Path) -> None:
    path = tmp_path / "token"
    with pytest.raises(ChappeError, match=r"storage\.missing"):
        read_token(path)
    for bad in ("", "short", "x" * 300, "with space " * 5, "é" * 40, "a\nb" * 20):
        path.write_text(bad)
        with pytest.raises(ChappeError, match=r"usage\.invalid"):
            read_token(path)
    path.write_text("t" * 40 + "\n")
    assert read_token(path) == "t" * 40


def test_settings(tmp_path: Path) -> None:
    token = tmp_path / "token"
    good = {"share_service": "https://shares.example:8441", "share_token_file": token}
    load_settings({}, **good)
    load_settings({}, **good | {"share_service": "http://127.0.0.1:8441"})
    for bad in (
        {"share_service": "https://shares.example"},
        good | {"share_service": "http://shares.example"},
        good | {"share_service": "ftp://127.0.0.1"},
        good | {"share_service": "https://a/path?x"},
        good | {"share_service": "https://user:word@a"},
    ):
        with pytest.raises(ChappeError, match=r"usage\.invalid"):
            load_settings({}, **bad)


async def test_a_relay_that_uses_it(service: ServiceProcess, data_dir: Path) -> None:
    token = service.folder / "data" / "share-token"
    own = RelayProcess(data_dir, share_service=f"http://127.0.0.1:{service.port}", share_token_file=token)
    try:
        async with own.http() as http:
            line = await line_on(own, http)
            key = await line.service()
            async with own.sign_in(line.device) as wire:
                assert await line.enrol(wire) == frames.Done(7)
                assert (await line.guess()).share == line.owner.share
                assert (await line.guess(bytes(32))) == unlock.Answer("wrong", tries=9)
                # Away: everything else goes on.
                service.kill()
                refusal = await line.enrol(wire, Owner(line.device.id).enrolment(key))
                assert isinstance(refusal, frames.Refusal)
                assert refusal.code == "unlock.unavailable"
                await wire.send_accepted([line.device], b"x")
            answer = await line.post(b"x")
            assert (answer.status_code, failure(answer)) == (503, "unlock.unavailable")
            assert await line.service() == key
            service.start()
            assert (await line.guess()).share == line.owner.share
        # Nothing of it is on the relay.
        assert not (data_dir / "shares").exists()
    finally:
        own.kill()


async def test_the_relay_destroys_shares(service: ServiceProcess, tmp_path: Path) -> None:
    """What erase orders call, with the service here and there; and what is said while it is away."""
    token = service.folder / "data" / "share-token"
    there = {"share_service": f"http://127.0.0.1:{service.port}", "share_token_file": token}
    for number, where in enumerate(({}, there)):
        settings = load_settings({}, data_dir=tmp_path / str(number), **where)
        settings.data_dir.mkdir()
        upgrade(settings.database)
        relay = Relay(settings, open_shares(settings))
        owner, key = Owner(), await relay.share_key()
        await relay._shares.enrol(owner.device, owner.enrolment(key))
        guess = owner.guess(key, await relay.challenge(owner.device))
        assert guess.open(await relay.unlock(owner.device, guess.sealed)).share == owner.share
        await relay._shares.destroy([owner.device])
        await relay._shares.destroy([owner.device])
        guess = owner.guess(key, await relay.challenge(owner.device))
        assert guess.open(await relay.unlock(owner.device, guess.sealed)).status == "gone"
        with pytest.raises(ChappeError, match=r"signin\.revoked"):
            await relay._shares.enrol(owner.device, Owner(owner.device).enrolment(key))
        await relay.close()
    service.kill()
    settings = load_settings({}, data_dir=tmp_path / "1", **there)
    relay = Relay(settings, open_shares(settings))
    with pytest.raises(ChappeError, match=r"unlock\.unavailable"):
        await relay._shares.destroy([bytes(16)])
    assert await relay.share_key() == b""
    await relay.close()
    service.start()
