"""The session, sans-I/O: arbitrary bytes never break it, nor get anything out of it before sign-in."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given, settings
from hypothesis import strategies as st

from chappe.relay.limits import Allowance
from chappe.relay.ports import Arrival, DeviceRecord, Envelope, Found, Reported, Stored
from chappe.relay.reader import Page
from chappe.relay.session import (
    MAX_IN_FLIGHT,
    Acknowledge,
    Action,
    Ask,
    HangUp,
    Identify,
    Open,
    Phase,
    ReadOrders,
    ReadPage,
    Say,
    Session,
)
from chappe.wire import frames
from chappe.wire.errors import KINDS, error
from chappe.wire.orders import Order, Reason, SignedReceipt, Target, sign_as_owner

KEY = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
DEVICE = b"d" * 16
NONCE = b"n" * 32


def record(**changes: Any) -> DeviceRecord:
    fields: dict[str, Any] = {
        "device": DEVICE,
        "line": b"l" * 16,
        "mailbox": 7,
        "signature_key": KEY.public_key().public_bytes_raw(),
        "revoked": False,
        "gone_sequence": 0,
        "key_packages": 3,
        "last_resort": True,
        "newest": 5,
    }
    return DeviceRecord(**(fields | changes))


def greeted() -> Session:
    allowance = Allowance(10, 1, 0)
    return Session("localhost", NONCE, lambda _record: allowance)


def sign_in() -> bytes:
    return frames.encode(frames.SignIn(DEVICE, KEY.sign(frames.sign_in_bytes("localhost", NONCE))))


def opened() -> Session:
    session = greeted()
    session.receive(sign_in(), 0)
    session.identified(record())
    session.page_read(Page([], True))
    assert session.phase is Phase.OPEN
    return session


def said(actions: list[Action]) -> list[frames.FromRelay]:
    return [frames.decode_from_relay(action.data) for action in actions if isinstance(action, Say)]


def test_signing_in() -> None:
    session = greeted()
    assert session.receive(sign_in(), 0) == [Identify(DEVICE)]
    opening, welcome, orders, page = session.identified(record())
    assert opening == Open(record())
    assert said([welcome]) == [frames.Welcome(3, True, 5)]
    assert orders == ReadOrders()
    assert isinstance(page, ReadPage)
    assert page.after == 0


@pytest.mark.parametrize(
    ("found", "code"),
    [
        (None, "signin.unknown_device"),
        (record(signature_key=bytes(32)), "signin.bad_signature"),
        (record(signature_key=b"short"), "signin.bad_signature"),
    ],
)
def test_sign_ins_that_fail_say_why_and_hang_up(found: DeviceRecord | None, code: str) -> None:
    session = greeted()
    session.receive(sign_in(), 0)
    refusal, hang_up = session.identified(found)
    assert said([refusal]) == [frames.Refusal(None, code, KINDS[code].message)]
    assert hang_up == HangUp(1008)
    assert session.phase is Phase.CLOSED
    assert session.receive(sign_in(), 0) == []


@pytest.mark.parametrize("code", ["storage.failed", "limit.connections"])
def test_a_relay_in_trouble_asks_to_come_back(code: str) -> None:
    """1008 tells a device not to."""
    session = greeted()
    session.receive(sign_in(), 0)
    assert session.end(error(code))[-1] == HangUp(1013)


def test_a_second_sign_in_while_the_first_is_checked() -> None:
    session = greeted()
    session.receive(sign_in(), 0)
    assert [f.code for f in said(session.receive(sign_in(), 0)) if isinstance(f, frames.Refusal)] == [
        "frame.unexpected"
    ]
    assert session.identified(record()) == []


TAGS = [
    "sign_in",
    "send",
    "commit",
    "ack",
    "publish",
    "lookup",
    "attach",
    "enrol",
    "report",
    "register",
    "watch",
    "settled",
    "hello",
    "welcome",
    "x",
    "",
]
VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.text(max_size=8)
    | st.binary(max_size=40),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=8,
)
FIELDS = "ref id to payload group epoch opener next_lock welcomes sequence one_time last_resort address size"
NAMES = st.sampled_from([*FIELDS.split(), "devices", "key_packages", "device", "signature", "sealed"])
ALMOST = st.builds(
    lambda tag, fields: msgspec.msgpack.encode({"t": tag, **fields}),
    st.sampled_from(TAGS),
    st.dictionaries(NAMES, VALUES, max_size=9),
)
GOOD = st.sampled_from(
    [
        frames.encode(frame)
        for frame in (
            frames.Send(1, bytes(16), [DEVICE], b"x"),
            frames.Ack(0),
            frames.Lookup(2, "ada@localhost"),
            frames.PublishKeyPackages(3, [b"p"]),
            frames.NewAttachment(4, 9),
            frames.Enrol(6, b"s"),
            frames.Report(7, SignedReceipt(b"r", "device", bytes(64))),
            frames.Register(8, b"s"),
            frames.Watch(9, [bytes(16)]),
            frames.Settled(10, bytes(16), 1, bytes(32), bytes(16), bytes(16)),
            frames.Commit(5, bytes(16), bytes(16), 0, bytes(32), bytes(32), [], b"x"),
        )
    ]
)
CUT = st.builds(lambda data, end: data[: int(end * len(data))], GOOD, st.floats(0, 1))
BYTES = st.one_of(st.binary(max_size=200), ALMOST, GOOD, CUT)


@given(BYTES)
@settings(max_examples=400, deadline=None)
def test_before_sign_in_nothing_is_asked_of_the_relay(data: bytes) -> None:
    session = greeted()
    actions = session.receive(data, 0)
    if session.phase is Phase.CHECKING:
        assert [type(action) for action in actions] == [Identify]
    else:
        (refusal,) = said(actions)
        assert isinstance(refusal, frames.Refusal)
        assert isinstance(actions[-1], HangUp)
        assert session.phase is Phase.CLOSED


@given(st.lists(BYTES, max_size=20))
@settings(max_examples=200, deadline=None)
def test_every_message_of_a_device_has_one_effect(messages: list[bytes]) -> None:
    session = opened()
    for data in messages:
        actions = session.receive(data, 0)
        assert session.phase is Phase.OPEN
        if not actions:
            # Nothing was delivered: there is nothing to acknowledge.
            assert frames.decode_from_device(data) == frames.Ack(0)
            continue
        (action,) = actions
        if isinstance(action, Say):
            (refusal,) = said(actions)
            assert isinstance(refusal, frames.Refusal)
            assert refusal.code in KINDS
        else:
            assert isinstance(action, Ask)


def test_acknowledging_again_asks_nothing_of_the_store() -> None:
    """Else a device could fill the store's queue with them, and every other would be told limit.rate."""
    session = opened()
    for sequence in (1, 2, 3):
        session.arrived(Arrival(b"i" * 16, b"x", 1, ()), sequence)
    asked = [session.receive(frames.encode(frames.Ack(sequence)), 0) for sequence in (0, 2, 2, 1, 0, 3, 3)]
    assert asked == [[], [Acknowledge(2, 2)], [], [], [], [Acknowledge(3, 1)], []]


