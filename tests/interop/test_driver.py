"""The Python engine and ts-mls in one group, two and a few members at a time."""

from __future__ import annotations

from random import Random

import pytest

from chappe.mls import (
    AlreadyConsumed,
    Credential,
    ExternalSender,
    Group,
    InvalidMessage,
    MalformedMessage,
    NotMember,
    WrongEpoch,
    accept_any,
    cipher_suite,
    external_senders_extension,
)
from tests.interop.conftest import need_node
from tests.interop.driver import (
    NODE_DIR,
    DriverGone,
    ProposalKind,
    TsCommitApplied,
    TsMls,
    TsMlsError,
    TsProposal,
    TsProposalReceived,
)
from tests.interop.world import GROUP, SUITES, Mixed, PyClient, now

PAIRS = [("py", "ts"), ("ts", "py")]
"""Who founds or acts, and who joins or watches."""

suites = pytest.mark.parametrize("suite", SUITES, ids=lambda s: f"{s:#06x}")
pairs = pytest.mark.parametrize(("one", "other"), PAIRS)


# Both engines ---------------------------------------------------------------------------------------


@suites
@pytest.mark.parametrize("names", [*PAIRS, ("ts", "ts2")])
def test_one_founds_the_other_joins_and_they_talk(ts: TsMls, suite: int, names: tuple[str, str]) -> None:
    world = Mixed.of(ts, suite, *names)
    world.talk()
    world.talk()
    assert world.authenticator(names[0])[0] == 1


@suites
@pairs
def test_messages_of_every_size_come_out_of_order(ts: TsMls, suite: int, one: str, other: str) -> None:
    world = Mixed.of(ts, suite, one, other)
    datas = [b"", b"a", b"b" * 63, b"c" * 64, b"d" * 16_384]
    messages = [world.encrypt(one, d, aad=d[:3], padding=len(d) % 5) for d in datas]
    for message, data in sorted(zip(messages, datas, strict=True), reverse=True):
        assert world.open(other, message) == (data, data[:3])


@suites
@pairs
def test_several_adds_in_one_commit(ts: TsMls, suite: int, one: str, other: str) -> None:
    world = Mixed.of(ts, suite, one, other)
    world.add(other, "ts3", "py4", "ts5")
    world.talk()
    world.add(one, "py6")
    world.commit("ts5")
    world.commit("py4")
    world.talk()


@suites
@pairs
def test_a_commit_of_nothing_refreshes_the_committer(ts: TsMls, suite: int, one: str, other: str) -> None:
    world = Mixed.of(ts, suite, one, other, "py3", "ts4")
    for name in (one, other, one, "ts4", "py3", other):
        world.commit(name)
    world.talk()


@suites
@pairs
def test_a_removed_member_opens_nothing(ts: TsMls, suite: int, one: str, other: str) -> None:
    world = Mixed.of(ts, suite, one, other, "py3", "ts4")
    gone = world.groups.get(other)
    world.commit(one, remove=[other])
    assert other not in world.members
    later = world.send(one, b"without it")
    if gone is None:
        assert not ts.state(other, GROUP).active
        with pytest.raises(TsMlsError):
            ts.process(other, GROUP, later)
        with pytest.raises(TsMlsError, match="after being removed"):
            ts.encrypt(other, GROUP, b"let me in")
    else:
        with pytest.raises(WrongEpoch):
            gone.process(later, now=now(), authenticate=accept_any)
    world.talk()


@suites
@pairs
def test_removed_and_added_again(ts: TsMls, suite: int, one: str, other: str) -> None:
    world = Mixed.of(ts, suite, one, other, "py3", "ts4", "py5")
    world.commit(one, remove=[other, "py3"])
    world.add("ts4", other)
    world.add(one, "py3")
    world.commit(other)
    world.talk()


@suites
@pairs
def test_an_add_and_a_remove_in_one_commit(ts: TsMls, suite: int, one: str, other: str) -> None:
    """The new member takes the leaf of the one that left."""
    world = Mixed.of(ts, suite, one, other, "py3", "ts4", "py5")
    world.commit("py5")
    key_packages = []
    for name in ("ts8", "ts9"):
        ts.client(name, suite=suite, identity=name.encode())
        key_packages.append(ts.key_package(name))
    leaf = world.leaf("ts4")
    welcome = world.commit(one, remove=["ts4"], add=key_packages)
    assert welcome is not None
    for name in ("ts8", "ts9"):
        ts.join(name, GROUP, welcome)
        world.ts_members.add(name)
    world.check_agreement()
    assert world.leaf("ts8") == leaf
    world.commit("ts9")
    world.talk()


