"""The phone's everyday commands: activate, send, receive, verify, devices."""

from __future__ import annotations

import asyncio
import re
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from chappe.cli import show
from chappe.cli.common import SECONDS, Home, Json, find, find_message, home_of, with_phone
from chappe.cli.officers import OfficerFile, PassphraseFile, ReasonText, Yes
from chappe.cli.show import note, out
from chappe.cli.words import say

if TYPE_CHECKING:
    from chappe.client import Contact, Phone, ShownMessage
    from chappe.wire.errors import ChappeError
    from chappe.wire.links import RelayPlace

devices_app = typer.Typer(invoke_without_command=True, help="This line's devices.")

Relay = Annotated[
    str | None, typer.Option("--relay", help="HOST:PORT, where the code is no link.", show_default=False)
]
Pin = Annotated[str | None, typer.Option("--pin", help="The relay's pin, if its certificate is self-made.")]


def _place(relay: str | None, pin: str | None) -> RelayPlace:
    from chappe.wire.errors import error
    from chappe.wire.links import parse_place

    if relay is None:
        raise error("usage.invalid", "Say which relay: --relay HOST:PORT, or give the whole link.")
    return parse_place(relay, pin)


def activate(
    code: Annotated[str, typer.Argument(help="An activation link or code.")],
    name: Annotated[str, typer.Option("--name", help="The line's address, name@host, or its name.")],
    relay: Relay = None,
    pin: Pin = None,
    home: Home = None,
) -> None:
    """Make a new line with this device, from an activation code."""
    from chappe.wire.errors import error
    from chappe.wire.links import ActivationLink, parse

    if code.strip().lower().startswith("chappe:"):
        link = parse(code)
        if not isinstance(link, ActivationLink):
            raise error("link.malformed", "That link is a new device's; see `chappe devices add`.")
        place, code, fleet_key = link.place, link.code, link.fleet_key
    else:
        place, fleet_key = _place(relay, pin), b""

    async def work() -> None:
        from chappe.client import Phone, relay_name

        address = name if "@" in name else f"{name}@{await relay_name(place)}"
        async with await Phone.activate(home_of(home), place, code, address, fleet_key) as phone:
            await phone.settled(SECONDS)
            out(say("activated", address=phone.address))

    asyncio.run(work())


def send(
    to: Annotated[str, typer.Argument(help="An address, a group's name, or a conversation's id.")],
    text: Annotated[str | None, typer.Argument(help="The message; - reads it from standard input.")] = None,
    file: Annotated[list[Path] | None, typer.Option("--file", help="A file to send.")] = None,
    reply_to: Annotated[str | None, typer.Option("--reply-to", help="The message that is answered.")] = None,
    json: Json = False,
    home: Home = None,
) -> None:
    """Send a text, files, or both, and wait until the relay has them."""
    from chappe.wire.errors import error

    if text is None and not file:
        raise error("usage.invalid", "Nothing to send: give a text, or --file PATH.")
    if text == "-":
        text = sys.stdin.read().rstrip("\n")

    async def work(phone: Phone) -> None:
        conversation = await find(phone, to, begin=True)
        target = (await find_message(phone, reply_to)).id if reply_to else None
        sent = [await phone.send_text(conversation.id, text, reply_to=target)] if text is not None else []
        for path in file or []:
            with show.progress(say("sending", name=path.name)) as progress:
                sent.append(await phone.send_file(conversation.id, path, progress))
        await phone.settled(SECONDS)
        for id_ in sent:
            message = phone.message(id_.hex())
            if message.state == "failed":
                raise error("conversation.left", "The message could not be sent.")
            out(
                show.as_json(show.message_dict(phone, message))
                if json
                else f"{show.short(id_)} {say(message.state)}"
            )

    with_phone(home, work)


def receive(
    json: Json = False,
    follow: Annotated[bool, typer.Option("--follow", help="Go on until Ctrl-C.")] = False,
    wait: Annotated[float, typer.Option(help="Seconds to wait for a first message.")] = 0.0,
    save_to: Annotated[Path | None, typer.Option("--save-to", help="Save files into this folder.")] = None,
    home: Home = None,
) -> None:
    """Show each message that has not been shown, once."""
    from chappe.wire.errors import error

    if save_to is not None and not save_to.is_dir():
        raise error("file.unreadable", "--save-to is not a folder.")
    with_phone(home, lambda phone: _receive(phone, json, follow, wait, save_to), open_ended=follow)


