"""HPKE's vectors: RFC 9180, and those of its post-quantum drafts.

What is run of a vector depends on which of its pieces the engine has:

| vectors                        | run                      | the rest is not the engine's because      |
|--------------------------------|--------------------------|-------------------------------------------|
| base mode, HKDF, one of 3 AEADs| all                      |                                           |
| base mode, export-only AEAD    | key pairs, decapsulation | every MLS suite encrypts                  |
| PSK mode                       | key pairs, decapsulation | MLS's PSKs enter its own key schedule     |
| auth and auth-PSK mode         | key pairs                | MLS authenticates by signature            |
| KDFs 16-19 (SHAKE, TurboSHAKE) | key pairs, decapsulation | every MLS suite has HKDF                  |
| KEMs 64-66, 80, 81             | nothing                  | ML-KEM alone, or with P-256 or P-384: the |
|                                |                          | engine has X-Wing and the DH KEMs         |

The published ciphertexts have associated data, which MLS gives none, and all but the first a sequence number
above zero, which MLS never reaches. So they are opened with the AEAD under the published nonces, and
`Hpke.open` is given the first plaintext sealed without associated data under the published key.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Final, NamedTuple

import pytest
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import hashes

from chappe.mls import hpke, kems
from tests.mls.primitives.published import Case, flipped, load, raw, with_flipped

KEMS: Final[dict[int, kems.Kem]] = {
    kem.id: kem for kem in (kems.X25519, kems.X448, kems.DH_P256, kems.DH_P384, kems.DH_P521, kems.X_WING)
}
HASHES: Final[dict[int, hashes.HashAlgorithm]] = {
    1: hashes.SHA256(),
    2: hashes.SHA384(),
    3: hashes.SHA512(),
}
AEADS: Final = {aead.id: aead for aead in (hpke.AES_128_GCM, hpke.AES_256_GCM, hpke.CHACHA20_POLY1305)}
BASE, PSK = 0, 1


def _hpke(case: Case) -> hpke.Hpke:
    return hpke.Hpke(KEMS[case["kem_id"]], HASHES[case["kdf_id"]], AEADS[case["aead_id"]])


# What can be asked of a vector ----------------------------------------------------------------------


def key_pairs(case: Case) -> bool:
    """DeriveKeyPair of every party whose keying material is given."""
    kem = KEMS[case["kem_id"]]
    return all(
        kem.derive_key_pair(bytes.fromhex(case[f"ikm{party}"]))
        == (bytes.fromhex(case[f"sk{party}m"]), bytes.fromhex(case[f"pk{party}m"]))
        for party in "RES"
        if f"ikm{party}" in case and f"sk{party}m" in case
    )


def public_key(case: Case) -> bool:
    private, public = raw(case, "skRm", "pkRm")
    return KEMS[case["kem_id"]].public_of(private) == public


def decapsulation(case: Case) -> bool:
    private, output, secret = raw(case, "skRm", "enc", "shared_secret")
    return KEMS[case["kem_id"]].decapsulate(private, output) == secret


def key_schedule(case: Case) -> bool:
    secret, info = raw(case, "shared_secret", "info")
    published = hpke.Context(*raw(case, "key", "base_nonce", "exporter_secret"))
    return _hpke(case).schedule(secret, info) == published


def exports(case: Case) -> bool:
    private, output, info = raw(case, "skRm", "enc", "info")
    suite = _hpke(case)
    return all(
        suite.receive_export(private, output, info, bytes.fromhex(export["exporter_context"]), export["L"])
        == bytes.fromhex(export["exported_value"])
        for export in case["exports"]
    )


def sealed(case: Case) -> bool:
    """Every ciphertext, both ways. The nonces are published; the engine only ever uses the first."""
    cipher = AEADS[case["aead_id"]].cipher(bytes.fromhex(case["key"]))
    assert case["encryptions"][0]["nonce"] == case["base_nonce"]
    for one in case["encryptions"]:
        aad, ciphertext, nonce, plaintext = raw(one, "aad", "ct", "nonce", "pt")
        try:
            if cipher.decrypt(nonce, ciphertext, aad) != plaintext:
                return False
        except InvalidTag:
            return False
        if cipher.encrypt(nonce, plaintext, aad) != ciphertext:
            return False
    return True


def opening(case: Case) -> bool:
    key, nonce, private, output, info = raw(case, "key", "base_nonce", "skRm", "enc", "info")
    plaintext = bytes.fromhex(case["encryptions"][0]["pt"])
    ciphertext = AEADS[case["aead_id"]].cipher(key).encrypt(nonce, plaintext, b"")
    try:
        return _hpke(case).open(private, output, info, ciphertext) == plaintext
    except ValueError:
        return False


def _flip(name: str) -> Callable[[Case], Case]:
    return lambda case: with_flipped(case, name)


def _flip_last(list_name: str, name: str) -> Callable[[Case], Case]:
    def change(case: Case) -> Case:
        *others, last = case[list_name]
        return case | {list_name: [*others, last | {name: flipped(last[name])}]}

    return change


class Part(NamedTuple):
    """A check, and the change to a vector that it must notice."""

    holds: Callable[[Case], bool]
    change: Callable[[Case], Case]


KEY_PAIRS = Part(key_pairs, _flip("pkRm"))
PUBLIC_KEY = Part(public_key, _flip("pkRm"))
DECAPSULATION = Part(decapsulation, _flip("shared_secret"))
ALL = (
    KEY_PAIRS,
    PUBLIC_KEY,
    DECAPSULATION,
    Part(key_schedule, _flip("exporter_secret")),
    Part(exports, _flip_last("exports", "exported_value")),
    Part(sealed, _flip_last("encryptions", "ct")),
    Part(opening, _flip("key")),
)
EXPORT_ONLY = 0xFFFF


def parts_of(case: Case) -> tuple[Part, ...]:
    """The table above, but for DeriveKeyPair in the post-quantum drafts (see the tests below)."""
    if case["kem_id"] not in KEMS:
        return ()
    if case["mode"] not in (BASE, PSK):
        return (KEY_PAIRS, PUBLIC_KEY)
    if case["mode"] == BASE and case["aead_id"] in AEADS and case["kdf_id"] in HASHES:
        return ALL
    return (KEY_PAIRS, PUBLIC_KEY, DECAPSULATION)


def run(cases: list[Case], parts: Callable[[Case], tuple[Part, ...]]) -> Counter[str]:
    """Run and count the parts; each is also run on its changed vector, where it must fail."""
    ran: Counter[str] = Counter()
    for case in cases:
        for part in parts(case):
            name = part.holds.__name__
            at = (name, case["mode"], case["kem_id"], case["kdf_id"], case["aead_id"])
            assert part.holds(case), at
            assert not part.holds(part.change(case)), at
            ran[name] += 1
    return ran


# RFC 9180 -------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def rfc9180(vectors: Path) -> list[Case]:
    return load(vectors, "hpke-rfc9180/test-vectors.json")


def test_every_vector_of_the_rfc_has_its_row(rfc9180: list[Case]) -> None:
    rows = Counter(
        (case["mode"], "export only" if case["aead_id"] == EXPORT_ONLY else "") for case in rfc9180
    )
    assert rows == {(mode, ""): 24 for mode in range(4)} | {(mode, "export only"): 8 for mode in range(4)}
    assert {case["kem_id"] for case in rfc9180} == set(KEMS) - {kems.DH_P384.id, kems.X_WING.id}
    assert {case["kdf_id"] for case in rfc9180} == {1, 3}


def test_rfc9180(rfc9180: list[Case]) -> None:
    assert run(rfc9180, parts_of) == {
        "key_pairs": 128,
        "public_key": 128,
        "decapsulation": 24 + 8 + 32,
        "key_schedule": 24,
        "exports": 24,
        "sealed": 24,
        "opening": 24,
    }
    full = [case for case in rfc9180 if parts_of(case) == ALL]
    assert sum(len(case["encryptions"]) for case in full) == 24 * 257
    assert sum(len(case["exports"]) for case in full) == 24 * 3


def test_what_the_engine_seals_to_a_published_key_opens(rfc9180: list[Case]) -> None:
    for case in rfc9180:
        if parts_of(case) != ALL:
            continue
        private, public, info = raw(case, "skRm", "pkRm", "info")
        suite = _hpke(case)
        output, ciphertext = suite.seal(public, info, b"text")
        assert suite.open(private, output, info, ciphertext) == b"text"
        output, secret = suite.send_export(public, info, b"label", 32)
        assert suite.receive_export(private, output, info, b"label", 32) == secret


# The post-quantum drafts ----------------------------------------------------------------------------


def draft_parts(case: Case) -> tuple[Part, ...]:
    """Without DeriveKeyPair where the drafts' key is another one; see the two tests that follow."""
    other_key = case["kem_id"] in (kems.X_WING.id, kems.X448.id)
    return tuple(part for part in parts_of(case) if not (other_key and part is KEY_PAIRS))


