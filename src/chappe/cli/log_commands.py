"""`chappe log …`: what the relay's transparency log shows, and what to do where it is not as it should be."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING, Annotated, Any

import typer

from chappe.cli import show
from chappe.cli.common import Home, Json, find, reach, with_phone
from chappe.cli.show import clock, note, out
from chappe.cli.words import say

if TYPE_CHECKING:
    from chappe.client import Phone
    from chappe.client.events import LogAlarm
    from chappe.client.log_alarms import Alarm
    from chappe.client.log_face import LogStanding

app = typer.Typer(no_args_is_help=True, help="The relay's transparency log, as this device has read it.")
_DIGITS = 16


@app.command()
def status(json: Json = False, home: Home = None) -> None:
    """Read what is new; show the head, its witnesses, this line's devices, and alarms."""

    async def work(phone: Phone) -> None:
        await reach(phone)
        await phone.log.refresh()
        standing = phone.log.standing()
        if json:
            out(show.as_json(_dict(standing)))
            return
        for line in _lines(standing):
            out(line)

    with_phone(home, work)


@app.command()
def evidence(home: Home = None) -> None:
    """Print what proves each alarm: both signed heads as they came, for whoever looks into it."""

    async def work(phone: Phone) -> None:
        for alarm in phone.log.standing().alarms:
            out(show.as_json(_evidence(alarm)))

    with_phone(home, work, reminds=False)


@app.command()
def accept(
    which: Annotated[str, typer.Argument(help="An address, a group's name, or an id.")], home: Home = None
) -> None:
    """Write to devices in a conversation that the log does not show: their owner has explained it."""

    async def work(phone: Phone) -> None:
        phone.log.accept((await find(phone, which)).id)
        out(say("log.accepted"))

    with_phone(home, work)


@app.command()
def settle(
    number: Annotated[int, typer.Argument(help="As `chappe log status` shows it.")], home: Home = None
) -> None:
    """Put an alarm away that was seen to. Its evidence stays."""

    async def work(phone: Phone) -> None:
        phone.log.settle(number)
        out(say("log.put_away"))

    with_phone(home, work)


@app.command("start-over")
def start_over(home: Home = None) -> None:
    """Give up the log that was believed so far, and trust the one that the relay shows now."""
    word = "OTHER-LOG"
    out(say("log.start_over.explain"))
    if typer.prompt(say("log.start_over.ask", word=word)) != word:
        out(say("log.start_over.not"))
        raise typer.Exit(1)

    async def work(phone: Phone) -> None:
        await reach(phone)
        await phone.log.start_over()
        for line in _lines(phone.log.standing()):
            out(line)

    with_phone(home, work)


def warn(phone: Phone) -> None:
    """A line on standard error for each alarm that nobody has seen to."""
    for alarm in phone.log.alarms:
        note(f"! {alarm_text(alarm)} [{alarm.code}]")


def alarm_text(alarm: Alarm | LogAlarm) -> str:
    """What happened and what to do, in plain words."""
    key = "log.forked.by" if alarm.code == "log.forked" and alarm.address else alarm.code
    return say(key, address=show.clean(alarm.address))


def _lines(standing: LogStanding) -> list[str]:
    if not standing.watched:
        return [say("log.unwatched"), *_alarm_lines(standing)]
    head = say("log.head", origin=standing.origin, entries=standing.entries, when=clock(standing.signed_at))
    lines = [head, say("log.root", root=standing.root.hex())]
    for signer in standing.signers:
        key = "log.signer.witness" if signer.is_witness else "log.signer.log"
        lines.append(say(key, name=show.clean(signer.name), when=clock(signer.at)))
    if standing.devices:
        lines.append(say("log.devices"))
    for one in standing.devices:
        more = say("log.device.this") if one.this else ""
        if one.revoked_at:
            more += say("log.device.revoked", when=clock(one.revoked_at))
        if not one.known and not one.this:
            more += say("log.device.unknown")
        lines.append(say("log.device", device=one.device[:_DIGITS], when=clock(one.added_at), more=more))
    return [*lines, *_alarm_lines(standing)]


def _alarm_lines(standing: LogStanding) -> list[str]:
    if not standing.alarms:
        return [say("log.no_alarms")]
    lines = [say("log.alarms")]
    for one in standing.alarms:
        line = say("log.alarm", number=one.row, when=clock(one.at), text=alarm_text(one), code=one.code)
        lines.append(line + (say("log.alarm.settled") if one.settled else ""))
    return lines


def _dict(standing: LogStanding) -> dict[str, Any]:
    return {
        "watched": standing.watched,
        "origin": standing.origin,
        "entries": standing.entries,
        "root": standing.root.hex(),
        "signed_at": standing.signed_at,
        "signers": [{"name": s.name, "witness": s.is_witness, "at": s.at} for s in standing.signers],
        "devices": [
            {
                "device": one.device,
                "this": one.this,
                "added_at": one.added_at,
                "revoked_at": one.revoked_at,
                "by": one.by,
                "known": one.known,
            }
            for one in standing.devices
        ],
        "alarms": [_short(alarm) for alarm in standing.alarms],
    }


def _short(alarm: Alarm) -> dict[str, Any]:
    return {
        "number": alarm.row,
        "code": alarm.code,
        "at": alarm.at,
        "address": alarm.address,
        "device": alarm.device,
        "settled": alarm.settled,
        "said": alarm.evidence.said,
    }


def _evidence(alarm: Alarm) -> dict[str, Any]:
    notes = {"ours": alarm.evidence.ours, "theirs": alarm.evidence.theirs}
    return _short(alarm) | {key: base64.b64encode(data).decode() for key, data in notes.items()}
