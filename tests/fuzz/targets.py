"""What is fuzzed: one function of bytes for each decoder, and seeds for it made from real messages.

A target returns, or raises the typed error of its boundary; the runner takes that one for a plain refusal and
everything else for a fault. Where a value has one encoding, what was decoded must encode to what it was.
The last targets are insiders: what they make of the bytes is signed and sealed as a member would, so that it
reaches the code behind the signatures.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

import msgspec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from chappe.mls import (
    ApplicationMessage,
    Credential,
    Extension,
    Group,
    KeyPackageBundle,
    MLSError,
    PreSharedKey,
    PreSharedKeyID,
    Proposal,
    Remove,
    SetExtensions,
    WireFormat,
    accept_any,
    check_evidence,
    cipher_suite,
    parse_key_package,
    peek,
    welcome_refs,
)
from chappe.mls.codec import Reader, parse
from chappe.mls.framing import (
    AuthenticatedContent,
    FramedContent,
    Sender,
    encode_message,
    parse_message,
)
from chappe.mls.key_package import KeyPackage
from chappe.mls.leaf_node import ExtensionType
from chappe.mls.proposals import Commit, encode_proposal, read_proposal
from chappe.mls.protection import protect_public, sign_content
from chappe.mls.ratchet_tree import RatchetTree
from chappe.mls.welcome import GroupInfo, GroupSecrets, Welcome, make_welcome
from chappe.tlog.chain import Chain
from chappe.tlog.checkpoints import Checkpoint
from chappe.tlog.errors import TlogError
from chappe.tlog.keys import VerifierKey
from chappe.tlog.notes import SignedNote
from chappe.tlog.policy import Policy
from chappe.tlog.tile_reader import TileReader, from_mapping
from chappe.tlog.tiles import Tile, bundle_bytes, bundle_entries
from chappe.tlog.witness import AddCheckpoint
from chappe.wire import (
    api,
    certificate,
    chain,
    codes,
    content,
    fleet,
    frames,
    links,
    log_entries,
    orders,
    registers,
    rosters,
    unlock,
)
from chappe.wire.errors import ChappeError
from tests.mls.world import NOW, Client, World
from tests.tlog import worlds
from tests.wire import fleet_world, log_samples, test_fleet

Seeds = Callable[[], Iterable[bytes]]


@dataclass(frozen=True)
class Target:
    """`refusal`: the one error that may leave the boundary."""

    run: Callable[[bytes], None]
    refusal: type[Exception]
    seeds: Seeds


TARGETS: dict[str, Target] = {}


def target(
    name: str, refusal: type[Exception], seeds: Seeds
) -> Callable[[Callable[[bytes], None]], Callable[[bytes], None]]:
    def register(run: Callable[[bytes], None]) -> Callable[[bytes], None]:
        TARGETS[name] = Target(run, refusal, seeds)
        return run

    return register


# --- a small world to fuzz in -----------------------------------------------------------------------


@dataclass(frozen=True)
class Scene:
    """Ana, Ben and Cyd in a group; Dan is added by `addition` and has a key package."""

    ana: Group
    ben: Group
    dan: Client
    messages: tuple[bytes, ...]
    addition: bytes
    welcome: bytes


@cache
def scene() -> Scene:
    world = World.of(1, "ana", "ben", "cyd")
    dan = Client.new(cipher_suite(1), "dan")
    world.groups["ana"], application = world.groups["ana"].encrypt(b"hello", now=NOW, padding=9)
    ana = world.groups["ana"]
    addition = ana.commit([dan.add, Remove(2)], now=NOW)
    public = ana.commit([dan.add], now=NOW, wire_format=WireFormat.PUBLIC_MESSAGE)
    _, update = ana.propose_update(wire_format=WireFormat.PUBLIC_MESSAGE)
    assert addition.welcome is not None
    messages = (
        application,
        addition.message,
        public.message,
        update,
        dan.bundle.message,
        addition.welcome,
        ana.group_info(),
    )
    return Scene(ana, world.groups["ben"], dan, messages, addition.message, addition.welcome)


def _body(message: bytes) -> bytes:
    """A message without its version and wire format."""
    return message[4:]


# --- MLS: the forms ---------------------------------------------------------------------------------


@target("mls.message", MLSError, lambda: scene().messages)
def _message(data: bytes) -> None:
    assert encode_message(parse_message(data)) == data
    peek(data)


@target("mls.key_package", MLSError, lambda: [scene().dan.bundle.message])
def _key_package(data: bytes) -> None:
    package = parse_key_package(data)
    assert package.message == data
    package.validate(now=NOW, max_lifetime=None)


@target("mls.welcome", MLSError, lambda: [scene().welcome])
def _welcome(data: bytes) -> None:
    welcome_refs(data)
    dan = scene().dan
    Group.join(data, dan.bundle, dan.signer, authenticate=accept_any)


@target("mls.group_info", MLSError, lambda: [scene().ana.group_info()])
def _group_info(data: bytes) -> None:
    dan = scene().dan
    Group.join_by_commit(data, dan.signer, Credential.basic(b"dan"), authenticate=accept_any)


@target("mls.ratchet_tree", MLSError, lambda: [scene().ana._state.tree.encode()])
def _ratchet_tree(data: bytes) -> None:
    tree = RatchetTree.from_bytes(cipher_suite(1), data)
    assert tree.encode() == data
    tree.check_structure()
    tree.parent_hashes_hold()
    tree.tree_hash()


def _some_proposals() -> list[Proposal]:
    psk = PreSharedKeyID.external(b"word", bytes(32))
    extensions = SetExtensions((Extension(ExtensionType.REQUIRED_CAPABILITIES, b"\0\0\0"),))
    return [scene().dan.add, Remove(1), PreSharedKey(psk), extensions]


@target("mls.proposal", MLSError, lambda: map(encode_proposal, _some_proposals()))
def _proposal(data: bytes) -> None:
    assert encode_proposal(parse(read_proposal, data)) == data


def _some_commits() -> list[bytes]:
    public = parse_message(scene().messages[2])
    body: Any = public.content.body  # type: ignore[union-attr]
    return [body.encode(), Commit(()).encode(), Commit((b"r" * 32, *_some_proposals())).encode()]


@target("mls.commit", MLSError, _some_commits)
def _commit(data: bytes) -> None:
    assert parse(Commit.read, data).encode() == data


@target("mls.state", MLSError, lambda: [scene().ben.to_bytes()])
def _state(data: bytes) -> None:
    """A stored state has fields whose order is free: what it becomes when written again must be stable."""
    stored = Group.from_bytes(data).to_bytes()
    assert Group.from_bytes(stored).to_bytes() == stored


@target("mls.state_shared", MLSError, lambda: [scene().ben.shared_bytes()])
def _state_shared(data: bytes) -> None:
    assert Group.from_parts(data, scene().ben.secret_bytes()).shared_bytes() == data


@target("mls.state_secret", MLSError, lambda: [scene().ben.secret_bytes()])
def _state_secret(data: bytes) -> None:
    stored = Group.from_parts(scene().ben.shared_bytes(), data).secret_bytes()
    assert Group.from_parts(scene().ben.shared_bytes(), stored).secret_bytes() == stored


@target("mls.bundle", MLSError, lambda: [scene().dan.bundle.to_bytes()])
def _bundle(data: bytes) -> None:
    assert KeyPackageBundle.from_bytes(data).to_bytes() == data


@target("mls.process", MLSError, lambda: scene().messages)
def _process(data: bytes) -> None:
    """A group takes anything, and is as it was where it refuses."""
    ben = scene().ben
    before = ben.to_bytes()
    try:
        ben.process(data, now=NOW, authenticate=accept_any)
    finally:
        assert ben.to_bytes() == before


# --- MLS: insiders ----------------------------------------------------------------------------------


def _from_ana(body: Proposal | Commit) -> bytes:
    """What Ana says, signed by her and with the membership tag."""
    state = scene().ana._state
    inner = FramedContent(state.context.group_id, state.context.epoch, Sender.member(0), b"", body)
    context = state.context.encoded
    auth = sign_content(state.suite, state.signer.private, WireFormat.PUBLIC_MESSAGE, inner, context)
    if isinstance(body, Commit):
        auth = replace(auth, confirmation_tag=bytes(32))
    signed = AuthenticatedContent(WireFormat.PUBLIC_MESSAGE, inner, auth)
    return encode_message(protect_public(state.suite, state.secrets.membership_key, signed, context))


@target("mls.insider_proposal", MLSError, lambda: map(encode_proposal, _some_proposals()))
def _insider_proposal(data: bytes) -> None:
    """What is taken can be committed, or is left out of a commit."""
    message = _from_ana(parse(read_proposal, data))
    ben, _ = scene().ben.process(message, now=NOW, authenticate=accept_any)
    ben.commit(now=NOW)


@target("mls.insider_commit", MLSError, _some_commits)
def _insider_commit(data: bytes) -> None:
    message = _from_ana(parse(Commit.read, data))
    scene().ben.process(message, now=NOW, authenticate=accept_any)


def _info() -> GroupInfo:
    found = parse_message(scene().ana.group_info())
    assert isinstance(found, GroupInfo)
    return found


@target("mls.insider_group_info", MLSError, lambda: [_info().encode()])
def _insider_group_info(data: bytes) -> None:
    """A GroupInfo that the member whom it names signed, and whose tree hash is its tree's."""
    state, dan = scene().ana._state, scene().dan
    info = parse(GroupInfo.read, data)
    extensions = {e.type: e.data for e in info.extensions}
    tree = RatchetTree.from_bytes(state.suite, extensions.get(ExtensionType.RATCHET_TREE, b""))
    context = replace(info.group_context, tree_hash=tree.tree_hash(), cipher_suite=state.suite.id)
    signed = replace(info, group_context=context).signed(state.suite, state.signer.private)
    Group.join_by_commit(
        encode_message(signed), dan.signer, Credential.basic(b"dan"), authenticate=accept_any
    )


