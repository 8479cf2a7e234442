"""Whether a fleet order is one that this device obeys (docs/protocol.md section 12.2). No socket, no file.

A forged, foreign, replayed or unfinished order changes nothing: the relay's word is not an order.
"""

from __future__ import annotations

from dataclasses import dataclass

import msgspec

from chappe.vault.files import Known
from chappe.wire.certificate import DeviceCertificate
from chappe.wire.errors import error
from chappe.wire.frames import OrderFrame, Posted
from chappe.wire.orders import (
    ABOUT_LINES,
    DESTROYING,
    Order,
    SignedOrder,
    Verified,
    check_officers_order,
    check_owners_order,
)
from chappe.wire.rosters import Chain, SignedRoster, check_chain


@dataclass(frozen=True, slots=True)
class Judged:
    """An order to be carried out. `known`: with the newest roster, and the time of a lock or a policy."""

    order: Order
    reason: str
    known: Known


def judge(frame: OrderFrame, known: Known) -> Judged:
    """Raises order.malformed, order.forged, order.two_officers, order.not_yours, roster.invalid; order.stale
    for a lock or a policy that is not newer than the last one carried out."""
    known, verified = _verified(frame, known)
    order = verified.order
    if not verified.complete:
        raise error("order.two_officers")
    if order.kind in ABOUT_LINES or not order.covers(known.line, known.device):
        raise error("order.not_yours")
    if frame.reason.digest() != order.reason_digest:
        raise error("order.forged")
    if order.kind == "lock":
        _check_newer(order, known.locked_at)
        known = msgspec.structs.replace(known, locked_at=order.issued_at)
    elif order.kind == "policy":
        _check_newer(order, known.policy_at)
        known = msgspec.structs.replace(known, policy_at=order.issued_at, bounds=order.policy)
    return Judged(order, frame.reason.text, known)


def judge_removal(posted: Posted, leaf: DeviceCertificate, server: str) -> Order:
    """Whether an order puts the device of a leaf out: by the organisation that the leaf's certificate names,
    or by its own line. Raises order.*, roster.invalid."""
    if posted.order.owner_signature is not None:
        verified = check_owners_order(posted.order, leaf.line_id, leaf.identity_key, server)
    else:
        chain = check_rosters(posted.rosters, leaf.fleet_key)
        verified = check_officers_order(posted.order, chain.roster, server)
    order = verified.order
    if not verified.complete:
        raise error("order.two_officers")
    if order.kind not in DESTROYING or not order.covers(leaf.line_id, leaf.device_id):
        raise error("order.not_yours")
    return order


def check_rosters(rosters: list[SignedRoster], fleet_key: bytes) -> Chain:
    """Raises order.forged where there is no organisation, roster.invalid."""
    if not fleet_key:
        raise error("order.forged")
    return check_chain(rosters, fleet_key=fleet_key)


def check_holds(chain: Chain, version: int, hash_: bytes) -> None:
    """Nobody goes back to officers of before. Raises roster.invalid."""
    if version and (version > len(chain.hashes) or chain.hashes[version - 1] != hash_):
        raise error("roster.invalid", "The roster is older than one that was seen before.")


def with_rosters(known: Known, rosters: list[SignedRoster]) -> tuple[Known, Chain]:
    """The organisation's rosters, and what is known with the newest. Raises order.forged, roster.invalid."""
    chain = check_rosters(rosters, known.fleet_key)
    check_holds(chain, known.roster_version, known.roster_hash)
    newer = msgspec.structs.replace(known, roster_version=len(chain.hashes), roster_hash=chain.hashes[-1])
    return newer, chain


def _verified(frame: OrderFrame, known: Known) -> tuple[Known, Verified]:
    signed: SignedOrder = frame.order
    if signed.owner_signature is not None:
        return known, check_owners_order(signed, known.line, known.identity_key, known.server)
    known, chain = with_rosters(known, frame.rosters)
    return known, check_officers_order(signed, chain.roster, known.server)


def _check_newer(order: Order, last: int) -> None:
    if order.issued_at <= last:
        raise error("order.stale", "That order was carried out before, or a later one was.")
