"""The MLS engine (RFC 9420), sans-I/O, usable alone: bytes in, bytes and a new state out."""

from chappe.mls.blank import blank_message
from chappe.mls.commits import CommitApplied
from chappe.mls.errors import (
    AlreadyConsumed,
    GroupClosed,
    InvalidMessage,
    MalformedMessage,
    MLSError,
    NotMember,
    ProposalsPending,
    UnsupportedSuite,
    WrongEpoch,
)
from chappe.mls.evidence import check_evidence
from chappe.mls.external import propose_from_outside, propose_own_add
from chappe.mls.framing import ContentType, Peeked, Sender, SenderType, WireFormat, peek
from chappe.mls.grease import grease_extensions, greased
from chappe.mls.group import (
    ApplicationMessage,
    CommitResult,
    Group,
    ProposalReceived,
    Received,
    welcome_refs,
)
from chappe.mls.key_package import (
    KeyPackage,
    KeyPackageBundle,
    create_key_package,
    default_capabilities,
    parse_key_package,
)
from chappe.mls.leaf_node import (
    Capabilities,
    Credential,
    CredentialType,
    Extension,
    ExtensionType,
    RequiredCapabilities,
)
from chappe.mls.leaf_rules import MAX_LEAF_LIFETIME, accept_any, same_identity
from chappe.mls.proposals import Add, PreSharedKey, Proposal, ReInit, Remove, SetExtensions, Update
from chappe.mls.psks import PreSharedKeyID, ResumptionUsage
from chappe.mls.senders import ExternalSender, external_senders, external_senders_extension
from chappe.mls.signatures import SignatureKey
from chappe.mls.state import Member
from chappe.mls.suites import (
    IMPLEMENTED,
    P256_AES128,
    P384_AES256,
    P521_AES256,
    X448_AES256,
    X448_CHACHA20,
    X25519_AES128,
    X25519_CHACHA20,
    XWING_AES256,
    CipherSuite,
    cipher_suite,
)

__all__ = [
    "IMPLEMENTED",
    "MAX_LEAF_LIFETIME",
    "P256_AES128",
    "P384_AES256",
    "P521_AES256",
    "X448_AES256",
    "X448_CHACHA20",
    "X25519_AES128",
    "X25519_CHACHA20",
    "XWING_AES256",
    "Add",
    "AlreadyConsumed",
    "ApplicationMessage",
    "Capabilities",
    "CipherSuite",
    "CommitApplied",
    "CommitResult",
    "ContentType",
    "Credential",
    "CredentialType",
    "Extension",
    "ExtensionType",
    "ExternalSender",
    "Group",
    "GroupClosed",
    "InvalidMessage",
    "KeyPackage",
    "KeyPackageBundle",
    "MLSError",
    "MalformedMessage",
    "Member",
    "NotMember",
    "Peeked",
    "PreSharedKey",
    "PreSharedKeyID",
    "Proposal",
    "ProposalReceived",
    "ProposalsPending",
    "ReInit",
    "Received",
    "Remove",
    "RequiredCapabilities",
    "ResumptionUsage",
    "Sender",
    "SenderType",
    "SetExtensions",
    "SignatureKey",
    "UnsupportedSuite",
    "Update",
    "WireFormat",
    "WrongEpoch",
    "accept_any",
    "blank_message",
    "check_evidence",
    "cipher_suite",
    "create_key_package",
    "default_capabilities",
    "external_senders",
    "external_senders_extension",
    "grease_extensions",
    "greased",
    "parse_key_package",
    "peek",
    "propose_from_outside",
    "propose_own_add",
    "same_identity",
    "welcome_refs",
]