# By reference ---------------------------------------------------------------------------------------


def _propose(world: Mixed, by: str, kind: ProposalKind, *, who: str = "", public: bool = False) -> None:
    """Someone proposes an Add of ts9, a Remove of `who` or an Update, and everybody hears it."""
    key_package = world.joiner("ts9")[0] if kind == "add" else b""
    world.propose(by, kind, what=key_package, who=who, public=public)


WAYS = [
    ("py", "ts", False),
    ("py", "ts", True),
    ("ts", "py", False),
    ("ts", "py", True),
    ("ts", "ts4", False),
    ("ts", "ts4", True),
]
"""Who proposes, who commits, and whether as a PublicMessage."""
ways = pytest.mark.parametrize(("proposer", "committer", "public"), WAYS)


@suites
@ways
def test_an_update_by_reference(ts: TsMls, suite: int, proposer: str, committer: str, public: bool) -> None:
    world = Mixed.of(ts, suite, proposer, committer, "py3", "ts5")
    world.commit("py3")
    _propose(world, proposer, "update", public=public)
    world.commit(committer, public=public)
    world.talk()
    world.commit(proposer)
    world.talk()


@suites
@ways
def test_a_remove_by_reference(ts: TsMls, suite: int, proposer: str, committer: str, public: bool) -> None:
    world = Mixed.of(ts, suite, proposer, committer, "py3", "ts5")
    _propose(world, proposer, "remove", who="py3", public=public)
    world.commit(committer)
    assert "py3" not in world.members
    world.talk()


@suites
@ways
def test_an_add_by_reference(ts: TsMls, suite: int, proposer: str, committer: str, public: bool) -> None:
    world = Mixed.of(ts, suite, proposer, committer, "py3")
    _propose(world, proposer, "add", public=public)
    welcome = world.commit(committer)
    assert welcome is not None
    ts.join("ts9", GROUP, welcome)
    world.ts_members.add("ts9")
    world.check_agreement()
    world.talk()


@suites
def test_an_update_that_the_commit_left_out(ts: TsMls, suite: int) -> None:
    """Its key is not used, and the old one goes on."""
    world = Mixed.of(ts, suite, "py", "ts", "py3")
    ts.propose("ts", GROUP, "update")
    world.commit("py")
    world.commit("py3")
    world.commit("ts")
    world.talk()


# Races ----------------------------------------------------------------------------------------------


@suites
@pairs
def test_a_lost_race(ts: TsMls, suite: int, one: str, other: str) -> None:
    """Both commit at once; the first's is accepted, and the other commits again."""
    world = Mixed.of(ts, suite, one, other, "py3", "ts4")
    ours, theirs = world.begin(one), world.begin(other)
    for name in world.members:
        if name != one:
            world.process_commit(name, ours.message)
    world.adopt(one, ours)
    world.check_agreement()
    for name in world.members:
        if name != other:
            with pytest.raises((TsMlsError, WrongEpoch)):
                world.process_commit(name, theirs.message)
    if other == "ts":
        with pytest.raises(TsMlsError, match="no commit is under way"):
            ts.adopt(other, GROUP)
    world.talk()
    world.commit(other)
    world.talk()


@suites
def test_messages_while_a_commit_is_under_way(ts: TsMls, suite: int) -> None:
    """What was sent and opened meanwhile is spent after it too."""
    world = Mixed.of(ts, suite, "py", "ts")
    made = ts.commit("ts", GROUP)
    early, late = world.encrypt("py", b"early"), world.encrypt("py", b"late")
    assert world.open("ts", early) == (b"early", b"")
    assert world.open("py", world.encrypt("ts", b"meanwhile")) == (b"meanwhile", b"")
    world.process_commit("py", made.message)
    world.adopt("ts", made)
    world.check_agreement()
    assert world.open("ts", late) == (b"late", b"")
    with pytest.raises(TsMlsError):
        world.open("ts", early)


