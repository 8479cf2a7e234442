"""What measures notices that it cannot go on."""

from __future__ import annotations

import asyncio
import signal

import pytest
from bench.frames_client import in_loop, while_connected


class Connection:
    """As far as it is looked at here."""

    def __init__(self) -> None:
        self.lost: asyncio.Future[None] = asyncio.get_running_loop().create_future()


def test_what_fails_in_a_callback_ends_the_run() -> None:
    def fail() -> None:
        raise ZeroDivisionError

    async def main() -> None:
        asyncio.get_running_loop().call_soon(fail)
        await asyncio.Event().wait()

    with pytest.raises(ZeroDivisionError):
        in_loop(main())


def test_so_does_a_signal_that_raises() -> None:
    """As pytest-timeout's does."""

    class Over(BaseException):
        pass

    def over(*_: object) -> None:
        raise Over

    async def main() -> None:
        asyncio.get_running_loop().call_later(0.05, signal.raise_signal, signal.SIGUSR1)
        await asyncio.Event().wait()

    before = signal.signal(signal.SIGUSR1, over)
    try:
        with pytest.raises(Over):
            in_loop(main())
    finally:
        signal.signal(signal.SIGUSR1, before)


def test_a_connection_that_ends_is_not_waited_for() -> None:
    async def main() -> int:
        one, other = Connection(), Connection()
        asyncio.get_running_loop().call_later(0.05, other.lost.set_result, None)
        with pytest.raises(ConnectionError):
            await while_connected(asyncio.Event().wait(), one, other)  # type: ignore[arg-type]
        return await while_connected(asyncio.sleep(0, 7), one)  # type: ignore[arg-type]

    assert in_loop(main()) == 7
