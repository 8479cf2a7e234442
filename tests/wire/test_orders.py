"""Orders and receipts: who may give which, and every way of forging one."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from chappe.wire.errors import BadInput, ChappeError, CryptoFailure
from chappe.wire.orders import (
    MAX_ORDER,
    MAX_REASON,
    MAX_TARGETS,
    MAX_TIMER,
    FleetPolicy,
    Order,
    Reason,
    Receipt,
    SignedOrder,
    SignedReceipt,
    Target,
    approve,
    check_officers_order,
    check_owners_order,
    check_receipt,
    enough_officers,
    order_bytes,
    read_order,
    sign_as_officer,
    sign_as_owner,
    sign_receipt,
    unlock_key_bytes,
)
from chappe.wire.rosters import OfficerSignature, verify
from tests.wire.fleet_world import FLEET, NOW, REASON, SERVER, first, id_of, key, order, public
from tests.wire.strategies import damaged

ROSTER = first("ada", "ben")
LINE, DEVICE = id_of("line"), id_of("device")
OWNER = key("owner")
KINDS = ("erase", "revoke", "lock", "policy", "hold", "release")
POLICY = FleetPolicy(0, 60, 8)
PLAIN_POLICY = {"offline_hours": 1, "idle_seconds": 60}


def by_ada(one: Order) -> SignedOrder:
    return sign_as_officer(one, FLEET, id_of("ada"), key("ada"))


def approved(signed: SignedOrder, *names: str) -> SignedOrder:
    more = [approve(signed, id_of(name), key(name)) for name in names]
    return msgspec.structs.replace(signed, officers=[*signed.officers, *more])


def lines(count: int) -> list[Target]:
    return [Target(number.to_bytes(16, "big")) for number in range(count)]


def forged(signed: SignedOrder, roster: Any = ROSTER, server: str = SERVER) -> None:
    with pytest.raises(CryptoFailure, match=r"order\.forged"):
        check_officers_order(signed, roster, server)


def owners_forged(signed: SignedOrder, line: bytes = LINE, server: str = SERVER) -> None:
    with pytest.raises(CryptoFailure, match=r"order\.forged"):
        check_owners_order(signed, line, public(OWNER), server)


def own(kind: Any = "erase", *targets: Target) -> SignedOrder:
    return sign_as_owner(order(kind, *targets, organisation=b""), OWNER)


# --- officers


@pytest.mark.parametrize("kind", KINDS)
def test_an_officer_orders(kind: Any) -> None:
    made = order(kind, policy=POLICY if kind == "policy" else None)
    verified = check_officers_order(by_ada(made), ROSTER, SERVER)
    assert verified.order == made
    assert verified.officers == (id_of("ada"),)
    assert verified.complete == (kind != "release")


@given(
    st.lists(
        st.builds(
            Target, st.binary(min_size=16, max_size=16), st.none() | st.binary(min_size=16, max_size=16)
        ),
        min_size=1,
        max_size=9,
        unique=True,
    )
)
def test_round_trip(targets: list[Target]) -> None:
    signed = by_ada(order("erase", *targets))
    again = msgspec.msgpack.decode(msgspec.msgpack.encode(signed), type=SignedOrder)
    verified = check_officers_order(again, ROSTER, SERVER)
    assert verified.order.targets == targets
    for target in targets:
        assert verified.order.covers(target.line, target.device or DEVICE)
    assert verified.complete == (len({target.line for target in targets}) <= 5)


def test_whom_it_covers() -> None:
    one = order("erase", Target(LINE, DEVICE))
    assert one.covers(LINE, DEVICE)
    assert not one.covers(LINE, id_of("other"))
    assert not one.covers(id_of("other"), DEVICE)
    assert order("erase", Target(LINE)).covers(LINE, id_of("any"))
    everybody = msgspec.structs.replace(order("policy", policy=POLICY), targets=[])
    assert everybody.for_all
    assert everybody.covers(id_of("any"), id_of("any"))


@pytest.mark.parametrize(
    "change",
    [
        {"fleet_signature": None},
        {"fleet_signature": bytes(64)},
        {"officers": []},
        {"officers": [OfficerSignature(id_of("ada"), bytes(64))]},
        {"owner_signature": bytes(64)},
    ],
    ids=["no fleet key", "wrong fleet key", "no officer", "wrong officer", "owner, too"],
)
def test_half_signed(change: dict[str, Any]) -> None:
    forged(msgspec.structs.replace(by_ada(order()), **change))


def test_who_holds_the_fleet_key_alone_orders_nothing() -> None:
    forged(sign_as_officer(order(), FLEET, id_of("mallory"), key("mallory")))
    forged(sign_as_officer(order(), FLEET, id_of("ada"), key("mallory")))
    forged(sign_as_officer(order(), FLEET, id_of("ada"), FLEET))


def test_an_officer_without_the_fleet_key() -> None:
    forged(sign_as_officer(order(), key("other fleet"), id_of("ada"), key("ada")))


def test_elsewhere() -> None:
    forged(by_ada(order(server="evil.example")))
    forged(by_ada(order()), server="evil.example")
    forged(by_ada(order(organisation=id_of("other"))))
    forged(by_ada(order()), roster=first("ben"))


def test_swapped_contents() -> None:
    mine, other = by_ada(order()), by_ada(order("erase", Target(id_of("boss"))))
    forged(msgspec.structs.replace(mine, body=other.body))
    forged(msgspec.structs.replace(mine, officers=other.officers))
    forged(msgspec.structs.replace(mine, fleet_signature=other.fleet_signature))


def test_bare_signatures() -> None:
    """Over the body, and over a roster's bytes: neither is an order."""
    from chappe.wire.rosters import roster_bytes

    body = msgspec.msgpack.encode(order())
    for data in (body, roster_bytes(body)):
        forged(SignedOrder(body, FLEET.sign(data), [OfficerSignature(id_of("ada"), key("ada").sign(data))]))


