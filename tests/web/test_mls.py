"""The phone's MLS against the Python engine, as the two clients use them (docs/interoperation.md)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import replace

import pytest

from chappe.mls import Add, Credential, Group, Remove, WireFormat, parse_key_package, propose_from_outside
from tests.web.lines import Node, NodeError, need_phone
from tests.web.mixed import DAY, SUITE, Mixed, now, play

SEEDS = 14


@pytest.fixture(scope="module")
def node() -> Iterator[Node]:
    need_phone()
    with Node.start("mls") as running:
        yield running


@pytest.fixture
def world(node: Node) -> Mixed:
    return Mixed(node, fleet=[SUITE.generate_signature_key() for _ in range(2)])


def four(world: Mixed) -> None:
    world.found("ts0")
    world.commit("ts0", add=["py1", "ts2", "py3"])


def test_scenarios_of_both_engines_agree(node: Node) -> None:
    done: Counter[str] = Counter()
    for seed in range(SEEDS):
        world = Mixed(node, fleet=[SUITE.generate_signature_key() for _ in range(2)])
        done.update(play(world, seed, 9, most=16 if seed == 3 else 6))
    steps = ("message", "update", "describe", "add", "remove", "swap", "leave", "order")
    missing = [f"{step} by {who}" for step in steps for who in ("ts", "py") if not done[f"{step} by {who}"]]
    assert not missing


def test_messages_of_past_epochs_open_for_a_day(world: Mixed) -> None:
    four(world)
    late = [world.encrypt("py1", b"%d" % n) for n in range(3)]
    world.commit("py3")
    assert world.process("ts0", late[1])["data"] == b"1".hex()
    world.commit("ts2")
    assert world.process("ts0", late[0])["data"] == b"0".hex()
    with pytest.raises(NodeError) as used:
        world.process("ts0", late[0])
    assert used.value.code == "consumed"
    with pytest.raises(NodeError) as over:
        world.ts("process", "ts0", message=late[2].hex(), now=now() + DAY + 5)
    assert over.value.code == "behind"
    assert world.ts("expire", "ts0", now=now() + DAY + 5) is True
    world.commit("py1")
    world.everybody_reads("py1", b"after")


def test_a_third_past_epoch_is_gone(world: Mixed) -> None:
    four(world)
    late = world.encrypt("py1", b"late")
    for by in ("ts0", "ts2", "py3"):
        world.commit(by)
    with pytest.raises(NodeError) as problem:
        world.process("ts2", late)
    assert problem.value.code == "behind"


def test_a_message_of_an_epoch_ahead_is_told_from_one_behind(world: Mixed) -> None:
    four(world)
    message, _ = world.begin("py1", add=[], remove=[], description=None)
    world.adopt("py1")
    ahead = world.encrypt("py1", b"ahead")
    with pytest.raises(NodeError) as problem:
        world.process("ts0", ahead)
    assert problem.value.code == "ahead"
    world.process("ts0", message)
    assert world.process("ts0", ahead)["data"] == b"ahead".hex()
    with pytest.raises(NodeError) as again:
        world.process("ts0", message)
    assert again.value.code == "behind"


def test_a_lost_race_leaves_the_state_to_go_on_from(world: Mixed) -> None:
    four(world)
    mine, _ = world.begin("ts0", add=[], remove=["py3"], description=None)
    theirs, _ = world.begin("py1", add=[], remove=[], description=b"won")
    for name in ("ts0", "ts2", "py3"):
        world.process(name, theirs)
    world.adopt("py1")
    world.check_agreement()
    with pytest.raises(NodeError) as problem:
        world.process("ts2", mine)
    assert problem.value.code == "behind"
    world.commit("ts0", remove=["py3"])


def test_keys_spent_while_a_commit_was_under_way_stay_spent(world: Mixed) -> None:
    four(world)
    before = world.encrypt("py1", b"once")
    message, _ = world.begin("ts0", add=[], remove=[], description=None)
    world.process("ts0", before)
    for name in ("py1", "ts2", "py3"):
        world.process(name, message)
    world.adopt("ts0")
    with pytest.raises(NodeError) as problem:
        world.process("ts0", before)
    assert problem.value.code == "consumed"


def test_nothing_is_said_while_proposals_wait(world: Mixed) -> None:
    four(world)
    order = world.order_out(1, "py3")
    assert world.process("ts0", order) == {
        "kind": "proposal",
        "leaf": world.leaf("py3"),
        "external": True,
        "sender": 1,
    }
    with pytest.raises(NodeError) as problem:
        world.encrypt("ts0", b"now?")
    assert problem.value.code == "pending"


def test_only_a_remove_by_a_listed_key_comes_from_outside(world: Mixed) -> None:
    four(world)
    stranger = SUITE.generate_signature_key()
    package = parse_key_package(world.key_package("py9"))
    add = propose_from_outside(SUITE, world.id, world.epoch, world.fleet[0], 0, Add(package), now=now())
    other = propose_from_outside(
        SUITE, b"another group of", world.epoch, world.fleet[0], 0, Remove(world.leaf("py3")), now=now()
    )
    blank = propose_from_outside(SUITE, world.id, world.epoch, world.fleet[0], 0, Remove(77), now=now())
    inside = world.py["py1"].here.propose(
        Remove(world.leaf("py1")), now=now(), wire_format=WireFormat.PUBLIC_MESSAGE
    )[1]
    forged = (
        world.order_out(0, "py3", signer=stranger),
        world.order_out(1, "py3", signer=world.fleet[0]),
        propose_from_outside(SUITE, world.id, world.epoch, world.fleet[0], 5, Remove(1), now=now()),
        add,
        other,
        blank,
        inside,
    )
    before = world.ts("parts", "ts0")
    for message in forged:
        with pytest.raises(NodeError) as problem:
            world.process("ts0", message)
        assert problem.value.code == "invalid"
    assert world.ts("parts", "ts0") == before


def test_every_leaf_is_shown_to_the_application(world: Mixed) -> None:
    four(world)
    world.node("refuse", identity=b"py666".hex())
    message, _ = world.begin("py1", add=["py666"], remove=[], description=None)
    before = world.ts("parts", "ts0")
    with pytest.raises(NodeError) as problem:
        world.process("ts0", message)
    assert problem.value.code == "refused"
    assert world.ts("parts", "ts0") == before


def test_a_welcome_with_a_refused_leaf_is_refused(world: Mixed) -> None:
    world.node("refuse", identity=b"py667".hex())
    world.found("py667")
    message, welcome = world.begin("py667", add=["ts1"], remove=[], description=None)
    assert message
    assert welcome is not None
    with pytest.raises(NodeError) as problem:
        world.join("ts1", welcome)
    assert problem.value.code == "refused"


def test_a_member_that_becomes_another_is_refused(world: Mixed) -> None:
    four(world)
    state = world.py["py1"].here._state
    own = state.tree.leaf(state.own_leaf)
    assert own is not None
    another = replace(own, credential=Credential.basic(b"another"))
    tree = state.tree.with_nodes([(2 * state.own_leaf, another)])
    forged = Group(replace(state, tree=tree)).commit([], now=now()).message
    with pytest.raises(NodeError) as problem:
        world.process("ts0", forged)
    assert problem.value.code == "invalid"
    assert "another" in str(problem.value)


@pytest.mark.parametrize("kind", ["truncated", "flipped", "longer", "empty", "noise"])
def test_bytes_that_do_not_fit_change_nothing(world: Mixed, kind: str) -> None:
    four(world)
    commit, _ = world.begin("py1", add=["py8"], remove=[], description=None)
    message = world.encrypt("py3", b"hello")
    before = world.ts("parts", "ts0")
    for good in (commit, message):
        middle = len(good) // 2
        bad = {
            "truncated": good[:middle],
            "flipped": good[:-20] + bytes([good[-20] ^ 1]) + good[-19:],
            "longer": good + b"\x00",
            "empty": b"",
            "noise": bytes(range(256)) * 4,
        }[kind]
        with pytest.raises(NodeError) as problem:
            world.process("ts0", bad)
        assert problem.value.code in ("malformed", "invalid")
    assert world.ts("parts", "ts0") == before
    assert world.process("ts0", message)["data"] == b"hello".hex()


def test_a_key_package_that_lives_too_long_is_not_let_in(world: Mixed) -> None:
    four(world)
    world.client("ts7")
    package = bytes.fromhex(world.ts("key_package", "ts7", lifetime=500 * DAY))
    result = world.py["py1"].here.commit([Add(parse_key_package(package))], now=now(), max_lifetime=None)
    with pytest.raises(NodeError) as problem:
        world.process("ts0", result.message)
    assert problem.value.code == "invalid"


def test_who_was_put_out_reads_and_commits_no_more(world: Mixed) -> None:
    four(world)
    world.commit("py1", remove=["ts2"])
    message = world.encrypt("py1", b"without you")
    for op, args in (
        ("process", {"message": message.hex()}),
        ("encrypt", {"data": ""}),
        ("commit", {"changes": []}),
    ):
        with pytest.raises(NodeError):
            world.ts(op, "ts2", **args)


def test_skipped_messages_open_later(world: Mixed) -> None:
    four(world)
    many = [world.encrypt("py1", b"%d" % n) for n in range(60)]
    for n in (59, 0, 30):
        assert world.process("ts0", many[n])["data"] == (b"%d" % n).hex()
