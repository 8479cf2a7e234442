"""`chappe conversation …`: what one does in and with conversations."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeAlias

import typer

from chappe.cli import show
from chappe.cli.common import SECONDS, Home, Json, find, find_message, reach, read_what_waits, with_phone
from chappe.cli.show import out
from chappe.cli.words import say

if TYPE_CHECKING:
    from chappe.client import Conversation, Phone, ShownMessage

app = typer.Typer(no_args_is_help=True, help="Conversations, their members and their messages.")

Which: TypeAlias = Annotated[str, typer.Argument(help="An address, a group's name, or an id.")]
Message: TypeAlias = Annotated[str, typer.Argument(help="The first digits of a message's id.")]


def change(which: str, home: Path | None, work: Callable[[Phone, Conversation], Awaitable[object]]) -> None:
    """Do something with a conversation and wait until the relay has it; then show how it is."""

    async def run(phone: Phone) -> None:
        conversation = await find(phone, which)
        await work(phone, conversation)
        await phone.settled(SECONDS)
        out(show.conversation_line(phone.conversation(conversation.id.hex())))

    with_phone(home, run)


def touch(message: str, home: Path | None, work: Callable[[Phone, ShownMessage], Awaitable[object]]) -> None:
    """Do something with a message; then show how it is."""

    async def run(phone: Phone) -> None:
        shown = await find_message(phone, message)
        await work(phone, shown)
        await phone.settled(SECONDS)
        out(show.message_line(phone.message(shown.id.hex())))

    with_phone(home, run)


@app.command("list")
def list_all(json: Json = False, home: Home = None) -> None:
    """All conversations, the latest first."""

    async def work(phone: Phone) -> None:
        await read_what_waits(phone)
        conversations = phone.conversations()
        for one in conversations:
            out(show.as_json(show.conversation_dict(one)) if json else show.conversation_line(one))
        if not conversations and not json:
            out(say("nobody"))

    with_phone(home, work)


@app.command("show")
def show_one(
    which: Which,
    last: Annotated[int, typer.Option(min=1, help="How many messages.")] = 50,
    json: Json = False,
    home: Home = None,
) -> None:
    """Its members and last messages."""

    async def work(phone: Phone) -> None:
        await read_what_waits(phone)
        conversation = phone.conversation(which)
        if json:
            out(show.as_json(show.conversation_dict(conversation)))
        else:
            out(show.conversation_line(conversation))
            out("  " + ", ".join(show.clean(address) for address in conversation.members))
        for message in phone.messages(conversation.id, last):
            out(show.as_json(show.message_dict(phone, message)) if json else show.message_line(message))

    with_phone(home, work)


@app.command("new")
def new(
    name: Annotated[str, typer.Argument(help="The group's name.")],
    addresses: Annotated[list[str], typer.Argument(help="Who is in it.")],
    home: Home = None,
) -> None:
    """A new group."""

    async def work(phone: Phone) -> None:
        group = await phone.create_group(name, addresses)
        await phone.settled(SECONDS)
        out(show.conversation_line(phone.conversation(group.id.hex())))

    with_phone(home, work)


@app.command("add")
def add(which: Which, address: str, home: Home = None) -> None:
    """Let a line in."""
    change(which, home, lambda phone, it: phone.add(it.id, address))


@app.command("remove")
def remove(which: Which, address: str, home: Home = None) -> None:
    """Put a line out: it can open nothing sent after."""
    change(which, home, lambda phone, it: phone.remove(it.id, address))


@app.command("leave")
def leave(which: Which, home: Home = None) -> None:
    """Leave it, with all of this line's devices."""
    change(which, home, lambda phone, it: phone.leave(it.id))


@app.command("rename")
def rename(which: Which, name: str, home: Home = None) -> None:
    """Give a group another name."""
    change(which, home, lambda phone, it: phone.rename(it.id, name))


@app.command("timer")
def timer(
    which: Which,
    time: Annotated[str, typer.Argument(help="30s, 5m, 2h, 7d, or off.")],
    home: Home = None,
) -> None:
    """Messages written from then on disappear so long after they were read."""
    seconds = show.parse_duration(time)
    change(which, home, lambda phone, it: phone.set_timer(it.id, seconds))


@app.command("read")
def read(which: Which, home: Home = None) -> None:
    """Mark all as read, and tell the others."""

    async def work(phone: Phone) -> None:
        await phone.settled(SECONDS)
        conversation = await find(phone, which)
        await phone.mark_read(conversation.id)
        await phone.settled(SECONDS)

    with_phone(home, work)


@app.command("react")
def react(message: Message, emoji: str, home: Home = None) -> None:
    """React to a message."""
    touch(message, home, lambda phone, it: phone.react(it.conversation, it.id, emoji))


@app.command("unreact")
def unreact(message: Message, emoji: str, home: Home = None) -> None:
    """Take a reaction back."""
    touch(message, home, lambda phone, it: phone.unreact(it.conversation, it.id, emoji))


@app.command("edit")
def edit(message: Message, text: str, home: Home = None) -> None:
    """Change a text of yours."""
    touch(message, home, lambda phone, it: phone.edit(it.conversation, it.id, text))


@app.command("delete")
def delete(message: Message, home: Home = None) -> None:
    """Take a message of yours back, for everybody."""
    touch(message, home, lambda phone, it: phone.delete(it.conversation, it.id))


@app.command("save")
def save(
    message: Message,
    to: Annotated[Path, typer.Argument(help="A folder, or a new file's path.")] = Path(),
    home: Home = None,
) -> None:
    """Save a message's file."""

    async def work(phone: Phone) -> None:
        await reach(phone)
        found = await find_message(phone, message)
        name = found.file.name if found.file else ""
        with show.progress(say("fetching", name=name)) as progress:
            out(str(await phone.save_file(found.id, to, progress)))

    with_phone(home, work)
