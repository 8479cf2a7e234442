"""How a profile comes to be: a code makes a line, a link adds a device to one.

The keys are in the store before the relay hears of them: a phone that was killed before it saw the answer
says the same again, and is answered the same.
"""

from __future__ import annotations

import asyncio
import contextlib
import secrets
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

import msgspec

from chappe.client import linking
from chappe.client.contacts import Contacts
from chappe.client.core import Core
from chappe.client.identity import Me, linked, new_line, new_signer
from chappe.client.transport import HttpApi
from chappe.vault import erasing, files, profile
from chappe.vault.profile import Profile
from chappe.wire import api, codes, fleet
from chappe.wire.certificate import check_address
from chappe.wire.errors import BadInput, ChappeError, CryptoFailure, Refused, error
from chappe.wire.links import RelayPlace

_PENDING: Final = "pending"
DELIVER_SECONDS: Final = 10.0
RECOVERY: Final = "recovery"
"""Stands where an activation's code would, in a profile that officers are to let in (`recovering`)."""


class _Pending(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`code`: of an activation; empty for a link, which has `by` and `endorsement` (`linking.Handover`)."""

    code: str
    by: bytes = b""
    endorsement: bytes = b""


ORGANISATION: Final = "organisation"
"""Under this key the store keeps the name of the line's organisation."""


async def activate(home: Path, place: RelayPlace, code: str, address: str, fleet_key: bytes = b"") -> Profile:
    """A new line. `fleet_key`: as the activation link names it. Raises code.*, address.*, storage.*,
    network.*; network.untrusted where the relay names another organisation than the link."""
    code, address = codes.parse(code), check_address(address)
    await settle_erased(home)
    opened = unfinished(home, code, address)
    try:
        async with api_of(place) as connection:
            await check_host(connection, address)
            if opened is None:
                name, key = await _organisation_of(connection, code, fleet_key)
                opened = profile.create(home)
                keep_pending(opened, new_line(address, place, int(time.time()), key), code, name)
            me = Me.kept(opened.store)
            raw = me.certificate.to_bytes()
            proof = me.sign(api.activate_bytes(me.server, code, raw))
            await connection.activate(api.Activate(code, api.to_base64(raw), api.to_base64(proof)))
    except BaseException as problem:
        _give_up(opened, problem)
        raise
    return finished(opened)


async def link(home: Path, place: RelayPlace, show: Callable[[str], None]) -> Profile:
    """A new device of a line that another device of it lets in. Raises link.*, storage.*, network.*."""
    await settle_erased(home)
    opened = unfinished(home, "", None)
    try:
        async with api_of(place) as connection:
            if opened is None:
                if profile.exists(home):
                    raise error("storage.exists")
                signer, device_id = new_signer(), secrets.token_bytes(16)
                handover = await linking.receive(
                    connection, place, show, device_id=device_id, signature_key=signer.public
                )
                me = linked(signer, device_id, handover.identity, handover.certificate, place)
                opened = profile.create(home)
                _keep_handover(opened, me, handover)
            await connection.add_device(_addition(opened))
    except BaseException as problem:
        _give_up(opened, problem)
        raise
    return finished(opened)


async def _organisation_of(connection: HttpApi, code: str, fleet_key: bytes) -> tuple[str, bytes]:
    """Name and fleet key. What the link says counts; where there is but a code, what the relay says."""
    try:
        found = await connection.organisation_of(code)
    except (BadInput, Refused) as problem:
        # The code's faults are told when it is used.
        if not problem.code.startswith("code.") and problem.code != "http.unknown_path":
            raise
        return "", fleet_key
    said = api.from_base64(found.fleet_key) if found.fleet_key else b""
    if len(said) not in (0, 32):
        raise error("http.malformed")
    if fleet_key and said != fleet_key:
        raise error(
            "network.untrusted", "The relay names another organisation than the link does; do not go on."
        )
    return found.name[:64], said


@asynccontextmanager
async def api_of(place: RelayPlace) -> AsyncIterator[HttpApi]:
    connection = await HttpApi.to(place)
    try:
        yield connection
    finally:
        await connection.close()


async def settle_erased(home: Path) -> None:
    """Finish an erasing that was cut off, and hand in the receipt of one, if the relay can be reached."""
    profile.finish_erasing(home)
    left = erasing.buried(home)
    if left is not None and not left.delivered:
        with contextlib.suppress(ChappeError, TimeoutError):
            async with asyncio.timeout(DELIVER_SECONDS):
                await deliver_receipt(home, left)


async def deliver_receipt(home: Path, left: erasing.Tombstone) -> None:
    """The receipt of an erased profile. One that the relay refuses is not said again. Raises network.*."""
    assert left.receipt is not None
    try:
        async with api_of(left.place) as connection:
            await connection.fleet(fleet.unsigned_report(left.device, left.receipt), fleet.Ok)
    except (Refused, CryptoFailure) as problem:
        if problem.code not in ("order.unknown", "receipt.invalid"):
            raise
    erasing.delivered(home, left)


async def relay_name(place: RelayPlace) -> str:
    """The host part of a relay's addresses. Raises network.*."""
    async with api_of(place) as connection:
        return (await connection.info()).name


def reopen(home: Path, key: bytes | bytearray | None = None) -> Profile:
    """A finished profile; with the vault key where it has a PIN.

    Raises storage.missing, storage.locked, storage.wrong_key, storage.failed, vault.locked."""
    opened = profile.open_profile(home, key)
    if opened.store.get(_PENDING) is not None:
        opened.close()
        raise error(
            "storage.missing", "This profile is not finished; run the command that began it once more."
        )
    return opened


def _keep_handover(opened: Profile, me: Me, handover: linking.Handover) -> None:
    with opened.store.transaction():
        me.keep(opened.store)
        opened.store.set(ORGANISATION, handover.organisation[:64].encode())
        pending = _Pending("", handover.by, handover.endorsement)
        opened.store.set(_PENDING, msgspec.msgpack.encode(pending))
        contacts = Contacts(Core(me, opened))
        for known in handover.contacts:
            contacts.add(known.address, known.line, known.identity_key, known.verified)


def _addition(opened: Profile) -> api.AddDevice:
    """What the relay is told of a device that was let in, again and again until it answers."""
    me = Me.kept(opened.store)
    pending = msgspec.msgpack.decode(opened.store.get(_PENDING) or b"", type=_Pending)
    raw = me.certificate.to_bytes()
    proof = me.sign(api.add_device_bytes(me.server, raw))
    parts = (raw, proof, pending.by, pending.endorsement)
    return api.AddDevice(*(api.to_base64(part) for part in parts))


def keep_pending(opened: Profile, me: Me, code: str, organisation: str = "") -> None:
    """Who this is, before the relay hears of it."""
    with opened.store.transaction():
        me.keep(opened.store)
        opened.store.set(ORGANISATION, organisation.encode())
        opened.store.set(_PENDING, msgspec.msgpack.encode(_Pending(code)))


def unfinished(home: Path, code: str, address: str | None, *, keep: bool = False) -> Profile | None:
    """A profile that the same command left unfinished; one of another command is taken away, but with `keep`.

    Raises storage.exists for a finished one, and for one that waits to be let in by officers.
    """
    if not profile.exists(home):
        return None
    if files.has_pin(home):
        raise error("storage.exists")
    opened = profile.open_profile(home)
    pending = opened.store.get(_PENDING)
    if pending is None and opened.store.get("identity") is not None:
        opened.close()
        raise error("storage.exists")
    if pending is not None:
        before = msgspec.msgpack.decode(pending, type=_Pending).code
        if before == code and (address is None or Me.kept(opened.store).address == address):
            return opened
        if before == RECOVERY and not keep:
            # Officers may have approved its keys: no slip of the hand costs them a day.
            opened.close()
            raise error(
                "storage.exists", "This profile waits to be let in: chappe recover. Or take another --home."
            )
    if keep:
        opened.close()
    else:
        opened.destroy()
    return None


async def check_host(connection: HttpApi, address: str) -> None:
    """Better said before a key is made than refused after. Raises address.malformed."""
    info = await connection.info()
    if address.partition("@")[2] != info.name:
        raise error("address.malformed", f"Addresses of this relay end in @{info.name}.")


def _give_up(opened: Profile | None, problem: BaseException) -> None:
    """What the relay refused for good leaves nothing; what it may have taken stays for another try."""
    if opened is None:
        return
    # No device that lets this one in, or none any more: the same once more is refused once more.
    for_good = isinstance(problem, CryptoFailure) and problem.code == "certificate.invalid"
    if for_good or (isinstance(problem, Refused) and not problem.code.startswith("limit.")):
        opened.destroy()
    else:
        opened.close()


def finished(opened: Profile) -> Profile:
    with opened.store.transaction():
        opened.store.run("DELETE FROM meta WHERE key = ?", _PENDING)
    return opened
