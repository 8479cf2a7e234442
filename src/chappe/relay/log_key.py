"""The keys that sign the heads of the transparency log: Ed25519, and ML-DSA-44 with the time.

Both are in one file of the data folder, for its owner alone: two seeds of 32 bytes. Whoever has them can show
people a log of his own making, until they compare; a log whose keys are gone ends there.
"""

from __future__ import annotations

import secrets
from pathlib import Path
from typing import Final

from chappe.relay.shares import disk
from chappe.tlog.keys import Kind, Signer
from chappe.wire.errors import error
from chappe.wire.sqlite import os_failure

KEY_NAME: Final = "log.key"
_SEED: Final = 32
LOG_KINDS: Final = (Kind.ED25519, Kind.COSIGNATURE_ML_DSA_44)


def origin_of(server_name: str) -> str:
    """The name of a relay's log, and of its keys."""
    return f"{server_name}/chappe"


def load(folder: Path, name: str, *, make: bool, file_name: str = KEY_NAME) -> tuple[Signer, Signer]:
    """The signers `name`; with `make` they are made where there are none. Raises storage.*."""
    path = folder / file_name
    try:
        if make and not path.exists():
            disk.create(path, secrets.token_bytes(2 * _SEED))
        seeds = path.read_bytes()
    except FileNotFoundError:
        raise error(
            "storage.missing",
            "The transparency log is here and its key is not: bring log.key back from where it is kept.",
        ) from None
    except OSError as problem:
        raise os_failure(problem) from None
    if len(seeds) != 2 * _SEED:
        raise error("storage.failed", "log.key is not the key of a log; bring it back from where it is kept.")
    plain, timed = LOG_KINDS
    return (
        Signer.from_seed(name, plain, seeds[:_SEED]),
        Signer.from_seed(name, timed, seeds[_SEED:]),
    )
