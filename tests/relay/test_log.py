"""The transparency log of a relay in use: what it tells, to whom, and what it does not tell."""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path

import msgspec
import pytest
from sqlalchemy import insert

from chappe.client.log_state import LogState
from chappe.relay.log_opening import OpenLog
from chappe.relay.storage import change, open_database
from chappe.relay.tables import log_entries
from chappe.tlog.tiles import Tile
from chappe.wire import api, fleet
from chappe.wire import log_entries as log
from tests.relay.fleet_world import Organisation, Person, only, sibling_of, whole
from tests.relay.log_world import of_relay
from tests.relay.term_world import TermWorld, failed
from tests.relay.world import SALTS, Device, RelayProcess, add_device_body


@pytest.fixture
async def world(data_dir: Path) -> AsyncIterator[TermWorld]:
    world = TermWorld(data_dir)
    yield world
    await world.relay.log.close()
    await world.close()


async def read(world: TermWorld) -> tuple[list[log.LogEntry], LogState]:
    """All that is committed now, as the relay serves it, by the rules."""
    await world.relay.log.publish()
    _, entries = await of_relay(world.http)
    state = LogState()
    for index, entry in enumerate(entries):
        state.apply(index, entry)
    return entries, state


def kinds(entries: list[log.LogEntry]) -> list[str]:
    return [str(entry.__struct_config__.tag) for entry in entries]


def commitment(device: Device) -> bytes:
    certificate = device.certificate
    return log.line_commitment(SALTS[certificate.line_id], certificate.line_id, certificate.address)


async def lived(world: TermWorld) -> tuple[Organisation, list[Device]]:
    """Everything that a log tells of, once at least."""
    gazette = world.organisation(officers=1)
    first, cyd = gazette.officers[0], Person("cyd")
    gazette.chain.append(gazette.roster([first, cyd], [first]))
    await world.ask(gazette, fleet.Amend(gazette.chain[-1]), fleet.Ok)
    gazette.chain.append(gazette.roster([cyd], [first, cyd]))
    await world.ask(gazette, fleet.Amend(gazette.chain[-1]), fleet.Ok, cyd)
    gazette.officers = [cyd]
    ada, ben = await world.line(gazette), await world.line()
    second = await world.sibling(ada)
    third = await world.sibling(second)
    await world.vault(third)
    await world.give(gazette, "erase", only(third))
    await world.give(gazette, "erase", only(third))
    other = await world.sibling(ben)
    await world.give_as_owner(ben, "revoke", only(other))
    late = await world.termed(1, gazette)
    term, now = world.term(late), world.now
    await world.vault(late)
    world.to(term.closes)
    await world.relay.sweep()
    world.to(term.forgotten)
    await world.relay.sweep()
    # A clock that was put right is no reason for entries to go back in time.
    world.to(int(now))
    gone = await world.line(gazette)
    await world.give(gazette, "revoke", whole(gone))
    return gazette, [ada, second, third, ben, other, late, gone]


async def test_all_that_happens_is_in_the_log_and_keeps_its_rules(world: TermWorld) -> None:
    await world.relay.log.start()
    gazette, (ada, second, third, ben, other, late, gone) = await lived(world)
    entries, state = await read(world)
    assert kinds(entries)[0] == "log.opened"
    assert Counter(kinds(entries)[1:]) == {
        "release": 1,
        "officer.added": 2,
        "officer.removed": 1,
        "line.created": 4,
        "device.added": 3,
        "device.revoked": 4,
        "erase.ordered": 1,
        "share.destroyed": 2,
    }
    assert state.origin == "localhost/chappe"
    for device, by in ((ada, None), (second, ada), (third, second), (ben, None), (other, ben), (late, None)):
        row = state.device_of(log.certificate_hash(device.certificate.to_bytes()))
        assert row is not None
        assert (row.line, row.signature_key) == (commitment(device), device.certificate.signature_key)
        assert row.by == (b"" if by is None else log.device_hash(by.id))
        assert bool(row.revoked_at) is (device in (third, other, late))
    line = state.lines[commitment(ada)]
    assert line.identity_key == ada.certificate.identity_key
    assert line.organisation == log.organisation_hash(gazette.fleet_key)
    assert state.lines[commitment(ben)].organisation == b""
    officers = state.organisations[line.organisation].officers
    assert officers == {log.officer_hash(gazette.officers[0].id): gazette.officers[0].public.key}
    who = {entry.device: entry.by for entry in entries if isinstance(entry, log.DeviceRevoked)}
    assert who == {
        log.device_hash(third.id): "officers",
        log.device_hash(other.id): "owner",
        log.device_hash(late.id): "lapsed",
        log.device_hash(gone.id): "officers",
    }
    # Whoever looks the line up is told the salt, the line's own devices are, too.
    salts = dict(world.sql("SELECT line, salt FROM lines"))
    assert salts[ada.certificate.line_id] == SALTS[ada.certificate.line_id]


