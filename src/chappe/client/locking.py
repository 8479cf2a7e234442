"""The PIN over the wire: setting one with the share service, and unlocking with it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Literal, TypeAlias

from chappe.client.activation import settle_erased
from chappe.client.engine import Engine
from chappe.client.transport import HttpApi
from chappe.client.waiting import erase_if_ordered
from chappe.vault import files, keeping, pins, profile
from chappe.vault.files import Policy
from chappe.vault.keeping import Candidate
from chappe.vault.keys import stretch
from chappe.vault.offline import Clock
from chappe.vault.unlocking import Opening
from chappe.wire import frames
from chappe.wire.api import from_base64
from chappe.wire.errors import ChappeError, Unreachable, error
from chappe.wire.orders import unlock_key_bytes
from chappe.wire.unlock import PUBLIC_KEY_BYTES
from chappe.wire.wiping import wipe

Stage: TypeAlias = Literal["pin", "relay", "offline"]
"""What goes on: the PIN is stretched, the relay is asked, it does not answer and the copy here is tried."""
Tell: TypeAlias = Callable[[Stage], None]

ONLINE_SECONDS: Final = 30.0
ENROL_TIMES: Final = 3
ENROL_PAUSE: Final = 1.0
# No guess was looked at: the service has the share of another PIN, or none.
ASK_WHY: Final = ("vault.destroyed", "unlock.unknown_device", "signin.revoked", "signin.unknown_device")
"""The relay may have an order that says why; its word alone erases nothing."""
_NOT_THIS_ONE: Final = ("unlock.bad_signature", "unlock.unknown_device")


def quiet(_: Stage) -> None:
    """For those who need not be told."""


@dataclass(slots=True)
class Unlocked:
    """The vault key, until `wipe`. `until`: when the copy that opened it ends; None if the relay did."""

    key: bytearray = field(repr=False)
    device: bytes
    policy: Policy
    until: int | None = None

    def wipe(self) -> None:
        wipe(self.key)


def policy_of(home: Path) -> Policy:
    """Raises vault.no_pin, storage.failed."""
    vault = files.vault(home)
    if vault is None:
        raise error("vault.no_pin")
    return vault.policy


# --- setting


async def set_pin(engine: Engine, pin: str, policy: Policy | None, tell: Tell) -> None:
    """Raises vault.weak_pin, network.*, unlock.*, storage.*; signin.* of a device that was put out."""
    core = engine.core
    home, me = core.profile.home, core.me
    pin, bounds = pins.check(pin, me.address), engine.obeying.known.bounds
    if bounds is not None and len(pin) < bounds.pin_length:
        raise error(
            "vault.weak_pin", f"This line's organisation asks for {bounds.pin_length} digits or more."
        )
    await engine.wait_online(ONLINE_SECONDS)
    service = await _service_key(engine)
    if policy is None:
        policy = keeping.within(policy_of(home) if core.profile.has_pin else Policy(), bounds)
    keeping.check_within(policy, bounds)
    tell("pin")
    made = await asyncio.to_thread(
        keeping.prepare, home, pin, core.profile.key, me.device_id, me.place, service, policy
    )
    tell("relay")
    await _enrol(engine, made)
    keeping.settle(home, made.entry)
    engine.obeying.lay_down()


async def _enrol(engine: Engine, made: keeping.Prepared) -> None:
    """Until the service has it. The same bytes again are answered again."""
    me = engine.core.me
    proof = me.sign(unlock_key_bytes(me.device_id, made.unlock_key))
    for left in reversed(range(ENROL_TIMES)):
        try:
            await engine.wait_online(ONLINE_SECONDS)
            await engine.connection.ask(
                lambda ref: frames.Enrol(ref, made.sealed, made.unlock_key, proof), frames.Done
            )
            return
        except Unreachable:
            if not left:
                raise
            await asyncio.sleep(ENROL_PAUSE)


async def _service_key(engine: Engine) -> bytes:
    """The share service's key, pinned from here on. Raises unlock.unavailable, network.*."""
    api = HttpApi(engine.core.me.place, await engine.connection.context())
    try:
        key = from_base64((await api.info()).share_key)
    finally:
        await api.close()
    if not key:
        raise error("unlock.unavailable")
    if len(key) != PUBLIC_KEY_BYTES:
        raise error("unlock.malformed", "The share service's key is no key; do not trust this relay.")
    return key


# --- unlocking


async def unlock(home: Path, pin: str, tell: Tell = quiet) -> Unlocked:
    """The vault key. Raises as `Phone.unlock`."""
    await settle_erased(home)
    with profile.held(home):
        problem = error("vault.no_pin")
        candidates = keeping.candidates(home)
        for candidate in candidates:
            try:
                return await _try(home, candidate, pin, tell)
            except ChappeError as found:
                problem = found
                if found.code in ASK_WHY:
                    await erase_if_ordered(home, candidates)
                if found.code not in _NOT_THIS_ONE and not _is_away(found):
                    raise
        raise problem


async def _try(home: Path, candidate: Candidate, pin: str, tell: Tell) -> Unlocked:
    tell("pin")
    a = await asyncio.to_thread(stretch, pin, candidate.entry.r)
    opening = Opening(a, candidate.entry, candidate.vault)
    device, policy = candidate.vault.device, candidate.vault.policy
    try:
        tell("relay")
        try:
            key = await _ask(candidate, opening)
        except ChappeError as problem:
            if problem.code == "unlock.unavailable":
                # The share service is away, but the relay is not: no copy here opens what an order closes.
                await erase_if_ordered(home, [candidate])
            return Unlocked(_instead(home, candidate, opening, a, problem, tell), device, policy, _end(home))
        assert opening.share is not None
        keeping.opened(home, candidate)
        keeping.keep_offline(home, candidate, a, opening.share, Clock.now())
        return Unlocked(key, device, policy)
    finally:
        opening.wipe()


async def _ask(candidate: Candidate, opening: Opening) -> bytearray:
    """One guess at the relay. vault.* comes out of a sealed answer alone: the relay's own word for it is
    nobody's."""
    device = candidate.vault.device
    api = await HttpApi.to(candidate.vault.place)
    try:
        sealed = opening.begin(await api.unlock_challenge(device))
        answer = await api.unlock(device, sealed)
    except ChappeError as problem:
        raise (error("unlock.malformed") if problem.code.startswith("vault.") else problem) from None
    finally:
        await api.close()
    return opening.take(answer)


def _instead(
    home: Path, candidate: Candidate, opening: Opening, a: bytearray, problem: ChappeError, tell: Tell
) -> bytearray:
    """The vault key by the copy kept here, where the relay is away. Raises vault.*, or the problem itself."""
    if problem.code == "vault.destroyed":
        # The service itself says so, under this guess's own key: what is gone there is gone here too.
        keeping.drop_offline(home)
    if problem.code == "vault.wrong_pin" and candidate.pending:
        raise error("vault.wrong_pin", f"{problem.message} The PIN that was set last is the one that holds.")
    if not _is_away(problem):
        raise problem
    tell("offline")
    share = keeping.open_offline(home, candidate, a, Clock.now())
    if share is None:
        raise problem
    try:
        return opening.take_share(share)
    finally:
        wipe(share)


def _is_away(problem: ChappeError) -> bool:
    return problem.code.startswith("network.") or problem.code == "unlock.unavailable"


def _end(home: Path) -> int | None:
    copy = files.offline(home)
    return None if copy is None else copy.until
