"""`chappe report`, and what officers do with a report: `chappe fleet report verify`."""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from chappe.cli import show
from chappe.cli.common import SECONDS, Home, Json, expand, find_message, with_phone
from chappe.cli.officers import OfficerFile, PassphraseFile, Yes, with_officer
from chappe.cli.show import note, out
from chappe.cli.words import say

if TYPE_CHECKING:
    from chappe.client import Phone
    from chappe.client.officer import Officer
    from chappe.client.reports import Checked

report_app = typer.Typer(no_args_is_help=True, help="Messages that members have reported.")


def report(
    message: Annotated[str, typer.Argument(help="The message, by the first digits of its id.")],
    reason: Annotated[str, typer.Option("--reason", help="Why; the officers read it.")],
    to: Annotated[
        Path | None, typer.Option("--out", help="Where the report goes.", show_default=False)
    ] = None,
    yes: Yes = False,
    home: Home = None,
) -> None:
    """Prove to your organisation's officers who sent you a message: makes a file that only they open."""
    from chappe.wire.errors import error
    from chappe.wire.reports import SUFFIX

    async def work(phone: Phone) -> None:
        await phone.wait_online(SECONDS)
        found = await find_message(phone, message)
        made = phone.report(found.id, reason)
        note(say("report.shows"))
        _print(made.checked, note)
        note(say("report.shows.not"))
        if not yes and not _agreed():
            note(say("nothing.done"))
            return
        sealed = await phone.seal_report(made)
        path = expand(to) if to else Path(f"{made.checked.id.hex()[:8]}{SUFFIX}")
        try:
            with path.open("xb") as file:
                file.write(sealed)
        except OSError:
            raise error(
                "file.unreadable", "The report cannot be written there; choose another --out."
            ) from None
        out(say("report.made", path=path))

    with_phone(home, work)


@report_app.command("verify")
def verify(
    file: Annotated[Path, typer.Argument(help="The report.")],
    json: Json = False,
    officer: OfficerFile = None,
    passphrase_file: PassphraseFile = None,
) -> None:
    """Open a report and check it: who said what, where, and who reports it."""
    from chappe.wire.errors import error
    from chappe.wire.reports import MAX_FILE

    try:
        with expand(file).open("rb") as opened:
            data = opened.read(MAX_FILE + 1)
    except OSError:
        raise error("file.unreadable") from None

    async def work(me: Officer) -> None:
        checked = await me.check_report(data)
        if json:
            out(show.as_json(_as_dict(checked)))
            return
        _print(checked, out)
        out(say("report.holds", address=show.clean(checked.sender.address)))

    with_officer(officer, passphrase_file, work)


def _agreed() -> bool:
    """Raises usage.invalid where nobody is there to ask."""
    from chappe.wire.errors import error

    if not sys.stdin.isatty():
        raise error("usage.invalid", "There is nobody to ask; say --yes.")
    return typer.confirm(say("report.ask"), err=True)


def _print(checked: Checked, line: Any) -> None:
    sender, reporter = checked.sender, checked.reporter
    line(say("report.sender", address=show.clean(sender.address), device=sender.device_id.hex()[:8]))
    name = show.clean(checked.name) or say("report.direct")
    line(say("report.where", name=name, id=checked.conversation.hex()[:8]))
    for said in checked.said:
        when = _when(said.at)
        line(say("report.edited" if said.edited else "report.said", when=when))
        if said.file:
            line(f"    {say('report.file', name=show.clean(said.file))}")
        if said.text:
            line("    " + show.clean(said.text, lines=True).replace("\n", "\n    "))
    line(say("report.by", address=show.clean(reporter.address), when=_when(checked.made_at)))
    line("    " + show.clean(checked.reason, lines=True).replace("\n", "\n    "))


def _when(at: int) -> str:
    return time.strftime("%Y-%m-%d %H:%M", time.localtime(at))


def _as_dict(checked: Checked) -> dict[str, Any]:
    return {
        "report": checked.id.hex(),
        "sender": checked.sender.address,
        "sender_line": checked.sender.line_id.hex(),
        "sender_device": checked.sender.device_id.hex(),
        "conversation": checked.conversation.hex(),
        "conversation_kind": checked.kind,
        "conversation_name": checked.name,
        "said": [
            {"id": one.id.hex(), "text": one.text, "file": one.file, "edited": one.edited, "at": one.at}
            for one in checked.said
        ],
        "reporter": checked.reporter.address,
        "reason": checked.reason,
        "made_at": checked.made_at,
    }
