"""`chappe chat`: a conversation line by line, in a terminal or through pipes."""

from __future__ import annotations

import asyncio
import contextlib
import os
import shlex
import sys
import threading
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from chappe.cli import show
from chappe.cli.common import SECONDS, Home, expand, find, home_of, with_phone
from chappe.cli.locking import used
from chappe.cli.log_commands import alarm_text
from chappe.cli.show import out
from chappe.cli.term_words import state
from chappe.cli.words import say

if TYPE_CHECKING:
    from chappe.client import Conversation, Phone


def chat(
    to: Annotated[str | None, typer.Argument(help="An address, a group's name, or an id.")] = None,
    home: Home = None,
) -> None:
    """Talk: what you write is sent, what comes is shown."""
    place = home_of(home)
    with_phone(home, lambda phone: Chat(phone, lambda: used(place)).run(to), open_ended=True)


class _Quit(Exception):
    """The person has finished."""


class Chat:
    """One session. `_here`: where what is written goes; `used` is told of each line that is written."""

    def __init__(self, phone: Phone, used: Callable[[], None] = lambda: None) -> None:
        self._phone = phone
        self._used = used
        self._here: bytes | None = None
        self._typing: dict[tuple[bytes, str], int] = {}
        self._commands: dict[str, Callable[[str], Awaitable[None]]] = {
            "to": self._go,
            "list": self._list,
            "history": self._history,
            "reply": self._reply,
            "react": self._react,
            "edit": self._edit,
            "delete": self._delete,
            "file": self._file,
            "save": self._save,
            "group": self._group,
            "members": self._members,
            "add": self._add,
            "remove": self._remove,
            "leave": self._leave,
            "timer": self._timer,
            "verify": self._verify,
            "help": self._help,
            "quit": self._quit,
        }

    async def run(self, to: str | None) -> None:
        from chappe.wire.errors import ChappeError

        events = self._phone.events()
        out(say("chat.hello", address=self._phone.address))
        with _beside_the_prompt():
            watching = asyncio.create_task(self._watch(events))
            try:
                if to is not None:
                    await self._go(to)
                for row, message in self._phone.unseen():
                    out(show.message_line(message))
                    self._phone.mark_seen(row)
                async for line in _lines(self._who_types):
                    self._used()
                    try:
                        await self._take(line)
                    except ChappeError as problem:
                        out(f"! {problem}")
            except _Quit:
                pass
            finally:
                watching.cancel()
        # A person who quits while the relay is away does not wait for it; a script does.
        if self._phone.online or not sys.stdin.isatty():
            await self._phone.settled(SECONDS)

    async def _take(self, line: str) -> None:
        if not line.strip():
            return
        if not line.startswith("/") or line.startswith("//"):
            await self._phone.send_text(self._where(), line.removeprefix("/") if line[:2] == "//" else line)
            return
        name, _, rest = line[1:].partition(" ")
        if name not in self._commands:
            out(say("chat.unknown"))
            return
        await self._commands[name](rest.strip())

    def _where(self) -> bytes:
        from chappe.wire.errors import error

        if self._here is None:
            raise error("conversation.unknown", say("chat.nowhere"))
        return self._here

    # --- what comes

    async def _watch(self, events: AsyncIterator[Any]) -> None:
        async for event in events:
            for line in self._told(event):
                out(line)

    def _who_types(self) -> str:
        """Beside the prompt, and for a moment only: it is no line of the conversation."""
        now = time.time()
        who = [
            address for (where, address), until in self._typing.items() if where == self._here and now < until
        ]
        return say("chat.typing", who=", ".join(map(show.clean, who))) if who else ""

    def _told(self, event: Any) -> list[str]:
        from chappe.client import events as e

        if isinstance(event, e.Typing):
            self._typing[event.conversation, event.address] = event.until
            return []
        if isinstance(event, e.MessageReceived):
            self._typing.pop((event.message.conversation, event.message.sender), None)
            for row, message in self._phone.unseen():
                if message.id == event.message.id:
                    self._phone.mark_seen(row)
            asyncio.get_running_loop().create_task(self._phone.mark_read(event.message.conversation))
            return [f"{self._place(event.message.conversation)}{show.message_line(event.message)}"]
        if isinstance(event, e.MessageChanged) and event.message.reactions:
            message = event.message
            return [say("chat.reacted", id=show.short(message.id), reactions=show.reactions(message))]
        if isinstance(event, e.MessageChanged) and (
            event.message.edited or event.message.kind in ("deleted", "gap")
        ):
            return [show.message_line(event.message)]
        if isinstance(event, e.ReceiptReceived):
            return [f"  {show.short(event.message)} {say(event.status)}: {show.clean(event.address)}"]
        return self._told_of_the_rest(event)

    def _told_of_the_rest(self, event: Any) -> list[str]:
        from chappe.client import events as e
        from chappe.client.connection import FATAL
        from chappe.wire.errors import error

        if isinstance(event, e.MessageSent):
            return [f"  {show.short(event.message)} {say('sent')}"]
        if isinstance(event, e.ConversationChanged):
            return [self._change(event.conversation, event.what, event.address)]
        if isinstance(event, e.OrderRefused):
            return [f"! {say('chat.order.refused')} {error(event.code)}"]
        if isinstance(event, e.OrderObeyed):
            return [f"! {say(f'chat.order.{event.kind}', reason=show.clean(event.reason))}"]
        if isinstance(event, e.LogAlarm):
            return [f"! {alarm_text(event)} [{event.code}]"]
        if isinstance(event, e.LogSettled):
            return [say("log.settled.event", address=show.clean(event.address))]
        if isinstance(event, e.IdentityChanged):
            return [f"! {say('verify.changed', address=show.clean(event.address))}"]
        if isinstance(event, e.Failed):
            return [f"! {event.message} [{event.code}]"]
        if isinstance(event, e.TermChanged):
            return self._term()
        if isinstance(event, e.Online):
            return [say("chat.online")]
        if isinstance(event, e.Offline):
            # What does not pass by itself is said as what it is.
            return [f"! {error(event.code)}" if event.code in FATAL else say("chat.offline")]
        return []

    def _change(self, conversation: Conversation, what: str, address: str) -> str:
        name = show.clean(conversation.name)
        if what == "removed_by_order":
            return say("chat.ordered", address=show.clean(address), name=name)
        if what == "joined":
            return say("chat.joined", name=name)
        if what == "left":
            return say("chat.left", name=name)
        if what == "members":
            return say("chat.members", members=", ".join(map(show.clean, conversation.members)))
        return say("chat.changed", name=name, timer=show.timer_words(conversation))

    def _term(self) -> list[str]:
        term = self._phone.term
        if term is None:
            return []
        key, inside = state(term, int(time.time()))
        return [say(key, **inside)]

    def _place(self, conversation: bytes) -> str:
        """Which conversation a message is of, where that is not this one or a direct one."""
        if conversation == self._here:
            return ""
        try:
            found = next(one for one in self._phone.conversations() if one.id == conversation)
        except StopIteration:
            return ""
        return f"[{show.clean(found.name)}] " if found.kind == "group" else ""

    # --- commands

    async def _go(self, rest: str) -> None:
        conversation = await find(self._phone, rest, begin=True)
        self._here = conversation.id
        out(say("chat.to", name=show.clean(conversation.name)))

    async def _list(self, _: str) -> None:
        for conversation in self._phone.conversations():
            out(show.conversation_line(conversation))

    async def _history(self, _: str) -> None:
        for message in self._phone.messages(self._where(), 30):
            out(show.message_line(message))

    async def _reply(self, rest: str) -> None:
        target, _, text = rest.partition(" ")
        message = self._phone.message(target)
        await self._phone.send_text(message.conversation, text, reply_to=message.id)

    async def _react(self, rest: str) -> None:
        target, _, emoji = rest.partition(" ")
        message = self._phone.message(target)
        await self._phone.react(message.conversation, message.id, emoji.strip())

    async def _edit(self, rest: str) -> None:
        target, _, text = rest.partition(" ")
        message = self._phone.message(target)
        await self._phone.edit(message.conversation, message.id, text)

    async def _delete(self, rest: str) -> None:
        message = self._phone.message(rest)
        await self._phone.delete(message.conversation, message.id)

    async def _file(self, rest: str) -> None:
        path = expand(Path(_words(rest)[0]))
        await self._phone.send_file(self._where(), path)

    async def _save(self, rest: str) -> None:
        target, *folder = _words(rest)
        where = expand(Path(folder[0])) if folder else Path()
        found = await self._phone.save_file(self._phone.message(target).id, where)
        out(say("saved", path=found))

    async def _group(self, rest: str) -> None:
        name, *addresses = _words(rest)
        group = await self._phone.create_group(name, addresses)
        await self._go(group.id.hex())

    async def _members(self, _: str) -> None:
        members = self._phone.conversation(self._where().hex()).members
        out(say("chat.members", members=", ".join(map(show.clean, members))))

    async def _add(self, rest: str) -> None:
        await self._phone.add(self._where(), rest)

    async def _remove(self, rest: str) -> None:
        await self._phone.remove(self._where(), rest)

    async def _leave(self, _: str) -> None:
        await self._phone.leave(self._where())
        self._here = None

    async def _timer(self, rest: str) -> None:
        await self._phone.set_timer(self._where(), show.parse_duration(rest or "off"))

    async def _verify(self, rest: str) -> None:
        contact = await self._phone.contact(rest)
        if contact.changed:
            out(say("verify.changed", address=contact.address))
        out(say("verify.explain", address=contact.address))
        out(show.safety_number(await self._phone.safety_number(contact)))

    async def _help(self, _: str) -> None:
        out(say("chat.help"))

    async def _quit(self, _: str) -> None:
        raise _Quit


