"""`chappe audit`: read a relay's whole transparency log and check all of it, knowing nobody on the relay.

Entries, tiles, heads, signatures, witnesses and rules are checked by what every phone checks them with
(`log_ledger`, `log_state`); what comes here besides is that every tile which is served belongs to the tree.
"""

from __future__ import annotations

import base64
import json
import os
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

from chappe.client.log_ledger import Ledger, new_bundles, origin_of
from chappe.client.log_state import Broken
from chappe.client.transport import HttpApi
from chappe.tlog.errors import TlogError
from chappe.tlog.merkle import Node
from chappe.tlog.tile_reader import TileReader, from_mapping, range_tiles
from chappe.tlog.tiles import WIDTH, Tile
from chappe.wire import log_entries as e
from chappe.wire.api import from_base64
from chappe.wire.errors import ChappeError, error
from chappe.wire.links import RelayPlace

FRESH_SECONDS: Final = 24 * 3600
"""A head that is older is one that somebody keeps back."""
DEFAULT_PORT: Final = 443
_FORMAT: Final = 1


class Caught(Exception):
    """The log is not what it must be; `why` says it in English. `note`: the head that was shown.

    `is_proof`: not where its witnesses may just be away, or somebody on the way keeps an old head.
    """

    def __init__(self, why: str, note: bytes, *, is_proof: bool = True) -> None:
        super().__init__(why)
        self.why = why
        self.note = note
        self.is_proof = is_proof


@dataclass(frozen=True, slots=True)
class Found:
    """What the log says: all of it, and which entries are new since the last time."""

    ledger: Ledger
    note: bytes
    fresh: tuple[e.LogEntry, ...]

    @property
    def signed_at(self) -> int:
        assert self.ledger.held is not None
        return self.ledger.held.signed_at

    def is_old(self, now: int) -> bool:
        return now - self.signed_at > FRESH_SECONDS

    def witnesses(self) -> list[tuple[str, int]]:
        """Who of the policy cosigned, and when (Unix seconds)."""
        assert self.ledger.held is not None
        logs = self.ledger.view.policy.logs
        return [(key.name, at or 0) for key, at in self.ledger.held.times.items() if key not in logs]

    def counts(self) -> dict[str, int]:
        """`unvouched`: devices that were there before the log, let in by nobody."""
        state = self.ledger.state
        devices = state.devices.values()
        let_in = sum(bool(device.by or device.order) for device in devices)
        return {
            "lines": len(state.lines),
            "devices": len(state.devices),
            "revoked": sum(bool(device.revoked_at) for device in devices),
            "unvouched": len(state.devices) - len(state.lines) - let_in,
            "organisations": len(state.organisations),
            "officers": sum(len(roster.officers) for roster in state.organisations.values()),
        }

    def kinds(self) -> Mapping[str, int]:
        """The new entries, by kind."""
        return Counter(kind_of(entry) for entry in self.fresh)


def kind_of(entry: e.LogEntry) -> str:
    return str(entry.__struct_config__.tag)


def place_of(url: str) -> RelayPlace:
    """`https://HOST[:PORT][#PIN]`, the pin as in a link. Raises usage.invalid."""
    parts = urlsplit(url)
    try:
        pin = from_base64(parts.fragment, 32) if parts.fragment else None
        fits = parts.scheme == "https" and parts.hostname and parts.path in ("", "/") and not parts.query
        if not fits or parts.hostname is None:
            raise ValueError
        host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
        return RelayPlace(host, parts.port or DEFAULT_PORT, pin)
    except (ValueError, ChappeError):
        raise error(
            "usage.invalid", "The relay is https://HOST:PORT, with #PIN where it has a pin."
        ) from None


