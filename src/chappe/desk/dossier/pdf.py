"""A paper as a PDF: PDF/A-2a, to be kept for years, and PDF/UA-1, to be read by everybody. By typst.

typst is the extra `chappe[dossier]`; it brings its own fonts, and no other is looked for, so that the same
paper gives the same pages on any machine.
"""

from __future__ import annotations

import json
import tempfile
from datetime import UTC, datetime
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from chappe.desk.dossier.paper import Paper, typeset
from chappe.wire.errors import error
from chappe.wire.sqlite import os_failure

if TYPE_CHECKING:
    from types import ModuleType

STANDARDS: Final = ["a-2a", "ua-1"]


def ready() -> None:
    """Raises dossier.no_typst where no PDF can be made."""
    _typst()


def make(paper: Paper) -> bytes:
    """The PDF. Raises dossier.no_typst where typst is not installed, storage.*."""
    typst: Any = _typst()
    template = resources.files("chappe.desk.dossier") / "templates" / "paper.typ"
    moment = datetime.fromisoformat(paper.date).replace(tzinfo=UTC)
    try:
        with tempfile.TemporaryDirectory(prefix="chappe-dossier-") as folder:
            main = Path(folder) / "paper.typ"
            main.write_bytes(template.read_bytes())
            (Path(folder) / "paper.json").write_text(json.dumps(typeset(paper), ensure_ascii=False), "utf-8")
            made: bytes = typst.compile(
                str(main),
                root=folder,
                format="pdf",
                pdf_standards=STANDARDS,
                ignore_system_fonts=True,
                timestamp=int(moment.timestamp()),
            )
    except OSError as problem:
        raise os_failure(problem) from None
    return made


def _typst() -> ModuleType:
    try:
        import typst
    except ImportError:
        raise error("dossier.no_typst") from None
    return typst
