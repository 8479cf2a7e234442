"""Move a group by one epoch: compare and swap its lock, file the commit and the Welcomes, all or nothing."""

from __future__ import annotations

import hashlib
import hmac
from dataclasses import dataclass
from typing import Final

from sqlalchemy import insert, select, update

from chappe.relay import brought_back
from chappe.relay.locks import lock_of
from chappe.relay.mailroom import Mailroom, Post
from chappe.relay.ports import Stored, Unit
from chappe.relay.tables import groups
from chappe.relay.usecases.removals import settle
from chappe.wire import frames
from chappe.wire.errors import error

_WELCOME_CONTEXT: Final = b"chappe welcome id v1"


def welcome_id(commit_id: bytes, index: int) -> bytes:
    """The envelope id of a commit's Welcome: 16 bytes, another than the commit's own, the same each time."""
    return hashlib.sha256(_WELCOME_CONTEXT + commit_id + index.to_bytes(2, "big")).digest()[:16]


@dataclass(frozen=True, slots=True)
class MoveGroup:
    """A `Commit` frame: its opener says that a member made it, and nothing says which. Gives `Stored`.

    Refused with commit.unknown_group, commit.conflict, commit.bad_opener, mailbox.unknown_recipient,
    mailbox.full or id.reused.
    """

    mailroom: Mailroom
    frame: frames.Commit

    @property
    def weight(self) -> int:
        frame = self.frame
        return len(frame.payload) + sum(len(w.payload) + 16 * len(w.to) for w in frame.welcomes) + 1_000

    def run(self, unit: Unit) -> Stored:
        frame = self.frame
        digest = hashlib.sha256(b"commit" + frames.encode(frame_without_ref(frame))).digest()[:16]
        known = self.mailroom.known_id(unit.connection, frame.id, digest)
        if known is not None:
            return known
        self._compare_and_swap(unit)
        settle(unit, frame.group, frame.settles)
        resolve = self.mailroom.resolve
        posts = [Post(frame.id, frame.payload, resolve(unit, frame.to))]
        for index, welcome in enumerate(frame.welcomes):
            to = resolve(unit, welcome.to)
            posts.append(Post(welcome_id(frame.id, index), welcome.payload, to))
        return self.mailroom.file(unit, frame.id, digest, posts)

    def _compare_and_swap(self, unit: Unit) -> None:
        frame, connection = self.frame, unit.connection
        if brought_back.is_reserved(frame.group):
            raise error("commit.unknown_group")
        row = connection.execute(
            select(groups.c.epoch, groups.c.lock, groups.c.moved_at).where(groups.c.group_id == frame.group)
        ).one_or_none()
        values = {"epoch": frame.epoch + 1, "lock": frame.next_lock, "moved_at": unit.now}
        if row is None:
            if frame.epoch != 0 and not _may_be_further(unit, None):
                raise error("commit.unknown_group")
            connection.execute(insert(groups).values(group_id=frame.group, **values))
            return
        if frame.epoch < row.epoch:
            raise error("commit.conflict")
        if frame.epoch > row.epoch:
            if not _may_be_further(unit, row.moved_at):
                raise error("commit.unknown_group")
        elif not hmac.compare_digest(lock_of(frame.opener), row.lock):
            raise error("commit.bad_opener")
        connection.execute(update(groups).where(groups.c.group_id == frame.group).values(**values))


def _may_be_further(unit: Unit, moved_at: int | None) -> bool:
    """Whether the copy that this database was brought back from may lack what members did: then the lock of
    the epoch that they are in is lost, and the first who moves the group on sets the next. `moved_at`: when
    the relay last saw the group move; None where it does not know the group."""
    at = brought_back.when(unit.connection, unit.now)
    return at is not None and (moved_at is None or moved_at <= at)


def frame_without_ref(frame: frames.Commit) -> frames.Commit:
    """The frame with ref 0: a retry may number its request anew and is the same commit."""
    return frames.Commit(
        ref=0,
        id=frame.id,
        group=frame.group,
        epoch=frame.epoch,
        opener=frame.opener,
        next_lock=frame.next_lock,
        to=frame.to,
        payload=frame.payload,
        welcomes=frame.welcomes,
        settles=frame.settles,
    )
