"""From outside a group: proposals by those who are not in it, and coming in by one's own commit
(RFC 9420 sections 12.1.8 and 12.4.3.2)."""

from __future__ import annotations

import os
from collections.abc import Collection
from dataclasses import dataclass, replace

from chappe.mls.codec import Reader, opaque, parse
from chappe.mls.commits import CommitApplied, NewCommit, members_at
from chappe.mls.epoch import newcomer, next_epoch, provisional_context
from chappe.mls.errors import InvalidMessage, MalformedMessage
from chappe.mls.framing import (
    AuthenticatedContent,
    FramedContent,
    PublicMessage,
    Sender,
    SenderType,
    WireFormat,
    encode_message,
    parse_message,
)
from chappe.mls.group_context import GroupContext
from chappe.mls.joining import check_unknown, checked_tree
from chappe.mls.key_package import KeyPackage, default_capabilities
from chappe.mls.leaf_node import (
    Capabilities,
    Credential,
    Extension,
    Extensions,
    ExtensionType,
    LeafNode,
    LeafSource,
    find_extension,
)
from chappe.mls.leaf_rules import MAX_LEAF_LIFETIME, check_own_support, check_support
from chappe.mls.processing import Rules
from chappe.mls.proposals import Add, Commit, ExternalInit, PreSharedKey, Proposal, Remove
from chappe.mls.protection import interim_transcript_hash, protect_public, sign_content
from chappe.mls.psks import PreSharedKeyID
from chappe.mls.ratchet_tree import RatchetTree
from chappe.mls.signatures import SignatureKey
from chappe.mls.state import Member
from chappe.mls.suites import CipherSuite, Random, cipher_suite
from chappe.mls.treekem import create_path, encrypt_path
from chappe.mls.validation import apply_external, check_sendable
from chappe.mls.welcome import GroupInfo


def propose_from_outside(
    suite: CipherSuite,
    group_id: bytes,
    epoch: int,
    signer: SignatureKey,
    sender_index: int,
    proposal: Proposal,
    *,
    now: int,
    authenticated_data: bytes = b"",
) -> bytes:
    """A proposal by entry `sender_index` of the group's `external_senders`, for a member to commit.
    Raises InvalidMessage for an Add that is not valid now."""
    check_sendable(proposal, now, MAX_LEAF_LIFETIME)
    sender = Sender(SenderType.EXTERNAL, sender_index)
    content = FramedContent(group_id, epoch, sender, authenticated_data, proposal)
    return _signed_public(suite, signer, content)


def propose_own_add(
    group_id: bytes,
    epoch: int,
    key_package: KeyPackage,
    signer: SignatureKey,
    *,
    now: int,
    authenticated_data: bytes = b"",
) -> bytes:
    """A proposal by which a client asks to be let in; its key package's own key signs it. Raises
    InvalidMessage for a key package that is not valid at `now`."""
    check_sendable(Add(key_package), now, MAX_LEAF_LIFETIME)
    sender = Sender(SenderType.NEW_MEMBER_PROPOSAL)
    content = FramedContent(group_id, epoch, sender, authenticated_data, Add(key_package))
    return _signed_public(cipher_suite(key_package.cipher_suite), signer, content)


def _signed_public(suite: CipherSuite, signer: SignatureKey, content: FramedContent) -> bytes:
    auth = sign_content(suite, signer.private, WireFormat.PUBLIC_MESSAGE, content, b"")
    return encode_message(PublicMessage(content, auth))


@dataclass(frozen=True, slots=True)
class OpenGroup:
    """A group that a GroupInfo describes well enough to come in by one's own commit."""

    info: GroupInfo
    suite: CipherSuite
    tree: RatchetTree
    external_pub: bytes

    @property
    def context(self) -> GroupContext:
        return self.info.group_context

    def leaf_of(self, credential: Credential, rules: Rules) -> int | None:
        """The leaf that the client with that credential holds already."""
        for index, leaf in self.tree.leaves():
            if rules.succeeds(leaf.credential, credential):
                return index
        return None


