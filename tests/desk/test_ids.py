"""Ids can be typed: none begins with a dash, and they are random all the same."""

from __future__ import annotations

from chappe.desk.ids import new_id
from chappe.wire.api import to_base64


def test_an_id_can_be_an_argument() -> None:
    """One in sixty-four would begin with a dash otherwise: of so many, sixty."""
    shown = [to_base64(new_id()) for _ in range(4_000)]
    assert not [one for one in shown if one.startswith("-")]
    assert len(set(shown)) == len(shown)
    assert {len(one) for one in shown} == {22}
    assert len({one[0] for one in shown}) == 63
