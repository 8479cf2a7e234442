"""`chappe fleet key` and `chappe fleet officer`: an organisation is founded, officers come and go."""

from __future__ import annotations

import asyncio
import re
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from chappe.cli import show
from chappe.cli.common import Json
from chappe.cli.officers import (
    OfficerFile,
    Out,
    PassphraseFile,
    Yes,
    confirm,
    new_passphrase,
    new_place,
    with_officer,
)
from chappe.cli.show import note, out
from chappe.cli.words import say
from chappe.wire.errors import error

if TYPE_CHECKING:
    from chappe.client.officer import Officer
    from chappe.client.officer_papers import Answer, Draft
    from chappe.wire.rosters import Officer as OnRoster

key_app = typer.Typer(no_args_is_help=True, help="The organisation's fleet key.")
officer_app = typer.Typer(no_args_is_help=True, help="The organisation's officers.")


@key_app.command("new")
def new_key(
    organisation: Annotated[str, typer.Option("--organisation", help="The organisation's name.")],
    name: Annotated[str, typer.Option("--name", help="Your name, as the other officers see it.")],
    relay: Annotated[str, typer.Option("--relay", help="The operator's relay, HOST:PORT.")],
    pin: Annotated[
        str | None, typer.Option("--pin", help="Its pin, if its certificate is self-made.")
    ] = None,
    out_file: Out = None,
    officer: OfficerFile = None,
    passphrase_file: PassphraseFile = None,
) -> None:
    """Found an organisation: make its fleet key, and its first officer's file. The operator gets a roster."""
    from chappe.wire.links import parse_place

    place, where = parse_place(relay, pin), new_place(officer)
    secret = new_passphrase(passphrase_file, name)
    paper = out_file or Path(f"{_file_name(organisation)}.roster")

    async def work() -> None:
        from chappe.client import officer_papers
        from chappe.client.officer import Officer
        from chappe.wire.rosters import fingerprint

        made = await Officer.found(where, secret, place, organisation=organisation, name=name)
        officer_papers.write(paper, made.state.rosters[0])
        out(say("founded", organisation=show.clean(organisation), path=where))
        out(say("founded.next", path=paper))
        out(say("founded.digits", digits=fingerprint(made.fleet_pair.public)))

    asyncio.run(work())


@officer_app.command("request")
def request(
    name: Annotated[str, typer.Option("--name", help="Your name, as the other officers see it.")],
    out_file: Out = None,
    officer: OfficerFile = None,
    passphrase_file: PassphraseFile = None,
) -> None:
    """Ask to be appointed: makes your officer's file, and a request for an officer."""
    from chappe.client import officer_papers
    from chappe.client.officer import Officer

    where = new_place(officer)
    secret = new_passphrase(passphrase_file, name)
    if not 1 <= len(name) <= 64:
        raise error("usage.invalid", "A name has 1 to 64 characters.")
    made = Officer.ask_in(where, secret, name)
    paper = out_file or Path(f"{_file_name(name)}.request")
    officer_papers.write(paper, made.request)
    out(say("request.made", path=paper))
    out(say("request.digits", digits=officer_papers.digits_of(made.request)))


@officer_app.command("add")
def add(
    paper: Annotated[Path, typer.Argument(metavar="REQUEST", help="The newcomer's request.")],
    out_file: Out = None,
    yes: Yes = False,
    officer: OfficerFile = None,
    passphrase_file: PassphraseFile = None,
) -> None:
    """Appoint a newcomer. Where there are two officers or more, a second one signs, too."""

    async def work(me: Officer) -> None:
        from chappe.client import appointing, officer_papers

        asked = officer_papers.read(paper, officer_papers.Request)
        officer_papers.check_request(asked)
        note(
            say(
                "request.compare",
                name=show.clean(asked.name),
                digits=officer_papers.digits_of(asked),
            )
        )
        confirm(say("request.same"), yes=yes)
        if asked.officer in (await me.refresh()).roster.officers:
            # Appointed before; the answer was lost.
            _write_answer(appointing.answer_for(me, asked), out_file, _file_name(asked.name))
            return
        await _finish(me, await appointing.appoint(me, asked), out_file)

    with_officer(officer, passphrase_file, work)


