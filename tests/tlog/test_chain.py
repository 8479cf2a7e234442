"""The chain of rows: what is stored leads to the root, and nothing else does."""

from __future__ import annotations

from dataclasses import replace

import pytest

from chappe.tlog.chain import Chain, Row, replay, replay_to
from chappe.tlog.errors import BrokenChain, Malformed, OutOfRange
from chappe.tlog.merkle import EMPTY_ROOT, leaf_hash
from chappe.tlog.proofs import prove_inclusion, verify_inclusion
from chappe.tlog.tiles import MAX_ENTRY
from tests.tlog import trees

DATA = trees.entries(50)


def _rows(data: list[bytes]) -> tuple[Chain, list[Row]]:
    chain, rows = Chain(), []
    for entry in data:
        # Through bytes each time, as the relay's table does it.
        chain, row = Chain.from_bytes(chain.to_bytes()).append(entry)
        rows.append(row)
    return chain, rows


def test_rows_carry_index_and_root_of_the_definition() -> None:
    chain, rows = _rows(DATA)
    assert [row.index for row in rows] == list(range(50))
    assert [row.root for row in rows] == [trees.mth(DATA[: at + 1]) for at in range(50)]
    assert (chain.size, chain.root) == (50, trees.mth(DATA))
    assert replay(rows) == replay_to(rows, size=50, root=chain.root) == chain
    assert (Chain().size, Chain().root) == (0, EMPTY_ROOT)


def test_replay_goes_on_from_what_was_verified() -> None:
    chain, rows = _rows(DATA)
    middle = replay(rows[:20])
    assert replay_to(rows[20:], size=50, root=chain.root, start=middle) == chain


def test_a_row_is_proved_against_the_last_root() -> None:
    chain, rows = _rows(DATA)
    proof = prove_inclusion(7, chain.size, trees.reader(DATA))
    verify_inclusion(index=7, size=50, leaf=leaf_hash(rows[7].entry), proof=proof, root=chain.root)


def test_append_leaves_the_old_chain_as_it_was() -> None:
    chain, _ = _rows(DATA[:3])
    before = chain.to_bytes()
    one, _ = chain.append(b"one")
    other, _ = chain.append(b"other")
    assert chain.to_bytes() == before
    assert one.root != other.root


def test_what_was_changed_is_found_where_it_was_changed() -> None:
    chain, rows = _rows(DATA)
    flipped = rows[9].entry[:-1] + bytes([rows[9].entry[-1] ^ 1])
    cases = {
        "entry changed": ([*rows[:9], replace(rows[9], entry=flipped), *rows[10:]], 9),
        "root changed": ([*rows[:9], replace(rows[9], root=rows[8].root), *rows[10:]], 9),
        "root short": ([*rows[:9], replace(rows[9], root=rows[9].root[:31]), *rows[10:]], 9),
        "left out": ([*rows[:9], *rows[10:]], 9),
        "doubled": ([*rows[:10], *rows[9:]], 10),
        "swapped": ([*rows[:9], rows[10], rows[9], *rows[11:]], 9),
        "left out, renumbered": (
            [*rows[:9], *(replace(row, index=row.index - 1) for row in rows[10:])],
            9,
        ),
        "first lost": (rows[1:], 0),
        "too long": ([*rows[:9], replace(rows[9], entry=b"x" * (MAX_ENTRY + 1)), *rows[10:]], 9),
    }
    for name, (changed, index) in cases.items():
        with pytest.raises(BrokenChain) as caught:
            replay_to(changed, size=chain.size, root=chain.root)
        assert caught.value.index == index, name


def test_a_tail_cut_off_or_put_on_does_not_lead_to_the_head() -> None:
    chain, rows = _rows(DATA)
    longer, more = chain.append(b"more")
    for changed, index in (([], 0), (rows[:-1], 49), ([*rows, more], 50)):
        with pytest.raises(BrokenChain) as caught:
            replay_to(changed, size=chain.size, root=chain.root)
        assert caught.value.index == index
    with pytest.raises(BrokenChain):
        replay_to(rows, size=50, root=longer.root)


def test_a_rewritten_history_with_its_own_roots_does_not_lead_to_the_head() -> None:
    """The relay may make every row anew; the head that was signed or seen before is what finds it."""
    chain, _ = _rows(DATA)
    _, rows = _rows([*DATA[:9], b"another", *DATA[10:]])
    replay(rows)
    with pytest.raises(BrokenChain):
        replay_to(rows, size=50, root=chain.root)


def test_size_of_entries() -> None:
    chain, _ = Chain().append(b"")
    chain, row = chain.append(b"x" * MAX_ENTRY)
    assert (chain.size, row.index) == (2, 1)
    with pytest.raises(OutOfRange):
        chain.append(b"x" * (MAX_ENTRY + 1))


def test_bytes_that_are_no_chain_are_refused() -> None:
    for data in (b"", b"\x00" * 7, b"\x00" * 9, (5).to_bytes(8, "big") + b"h" * 32):
        with pytest.raises(Malformed):
            Chain.from_bytes(data)
