"""What people do, and what goes wrong: each kind of a plan as a function of its name."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

from bench.simulation.actor import Actor
from bench.simulation.host import SERVER, Account, endorse, new_account
from bench.simulation.plan import TROUBLE
from bench.simulation.plan import weather as other_weather
from chappe.relay.asker import AsOwner
from chappe.relay.usecases.register import AddDevice
from chappe.wire import fleet
from chappe.wire.errors import ChappeError
from chappe.wire.orders import Order, Reason, Target, sign_as_owner

if TYPE_CHECKING:
    from bench.simulation.world import World

REASON: Final = Reason("left in a taxi", b"salt" * 4)

# --- what people do


def send(world: World) -> None:
    sender = world.one()
    if sender is None:
        return
    others = [actor for actor in world.actors.values() if actor is not sender]
    for _ in range(world.choose.choice((1, 1, 2, 3, 10))):
        to = world.choose.sample(others, world.choose.randint(1, len(others)))
        size = world.choose.choice((1, 100, 1000))
        if world.choose.random() < world.plan.large:
            size = world.choose.choice((70_000, 200_000))
        sender.compose(to, secrets.token_bytes(16) + bytes(size))


def commit(world: World) -> None:
    """Some at once: all but one lose."""
    up = world.up()
    for actor in world.choose.sample(up, min(len(up), world.choose.choice((1, 2, 3)))):
        actor.commit([other for other in world.actors.values() if other is not actor])


def order(world: World) -> None:
    """The owner of a line orders one of its devices signed out."""
    doubtful = world.oracle.doubtful | set(world.oracle.signed_out)
    candidates = [actor for actor in world.here() if actor.name not in doubtful]
    lost = world.choose.choice(candidates)
    if len(candidates) < 4:
        return
    kind = world.choose.choice(("erase", "revoke"))
    world.trace(lost.name, f"is to be signed out: {kind}")
    world.oracle.doubtful.add(lost.name)
    process = world.new_process("owner")
    world.loop.start(process, world.watched("owner", give(world, lost, kind, secrets.token_bytes(16))))


async def give(world: World, lost: Actor, kind: Any, id_: bytes) -> None:
    """Over HTTP in real life; here the same question in the relay's process, asked until it is answered."""
    account = lost.account
    while True:
        await asyncio.sleep(world.choose.uniform(0.01, 1.0))
        relay = world.host.relay
        if relay is None:
            continue
        now = int(world.clocks.now() + world.clocks.off.get("relay", 0.0))
        signed = Order(1, id_, kind, SERVER, b"", [Target(account.line, account.id)], now, REASON.digest())
        ask = fleet.Give(sign_as_owner(signed, account.identity), REASON)
        asked = world.loop.start(world.host.process, relay.fleet.answer(AsOwner(account.line), ask))
        while not asked.done() and world.host.relay is relay:
            await asyncio.sleep(0.05)
        if not asked.done():
            continue
        try:
            asked.result()
        except ChappeError as problem:
            world.trace(lost.name, f"the order is refused: {problem.code}")
            if problem.code in ("id.reused",):
                # It was carried out by a relay that died before it said so, at another time of its clock.
                world.oracle.signed_out[lost.name] = world.loop.time()
                return
            # The relay's clock may have gone elsewhere since it was signed; who asks often waits.
            if problem.code == "limit.rate":
                await asyncio.sleep(60.0)
            elif not problem.code.startswith("storage.") and problem.code != "order.stale":
                world.oracle.fail(f"an order is refused: {problem.code}")
            continue
        world.trace(lost.name, "the order is carried out")
        world.oracle.signed_out[lost.name] = world.loop.time()
        return


def link(world: World) -> None:
    """One more device for a line."""
    if world.linked == 2:
        return
    doubtful = world.oracle.doubtful | set(world.oracle.signed_out)
    olds = [actor for actor in world.here() if actor.name not in doubtful]
    if not olds:
        return
    old = world.choose.choice(olds)
    world.linked += 1
    line, _, _ = old.account.certificate.address.partition("@")
    account = new_account(f"{line}+{world.linked}", line, world.clocks.now(), old.account)
    process = world.new_process("linker")
    world.loop.start(process, world.watched("linker", add(world, account, old)))


async def add(world: World, account: Account, old: Actor) -> None:
    while True:
        await asyncio.sleep(world.choose.uniform(0.01, 1.0))
        relay = world.host.relay
        if relay is None:
            continue
        operation = AddDevice(account.certificate, endorse(account, old.account))
        asked = world.loop.start(world.host.process, relay.store.outcome(operation))
        while not asked.done() and world.host.relay is relay:
            await asyncio.sleep(0.05)
        if not asked.done():
            continue
        outcome = asked.result()
        if isinstance(outcome, ChappeError):
            if outcome.code.startswith("storage."):
                continue
            # Who vouches was signed out meanwhile.
            world.trace(account.name, f"is not let in: {outcome.code}")
            return
        actor = Actor(world, account)
        world.actors[account.name] = actor
        world.trace(account.name, "is let in")
        actor.disk.epoch = -1
        actor.start()
        return


# --- what goes wrong


