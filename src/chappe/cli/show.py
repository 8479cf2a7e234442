"""How things look in a terminal. What others wrote never reaches it raw: a hostile name must not drive it."""

from __future__ import annotations

import json
import sys
import time
import unicodedata
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

from chappe.cli.words import say

if TYPE_CHECKING:
    from chappe.client import Conversation, Phone, ShownMessage
    from chappe.client.files import Progress

ID_DIGITS: Final = 8
_KEPT: Final = frozenset("\u200c\u200d")
"""Joiners: emoji and several scripts need them."""
_MAX_MARKS: Final = 4
"""On one letter; more of them run over the lines above."""
_UNITS: Final = {"s": 1, "m": 60, "h": 3600, "d": 24 * 3600}


def clean(text: str, *, lines: bool = False) -> str:
    """Text without control characters, escapes, changes of writing direction and floods of marks."""
    kept: list[str] = []
    marks = 0
    for c in text:
        category = unicodedata.category(c)
        if c not in _KEPT and not (lines and c == "\n") and category in ("Cc", "Cf", "Cs", "Zl", "Zp"):
            continue
        marks = marks + 1 if category.startswith("M") else 0
        if marks <= _MAX_MARKS:
            kept.append(c)
    return "".join(kept)


def out(text: str = "") -> None:
    """A line of what was asked for."""
    print(text, flush=True)


def note(text: str) -> None:
    """A line about what goes on, beside what was asked for."""
    print(text, file=sys.stderr, flush=True)


def as_json(value: dict[str, Any]) -> str:
    """One line, in ASCII: some of what others write would end a line, or drive a terminal."""
    return json.dumps(value, separators=(",", ":"))


def short(message_id: bytes) -> str:
    """The digits by which a person names a message. The first byte is the same for all."""
    return message_id.hex()[2 : 2 + ID_DIGITS]


def clock(at: int) -> str:
    then, now = time.localtime(at), time.localtime()
    return time.strftime("%H:%M" if then[:3] == now[:3] else "%Y-%m-%d %H:%M", then)


def size(count: int) -> str:
    """Bytes, for people."""
    amount = float(count)
    for unit in ("B", "kB", "MB", "GB"):
        if amount < 1000 or unit == "GB":
            break
        amount /= 1000
    return f"{amount:.0f} {unit}" if unit == "B" else f"{amount:.1f} {unit}"


def duration(seconds: int) -> str:
    for unit, length in reversed(_UNITS.items()):
        if seconds and seconds % length == 0:
            return f"{seconds // length}{unit}"
    return f"{seconds}s"


def parse_duration(text: str) -> int:
    """`30s`, `5m`, `2h`, `7d`, a number of seconds, or `off`. Raises usage.invalid."""
    from chappe.wire.errors import error

    word = text.strip().lower()
    if word in ("off", "0"):
        return 0
    number, unit = (word[:-1], word[-1]) if word[-1:] in _UNITS else (word, "s")
    if not (number.isascii() and number.isdigit()) or len(number) > 9:
        raise error("usage.invalid", "A time is like 30s, 5m, 2h, 7d, or off.")
    return int(number) * _UNITS[unit]


def message_text(message: ShownMessage) -> str:
    """What a message says."""
    if message.kind == "text":
        return clean(message.text, lines=True).replace("\n", "\n    ")
    if message.file is not None:
        return say("file", name=clean(message.file.name), size=size(message.file.size))
    if message.kind == "gap":
        return say("gap.one") if message.text == "1" else say("gap.more", count=message.text)
    if message.kind == "fork":
        return say(f"fork.{message.text}")
    return say(message.kind)


def message_line(message: ShownMessage) -> str:
    """One message, with the digits to name it by."""
    sender = clean(message.sender) or "?"
    marks = [say(message.state)] if message.mine else []
    marks += [say("edited")] if message.edited else []
    marks += [say("reply", id=short(message.reply_to))] if message.reply_to else []
    marks += [reactions(message)] if message.reactions else []
    tail = "".join(f" ({mark})" for mark in marks if mark)
    return f"{clock(message.at)} {short(message.id)} {sender}: {message_text(message)}{tail}"