def _some_secrets() -> list[bytes]:
    psk = PreSharedKeyID.external(b"word", bytes(32))
    return [GroupSecrets(bytes(32), None).encode(), GroupSecrets(bytes(32), bytes(32), (psk,)).encode()]


@target("mls.insider_welcome", MLSError, _some_secrets)
def _insider_welcome(data: bytes) -> None:
    """Group secrets that were sealed to Dan's key package by somebody who may."""
    suite, dan = cipher_suite(1), scene().dan
    package: KeyPackage = dan.bundle.key_package
    secrets = parse(GroupSecrets.read, data)
    assert secrets.encode() == data
    welcome: Welcome = make_welcome(suite, _info(), bytes(32), [(package.ref, package.init_key, secrets)])
    Group.join(encode_message(welcome), dan.bundle, dan.signer, authenticate=accept_any)


@target("mls.varint", MLSError, lambda: [b"\x00", b"\x40\x40", b"\x80\x00\x40\x00"])
def _varint(data: bytes) -> None:
    from chappe.mls.codec import varint

    assert varint(parse(Reader.varint, data)) == data


# --- the wire ---------------------------------------------------------------------------------------

_ID, _HASH = b"i" * 16, b"h" * 32


def _device_frames() -> list[bytes]:
    said: list[frames.FromDevice] = [
        frames.SignIn(_ID, b"s" * 64),
        frames.Send(1, _ID, [_ID], b"x"),
        frames.Commit(1, _ID, _ID, 0, _HASH, _HASH, [_ID], b"x", [frames.WelcomeFor([_ID], b"w")]),
        frames.Ack(7),
        frames.PublishKeyPackages(1, [b"k"], b"l"),
        frames.Lookup(1, "ada@relay.example", True, [_ID]),
        frames.NewAttachment(1, 5),
    ]
    return [frames.encode(frame) for frame in said]