async def test_the_log_tells_nobody_who_does_not_know(world: TermWorld) -> None:
    await world.relay.log.start()
    gazette, devices = await lived(world)
    await read(world)
    folder = world.settings.data_dir / "tlog"
    whole_log = b"".join(path.read_bytes() for path in folder.rglob("*") if path.is_file())
    secret = {
        gazette.name.encode(),
        gazette.id,
        gazette.fleet_key,
        *(person.id for person in gazette.officers),
        *(person.name.encode() for person in gazette.officers),
    }
    for device in devices:
        certificate = device.certificate
        secret |= {
            certificate.address.encode(),
            certificate.address.partition("@")[0].encode(),
            certificate.line_id,
            certificate.device_id,
            certificate.to_bytes(),
            SALTS[certificate.line_id],
            log.line_commitment(bytes(32), certificate.line_id, certificate.address),
        }
    secret |= {order for (order,) in world.sql("SELECT order_id FROM orders")}
    assert [each for each in secret if each in whole_log] == []
    # The search finds what is there.
    for device in devices:
        assert commitment(device) in whole_log
        assert device.certificate.signature_key in whole_log


async def test_what_is_refused_leaves_no_entry(world: TermWorld) -> None:
    """Nobody is let in but by a device of the line that is there, over this very certificate."""
    await world.relay.log.start()
    ada, ben = await world.line(), await world.line()
    second = await world.sibling(ada)
    await world.give_as_owner(ada, "revoke", only(second))
    before = kinds((await read(world))[0])

    async def add(device: Device, **changes: str) -> str:
        body = msgspec.structs.replace(add_device_body(device), **changes)
        return failed(await world.http.post("/v1/devices", content=api.encode(body)))

    good = sibling_of(ada)
    made = add_device_body(good)
    other = add_device_body(sibling_of(ada))
    # Another line's device; one that was revoked; itself; another's endorsement; another signature; nothing.
    for endorser in (ben, second, good):
        wrong = sibling_of(ada)
        wrong.endorser = endorser
        assert await add(wrong) == "certificate.invalid"
    assert await add(good, endorsement=other.endorsement) == "certificate.invalid"
    assert await add(good, by=api.to_base64(bytes(32))) == "certificate.invalid"
    assert await add(good, by="") == "http.malformed"
    assert await add(good, endorsement=api.to_base64(bytes(63))) == "http.malformed"
    bare = msgspec.json.encode({"certificate": made.certificate, "proof": made.proof})
    assert failed(await world.http.post("/v1/devices", content=bare)) == "http.malformed"
    assert (
        failed(await world.activate(await world.code(), None, ada.address.partition("@")[0]))
        == "address.taken"
    )
    assert kinds((await read(world))[0]) == before
    # The same, taken: once, however often it is said.
    for _ in range(2):
        answer = await world.http.post("/v1/devices", content=api.encode(made))
        assert answer.status_code == 200
    assert kinds((await read(world))[0]) == [*before, "device.added"]


