"""What a relay promises beside messages, kept in a journal and held against it after a fault.

a line that was activated       signs in
a share that was enrolled       is asked for, and a try that was used up is not given back
an upload, as far as was told   goes on from there, and is whole in the end
a head of the log that was shown    has its entries in the database, and none before it is served again
"""

from __future__ import annotations

import asyncio
import random
import re
import sqlite3
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import httpx
from tests.relay.shares.test_routes import Line
from tests.relay.shares.world import Owner
from tests.relay.test_attachments import Upload
from tests.relay.world import Device, RelayProcess, Wire, activate
from websockets.exceptions import WebSocketException

from chappe.relay.log_tree import Tree
from chappe.tlog.checkpoints import Checkpoint
from chappe.tlog.notes import SignedNote
from chappe.wire import frames

UPLOAD_BYTES: Final = 40_000
GUESSES: Final = 3
"""Wrong ones of a device: the fourth brings a wait."""
_CODE: Final = re.compile(r"\b[a-z]+\.[a-z_]+\b")
_LOST = (OSError, httpx.HTTPError, WebSocketException, TimeoutError)


@dataclass
class _Told:
    """What one line was told."""

    device: Device
    line: Line
    enrolled: bool = False
    tries: int | None = None
    upload: Upload | None = None
    data: bytes = field(default=b"", repr=False)
    received: int = 0


class Promises:
    """`kept`: promises that were looked at and hold. `broken`: those that do not, in words."""

    def __init__(self, relay: RelayProcess, chance: random.Random) -> None:
        """Before `work` it needs `codes`: made by this process, they would pass the relay's disk by."""
        self.codes: list[str] = []
        self._relay = relay
        self._chance = chance
        self._told: list[_Told] = []
        self._shown: list[Checkpoint] = []
        self.kept = 0
        self.broken: list[str] = []
        self.refusals: dict[str, int] = {}
        """By code, in `work`."""

    async def work(self, most: int = 1_000) -> None:
        """Have it promise one thing after another, until the relay is gone, to so many lines at most."""
        with suppress(*_LOST):
            async with self._relay.http() as http:
                for _ in range(min(most, len(self.codes))):
                    try:
                        await self._one(http)
                    except AssertionError as refusal:
                        self._note_refusal(str(refusal))

    def _note_refusal(self, said: str) -> None:
        """Its disk may be failing; it says so, then."""
        found = _CODE.search(said)
        code = found[0] if found else said[:200] or "no code"
        self.refusals[code] = self.refusals.get(code, 0) + 1

    async def _one(self, http: httpx.AsyncClient) -> None:
        device = Device.of_new_line(f"p{self._chance.randbytes(6).hex()}@{self._relay.server_name}")
        answer = await activate(http, device, self.codes.pop())
        assert answer.status_code == 200, answer.text
        told = _Told(device, Line(http, device, Owner(device.id)))
        self._told.append(told)
        async with self._relay.sign_in(device) as wire:
            enrolled = await told.line.enrol(wire)
            assert isinstance(enrolled, frames.Done), enrolled
            told.enrolled = True
            await self._begin_upload(http, wire, told)
        await self._look(http)
        for _ in range(GUESSES):
            await self._guess_wrong(told)
            await self._go_on_uploading(told)
        await self._look(http)

    async def _begin_upload(self, http: httpx.AsyncClient, wire: Wire, told: _Told) -> None:
        data = self._chance.randbytes(UPLOAD_BYTES)
        await wire.say(frames.NewAttachment(6, len(data)))
        ticket = await wire.hear(frames.Frame)
        assert isinstance(ticket, frames.Ticket), ticket
        told.upload, told.data = Upload(http, ticket), data

    async def _go_on_uploading(self, told: _Told) -> None:
        assert told.upload is not None
        end = min(len(told.data), told.received + UPLOAD_BYTES // 2)
        answer = await told.upload.patch(told.received, told.data[told.received : end])
        assert answer.status_code == 204, answer.text
        told.received = int(answer.headers["upload-offset"])

    async def _guess_wrong(self, told: _Told) -> None:
        if told.enrolled:
            answer = await told.line.guess(bytes(32))
            self._note_tries(told, answer.tries, answer.status)

    def _note_tries(self, told: _Told, tries: int | None, status: str) -> None:
        if status not in ("wrong", "wait") or tries is None:
            self.broken.append(f"a wrong guess was answered with {status}")
            return
        # A wait takes none off. A guess that was not answered may have been counted.
        most = 10 if told.tries is None else told.tries
        if tries > most - (status == "wrong"):
            self.broken.append(f"a try was given back: {tries} after {told.tries}")
        told.tries = tries

    async def _look(self, http: httpx.AsyncClient) -> None:
        answer = await http.get("/v1/tlog/checkpoint")
        if answer.status_code == 200:
            head = Checkpoint.parse(SignedNote.parse(answer.content).text)
            if self._shown and head.size < self._shown[-1].size:
                self.broken.append("an older head of the log is shown")
            self._shown.append(head)

    # --- afterwards

    def check_log(self, database: Path) -> None:
        """Whether the entries in the database lead to every head that was shown."""
        with sqlite3.connect(database) as connection:
            entries = [row[0] for row in connection.execute("SELECT entry FROM log_entries ORDER BY number")]
        connection.close()
        tree = Tree()
        for head in sorted(self._shown, key=lambda head: head.size):
            tree.extend(entries[tree.size : head.size])
            if (tree.size, tree.root) != (head.size, head.root):
                self.broken.append("a head of the log was shown that the database does not back")
                return
            self.kept += 1
        del self._shown[:-1]

    async def check(self) -> None:
        """Of the lines that were told something since the last time. The relay answers again."""
        told, self._told = self._told, []
        async with self._relay.http() as http:
            await asyncio.gather(*(self._check(http, one) for one in told))

    async def _check(self, http: httpx.AsyncClient, told: _Told) -> None:
        try:
            async with self._relay.sign_in(told.device):
                self.kept += 1
            if told.enrolled:
                told.line.http = http
                await self._guess_wrong(told)
                self.kept += 1
            if told.upload is not None:
                told.upload.http = http
                await self._check_upload(told, told.upload)
        except (AssertionError, *_LOST) as problem:
            self.broken.append(f"a line lost what it was told: {type(problem).__name__} {problem}"[:300])

    async def _check_upload(self, told: _Told, upload: Upload) -> None:
        there = await upload.offset()
        if there < told.received:
            self.broken.append(f"an upload was told {told.received} bytes are there, and {there} are")
            return
        if there < len(told.data):
            answer = await upload.patch(there, told.data[there:])
            assert answer.status_code == 204, answer.text
        if (await upload.get()).content != told.data:
            self.broken.append("an attachment is not what was uploaded")
        self.kept += 1
