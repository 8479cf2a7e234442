"""Passkeys (WebAuthn level 3): made and used with the person's verification, found without a name being
typed.

The ceremonies' rules are those of Yubico's `fido2`; what is ours is that a challenge is used once, that a
counter which goes back is a copy, that the page is not in another's frame, and which algorithms are taken.
No attestation is asked for: who may sign in is decided by who is handed the sign-in link.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final, TypeVar

from fido2.server import Fido2Server
from fido2.webauthn import (
    AttestedCredentialData,
    AuthenticationResponse,
    AuthenticatorData,
    PublicKeyCredentialParameters,
    PublicKeyCredentialRpEntity,
    PublicKeyCredentialType,
    PublicKeyCredentialUserEntity,
    RegistrationResponse,
    ResidentKeyRequirement,
    UserVerificationRequirement,
)
from sqlalchemy import Connection, Row, delete, exc, insert, select, update

from chappe.desk.accounts import Account, find_open
from chappe.desk.database import Database, Unit
from chappe.desk.secret import digest
from chappe.desk.settings import DeskSettings
from chappe.desk.tables import ceremonies, passkeys
from chappe.desk.who import SYSTEM
from chappe.wire.api import from_base64, to_base64
from chappe.wire.errors import ChappeError, error

CEREMONY_SECONDS: Final = 300
MAX_PASSKEYS: Final = 20
"""Of an account."""
MAX_CEREMONIES: Final = 10_000
"""Under way at once: a stranger may begin one."""
# ES256, EdDSA and RS256 (Windows Hello) of the COSE registry.
ALGORITHMS: Final = (-7, -8, -257)
_ALGORITHM: Final = 3

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Passkey:
    """`id` is the authenticator's, 16 to 1,023 bytes."""

    id: bytes
    label: str
    created_at: int
    used_at: int | None


class Passkeys:
    """The relying party of one desk."""

    def __init__(self, settings: DeskSettings, database: Database) -> None:
        self._origin = settings.origin
        self._database = database
        self._server = Fido2Server(
            PublicKeyCredentialRpEntity(id=settings.server_name, name="Chappe"),
            verify_origin=lambda origin: origin == settings.origin,
        )
        self._server.allowed_algorithms = [
            PublicKeyCredentialParameters(type=PublicKeyCredentialType.PUBLIC_KEY, alg=algorithm)
            for algorithm in ALGORITHMS
        ]

    def begin_making(self, account: Account) -> dict[str, Any]:
        """What `navigator.credentials.create` takes (`publicKey`, in its JSON form)."""
        there = self._database.read(lambda connection: _credentials(connection, account.id))
        challenge = self._begin("make", account.id)
        options, _ = self._server.register_begin(
            PublicKeyCredentialUserEntity(id=account.id, name=account.email, display_name=account.name),
            credentials=there,
            resident_key_requirement=ResidentKeyRequirement.REQUIRED,
            user_verification=UserVerificationRequirement.REQUIRED,
            challenge=challenge,
        )
        return dict(options.public_key)

    def check_made(self, account: bytes, response: Mapping[str, Any]) -> AuthenticatorData:
        """The new passkey. Raises desk.passkey."""
        registration = _parsed(lambda: RegistrationResponse.from_dict(response))
        client = registration.response.client_data
        state = self._take("make", account, client.challenge)
        made = _parsed(lambda: self._server.register_complete(state, registration))
        if client.cross_origin or made.credential_data is None:
            raise error("desk.passkey")
        if made.credential_data.public_key.get(_ALGORITHM) not in ALGORITHMS:
            raise error("desk.passkey", "The passkey is of a kind that this desk does not take.")
        return made

    def begin_sign_in(self) -> dict[str, Any]:
        """What `navigator.credentials.get` takes: any passkey of this server."""
        challenge = self._begin("sign in", None)
        options, _ = self._server.authenticate_begin(
            user_verification=UserVerificationRequirement.REQUIRED, challenge=challenge
        )
        return dict(options.public_key)

    def check_signed(self, response: Mapping[str, Any]) -> tuple[Account, bytes, int]:
        """Who signs in, with which passkey, and the counter that it said. Raises desk.passkey."""
        answer = _parsed(lambda: AuthenticationResponse.from_dict(response))
        client = answer.response.client_data
        state = self._take("sign in", None, client.challenge)
        row = self._database.read(lambda connection: _row(connection, answer.raw_id))
        if row is None or client.cross_origin or answer.response.user_handle not in (None, row.account):
            raise error("desk.passkey", "This passkey is not known here; use another one.")
        credential = AttestedCredentialData(row.credential)
        _parsed(lambda: self._server.authenticate_complete(state, [credential], answer))
        counter = answer.response.authenticator_data.counter
        if (counter or row.signatures) and counter <= row.signatures:
            self._database.change(
                SYSTEM, lambda unit: unit.log("passkey.doubted", row.account, passkey=answer.raw_id)
            )
            raise error("desk.passkey", "The passkey's counter went back: it may be a copy. Use another one.")
        account = self._database.read(lambda connection: _owner(connection, row.account))
        return account, answer.raw_id, counter

    def _begin(self, kind: str, account: bytes | None) -> bytes:
        challenge = secrets.token_bytes(32)

        def work(unit: Unit) -> None:
            unit.connection.execute(delete(ceremonies).where(ceremonies.c.expires_at <= unit.now))
            under_way = unit.connection.exec_driver_sql("SELECT count(*) FROM ceremonies").scalar_one()
            if under_way >= MAX_CEREMONIES:
                raise error("limit.rate")
            unit.connection.execute(
                insert(ceremonies).values(
                    digest=_challenge_digest(challenge),
                    kind=kind,
                    account=account,
                    challenge=challenge,
                    expires_at=unit.now + CEREMONY_SECONDS,
                )
            )

        self._database.keep_books(work)
        return challenge

    def _take(self, kind: str, account: bytes | None, challenge: bytes) -> dict[str, Any]:
        """The state of a ceremony, which is over with this whatever comes of it. Raises desk.passkey."""

        def work(unit: Unit) -> bytes | None:
            row = unit.connection.execute(
                delete(ceremonies)
                .where(ceremonies.c.digest == _challenge_digest(challenge))
                .returning(
                    ceremonies.c.kind, ceremonies.c.account, ceremonies.c.challenge, ceremonies.c.expires_at
                )
            ).one_or_none()
            fits = row is not None and row.kind == kind and row.account == account
            return row.challenge if row is not None and fits and row.expires_at > unit.now else None

        kept = self._database.keep_books(work)
        if kept is None:
            raise error("desk.passkey", "This took too long, or was answered before; begin again.")
        return {"challenge": to_base64(kept), "user_verification": UserVerificationRequirement.REQUIRED}


