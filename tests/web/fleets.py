"""Cases of rosters, orders, receipts and what is asked about them: signed by whom they must be, and not."""

from __future__ import annotations

import random
from collections.abc import Callable
from functools import partial
from typing import Any, Final

import msgspec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from chappe.wire import fleet, frames, orders, rosters
from chappe.wire.orders import (
    MAX_TIMER,
    FleetPolicy,
    Order,
    Reason,
    Receipt,
    SignedOrder,
    SignedReceipt,
    Target,
)
from chappe.wire.rosters import Officer, OfficerSignature, Roster, SignedRoster
from chappe.wire.unlock import ServiceKey
from tests.web.plain import Case, plain, verdict

SERVER: Final = "relay.example"
SEALING: Final = ServiceKey(bytes(range(1, 97)))
"""The officers' key, which registers are sealed to."""

replace = msgspec.structs.replace


def _key(number: int) -> Ed25519PrivateKey:
    return Ed25519PrivateKey.from_private_bytes(bytes([number]) * 32)


def _public(number: int) -> bytes:
    return _key(number).public_key().public_bytes_raw()


FLEET: Final = _key(1)
IDENTITY: Final = _key(9)
LINE: Final = b"L" * 16
DEVICE: Final = b"D" * 16


def _officer(number: int) -> Officer:
    return Officer(bytes([number]) * 16, f"Officer {number}", _public(number))


def _roster(officers: list[int], before: SignedRoster | None = None, **changes: Any) -> Roster:
    version, previous = 1, bytes(32)
    if before is not None:
        version = msgspec.msgpack.decode(before.body, type=Roster).version + 1
        previous = rosters.roster_hash(before)
    made = Roster(
        b"O" * 16, "A press", _public(1), SEALING.public, version, previous,
        [_officer(number) for number in officers], 1_700_000_000,
    )  # fmt: skip
    return replace(made, **changes)


def _sign(roster: Roster, *by: int, fleet: Ed25519PrivateKey = FLEET) -> SignedRoster:
    return rosters.sign_roster(roster, fleet, {bytes([number]) * 16: _key(number) for number in by})


def _raw(value: dict[str, Any]) -> SignedRoster:
    """A roster of any content, well signed."""
    body = msgspec.msgpack.encode(value)
    signed = rosters.roster_bytes(body)
    return SignedRoster(body, FLEET.sign(signed), [OfficerSignature(bytes([2]) * 16, _key(2).sign(signed))])


def chains() -> list[list[SignedRoster]]:
    one = _sign(_roster([2]), 2)
    two = _sign(_roster([2, 3], one), 2)
    three = _sign(_roster([3, 4, 5], two), 2, 3)
    again = _sign(_roster([3], three), 3, 4, 5)
    content = msgspec.to_builtins(_roster([2]), builtin_types=(bytes,))
    return [
        [one], [one, two], [one, two, three], [one, two, three, again],
        [], [two], [one, three], [one, one], [two, one], [one, two, two],
        [_sign(_roster([2]), 3)], [_sign(_roster([2]), 2, fleet=_key(7))],
        [_sign(_roster([2, 1]), 2)], [_sign(_roster([2, 2]), 2)],
        [_sign(_roster([2], fleet_key=_public(7)), 2)],
        [one, _sign(_roster([2, 3], one), 3)],
        [one, _sign(_roster([2, 3], one, organisation=b"P" * 16), 2)],
        [one, _sign(_roster([2, 3], one, seal_key=bytes(1216)), 2)],
        [one, _sign(_roster([2, 3], one, previous=bytes(32)), 2)],
        [one, _sign(_roster([2, 3], one, version=3), 2)],
        [one, two, _sign(_roster([3], two), 2)], [one, two, _sign(_roster([3], two), 2, 3, 4)],
        [replace(one, officers=one.officers * 2)], [replace(one, body=one.body + b"\0")],
        [replace(one, body=b"\xc0")], [replace(one, officers=[replace(one.officers[0], officer=bytes(16))])],
        [_raw(content)], [_raw(content | {"more": 1})], [_raw(content | {"name": ""})],
        [_raw(content | {"name": "é" * 64})], [_raw(content | {"name": "é" * 65})],
        [_raw(content | {"officers": []})], [_raw(content | {"version": 1.0})],
        [_raw(content | {"issued_at": 2**53 + 1})], [_raw(content | {"previous": bytes(31)})],
    ]  # fmt: skip


def chain_cases() -> list[Case]:
    return [{"rosters": plain(chain)} | verdict(partial(_checked, chain)) for chain in chains()]


def _checked(chain: list[SignedRoster]) -> object:
    found = rosters.check_chain(chain, fleet_key=_public(1))
    return [found.roster, list(found.hashes)]


REASON: Final = Reason("Left in a taxi, é", b"s" * 16)


def _order(**changes: Any) -> Order:
    made = Order(
        1, b"i" * 16, "erase", SERVER, b"O" * 16, [Target(LINE, DEVICE)], 1_700_000_000, REASON.digest()
    )
    return replace(made, **changes)


