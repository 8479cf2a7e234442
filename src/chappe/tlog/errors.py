"""What the log refuses, and why. Every refusal leaves the caller's state as it was.

    TlogError
    ├── Malformed       bytes or text that do not have the form of the specification
    ├── OutOfRange      an index, size or entry that the tree does not have or cannot take
    ├── WrongProof      a proof, tile or entry that does not lead to the root it is held against
    ├── BrokenChain     stored rows that are not the log they say they are; `index` is the first bad one
    ├── WrongSignature  a signature by a key that we know, and it does not hold
    ├── Unsigned        no signature by the key that is needed, or too few witnesses
    ├── WrongLog        a checkpoint of another log
    ├── Rollback        a checkpoint older than the one already held
    ├── Fork            two signed checkpoints that cannot be of one log
    ├── Conflict        a witness holds another size of the log than the request says: `size`
    └── MissingTile     a tile or entry bundle that is needed was not given

`code` is stable. Nothing here is secret: a log is public, and the private keys never reach a text.
"""

from __future__ import annotations


class TlogError(Exception):
    """The root of what the log raises."""

    code = "tlog.error"


class Malformed(TlogError):
    code = "tlog.malformed"


class OutOfRange(TlogError):
    code = "tlog.out_of_range"


class WrongProof(TlogError):
    code = "tlog.wrong_proof"


class BrokenChain(TlogError):
    """`index`: the first row that does not fit; all before it do."""

    code = "tlog.broken_chain"

    def __init__(self, text: str, *, index: int) -> None:
        super().__init__(text)
        self.index = index


class WrongSignature(TlogError):
    code = "tlog.wrong_signature"


class Unsigned(TlogError):
    code = "tlog.unsigned"


class WrongLog(TlogError):
    code = "tlog.wrong_log"


class Rollback(TlogError):
    code = "tlog.rollback"


class Fork(TlogError):
    code = "tlog.fork"


class Conflict(TlogError):
    """`size`: how many entries the last head has that the witness cosigned."""

    code = "tlog.conflict"

    def __init__(self, text: str, *, size: int) -> None:
        super().__init__(text)
        self.size = size


class MissingTile(TlogError):
    code = "tlog.missing_tile"
