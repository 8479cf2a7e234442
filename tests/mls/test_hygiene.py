"""Key material is gone once it has served, and shows nowhere.

Every derivation is watched: what went into one is spent by it, unless it is kept on purpose (`KEPT`). After
the step the stored state is searched for the raw bytes; before it they are there, which is the control.
"""

from __future__ import annotations

import ast
import contextlib
import logging
import traceback
from collections.abc import Callable, Iterator
from dataclasses import fields, is_dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest

import chappe.mls
from chappe.mls import (
    CommitResult,
    Credential,
    Group,
    GroupClosed,
    MLSError,
    PreSharedKey,
    PreSharedKeyID,
    Proposal,
    ReInit,
    Remove,
    WireFormat,
    accept_any,
)
from chappe.mls import tree_math as tm
from chappe.mls.commits import create_commit
from chappe.mls.key_schedule import EpochSecrets, schedule
from chappe.mls.leaf_node import MLS10
from chappe.mls.processing import Rules
from chappe.mls.psks import PskStore
from chappe.mls.secret_tree import RatchetType, SecretTree
from chappe.mls.state import PAST_EPOCH_SECONDS
from chappe.mls.suites import CipherSuite
from chappe.mls.treekem import PathSecret, create_path
from tests.mls.world import NOW, Client, World

KEPT = ("key", "nonce", "exported")
"""Labels whose secret stays: the sender data secret and the exporter's serve a whole epoch."""

both_suites = pytest.mark.parametrize("suite", [0x0001, 0xF00D])


class Watch:
    """What went into derivations, ciphers and key pairs, and what may not be found afterwards."""

    def __init__(self) -> None:
        self.spent: set[bytes] = set()
        self.private: set[bytes] = set()

    def spend(self, *secrets: bytes) -> None:
        self.spent |= {s for s in secrets if len(s) >= 12 and any(s)}

    def found_in(self, group: Group) -> set[bytes]:
        data = group.to_bytes()
        return {s for s in self.spent if s in data}


@pytest.fixture
def watch(monkeypatch: pytest.MonkeyPatch) -> Callable[[], contextlib.AbstractContextManager[Watch]]:
    """`with watch() as seen:` watches what is done inside."""
    real = {
        name: getattr(CipherSuite, name)
        for name in ("expand_with_label", "extract", "derive_tree_secret", "derive_key_pair", "seal", "open")
    }

    @contextlib.contextmanager
    def watching() -> Iterator[Watch]:
        seen = Watch()

        def expand(suite: CipherSuite, secret: bytes, label: str, context: bytes, length: int) -> bytes:
            if label not in KEPT:
                seen.spend(secret)
            out: bytes = real["expand_with_label"](suite, secret, label, context, length)
            if label in ("welcome", "joiner", "path", "node"):
                seen.spend(out)
            return out

        def extract(suite: CipherSuite, salt: bytes, ikm: bytes) -> bytes:
            seen.spend(salt, ikm)
            out: bytes = real["extract"](suite, salt, ikm)
            seen.spend(out)
            return out

        def derive_tree(suite: CipherSuite, secret: bytes, label: str, generation: int, length: int) -> bytes:
            seen.spend(secret)
            out: bytes = real["derive_tree_secret"](suite, secret, label, generation, length)
            return out

        def key_pair(suite: CipherSuite, ikm: bytes) -> Any:
            seen.spend(ikm)
            pair = real["derive_key_pair"](suite, ikm)
            seen.private.add(pair.private)
            return pair

        def sealing(name: str) -> Callable[..., bytes]:
            def act(suite: CipherSuite, key: bytes, nonce: bytes, aad: bytes, data: bytes) -> bytes:
                seen.spend(key)
                out: bytes = real[name](suite, key, nonce, aad, data)
                return out

            return act

        with monkeypatch.context() as patch:
            patch.setattr(CipherSuite, "expand_with_label", expand)
            patch.setattr(CipherSuite, "extract", extract)
            patch.setattr(CipherSuite, "derive_tree_secret", derive_tree)
            patch.setattr(CipherSuite, "derive_key_pair", key_pair)
            patch.setattr(CipherSuite, "seal", sealing("seal"))
            patch.setattr(CipherSuite, "open", sealing("open"))
            yield seen

    return watching


