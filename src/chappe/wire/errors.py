"""Every error that Chappe tells a person or a peer, with a code that never changes.

    ChappeError
    ├── BadInput      what came over a boundary does not fit; nothing was changed
    ├── Refused       well formed, but not allowed or not possible now; nothing was changed
    ├── Unreachable   the other end did not answer; trying again is right
    ├── CryptoFailure a signature, a tag or a key does not hold; never retried by itself
    └── StorageFailure the disk, the database or a file did not do what it should

A code is dotted lower case, `boundary.reason`; it is what frames and HTTP bodies carry, what tests
compare, and what scripts may rely on. The message is for people: what happened, what to do. It never
holds a secret, and never a line's or device's name unless that person typed it.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


class Fault(Enum):
    """Whose doing it is; the CLI and the logs sort errors by it."""

    INPUT = "input"
    REFUSAL = "refusal"
    NETWORK = "network"
    CRYPTO = "crypto"
    STORAGE = "storage"


@dataclass(frozen=True, slots=True)
class ErrorKind:
    """One row of the table: stable `code`, whose `fault`, CLI `exit_status`, default `message`."""

    code: str
    fault: Fault
    exit_status: int
    message: str


_ROWS: tuple[tuple[str, Fault, int, str], ...] = (
    # Frames and HTTP bodies.
    ("frame.malformed", Fault.INPUT, 10, "The frame is not a valid Chappe frame; update this client."),
    ("frame.oversized", Fault.INPUT, 11, "The frame is larger than the relay takes; send less at once."),
    ("frame.unknown_type", Fault.INPUT, 12, "The frame is of a type this end does not know; update it."),
    ("frame.unexpected", Fault.INPUT, 13, "This frame has no place here; sign in first, then ask once."),
    ("http.malformed", Fault.INPUT, 14, "The request does not have the form the API asks for."),
    ("http.unknown_path", Fault.INPUT, 15, "Nothing is at this path for this method; see the protocol."),
    ("http.oversized", Fault.INPUT, 16, "The request is larger than the relay takes; send less at once."),
    # Sign-in.
    ("signin.unknown_device", Fault.REFUSAL, 20, "This relay does not know the device; activate it first."),
    ("signin.bad_signature", Fault.CRYPTO, 21, "The sign-in signature does not hold; sign in again."),
    ("signin.revoked", Fault.REFUSAL, 22, "This device was revoked; ask the line's owner or an officer."),
    ("signin.required", Fault.REFUSAL, 23, "Sign in before anything else."),
    ("signin.superseded", Fault.REFUSAL, 24, "The device signed in from elsewhere; this socket is closed."),
    # Activation and linking.
    ("code.malformed", Fault.INPUT, 30, "That is not an activation code; check it for a typing mistake."),
    ("code.unknown", Fault.REFUSAL, 31, "No such activation code here; check it, or ask for a new one."),
    ("code.used", Fault.REFUSAL, 32, "This activation code has been used; ask for a new one."),
    ("code.expired", Fault.REFUSAL, 33, "This activation code has expired; ask for a new one."),
    (
        "code.withheld",
        Fault.REFUSAL,
        59,
        "Its seller may not sell now; ask the seller, or the relay's operator.",
    ),
    ("code.no_term", Fault.REFUSAL, 68, "This code renews nothing: it makes a line, without a term."),
    ("address.malformed", Fault.INPUT, 34, "An address is name@host: a-z, 0-9, dot, dash, underscore."),
    ("address.taken", Fault.REFUSAL, 35, "This address is taken; choose another."),
    ("address.unknown", Fault.REFUSAL, 36, "Nobody here has this address; check its spelling."),
    ("certificate.invalid", Fault.CRYPTO, 37, "The device certificate does not hold; refuse this device."),
    ("link.unknown", Fault.REFUSAL, 38, "The link is unknown or has expired; start again on the new device."),
    ("link.malformed", Fault.INPUT, 39, "That is not a Chappe link; scan or paste it again, whole."),
    ("link.used", Fault.REFUSAL, 44, "This link was answered already; start again on the new device."),
    ("devices.too_many", Fault.REFUSAL, 45, "The line has as many devices as one may have."),
    # Mailboxes.
    ("mailbox.unknown_recipient", Fault.REFUSAL, 40, "A recipient is not on this relay; refresh and retry."),
    ("mailbox.not_yours", Fault.REFUSAL, 41, "That mailbox sequence is not this device's; nothing changed."),
    ("mailbox.full", Fault.REFUSAL, 42, "A recipient's mailbox is full; try again when they are back."),
    ("delivery.refused", Fault.REFUSAL, 98, "A recipient's delivery token does not hold; sign in to send."),
    ("id.reused", Fault.REFUSAL, 43, "This id was used for something else; send with a fresh one."),
    # Groups and key packages.
    ("commit.unknown_group", Fault.REFUSAL, 50, "The relay does not know this group at this epoch."),
    ("commit.bad_opener", Fault.CRYPTO, 51, "The opener does not open this epoch's lock; nothing moved."),
    ("commit.conflict", Fault.REFUSAL, 52, "Another member moved the group first; rebase and try again."),
    ("packages.none_left", Fault.REFUSAL, 53, "A device has no key package left; it must come online first."),
    ("packages.too_many", Fault.REFUSAL, 54, "More key packages than the relay keeps for a device."),
    # Attachments.
    ("attachment.unknown", Fault.REFUSAL, 60, "No such attachment; it may have expired after 30 days."),
    ("attachment.bad_token", Fault.REFUSAL, 61, "The upload token is not the right one; ask for a new one."),
    ("attachment.bad_offset", Fault.INPUT, 62, "The upload resumes elsewhere; ask the relay where."),
    ("attachment.too_large", Fault.INPUT, 63, "The attachment is larger than this relay takes."),
    ("attachment.bad_range", Fault.INPUT, 64, "The byte range lies outside the attachment."),
    ("attachment.incomplete", Fault.REFUSAL, 65, "The attachment is not all there yet; try again soon."),
    ("attachment.corrupt", Fault.CRYPTO, 66, "The attachment is not what its sender sent; ask for it again."),
    ("attachment.quota", Fault.REFUSAL, 67, "The line's room for attachments is used up; try in some days."),
    # Limits and storage.
    ("limit.rate", Fault.REFUSAL, 70, "Too many requests; wait a little."),
    ("limit.connections", Fault.REFUSAL, 71, "The relay has no place for more connections; try later."),
    ("storage.full", Fault.STORAGE, 72, "The disk is full; nothing was accepted. Free space, then retry."),
    ("storage.failed", Fault.STORAGE, 73, "The store did not take the change; nothing was accepted."),
    ("storage.locked", Fault.STORAGE, 74, "Another process uses this profile; stop it first."),
    ("storage.wrong_key", Fault.STORAGE, 75, "The store does not open with this key; check --home."),
    ("storage.missing", Fault.STORAGE, 76, "There is no profile here; run `chappe activate` first."),
    ("storage.exists", Fault.STORAGE, 77, "There is already a profile here; choose another --home."),
    ("storage.unwritable", Fault.STORAGE, 78, "The data directory cannot be written; check its rights."),
    # Network.
    ("network.unreachable", Fault.NETWORK, 80, "The relay does not answer; check address and network."),
    ("network.untrusted", Fault.CRYPTO, 81, "The relay's certificate is not the one pinned; do not go on."),
    ("network.timeout", Fault.NETWORK, 82, "The relay took too long; what was written stays queued."),
    ("network.port_taken", Fault.NETWORK, 83, "The port cannot be opened; free it, or choose another."),
    ("tls.unreadable", Fault.STORAGE, 84, "The TLS certificate or key cannot be read; check both files."),
    # Conversations and content.
    ("conversation.unknown", Fault.REFUSAL, 90, "No such conversation here; see `chappe conversation list`."),
    ("conversation.left", Fault.REFUSAL, 91, "This device is no longer in the conversation."),
    ("conversation.member", Fault.REFUSAL, 92, "That person is already in, or not in, the conversation."),
    ("identity.changed", Fault.CRYPTO, 93, "The identity key changed; compare, accept it, then send."),
    ("content.malformed", Fault.INPUT, 94, "The message content cannot be read; it is shown as unreadable."),
    ("message.unreadable", Fault.CRYPTO, 95, "A message could not be opened; ask its sender to repeat it."),
    ("message.unknown", Fault.REFUSAL, 96, "No such message here."),
    ("file.unreadable", Fault.INPUT, 97, "The file cannot be read; check its name and rights."),
    # Unlocking.
    ("vault.locked", Fault.REFUSAL, 100, "This profile is locked; run `chappe unlock` first."),
    ("vault.wrong_pin", Fault.REFUSAL, 101, "That is not the PIN."),
    ("vault.wait", Fault.REFUSAL, 102, "Too many wrong PINs; wait before the next try."),
    ("vault.destroyed", Fault.REFUSAL, 103, "This device's share is destroyed; its vault opens no more."),
    ("vault.weak_pin", Fault.INPUT, 104, "That PIN is too easy to guess; choose another."),
    ("vault.no_pin", Fault.REFUSAL, 105, "This profile has no PIN yet; run `chappe lock` to set one."),
    ("vault.bad_share", Fault.CRYPTO, 106, "The relay gave a wrong share; its fault, not the PIN's."),
    ("vault.clock", Fault.REFUSAL, 107, "The clock went backwards; unlock with the relay once."),
    ("unlock.malformed", Fault.CRYPTO, 110, "What was sealed cannot be opened or read; nothing changed."),
    ("unlock.bad_signature", Fault.CRYPTO, 111, "The guess is not signed by this device; no try was used."),
    ("unlock.bad_challenge", Fault.REFUSAL, 112, "The challenge is used or too old; ask for a new one."),
    ("unlock.unknown_device", Fault.REFUSAL, 113, "The share service has nothing of this device."),
    ("unlock.unavailable", Fault.NETWORK, 114, "The share service does not answer; try again later."),
    ("shares.rolled_back", Fault.STORAGE, 115, "The share store is older than it was; it does not open."),
    ("shares.bad_token", Fault.REFUSAL, 116, "The share service does not take this token; check it."),
    # Fleet orders.
    ("order.malformed", Fault.INPUT, 117, "That is not a fleet order; nothing was done."),
    ("order.forged", Fault.CRYPTO, 118, "The order is not signed by whom it must be; nothing was done."),
    ("order.unknown", Fault.REFUSAL, 119, "No such order here; see `chappe erase status`."),
    ("order.two_officers", Fault.REFUSAL, 120, "This takes a second officer, who has to approve it."),
    ("order.hold", Fault.REFUSAL, 121, "The line is under legal hold; this takes two officers."),
    ("order.not_yours", Fault.REFUSAL, 122, "The order names a line that it has no say over."),
    ("order.stale", Fault.REFUSAL, 123, "The request is too old, or this clock is wrong; set it and retry."),
    ("roster.invalid", Fault.CRYPTO, 124, "The officers' roster does not hold; nothing was changed."),
    ("organisation.unknown", Fault.REFUSAL, 125, "This relay does not know that organisation."),
    ("receipt.invalid", Fault.CRYPTO, 46, "The receipt does not hold; it was not taken."),
    ("device.erased", Fault.REFUSAL, 47, "This profile was erased by order; activate or link it anew."),
    ("fleet.wrong_passphrase", Fault.INPUT, 48, "The officer's file does not open with this passphrase."),
    ("fleet.missing", Fault.STORAGE, 49, "No officer's file here; run `chappe fleet key new`."),
    ("fleet.exists", Fault.STORAGE, 55, "There is an officer's file already; choose another --officer."),
    ("line.unknown", Fault.REFUSAL, 58, "No such line here; check its id."),
    ("line.closed", Fault.REFUSAL, 56, "The line was erased; it begins anew with an activation code."),
    ("audit.rewritten", Fault.CRYPTO, 57, "The audit log is not the one it was; the relay rewrote history."),
    # The desk.
    ("desk.malformed", Fault.INPUT, 3, "A field does not fit; correct it and send again."),
    ("desk.unknown", Fault.REFUSAL, 4, "Nothing here has this id, or it is not yours to see."),
    ("desk.changed", Fault.REFUSAL, 5, "Somebody changed this meanwhile; look again, then decide."),
    ("desk.exists", Fault.REFUSAL, 6, "There is one of these already; see the list."),
    ("desk.not_now", Fault.REFUSAL, 7, "This cannot be done as things stand; nothing was changed."),
    ("desk.forbidden", Fault.REFUSAL, 8, "This account or token may not do that."),
    ("desk.signed_out", Fault.REFUSAL, 9, "Sign in at the desk first; the session is over."),
    ("desk.sign_in_again", Fault.REFUSAL, 108, "This takes a fresh sign-in; sign in again, then do it."),
    ("desk.cross_site", Fault.REFUSAL, 17, "The request does not come from the desk's own page."),
    ("desk.passkey", Fault.CRYPTO, 18, "The passkey's answer does not hold; try again."),
    ("desk.bad_code", Fault.REFUSAL, 19, "This code or link is not valid, or was used before."),
    # Terms of lines.
    ("term.too_long", Fault.INPUT, 69, "A term that long is a mistake; check the number of months."),
    (
        "term.grace",
        Fault.REFUSAL,
        25,
        "The line's term is over: it receives, but sends nothing until renewed.",
    ),
    ("term.suspended", Fault.REFUSAL, 26, "The line is suspended since its term is over; renew it to go on."),
    ("term.closed", Fault.REFUSAL, 27, "The line was closed, long after its term; it takes a new line."),
    ("term.none", Fault.REFUSAL, 28, "This line has no term: it goes on without renewal."),
    (
        "term.transfer",
        Fault.REFUSAL,
        29,
        "A line stays with its organisation; use a code of that organisation.",
    ),
    ("term.changed", Fault.REFUSAL, 79, "The term was changed meanwhile; look again, then decide."),
    # The dossier.
    ("dossier.malformed", Fault.INPUT, 85, "That file is not what the dossier needs; nothing was made."),
    ("dossier.undeclared", Fault.REFUSAL, 86, "Nothing was declared here yet; run `chappe dossier declare`."),
    ("dossier.changed", Fault.REFUSAL, 87, "The cryptology is not what was declared; declare the change."),
    (
        "dossier.no_typst",
        Fault.REFUSAL,
        88,
        "PDFs are made by typst, which is not here: install `chappe[dossier]`.",
    ),
    ("dossier.forged", Fault.CRYPTO, 89, "The paper is not as the operator signed it; do not rely on it."),
    # The transparency log.
    (
        "log.not_there",
        Fault.CRYPTO,
        109,
        "The transparency log does not show this device; do not write to it before its owner has explained.",
    ),
    ("usage.invalid", Fault.INPUT, 2, "The command is not complete; see --help."),
    ("internal.bug", Fault.STORAGE, 99, "Chappe failed in a way it should not; please report it."),
)

KINDS: dict[str, ErrorKind] = {row[0]: ErrorKind(*row) for row in _ROWS}


class ChappeError(Exception):
    """The root. `code` is stable, `message` is for people, `exit_status` is the CLI's."""

    def __init__(self, code: str, message: str | None = None) -> None:
        self.kind = KINDS[code]
        self.code = code
        self.message = message or self.kind.message
        super().__init__(f"{self.message} [{code}]")

    @property
    def exit_status(self) -> int:
        return self.kind.exit_status


class BadInput(ChappeError):
    """What came over a boundary does not fit; nothing was changed."""


class Refused(ChappeError):
    """Well formed, but not allowed or not possible now; nothing was changed."""


class Unreachable(ChappeError):
    """The other end did not answer; trying again is right."""


class CryptoFailure(ChappeError):
    """A signature, a tag or a key does not hold."""


class StorageFailure(ChappeError):
    """The disk, the database or a file did not do what it should."""


_CLASSES: dict[Fault, type[ChappeError]] = {
    Fault.INPUT: BadInput,
    Fault.REFUSAL: Refused,
    Fault.NETWORK: Unreachable,
    Fault.CRYPTO: CryptoFailure,
    Fault.STORAGE: StorageFailure,
}


def error(code: str, message: str | None = None) -> ChappeError:
    """The error for `code`, in the class that its fault asks for. KeyError for an unknown code."""
    return _CLASSES[KINDS[code].fault](code, message)


def from_peer(code: str, message: str) -> ChappeError:
    """The error a peer named; an unknown code (a newer peer) becomes `frame.unknown_type`."""
    if code in KINDS:
        return error(code, KINDS[code].message)
    return error("frame.unknown_type", f"The other end answered {code[:64]!r}, unknown here.")