def test_answers_go_to_their_requests() -> None:
    session = opened()
    (send,) = session.receive(frames.encode(frames.Send(1, b"i" * 16, [DEVICE], b"x")), 0)
    (lookup,) = session.receive(frames.encode(frames.Lookup(2, "ada@localhost")), 0)
    (publish,) = session.receive(frames.encode(frames.PublishKeyPackages(3)), 0)
    assert isinstance(send, Ask)
    assert isinstance(lookup, Ask)
    assert isinstance(publish, Ask)
    assert said(session.answered(send, Stored(99))) == [frames.Accepted(1, b"i" * 16, 99)]
    (refusal,) = said(session.answered(lookup, error("address.unknown")))
    assert isinstance(refusal, frames.Refusal)
    assert (refusal.ref, refusal.code) == (2, "address.unknown")
    assert said(session.answered(publish, None)) == [frames.Done(3)]


def test_too_much_in_flight_stops_the_reading() -> None:
    session = opened()
    asks = []
    while session.wants_more:
        asks += session.receive(frames.encode(frames.Send(1, b"i" * 16, [DEVICE], b"x")), 0)
    assert len(asks) == MAX_IN_FLIGHT
    assert isinstance(asks[0], Ask)
    session.answered(asks[0], Stored(1))
    assert session.wants_more


def test_lookups_run_out_and_come_back() -> None:
    session = opened()
    lookup = frames.encode(frames.Lookup(2, "ada@localhost"))
    assert all(isinstance(action, Ask) for _ in range(10) for action in session.receive(lookup, 0))
    (refusal,) = said(session.receive(lookup, 0.5))
    assert isinstance(refusal, frames.Refusal)
    assert refusal.code == "limit.rate"
    assert isinstance(session.receive(lookup, 1.5)[0], Ask)


def test_superseded() -> None:
    session = opened()
    refusal, hang_up = session.supersede()
    assert isinstance(hang_up, HangUp)
    assert [frame.code for frame in said([refusal]) if isinstance(frame, frames.Refusal)] == [
        "signin.superseded"
    ]
    assert session.arrived(Arrival(b"i" * 16, b"x", 1, ((7, 1),)), 1) == []
    assert session.supersede() == []


