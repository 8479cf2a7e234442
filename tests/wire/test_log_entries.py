"""The entries of the transparency log: one spelling each, and nothing that is none is read as one."""

from __future__ import annotations

import hashlib
from typing import Any, get_args

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from chappe.wire import log_entries as log
from chappe.wire.errors import BadInput
from tests.wire.fleet_world import Organisation as Fleet
from tests.wire.fleet_world import first, key
from tests.wire.log_samples import AT, DEVICE, SAMPLES, h, mark


def refused(data: bytes) -> None:
    with pytest.raises(BadInput) as caught:
        log.decode(data)
    assert caught.value.code == "order.malformed"


def parts(entry: log.LogEntry) -> dict[str, Any]:
    found: dict[str, Any] = msgspec.msgpack.decode(log.encode(entry))
    return found


def test_there_is_a_sample_of_every_kind() -> None:
    assert {type(each) for each in SAMPLES} == set(get_args(log.LogEntry))


@pytest.mark.parametrize("entry", SAMPLES, ids=lambda entry: type(entry).__name__)
def test_each_comes_back_and_has_one_spelling(entry: log.LogEntry) -> None:
    data = log.encode(entry)
    assert log.decode(data) == entry
    assert len(data) <= log.MAX_ENTRY
    fields = parts(entry)
    assert list(fields)[:3] == ["what", "version", "at"]
    refused(data[:-1])
    refused(data + b"\xc0")
    # Another order of the fields, one more, one less, another version.
    refused(msgspec.msgpack.encode(dict(reversed(fields.items()))))
    refused(msgspec.msgpack.encode(fields | {"address": "ada@relay.example"}))
    refused(msgspec.msgpack.encode({name: fields[name] for name in list(fields)[:-1]}))
    refused(msgspec.msgpack.encode(fields | {"version": 2}))
    refused(msgspec.msgpack.encode(fields | {"what": "line.lost"}))
    # The same number in more bytes.
    assert data.count(b"\xa2at\xce") == 1
    refused(data.replace(b"\xa2at\xce", b"\xa2at\xcf\0\0\0\0"))


def test_a_form_of_its_own() -> None:
    """Held here byte for byte: the phone has a twin that must spell the same."""
    found = log.encode(log.ShareDestroyed(1, AT, h("device"))).hex()
    assert found == (
        "84a477686174af73686172652e64657374726f796564a776657273696f6e01a26174ce6ab13b80"
        "a6646576696365c420" + h("device").hex()
    )


@pytest.mark.parametrize(
    "changes",
    [
        {"organisation": b"x"},
        {"organisation": b"x" * 31},
        {"organisation": None},
        {"line": b""},
        {"line": b"x" * 31},
        {"device": "x" * 32},
        {"at": -1},
        {"at": 2**53 + 1},
        {"at": 1.5},
        {"version": True},
    ],
)
def test_fields_that_do_not_fit(changes: dict[str, Any]) -> None:
    refused(msgspec.msgpack.encode(parts(SAMPLES[1]) | changes))


def test_a_device_is_let_in_by_a_device_or_by_officers() -> None:
    both = log.DeviceAdded(1, AT, *DEVICE, by=log.Endorsement(h("x"), b"s" * 64), order=h("order"))
    refused(msgspec.msgpack.encode(both))


@pytest.mark.parametrize("marks", [[], [mark("ada")], [mark("ada"), mark("ben"), mark("cyd")]])
def test_two_officers_announce(marks: list[log.OfficerMark]) -> None:
    refused(msgspec.msgpack.encode(log.DeviceAnnounced(1, AT, *DEVICE, h("identity"), h("order"), marks)))


def test_an_entry_is_small() -> None:
    with pytest.raises(BadInput):
        log.encode(log.LogOpened(1, AT, "x" * 1_024))
    refused(bytes(log.MAX_ENTRY + 1))


@given(st.binary(max_size=200))
def test_anything_else_is_refused(data: bytes) -> None:
    refused(data)


def test_what_stands_for_a_line() -> None:
    salt, line = bytes(range(32)), bytes(16)
    made = log.line_commitment(salt, line, "ada@relay.example")
    assert made == hashlib.sha256(b"chappe log line v1" + salt + line + b"ada@relay.example").digest()
    assert made != log.line_commitment(salt, line, "ben@relay.example")
    assert made != log.line_commitment(h("other"), line, "ada@relay.example")
    assert log.organisation_hash(b"") == b""
    assert (
        log.organisation_hash(h("fleet"))
        == hashlib.sha256(b"chappe log organisation v1" + h("fleet")).digest()
    )
    same = bytes(16)
    assert len({log.device_hash(same), log.officer_hash(same), log.certificate_hash(same)}) == 3


def test_what_is_signed() -> None:
    fields = dict(zip(("line", "device", "certificate", "signature_key"), DEVICE, strict=True))
    endorsed = log.endorsement_bytes(**fields)
    assert endorsed == b"\0\x1a" + b"chappe log device added v1" + b"".join(
        b"\0\x20" + each for each in DEVICE
    )
    announced = log.announcement_bytes(**fields, identity_key=h("identity"), order=h("order"))
    assert announced == b"\0\x1e" + b"chappe log device announced v1" + b"".join(
        b"\0\x20" + each for each in (*DEVICE, h("identity"), h("order"))
    )


def test_an_officers_signature_holds_against_the_digest_alone() -> None:
    """Who reads the log never sees the roster, and can check who signed it all the same."""
    made = Fleet()
    made.take(first("ada"), ("ada",))
    (signed,) = made.rosters
    digest = hashlib.sha256(signed.body).digest()
    key("ada").public_key().verify(signed.officers[0].signature, log.signed_digest(digest))