def _relay_frames() -> list[bytes]:
    said: list[frames.FromRelay] = [
        frames.Hello(_HASH, "relay.example", 1),
        frames.Welcome(3, True, 9),
        frames.Accepted(1, _ID, 2),
        frames.Done(1),
        frames.Refusal(None, "frame.malformed", "no"),
        frames.Deliver(1, _ID, b"x", 1),
        frames.Line(1, _ID, "ada@relay.example", _HASH, [frames.DeviceEntry(_ID, b"c", b"k")], _HASH),
        frames.Ticket(1, _HASH, _HASH, 5),
    ]
    return [frames.encode(frame) for frame in said]


@target("wire.from_device", ChappeError, _device_frames)
def _from_device(data: bytes) -> None:
    frames.read_ref(data)
    frame = frames.decode_from_device(data)
    assert frames.decode_from_device(frames.encode(frame)) == frame


@target("wire.from_relay", ChappeError, _relay_frames)
def _from_relay(data: bytes) -> None:
    frames.read_ref(data)
    frame = frames.decode_from_relay(data)
    assert frames.decode_from_relay(frames.encode(frame)) == frame


def _contents() -> list[bytes]:
    salt, one = b"s" * 16, b"\x01" * 32
    file = content.Attachment("mimi://h/a/x", _HASH, b"n" * 12, _HASH, 5, "image/png", "a.png", "a picture")
    bodies: list[content.Message] = [
        content.Message(salt, content.Text("hello"), None, one, content.Expiry(True, 60), b"topic"),
        content.Message(salt, content.Reaction("+1"), None, one),
        content.Message(salt, content.Deleted(), one),
        content.Message(salt, content.Receipt(((one, content.Status.READ),))),
        content.Message(salt, file),
    ]
    return [content.encode(message) for message in bodies]