def test_pages_and_arrivals_make_one_sequence() -> None:
    session = greeted()
    session.receive(sign_in(), 0)
    session.identified(record(gone_sequence=4))
    # Arrives while the page is read, and is not pushed before what is older.
    assert session.arrived(Arrival(b"c" * 16, b"3", 1, ()), 7) == []
    page = Page([Envelope(5, b"a" * 16, b"1", 1), Envelope(6, b"b" * 16, b"2", 1)], True)
    actions = session.page_read(page)
    assert [f.sequence for f in said(actions) if isinstance(f, frames.Deliver)] == [5, 6]
    assert isinstance(actions[-1], ReadPage)
    assert actions[-1].after == 6
    actions = session.page_read(Page([Envelope(7, b"c" * 16, b"3", 1)], True))
    assert [f.sequence for f in said(actions) if isinstance(f, frames.Deliver)] == [7]
    (deliver,) = said(session.arrived(Arrival(b"d" * 16, b"4", 1, ()), 8))
    assert isinstance(deliver, frames.Deliver)
    assert deliver.sequence == 8


# --- orders

ORDER = Order(1, b"o" * 16, "erase", "localhost", b"", [Target(b"l" * 16, DEVICE)], 1, bytes(32))
HANDED = frames.OrderFrame(sign_as_owner(ORDER, KEY), [], Reason("lost", bytes(16)))
REPORT = frames.Report(7, SignedReceipt(b"r", "device", bytes(64)))


def signed_out() -> Session:
    session = greeted()
    session.receive(sign_in(), 0)
    assert session.identified(record(revoked=True)) == [Open(record(revoked=True)), ReadOrders()]
    assert session.phase is Phase.SIGNED_OUT
    return session


def test_one_that_is_signed_out_hears_of_its_order_and_nothing_else() -> None:
    session = signed_out()
    assert said(session.orders_read([HANDED])) == [HANDED]
    assert session.arrived(Arrival(bytes(16), b"x", 1, ((7, 1),)), 1) == []
    assert session.posted([]) == session.ordered() == session.sign_out() == session.read_again() == []
    assert session.receive(frames.encode(frames.Ack(1)), 0) == []
    (refusal,) = said(session.receive(frames.encode(frames.Lookup(3, "ada@localhost")), 0))
    assert refusal == frames.Refusal(3, "signin.revoked", KINDS["signin.revoked"].message)
    (ask,) = session.receive(frames.encode(REPORT), 0)
    assert isinstance(ask, Ask)
    (bad,) = said(session.answered(ask, error("receipt.invalid")))
    assert isinstance(bad, frames.Refusal)
    (again,) = session.receive(frames.encode(REPORT), 0)
    assert isinstance(again, Ask)
    done, why, hang_up = session.answered(again, Reported(ORDER.id))
    assert said([done]) == [frames.Done(7)]
    assert isinstance(said([why])[0], frames.Refusal)
    assert hang_up == HangUp(1008)
    assert session.phase is Phase.CLOSED


def test_a_receipt_of_another_order_does_not_end_it() -> None:
    session = signed_out()
    session.orders_read([HANDED])
    (ask,) = session.receive(frames.encode(REPORT), 0)
    assert isinstance(ask, Ask)
    assert said(session.answered(ask, Reported(b"x" * 16))) == [frames.Done(7)]
    assert session.phase is Phase.SIGNED_OUT


@pytest.mark.parametrize(
    ("orders", "code", "close"), [([], "signin.revoked", 1008), (None, "storage.failed", 1013)]
)
def test_without_an_order_it_ends(orders: list[frames.OrderFrame] | None, code: str, close: int) -> None:
    refusal, hang_up = signed_out().orders_read(orders)
    assert said([refusal]) == [frames.Refusal(None, code, KINDS[code].message)]
    assert hang_up == HangUp(close)


def test_an_order_ends_an_open_session_at_once() -> None:
    session = opened()
    (ask,) = session.receive(frames.encode(frames.Lookup(2, "ada@localhost")), 0)
    assert isinstance(ask, Ask)
    assert session.sign_out() == [ReadOrders()]
    assert session.answered(ask, frames.Line(2, b"l" * 16, "ada@localhost", bytes(32), [], bytes(32))) == []
    assert session.page_read(Page([Envelope(1, bytes(16), b"x", 1)], True)) == []
    assert said(session.orders_read([HANDED])) == [HANDED]


