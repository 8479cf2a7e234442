"""The groups that the tests of this folder start from. Groups are values: each is made once."""

from __future__ import annotations

from functools import cache

import pytest

from chappe.mls import (
    Capabilities,
    CredentialType,
    Extension,
    ExtensionType,
    Group,
    RequiredCapabilities,
    SignatureKey,
    default_capabilities,
)
from chappe.mls.leaf_node import LeafNode
from tests.mls.world import World

NAMES = ("ana", "ben", "cyd", "dan")
KIND = 0xF0C5
"""An extension type of the application."""
PROPOSAL_KIND = 0xF0C6

CAPABLE = Capabilities(
    cipher_suites=default_capabilities().cipher_suites,
    extensions=(ExtensionType.LAST_RESORT, KIND),
    proposals=(PROPOSAL_KIND,),
    credentials=(CredentialType.BASIC, CredentialType.X509),
)
REQUIRED = Extension(
    ExtensionType.REQUIRED_CAPABILITIES,
    RequiredCapabilities((KIND,), (PROPOSAL_KIND,), (CredentialType.X509,)).encode(),
)


@cache
def plain(*names: str) -> dict[str, Group]:
    """A group without extensions; after everybody's commit no parent is blank."""
    return _settled(World.of(1, *(names or NAMES)))


@cache
def strict() -> dict[str, Group]:
    """A group that requires capabilities of its members."""
    return _settled(World.of(1, *NAMES, extensions=(REQUIRED,), capabilities=CAPABLE))


def _settled(world: World) -> dict[str, Group]:
    for name in list(world.groups):
        world.commit(name)
    return world.groups


def leaf_of(group: Group) -> LeafNode:
    """The member's own leaf."""
    leaf = group._state.tree.leaf(group.own_leaf)
    assert leaf is not None
    return leaf


def signer_of(group: Group) -> SignatureKey:
    return group._state.signer


def rule(section: str, requirement: str) -> pytest.MarkDecorator:
    """What the test breaks: it becomes a row of docs/mls-conformance.md."""
    return pytest.mark.rfc9420(section, requirement)
