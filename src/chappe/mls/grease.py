"""GREASE: values that mean nothing, so that whoever does not ignore unknown ones is found out early
(RFC 9420 section 13.5).

The engine gives them no rule of their own: what it receives of them is unknown to it like any other value.
"""

from __future__ import annotations

from dataclasses import replace

from chappe.mls.leaf_node import Capabilities, Extension, Extensions
from chappe.mls.suites import Random

VALUES = tuple(0x0A0A + 0x1010 * step for step in range(15))
"""0x0A0A to 0xEAEA."""

_MAX_DATA = 32


def greased(capabilities: Capabilities, random: Random) -> Capabilities:
    """The capabilities to send: one random value more in each list that may hold one. A client's own list,
    against which it compares others', stays without."""
    return replace(
        capabilities,
        cipher_suites=_with_one(capabilities.cipher_suites, random),
        extensions=_with_one(capabilities.extensions, random),
        proposals=_with_one(capabilities.proposals, random),
        credentials=_with_one(capabilities.credentials, random),
    )


def grease_extensions(capabilities: Capabilities, random: Random) -> Extensions:
    """An extension that means nothing, of the type that greased capabilities list: for a leaf, a key package
    or a GroupInfo. None where they list no GREASE."""
    listed = [kind for kind in capabilities.extensions if kind in VALUES]
    return tuple(Extension(kind, random(random(1)[0] % (_MAX_DATA + 1))) for kind in listed)


def _with_one(values: tuple[int, ...], random: Random) -> tuple[int, ...]:
    """At a random place: a list whose first value alone is looked at would not be found out by a last one."""
    unused = [value for value in VALUES if value not in values]
    if not unused:
        return values
    value, at = unused[random(1)[0] % len(unused)], random(1)[0] % (len(values) + 1)
    return (*values[:at], value, *values[at:])
