"""Values for every structure of the wire, made from their own types."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

from chappe.wire import frames

ids16 = st.binary(min_size=16, max_size=16)
ids32 = st.binary(min_size=32, max_size=32)
signatures = st.binary(min_size=64, max_size=64)
refs = st.integers(0, 2**32 - 1)
numbers = st.integers(0, 2**53)
payloads = st.binary(min_size=1, max_size=300)
words = st.text(max_size=30)
addresses = st.text(min_size=3, max_size=40)
recipients = st.lists(ids16, max_size=4)
some_recipients = st.lists(ids16, min_size=1, max_size=4)

entries = st.builds(frames.DeviceEntry, ids16, payloads, st.none() | payloads)
from_relay = st.one_of(
    st.builds(frames.Hello, ids32, words, numbers),
    st.builds(frames.Welcome, st.integers(0, 200), st.booleans(), numbers),
    st.builds(frames.Accepted, refs, ids16, numbers),
    st.builds(frames.Done, refs),
    st.builds(frames.Refusal, st.none() | refs, words, words),
    st.builds(frames.Deliver, numbers, ids16, payloads, numbers),
    st.builds(frames.Line, refs, ids16, addresses, ids32, st.lists(entries, max_size=3), ids32),
    st.builds(frames.Ticket, refs, ids32, ids32, numbers),
)
welcomes = st.builds(frames.WelcomeFor, some_recipients, payloads)
from_device = st.one_of(
    st.builds(frames.SignIn, ids16, signatures),
    st.builds(frames.Send, refs, ids16, some_recipients, payloads),
    st.builds(
        frames.Commit,
        refs,
        ids16,
        st.binary(min_size=16, max_size=32),
        numbers,
        ids32,
        ids32,
        recipients,
        payloads,
        st.lists(welcomes, max_size=3),
    ),
    st.builds(frames.Ack, numbers),
    st.builds(frames.PublishKeyPackages, refs, st.lists(payloads, max_size=3), st.none() | payloads),
    st.builds(frames.Lookup, refs, addresses, st.booleans(), st.none() | recipients),
    st.builds(frames.NewAttachment, refs, st.integers(1, 2**40)),
    st.builds(frames.Enrol, refs, payloads),
)


@st.composite
def damaged(draw: st.DrawFn, encoded: st.SearchStrategy[bytes]) -> bytes:
    """Cut short, continued, or with a few bytes changed, inserted or left out."""
    data = bytearray(draw(encoded))
    kind = draw(st.sampled_from(["cut", "continued", "changed", "inserted", "removed"]))
    if kind == "cut":
        return bytes(data[: draw(st.integers(0, max(0, len(data) - 1)))])
    if kind == "continued":
        return bytes(data) + draw(st.binary(min_size=1, max_size=8))
    for _ in range(draw(st.integers(1, 4))):
        if not data:
            break
        at = draw(st.integers(0, len(data) - 1))
        if kind == "changed":
            data[at] ^= draw(st.integers(1, 255))
        elif kind == "inserted":
            data[at:at] = draw(st.binary(min_size=1, max_size=3))
        else:
            del data[at]
    return bytes(data)


def nested(depth: int) -> Any:
    """A list in a list in a list."""
    value: Any = 0
    for _ in range(depth):
        value = [value]
    return value
