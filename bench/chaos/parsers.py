"""What reads bytes from outside, besides the decoders that tests/fuzz/targets.py has: the vault's files, what
officers hand each other, what is kept and read again after a start, papers of the desk.

The same form as there: a function of bytes, the one error that may leave it, and samples of our own making.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterable
from datetime import date
from functools import cache
from pathlib import Path
from typing import Any, Final

import httpx
import msgspec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from tests.client import log_book
from tests.fuzz.targets import TARGETS as DECODERS
from tests.fuzz.targets import Target
from tests.tlog import worlds
from tests.wire import fleet_world

from chappe.client import chain as streams
from chappe.client import intents, linking, log_audit, officer_papers, transport
from chappe.client.groups import SUITE
from chappe.client.linking import Offer
from chappe.client.log_ledger import Ledger
from chappe.client.log_state import LogState
from chappe.client.officer_file import Place
from chappe.client.officer_keys import KeyPairs, officer_keys
from chappe.desk import entries, exported, importing, sheets
from chappe.desk.dossier import declared, form
from chappe.desk.number_file import FILE as NUMBERS
from chappe.desk.number_file import NumberFile
from chappe.relay import web
from chappe.relay.log_cosigners import read_witnesses
from chappe.relay.ranges import parse_range
from chappe.tlog.chain import Chain
from chappe.tlog.checkpoints import Checkpoint
from chappe.tlog.keys import Kind, Signer
from chappe.tlog.notes import SignedNote
from chappe.vault import files as vault
from chappe.vault.keys import WRAPPED_BYTES
from chappe.wire import api, audit, delivery, links, log_entries, recovery, reports, unlock
from chappe.wire import chain as links_of_messages
from chappe.wire.certificate import issue
from chappe.wire.errors import ChappeError

ROOT: Final = Path(__file__).parents[2]
_ID, _KEY = b"i" * 16, b"k" * 32
_NOW: Final = 1_790_000_000
_SERVICE: Final = unlock.ServiceKey(b"p" * unlock.PRIVATE_KEY_BYTES)

FUZZED: Final = frozenset(name for name in DECODERS if not name.startswith("control."))
PARSERS: dict[str, Target] = {name: DECODERS[name] for name in sorted(FUZZED)}
CONTROL: Final = DECODERS["control.broken"]
"""A decoder that is broken on purpose."""


def parser(
    name: str, samples: Callable[[], Iterable[bytes]], refusal: type[Exception] = ChappeError
) -> Callable[[Callable[[bytes], None]], None]:
    def register(run: Callable[[bytes], None]) -> None:
        PARSERS[name] = Target(run, refusal, samples)

    return register


# --- the wire


@parser(
    "wire.deliver", lambda: [delivery.encode(delivery.Deliver([delivery.Sealed(_ID, [(_ID, _KEY)], b"x")]))]
)
def _deliver(data: bytes) -> None:
    body = delivery.decode_request(data)
    assert delivery.decode_request(delivery.encode(body)) == body


@parser(
    "wire.delivered",
    lambda: [
        delivery.encode(
            delivery.Delivered([delivery.Taken(_ID, 5), delivery.Turned(_ID, "limit.rate", "no", [_ID])])
        )
    ],
)
def _delivered(data: bytes) -> None:
    body = delivery.decode_answer(data)
    assert delivery.decode_answer(delivery.encode(body)) == body


@cache
def _place() -> links.RelayPlace:
    return links.RelayPlace("relay.example", 8440, _KEY)


@parser(
    "wire.recovery_link",
    lambda: [str(recovery.RecoveryLink(_place(), _ID, _KEY, "ada@relay.example")).encode()],
)
def _recovery_link(data: bytes) -> None:
    link = recovery.parse_link(data.decode(errors="replace"))
    assert recovery.parse_link(str(link)) == link


def _request() -> bytes:
    identity = Ed25519PrivateKey.from_private_bytes(bytes(32))
    certificate = issue(
        identity, line_id=_ID, address="ada@relay.example", device_id=_ID, signature_key=_KEY, issued_at=_NOW
    )
    return recovery.request(certificate).encode()


@parser("wire.recovery_request", lambda: [_request()])
def _recovery_request(data: bytes) -> None:
    assert recovery.request(recovery.parse_request(data.decode(errors="replace")))


@parser(
    "wire.audit_entry",
    lambda: [
        audit.encode(audit.AuditEntry(1, _NOW, "order.given", [_ID], _ID, "erase", _KEY, "lost", _ID, _ID))
    ],
)
def _audit_entry(data: bytes) -> None:
    assert audit.encode(audit.decode(data)) == data


def _report() -> bytes:
    exhibit = reports.Exhibit(b"signed", bytes(64), b"certificate", _NOW)
    report = reports.Report(1, _ID, "relay.example", _KEY, _ID, b"certificate", _NOW, "it hurts", [exhibit])
    return reports.sign_report(report, Ed25519PrivateKey.from_private_bytes(bytes(32))).body


@parser("wire.report", lambda: [_report()])
def _read_report(data: bytes) -> None:
    """Sealed by somebody who may: a file that a member hands to its officers."""
    reports.read_report(reports.SignedReport(data or b"\0", bytes(64)))


@parser(
    "wire.report_file",
    lambda: [reports.seal_report(fleet_world.SEAL.public, reports.SignedReport(_report(), bytes(64)))],
)
def _report_file(data: bytes) -> None:
    reports.open_report(fleet_world.SEAL.private, data)


@parser("wire.report_inside", lambda: [_msgpack({"body": _report(), "signature": bytes(64)})])
def _report_inside(data: bytes) -> None:
    padded = len(data).to_bytes(4, "big") + data
    sealed = unlock.seal_to(fleet_world.SEAL.public, reports._CONTEXT, padded)
    reports.open_report(fleet_world.SEAL.private, reports.MAGIC + sealed)


def _msgpack(tree: object) -> bytes:
    return msgspec.msgpack.encode(tree)


@parser("wire.enrolment", lambda: [_msgpack(unlock.Enrolment(_ID, _KEY, _KEY, _KEY))])
def _enrolment(data: bytes) -> None:
    """As somebody seals it who knows the service's public key, which is everybody."""
    _SERVICE.open_enrolment(unlock.seal_to(_SERVICE.public, unlock.ENROL_CONTEXT, data))