async def begin(api: HttpApi, policy: bytes | None) -> Ledger:
    """The empty ledger of a relay's log, under the policy given, or under the relay's own word. Raises
    usage.invalid for a policy that is not of this log, network.*."""
    server = (await api.info()).name
    text = policy if policy is not None else await api.log("policy")
    try:
        return Ledger.pinned(server, text)
    except TlogError as problem:
        raise error(
            "usage.invalid", f"The policy is not one of the log {origin_of(server)}: {problem}."
        ) from None


async def read(api: HttpApi, ledger: Ledger) -> Found:
    """What is new. Raises Caught, network.*, the relay's refusals."""
    note = await api.log("checkpoint")
    try:
        size = ledger.check(note).checkpoint.size
        bundles = await _fetch(api, new_bundles(ledger.size, size) if size > ledger.size else [])
        grown = ledger.advance(note, from_mapping(bundles))
        await _check_tiles(api, grown, since=ledger.size)
    except Broken as broken:
        raise Caught(f"entry {broken.index} is one that the log may not hold: {broken.why}", note) from None
    except TlogError as problem:
        passing = ledger.lacks_witnesses(note) or _is_earlier(ledger, note)
        raise Caught(f"{problem} [{problem.code}]", note, is_proof=not passing) from None
    return Found(grown, note, tuple(e.decode(data) for data in grown.added))


def _is_earlier(ledger: Ledger, note: bytes) -> bool:
    """Whether the head is one that was signed before the one that is held."""
    try:
        shown = ledger.view.check(note)
    except TlogError:
        return False
    held = ledger.held
    smaller = shown.checkpoint.size < ledger.size
    return held is not None and smaller and shown.signed_at <= held.signed_at


async def _check_tiles(api: HttpApi, ledger: Ledger, since: int) -> None:
    """Each tile of hashes over what is new belongs to the tree. Raises TlogError."""
    size = ledger.size
    starts = range(since - since % WIDTH, size, WIDTH)
    wanted = range_tiles([(at, at + 1) for at in starts], size)
    reader = TileReader(size, ledger.root, from_mapping(await _fetch(api, wanted)))
    for at in starts:
        reader.read(Node(0, at))


async def _fetch(api: HttpApi, tiles: list[Tile]) -> dict[Tile, bytes]:
    return {tile: await api.log(tile.path) for tile in tiles}


# --- What a watch keeps


def save(path: Path, ledger: Ledger, note: bytes) -> None:
    """Whole or not at all. Raises storage.unwritable."""
    kept = {
        "format": _FORMAT,
        "origin": ledger.view.origin,
        "policy": _text(ledger.policy_text),
        "note": _text(note),
        "ledger": _text(ledger.to_bytes()),
    }
    _write(path, kept)


def restore(path: Path) -> Ledger | None:
    """None where there is none. Raises storage.failed."""
    try:
        kept = json.loads(path.read_bytes())
        if kept["format"] != _FORMAT:
            raise ValueError
        server = str(kept["origin"]).removesuffix("/chappe")
        policy, note, ledger = (base64.b64decode(kept[name]) for name in ("policy", "note", "ledger"))
        return Ledger.restore(server, policy, note, ledger, [])
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError, RecursionError, TlogError):
        raise error(
            "storage.failed", "The file of what was seen last cannot be read; name another with --state."
        ) from None


def keep_evidence(path: Path, ledger: Ledger, caught: Caught) -> Path:
    """Both heads as they came, beside the state. Raises storage.unwritable."""
    held = None if ledger.held is None else _text(ledger.held.note)
    beside = path.with_name(f"{path.name}.evidence")
    _write(beside, {"why": caught.why, "held": held, "shown": _text(caught.note)})
    return beside


def _write(path: Path, value: dict[str, Any]) -> None:
    new = path.with_name(f"{path.name}.new")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with new.open("w") as file:
            json.dump(value, file)
            file.flush()
            os.fsync(file.fileno())
        new.replace(path)
    except OSError:
        raise error("storage.unwritable", "What was seen cannot be kept; see --state.") from None


def _text(data: bytes) -> str:
    return base64.b64encode(data).decode("ascii")
