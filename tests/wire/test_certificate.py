"""Device certificates, addresses and safety numbers."""

from __future__ import annotations

import hashlib
from dataclasses import replace

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from chappe.wire.certificate import (
    MAX_BYTES,
    DeviceCertificate,
    check_address,
    issue,
    safety_number,
)
from chappe.wire.errors import BadInput, CryptoFailure
from tests.wire.strategies import damaged, ids16, ids32

IDENTITY = Ed25519PrivateKey.from_private_bytes(b"i" * 32)
OTHER = Ed25519PrivateKey.from_private_bytes(b"o" * 32)
LINE, DEVICE, KEY = b"l" * 16, b"d" * 16, b"k" * 32


def certificate(**changes: object) -> DeviceCertificate:
    fields: dict[str, object] = {
        "line_id": LINE,
        "address": "ada@relay.example",
        "device_id": DEVICE,
        "signature_key": KEY,
        "issued_at": 1_790_000_000,
    }
    return issue(IDENTITY, **(fields | changes))  # type: ignore[arg-type]


names = st.from_regex(r"[a-z0-9][a-z0-9._-]{0,31}", fullmatch=True)
certificates = st.builds(
    lambda line, name, device, key, at: certificate(
        line_id=line, address=f"{name}@relay.example", device_id=device, signature_key=key, issued_at=at
    ),
    ids16,
    names,
    ids16,
    ids32,
    st.integers(0, 2**53),
)


@given(certificates)
def test_round_trip(one: DeviceCertificate) -> None:
    again = DeviceCertificate.from_bytes(one.to_bytes())
    assert again == one
    again.verify()
    assert len(one.to_bytes()) <= MAX_BYTES


@given(st.binary(max_size=300) | damaged(certificates.map(DeviceCertificate.to_bytes)))
def test_a_value_has_one_encoding(data: bytes) -> None:
    """Whatever is taken encodes to what it was; all else is certificate.invalid."""
    try:
        found = DeviceCertificate.from_bytes(data)
    except CryptoFailure as problem:
        code = problem.code
    else:
        code = "certificate.invalid"
        assert found.to_bytes() == data
    assert code == "certificate.invalid"


@given(st.integers(0, 10_000))
def test_every_truncation(cut: int) -> None:
    data = certificate().to_bytes()
    with pytest.raises(CryptoFailure):
        DeviceCertificate.from_bytes(data[: cut % len(data)])


@pytest.mark.parametrize(
    "changes",
    [
        {"line_id": b"L" * 16},
        {"address": "eve@relay.example"},
        {"device_id": b"D" * 16},
        {"signature_key": b"K" * 32},
        {"identity_key": OTHER.public_key().public_bytes_raw()},
        {"issued_at": 1},
        {"signature": bytes(64)},
    ],
    ids=lambda changes: next(iter(changes)),
)
def test_each_field_is_signed(changes: dict[str, object]) -> None:
    forged = replace(certificate(), **changes)  # type: ignore[arg-type]
    with pytest.raises(CryptoFailure, match=r"certificate\.invalid"):
        forged.verify()


def test_another_context_is_another_signature() -> None:
    """A signature of the identity key over the same bytes for another purpose is no certificate."""
    one = certificate()
    bare = replace(one, signature=IDENTITY.sign(one._signed_part()))
    with pytest.raises(CryptoFailure):
        bare.verify()


def test_a_key_that_is_none() -> None:
    with pytest.raises(CryptoFailure):
        replace(certificate(), identity_key=b"\xff" * 32).verify()


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("ada@relay.example", "ada@relay.example"),
        (" Ada@Relay.Example ", "ada@relay.example"),
        ("a.b_c-9@localhost", "a.b_c-9@localhost"),
        ("9@h", "9@h"),
        ("a" * 32 + "@h", "a" * 32 + "@h"),
        ("a@" + "b" * 63 + ".c", "a@" + "b" * 63 + ".c"),
    ],
)
def test_addresses(text: str, address: str) -> None:
    assert check_address(text) == address


@pytest.mark.parametrize(
    "text",
    [
        "",
        "@",
        "ada",
        "ada@",
        "@host",
        ".a@host",
        "-a@host",
        "a" * 33 + "@h",
        "a b@host",
        "a@b@c",
        "a@-b",
        "a@b-",
        "a@b..c",
        "a@b:80",
        "a@" + "b" * 64,
        "a@" + "b." * 130 + "c",
        "ada@relay.example\n.evil",
        "аda@relay.example",
        "ada@relay.exämple",
        "a\x00@h",
        "x" * 100_000,
    ],
)
def test_addresses_that_are_none(text: str) -> None:
    with pytest.raises(BadInput, match=r"address\.malformed"):
        check_address(text)


def reference(identity: bytes, line: bytes) -> str:
    """Thirty digits, written out after docs/protocol.md."""
    digest = b"\x00\x00" + identity + line
    for _ in range(5200):
        digest = hashlib.sha512(digest + identity).digest()
    return "".join(f"{int.from_bytes(digest[5 * n : 5 * n + 5], 'big') % 100_000:05}" for n in range(6))


def test_safety_numbers() -> None:
    a, b = (b"a" * 32, b"1" * 16), (b"b" * 32, b"2" * 16)
    number = safety_number(*a, *b)
    assert number.replace(" ", "") == "".join(sorted((reference(*a), reference(*b))))
    assert [len(group) for group in number.split(" ")] == [5] * 12
    assert safety_number(*b, *a) == number
    assert safety_number(a[0], b"x" * 16, *b) != number
    assert safety_number(b"x" * 32, a[1], *b) != number
