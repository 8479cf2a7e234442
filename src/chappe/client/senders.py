"""The organisations that may propose to remove from outside a group: its `external_senders`
(docs/protocol.md section 12.4). Keys come at the end, with a line that names them, and never move or go."""

from __future__ import annotations

from collections.abc import Iterable

from chappe.client.contacts import certificate_of, fleet_identity
from chappe.mls import (
    Credential,
    Extension,
    ExtensionType,
    ExternalSender,
    Group,
    ProposalReceived,
    Remove,
    SenderType,
    external_senders,
    external_senders_extension,
)
from chappe.mls.leaf_node import Extensions
from chappe.wire.errors import error


def keys_of(group: Group) -> list[bytes]:
    """The fleet keys, by their place."""
    return [sender.signature_key for sender in external_senders(group.extensions)]


def extension_for(keys: Iterable[bytes]) -> Extension:
    return external_senders_extension(
        *(ExternalSender(key, Credential.basic(fleet_identity(key))) for key in keys)
    )


def extensions_with(group: Group, new: Iterable[bytes]) -> Extensions:
    """The group's extensions with these keys at the end of its senders; as they are where none is new."""
    kept = keys_of(group)
    added = [key for key in dict.fromkeys(new) if key and key not in kept]
    if not added:
        return group.extensions
    others = tuple(e for e in group.extensions if e.type != ExtensionType.EXTERNAL_SENDERS)
    return (*others, extension_for([*kept, *added]))


def check_leaves(group: Group) -> None:
    """Every member is a device, no member an organisation. Raises certificate.invalid."""
    for member in group.members:
        certificate_of(member.credential)


def check_form(group: Group) -> None:
    """Every sender is an organisation, each once. Raises certificate.invalid."""
    found = external_senders(group.extensions)
    keys = [sender.signature_key for sender in found]
    fits = all(s.credential == Credential.basic(fleet_identity(s.signature_key)) for s in found)
    if not fits or len(set(keys)) != len(keys) or any(len(key) != 32 for key in keys):
        raise error("certificate.invalid")


def check_followed(before: Group, after: Group) -> None:
    """No key is moved or dropped, and none comes that no member's certificate names. Raises
    certificate.invalid."""
    old, new = keys_of(before), keys_of(after)
    if old == new:
        return
    check_form(after)
    named = {certificate_of(member.credential).fleet_key for member in after.members}
    if new[: len(old)] != old or not set(new[len(old) :]) <= named:
        raise error("certificate.invalid")


def removed_from_outside(group: Group, received: object) -> int:
    """The leaf that a proposal from outside puts out: a Remove, by the organisation that the leaf's
    certificate names. Raises message.unreadable for anything else."""
    if not isinstance(received, ProposalReceived) or not isinstance(received.proposal, Remove):
        raise error("message.unreadable")
    if received.sender.type is not SenderType.EXTERNAL:
        raise error("message.unreadable")
    removed = received.proposal.removed
    for member in group.members:
        if member.leaf_index == removed:
            named = certificate_of(member.credential).fleet_key
            if named and named == keys_of(group)[received.sender.index]:
                return removed
    raise error("message.unreadable")
