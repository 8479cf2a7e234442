"""A new phone for a line that lost every one: keys of its own, a request for the officers, and a day's wait.

The keys are in the store before anybody hears of them, as in `activation`: the same command goes on where it
was, after the officers have approved and the day is over.
"""

from __future__ import annotations

import time
from pathlib import Path

from chappe.client import activation
from chappe.client.activation import RECOVERY
from chappe.client.identity import Me, new_line
from chappe.vault import profile
from chappe.vault.profile import Profile
from chappe.wire import api
from chappe.wire.certificate import DeviceCertificate
from chappe.wire.errors import error
from chappe.wire.recovery import RecoveryLink


async def begin(home: Path, link: RecoveryLink) -> DeviceCertificate:
    """The certificate that the officers are to announce: the one of this profile, or a fresh one. Raises
    storage.exists, address.malformed, network.*."""
    await activation.settle_erased(home)
    opened = activation.unfinished(home, RECOVERY, link.address)
    if opened is None:
        async with activation.api_of(link.place) as connection:
            await activation.check_host(connection, link.address)
        opened = profile.create(home)
        made = new_line(link.address, link.place, int(time.time()), link.fleet_key, link.line)
        activation.keep_pending(opened, made, RECOVERY)
    try:
        certificate = Me.kept(opened.store).certificate
    finally:
        opened.close()
    if (certificate.line_id, certificate.fleet_key) != (link.line, link.fleet_key):
        raise error("storage.exists", "This profile waits for another line; choose another --home.")
    return certificate


def waiting(home: Path) -> DeviceCertificate | None:
    """The request of a profile that waits to be let in; None where there is none."""
    opened = activation.unfinished(home, RECOVERY, None, keep=True)
    if opened is None:
        return None
    try:
        return Me.kept(opened.store).certificate
    finally:
        opened.close()


def give_up(home: Path) -> None:
    """Forget the keys of a request that was taken back: the next one has fresh ones."""
    opened = activation.unfinished(home, RECOVERY, None, keep=True)
    if opened is not None:
        opened.destroy()


async def finish(home: Path) -> Profile:
    """Come in. Whatever the relay refuses, the keys stay. Raises order.unknown (nobody approved it, or it was
    taken back), order.two_officers, order.stale (before its day), devices.too_many, order.hold, line.closed,
    term.*, network.*, storage.missing."""
    opened = activation.unfinished(home, RECOVERY, None, keep=True)
    if opened is None:
        raise error("storage.missing")
    try:
        me = Me.kept(opened.store)
        raw = me.certificate.to_bytes()
        proof = me.sign(api.add_device_bytes(me.server, raw))
        async with activation.api_of(me.place) as connection:
            await connection.enter(api.Enter(api.to_base64(raw), api.to_base64(proof)))
    except BaseException:
        opened.close()
        raise
    return activation.finished(opened)
