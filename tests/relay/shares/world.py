"""A phone's half of unlocking, without its vault; clocks that a test moves; and services to try them on."""

from __future__ import annotations

import json
import secrets
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

import httpx
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from chappe.relay.shares.remote import Place, RemoteShares
from chappe.relay.shares.service import Shares
from chappe.wire import unlock
from tests import zygote

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


class ServiceProcess:
    """The runner as a process: really killed, really alone. Starts at once.

    Without `forked` the interpreter is started, too: for tests of what is in memory.
    """

    def __init__(self, folder: Path, *, forked: bool = True, **environment: str) -> None:
        self.folder = folder
        self._popen = zygote.Popen[bytes] if forked else subprocess.Popen[bytes]
        self.port = 0
        self._environment = environment
        self._process: subprocess.Popen[bytes] | None = None
        folder.mkdir(exist_ok=True)
        self.set_clock(1_800_000_000)
        self.start()

    @property
    def shares(self) -> Path:
        return self.folder / "data" / "shares"

    @property
    def compared(self) -> int:
        """Comparisons ever begun, over all processes."""
        path = self.folder / "compared"
        return len(path.read_text().splitlines()) if path.exists() else 0

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    @property
    def log(self) -> str:
        return (self.folder / "log").read_text()

    def set_clock(self, now: float) -> None:
        beside = self.folder / "clock.new"
        beside.write_text(str(now))
        beside.replace(self.folder / "clock")
        self.now = now

    def start(self) -> None:
        """Start it (again, on the port it had). Raises RuntimeError if it does not come up."""
        with (self.folder / "log").open("ab") as log:
            process = self._popen(
                [sys.executable, "-m", "tests.relay.shares.runner", str(self.folder), str(self.port)],
                stdout=subprocess.PIPE,
                stderr=log,
                env=zygote.environment(**self._environment),
            )
        assert process.stdout is not None
        line = process.stdout.readline()
        if not line:
            process.wait()
            raise RuntimeError(self.log)
        self._process, self.port = process, json.loads(line)["port"]

    def kill(self) -> None:
        """SIGKILL, if it runs."""
        process, self._process = self._process, None
        if process is not None:
            process.kill()
            process.communicate()

    def token(self) -> str:
        return (self.folder / "data" / "share-token").read_text().strip()

    def http(self) -> httpx.AsyncClient:
        return httpx.AsyncClient(
            base_url=f"http://127.0.0.1:{self.port}",
            headers={"Authorization": f"Bearer {self.token()}"},
            trust_env=False,
            timeout=30,
        )

    def remote(self) -> RemoteShares:
        return RemoteShares(Place(f"http://127.0.0.1:{self.port}", self.token()))
