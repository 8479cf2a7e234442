"""A profile's PIN in its folder: set, changed, tried, step by step, so that a kill between any two leaves a
profile that opens.

Setting one: the new entry goes into `device`, the new vault into `vault.next`; then the service is asked;
once it has the share, the new vault becomes `vault` (the one moment that counts), and the plain key, the old
entry and the offline copy are destroyed. If the answer is lost, both vaults stay: the service looks at a
guess that the new entry's key signs, or refuses the signature and takes no try off: so it tells which holds.
All raise storage.failed and storage.full. Whoever calls holds the profile's lock.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import msgspec

from chappe.vault import disk, files, offline
from chappe.vault.files import Entry, Keystore, Known, Line, OfflineCopy, Policy, Vault
from chappe.vault.keys import COST, Cost
from chappe.vault.offline import Clock
from chappe.vault.unlocking import enrol, words
from chappe.wire.errors import StorageFailure, error
from chappe.wire.links import RelayPlace
from chappe.wire.orders import FleetPolicy

PLAIN_KEY: Final = "key"
_TAILS: Final = ("new", "gone", "new.gone")


@dataclass(frozen=True, slots=True)
class Candidate:
    """A vault that the PIN may be for, with its entry."""

    vault: Vault
    entry: Entry = field(repr=False)
    pending: bool


@dataclass(frozen=True, slots=True)
class Prepared:
    """A PIN that is being set: `sealed` goes to the service; if it takes it, `settle(entry)`. `unlock_key`:
    the public key of the one that signs its guesses."""

    entry: bytes
    sealed: bytes = field(repr=False)
    unlock_key: bytes


# --- setting a PIN


def prepare(
    home: Path,
    pin: str,
    key: bytes | bytearray,
    device: bytes,
    place: RelayPlace,
    service: bytes,
    policy: Policy,
    cost: Cost = COST,
) -> Prepared:
    """Make it and write it beside what holds now.

    Raises unlock.malformed for a service key that is none, unlock.unavailable.
    """
    entry = Entry.new()
    made = enrol(pin, key, entry, device, place, service, policy, cost)
    current, waiting = files.vault(home), files.pending(home)
    if current is None:
        # The plain key opens the profile still: what was begun before counts for nothing.
        waiting = []
    if len(waiting) >= files.MAX_PENDING:
        raise error("unlock.unavailable", "The relay's answer was lost too often; lock and unlock once.")
    known = files.keystore(home)
    named = [one.entry for one in [*waiting, *([current] if current else [])]]
    keystore = Keystore(1, [entry, *(known.entry(name) for name in named)])
    if not waiting:
        disk.erase(home / files.NEXT)
    # First the entry, then what names it.
    files.write_keystore(home, keystore)
    files.write_pending(home, [made.vault, *waiting], keystore)
    return Prepared(entry.name, made.sealed, entry.signing_key.public_key().public_bytes_raw())


def settle(home: Path, entry: bytes) -> None:
    """The service has the share of that entry: from here on its PIN holds, and nothing else."""
    known = files.keystore(home)
    (vault,) = (one for one in files.pending(home) if one.entry == entry)
    files.write_vault(home, vault, known.entry(entry).r)
    tidy(home)


def tidy(home: Path) -> None:
    """Finish what a kill cut off: no plain key beside a vault, no entry too many, no copy of an old share."""
    for name in (*files.NAMES, PLAIN_KEY):
        for tail in _TAILS:
            # `key.new` is of a profile that is only being made.
            if (name, tail) != (PLAIN_KEY, "new"):
                _erase_if_there(home / f"{name}.{tail}")
    current = files.vault(home)
    if current is None:
        return
    _erase_if_there(home / PLAIN_KEY)
    if any(one.entry == current.entry for one in files.pending(home)):
        disk.erase(home / files.NEXT)
    copy = _offline(home)
    if copy is not None and copy.entry != current.entry:
        disk.erase(home / files.OFFLINE)
    known = files.keystore(home)
    _rebind_line(home, current, known)
    if not (home / files.NEXT).exists() and len(known.entries) > 1:
        files.write_keystore(home, Keystore(1, [known.entry(current.entry)]))


def _rebind_line(home: Path, current: Vault, known: Keystore) -> None:
    """`line` is bound to the entry that holds. One that cannot be read goes: an unlocked phone writes it
    anew."""
    try:
        kept = files.line(home)
    except StorageFailure:
        disk.erase(home / files.LINE)
        return
    if kept is not None and kept.entry != current.entry:
        bound = msgspec.structs.replace(kept, entry=current.entry)
        files.write_line(home, bound, known.entry(current.entry).r)


def keep_known(home: Path, known: Known) -> None:
    """Lay down beside the vault whose orders this device obeys; without a PIN nothing: it is never locked."""
    current = files.vault(home)
    if current is not None:
        entry = files.keystore(home).entry(current.entry)
        files.write_line(home, Line(1, entry.name, known), entry.r)


def known_to(home: Path) -> Known | None:
    """None where nothing, or nothing readable, was laid down. Raises storage.failed."""
    try:
        kept = files.line(home)
    except StorageFailure:
        return None
    return None if kept is None else kept.known


def _offline(home: Path) -> OfflineCopy | None:
    """The copy. One that cannot be read is no use, and destroyed: the relay opens the profile still."""
    try:
        return files.offline(home)
    except StorageFailure:
        disk.erase(home / files.OFFLINE)
        return None


def _erase_if_there(path: Path) -> None:
    if os.path.lexists(path):
        disk.erase(path)


def set_policy(home: Path, policy: Policy) -> None:
    """For a profile with a PIN. Raises vault.no_pin; usage.invalid where the organisation allows less."""
    current, known = files.vault(home), known_to(home)
    if current is None:
        raise error("vault.no_pin")
    check_within(policy, None if known is None else known.bounds)
    if policy.offline_hours < current.policy.offline_hours:
        disk.erase(home / files.OFFLINE)
    entry = files.keystore(home).entry(current.entry)
    files.write_vault(home, msgspec.structs.replace(current, policy=policy), entry.r)


def within(policy: Policy, bounds: FleetPolicy | None) -> Policy:
    """The policy, cut to what the organisation allows."""
    if bounds is None:
        return policy
    return Policy(
        min(policy.offline_hours, bounds.offline_hours), min(policy.idle_seconds, bounds.idle_seconds)
    )


def check_within(policy: Policy, bounds: FleetPolicy | None) -> None:
    """Raises usage.invalid where the organisation allows less."""
    if bounds is not None and within(policy, bounds) != policy:
        raise error(
            "usage.invalid",
            f"This line's organisation allows {bounds.offline_hours} hours without the relay and "
            f"{words(bounds.idle_seconds)} without use at the most.",
        )


# --- unlocking


def candidates(home: Path) -> list[Candidate]:
    """What a PIN may open, the one that is being set first. Raises vault.no_pin."""
    current = files.vault(home)
    if current is None:
        raise error("vault.no_pin")
    known = files.keystore(home)
    found = [Candidate(one, known.entry(one.entry), pending=True) for one in files.pending(home)]
    return [*found, Candidate(current, known.entry(current.entry), pending=False)]


def opened(home: Path, candidate: Candidate) -> None:
    """The service gave this one's share: it is the one that holds."""
    if candidate.pending:
        settle(home, candidate.vault.entry)
    elif (home / files.NEXT).exists():
        disk.erase(home / files.NEXT)
        tidy(home)