@officer_app.command("sign")
def sign(
    paper: Annotated[Path, typer.Argument(metavar="DRAFT", help="What another officer began.")],
    out_file: Out = None,
    yes: Yes = False,
    officer: OfficerFile = None,
    passphrase_file: PassphraseFile = None,
) -> None:
    """Be the second officer of an appointment or a removal."""

    async def work(me: Officer) -> None:
        from chappe.client import appointing, officer_papers

        draft = officer_papers.read(paper, officer_papers.Draft)
        await me.refresh()
        change = appointing.change_of(me, draft)
        for one in change.added:
            note(say("draft.adds", name=show.clean(one.name), id=one.id.hex()[:8]))
        for one in change.removed:
            note(say("draft.removes", name=show.clean(one.name), id=one.id.hex()[:8]))
        if draft.request is not None:
            note(
                say(
                    "request.compare",
                    name=show.clean(draft.request.name),
                    digits=officer_papers.digits_of(draft.request),
                )
            )
        confirm(say("draft.ask"), yes=yes)
        await _finish(me, appointing.with_my_signature(me, draft), out_file)

    with_officer(officer, passphrase_file, work)


@officer_app.command("remove")
def remove(
    who: Annotated[str, typer.Argument(metavar="OFFICER", help="A name, or the first digits of an id.")],
    out_file: Out = None,
    yes: Yes = False,
    officer: OfficerFile = None,
    passphrase_file: PassphraseFile = None,
) -> None:
    """Remove an officer. Where there are two officers or more, two sign."""

    async def work(me: Officer) -> None:
        from chappe.client import appointing

        one = _find(who, (await me.refresh()).roster.officers)
        note(say("draft.removes", name=show.clean(one.name), id=one.id.hex()[:8]))
        confirm(say("draft.ask"), yes=yes)
        await _finish(me, await appointing.dismiss(me, one.id), out_file)
        note(say("officer.removed.hint"))

    with_officer(officer, passphrase_file, work)


@officer_app.command("accept")
def accept(
    paper: Annotated[Path, typer.Argument(metavar="ANSWER", help="The officer's answer.")],
    officer: OfficerFile = None,
    passphrase_file: PassphraseFile = None,
) -> None:
    """Take the appointment: from now on, this file gives orders."""

    async def work(me: Officer) -> None:
        from chappe.client import appointing, officer_papers
        from chappe.wire.rosters import fingerprint

        roster = appointing.accept(me, officer_papers.read(paper, officer_papers.Answer))
        out(say("accepted", organisation=show.clean(roster.name)))
        out(say("founded.digits", digits=fingerprint(roster.fleet_key)))

    with_officer(officer, passphrase_file, work)


@officer_app.command("list")
def list_officers(
    json: Json = False, officer: OfficerFile = None, passphrase_file: PassphraseFile = None
) -> None:
    """Who the officers are."""

    async def work(me: Officer) -> None:
        roster = (await me.refresh()).roster
        for one in roster.officers:
            mine = one.id == me.state.id
            if json:
                out(show.as_json({"officer": one.id.hex(), "name": one.name, "you": mine}))
            else:
                out(f"{one.id.hex()[:8]}  {show.clean(one.name)}{'  ' + say('officer.you') if mine else ''}")
        if not json:
            since = time.strftime("%Y-%m-%d", time.localtime(roster.issued_at))
            note(say("roster.version", version=roster.version, date=since))

    with_officer(officer, passphrase_file, work)


async def _finish(me: Officer, draft: Draft, out_file: Path | None) -> None:
    """Publish a draft that enough have signed; else write it for another officer."""
    from chappe.client import appointing, officer_papers

    stem = _file_name(draft.request.name if draft.request else f"roster-{len(me.state.rosters) + 1}")
    if not appointing.is_complete(me, draft):
        paper = out_file or Path(f"{stem}.draft")
        officer_papers.write(paper, draft)
        out(say("draft.made", path=paper))
        return
    answer = await appointing.publish(me, draft)
    out(say("roster.amended"))
    if answer is not None:
        _write_answer(answer, out_file, stem)


def _write_answer(answer: Answer, out_file: Path | None, stem: str) -> None:
    from chappe.client import officer_papers

    paper = out_file or Path(f"{stem}.answer")
    officer_papers.write(paper, answer)
    out(say("answer.made", path=paper))


def _find(who: str, officers: list[OnRoster]) -> OnRoster:
    """Raises usage.invalid."""
    found = [one for one in officers if one.name == who]
    found = found or [one for one in officers if len(who) >= 4 and one.id.hex().startswith(who.lower())]
    if len(found) != 1:
        raise error("usage.invalid", "Which officer? Give a name or id; see `chappe fleet officer list`.")
    return found[0]


def _file_name(text: str) -> str:
    """A name for a file, of letters and digits alone."""
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")[:40] or "chappe"