@parser("wire.guess", lambda: [_msgpack(unlock.Guess(_ID, _KEY, _KEY, _KEY, bytes(64)))])
def _guess(data: bytes) -> None:
    guess = _SERVICE.open_guess(unlock.seal_to(_SERVICE.public, unlock.UNLOCK_CONTEXT, data))
    unlock.check_guess(guess, _KEY)


@parser(
    "wire.sealed", lambda: [unlock.seal_enrolment(_SERVICE.public, unlock.Enrolment(_ID, _KEY, _KEY, _KEY))]
)
def _sealed(data: bytes) -> None:
    _SERVICE.open_enrolment(data)


@parser("wire.answer", lambda: [_msgpack(unlock.Answer("open", _KEY, 10))])
def _answer(data: bytes) -> None:
    """By a share service that is not ours."""
    padded = (len(data) % 65_536).to_bytes(2, "big") + data
    unlock.open_answer(_KEY, AESGCM(_KEY).encrypt(bytes(12), padded, unlock.UNLOCK_CONTEXT))


# --- the phone


@cache
def _keystore() -> vault.Keystore:
    return vault.Keystore(1, [vault.Entry(b"entry001", _KEY, bytes(32))])


@parser("vault.keystore", lambda: [vault.encode(_keystore())])
def _read_keystore(data: bytes) -> None:
    assert vault.decode(vault.encode(vault.decode(data)))


def _vaults() -> list[bytes]:
    policy = vault.Policy(8, 900)
    kept = vault.Vault(
        1,
        b"entry001",
        _ID,
        "relay.example",
        8440,
        _KEY,
        bytes(1216),
        bytes(WRAPPED_BYTES),
        _KEY,
        policy,
    )
    return [vault.encode_sealed(kept, _KEY)]


@parser("vault.vault", _vaults)
def _read_vault(data: bytes) -> None:
    vault.decode_sealed(data, vault.Vault, _keystore())


@parser("vault.vault_inside", lambda: [_vaults()[0][32:]])
def _read_vault_inside(data: bytes) -> None:
    """With the right MAC."""
    sealed = vault._mac(_KEY, vault.Vault, data) + data
    vault.decode_sealed(sealed, vault.Vault, _keystore())


def _line() -> list[bytes]:
    known = vault.Known(_ID, _ID, "relay.example", _KEY, _KEY)
    return [vault.encode_sealed(vault.Line(1, b"entry001", known), _KEY)[32:]]