def reactions(message: ShownMessage) -> str:
    return " ".join(f"{clean(emoji)} {clean(address)}" for emoji, address in message.reactions)


def message_dict(phone: Phone, message: ShownMessage) -> dict[str, Any]:
    """One message for programs: ids in hex, times in Unix seconds, texts as they came."""
    conversation = phone.conversation(message.conversation.hex()) if _is_shown(phone, message) else None
    file = message.file
    return {
        "id": message.id.hex(),
        "conversation": message.conversation.hex(),
        "conversation_name": conversation.name if conversation else None,
        "sender": message.sender,
        "mine": message.mine,
        "at": message.at,
        "kind": message.kind,
        "text": message.text,
        "edited": message.edited,
        "reply_to": message.reply_to.hex() if message.reply_to else None,
        "reactions": [{"emoji": emoji, "address": address} for emoji, address in message.reactions],
        "file": {"name": file.name, "size": file.size, "content_type": file.content_type} if file else None,
        "state": message.state,
        "expires_at": message.expires_at,
    }


def _is_shown(phone: Phone, message: ShownMessage) -> bool:
    return any(one.id == message.conversation for one in phone.conversations())


def conversation_line(conversation: Conversation) -> str:
    marks = [] if conversation.active else [say("left")]
    marks += [say("unread", count=conversation.unread)] if conversation.unread else []
    marks += [timer_words(conversation)] if conversation.timer_here else []
    tail = f"  ({', '.join(marks)})" if marks else ""
    people = f"  {len(conversation.members)} ☺" if conversation.kind == "group" else ""
    return f"{conversation.id.hex()[:ID_DIGITS]}  {clean(conversation.name)}{people}{tail}"


def timer_words(conversation: Conversation) -> str:
    """When its messages disappear here, and by whose word."""
    seconds = conversation.timer_here
    if not seconds:
        return say("timer.off")
    return say("timer.on" if seconds == conversation.timer else "timer.here", time=duration(seconds))


def conversation_dict(conversation: Conversation) -> dict[str, Any]:
    return {
        "id": conversation.id.hex(),
        "kind": conversation.kind,
        "name": conversation.name,
        "timer": conversation.timer,
        "timer_here": conversation.timer_here,
        "members": list(conversation.members),
        "active": conversation.active,
        "unread": conversation.unread,
        "last_at": conversation.last_at,
    }


def qr(text: str, *, colour: bool) -> str:
    """A QR code in half blocks. With colour it is black on white whatever the terminal's colours are."""
    import segno

    rows = [list(row) for row in segno.make(text, error="l", micro=False).matrix_iter(border=3)]
    if len(rows) % 2:
        rows.append([0] * len(rows[0]))
    lines = []
    for upper, lower in zip(rows[::2], rows[1::2], strict=True):
        if colour:
            cells = "".join(" ▄▀█"[2 * bool(a) + bool(b)] for a, b in zip(upper, lower, strict=True))
            lines.append(f"\x1b[30;47m{cells}\x1b[0m")
        else:
            # On a dark background: what is printed is light.
            lines.append("".join("█▀▄ "[2 * bool(a) + bool(b)] for a, b in zip(upper, lower, strict=True)))
    return "\n".join(lines)


def safety_number(digits: str) -> str:
    """Three rows of four groups."""
    groups = digits.split()
    return "\n".join("    " + "  ".join(groups[at : at + 4]) for at in range(0, 12, 4))


@contextmanager
def progress(what: str) -> Iterator[Progress | None]:
    """A bar on standard error, if a person is there to see it."""
    if not sys.stderr.isatty():
        yield None
        return
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, TextColumn, TimeRemainingColumn, TransferSpeedColumn
    from rich.progress import Progress as Bar

    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        DownloadColumn(),
        TransferSpeedColumn(),
        TimeRemainingColumn(),
    )
    with Bar(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(clean(what), total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)
