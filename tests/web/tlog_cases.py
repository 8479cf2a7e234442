"""Cases for the phone's verifier of the log: the published vectors, and what Python makes of good and hostile
bytes. `python -m tests.web.tlog_cases VECTORS FILE` writes them as JSON; numbers are decimal texts there.
"""

from __future__ import annotations

import json
import random
import sys
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, Final, ParamSpec

from chappe.tlog.chain import Chain, Row, replay
from chappe.tlog.checkpoints import Checkpoint
from chappe.tlog.errors import BrokenChain, TlogError
from chappe.tlog.keys import Kind, Signer, VerifierKey
from chappe.tlog.notes import SignedNote
from chappe.tlog.policy import Policy
from chappe.tlog.proofs import prove_consistency
from chappe.tlog.tile_reader import TileReader, from_mapping
from chappe.tlog.tiles import Tile, bundle_bytes, bundle_entries
from chappe.tlog.view import View
from tests.tlog import test_keys, test_notes, test_policy, test_proofs, test_tiles, trees
from tests.tlog.worlds import AT, LOG, ORIGIN, POLICY, WITNESS, Log
from tests.web.cases import mutations

SEED: Final = 1794
Case = dict[str, Any]
P = ParamSpec("P")
LOG_VKEY: Final = "example.com/log/testdata+33d7b496+AeHTu4Q3hEIMHNqc6fASMsq3rKNx280NI+oO5xCFkkSx"


def judged(run: Callable[P, object], *given: P.args, **named: P.kwargs) -> Case:
    """Python's verdict: a value, or the code of an error."""
    try:
        return {"value": run(*given, **named)}
    except BrokenChain as error:
        return {"error": error.code, "index": str(error.index)}
    except TlogError as error:
        return {"error": error.code}


def given_to(test: Any) -> list[Any]:
    """The values that a test of tests/tlog is run with."""
    values: list[Any] = test.pytestmark[0].args[1]
    return values


def proof_cases(vectors: Path) -> list[Case]:
    """Every published proof, with the kind of check, what it says of itself, and Python's verdict."""
    found = [(kind, check, {**vector, "wantErr": True}) for kind, check, vector in test_proofs.BEYOND]
    for folder, check, _, _ in test_proofs.FOLDERS:
        paths = (vectors / "rfc6962-merkle" / "testdata" / folder).rglob("*.json")
        found += [(folder, check, json.loads(path.read_text())) for path in sorted(paths)]
    made = []
    for kind, check, vector in found:
        numbers = {key: str(value) for key, value in vector.items() if type(value) is int}
        made.append({"kind": kind, **vector, **numbers, **judged(check, vector)})
    return made


def note_cases(rng: random.Random, vectors: Path) -> list[Case]:
    """Notes and checkpoints under keys that are known, published and made here, whole and broken."""
    kat = json.loads((vectors / "signed-note" / "kat.json").read_text())
    lines = [f"\u2014 {each['name']} {each['signature_b64']}\n" for each in kat["signatures"]]
    keys = [VerifierKey.parse(each["vkey"]) for each in kat["signatures"]]
    published = [f"{kat['text']}\n{text}".encode() for text in (*lines, "".join(lines))]
    broken = [data for whole in published for data in mutations(rng, whole, 40)]
    made = [(keys, data) for data in [*published, *broken]]
    own = [test_notes.ADA.key, test_notes.BEN.key]
    made += [
        (own, data) for data in [test_notes.BYTES, *given_to(test_notes.test_what_is_no_note_is_refused)]
    ]

    def verdict(keys: list[VerifierKey], data: bytes) -> list[str]:
        return sorted(key.name for key in SignedNote.parse(data).verify(keys))

    return [
        {"keys": [str(key) for key in keys], "data": data.hex(), **judged(verdict, keys, data)}
        for keys, data in made
    ]


