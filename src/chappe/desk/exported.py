"""An exported audit log, checked by whoever has the file: without the desk, and without trusting it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated

import msgspec
from msgspec import Meta

from chappe.desk.log import Head
from chappe.tlog.chain import Chain, Row
from chappe.tlog.chain import replay as replayed
from chappe.tlog.errors import BrokenChain
from chappe.wire.api import from_base64
from chappe.wire.errors import ChappeError, error

Text = Annotated[str, Meta(max_length=100_000)]


class _Entry(msgspec.Struct):
    number: int
    data: Text
    root: Text


class _Head(msgspec.Struct):
    size: int
    root: Text


class _Line(msgspec.Struct):
    head: _Head


def check(lines: Iterable[bytes], *, kept: Head | None = None) -> Head:
    """The head that the entries lead to; the file's last line has to name it.

    Raises storage.failed where an entry was changed, taken out, put in or moved, or the file is cut off;
    audit.rewritten where the log is whole and not the one whose head was kept.
    """
    chain, said = Chain(), None
    seen = kept is None or kept.size == 0
    for line in lines:
        if said is not None:
            raise _damaged(chain.size)
        if b'"head"' in line[:10]:
            said = _head(line)
            continue
        chain = _follow(chain, line)
        if kept is not None and chain.size == kept.size:
            seen = chain.root == kept.root
    head = Head(chain.size, chain.root)
    if said != head:
        raise error(
            "storage.failed", "The exported log is cut off, or does not end in the head that it names."
        )
    if not seen:
        raise error("audit.rewritten", "The desk's audit log is not the one whose head was kept.")
    return head


def _follow(chain: Chain, line: bytes) -> Chain:
    try:
        entry = msgspec.json.decode(line, type=_Entry)
        row = Row(entry.number, from_base64(entry.data), from_base64(entry.root, 32))
        return replayed([row], start=chain)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError, ChappeError, BrokenChain):
        raise _damaged(chain.size) from None


def _head(line: bytes) -> Head:
    try:
        said = msgspec.json.decode(line, type=_Line).head
        return Head(said.size, from_base64(said.root, 32))
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError, ChappeError):
        raise error("storage.failed", "The exported log's head cannot be read.") from None


def _damaged(number: int) -> ChappeError:
    return error("storage.failed", f"The exported log is damaged at entry {number}.")
