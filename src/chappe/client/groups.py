"""Conversations as MLS groups: their states, their description, their members."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Final

import cbor2

from chappe.client.contacts import certificate_of
from chappe.client.core import Core
from chappe.client.model import Conversation
from chappe.client.rules import Rules
from chappe.client.senders import extension_for, extensions_with
from chappe.mls import (
    XWING_AES256,
    Extension,
    Group,
    MLSError,
    SetExtensions,
    cipher_suite,
    default_capabilities,
)
from chappe.vault.store import Row
from chappe.wire.certificate import DeviceCertificate
from chappe.wire.content import load_item
from chappe.wire.errors import error
from chappe.wire.orders import MAX_TIMER

SUITE: Final = cipher_suite(XWING_AES256)
DESCRIPTION: Final = 0xF0C4
"""GroupContext extension type of a conversation's description (docs/protocol.md section 9.1)."""
CAPABILITIES: Final = default_capabilities((DESCRIPTION,))
MAX_DESCRIPTION: Final = 1024
MAX_NAME: Final = 200
OPENER_BYTES: Final = 32

LEFT, ACTIVE, LEAVING = 0, 1, 2


@dataclass(frozen=True, slots=True)
class Description:
    """`kind`: direct or group. `timer`: seconds until messages disappear, 0 for never."""

    kind: str
    name: str
    timer: int

    def extension(self) -> Extension:
        """Raises content.malformed where it does not fit."""
        data = cbor2.dumps({"kind": self.kind, "name": self.name, "timer": self.timer}, canonical=True)
        if Description.read(data) != self:
            raise error("content.malformed")
        return Extension(DESCRIPTION, data)

    @classmethod
    def of(cls, group: Group) -> Description:
        """Raises content.malformed."""
        for extension in group.extensions:
            if extension.type == DESCRIPTION:
                return cls.read(extension.data)
        raise error("content.malformed")

    @classmethod
    def read(cls, data: bytes) -> Description:
        """Raises content.malformed."""
        found = load_item(data) if len(data) <= MAX_DESCRIPTION else None
        if not isinstance(found, dict) or set(found) != {"kind", "name", "timer"}:
            raise error("content.malformed")
        kind, name, timer = found["kind"], found["name"], found["timer"]
        fits = kind in ("direct", "group") and isinstance(name, str) and len(name) <= MAX_NAME
        if not fits or type(timer) is not int or not 0 <= timer <= MAX_TIMER:
            raise error("content.malformed")
        return cls(kind, name, timer)


@dataclass(frozen=True, slots=True)
class Place:
    """A member's place: its leaf, and whose device is there."""

    leaf: int
    address: str
    device: bytes


