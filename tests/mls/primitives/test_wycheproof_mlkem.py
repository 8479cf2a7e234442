"""Wycheproof's ML-KEM-768 cases, through X-Wing, the only place where the engine has ML-KEM.

X-Wing expands its 32-byte private key by SHAKE-256 into ML-KEM's seed and an X25519 key. Here that expansion
alone is replaced, so that the published seed comes out of it; all else is the engine's own path. What a case
says of ML-KEM's secret is then checked through X-Wing's combiner.

What cannot be run: the randomness `m` of an encapsulation, as `cryptography` draws its own, and expanded
decapsulation keys, as it takes seeds only. The published outputs are decapsulated instead where another file
has the seed of their key.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric.mlkem import MLKEM768PrivateKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey

from chappe.mls import kems
from tests.mls.primitives.published import (
    Case,
    assert_all_agree,
    assert_none_agrees,
    is_valid,
    raw,
    with_flipped,
    with_other_result,
    wycheproof,
)

X25519_PRIVATE, X25519_PUBLIC = kems.X25519.derive_key_pair(b"the half that is not ML-KEM's")
_, SHARE = kems.X25519.derive_key_pair(b"what is sent to it")
SEED_BYTES = 64

KeyOf = Callable[[bytes], bytes]


@pytest.fixture
def key_of(monkeypatch: pytest.MonkeyPatch) -> KeyOf:
    """An X-Wing private key that expands into this ML-KEM seed."""

    def make(seed: bytes) -> bytes:
        monkeypatch.setattr(kems, "_shake256", lambda data, length: seed + X25519_PRIVATE)
        return bytes(32)

    return make


def combined(mlkem_secret: bytes) -> bytes:
    """X-Wing's combiner (section 5.3 of its draft), for the share above."""
    dh = X25519PrivateKey.from_private_bytes(X25519_PRIVATE).exchange(
        X25519PublicKey.from_public_bytes(SHARE)
    )
    digest = hashes.Hash(hashes.SHA3_256())
    digest.update(mlkem_secret + dh + SHARE + X25519_PUBLIC + b"\\.//^\\")
    return digest.finalize()


def public_agrees(case: Case, key_of: KeyOf) -> bool:
    seed, public = raw(case, "seed", "ek")
    return kems.X_WING.public_of(key_of(seed)) == public + X25519_PUBLIC


def decapsulation_agrees(case: Case, key_of: KeyOf) -> bool:
    """A published secret comes out, or the case is refused."""
    seed, output = raw(case, "seed", "c")
    assert len(seed) == SEED_BYTES
    try:
        secret = kems.X_WING.decapsulate(key_of(seed), output + SHARE)
    except ValueError:
        return not is_valid(case)
    return is_valid(case) and secret == combined(bytes.fromhex(case["K"]))


def key_is_taken_as_published(case: Case) -> bool:
    """FIPS 203, section 7.2: the length, and every coefficient below q."""
    public = bytes.fromhex(case["ek"]) + X25519_PUBLIC
    try:
        kems.X_WING.load_public(public)
        kems.X_WING.encapsulate(public)
    except ValueError:
        return not is_valid(case)
    return is_valid(case)


def seeds_by_key(vectors: Path) -> dict[str, str]:
    cases = wycheproof(vectors, "mlkem_768") + wycheproof(vectors, "mlkem_768_keygen_seed")
    return {case["ek"]: case["seed"] for case in cases if is_valid(case)}


def test_key_generation(vectors: Path, key_of: KeyOf) -> None:
    cases = wycheproof(vectors, "mlkem_768_keygen_seed")
    assert_all_agree(cases, lambda case: public_agrees(case, key_of), 100)
    assert_none_agrees((with_flipped(c, "ek") for c in cases), lambda case: public_agrees(case, key_of))
    reversed_seeds = (case | {"seed": case["seed"][::-1]} for case in cases)
    assert_none_agrees(reversed_seeds, lambda case: public_agrees(case, key_of))


def test_decapsulation(vectors: Path, key_of: KeyOf) -> None:
    """173 cases: among them damaged ciphertexts, whose published secret is that of implicit rejection, and
    20 of a wrong length."""
    every = wycheproof(vectors, "mlkem_768")
    cases = [case for case in every if len(case["seed"]) == 2 * SEED_BYTES]
    valid = [case for case in cases if is_valid(case)]
    assert (len(every), len(valid)) == (193, 153)
    assert_all_agree(cases, lambda case: decapsulation_agrees(case, key_of), 173)
    turned = (with_other_result({"K": "00" * 32} | case) for case in cases)
    assert_none_agrees(turned, lambda case: decapsulation_agrees(case, key_of))
    for name in ("c", "K"):
        changed = (with_flipped(case, name) for case in valid)
        assert_none_agrees(changed, lambda case: decapsulation_agrees(case, key_of))
    with_public = [case for case in valid if "ek" in case]
    assert_all_agree(with_public, lambda case: public_agrees(case, key_of), 153)