@target("wire.content", ChappeError, _contents)
def _content(data: bytes) -> None:
    message = content.decode(data)
    sendable = not isinstance(message.body, content.Unknown) and message.body != content.Receipt(())
    if sendable:
        assert content.decode(content.encode(message)) == message


def _items() -> list[bytes]:
    first = chain.Link(b"s" * 16, 1, 4, chain.START)
    later = chain.Link(b"s" * 16, 2, 4, _HASH)
    return [
        chain.loose(b"typing"),
        first.encode() + b"hello",
        later.encode() + b"hello",
        chain.voided(later.encode()) + _HASH,
    ]


@target("wire.item", ChappeError, _items)
def _item(data: bytes) -> None:
    item = chain.decode(data)
    if item.link is None:
        assert chain.loose(item.body) == data
    else:
        assert item.link.encode(item.kind) + item.body == data


@cache
def _evidence_of_hello() -> tuple[bytes, bytes, bytes]:
    """What Ana signed, her signature, her key."""
    _, received = scene().ben.process(scene().messages[0], now=NOW, authenticate=accept_any)
    assert isinstance(received, ApplicationMessage)
    return received.signed, received.signature, received.sender_member.signature_key


@target("mls.evidence", MLSError, lambda: [_evidence_of_hello()[0]])
def _evidence(data: bytes) -> None:
    signed, signature, key = _evidence_of_hello()
    check_evidence(data, signature, key)
    assert data == signed, "the signature holds for something else"


@target("wire.link", ChappeError, lambda: _links())
def _link(data: bytes) -> None:
    text = data.decode(errors="replace")
    found = links.parse(text)
    assert links.parse(str(found)) == found


@target("wire.place", ChappeError, lambda: [b"relay.example:8440", b"[::1]:1"])
def _place(data: bytes) -> None:
    place = links.parse_place(data.decode(errors="replace"))
    assert links.parse_place(place.authority) == place


def _links() -> list[bytes]:
    place, code = links.RelayPlace("relay.example", 8440, _HASH), codes.new(12345)
    return [
        str(links.ActivationLink(place, code)).encode(),
        str(links.DeviceLink(place, _ID, _HASH)).encode(),
    ]


@target("wire.code", ChappeError, lambda: [codes.show(codes.new(12345)).encode()])
def _code(data: bytes) -> None:
    code = codes.parse(data.decode(errors="replace"))
    assert codes.parse(codes.show(code)) == code


def _certificate() -> bytes:
    return certificate.issue(
        Ed25519PrivateKey.from_private_bytes(bytes(32)),
        line_id=_ID,
        address="ada@relay.example",
        device_id=_ID,
        signature_key=_HASH,
        issued_at=1_790_000_000,
    ).to_bytes()


@target("wire.certificate", ChappeError, lambda: [_certificate()])
def _read_certificate(data: bytes) -> None:
    found = certificate.DeviceCertificate.from_bytes(data)
    assert found.to_bytes() == data
    found.verify()