def _words(rest: str) -> list[str]:
    """As a shell would split them. Raises usage.invalid."""
    from chappe.wire.errors import error

    try:
        found = shlex.split(rest)
    except ValueError:
        found = []
    if not found:
        raise error("usage.invalid", say("chat.unknown"))
    return found


def _beside_the_prompt() -> AbstractContextManager[Any]:
    if not sys.stdin.isatty():
        return nullcontext()
    from prompt_toolkit.patch_stdout import patch_stdout

    return patch_stdout()


async def _lines(beside: Callable[[], str]) -> AsyncIterator[str]:
    """What is typed, or what comes through the pipe, until its end."""
    if not sys.stdin.isatty():
        async for line in _Pipe().lines():
            yield line
        return
    from prompt_toolkit import PromptSession

    session: PromptSession[str] = PromptSession()
    while True:
        try:
            yield await session.prompt_async("> ", rprompt=beside, refresh_interval=1)
        except EOFError:
            return


class _Pipe:
    """Standard input, read by a thread that nobody waits for: a locked chat ends, though no line comes.

    Not through `sys.stdin`, whose lock would hold up the program's end.
    """

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._lines: asyncio.Queue[bytes | None] = asyncio.Queue()
        self._room = threading.Semaphore(1000)
        threading.Thread(target=self._read, daemon=True).start()

    async def lines(self) -> AsyncIterator[str]:
        while (line := await self._lines.get()) is not None:
            self._room.release()
            yield line.decode(sys.stdin.encoding, sys.stdin.errors or "strict").removesuffix("\r")

    def _read(self) -> None:
        rest = b""
        with contextlib.suppress(RuntimeError):  # the loop is closed: nobody reads any more
            with contextlib.suppress(OSError):
                while piece := os.read(sys.stdin.fileno(), 65536):
                    *whole, rest = (rest + piece).split(b"\n")
                    for line in whole:
                        self._put(line)
            if rest:
                self._put(rest)
            self._put(None)

    def _put(self, line: bytes | None) -> None:
        self._room.acquire()
        self._loop.call_soon_threadsafe(self._lines.put_nowait, line)
