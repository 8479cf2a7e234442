"""Files under way: each survives a kill at any point, and becomes a message once the relay has all of it."""

from __future__ import annotations

import asyncio
import contextlib
import secrets
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import msgspec

from chappe.client import files
from chappe.client.connection import Connection
from chappe.client.core import Core
from chappe.client.events import Failed
from chappe.client.files import Progress, Sealed
from chappe.client.messages import Incoming, Messages
from chappe.client.outbox import Outbox
from chappe.client.transport import HttpApi
from chappe.vault.disk import os_failure
from chappe.wire import content as c
from chappe.wire import frames
from chappe.wire.errors import ChappeError, error


class Transfers:
    """`wake` is called when something was put into the outbox."""

    def __init__(
        self,
        core: Core,
        messages: Messages,
        outbox: Outbox,
        connection: Connection,
        wake: Callable[[], None],
    ) -> None:
        self._wake = wake
        self._core = core
        self._store = core.store
        self._messages = messages
        self._outbox = outbox
        self._connection = connection
        self._running: dict[int, asyncio.Task[bytes]] = {}

    @property
    def idle(self) -> bool:
        return self._store.one("SELECT 1 FROM uploads LIMIT 1") is None

    def resume(self) -> None:
        """Go on with what an earlier run, or an earlier connection, left."""
        for (row,) in self._store.all("SELECT row FROM uploads"):
            if row not in self._running:
                self._start(row, None)

    async def stop(self) -> None:
        tasks = list(self._running.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    # --- sending

    async def send(self, conversation: bytes, path: Path, progress: Progress | None) -> bytes:
        """Encrypt, upload, queue the message; gives its id. If the relay stays away (network.*), the file
        goes out later by itself. Raises file.unreadable, attachment.*, storage.*."""
        spool = self._core.profile.spool / f"{secrets.token_hex(16)}.up"
        try:
            sealed = await asyncio.to_thread(files.seal, path, spool)
        except BaseException:
            spool.unlink(missing_ok=True)
            raise
        with self._core.change():
            row = self._store.run(
                "INSERT INTO uploads (conversation, spool, file) VALUES (?, ?, ?)",
                conversation,
                spool.name,
                msgspec.msgpack.encode(sealed),
            )
        return await asyncio.shield(self._start(row, progress))

    def _start(self, row: int, progress: Progress | None) -> asyncio.Task[bytes]:
        task = asyncio.create_task(self._run(row, progress))
        self._running[row] = task
        task.add_done_callback(lambda done: self._ended(row, done))
        return task

    def _ended(self, row: int, task: asyncio.Task[bytes]) -> None:
        self._running.pop(row, None)
        if not task.cancelled():
            task.exception()  # Told as an event; nobody may be waiting.

    async def _run(self, row: int, progress: Progress | None) -> bytes:
        found = self._store.one("SELECT conversation, spool, file FROM uploads WHERE row = ?", row)
        if found is None:
            raise error("attachment.unknown")
        conversation, spool = found[0], self._core.profile.spool / found[1]
        sealed = msgspec.msgpack.decode(found[2], type=Sealed)
        try:
            id_ = await self._upload(row, sealed, spool, progress)
        except ChappeError as problem:
            if not problem.code.startswith("network."):
                self._drop(row, spool)
                self._core.tell(Failed(conversation, problem.code, problem.message))
            raise
        return self._finish(row, conversation, spool, sealed, id_)

    async def _upload(self, row: int, sealed: Sealed, spool: Path, progress: Progress | None) -> bytes:
        if not spool.exists():
            raise error("file.unreadable", "The encrypted copy of the file is gone; send it again.")
        size = sealed.ciphertext_size
        id_, token = await self._ticket(row, size)
        async with self._api() as api:
            try:
                await files.upload(api, id_, token, spool, size, progress)
            except ChappeError as problem:
                if problem.code not in ("attachment.unknown", "attachment.bad_token"):
                    raise
                # The reservation has expired since.
                with self._core.change():
                    self._store.run("UPDATE uploads SET attachment = NULL WHERE row = ?", row)
                id_, token = await self._ticket(row, size)
                await files.upload(api, id_, token, spool, size, progress)
        return id_

    async def _ticket(self, row: int, size: int) -> tuple[bytes, bytes]:
        found = self._store.one("SELECT attachment, token FROM uploads WHERE row = ?", row)
        if found is not None and found[0] is not None:
            return found[0], found[1]
        patience = files.Patience()
        while True:
            try:
                ticket = await self._connection.ask(
                    lambda ref: frames.NewAttachment(ref, size), frames.Ticket
                )
                break
            except ChappeError as problem:
                await patience.wait(problem)
        with self._core.change():
            self._store.run(
                "UPDATE uploads SET attachment = ?, token = ? WHERE row = ?", ticket.id, ticket.token, row
            )
        return ticket.id, ticket.token

    def _finish(self, row: int, conversation: bytes, spool: Path, sealed: Sealed, id_: bytes) -> bytes:
        body = sealed.attachment(self._core.me.server, id_)
        timer = self._messages.timer_of(conversation)
        message, data = self._messages.new(conversation, body, timer=timer)
        with self._core.change():
            self._messages.apply(
                Incoming(
                    conversation, message, self._core.me.address, self._core.now(), c.decode(data), own=True
                )
            )
            self._outbox.put(conversation, data, message)
            self._store.run("DELETE FROM uploads WHERE row = ?", row)
        spool.unlink(missing_ok=True)
        self._wake()
        return message

    def _drop(self, row: int, spool: Path) -> None:
        with self._core.change():
            self._store.run("DELETE FROM uploads WHERE row = ?", row)
        spool.unlink(missing_ok=True)

    # --- fetching

    async def fetch(self, message: bytes, target: Path, progress: Progress | None) -> Path:
        """Fetch and open a file; gives where it is. `target`: a folder, or the file's new path.

        Raises message.unknown, attachment.*, network.*, storage.*; what was fetched is kept for the next try.
        """
        file = self._messages.file(message)
        id_ = files.attachment_id(file.url, self._core.me.server)
        folder, name = (target, file.name) if target.is_dir() else (target.parent, target.name)
        if not folder.is_dir():
            raise error("storage.unwritable", "There is no such folder to save the file in.")
        part = self._core.profile.spool / f"{message.hex()}.part"
        async with self._api() as api:
            await files.download(api, id_, file, part, progress)
        temporary = folder / f".{secrets.token_hex(8)}.chappe-part"
        try:
            await asyncio.to_thread(files.unseal, part, file, temporary)
            found = files.claim_name(temporary, folder, name)
        except OSError as problem:
            raise os_failure(problem) from None
        finally:
            temporary.unlink(missing_ok=True)
        part.unlink(missing_ok=True)
        return found

    @asynccontextmanager
    async def _api(self) -> AsyncIterator[HttpApi]:
        patience = files.Patience()
        while True:
            try:
                context = await self._connection.context()
                break
            except ChappeError as problem:
                await patience.wait(problem)
        api = HttpApi(self._core.me.place, context)
        try:
            yield api
        finally:
            with contextlib.suppress(ChappeError):
                await api.close()
