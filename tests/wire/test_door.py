"""What goes through the door: its shape holds nothing that the desk may not know, and bounds that are
checked."""

from __future__ import annotations

import inspect
import re
import secrets
from typing import Any, get_args

import msgspec
import pytest

from chappe.wire import door
from chappe.wire.door import CodeBatch, Door, LineQuery, MadeCodes, Renewal, Struct, stage_of
from chappe.wire.terms import Stage

STRUCTS = [kind for _, kind in inspect.getmembers(door, inspect.isclass) if issubclass(kind, Struct)]
ID = secrets.token_bytes(16)
BATCH = {"batch": ID, "count": 1, "months": 6, "days": 30}
RENEWAL = {"line": ID, "organisation": None, "months": 6, "ends": 86400, "by": "officer"}
# The one key is public and in every activation link; an audit log's root is a hash.
FORBIDDEN = re.compile(
    r"key|certificate|contact|message|payload|network|pin|share|secret|name_of|e_?mail", re.ASCII
)


def test_no_struct_has_room_for_a_key_a_contact_or_a_message() -> None:
    names = {field.name for kind in STRUCTS for field in msgspec.structs.fields(kind)}
    assert len(STRUCTS) > 15
    assert len(names) > 40
    assert {name for name in names if FORBIDDEN.search(name)} == {"fleet_key"}


def test_nothing_that_the_door_does_erases_or_moves_a_line() -> None:
    done = {name for name, _ in inspect.getmembers(Door, inspect.isfunction) if not name.startswith("_")}
    assert done == {
        "make_codes", "void_codes", "batch", "allow_seller", "withhold_seller", "allowed_sellers",
        "lines", "line", "devices", "taken_addresses", "renew", "renew_with_code", "organisations",
        "overview", "audit", "orders",
    }  # fmt: skip


def test_every_stage_has_its_word() -> None:
    assert {stage_of(stage) for stage in Stage} | {"none"} == set(get_args(door.LineStage))


def test_new_codes_are_not_in_a_repr() -> None:
    made = MadeCodes(ID, ["0123456789ABCDEF"], b"", 1)
    assert "0123" not in repr(made)
    assert "0123" not in str(made)


@pytest.mark.parametrize(
    ("kind", "good", "changes"),
    [
        (CodeBatch, BATCH, {"count": 0}),
        (CodeBatch, BATCH, {"count": 10_001}),
        (CodeBatch, BATCH, {"months": 0}),
        (CodeBatch, BATCH, {"months": 61}),
        (CodeBatch, BATCH, {"seller": b"short"}),
        (CodeBatch, BATCH, {"price": 3}),
        (LineQuery, {}, {"limit": 201}),
        (LineQuery, {}, {"limit": 0}),
        (LineQuery, {}, {"stage": "erased"}),
        (LineQuery, {}, {"search": "a" * 321}),
        (LineQuery, {}, {"order": "identity_key"}),
        (Renewal, RENEWAL, {"by": "reseller"}),
        (Renewal, RENEWAL, {"months": -6}),
    ],
)
def test_bounds_hold_where_the_desk_is_another_process(
    kind: type[Struct], good: dict[str, Any], changes: dict[str, Any]
) -> None:
    assert msgspec.convert(good, kind)
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert(good | changes, kind)