def _by_officers(order: Order, *by: int, fleet: Ed25519PrivateKey = FLEET) -> SignedOrder:
    signed = orders.sign_as_officer(order, fleet, bytes([by[0]]) * 16, _key(by[0]))
    more = [orders.approve(signed, bytes([number]) * 16, _key(number)) for number in by[1:]]
    return replace(signed, officers=[*signed.officers, *more])


def _lines(count: int) -> list[Target]:
    return [Target(bytes([number]) * 16) for number in range(count)]


def _policies() -> list[FleetPolicy]:
    """What a policy says of disappearing messages and of receipts: sound, too short, beyond the maximum."""
    timers = [(30, 30), (0, 86_400), (300, 0), (600, 300), (29, 0), (0, 29), (-1, 0), (30, MAX_TIMER + 1)]
    timed = [FleetPolicy(8, 300, disappear_default=first, disappear_max=most) for first, most in timers]
    receipts: list[Any] = ["free", "on", "off", "never"]
    return [*timed, *(FleetPolicy(0, 60, 8, True, receipts=one) for one in receipts)]


def _bodies() -> list[Order]:
    policy = FleetPolicy(8, 300)
    return [
        _order(), _order(kind="revoke"), _order(kind="lock"), _order(kind="policy", policy=policy),
        _order(kind="policy", policy=policy, targets=[]), _order(kind="policy"), _order(policy=policy),
        _order(targets=[]), _order(targets=_lines(1)), _order(targets=_lines(5)), _order(targets=_lines(6)),
        _order(targets=_lines(6), kind="lock"), _order(targets=_lines(2) * 2), _order(kind="hold"),
        _order(targets=[Target(LINE), Target(LINE, DEVICE)]), _order(kind="release"),
        _order(organisation=b"O" * 15),
        _order(organisation=b"P" * 16), _order(organisation=b""), _order(server="other"), _order(server=""),
        _order(server="s" * 254), _order(version=2), _order(kind="explode"), _order(reason_digest=b""),
        _order(kind="policy", policy=FleetPolicy(73, 300)), _order(kind="policy", policy=FleetPolicy(0, 9)),
        _order(kind="policy", policy=FleetPolicy(72, 86_400, 32)),
        _order(kind="policy", policy=FleetPolicy(1, 10, 5)),
        *(_order(kind="policy", policy=policy) for policy in _policies()),
        _order(issued_at=-1), _order(issued_at=2**53), _order(id=bytes(15)),
    ]  # fmt: skip


def officer_cases() -> list[Case]:
    """`complete`: whether enough signed; against a roster of three."""
    roster = _roster([2, 3, 4])
    good = _by_officers(_order(), 2)
    signed = [
        *(_by_officers(body, 2) for body in _bodies()), *(_by_officers(body, 2, 3) for body in _bodies()),
        _by_officers(_order(), 5, 2), _by_officers(_order(kind="hold", targets=_lines(2)), 2, 5),
        _by_officers(_order(kind="release", targets=_lines(1)), 2, 3), _by_officers(_order(), 5, 5, 2),
        _by_officers(_order(), 5), _by_officers(_order(), 2, 2), _by_officers(_order(), 2, fleet=_key(7)),
        replace(good, officers=[]), replace(good, fleet_signature=None),
        replace(good, fleet_signature=bytes(64)),
        replace(good, owner_signature=bytes(64)), replace(good, body=b"\x80"),
        replace(good, body=good.body + b"\0"),
        replace(good, body=good.body.replace(b"erase", b"elase")), replace(good, body=b"\xc1"),
        orders.sign_as_owner(_order(organisation=b""), IDENTITY),
    ]  # fmt: skip
    made: list[Case] = []
    for one in signed:
        case = {"signed": plain(one)} | verdict(partial(_officers, one, roster))
        made.append(case)
    return [{"roster": plain(roster)} | case for case in made]


def _officers(signed: SignedOrder, roster: Roster) -> object:
    found = orders.check_officers_order(signed, roster, SERVER)
    asked = orders.enough_officers(found, roster, two=False)
    return [found.order, list(found.officers), found.complete, asked, found.order.covers(LINE, DEVICE)]


def owner_cases() -> list[Case]:
    def owned(**changes: Any) -> SignedOrder:
        return orders.sign_as_owner(_order(organisation=b"", **changes), IDENTITY)

    good = owned()
    signed = [
        good, owned(kind="revoke"), owned(kind="lock"), owned(targets=[Target(LINE)]),
        owned(server="other"),
        owned(kind="hold"), owned(kind="policy", policy=FleetPolicy(1, 10)), owned(targets=_lines(1)),
        owned(targets=[Target(LINE), Target(b"x" * 16)]), owned(targets=[]),
        owned(policy=FleetPolicy(1, 10)),
        orders.sign_as_owner(_order(), IDENTITY), orders.sign_as_owner(_order(organisation=b""), _key(2)),
        replace(good, owner_signature=None), replace(good, fleet_signature=bytes(64)),
        replace(good, officers=[OfficerSignature(bytes(16), bytes(64))]), _by_officers(_order(), 2),
    ]  # fmt: skip
    public = IDENTITY.public_key().public_bytes_raw()
    return [
        {"signed": plain(one), "identity": public.hex()} | verdict(partial(_owners, one, public))
        for one in signed
    ]