@given(damaged(st.just(by_ada(order()).body)))
def test_damaged(body: bytes) -> None:
    signed = by_ada(order())
    if body and body != signed.body:
        with pytest.raises(ChappeError) as caught:
            check_officers_order(msgspec.structs.replace(signed, body=body), ROSTER, SERVER)
        assert caught.value.code in ("order.forged", "order.malformed")


# --- two officers


@pytest.mark.parametrize("kind", ["erase", "revoke"])
@pytest.mark.parametrize(("count", "two"), [(5, False), (6, True)])
def test_how_many_lines_take_two(kind: Any, count: int, two: bool) -> None:
    signed = by_ada(order(kind, *lines(count)))
    verified = check_officers_order(signed, ROSTER, SERVER)
    assert verified.complete != two
    assert enough_officers(verified, ROSTER, False) != two
    assert not enough_officers(verified, ROSTER, True)
    both = check_officers_order(approved(signed, "ben"), ROSTER, SERVER)
    assert both.complete
    assert enough_officers(both, ROSTER, True)


def test_devices_of_one_line_are_one_line() -> None:
    many = [Target(LINE, number.to_bytes(16, "big")) for number in range(50)]
    assert not order("erase", *many).needs_two


@pytest.mark.parametrize("kind", ["lock", "hold", "policy"])
def test_what_takes_one_however_many(kind: Any) -> None:
    assert not order(kind, *lines(MAX_TARGETS), policy=POLICY if kind == "policy" else None).needs_two


def test_one_who_approves_himself() -> None:
    forged(approved(by_ada(order("erase", *lines(6))), "ada"))


def test_who_is_no_officer_approves_nothing() -> None:
    signed = approved(by_ada(order("erase", *lines(6))), "mallory")
    assert not check_officers_order(signed, ROSTER, SERVER).complete


def test_an_order_outlives_who_gave_it() -> None:
    """Ada gave it and is gone. With Ben's signature the phone that shows up later takes it."""
    signed, later = by_ada(order()), first("ben", "cyd")
    forged(signed, roster=later)
    assert check_officers_order(approved(signed, "ben"), later, SERVER).officers == (id_of("ben"),)


def test_who_is_gone_is_not_the_second() -> None:
    signed = approved(by_ada(order("erase", *lines(6))), "ben")
    verified = check_officers_order(signed, first("ben", "cyd"), SERVER)
    assert not verified.complete


def test_an_organisation_with_one_officer_cannot_do_what_takes_two() -> None:
    verified = check_officers_order(by_ada(order("release")), first("ada"), SERVER)
    assert not enough_officers(verified, first("ada"), True)
    assert enough_officers(check_officers_order(by_ada(order()), first("ada"), SERVER), first("ada"), False)


# --- owners


@pytest.mark.parametrize("kind", ["erase", "revoke", "lock"])
def test_an_owner_orders(kind: Any) -> None:
    verified = check_owners_order(own(kind, Target(LINE, DEVICE)), LINE, public(OWNER), SERVER)
    assert verified.officers == ()
    assert verified.complete
    assert verified.order.covers(LINE, DEVICE)


@pytest.mark.parametrize("kind", ["policy", "hold", "release"])
def test_what_an_owner_cannot_order(kind: Any) -> None:
    signed = sign_as_owner(order(kind, organisation=b"", policy=POLICY if kind == "policy" else None), OWNER)
    with pytest.raises(BadInput, match=r"order\.malformed"):
        check_owners_order(signed, LINE, public(OWNER), SERVER)


