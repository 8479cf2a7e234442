"""Is a backup what was made? Every file against its digest, the databases against themselves, and the
transparency log against the head that the relay signed."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from chappe.relay import log_key
from chappe.relay.backup import manifest as m
from chappe.relay.backup.copying import check_database, part_of
from chappe.relay.log_tree import Tree
from chappe.relay.shares.disk import disk_failure
from chappe.tlog.checkpoints import Checkpoint
from chappe.tlog.errors import TlogError
from chappe.tlog.policy import Policy
from chappe.wire.errors import ChappeError


@dataclass(frozen=True, slots=True)
class Checked:
    """A whole backup: its manifest, and the manifest's SHA-256 in hexadecimal."""

    manifest: m.Manifest
    digest: str


def check(folder: Path, expected: str | None = None) -> Checked:
    """Read all of it. `expected`: the SHA-256 that its manifest must have. Nothing is written.

    Raises storage.missing (there is no backup), storage.failed (it is not whole), storage.*.
    """
    manifest, digest = m.read(folder, expected)
    try:
        present = {
            path.relative_to(folder).as_posix()
            for path in folder.rglob("*")
            if path.is_symlink() or not path.is_dir()
        }
        if more := sorted(present - {part.name for part in manifest.files} - {m.NAME}):
            raise m.broken(f"{more[0]} is not in its manifest")
        for part in manifest.files:
            if part.name not in present:
                raise m.broken(f"{part.name} is missing")
            if (folder / part.name).is_symlink() or part_of(folder / part.name, part.name) != part:
                raise m.broken(f"{part.name} is not what its manifest says")
        for name in (m.RELAY_DB, m.DESK_DB):
            if manifest.part(name) is not None:
                _check_database(folder, name)
        if manifest.part(m.RELAY_DB) is not None and manifest.part(m.CHECKPOINT) is not None:
            check_log(folder, manifest.log)
    except OSError as problem:
        raise disk_failure(problem) from None
    return Checked(manifest, digest)


def _check_database(folder: Path, name: str) -> None:
    try:
        check_database(folder / name)
    except sqlite3.Error:
        raise m.broken(f"{name} is no whole database") from None


def check_log(folder: Path, origin: str) -> None:
    """The head is signed by the log's key, and the database leads to it. Raises storage.failed, OSError."""
    head = signed_head(folder, origin, (folder / m.CHECKPOINT).read_bytes())
    tree = Tree()
    try:
        for entry in _entries(folder / m.RELAY_DB, head.size):
            tree.extend([entry])
    except sqlite3.Error:
        raise m.broken("the transparency log cannot be read") from None
    if (tree.size, tree.root) != (head.size, head.root):
        raise m.broken("its database does not lead to the signed head of its transparency log")


def signed_head(folder: Path, origin: str, note: bytes) -> Checkpoint:
    """The head in `note`, signed by the `log.key` in `folder` for the log `origin`. Raises storage.failed."""
    try:
        signers = log_key.load(folder, origin, make=False)
        return Policy(tuple(signer.key for signer in signers)).check(note).checkpoint
    except (ChappeError, TlogError):
        raise m.broken("the head of its transparency log is not signed by its log.key") from None


def _entries(path: Path, count: int) -> Iterator[bytes]:
    """The first entries of the log."""
    with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro&immutable=1", uri=True)) as connection:
        for (entry,) in connection.execute(
            "SELECT entry FROM log_entries WHERE number < ? ORDER BY number", (count,)
        ):
            yield entry
