"""A transparency log as whoever reads it has it: from a folder, or over HTTP, and nothing believed."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import httpx

from chappe.relay.log_files import LogFiles
from chappe.tlog.policy import Policy
from chappe.tlog.tile_reader import Fetch, TileReader, range_tiles
from chappe.tlog.tiles import WIDTH, Tile, tile_width
from chappe.tlog.view import View
from chappe.wire import log_entries as log

ORIGIN = "localhost/chappe"


def read_all(note: bytes, policy: bytes, fetch: Fetch) -> tuple[View, list[bytes]]:
    """All entries that the head in `note` says there are, each led to its root."""
    view = View(ORIGIN, Policy.parse(policy)).advance(note)
    reader = TileReader(view.size, view.root, fetch)
    return view, [entry for at in range(-(-view.size // WIDTH)) for entry in reader.entries(at)]


def of_folder(data_dir: Path, policy: bytes) -> tuple[View, list[bytes]]:
    """As a copy of the folder could be served."""
    files = LogFiles(data_dir / "tlog")
    note = files.checkpoint()
    assert note is not None
    return read_all(note, policy, files.read)


async def of_relay(http: httpx.AsyncClient) -> tuple[View, list[log.LogEntry]]:
    """Over HTTP, decoded."""
    policy = (await http.get("/v1/tlog/policy")).content
    note = (await http.get("/v1/tlog/checkpoint")).content
    size = View(ORIGIN, Policy.parse(policy)).advance(note).size
    wanted = range_tiles([(at, at + 1) for at in range(size)], size)
    wanted += [Tile(None, at, tile_width(None, at, size)) for at in range(-(-size // WIDTH))]
    found: dict[Tile, bytes] = {}
    for tile in wanted:
        answer = await http.get(f"/v1/tlog/{tile.path}")
        assert answer.status_code == 200, tile.path
        found[tile] = answer.content
    fetch: Callable[[Tile], bytes] = found.__getitem__
    view, entries = read_all(note, policy, fetch)
    return view, [log.decode(entry) for entry in entries]