def keep_offline(
    home: Path, candidate: Candidate, a: bytearray, share: bytes | bytearray, clock: Clock
) -> None:
    """After an online unlock: a copy for the policy's hours, or none."""
    hours = candidate.vault.policy.offline_hours
    if hours:
        copy = offline.seal(a, candidate.entry, share, hours, clock)
        files.write_offline(home, copy, candidate.entry.r)
    else:
        _erase_if_there(home / files.OFFLINE)


def drop_offline(home: Path) -> None:
    _erase_if_there(home / files.OFFLINE)


def look_offline(home: Path, clock: Clock) -> OfflineCopy | None:
    """The offline copy, its latest time brought up to now; None where there is none any more.

    One that is expired, damaged or of another PIN is destroyed. Raises vault.clock.
    """
    copy, current = _offline(home), files.vault(home)
    if copy is None:
        return None
    seen = offline.look(copy, clock) if current is not None and copy.entry == current.entry else None
    if seen is None:
        disk.erase(home / files.OFFLINE)
    elif seen.seen >= copy.seen + offline.STEP:
        files.write_offline(home, seen, files.keystore(home).entry(seen.entry).r)
    return seen


def open_offline(home: Path, candidate: Candidate, a: bytearray, clock: Clock) -> bytearray | None:
    """The share from the offline copy; None where there is none.

    Raises vault.clock; vault.wrong_pin, a try taken off before it is looked at.
    """
    copy = look_offline(home, clock)
    if copy is None or copy.entry != candidate.entry.name:
        return None
    left = offline.tried(copy)
    files.write_offline(home, left, candidate.entry.r)
    share = offline.open_copy(left, a, candidate.entry)
    if share is None:
        if not left.tries:
            disk.erase(home / files.OFFLINE)
        raise error("vault.wrong_pin", _wrong_offline(left.tries))
    files.write_offline(home, msgspec.structs.replace(copy, tries=offline.TRIES), candidate.entry.r)
    return share


def _wrong_offline(tries: int) -> str:
    if not tries:
        return "That is not the PIN; from here on only the relay opens this profile."
    return f"That is not the PIN: {tries} more without the relay, which does not answer."
