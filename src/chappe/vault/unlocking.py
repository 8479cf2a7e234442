"""Setting a PIN and unlocking, as values and answers: no socket, no file, no clock.

made = enrol(pin, key, entry, place, ...)         # send made.sealed, then keep made.vault
opening = Opening(a, entry, vault)
sealed = opening.begin(challenge)                 # as often as need be, each with its own challenge
key = opening.take(answer)                        # the vault key, or why not
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass, field

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from chappe.vault.files import Entry, Policy, Vault
from chappe.vault.keys import COST, WRAP_CONTEXT, Cost, auth_of, kek_of, stretch, unwrap, wrap
from chappe.wire import unlock
from chappe.wire.errors import ChappeError, error
from chappe.wire.links import RelayPlace
from chappe.wire.wiping import wipe


@dataclass(frozen=True, slots=True)
class Enrolling:
    """What a new PIN makes: `sealed` goes to the service, `vault` is kept."""

    vault: Vault
    sealed: bytes = field(repr=False)


def enrol(
    pin: str,
    key: bytes | bytearray,
    entry: Entry,
    device: bytes,
    place: RelayPlace,
    service: bytes,
    policy: Policy,
    cost: Cost = COST,
) -> Enrolling:
    """A fresh share, told to the service and forgotten here. Raises unlock.malformed for no service key."""
    share = secrets.token_bytes(32)
    a = stretch(pin, entry.r, cost)
    kek, auth = kek_of(a, entry.r, share), auth_of(a, entry.r)
    try:
        public = Ed25519PrivateKey.from_private_bytes(entry.seed).public_key().public_bytes_raw()
        content = unlock.Enrolment(device, public, auth, share)
        sealed = unlock.seal_enrolment(service, content)
        wrapped = wrap(kek, key, WRAP_CONTEXT + device)
        commitment = unlock.share_commitment(device, share)
    finally:
        wipe(a, kek, auth, share)
    vault = Vault(
        1, entry.name, device, place.host, place.port, place.pin, service, wrapped, commitment, policy
    )
    return Enrolling(vault, sealed)


class Opening:
    """One PIN against one vault. `wipe` when done."""

    def __init__(self, a: bytearray, entry: Entry, vault: Vault) -> None:
        self._a = a
        self._entry = entry
        self._vault = vault
        self._answer_key: bytes | None = None
        self.share: bytearray | None = None
        """The share, once `take` or `take_share` has opened the vault with it."""

    def begin(self, challenge: bytes) -> bytes:
        """A sealed guess. Raises unlock.malformed for a challenge, or a pinned key, that is none."""
        if len(challenge) != 32:
            raise error("unlock.malformed")
        auth = auth_of(self._a, self._entry.r)
        guess = unlock.make_guess(self._entry.seed, self._vault.device, challenge, auth)
        sealed = unlock.seal_guess(self._vault.service, guess)
        wipe(auth)
        self._answer_key = guess.answer_key
        return sealed

    def take(self, sealed: bytes) -> bytearray:
        """The vault key.

        Raises vault.wrong_pin, vault.wait, vault.destroyed, vault.bad_share; unlock.malformed for what is
        not an answer to the last guess, one that was taken already among them. None of them changes
        anything that is kept.
        """
        key, self._answer_key = self._answer_key, None
        if key is None:
            raise error("unlock.malformed")
        answer = unlock.open_answer(key, sealed)
        if answer.status == "open":
            try:
                return self.take_share(answer.share or b"")
            finally:
                wipe(answer.share)
        raise _outcome(answer)

    def take_share(self, share: bytes | bytearray) -> bytearray:
        """The vault key by a share. Raises vault.bad_share, vault.wrong_pin."""
        if unlock.share_commitment(self._vault.device, bytes(share)) != self._vault.commitment:
            raise error("vault.bad_share")
        kek = kek_of(self._a, self._entry.r, share)
        key = unwrap(kek, self._vault.wrapped, WRAP_CONTEXT + self._vault.device)
        wipe(kek)
        if key is None:
            # The service says right, and gave the right share: it did not look at the PIN.
            raise error("vault.wrong_pin", "That is not the PIN, but the relay took it; tell its operator.")
        self.share = bytearray(share)
        return key

    def wipe(self) -> None:
        wipe(self._a, self.share, self._answer_key)
        self._answer_key = None


def _outcome(answer: unlock.Answer) -> ChappeError:
    if answer.status == "wait":
        wait = words(max(answer.wait, 1))
        return error("vault.wait", f"Too many wrong PINs: the next try is in {wait}.")
    if answer.status == "gone" or not answer.tries:
        return error("vault.destroyed")
    left = "1 try is left" if answer.tries == 1 else f"{answer.tries} tries are left"
    when = f", the next in {words(answer.wait)}" if answer.wait else ""
    last = "; after a wrong one nothing opens this profile any more" if answer.tries == 1 else ""
    return error("vault.wrong_pin", f"That is not the PIN: {left}{when}{last}.")


def words(seconds: int) -> str:
    """A wait, for people, rounded up."""
    for unit, length in (("hour", 3600), ("minute", 60)):
        if seconds >= length:
            count = -(-seconds // length)
            return f"{count} {unit}{'s' if count > 1 else ''}"
    return f"{seconds} second{'s' if seconds > 1 else ''}"