@target("wire.address", ChappeError, lambda: [b"ada@relay.example"])
def _address(data: bytes) -> None:
    address = certificate.check_address(data.decode(errors="replace"))
    assert certificate.check_address(address) == address
    address.encode("ascii")


def _bodies() -> list[bytes]:
    text = api.to_base64(_ID)
    bodies: list[api.Body] = [
        api.Info("relay.example", "0.1", 1, 2, 3),
        api.Activate("CODE", text, text),
        api.AddDevice(text, text, text, text),
        api.Activated(text, text, "ada@relay.example", text),
        api.Failure("http.malformed", "no"),
    ]
    return [api.encode(body) for body in bodies]


@target("wire.body", ChappeError, _bodies)
def _http_body(data: bytes) -> None:
    taken = 0
    for kind in (api.Info, api.Activate, api.AddDevice, api.Activated, api.Failure):
        try:
            body = api.decode(data, kind)
        except ChappeError:
            continue
        taken += 1
        assert api.decode(api.encode(body), kind) == body
    assert taken <= 1, "two kinds of body are told apart by their fields"


@target("wire.base64", ChappeError, lambda: [b"AAAA", b"_-8"])
def _base64(data: bytes) -> None:
    text = data.decode(errors="replace")
    assert api.to_base64(api.from_base64(text)) == text


# --- fleet orders: the fuzzer has all keys, so that it reaches what is behind the signatures


@target("wire.roster", ChappeError, lambda: [fleet_world.Organisation.of("ada", "ben").rosters[0].body])
def _roster(data: bytes) -> None:
    signed, ada = rosters.roster_bytes(data), fleet_world.id_of("ada")
    by_ada = rosters.OfficerSignature(ada, fleet_world.key("ada").sign(signed))
    fleet_key = fleet_world.public(fleet_world.FLEET)
    roster = rosters.SignedRoster(data, fleet_world.FLEET.sign(signed), [by_ada])
    chain = rosters.check_chain([roster], fleet_key=fleet_key)
    assert chain.roster.officer(ada) is not None


@target("wire.order", ChappeError, lambda: [test_fleet.ORDER.body])
def _order(data: bytes) -> None:
    signed, ada = orders.order_bytes(data), fleet_world.id_of("ada")
    by_ada = rosters.OfficerSignature(ada, fleet_world.key("ada").sign(signed))
    order = orders.SignedOrder(data, fleet_world.FLEET.sign(signed), [by_ada])
    orders.check_officers_order(order, fleet_world.first("ada", "ben"), fleet_world.SERVER)


@target("wire.log_entry", ChappeError, lambda: [log_entries.encode(each) for each in log_samples.SAMPLES])
def _log_entry(data: bytes) -> None:
    assert log_entries.encode(log_entries.decode(data)) == data


@target("wire.receipt", ChappeError, lambda: [test_fleet.RECEIPT.body])
def _receipt(data: bytes) -> None:
    phone = fleet_world.key("phone")
    signed = orders.SignedReceipt(data, "device", phone.sign(orders._receipt_bytes(data)))
    orders.check_receipt(signed, signature_key=fleet_world.public(phone), unlock_key=None)


def _some_registers() -> list[bytes]:
    places = registers.Memberships([registers.Membership(_ID, 7, 0)])
    encoded = msgspec.msgpack.encode(places)
    return [(len(encoded).to_bytes(4, "big") + encoded).ljust(64, b"\0")]


@target("wire.register", ChappeError, _some_registers)
def _register(data: bytes) -> None:
    """Anybody can seal to a public key."""
    sealed = unlock.seal_to(fleet_world.SEAL.public, registers.REGISTER_CONTEXT + _ID, data)
    registers.open_register(fleet_world.SEAL.private, _ID, sealed)


def _some_envelopes() -> list[bytes]:
    asks = [ask for ask in test_fleet.ASKS if isinstance(ask, fleet.OFFICERS)]
    return [fleet.encode(test_fleet.officers(ask)) for ask in asks]


