"""A share service in a test's memory, written with the wire's own functions.

service = Service()
service.enrol(sealed)                       # as the frame `Enrol` does
answer = service.guess(challenge, sealed)   # as POST /v1/unlock does
"""

from __future__ import annotations

import hmac
import secrets
from dataclasses import dataclass, field
from pathlib import Path

import msgspec

from chappe.vault import keeping, unlocking
from chappe.vault.files import Entry, Policy, Vault
from chappe.vault.keys import Cost, stretch
from chappe.wire import unlock
from chappe.wire.errors import ChappeError, error
from chappe.wire.links import RelayPlace

CHEAP = Cost(memory_kib=8, passes=1)
DEVICE = bytes(range(16))
PLACE = RelayPlace("relay.example", 8440, bytes(32))


@dataclass
class Service:
    """`kept`: by device, the enrolment and the wrong guesses in a row."""

    key: unlock.ServiceKey = field(default_factory=unlock.ServiceKey.generate)
    kept: dict[bytes, unlock.Enrolment] = field(default_factory=dict)
    wrong: dict[bytes, int] = field(default_factory=dict)
    gone: set[bytes] = field(default_factory=set)
    challenges: set[bytes] = field(default_factory=set)
    wait: int = 0
    guesses: int = 0

    def enrol(self, sealed: bytes) -> None:
        enrolment = self.key.open_enrolment(sealed)
        self.kept[enrolment.device] = enrolment
        self.wrong[enrolment.device] = 0
        self.gone.discard(enrolment.device)

    def challenge(self) -> bytes:
        made = secrets.token_bytes(32)
        self.challenges.add(made)
        return made

    def guess(self, sealed: bytes) -> bytes:
        guess = self.key.open_guess(sealed)
        if guess.challenge not in self.challenges:
            raise error("unlock.bad_challenge")
        self.challenges.remove(guess.challenge)
        return unlock.seal_answer(guess.answer_key, self.answer(guess))

    def answer(self, guess: unlock.Guess) -> unlock.Answer:
        if guess.device in self.gone:
            return unlock.Answer("gone")
        if guess.device not in self.kept:
            raise error("unlock.unknown_device")
        kept = self.kept[guess.device]
        unlock.check_guess(guess, kept.unlock_key)
        if self.wait:
            return unlock.Answer("wait", wait=self.wait)
        self.guesses += 1
        if hmac.compare_digest(guess.auth, kept.auth):
            self.wrong[guess.device] = 0
            return unlock.Answer("open", kept.share)
        self.wrong[guess.device] += 1
        count = self.wrong[guess.device]
        if count == unlock.TRIES:
            self.gone.add(guess.device)
            del self.kept[guess.device]
            return unlock.Answer("gone")
        return unlock.Answer("wrong", tries=unlock.TRIES - count, wait=unlock.WAITS[count - 1])

    # --- so that a test can go on in another process

    def save(self, path: Path) -> None:
        state = (self.key.private, list(self.kept.values()))
        path.write_bytes(msgspec.msgpack.encode(state))

    @classmethod
    def load(cls, path: Path) -> Service:
        private, kept = msgspec.msgpack.decode(path.read_bytes(), type=tuple[bytes, list[unlock.Enrolment]])
        return cls(
            unlock.ServiceKey(private), {one.device: one for one in kept}, {one.device: 0 for one in kept}
        )


def set_pin(
    home: Path, service: Service, pin: str, key: bytes, policy: Policy | None = None, cost: Cost = CHEAP
) -> None:
    """All that setting a PIN does in a folder, with the service."""
    home.mkdir(exist_ok=True)
    made = keeping.prepare(home, pin, key, DEVICE, PLACE, service.key.public, policy or Policy(), cost)
    service.enrol(made.sealed)
    keeping.settle(home, made.entry)


def opening(entry: Entry, vault: Vault, pin: str, cost: Cost = CHEAP) -> unlocking.Opening:
    return unlocking.Opening(stretch(pin, entry.r, cost), entry, vault)


def unlock_home(home: Path, service: Service, pin: str, cost: Cost = CHEAP) -> bytes:
    """As a client does it, online. Raises vault.*."""
    problem: ChappeError | None = None
    for candidate in keeping.candidates(home):
        trying = opening(candidate.entry, candidate.vault, pin, cost)
        try:
            key = trying.take(service.guess(trying.begin(service.challenge())))
        except ChappeError as found:
            if found.code not in ("unlock.bad_signature", "unlock.unknown_device"):
                raise
            problem = found
            continue
        keeping.opened(home, candidate)
        return bytes(key)
    assert problem is not None
    raise problem
