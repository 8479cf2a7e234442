"""What an attack is: a file in attacks/ with a class `Attack` of this one's kind; nothing else names it.

    class Attack(attack.Attack):
        name = "drop one"
        does = "One message is never handed on."

        def down(self, peer, frame): ...

It sees every frame and request that passes, may change, hold, drop and invent, and says `self.strike()` once
it has really done something. What becomes of it is judged by verdict.py, from what the people sent and what
their phones hold and show: an attack does not say how it ends.
"""

from __future__ import annotations

import importlib
import pkgutil
import random
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, ClassVar, TypeGuard

from bench.drill import attacks
from bench.drill.middleman import Middleman, Peer, Request, Response
from chappe.mls import ContentType, MLSError, peek
from chappe.wire import frames

if TYPE_CHECKING:
    from bench.drill.stage import Stage

Onward = Callable[[Request], Awaitable[Response]]


class Attack:
    """`name` and `does` are for people; `chance` is the run's, so that a seed gives the same attack again.

    `read`: texts that the attacker could read; each is a harm.
    """

    name: ClassVar[str] = "nothing"
    does: ClassVar[str] = "Passes everything on."

    shows: ClassVar[tuple[str, ...]] = ()
    """Keys of what people are shown, for docs/drill.md (table.py)."""
    page_names: ClassVar[frozenset[str]] = frozenset()
    """Whose phone is the page where the page is under attack; none: it is played with terminals alone."""
    picks: ClassVar[bool] = False
    """It strikes whom it likes: of the page's people where there are any."""
    needs_browser: ClassVar[bool] = False
    """It is aimed at the phone's page in Chromium."""
    grace: ClassVar[int] = 10
    """Seconds that the log has to show what has happened: as phones have it. Less where an attack has them
    wait for what never comes."""

    def __init__(self, chance: random.Random) -> None:
        self.chance = chance
        self.struck = False
        self.talking = False
        """People have begun to talk: what went by before was about the conversation itself."""
        self.read: list[str] = []
        self.man: Middleman
        self.stage: Stage

    def strike(self) -> None:
        """It has done what it is for."""
        self.struck = True

    def up(self, peer: Peer, frame: frames.FromDevice) -> Iterable[frames.FromDevice]:
        """What the relay is told in place of a phone's frame."""
        return (frame,)

    def down(self, peer: Peer, frame: frames.FromRelay) -> Iterable[frames.FromRelay]:
        """What a phone is told in place of the relay's frame."""
        return (frame,)

    async def http(self, request: Request, onward: Onward) -> Response:
        """What a phone is answered."""
        return await onward(request)

    async def scene(self, stage: Stage) -> None:
        """What the people do meanwhile: they talk, in twos or threes. One time in five an hour goes by."""
        await stage.talk()
        if type(self) is Attack and self.chance.random() < 0.2:
            await stage.silence(3601)
            await stage.silence(61)

    @classmethod
    @asynccontextmanager
    async def disarmed(cls) -> AsyncIterator[None]:
        """The control: phones without the checks that stop this attack, where they can be taken away."""
        yield


def carries_message(frame: frames.FromRelay) -> TypeGuard[frames.Deliver]:
    """An envelope with an application message: so much of MLS is in the clear. Which are texts and which
    receipts, nobody in the relay's place can tell."""
    return isinstance(frame, frames.Deliver) and _content(frame) is ContentType.APPLICATION


def carries_commit(frame: frames.FromRelay) -> TypeGuard[frames.Deliver]:
    return isinstance(frame, frames.Deliver) and _content(frame) is ContentType.COMMIT


def _content(frame: frames.Deliver) -> ContentType | None:
    try:
        return peek(frame.payload).content_type
    except MLSError:
        return None


def all_attacks(*, browser: bool = False) -> list[type[Attack]]:
    """Every file of attacks/, by name; with `browser` those, too, that are aimed at one."""
    found = [
        importlib.import_module(f"{attacks.__name__}.{module.name}").Attack
        for module in pkgutil.iter_modules(attacks.__path__)
    ]
    return sorted((one for one in found if browser or not one.needs_browser), key=lambda one: one.name)
