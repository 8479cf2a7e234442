"""Every decoder against random and mutated bytes: MalformedMessage or a value that encodes back."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chappe.mls import Group, MLSError, accept_any, parse_key_package, peek, welcome_refs
from chappe.mls.codec import Reader, opaque, parse, varint
from chappe.mls.errors import MalformedMessage
from chappe.mls.framing import encode_message, parse_message
from chappe.mls.key_package import KeyPackageBundle
from chappe.mls.ratchet_tree import RatchetTree
from chappe.mls.suites import cipher_suite
from tests.mls.world import NOW, Client, World


@given(st.integers(0, 2**30 - 1))
def test_varint_round_trip_is_minimal(value: int) -> None:
    encoded = varint(value)
    assert Reader(encoded).varint() == value
    assert len(encoded) == (1 if value < 64 else 2 if value < 16384 else 4)


@pytest.mark.parametrize("data", [b"\x40\x3f", b"\x80\x00\x3f\xff", b"\xc0", b"", b"\x40"])
def test_varint_refuses_longer_forms_and_truncation(data: bytes) -> None:
    with pytest.raises(MalformedMessage):
        Reader(data).varint()


@given(st.binary(max_size=200), st.binary(min_size=1, max_size=5))
def test_opaque_refuses_trailing_bytes(data: bytes, tail: bytes) -> None:
    assert parse(Reader.opaque, opaque(data)) == data
    with pytest.raises(MalformedMessage):
        parse(Reader.opaque, opaque(data) + tail)


_world = World.of(1, "ana", "ben", "cyd")
_client = Client.new(cipher_suite(1), "dan")
_addition = _world.groups["ana"].commit([_client.add], now=NOW)
assert _addition.welcome is not None
_SAMPLES = [
    _client.bundle.message,
    _addition.message,
    _addition.welcome,
    _world.groups["ana"].encrypt(b"hello", now=NOW)[1],
]
_STATE = _world.groups["ben"].to_bytes()


@st.composite
def mutated(draw: st.DrawFn, samples: list[bytes]) -> bytes:
    """A sample cut, stretched or with bytes changed."""
    data = bytearray(draw(st.sampled_from(samples)))
    for _ in range(draw(st.integers(0, 4))):
        at = draw(st.integers(0, len(data) - 1))
        data[at] = draw(st.integers(0, 255))
    cut = draw(st.integers(0, len(data)))
    return bytes(data[:cut]) + draw(st.binary(max_size=8)) if draw(st.booleans()) else bytes(data)


@settings(max_examples=400, deadline=None)
@given(st.binary(max_size=400) | mutated(_SAMPLES))
def test_messages_decode_or_are_malformed(data: bytes) -> None:
    try:
        message = parse_message(data)
    except MLSError:
        for reader in (peek, parse_key_package, welcome_refs):
            with pytest.raises(MLSError):
                reader(data)
        return
    assert encode_message(message) == data
    peek(data)


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=400) | mutated(_SAMPLES[1:]))
def test_a_group_survives_any_message(data: bytes) -> None:
    group = _world.groups["ben"]
    before = group.to_bytes()
    with contextlib.suppress(MLSError):
        group.process(data, now=NOW, authenticate=accept_any)
    assert group.to_bytes() == before


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=400) | mutated([_STATE]))
def test_a_stored_state_loads_or_is_malformed(data: bytes) -> None:
    try:
        group = Group.from_bytes(data)
    except MLSError:
        return
    stored = group.to_bytes()
    assert Group.from_bytes(stored).to_bytes() == stored


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=400) | mutated([_client.bundle.to_bytes()]))
def test_a_stored_bundle_loads_or_is_malformed(data: bytes) -> None:
    try:
        bundle = KeyPackageBundle.from_bytes(data)
    except MLSError:
        return
    assert bundle.to_bytes() == data


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=400) | mutated([_world.groups["ana"]._state.tree.encode()]))
def test_a_ratchet_tree_decodes_or_is_malformed(data: bytes) -> None:
    suite = cipher_suite(1)
    try:
        tree = RatchetTree.from_bytes(suite, data)
    except MLSError:
        return
    assert tree.encode() == data


def test_a_stored_flag_is_0_or_1() -> None:
    group = _world.groups["ben"]
    shared = group.shared_bytes()
    at = len(shared) - 2  # the flag, then an absent ReInit
    assert shared[at:] == b"\x01\x00"
    with pytest.raises(MalformedMessage):
        Group.from_parts(shared[:at] + b"\x02\x00", group.secret_bytes())
