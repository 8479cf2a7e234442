"""Plays a scenario with both engines, and says where it went wrong."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from chappe.mls import CommitResult, Group, MLSError, accept_any
from tests.interop.driver import DriverGone, TsCommit, TsMls, TsMlsError
from tests.interop.steps import Attempt, Begin, Commit, Hand, Land, Propose, Scenario, Send, Step, Wish
from tests.interop.world import GROUP, Join, Mixed, is_ts, now

Say = Callable[[str], None]
MAX_LEFT = 12
"""Of how many that left, most recent first, a commit is tried on as well."""


class ScenarioFailed(AssertionError):
    """The text names the seed, the step and how to play it again."""


def play(ts: TsMls, scenario: Scenario, say: Say = lambda _: None) -> None:
    """Raises ScenarioFailed."""
    stage = _Stage(ts, scenario)
    say(f"suite {scenario.suite:#06x}, founded by {scenario.founder}")
    for index, step in enumerate(scenario.steps):
        say(f"{index:4} {step}")
        try:
            stage.take(step)
        except (AssertionError, MLSError, TsMlsError, DriverGone) as error:
            raise ScenarioFailed(
                f"seed {scenario.seed}, step {index}, {step}: {type(error).__name__}: {error}\n"
                f"replay: python -m tests.interop.scenario {scenario.seed} --verbose"
            ) from error


@dataclass(frozen=True, slots=True)
class _Letter:
    message: bytes
    data: bytes
    aad: bytes


@dataclass(frozen=True, slots=True)
class _UnderWay:
    attempt: Attempt
    made: CommitResult | TsCommit


class _Stage:
    def __init__(self, ts: TsMls, scenario: Scenario) -> None:
        psks = {psk.encode(): b"secret of " + psk.encode() for psk in scenario.psks}
        self._ts = ts
        self._world = Mixed.of(ts, scenario.suite, scenario.founder, psks=psks)
        self._letters: dict[int, _Letter] = {}
        self._joins: dict[str, Join] = {}
        self._under_way: dict[str, _UnderWay] = {}
        self._left: dict[str, Group | None] = {}
        """Who was put out: a Python member's group as it was before, with all its keys; None for ts-mls, of
        which the driver holds the group."""

    def take(self, step: Step) -> None:
        if isinstance(step, Propose):
            what = self._what(step.wish)
            who = step.wish.who if step.wish.kind == "remove" else ""
            self._world.propose(step.by, step.wish.kind, what=what, who=who, public=step.public)
        elif isinstance(step, Begin):
            self._under_way = {a.by: _UnderWay(a, self._begin(a)) for a in step.attempts}
        elif isinstance(step, Land):
            self._land(step)
        elif isinstance(step, Send):
            self._send(step)
        else:
            self._hand(step)

    # Commits ----------------------------------------------------------------------------------------

    def _what(self, wish: Wish) -> bytes:
        if wish.kind != "add":
            return wish.who.encode()
        self._left.pop(wish.who, None)
        key_package, self._joins[wish.who] = self._world.joiner(wish.who)
        return key_package

    def _begin(self, attempt: Attempt) -> CommitResult | TsCommit:
        if isinstance(attempt, Commit):
            whats: dict[str, list[bytes]] = {"add": [], "psk": [], "remove": []}
            for wish in attempt.wishes:
                whats[wish.kind].append(self._what(wish))
            return self._world.begin(
                attempt.by,
                add=whats["add"],
                remove=[who.decode() for who in whats["remove"]],
                psk=whats["psk"],
                public=attempt.public,
                path=attempt.path,
            )
        self._left.pop(attempt.by, None)
        info = self._world.group_info(attempt.informer)
        psk = [psk.encode() for psk in attempt.psks]
        return self._world.come_in(attempt.by, info, resync=attempt.resync, psk=psk)

    def _land(self, step: Land) -> None:
        world, winner = self._world, self._under_way.pop(step.winner)
        before: dict[str, Group | None] = {**dict.fromkeys(world.ts_members), **world.groups}
        for loser in self._under_way.values():
            self._discard(loser)
        world.land(step.winner, winner.made)
        for name in step.joiners:
            assert winner.made.welcome is not None
            self._joins[name](winner.made.welcome)
        if step.joiners:
            world.check_agreement()
        roster = sorted(identity.decode() for _, identity, _ in world.roster(step.winner))
        assert roster == sorted(world.members) == sorted(step.members)
        self._refuse_commits(winner)
        self._left |= {name: group for name, group in before.items() if name not in world.members}
        self._under_way, self._joins = {}, {}

    def _discard(self, loser: _UnderWay) -> None:
        """A member of ts-mls drops its own commit on processing another's too: some do it that way."""
        attempt = loser.attempt
        outsider = not isinstance(attempt, Commit) and not attempt.resync
        if is_ts(attempt.by) and (outsider or (isinstance(attempt, Commit) and attempt.public)):
            self._ts.discard(attempt.by, GROUP)

    def _refuse_commits(self, winner: _UnderWay) -> None:
        """What lost is refused by all; what won, by who had left before and by who has it already."""
        for loser in self._under_way.values():
            for name in self._one_of_each():
                self._refused(name, loser.made.message)
        for name in list(self._left)[-MAX_LEFT:]:
            self._refused(name, winner.made.message)
        self._refused(self._world.members[0], winner.made.message)

    def _one_of_each(self) -> list[str]:
        """One member of each engine."""
        return list({is_ts(name): name for name in self._world.members}.values())

    # Messages ---------------------------------------------------------------------------------------

    def _send(self, step: Send) -> None:
        data = f"{step.number} by {step.by} ".encode() + b"." * step.size
        aad = f"{step.number}".encode() * (step.size % 3)
        message = self._world.encrypt(step.by, data, aad=aad, padding=step.padding)
        self._letters[step.number] = _Letter(message, data, aad)

    def _hand(self, step: Hand) -> None:
        letter = self._letters[step.number]
        if not step.opens:
            self._refused(step.to, letter.message)
        else:
            assert self._world.open(step.to, letter.message) == (letter.data, letter.aad)

    def _refused(self, name: str, message: bytes) -> None:
        """By the engine, that is, and not because the driver holds no such client or group."""
        try:
            if is_ts(name):
                self._ts.process(name, GROUP, message)
            else:
                group = self._world.groups.get(name) or self._left[name]
                assert group is not None
                group.process(message, now=now(), authenticate=accept_any, psks=self._world.psks)
        except MLSError:
            return
        except TsMlsError as error:
            if error.type in ("ReferenceError", "TypeError"):
                raise
            return
        raise AssertionError(f"{name} takes what it should refuse")