def test_seeds_of_a_wrong_length(vectors: Path) -> None:
    """The other 20 cases of that file. The engine always cuts ML-KEM's seed to length itself, so they are
    put to the call that it makes; as X-Wing private keys they are refused as well."""
    cases = [case for case in wycheproof(vectors, "mlkem_768") if len(case["seed"]) != 2 * SEED_BYTES]
    assert (len(cases), any(map(is_valid, cases))) == (20, False)
    for case in cases:
        seed, output = raw(case, "seed", "c")
        with pytest.raises(ValueError, match="64 bytes"):
            MLKEM768PrivateKey.from_seed_bytes(seed)
        with pytest.raises(ValueError, match="32 bytes"):
            kems.X_WING.decapsulate(seed, output + SHARE)


def test_encapsulation_keys(vectors: Path) -> None:
    """All 265: 112 keys that are not reduced and 20 of a wrong length are refused, the rest sealed to."""
    cases = wycheproof(vectors, "mlkem_768_encaps")
    assert_all_agree(cases, key_is_taken_as_published, 265)
    assert_none_agrees(map(with_other_result, cases), key_is_taken_as_published)
    assert sum(not is_valid(case) for case in cases) == 112 + 20


def test_published_encapsulations_are_decapsulated(vectors: Path, key_of: KeyOf) -> None:
    """130 of the 133 valid ones. The keys of the other three are of no seed that is published."""
    valid = [case for case in wycheproof(vectors, "mlkem_768_encaps") if is_valid(case)]
    seeds = seeds_by_key(vectors)
    cases = [case | {"seed": seeds[case["ek"]]} for case in valid if case["ek"] in seeds]
    rest = [case["comment"] for case in valid if case["ek"] not in seeds]
    assert sorted(rest) == ["Zero error", "Zero secret", "Zero secret and error"]
    assert_all_agree(cases, lambda case: decapsulation_agrees(case, key_of), 130)
    changed = (with_flipped(case, "K") for case in cases)
    assert_none_agrees(changed, lambda case: decapsulation_agrees(case, key_of))


def test_what_is_encapsulated_to_a_published_key_comes_out_again(vectors: Path, key_of: KeyOf) -> None:
    cases = wycheproof(vectors, "mlkem_768_keygen_seed")
    for case in cases:
        seed, public = raw(case, "seed", "ek")
        secret, output = kems.X_WING.encapsulate(public + X25519_PUBLIC)
        assert kems.X_WING.decapsulate(key_of(seed), output) == secret


def expanded_case_agrees(case: Case) -> bool:
    """What can be asked without the expanded key: is the encapsulation key one, has the output its length?"""
    public, output = raw(case, "ek", "c")
    try:
        kems.X_WING.load_public(public + X25519_PUBLIC)
        kems.X_WING.decapsulate(bytes(32), output + SHARE)
    except ValueError:
        return "IncorrectCiphertextLength" in case["flags"]
    return "IncorrectCiphertextLength" not in case["flags"]


def test_expanded_decapsulation_keys(vectors: Path) -> None:
    """Nine cases. None of the keys gets in, good or bad: a private key is a seed here, so whether its parts
    fit together (FIPS 203, section 7.3) is no question."""
    cases = wycheproof(vectors, "mlkem_768_semi_expanded_decaps")
    assert_all_agree(cases, expanded_case_agrees, 9)
    too_long = (case | {"c": case["c"] + "00"} for case in cases if len(case["c"]) == 2 * 1088)
    assert_none_agrees(too_long, expanded_case_agrees)
    for case in cases:
        expanded, output = raw(case, "dk", "c")
        with pytest.raises(ValueError, match="32 bytes"):
            kems.X_WING.load_private(expanded)
        with pytest.raises(ValueError, match="64 bytes"):
            MLKEM768PrivateKey.from_seed_bytes(expanded)
        with pytest.raises(ValueError, match=r"32 bytes|1120 bytes"):
            kems.X_WING.decapsulate(expanded, output + SHARE)
