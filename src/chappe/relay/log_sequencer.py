"""From entries in the database to a signed head that anybody can check.

    committed entries -> tiles and bundles, durable -> signed -> witnesses -> checkpoint, durable -> served

One task does it, woken by a commit that appended. The tree is a function of the entries: a relay that was
killed between any two steps makes the same files again. A database with fewer entries than the head that was
signed, or with others, was brought back from a copy: going on would give the log a second past, which the
phones that saw the first take for treason, and rightly. Such a relay does not start.

Of several gateways on one database the leader does this; the others serve its files, and the head that stands
in the database. It is written there in the session that holds the leader's lock (chappe.relay.leader): two
that take themselves for the leader sign heads of the same entries, and only one of them can publish.
"""

from __future__ import annotations

import asyncio
import contextlib
import secrets
from collections.abc import AsyncIterator, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any, Final, Protocol, TypeVar

import structlog
from sqlalchemy import Connection, func, select

from chappe.relay import log_key
from chappe.relay.database import os_failure
from chappe.relay.leader import Leader
from chappe.relay.log_files import LogFiles, Step
from chappe.relay.log_heads import Head, find_head, record_head
from chappe.relay.log_opening import LogRelease, OpenLog
from chappe.relay.log_tree import Files, Tree
from chappe.relay.ports import Clock
from chappe.relay.store import Store
from chappe.relay.tables import log_entries
from chappe.relay.web import Release
from chappe.tlog.checkpoints import Checkpoint
from chappe.tlog.errors import TlogError
from chappe.tlog.notes import SignedNote
from chappe.tlog.policy import Policy
from chappe.tlog.tiles import WIDTH, Tile
from chappe.wire import log_entries as log_format
from chappe.wire.errors import ChappeError, error

log = structlog.get_logger()

T = TypeVar("T")

FRESH_SECONDS: Final = 600.0
"""How old the head's signature gets before it is signed again."""
LOOK_SECONDS: Final = 2.0
"""How often entries of other processes (`chappe organisation add`) are looked for."""
PAUSE_SECONDS: Final = 0.1
"""Between two heads: what many commits append in that time shares one."""
AT_ONCE: Final = 16 * WIDTH
_RELEASE: Final = b"\xa4what\xa7release"


class Cosigners(Protocol):
    """The witnesses that a head needs."""

    async def cosign(self, note: SignedNote, files: LogFiles) -> SignedNote | None:
        """The note with their signatures, None where they are too few."""

    def policy_lines(self) -> Sequence[str]: ...

    async def close(self) -> None: ...


class NoWitness:
    """A log whose operator has named none."""

    async def cosign(self, note: SignedNote, files: LogFiles) -> SignedNote | None:
        del files
        return note

    def policy_lines(self) -> Sequence[str]:
        return ("quorum none",)

    async def close(self) -> None: ...