@target("wire.fleet_envelope", ChappeError, _some_envelopes)
def _fleet_envelope(data: bytes) -> None:
    envelope = fleet.decode_envelope(data)
    assert fleet.decode_envelope(fleet.encode(envelope)) == envelope
    fleet.decode_ask(envelope)


@target("wire.fleet_ask", ChappeError, lambda: map(fleet.encode, test_fleet.ASKS))
def _fleet_ask(data: bytes) -> None:
    try:
        ask = fleet.decode_ask(fleet.ByOfficer(_ID, _ID, 0, data, bytes(64)))
    except ChappeError:
        ask = fleet.decode_ask(fleet.ByDevice(_ID, "device", 0, data, bytes(64)))
    assert fleet.encode(ask)


@target("wire.fleet_answer", ChappeError, lambda: map(fleet.encode, test_fleet.ANSWERS))
def _fleet_answer(data: bytes) -> None:
    answer = fleet.decode_answer(data)
    assert fleet.decode_answer(fleet.encode(answer)) == answer


# --- the transparency log ---------------------------------------------------------------------------


@cache
def _log() -> worlds.Log:
    return worlds.Log([b"entry %d" % number for number in range(5)])


@target("tlog.note", TlogError, lambda: [_log().note(5)])
def _note(data: bytes) -> None:
    note = SignedNote.parse(data)
    assert note.to_bytes() == data
    assert Checkpoint.parse(note.text).text() == note.text


@target("tlog.signed", TlogError, lambda: [_log().note(5), _log().note(0)])
def _signed(data: bytes) -> None:
    """Whatever gets through is a head that the log has signed."""
    signed = worlds.POLICY.check(data)
    assert signed.checkpoint.root == _log().head(signed.checkpoint.size)


@target("tlog.vkey", TlogError, lambda: [str(signer.key).encode() for signer in worlds.LOG])
def _vkey(data: bytes) -> None:
    text = data.decode(errors="replace")
    assert str(VerifierKey.parse(text)) == text


def _policies() -> list[bytes]:
    keys = [signer.key for signer in (*worlds.LOG, worlds.WITNESS)]
    text = f"# one\nlog {keys[0]} https://x\nwitness W {keys[2]}\ngroup G 1 W\nquorum G\n"
    return [text.encode(), f"log {keys[0]}\nlog {keys[1]}\nquorum none".encode()]


@target("tlog.policy", TlogError, _policies)
def _policy(data: bytes) -> None:
    policy = Policy.parse(data)
    assert policy.quorum is None or not policy.quorum.met([])


@target("tlog.path", TlogError, lambda: [b"tile/0/x001/234.p/5", b"tile/entries/000"])
def _tile_path(data: bytes) -> None:
    path = data.decode(errors="replace")
    assert Tile.parse(path).path == path


@target("tlog.bundle", TlogError, lambda: [_log().data(Tile(None, 0, 5))])
def _entry_bundle(data: bytes) -> None:
    assert bundle_bytes(bundle_entries(Tile(None, 0, 5), data)) == data


@target("tlog.tile", TlogError, lambda: [_log().data(Tile(0, 0, 5))])
def _tile(data: bytes) -> None:
    """Only the right tile leads to the root."""
    reader = TileReader(5, _log().head(5), from_mapping({Tile(0, 0, 5): data}))
    assert reader.frontier(5).root() == _log().head(5)
    assert data == _log().data(Tile(0, 0, 5))


@target("tlog.add_checkpoint", TlogError, lambda: [AddCheckpoint(9, (_HASH,), b"note").to_bytes()])
def _add_checkpoint(data: bytes) -> None:
    assert AddCheckpoint.parse(data).to_bytes() == data


@target("tlog.chain", TlogError, lambda: [Chain().append(b"x")[0].to_bytes(), Chain().to_bytes()])
def _chain(data: bytes) -> None:
    chain = Chain.from_bytes(data)
    assert chain.to_bytes() == data
    assert chain.append(b"x")[1].index == chain.size


# --- the negative control ---------------------------------------------------------------------------


@target("control.broken", ValueError, lambda: [b"\x03abc"])
def _broken(data: bytes) -> None:
    """A decoder with the fault that all others must not have: a length that it believes."""
    if not data:
        raise ValueError("empty")
    _ = data[data[0]]