Watching = Callable[[], contextlib.AbstractContextManager[Watch]]


def absent(group: Group, *secrets: bytes) -> None:
    data = group.to_bytes()
    assert not [s.hex() for s in secrets if s and s in data]


def present(group: Group, *secrets: bytes) -> None:
    """The control: the search does find what is there."""
    data = group.to_bytes()
    assert all(s in data for s in secrets)


def tree_secrets(tree: SecretTree) -> set[bytes]:
    """Everything in a secret tree."""
    found = set(tree.nodes.values())
    for ratchet in tree.ratchets.values():
        found.add(ratchet.secret)
        found |= {part for pair in ratchet.skipped.values() for part in pair}
    return found


def all_secrets(group: Group) -> set[bytes]:
    """Every secret in a state but the client's signature key, which is not the group's."""
    state = group._state
    found = {getattr(state.secrets, f.name) for f in fields(EpochSecrets)}
    found |= tree_secrets(state.secret_tree) | set(state.private_keys.values())
    found |= set(state.own_updates.values()) | set(state.resumption_psks.values())
    for past in state.past:
        found |= tree_secrets(past.secret_tree) | {past.sender_data_secret}
    return {secret for secret in found if secret}


# --- messages ---------------------------------------------------------------------------------------


@both_suites
def test_what_opens_a_message_is_gone_with_it(suite: int, watch: Watching) -> None:
    world = World.of(suite, "ana", "ben", "cyd", "dan")
    messages = []
    for _ in range(4):
        world.groups["ana"], message = world.groups["ana"].encrypt(b"x", now=NOW)
        messages.append(message)
    for number in (1, 3, 0, 2):  # in order, ahead, and from the skipped ones
        before = world.groups["ben"]
        with watch() as seen:
            world.open("ben", messages[number])
        assert seen.found_in(before)
        assert not seen.found_in(world.groups["ben"])


@both_suites
def test_what_sealed_a_message_is_gone_with_it(suite: int, watch: Watching) -> None:
    world = World.of(suite, "ana", "ben", "cyd")
    for kind in ("application", "proposal"):
        before = world.groups["ana"]
        with watch() as seen:
            if kind == "application":
                world.groups["ana"], _ = before.encrypt(b"x", now=NOW)
            else:
                world.groups["ana"], _ = before.propose(Remove(1), now=NOW)
        assert seen.found_in(before)
        assert not seen.found_in(world.groups["ana"])


# --- commits ----------------------------------------------------------------------------------------


@both_suites
@pytest.mark.parametrize("wire_format", [WireFormat.PRIVATE_MESSAGE, WireFormat.PUBLIC_MESSAGE])
def test_what_made_and_opened_a_commit_is_gone_with_it(
    suite: int, wire_format: WireFormat, watch: Watching
) -> None:
    """Path, commit, joiner, member, welcome and epoch secrets, the old init secret, the PSK, and the keys of
    the commit's own message."""
    world = World.of(suite, "ana", "ben", "cyd")
    ana, ben, psk = world.groups["ana"], world.groups["ben"], b"a pre-shared key, of good length"
    psk_id = PreSharedKeyID.external(b"word", bytes(world.suite.nh))
    proposals: list[Proposal] = [Client.new(world.suite, "dan").add, PreSharedKey(psk_id)]
    with watch() as made:
        result = ana.commit(proposals, now=NOW, psks={b"word": psk}, wire_format=wire_format)
    with watch() as opened:
        after, _ = ben.process(result.message, now=NOW, authenticate=accept_any, psks={b"word": psk})
    for before, seen, group in ((ana, made, result.group), (ben, opened, after)):
        assert {psk, before._state.secrets.init_secret} <= seen.spent
        assert seen.found_in(before)
        assert not seen.found_in(group)
    assert not made.found_in(result.group.carry_over(ana))


