"""`chappe renew`, and the reminder after other commands."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Annotated

import typer

from chappe.cli.common import Home, with_phone
from chappe.cli.show import note, out
from chappe.cli.term_words import state
from chappe.cli.words import say

if TYPE_CHECKING:
    from chappe.client import Phone


def renew(
    code: Annotated[
        str | None, typer.Argument(help="A renewal code or link; without one, the term is shown.")
    ] = None,
    home: Home = None,
) -> None:
    """Renew this line's term, or show until when it is paid."""

    async def work(phone: Phone) -> None:
        if code is not None:
            renewed = await phone.renew(_code_of(code))
            out(say("term.renewed", day=renewed.last_day.isoformat()))
            return
        term = phone.term
        key, inside = ("term.none", {}) if term is None else state(term, int(time.time()))
        out(say(key, **inside))

    with_phone(home, work, reminds=False)


def remind(phone: Phone) -> None:
    """A line on standard error where the term is about to end, or is over."""
    term = phone.term
    if term is None:
        return
    key, inside = state(term, int(time.time()))
    if key != "term.until":
        note(say(key, **inside))


def _code_of(text: str) -> str:
    """As typed, or out of a link as it was sold. Raises link.malformed."""
    from chappe.wire.errors import error
    from chappe.wire.links import ActivationLink, parse

    if not text.strip().lower().startswith("chappe:"):
        return text
    link = parse(text)
    if not isinstance(link, ActivationLink):
        raise error("link.malformed", "That link is a new device's; a renewal takes a code.")
    return link.code
