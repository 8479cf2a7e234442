"""A message shown to the officers: what it proves, to whom, and what it does not let pass."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable
from dataclasses import replace
from functools import partial
from pathlib import Path

import msgspec
import pytest

from chappe.client import Phone
from chappe.client.identity import Me, new_line
from chappe.client.officer import Officer
from chappe.client.reports import check_report
from chappe.mls.codec import Reader
from chappe.mls.framing import FramedContent, WireFormat
from chappe.mls.group_context import GroupContext
from chappe.mls.suites import cipher_suite
from chappe.relay import organisations
from chappe.vault import keys
from chappe.wire import content as c
from chappe.wire.certificate import issue
from chappe.wire.errors import ChappeError
from chappe.wire.reports import MAGIC, Exhibit, Report, SignedReport, open_report, seal_report, sign_report
from tests.client.office import Office
from tests.client.test_officer import WORDS, Bureau
from tests.client.world import World, gather, meet, texts, until
from tests.vault.service import CHEAP

SECRET = "the key is under the third stone"


@pytest.fixture
async def bureau(world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Bureau:
    """Argon2id takes no half second here."""
    monkeypatch.setattr(keys.stretch, "__defaults__", (CHEAP,))
    path = tmp_path / "officer.chappe"
    ada = await Officer.found(path, WORDS, world.place, organisation=f"Bureau {tmp_path.name}", name="A")
    organisations.add(world.relay.settings, msgspec.msgpack.encode(ada.state.rosters[0]))
    return Bureau(world, tmp_path, ada)


def refused(code: str, work: Callable[[], object]) -> None:
    with pytest.raises(ChappeError) as caught:
        work()
    assert caught.value.code == code, caught.value


async def refuses(code: str, work: Awaitable[object]) -> str:
    with pytest.raises(ChappeError) as caught:
        await work
    assert caught.value.code == code, caught.value
    return caught.value.message


def anew(exhibit: Exhibit, data: bytes, by: Me, certificate: bytes) -> Exhibit:
    """The same place in the same group, other words, signed by somebody else."""
    r = Reader(exhibit.signed)
    r.take(4)
    content, context = FramedContent.read(r), GroupContext.read(r)
    signed = replace(content, body=data).to_be_signed(WireFormat.PRIVATE_MESSAGE, context.encoded)
    suite = cipher_suite(context.cipher_suite)
    signature = suite.sign_with_label(by.signer.private, "FramedContentTBS", signed)
    return Exhibit(signed, signature, certificate, exhibit.at)


async def test_a_report_proves_who_said_what_and_shows_nothing_else(bureau: Bureau) -> None:
    ada, ben, cyd = [await bureau.phone(name) for name in ("ada", "ben", "cyd")]
    id_ = await gather(ada, ben, cyd)
    await cyd.send_text(id_, SECRET)
    said = await ada.send_text(id_, "you will regret it")
    await until(lambda: len(texts(ben)) == 2)
    await ada.edit(id_, said, "have a nice day")
    await until(lambda: "have a nice day" in texts(ben))
    made = ben.report(said, "a threat")
    sealed = await ben.seal_report(made)
    async with bureau.ada as officer:
        checked = await officer.check_report(sealed)
        body = open_report(officer.fleet_pair.sealing.private, sealed).body
    assert checked == made.checked
    assert [one.text for one in checked.said] == ["you will regret it", "have a nice day"]
    assert (checked.sender.address, checked.reporter.address) == (ada.address, ben.address)
    assert (checked.conversation, checked.name, checked.reason) == (id_, "table", "a threat")
    # Of the others there are hashes.
    me = cyd._engine.core.me
    assert id_ in body
    for other in (SECRET.encode(), cyd.address.encode(), me.line_id, cyd.device_id):
        assert other not in body
    # It is gone with the message.
    await ada.delete(id_, said)
    await until(lambda: ben._engine.messages.get(said).kind == "deleted")
    refused("message.unknown", lambda: ben.report(said, "a threat"))
    assert ben._engine.core.store.one("SELECT count(*) FROM proofs WHERE message = ?", said) == (0,)
    refused("message.unknown", lambda: ada.report(said, "my own"))


async def test_what_was_changed_or_made_up_is_refused(bureau: Bureau) -> None:
    ada, ben = [await bureau.phone(name) for name in ("ada", "ben")]
    mine, _ = await meet(ada, ben)
    other = await gather(ada, ben)
    said, too = await ada.send_text(mine.id, "yes"), await ada.send_text(other, "no")
    await until(lambda: len(texts(ben)) == 2)
    made, me = ben.report(said, "why"), ben._engine.core.me
    report, (exhibit,) = made.report, made.report.exhibits
    (elsewhere,) = ben.report(too, "why").report.exhibits
    fleet_key = bureau.ada.fleet_pair.public

    def check(changed: Report, signed: SignedReport | None = None) -> None:
        check_report(signed or sign_report(changed, me.signing_key), fleet_key=fleet_key, server="localhost")

    def showing(*exhibits: Exhibit) -> Report:
        return msgspec.structs.replace(report, exhibits=list(exhibits))

    check(report)
    for changed in (
        showing(msgspec.structs.replace(exhibit, signed=exhibit.signed.replace(b"yes", b"nay"))),
        showing(msgspec.structs.replace(exhibit, signature=bytes(64))),
        showing(msgspec.structs.replace(exhibit, certificate=report.reporter)),
        # Into another conversation.
        showing(elsewhere),
        showing(exhibit, elsewhere),
        msgspec.structs.replace(report, conversation=other),
        msgspec.structs.replace(report, reporter=exhibit.certificate),
    ):
        refused("certificate.invalid", lambda one=changed: check(one))  # type: ignore[misc]
    # The reporter's own words are signed, too.
    lied = msgspec.msgpack.encode(msgspec.structs.replace(report, reason="another"))
    signature = sign_report(report, me.signing_key).signature
    refused("certificate.invalid", lambda: check(report, SignedReport(lied, signature)))
    refused("content.malformed", lambda: check(report, SignedReport(b"\x80", signature)))
    refused("order.not_yours", lambda: check_report(
        sign_report(report, me.signing_key), fleet_key=bytes(32), server="localhost"
    ))  # fmt: skip
    private = bureau.ada.fleet_pair.sealing.private
    for junk in (b"", MAGIC, MAGIC + bytes(2000), b"chappe" * 300):
        refused("content.malformed", lambda one=junk: open_report(private, one))  # type: ignore[misc]
    # Anybody can make a key, and a certificate that bears a line's address and its organisation's key.
    real = ada._engine.core.me.certificate
    fake = new_line(ada.address, me.place, int(time.time()), fleet_key)
    words = ben._engine.messages.new(mine.id, c.Text("I did it"))[1]
    linked = b"\1\1" + bytes(15) + b"\1" + (1).to_bytes(8, "big") + bytes(8) + bytes(32) + words
    async with bureau.ada as officer:
        for line in (fake.line_id, real.line_id):
            certificate = issue(
                fake.identity,
                line_id=line,
                address=ada.address,
                device_id=real.device_id,
                signature_key=fake.certificate.signature_key,
                issued_at=real.issued_at,
                fleet_key=fleet_key,
            )
            forged = showing(anew(exhibit, linked, fake, certificate.to_bytes()))
            check(forged)
            sealed = seal_report(officer.fleet_pair.seal_key, sign_report(forged, me.signing_key))
            assert "not the one of that line" in await refuses(
                "certificate.invalid", officer.check_report(sealed)
            )


async def test_what_outsiders_say_is_not_theirs_to_judge(bureau: Bureau, world: World) -> None:
    ada, ben = await bureau.phone("ada"), await Office(world, "Autre").phone("ben")
    (eve,) = await world.phones("eve")
    for outsider in (ben, eve):
        mine, _ = await meet(ada, outsider)
        theirs, ours = await outsider.send_text(mine.id, "theirs"), await ada.send_text(mine.id, "ours")
        await until(partial(exchanged, ada, outsider, mine.id))
        refused("order.not_yours", partial(ada.report, theirs, "why"))
        refused("order.not_yours", partial(outsider.report, ours, "why"))


def exchanged(one: Phone, other: Phone, conversation: bytes) -> bool:
    return "ours" in texts(other) and "theirs" in texts(one, conversation)
