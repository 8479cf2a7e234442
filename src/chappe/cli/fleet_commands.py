"""`chappe fleet`: what an officer does but erase: lines, policy, legal hold, lock, audit."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Annotated, Any

import typer

from chappe.cli import show
from chappe.cli.common import Json
from chappe.cli.enrol_commands import enrol_app
from chappe.cli.officer_commands import key_app, officer_app
from chappe.cli.officers import OfficerFile, PassphraseFile, ReasonText, Yes, confirm, with_officer
from chappe.cli.report_commands import report_app
from chappe.cli.show import note, out
from chappe.cli.words import say

if TYPE_CHECKING:
    from chappe.client.officer import GivenOrder, Officer
    from chappe.client.officer_lines import Chosen, FleetLine
    from chappe.wire.audit import AuditEntry
    from chappe.wire.orders import FleetPolicy, Kind

app = typer.Typer(no_args_is_help=True, help="For officers: an organisation's lines, and orders about them.")
app.add_typer(key_app, name="key")
app.add_typer(officer_app, name="officer")
app.add_typer(report_app, name="report")
app.add_typer(enrol_app, name="enrol")

Targets = Annotated[
    list[str], typer.Argument(metavar="LINE|DEVICE…", help="An address, ADDRESS/DEVICE, or an id.")
]
LinesOnly = Annotated[list[str], typer.Argument(metavar="LINE…", help="Addresses, or ids of lines.")]


@app.command("lines")
def lines(json: Json = False, officer: OfficerFile = None, passphrase_file: PassphraseFile = None) -> None:
    """The organisation's lines and their devices."""

    async def work(me: Officer) -> None:
        for line in sorted(await me.lines(), key=lambda one: (one.address, one.created_at)):
            if json:
                out(show.as_json(_line_dict(line)))
                continue
            marks = [say("line.held")] if line.held_at else []
            marks += [say("line.closed")] if line.closed_at else []
            out("  ".join([show.clean(line.address), *marks]))
            for device in line.devices:
                since = time.strftime("%Y-%m-%d", time.localtime(device.created_at))
                gone = f"  {say('device.gone')}" if device.revoked_at else ""
                out(f"  {device.id.hex()[:8]}  {say('device.since', date=since)}{gone}")

    with_officer(officer, passphrase_file, work)


def _line_dict(line: FleetLine) -> dict[str, Any]:
    return {
        "line": line.id.hex(),
        "address": line.address,
        "created_at": line.created_at,
        "held_at": line.held_at,
        "closed_at": line.closed_at,
        "devices": [
            {
                "device": device.id.hex(),
                "created_at": device.created_at,
                "revoked_at": device.revoked_at,
                "order": device.order.hex() if device.order else None,
            }
            for device in line.devices
        ],
    }


@app.command("policy")
def policy(
    reason: ReasonText,
    offline_hours: Annotated[
        int, typer.Option(min=0, max=72, help="Hours in which a phone opens without the relay, at most.")
    ],
    idle: Annotated[str, typer.Option(help="Time without use after which it locks, at most, such as 15m.")],
    pin_length: Annotated[int, typer.Option(min=6, max=32, help="Digits of a PIN, at least.")] = 6,
    lock_on_hide: Annotated[
        bool, typer.Option("--lock-on-hide", help="A phone locks whenever its page goes out of sight.")
    ] = False,
    disappear_max: Annotated[
        str, typer.Option(help="Time after which what was read disappears, at most, such as 7d; or off.")
    ] = "off",
    disappear_default: Annotated[
        str, typer.Option(help="What a new conversation begins with, such as 1d; off: the maximum, if any.")
    ] = "off",
    receipts: Annotated[
        str, typer.Option(help="Read receipts: free (each person chooses), on, off.")
    ] = "free",
    targets: Annotated[
        list[str] | None, typer.Argument(metavar="LINE…", help="None: every line, now and later.")
    ] = None,
    yes: Yes = False,
    officer: OfficerFile = None,
    passphrase_file: PassphraseFile = None,
) -> None:
    """Bound what phones may allow themselves."""
    from chappe.wire.errors import error
    from chappe.wire.orders import RECEIPTS, FleetPolicy

    seconds = show.parse_duration(idle)
    if not 10 <= seconds <= 86_400:
        raise error("usage.invalid", "--idle is between 10 seconds and 24 hours.")
    if receipts not in RECEIPTS:
        raise error("usage.invalid", "--receipts is free, on or off.")
    first, most = show.parse_duration(disappear_default), show.parse_duration(disappear_max)
    wanted = FleetPolicy(offline_hours, seconds, pin_length, lock_on_hide, first, most, RECEIPTS[receipts])
    if not wanted.is_sound:
        raise error(
            "usage.invalid",
            "--disappear-default and --disappear-max are off, or 30 seconds to 366 days, the default within "
            "the maximum.",
        )
    if offline_hours:
        note(say("policy.offline", hours=offline_hours))
    if most:
        note(say("policy.disappear", time=show.duration(most)))
    _order("policy", targets or [], reason, officer, passphrase_file, yes=yes, policy=wanted)


