"""Key packages and lookups against a real relay: each one-time package once, ever; then the last resort."""

from __future__ import annotations

import asyncio
import secrets
from pathlib import Path

from chappe.wire import api, frames
from tests.relay.world import Device, RelayProcess, Wire, add_device_body


def packages(count: int) -> list[bytes]:
    return [secrets.token_bytes(200) for _ in range(count)]


async def publish(wire: Wire, one_time: list[bytes], last_resort: bytes | None = None) -> None:
    await wire.say(frames.PublishKeyPackages(3, one_time, last_resort))
    assert await wire.hear(frames.Done) == frames.Done(3)


async def look_up(wire: Wire, address: str, *, take: bool, devices: list[bytes] | None = None) -> frames.Line:
    await wire.say(frames.Lookup(4, address, take, devices))
    return await wire.hear(frames.Line)


async def two(relay: RelayProcess) -> tuple[Device, Device]:
    return await relay.device("a" + secrets.token_hex(5)), await relay.device("b" + secrets.token_hex(5))


async def test_one_time_packages_then_the_last_resort(relay: RelayProcess) -> None:
    ada, bob = await two(relay)
    one_time = packages(3)
    async with relay.sign_in(ada) as a, relay.sign_in(bob) as b:
        await publish(b, one_time, b"last resort")
        line = await look_up(a, bob.address, take=False)
        assert (line.line, line.address) == (bob.certificate.line_id, bob.address)
        assert line.identity_key == bob.certificate.identity_key
        assert line.devices == [frames.DeviceEntry(bob.id, bob.certificate.to_bytes(), None)]
        taken = [(await look_up(a, bob.address, take=True)).devices[0].key_package for _ in range(5)]
        assert taken == [*one_time, b"last resort", b"last resort"]
        # What was taken is not handed out again because it is published again.
        await publish(b, [one_time[0], b"fresh"])
        assert (await look_up(a, bob.address, take=True)).devices[0].key_package == b"fresh"
        assert (await look_up(a, bob.address, take=True)).devices[0].key_package == b"last resort"
    async with relay.sign_in(bob) as b:
        assert b.welcome == frames.Welcome(0, True)


async def test_without_any_the_device_is_listed_without(relay: RelayProcess) -> None:
    ada, bob = await two(relay)
    async with relay.sign_in(ada) as a:
        assert (await look_up(a, bob.address, take=True)).devices[0].key_package is None


async def test_a_new_last_resort_replaces_the_old(relay: RelayProcess) -> None:
    ada, bob = await two(relay)
    async with relay.sign_in(ada) as a, relay.sign_in(bob) as b:
        await publish(b, [], b"old")
        await publish(b, [], b"new")
        assert (await look_up(a, bob.address, take=True)).devices[0].key_package == b"new"


async def test_no_package_is_handed_out_twice(relay: RelayProcess) -> None:
    bob = await relay.device("b" + secrets.token_hex(5))
    askers = [await relay.device("a" + secrets.token_hex(5)) for _ in range(8)]
    one_time = packages(40)
    async with relay.sign_in(bob) as b:
        await publish(b, one_time)

    async def take(asker: Device) -> list[bytes | None]:
        async with relay.sign_in(asker) as wire:
            for _ in range(5):
                await wire.say(frames.Lookup(4, bob.address, True))
            return [(await wire.hear(frames.Line)).devices[0].key_package for _ in range(5)]

    taken = [package for some in await asyncio.gather(*map(take, askers)) for package in some]
    assert sorted(filter(None, taken)) == sorted(one_time)


async def test_too_many_packages_add_none(relay: RelayProcess) -> None:
    bob = await relay.device("b" + secrets.token_hex(5))
    async with relay.sign_in(bob) as b:
        await publish(b, packages(frames.MAX_KEY_PACKAGES - 1))
        await b.say(frames.PublishKeyPackages(9, packages(2), b"last"))
        refusal = await b.hear(frames.Refusal)
        assert (refusal.code, refusal.ref) == ("packages.too_many", 9)
        await b.say(frames.PublishKeyPackages(9, packages(frames.MAX_KEY_PACKAGES + 1)))
        assert await b.refused() == "frame.malformed"
    async with relay.sign_in(bob) as b:
        assert b.welcome == frames.Welcome(frames.MAX_KEY_PACKAGES - 1, False)


async def test_packages_of_chosen_devices_only(relay: RelayProcess) -> None:
    ada, bob = await two(relay)
    sibling = bob.sibling()
    async with relay.http() as http:
        added = await http.post("/v1/devices", content=api.encode(add_device_body(sibling)))
        assert added.status_code == 200
    async with relay.sign_in(bob) as b, relay.sign_in(sibling) as s, relay.sign_in(ada) as a:
        await publish(b, [b"of bob"])
        await publish(s, [b"of sibling"])
        line = await look_up(a, bob.address, take=True, devices=[sibling.id])
        assert [(e.device, e.key_package) for e in line.devices] == [
            (bob.id, None),
            (sibling.id, b"of sibling"),
        ]
        line = await look_up(a, bob.address, take=True)
        assert [e.key_package for e in line.devices] == [b"of bob", None]


async def test_nobody_has_this_address(relay: RelayProcess) -> None:
    ada = await relay.device("a" + secrets.token_hex(5))
    async with relay.sign_in(ada) as a:
        for address in ("nobody@localhost", "x@y", "not an address", "%@localhost", "A" * 320):
            await a.say(frames.Lookup(8, address))
            refusal = await a.hear(frames.Refusal)
            assert (refusal.code, refusal.ref) == ("address.unknown", 8)


async def test_lookups_are_limited_per_device(data_dir: Path) -> None:
    own = RelayProcess(data_dir, lookups_burst=3, lookups_per_second=0.01)
    try:
        ada, bob = await two(own)
        async with own.sign_in(ada) as a, own.sign_in(bob) as b:
            for _ in range(3):
                await look_up(a, bob.address, take=False)
            await a.say(frames.Lookup(8, bob.address))
            refusal = await a.hear(frames.Refusal)
            assert (refusal.code, refusal.ref) == ("limit.rate", 8)
            await look_up(b, ada.address, take=False)
        # Another socket of the same device brings nothing back.
        async with own.sign_in(ada) as a:
            await a.say(frames.Lookup(9, bob.address))
            assert await a.refused() == "limit.rate"
    finally:
        own.kill()