@both_suites
def test_of_an_epoch_that_is_over_only_late_messages_secrets_stay(suite: int) -> None:
    world = World.of(suite, "ana", "ben", "cyd")
    for name in ("ana", "ben"):
        old = world.groups[name]._state
        present(world.groups[name], *all_secrets(world.groups[name]))
        world.commit("ana")
        gone = {getattr(old.secrets, f.name) for f in fields(EpochSecrets)}
        gone -= {old.secrets.sender_data_secret, old.secrets.resumption_psk}
        absent(world.groups[name], *gone)
        if name == "ana":
            absent(world.groups[name], *old.private_keys.values())


def test_handshake_and_own_ratchets_end_with_the_epoch(watch: Watching) -> None:
    """No late handshake message is taken, and own messages are never opened."""
    world = World.of(1, "ana", "ben", "cyd")
    world.groups["ben"], update = world.groups["ben"].propose_update()
    world.share("ben", update)
    old = world.groups["ana"]._state.secret_tree
    handshake = {r.secret for (_, kind), r in old.ratchets.items() if kind is RatchetType.HANDSHAKE}
    present(world.groups["ana"], *handshake)
    world.commit("ana")
    absent(world.groups["ana"], *handshake)
    past = world.groups["ana"]._state.past[-1].secret_tree
    own = world.groups["ana"].own_leaf
    assert all(leaf != own and kind is RatchetType.APPLICATION for leaf, kind in past.ratchets)
    assert not {2 * own, *tm.direct_path(2 * own, past.width)} & set(past.nodes)


def test_a_lost_commits_keys_are_gone_once_the_winners_is_followed(watch: Watching) -> None:
    world = World.of(1, "ana", "ben", "cyd")
    with watch() as made:
        world.groups["ben"].commit(now=NOW)
    assert made.found_in(world.groups["ben"])
    world.commit("ana")
    assert not made.found_in(world.groups["ben"])


@both_suites
def test_after_three_commits_nothing_of_an_epoch_is_left_but_its_resumption_psk(suite: int) -> None:
    world = World.of(suite, "ana", "ben")
    world.groups["ben"], _ = world.groups["ben"].encrypt(b"skipped", now=NOW)
    old = {name: all_secrets(group) for name, group in world.groups.items()}
    psks = set(world.groups["ana"]._state.resumption_psks.values())
    kept_keys = set(world.groups["ben"]._state.private_keys.values())
    for by in ("ana", "ben", "ana"):
        world.commit(by)
    for name, group in world.groups.items():
        absent(group, *(old[name] - psks))
    absent(world.groups["ben"], *kept_keys)
    for by in ("ana", "ben"):
        world.commit(by)
    absent(world.groups["ana"], *psks)


def test_after_a_day_nothing_of_a_past_epoch_is_left() -> None:
    world = World.of(1, "ana", "ben")
    old = tree_secrets(world.groups["ben"]._state.secret_tree)
    sender_data = world.groups["ben"]._state.secrets.sender_data_secret
    world.commit("ana")
    ben, later = world.groups["ben"], NOW + PAST_EPOCH_SECONDS
    present(ben, sender_data)
    assert ben.without_expired(later - 1) is ben
    absent(ben.without_expired(later), *old, sender_data)
    absent(ben.encrypt(b"x", now=later)[0], *old, sender_data)
    _, message = world.groups["ana"].encrypt(b"x", now=later)
    absent(ben.process(message, now=later, authenticate=accept_any)[0], *old, sender_data)
    absent(ben.commit(now=later).group, *old, sender_data)


def test_an_updates_private_key_and_the_one_it_replaces() -> None:
    world = World.of(1, "ana", "ben", "cyd")
    for committed in (True, False):
        ben = world.groups["ben"]
        old_leaf = ben._state.private_keys[2 * ben.own_leaf]
        world.groups["ben"], update = ben.propose_update()
        (new_leaf,) = world.groups["ben"]._state.own_updates.values()
        present(world.groups["ben"], old_leaf, new_leaf)
        if committed:
            world.share("ben", update)
        world.commit("ana")
        absent(world.groups["ben"], old_leaf if committed else new_leaf)
        present(world.groups["ben"], new_leaf if committed else old_leaf)


