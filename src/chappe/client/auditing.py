"""The audit log, replayed: every entry from the first to the head, and nothing that was seen is gone."""

from __future__ import annotations

import hmac
from collections.abc import Awaitable
from dataclasses import dataclass
from typing import Protocol, TypeVar

from chappe.client.officer_file import Head
from chappe.tlog.chain import Chain
from chappe.tlog.errors import TlogError
from chappe.wire import fleet
from chappe.wire.errors import error

A = TypeVar("A", bound=fleet.Answer)


@dataclass(frozen=True, slots=True)
class Audited:
    """`entries` as they are in the log. `seen`: how many of them were there the last time."""

    entries: tuple[bytes, ...]
    size: int
    root: bytes
    seen: int


class Ask(Protocol):
    def __call__(self, ask: fleet.Ask, kind: type[A], /) -> Awaitable[A]: ...


async def fetch(ask: Ask, head: Head | None) -> Audited:
    """All pages. Raises audit.rewritten."""
    entries: list[bytes] = []
    while True:
        page = await ask(fleet.Audit(len(entries)), fleet.AuditPage)
        if page.start != len(entries):
            raise error("http.malformed")
        entries += page.entries
        if len(entries) >= page.size or not page.entries:
            return replayed(entries, page.size, page.root, head)


def replayed(entries: list[bytes], size: int, root: bytes, head: Head | None) -> Audited:
    """The log, if its entries lead to this root, by way of the head that was seen. Raises audit.rewritten."""
    chain = Chain()
    roots = [chain.root]
    try:
        for entry in entries:
            chain, _ = chain.append(entry)
            roots.append(chain.root)
    except TlogError:
        raise error("audit.rewritten") from None
    if len(entries) != size or not hmac.compare_digest(roots[-1], root):
        raise error("audit.rewritten", "The audit log's entries do not lead to the root that is named.")
    if head is not None and head.size > size:
        raise error(
            "audit.rewritten", f"The audit log had {head.size} entries, and now has {size}: the relay cut it."
        )
    if head is not None and not hmac.compare_digest(roots[head.size], head.root):
        raise error(
            "audit.rewritten",
            f"The first {head.size} entries of the audit log are not those of before.",
        )
    return Audited(tuple(entries), size, root, head.size if head else 0)
