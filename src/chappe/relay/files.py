"""Attachments on the disk: one file each, written where the tables say it is durable up to.

An upload may stop at any byte. The row's `received` is only moved after the file is synced, so the file may
be longer than that, never shorter; what lies beyond is written again when the upload resumes.
"""

from __future__ import annotations

import asyncio
import fcntl
import hashlib
import hmac
import os
import secrets
from collections.abc import AsyncIterator
from pathlib import Path
from typing import BinaryIO, Final

from chappe.relay.bus import Bus
from chappe.relay.bus.local import LocalBus
from chappe.relay.bus.wakes import Kind, Notice
from chappe.relay.database import os_failure
from chappe.relay.ports import Clock
from chappe.relay.reader import AttachmentRecord
from chappe.relay.store import Store
from chappe.relay.usecases.attachments import NoteReceived, ReserveAttachment, token_digest
from chappe.wire.durable import sync_folder
from chappe.wire.errors import error

SYNC_EVERY: Final = 8 * 1024 * 1024
"""Bytes between two points to which an upload that was cut off may resume."""
PIECE: Final = 256 * 1024
SYNC_SECONDS: Final = 10.0
LOCK_SECONDS: Final = 0.05
"""How often the lock of a file is tried that another gateway has."""
STALL_SECONDS: Final = 60.0
"""How long an upload may send nothing before it counts as cut off."""


class _Upload:
    """One request that writes a file, until another takes over."""

    __slots__ = ("_waiting", "taken_over")

    def __init__(self) -> None:
        self.taken_over = False
        self._waiting: asyncio.Timeout | None = None

    async def next(self, body: AsyncIterator[bytes]) -> bytes | None:
        """The next piece; None at the end. Raises ConnectionError (cut off), TimeoutError (stalled)."""
        try:
            async with asyncio.timeout(STALL_SECONDS) as self._waiting:
                return await anext(body, None)
        finally:
            self._waiting = None

    def stop(self) -> None:
        """Another request takes over: do not wait for a connection that may be dead."""
        self.taken_over = True
        if self._waiting is not None and not self._waiting.expired():
            self._waiting.reschedule(asyncio.get_running_loop().time())