# --- coming in and going out ------------------------------------------------------------------------


@both_suites
def test_what_let_a_member_in_is_gone(suite: int, watch: Watching) -> None:
    """The init key, the joiner's secrets and the path secret of the Welcome."""
    world, ben = World.of(suite, "ana", "cyd"), Client.new(World.of(suite, "ana").suite, "ben")
    result = world.groups["ana"].commit([ben.add], now=NOW)
    assert result.welcome is not None
    with watch() as seen:
        group = Group.join(result.welcome, ben.bundle, ben.signer, authenticate=accept_any)
    assert len(seen.spent) > 5
    assert not seen.found_in(group)
    absent(group, ben.bundle.init_private)
    present(group, ben.bundle.encryption_private)
    old = ben.bundle.encryption_private
    absent(group.commit(now=NOW).group, old)


@both_suites
def test_an_external_commits_secrets_are_gone(suite: int, watch: Watching) -> None:
    world = World.of(suite, "ana", "ben")
    ana = world.groups["ana"]
    with watch() as made:
        result = Group.join_by_commit(
            ana.group_info(),
            world.suite.generate_signature_key(),
            Credential.basic(b"cyd"),
            authenticate=accept_any,
        )
    with watch() as opened:
        after, _ = ana.process(result.message, now=NOW, authenticate=accept_any)
    assert ana._state.secrets.external_secret in opened.found_in(ana)
    external = ana._state.secrets.external_key_pair(world.suite).private
    assert external in opened.private
    for group, seen in ((result.group, made), (after, opened)):
        assert not seen.found_in(group)
        absent(group, external, ana._state.secrets.external_secret)


def test_a_removed_member_has_no_secret_left() -> None:
    world = World.of(1, "ana", "ben", "cyd")
    world.send("cyd", b"x")
    world.commit("cyd")
    ben = world.groups["ben"]
    present(ben, *all_secrets(ben))
    result = world.groups["ana"].commit([Remove(ben.own_leaf)], now=NOW)
    after, _ = ben.process(result.message, now=NOW, authenticate=accept_any)
    absent(after, *all_secrets(ben))
    assert not all_secrets(after)


def test_a_closed_group_keeps_what_late_messages_and_its_successor_need() -> None:
    world = World.of(1, "ana", "ben", "cyd")
    before = world.groups["ben"]
    world.commit("ana", ReInit(b"new", MLS10, 1))
    for name in ("ana", "ben"):
        state = world.groups[name]._state
        kept = {
            state.secrets.resumption_psk,
            state.secrets.exporter_secret,
            state.secrets.epoch_authenticator,
        }
        past = {s for p in state.past for s in (*tree_secrets(p.secret_tree), p.sender_data_secret)}
        psks = set(state.resumption_psks.values())
        assert all_secrets(world.groups[name]) == kept | past | psks
    absent(world.groups["ben"], before._state.secrets.init_secret, *before._state.private_keys.values())


def test_a_closed_group_opens_nothing_of_its_last_epoch() -> None:
    """It has no secret of that epoch, and takes no absent secret for one that is known to all."""
    world = World.of(1, "ana", "ben")
    world.commit("ana", ReInit(b"new", MLS10, 1))
    ana = world.groups["ana"]._state
    open_again = Group(replace(ana, reinit=None, secrets=world.groups["ben"]._state.secrets.gone()))
    for wire_format in WireFormat.PUBLIC_MESSAGE, WireFormat.PRIVATE_MESSAGE:
        fresh = SecretTree.create(ana.suite, 2, bytes(32))
        speaker = Group(replace(open_again._state, secret_tree=fresh))
        _, message = speaker.propose(Remove(1), wire_format=wire_format, now=NOW)
        with pytest.raises(GroupClosed):
            world.groups["ben"].process(message, now=NOW, authenticate=accept_any)


