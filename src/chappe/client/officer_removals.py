"""The fleet key's Remove proposals for the conversations of a device (docs/protocol.md section 12.4)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import msgspec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from chappe.client.groups import SUITE
from chappe.client.officer_file import Removal
from chappe.mls import Remove, SignatureKey, propose_from_outside
from chappe.wire.fleet import Posting, Proposal
from chappe.wire.orders import REMOVAL_CONTEXT
from chappe.wire.registers import Membership

EPOCHS: Final = 16
"""Signed at once for a conversation: the present epoch, and the next ones."""
BATCH: Final = 200
"""Postings in one ask: far below what the relay takes, with proposals of 200 bytes."""


@dataclass(frozen=True, slots=True)
class Signed:
    """`postings` to send, and what is to be remembered when they were."""

    postings: list[Posting]
    removal: Removal

    def batches(self) -> list[list[Posting]]:
        """At least one: that there is nothing to remove is to be said, too."""
        starts = range(0, max(1, len(self.postings)), BATCH)
        return [self.postings[start : start + BATCH] for start in starts]


def begin(order: bytes, device: bytes, places: list[Membership]) -> Removal:
    """Nothing signed yet. A register that names a group twice counts once."""
    single = list({place.group: place for place in places}.values())
    return Removal(order, device, single, [-1] * len(single))


def sign(removal: Removal, epochs: Mapping[bytes, int], fleet: Ed25519PrivateKey, now: int) -> Signed:
    """Proposals for every group whose epoch has none. `epochs`: of the groups that the relay knows."""
    private = fleet.private_bytes_raw()
    key = SignatureKey.from_private(private)
    postings, through = [], list(removal.through)
    for number, place in enumerate(removal.places):
        epoch = epochs.get(place.group)
        if epoch is None or epoch <= removal.through[number]:
            continue
        postings.append(_posting(place, removal.order, epoch, key, now))
        through[number] = epoch + EPOCHS - 1
    return Signed(postings, msgspec.structs.replace(removal, through=through))


def _posting(place: Membership, order: bytes, epoch: int, key: SignatureKey, now: int) -> Posting:
    proposals = [
        Proposal(
            one,
            propose_from_outside(
                SUITE,
                place.group,
                one,
                key,
                place.sender,
                Remove(place.leaf),
                now=now,
                authenticated_data=REMOVAL_CONTEXT + order,
            ),
        )
        for one in range(epoch, epoch + EPOCHS)
    ]
    return Posting(place.group, proposals)
