"""The Range header: any text gives a span inside, nothing, or a typed refusal."""

from __future__ import annotations

from hypothesis import example, given
from hypothesis import strategies as st

from chappe.relay.ranges import Span, parse_range
from chappe.wire.errors import BadInput

HEADERS = st.one_of(
    st.text(max_size=30),
    st.text("bytes=0123456789-, ", max_size=30),
    st.builds("bytes={}-{}".format, st.integers(-5, 10**18), st.integers(-5, 10**18)),
)


@given(HEADERS, st.integers(1, 10**12))
@example("bytes=٣-٤", 10)
@example("bytes=0-", 1)
def test_any_header(header: str, size: int) -> None:
    try:
        span = parse_range(header, size)
    except BadInput:
        return
    assert span is None or 0 <= span.first <= span.last < size


@given(st.data(), st.integers(1, 10**12))
def test_good_ones(data: st.DataObject, size: int) -> None:
    first = data.draw(st.integers(0, size - 1))
    last = data.draw(st.integers(first, size - 1))
    assert parse_range(f"bytes={first}-{last}", size) == Span(first, last)
    assert parse_range(f"bytes={first}-", size) == Span(first, size - 1)
    assert parse_range(f"bytes=-{size - first}", size) == Span(first, size - 1)
    assert parse_range(None, size) is None