async def _receive(phone: Phone, json: bool, follow: bool, wait: float, save_to: Path | None) -> None:
    from chappe.wire.errors import ChappeError

    problem: ChappeError | None = None
    try:
        await phone.settled(SECONDS)
    except ChappeError as found:
        # What is here already is shown all the same.
        problem = found
    shown = await _show_unseen(phone, json, save_to)
    deadline = time.monotonic() + wait
    while follow or (not shown and time.monotonic() < deadline):
        await asyncio.sleep(0.1)
        shown = await _show_unseen(phone, json, save_to) or shown
        problem = None if phone.online else problem
    await phone.settled(SECONDS) if problem is None else None
    if problem is not None:
        raise problem


async def _show_unseen(phone: Phone, json: bool, save_to: Path | None) -> bool:
    """Print, flush, then mark: a kill in between repeats a message, and never loses one."""
    unseen = phone.unseen()
    for row, message in unseen:
        path, problem = await _save(phone, message, save_to) if save_to and message.file else (None, None)
        if json:
            value = show.message_dict(phone, message)
            if path is not None:
                value["file"]["path"] = str(path)
            if problem is not None:
                value["file"]["error"] = problem.code
            out(show.as_json(value))
        else:
            out(show.message_line(message) + (f" ({say('saved', path=path)})" if path else ""))
        phone.mark_seen(row)
    return bool(unseen)


async def _save(
    phone: Phone, message: ShownMessage, folder: Path
) -> tuple[Path, None] | tuple[None, ChappeError]:
    """Where the file is; or what is wrong with it, said beside: one bad file holds nothing back."""
    from chappe.wire.errors import ChappeError

    assert message.file is not None
    try:
        with show.progress(say("fetching", name=message.file.name)) as progress:
            return await phone.save_file(message.id, folder, progress), None
    except ChappeError as problem:
        if not problem.code.startswith("attachment."):
            raise
        note(f"! {show.short(message.id)}: {problem}")
        return None, problem


def verify(
    address: str,
    yes: Annotated[bool, typer.Option("--yes", help="They were compared, and are the same.")] = False,
    accept: Annotated[bool, typer.Option("--accept", help="Take the changed identity.")] = False,
    number: Annotated[
        str | None, typer.Option("--number", help="The digits that were seen: none other is taken.")
    ] = None,
    home: Home = None,
) -> None:
    """Show the safety number with a line, and mark it as compared."""

    async def work(phone: Phone) -> None:
        contact = await phone.contact(address)
        digits = await phone.safety_number(contact)
        _check_seen(contact, digits, number, takes=accept or yes)
        if contact.changed:
            note(say("verify.changed", address=contact.address))
        out(say("verify.explain", address=contact.address))
        out()
        out(show.safety_number(digits))
        if sys.stdout.isatty():
            out(show.qr(digits.replace(" ", ""), colour=True))
        out()
        if accept and contact.changed and _agreed("verify.accept", number is not None):
            phone.accept_identity(contact.address, contact.identity)
        if (accept or not contact.changed) and _agreed("verify.ask", yes):
            phone.mark_verified(contact.address, contact.identity)
        contact = await phone.contact(address)
        marked = contact.verified and not contact.changed
        out(say("verify.marked", address=contact.address) if marked else say("verify.not"))

    with_phone(home, work)


def _check_seen(contact: Contact, digits: str, number: str | None, *, takes: bool) -> None:
    """Nothing is taken that nobody saw. Raises identity.changed, usage.invalid."""
    from chappe.wire.errors import error

    if number is not None and re.sub(r"\D", "", number) != re.sub(r"\D", "", digits):
        raise error("identity.changed", "Those are not the digits with this line now; nothing was taken.")
    if contact.changed and takes and number is None and not sys.stdin.isatty():
        raise error(
            "usage.invalid",
            "The identity changed: give --accept and --number with the digits that you compared.",
        )


