"""What the published vectors do not ask of the tree's arithmetic: nodes outside it."""

from __future__ import annotations

import pytest

from chappe.mls import tree_math as tm


@pytest.mark.parametrize(("node", "leaves"), [(1, 1), (2, 1), (7, 4), (-1, 4), (100, 8)])
def test_nobody_climbs_from_outside_the_tree(node: int, leaves: int) -> None:
    for climb in (tm.direct_path, tm.copath):
        with pytest.raises(ValueError, match="no node of the tree"):
            climb(node, leaves)
