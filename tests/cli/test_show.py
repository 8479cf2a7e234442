"""How things look."""

from __future__ import annotations

import json
from typing import cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chappe.cli import show, words
from chappe.cli.chat import Chat
from chappe.client import Phone, ShownMessage
from chappe.client.events import Offline
from chappe.wire.errors import ChappeError


def test_both_languages_say_the_same_things() -> None:
    import string

    for key, pair in words.keys().items():
        names = [{name for _, name, _, _ in string.Formatter().parse(text) if name} for text in pair]
        assert names[0] == names[1] or key == "nobody", key
        assert bool(pair[0]) == bool(pair[1]), key


@pytest.mark.parametrize(
    ("variables", "expected"),
    [
        ({}, "en"),
        ({"LANG": "fr_FR.UTF-8"}, "fr"),
        ({"LANG": "fr_FR.UTF-8", "LC_ALL": "C"}, "en"),
        ({"LC_ALL": "fr_CA", "CHAPPE_LANG": "en"}, "en"),
        ({"CHAPPE_LANG": "fr"}, "fr"),
    ],
)
def test_the_language(monkeypatch: pytest.MonkeyPatch, variables: dict[str, str], expected: str) -> None:
    for name in ("CHAPPE_LANG", "LC_ALL", "LC_MESSAGES", "LANG"):
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert words.language() == expected


@given(st.text())
def test_nothing_that_moves_the_cursor_is_left(text: str) -> None:
    cleaned = show.clean(text)
    cleaned.encode("utf-8")
    assert not any(ord(c) < 0x20 or 0x7F <= ord(c) < 0xA0 or c in "\u202e\u2066\u2028" for c in cleaned)
    assert show.clean(cleaned) == cleaned


def test_no_flood_of_marks_runs_over_the_lines_above() -> None:
    assert len(show.clean("a" + "\u0337\u0321\u0489" * 100 + "b")) == 6
    assert show.clean("Nguyễn") == "Nguyễn"


@given(st.text(alphabet="a\x85\x9b\u2028\u202e\n\x1b"))
def test_json_is_one_line_of_plain_characters(text: str) -> None:
    line = show.as_json({"text": text})
    assert line.splitlines() == [line]
    assert line.isascii()
    assert line.isprintable()
    assert json.loads(line) == {"text": text}


@pytest.mark.parametrize("code", ["signin.superseded", "signin.revoked", "network.untrusted"])
def test_chat_says_what_keeps_it_offline_for_good(code: str) -> None:
    chat = Chat(cast(Phone, None))
    (line,) = chat._told(Offline(code))
    assert line.endswith(f"[{code}]")
    assert chat._told(Offline("network.unreachable")) == [words.say("chat.offline")]


@pytest.mark.parametrize(
    ("kind", "text", "english", "french"),
    [
        ("gap", "1", "one message of theirs is missing", "il manque un de ses messages"),
        ("gap", "12", "12 messages of theirs are missing", "il manque 12 de ses messages"),
        ("fork", "number", "do not follow on one another", "ne se suivent pas"),
        ("fork", "history", "another history", "autre histoire"),
    ],
)
def test_what_is_missing_or_does_not_fit_is_said_in_plain_words(
    monkeypatch: pytest.MonkeyPatch, kind: str, text: str, english: str, french: str
) -> None:
    message = ShownMessage(
        b"\0" * 32, b"c", "ada@a", False, 0, kind, text, False, None, (), None, "received", None
    )
    for language, said in (("en", english), ("fr", french)):
        monkeypatch.setenv("CHAPPE_LANG", language)
        assert said in show.message_text(message)
        # What a fork asks for: compare in person, tell the officer.
        assert ("offic" in show.message_text(message)) == (kind == "fork")


def test_emoji_of_several_parts_stay_whole() -> None:
    assert show.clean("👩‍👩‍👧 ❤️") == "👩‍👩‍👧 ❤️"


@pytest.mark.parametrize(
    ("text", "seconds"), [("30s", 30), ("5m", 300), ("2h", 7200), ("7d", 604800), ("90", 90), ("off", 0)]
)
def test_times(text: str, seconds: int) -> None:
    assert show.parse_duration(text) == seconds
    if seconds:
        assert show.parse_duration(show.duration(seconds)) == seconds


@pytest.mark.parametrize("text", ["", "soon", "-5m", "5 m", "1.5h", "m", "٣m", "9999999999s"])
def test_times_that_are_none(text: str) -> None:
    with pytest.raises(ChappeError, match=r"usage\.invalid"):
        show.parse_duration(text)


@pytest.mark.parametrize("count", [0, 1, 999, 1000, 1_500_000, 50 * 1024 * 1024, 10**12])
def test_sizes(count: int) -> None:
    assert show.size(count).split()[1] in ("B", "kB", "MB", "GB")


def test_a_picture_holds_the_text() -> None:
    """Both ways of drawing give the same modules."""
    import segno

    text = "chappe://localhost:8440/a/0000-0000-0000-0000"
    modules = [list(row) for row in segno.make(text, error="l", micro=False).matrix_iter(border=3)]
    plain = show.qr(text, colour=False).splitlines()
    drawn = []
    for line in plain:
        drawn.append([c in " ▄" for c in line])
        drawn.append([c in " ▀" for c in line])
    for row, expected in zip(drawn, modules, strict=False):
        assert row == [bool(m) for m in expected]
    assert "\x1b[30;47m" in show.qr(text, colour=True)