def check_cases(rng: random.Random, vectors: Path) -> list[Case]:
    """Signed checkpoints under policies."""
    folder = vectors / "tlog-tiles" / "testdata" / "log"
    published = [(folder / f"checkpoint.{size}").read_bytes() for size in range(16)]
    simple = f"log {LOG_VKEY}\nquorum none\n".encode()
    made = [(simple, data) for data in [*published, *mutations(rng, published[-1], 60)]]
    x1, x2, x3, y1 = test_policy.X1, test_policy.X2, test_policy.X3, test_policy.Y1
    for cosigners in ((), (x1, x2), (x1, x2, y1), (x1, x1, y1), (x1, x2, x3, y1)):
        made.append((test_policy.NESTED, test_policy._note(*cosigners)))
    made.append((test_policy.NESTED, test_policy._note(x1, x2, y1, logs=(test_policy.ED,))))
    whole = test_policy._note(x1, x2, y1)
    made += [(test_policy.NESTED, data) for data in mutations(rng, whole, 25)]
    ends = (text.encode() for text in given_to(test_policy.test_what_is_no_checkpoint_is_refused))
    made += [(simple, text + b"\n" + whole.split(b"\n\n")[-1]) for text in ends]

    def verdict(policy: bytes, data: bytes) -> list[str]:
        signed = Policy.parse(policy).check(data)
        return [str(signed.checkpoint.size), signed.checkpoint.root.hex(), str(signed.signed_at)]

    return [
        {"policy": policy.hex(), "data": data.hex(), **judged(verdict, policy, data)} for policy, data in made
    ]


def _vkey_id(text: str) -> str:
    return VerifierKey.parse(text).id.hex()


def _entries_in(data: bytes) -> list[str]:
    return [entry.hex() for entry in bundle_entries(Tile(None, 0, 3), data)]


def text_cases(rng: random.Random) -> dict[str, list[Case]]:
    """Policies, vkeys, paths, bundles and frontiers: whether they are read, and as what."""
    policies = [text.encode() for text in given_to(test_policy.test_what_is_no_policy_is_refused)]
    policies += [test_policy.NESTED, *mutations(rng, test_policy.NESTED, 100)]
    policies += [f"witness X {test_policy.X1.key}\ngroup G toString X\nquorum G".encode()]
    signers = [Signer.from_seed("log.example/\u00e9", kind, b"s" * 32) for kind in Kind]
    vkeys = [*given_to(test_keys.test_what_is_no_vkey_is_refused), *(str(each.key) for each in signers)]
    paths = [path for _, path in given_to(test_tiles.test_names_are_the_specifications)]
    paths += given_to(test_tiles.test_what_is_no_path_is_refused)
    bundle = bundle_bytes([b"a", b"", b"ccc"])
    bundles = [bundle, b"", *mutations(rng, bundle, 100)]
    chain = Chain()
    frontiers = [chain.to_bytes()]
    for entry in trees.entries(11):
        chain, _ = chain.append(entry)
        frontiers += [chain.to_bytes(), *mutations(rng, chain.to_bytes(), 6)]

    def tile(path: str) -> list[str]:
        found = Tile.parse(path)
        return [str(found.level), str(found.index), str(found.width)]

    def frontier(data: bytes) -> list[str]:
        found = Chain.from_bytes(data)
        return [found.root.hex(), found.append(b"x")[1].root.hex()]

    def met(data: bytes) -> bool:
        policy = Policy.parse(data)
        return policy.quorum is None or policy.quorum.met([test_policy.X1.key])

    return {
        "policies": [{"data": data.hex(), **judged(met, data)} for data in policies],
        "vkeys": [{"text": text, **judged(_vkey_id, text)} for text in vkeys],
        "paths": [{"text": text, **judged(tile, text)} for text in paths],
        "bundles": [{"data": data.hex(), **judged(_entries_in, data)} for data in bundles],
        "frontiers": [{"data": data.hex(), **judged(frontier, data)} for data in frontiers],
    }


def _files(tiles: Mapping[Tile, bytes]) -> dict[str, str]:
    return {tile.path: data.hex() for tile, data in tiles.items()}


def _entry(size: int, root: bytes, tiles: dict[Tile, bytes], index: int) -> str:
    return TileReader(size, root, from_mapping(tiles)).entry(index).hex()


