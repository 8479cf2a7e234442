"""A log for tests: entries, its keys, signed heads, and its tiles as they would be served."""

from __future__ import annotations

from dataclasses import dataclass, field

from chappe.tlog.checkpoints import Checkpoint
from chappe.tlog.keys import Kind, Signer
from chappe.tlog.merkle import Frontier, Node, leaf_hash, tree_head
from chappe.tlog.notes import SignedNote
from chappe.tlog.policy import Group, Policy
from chappe.tlog.tiles import Tile, bundle_bytes, new_tiles, tile_bytes

ORIGIN = "relay.example/log"
AT = 1_790_000_000
LOG = (
    Signer.from_seed(ORIGIN, Kind.ED25519, b"1" * 32),
    Signer.from_seed(ORIGIN, Kind.COSIGNATURE_ML_DSA_44, b"2" * 32),
)
WITNESS = Signer.from_seed("witness.example", Kind.COSIGNATURE_ML_DSA_44, b"3" * 32)
POLICY = Policy(tuple(each.key for each in LOG), Group(1, (WITNESS.key,)))


@dataclass
class Log:
    """`heads[n]` is the tree head of the first `n` entries."""

    entries: list[bytes]
    nodes: dict[Node, bytes] = field(default_factory=dict)

    def __post_init__(self) -> None:
        Frontier().extend(map(leaf_hash, self.entries), self.nodes.__setitem__)

    def read(self, node: Node) -> bytes:
        return self.nodes[node]

    def head(self, size: int) -> bytes:
        return tree_head(self.entries[:size])

    def note(self, size: int, at: int = AT, origin: str = ORIGIN) -> bytes:
        text = Checkpoint(origin, size, self.head(size)).text()
        return SignedNote.sign(text, LOG, at).cosign(WITNESS, at).to_bytes()

    def data(self, tile: Tile) -> bytes:
        """What is served at `tile.path`."""
        if tile.level is None:
            start = tile.index * 256
            return bundle_bytes(self.entries[start : start + tile.width])
        return tile_bytes(tile, self.read)

    def tiles(self, size: int) -> dict[Tile, bytes]:
        """All that is served of a log of `size` entries."""
        return {tile: self.data(tile) for tile in new_tiles(0, size)}
