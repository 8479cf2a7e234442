"""What officers, owners and phones ask about orders: round trips, and who may not ask what."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from chappe.wire import fleet
from chappe.wire.errors import BadInput, ChappeError, CryptoFailure, Refused
from chappe.wire.frames import OrderFrame
from chappe.wire.orders import Receipt, sign_as_officer, sign_receipt
from chappe.wire.rosters import OfficerSignature
from tests.wire.fleet_world import FLEET, NOW, REASON, SERVER, Organisation, id_of, key, order, public
from tests.wire.strategies import damaged

ORDER = sign_as_officer(order(), FLEET, id_of("ada"), key("ada"))
ROSTERS = Organisation.of("ada").rosters
RECEIPT = sign_receipt(Receipt(1, id_of("order"), id_of("device"), "erased", NOW), "device", key("phone"))
GROUP = b"g" * 16
POSTING = fleet.Posting(GROUP, [fleet.Proposal(3, b"p"), fleet.Proposal(4, b"q")])
ASKS: list[fleet.AnyAsk] = [
    fleet.Amend(ROSTERS[0]),
    fleet.Rosters(),
    fleet.Lines(b"l" * 16),
    fleet.Give(ORDER, REASON, [GROUP]),
    fleet.Approve(id_of("order"), OfficerSignature(id_of("ben"), bytes(64))),
    fleet.Status(),
    fleet.Status(id_of("order")),
    fleet.Epochs([GROUP]),
    fleet.Post(id_of("order"), id_of("device"), [POSTING], last=False),
    fleet.Audit(7),
    fleet.Waiting(),
    fleet.Report(RECEIPT),
]
STAGES = fleet.DeviceStages(
    id_of("device"), id_of("line"), "ada@relay.example", 1, 2, 3, 1, None, 4, RECEIPT, b"c", b"k" * 32, b"p"
)
ANSWERS: list[fleet.AnyAnswer] = [
    fleet.Ok(),
    fleet.RosterChain(ROSTERS),
    fleet.LineList(
        [fleet.LineOf(b"l" * 16, "a@h", b"k", 1, None, 2, [fleet.DeviceOfLine(b"d" * 16, b"", 1)])], False
    ),
    fleet.Given(id_of("order"), True, False, [fleet.Place(b"d" * 16, b"l" * 16, b"r")]),
    fleet.Orders([fleet.OrderStatus(ORDER, "erase", REASON, 1, False, [STAGES])]),
    fleet.EpochList([fleet.EpochOf(GROUP, None), fleet.EpochOf(GROUP, 4)]),
    fleet.AuditPage(0, [b"one", b""], 2, bytes(32)),
    fleet.ForDevice([OrderFrame(ORDER, ROSTERS, REASON)]),
]


def officers(ask: fleet.Ask, at: int = NOW) -> fleet.ByOfficer:
    return fleet.by_officer(SERVER, id_of("gazette"), id_of("ada"), key("ada"), at, ask)


def owners(ask: fleet.Ask) -> fleet.ByOwner:
    return fleet.by_owner(SERVER, id_of("line"), key("owner"), NOW, ask)


def devices(ask: fleet.Ask, kind: Any = "device") -> fleet.ByDevice:
    return fleet.by_device(SERVER, id_of("device"), kind, key("phone"), NOW, ask)


@pytest.mark.parametrize("ask", ASKS, ids=lambda ask: type(ask).__name__)
def test_who_may_ask_what(ask: fleet.AnyAsk) -> None:
    for make, allowed in ((officers, fleet.OFFICERS), (owners, fleet.OWNERS), (devices, fleet.DEVICES)):
        envelope = fleet.decode_envelope(fleet.encode(make(ask)))
        if isinstance(ask, allowed):
            assert fleet.decode_ask(envelope) == ask
        else:
            with pytest.raises(BadInput, match=r"http\.malformed"):
                fleet.decode_ask(envelope)


@pytest.mark.parametrize("answer", ANSWERS, ids=lambda answer: type(answer).__name__)
def test_answers(answer: fleet.AnyAnswer) -> None:
    assert fleet.decode_answer(fleet.encode(answer)) == answer


def test_signed_by_whom_it_says() -> None:
    for envelope, who in (
        (officers(fleet.Rosters()), "ada"),
        (owners(fleet.Status()), "owner"),
        (devices(fleet.Waiting()), "phone"),
    ):
        fleet.check_envelope(envelope, public(key(who)), SERVER, NOW)
        with pytest.raises(CryptoFailure, match=r"order\.forged"):
            fleet.check_envelope(envelope, public(key("mallory")), SERVER, NOW)


@pytest.mark.parametrize(
    "change",
    [
        {"organisation": id_of("other")},
        {"officer": id_of("ben")},
        {"at": NOW + 1},
        {"ask": fleet.encode(fleet.Audit())},
        {"signature": bytes(64)},
    ],
    ids=lambda change: next(iter(change)),
)
def test_every_field_of_an_envelope_is_signed(change: dict[str, Any]) -> None:
    envelope = msgspec.structs.replace(officers(fleet.Rosters()), **change)
    with pytest.raises(CryptoFailure, match=r"order\.forged"):
        fleet.check_envelope(envelope, public(key("ada")), SERVER, NOW)


def test_for_another_relay() -> None:
    with pytest.raises(CryptoFailure, match=r"order\.forged"):
        fleet.check_envelope(officers(fleet.Rosters()), public(key("ada")), "evil.example", NOW)


@pytest.mark.parametrize(("away", "taken"), [(600, True), (-600, True), (601, False), (-601, False)])
def test_clocks(away: int, taken: bool) -> None:
    envelope = officers(fleet.Rosters())
    if taken:
        fleet.check_envelope(envelope, public(key("ada")), SERVER, NOW + away)
    else:
        with pytest.raises(Refused, match=r"order\.stale"):
            fleet.check_envelope(envelope, public(key("ada")), SERVER, NOW + away)


def test_a_forger_is_not_told_about_clocks() -> None:
    envelope = msgspec.structs.replace(officers(fleet.Rosters(), at=0), signature=bytes(64))
    with pytest.raises(CryptoFailure, match=r"order\.forged"):
        fleet.check_envelope(envelope, public(key("ada")), SERVER, NOW)


@given(damaged(st.sampled_from([fleet.encode(officers(ask)) for ask in ASKS])))
def test_damaged_envelopes(data: bytes) -> None:
    """What still reads is not signed."""
    whole = {fleet.encode(officers(ask)) for ask in ASKS}
    try:
        envelope = fleet.decode_envelope(data)
        fleet.check_envelope(envelope, public(key("ada")), SERVER, NOW)
    except ChappeError as problem:
        assert problem.code in ("http.malformed", "order.forged")  # noqa: PT017
    else:
        again = fleet.encode(envelope)
        assert again in whole


@given(damaged(st.sampled_from([fleet.encode(answer) for answer in ANSWERS])))
def test_damaged_answers(data: bytes) -> None:
    try:
        answer = fleet.decode_answer(data)
    except ChappeError as problem:
        assert problem.code == "http.malformed"  # noqa: PT017
    else:
        assert fleet.decode_answer(fleet.encode(answer)) == answer


@pytest.mark.parametrize("data", [b"", b"\xc1", b"\x80", b"\x81\xa1t\xa5nobdy", b"\x91" * 5000])
def test_what_is_nothing_of_ours(data: bytes) -> None:
    for decode in (fleet.decode_envelope, fleet.decode_answer):
        with pytest.raises(BadInput, match=r"http\.malformed"):
            decode(data)


@pytest.mark.parametrize(
    "ask",
    [
        fleet.Epochs([b"short"]),
        fleet.Epochs([GROUP] * (fleet.MAX_POSTINGS + 1)),
        fleet.Post(id_of("o"), id_of("d"), [fleet.Posting(GROUP, [fleet.Proposal(1, b"p")] * 33)]),
        fleet.Post(id_of("o"), id_of("d"), [fleet.Posting(GROUP, [fleet.Proposal(1, b"p" * 1025)])]),
        fleet.Lines(b"l" * 17),
        fleet.Audit(-1),
        fleet.Status(b"short"),
    ],
    ids=lambda ask: type(ask).__name__,
)
def test_beyond_the_limits(ask: fleet.AnyAsk) -> None:
    with pytest.raises(BadInput, match=r"http\.malformed"):
        fleet.decode_ask(officers(ask))