class Groups:
    """All states of groups go through here; they are cached, and read anew after a change was undone."""

    def __init__(self, core: Core, rules: Rules) -> None:
        self._core = core
        self._rules = rules
        self._store = core.store
        self._cache: dict[bytes, Group] = {}
        self.crowd = 0
        """Counts what changes who is in a conversation."""
        self.moves = 0
        """Counts what changes this device's places: conversations that begin and end, organisations that
        come."""
        core.store.rolled_back.append(self._cache.clear)

    # --- states

    def has(self, id_: bytes) -> bool:
        return self._store.one("SELECT 1 FROM conversations WHERE id = ?", id_) is not None

    def group(self, id_: bytes) -> Group:
        """Raises conversation.unknown, storage.failed."""
        group = self._cache.get(id_)
        if group is None:
            row = self._store.one("SELECT shared, secret FROM conversations WHERE id = ?", id_)
            if row is None:
                raise error("conversation.unknown")
            try:
                group = Group.from_parts(row[0], row[1])
            except MLSError:
                raise error("storage.failed") from None
            self._cache[id_] = group
        return group

    def keep(self, id_: bytes, group: Group) -> None:
        """The state moved within its epoch."""
        self._store.run("UPDATE conversations SET secret = ? WHERE id = ?", group.secret_bytes(), id_)
        self._cache[id_] = group

    def enter(self, id_: bytes, group: Group) -> None:
        """The state moved to another epoch: members and description follow it."""
        description = Description.of(group)
        before = self._cache.get(id_)
        known = _identities(self.group(id_))
        if before is None or before.extensions != group.extensions:
            self.moves += 1
        self._store.run(
            "UPDATE conversations SET shared = ?, secret = ?, name = ?, timer = ? WHERE id = ?",
            group.shared_bytes(),
            group.secret_bytes(),
            description.name,
            description.timer,
            id_,
        )
        self._store.run("DELETE FROM outside WHERE conversation = ? AND epoch < ?", id_, group.epoch)
        self._cache[id_] = group
        self._write_members(id_, group)
        self._tell_entered(id_, group, known)

    def create(self, description: Description, peer: str | None) -> bytes:
        """A conversation of this device alone, at epoch 0. Gives its id."""
        core, id_ = self._core, secrets.token_bytes(16)
        fleet_key = core.me.certificate.fleet_key
        senders = (extension_for([fleet_key]),) if fleet_key else ()
        group = Group.create(
            SUITE,
            id_,
            core.me.signer,
            core.me.credential,
            now=core.now(),
            extensions=(description.extension(), *senders),
            capabilities=CAPABILITIES,
        )
        self.insert(group, description, peer)
        return id_

    def insert(self, group: Group, description: Description, peer: str | None) -> None:
        """A conversation that begins, or begins again, for this device."""
        self.moves += 1
        now, id_ = self._core.now(), group.group_id
        self._store.run(
            "INSERT INTO conversations (id, kind, name, timer, peer, active, created_at, leaf_at, leaf_sent, "
            "blocked_epoch, shared, secret) VALUES (?, ?, ?, ?, ?, ?, ?, ?, 0, -1, ?, ?) "
            "ON CONFLICT (id) DO UPDATE SET name = excluded.name, timer = excluded.timer, "
            "active = excluded.active, leaf_at = excluded.leaf_at, leaf_sent = 0, blocked_epoch = -1, "
            "shared = excluded.shared, secret = excluded.secret",
            id_,
            description.kind,
            description.name,
            description.timer,
            peer,
            ACTIVE,
            now,
            now,
            group.shared_bytes(),
            group.secret_bytes(),
        )
        self._cache[id_] = group
        self._write_members(id_, group)
        self._tell_entered(id_, group, None)
        self.on_begun(id_, group.epoch)

    def on_entered(self, id_: bytes, certificate: DeviceCertificate, welcomed: bool) -> None:
        """Set by the owner: a device is in a conversation that was not there before. `welcomed`: this one has
        come into it itself."""

    def on_begun(self, id_: bytes, epoch: int) -> None:
        """Set by the owner: this device came into a conversation, in this epoch."""

    def _tell_entered(self, id_: bytes, group: Group, known: frozenset[bytes] | None) -> None:
        for member in group.members:
            if known is None or member.credential.identity not in known:
                self.on_entered(id_, certificate_of(member.credential), known is None)

    def drop_expired(self) -> None:
        """Keys kept for late messages go when their time is over, also where nothing happens."""
        now = self._core.now()
        for id_ in self.active():
            group = self.group(id_)
            kept = group.without_expired(now)
            if kept is not group:
                self.keep(id_, kept)

    def forget(self, id_: bytes) -> None:
        """This device is out: its keys go, what was written stays."""
        self.moves += 1
        self.crowd += 1
        self._store.run(
            "UPDATE conversations SET active = ?, shared = x'', secret = x'' WHERE id = ?", LEFT, id_
        )
        for table in ("held", "outside"):
            self._store.run(f"DELETE FROM {table} WHERE conversation = ?", id_)
        self._cache.pop(id_, None)

    def set_active(self, id_: bytes, active: int) -> None:
        self.moves += 1
        self.crowd += 1
        self._store.run("UPDATE conversations SET active = ? WHERE id = ?", active, id_)

    def activity(self, id_: bytes) -> int:
        row = self._store.one("SELECT active FROM conversations WHERE id = ?", id_)
        return LEFT if row is None else int(row[0])

    def _write_members(self, id_: bytes, group: Group) -> None:
        kept = {(p.leaf, p.device) for p in self.places(id_)}
        wanted: dict[tuple[int, bytes], str] = {}
        for member in group.members:
            certificate = certificate_of(member.credential)
            wanted[member.leaf_index, certificate.device_id] = certificate.address
        self.crowd += kept != wanted.keys()
        for leaf, device in kept - wanted.keys():
            self._store.run(
                "DELETE FROM members WHERE conversation = ? AND leaf = ? AND device = ?", id_, leaf, device
            )
        for leaf, device in wanted.keys() - kept:
            self._store.run(
                "INSERT INTO members (conversation, leaf, address, device) VALUES (?, ?, ?, ?)",
                id_,
                leaf,
                wanted[leaf, device],
                device,
            )

    # --- members

    def places(self, id_: bytes) -> list[Place]:
        rows = self._store.all(
            "SELECT leaf, address, device FROM members WHERE conversation = ? ORDER BY leaf", id_
        )
        return [Place(*row) for row in rows]

    def other_devices(self, id_: bytes) -> list[bytes]:
        """Every member's device but this one."""
        rows = self._store.all(
            "SELECT device FROM members WHERE conversation = ? AND device <> ?", id_, self._core.me.device_id
        )
        return [row[0] for row in rows]

    def company(self) -> set[bytes]:
        """Every device that is in a conversation with this one."""
        rows = self._store.all(
            "SELECT DISTINCT m.device FROM members m JOIN conversations c ON c.id = m.conversation "
            "WHERE c.active <> ? AND m.device <> ?",
            LEFT,
            self._core.me.device_id,
        )
        return {row[0] for row in rows}

    def addresses(self, id_: bytes) -> tuple[str, ...]:
        rows = self._store.all(
            "SELECT DISTINCT address FROM members WHERE conversation = ? ORDER BY address", id_
        )
        return tuple(row[0] for row in rows)

    def lacks_peer(self, id_: bytes) -> bool:
        """A direct conversation whose other line is not in it."""
        row = self._store.one("SELECT peer FROM conversations WHERE id = ? AND kind = 'direct'", id_)
        return row is not None and row[0] not in self.addresses(id_)

    def active(self) -> list[bytes]:
        return [row[0] for row in self._store.all("SELECT id FROM conversations WHERE active = ?", ACTIVE)]

    def watched(self) -> list[bytes]:
        """Those that this device is in."""
        rows = self._store.all("SELECT id FROM conversations WHERE active <> ? ORDER BY id", LEFT)
        return [row[0] for row in rows]

    def of_device(self, device: bytes) -> set[bytes]:
        """Conversations that a device is in."""
        rows = self._store.all("SELECT conversation FROM members WHERE device = ?", device)
        return {row[0] for row in rows}

    # --- what is shown

    def all(self) -> list[Conversation]:
        """The latest first. Two direct ones with one line, from two that wrote at once, are one."""
        shown: list[Conversation] = []
        peers: set[str] = set()
        rows = self._store.all(f"{_SHOWN} ORDER BY kind, peer, active = 1 DESC, id")
        for row in rows:
            if row[1] == "direct":
                if row[4] in peers:
                    continue
                peers.add(row[4])
            shown.append(self._shown(row))
        return sorted(shown, key=lambda c: c.last_at, reverse=True)

    def shown(self, id_: bytes) -> Conversation:
        """Raises conversation.unknown."""
        row = self._store.one(f"{_SHOWN} WHERE id = ?", id_)
        if row is None:
            raise error("conversation.unknown")
        return self._shown(row)

    def direct_with(self, address: str) -> bytes | None:
        """The conversation with a line that is written to: both ends choose the same of several."""
        row = self._store.one(
            "SELECT id FROM conversations WHERE kind = 'direct' AND peer = ? AND active = 1 "
            "ORDER BY id LIMIT 1",
            address,
        )
        return None if row is None else row[0]

    def twins(self, id_: bytes) -> list[bytes]:
        """This conversation and, if it is direct, the others with the same line."""
        rows = self._store.all(
            "SELECT id FROM conversations WHERE id = ? OR (kind = 'direct' AND peer = "
            "(SELECT peer FROM conversations WHERE id = ? AND kind = 'direct'))",
            id_,
            id_,
        )
        return [row[0] for row in rows]

    def _shown(self, row: Row) -> Conversation:
        id_, kind, name, timer, peer, active, created_at = row
        twins = self.twins(id_)
        marks = ", ".join("?" * len(twins))
        unread, last = self._store.one(  # type: ignore[misc]
            f"SELECT count(*) FILTER (WHERE read = 0 AND mine = 0), max(at) FROM messages "
            f"WHERE conversation IN ({marks})",
            *twins,
        )
        members = tuple(sorted({self._core.me.address, peer})) if kind == "direct" else self.addresses(id_)
        shown_name = peer if kind == "direct" else name
        return Conversation(
            id=id_,
            kind=kind,
            name=shown_name,
            timer=timer,
            timer_here=self._rules.timer(timer),
            members=members,
            active=active == ACTIVE,
            unread=unread,
            last_at=last or created_at,
        )


def _identities(group: Group) -> frozenset[bytes]:
    return frozenset(member.credential.identity for member in group.members)


_SHOWN: Final = "SELECT id, kind, name, timer, peer, active, created_at FROM conversations"


def opener(group: Group) -> bytes:
    """Opens the lock of the group's epoch (docs/protocol.md section 8)."""
    return group.export("chappe lock", b"", OPENER_BYTES)


def lock(group: Group) -> bytes:
    """What the relay keeps of an epoch."""
    return hashlib.sha256(b"chappe lock v1" + opener(group)).digest()


def extensions_proposal(
    group: Group, description: Description | None, fleet_keys: Iterable[bytes]
) -> SetExtensions | None:
    """With this description, and these organisations among the senders; None where all of it is so."""
    wanted = extensions_with(group, fleet_keys)
    if description is not None and description != Description.of(group):
        wanted = (*(e for e in wanted if e.type != DESCRIPTION), description.extension())
    return None if wanted == group.extensions else SetExtensions(wanted)


def changed(description: Description, name: str | None, timer: int | None) -> Description:
    """The description with what is given replaced."""
    new = description if name is None else replace(description, name=name)
    return new if timer is None else replace(new, timer=timer)
