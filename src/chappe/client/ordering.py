"""Orders of a line's owner: another device of the line, lost, is erased, signed out or locked from this one
(docs/protocol.md section 12)."""

from __future__ import annotations

import asyncio
import secrets
from typing import Final, Literal, TypeVar

from chappe.client import intents as i
from chappe.client.engine import Engine
from chappe.client.model import OrderProgress
from chappe.client.order_views import has_pin
from chappe.client.transport import HttpApi
from chappe.wire import fleet
from chappe.wire.certificate import DeviceCertificate
from chappe.wire.enrolments import Read, read
from chappe.wire.errors import ChappeError, CryptoFailure, Unreachable, error
from chappe.wire.orders import (
    DESTROYING,
    MAX_REASON,
    OUTCOMES,
    Order,
    Reason,
    Target,
    check_receipt,
    read_order,
    sign_as_owner,
    unlock_key_bytes,
)
from chappe.wire.rosters import verify

GIVE_TIMES: Final = 3
GIVE_PAUSE: Final = 1.0
A = TypeVar("A", bound=fleet.Answer)


async def give(engine: Engine, kind: Literal["erase", "revoke", "lock"], device: bytes, reason: str) -> bytes:
    """The order's id. Raises usage.invalid, order.*, network.*."""
    me = engine.core.me
    if device == me.device_id:
        raise error("usage.invalid", "That is this device; order it from another one.")
    if not reason.strip() or len(reason) > MAX_REASON:
        raise error("usage.invalid", f"An order has a reason, of {MAX_REASON} characters at most.")
    why = Reason(reason.strip(), secrets.token_bytes(16))
    order = Order(
        1,
        secrets.token_bytes(16),
        kind,
        me.server,
        b"",
        [Target(me.line_id, device)],
        engine.core.now(),
        why.digest(),
    )
    inside = sorted(engine.groups.of_device(device) & set(engine.groups.watched()))
    places = inside[: fleet.MAX_POSTINGS] if kind in DESTROYING else []
    ask = fleet.Give(sign_as_owner(order, me.identity), why, places)
    await _asked(engine, ask, fleet.Given)
    if kind in DESTROYING:
        put_out(engine, device, order.id)
    return order.id


def put_out(engine: Engine, device: bytes, order: bytes) -> None:
    """Of all conversations that this device shares with it; the relay tells other members of them, too."""
    with engine.core.change():
        for conversation in engine.groups.of_device(device) & set(engine.groups.watched()):
            engine.changes.want_out(conversation, i.RemoveDevice(device, order))
    engine.wake()


async def status(engine: Engine, order: bytes | None) -> list[OrderProgress]:
    """Raises order.unknown, network.*."""
    answer = await _asked(engine, fleet.Status(order), fleet.Orders)
    identity = engine.core.me.certificate.identity_key
    return [_progress(one, stages, identity) for one in answer.orders for stages in one.devices]


async def coming(engine: Engine) -> list[Read]:
    """New phones that officers are letting into this line. Raises order.forged for what is not about it,
    network.*."""
    me = engine.core.me
    answer = await _asked(engine, fleet.ShowEnrolments(), fleet.Enrolments, as_device=True)
    found = [read(one.enrolment.body) for one in answer.enrolments]
    if any(one.certificate.line_id != me.line_id for one in found):
        raise error("order.forged")
    return found


async def refuse(engine: Engine, order: bytes) -> None:
    """Such a phone does not come. Raises order.unknown, signin.revoked, network.*."""
    await _asked(engine, fleet.Withdraw(order), fleet.Ok, as_device=True)


async def _asked(engine: Engine, ask: fleet.Ask, kind: type[A], *, as_device: bool = False) -> A:
    """The same again where no answer came: the relay answers it again. By the owner, or this device."""
    me = engine.core.me
    for left in reversed(range(GIVE_TIMES)):
        api = HttpApi(me.place, await engine.connection.context())
        try:
            now = engine.core.now()
            envelope: fleet.AnyEnvelope = fleet.by_owner(me.server, me.line_id, me.identity, now, ask)
            if as_device:
                envelope = fleet.by_device(me.server, me.device_id, "device", me.signing_key, now, ask)
            return await api.fleet(envelope, kind)
        except Unreachable:
            if not left:
                raise
        finally:
            await api.close()
        await asyncio.sleep(GIVE_PAUSE)
    raise error("network.unreachable")


def _order_id(one: fleet.OrderStatus) -> bytes:
    """Raises order.malformed."""
    return read_order(one.order).id


def _progress(one: fleet.OrderStatus, stages: fleet.DeviceStages, identity_key: bytes) -> OrderProgress:
    done = stages.done_at if receipt_holds(one, stages, identity_key) else None
    return OrderProgress(
        _order_id(one),
        one.kind,
        one.reason.text,
        stages.device,
        stages.address,
        stages.ordered_at,
        stages.unreadable_at,
        stages.conversations,
        stages.removed,
        stages.removed_at,
        done,
        has_pin(stages),
    )


def receipt_holds(one: fleet.OrderStatus, stages: fleet.DeviceStages, identity_key: bytes) -> bool:
    """Whether the device itself says that it carried the order out. The relay's word is not enough: the
    certificate is of the line with this identity key."""
    if stages.receipt is None:
        return False
    try:
        certificate = DeviceCertificate.from_bytes(stages.certificate)
        certificate.verify()
        receipt = check_receipt(
            stages.receipt,
            signature_key=certificate.signature_key,
            unlock_key=_unlock_key(certificate, stages),
        )
    except ChappeError:
        return False
    ours = certificate.device_id == stages.device == receipt.device and certificate.line_id == stages.line
    ours = ours and certificate.identity_key == identity_key
    order = read_order(one.order)
    return ours and receipt.order == order.id and receipt.outcome == OUTCOMES.get(order.kind)


def _unlock_key(certificate: DeviceCertificate, stages: fleet.DeviceStages) -> bytes | None:
    """The key that signs guesses, if the device vouched for it."""
    if stages.unlock_key is None or stages.unlock_proof is None:
        return None
    try:
        vouched = unlock_key_bytes(certificate.device_id, stages.unlock_key)
        verify(certificate.signature_key, stages.unlock_proof, vouched, "receipt.invalid")
    except CryptoFailure:
        return None
    return stages.unlock_key