@app.command("hold")
def hold(
    targets: LinesOnly,
    reason: ReasonText,
    yes: Yes = False,
    officer: OfficerFile = None,
    passphrase_file: PassphraseFile = None,
) -> None:
    """Put lines under legal hold: one person alone cannot erase them any more."""
    _order("hold", targets, reason, officer, passphrase_file, yes=yes)


@app.command("release")
def release(
    targets: LinesOnly,
    reason: ReasonText,
    yes: Yes = False,
    officer: OfficerFile = None,
    passphrase_file: PassphraseFile = None,
) -> None:
    """End a legal hold. It takes two officers."""
    _order("release", targets, reason, officer, passphrase_file, yes=yes)


@app.command("lock")
def lock(
    targets: Targets,
    reason: ReasonText,
    yes: Yes = False,
    officer: OfficerFile = None,
    passphrase_file: PassphraseFile = None,
) -> None:
    """Have devices lock at once, when they hear of it."""
    _order("lock", targets, reason, officer, passphrase_file, yes=yes)


def _order(
    kind: Kind,
    words: list[str],
    reason: str,
    officer: OfficerFile,
    passphrase_file: PassphraseFile,
    *,
    yes: bool,
    policy: FleetPolicy | None = None,
) -> None:
    check_reason(reason)

    async def work(me: Officer) -> None:
        from chappe.client.officer_lines import choose_all

        chosen = choose_all(words, await me.lines())
        show_chosen(chosen)
        confirm(say(f"order.ask.{kind}", count=len(chosen)), yes=yes)
        tell(await me.order(kind, [one.target for one in chosen], reason, policy))

    with_officer(officer, passphrase_file, work)


def check_reason(reason: str) -> None:
    """Before the passphrase is asked. Raises usage.invalid."""
    from chappe.wire.errors import error

    if not reason.strip():
        raise error("usage.invalid", "An order takes a reason: --reason TEXT.")


def show_chosen(chosen: list[Chosen]) -> None:
    """What an order is about, line by line."""
    for one in chosen:
        count = sum(device.revoked_at is None for device in one.line.devices)
        what = one.device.id.hex()[:8] if one.device else say("chosen.whole", count=count)
        held = f"  {say('line.held')}" if one.line.held_at else ""
        note(f"  {show.clean(one.line.address)}  {what}{held}")


def tell(given: GivenOrder) -> None:
    """What became of an order that was given just now."""
    out(say("order.awaiting" if given.awaiting else "order.given", id=given.order.hex()))
    for device in given.unsealed:
        note(say("order.unsealed", device=device.hex()[:8]))


@app.command("audit")
def audit(json: Json = False, officer: OfficerFile = None, passphrase_file: PassphraseFile = None) -> None:
    """Check the audit log from its first entry to its head, and show it."""

    async def work(me: Officer) -> None:
        from chappe.wire import audit as entries

        audited = await me.audit()
        names = {one.id: one.name for roster in me.all_rosters for one in roster.officers}
        addresses = {line.line: line.address for line in me.state.lines}
        for number, data in enumerate(audited.entries):
            entry = entries.decode(data)
            if json:
                out(show.as_json({"index": number} | _entry_dict(entry)))
            else:
                out(_entry_line(number, entry, names, addresses))
        note(say("audit.holds", size=audited.size, seen=audited.seen, root=audited.root.hex()[:16]))

    with_officer(officer, passphrase_file, work)


def _entry_dict(entry: AuditEntry) -> dict[str, Any]:
    """Bytes in hex; what is not there is left out."""
    found: dict[str, Any] = {}
    for name in entry.__struct_fields__:
        value = getattr(entry, name)
        if isinstance(value, bytes):
            value = value.hex()
        elif isinstance(value, list):
            value = [one.hex() for one in value]
        if value is not None and value != []:
            found[name] = value
    return found


def _entry_line(number: int, entry: AuditEntry, names: dict[bytes, str], addresses: dict[bytes, str]) -> str:
    parts = [f"{number:>5}", time.strftime("%Y-%m-%d %H:%M", time.localtime(entry.at)), entry.what]
    parts += [entry.kind] if entry.kind else []
    parts += [entry.order.hex()[:8]] if entry.order else []
    parts += [show.clean(names.get(one, one.hex()[:8])) for one in entry.officers]
    if entry.line is not None:
        parts.append(show.clean(addresses.get(entry.line, entry.line.hex()[:8])))
    parts += [f"/{entry.device.hex()[:8]}"] if entry.device else []
    parts += [entry.outcome] if entry.outcome else []
    parts += [f"v{entry.number}"] if entry.number is not None else []
    parts += [f"«{show.clean(entry.reason)}»"] if entry.reason else []
    return "  ".join(parts)