def reader_cases(rng: random.Random, vectors: Path) -> list[Case]:
    """Trees with their files, right and with one of them changed, and the first bytes of an entry of each."""
    folder = vectors / "tlog-tiles" / "testdata" / "log"
    entries = bundle_entries(Tile(None, 0, 15), (folder / "tile/entries/000.p/15").read_bytes())
    made: list[tuple[Log, int, int, Tile | None]] = [(Log(entries), size, 0, None) for size in range(1, 16)]
    log = Log([b"%d" % number for number in range(600)])
    made += [(log, size, size - 1, None) for size in (1, 255, 256, 257, 512, 600)]
    for tile in [*log.tiles(600)] * 3:
        made.append((log, 600, 300, tile))
    cases = []
    for tree, size, index, changed in made:
        tiles = tree.tiles(size)
        if changed is not None:
            tiles[changed] = mutations(rng, tiles[changed], 1)[0]
        root = tree.head(size)
        verdict = judged(_entry, size, root, tiles, index)
        cases.append(
            {"size": str(size), "root": root.hex(), "index": str(index), "tiles": _files(tiles), **verdict}
        )
    return cases


def _policy_text() -> str:
    logs = "".join(f"log {each.key}\n" for each in LOG)
    return f"{logs}witness W {WITNESS.key}\nquorum W\n"


def _shown(view: View) -> list[str]:
    assert view.held is not None
    return [str(view.size), view.root.hex(), str(view.held.signed_at)]


def _view_case(good: Log, held: int, log: Log, size: int) -> Case:
    """A view of the good log at `held`, shown the head of `log` at `size`."""
    start, note = View(ORIGIN, POLICY).advance(good.note(held)), log.note(size, AT + size)
    proof = prove_consistency(held, size, log.read) if 0 < held <= size else []
    tiles, own = log.tiles(size), good.tiles(held)

    def compare() -> str:
        start.compare(note, from_mapping(own))
        return "agree"

    return {
        "held": good.note(held).hex(),
        "note": note.hex(),
        "proof": [each.hex() for each in proof],
        "tiles": _files(tiles),
        "own": _files(own),
        "advance": judged(lambda: _shown(start.advance(note, proof))),
        "bare": judged(lambda: _shown(start.advance(note))),
        "advanceWith": judged(lambda: _shown(start.advance_with(note, from_mapping(tiles)))),
        "compare": judged(compare),
    }


def view_cases() -> list[Case]:
    """What a view answers to a note, by way of a proof, of tiles, and in comparing."""
    good = Log(trees.entries(300))
    fork = Log([*good.entries[:50], b"ghost device", *good.entries[51:]])
    heads = [(good, 0), (good, 40), (good, 256), (good, 300), (fork, 40), (fork, 256), (fork, 300)]
    return [_view_case(good, held, log, size) for held in (0, 40, 256) for log, size in heads]


def replay_cases() -> list[Case]:
    """Rows, right and wrong."""
    chain, rows = Chain(), []
    for entry in trees.entries(9):
        chain, row = chain.append(entry)
        rows.append(row)
    lists = [rows, rows[1:], [*rows[:4], *rows[5:]], [*rows[:5], *rows[4:]], rows[::-1], []]
    lists += [[*rows[:4], Row(4, b"other", rows[4].root), *rows[5:]], [*rows[:4], Row(4, rows[4].entry, b"")]]

    def plain(rows: Iterable[Row]) -> list[list[str]]:
        return [[str(row.index), row.entry.hex(), row.root.hex()] for row in rows]

    def replayed(rows: list[Row]) -> str:
        return replay(rows).root.hex()

    return [{"rows": plain(each), **judged(replayed, each)} for each in lists]


def cases(vectors: Path) -> dict[str, Any]:
    rng = random.Random(SEED)
    return {
        "proofs": proof_cases(vectors),
        "notes": note_cases(rng, vectors),
        "checks": check_cases(rng, vectors),
        **text_cases(rng),
        "readers": reader_cases(rng, vectors),
        "policy": _policy_text().encode().hex(),
        "origin": ORIGIN,
        "views": view_cases(),
        "replays": replay_cases(),
        "text": Checkpoint(ORIGIN, 5, b"r" * 32).text(),
    }


def main() -> None:
    vectors, file = map(Path, sys.argv[1:])
    file.write_text(json.dumps(cases(vectors)), encoding="utf-8")


if __name__ == "__main__":
    main()