def test_hpke_pq(vectors: Path) -> None:
    """X-Wing once in full and once up to the shared secret; the DH KEMs, P-384 among them, up to there."""
    cases = load(vectors, "hpke-pq/test-vectors.json")
    not_ours = [case["kem_id"] for case in cases if not draft_parts(case)]
    assert (len(cases), Counter(not_ours)) == (13, {64: 1, 65: 1, 66: 2, 80: 2, 81: 1})
    assert run(cases, draft_parts) == {
        "key_pairs": 3,
        "public_key": 6,
        "decapsulation": 6,
        "key_schedule": 1,
        "exports": 1,
        "sealed": 1,
        "opening": 1,
    }


def test_hpke_xwing_of_another_library(vectors: Path) -> None:
    """Both have X-Wing, one of them SHAKE-256 as its KDF."""
    cases = load(vectors, "hpke-xwing/test-vectors-go-8aa8a04.json")
    assert len(cases) == 2
    ran = run(cases, draft_parts)
    assert ran == {
        "public_key": 2,
        "decapsulation": 2,
        "key_schedule": 1,
        "exports": 1,
        "sealed": 1,
        "opening": 1,
    }


def test_xwing_key_pairs_follow_the_xwing_draft_not_the_hpke_pq_draft(vectors: Path) -> None:
    """On purpose (decision 0004): SHAKE-256 of the keying material alone, as in section 5.6 of X-Wing's
    draft. The HPKE draft puts labels around it, and nothing but the seed differs."""
    cases = [
        case
        for name in ("hpke-pq/test-vectors.json", "hpke-xwing/test-vectors-go-8aa8a04.json")
        for case in load(vectors, name)
        if case["kem_id"] == kems.X_WING.id
    ]
    assert len(cases) == 4
    for case in cases:
        ikm, private, public = raw(case, "ikmR", "skRm", "pkRm")
        label = b"DeriveKeyPair"
        labeled = b"HPKE-v1KEM\x64\x7a" + len(label).to_bytes(2, "big") + label + (32).to_bytes(2, "big")
        assert private == _shake256(ikm + labeled)
        ours = kems.X_WING.derive_key_pair(ikm)
        assert ours == (_shake256(ikm), kems.X_WING.public_of(_shake256(ikm)))
        assert ours != (private, public)


def _shake256(data: bytes) -> bytes:
    digest = hashes.Hash(hashes.SHAKE256(32))
    digest.update(data)
    return digest.finalize()


def test_the_x448_key_of_hpke_pq_is_ours_clamped(vectors: Path) -> None:
    """RFC 9180 keeps the bytes as derived, and its vectors pass; that library writes them clamped. It is
    the same key: X448 clamps on use."""
    (case,) = [c for c in load(vectors, "hpke-pq/test-vectors.json") if c["kem_id"] == kems.X448.id]
    ikm, published, public = raw(case, "ikmR", "skRm", "pkRm")
    private, own = kems.X448.derive_key_pair(ikm)
    assert (private == published, own) == (False, public)
    assert bytes([private[0] & 0xFC]) + private[1:-1] + bytes([private[-1] | 0x80]) == published
