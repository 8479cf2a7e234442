"""What the desk's tests share: a desk of their own, a clock that is moved by hand."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass
class Clock:
    """Unix seconds; a Monday in June 2026."""

    at: float = 1_781_000_000.0

    def __call__(self) -> float:
        return self.at

    def pass_by(self, seconds: float) -> None:
        self.at += seconds
