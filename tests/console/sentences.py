"""Every sentence that the desk says of what was wrong, as its sources have it; `{}`: what is filled in."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import chappe.desk

_DESK: Final = Path(chappe.desk.__file__).parent
_SENTENCE: Final = re.compile(r"(?:[A-Z“{]|began_on: ).* .*[.?]", re.DOTALL)
# Reasons for what is stored, and what is printed: no answers to the console.
_ELSEWHERE: Final = (
    "kept.py",
    "invoice.py",
    "invoice_words.py",
    "invoice_pdf.py",
    "factur_x.py",
    "happenings.py",
)


def sentences() -> dict[str, str]:
    """The sentence, and the module that says it."""
    found: dict[str, str] = {}
    for path in sorted(_DESK.glob("*.py")):
        if path.name in _ELSEWHERE:
            continue
        for text in _said(ast.parse(path.read_text("utf-8"))):
            if _SENTENCE.fullmatch(text):
                found.setdefault(text, path.name)
    return found


def _said(tree: ast.AST) -> Iterator[str]:
    """Arguments of `error`, `wrong` and `Problem`, and what is put into a table of problems."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and _name(node.func) in ("error", "wrong", "Problem", "refused"):
            yield from (_text(one) for one in node.args)
        elif isinstance(node, ast.Assign):
            yield _text(node.value)


def _name(node: ast.expr) -> str:
    return node.id if isinstance(node, ast.Name) else node.attr if isinstance(node, ast.Attribute) else ""


def _text(node: ast.expr) -> str:
    if isinstance(node, ast.Constant):
        return str(node.value) if isinstance(node.value, str) else ""
    if isinstance(node, ast.BinOp):
        return _text(node.left) + _text(node.right)
    if isinstance(node, ast.JoinedStr):
        return "".join(_text(one) if isinstance(one, ast.Constant) else "{}" for one in node.values)
    return "{}" if isinstance(node, ast.Name) else ""