def parse_group_info(data: bytes, ratchet_tree: bytes | None, rules: Rules) -> OpenGroup:
    """A GroupInfo message, checked as on joining by a Welcome. Raises MalformedMessage, InvalidMessage,
    UnsupportedSuite, or what `rules.authenticate` raises."""
    info = parse_message(data)
    if not isinstance(info, GroupInfo):
        raise MalformedMessage("not a GroupInfo")
    suite = cipher_suite(info.group_context.cipher_suite)
    tree = checked_tree(suite, info, ratchet_tree, rules.authenticate, rules.max_lifetime)
    found = find_extension(info.extensions, ExtensionType.EXTERNAL_PUB)
    if found is None:
        raise InvalidMessage("the GroupInfo has no key to come in by")
    return OpenGroup(info, suite, tree, parse(Reader.opaque, found))


def external_pub_extension(public: bytes) -> Extension:
    """What a GroupInfo needs to let others in by their own commit."""
    return Extension(ExtensionType.EXTERNAL_PUB, opaque(public))


def join_by_commit(
    group: OpenGroup,
    signer: SignatureKey,
    credential: Credential,
    *,
    resync: bool,
    psk_ids: tuple[PreSharedKeyID, ...],
    known_groups: Collection[bytes],
    rules: Rules,
    capabilities: Capabilities | None,
    leaf_extensions: Extensions,
    authenticated_data: bytes,
    random: Random = os.urandom,
) -> NewCommit:
    """An external commit. With `resync` it puts out the client's own old leaf. Raises InvalidMessage."""
    suite, context = group.suite, group.context
    if not resync:
        check_unknown(context.group_id, known_groups)
    kem_output, init_secret = suite.external_init(group.external_pub)
    proposals: list[Proposal] = [ExternalInit(kem_output), *(PreSharedKey(p) for p in psk_ids)]
    old = group.leaf_of(credential, rules)
    if resync and old is None:
        raise InvalidMessage("this client has no old leaf in the group")
    if resync and old is not None:
        proposals.append(Remove(old))
    applied, index = apply_external(group.tree, context, proposals)
    template = LeafNode(
        b"", signer.public, credential, capabilities or default_capabilities(), LeafSource.COMMIT, None, b"",
        leaf_extensions,
    )  # fmt: skip
    check_own_support(suite, template)
    new = create_path(applied.tree, index, template, signer.private, context.group_id, random)
    new.tree.check_keys_unique()
    check_support(new.tree, context.extensions)
    provisional = provisional_context(context, applied, new.tree)
    path = encrypt_path(new, provisional.encoded, ())
    content = FramedContent(
        context.group_id,
        context.epoch,
        Sender(SenderType.NEW_MEMBER_COMMIT),
        authenticated_data,
        Commit(tuple(proposals), path),
    )
    auth = sign_content(suite, signer.private, WireFormat.PUBLIC_MESSAGE, content, context.encoded)
    unconfirmed = AuthenticatedContent(WireFormat.PUBLIC_MESSAGE, content, auth)
    interim = interim_transcript_hash(suite, context.confirmed_transcript_hash, group.info.confirmation_tag)
    psk = rules.psks.secret(suite, applied.psks)
    epoch = next_epoch(interim, init_secret, provisional, new.tree, unconfirmed, new.commit_secret, psk)
    state = newcomer(suite, epoch, index, signer, new.private_keys)
    message = replace(unconfirmed, auth=replace(auth, confirmation_tag=epoch.confirmation_tag))
    public = protect_public(suite, b"", message, context.encoded)
    me = Member(index, credential, signer.public)
    event = CommitApplied(
        me,
        (me,),
        members_at(group.tree, applied.removed),
        (),
        epoch.context.epoch,
        authenticated_data=authenticated_data,
        external=True,
    )
    return NewCommit(state, encode_message(public), None, event)
