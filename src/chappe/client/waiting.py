"""Orders that wait at the relay for a device that cannot, or may not, sign in: it is locked, or signed out
for good. It asks over HTTP, verifies, and erases; a refusal without an order erases nothing."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from chappe.client.activation import settle_erased
from chappe.client.orders import Judged, judge
from chappe.client.transport import HttpApi
from chappe.vault import erasing, files, keeping
from chappe.vault.files import Known
from chappe.vault.keeping import Candidate
from chappe.vault.offline import Clock
from chappe.wire import fleet
from chappe.wire.errors import ChappeError
from chappe.wire.frames import OrderFrame

if TYPE_CHECKING:
    from chappe.client.core import Core


async def waiting_for(
    api: HttpApi,
    server: str,
    device: bytes,
    kind: Literal["device", "unlock"],
    key: Ed25519PrivateKey,
    now: int,
) -> list[OrderFrame]:
    """What the relay calls orders for this device. Raises signin.*, order.*, network.*."""
    envelope = fleet.by_device(server, device, kind, key, now, fleet.Waiting())
    return (await api.fleet(envelope, fleet.ForDevice)).orders


def begin_erasing(core: Core, judged: Judged) -> erasing.Plan:
    """On a running phone: its keys are gone from the folder when this returns. Its receipt is signed by the
    device's key, which is in memory; if it is killed before, by the one that signs guesses, or, where
    there is no PIN and so no key that the folder did not hold, by the device's."""
    home, me = core.profile.home, core.me
    vault = files.vault(home)
    if vault is None:
        key, seed = "device", me.signer.private
    else:
        key, seed = "unlock", files.keystore(home).entry(vault.entry).seed
    plan = erasing.plan(judged.order.id, me.device_id, judged.reason, me.place, key, seed)
    erasing.begin(home, plan)
    return plan


async def erase_if_ordered(home: Path, candidates: Iterable[Candidate]) -> None:
    """On a locked phone: raises device.erased if an order for it was there, and was carried out."""
    known = keeping.known_to(home)
    if known is None:
        return
    for candidate in candidates:
        for frame in await _asked(candidate, known):
            judged = _judged(frame, known)
            if judged is not None and judged.order.kind == "erase":
                await _erase(home, candidate, judged)


async def _asked(candidate: Candidate, known: Known) -> list[OrderFrame]:
    """Nothing where the relay does not answer, or knows no such key."""
    try:
        api = await HttpApi.to(candidate.vault.place)
        try:
            return await waiting_for(
                api, known.server, known.device, "unlock", candidate.entry.signing_key, Clock.now().wall
            )
        finally:
            await api.close()
    except ChappeError:
        return []


def _judged(frame: OrderFrame, known: Known) -> Judged | None:
    try:
        return judge(frame, known)
    except ChappeError:
        return None


async def _erase(home: Path, candidate: Candidate, judged: Judged) -> None:
    vault, order = candidate.vault, judged.order
    plan = erasing.plan(order.id, vault.device, judged.reason, vault.place, "unlock", candidate.entry.seed)
    erasing.begin(home, plan)
    left = erasing.finish(home, plan)
    await settle_erased(home)
    raise erasing.erased(left)