@parser("vault.line_inside", _line)
def _read_line(data: bytes) -> None:
    vault.decode_sealed(vault._mac(_KEY, vault.Line, data) + data, vault.Line, _keystore())


@parser("vault.pending", lambda: [_msgpack(_vaults())])
def _read_pending(data: bytes) -> None:
    for one in vault.decode_list(data):
        vault.decode_sealed(one, vault.Vault, _keystore())


@parser("phone.offer", lambda: [Offer(_ID, _KEY, bytes(1216)).to_bytes()])
def _offer(data: bytes) -> None:
    assert Offer.from_bytes(data).to_bytes() == data


def _handover() -> bytes:
    contact = linking.KnownContact("ben@relay.example", _ID, _KEY, True)
    return _msgpack(
        linking.Handover(_KEY, _ID, "ada@relay.example", [contact], "", b"certificate", _KEY, bytes(64))
    )


@parser("phone.handover", lambda: [_handover()])
def _read_handover(data: bytes) -> None:
    """From whoever saw the code on the new phone's screen."""
    keys = _link_keys()
    linking.opened(keys.private, _ID, linking.sealed_handover(keys.public, _ID, data))


@cache
def _link_keys() -> Any:
    return SUITE.generate_key_pair(lambda count: b"r" * count)


@parser("phone.refusal", lambda: [api.encode(api.Failure("limit.rate", "slowly"))])
def _refusal(data: bytes) -> None:
    """Whatever the relay answers in place of a failure is one of ours."""
    assert isinstance(transport.refusal(httpx.Response(400, content=data)), ChappeError)


@parser("phone.intent", lambda: map(intents.encode, _some_intents()))
def _read_intent(data: bytes) -> None:
    """Of the phone's own store, which is encrypted: damage, not attack."""
    assert intents.encode(intents.decode(data))


def _some_intents() -> list[intents.AnyIntent]:
    return [
        intents.AddLine("ada@relay.example", (b"package",)),
        intents.RemoveDevice(_ID, b"order", None),
        intents.Describe("name", 60),
        intents.Leave(7),
    ]


@parser("phone.stream", lambda: [streams.encode(_stream())])
def _read_stream(data: bytes) -> None:
    assert streams.encode(streams.decode(data))


def _stream() -> streams.Stream:
    stream: streams.Stream | None = None
    for counter in (1, 2, 5):
        link = links_of_messages.Link(b"s" * 16, counter, 4, _KEY)
        stream = streams.take(stream, link, _KEY, now=_NOW, joined=0).stream
    assert stream is not None
    return stream


@parser(
    "phone.log_state",
    lambda: _log_states(),
    ValueError,
)
def _read_log_state(data: bytes) -> None:
    LogState.from_bytes(data)


@cache
def _log_state() -> LogState:
    state = LogState()
    for number, entry in enumerate((log_book.opened(), log_book.created("ada", "phone"))):
        state.apply_bytes(number, _encoded(entry))
    return state


def _log_states() -> list[bytes]:
    return [_log_state().to_bytes()]


def _encoded(entry: Any) -> bytes:
    return log_entries.encode(entry)


@cache
def _keys() -> KeyPairs:
    return officer_keys(bytes(32))


@cache
def _officer_request() -> officer_papers.Request:
    return officer_papers.ask(_ID, "Ada", _keys())


@parser("officer.request", lambda: [_msgpack(_officer_request())])
def _read_officer_request(data: bytes) -> None:
    officer_papers.check_request(officer_papers.decode(data, officer_papers.Request))


def _officer_answer() -> list[bytes]:
    sealed = officer_papers.seal_fleet(_officer_request(), bytes(32))
    roster = fleet_world.Organisation.of("ada", "ben").rosters[0]
    place = Place("relay.example", 8440, _KEY, "relay.example")
    return [_msgpack(officer_papers.Answer(1, _ID, place, [roster], sealed))]


@parser("officer.answer", _officer_answer)
def _read_officer_answer(data: bytes) -> None:
    officer_papers.open_fleet(officer_papers.decode(data, officer_papers.Answer), _keys())


# --- the relay


@parser("relay.range", lambda: [b"bytes=5-9", b"bytes=-4", b"bytes=7-"])
def _range(data: bytes) -> None:
    span = parse_range(data.decode("latin-1"), 10)
    assert span is None or 0 <= span.first <= span.last < 10


