"""The table of docs/drill.md: each attack, and what people are shown, in the very words of the clients.

`chappe drill --table` prints it; a test holds the page to it.
"""

from __future__ import annotations

import functools
import json
import re
from pathlib import Path
from typing import Final

from bench.drill.attack import Attack, all_attacks
from chappe.cli import words
from chappe.wire.errors import error

_PAGE_WORDS: Final = Path(__file__).parents[2] / "web" / "phone" / "src" / "ui" / "i18n" / "en.ts"
_SOMEBODY: Final = "ben@localhost"


def table() -> str:
    """In Markdown, without an end of line at the end."""
    rows = [_row(kind) for kind in all_attacks(browser=True)]
    return "\n".join(["| attack | what it does | what people see, for example |", "|---|---|---|", *rows])


def _row(kind: type[Attack]) -> str:
    return f"| `{kind.name}` | {kind.does} | {'<br>'.join(shown(key) for key in kind.shows)} |"


def shown(key: str) -> str:
    """`key`: of the terminal's words; `error:` and a code; or `page:` and a key of the phone's words. Raises
    KeyError where nobody says that."""
    kind, _, name = key.rpartition(":")
    if kind == "error":
        return f"! {error(name)}"
    if kind == "page":
        if not (text := page_words(name)):
            raise KeyError(name)
        return text
    english, _ = words.keys()[name]
    text = english.format(address=_SOMEBODY, count=2)
    return f"! {text} [{name.removesuffix('.by')}]" if name.startswith(("log.", "relay.")) else text


def page_words(name: str, **values: str) -> str:
    """What the page says for a key of its words; empty where it has none."""
    text = _all_page_words().get(name, "")
    return re.sub(r"\{(\w+)\}", lambda found: values.get(found[1], found[0]), text)


@functools.cache
def _all_page_words() -> dict[str, str]:
    found = re.findall(r'^  "([^"]+)":\s*("(?:[^"\\]|\\.)*"),', _PAGE_WORDS.read_text(), re.MULTILINE)
    return {name: str(json.loads(text)) for name, text in found}
