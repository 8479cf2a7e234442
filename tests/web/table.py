"""The table of errors as the phone has it: web/phone/src/wire/errors.json.

`python -m tests.web.table` writes it anew from src/chappe/wire/errors.py; a test says whether it is in step.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Final

from chappe.wire.errors import KINDS

PATH: Final = Path(__file__).parents[2] / "web" / "phone" / "src" / "wire" / "errors.json"


def table() -> str:
    """The file's text."""
    rows = {kind.code: {"fault": kind.fault.value, "message": kind.message} for kind in KINDS.values()}
    return json.dumps(rows, indent=2, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    PATH.write_text(table(), encoding="utf-8")
