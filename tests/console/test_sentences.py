"""What the desk refuses is said in French on the console's French page: no sentence is left out."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Final

from tests.console.sentences import sentences

TABLE: Final = Path(__file__).parents[2] / "web" / "console" / "src" / "i18n" / "sentences.json"
# No answers to the console: a file checked elsewhere, and what is said when a relay starts.
ELSEWHERE: Final = ("exported.py", "number_file.py", "settings.py", "kept.py")


def test_every_sentence_of_the_desk_is_in_the_consoles_table() -> None:
    known = json.loads(TABLE.read_text("utf-8"))
    missing = [one for one, module in sentences().items() if module not in ELSEWHERE and one not in known]
    assert not missing, f"Give their French in {TABLE.name}: {missing}"
