"""Wycheproof's Ed25519 and ECDSA cases, through the schemes; and signing, from the working group's vectors.

Wycheproof's file for Ed25519 gives no private key. The published signatures that can be made anew are those
of `mls/crypto-basics.json` in suites whose scheme is deterministic for everybody, Ed25519 and Ed448.
"""

from __future__ import annotations

from pathlib import Path

from chappe.mls.signatures import ECDSA_P256, ED25519, Scheme
from chappe.mls.suites import X448_AES256, X448_CHACHA20, X25519_AES128, X25519_CHACHA20, cipher_suite
from tests.mls.primitives.published import (
    Agrees,
    Case,
    assert_all_agree,
    assert_none_agrees,
    is_valid,
    load,
    raw,
    with_flipped,
    with_other_result,
    wycheproof,
)


def agrees_with(scheme: Scheme, key_name: str) -> Agrees:
    def agrees(case: Case) -> bool:
        message, signature = raw(case, "msg", "sig")
        public = bytes.fromhex(case["publicKey"][key_name])
        return scheme.verify(public, message, signature) == is_valid(case)

    return agrees


def check(cases: list[Case], agrees: Agrees, count: int) -> None:
    assert_all_agree(cases, agrees, count)
    assert_none_agrees(map(with_other_result, cases), agrees)
    assert_none_agrees((case | {"msg": case["msg"] + "00"} for case in cases if is_valid(case)), agrees)


def test_ed25519(vectors: Path) -> None:
    cases = wycheproof(vectors, "ed25519")
    agrees = agrees_with(ED25519, "pk")
    check(cases, agrees, 151)
    assert_none_agrees((with_flipped(case, "sig") for case in cases if is_valid(case)), agrees)
    assert not any("d" in case["publicKeyJwk"] for case in cases)


def test_ecdsa_p256(vectors: Path) -> None:
    """DER and nothing else: BER lengths, trailing bytes, missing zeros and integers out of range are
    refused."""
    check(wycheproof(vectors, "ecdsa_secp256r1_sha256"), agrees_with(ECDSA_P256, "uncompressed"), 484)


def test_ecdsa_takes_both_signs_of_s(vectors: Path) -> None:
    """On purpose (decision 0004): FIPS 186-5 knows no low-s rule, and MLS takes no name from a signature.
    Two published cases have the two halves of the order as their s, one bit apart, and both are valid."""
    cases = wycheproof(vectors, "ecdsa_secp256r1_sha256")
    edge = [case for case in cases if case["comment"] == "edge case for signature malleability"]
    assert [is_valid(case) for case in edge] == [True, True]
    agrees = agrees_with(ECDSA_P256, "uncompressed")
    assert all(agrees(with_flipped(case, "sig")) for case in edge)


def signing_agrees(case: Case) -> bool:
    signed = case["sign_with_label"]
    private, content, signature = raw(signed, "priv", "content", "signature")
    return cipher_suite(case["cipher_suite"]).sign_with_label(private, signed["label"], content) == signature


def test_published_eddsa_signatures_are_made_anew(vectors: Path) -> None:
    eddsa = {X25519_AES128, X25519_CHACHA20, X448_AES256, X448_CHACHA20}
    cases = [c for c in load(vectors, "mls/crypto-basics.json") if c["cipher_suite"] in eddsa]
    assert_all_agree(cases, signing_agrees, 4)
    changed = (
        case | {"sign_with_label": with_flipped(case["sign_with_label"], name)}
        for case in cases
        for name in ("priv", "content", "signature")
    )
    assert_none_agrees(changed, signing_agrees)
