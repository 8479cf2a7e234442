"""Wycheproof's AEAD cases, through the suites' `seal` and `open`."""

from __future__ import annotations

from pathlib import Path

import pytest

from chappe.mls.errors import InvalidMessage
from chappe.mls.suites import X25519_AES128, X25519_CHACHA20, XWING_AES256, CipherSuite, cipher_suite
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


def agrees_with(suite: CipherSuite) -> Agrees:
    def agrees(case: Case) -> bool:
        key, nonce, aad, plaintext, ciphertext, tag = raw(case, "key", "iv", "aad", "msg", "ct", "tag")
        try:
            opened = suite.open(key, nonce, aad, ciphertext + tag)
        except InvalidMessage:
            return not is_valid(case)
        sealed = suite.seal(key, nonce, aad, plaintext)
        return is_valid(case) and (opened, sealed) == (plaintext, ciphertext + tag)

    return agrees


def check(cases: list[Case], suite_id: int, count: int) -> None:
    agrees = agrees_with(cipher_suite(suite_id))
    assert_all_agree(cases, agrees, count)
    assert_none_agrees(map(with_other_result, cases), agrees)
    assert_none_agrees((with_flipped(case, "tag") for case in cases if is_valid(case)), agrees)


@pytest.mark.parametrize(
    ("key_bits", "suite_id", "count"), [(128, X25519_AES128, 67), (256, XWING_AES256, 66)]
)
def test_aes_gcm(vectors: Path, key_bits: int, suite_id: int, count: int) -> None:
    sizes = (key_bits, 96, 128)
    cases = [
        case
        for case in wycheproof(vectors, "aes_gcm")
        if (case["keySize"], case["ivSize"], case["tagSize"]) == sizes
    ]
    check(cases, suite_id, count)


def test_the_other_aes_gcm_cases_are_not_the_engines(vectors: Path) -> None:
    """Keys of 192 bits are of no suite (64 cases more would have a nonce of ours). Nonces of another
    length never arise: MLS makes each one from `nn`, 12 bytes, of the key schedule (RFC 9420, section 9)."""
    cases = wycheproof(vectors, "aes_gcm")
    odd_nonce = [case for case in cases if case["ivSize"] != 96]
    odd_key = [case for case in cases if case["ivSize"] == 96 and case["keySize"] == 192]
    assert (len(cases), len(odd_nonce), len(odd_key)) == (67 + 66 + 119 + 64, 119, 64)
    assert {case["tagSize"] for case in cases} == {128}
    assert {cipher_suite(suite_id).nn for suite_id in (X25519_AES128, XWING_AES256)} == {12}


def test_chacha20_poly1305(vectors: Path) -> None:
    """All of them: nine have nonces of another length, which `open` refuses like any bad ciphertext."""
    cases = wycheproof(vectors, "chacha20_poly1305")
    assert sum(case["ivSize"] != 96 for case in cases) == 9
    check(cases, X25519_CHACHA20, 325)