@suites
def test_a_discarded_commit_leaves_no_trace(ts: TsMls, suite: int) -> None:
    world = Mixed.of(ts, suite, "py", "ts")
    before = ts.fingerprint("ts", GROUP)
    ts.commit("ts", GROUP, aad=b"x")
    assert ts.fingerprint("ts", GROUP) == before
    ts.discard("ts", GROUP)
    with pytest.raises(TsMlsError, match="no commit is under way"):
        ts.adopt("ts", GROUP)
    assert ts.fingerprint("ts", GROUP) == before
    world.commit("ts")
    world.talk()


@suites
@pairs
def test_a_message_of_the_epoch_before(ts: TsMls, suite: int, one: str, other: str) -> None:
    world = Mixed.of(ts, suite, one, other)
    late = world.encrypt(one, b"late", aad=b"aad")
    world.commit(other)
    assert world.open(other, late) == (b"late", b"aad")
    with pytest.raises((TsMlsError, AlreadyConsumed)):
        world.open(other, late)


# What is refused ------------------------------------------------------------------------------------


@suites
def test_a_refused_message_changes_nothing(ts: TsMls, suite: int) -> None:
    world = Mixed.of(ts, suite, "py", "ts", "py3")
    world.commit("py3")
    message = world.encrypt("py", b"hello", aad=b"aad")
    commit = world.begin("py").message
    before = ts.fingerprint("ts", GROUP)
    for good in (message, commit):
        for at in (-1, len(good) // 2, 30):
            bad = bytearray(good)
            bad[at] ^= 1
            with pytest.raises(TsMlsError):
                ts.process("ts", GROUP, bytes(bad))
            assert ts.fingerprint("ts", GROUP) == before
    assert world.open("ts", message) == (b"hello", b"aad")
    assert ts.fingerprint("ts", GROUP) != before
    world.process_commit("ts", commit)


@suites
@pairs
def test_a_message_opens_once(ts: TsMls, suite: int, one: str, other: str) -> None:
    world = Mixed.of(ts, suite, one, other)
    message = world.send(one, b"once")
    with pytest.raises((TsMlsError, AlreadyConsumed)):
        world.open(other, message)


@suites
@pairs
def test_public_commits(ts: TsMls, suite: int, one: str, other: str) -> None:
    world = Mixed.of(ts, suite, one, other, "py3", "ts4")
    world.commit(one, public=True)
    world.commit(other, remove=["py3"], public=True)
    world.talk()


def test_a_removed_python_member_says_so(ts: TsMls) -> None:
    world = Mixed.of(ts, 1, "ts", "py")
    group = world.groups["py"]
    made = ts.commit("ts", GROUP, remove=[world.leaf("py")])
    group, _ = group.process(made.message, now=now(), authenticate=accept_any)
    assert not group.is_active
    with pytest.raises(NotMember):
        group.encrypt(b"still here", now=now())


@pytest.mark.parametrize("seed", range(3))
def test_a_random_walk(ts: TsMls, seed: int) -> None:
    """Adds, removes, updates and empty commits by anybody: everybody agrees after each."""
    random, world, count = Random(seed), Mixed.of(ts, 1, "py", "ts", "py1", "ts1"), 1
    for step in range(25):
        by = random.choice(world.members)
        others = [name for name in world.members if name != by]
        deed = random.choice(["add", "remove", "update", "nothing"])
        if deed == "add" or len(others) < 3:
            count += 2
            world.add(by, f"py{count}", f"ts{count}")
        elif deed == "update":
            for name in random.sample(others, 2):
                _propose(world, name, "update")
            world.commit(by)
        elif deed == "remove":
            world.commit(by, remove=random.sample(others, 2 if len(others) > 6 else 1))
        else:
            world.commit(by)
        if step % 8 == 0:
            world.talk()


# ts-mls alone -----------------------------------------------------------------------------------------


@suites
@pytest.mark.parametrize("public", [False, True])
def test_external_psks(ts: TsMls, suite: int, public: bool) -> None:
    world = Mixed.of(ts, suite, "ts", "ts2")
    for name in ("ts", "ts2"):
        ts.add_psk(name, b"one", b"first secret")
        ts.add_psk(name, b"two", b"second secret")
    made = ts.commit("ts", GROUP, psk=[b"one", b"two"], public=public)
    received = ts.process("ts2", GROUP, made.message)
    assert isinstance(received, TsCommitApplied)
    assert received.proposals == (TsProposal("psk", 0), TsProposal("psk", 0))
    ts.adopt("ts", GROUP)
    world.check_agreement()
    heard = ts.process("ts", GROUP, ts.propose("ts2", GROUP, "psk", psk_id=b"one", public=public))
    assert heard == TsProposalReceived(TsProposal("psk", 1), b"")
    world.commit("ts2")


@suites
def test_a_psk_that_one_does_not_know(ts: TsMls, suite: int) -> None:
    Mixed.of(ts, suite, "ts", "ts2")
    ts.add_psk("ts", b"one", b"secret")
    made = ts.commit("ts", GROUP, psk=[b"one"])
    before = ts.fingerprint("ts2", GROUP)
    with pytest.raises(TsMlsError, match="pskId"):
        ts.process("ts2", GROUP, made.message)
    assert ts.fingerprint("ts2", GROUP) == before


@suites
def test_a_psk_and_an_add_in_one_commit(ts: TsMls, suite: int) -> None:
    world = Mixed.of(ts, suite, "ts", "ts2")
    ts.client("ts3", suite=suite, identity=b"ts3")
    for name in ("ts", "ts2", "ts3"):
        ts.add_psk(name, b"one", b"secret")
    made = ts.commit("ts", GROUP, psk=[b"one"], add=[ts.key_package("ts3", last_resort=True)])
    assert made.welcome is not None
    world.process_commit("ts2", made.message)
    ts.adopt("ts", GROUP)
    ts.join("ts3", GROUP, made.welcome)
    world.ts_members.add("ts3")
    world.check_agreement()


@suites
def test_joining_from_outside(ts: TsMls, suite: int) -> None:
    world = Mixed.of(ts, suite, "ts", "ts2")
    ts.client("ts3", suite=suite, identity=b"ts3")
    message = ts.external_join("ts3", GROUP, ts.group_info("ts2", GROUP), aad=b"let me in")
    for name in ("ts", "ts2"):
        received = ts.process(name, GROUP, message)
        assert isinstance(received, TsCommitApplied)
        assert received.committer is None
        assert received.aad == b"let me in"
    ts.adopt("ts3", GROUP)
    world.ts_members.add("ts3")
    world.check_agreement()
    world.talk()


@suites
def test_joining_again_from_outside(ts: TsMls, suite: int) -> None:
    """A resync: the old leaf goes, the state held under the name gives way once it is adopted."""
    world = Mixed.of(ts, suite, "ts", "ts2", "ts3", "ts4")
    world.commit("ts2")
    message = ts.external_join("ts2", GROUP, ts.group_info("ts", GROUP), resync=True)
    for name in ("ts", "ts3", "ts4"):
        world.process_commit(name, message)
    ts.adopt("ts2", GROUP)
    world.check_agreement()
    world.talk()


def test_a_resync_without_a_former_leaf(ts: TsMls) -> None:
    Mixed.of(ts, 1, "ts", "ts2")
    ts.client("ts3", suite=1, identity=b"ts3")
    with pytest.raises(TsMlsError, match="no former leaf"):
        ts.external_join("ts3", GROUP, ts.group_info("ts", GROUP), resync=True)


def test_an_external_join_that_is_not_accepted(ts: TsMls) -> None:
    Mixed.of(ts, 1, "ts", "ts2")
    ts.client("ts3", suite=1, identity=b"ts3")
    ts.external_join("ts3", GROUP, ts.group_info("ts", GROUP))
    with pytest.raises(TsMlsError, match="not joined yet"):
        ts.state("ts3", GROUP)
    ts.request("discard", client="ts3", group=GROUP)
    with pytest.raises(TsMlsError, match="no group"):
        ts.state("ts3", GROUP)


# ts-mls as published: the faults that node/mends.mjs corrects -----------------------------------------


def test_published_a_lone_remove_has_no_path_and_is_refused(published_ts: TsMls) -> None:
    """Section 12.4: a commit that covers a Remove carries a path. Without, who is removed reads on."""
    world = Mixed.of(published_ts, 1, "ts", "py", "py3")
    made = published_ts.commit("ts", GROUP, remove=[world.leaf("py3")])
    with pytest.raises(InvalidMessage, match="needs an update path"):
        world.process_commit("py", made.message)


def test_published_a_lone_update_has_no_path_and_is_refused(published_ts: TsMls) -> None:
    world = Mixed.of(published_ts, 1, "ts", "py", "py3")
    _propose(world, "py3", "update")
    made = published_ts.commit("ts", GROUP)
    with pytest.raises(InvalidMessage, match="needs an update path"):
        world.process_commit("py", made.message)


def test_published_two_updates_get_the_path_at_their_old_keys(published_ts: TsMls) -> None:
    """Section 7.6: path secrets are for the keys of the tree that the proposals lead to."""
    world = Mixed.of(published_ts, 1, "ts", "py", "py3")
    _propose(world, "py", "update")
    _propose(world, "py3", "update")
    made = published_ts.commit("ts", GROUP)
    with pytest.raises(InvalidMessage, match="ciphertext does not open"):
        world.process_commit("py", made.message)


def test_published_a_new_leaf_gets_a_path_secret(published_ts: TsMls) -> None:
    """Section 7.6: none for leaves that the commit adds. Here it is even for the removed member's key."""
    world = Mixed.of(published_ts, 1, "ts", "py1", "py2", "py3", "py4")
    new = PyClient.new(world.suite, "py5").bundle.message
    made = published_ts.commit("ts", GROUP, add=[new], remove=[world.leaf("py2"), world.leaf("py4")])
    with pytest.raises(InvalidMessage, match="wrong number of ciphertexts"):
        world.process_commit("py3", made.message)


def _unequal_unmerged_leaves(ts: TsMls) -> Mixed:
    """Leaf 1 is unmerged in the node over leaves 0 to 3, but not in the root."""
    names = [f"py{i}" for i in range(8)]
    world = Mixed.of(ts, 1, *names)
    world.commit("py0", remove=["py1"])
    world.add("py5", "py9")
    return world


def test_published_a_good_tree_is_refused(published_ts: TsMls) -> None:
    """Section 12.4.3.1: nodes between an unmerged leaf and its node must list it; those above need not."""
    world = _unequal_unmerged_leaves(published_ts)
    with pytest.raises(TsMlsError, match="must list leaf node in its unmerged_leaves"):
        world.add("py6", "ts")


def test_mended_the_good_tree_is_taken(ts: TsMls) -> None:
    world = _unequal_unmerged_leaves(ts)
    world.add("py6", "ts")
    world.commit("ts")
    world.talk()


@pytest.mark.parametrize(("joiner", "informer"), PAIRS)
def test_published_nobody_comes_in_by_the_others_group_info(
    published_ts: TsMls, joiner: str, informer: str
) -> None:
    """Section 12.4.3.2: external_pub is a struct of an HPKEPublicKey, with a length in front of the key."""
    world = Mixed.of(published_ts, 1, informer)
    with pytest.raises((MalformedMessage, TsMlsError), match=r"trailing|truncated|prefix|Deserialize"):
        world.come_in(joiner, world.group_info(informer))


@suites
@pairs
def test_mended_each_comes_in_by_the_others_group_info(ts: TsMls, suite: int, one: str, other: str) -> None:
    world = Mixed.of(ts, suite, one, "py2", "ts2")
    world.land(other, world.come_in(other, world.group_info(one)))
    world.talk()
    world.land(one, world.come_in(one, world.group_info(other), resync=True))
    world.talk()


def test_published_the_path_goes_beyond_its_last_node(published_ts: TsMls) -> None:
    """Section 7.4: the commit secret follows from the last node of the filtered path, which the root is not
    while the other half of the tree is empty. Here it is taken from one step further, at a blank root."""
    world = Mixed.of(published_ts, 1, "py0", "py1", "py2", "ts3")
    made = world.begin("py2", remove=["py0", "py1"])
    with pytest.raises(TsMlsError, match="confirmation tag"):
        world.process_commit("ts3", made.message)


@pairs
def test_mended_half_of_the_tree_is_empty(ts: TsMls, one: str, other: str) -> None:
    world = Mixed.of(ts, 1, "py0", "ts1", one, other)
    world.commit(one, remove=["py0", "ts1"])
    world.commit(other)
    world.talk()
    world.add(other, "py5", "ts6", "ts7")
    world.commit("ts6")
    world.talk()


def test_published_external_senders_are_not_read(published_ts: TsMls) -> None:
    """Section 12.1.8.1: the extension is a list of senders. ts-mls takes it for one, so that its clients
    cannot be in a group that has it. Not mended: Chappe's groups do not have it."""
    world = Mixed.of(published_ts, 1, "py")
    signer = world.suite.generate_signature_key()
    extension = external_senders_extension(ExternalSender(signer.public, Credential.basic(b"officer")))
    world.groups["py"] = Group.create(
        world.suite, b"h", signer, Credential.basic(b"py"), now=now(), extensions=(extension,)
    )
    key_package, join = world.joiner("ts")
    welcome = world.commit("py", add=[key_package])
    assert welcome is not None
    with pytest.raises(TsMlsError, match="Could not decode group info"):
        join(welcome)


def test_published_anybody_resyncs_in_anothers_place(published_ts: TsMls) -> None:
    """Section 12.4.3.2: an external commit removes only an earlier appearance of its own client. ts-mls
    leaves that to the application, which has to look in its callback; the Python engine refuses it."""
    world = Mixed.of(published_ts, 1, "py", "ts", "ts3")
    made = Group.join_by_commit(
        world.group_info("py"),
        world.suite.generate_signature_key(),
        Credential.basic(b"mallory"),
        authenticate=accept_any,
        succeeds=lambda old, _: old.identity == b"ts3",
        resync=True,
    )
    with pytest.raises(InvalidMessage):
        world.process_commit("py", made.message)
    world.process_commit("ts", made.message)
    assert [member.identity for member in published_ts.state("ts", GROUP).members] == [
        b"py",
        b"ts",
        b"mallory",
    ]


# The driver itself ----------------------------------------------------------------------------------


def test_the_driver_refuses_what_does_not_fit(ts: TsMls) -> None:
    with pytest.raises(TsMlsError, match="no client nobody") as caught:
        ts.state("nobody", GROUP)
    assert caught.value.type == "ReferenceError"
    for op, args in [("toString", {}), ("client", {"client": "x", "suite": 2, "identity": ""})]:
        with pytest.raises(TsMlsError):
            ts.request(op, **args)
    with pytest.raises(TsMlsError, match="hex"):
        ts.request("client", client="x", suite=1, identity="zz")


def test_the_driver_forgets(ts: TsMls) -> None:
    Mixed.of(ts, 1, "ts", "ts2")
    ts.drop("ts", GROUP)
    with pytest.raises(TsMlsError, match="no group"):
        ts.state("ts", GROUP)
    ts.drop("ts2")
    with pytest.raises(TsMlsError, match="no client"):
        ts.state("ts2", GROUP)


def test_a_driver_that_ended_says_so(ts: TsMls) -> None:
    with TsMls.start() as other:
        other.client("x", suite=1, identity=b"x")
        other.close()
        with pytest.raises(DriverGone, match="key_package: "):
            other.key_package("x")


def test_a_driver_that_cannot_start_says_why(ts: TsMls, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tests.interop.driver.NODE_DIR", NODE_DIR / "nowhere")
    with TsMls.start() as other, pytest.raises(DriverGone, match="Cannot find module"):
        other.client("x", suite=1, identity=b"x")


def test_a_driver_that_is_late_is_ended(ts: TsMls) -> None:
    with TsMls.start(timeout=0.001) as other, pytest.raises(DriverGone, match="no answer within"):
        other.client("x", suite=1, identity=b"x")


def test_without_node_the_tests_are_skipped_but_not_in_ci(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    monkeypatch.delenv("CI", raising=False)
    with pytest.raises(pytest.skip.Exception, match="no node in the path"):
        need_node()
    monkeypatch.setenv("CI", "true")
    with pytest.raises(pytest.fail.Exception, match="must run in CI: no node in the path"):
        need_node()


def test_suites_do_not_mix(ts: TsMls) -> None:
    world = Mixed.of(ts, 1, "py", "ts")
    other = PyClient.new(cipher_suite(3), "stranger")
    with pytest.raises(TsMlsError):
        ts.commit("ts", GROUP, add=[other.bundle.message])
    assert Credential.basic(b"ts").identity in [identity for _, identity, _ in world.roster("py")]
