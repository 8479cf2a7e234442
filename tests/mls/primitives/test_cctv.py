"""Edge cases where Ed25519 verifiers disagree (C2SP CCTV), and the engine's verdict on each.

The engine verifies as OpenSSL does, without the cofactor: it computes S*B - k*A, encodes the point and
compares bytes with R. So two things decide, and they decide alone:

- `low_order_residue`: the equation holds only times eight. Refused.
- `non_canonical_R`: R is not the one encoding of its point. Refused, as bytes are compared.

Accepted, where neither is the case: A of low order or with a low-order part, R of low order, and a
non-canonical A, hashed into k as it was given (`reencoded_k` marks cases where k is of the canonical A).
Why that is right for Chappe: decision 0004.
"""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from chappe.mls.signatures import ED25519
from tests.mls.primitives.published import Case, assert_all_agree, assert_none_agrees, load, raw, with_flipped

DECIDING = {"low_order_residue", "non_canonical_R"}


@pytest.fixture(scope="module")
def cases(vectors: Path) -> list[Case]:
    return load(vectors, "cctv/ed25519vectors.json")


def accepted(case: Case) -> bool:
    key, signature = raw(case, "key", "sig")
    return ED25519.verify(key, case["msg"].encode(), signature)


def agrees(case: Case) -> bool:
    return accepted(case) == DECIDING.isdisjoint(case["flags"] or ())


def test_every_case_is_judged_by_the_two_flags(cases: list[Case]) -> None:
    assert_all_agree(cases, agrees, 914)


def test_a_changed_case_is_judged_otherwise(cases: list[Case]) -> None:
    held = [case for case in cases if accepted(case)]
    assert_none_agrees((with_flipped(case, "sig") for case in held), agrees)
    assert_none_agrees((case | {"flags": ["low_order_residue"]} for case in held), agrees)
    refused = [case for case in cases if not accepted(case)]
    assert_none_agrees((case | {"flags": None} for case in refused), agrees)


def test_how_many_of_each_are_accepted(cases: list[Case]) -> None:
    """The whole verdict in numbers: a change of library that moves one of them is seen."""
    counted = Counter(flag for case in cases for flag in case["flags"] or ())
    held = Counter(flag for case in cases if accepted(case) for flag in case["flags"] or ())
    verdict = {flag: (held[flag], counted[flag]) for flag in counted}
    assert sum(accepted(case) for case in cases) == 208
    assert verdict == {
        "low_order_residue": (0, 583),
        "non_canonical_R": (0, 316),
        "low_order_R": (99, 586),
        "low_order_A": (122, 526),
        "low_order_component_R": (159, 665),
        "low_order_component_A": (195, 774),
        "non_canonical_A": (36, 226),
        "reencoded_k": (10, 146),
    }
