"""No answer leaves after the share in it was destroyed, however the event loop orders its tasks."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from chappe.wire.errors import error


class Pass:
    """One guess under way."""

    __slots__ = ("void",)

    def __init__(self) -> None:
        self.void = False

    def check(self) -> None:
        """Right before the answer is handed out. Raises unlock.unavailable: asked again, it will be gone."""
        if self.void:
            raise error("unlock.unavailable")


class Gate:
    """For one event loop."""

    def __init__(self) -> None:
        self._passes: dict[bytes, set[Pass]] = {}

    @contextmanager
    def guess(self, device: bytes) -> Iterator[Pass]:
        passed = Pass()
        passes = self._passes.setdefault(device, set())
        passes.add(passed)
        try:
            yield passed
        finally:
            passes.discard(passed)
            if not passes and self._passes.get(device) is passes:
                del self._passes[device]

    def destroyed(self, device: bytes) -> None:
        """Whatever of this device is under way comes too late."""
        for passed in self._passes.pop(device, ()):
            passed.void = True