def relay_dies(world: World, told: bool = True) -> None:
    """While it starts, too."""
    if not world.host.process.alive:
        return
    world.trace("relay", "dies" if told else "loses its power")
    world.host.crash(told=told)
    start_relay_later(world)


def power_cut(world: World) -> None:
    relay_dies(world, told=False)


def relay_restarts(world: World) -> None:
    if world.host.relay is None:
        return
    process = world.new_process("operator")
    world.loop.start(process, world.watched("operator", restart_relay(world)))


async def restart_relay(world: World) -> None:
    world.trace("relay", "is stopped")
    await world.host.stop()
    world.trace("relay", "has stopped")
    start_relay_later(world)


def start_relay_later(world: World) -> None:
    process = world.new_process("operator")
    world.loop.start(process, world.watched("operator", start_relay(world)))


async def start_relay(world: World) -> None:
    await asyncio.sleep(0.1 if world.healing else world.choose.expovariate(1 / 2.0))
    while True:
        try:
            await world.host.start()
        except ChappeError as problem:
            # It ends, and is started again, as a system does it.
            world.trace("relay", f"does not start: {problem.code}")
            world.host.crash(told=True)
            if not problem.code.startswith("storage."):
                raise
            await asyncio.sleep(1.0)
            continue
        world.trace("relay", "runs")
        return


def device_dies(world: World) -> None:
    actor = world.one()
    if actor is not None:
        world.trace(actor.name, "dies")
        actor.crash(told=world.choose.random() < 0.7)
        world.restart_later(actor)


def some_end(world: World) -> Any:
    ends = world.network.of(world.host.process)
    return world.choose.choice(ends) if ends else None


def cut(world: World) -> None:
    end = some_end(world)
    if end is not None:
        one = world.choose.choice((end, end.other))
        one.out.cut_after = world.choose.choice((0, 1, 5, 50, 500, 5_000))
        world.trace("net", f"cut {end.other.owner.name} after {one.out.cut_after}")
        one.out.go_on()


def half_open(world: World) -> None:
    end = some_end(world)
    if end is not None:
        world.trace("net", f"{end.other.owner.name} is half open")
        world.network.silence(end)


def partition(world: World) -> None:
    actor = world.choose.choice([*world.actors.values()])
    world.trace("net", f"{actor.name} is cut off")
    world.network.hold(actor.name)
    world.loop.call_later(
        world.choose.uniform(0.5, 60), reach, world, actor.name, context=world.network.context
    )


def reach(world: World, name: str) -> None:
    if name in world.network.held:
        world.trace("net", f"{name} is reached again")
        world.network.let_go(name)


def slow_reader(world: World) -> None:
    end = some_end(world)
    if end is not None:
        world.trace("net", f"{end.other.owner.name} reads nothing")
        end.other.pause_reading()
        world.loop.call_later(
            world.choose.uniform(0.5, 60), end.other.resume_reading, context=world.network.context
        )


def disk_full(world: World) -> None:
    disk_fails(world, "full")


def disk_errors(world: World) -> None:
    disk_fails(world, "io")


def disk_fails(world: World, how: Any) -> None:
    world.disk.fault = how
    world.trace("relay", f"its disk: {how}")
    world.loop.call_later(world.choose.uniform(0.1, 5), mend_disk, world, context=world.network.context)


def mend_disk(world: World) -> None:
    world.disk.fault = "none"


def device_disk(world: World) -> None:
    actor = world.one()
    if actor is not None:
        actor.bad_disk = True
        world.loop.call_later(5, mend_device, world, actor, context=world.network.context)


def mend_device(world: World, actor: Actor) -> None:
    actor.bad_disk = False


def relay_clock(world: World) -> None:
    """Within days, or far ahead, where nothing may be dropped before somebody says that it is right."""
    world.clocks.off["relay"] = world.choose.choice((-86_400.0, -60.0, 0.0, 3_600.0, 40 * 86_400.0, 1e9))
    world.trace("relay", f"its clock is off by {world.clocks.off['relay']}")


def device_clock(world: World) -> None:
    actor = world.choose.choice([*world.actors.values()])
    world.clocks.off[actor.name] = world.choose.choice((-1e9, -60.0, 0.0, 3_600.0, 1e9))


def sweep(world: World) -> None:
    relay = world.host.relay
    if relay is not None:
        world.trace("relay", "sweeps")
        world.loop.start(world.host.process, swept(world, relay))


async def swept(world: World, relay: Any) -> None:
    try:
        await relay.sweep_if_due()
    except ChappeError as problem:
        if not problem.code.startswith("storage."):
            raise


def weather(world: World) -> None:
    world.network.weather = other_weather(world.choose)


KINDS: Final[dict[str, Callable[[World], object]]] = {
    "send": send,
    "commit": commit,
    "relay dies": relay_dies,
    "power cut": power_cut,
    "relay restarts": relay_restarts,
    "device dies": device_dies,
    "cut": cut,
    "half open": half_open,
    "partition": partition,
    "slow reader": slow_reader,
    "disk full": disk_full,
    "disk errors": disk_errors,
    "device disk": device_disk,
    "relay clock": relay_clock,
    "device clock": device_clock,
    "order": order,
    "link": link,
    "sweep": sweep,
    "weather": weather,
}
assert set(KINDS) == {"send", "commit", *TROUBLE}
