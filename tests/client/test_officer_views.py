"""What an officer believes of a relay: lines, receipts, the audit log; and what is signed for it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from chappe.client import officer_removals
from chappe.client.auditing import fetch, replayed
from chappe.client.groups import SUITE
from chappe.client.officer_file import Head, KnownLine
from chappe.client.officer_lines import checked_line, choose, choose_all, remember
from chappe.client.order_views import OrderView, receipt_holds, view
from chappe.mls import Credential, ExternalSender, Group, Remove, accept_any, external_senders_extension
from chappe.tlog.chain import Chain
from chappe.wire import fleet
from chappe.wire.certificate import DeviceCertificate, issue
from chappe.wire.errors import ChappeError
from chappe.wire.fleet import DeviceOfLine, DeviceStages, LineOf, OrderStatus
from chappe.wire.orders import (
    Order,
    Receipt,
    SignedReceipt,
    Target,
    check_officers_order,
    sign_as_officer,
    sign_receipt,
    unlock_key_bytes,
)
from chappe.wire.registers import Membership
from tests.mls.world import NOW as MLS_NOW
from tests.mls.world import Client
from tests.wire.fleet_world import FLEET, NOW, REASON, SERVER, first, id_of, key, order, public

FLEET_KEY = public(FLEET)
OWNER, PHONE, GUESSER, EVIL = key("owner"), key("phone"), key("guesser"), key("evil")
LINE, DEVICE = id_of("line"), id_of("device")


def certificate(
    identity: Ed25519PrivateKey = OWNER,
    line: bytes = LINE,
    device: bytes = DEVICE,
    address: str = "ada@relay.example",
    signer: Ed25519PrivateKey = PHONE,
    fleet_key: bytes = FLEET_KEY,
) -> DeviceCertificate:
    return issue(
        identity,
        line_id=line,
        address=address,
        device_id=device,
        signature_key=public(signer),
        issued_at=NOW,
        fleet_key=fleet_key,
    )


def said(made: DeviceCertificate | None = None, **changes: Any) -> LineOf:
    made = made or certificate()
    device = DeviceOfLine(made.device_id, made.to_bytes(), NOW)
    line = LineOf(made.line_id, made.address, made.identity_key, NOW, None, None, [device])
    return msgspec.structs.replace(line, **changes)


def refused(code: str, work: Callable[[], object]) -> None:
    with pytest.raises(ChappeError) as caught:
        work()
    assert caught.value.code == code


# --- lines


def test_a_line_as_its_certificates_say() -> None:
    line = checked_line(said(), FLEET_KEY)
    assert (line.id, line.address, line.identity_key) == (LINE, "ada@relay.example", public(OWNER))
    assert [device.id for device in line.devices] == [DEVICE]


@pytest.mark.parametrize(
    "lie",
    [
        said(line=id_of("boss")),
        said(address="boss@relay.example"),
        said(identity_key=public(EVIL)),
        said(devices=[DeviceOfLine(id_of("another"), certificate().to_bytes(), NOW)]),
        said(devices=[DeviceOfLine(DEVICE, certificate(identity=EVIL).to_bytes(), NOW)]),
        said(devices=[DeviceOfLine(DEVICE, b"none", NOW)]),
        said(certificate(fleet_key=b"")),
        said(certificate(fleet_key=public(EVIL))),
    ],
    ids=["line", "address", "identity", "device", "foreign certificate", "none", "of nobody", "other fleet"],
)
def test_lies_about_a_line(lie: LineOf) -> None:
    refused("certificate.invalid", lambda: checked_line(lie, FLEET_KEY))


def test_two_lines_that_the_relay_swaps() -> None:
    """A certificate of its own making gives the boss's line the lost phone's address."""
    boss = checked_line(said(certificate(address="boss@relay.example", line=id_of("boss"))), FLEET_KEY)
    known = remember([], [boss])
    made_up = checked_line(said(certificate(identity=EVIL, line=id_of("boss"))), FLEET_KEY)
    assert made_up.address == "ada@relay.example"
    refused("identity.changed", lambda: remember(known, [made_up]))
    assert remember(known, [boss]) == known


def test_naming_lines_and_devices() -> None:
    ada = checked_line(said(), FLEET_KEY)
    other = checked_line(
        said(certificate(address="ben@relay.example", line=id_of("ben"), device=id_of("bens"))), FLEET_KEY
    )
    lines = [ada, other]
    prefix = DEVICE.hex()[:6]
    assert choose("ada@relay.example", lines).target == Target(LINE)
    assert choose(f" Ada@relay.example/{prefix.upper()}", lines).target == Target(LINE, DEVICE)
    assert choose(LINE.hex(), lines).target == Target(LINE)
    assert choose(DEVICE.hex(), lines).target == Target(LINE, DEVICE)
    refused("address.unknown", lambda: choose("cyd@relay.example", lines))
    refused("address.unknown", lambda: choose("ada@relay.example/ffff", lines))
    refused("usage.invalid", lambda: choose(f"ada@relay.example/{prefix[:3]}", lines))
    refused("address.unknown", lambda: choose("feed", lines))
    refused("address.malformed", lambda: choose("a b@c", lines))
    chosen = choose_all(["ada@relay.example", f"ada@relay.example/{prefix}", "ada@relay.example"], lines)
    assert [one.target for one in chosen] == [Target(LINE)]


def test_an_address_means_the_line_that_has_it_now() -> None:
    old = checked_line(said(certificate(line=id_of("old")), created_at=NOW, closed_at=NOW + 5), FLEET_KEY)
    new = checked_line(said(created_at=NOW + 9), FLEET_KEY)
    assert choose("ada@relay.example", [old, new]).line is new
    assert choose("ada@relay.example", [new, old]).line is new


# --- receipts

ORDER = order("erase", Target(LINE, DEVICE))
KNOWN = KnownLine(LINE, "ada@relay.example", public(OWNER))


def receipt(signer: Ed25519PrivateKey = PHONE, which: Any = "device", **changes: Any) -> SignedReceipt:
    made = msgspec.structs.replace(Receipt(1, ORDER.id, DEVICE, "erased", NOW), **changes)
    return sign_receipt(made, which, signer)


def stages(got: SignedReceipt | None = None, **changes: Any) -> DeviceStages:
    made = DeviceStages(
        DEVICE,
        LINE,
        "ada@relay.example",
        NOW,
        NOW + 1,
        3,
        2,
        None,
        NOW + 9,
        got,
        certificate().to_bytes(),
        public(GUESSER),
        PHONE.sign(unlock_key_bytes(DEVICE, public(GUESSER))),
    )
    return msgspec.structs.replace(made, **changes)


@pytest.mark.parametrize("got", [receipt(), receipt(GUESSER, "unlock")], ids=["device", "unlock"])
def test_a_receipt_that_holds(got: SignedReceipt) -> None:
    assert receipt_holds(stages(got), ORDER, KNOWN, FLEET_KEY)


OF_EVIL = certificate(identity=EVIL, signer=EVIL).to_bytes()


@pytest.mark.parametrize(
    "one",
    [
        stages(None),
        stages(receipt(EVIL)),
        stages(receipt(EVIL), certificate=OF_EVIL),
        stages(receipt(GUESSER)),
        stages(receipt(EVIL, "unlock"), unlock_key=public(EVIL)),
        stages(
            receipt(EVIL, "unlock"),
            unlock_key=public(EVIL),
            unlock_proof=EVIL.sign(unlock_key_bytes(DEVICE, public(EVIL))),
        ),
        stages(receipt(GUESSER, "unlock"), unlock_proof=None),
        stages(receipt(order=id_of("another"))),
        stages(receipt(device=id_of("another"))),
        stages(receipt(outcome="locked")),
        stages(receipt(), line=id_of("another")),
        stages(receipt(), certificate=certificate(fleet_key=b"").to_bytes()),
        stages(receipt(), certificate=b""),
    ],
    ids=[
        "none",
        "forged",
        "relay's certificate",
        "wrong key",
        "swapped unlock key",
        "its own proof",
        "no proof",
        "other order",
        "other device",
        "other outcome",
        "other line",
        "of nobody",
        "no certificate",
    ],
)
def test_receipts_that_do_not(one: DeviceStages) -> None:
    """The relay has every public key, and may say anything."""
    assert not receipt_holds(one, ORDER, KNOWN, FLEET_KEY)


def test_a_line_that_was_never_seen_proves_nothing() -> None:
    assert not receipt_holds(stages(receipt()), ORDER, None, FLEET_KEY)


# --- views


def seen(status: OrderStatus) -> OrderView:
    def check(one: OrderStatus) -> tuple[Order, tuple[str, ...]]:
        return check_officers_order(one.order, first("ada"), SERVER).order, ("ada",)

    return view(status, check, {LINE: KNOWN}, FLEET_KEY)


def status_of(*devices: DeviceStages, **changes: Any) -> OrderStatus:
    signed = sign_as_officer(ORDER, FLEET, id_of("ada"), key("ada"))
    made = OrderStatus(signed, "erase", REASON, NOW, False, list(devices))
    return msgspec.structs.replace(made, **changes)


def test_stages_one_after_the_other() -> None:
    ordered = seen(status_of(stages(unreadable_at=None, done_at=None))).devices[0]
    silent = seen(status_of(stages(done_at=None))).devices[0]
    removed = seen(status_of(stages(removed_at=NOW + 3, done_at=None))).devices[0]
    erased = seen(status_of(stages(receipt(), removed_at=NOW + 3)))
    assert [one.stage for one in (ordered, silent, removed)] == ["ordered", "unreadable", "removed"]
    assert erased.devices[0].stage == "done"
    assert erased.devices[0].done_at == NOW + 9
    assert erased.finished


def test_one_that_stays_silent_is_unreadable_and_not_erased() -> None:
    """Whatever the relay says of `done_at`."""
    shown = seen(status_of(stages(None, done_at=NOW)))
    assert shown.devices[0].stage == "unreadable"
    assert (shown.devices[0].done_at, shown.devices[0].receipt) == (None, "none")
    assert not shown.finished
    forged = seen(status_of(stages(receipt(EVIL))))
    assert (forged.devices[0].done_at, forged.devices[0].receipt) == (None, "false")


def test_a_device_that_the_relay_hides() -> None:
    assert seen(status_of()).missing == (DEVICE,)
    assert seen(status_of(awaiting=True)).missing == ()


@pytest.mark.parametrize(
    "lie",
    [
        {"kind": "lock"},
        {"reason": msgspec.structs.replace(REASON, text="for fun")},
        {"devices": [stages(device=id_of("another"))]},
        {"devices": [stages(line=id_of("another"))]},
    ],
    ids=["kind", "reason", "device", "line"],
)
def test_an_order_is_shown_as_it_was_signed(lie: dict[str, Any]) -> None:
    refused("order.forged", lambda: seen(msgspec.structs.replace(status_of(stages()), **lie)))


# --- removals


def test_proposals_that_a_group_takes() -> None:
    """Signed by the fleet key for this epoch and the next; the first is committed by a member."""
    ana, ben = Client.new(SUITE, "ana"), Client.new(SUITE, "ben")
    senders = external_senders_extension(ExternalSender(FLEET_KEY, Credential.basic(b"fleet")))
    group = Group.create(
        SUITE, b"g" * 16, ana.signer, Credential.basic(b"ana"), now=MLS_NOW, extensions=(senders,)
    )
    group = group.commit([ben.add], now=MLS_NOW).group
    removal = officer_removals.begin(ORDER.id, DEVICE, [Membership(b"g" * 16, 1, 0)])
    signed = officer_removals.sign(removal, {b"g" * 16: group.epoch}, FLEET, MLS_NOW)
    (posting,) = signed.postings
    assert [one.epoch for one in posting.proposals] == list(range(group.epoch, group.epoch + 16))
    assert max(len(one.message) for one in posting.proposals) < 400
    group, received = group.process(posting.proposals[0].message, now=MLS_NOW, authenticate=accept_any)
    assert received.proposal == Remove(1)  # type: ignore[union-attr]
    assert received.authenticated_data == b"chappe removal v1" + ORDER.id


def test_signed_anew_only_where_epochs_ran_past() -> None:
    groups = [bytes([n]) * 16 for n in range(3)]
    removal = officer_removals.begin(ORDER.id, DEVICE, [Membership(g, 1, 0) for g in (*groups, groups[0])])
    assert len(removal.places) == 3
    first_time = officer_removals.sign(removal, {groups[0]: 4, groups[1]: 0}, FLEET, NOW)
    assert {one.group for one in first_time.postings} == set(groups[:2])
    assert first_time.removal.through == [19, 15, -1]
    again = officer_removals.sign(
        first_time.removal, {groups[0]: 19, groups[1]: 16, groups[2]: 2}, FLEET, NOW
    )
    assert {one.group: one.proposals[0].epoch for one in again.postings} == {groups[1]: 16, groups[2]: 2}
    assert officer_removals.sign(again.removal, {}, FLEET, NOW).postings == []
    assert officer_removals.sign(again.removal, {}, FLEET, NOW).batches() == [[]]


# --- the audit log


def log(count: int) -> tuple[list[bytes], list[bytes]]:
    entries = [b"entry %d" % number for number in range(count)]
    chain, roots = Chain(), [Chain().root]
    for entry in entries:
        chain, _ = chain.append(entry)
        roots.append(chain.root)
    return entries, roots


def test_a_log_that_grew() -> None:
    entries, roots = log(7)
    audited = replayed(entries, 7, roots[7], Head(4, roots[4]))
    assert (audited.size, audited.root, audited.seen) == (7, roots[7], 4)
    assert replayed([], 0, roots[0], None).size == 0
    assert replayed(entries, 7, roots[7], Head(7, roots[7])).seen == 7


@pytest.mark.parametrize(
    "spoil",
    [
        lambda e: e[:-1],
        lambda e: e[1:],
        lambda e: [*e, b"more"],
        lambda e: [e[1], e[0], *e[2:]],
        lambda e: [*e[:3], b"other", *e[4:]],
        lambda e: [*e[:3], *e[4:]],
    ],
    ids=["last gone", "first gone", "one more", "swapped", "changed", "left out"],
)
def test_entries_that_are_not_those_of_the_root(spoil: Callable[[list[bytes]], list[bytes]]) -> None:
    entries, roots = log(7)
    refused("audit.rewritten", lambda: replayed(spoil(entries), 7, roots[7], None))


def test_history_that_was_rewritten_or_cut() -> None:
    """With a root that fits: only who remembers sees it."""
    entries, roots = log(7)
    other = [*entries[:3], b"other", *entries[4:]]
    chain = Chain()
    for entry in other:
        chain, _ = chain.append(entry)
    assert replayed(other, 7, chain.root, None).size == 7
    assert replayed(other, 7, chain.root, Head(3, roots[3])).seen == 3
    refused("audit.rewritten", lambda: replayed(other, 7, chain.root, Head(5, roots[5])))
    refused("audit.rewritten", lambda: replayed(entries[:5], 5, roots[5], Head(7, roots[7])))


async def test_pages_of_a_log_that_grows_meanwhile() -> None:
    entries, roots = log(9)
    sizes = iter([7, 9, 9])

    async def ask(what: fleet.Ask, kind: type[Any]) -> Any:
        assert isinstance(what, fleet.Audit)
        size = next(sizes)
        return fleet.AuditPage(what.start, entries[what.start : min(what.start + 4, size)], size, roots[size])

    assert (await fetch(ask, None)).entries == tuple(entries)
