"""What commands share: where the profile is, and a phone to work with."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final, TypeAlias, TypeVar

import typer

from chappe.wire.errors import ChappeError, error

if TYPE_CHECKING:
    from chappe.client import Conversation, Phone, ShownMessage

T = TypeVar("T")
SECONDS: Final = 30.0
"""How long a command waits for the relay."""

Home: TypeAlias = Annotated[
    Path | None,
    typer.Option("--home", help="The profile's folder. Also CHAPPE_HOME.", show_default=False),
]
Json: TypeAlias = Annotated[bool, typer.Option("--json", help="For programs: JSON, one value a line.")]


@dataclass(slots=True)
class Chosen:
    """Options that stand before the command."""

    home: Path | None = None


chosen: Final = Chosen()


def home_of(home: Path | None) -> Path:
    """--home after the command, before it, CHAPPE_HOME, or the usual place."""
    if home or chosen.home:
        return expand(home or chosen.home or Path())
    if os.environ.get("CHAPPE_HOME"):
        return expand(Path(os.environ["CHAPPE_HOME"]))
    data = os.environ.get("XDG_DATA_HOME")
    return (Path(data) if data else Path.home() / ".local" / "share") / "chappe"


def expand(path: Path) -> Path:
    """`~` and `~name` as a shell would. Raises usage.invalid."""
    try:
        return path.expanduser()
    except RuntimeError:
        raise error(
            "usage.invalid", "A path begins with the home of somebody who is not known here."
        ) from None


def with_phone(
    home: Path | None,
    work: Callable[[Phone], Awaitable[T]],
    *,
    open_ended: bool = False,
    reminds: bool = True,
) -> T:
    """Open the profile, connect, do the work, close. `open_ended` work goes on until a person ends it.
    `reminds`: of the line's term, where that is about to end or over, and of the log's alarms, whatever came
    of the work."""

    async def run() -> T:
        from chappe.cli.locking import open_phone, watched
        from chappe.cli.log_commands import warn
        from chappe.cli.term_commands import remind

        async def and_remind(phone: Phone) -> T:
            try:
                return await work(phone)
            finally:
                if reminds and phone.ended is None:
                    remind(phone)
                    warn(phone)

        place = home_of(home)
        async with await open_phone(place) as phone:
            return await watched(phone, place, and_remind, open_ended=open_ended)

    return asyncio.run(run())


async def read_what_waits(phone: Phone) -> None:
    """Before something is shown. A line that is out of term hears nothing more: it is shown what is here."""
    await _unless_out_of_term(phone.settled(SECONDS))


async def reach(phone: Phone) -> None:
    """Before something is fetched, which a line that is out of term may still do."""
    await _unless_out_of_term(phone.wait_online(SECONDS))


async def _unless_out_of_term(waiting: Awaitable[None]) -> None:
    try:
        await waiting
    except ChappeError as problem:
        if problem.code not in ("term.suspended", "term.closed"):
            raise


async def find(phone: Phone, to: str, *, begin: bool = False) -> Conversation:
    """A conversation by what a person typed. With `begin`, an address begins one if need be.

    What is not here yet may be waiting at the relay: then it is asked once more after that was read.
    """
    if begin and "@" in to:
        return await phone.conversation_with(to)
    try:
        return phone.conversation(to)
    except ChappeError:
        await phone.settled(SECONDS)
    return phone.conversation(to)


async def find_message(phone: Phone, prefix: str) -> ShownMessage:
    """A message by the first digits of its id; looked for again after what waits was read."""
    try:
        return phone.message(prefix)
    except ChappeError:
        await phone.settled(SECONDS)
    return phone.message(prefix)