def test_orders_and_removals_of_an_open_session() -> None:
    session = opened()
    assert session.ordered() == [ReadOrders()]
    assert said(session.orders_read([HANDED])) == [HANDED]
    assert session.orders_read([]) == []
    posted = frames.Posted(b"g" * 16, DEVICE, HANDED.order, [], 3, b"proposal")
    (ask,) = session.receive(frames.encode(frames.Watch(4, [b"g" * 16])), 0)
    assert isinstance(ask, Ask)
    assert said(session.answered(ask, Found((posted,)))) == [frames.Done(4), posted]
    assert said(session.posted([posted])) == [posted]


@given(st.lists(BYTES, max_size=20))
@settings(max_examples=100, deadline=None)
def test_one_that_is_signed_out_asks_for_nothing_but_to_report(messages: list[bytes]) -> None:
    session = signed_out()
    session.orders_read([HANDED])
    for data in messages:
        for action in session.receive(data, 0):
            assert isinstance(action, (Say, Ask))
            if isinstance(action, Ask):
                assert isinstance(action.frame, frames.Report)
        assert session.phase is Phase.SIGNED_OUT


# --- terms


def term(stage: str) -> frames.Term:
    assert stage in ("active", "grace", "suspended", "closed")
    return frames.Term(stage, 10, 20, 30, 40)  # type: ignore[arg-type]


def signed_in(**changes: Any) -> tuple[Session, list[Action]]:
    session = greeted()
    session.receive(sign_in(), 0)
    return session, session.identified(record(**changes))


def refusals(actions: list[Action]) -> list[str]:
    return [frame.code for frame in said(actions) if isinstance(frame, frames.Refusal)]


@pytest.mark.parametrize("stage", ["active", "grace"])
def test_a_line_with_a_term_is_told_of_it_after_welcome(stage: str) -> None:
    session, actions = signed_in(term=term(stage))
    assert session.phase is Phase.OPEN
    assert [type(frame) for frame in said(actions)] == [frames.Welcome, frames.Term]


@pytest.mark.parametrize("stage", ["suspended", "closed"])
def test_a_line_out_of_term_is_told_so_and_nothing_else(stage: str) -> None:
    session, actions = signed_in(term=term(stage))
    assert said(actions) == [term(stage)]
    assert ReadOrders() in actions
    for frame in (
        frames.Send(1, b"i" * 16, [DEVICE], b"p"),
        frames.PublishKeyPackages(2),
        frames.Lookup(3, "ada@localhost"),
        frames.NewAttachment(4, 1),
    ):
        assert refusals(session.receive(frames.encode(frame), 0)) == [f"term.{stage}"]
    assert session.receive(frames.encode(frames.Ack(1)), 0) == []
    assert session.arrived(Arrival(b"i" * 16, b"p", 1, ()), 1) == []
    ending = session.orders_read([])
    assert refusals(ending) == [f"term.{stage}"]
    assert ending[-1] == HangUp(1008)
    assert session.phase is Phase.CLOSED


def test_nobody_learns_of_a_term_without_the_key() -> None:
    session = greeted()
    session.receive(frames.encode(frames.SignIn(DEVICE, bytes(64))), 0)
    assert refusals(session.identified(record(term=term("suspended")))) == ["signin.bad_signature"]


def test_a_suspended_device_is_handed_its_orders_and_reports() -> None:
    session, _ = signed_in(term=term("suspended"))
    assert said(session.orders_read([HANDED])) == [HANDED]
    report = frames.Report(9, SignedReceipt(b"body", "device", bytes(64)))
    (ask,) = session.receive(frames.encode(report), 0)
    assert isinstance(ask, Ask)
    done = session.answered(ask, Reported(ORDER.id))
    assert [type(frame) for frame in said(done)] == [frames.Done, frames.Refusal]
    assert refusals(done) == ["term.suspended"]


def test_a_term_that_runs_out_while_it_is_here() -> None:
    session = opened()
    assert said(session.term(term("grace"))) == [term("grace")]
    actions = session.term(term("suspended"))
    assert said(actions) == [term("suspended")]
    assert ReadOrders() in actions
    assert refusals(session.receive(frames.encode(frames.Lookup(1, "ada@localhost")), 0)) == [
        "term.suspended"
    ]
    # Renewed: it comes anew.
    assert session.term(term("active"))[-1] == HangUp(1012)
    assert session.phase is Phase.CLOSED
    assert session.term(term("grace")) == []


def test_an_order_signs_a_suspended_device_out() -> None:
    session, _ = signed_in(term=term("suspended"))
    assert session.sign_out() == [ReadOrders()]
    assert session.phase is Phase.SIGNED_OUT
    assert refusals(session.orders_read([])) == ["signin.revoked"]


def test_a_device_of_a_closed_line_hears_that_it_is_closed() -> None:
    session, actions = signed_in(term=term("closed"), revoked=True)
    assert said(actions) == [term("closed")]
    assert refusals(session.orders_read([])) == ["term.closed"]