def _agreed(question: str, already: bool) -> bool:
    return already or (sys.stdin.isatty() and typer.confirm(say(question), default=False))


@devices_app.callback()
def devices(context: typer.Context, home: Home = None) -> None:
    """List this line's devices."""
    if context.invoked_subcommand is None:
        list_devices(home=home)


@devices_app.command("list")
def list_devices(json: Json = False, home: Home = None) -> None:
    """This line's devices."""

    async def work(phone: Phone) -> None:
        for device in await phone.devices():
            since = time.strftime("%Y-%m-%d", time.localtime(device.issued_at))
            if json:
                out(
                    show.as_json(
                        {
                            "device": device.device_id.hex(),
                            "issued_at": device.issued_at,
                            "this": device.this,
                        }
                    )
                )
            else:
                mark = f"  {say('device.this')}" if device.this else ""
                out(f"{device.device_id.hex()[:8]}  {say('device.since', date=since)}{mark}")

    with_phone(home, work)


@devices_app.command("link")
def link_device(relay: Relay = None, pin: Pin = None, home: Home = None) -> None:
    """On the new device: show a link, and wait for another device of the line to take it."""
    place = _place(relay, pin)

    def display(link: str) -> None:
        out(say("link.show"))
        out(f"  chappe devices add '{link}'")
        if sys.stdout.isatty():
            out(show.qr(link, colour=True))

    async def work() -> None:
        from chappe.client import Phone

        async with await Phone.link(home_of(home), place, display) as phone:
            await phone.settled(SECONDS)
            # The other device lets this one in once its key packages are there.
            for _ in range(int(SECONDS * 10)):
                if phone.conversations():
                    break
                await asyncio.sleep(0.1)
            out(say("linked", address=phone.address))

    asyncio.run(work())


@devices_app.command("add")
def add_device(
    link: Annotated[str, typer.Argument(help="The link that the new device shows.")], home: Home = None
) -> None:
    """On a device of the line: let a new one in."""

    async def work(phone: Phone) -> None:
        await phone.add_device(link)
        out(say("link.done"))

    with_phone(home, work)


@devices_app.command("lock")
def lock_device(
    targets: Annotated[list[str], typer.Argument(metavar="DEVICE…", help="First digits of its id.")],
    reason: ReasonText,
    yes: Yes = False,
    home: Home = None,
) -> None:
    """Lock another device of this line when it is online; its PIN opens it again."""
    from chappe.cli.fleet_commands import check_reason
    from chappe.cli.owner_orders import end_own

    check_reason(reason)
    end_own("lock", targets, reason, yes=yes, home=home)


@devices_app.command("refuse")
def refuse_phone(
    order: Annotated[
        str | None,
        typer.Argument(metavar="ORDER", help="Its first digits; none: show them.", show_default=False),
    ] = None,
    home: Home = None,
) -> None:
    """New phones that officers are letting into this line: show them, or refuse one."""
    from chappe.cli.enrol_commands import one_of
    from chappe.wire.recovery import digits

    async def work(phone: Phone) -> None:
        await phone.wait_online(SECONDS)
        coming = {read.order.id: read for read in await phone.coming_phones()}
        if order is not None:
            await phone.refuse_phone(one_of(order, list(coming)))
            out(say("enrol.refused"))
            return
        for id_, read in coming.items():
            out(f"{id_.hex()[:8]}  {digits(read.order.certificate)}")
        note(say("enrol.coming", count=len(coming)))

    with_phone(home, work)


@devices_app.command("revoke")
def revoke_device(
    targets: Annotated[list[str], typer.Argument(metavar="DEVICE…", help="First digits of its id.")],
    reason: ReasonText,
    yes: Yes = False,
    officer: OfficerFile = None,
    passphrase_file: PassphraseFile = None,
    home: Home = None,
) -> None:
    """Sign a device out for good; what it holds it keeps. By the line's owner, or an officer."""
    from chappe.cli.erase_commands import end

    end("revoke", targets, reason, yes=yes, officer=officer, passphrase_file=passphrase_file, home=home)