def _owners(signed: SignedOrder, identity: bytes) -> Order:
    return orders.check_owners_order(signed, LINE, identity, SERVER).order


def receipt_cases() -> list[Case]:
    """Signed by the device's key 3 or its unlock key 4."""
    receipt = Receipt(1, b"i" * 16, DEVICE, "erased", 1_700_000_000)
    good = orders.sign_receipt(receipt, "device", _key(3))
    signed = [
        good, orders.sign_receipt(receipt, "unlock", _key(4)),
        orders.sign_receipt(receipt, "unlock", _key(3)),
        orders.sign_receipt(replace(receipt, outcome="odd"), "device", _key(3)),
        orders.sign_receipt(replace(receipt, at=-1), "device", _key(3)),
        replace(good, body=good.body + b"\0"),
    ]  # fmt: skip
    return [_receipt(one, unlock) for one in signed for unlock in (_public(4), None)]


def _receipt(signed: SignedReceipt, unlock: bytes | None) -> Case:
    checked = verdict(lambda: orders.check_receipt(signed, signature_key=_public(3), unlock_key=unlock))
    return {"signed": plain(signed), "device": _public(3).hex(), "unlock": unlock and unlock.hex()} | checked


def answer_cases(rng: random.Random, mutations: Callable[..., list[bytes]]) -> list[Case]:
    """What the relay answers; the phone reads only what it asks for, so that others are left out."""
    order = frames.OrderFrame(_by_officers(_order(), 2), [_sign(_roster([2]), 2)], REASON)
    stages = fleet.DeviceStages(
        DEVICE, LINE, "ada@relay.example", 1, None, None, 0, None, None, None, b"c", None, None
    )
    receipt = orders.sign_receipt(Receipt(1, b"i" * 16, DEVICE, "erased", 5), "device", _key(3))
    told = replace(stages, conversations=3, removed=2, done_at=9, receipt=receipt, unlock_key=b"u")
    good: list[fleet.AnyAnswer] = [
        fleet.Ok(),
        fleet.Given(b"i" * 16, False, True, [fleet.Place(DEVICE, LINE, b"r"), fleet.Place(DEVICE, LINE)]),
        fleet.Orders([fleet.OrderStatus(order.order, "erase", REASON, 5, True, [stages, told])]),
        fleet.ForDevice([order]), fleet.ForDevice([]),
    ]  # fmt: skip
    datas = [fleet.encode(answer) for answer in good]
    # A body is not read until its order is verified: it is enough to change what is around it.
    datas += [piece for data in datas for piece in mutations(rng, data, 30)]
    return [{"data": data.hex()} | verdict(partial(fleet.decode_answer, data)) for data in datas]


def policy_cases() -> list[Case]:
    """Officers' policies, with what they are signed as: the console signs the same bytes."""
    policies = [FleetPolicy(8, 300), FleetPolicy(0, 60, 8, True), *_policies()[:3], *_policies()[8:11]]
    made = [_order(kind="policy", targets=[], policy=policy) for policy in policies]
    return [{"order": plain(order), "signed": plain(_by_officers(order, 2))} for order in made]


def envelope_cases() -> Case:
    """The phone signs the same bytes."""
    receipt = orders.sign_receipt(Receipt(1, b"i" * 16, DEVICE, "erased", 5), "unlock", _key(4))
    order = orders.sign_as_owner(_order(organisation=b""), IDENTITY)
    give = fleet.Give(order, REASON, [b"g" * 16])
    return {
        "order": plain(_order(organisation=b"")), "reason": plain(REASON), "receipt": plain(receipt),
        "identity": IDENTITY.private_bytes_raw().hex(), "unlock": _key(4).private_bytes_raw().hex(),
        "signedOrder": plain(order), "give": plain(give),
        "byOwner": fleet.encode(fleet.by_owner(SERVER, LINE, IDENTITY, 7, give)).hex(),
        "byDevice": fleet.encode(
            fleet.by_device(SERVER, DEVICE, "unlock", _key(4), 5, fleet.Report(receipt))
        ).hex(),
        "waiting": fleet.encode(fleet.by_device(SERVER, DEVICE, "device", _key(4), 0, fleet.Waiting())).hex(),
        "status": fleet.encode(fleet.by_owner(SERVER, LINE, IDENTITY, 0, fleet.Status())).hex(),
        "unlock_key": _public(4).hex(), "vouched": orders.unlock_key_bytes(DEVICE, _public(4)).hex(),
    }  # fmt: skip


def fleet_cases(rng: random.Random, mutations: Callable[..., list[bytes]]) -> Case:
    return {
        "chains": chain_cases(),
        "officersOrders": officer_cases(),
        "ownersOrders": owner_cases(),
        "receipts": receipt_cases(),
        "fleetAnswers": answer_cases(rng, mutations),
        "fleet": envelope_cases(),
        "policies": policy_cases(),
        "sealKey": SEALING.public.hex(),
        "fleetKey": _public(1).hex(),
    }
