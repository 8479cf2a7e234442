"""Bodies of the HTTP API, and the one spelling of bytes in them."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chappe.wire import api
from chappe.wire.errors import BadInput
from tests.wire.strategies import damaged, nested

KINDS: list[type[api.Body]] = [
    api.Info,
    api.Activate,
    api.AddDevice,
    api.Activated,
    api.UnlockChallenge,
    api.UnlockChallenged,
    api.Unlock,
    api.Unlocked,
    api.ShareKey,
    api.Failure,
]
base64s = st.binary(max_size=60).map(api.to_base64)
bodies = st.one_of(
    st.builds(api.Info, st.text(max_size=20), st.text(max_size=9), *[st.integers(0, 2**40)] * 3, base64s),
    st.builds(api.Activate, st.text(max_size=64), base64s, base64s),
    st.builds(api.AddDevice, *[base64s] * 4),
    st.builds(api.Activated, base64s, base64s, st.text(max_size=40), base64s),
    st.builds(api.UnlockChallenge, base64s),
    st.builds(api.UnlockChallenged, base64s),
    st.builds(api.Unlock, base64s, base64s),
    st.builds(api.Unlocked, base64s),
    st.builds(api.ShareKey, base64s),
    st.builds(api.Failure, st.text(max_size=20), st.text(max_size=40)),
)


def refused(data: bytes, kind: type[api.Body]) -> None:
    with pytest.raises(BadInput) as caught:
        api.decode(data, kind)
    assert caught.value.code == "http.malformed"


@given(bodies)
def test_round_trip(body: api.Body) -> None:
    assert api.decode(api.encode(body), type(body)) == body


@given(st.binary(max_size=200) | damaged(bodies.map(api.encode)), st.sampled_from(KINDS))
def test_any_bytes(data: bytes, kind: type[api.Body]) -> None:
    try:
        found = api.decode(data, kind)
    except BadInput as problem:
        code = problem.code
    else:
        code = "http.malformed"
        assert isinstance(found, kind)
    assert code == "http.malformed"


@pytest.mark.parametrize(
    "changes",
    [
        {"more": 1},
        {"code": 7},
        {"code": "x" * 65},
        {"proof": "a=b"},
        {"proof": "x" * 2049},
        {"certificate": None},
        {"certificate": "é"},
    ],
    ids=str,
)
def test_what_does_not_fit(changes: dict[str, Any]) -> None:
    fields = {"code": "x", "certificate": "AA", "proof": "AA"}
    api.decode(json.dumps(fields).encode(), api.Activate)
    refused(json.dumps(fields | changes).encode(), api.Activate)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"null",
        b"[]",
        b"{}",
        b"{" * 50_000,
        b"[" * 15_000,
        json.dumps(nested(200)).encode(),
        b'{"code": "\xff"}',
        b" " * (api.MAX_BODY + 1),
    ],
    ids=range(9),
)
def test_hostile_json(data: bytes) -> None:
    refused(data, api.Activate)


@given(st.binary(max_size=100))
def test_base64_round_trip(data: bytes) -> None:
    text = api.to_base64(data)
    assert api.from_base64(text) == data
    assert "=" not in text


@given(st.text(max_size=12))
def test_a_value_has_one_spelling(text: str) -> None:
    try:
        data = api.from_base64(text)
    except BadInput:
        return
    assert api.to_base64(data) == text


@pytest.mark.parametrize("text", ["AA==", "AA=", "A", "AB", "A A", "AA\n", "+/", "é", "AAAAA"])
def test_spellings_that_are_none(text: str) -> None:
    with pytest.raises(BadInput, match=r"http\.malformed"):
        api.from_base64(text)


def test_lengths() -> None:
    assert api.from_base64(api.to_base64(b"x" * 16), 16) == b"x" * 16
    with pytest.raises(BadInput):
        api.from_base64(api.to_base64(b"x" * 15), 16)


def test_what_is_signed_cannot_be_read_in_two_ways() -> None:
    signed = {
        api.activate_bytes(*parts)
        for parts in (("a", "bc", b"d"), ("ab", "c", b"d"), ("a", "b", b"cd"), ("abc", "d", b""))
    }
    signed |= {api.add_device_bytes("a", b"bcd"), api.add_device_bytes("ab", b"cd")}
    assert len(signed) == 6
    assert api.add_device_bytes("h", b"c") == b"\x00\x14chappe add device v1\x00\x01h\x00\x01c"
