"""Frames: what goes in comes out, and nothing but a typed refusal comes of anything else."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from chappe.wire import frames
from chappe.wire.errors import BadInput
from tests.wire.strategies import damaged, from_device, from_relay

CODES = {"frame.malformed", "frame.unknown_type", "frame.oversized"}
pack = msgspec.msgpack.encode
ID, HASH = b"i" * 16, b"h" * 32


def code_of(decode: Callable[[bytes], object], data: bytes) -> str | None:
    """What the decoder refuses with; None if it takes it."""
    try:
        decode(data)
    except BadInput as problem:
        return problem.code
    return None


@given(from_relay)
def test_what_the_relay_says_comes_out_as_it_went_in(frame: frames.FromRelay) -> None:
    assert frames.decode_from_relay(frames.encode(frame)) == frame


@given(from_device)
def test_what_a_device_says_comes_out_as_it_went_in(frame: frames.FromDevice) -> None:
    assert frames.decode_from_device(frames.encode(frame)) == frame


@given(from_device)
def test_each_side_takes_only_the_others_frames(frame: frames.FromDevice) -> None:
    assert code_of(frames.decode_from_relay, frames.encode(frame)) == "frame.unknown_type"


@given(st.binary(max_size=300) | damaged(st.one_of(from_relay, from_device).map(frames.encode)))
def test_any_bytes(data: bytes) -> None:
    for decode in (frames.decode_from_relay, frames.decode_from_device):
        code = code_of(decode, data)
        assert code is None or code in CODES
    ref = frames.read_ref(data)
    assert ref is None or 0 <= ref < 2**32


@given(from_device, st.data())
def test_every_truncation_is_refused(frame: frames.FromDevice, draw: st.DataObject) -> None:
    data = frames.encode(frame)
    cut = data[: draw.draw(st.integers(0, len(data) - 1))]
    assert code_of(frames.decode_from_device, cut) in CODES
    assert code_of(frames.decode_from_device, data + b"\x00") == "frame.malformed"


SEND: dict[str, Any] = {"t": "send", "ref": 1, "id": ID, "to": [ID], "payload": b"x"}
COMMIT: dict[str, Any] = {
    "t": "commit",
    "ref": 1,
    "id": ID,
    "group": ID,
    "epoch": 0,
    "opener": HASH,
    "next_lock": HASH,
    "to": [],
    "payload": b"x",
}
LOOKUP: dict[str, Any] = {"t": "lookup", "ref": 1, "address": "a@b"}
PUBLISH: dict[str, Any] = {"t": "publish", "ref": 1}
ATTACH: dict[str, Any] = {"t": "attach", "ref": 1, "size": 1}
SIGN_IN: dict[str, Any] = {"t": "sign_in", "device": ID, "signature": b"s" * 64}


@pytest.mark.parametrize("fields", [SEND, COMMIT, LOOKUP, PUBLISH, ATTACH, SIGN_IN], ids=lambda f: f["t"])
def test_the_controls_are_taken(fields: dict[str, Any]) -> None:
    frames.decode_from_device(pack(fields))


@pytest.mark.parametrize(
    ("fields", "changes"),
    [
        (SEND, {"extra": 1}),
        (SEND, {"ref": -1}),
        (SEND, {"ref": 2**32}),
        (SEND, {"ref": "1"}),
        (SEND, {"ref": 1.0}),
        (SEND, {"ref": None}),
        (SEND, {"id": b"i" * 15}),
        (SEND, {"id": b"i" * 17}),
        (SEND, {"id": "i" * 16}),
        (SEND, {"to": []}),
        (SEND, {"to": [b"short"]}),
        (SEND, {"to": [ID] * (frames.MAX_RECIPIENTS + 1)}),
        (SEND, {"payload": b""}),
        (SEND, {"payload": "text"}),
        (SEND, {"payload": b"x" * (frames.MAX_PAYLOAD + 1)}),
        (COMMIT, {"group": b"g" * 15}),
        (COMMIT, {"group": b"g" * 33}),
        (COMMIT, {"epoch": -1}),
        (COMMIT, {"epoch": 2**53 + 1}),
        (COMMIT, {"opener": b"o" * 31}),
        (COMMIT, {"next_lock": b"o" * 33}),
        (COMMIT, {"payload": b"x" * (frames.MAX_COMMIT + 1)}),
        (COMMIT, {"welcomes": [{"to": [], "payload": b"x"}]}),
        (COMMIT, {"welcomes": [{"to": [ID], "payload": b""}]}),
        (COMMIT, {"welcomes": [{"to": [ID], "payload": b"x", "more": 1}]}),
        (COMMIT, {"welcomes": [{"to": [ID], "payload": b"x"}] * 257}),
        (LOOKUP, {"address": "ab"}),
        (LOOKUP, {"address": "a" * 321}),
        (LOOKUP, {"address": b"a@b"}),
        (LOOKUP, {"key_packages": 1}),
        (LOOKUP, {"devices": [ID] * 101}),
        (PUBLISH, {"one_time": [b"x"] * (frames.MAX_KEY_PACKAGES + 1)}),
        (PUBLISH, {"one_time": [b""]}),
        (PUBLISH, {"last_resort": b"x" * (frames.MAX_KEY_PACKAGE + 1)}),
        (ATTACH, {"size": 0}),
        (ATTACH, {"size": 2**40 + 1}),
        (SIGN_IN, {"signature": b"s" * 63}),
        (SIGN_IN, {"device": None}),
    ],
    ids=lambda value: value.get("t") if "t" in value else str(value)[:40],
)
def test_what_does_not_fit(fields: dict[str, Any], changes: dict[str, Any]) -> None:
    data = pack(fields | changes)
    assert code_of(frames.decode_from_device, data) == "frame.malformed"


@pytest.mark.parametrize(
    ("fields", "changes"),
    [
        (SEND, {"ref": 2**32 - 1}),
        (SEND, {"to": [ID] * frames.MAX_RECIPIENTS}),
        (SEND, {"payload": b"x" * frames.MAX_PAYLOAD}),
        (COMMIT, {"payload": b"x" * frames.MAX_COMMIT}),
        (COMMIT, {"group": b"g" * 32, "epoch": 2**53}),
        (COMMIT, {"welcomes": [{"to": [ID], "payload": b"x"}] * 256}),
        (PUBLISH, {"one_time": [b"x" * frames.MAX_KEY_PACKAGE] * frames.MAX_KEY_PACKAGES}),
        (ATTACH, {"size": 2**40}),
    ],
    ids=range(8),
)
def test_what_just_fits(fields: dict[str, Any], changes: dict[str, Any]) -> None:
    frames.decode_from_device(pack(fields | changes))


def test_unknown_types_are_told_from_malformed_ones() -> None:
    assert code_of(frames.decode_from_device, pack(SEND | {"t": "sing"})) == "frame.unknown_type"
    assert code_of(frames.decode_from_device, pack({"t": "hello"})) == "frame.unknown_type"
    assert code_of(frames.decode_from_device, pack({"t": 7})) == "frame.malformed"
    assert code_of(frames.decode_from_device, pack({"ref": 1})) == "frame.malformed"
    assert code_of(frames.decode_from_device, pack([1, 2])) == "frame.malformed"
    assert code_of(frames.decode_from_device, b"") == "frame.malformed"


def test_a_frame_that_is_too_large_is_not_even_read() -> None:
    assert code_of(frames.decode_from_device, b"\x00" * (frames.MAX_FRAME + 1)) == "frame.oversized"
    assert code_of(frames.decode_from_relay, b"\x00" * (frames.MAX_FRAME + 1)) == "frame.oversized"


@pytest.mark.parametrize(
    "data", [b"\x91" * 100_000, b"\xdd\xff\xff\xff\xff", b"\xc6\xff\xff\xff\xff", b"\xc1"]
)
def test_hostile_messagepack(data: bytes) -> None:
    assert code_of(frames.decode_from_device, data) == "frame.malformed"
    assert frames.read_ref(data) is None


def test_the_ref_of_a_frame_that_does_not_fit_is_found() -> None:
    assert frames.read_ref(pack(SEND | {"id": b"short", "ref": 77})) == 77
    assert frames.read_ref(pack({"t": "sing", "ref": 5})) == 5
    assert frames.read_ref(pack({"t": "send", "ref": "x"})) is None


def test_what_is_signed_is_one_server_and_one_nonce() -> None:
    signed = {
        frames.sign_in_bytes(server, nonce)
        for server, nonce in (("ab", b"c"), ("a", b"bc"), ("", b"abc"), ("abc", b""))
    }
    assert len(signed) == 4
    assert frames.sign_in_bytes("h", b"n") == b"\x00\x10chappe socket v1\x00\x01h\x00\x01n"
