"""The watch over the relay's transparency log (docs/protocol.md section 14): it pins the log's policy, reads
what is new, holds every device that this phone is to write to against it, and raises the alarm.

Nothing is believed for being said by the relay: heads are signed by the pinned keys, entries lead to the
heads, and what entries say follows the rules (`log_state`). A relay that had no log when this phone first met
it is not watched: `pinned` is False then.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
from typing import Final

from chappe.client.connection import Connection
from chappe.client.core import Core
from chappe.client.groups import Groups
from chappe.client.log_alarms import Alarms, Code, Evidence
from chappe.client.log_doubts import Doubts
from chappe.client.log_gossip import Gossip, Seen
from chappe.client.log_ledger import Ledger, new_bundles
from chappe.client.log_own import OwnLine
from chappe.client.log_state import Broken
from chappe.client.log_store import LogStore
from chappe.client.transport import HttpApi
from chappe.tlog.errors import Fork, Rollback, TlogError
from chappe.tlog.tile_reader import consistency_tiles, from_mapping
from chappe.tlog.tiles import Tile
from chappe.wire.certificate import DeviceCertificate
from chappe.wire.content import LogHead
from chappe.wire.errors import ChappeError, error

STALE_SECONDS: Final = 24 * 3600
"""A head that is older is one that the relay keeps from this phone, or its own clock is wrong."""
AGAIN_SECONDS: Final = 3600
"""How often the head is looked at while the phone is connected."""
GRACE_SECONDS: Final = 10
"""How long the log may take to show what has happened: its sequencer takes milliseconds."""
POLL_SECONDS: Final = 0.5
TRIES: Final = 3
MAX_PAST: Final = 64
"""Tiles that are kept in memory, of 8 KiB at most each."""
_MEMBERS: Final = "log.members"
_NO_FILE: Final = ("http.unknown_path", "attachment.unknown")


class LogWatch:
    """All of it runs in the engine's loop."""

    def __init__(self, core: Core, groups: Groups, connection: Connection) -> None:
        self._core = core
        self._connection = connection
        self._stored = LogStore(core.store, core.me.server)
        self._ledger = self._stored.load()
        self._lock = asyncio.Lock()
        self._api: HttpApi | None = None
        self._refreshed = 0
        self._due = 0
        self._met = False
        self.alarms = Alarms(core)
        self.doubts = Doubts(core, groups, self.alarms)
        self.own = OwnLine(core, self.alarms)
        self.gossip = Gossip(self.alarms)
        self._past: dict[Tile, bytes] = {}
        self.groups = groups

    # --- what others ask

    @property
    def ledger(self) -> Ledger | None:
        """What is believed of the log; None where the relay had none when it was first met."""
        return self._ledger

    @property
    def pinned(self) -> bool:
        return self._ledger is not None

    def head(self) -> LogHead | None:
        """The newest head, for a message to carry."""
        ledger = self._ledger
        return None if ledger is None or ledger.size == 0 else LogHead(ledger.size, ledger.root)

    def heard(self, conversation: bytes, address: str, head: LogHead) -> bool:
        """What a member has seen. True if it is to be looked up (`pump`)."""
        ledger = self._ledger
        if ledger is None or ledger.knows(head.size, head.root):
            return False
        return self.gossip.heard(Seen(head.size, head.root, conversation, address, self._core.now()))

    @property
    def busy(self) -> bool:
        """Something is still to be looked up."""
        return self.pinned and (self.doubts.waiting or self.gossip.waiting)

    def entered(self, conversation: bytes, certificate: DeviceCertificate, *, welcomed: bool) -> bool:
        """A device came into a conversation, inside a change. True if it is to be looked up (`pump`)."""
        ledger = self._ledger
        if ledger is None or self._doubt(ledger, certificate, welcomed=welcomed) is None:
            return False
        self.doubts.add(conversation, certificate)
        return True

    def _doubt(self, ledger: Ledger, certificate: DeviceCertificate, *, welcomed: bool) -> str | None:
        """Why not to write to a device. Who is welcomed may find members who were revoked just now."""
        return self.doubts.why(ledger.state, certificate, revoked_too=not welcomed)

    async def check_package(self, certificate: DeviceCertificate) -> None:
        """Before a device is let in anywhere: it is in the log. Waits for the log where need be. Raises
        log.not_there, and tells; network.*."""
        if not self._met:
            await self.refresh()
        deadline = asyncio.get_running_loop().time() + GRACE_SECONDS
        while (ledger := self._ledger) is not None:
            why = self.doubts.why(ledger.state, certificate, revoked_too=True)
            if why is None:
                self.doubts.allowed(certificate)
                return
            if asyncio.get_running_loop().time() > deadline:
                self.doubts.alarm(None, certificate, why, ledger)
                raise error("log.not_there")
            await self.refresh()
            if self._ledger is ledger:
                await asyncio.sleep(POLL_SECONDS)

    # --- reading the log

    def due(self) -> bool:
        """Whether it is time to look at the head again; also where the clock was put back meanwhile."""
        return not self._due - AGAIN_SECONDS <= self._core.now() < self._due

    def reconnected(self) -> None:
        """At each connection."""
        self._due = 0

    async def close(self) -> None:
        api, self._api = self._api, None
        if api is not None:
            await api.close()

    async def refresh(self) -> None:
        """Read what is new. Raises network.*; what the log does wrong is told as an alarm."""
        asked = self._refreshed
        async with self._lock:
            # Whoever waited for another one's look has it.
            if asked == self._refreshed:
                await self._refresh()
                self._refreshed += 1

    async def _refresh(self) -> None:
        # Judged by when it was asked for: a device may sleep for a day before the answer is read.
        began = self._core.now()
        api = await self._http()
        if self._ledger is None:
            await self._pin(api)
        if self._ledger is not None:
            await self._read(api, self._ledger)
            self._check_age(self._ledger, began)
            self._check_members()
        self._met = True
        self._due = self._core.now() + AGAIN_SECONDS

    async def _http(self) -> HttpApi:
        if self._api is None:
            self._api = HttpApi(self._core.me.place, await self._connection.context())
        return self._api

    async def _pin(self, api: HttpApi) -> None:
        """On first use. A relay without a log answers with an error: then there is nothing to watch."""
        try:
            text = await api.log("policy")
            await api.log("checkpoint")
            self._adopt(Ledger.pinned(self._core.me.server, text))
        except ChappeError as problem:
            if problem.code not in _NO_FILE:
                raise
        except TlogError:
            return

    async def _read(self, api: HttpApi, ledger: Ledger) -> None:
        """What is new; an alarm where the log is gone, or keeps back what it has signed."""
        for left in reversed(range(TRIES)):
            try:
                note = await api.log("checkpoint")
                await self._take(api, ledger, note)
            except ChappeError as problem:
                # While it is read the log may grow, and the narrower form of a bundle go.
                if problem.code not in _NO_FILE:
                    raise
                if left:
                    await asyncio.sleep(POLL_SECONDS)
            else:
                return
        self._alarm("log.frozen", "the relay does not show the log any more", b"gone", ledger=ledger)

    async def _take(self, api: HttpApi, ledger: Ledger, note: bytes) -> None:
        """Raises what the relay refuses a file with, network.*."""
        try:
            signed = ledger.check(note)
            tiles = await self._fetch(api, new_bundles(ledger.size, signed.checkpoint.size))
            self._adopt(ledger.advance(note, from_mapping(tiles)))
        except Broken as broken:
            self._alarm("log.broken", str(broken), b"entry", theirs=note, ledger=ledger)
        except Rollback as problem:
            self._rolled_back(ledger, note, problem)
        except TlogError as problem:
            await self._refused(api, ledger, note, problem)

    def _adopt(self, ledger: Ledger) -> None:
        tail = self._stored.tail
        try:
            with self._core.change():
                self._stored.save(ledger)
                self.alarms.settle("log.frozen", about=_about(b"gone"))
                self.doubts.look_again(ledger.state)
                self.own.look(ledger)
        except BaseException:
            self._stored.tail = tail
            raise
        self._ledger = ledger

    async def start_over(self) -> None:
        """Forget the log, and pin the one that the relay shows now. Raises network.*."""
        async with self._lock:
            with self._core.change():
                self._stored.forget()
                self._core.store.run("DELETE FROM meta WHERE key = ?", _MEMBERS)
            self._ledger = None
            await self._refresh()
            self._refreshed += 1

    def look_at_own_line(self) -> None:
        """Once its salt is known. Inside a change."""
        if self._ledger is not None:
            self.own.look(self._ledger)

    def _check_members(self) -> None:
        """Once, of conversations from before the log was watched."""
        if self._core.store.get(_MEMBERS) is not None:
            return
        with self._core.change():
            for conversation, certificate in self.doubts.all_members():
                self.entered(conversation, certificate, welcomed=True)
            self._core.store.set(_MEMBERS, b"1")

    def _rolled_back(self, ledger: Ledger, note: bytes, problem: TlogError) -> None:
        """A smaller head that was signed after the larger one. One that was signed before is just old:
        somebody on the way has kept it, and the age of ours tells if it stays so."""
        held = ledger.held
        if held is not None and ledger.view.check(note).signed_at > held.signed_at:
            self._alarm("log.forked", str(problem), b"head", theirs=note, ledger=ledger)

    async def _refused(self, api: HttpApi, ledger: Ledger, note: bytes, problem: TlogError) -> None:
        """A head that was not taken. Witnesses may be away: then the age of ours tells if it stays so."""
        if ledger.lacks_witnesses(note):
            return
        said = f"{problem} [{problem.code}]"
        if not isinstance(problem, Fork):
            with contextlib.suppress(TlogError, ChappeError):
                size = ledger.check(note).checkpoint.size
                tiles = await self._fetch(api, consistency_tiles(ledger.size, size))
                if ledger.forked(note, from_mapping(tiles)):
                    said = "the new head does not contain the one that was believed [tlog.fork]"
        self._alarm("log.forked", said, b"head", theirs=note, ledger=ledger)

    async def _fetch(self, api: HttpApi, tiles: list[Tile]) -> dict[Tile, bytes]:
        return {tile: await api.log(tile.path) for tile in tiles}

    async def _fetch_past(self, tiles: list[Tile]) -> dict[Tile, bytes]:
        """Tiles that were found to be of the believed log are asked for once: in a conversation of a hundred
        each has another head, and a tile never changes."""
        missing = await self._fetch(await self._http(), [tile for tile in tiles if tile not in self._past])
        return {tile: self._past[tile] if tile in self._past else missing[tile] for tile in tiles}

    def _check_age(self, ledger: Ledger, now: int) -> None:
        held = ledger.held
        if held is None:
            return
        if now - held.signed_at > STALE_SECONDS:
            self._alarm("log.frozen", "the newest head is more than a day old", b"old", ledger=ledger)
        else:
            self.alarms.settle("log.frozen", about=_about(b"old"))

    def _alarm(
        self, code: Code, said: str, about: bytes, *, theirs: bytes = b"", ledger: Ledger | None = None
    ) -> None:
        ledger = ledger or self._ledger
        ours = b"" if ledger is None or ledger.held is None else ledger.held.note
        self.alarms.raise_(
            code,
            Evidence(ours, theirs, said),
            about=_about(about),
        )

    # --- what waits

    async def pump(self) -> bool:
        """Look up what waits: devices that came in, heads that others have seen. True if something still
        waits. Raises network.*."""
        if not self.busy and not self.due():
            return False
        if self._ledger is None or self.due() or self.doubts.waiting or self.gossip.beyond(self._ledger.size):
            await self.refresh()
        ledger = self._ledger
        if ledger is None:
            return False
        with self._core.change():
            self.doubts.judge(ledger, GRACE_SECONDS)
        await self._compare(ledger)
        return self.busy

    async def _compare(self, ledger: Ledger) -> None:
        """Heads that came with messages."""
        for seen in self.gossip.take():
            known = ledger.knows(seen.size, seen.root)
            if known is None and seen.size < ledger.size:
                tiles = await self._fetch_past(consistency_tiles(seen.size, ledger.size))
                known = self.gossip.holds(ledger, seen, tiles)
                if known:
                    self._ledger = ledger = ledger.remembering(seen.size, seen.root)
                    self._past = dict(list((self._past | tiles).items())[-MAX_PAST:])
            self.gossip.judged(ledger, seen, known, self._core.now(), GRACE_SECONDS)


def _about(what: bytes) -> bytes:
    return hashlib.sha256(what).digest()