def test_an_owner_orders_about_one_line_their_own() -> None:
    with pytest.raises(BadInput, match=r"order\.malformed"):
        check_owners_order(own("erase", *lines(2)), LINE, public(OWNER), SERVER)
    owners_forged(own("erase", Target(id_of("other"))))
    owners_forged(own(), line=id_of("other"))
    owners_forged(own(), server="evil.example")


def test_owner_and_officers_are_not_mixed_up() -> None:
    owners_forged(by_ada(order()))
    owners_forged(sign_as_owner(order(), OWNER))
    forged(own())
    forged(SignedOrder(own().body, FLEET.sign(order_bytes(own().body)), by_ada(order()).officers))
    owners_forged(msgspec.structs.replace(own(), fleet_signature=bytes(64)))
    owners_forged(msgspec.structs.replace(own(), officers=by_ada(order()).officers))
    owners_forged(sign_as_owner(order("erase", organisation=b""), key("somebody")))


# --- what is no order


@pytest.mark.parametrize(
    "change",
    [
        {"version": 2},
        {"kind": "melt"},
        {"organisation": b"short"},
        {"targets": []},
        {"targets": [{"line": LINE, "device": None}] * 2},
        {"targets": [{"line": LINE, "device": b"short"}]},
        {"targets": [{"line": LINE, "more": 1}]},
        {"targets": [{"line": n.to_bytes(16, "big")} for n in range(MAX_TARGETS + 1)]},
        {"policy": {"offline_hours": 1, "idle_seconds": 60}},
        {"kind": "policy"},
        {"kind": "policy", "policy": {"offline_hours": 73, "idle_seconds": 60}},
        {"kind": "policy", "policy": {"offline_hours": 1, "idle_seconds": 9}},
        {"kind": "policy", "policy": {"offline_hours": 1, "idle_seconds": 60, "pin_length": 5}},
        {"kind": "policy", "policy": PLAIN_POLICY | {"disappear_default": 29}},
        {"kind": "policy", "policy": PLAIN_POLICY | {"disappear_max": 29}},
        {"kind": "policy", "policy": PLAIN_POLICY | {"disappear_max": MAX_TIMER + 1}},
        {"kind": "policy", "policy": PLAIN_POLICY | {"disappear_default": 301, "disappear_max": 300}},
        {"kind": "policy", "policy": PLAIN_POLICY | {"receipts": "never"}},
        {"kind": "hold", "targets": [{"line": LINE, "device": DEVICE}]},
        {"kind": "release", "targets": [{"line": LINE, "device": DEVICE}]},
        {"kind": "hold", "targets": []},
        {"issued_at": -1},
        {"issued_at": 2**53 + 1},
        {"server": ""},
        {"reason_digest": b"short"},
        {"id": b"short"},
        {"more": 1},
    ],
    ids=str,
)
def test_malformed(change: dict[str, Any]) -> None:
    plain = msgspec.to_builtins(order(), builtin_types=(bytes,))
    body = msgspec.msgpack.encode(plain | change)
    signed = SignedOrder(body, FLEET.sign(order_bytes(body)), by_ada(order()).officers)
    with pytest.raises(BadInput) as caught:
        check_officers_order(signed, ROSTER, SERVER)
    assert caught.value.code == "order.malformed"


@pytest.mark.parametrize("body", [b"\xc1", b"\x80", b"\x91" * 5000 + b"\x80", b"\x81\xa2\xff\xff\x01"])
def test_no_message_pack_of_ours(body: bytes) -> None:
    with pytest.raises(BadInput, match=r"order\.malformed"):
        read_order(SignedOrder(body))


def test_the_largest_order_fits() -> None:
    targets = [Target(n.to_bytes(16, "big"), n.to_bytes(16, "big")) for n in range(MAX_TARGETS)]
    assert len(msgspec.msgpack.encode(order("erase", *targets))) <= MAX_ORDER


# --- policies


@pytest.mark.parametrize(
    ("policy", "spelt"),
    [
        (FleetPolicy(8, 300), "82ad6f66666c696e655f686f75727308ac69646c655f7365636f6e6473cd012c"),
        (
            FleetPolicy(1, 120, 8, lock_on_hide=True),
            "84ad6f66666c696e655f686f75727301ac69646c655f7365636f6e647378"
            "aa70696e5f6c656e67746808ac6c6f636b5f6f6e5f68696465c3",
        ),
    ],
)
def test_what_a_policy_does_not_rule_it_does_not_spell(policy: FleetPolicy, spelt: str) -> None:
    """A program of before disappearing messages and receipts reads what says nothing of them."""
    assert msgspec.msgpack.encode(policy).hex() == spelt
    ruled = msgspec.structs.replace(policy, disappear_max=86_400, receipts="off")
    assert msgspec.to_builtins(ruled).keys() - msgspec.to_builtins(policy).keys() == {
        "disappear_max",
        "receipts",
    }
    assert msgspec.msgpack.decode(msgspec.msgpack.encode(ruled), type=FleetPolicy) == ruled
    # As the console spelt it once: with what is left out now.
    long = PLAIN_POLICY | {"pin_length": 6, "lock_on_hide": False, "disappear_max": 0, "receipts": "free"}
    assert msgspec.msgpack.decode(msgspec.msgpack.encode(long), type=FleetPolicy) == FleetPolicy(1, 60)


