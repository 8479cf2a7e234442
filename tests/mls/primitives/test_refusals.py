"""What the engine must refuse and no published file holds in full: points, private keys, DER."""

from __future__ import annotations

import pytest

from chappe.mls import kems, signatures
from chappe.mls.suites import (
    P256_AES128,
    P384_AES256,
    P521_AES256,
    X448_AES256,
    cipher_suite,
)

NIST = [
    (kems.DH_P256, kems.P256, P256_AES128, signatures.ECDSA_P256),
    (kems.DH_P384, kems.P384, P384_AES256, signatures.ECDSA_P384),
    (kems.DH_P521, kems.P521, P521_AES256, signatures.ECDSA_P521),
]
IDS = ["P-256", "P-384", "P-521"]
X448_PRIME = 2**448 - 2**224 - 1


def bad_points(public: bytes) -> dict[str, bytes]:
    size, odd = (len(public) - 1) // 2, public[-1] & 1
    return {
        "compressed": bytes([2 + odd]) + public[1 : 1 + size],
        "hybrid": bytes([6 + odd]) + public[1:],
        "off the curve": public[:-1] + bytes([public[-1] ^ 1]),
        "zero": b"\x04" + bytes(2 * size),
        "coordinates not reduced": b"\x04" + b"\xff" * (2 * size),
        "infinity": b"\x00",
        "infinity, padded": bytes(2 * size + 1),
        "short": public[:-1],
        "long": public + b"\x00",
        "empty": b"",
    }


@pytest.mark.parametrize(("kem", "curve", "suite_id", "scheme"), NIST, ids=IDS)
def test_points_of_the_nist_curves(
    kem: kems.DhKem, curve: kems.NistCurve, suite_id: int, scheme: signatures.Scheme
) -> None:
    private, public = kem.derive_key_pair(b"keying material")
    suite = cipher_suite(suite_id)
    signature = scheme.sign(private, b"message")
    assert suite.is_public_key(public)
    assert scheme.verify(public, b"message", signature)
    for point in bad_points(public).values():
        assert not suite.is_public_key(point)
        assert not scheme.is_public_key(point)
        assert not scheme.verify(point, b"message", signature)
        with pytest.raises(ValueError):
            kem.encapsulate(point)
        with pytest.raises(ValueError):
            kem.decapsulate(private, point)


@pytest.mark.parametrize(("kem", "curve", "suite_id", "scheme"), NIST, ids=IDS)
def test_private_keys_of_the_nist_curves(
    kem: kems.DhKem, curve: kems.NistCurve, suite_id: int, scheme: signatures.Scheme
) -> None:
    order = curve.order
    assert kem.public_of((order - 1).to_bytes(curve.size, "big"))
    for private in (
        b"",
        bytes(curve.size),
        order.to_bytes(curve.size, "big"),
        b"\xff" * curve.size,
        bytes(curve.size) + b"\x01",
    ):
        with pytest.raises(ValueError):
            kem.public_of(private)
        with pytest.raises(ValueError):
            scheme.public_of(private)


@pytest.mark.parametrize(("kem", "curve", "suite_id", "scheme"), NIST, ids=IDS)
def test_ecdsa_signatures_are_der_to_the_byte(
    kem: kems.DhKem, curve: kems.NistCurve, suite_id: int, scheme: signatures.Scheme
) -> None:
    """Wycheproof has this for P-256; the other curves share the code, not the lengths."""
    private = scheme.generate()
    public = scheme.public_of(private)
    signature = scheme.sign(private, b"message")
    assert scheme.verify(public, b"message", signature)
    half = (len(signature) - 2) // 2
    for other in (
        b"",
        signature + b"\x00",
        signature[:-1],
        signature[:1] + b"\x80" + signature[2:] + b"\x00\x00",
        signature[:1] + bytes([0x82, 0, len(signature) - 2]) + signature[2:],
        b"\x30\x06\x02\x01\x00\x02\x01\x00",
        signature[2 : 2 + half],
    ):
        assert not scheme.verify(public, b"message", other)


@pytest.mark.parametrize("coordinate", [0, 1, X448_PRIME - 1, X448_PRIME, X448_PRIME + 1])
def test_x448_refuses_a_zero_secret(coordinate: int) -> None:
    """The points of low order, reduced and not. There is no published file for X448 here."""
    point = coordinate.to_bytes(56, "little")
    private, _ = kems.X448.derive_key_pair(bytes(56))
    with pytest.raises(ValueError, match="shared key"):
        kems.X448.encapsulate(point)
    with pytest.raises(ValueError, match="shared key"):
        kems.X448.decapsulate(private, point)
    assert not cipher_suite(X448_AES256).is_public_key(point)


@pytest.mark.parametrize("kem", [kems.X25519, kems.X448, kems.X_WING], ids=["X25519", "X448", "X-Wing"])
def test_raw_keys_have_one_length(kem: kems.Kem) -> None:
    private, public = kem.derive_key_pair(b"keying material")
    for other in (b"", public[:-1], public + b"\x00"):
        with pytest.raises(ValueError):
            kem.encapsulate(other)
    _, output = kem.encapsulate(public)
    for other in (b"", output[:-1], output + b"\x00"):
        with pytest.raises(ValueError):
            kem.decapsulate(private, other)
    for other in (b"", private[:-1], private + b"\x00"):
        with pytest.raises(ValueError):
            kem.public_of(other)


@pytest.mark.parametrize("scheme", [signatures.ED25519, signatures.ED448], ids=["Ed25519", "Ed448"])
def test_eddsa_keys_and_signatures_have_one_length(scheme: signatures.Scheme) -> None:
    private = scheme.generate()
    public, signature = scheme.public_of(private), scheme.sign(private, b"message")
    assert scheme.verify(public, b"message", signature)
    for other in (b"", signature[:-1], signature + b"\x00"):
        assert not scheme.verify(public, b"message", other)
    for other in (b"", public[:-1], public + b"\x00"):
        assert not scheme.is_public_key(other)
        assert not scheme.verify(other, b"message", signature)


def test_an_ed25519_key_that_is_no_point_verifies_nothing() -> None:
    """`cryptography` looks at a key's length when it is loaded, at the point when it is used."""
    no_point = b"\x02" + bytes(31)
    signature = signatures.ED25519.sign(bytes(32), b"message")
    assert signatures.ED25519.is_public_key(no_point)
    assert not signatures.ED25519.verify(no_point, b"message", signature)
