"""`chappe unlock`, `chappe lock`, and what every command does on a profile with a PIN."""

from __future__ import annotations

import asyncio
import contextlib
import getpass
import sys
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final, TypeVar

import typer

from chappe.cli import show
from chappe.cli.common import Home, home_of
from chappe.cli.show import note, out
from chappe.cli.words import say
from chappe.wire.errors import ChappeError, error

if TYPE_CHECKING:
    from chappe.client import Phone, Policy
    from chappe.client.locking import Unlocked

T = TypeVar("T")
LOOK_SECONDS: Final = 0.5
"""How often a running command looks whether the profile was locked elsewhere."""
RELEASE_SECONDS: Final = 15.0
MAX_PIN_FILE: Final = 4096
_SHARE_IS_LOST: Final = ("unlock.unknown_device", "vault.destroyed")

PinFile = Annotated[
    Path | None,
    typer.Option("--pin-file", help="A file with the PIN, - for standard input.", show_default=False),
]


# --- for every command


async def open_phone(home: Path) -> Phone:
    """As it lies there, or with the session's key. Raises vault.locked, storage.*."""
    from chappe.client import Phone
    from chappe.vault import files, session
    from chappe.wire.wiping import wipe

    found = session.use(home) if files.has_pin(home) else None
    if found is None:
        return await Phone.open(home)
    try:
        return await Phone.open(home, found.key)
    finally:
        wipe(found.key)


async def watched(
    phone: Phone, home: Path, work: Callable[[Phone], Awaitable[T]], *, open_ended: bool = False
) -> T:
    """Do the work; when the profile is locked meanwhile, stop it, lock the phone, raise vault.locked; when an
    order locks or erases it, raise that.

    Work is use of the profile while it goes on, but where it is `open_ended` and says itself when it was
    used (`used`).
    """
    working = asyncio.ensure_future(work(phone))
    ending = asyncio.create_task(phone.until_ended())
    watching = ending
    if phone.has_pin:
        watching = asyncio.create_task(_until_locked(home, touch=not open_ended))
    try:
        await asyncio.wait({working, watching, ending}, return_when=asyncio.FIRST_COMPLETED)
        if working.done() and phone.ended is None:
            return working.result()
    finally:
        tasks = {working, watching, ending}
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    await phone.lock()
    if phone.ended is not None:
        raise phone.ended
    raise error("vault.locked", "The profile was locked; run `chappe unlock` to go on.")


async def _until_locked(home: Path, *, touch: bool) -> None:
    from chappe.vault import keeping, offline, session

    looked = time.monotonic()
    while session.alive(home):
        if touch:
            session.touch(home)
        if time.monotonic() - looked > offline.STEP:
            looked = time.monotonic()
            with contextlib.suppress(ChappeError):
                keeping.look_offline(home, offline.Clock.now())
        await asyncio.sleep(LOOK_SECONDS)


def used(home: Path) -> None:
    """A person did something."""
    from chappe.vault import session

    session.touch(home)


# --- unlock


def unlock(pin_file: PinFile = None, home: Home = None) -> None:
    """Open a profile that has a PIN, until `chappe lock` or some time without use."""
    from chappe.vault import session

    place = home_of(home)
    _check_has_pin(place)
    if session.alive(place):
        session.touch(place)
        out(say("unlock.already"))
        return
    # Better said before a try is used.
    session.check_place()
    unlocked = asyncio.run(_unlocked(place, read_secret(pin_file, "pin.ask")))
    try:
        session.keep(place, unlocked.key, unlocked.device, unlocked.policy.idle_seconds)
    finally:
        unlocked.wipe()
    out(say("unlocked", time=show.duration(unlocked.policy.idle_seconds)))
    if unlocked.until is not None:
        out(say("unlocked.offline", until=show.clock(unlocked.until)))


def _check_has_pin(place: Path) -> None:
    """Raises storage.missing, device.erased, vault.no_pin."""
    from chappe.vault import files, profile

    profile.check_there(place)
    if not files.has_pin(place):
        raise error("vault.no_pin")


async def _unlocked(place: Path, pin: str) -> Unlocked:
    from chappe.client import locking

    return await locking.unlock(place, pin, _tell)


def _tell(stage: str) -> None:
    """What goes on, to a person who waits."""
    if sys.stderr.isatty():
        note(say(f"stage.{stage}"))


# --- lock


def lock(
    change_pin: Annotated[bool, typer.Option("--change-pin", help="Take another PIN.")] = False,
    pin_file: PinFile = None,
    new_pin_file: Annotated[
        Path | None, typer.Option("--new-pin-file", help="With --change-pin: a file with the new one.")
    ] = None,
    offline_hours: Annotated[
        int | None, typer.Option(min=0, max=72, help="Hours in which it opens without the relay.")
    ] = None,
    idle: Annotated[
        str | None, typer.Option(help="Time without use after which it locks, such as 15m.")
    ] = None,
    home: Home = None,
) -> None:
    """Lock the profile now; set its PIN first if it has none."""
    from chappe.vault import files, profile

    place = home_of(home)
    profile.check_there(place)
    idle_seconds = None if idle is None else show.parse_duration(idle)
    policy = _Wish(offline_hours, idle_seconds)
    if not files.has_pin(place):
        asyncio.run(_set_first(place, _reader(pin_file), policy))
        out(say("lock.set"))
    elif change_pin:
        old = read_secret(pin_file, "pin.ask.old")
        asyncio.run(_change(place, old, _reader(new_pin_file), policy))
        out(say("lock.changed"))
    else:
        _close(place, policy)
    out(say("locked"))