# --- what shows -------------------------------------------------------------------------------------


def parts(value: object, seen: dict[int, object]) -> Iterator[object]:
    """The value and everything of the engine in it."""
    if id(value) in seen or isinstance(value, str | bytes | int | None | type):
        return
    seen[id(value)] = value
    yield value
    inner: list[object] = []
    if is_dataclass(value):
        inner = [getattr(value, f.name) for f in fields(value)]
    elif isinstance(value, dict):
        inner = [*value, *value.values()]
    elif isinstance(value, list | tuple | set | frozenset):
        inner = list(value)
    elif type(value).__module__.startswith("chappe"):
        slots = getattr(type(value), "__slots__", ())
        inner = [getattr(value, name) for name in slots] + list(getattr(value, "__dict__", {}).values())
    for one in inner:
        yield from parts(one, seen)


def shows(text: str, secrets: set[bytes]) -> list[str]:
    """Those of the secrets that can be read in a text, in a form that Python or a person would write."""
    forms = ((s, (s.hex(), s.hex().upper(), repr(s)[2:-1], str(list(s)))) for s in secrets)
    return [s.hex() for s, written in forms if any(form in text for form in written)]


def engine_values(world: World) -> tuple[list[object], set[bytes]]:
    """Values of every kind that holds a secret, and the secrets in them."""
    suite, dan = world.suite, Client.new(world.suite, "dan")
    ana, psk = world.groups["ana"], b"a pre-shared key, of good length"
    store = PskStore({b"word": psk}, {(b"g", 1): b"a resumption key of good length!"})
    result = ana.commit([dan.add], now=NOW)
    new = create_commit(
        ana._state, [dan.add], now=NOW, random=lambda n: b"\x07" * n, authenticated_data=b"",
        update_path=True, wire_format=WireFormat.PRIVATE_MESSAGE, psks=store, max_lifetime=None,
    )  # fmt: skip
    keys = schedule(suite, b"j" * 32, b"p" * 32, b"")
    own = ana._state.tree.leaf(0)
    assert own is not None
    signer = ana._state.signer
    path = create_path(ana._state.tree, 0, own, signer.private, ana.group_id, lambda n: b"\x09" * n)
    _, taken = ana._state.secret_tree.take(1, RatchetType.APPLICATION, 2)
    rules = Rules(accept_any, lambda _a, _b: True, None, store)
    values = [ana, result, new, keys, path, dan.bundle, dan.signer, store, rules, taken, world]
    values += [PathSecret(b"s" * 32), ana._state.secrets.external_key_pair(suite)]
    secrets = all_secrets(ana) | all_secrets(result.group) | all_secrets(Group(new.state))
    secrets |= {psk, *store.resumption.values(), signer.private, dan.signer.private, taken.key, taken.nonce}
    secrets |= {dan.bundle.init_private, dan.bundle.encryption_private, path.commit_secret, b"s" * 32}
    secrets |= {s.value for s in path.secrets} | set(path.private_keys.values())
    secrets |= {keys.joiner_secret, keys.welcome_secret, keys.encryption_secret}
    return values, secrets


@both_suites
def test_no_repr_shows_a_key(suite: int) -> None:
    world = World.of(suite, "ana", "ben", "cyd")
    world.send("ben", b"x")
    world.commit("cyd")
    world.groups["ana"], _ = world.groups["ana"].propose_update()
    values, secrets = engine_values(world)
    seen: dict[int, object] = {}
    walked = [part for value in values for part in parts(value, seen)]
    assert len(walked) > 100
    bare = (dict, list, tuple, set, frozenset)  # these print what they are given: no engine value shows them
    texts = [repr(part) + str(part) for part in walked if not isinstance(part, bare)]
    assert not shows("".join(texts), secrets)
    assert shows(repr(next(iter(secrets))), secrets)


