"""`chappe erase`: order it, approve it, and see how far it got. By an officer, or by a line's owner."""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer
from typer.core import TyperGroup

from chappe.cli import show
from chappe.cli.common import Home, Json
from chappe.cli.fleet_commands import Targets, check_reason, show_chosen, tell
from chappe.cli.officers import (
    OfficerFile,
    PassphraseFile,
    ReasonText,
    Yes,
    acts_as_officer,
    confirm,
    with_officer,
)
from chappe.cli.order_table import no_pin_lines, order_dict, order_lines
from chappe.cli.show import note, out
from chappe.cli.words import say
from chappe.wire.errors import error

if TYPE_CHECKING:
    from chappe.client.officer import GivenOrder, Officer
    from chappe.client.officer_lines import Chosen
    from chappe.client.order_views import OrderView
    from chappe.wire.orders import Kind

WATCH_SECONDS: Final = 2.0
MIN_ORDER: Final = 4


class _Erase(TyperGroup):
    """`chappe erase LINE` is `chappe erase order LINE`."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        known = (*self.commands, "-h", "--help")
        if args and args[0] not in known:
            args = ["order", *args]
        return super().parse_args(ctx, args)


app = typer.Typer(
    cls=_Erase, no_args_is_help=True, help="Erase lost phones: `chappe erase LINE|DEVICE… --reason TEXT`."
)


@app.command("order")
def order(
    targets: Targets,
    reason: ReasonText,
    yes: Yes = False,
    officer: OfficerFile = None,
    passphrase_file: PassphraseFile = None,
    home: Home = None,
) -> None:
    """Erase devices, or whole lines (the word `order` may be left out)."""
    end("erase", targets, reason, yes=yes, officer=officer, passphrase_file=passphrase_file, home=home)


def end(
    kind: Kind,
    targets: list[str],
    reason: str,
    *,
    yes: bool,
    officer: Path | None,
    passphrase_file: Path | None,
    home: Path | None,
) -> None:
    """Erase or revoke: as an officer if a file is named, else as the line's owner."""
    check_reason(reason)
    if not acts_as_officer(officer):
        from chappe.cli.owner_orders import end_own

        end_own(kind, targets, reason, yes=yes, home=home)
        return

    async def work(me: Officer) -> None:
        from chappe.client.officer_lines import choose_all

        chosen = choose_all(targets, await me.lines())
        explain(kind)
        show_chosen(chosen)
        _ask(kind, chosen, yes)
        given = await me.order(kind, [one.target for one in chosen], reason)
        tell(given)
        await _tell_unreadable(me, kind, given)
        if not given.awaiting:
            note(say("erase.status.hint", id=given.order.hex()[:8]))

    with_officer(officer, passphrase_file, work)


async def _tell_unreadable(me: Officer, kind: Kind, given: GivenOrder) -> None:
    """A device that never had a PIN has no share: it is not called unreadable."""
    if kind != "erase" or given.awaiting:
        return
    (view,) = await me.orders(given.order, catch_up=False)
    if not given.unreadable:
        out(say("erase.not_yet"))
    elif any(device.has_pin for device in view.devices):
        out(say("erase.unreadable"))
    for line in no_pin_lines(view):
        out(line.strip())


def explain(kind: Kind) -> None:
    """What will happen, and what will not."""
    note(say(f"{kind}.does"))
    if kind == "erase":
        note(say("erase.limits.title"))
        for number in (1, 2, 3):
            note(f"  - {say(f'erase.limits.{number}')}")
    note(say(f"{kind}.about"))


def _ask(kind: Kind, chosen: list[Chosen], yes: bool) -> None:
    """One line is confirmed by its address, several by their number."""
    addresses = sorted({one.line.address for one in chosen})
    expected = addresses[0] if len(addresses) == 1 else str(len(addresses))
    question = "confirm.address" if len(addresses) == 1 else "confirm.count"
    confirm(say(question, what=show.clean(expected)), yes=yes, expected=expected)


@app.command("approve")
def approve(
    order: Annotated[str, typer.Argument(metavar="ORDER", help="Its id, or the first digits.")],
    yes: Yes = False,
    officer: OfficerFile = None,
    passphrase_file: PassphraseFile = None,
) -> None:
    """Be the second officer of an order that waits for one."""

    async def work(me: Officer) -> None:
        found = find_order(order, await me.orders(catch_up=False))
        explain(found.kind) if found.kind in ("erase", "revoke") else None
        addresses = await me.addresses_of(found.id)
        note(say("approve.about", by=", ".join(map(show.clean, found.by)), reason=show.clean(found.reason)))
        for address in addresses:
            note(f"  {show.clean(address)}")
        confirm(say("approve.ask", kind=found.kind, count=len(addresses)), yes=yes)
        given = await me.approve(found.id)
        tell(given)
        await _tell_unreadable(me, found.kind, given)

    with_officer(officer, passphrase_file, work)


@app.command("status")
def status(
    order: Annotated[
        str | None, typer.Argument(metavar="ORDER", help="Its id, or the first digits; none: the newest.")
    ] = None,
    watch: Annotated[bool, typer.Option("--watch", help="Go on until nothing more is to come.")] = False,
    json: Json = False,
    officer: OfficerFile = None,
    passphrase_file: PassphraseFile = None,
    home: Home = None,
) -> None:
    """How far orders got: ordered, unreadable, removed from conversations, erased."""
    if not acts_as_officer(officer):
        from chappe.cli.owner_orders import status_own

        status_own(order, watch=watch, json=json, home=home)
        return

    async def work(me: Officer) -> None:
        async def look() -> list[OrderView]:
            views = await me.orders()
            return [find_order(order, views)] if order else views

        await follow(look, watch=watch, json=json)

    with_officer(officer, passphrase_file, work)


async def follow(look: Callable[[], Awaitable[list[OrderView]]], *, watch: bool, json: bool) -> None:
    """Show orders once, or each time they changed, until all are finished. On a terminal the table is drawn
    over the one before."""
    before: list[OrderView] | None = None
    drawn = 0
    while True:
        views = await look()
        if views != before:
            if drawn and sys.stdout.isatty():
                print(f"\x1b[{drawn}F\x1b[J", end="")
            drawn = _draw(views, json)
        before = views
        if not watch or all(view.finished for view in views):
            break
        await asyncio.sleep(WATCH_SECONDS)


def _draw(views: list[OrderView], json: bool) -> int:
    """Gives how many lines it took."""
    if json:
        for view in views:
            out(show.as_json(order_dict(view)))
        return 0
    lines = [line for view in views for line in order_lines(view, time.time())]
    for line in lines or [say("orders.none")]:
        out(line)
    return len(lines) or 1


def find_order(prefix: str, views: list[OrderView]) -> OrderView:
    """Raises order.unknown, usage.invalid."""
    found = [view for view in views if view.id.hex().startswith(prefix.lower())]
    if not found:
        raise error("order.unknown")
    if len(found) > 1 or len(prefix) < MIN_ORDER:
        raise error("usage.invalid", "Give more digits of the order; see `chappe erase status`.")
    return found[0]
