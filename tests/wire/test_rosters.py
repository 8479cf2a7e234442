"""Who may order: what makes a chain of rosters, and all that does not."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from chappe.wire.errors import CryptoFailure
from chappe.wire.rosters import (
    MAX_ROSTERS,
    OfficerSignature,
    Roster,
    SignedRoster,
    check_chain,
    check_officers,
    needed_signatures,
    roster_bytes,
    roster_hash,
    sign_roster,
)
from tests.wire.fleet_world import (
    FLEET,
    SEAL,
    Organisation,
    first,
    id_of,
    key,
    officer,
    public,
    replace_roster,
)
from tests.wire.strategies import damaged

FLEET_KEY = public(FLEET)


def refused(rosters: list[SignedRoster], fleet_key: bytes = FLEET_KEY) -> None:
    with pytest.raises(CryptoFailure) as caught:
        check_chain(rosters, fleet_key=fleet_key)
    assert caught.value.code == "roster.invalid"


def changed(signed: SignedRoster, **changes: Any) -> SignedRoster:
    return msgspec.structs.replace(signed, **changes)


def test_a_chain() -> None:
    made = (
        Organisation.of("ada")
        .then("ada", "ben", by=("ada",))
        .then("ada", "ben", "cyd", by=("ada", "ben"))
        .then("ben", "cyd", by=("ben", "cyd"))
    )
    chain = check_chain(made.rosters, fleet_key=FLEET_KEY)
    assert chain.roster == made.bodies[-1]
    assert chain.hashes == tuple(map(roster_hash, made.rosters))
    assert chain.roster.officer(id_of("ben")) == officer("ben")
    assert chain.roster.officer(id_of("ada")) is None


@given(st.lists(st.sampled_from(["ada", "ben", "cyd", "dan", "eve"]), min_size=1, unique=True))
def test_round_trip(names: list[str]) -> None:
    made = Organisation.of(*names)
    again = msgspec.msgpack.decode(msgspec.msgpack.encode(made.rosters), type=list[SignedRoster])
    assert check_chain(again, fleet_key=FLEET_KEY).roster == first(*names)


def test_no_chain_at_all() -> None:
    refused([])
    refused(Organisation.of("ada").rosters * (MAX_ROSTERS + 1))


def test_of_another_organisation() -> None:
    refused(Organisation.of("ada").rosters, public(key("other fleet")))


def test_the_fleet_key_alone_makes_no_officer() -> None:
    """A former officer holds it still."""
    made = Organisation.of("ada", "ben")
    made.take(made.next("ada", "ben", "mallory"), ("mallory",))
    refused(made.rosters)


def test_nobody_signed() -> None:
    made = Organisation.of("ada")
    refused([changed(made.rosters[0], officers=[])])


def test_officers_without_the_fleet_key() -> None:
    made = Organisation.of("ada")
    made.take(made.next("ada", "ben"), ("ada",), fleet=key("not the fleet's"))
    refused(made.rosters)


@pytest.mark.parametrize("by", [("ada",), ("ben",), ("cyd",), ("ada", "mallory"), ("mallory", "eve")])
def test_where_there_are_two_it_takes_two(by: tuple[str, ...]) -> None:
    made = Organisation.of("ada", "ben").then("ada", "ben", "cyd", by=by)
    refused(made.rosters)


def test_one_officer_who_signs_twice_is_one() -> None:
    made = Organisation.of("ada", "ben").then("ada", "ben", "cyd", by=("ada",))
    (signature,) = made.rosters[-1].officers
    refused([made.rosters[0], changed(made.rosters[-1], officers=[signature, signature])])


def test_one_officer_who_signs_in_the_others_name() -> None:
    made = Organisation.of("ada", "ben")
    body = msgspec.msgpack.encode(made.next("ada", "ben", "cyd"))
    forged = [OfficerSignature(id_of(name), key("ada").sign(roster_bytes(body))) for name in ("ada", "ben")]
    refused([made.rosters[0], SignedRoster(body, FLEET.sign(roster_bytes(body)), forged)])


def test_newcomers_do_not_vouch_for_themselves() -> None:
    made = Organisation.of("ada").then("ada", "ben", by=("ben",))
    refused(made.rosters)
    made = Organisation.of("ada", "ben").then("ada", "ben", "cyd", by=("ada", "cyd"))
    refused(made.rosters)


def test_who_was_removed_signs_no_more() -> None:
    made = Organisation.of("ada", "ben", "cyd").then("ada", "ben", by=("ada", "ben"))
    made.then("ada", "ben", "eve", by=("ada", "cyd"))
    refused(made.rosters)


@pytest.mark.parametrize(
    "spoil",
    [
        lambda rosters: rosters[1:],
        lambda rosters: [rosters[0], rosters[2]],
        lambda rosters: [rosters[1], rosters[0], rosters[2]],
        lambda rosters: [rosters[0], rosters[0], rosters[1], rosters[2]],
        lambda rosters: [*rosters, rosters[-1]],
        lambda rosters: [*rosters[:2], changed(rosters[2], body=rosters[1].body)],
        lambda rosters: [*rosters[:2], changed(rosters[2], fleet_signature=rosters[1].fleet_signature)],
        lambda rosters: [*rosters[:2], changed(rosters[2], officers=rosters[1].officers)],
    ],
    ids=["headless", "gap", "swapped", "doubled", "last twice", "body", "fleet signature", "officers"],
)
def test_not_that_chain(spoil: Callable[[list[SignedRoster]], list[SignedRoster]]) -> None:
    made = Organisation.of("ada").then("ada", "ben", by=("ada",)).then("ada", "ben", "cyd", by=("ada", "ben"))
    check_chain(made.rosters, fleet_key=FLEET_KEY)
    refused(spoil(made.rosters))


def test_a_fork_is_seen_by_its_hashes() -> None:
    """Two officers may sign two next rosters; who remembers one does not find it in the other."""
    base = Organisation.of("ada", "ben")
    one = Organisation(base.rosters[:], base.bodies[:]).then("ada", "ben", "cyd", by=("ada", "ben"))
    two = Organisation(base.rosters[:], base.bodies[:]).then("ada", "ben", "eve", by=("ada", "ben"))
    left, right = (check_chain(made.rosters, fleet_key=FLEET_KEY) for made in (one, two))
    assert left.hashes[-1] not in right.hashes
    assert left.hashes[0] == right.hashes[0]
    refused([*one.rosters, Organisation(two.rosters, two.bodies).then("ada", by=("ada", "ben")).rosters[-1]])


@pytest.mark.parametrize(
    "changes",
    [
        {"organisation": id_of("other")},
        {"seal_key": bytes(1216)},
        {"fleet_key": public(key("other fleet"))},
        {"version": 3},
        {"version": 1},
        {"previous": bytes(32)},
        {"officers": [officer("ada"), officer("ada")]},
        {"officers": [officer("ada"), msgspec.structs.replace(officer("ben"), key=public(key("ada")))]},
        {"officers": [officer("ada"), msgspec.structs.replace(officer("ben"), id=id_of("ada"))]},
        {"officers": [officer("ada"), msgspec.structs.replace(officer("ben"), key=FLEET_KEY)]},
    ],
    ids=[
        "organisation",
        "seal key",
        "fleet key",
        "later",
        "again",
        "previous",
        "doubled",
        "one key twice",
        "one id twice",
        "fleet key as officer",
    ],
)
def test_what_a_next_roster_may_not_say(changes: dict[str, Any]) -> None:
    """Signed by all who must."""
    made = Organisation.of("ada")
    made.take(replace_roster(made.next("ada", "ben"), **changes), ("ada",))
    refused(made.rosters)


@pytest.mark.parametrize("count", [0, 33])
def test_how_many_officers(count: int) -> None:
    many = [officer(f"o{number}") for number in range(count)]
    body = msgspec.msgpack.encode(replace_roster(first("o0"), officers=many))
    signature = OfficerSignature(id_of("o0"), key("o0").sign(roster_bytes(body)))
    refused([SignedRoster(body, FLEET.sign(roster_bytes(body)), [signature])])


def test_unknown_fields_and_later_bytes() -> None:
    plain = msgspec.to_builtins(first("ada"), builtin_types=(bytes,))
    encoded = msgspec.msgpack.encode(first("ada"))
    for body in (msgspec.msgpack.encode(plain | {"more": 1}), encoded + b"\xc0", b"\xc1", encoded[:-1]):
        signature = OfficerSignature(id_of("ada"), key("ada").sign(roster_bytes(body)))
        refused([SignedRoster(body, FLEET.sign(roster_bytes(body)), [signature])])


@given(damaged(st.just(Organisation.of("ada").rosters[0].body)))
def test_a_damaged_body(body: bytes) -> None:
    (signed,) = Organisation.of("ada").rosters
    if body != signed.body:
        refused([SignedRoster(body or b"\0", signed.fleet_signature, signed.officers)])


@given(st.integers(0, 511))
def test_every_bit_of_a_signature(bit: int) -> None:
    (signed,) = Organisation.of("ada").rosters
    spoilt = bytearray(signed.fleet_signature)
    spoilt[bit // 8] ^= 1 << bit % 8
    refused([changed(signed, fleet_signature=bytes(spoilt))])
    own = bytearray(signed.officers[0].signature)
    own[bit // 8] ^= 1 << bit % 8
    refused([changed(signed, officers=[OfficerSignature(id_of("ada"), bytes(own))])])


def test_a_signature_for_another_purpose() -> None:
    """Both keys sign the bare body; neither signed a roster."""
    body = msgspec.msgpack.encode(first("ada"))
    bare = SignedRoster(body, FLEET.sign(body), [OfficerSignature(id_of("ada"), key("ada").sign(body))])
    refused([bare])


def test_a_key_that_is_none() -> None:
    bad = msgspec.structs.replace(officer("ada"), key=b"\xff" * 32)
    roster = replace_roster(first("ada"), officers=[bad])
    refused([sign_roster(roster, FLEET, {id_of("ada"): key("ada")})])


def test_how_many_must_sign() -> None:
    assert [needed_signatures(first(*names)) for names in (("a",), ("a", "b"), ("a", "b", "c"))] == [1, 2, 2]


def test_who_is_gone_counts_for_nothing_where_that_is_allowed() -> None:
    roster, data = first("ada", "ben"), b"signed"
    by_all = [OfficerSignature(id_of(name), key(name).sign(data)) for name in ("gone", "ben")]
    assert check_officers(roster, by_all, data, "order.forged", gone=True) == (id_of("ben"),)
    with pytest.raises(CryptoFailure, match=r"order\.forged"):
        check_officers(roster, by_all, data, "order.forged")
    with pytest.raises(CryptoFailure, match=r"order\.forged"):
        check_officers(roster, [by_all[0], by_all[0]], data, "order.forged", gone=True)
    wrong = OfficerSignature(id_of("ben"), Ed25519PrivateKey.generate().sign(data))
    with pytest.raises(CryptoFailure, match=r"order\.forged"):
        check_officers(roster, [wrong], data, "order.forged", gone=True)


def test_the_first_may_name_no_previous() -> None:
    made = Organisation()
    made.take(replace_roster(first("ada"), previous=b"p" * 32), ("ada",))
    refused(made.rosters)


def test_limits_leave_room_for_the_largest_roster() -> None:
    from chappe.wire.frames import MAX_FRAME
    from chappe.wire.rosters import MAX_OFFICERS, MAX_ROSTER

    people = [
        msgspec.structs.replace(officer(f"o{n}"), name="\U0001f511" * 64, id=n.to_bytes(16, "big"))
        for n in range(MAX_OFFICERS)
    ]
    largest = Roster(
        b"o" * 16, "\U0001f511" * 64, FLEET_KEY, SEAL.public, 1, bytes(32), people, 2**53
    )  # 4 bytes a character
    body = len(msgspec.msgpack.encode(largest))
    assert body <= MAX_ROSTER
    assert MAX_ROSTERS * (body + MAX_OFFICERS * 128) < MAX_FRAME