async def test_what_was_there_before_the_log(world: TermWorld) -> None:
    """An upgraded relay: all that it has stands before `log.opened`; what comes after has to be let in."""
    gazette, (ada, second, third, *_) = await lived(world)
    assert world.sql("SELECT count(*) FROM log_entries") == [(0,)]
    await world.relay.log.start()
    fourth = await world.sibling(second)
    entries, state = await read(world)
    opened = kinds(entries).index("log.opened")
    assert Counter(kinds(entries)[:opened]) == {
        "officer.added": 2,
        "officer.removed": 1,
        "line.created": 3,
        "device.added": 3,
        "device.revoked": 3,
        "erase.ordered": 1,
        "share.destroyed": 1,
    }
    assert kinds(entries)[opened + 1 :] == ["release", "device.added"]
    for device, by in ((ada, b""), (second, b""), (third, b""), (fourth, log.device_hash(second.id))):
        row = state.device_of(log.certificate_hash(device.certificate.to_bytes()))
        assert row is not None
        assert (row.line, row.by) == (commitment(device), by)
        assert bool(row.revoked_at) is (device is third)
    assert log.organisation_hash(gazette.fleet_key) in state.organisations
    # Once.
    await world.relay.store.run(OpenLog("localhost/chappe"))
    assert (await read(world))[0] == entries


async def test_the_files_over_http(world: TermWorld) -> None:
    await world.relay.log.start()
    await world.line()
    await read(world)
    size = world.relay.log._tree.size
    head = await world.http.get("/v1/tlog/checkpoint")
    assert (head.headers["cache-control"], head.content) == ("no-cache", world.relay.log.note)
    tile = await world.http.get(f"/v1/tlog/{Tile(0, 0, size).path}")
    assert tile.headers["cache-control"] == "public, max-age=31536000, immutable"
    assert len(tile.content) == 32 * size
    for path in (
        "",
        "tile/0/000",
        f"tile/0/000.p/{size + 1}",
        "tile/0/001",
        "tile/0/0",
        "tile/0/000.p/0",
        "tile/%2e%2e/checkpoint",
        "tile/entries/%2e%2e/%2e%2e/%2e%2e/relay.db",
        "%2e%2e/relay.db",
        "log.key",
    ):
        answer = await world.http.get(f"/v1/tlog/{path}")
        assert (answer.status_code, failed(answer)) == (404, "http.unknown_path"), path


async def test_a_partial_tile_is_answered_when_the_full_one_is_there(world: TermWorld) -> None:
    """Who holds an older head can still read what it says."""
    await world.relay.log.start()
    await world.line()
    await read(world)
    partial = [Tile(level, 0, 3).path for level in (None, 0)]
    before = [(await world.http.get(f"/v1/tlog/{path}")).content for path in partial]
    ((last, at),) = world.sql("SELECT max(number), max(at) FROM log_entries")
    same = log.encode(log.Release(1, at, bytes(32), "1"))
    with change(open_database(world.settings)) as connection:
        rows = [{"number": number, "entry": same, "at": at} for number in range(last + 1, 260)]
        connection.execute(insert(log_entries), rows)
    entries, _ = await read(world)
    assert len(entries) == 260
    assert not (world.settings.data_dir / "tlog" / "tile" / "0" / "000.p").exists()
    assert [(await world.http.get(f"/v1/tlog/{path}")).content for path in partial] == before


async def test_killed_in_full_flow(data_dir: Path) -> None:
    """What was answered is in the log a moment later, across kill -9; the head only ever grows."""
    own = RelayProcess(data_dir)
    try:
        devices = [await own.device(f"a{number}") for number in range(3)]
        async with own.http() as http:
            view, _ = await of_relay(http)
        own.kill()
        own.start()
        devices.append(await own.device("b"))
        wanted = {commitment(device) for device in devices}
        async with own.http() as http:
            while True:
                after, entries = await of_relay(http)
                if wanted <= {entry.line for entry in entries if isinstance(entry, log.LineCreated)}:
                    break
        assert after.size >= view.size
    finally:
        own.kill()
