"""`chappe chaos inputs`: mutated inputs for every parser at a boundary.

Each parser (parsers.py, with all of tests/fuzz/targets.py) gets valid samples that were mutated with their
form in mind (mutations.py): 50,000 of them with `--large`. It may answer or refuse with its boundary's typed
error; it may not raise anything else, take more than `SECONDS` of processor for one input, or need more
memory than `MEMORY`. A parser that is broken on purpose is the control: it has to be found.
"""

from __future__ import annotations

import logging
import multiprocessing
import random
import resource
import signal
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor, as_completed
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import structlog

from bench.chaos.base import Options, Report, claim
from bench.chaos.mutations import Mutator

TITLE = "Mutated inputs for every parser, from outside and from inside the signatures"

SMALL: Final = 100
LARGE: Final = 50_000
SECONDS: Final = 5.0
"""Of processor, for one input."""
MEMORY: Final = 1 << 30
"""Bytes that a process may add to what it has once all is loaded."""
PROCESSES: Final = 2
CONTROL: Final = "control"


class TooLong(BaseException):
    """An input took more than `SECONDS`."""


@dataclass(frozen=True, slots=True)
class Found:
    """`faults`: what came out that should not have, with the input, at most a few."""

    name: str
    inputs: int
    taken: int
    slowest: float
    seconds: float
    faults: tuple[str, ...]


def run(options: Options) -> Report:
    count = LARGE if options.large else SMALL
    from bench.chaos.parsers import PARSERS

    names = [*PARSERS, CONTROL]
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(PROCESSES, context, initializer=_bound) as pool:
        jobs = [pool.submit(try_one, name, count, options.seed) for name in names]
        for done, _ in enumerate(as_completed(jobs), 1):
            options.tell(done, len(jobs))
        *found, control = [job.result() for job in jobs]
    return _report(found, control, count)


def try_one(name: str, count: int, seed: int) -> Found:
    """One parser, `count` inputs, in this process."""
    from bench.chaos.parsers import CONTROL as BROKEN
    from bench.chaos.parsers import PARSERS

    target = BROKEN if name == CONTROL else PARSERS[name]
    mutator = Mutator([bytes(sample) for sample in target.seeds()], random.Random(f"{seed} {name}"))
    taken, slowest, faults = 0, 0.0, []
    began = time.process_time()
    for _ in range(count):
        data = mutator.next()
        before = time.process_time()
        fault = _fault(target.run, target.refusal, data)
        slowest = max(slowest, time.process_time() - before)
        if fault is None:
            taken += 1
        elif fault:
            faults.append(f"{name}: {fault} <- {data[:200].hex()}")
            if len(faults) == 3:
                break
    return Found(name, count, taken, slowest, time.process_time() - began, tuple(faults))


def _fault(run: Callable[[bytes], None], refusal: type[Exception], data: bytes) -> str | None:
    """None where the input was taken, empty where it was refused, else what went wrong."""
    signal.setitimer(signal.ITIMER_VIRTUAL, SECONDS)
    try:
        run(data)
    except refusal:
        return ""
    except TooLong:
        return f"more than {SECONDS:.0f} s"
    except Exception as problem:  # noqa: BLE001 - whatever it is, it is what is looked for
        return repr(problem)[:200] or type(problem).__name__
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
    return None


def _bound() -> None:
    """In each process: load everything, then no more memory than so much, and no input that does not end."""
    import bench.chaos.parsers  # noqa: F401 - what it loads is not to be counted

    def stop(_number: int, _frame: object) -> None:
        raise TooLong

    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    signal.signal(signal.SIGVTALRM, stop)
    with suppress(OSError):
        pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[0])
        limit = pages * resource.getpagesize() + MEMORY
        resource.setrlimit(resource.RLIMIT_AS, (limit, resource.getrlimit(resource.RLIMIT_AS)[1]))


def _report(found: list[Found], control: Found, count: int) -> Report:
    inputs, faults = sum(one.inputs for one in found), [fault for one in found for fault in one.faults]
    seconds = sum(one.seconds for one in found)
    slowest = max(found, key=lambda one: one.slowest)
    figures: dict[str, int | float | str] = {
        "parsers": len(found),
        "inputs_per_parser": count,
        "inputs_per_cpu_second": round(inputs / max(seconds, 0.001)),
        "slowest_ms": round(slowest.slowest * 1000, 1),
        "slowest_parser": slowest.name,
        "never_taken": ", ".join(one.name for one in found if not one.taken),
        "control_found": "yes" if control.faults else "no",
    }
    if faults:
        figures["faults"] = "\n".join(faults)
    return Report(
        name="inputs",
        passed=not faults and bool(control.faults),
        trials=inputs,
        accepted=sum(one.taken for one in found),
        lost=len(faults),
        doubled=0,
        figures=figures,
        can_claim=f"Of mutations of this kind, for each parser: {claim(count, 0)}."
        if not faults
        else "Nothing: there are faults.",
        cannot_claim=(
            "That no input does harm: who attacks does not draw at random. What an input does to the state "
            "behind a parser is for the tests beside it; libFuzzer (tests/fuzz) goes where coverage leads."
        ),
    )
