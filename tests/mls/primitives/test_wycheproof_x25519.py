"""Wycheproof's X25519 cases, through DHKEM: the case's public key is the KEM output that arrives.

`acceptable` is Wycheproof's word where implementations may differ. The engine computes all of them (points
of the twist, non-canonical coordinates) but those whose result is zero, which RFC 9180 (section 7.1.4)
makes it refuse.
"""

from __future__ import annotations

from pathlib import Path

import pytest
from cryptography.hazmat.primitives import hashes

from chappe.mls import hpke, kems
from chappe.mls.errors import InvalidMessage
from chappe.mls.suites import X25519_AES128, XWING_AES256, HPKECiphertext, cipher_suite
from tests.mls.primitives.published import (
    Case,
    assert_all_agree,
    assert_none_agrees,
    raw,
    with_flipped,
    wycheproof,
)

X25519_SUITE = hpke.Hpke(kems.X25519, hashes.SHA256(), hpke.AES_128_GCM)
XWING_SUITE = hpke.Hpke(kems.X_WING, hashes.SHA512(), hpke.AES_256_GCM)


@pytest.fixture(scope="module")
def cases(vectors: Path) -> list[Case]:
    return wycheproof(vectors, "x25519")


@pytest.fixture(scope="module")
def zero_points(cases: list[Case]) -> list[bytes]:
    """Public keys with which every exchange is zero."""
    points = {case["public"] for case in cases if "ZeroSharedSecret" in case["flags"]}
    return [bytes.fromhex(point) for point in sorted(points)]


def agrees(case: Case) -> bool:
    private, public, dh = raw(case, "private", "public", "shared")
    try:
        secret = kems.X25519.decapsulate(private, public)
    except ValueError:
        return not any(dh)
    return secret == _dhkem_secret(dh, public + kems.X25519.public_of(private))


def _dhkem_secret(dh: bytes, context: bytes) -> bytes:
    """ExtractAndExpand of RFC 9180, section 4.1."""
    suite_id = b"KEM\x00\x20"
    prk = kems.labeled_extract(hashes.SHA256(), suite_id, b"", b"eae_prk", dh)
    return kems.labeled_expand(hashes.SHA256(), suite_id, prk, b"shared_secret", context, 32)


def test_exchange(cases: list[Case]) -> None:
    assert_all_agree(cases, agrees, 518)
    assert_none_agrees((with_flipped(case, "shared") for case in cases), agrees)
    zero = [case for case in cases if not any(bytes.fromhex(case["shared"]))]
    assert zero == [case for case in cases if "ZeroSharedSecret" in case["flags"]]
    assert len(zero) == 31


def test_a_zero_secret_is_refused_in_every_way_in(zero_points: list[bytes]) -> None:
    """Sent to and received from, by the KEM and by `cryptography`'s own HPKE."""
    private, _ = kems.X25519.derive_key_pair(bytes(32))
    assert len(zero_points) >= 12
    for point in zero_points:
        with pytest.raises(ValueError, match="shared key"):
            kems.X25519.encapsulate(point)
        with pytest.raises(ValueError, match="shared key"):
            kems.X25519.decapsulate(private, point)
        with pytest.raises(ValueError, match="shared key"):
            X25519_SUITE.seal(point, b"", b"")
        with pytest.raises(ValueError, match="does not open"):
            X25519_SUITE.open(private, point, b"", bytes(16))


def test_a_zero_secret_is_refused_in_xwing_too(zero_points: list[bytes]) -> None:
    """X-Wing's draft asks for no such check and is safe without: its other half holds. The engine is the
    stricter one, on purpose (decision 0004); no honest key or output is of this form."""
    private, public = kems.X_WING.derive_key_pair(bytes(32))
    output, _ = XWING_SUITE.seal(public, b"", b"")
    for point in zero_points:
        with pytest.raises(ValueError, match="shared key"):
            kems.X_WING.encapsulate(public[:-32] + point)
        with pytest.raises(ValueError, match="shared key"):
            kems.X_WING.decapsulate(private, output[:-32] + point)
        with pytest.raises(ValueError, match="shared key"):
            XWING_SUITE.seal(public[:-32] + point, b"", b"")
        with pytest.raises(ValueError, match="does not open"):
            XWING_SUITE.open(private, output[:-32] + point, b"", bytes(16))


def test_the_suites_say_so_as_messages(zero_points: list[bytes]) -> None:
    for suite_id in (X25519_AES128, XWING_AES256):
        suite = cipher_suite(suite_id)
        pair = suite.derive_key_pair(bytes(32))
        sealed = suite.encrypt_with_label(pair.public, "label", b"", b"text")
        output, _ = suite.external_init(pair.public)
        for point in zero_points:
            public, forged = pair.public[:-32] + point, output[:-32] + point
            with pytest.raises(InvalidMessage):
                suite.encrypt_with_label(public, "label", b"", b"text")
            with pytest.raises(InvalidMessage):
                suite.decrypt_with_label(
                    pair.private, "label", b"", HPKECiphertext(forged, sealed.ciphertext)
                )
            with pytest.raises(InvalidMessage):
                suite.external_init(public)
            with pytest.raises(InvalidMessage):
                suite.external_init_secret(pair.private, forged)


def test_a_key_that_nobody_can_seal_to_is_no_key(zero_points: list[bytes]) -> None:
    """A member who puts one into a leaf or a path would stop every commit that must be sealed to it. It is
    refused when it comes, where only its sender loses."""
    for suite_id in (X25519_AES128, XWING_AES256):
        suite = cipher_suite(suite_id)
        public = suite.derive_key_pair(bytes(32)).public
        assert suite.is_public_key(public)
        for point in zero_points:
            assert not suite.is_public_key(public[:-32] + point)
