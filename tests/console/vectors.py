"""What Python signs and opens of an officer's papers, for the console's tests (papers.test.ts).

`python -m tests.console.vectors` writes vectors.json anew: only what is sealed differs from run to run.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Final

import msgspec

from chappe.client import officer_papers, officer_removals
from chappe.client.appointing import first_roster
from chappe.client.officer_file import Place
from chappe.client.officer_keys import fleet_keys, officer_keys
from chappe.wire.registers import Membership, open_register, seal_register

FILE: Final = Path(__file__).parent / "vectors.json"
SEED: Final = bytes(range(32))
ORDER: Final = bytes([7]) * 16
DEVICE: Final = bytes([9]) * 16
PLACES: Final = [
    Membership(bytes([1]) * 16, 0, 0),
    Membership(bytes([2]) * 32, 300, 1),
    Membership(bytes([3]) * 16, 2**32 - 1, 65_535),
]
NEWCOMER: Final = officer_papers.ask(bytes([5]) * 16, "Cyd", officer_keys(bytes([6]) * 32))
FIRST: Final = Place("relay.example", 8440, bytes(32), "relay.example")
EPOCHS: Final = {PLACES[0].group: 0, PLACES[1].group: 2**40}


def fixed() -> dict[str, Any]:
    """What is the same each time."""
    keys = fleet_keys(SEED)
    removal = officer_removals.begin(ORDER, DEVICE, PLACES)
    signed = officer_removals.sign(removal, EPOCHS, keys.signing, 0)
    return {
        "seed": SEED.hex(),
        "fleet": keys.signing.private_bytes_raw().hex(),
        "sealing": keys.sealing.private.hex(),
        "order": ORDER.hex(),
        "device": DEVICE.hex(),
        "places": [[one.group.hex(), one.leaf, one.sender] for one in PLACES],
        "epochs": {group.hex(): epoch for group, epoch in EPOCHS.items()},
        "postings": [
            [one.group.hex(), [[each.epoch, each.message.hex()] for each in one.proposals]]
            for one in signed.postings
        ],
        "ada": officer_keys(bytes([4]) * 32).signing.private_bytes_raw().hex(),
        "newcomer": officer_keys(bytes([6]) * 32).signing.private_bytes_raw().hex(),
        "newcomer_sealing": officer_keys(bytes([6]) * 32).sealing.private.hex(),
        "request": msgspec.msgpack.encode(NEWCOMER).hex(),
        "digits": officer_papers.digits_of(NEWCOMER),
    }


def sealed() -> dict[str, str]:
    """What is sealed anew each time."""
    keys, ada = fleet_keys(SEED), officer_keys(bytes([4]) * 32)
    roster = first_roster("Gazette", bytes([4]) * 16, "Ada", keys, ada, 1)
    sealed = officer_papers.seal_fleet(NEWCOMER, SEED)
    answer = officer_papers.Answer(1, NEWCOMER.id, FIRST, [roster], sealed)
    return {
        "register": seal_register(keys.seal_key, DEVICE, PLACES).hex(),
        "answer": msgspec.msgpack.encode(answer).hex(),
    }


def check(vectors: dict[str, Any]) -> None:
    """That they are what Python would write, or opens."""
    assert {name: vectors[name] for name in fixed()} == fixed()
    register = bytes.fromhex(vectors["register"])
    assert open_register(fleet_keys(SEED).sealing.private, DEVICE, register) == PLACES
    answer = officer_papers.decode(bytes.fromhex(vectors["answer"]), officer_papers.Answer)
    assert officer_papers.open_fleet(answer, officer_keys(bytes([6]) * 32)) == SEED


if __name__ == "__main__":
    FILE.write_text(json.dumps(fixed() | sealed(), indent=1) + "\n")
