"""Application data shown to somebody who was not in the group: who signed what, where (RFC 9420 section 6.1).

A signature over FramedContentTBS needs no secret of the group to be checked: the content, the group's context
and the sender's key do. The context names members by hashes alone.
"""

from __future__ import annotations

from dataclasses import dataclass

from chappe.mls.codec import Reader, parse
from chappe.mls.errors import InvalidMessage, MalformedMessage
from chappe.mls.framing import ContentType, FramedContent, WireFormat
from chappe.mls.group_context import GroupContext
from chappe.mls.leaf_node import MLS10, Extensions
from chappe.mls.suites import cipher_suite


@dataclass(frozen=True, slots=True)
class Evidence:
    """What the holder of a key said in a group. `leaf`: the place that it says it has there."""

    group_id: bytes
    epoch: int
    leaf: int
    authenticated_data: bytes
    data: bytes
    extensions: Extensions


def check_evidence(signed: bytes, signature: bytes, key: bytes) -> Evidence:
    """`signed`, `signature`: as of an ApplicationMessage; `key`: the sender's signature key. Raises
    MalformedMessage, UnsupportedSuite; InvalidMessage where the signature does not hold."""
    content, context = parse(_read, signed)
    body = content.body
    if not content.sender.is_member or not isinstance(body, bytes):
        raise MalformedMessage("not a member's application data")
    if (content.group_id, content.epoch) != (context.group_id, context.epoch):
        raise MalformedMessage("content and context of two epochs")
    if content.to_be_signed(WireFormat.PRIVATE_MESSAGE, context.encoded) != signed:
        raise MalformedMessage("not in its one spelling")
    if not cipher_suite(context.cipher_suite).verify_with_label(key, "FramedContentTBS", signed, signature):
        raise InvalidMessage("the signature does not hold")
    return Evidence(
        content.group_id,
        content.epoch,
        content.sender.index,
        content.authenticated_data,
        body,
        context.extensions,
    )


def _read(r: Reader) -> tuple[FramedContent, GroupContext]:
    if r.u16() != MLS10 or r.u16() != WireFormat.PRIVATE_MESSAGE:
        raise MalformedMessage("not of a PrivateMessage")
    content = FramedContent.read(r)
    if content.content_type is not ContentType.APPLICATION:
        raise MalformedMessage("not application data")
    return content, GroupContext.read(r)
