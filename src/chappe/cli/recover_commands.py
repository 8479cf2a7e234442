"""`chappe recover`: my line, on a new phone, when every one is lost."""

from __future__ import annotations

import asyncio
import sys
from typing import TYPE_CHECKING, Annotated

import typer

from chappe.cli import show
from chappe.cli.common import SECONDS, Home, home_of
from chappe.cli.show import note, out
from chappe.cli.words import say

if TYPE_CHECKING:
    from pathlib import Path

    from chappe.wire.certificate import DeviceCertificate


def recover(
    link: Annotated[
        str | None, typer.Argument(help="The officer's link, the first time.", show_default=False)
    ] = None,
    anew: Annotated[
        bool, typer.Option("--anew", help="With fresh keys: the request before was taken back.")
    ] = False,
    home: Home = None,
) -> None:
    """Your line, on a new phone, when every other is lost: two officers let it in, after a day."""
    from chappe.wire.recovery import parse_link

    place = home_of(home)
    wanted = None if link is None else parse_link(link)

    async def work() -> None:
        from chappe.client import recovering
        from chappe.wire.errors import error

        if wanted is not None:
            if anew:
                recovering.give_up(place)
            _show(await recovering.begin(place, wanted))
            return
        certificate = recovering.waiting(place)
        if certificate is None or anew:
            raise error("usage.invalid", "Give the link that an officer made: chappe recover LINK.")
        await _come_in(place, certificate)

    asyncio.run(work())


async def _come_in(place: Path, certificate: DeviceCertificate) -> None:
    """Raises as `Phone.recover`."""
    from chappe.client import Phone
    from chappe.wire.errors import ChappeError

    try:
        phone = await Phone.recover(place)
    except ChappeError as problem:
        if problem.code == "order.unknown":
            _show(certificate)
        raise
    async with phone:
        await phone.settled(SECONDS)
        out(say("activated", address=phone.address))


def _show(certificate: DeviceCertificate) -> None:
    from chappe.wire.recovery import digits, request

    text = request(certificate)
    note(say("recover.request"))
    out(text)
    if sys.stdout.isatty():
        out(show.qr(text, colour=True))
    out(show.safety_number(digits(certificate.to_bytes())))
    note(say("recover.again"))