def keep(unit: Unit, account: bytes, label: str, made: AuthenticatorData) -> None:
    """Raises desk.exists, desk.not_now for too many."""
    credential = made.credential_data
    assert credential is not None
    if len(listed(unit.connection, account)) >= MAX_PASSKEYS:
        raise error("desk.not_now", f"An account has at most {MAX_PASSKEYS} passkeys; remove one first.")
    try:
        unit.connection.execute(
            insert(passkeys).values(
                passkey=credential.credential_id,
                account=account,
                credential=bytes(credential),
                signatures=made.counter,
                label=label,
                created_at=unit.now,
            )
        )
    except exc.IntegrityError:
        raise error("desk.exists", "This passkey is known here already.") from None
    unit.log("passkey.made", account, passkey=credential.credential_id)


def used(unit: Unit, id_: bytes, counter: int) -> None:
    """A sign-in with it. Raises desk.passkey where another one, at the same time, said as much or more."""
    changed = unit.connection.execute(
        update(passkeys)
        .where(passkeys.c.passkey == id_, (passkeys.c.signatures < counter) | (passkeys.c.signatures == 0))
        .values(signatures=counter, used_at=unit.now)
    )
    if changed.rowcount != 1:
        raise error("desk.passkey")


def listed(connection: Connection, account: bytes) -> list[Passkey]:
    """The oldest first."""
    rows = connection.execute(
        select(passkeys)
        .where(passkeys.c.account == account)
        .order_by(passkeys.c.created_at, passkeys.c.passkey)
    )
    return [Passkey(row.passkey, row.label, row.created_at, row.used_at) for row in rows]


def remove(unit: Unit, account: bytes, id_: bytes) -> None:
    """Raises desk.unknown, desk.not_now for the last one."""
    there = [one.id for one in listed(unit.connection, account)]
    if id_ not in there:
        raise error("desk.unknown", "This account has no such passkey.")
    if len(there) == 1:
        raise error("desk.not_now", "This is the only passkey; add another one first.")
    unit.connection.execute(delete(passkeys).where(passkeys.c.passkey == id_))
    unit.log("passkey.removed", account, passkey=id_)


def read_passkey_id(shown: str) -> bytes:
    """Raises desk.unknown."""
    try:
        return from_base64(shown)
    except ChappeError:
        raise error("desk.unknown") from None


def _parsed(work: Callable[[], T]) -> T:
    """What a browser sent, through a library that raises whatever comes to it for what does not fit."""
    try:
        return work()
    except ChappeError:
        raise
    except Exception:  # noqa: BLE001 - ValueError, KeyError, TypeError, AssertionError, struct.error and others
        raise error("desk.passkey") from None


def _challenge_digest(challenge: bytes) -> bytes:
    return digest("challenge", to_base64(challenge))


def _row(connection: Connection, id_: bytes) -> Row[Any] | None:
    return connection.execute(select(passkeys).where(passkeys.c.passkey == id_)).one_or_none()


def _owner(connection: Connection, account: bytes) -> Account:
    try:
        return find_open(connection, account)
    except ChappeError:
        raise error("desk.passkey") from None


def _credentials(connection: Connection, account: bytes) -> list[AttestedCredentialData]:
    rows = connection.execute(select(passkeys.c.credential).where(passkeys.c.account == account)).scalars()
    return [AttestedCredentialData(row) for row in rows]