@pytest.mark.parametrize(
    ("default", "most", "first", "obeyed"),
    [
        (0, 0, 0, [0, 30, 86_400]),
        (300, 0, 300, [0, 30, 86_400]),
        (0, 3600, 3600, [3600, 30, 3600]),
        (300, 3600, 300, [3600, 30, 3600]),
    ],
)
def test_the_timers_of_a_policy(default: int, most: int, first: int, obeyed: list[int]) -> None:
    policy = FleetPolicy(0, 60, disappear_default=default, disappear_max=most)
    assert (policy.is_sound, policy.first_timer) == (True, first)
    assert [policy.timer(agreed) for agreed in (0, 30, 86_400)] == obeyed


# --- reasons


def test_a_reason_is_bound_and_salted() -> None:
    assert order().reason_digest == REASON.digest()
    assert Reason("left in a taxi", bytes(16)).digest() != REASON.digest()
    assert Reason("left in a cab", REASON.salt).digest() != REASON.digest()


def test_a_reason_has_words_and_an_end() -> None:
    for text in ("", "x" * (MAX_REASON + 1)):
        with pytest.raises(msgspec.ValidationError):
            msgspec.msgpack.decode(msgspec.msgpack.encode({"text": text, "salt": bytes(16)}), type=Reason)


# --- receipts

PHONE, GUESSER = key("phone"), key("guesser")
RECEIPT = Receipt(1, id_of("order"), DEVICE, "erased", NOW)


def refused(signed: SignedReceipt, unlock_key: bytes | None = None) -> None:
    with pytest.raises(CryptoFailure, match=r"receipt\.invalid"):
        check_receipt(signed, signature_key=public(PHONE), unlock_key=unlock_key)


def test_receipts() -> None:
    signed = sign_receipt(RECEIPT, "device", PHONE)
    assert check_receipt(signed, signature_key=public(PHONE), unlock_key=None) == RECEIPT
    locked = sign_receipt(RECEIPT, "unlock", GUESSER)
    assert check_receipt(locked, signature_key=public(PHONE), unlock_key=public(GUESSER)) == RECEIPT
    refused(locked)
    refused(locked, public(key("another")))


def test_forged_receipts() -> None:
    signed = sign_receipt(RECEIPT, "device", PHONE)
    refused(sign_receipt(RECEIPT, "device", key("relay")))
    refused(sign_receipt(RECEIPT, "device", GUESSER), public(GUESSER))
    refused(sign_receipt(RECEIPT, "unlock", PHONE), public(GUESSER))
    other = sign_receipt(msgspec.structs.replace(RECEIPT, outcome="locked"), "device", PHONE)
    refused(msgspec.structs.replace(signed, body=other.body))
    refused(SignedReceipt(signed.body, "device", PHONE.sign(signed.body)))
    refused(SignedReceipt(signed.body, "device", PHONE.sign(order_bytes(signed.body))))


@pytest.mark.parametrize(
    "change",
    [{"version": 2}, {"outcome": "gone"}, {"order": b""}, {"at": -1}, {"more": 1}],
    ids=str,
)
def test_receipts_that_are_none(change: dict[str, Any]) -> None:
    """Signed by the right key."""
    from chappe.wire.orders import _receipt_bytes

    body = msgspec.msgpack.encode(msgspec.to_builtins(RECEIPT, builtin_types=(bytes,)) | change)
    refused(SignedReceipt(body, "device", PHONE.sign(_receipt_bytes(body))))


@given(damaged(st.just(sign_receipt(RECEIPT, "device", PHONE).body)))
def test_a_damaged_receipt(body: bytes) -> None:
    signed = sign_receipt(RECEIPT, "device", PHONE)
    if body != signed.body:
        refused(SignedReceipt(body, "device", signed.signature))


def test_the_unlock_key_is_vouched_for_by_its_device() -> None:
    proof = PHONE.sign(unlock_key_bytes(DEVICE, public(GUESSER)))
    verify(public(PHONE), proof, unlock_key_bytes(DEVICE, public(GUESSER)), "receipt.invalid")
    for data in (unlock_key_bytes(id_of("other"), public(GUESSER)), unlock_key_bytes(DEVICE, public(PHONE))):
        with pytest.raises(CryptoFailure):
            verify(public(PHONE), proof, data, "receipt.invalid")
