"""docs/protocol.md names every frame, every field, every limit, every body and every error, as they are."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, get_args

import msgspec
import pytest

from chappe.relay.http_errors import status_of
from chappe.relay.shares import challenges
from chappe.wire import api, audit, certificate, codes, frames, log_entries, unlock
from chappe.wire.errors import KINDS, error

TEXT = (Path(__file__).parents[2] / "docs" / "protocol.md").read_text()
ALL_FRAMES: list[type[frames.Frame]] = [*get_args(frames.FromRelay), *get_args(frames.FromDevice)]
BODIES = [
    api.Info,
    api.Activate,
    api.AddDevice,
    api.Activated,
    api.Renew,
    api.Renewed,
    api.UnlockChallenge,
    api.UnlockChallenged,
    api.Unlock,
    api.Unlocked,
    api.Failure,
]
SEALED = [unlock.Enrolment, unlock.Guess, unlock.Answer]


def section(title: str) -> str:
    """The text from a heading to the next of its rank or above."""
    match = re.search(rf"^(#+) {re.escape(title)}.*?$(.*?)(?=^#{{1,2}} |\Z)", TEXT, re.DOTALL | re.MULTILINE)
    assert match, f"docs/protocol.md has no section {title!r}"
    return match[2]


def of_frame(tag: str) -> str:
    """What is said of one frame: from its bold tag to the next."""
    match = re.search(rf"^\*\*`{tag}`\*\*(.*?)(?=^\*\*`|^#)", TEXT, re.DOTALL | re.MULTILINE)
    assert match, f"docs/protocol.md does not describe the frame {tag!r}"
    return match[1]


@pytest.mark.parametrize("frame", ALL_FRAMES, ids=lambda frame: frame.__name__)
def test_every_frame_and_field(frame: type[frames.Frame]) -> None:
    tag = frame.__struct_config__.tag
    said = of_frame(str(tag))
    for field in msgspec.structs.fields(frame):
        assert f"`{field.encode_name}`" in said, f"{tag}.{field.encode_name} is not described"
        for nested in _structs_in(field.type):
            for inner in msgspec.structs.fields(nested):
                assert f"`{inner.encode_name}`" in said, f"{tag}.{field.encode_name}.{inner.encode_name}"


def _structs_in(kind: Any) -> list[type[msgspec.Struct]]:
    if isinstance(kind, type) and issubclass(kind, msgspec.Struct):
        return [kind]
    return [found for part in get_args(kind) for found in _structs_in(part)]


def test_nested_structures_are_looked_into() -> None:
    fields = {field.name: field.type for field in msgspec.structs.fields(frames.Line)}
    assert _structs_in(fields["devices"]) == [frames.DeviceEntry]


def test_no_frame_is_described_that_is_none() -> None:
    tags = {str(frame.__struct_config__.tag) for frame in ALL_FRAMES}
    assert set(re.findall(r"^\*\*`(\w+)`\*\*:", TEXT, re.MULTILINE)) == tags


@pytest.mark.parametrize("body", BODIES, ids=lambda body: body.__name__)
def test_every_body_and_field(body: type[api.Body]) -> None:
    said = section("6. HTTP API")
    for field in msgspec.structs.fields(body):
        assert f"`{field.encode_name}`" in said or f'"{field.encode_name}"' in said


@pytest.mark.parametrize("sealed", SEALED, ids=lambda sealed: sealed.__name__)
def test_everything_that_is_sealed(sealed: type[msgspec.Struct]) -> None:
    said = section("11. Unlocking")
    described = re.search(rf"^\*\*{sealed.__name__}\*\*(.*?)(?=^\*\*|^#)", said, re.DOTALL | re.MULTILINE)
    assert described, f"{sealed.__name__} is not described"
    for field in msgspec.structs.fields(sealed):
        assert f"| `{field.encode_name}` |" in described[1]


def test_the_numbers_of_unlocking() -> None:
    said = " ".join(section("11. Unlocking").split())
    assert ", ".join(f"{wait:,}" for wait in unlock.WAITS) + " seconds" in said
    assert f"brings the tries back to {unlock.TRIES}," in said
    assert f"within {unlock.CHALLENGE_SECONDS} seconds" in said
    assert f"At most {challenges.PER_MINUTE} guesses" in said
    assert all(f"`{status}`" in said for status in ("open", "wrong", "wait", "gone"))
    assert f"`{api.ShareKey.__struct_fields__[0]}`" in said


@pytest.mark.parametrize(
    "limit",
    [
        frames.MAX_FRAME,
        frames.MAX_PAYLOAD,
        frames.MAX_COMMIT,
        frames.MAX_RECIPIENTS,
        frames.MAX_KEY_PACKAGES,
        frames.MAX_KEY_PACKAGE,
        frames.MAX_ENROLMENT,
        unlock.PUBLIC_KEY_BYTES,
        api.MAX_RENDEZVOUS,
        certificate.MAX_BYTES,
    ],
)
def test_every_limit(limit: int) -> None:
    assert re.search(rf"(?<![\d,]){limit:,}(?![\d,])", TEXT)


@pytest.mark.parametrize(
    "context",
    [
        certificate.CONTEXT,
        codes.DIGEST_CONTEXT,
        frames.SIGN_IN_CONTEXT,
        api.ACTIVATE_CONTEXT,
        api.ADD_DEVICE_CONTEXT,
        b"chappe lock v1",
        b"chappe welcome id v1",
        unlock.ENROL_CONTEXT,
        unlock.UNLOCK_CONTEXT,
        unlock.SHARE_CONTEXT,
        log_entries.LINE_CONTEXT,
        log_entries.ORGANISATION_CONTEXT,
        log_entries.DEVICE_CONTEXT,
        log_entries.OFFICER_CONTEXT,
        log_entries.ADDED_CONTEXT,
        log_entries.ANNOUNCED_CONTEXT,
    ],
)
def test_every_context(context: bytes) -> None:
    assert f'"{context.decode()}"' in TEXT


@pytest.mark.parametrize("entry", get_args(log_entries.LogEntry), ids=lambda entry: entry.__name__)
def test_every_entry_of_the_log_and_its_fields(entry: type[log_entries.Entry]) -> None:
    said = next(line for line in section("14.1 Entries").split("\n") if _names(line, entry))
    for field in msgspec.structs.fields(entry):
        if field.name not in ("version", "at"):
            assert f"`{field.name}`" in said, f"{entry.__name__}.{field.name}"


def _names(line: str, entry: type[log_entries.Entry]) -> bool:
    return line.startswith("| `") and f"`{entry.__struct_config__.tag}`" in line.split("|")[1]


def rows() -> dict[str, list[str]]:
    found = re.findall(r"^\| `([a-z_.]+)` \|(.*)\|$", section("10. Errors"), re.MULTILINE)
    return {code: [cell.strip() for cell in rest.split("|")] for code, rest in found}


@pytest.mark.parametrize("code", KINDS)
def test_every_error(code: str) -> None:
    kind = KINDS[code]
    expected = [kind.fault.value, str(kind.exit_status), str(status_of(error(code))), kind.message]
    assert rows().get(code) == expected, (
        f"section 10 of docs/protocol.md needs the row: | `{code}` | {' | '.join(expected)} |"
    )


def test_no_error_is_listed_that_is_none() -> None:
    assert set(rows()) == set(KINDS)
    mentioned = set(re.findall(r"`([a-z]+\.[a-z_]+)`", TEXT))
    entries = {str(kind.__struct_config__.tag) for kind in get_args(log_entries.LogEntry)}
    assert mentioned - {"chappe.v1", "release.json"} - set(get_args(audit.What)) - entries <= set(KINDS)
    assert entries <= mentioned | {"release"}


def test_exit_statuses_are_unique_and_not_those_of_shells() -> None:
    statuses = [kind.exit_status for kind in KINDS.values()]
    assert len(set(statuses)) == len(statuses)
    assert all(1 < status < 126 for status in statuses)
