"""Registers: sealed to the officers, of few lengths, opened by nobody else."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chappe.wire.errors import CryptoFailure
from chappe.wire.frames import MAX_REGISTER, MAX_WATCHED
from chappe.wire.registers import REGISTER_CONTEXT, Membership, open_register, seal_register
from chappe.wire.unlock import ServiceKey, seal_to
from tests.wire.fleet_world import SEAL, id_of

DEVICE = id_of("device")
places = st.lists(
    st.builds(
        Membership, st.binary(min_size=16, max_size=32), st.integers(0, 2**32 - 1), st.integers(0, 2**16 - 1)
    ),
    max_size=40,
)


def refused(sealed: bytes, device: bytes = DEVICE, key: ServiceKey = SEAL) -> None:
    with pytest.raises(CryptoFailure, match=r"roster\.invalid"):
        open_register(key.private, device, sealed)


@settings(max_examples=25)
@given(places)
def test_round_trip(found: list[Membership]) -> None:
    assert open_register(SEAL.private, DEVICE, seal_register(SEAL.public, DEVICE, found)) == found


def test_lengths_tell_little() -> None:
    """Up to twenty conversations look the same, and all are whole kibibytes longer than none."""
    lengths = {
        count: len(seal_register(SEAL.public, DEVICE, [Membership(bytes(32), 5, 0)] * count))
        for count in (0, 1, 10, 20, 50, 100)
    }
    assert lengths[0] == lengths[1] == lengths[10] == lengths[20]
    assert all((length - lengths[0]) % 1024 == 0 for length in lengths.values())
    assert lengths[100] > lengths[50] > lengths[20]


def test_no_device_has_too_many() -> None:
    """What does not fit a frame is left out, and the frame's limit holds."""
    many = [Membership(n.to_bytes(32, "big"), 2**32 - 1, 2**16 - 1) for n in range(MAX_WATCHED)]
    sealed = seal_register(SEAL.public, DEVICE, many)
    assert len(sealed) <= MAX_REGISTER
    kept = open_register(SEAL.private, DEVICE, sealed)
    assert len(kept) >= 2_000
    assert kept == many[: len(kept)]


def test_another_devices_register_is_not_mine() -> None:
    refused(seal_register(SEAL.public, DEVICE, []), device=id_of("other"))


def test_another_key() -> None:
    refused(seal_register(SEAL.public, DEVICE, []), key=ServiceKey.generate())


@pytest.mark.parametrize("bad", [b"", b"short", bytes(1215), b"\xff" * 1216])
def test_a_seal_key_that_is_none(bad: bytes) -> None:
    with pytest.raises(CryptoFailure, match=r"roster\.invalid"):
        seal_register(bad, DEVICE, [])


@settings(max_examples=30)
@given(st.data())
def test_damaged(data: st.DataObject) -> None:
    sealed = bytearray(seal_register(SEAL.public, DEVICE, []))
    at = data.draw(st.integers(0, len(sealed) - 1))
    if data.draw(st.booleans()):
        refused(bytes(sealed[:at]))
    else:
        sealed[at] ^= 1 << data.draw(st.integers(0, 7))
        refused(bytes(sealed))


@pytest.mark.parametrize(
    "inside",
    [
        b"",
        b"\0\0\0",
        b"\0\0\0\x00",
        b"\xff\xff\xff\xff",
        b"\0\0\0\x01\xc1",
        b"\0\0\0\x02\x91\x80",
        b"\0\0\0\x05\x91\x91\x93\xc4\x00",
        b"\0\0\0\x01\x91\x90",
    ],
    ids=bytes.hex,
)
def test_anybody_can_seal_nonsense(inside: bytes) -> None:
    """The seal key is public: what opens may still be anything."""
    refused(seal_to(SEAL.public, REGISTER_CONTEXT + DEVICE, inside))


def test_sealed_for_another_purpose() -> None:
    refused(seal_to(SEAL.public, b"chappe enrol v1" + DEVICE, b"\0\0\0\x02\x91\x90"))