def test_the_search_in_texts_finds_what_is_there() -> None:
    secret = bytes(range(120, 152))
    for text in (secret.hex(), repr(secret), repr({1: secret}), str(list(secret)), f"key={secret!r}"):
        assert shows(text, {secret})


Refusal = Callable[[], object]


def refusals_of_messages(world: World, commit: CommitResult) -> Iterator[Refusal]:
    ana, ben = world.groups["ana"], world.groups["ben"]
    take = partial(ben.process, now=NOW, authenticate=accept_any)
    _, application = ana.encrypt(b"hello", now=NOW)
    public = ana.commit(now=NOW, wire_format=WireFormat.PUBLIC_MESSAGE).message
    for message in (application, commit.message, public):
        for at in range(0, len(message), 5):
            yield partial(take, message[:at] + bytes((message[at] ^ 1,)) + message[at + 1 :])
    for psks in ({}, {b"word": b"y" * 32}):
        yield partial(take, commit.message, psks=psks)


def refusals_to_join(world: World, commit: CommitResult, dan: Client) -> Iterator[Refusal]:
    join, bundle, welcome = partial(Group.join, authenticate=accept_any), dan.bundle, commit.welcome
    assert welcome is not None
    for at in range(0, len(welcome), 11):
        yield partial(join, welcome[:at], bundle, dan.signer)
    for psks in ({}, {b"word": b"y" * 32}):
        yield partial(join, welcome, bundle, dan.signer, psks=psks)
    for key in (bundle.encryption_private, b"short"):
        yield partial(join, welcome, replace(bundle, init_private=key), dan.signer)
    yield partial(join, welcome, bundle, world.groups["ana"]._state.signer)


def refusals_of_states(world: World) -> Iterator[Refusal]:
    """Cut, or with a length that does not fit right beside a secret."""
    stored = world.groups["ben"].to_bytes()
    for at in range(0, len(stored), 11):
        yield partial(Group.from_bytes, stored[:at])
        yield partial(Group.from_bytes, stored[:at] + b"\xff" + stored[at + 1 :])


def refusals(world: World) -> Iterator[Refusal]:
    """Many ways to be refused, each with secrets at hand."""
    ana, dan = world.groups["ana"], Client.new(world.suite, "dan")
    psk = PreSharedKey(PreSharedKeyID.external(b"word", bytes(world.suite.nh)))
    commit = ana.commit([dan.add, psk], now=NOW, psks={b"word": b"x" * 32})
    yield from refusals_of_messages(world, commit)
    yield from refusals_to_join(world, commit, dan)
    yield from refusals_of_states(world)
    for proposals in ([Remove(0)], [dan.add, dan.add], [psk]):
        yield partial(ana.commit, proposals, now=NOW)
    yield partial(ana.carry_over, world.groups["ben"])
    yield partial(world.suite.signature_key, b"no key of this scheme")


@pytest.mark.parametrize("suite", [0x0001, 0x0002, 0xF00D])
def test_no_refusal_and_no_log_shows_a_key(suite: int, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    world = World.of(suite, "ana", "ben", "cyd")
    secrets = all_secrets(world.groups["ana"]) | all_secrets(world.groups["ben"])
    secrets |= {group._state.signer.private for group in world.groups.values()}
    texts: list[str] = []
    for refusal in refusals(world):
        try:
            refusal()
        except (MLSError, ValueError) as problem:
            texts += [*traceback.format_exception(problem), repr(problem), repr(vars(problem))]
    assert len(texts) > 1000
    assert not shows("".join(texts), secrets)
    assert not caplog.records


def test_the_engine_neither_logs_nor_prints() -> None:
    for file in Path(chappe.mls.__file__).parent.glob("*.py"):
        for node in ast.walk(ast.parse(file.read_text())):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            if isinstance(node, ast.ImportFrom) and node.module:
                names.append(node.module)
            assert not {"logging", "structlog", "warnings", "traceback"} & {n.split(".")[0] for n in names}
            assert not (isinstance(node, ast.Name) and node.id in {"print", "breakpoint"}), file.name
