"""Wycheproof's HMAC and HKDF cases, through the suites' `mac`, `extract` and `expand_with_label`.

A suite expands with labels only, so no published `info` can be given to it. The published output is made
from the suite's own `extract` and `mac` by HKDF-Expand's definition (RFC 5869, section 2.3); the suite's
labelled expansion must then equal that same definition. There are no cases for HMAC with SHA-384 and
SHA-512: HKDF's exercise both.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from chappe.mls.codec import opaque, u16
from chappe.mls.suites import P384_AES256, X25519_AES128, XWING_AES256, CipherSuite, cipher_suite
from tests.mls.primitives.published import (
    Agrees,
    Case,
    assert_all_agree,
    assert_none_agrees,
    is_valid,
    raw,
    with_flipped,
    with_other_result,
    wycheproof,
)


def expanded(suite: CipherSuite, key: bytes, info: bytes, length: int) -> bytes:
    """HKDF-Expand by its definition, over the suite's HMAC."""
    okm = block = b""
    for counter in range(1, -(-length // suite.nh) + 1):
        block = suite.mac(key, block + info + bytes([counter]))
        okm += block
    return okm[:length]


def hkdf_agrees_with(suite: CipherSuite) -> Agrees:
    def agrees(case: Case) -> bool:
        salt, ikm, info, okm = raw(case, "salt", "ikm", "info", "okm")
        key, size = suite.extract(salt, ikm), case["size"]
        try:
            labelled = suite.expand_with_label(key, "label", info, size)
        except ValueError:
            return not is_valid(case)
        assert labelled == expanded(suite, key, u16(size) + opaque(b"MLS 1.0 label") + opaque(info), size)
        return is_valid(case) and expanded(suite, key, info, size) == okm

    return agrees


@pytest.mark.parametrize(
    ("hash", "suite_id", "count"),
    [("sha256", X25519_AES128, 86), ("sha384", P384_AES256, 83), ("sha512", XWING_AES256, 83)],
)
def test_hkdf(vectors: Path, hash: str, suite_id: int, count: int) -> None:
    """Three cases of each ask for more than 255 blocks, and are refused."""
    cases = wycheproof(vectors, f"hkdf_{hash}")
    agrees = hkdf_agrees_with(cipher_suite(suite_id))
    assert_all_agree(cases, agrees, count)
    assert sum(not is_valid(case) for case in cases) == 3
    assert_none_agrees(map(with_other_result, cases), agrees)
    assert_none_agrees((with_flipped(case, "okm") for case in cases if is_valid(case)), agrees)


def hmac_agrees(case: Case) -> bool:
    """A tag of half the length is compared by its bytes; the suite's own check must refuse it."""
    suite = cipher_suite(X25519_AES128)
    key, message, tag = raw(case, "key", "msg", "tag")
    whole = len(tag) == suite.nh
    assert suite.check_mac(key, message, tag) == (whole and suite.mac(key, message) == tag)
    return is_valid(case) == (suite.mac(key, message)[: len(tag)] == tag)


def test_hmac_sha256(vectors: Path) -> None:
    cases = wycheproof(vectors, "hmac_sha256")
    assert_all_agree(cases, hmac_agrees, 174)
    assert_none_agrees(map(with_other_result, cases), hmac_agrees)
    assert_none_agrees((with_flipped(case, "tag") for case in cases if is_valid(case)), hmac_agrees)