class Attachments:
    """Files under `folder`, named by the attachment's id in hexadecimal."""

    def __init__(
        self,
        folder: Path,
        store: Store,
        clock: Clock,
        *,
        max_size: int,
        quota: int,
        keep_seconds: int,
        reserve: int = 0,
        bus: Bus | None = None,
    ) -> None:
        """`reserve`: bytes of the disk that are for messages alone."""
        self._reserve = reserve
        self._bus = bus or LocalBus()
        self._folder = folder
        self._store = store
        self._clock = clock
        self._max_size = max_size
        self._quota = quota
        self._keep_seconds = keep_seconds
        self._uploads: dict[bytes, _Upload] = {}
        self._locks: dict[bytes, asyncio.Lock] = {}
        try:
            folder.mkdir(exist_ok=True, mode=0o700)
        except OSError as problem:
            raise os_failure(problem) from None

    def reserve(self, line: bytes, size: int) -> ReserveAttachment:
        """The operation that reserves room. Raises attachment.too_large, storage.full."""
        if size > self._max_size:
            raise error("attachment.too_large")
        self._check_disk()
        return ReserveAttachment(
            line, secrets.token_bytes(32), secrets.token_bytes(32), size, self._keep_seconds, self._quota
        )

    def _check_disk(self) -> None:
        """Whoever fills the disk with files does not stop the messages. Raises storage.full."""
        try:
            disk = os.statvfs(self._folder)
        except OSError:
            return
        size, free = disk.f_blocks * disk.f_frsize, disk.f_bavail * disk.f_frsize
        if free < min(self._reserve, size // 10):
            raise error("storage.full", "The relay has no room for attachments now; messages go on.")

    async def find(self, attachment: bytes) -> AttachmentRecord:
        """Raises attachment.unknown, also for one that has expired and is not swept yet."""
        record = await self._store.attachment(attachment)
        if record is None or record.expires <= self._clock():
            raise error("attachment.unknown")
        return record

    async def upload(
        self, attachment: bytes, token: bytes, offset: int, length: int | None, body: AsyncIterator[bytes]
    ) -> int:
        """Write `body` from `offset`; gives how far the file is durable now.

        A newer upload of the same file takes over from an older one, whose connection may be dead without
        the relay knowing. `body` raises ConnectionError where the connection ends too soon: what came is
        kept. Raises attachment.unknown, .bad_token, .bad_offset, .too_large, storage.*.
        """
        record = await self.find(attachment)
        if not hmac.compare_digest(token_digest(token), record.token_digest):
            raise error("attachment.bad_token")
        before = self._uploads.get(attachment)
        if before is not None:
            before.stop()
        self._bus.notify(Notice(Kind.UPLOAD, name=_name(attachment)))
        upload = self._uploads[attachment] = _Upload()
        lock = self._locks.setdefault(attachment, asyncio.Lock())
        try:
            async with lock:
                record = await self.find(attachment)
                if offset != record.received:
                    raise error("attachment.bad_offset")
                if length is not None and offset + length > record.size:
                    raise error("attachment.too_large")
                return await self._receive(attachment, upload, record, body)
        finally:
            if self._uploads.get(attachment) is upload:
                del self._uploads[attachment]
                self._locks.pop(attachment, None)

    def elsewhere(self, name: bytes) -> None:
        """A newer upload goes to another gateway, and waits for this one to let go of the file."""
        for attachment, upload in self._uploads.items():
            if _name(attachment) == name:
                upload.stop()

    async def _alone_at(self, attachment: bytes, upload: _Upload) -> BinaryIO:
        """The file, which no other gateway writes then. Raises attachment.bad_offset where it is not to be
        had, storage.*."""
        file = await asyncio.to_thread(self._open, attachment)
        ends = asyncio.get_running_loop().time() + STALL_SECONDS + SYNC_SECONDS
        try:
            while not _is_locked(file):
                if upload.taken_over or asyncio.get_running_loop().time() > ends:
                    raise error("attachment.bad_offset", "Another upload of this attachment is under way.")
                await asyncio.sleep(LOCK_SECONDS)
        except BaseException:
            file.close()
            raise
        return file

    async def _receive(
        self, attachment: bytes, upload: _Upload, record: AttachmentRecord, body: AsyncIterator[bytes]
    ) -> int:
        pending: list[bytes] = []
        held = 0
        file = await self._alone_at(attachment, upload)
        try:
            # Another gateway may have written more while the file was waited for.
            received = (await self.find(attachment)).received
            if received != record.received:
                raise error("attachment.bad_offset")
            offset = synced = received
            await asyncio.to_thread(self._cut, file, offset)
            while (piece := await _next_or_none(upload, body)) is not None:
                if offset + held + len(piece) > record.size:
                    raise error("attachment.too_large")
                pending.append(piece)
                held += len(piece)
                if held >= PIECE:
                    await asyncio.to_thread(_write, file, pending)
                    offset, held, pending = offset + held, 0, []
                    if offset - synced >= SYNC_EVERY:
                        synced = await self._sync(attachment, file, offset)
                        self._check_disk()
            await asyncio.to_thread(_write, file, pending)
            offset = await self._sync(attachment, file, offset + held)
        except OSError as problem:
            raise os_failure(problem) from None
        finally:
            await asyncio.shield(asyncio.to_thread(file.close))
        if upload.taken_over:
            raise error("attachment.bad_offset", "A newer upload of this attachment took over.")
        return offset

    async def _sync(self, attachment: bytes, file: BinaryIO, received: int) -> int:
        await asyncio.to_thread(os.fsync, file.fileno())
        await self._store.run(NoteReceived(attachment, received))
        return received

    def _open(self, attachment: bytes) -> BinaryIO:
        try:
            descriptor = os.open(self._path(attachment), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            return os.fdopen(descriptor, "r+b", buffering=0)
        except OSError as problem:
            raise os_failure(problem) from None

    def _cut(self, file: BinaryIO, offset: int) -> None:
        """To what is durable. On its first opening its name is made durable, too. Raises OSError."""
        os.ftruncate(file.fileno(), offset)
        file.seek(offset)
        if offset == 0:
            sync_folder(self._folder)

    async def read(self, attachment: bytes, first: int, last: int) -> AsyncIterator[bytes]:
        """Bytes `first` to `last` (both included) of a complete attachment, in pieces."""
        try:
            file = await asyncio.to_thread(open, self._path(attachment), "rb", 0)
        except FileNotFoundError:
            raise error("attachment.unknown") from None
        except OSError as problem:
            raise os_failure(problem) from None
        return self._pieces(file, first, last)

    async def _pieces(self, file: BinaryIO, first: int, last: int) -> AsyncIterator[bytes]:
        try:
            await asyncio.to_thread(file.seek, first)
            left = last - first + 1
            while left > 0:
                piece = await asyncio.to_thread(file.read, min(PIECE, left))
                if not piece:
                    return
                left -= len(piece)
                yield piece
        finally:
            file.close()

    async def delete(self, gone: tuple[bytes, ...]) -> None:
        """Delete the files of attachments whose rows are gone."""
        await asyncio.to_thread(self._delete, gone)

    def _delete(self, gone: tuple[bytes, ...]) -> None:
        for attachment in gone:
            self._path(attachment).unlink(missing_ok=True)

    async def delete_strays(self) -> None:
        """At the start: delete files without a row, left by a relay that was killed while sweeping."""
        for path in await asyncio.to_thread(lambda: sorted(self._folder.iterdir())):
            try:
                attachment = bytes.fromhex(path.name)
            except ValueError:
                continue
            if await self._store.attachment(attachment) is None:
                await self.delete((attachment,))

    def _path(self, attachment: bytes) -> Path:
        return self._folder / attachment.hex()


def _name(attachment: bytes) -> bytes:
    """What gateways call it among each other: who knows its id may fetch it, and the bus may not."""
    return hashlib.sha256(b"chappe upload v1" + attachment).digest()


def _is_locked(file: BinaryIO) -> bool:
    """Take the file's lock, if nobody has it. The system lets go of it however the process ends."""
    try:
        fcntl.flock(file.fileno(), fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


async def _next_or_none(upload: _Upload, body: AsyncIterator[bytes]) -> bytes | None:
    """The next piece; None at the end, wherever that is: what came so far is kept, not sent again."""
    if upload.taken_over:
        return None
    try:
        return await upload.next(body)
    except (ConnectionError, TimeoutError):
        return None


def _write(file: BinaryIO, pieces: list[bytes]) -> None:
    for piece in pieces:
        view = memoryview(piece)
        # An unbuffered file may take less than it is given.
        while len(view):
            view = view[file.write(view) :]
