"""Connections cut at random bytes, either way, with TLS inside: sockets of devices, and attachments."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

import httpx
from tests.relay.test_attachments import Upload, ticket
from tests.relay.world import RelayProcess

from bench.chaos.base import Options, Report, claim
from bench.chaos.crew import Crew
from bench.chaos.cutter import Cutter
from bench.frames_client import in_loop
from chappe.wire import api

TITLE = "Connections are cut at random bytes: messages arrive once, and attachments go on where they stopped"

CUTS: Final = 1_000
LARGE_CUTS: Final = 20_000
AHEAD: Final = 300
"""Messages that may be said from each cut on."""
COURIERS: Final = 2
ATTACHMENT: Final = (1, 400_000)
"""Bytes, least and most."""
PATIENCE: Final = 120.0
"""Seconds without a single cut before it counts as standing still."""


def run(options: Options, *, cuts: int = CUTS) -> Report:
    began = time.monotonic()
    (options.folder / "no-pages").mkdir()
    done: _Run = in_loop(_all(options, LARGE_CUTS if options.large else cuts))
    verdict, cut = done.crew.journals.verdict(), sum(done.cutter.cuts.values())
    faults = [*verdict.faults, *(fault for courier in done.couriers for fault in courier.faults)]
    carried = sum(courier.carried for courier in done.couriers)
    return Report(
        name="cuts",
        passed=verdict.clean and not faults and carried > 0,
        trials=cut,
        accepted=done.crew.journals.accepted,
        lost=verdict.lost,
        doubled=verdict.doubled,
        figures={
            **{f"cut_{where}": count for where, count in sorted(done.cutter.cuts.items())},
            "connections_signed_in": sum(member.reconnects for member in done.crew.members),
            "delivered_again_before_acknowledged": done.crew.journals.again,
            "attachments_there_and_back": carried,
            "uploads_resumed": sum(courier.resumed for courier in done.couriers),
            "downloads_resumed": sum(courier.fetched_on for courier in done.couriers),
            "refused_yet_there": verdict.refused_yet_there,
            "out_of_order": verdict.out_of_order,
            "faults": "; ".join(faults[:5]) or "none",
            "seconds": round(time.monotonic() - began, 1),
        },
        can_claim=f"A connection that is cut anywhere loses, doubles and reorders nothing: {claim(cut, 0)}, "
        f"and {claim(done.crew.journals.accepted, verdict.lost + verdict.doubled)} (messages, which share "
        "cuts).",
        cannot_claim="Nothing about a network that changes what it carries (TLS ends such connections), one "
        "that holds packets back for minutes, or a cut at one certain byte: each was hit by chance.",
    )


@dataclass
class Courier:
    """Uploads attachments and fetches them back, one after another, however often it is cut off."""

    relay: RelayProcess
    cutter: Cutter
    chance: random.Random
    carried: int = 0
    resumed: int = 0
    fetched_on: int = 0
    faults: list[str] = field(default_factory=list)
    over: bool = False

    async def work(self) -> None:
        """Until it is `over`; what is under way then is brought to its end."""
        device = await self.relay.device(f"c{self.chance.randbytes(6).hex()}")
        async with httpx.AsyncClient(
            base_url=f"https://localhost:{self.cutter.port}",
            verify=self.relay.tls(),
            trust_env=False,
            timeout=30,
        ) as http:
            while not self.over:
                data = self.chance.randbytes(self.chance.randint(*ATTACHMENT))
                upload = Upload(http, await ticket(self.relay, device, len(data)))
                await self._upload(upload, data)
                if await self._fetch(upload, len(data)) != data:
                    self.faults.append("an attachment came back changed")
                self.carried += 1

    async def _upload(self, upload: Upload, data: bytes) -> None:
        told, begun = 0, False
        while told < len(data):
            self.resumed += begun
            begun = True
            try:
                there = await upload.offset()
                if there < told:
                    self.faults.append(f"an upload was told {told} bytes are there, and {there} are")
                told = there
                answer = await upload.patch(told, data[told:])
            except httpx.HTTPError:
                continue
            if answer.status_code == 204:
                told = int(answer.headers["upload-offset"])
            elif api.decode(answer.content, api.Failure).code != "attachment.bad_offset":
                # That one is told while the upload that was cut off still writes what it has.
                self.faults.append(f"an upload was refused: {answer.text}")
                return

    async def _fetch(self, upload: Upload, size: int) -> bytes:
        got = bytearray()
        while len(got) < size:
            self.fetched_on += len(got) > 0
            headers = {"Range": f"bytes={len(got)}-"}
            try:
                async with upload.http.stream("GET", upload.path, headers=headers) as answer:
                    if answer.status_code != 206:
                        self.faults.append(f"a download was refused: {answer.status_code}")
                        return b""
                    async for piece in answer.aiter_bytes():
                        got += piece
            except httpx.HTTPError:
                continue
        return bytes(got)


@dataclass
class _Run:
    crew: Crew
    cutter: Cutter
    couriers: list[Courier]


async def _all(options: Options, cuts: int) -> _Run:
    relay = RelayProcess(
        options.folder / "data",
        start=False,
        web_dir=options.folder / "no-pages",
        sends_burst=10**9,
        sends_per_second=10**9,
        attempts_burst=10**6,
        attachment_quota=2**40,
        log_level="error",
    )
    await asyncio.to_thread(relay.start)
    seed = f"{options.seed} cuts"
    crew = Crew(relay, seed)

    def cut() -> None:
        crew.keep_going(AHEAD)
        crew.stirred()

    cutter = Cutter(relay.port, random.Random(seed), cut)
    couriers = [Courier(relay, cutter, random.Random(f"{seed} {number}")) for number in range(COURIERS)]
    try:
        await cutter.start()
        await crew.enter(port=cutter.port)
        crew.keep_going(AHEAD)
        working = [asyncio.create_task(courier.work()) for courier in couriers]
        while (so_far := sum(cutter.cuts.values())) < cuts:
            options.tell(so_far, cuts)
            await crew.until(_more_than(cutter, so_far), PATIENCE)
        cutter.cutting = False
        for courier in couriers:
            courier.over = True
        await asyncio.gather(*working)
        crew.keep_going(0)
        await crew.finish()
    finally:
        await crew.leave()
        await cutter.stop()
        relay.kill()
    return _Run(crew, cutter, couriers)


def _more_than(cutter: Cutter, so_far: int) -> Callable[[], bool]:
    return lambda: sum(cutter.cuts.values()) > so_far
