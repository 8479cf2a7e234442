"""A clock that jumps ahead is not believed at once; one that goes back is."""

from __future__ import annotations

from pathlib import Path

import pytest

from chappe.wire.clock_guard import FILE, MAX_JUMP, REAL_SECONDS, ClockGuard, Jump
from chappe.wire.errors import ChappeError

START = 1_800_000_000


class Machine:
    """A folder, and the two clocks of the machine that it is on."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.now, self.up = folder, START, 0.0
        self.guard = self.start()

    def start(self) -> ClockGuard:
        return ClockGuard(self.folder, lambda: self.now, lambda: self.up)

    def goes_on(self, seconds: int) -> None:
        self.now += seconds
        self.up += seconds

    @property
    def passes(self) -> bool:
        return self.guard.pass_by() is None


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    made = Machine(tmp_path)
    assert made.passes
    return made


def test_a_clock_that_goes_on_is_believed_also_after_a_week_without_power(machine: Machine) -> None:
    machine.goes_on(3_600)
    assert machine.passes
    machine.now += MAX_JUMP
    machine.guard = machine.start()
    assert machine.passes


def test_a_jump_waits_until_it_is_confirmed(machine: Machine) -> None:
    machine.now += 100 * 24 * 3_600
    assert machine.guard.pass_by() == Jump(START, machine.now)
    assert machine.guard.past() == START
    assert not machine.passes
    # Another process, or the same one started anew, believes it no more; the operator's word is for all.
    other = machine.start()
    assert other.jump() == Jump(START, machine.now)
    other.confirm()
    assert machine.passes
    assert machine.guard.past() == machine.now


def test_or_until_it_has_gone_on_for_days_that_nobody_can_set(machine: Machine) -> None:
    machine.now += 100 * 24 * 3_600
    assert not machine.passes
    machine.goes_on(REAL_SECONDS - 1)
    assert not machine.passes
    # Days that are only set do not count.
    machine.now += REAL_SECONDS
    assert not machine.passes
    machine.goes_on(1)
    assert machine.passes


def test_a_start_waits_anew_and_so_does_a_clock_that_was_right_between(machine: Machine) -> None:
    machine.now += 100 * 24 * 3_600
    assert not machine.passes
    machine.goes_on(REAL_SECONDS)
    machine.guard = machine.start()
    assert not machine.passes
    machine.now = START
    assert machine.passes
    machine.now += 100 * 24 * 3_600
    machine.up += REAL_SECONDS
    assert not machine.passes


def test_a_clock_that_goes_back_is_believed_and_measured_from_there(machine: Machine) -> None:
    machine.now -= 1_000 * 24 * 3_600
    assert machine.passes
    assert machine.guard.past() == machine.now
    machine.now = START
    assert not machine.passes


def test_nothing_is_stamped_with_a_time_that_was_over(machine: Machine) -> None:
    """A machine that starts without knowing the date, also twice."""
    for _ in range(2):
        machine.now = START - 1_000 * 24 * 3_600
        machine.guard = machine.start()
        assert machine.guard.now() == START
        assert machine.passes
        assert machine.guard.now() == START
        assert machine.guard.behind() == START - machine.now
    machine.now = START + 60
    assert machine.guard.now() == START + 60
    assert machine.guard.behind() == 0


def test_a_clock_that_is_set_back_a_little_is_right(machine: Machine) -> None:
    machine.now -= MAX_JUMP
    machine.guard = machine.start()
    assert machine.guard.now() == machine.now
    machine.now -= 1
    assert machine.guard.now() == START


def test_a_clock_that_was_far_ahead_is_put_right_by_the_operator(machine: Machine) -> None:
    machine.now += 1_000 * 24 * 3_600
    machine.start().confirm()
    assert machine.passes
    machine.now = START
    assert machine.passes
    assert machine.guard.now() == START + 1_000 * 24 * 3_600
    machine.start().confirm()
    # The running one hears of it with its next round.
    assert machine.passes
    assert machine.guard.now() == START


def test_or_by_days_that_nobody_can_set(machine: Machine) -> None:
    machine.now -= 1_000 * 24 * 3_600
    assert machine.passes
    machine.goes_on(REAL_SECONDS)
    assert machine.passes
    assert machine.guard.now() == machine.now


@pytest.mark.parametrize("held", [b"", b"1 2 3", b"soon\n", b"-5", b"\xff" * 100])
def test_what_is_no_time_is_nothing_to_compare_with(tmp_path: Path, held: bytes) -> None:
    (tmp_path / FILE).write_bytes(held)
    machine = Machine(tmp_path)
    assert machine.passes
    assert (tmp_path / FILE).read_bytes() == b"%d\n" % START


def test_a_disk_that_takes_nothing_stops_no_sweep_and_confirms_nothing(machine: Machine) -> None:
    """What a sweep drops is what makes room."""
    (machine.folder / f"{FILE}.new").mkdir()
    machine.goes_on(3_600)
    assert machine.passes
    machine.now += MAX_JUMP
    assert not machine.passes
    with pytest.raises(ChappeError) as failure:
        machine.guard.confirm()
    assert failure.value.code.startswith("storage.")