class _Wish:
    """What of the policy was asked for."""

    def __init__(self, hours: int | None, idle: int | None) -> None:
        from chappe.vault import files

        if idle is not None and not files.MIN_IDLE <= idle <= files.MAX_IDLE:
            raise error("usage.invalid", "--idle is between 10 seconds and 24 hours.")
        self._hours, self._idle = hours, idle

    def on(self, policy: Policy) -> Policy:
        from chappe.client import Policy

        return Policy(
            policy.offline_hours if self._hours is None else self._hours,
            policy.idle_seconds if self._idle is None else self._idle,
        )


def _close(place: Path, wish: _Wish) -> None:
    """End the session, wait until whoever has the profile open has closed it, and keep what was asked for.

    The policy changes without the PIN, and only here: with the next unlock it takes the PIN to profit."""
    from chappe.client.locking import policy_of
    from chappe.vault import keeping, profile, session

    session.destroy(place)
    _await_release(place)
    wanted = wish.on(policy_of(place))
    if wanted != policy_of(place):
        with profile.held(place):
            keeping.set_policy(place, wanted)


def _await_release(place: Path) -> None:
    """Raises storage.locked where another program keeps the profile open."""
    from chappe.vault import profile

    deadline = time.monotonic() + RELEASE_SECONDS
    while True:
        try:
            with profile.held(place):
                return
        except ChappeError as problem:
            if problem.code != "storage.locked":
                raise
            if time.monotonic() > deadline:
                raise error("storage.locked", "Another program still has the profile open: end it.") from None
        time.sleep(0.1)


async def _set_first(place: Path, read: Callable[[str], str], wish: _Wish) -> None:
    from chappe.client import Phone, Policy

    await _set(await Phone.open(place), read, wish.on(Policy()))


async def _change(place: Path, old: str, read: Callable[[str], str], wish: _Wish) -> None:
    """A failure leaves everything as it was, an open session above all: where the share service has nothing
    of this device any more, the session's key is the last that opens the profile, and sets a PIN anew."""
    from chappe.client import Phone
    from chappe.vault import session
    from chappe.wire.wiping import wipe

    found = session.use(place)
    try:
        phone = await Phone.unlock(place, old, _tell)
    except ChappeError as problem:
        if found is None or problem.code not in _SHARE_IS_LOST:
            raise
        phone = await Phone.open(place, found.key)
    finally:
        wipe(found.key if found else None)
    await _set(phone, read, wish.on(phone.policy))
    session.destroy(place)


async def _set(phone: Phone, read: Callable[[str], str], policy: Policy) -> None:
    """Ask, then connect: nobody keeps the relay waiting while they think. The phone is closed at the end."""
    try:
        pin = read(phone.address)
    except BaseException:
        await phone.close()
        raise
    async with phone:
        await phone.set_pin(pin, policy, _tell)
        await phone.lock()


# --- asking


def _reader(pin_file: Path | None) -> Callable[[str], str]:
    """Asks for a new PIN, for the line of an address."""
    return lambda address: _read_new_pin(pin_file, address)


def _read_new_pin(pin_file: Path | None, address: str) -> str:
    """Twice where a person types it. Raises vault.weak_pin, usage.invalid."""
    from chappe.vault import pins

    if pin_file is None and sys.stdin.isatty():
        note(say("pin.explain"))
    pin = pins.check(read_secret(pin_file, "pin.ask.new"), address)
    if pin_file is None and pins.normalise(read_secret(None, "pin.ask.again")) != pin:
        raise error("usage.invalid", "The two are not the same; nothing was changed.")
    return pin


def read_secret(pin_file: Path | None, words: str, option: str = "--pin-file") -> str:
    """Typed without echo, or from a file; never an argument, which others on the machine could read."""
    if pin_file is None:
        if not sys.stdin.isatty():
            raise error("usage.invalid", f"No terminal to type it at: give {option} PATH.")
        return getpass.getpass(say(words))
    try:
        if str(pin_file) == "-":
            data = sys.stdin.buffer.read(MAX_PIN_FILE + 1)
        else:
            with open(pin_file, "rb") as file:
                data = file.read(MAX_PIN_FILE + 1)
        if len(data) > MAX_PIN_FILE:
            raise error("file.unreadable", "The file with the secret is too large to be one.")
        return data.decode("utf-8").removesuffix("\n").removesuffix("\r")
    except (OSError, UnicodeDecodeError):
        raise error("file.unreadable", "The file with the secret cannot be read.") from None
