"""The body of a checkpoint (C2SP tlog-checkpoint): which log, how many entries, what head.

A checkpoint says nothing until its signatures are verified: `chappe.tlog.policy` does that.
"""

from __future__ import annotations

from dataclasses import dataclass

from chappe.tlog.errors import Malformed
from chappe.tlog.merkle import EMPTY_ROOT, HASH_SIZE, check_size
from chappe.tlog.text import from_base64, from_decimal, to_base64


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A head of the log `origin`: `size` entries with the tree head `root` (32 bytes).

    `extensions` are lines that the log added; nobody can audit them, Chappe writes none and believes none.
    """

    origin: str
    size: int
    root: bytes
    extensions: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        check_size(self.size)
        if len(self.root) != HASH_SIZE:
            raise Malformed("a tree head is 32 bytes")
        if self.size == 0 and self.root != EMPTY_ROOT:
            raise Malformed("an empty tree has one head, and this is another")
        for line in (self.origin, *self.extensions):
            if not line or any(char < " " for char in line):
                raise Malformed("a line of a checkpoint is empty or has a control character")

    def text(self) -> str:
        """What is signed: three lines, then the extension lines."""
        lines = [self.origin, str(self.size), to_base64(self.root), *self.extensions]
        return "".join(f"{line}\n" for line in lines)

    @classmethod
    def parse(cls, text: str) -> Checkpoint:
        """The checkpoint with this text; raises Malformed for any other than the one spelling."""
        lines = text.split("\n")
        if len(lines) < 4 or lines.pop():
            raise Malformed("a checkpoint has three lines or more, each with its newline")
        origin, size, root, *extensions = lines
        return cls(origin, from_decimal(size), from_base64(root, HASH_SIZE), tuple(extensions))
