"""What the engine refuses, and why. Every refusal leaves the caller's state as it was.

    MLSError
    ├── MalformedMessage   bytes that do not have the form of RFC 9420
    ├── InvalidMessage     well formed, but a signature, tag, key or rule does not hold
    ├── WrongEpoch         of an epoch not reached yet, or too old to open
    ├── AlreadyConsumed    a generation whose key is spent (a replay) or out of the window
    ├── NotMember          this client is not, or no longer, in the group
    ├── GroupClosed        the group was closed by a ReInit; its successor takes over
    ├── ProposalsPending   proposals wait: commit them before sending application data
    └── UnsupportedSuite   a cipher suite that this engine does not implement

`code` is stable; the text never holds key material.
"""

from __future__ import annotations


class MLSError(Exception):
    """The root of what the engine raises."""

    code = "mls.error"


class MalformedMessage(MLSError):
    code = "mls.malformed"


class InvalidMessage(MLSError):
    code = "mls.invalid"


class WrongEpoch(MLSError):
    """`ahead`: the message is of a later epoch than the state (hold it), else of one too old."""

    code = "mls.wrong_epoch"

    def __init__(self, text: str, *, ahead: bool) -> None:
        super().__init__(text)
        self.ahead = ahead


class AlreadyConsumed(MLSError):
    code = "mls.already_consumed"


class NotMember(MLSError):
    code = "mls.not_member"


class GroupClosed(MLSError):
    code = "mls.group_closed"


class ProposalsPending(MLSError):
    code = "mls.proposals_pending"


class UnsupportedSuite(MLSError):
    code = "mls.unsupported_suite"
