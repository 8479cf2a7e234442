"""Opening a message to a group: which epoch it is of, its keys, its sender and their signature
(RFC 9420 sections 6 and 12)."""

from __future__ import annotations

from dataclasses import replace

from chappe.mls.errors import GroupClosed, InvalidMessage, WrongEpoch
from chappe.mls.framing import (
    AuthenticatedContent,
    ContentType,
    MessageBody,
    PrivateMessage,
    PublicMessage,
    SenderType,
    parse_message,
)
from chappe.mls.proposals import Add, Commit
from chappe.mls.protection import signature_holds, unprotect_private, unprotect_public
from chappe.mls.senders import external_senders
from chappe.mls.state import GroupState, Member, PastEpoch


def open_message(state: GroupState, message: bytes) -> tuple[GroupState, AuthenticatedContent, Member | None]:
    """The content of a message whose signature holds, the state without the key that it took, and the sender
    where that is a member. Raises MalformedMessage, InvalidMessage, WrongEpoch, AlreadyConsumed, GroupClosed;
    `state` is untouched."""
    body = parse_message(message)
    if state.reinit is not None and _epoch(body) == state.context.epoch:
        raise GroupClosed("the group was closed by a ReInit")
    if isinstance(body, PrivateMessage):
        after, content, past = _open_private(state, body)
    elif isinstance(body, PublicMessage):
        after, content, past = state, _open_public(state, body), None
    else:
        raise InvalidMessage("not a message to a group")
    member = _member(state, past, content)
    key = member.signature_key if member else _key_from_outside(state, content)
    context = past.context if past else state.context.encoded
    if key is None:
        raise InvalidMessage("the sender may not send this")
    if not signature_holds(state.suite, key, content, context):
        raise InvalidMessage("the signature does not hold")
    return after, content, member


def _epoch(body: MessageBody) -> int | None:
    """The epoch that a message says it is of."""
    if isinstance(body, PublicMessage):
        return body.content.epoch
    return body.epoch if isinstance(body, PrivateMessage) else None


def _open_private(
    state: GroupState, message: PrivateMessage
) -> tuple[GroupState, AuthenticatedContent, PastEpoch | None]:
    _check_group(state, message.group_id)
    if message.epoch == state.context.epoch:
        tree, content = unprotect_private(
            state.suite,
            state.secret_tree,
            state.secrets.sender_data_secret,
            message,
            lambda leaf: state.tree.leaf(leaf) is not None and leaf != state.own_leaf,
        )
        return replace(state, secret_tree=tree), content, None
    past = _past_epoch(state, message.epoch)
    if message.content_type is not ContentType.APPLICATION:
        raise WrongEpoch("a handshake message of an epoch that is over", ahead=False)
    tree, content = unprotect_private(
        state.suite,
        past.secret_tree,
        past.sender_data_secret,
        message,
        lambda leaf: _past_member(state, past, leaf) is not None and leaf != state.own_leaf,
    )
    kept = tuple(replace(p, secret_tree=tree) if p is past else p for p in state.past)
    return replace(state, past=kept), content, past


def _open_public(state: GroupState, message: PublicMessage) -> AuthenticatedContent:
    _check_group(state, message.content.group_id)
    if message.content.epoch != state.context.epoch:
        ahead = message.content.epoch > state.context.epoch
        raise WrongEpoch("a public message of another epoch", ahead=ahead)
    context = state.context.encoded
    return unprotect_public(state.suite, state.secrets.membership_key, message, context)


def _check_group(state: GroupState, group_id: bytes) -> None:
    if group_id != state.context.group_id:
        raise InvalidMessage("a message to another group")


def _past_epoch(state: GroupState, epoch: int) -> PastEpoch:
    if epoch > state.context.epoch:
        raise WrongEpoch("a message of an epoch not reached yet", ahead=True)
    for past in state.past:
        if past.epoch == epoch:
            return past
    raise WrongEpoch("a message of an epoch whose keys are gone", ahead=False)


def _member(state: GroupState, past: PastEpoch | None, content: AuthenticatedContent) -> Member | None:
    """The sender, where it says that it is a member."""
    sender = content.content.sender
    if not sender.is_member:
        return None
    return _past_member(state, past, sender.index) if past else state.member(sender.index)


def _past_member(state: GroupState, past: PastEpoch, leaf: int) -> Member | None:
    return past.changes[leaf] if leaf in past.changes else state.member(leaf)


def _key_from_outside(state: GroupState, content: AuthenticatedContent) -> bytes | None:
    """The key that a sender who is no member has to sign with (section 6.1)."""
    sender, body = content.content.sender, content.content.body
    if sender.type is SenderType.EXTERNAL:
        senders = external_senders(state.context.extensions)
        known = sender.index < len(senders) and content.content.content_type is ContentType.PROPOSAL
        return senders[sender.index].signature_key if known else None
    if sender.type is SenderType.NEW_MEMBER_PROPOSAL and isinstance(body, Add):
        return body.key_package.leaf_node.signature_key
    if sender.type is SenderType.NEW_MEMBER_COMMIT and isinstance(body, Commit) and body.path:
        return body.path.leaf_node.signature_key
    return None
