"""Reports of messages to an organisation's officers: made by who received one, checked by an officer
(docs/protocol.md section 15)."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from typing import Final

from chappe.client.groups import DESCRIPTION, Description
from chappe.mls import MLSError, check_evidence
from chappe.wire import chain
from chappe.wire import content as c
from chappe.wire.certificate import DeviceCertificate
from chappe.wire.errors import ChappeError, error
from chappe.wire.reports import (
    MAX_REASON,
    Exhibit,
    Report,
    SignedReport,
    check_signature,
    read_report,
)

NO_PROOF: Final = (
    "There is no proof of this message here: it is your own, or came more than 30 days ago, or was deleted."
)
NOT_YOURS: Final = "Only messages of your own organisation's lines can be reported to its officers."


@dataclass(frozen=True, slots=True)
class Said:
    """One message that its sender's device signed. `at` is the reporter's word (Unix seconds). `file`: a
    name; what was signed has the file's key, too."""

    at: int
    text: str
    file: str
    id: bytes
    edited: bool


@dataclass(frozen=True, slots=True)
class Checked:
    """What a report proves (`sender`, `conversation`, `said`), and what it claims (`reason`, times)."""

    id: bytes
    sender: DeviceCertificate
    reporter: DeviceCertificate
    conversation: bytes
    kind: str
    name: str
    said: tuple[Said, ...]
    reason: str
    made_at: int


@dataclass(frozen=True, slots=True)
class MadeReport:
    """`checked`: all that the officers will see."""

    report: Report
    checked: Checked


def make_report(
    reporter: DeviceCertificate,
    conversation: bytes,
    exhibits: list[Exhibit],
    reason: str,
    *,
    server: str,
    now: int,
) -> MadeReport:
    """Raises message.unknown without proof, order.not_yours for who is not of the reporter's organisation,
    usage.invalid for a reason that is none."""
    if not exhibits:
        raise error("message.unknown", NO_PROOF)
    if not reason.strip() or len(reason) > MAX_REASON:
        raise error("usage.invalid", f"Say why, in at most {MAX_REASON} characters.")
    report = Report(
        1,
        secrets.token_bytes(16),
        server,
        reporter.fleet_key,
        conversation,
        reporter.to_bytes(),
        now,
        reason.strip(),
        exhibits,
    )
    return MadeReport(report, _check(report))


def check_report(signed: SignedReport, *, fleet_key: bytes, server: str) -> Checked:
    """Everything that signatures can show. Whether the sender's identity is that of the line with this
    address is the caller's to check: a certificate alone is the word of who made it. Raises
    content.malformed; certificate.invalid where something does not hold; order.not_yours for another
    organisation's."""
    report = read_report(signed)
    if report.fleet_key != fleet_key or report.server != server:
        raise error("order.not_yours", "The report is for another organisation, or of another relay.")
    checked = _check(report)
    check_signature(signed, checked.reporter.signature_key)
    return checked


def _check(report: Report) -> Checked:
    reporter = _certificate(report.reporter)
    found = [_check_exhibit(report, exhibit) for exhibit in report.exhibits]
    senders = [sender for sender, _, _ in found]
    sender = senders[0]
    if any((one.line_id, one.identity_key) != (sender.line_id, sender.identity_key) for one in senders):
        raise error("certificate.invalid", "The report mixes messages of several people.")
    if not report.fleet_key or any(one.fleet_key != report.fleet_key for one in (*senders, reporter)):
        raise error("order.not_yours", NOT_YOURS)
    _check_order(report, [message for _, message, _ in found], [said for _, _, said in found])
    description = _description(report.exhibits[0])
    return Checked(
        report.id,
        sender,
        reporter,
        report.conversation,
        description.kind,
        description.name,
        tuple(said for _, _, said in found),
        report.reason,
        report.made_at,
    )


def _certificate(data: bytes) -> DeviceCertificate:
    certificate = DeviceCertificate.from_bytes(data)
    certificate.verify()
    return certificate


def _check_exhibit(report: Report, exhibit: Exhibit) -> tuple[DeviceCertificate, c.Message, Said]:
    sender = _certificate(exhibit.certificate)
    if sender.address.partition("@")[2] != report.server:
        raise error("certificate.invalid", "The sender is of another relay than the report.")
    try:
        evidence = check_evidence(exhibit.signed, exhibit.signature, sender.signature_key)
    except MLSError:
        raise error(
            "certificate.invalid", "The proof does not hold: this device did not sign this message."
        ) from None
    if evidence.group_id != report.conversation:
        raise error("certificate.invalid", "The message is of another conversation than the report says.")
    item = chain.decode(evidence.data)
    message = c.decode(item.body)
    id_ = c.message_id(
        c.sender_uri(sender.address), c.room_uri(report.server, report.conversation), item.body
    )
    return sender, message, _said(exhibit, message, id_)


def _said(exhibit: Exhibit, message: c.Message, id_: bytes) -> Said:
    body = message.body
    if isinstance(body, c.Text):
        return Said(exhibit.at, body.text, "", id_, message.replaces is not None)
    if isinstance(body, c.Attachment):
        return Said(exhibit.at, body.description, body.filename, id_, message.replaces is not None)
    raise error("content.malformed", "Only texts and files can be reported.")


def _check_order(report: Report, messages: list[c.Message], said: list[Said]) -> None:
    """An edit comes alone, or after the message that it is of. Raises certificate.invalid."""
    if len(messages) == 1:
        return
    if messages[0].replaces is not None or messages[1].replaces != said[0].id:
        raise error("certificate.invalid", "The report shows two messages that are not one.")


def _description(exhibit: Exhibit) -> Description:
    """From the context that was signed. It was checked before."""
    certificate = DeviceCertificate.from_bytes(exhibit.certificate)
    evidence = check_evidence(exhibit.signed, exhibit.signature, certificate.signature_key)
    try:
        data = next(one.data for one in evidence.extensions if one.type == DESCRIPTION)
        return Description.read(data)
    except (StopIteration, ChappeError):
        raise error("content.malformed", "The message is of no conversation of Chappe.") from None
