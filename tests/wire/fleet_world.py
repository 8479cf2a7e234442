"""An organisation with its officers, their keys in the open, for the tests of what they sign."""

from __future__ import annotations

from dataclasses import dataclass, field

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from chappe.wire.orders import FleetPolicy, Kind, Order, Reason, Target
from chappe.wire.rosters import Officer, Roster, SignedRoster, roster_hash, sign_roster
from chappe.wire.unlock import ServiceKey

SERVER = "relay.example"
NOW = 1_790_000_000
REASON = Reason("left in a taxi", b"salt" * 4)


def key(name: str) -> Ed25519PrivateKey:
    """The same key for the same name."""
    return Ed25519PrivateKey.from_private_bytes(name.encode().ljust(32, b"."))


def public(private: Ed25519PrivateKey) -> bytes:
    return private.public_key().public_bytes_raw()


def id_of(name: str) -> bytes:
    return name.encode().ljust(16, b"-")


def officer(name: str) -> Officer:
    return Officer(id_of(name), name, public(key(name)))


SEAL = ServiceKey(bytes(range(96)))
FLEET = key("fleet")


@dataclass
class Organisation:
    """Rosters by name: `Organisation("ada").then("ada", "ben", by=["ada"])`."""

    rosters: list[SignedRoster] = field(default_factory=list)
    bodies: list[Roster] = field(default_factory=list)

    @classmethod
    def of(cls, *names: str) -> Organisation:
        made = cls()
        made.take(first(*names), names[:1])
        return made

    def take(self, roster: Roster, by: tuple[str, ...], fleet: Ed25519PrivateKey = FLEET) -> None:
        self.bodies.append(roster)
        self.rosters.append(sign_roster(roster, fleet, {id_of(name): key(name) for name in by}))

    def next(self, *names: str) -> Roster:
        return replace_roster(
            self.bodies[-1],
            version=self.bodies[-1].version + 1,
            previous=roster_hash(self.rosters[-1]),
            officers=[officer(name) for name in names],
        )

    def then(self, *names: str, by: tuple[str, ...]) -> Organisation:
        self.take(self.next(*names), by)
        return self


def replace_roster(roster: Roster, **changes: object) -> Roster:
    return Roster(**({name: getattr(roster, name) for name in roster.__struct_fields__} | changes))


def first(*names: str) -> Roster:
    people = [officer(name) for name in names]
    return Roster(id_of("gazette"), "La Gazette", public(FLEET), SEAL.public, 1, bytes(32), people, NOW)


def order(
    kind: Kind = "erase",
    *targets: Target,
    organisation: bytes | None = None,
    server: str = SERVER,
    policy: FleetPolicy | None = None,
) -> Order:
    """About one line if nothing else is said; of the organisation above."""
    return Order(
        1,
        id_of("order"),
        kind,
        server,
        id_of("gazette") if organisation is None else organisation,
        list(targets) or [Target(id_of("line"))],
        NOW,
        REASON.digest(),
        policy,
    )
