"""A message that opens nowhere: random bytes in the form of a PrivateMessage (RFC 9420 section 6.3).

Whoever has no key of the group cannot tell it from a real one, and its sender has used no key for it.
"""

from __future__ import annotations

from chappe.mls.framing import ContentType, PrivateMessage, encode_message
from chappe.mls.suites import Random


def blank_message(
    group_id: bytes,
    epoch: int,
    authenticated_data: bytes,
    sender_data_bytes: int,
    ciphertext_bytes: int,
    random: Random,
) -> bytes:
    """An application message by its header."""
    return encode_message(
        PrivateMessage(
            group_id,
            epoch,
            ContentType.APPLICATION,
            authenticated_data,
            random(sender_data_bytes),
            random(ciphertext_bytes),
        )
    )
