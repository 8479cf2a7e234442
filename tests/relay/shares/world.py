"""A phone's half of unlocking, without its vault; clocks that a test moves; and services to try them on."""

from __future__ import annotations

import secrets
from dataclasses import dataclass, field
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from chappe.relay.shares.service import Shares
from chappe.wire import unlock

HOURS = 3600


@dataclass
class Clock:
    """Unix and steady seconds at once."""

    now: float = 1_800_000_000.0

    def __call__(self) -> float:
        return self.now


@dataclass
class Owner:
    """One device and what it enrolled. `auth` stands for the right PIN."""

    device: bytes = field(default_factory=lambda: secrets.token_bytes(16))
    key: bytes = field(default_factory=lambda: secrets.token_bytes(32), repr=False)
    auth: bytes = field(default_factory=lambda: secrets.token_bytes(32), repr=False)
    share: bytes = field(default_factory=lambda: secrets.token_bytes(32), repr=False)

    @property
    def unlock_key(self) -> bytes:
        return Ed25519PrivateKey.from_private_bytes(self.key).public_key().public_bytes_raw()

    def enrolment(self, service: bytes) -> bytes:
        return unlock.seal_enrolment(
            service, unlock.Enrolment(self.device, self.unlock_key, self.auth, self.share)
        )

    def guess(self, service: bytes, challenge: bytes, auth: bytes | None = None) -> SealedGuess:
        """With the right PIN, or with another `auth`."""
        made = unlock.make_guess(self.key, self.device, challenge, self.auth if auth is None else auth)
        return SealedGuess(unlock.seal_guess(service, made), made.answer_key)

    def wrong(self, service: bytes, challenge: bytes) -> SealedGuess:
        return self.guess(service, challenge, secrets.token_bytes(32))


@dataclass
class SealedGuess:
    """What is sent, and what opens the answer."""

    sealed: bytes
    answer_key: bytes = field(repr=False)

    def open(self, answer: bytes) -> unlock.Answer:
        return unlock.open_answer(self.answer_key, answer)


@dataclass
class Bench:
    """A service in this process on a clock of ours, that counts what it compares."""

    folder: Path
    clock: Clock = field(default_factory=Clock)
    compared: list[bytes] = field(default_factory=list)
    shares: Shares = field(init=False)

    def __post_init__(self) -> None:
        self.start()

    def start(self) -> None:
        self.shares = Shares(self.folder, clock=self.clock, steady=self.clock, compared=self.compared.append)

    def restart(self) -> None:
        self.shares.close()
        self.start()

    def enrolled(self) -> Owner:
        owner = Owner()
        self.shares.enrol(owner.device, owner.enrolment(self.shares.public_key))
        return owner

    def try_(self, owner: Owner, auth: bytes | None = None) -> unlock.Answer:
        """One guess: the right one, or with another `auth`."""
        challenge = self.shares.challenge(owner.device)
        guess = owner.guess(self.shares.public_key, challenge, auth)
        return guess.open(self.shares.unlock(owner.device, guess.sealed))

    def try_wrong(self, owner: Owner) -> unlock.Answer:
        return self.try_(owner, secrets.token_bytes(32))

    def wrong_until_one_is_left(self, owner: Owner) -> None:
        for _ in range(unlock.TRIES - 1):
            assert self.try_wrong(owner).status == "wrong"
            self.clock.now += 8 * HOURS