@parser("relay.witnesses", lambda: [f"https://w.example={worlds.WITNESS.key}".encode()], ValueError)
def _witnesses(data: bytes) -> None:
    read_witnesses(data.decode(errors="replace"))


@parser("relay.manifest", lambda: [b'{"version": "1.0", "files": [{"path": "index.html", "sha256": "00"}]}'])
def _manifest(data: bytes) -> None:
    (_folder() / web.MANIFEST).write_bytes(data)
    web.released(_folder())
    assert "/" in web.load(_folder())


@parser("audit.state", lambda: [_audit_state()])
def _read_audit_state(data: bytes) -> None:
    path = _folder() / "seen"
    path.write_bytes(data)
    log_audit.restore(path)


def _audit_state() -> bytes:
    log = worlds.Log([_encoded(log_book.opened()), _encoded(log_book.created("ada", "phone"))])
    origin = "localhost/chappe"
    signers = [Signer.from_seed(origin, Kind.ED25519, b"1" * 32)]
    policy = f"log {signers[0].key}\nquorum none\n".encode()
    text = Checkpoint(origin, 2, log.head(2)).text()
    note = SignedNote.sign(text, signers, _NOW).to_bytes()
    ledger = Ledger.pinned("localhost", policy).advance(note, lambda tile: log.data(tile))
    path = _folder() / "seen-first"
    log_audit.save(path, ledger, note)
    return path.read_bytes()


# --- the desk


@parser("desk.exported", lambda: [_exported()])
def _read_exported(data: bytes) -> None:
    exported.check(data.split(b"\n"))


def _exported() -> bytes:
    chain, row = Chain().append(_desk_entry())
    root = api.to_base64(chain.root)
    return (
        f'{{"number": 0, "data": "{api.to_base64(row.entry)}", "root": "{root}"}}\n'
        f'{{"head": {{"size": 1, "root": "{root}"}}}}'
    ).encode()


@parser("desk.sheet", lambda: [_sheet(";"), _sheet(",")])
def _read_sheet(data: bytes) -> None:
    found = sheets.read(data, importing.NAMES)
    for number, cells in found.rows:
        importing._judge(number, cells, "relay.example", 6, date(2026, 11, 30))


def _sheet(separator: str) -> bytes:
    rows = [
        [
            "Adresse de ligne",
            "mois",
            "type",
            "raison sociale",
            "SIREN",
            "nom",
            "prénom",
            "né le",
            "e-mail",
            "pays",
        ],
        [
            "ada@relay.example",
            "6",
            "société",
            "Les Fées",
            "552100554",
            "Lovelace",
            "Ada",
            "10/12/1815",
            "a@b.fr",
            "FR",
        ],
        ["ben@relay.example", "12", "personne", "", "", "Bel", "Ben", "1990-01-31", "b@b.fr", "FR"],
    ]
    return "\r\n".join(separator.join(f'"{cell}"' for cell in row) for row in rows).encode()


@parser("desk.log_entry", lambda: [_desk_entry()])
def _read_desk_entry(data: bytes) -> None:
    assert entries.encode(entries.decode(data)) == data


def _desk_entry() -> bytes:
    return entries.encode(
        entries.Entry(
            at=_NOW,
            what="lines.imported",
            by="console",
            account=None,
            token=None,
            subject=_ID,
            reseller=None,
            organisation=_ID,
            details={"lines": 3},
        )
    )


@parser("desk.declarant", lambda: [(ROOT / "tests/desk/dossier/declarant.toml").read_bytes()])
def _declarant(data: bytes) -> None:
    form.parse(data, "declarant.toml", draft=True)


@cache
def _folder() -> Path:
    """In memory where that can be; a process of the test has one."""
    memory = Path("/dev/shm")
    made = tempfile.TemporaryDirectory(dir=memory if memory.is_dir() else None, prefix="chaos-inputs-")
    _kept.append(made)
    return Path(made.name)


_kept: list[tempfile.TemporaryDirectory[str]] = []


@parser("desk.declared", lambda: [declared.encode(declared.current("0.1", "2026-11-30"))])
def _read_declared(data: bytes) -> None:
    path = _folder() / "declared.json"
    path.write_bytes(data)
    for _ in declared.differences(declared.read(path).inventory, {}):
        pass


@parser("desk.numbers", lambda: [b'{"2025":17,"2026":4}'])
def _numbers(data: bytes) -> None:
    (_folder() / NUMBERS).write_bytes(data)
    NumberFile(_folder()).read()
