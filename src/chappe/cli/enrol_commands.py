"""`chappe fleet enrol`: two officers let a new phone into a line that lost every one."""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from chappe.cli import show
from chappe.cli.common import Json
from chappe.cli.officers import OfficerFile, PassphraseFile, ReasonText, Yes, confirm, with_officer
from chappe.cli.show import note, out
from chappe.cli.words import say

if TYPE_CHECKING:
    from chappe.client.enrolling import Coming
    from chappe.client.officer import Officer
    from chappe.wire.fleet import EnrolmentStatus

enrol_app = typer.Typer(
    no_args_is_help=True, help="A new phone for a line that lost every one: two officers, and a day."
)
OrderId = Annotated[str, typer.Argument(metavar="ORDER", help="Its id, or the first digits.")]


@enrol_app.command("link")
def link(
    line: Annotated[str, typer.Argument(metavar="LINE", help="Its address.")],
    officer: OfficerFile = None,
    passphrase_file: PassphraseFile = None,
) -> None:
    """What the person opens on the new phone."""

    async def work(me: Officer) -> None:
        from chappe.client import enrolling
        from chappe.client.officer_lines import choose

        chosen = choose(line, await me.lines()).line
        note(say("enrol.link", address=show.clean(chosen.address)))
        text = str(enrolling.link(me, chosen))
        out(text)
        if sys.stdout.isatty():
            out(show.qr(text, colour=True))

    with_officer(officer, passphrase_file, work)


@enrol_app.command("request")
def request(
    text: Annotated[str, typer.Argument(metavar="REQUEST", help="What the new phone shows.")],
    reason: ReasonText,
    yes: Yes = False,
    officer: OfficerFile = None,
    passphrase_file: PassphraseFile = None,
) -> None:
    """Ask for it, as the first officer. --yes says that the digits were compared."""
    from chappe.cli.fleet_commands import check_reason
    from chappe.wire.recovery import digits, parse_request

    check_reason(reason)
    certificate = parse_request(text)

    async def work(me: Officer) -> None:
        from chappe.client import enrolling

        line = enrolling.line_of(me, certificate, await me.lines())
        _compare(line.address, digits(certificate.to_bytes()), yes=yes)
        alive = sum(device.revoked_at is None for device in line.devices)
        if alive:
            note(say("enrol.alive", count=alive, address=show.clean(line.address)))
        _tell(await enrolling.begin(me, certificate, line, reason))

    with_officer(officer, passphrase_file, work)


@enrol_app.command("approve")
def approve(
    order: OrderId, yes: Yes = False, officer: OfficerFile = None, passphrase_file: PassphraseFile = None
) -> None:
    """Be the second officer. From then on it is announced. --yes says that the digits were compared."""

    async def work(me: Officer) -> None:
        from chappe.client import enrolling

        await me.lines()
        coming, status = await _find(me, order)
        note(_about(coming))
        _compare(coming.certificate.address, coming.digits, yes=yes)
        _tell(await enrolling.approve(me, coming, status))

    with_officer(officer, passphrase_file, work)


@enrol_app.command("cancel")
def cancel(
    order: OrderId, yes: Yes = False, officer: OfficerFile = None, passphrase_file: PassphraseFile = None
) -> None:
    """Take one back before the phone has come. Any officer does, alone."""

    async def work(me: Officer) -> None:
        from chappe.client import enrolling

        coming, _ = await _find(me, order)
        confirm(say("enrol.cancel"), yes=yes)
        await enrolling.withdraw(me, coming.order)
        out(say("enrol.withdrawn", id=coming.order.hex()[:8]))

    with_officer(officer, passphrase_file, work)


@enrol_app.command("list")
def list_phones(
    json: Json = False, officer: OfficerFile = None, passphrase_file: PassphraseFile = None
) -> None:
    """New phones: those on their way, and those before."""

    async def work(me: Officer) -> None:
        from chappe.client import enrolling

        found = [coming for coming, _ in await enrolling.listed(me)]
        for coming in found:
            if json:
                out(show.as_json(_as_dict(coming)))
                continue
            out(show.clean(coming.certificate.address))
            _tell(coming)
            out(f"  {_about(coming)}")
        if not found and not json:
            note(say("enrol.none"))

    with_officer(officer, passphrase_file, work)


def one_of(text: str, orders: Sequence[bytes]) -> bytes:
    """By its first digits. Raises order.unknown, usage.invalid for digits that name more than one."""
    from chappe.wire.errors import error

    found = [order for order in orders if len(text) >= 4 and order.hex().startswith(text.strip().lower())]
    if len(found) > 1:
        raise error("usage.invalid", "Give more digits of the order.")
    if not found:
        raise error("order.unknown", "No such order here; see `chappe fleet enrol list`.")
    return found[0]


async def _find(me: Officer, text: str) -> tuple[Coming, EnrolmentStatus]:
    from chappe.client import enrolling

    found = {coming.order: (coming, status) for coming, status in await enrolling.listed(me)}
    return found[one_of(text, list(found))]


def _about(coming: Coming) -> str:
    names = ", ".join(map(show.clean, coming.by))
    return say("enrol.about", by=names, reason=show.clean(coming.reason))


def _compare(address: str, digits: str, *, yes: bool) -> None:
    note(say("enrol.compare", address=show.clean(address), digits=digits))
    note(say("enrol.does"))
    confirm(say("request.same"), yes=yes)


def _tell(coming: Coming) -> None:
    from chappe.wire.log_entries import ANNOUNCED_SECONDS

    when = (coming.announced_at or 0) + ANNOUNCED_SECONDS
    shown = time.strftime("%Y-%m-%d %H:%M", time.localtime(when))
    out(say(f"enrol.{coming.state}", id=coming.order.hex()[:8], when=shown))


def _as_dict(coming: Coming) -> dict[str, object]:
    return {
        "order": coming.order.hex(),
        "address": coming.certificate.address,
        "device": coming.certificate.device_id.hex(),
        "digits": coming.digits,
        "state": coming.state,
        "by": list(coming.by),
        "reason": coming.reason,
        "given_at": coming.given_at,
        "announced_at": coming.announced_at,
        "added_at": coming.added_at,
        "withdrawn_at": coming.withdrawn_at,
    }
