"""What the desk's tests share: a desk of their own, its API as a browser and as a program see it, a clock."""

from __future__ import annotations

import asyncio
import secrets
import sqlite3
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
from fastapi import FastAPI
from starlette.routing import Mount

from chappe.desk import accounts, resellers
from chappe.desk.accounts import NewAccount
from chappe.desk.api import PREFIX, build_app
from chappe.desk.database import Unit
from chappe.desk.desk import Desk
from chappe.desk.failures import add_failures
from chappe.desk.models import read_id
from chappe.desk.resellers import Particulars
from chappe.desk.settings import DeskSettings
from chappe.desk.strangers import Strangers
from chappe.desk.who import CONSOLE, Role
from tests.desk.authenticator import Authenticator

NAME = "desk.example.org"
ORIGIN = f"https://{NAME}"


def tva_of(siren: str) -> str:
    """The French VAT number of a company: its key is 12 + 3 (SIREN mod 97), mod 97."""
    short = siren.replace(" ", "")
    return f"FR{(12 + 3 * (int(short) % 97)) % 97:02d}{short}"


PAGE = {"Origin": ORIGIN, "Chappe-Desk": "1"}


@dataclass
class Clock:
    """Unix seconds; a day in June 2026."""

    at: float = 1_781_000_000.0

    def __call__(self) -> float:
        return self.at

    def pass_by(self, seconds: float) -> None:
        self.at += seconds


@dataclass
class World:
    """One desk. Close it."""

    folder: Path
    clock: Clock = field(default_factory=Clock)
    clients: list[Client] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.desk = Desk(DeskSettings(self.folder, NAME, ORIGIN), self.clock)
        self.app = build_app(self.desk)
        # As at the relay: what no route takes is answered by the application that the desk is mounted in.
        self.server = FastAPI(
            routes=[Mount(PREFIX, self.app)], openapi_url=None, docs_url=None, redoc_url=None
        )
        add_failures(self.server)

    def close(self) -> None:
        for client in self.clients:
            client.close()
        self.desk.close()

    def hour(self) -> None:
        """What the desk does each hour, with a clock that is believed."""
        self.desk.clock_guard.confirm()
        asyncio.run(self.desk.each_hour())

    def on_disk(self) -> bytes:
        """All that its files hold, what was in the write-ahead log written back."""
        with sqlite3.connect(self.desk.database.path) as connection:
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        return b"".join(file.read_bytes() for file in sorted(self.desk.database.path.parent.iterdir()))

    def be_patient(self) -> None:
        """With strangers: for tests that ask more than thirty things."""
        self.desk.strangers = Strangers(100_000, 100_000)
        self.desk.applicants = Strangers(100_000, 100_000)

    def browser(self) -> Browser:
        """Somebody's, who is not signed in."""
        return Browser(self)

    def program(self, token: str | None) -> Client:
        """With a token, or with nothing."""
        return Client(self, {} if token is None else {"Authorization": f"Bearer {token}"})

    def account(
        self, role: Role, *, reseller: bytes | None = None, organisation: bytes | None = None
    ) -> Person:
        """Opened from the command line, with its sign-in link."""
        email = f"{role}-{secrets.token_hex(4)}@example.org"
        wanted = NewAccount(role, f"A {role}", email, "en", reseller, organisation)

        def work(unit: Unit) -> tuple[bytes, str]:
            opened = accounts.open_account(unit, wanted)
            return opened.id, accounts.make_link(unit, opened.id)

        id_, link = self.desk.database.change(CONSOLE, work)
        return Person(id_, link, email)

    def application(self, siren: str) -> dict[str, str]:
        """What a company in France says of itself."""
        return {
            "name": f"Société {siren}",
            "country": "FR",
            "registration": siren,
            "vat_number": str(tva_of(siren)),
            "street": "1 rue de la Paix",
            "postcode": "75002",
            "city": "Paris",
            "contact_name": "Camille Martin",
            "contact_email": "camille@example.org",
            "contact_phone": "+33123456789",
        }

    def reseller(self, siren: str) -> bytes:
        """One that has applied."""
        wanted = Particulars(**self.application(siren))
        return self.desk.database.change(CONSOLE, lambda unit: resellers.apply(unit, wanted)).id

    def id_of(self, shown: str) -> bytes:
        return read_id(shown)

    def signed_in(
        self, role: Role, *, reseller: bytes | None = None, organisation: bytes | None = None
    ) -> Browser:
        """A browser with a whole session."""
        browser = self.browser()
        browser.enrol(self.account(role, reseller=reseller, organisation=organisation).link)
        return browser


@dataclass(frozen=True)
class Person:
    account: bytes
    link: str
    email: str


class Client:
    """Asks the desk's application as it is served, without a socket between. Keeps cookies as a browser
    does."""

    def __init__(self, world: World, headers: dict[str, str]) -> None:
        transport = httpx.ASGITransport(world.server, raise_app_exceptions=False)
        self._client = httpx.AsyncClient(
            transport=transport, base_url=ORIGIN, headers=headers, trust_env=False
        )
        # An event loop of its own: tests ask from several threads at once.
        self._runner = asyncio.Runner()
        world.clients.append(self)

    @property
    def cookies(self) -> httpx.Cookies:
        return self._client.cookies

    def close(self) -> None:
        self._runner.run(self._client.aclose())
        self._runner.close()

    def request(self, method: str, path: str, **more: Any) -> httpx.Response:
        """`path` below the prefix."""
        return self._runner.run(self._client.request(method, PREFIX + path, **more))

    def get(self, path: str, **query: Any) -> httpx.Response:
        return self.request("GET", path, params=query)

    def post(self, path: str, body: Any = None, headers: dict[str, str] | None = None) -> httpx.Response:
        return self.request("POST", path, json=body, headers=headers)

    def send(self, method: str, path: str, body: Any = None) -> httpx.Response:
        return self.request(method, path, json=body)


class Browser(Client):
    """Sends what the desk's page sends, and has an authenticator."""

    def __init__(self, world: World) -> None:
        super().__init__(world, PAGE)
        self.authenticator = Authenticator(ORIGIN, NAME)
        self.recovery_codes: list[str] = []

    def enrol(self, link: str) -> httpx.Response:
        """Begin with a link, and make a passkey."""
        assert self.post("/session/link", {"secret": link}).status_code == 200
        return self.make_passkey()

    def make_passkey(self) -> httpx.Response:
        options = self.post("/passkeys/options").json()["public_key"]
        answer = self.post("/passkeys", {"label": "test", "response": self.authenticator.create(options)})
        if answer.status_code == 201:
            self.recovery_codes = answer.json()["recovery_codes"] or self.recovery_codes
        return answer

    def sign_in(self) -> httpx.Response:
        """With the passkey."""
        options = self.post("/session/passkey/options").json()["public_key"]
        return self.post("/session/passkey", {"response": self.authenticator.get(options)})
