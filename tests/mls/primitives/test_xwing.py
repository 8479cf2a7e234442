"""X-Wing's own vectors, through the KEM and through the HPKE that the engine seals with.

`eseed`, the randomness of the encapsulation, cannot be given: `cryptography` draws its own. Its second half
is checked against the share that it makes; the rest of an encapsulation, by opening it again.
"""

from __future__ import annotations

from pathlib import Path

import pytest
from cryptography.hazmat.primitives import hashes

from chappe.mls import hpke, kems
from tests.mls.primitives.published import (
    Case,
    assert_all_agree,
    assert_none_agrees,
    load,
    raw,
    with_flipped,
)

HPKE = hpke.Hpke(kems.X_WING, hashes.SHA512(), hpke.AES_256_GCM)


@pytest.fixture
def cases(vectors: Path) -> list[Case]:
    return load(vectors, "xwing/test-vectors.json")


def kem_agrees(case: Case) -> bool:
    private, public, output, secret = raw(case, "sk", "pk", "ct", "ss")
    return kems.X_WING.public_of(private) == public and kems.X_WING.decapsulate(private, output) == secret


def native_agrees(case: Case) -> bool:
    """`cryptography`'s HPKE opens what is sealed under the published shared secret."""
    private, output, secret = raw(case, "sk", "ct", "ss")
    context = HPKE.schedule(secret, b"info")
    sealed = hpke.AES_256_GCM.cipher(context.key).encrypt(context.base_nonce, b"text", b"")
    try:
        return HPKE.open(private, output, b"info", sealed) == b"text"
    except ValueError:
        return False


def share_agrees(case: Case) -> bool:
    randomness, output = raw(case, "eseed", "ct")
    return kems.X25519.public_of(randomness[32:]) == output[-32:]


def test_key_pairs_and_decapsulation(cases: list[Case]) -> None:
    assert_all_agree(cases, kem_agrees, 3)
    for name in ("sk", "pk", "ct", "ss"):
        assert_none_agrees((with_flipped(case, name) for case in cases), kem_agrees)


def test_native_hpke_has_the_same_shared_secret(cases: list[Case]) -> None:
    assert_all_agree(cases, native_agrees, 3)
    for name in ("sk", "ct", "ss"):
        assert_none_agrees((with_flipped(case, name) for case in cases), native_agrees)


def test_the_share_is_that_of_the_second_half_of_the_randomness(cases: list[Case]) -> None:
    assert_all_agree(cases, share_agrees, 3)
    assert_none_agrees((with_flipped(case, "ct") for case in cases), share_agrees)


def test_what_is_encapsulated_to_a_published_key_comes_out_again(cases: list[Case]) -> None:
    for case in cases:
        private, public = raw(case, "sk", "pk")
        secret, output = kems.X_WING.encapsulate(public)
        assert kems.X_WING.decapsulate(private, output) == secret
        assert HPKE.open(private, *_opened(HPKE.seal(public, b"info", b"text"))) == b"text"


def _opened(sealed: tuple[bytes, bytes]) -> tuple[bytes, bytes, bytes]:
    output, ciphertext = sealed
    return output, b"info", ciphertext


def test_a_damaged_mlkem_ciphertext_gives_another_secret_not_an_error(cases: list[Case]) -> None:
    """ML-KEM's implicit rejection: who is sent a damaged one learns nothing, neither does the sender."""
    for case in cases:
        private, output, secret = raw(case, "sk", "ct", "ss")
        damaged = bytes([output[0] ^ 1]) + output[1:]
        other = kems.X_WING.decapsulate(private, damaged)
        assert other != secret
        assert other == kems.X_WING.decapsulate(private, damaged)
