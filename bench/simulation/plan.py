"""How one run is to be, drawn from its seed: each draws some kinds of trouble, so that they meet in all
ways."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from bench.simulation.network import Weather

TROUBLE: Final = (
    "relay dies",
    "power cut",
    "relay restarts",
    "device dies",
    "cut",
    "half open",
    "partition",
    "slow reader",
    "disk full",
    "disk errors",
    "device disk",
    "relay clock",
    "device clock",
    "order",
    "link",
    "sweep",
    "weather",
)


@dataclass(frozen=True, slots=True)
class Plan:
    """`trouble`: kinds and how often each comes, beside sending and committing. `pace`: seconds between steps
    on the average."""

    seed: int
    steps: int
    pace: float
    trouble: dict[str, int]
    large: float
    lingers: bool
    """At the end time goes on until the relay must have let go of every socket that nobody is at."""
    weather: Weather

    @classmethod
    def of(cls, seed: int, only: Sequence[str] | None = None) -> Plan:
        """`only`: with these kinds of trouble and no other."""
        choose = random.Random(f"plan {seed}")
        kinds = [kind for kind in TROUBLE if choose.random() < 0.4] if only is None else only
        return cls(
            seed,
            steps=choose.randint(6, 16),
            pace=choose.choice((0.02, 0.1, 0.5, 1.5)),
            trouble={kind: choose.randint(1, 3) for kind in kinds},
            large=choose.choice((0.0, 0.0, 0.03, 0.1)),
            lingers=choose.random() < 0.25,
            weather=weather(choose),
        )


def weather(choose: random.Random) -> Weather:
    slow = choose.choice((0.005, 0.03, 0.3))
    return Weather(slow / 10, slow, choose.choice((0.0, 0.3, 0.9)))