class Sequencer:
    """Made and used in one event loop. `note` is the head that is served, None before there is one."""

    def __init__(
        self,
        folder: Path,
        server_name: str,
        store: Store,
        clock: Clock,
        *,
        page: Release | None = None,
        cosigners: Cosigners | None = None,
        step: Step = lambda name: None,
        leader: Leader | None = None,
        published: Callable[[], None] = lambda: None,
    ) -> None:
        """`leader`: where there are several gateways; `published`: a head was, for the others to hear of."""
        self._leader = leader
        self._published = published
        self._ready = False
        """Whether this process leads, and has taken the log over."""
        self.origin = log_key.origin_of(server_name)
        self.files = LogFiles(folder / "tlog", step, "" if leader is None else secrets.token_hex(4))
        self.note: bytes | None = None
        self._data_dir = folder
        self._store = store
        self._clock = clock
        self._page = page
        self._cosigners = cosigners or NoWitness()
        self._step = step
        self._tree = Tree()
        self._full: Files = []
        """Not known to be on the disk."""
        self._lacking = False
        self._last_release = b""
        self._written = -1
        self._signed_size = -1
        self._signed_at = self._head_at = 0.0
        self._awake = asyncio.Event()
        self._turn = asyncio.Lock()
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="chappe-log")
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Check what is here, log what is new, publish, and go on doing so. Raises storage.*."""
        if self._leader is None:
            await self._begin()
        else:
            await self._join()
            self._awake.set()
        self._task = asyncio.get_running_loop().create_task(self._run())

    async def _begin(self) -> None:
        await self._store.run(OpenLog(self.origin))
        try:
            note = self.files.checkpoint()
            self._load_signers(make=note is None)
            if note is not None:
                await self._replay(note)
        except OSError as problem:
            raise os_failure(problem) from None
        try:
            await self._log_release()
            await self.publish()
        except (ChappeError, OSError) as problem:
            # A disk without room, say: the relay answers all the same, and the task tries again.
            log.error("the transparency log could not be written", kind=type(problem).__name__)

    def _load_signers(self, *, make: bool) -> None:
        self._signers = log_key.load(self._data_dir, self.origin, make=make)
        self._policy = Policy(tuple(signer.key for signer in self._signers))

    async def _log_release(self) -> None:
        await self._grow()
        if self._page is not None and self._page.digest != self._last_release:
            await self._store.run(LogRelease(self._page.digest, self._page.version))

    # --- one of several

    async def _join(self) -> None:
        """Serve what is there; whoever leads goes on with it. Raises storage.* where it is of another past:
        none of the gateways starts then."""
        try:
            self._load_signers(make=False)
            note = await self._newest_note()
        except OSError as problem:
            raise os_failure(problem) from None
        if note is not None:
            head = self._own(note)
            if await self._store.read(count_entries) < head.size:
                raise _another_past(head.size, fewer=True)
            self.note = note

    async def _newest_note(self) -> bytes | None:
        """Of the database and of the folder, which may have been brought back from copies of different days.
        Raises storage.*, OSError."""
        head, copy = await self._store.read(find_head), await self._off(self.files.checkpoint)
        if head is None or (copy is not None and self._own(copy).size > head.size):
            return copy
        return head.note

    async def _follow(self) -> None:
        head = await self._store.read(find_head)
        if head is not None and head.note != self.note:
            self.note, self._head_at = head.note, self._clock()

    async def _take_over(self) -> None:
        """All that is remembered may be older than what another leader did since. Raises storage.*,
        OSError."""
        await self._store.run(OpenLog(self.origin))
        async with self._turn:
            self._tree, self._full, self._written, self._signed_at = Tree(), [], -1, 0.0
            note = await self._newest_note()
            if note is not None:
                await self._replay(note)
        await self._log_release()
        self._ready = True

    async def close(self) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        await self._cosigners.close()
        self._thread.shutdown(wait=True)

    def _off(self, work: Callable[..., T], *given: Any) -> asyncio.Future[T]:
        """In a thread of its own: who floods the relay with requests for tiles does not hold the log up."""
        return asyncio.get_running_loop().run_in_executor(self._thread, work, *given)

    @property
    def head(self) -> tuple[int, float]:
        """How many entries the head has that is served, and when this process signed it, or saw that the
        leader had, in Unix seconds; 0 before it did."""
        if self.note is None:
            return 0, self._head_at
        return int(self.note.split(b"\n", 2)[1]), self._head_at

    def wake(self) -> None:
        """The log has grown."""
        self._awake.set()

    def policy_text(self) -> str:
        """Whom a client is to believe about this log (C2SP tlog-policy)."""
        lines = [*(f"log {signer.key}" for signer in self._signers), *self._cosigners.policy_lines()]
        return "".join(f"{line}\n" for line in lines)

    async def _mend(self) -> None:
        """A leader that was stopped just before it wrote the folder's copy of its head, and woke up since,
        has put an old one there. Raises OSError."""
        if self.note is not None and await self._off(self.files.checkpoint) != self.note:
            await self._off(partial(self.files.write_checkpoint, self.note))

    # --- from the start on

    async def _replay(self, note: bytes) -> None:
        """The tree of the entries that a head was signed for, held against it. Raises storage.*, OSError."""
        head = self._own(note)
        missing = [
            tile async for tile, _ in self._full_tiles(self._tree, head.size) if not self.files.has(tile)
        ]
        if (self._tree.size, self._tree.root) != (head.size, head.root):
            raise _another_past(head.size, fewer=self._tree.size < head.size)
        self.note, self._signed_size = note, head.size
        if missing:
            # Somebody took files away: they are made again, from entries that lead to the head.
            async for tile, data in self._full_tiles(Tree(), head.size):
                if tile in missing:
                    await self._off(self.files.write_tiles, [(tile, data)])

    def _own(self, note: bytes) -> Checkpoint:
        try:
            found = self._policy.check(note).checkpoint
        except TlogError:
            raise error(
                "storage.failed",
                "The head of the transparency log is not signed by log.key for this server name: bring both "
                "back from where they are kept.",
            ) from None
        return found

    async def _full_tiles(self, tree: Tree, size: int | None) -> AsyncIterator[tuple[Tile, bytes]]:
        """Take entries in, up to `size` or all that there are; gives the tiles that become full."""
        while size is None or tree.size < size:
            wanted = AT_ONCE if size is None else min(AT_ONCE, size - tree.size)
            found = await self._store.read(partial(_entries, start=tree.size, count=wanted))
            if not found:
                return
            for entry in found:
                if entry[1 : 1 + len(_RELEASE)] == _RELEASE:
                    self._note_release(entry)
            for full in await self._off(tree.extend, found):
                yield full

    def _note_release(self, entry: bytes) -> None:
        decoded = log_format.decode(entry)
        assert isinstance(decoded, log_format.Release)
        self._last_release = decoded.digest

    async def _grow(self) -> None:
        """Take all new entries in. Full tiles are on the disk when it returns."""
        async for full in self._full_tiles(self._tree, None):
            self._full.append(full)
        if self._full:
            await self._off(self.files.write_tiles, tuple(self._full))
            self._full = []

    # --- and on

    async def _run(self) -> None:
        while True:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(LOOK_SECONDS):
                    await self._awake.wait()
            self._awake.clear()
            try:
                if self._leader is not None and not self._leader.is_leading:
                    self._ready = False
                    await self._follow()
                    continue
                if self._leader is not None and not self._ready:
                    await self._take_over()
                if await self._is_due():
                    await self.publish()
                    await asyncio.sleep(PAUSE_SECONDS)
                elif self._leader is not None:
                    await self._mend()
            except (ChappeError, OSError) as problem:
                # The entries are in the database; the next round tries again.
                log.error("the transparency log could not be written", kind=type(problem).__name__)
                await asyncio.sleep(LOOK_SECONDS)
            except Exception:  # the task's outermost shell: the log must go on whatever it was
                log.exception("the transparency log failed in a way it should not")
                await asyncio.sleep(LOOK_SECONDS)

    async def _is_due(self) -> bool:
        async with self._turn:
            await self._grow()
        age = self._clock() - self._signed_at
        return self._tree.size != self._signed_size or not 0 <= age < FRESH_SECONDS

    async def publish(self) -> None:
        """A head of all that is committed now. Raises storage.*, OSError."""
        async with self._turn:
            await self._publish()

    async def _publish(self) -> None:
        await self._grow()
        if self._written != self._tree.size:
            await self._off(partial(self.files.write_tiles, self._tree.edge()))
            self._written = self._tree.size
        size, now = self._tree.size, self._clock()
        text = Checkpoint(self.origin, size, self._tree.root).text()
        signed = await self._off(partial(SignedNote.sign, text, self._signers, int(now)))
        self._step("signed")
        whole = await self._cosigners.cosign(signed, self.files)
        self._step("cosigned")
        if whole is None:
            # What was published last goes on being served; nothing is shown that the witnesses have not seen.
            if not self._lacking:
                log.error(
                    "the transparency log lacks witnesses: its last head goes on being served", size=size
                )
            self._lacking = True
            return
        if self._lacking:
            log.info("the transparency log has its witnesses again", size=size)
        self._lacking = False
        note = whole.to_bytes()
        if self._leader is not None:
            await self._leader.run(partial(record_head, head=Head(size, note)))
            self._step("recorded")
        await self._off(partial(self.files.write_checkpoint, note))
        self._step("published")
        self.note, self._signed_size, self._signed_at, self._head_at = note, size, now, now
        self._published()


def count_entries(connection: Connection) -> int:
    """They are numbered from 0 without a gap."""
    last: int | None = connection.execute(select(func.max(log_entries.c.number))).scalar()
    return 0 if last is None else last + 1


def _another_past(size: int, *, fewer: bool) -> ChappeError:
    return error(
        "storage.failed",
        f"The transparency log is signed up to {size} entries, and the database has "
        f"{'fewer' if fewer else 'others'}: it was brought back from a copy. "
        "Going on would fork the log, and every phone would say so. Bring back the newest database; "
        "see docs/operating.md: the transparency log after a loss.",
    )


def _entries(connection: Connection, start: int, count: int) -> list[bytes]:
    """From number `start` on, `count` at most. Raises storage.failed where one is missing between."""
    rows = connection.execute(
        select(log_entries.c.number, log_entries.c.entry)
        .where(log_entries.c.number >= start)
        .order_by(log_entries.c.number)
        .limit(count)
    ).all()
    if any(row.number != number for number, row in enumerate(rows, start)):
        raise error("storage.failed", "The transparency log has a gap in the database; bring it back whole.")
    return [row.entry for row in rows]
