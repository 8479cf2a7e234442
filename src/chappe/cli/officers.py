"""What the commands of officers share: whose file, its passphrase, and an `Officer` to work with."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final, TypeAlias, TypeVar

import typer

from chappe.cli.common import expand
from chappe.cli.locking import read_secret
from chappe.cli.show import note
from chappe.cli.words import say
from chappe.wire.errors import error

if TYPE_CHECKING:
    from chappe.client.officer import Officer

T = TypeVar("T")
FILE_NAME: Final = "officer.chappe"

OfficerFile: TypeAlias = Annotated[
    Path | None,
    typer.Option("--officer", help="The officer's file. Also CHAPPE_OFFICER.", show_default=False),
]
PassphraseFile: TypeAlias = Annotated[
    Path | None,
    typer.Option(
        "--passphrase-file", help="A file with its passphrase, - for standard input.", show_default=False
    ),
]
ReasonText: TypeAlias = Annotated[str, typer.Option("--reason", help="Why; the audit log keeps it.")]
Yes: TypeAlias = Annotated[bool, typer.Option("--yes", help="Do not ask.")]
Out: TypeAlias = Annotated[
    Path | None, typer.Option("--out", help="Where the file for the others goes.", show_default=False)
]


def acts_as_officer(file: Path | None) -> bool:
    """Whether the person named an officer's file; a line's owner has none."""
    return file is not None or bool(os.environ.get("CHAPPE_OFFICER"))


def file_of(file: Path | None) -> Path:
    """--officer, CHAPPE_OFFICER, or the usual place."""
    if file is not None:
        return expand(file)
    if os.environ.get("CHAPPE_OFFICER"):
        return expand(Path(os.environ["CHAPPE_OFFICER"]))
    data = os.environ.get("XDG_DATA_HOME")
    return (Path(data) if data else Path.home() / ".local" / "share") / "chappe-officer" / FILE_NAME


def passphrase(file: Path | None) -> str:
    """Of a file that is there."""
    return read_secret(file, "passphrase.ask", "--passphrase-file")


def new_passphrase(file: Path | None, name: str) -> str:
    """Twice where a person types it. Raises vault.weak_pin, usage.invalid."""
    from chappe.client.officer_file import check_passphrase

    if file is None and sys.stdin.isatty():
        note(say("passphrase.explain"))
    found = check_passphrase(read_secret(file, "passphrase.ask.new", "--passphrase-file"), name)
    if file is None and check_passphrase(read_secret(None, "passphrase.ask.again"), name) != found:
        raise error("usage.invalid", "The two are not the same; nothing was made.")
    return found


def with_officer(
    file: Path | None, passphrase_file: Path | None, work: Callable[[Officer], Awaitable[T]]
) -> T:
    """Open the officer's file, do the work, close the connection. Raises fleet.*."""
    place = file_of(file)
    if not place.exists():
        raise error("fleet.missing")
    secret = passphrase(passphrase_file)

    async def run() -> T:
        from chappe.client.officer import Officer

        async with Officer.open(place, secret) as officer:
            return await work(officer)

    return asyncio.run(run())


def new_place(file: Path | None) -> Path:
    """Where a new officer's file goes; its folder is made. Raises fleet.exists, storage.*."""
    from chappe.vault.disk import os_failure

    place = file_of(file)
    if place.exists():
        raise error("fleet.exists")
    try:
        place.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    except OSError as problem:
        raise os_failure(problem) from None
    return place


def confirm(question: str, *, yes: bool, expected: str | None = None) -> None:
    """Ask, on standard error. With `expected`, that very text is to be typed.

    Raises usage.invalid for another answer, or where nobody is there to ask.
    """
    if yes:
        return
    if not sys.stdin.isatty():
        raise error("usage.invalid", "Nobody is there to ask: give --yes if that is what you want.")
    if expected is None:
        agreed = typer.confirm(question, default=False, err=True)
    else:
        agreed = typer.prompt(question, default="", show_default=False, err=True).strip().lower() == expected
    if not agreed:
        raise error("usage.invalid", say("nothing.done"))
