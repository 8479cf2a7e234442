"""An honest log in memory, entry by entry, for tests that then bend it."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from chappe.wire import log_entries as e

AT = 1_790_000_000
DAY = e.ANNOUNCED_SECONDS


def _seed(text: str) -> bytes:
    return hashlib.sha256(text.encode()).digest()


def key_of(name: str) -> Ed25519PrivateKey:
    return Ed25519PrivateKey.from_private_bytes(_seed(f"key {name}"))


def public(name: str) -> bytes:
    return key_of(name).public_key().public_bytes_raw()


def fields_of(line: str, device: str) -> dict[str, bytes]:
    """What an entry says of a device; every value follows from the names."""
    return {
        "line": _seed(f"line {line}"),
        "device": _seed(f"device {device}"),
        "certificate": _seed(f"certificate {device}"),
        "signature_key": public(device),
    }


def order(name: str) -> bytes:
    return _seed(f"order {name}")


def organisation(name: str) -> bytes:
    return _seed(f"organisation {name}") if name else b""


def opened(at: int = AT) -> e.LogOpened:
    return e.LogOpened(1, at, "localhost/chappe")


def created(line: str, device: str, of: str = "", at: int = AT) -> e.LineCreated:
    made = fields_of(line, device)
    return e.LineCreated(
        1,
        at,
        made["line"],
        public(f"identity {line}"),
        organisation(of),
        made["device"],
        made["certificate"],
        made["signature_key"],
    )


def added(line: str, device: str, by: str, at: int = AT, signer: str = "") -> e.DeviceAdded:
    """`signer`: whose key signs, where it is not `by`'s."""
    made = fields_of(line, device)
    signature = key_of(signer or by).sign(e.endorsement_bytes(**made))
    return e.DeviceAdded(1, at, **made, by=e.Endorsement(_seed(f"device {by}"), signature), order=None)


def added_by_order(line: str, device: str, by_order: str, at: int = AT) -> e.DeviceAdded:
    return e.DeviceAdded(1, at, **fields_of(line, device), by=None, order=order(by_order))


def announced(
    line: str, device: str, by_order: str, officers: tuple[str, ...], at: int = AT, identity: str = ""
) -> e.DeviceAnnounced:
    """`identity`: whose identity key the line has then, where it is another than before."""
    made = fields_of(line, device)
    made |= {"identity_key": public(f"identity {identity or line}"), "order": order(by_order)}
    signed = e.announcement_bytes(**made)
    marks = [e.OfficerMark(_seed(f"officer {one}"), key_of(one).sign(signed)) for one in officers]
    return e.DeviceAnnounced(1, at, **made, officers=marks)


def revoked(device: str, at: int = AT, by: str = "owner") -> e.DeviceRevoked:
    return e.DeviceRevoked(1, at, _seed(f"device {device}"), by, order("revoke"))  # type: ignore[arg-type]


def withdrawn(device: str, by_order: str, at: int = AT) -> e.DeviceRevoked:
    """Of one that was only announced."""
    return e.DeviceRevoked(1, at, _seed(f"device {device}"), "officers", order(by_order))


def officer(
    name: str, of: str, roster: int, signed_by: tuple[str, ...], at: int = AT, *, out: bool = False
) -> e.OfficerAdded | e.OfficerRemoved:
    digest = _seed(f"roster {of} {roster}")
    signed = e.signed_digest(digest)
    marks = [e.OfficerMark(_seed(f"officer {one}"), key_of(one).sign(signed)) for one in signed_by]
    kind = e.OfficerRemoved if out else e.OfficerAdded
    return kind(1, at, organisation(of), _seed(f"officer {name}"), public(name), roster, digest, marks)


@dataclass
class Book:
    """Entries that follow one another."""

    entries: list[e.LogEntry] = field(default_factory=list)

    def write(self, *entries: e.LogEntry) -> Book:
        self.entries += entries
        return self

    @property
    def data(self) -> list[bytes]:
        return [e.encode(entry) for entry in self.entries]


def honest() -> Book:
    """A bit of everything: two lines, one with a second device, an organisation, an announced device."""
    return Book().write(
        opened(),
        officer("olga", "paper", 1, ("olga",)),
        officer("oscar", "paper", 1, ("olga",)),
        created("ada", "ada-1", "paper"),
        created("ben", "ben-1"),
        added("ben", "ben-2", "ben-1", AT + 10),
        announced("ada", "ada-2", "spare", ("olga", "oscar"), AT + 20),
        revoked("ben-1", AT + 30),
        e.EraseOrdered(1, AT + 30, _seed("device ben-1"), order("revoke")),
        e.ShareDestroyed(1, AT + 31, _seed("device ben-1")),
        officer("otto", "paper", 2, ("olga", "oscar"), AT + 40),
        officer("oscar", "paper", 2, ("olga", "oscar"), AT + 40, out=True),
        e.Release(1, AT + 50, _seed("release"), "1.2.3"),
        added_by_order("ada", "ada-2", "spare", AT + 20 + DAY),
    )


def recovered() -> list[e.LogEntry]:
    """The honest one, in which Ada loses both of her devices, and officers let a new one in."""
    return [
        *honest().entries,
        announced("ada", "ada-3", "new", ("olga", "otto"), AT + 30 + DAY, identity="new"),
        revoked("ada-1", AT + 40 + DAY),
        revoked("ada-2", AT + 40 + DAY),
        added_by_order("ada", "ada-3", "new", AT + 30 + 2 * DAY),
    ]
