"""The witnesses of the relay's log: each new head is shown to them, and published once a quorum has cosigned.

Who sees two histories of a log would have to have them cosigned by the same witnesses, who cosign but one.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Final
from urllib.parse import urlsplit

import httpx
import structlog

from chappe.relay.log_files import LogFiles
from chappe.tlog.checkpoints import Checkpoint
from chappe.tlog.errors import Malformed, TlogError
from chappe.tlog.keys import VerifierKey
from chappe.tlog.notes import NoteSignature, SignedNote
from chappe.tlog.policy import WITNESS_KINDS
from chappe.tlog.proofs import prove_consistency
from chappe.tlog.text import from_decimal
from chappe.tlog.tile_reader import TileReader
from chappe.tlog.witness import AddCheckpoint
from chappe.wire.errors import error

log = structlog.get_logger()

SECONDS: Final = 5.0
"""How long a witness may take."""
TRIES: Final = 2
"""One to hear which head a witness holds, one to show that this one contains it."""
MAX_ANSWER: Final = 64 * 1024
MAX_WITNESSES: Final = 16
_NO_ANSWER: Final = (httpx.HTTPError, httpx.InvalidURL, OSError, TimeoutError, TlogError, UnicodeDecodeError)


@dataclass(frozen=True, slots=True)
class WitnessPlace:
    """`url`: `add-checkpoint` is below it."""

    url: str
    key: VerifierKey


def read_witnesses(text: str) -> tuple[WitnessPlace, ...]:
    """`URL=vkey`, with spaces between. Raises ValueError for what does not fit."""
    places: list[WitnessPlace] = []
    for word in text.split():
        url, _, vkey = word.partition("=")
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname or parts.query or parts.fragment:
            raise ValueError("a witness is URL=vkey")
        try:
            key = VerifierKey.parse(vkey)
        except Malformed as problem:
            raise ValueError(f"the key of a witness does not fit: {problem}") from None
        if key.kind not in WITNESS_KINDS:
            raise ValueError("a witness signs with a cosignature key")
        places.append(WitnessPlace(url.rstrip("/"), key))
    if len({place.key for place in places}) != len(places) or len(places) > MAX_WITNESSES:
        raise ValueError(f"at most {MAX_WITNESSES} witnesses, each once")
    return tuple(places)


class RemoteCosigners:
    """`quorum` of `places` are needed. `held`: how many entries each has cosigned, as far as is known."""

    def __init__(self, places: Sequence[WitnessPlace], quorum: int) -> None:
        self._places = tuple(places)
        self._quorum = quorum
        self._held = dict.fromkeys(self._places, 0)
        self._http = httpx.AsyncClient(timeout=SECONDS, trust_env=False)

    async def close(self) -> None:
        await self._http.aclose()

    def policy_lines(self) -> Sequence[str]:
        names = [f"witness-{number}" for number in range(1, len(self._places) + 1)]
        return (
            *(
                f"witness {name} {place.key} {place.url}"
                for name, place in zip(names, self._places, strict=True)
            ),
            f"group witnesses {self._quorum} {' '.join(names)}",
            "quorum witnesses",
        )

    async def cosign(self, note: SignedNote, files: LogFiles) -> SignedNote | None:
        """The note with their signatures, None where they are too few."""
        head = Checkpoint.parse(note.text)
        reader = await asyncio.to_thread(partial(TileReader, head.size, head.root, files.read))
        lines = await asyncio.gather(*(self._ask(place, note, reader) for place in self._places))
        signed = tuple(line for line in lines if line is not None)
        if len(signed) < self._quorum:
            return None
        return SignedNote(note.text, (*note.signatures, *signed))

    async def _ask(self, place: WitnessPlace, note: SignedNote, reader: TileReader) -> NoteSignature | None:
        """None where it does not answer as it should: the others may be enough."""
        try:
            async with asyncio.timeout(SECONDS):
                for _ in range(TRIES):
                    signature = await self._try(place, note, reader)
                    if signature is not None:
                        return signature
        except (
            httpx.HTTPError,
            httpx.InvalidURL,
            OSError,
            TimeoutError,
            TlogError,
            UnicodeDecodeError,
        ) as problem:
            log.warning("a witness did not cosign", witness=place.key.name, kind=type(problem).__name__)
        return None

    async def _try(self, place: WitnessPlace, note: SignedNote, reader: TileReader) -> NoteSignature | None:
        """None where it holds another head than was thought: then that is known now."""
        old = self._held[place]
        proof: Sequence[bytes] = ()
        if old:
            proof = await asyncio.to_thread(partial(prove_consistency, old, reader.size, reader.read))
        body = AddCheckpoint(old, tuple(proof), note.to_bytes()).to_bytes()
        status, content = await self._post(f"{place.url}/add-checkpoint", body)
        if status == 409:
            self._held[place] = _held_by(place, content, said=old, size=reader.size)
            return None
        if status != 200:
            raise Malformed(f"status {status}")
        signature = NoteSignature.parse(content.decode().removesuffix("\n"))
        if place.key not in SignedNote(note.text, (signature,)).verify([place.key]):
            raise Malformed("signed by another key")
        self._held[place] = reader.size
        return signature

    async def _post(self, url: str, body: bytes) -> tuple[int, bytes]:
        async with self._http.stream("POST", url, content=body) as answer:
            content = b""
            async for piece in answer.aiter_bytes():
                content += piece
                if len(content) > MAX_ANSWER:
                    raise Malformed("a witness answers too much")
            return answer.status_code, content


def _held_by(place: WitnessPlace, content: bytes, *, said: int, size: int) -> int:
    """How many entries a witness says that it holds. Raises Malformed for what cannot be: the relay has lost
    entries, or has others."""
    with contextlib.suppress(Malformed, UnicodeDecodeError):
        held = from_decimal(content.decode("ascii").removesuffix("\n"))
        if held != said and held <= size:
            return held
    log.error(
        "a witness has seen another past of this log: was the database brought back?",
        witness=place.key.name,
        size=size,
    )
    raise Malformed("a witness holds another head")


def cosigners(text: str, quorum: int | None) -> RemoteCosigners | None:
    """As the settings name them; None where they name none. Raises usage.invalid."""
    try:
        places = read_witnesses(text)
    except ValueError as problem:
        raise error("usage.invalid", f"{problem}.") from None
    if not places:
        return None
    return RemoteCosigners(places, len(places) if quorum is None else quorum)
