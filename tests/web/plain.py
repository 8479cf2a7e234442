"""Values of the wire as JSON that both ends compare: bytes are `{"$": hex}`, names those of TypeScript."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable
from typing import Any, Final, TypeAlias

import msgspec

from chappe.wire import content as c
from chappe.wire.errors import ChappeError
from chappe.wire.links import ActivationLink, DeviceLink

_KINDS: Final = {
    c.Text: "text",
    c.Reaction: "reaction",
    c.Attachment: "attachment",
    c.Deleted: "deleted",
    c.Receipt: "receipt",
    c.Typing: "typing",
    c.Delivery: "delivery",
    c.Unknown: "unknown",
    ActivationLink: "activation",
    DeviceLink: "device",
}


Case: TypeAlias = dict[str, Any]


def verdict(run: Callable[[], object]) -> Case:
    """What Python makes of something."""
    try:
        return {"value": plain(run())}
    except ChappeError as problem:
        return {"error": problem.code}


def plain(value: object) -> Any:
    """A frame, a body, a content, a certificate or a link, and whatever is in it."""
    if isinstance(value, bytes):
        return {"$": value.hex()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    if isinstance(value, msgspec.Struct):
        fields = {name: plain(getattr(value, name)) for name in value.__struct_fields__}
        tag = value.__struct_config__.tag
        return {"t": tag} | fields if tag else fields
    if dataclasses.is_dataclass(value):
        fields = {_camel(f.name): plain(getattr(value, f.name)) for f in dataclasses.fields(value)}
        kind = _KINDS.get(type(value))
        return {"kind": kind} | fields if kind else fields
    return value


def _camel(name: str) -> str:
    return re.sub(r"_(.)", lambda found: found[1].upper(), name)
