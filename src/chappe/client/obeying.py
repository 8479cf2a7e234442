"""Fleet orders that reach a running phone: verified, carried out, and answered with a receipt.

What is carried out here is kept: bounds, revocation, receipts until the relay has them. Locking and erasing
end the phone, and are its owner's to do (`on_order`). Whatever is no order for this device changes nothing
and stops nothing.
"""

from __future__ import annotations

from typing import Final

import msgspec

from chappe.client.core import Core
from chappe.client.events import OrderObeyed, OrderRefused
from chappe.client.orders import Judged, judge
from chappe.vault import files, keeping, session
from chappe.vault.files import Known
from chappe.wire import frames
from chappe.wire.errors import ChappeError, StorageFailure, error
from chappe.wire.orders import OUTCOMES, Receipt, SignedReceipt, sign_receipt

_KNOWN: Final = "known"


class Obeying:
    def __init__(self, core: Core) -> None:
        self._core = core
        self._store = core.store
        self._known = _known_of(core)

    def on_order(self, judged: Judged) -> None:
        """Set by the owner: an order to lock, to erase, or to sign out."""

    @property
    def known(self) -> Known:
        return self._known

    def keep(self, known: Known) -> None:
        """Inside a change, or as one; `lay_down` then tells the locked phone."""
        with self._core.change():
            self._store.set(_KNOWN, msgspec.msgpack.encode(known))
        self._known = known

    def lay_down(self) -> None:
        """What the phone will need when it is locked, beside the vault. Raises storage.*."""
        home = self._core.profile.home
        if self._core.profile.has_pin and keeping.known_to(home) != self._known:
            keeping.keep_known(home, self._known)

    # --- orders

    def take(self, frame: frames.OrderFrame) -> None:
        """What the relay calls an order. Raises nothing."""
        try:
            judged = judge(frame, self._known)
            self._carry_out(judged)
        except ChappeError as problem:
            if problem.code == "order.stale" and self._repeat(frame):
                return
            self._core.tell(OrderRefused(problem.code))

    def _carry_out(self, judged: Judged) -> None:
        kind, id_ = judged.order.kind, judged.order.id
        if kind == "erase":
            self.on_order(judged)
            return
        if self._repeat_id(id_):
            return
        if kind == "lock" and not self._core.profile.has_pin:
            raise error("vault.no_pin", "An order to lock came, but this profile has no PIN.")
        if kind == "policy":
            self._bound(judged)
        with self._core.change():
            self.keep(judged.known)
            self._store.run(
                "INSERT INTO reports (ordered, receipt, told) VALUES (?, ?, 0)",
                id_,
                msgspec.msgpack.encode(self.receipt(judged)),
            )
            self._core.tell(OrderObeyed(kind, judged.reason, id_))
        self.lay_down()
        if kind != "policy":
            self.on_order(judged)

    def _bound(self, judged: Judged) -> None:
        """The policy that holds here, and a session under way, are cut to the bounds."""
        home, bounds = self._core.profile.home, judged.order.policy
        vault = files.vault(home)
        if vault is None or bounds is None:
            return
        policy = keeping.within(vault.policy, bounds)
        if policy != vault.policy:
            keeping.set_policy(home, policy)
        session.shorten(home, self._core.me.device_id, policy.idle_seconds)

    def receipt(self, judged: Judged) -> SignedReceipt:
        outcome = OUTCOMES[judged.order.kind]
        made = Receipt(1, judged.order.id, self._core.me.device_id, outcome, self._core.now())  # type: ignore[arg-type]
        return self.sign(made)

    def sign(self, receipt: Receipt) -> SignedReceipt:
        return sign_receipt(receipt, "device", self._core.me.signing_key)

    def _repeat(self, frame: frames.OrderFrame) -> bool:
        """An order that was carried out came again: the relay did not get the receipt."""
        try:
            order = msgspec.msgpack.decode(frame.order.body, type=_Id)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            return False
        return self._repeat_id(order.id)

    def _repeat_id(self, id_: bytes) -> bool:
        try:
            with self._core.change():
                return bool(self._store.changed("UPDATE reports SET told = 0 WHERE ordered = ?", id_))
        except StorageFailure:
            return False

    # --- receipts

    def to_tell(self) -> list[tuple[bytes, SignedReceipt]]:
        """Receipts that the relay has not answered, with their orders' ids."""
        rows = self._store.all("SELECT ordered, receipt FROM reports WHERE told = 0")
        return [(row[0], msgspec.msgpack.decode(row[1], type=SignedReceipt)) for row in rows]

    def told(self, id_: bytes) -> None:
        with self._core.change():
            self._store.run("UPDATE reports SET told = 1 WHERE ordered = ?", id_)


class _Id(msgspec.Struct):
    id: bytes


def _known_of(core: Core) -> Known:
    """As the store has it; what a locked phone learnt meanwhile lies beside the vault."""
    me = core.me
    fresh = Known(
        me.line_id,
        me.device_id,
        me.server,
        me.certificate.fleet_key,
        me.certificate.identity_key,
    )
    kept = core.store.get(_KNOWN)
    known = fresh if kept is None else msgspec.msgpack.decode(kept, type=Known)
    beside = keeping.known_to(core.profile.home) if core.profile.has_pin else None
    if beside is not None and beside.roster_version > known.roster_version:
        known = msgspec.structs.replace(
            known, roster_version=beside.roster_version, roster_hash=beside.roster_hash
        )
    return known
