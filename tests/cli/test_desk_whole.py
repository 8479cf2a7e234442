"""Every operation of the desk's API has a command that asks for it, or stands here with the reason."""

from __future__ import annotations

import ast
import re
from pathlib import Path

from chappe import cli
from chappe.desk.api import build_app, describe
from chappe.desk.desk import Desk
from chappe.desk.settings import DeskSettings

WITHOUT = {
    # A passkey is a browser's; whoever uses the command line signs in with the directory, or a token.
    "session.link": "a browser makes its passkey with it",
    "session.recovery": "a browser makes its passkey with it",
    "session.passkey_options": "a passkey signs in",
    "session.passkey": "a passkey signs in",
    "session.end": "there is no session",
    "passkeys.list": "of who is signed in",
    "passkeys.options": "of who is signed in",
    "passkeys.make": "of who is signed in",
    "passkeys.remove": "of who is signed in",
    "recovery.renew": "of who is signed in",
    "lines.transfer": "refused, always",
    "resellers.apply": "for strangers; `reseller apply` files one that came on paper",
}
_CALLS = {"call": None, "every": "GET", "fetch": "GET"}


def test_every_operation_has_a_command(tmp_path: Path) -> None:
    desk = Desk(DeskSettings(tmp_path, "localhost", "https://localhost"))
    try:
        paths = describe(build_app(desk))["paths"]
    finally:
        desk.close()
    operations = {
        operation["operationId"]: (method.upper(), re.sub(r"\{[^}]*\}", "{}", path))
        for path, methods in paths.items()
        for method, operation in methods.items()
    }
    asked = {one for file in Path(cli.__file__).parent.glob("*.py") for one in asked_in(file)}
    missing = {name for name, one in operations.items() if one not in asked}
    assert missing == set(WITHOUT)
    assert not asked - set(operations.values()), "what no operation answers"


def asked_in(file: Path) -> set[tuple[str, str]]:
    """(method, path) of each call to the desk in commands, as written: `{}` where something is put in."""
    tree = ast.parse(file.read_text())
    if "desk_caller" not in ast.unparse(tree) or file.name == "desk_caller.py":
        return set()
    found = set()
    for node in ast.walk(tree):
        if (
            not isinstance(node, ast.Call)
            or not isinstance(node.func, ast.Name)
            or node.func.id not in _CALLS
        ):
            continue
        texts = [written(one) for one in node.args]
        path = next((one for one in texts if one is not None and one.startswith("/")), None)
        method = _CALLS[node.func.id] or next((one for one in texts if one and one.isupper()), None)
        if path is not None and method is not None:
            found.add((method, path))
    return found


def written(node: ast.expr) -> str | None:
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return node.value
    if isinstance(node, ast.JoinedStr):
        return "".join(str(one.value) if isinstance(one, ast.Constant) else "{}" for one in node.values)
    return None
