"""`chappe desk`: the operator's side at the command line: accounts, tokens, the log, and any call of the
API."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any, Final

import typer

from chappe.cli.desk_caller import Place, call, fetch
from chappe.cli.show import as_json, clean, out
from chappe.cli.words import language, say
from chappe.wire.errors import error

app = typer.Typer(no_args_is_help=True, help="The operator's side: accounts, resellers, the audit log.")
operator_app = typer.Typer(no_args_is_help=True, help="Operators of this relay.")
account_app = typer.Typer(no_args_is_help=True, help="Who may sign in at the desk.")
token_app = typer.Typer(no_args_is_help=True, help="API tokens, for programs.")
log_app = typer.Typer(no_args_is_help=True, help="The audit log.")
app.add_typer(operator_app, name="operator")
app.add_typer(account_app, name="account")
app.add_typer(token_app, name="token")
app.add_typer(log_app, name="log")


class Chosen:
    """Options that stand before the command."""

    place: Place = Place()
    json: bool = False


chosen: Final = Chosen()

Text = Annotated[str | None, typer.Option(show_default=False)]
Language = Annotated[str, typer.Option(help="fr or en.")]


@app.callback()
def options(
    data_dir: Annotated[
        Path | None, typer.Option("--data-dir", help="The relay's data directory.", show_default=False)
    ] = None,
    port: Annotated[int | None, typer.Option(help="The relay's port, for links.", show_default=False)] = None,
    name: Annotated[str | None, typer.Option("--name", help="The relay's name.", show_default=False)] = None,
    url: Annotated[
        str | None, typer.Option(help="A desk elsewhere: https://HOST[:PORT].", show_default=False)
    ] = None,
    token_file: Annotated[
        Path | None, typer.Option(help="With --url: a file with an API token.", show_default=False)
    ] = None,
    pin: Annotated[
        str | None,
        typer.Option(help="With --url: of a self-made certificate; after # in a link.", show_default=False),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="For programs: JSON, one value a line.")] = False,
) -> None:
    chosen.place = Place(data_dir, port, name, url, token_file, pin)
    chosen.json = as_json


@operator_app.command("new")
def new_operator(
    name: Annotated[str, typer.Option("--name", help="Of the person.")],
    email: Annotated[str, typer.Option(help="Of the person.")],
    language: Language = "fr",
) -> None:
    """Open an operator's account. The link that is shown signs in once, to make a passkey."""
    _open({"role": "operator", "name": name, "email": email, "language": language})


@account_app.command("open")
def open_(
    role: Annotated[str, typer.Option(help="operator, auditor, reseller or officer.")],
    name: Annotated[str, typer.Option(help="Of the person.")],
    email: Annotated[str, typer.Option(help="Of the person.")],
    language: Language = "fr",
    reseller: Annotated[str | None, typer.Option(help="Its id.", show_default=False)] = None,
    organisation: Annotated[str | None, typer.Option(help="Its id.", show_default=False)] = None,
) -> None:
    """Open an account, of a reseller or an organisation where the role is so."""
    body = {"role": role, "name": name, "email": email, "language": language}
    _open(body | {"reseller": reseller, "organisation": organisation})


@account_app.command("list")
def list_accounts(
    role: Annotated[str | None, typer.Option(help="Of this role alone.", show_default=False)] = None,
    closed: Annotated[bool, typer.Option("--closed", help="Closed ones as well.")] = False,
) -> None:
    """Who may sign in."""
    for one in every("/accounts", {"role": role, "closed": closed or None}):
        if not said(one):
            state = "closed" if one["closed_at"] else f"passkeys: {one['passkeys']}"
            out(f"{one['id']}  {one['role']:<9} {clean(one['name'])} <{clean(one['email'])}>  {state}")


@account_app.command("show")
def show_account(account: Annotated[str, typer.Argument(help="Its id.")]) -> None:
    """Everything that is known of one."""
    tell_all(call(chosen.place, "GET", f"/accounts/{part(account)}"))


@account_app.command("close")
def close(account: Annotated[str, typer.Argument(help="Its id.")]) -> None:
    """Close an account for good: its sessions, passkeys and tokens end."""
    before = call(chosen.place, "GET", f"/accounts/{part(account)}")
    after = call(chosen.place, "POST", f"/accounts/{part(account)}/close", {"version": before["version"]})
    if not said(after):
        out(say("desk.account.closed", name=clean(after["name"])))


@account_app.command("link")
def link(account: Annotated[str, typer.Argument(help="Its id.")]) -> None:
    """A fresh sign-in link, for who has lost passkeys and recovery codes."""
    made = call(chosen.place, "POST", f"/accounts/{part(account)}/link")
    if not said(made):
        out(say("desk.account.link"))
        out(made["link"])


@account_app.command("change")
def change(
    account: Annotated[str, typer.Argument(help="Its id.")],
    name: Text = None,
    email: Text = None,
    language: Text = None,
) -> None:
    """Change name, e-mail address or language."""
    before = call(chosen.place, "GET", f"/accounts/{part(account)}")
    fields = {"name": name, "email": email, "language": language}
    body = {key: value for key, value in fields.items() if value is not None}
    after = call(chosen.place, "PATCH", f"/accounts/{part(account)}", body | {"version": before["version"]})
    if not said(after):
        out(f"{after['id']}  {after['role']:<9} {clean(after['name'])} <{clean(after['email'])}>")


@token_app.command("new")
def new_token(
    account: Annotated[str, typer.Option(help="In whose name it acts: the account's id.")],
    label: Annotated[str, typer.Option(help="What it is for.")],
    scope: Annotated[list[str], typer.Option(help="As log:read; several times for several.")],
    days: Annotated[int, typer.Option(min=1, max=365, help="How long it holds.")] = 90,
) -> None:
    """Make an API token in an account's name; it is shown once."""
    body = {"account": account, "label": label, "scopes": scope, "days": days}
    made = call(chosen.place, "POST", "/tokens", body)
    if not said(made):
        token = made["token"]
        out(say("desk.token.made", id=token["id"], until=token["expires_at"]))
        out(made["secret"])


@token_app.command("list")
def list_tokens(account: Annotated[str, typer.Option(help="The account's id.")]) -> None:
    """An account's tokens."""
    for one in call(chosen.place, "GET", "/tokens", query={"account": account})["items"]:
        if not said(one):
            state = "revoked" if one["revoked_at"] else one["expires_at"]
            out(f"{one['id']}  {clean(one['label'])}  {' '.join(one['scopes'])}  {state}")


@token_app.command("revoke")
def revoke(
    token: Annotated[str, typer.Argument(help="Its id.")],
    account: Annotated[str, typer.Option(help="The account's id.")],
) -> None:
    """Revoke a token for good."""
    query = {"account": account}
    after = call(chosen.place, "POST", f"/tokens/{part(token)}/revoke", query=query)
    if not said(after):
        out(say("desk.token.revoked", label=clean(after["label"])))


@log_app.command("show")
def show_log(
    limit: Annotated[int, typer.Option(min=1, max=10_000, help="How many, the newest first.")] = 50,
    what: Annotated[
        str | None, typer.Option(help="As reseller. or account.closed.", show_default=False)
    ] = None,
    since: Annotated[str | None, typer.Option(help="ISO 8601, with Z.", show_default=False)] = None,
    until: Annotated[str | None, typer.Option(help="ISO 8601, with Z.", show_default=False)] = None,
    account: Annotated[str | None, typer.Option(help="Who did it.", show_default=False)] = None,
    subject: Annotated[str | None, typer.Option(help="To what.", show_default=False)] = None,
    reseller: Annotated[str | None, typer.Option(help="Whose affair.", show_default=False)] = None,
    organisation: Annotated[str | None, typer.Option(help="Whose affair.", show_default=False)] = None,
) -> None:
    """What was changed, when, by whom."""
    query = {
        "what": what,
        "since": since,
        "until": until,
        "account": account,
        "subject": subject,
        "reseller": reseller,
        "organisation": organisation,
    }
    for one in every("/log", query, limit):
        if not said(one):
            by = one["account"] or say(f"desk.by.{one['by']}")
            details = " ".join(f"{key}={clean(str(value))}" for key, value in one["details"].items())
            text = clean(one["text"][language()])
            out(
                f"{one['number']:>6}  {one['at']}  {text}  {one['subject'] or ''}  ({by})  {details}".rstrip()
            )


@log_app.command("head")
def head() -> None:
    """Size and root: kept elsewhere, they find a log that was made anew."""
    found = call(chosen.place, "GET", "/log/head")
    if not said(found):
        out(say("desk.log.head", **found))


@log_app.command("verify")
def verify(
    size: Annotated[
        int | None, typer.Option(min=0, help="Of a head that was kept.", show_default=False)
    ] = None,
    root: Annotated[str | None, typer.Option(help="Of a head that was kept.", show_default=False)] = None,
) -> None:
    """Hash every entry anew; with a head that was kept, find a log that was made anew since."""
    found = call(chosen.place, "POST", "/log/verify", {"size": size, "root": root})
    if not said(found):
        out(say("desk.log.verified", **found))
        out(say("desk.log.keep"))


@log_app.command("export")
def export(file: Annotated[Path, typer.Argument(help="A new file: JSON, one entry a line.")]) -> None:
    """Write the whole log to a file that `chappe desk log check` checks without the desk."""
    fetch(chosen.place, "/log/export", file)
    if not said({"file": str(file)}):
        out(say("desk.log.exported", file=clean(str(file))))


@log_app.command("check")
def check(
    file: Annotated[Path, typer.Argument(help="What `export` wrote.")],
    size: Annotated[
        int | None, typer.Option(min=0, help="Of a head that was kept.", show_default=False)
    ] = None,
    root: Annotated[str | None, typer.Option(help="Of a head that was kept.", show_default=False)] = None,
) -> None:
    """Check an exported log, on any machine."""
    from chappe.desk import exported
    from chappe.desk.log import Head
    from chappe.wire.api import from_base64, to_base64

    if (size is None) != (root is None):
        raise error("usage.invalid", "A kept head is --size and --root.")
    kept = None if size is None or root is None else Head(size, from_base64(root, 32))
    try:
        with file.open("rb") as lines:
            found = exported.check(lines, kept=kept)
    except OSError:
        raise error("file.unreadable") from None
    answer = {"size": found.size, "root": to_base64(found.root)}
    if not said(answer):
        out(say("desk.log.verified", **answer))


@app.command("whoami")
def whoami() -> None:
    """Whose token this is, and what it may do; beside the data, the operator."""
    tell_all(call(chosen.place, "GET", "/session"))


@app.command("call")
def call_any(
    method: Annotated[str, typer.Argument(help="GET, POST, PATCH, PUT or DELETE.")],
    path: Annotated[str, typer.Argument(help="Below /v1/desk, as /resellers?limit=5.")],
    body: Annotated[
        str | None, typer.Argument(help="JSON, - for standard input.", show_default=False)
    ] = None,
) -> None:
    """Anything else of the API (OpenAPI: /v1/desk/openapi.json). Prints JSON."""
    if method.upper() not in ("GET", "POST", "PATCH", "PUT", "DELETE") or not path.startswith("/"):
        raise error("usage.invalid", "Say GET, POST, PATCH, PUT or DELETE, and a path that begins with /.")
    given = None
    if body is not None:
        try:
            given = json.loads(typer.get_text_stream("stdin").read() if body == "-" else body)
        except (json.JSONDecodeError, RecursionError):
            raise error("usage.invalid", "The body is no JSON.") from None
    answer = call(chosen.place, method.upper(), path, given)
    if answer is not None:
        out(as_json(answer))


def every(
    path: str, query: dict[str, Any], most: int | None = None, start: str | None = None
) -> list[dict[str, Any]]:
    """All items of a list that comes in pages, or so many at the most; `start`: those after it."""
    items: list[dict[str, Any]] = []
    after = start
    while most is None or len(items) < most:
        limit = 200 if most is None else min(200, most - len(items))
        page = call(chosen.place, "GET", path, query=query | {"limit": limit, "after": after})
        items += page["items"]
        after = page["next"]
        if after is None:
            break
    return items


def said(value: dict[str, Any]) -> bool:
    """Whether it was printed, as JSON."""
    if chosen.json:
        out(as_json(value))
    return chosen.json


def tell_all(found: dict[str, Any]) -> None:
    """Each field that says something, a line each; or JSON."""
    if not said(found):
        for key, value in found.items():
            if value not in (None, "", []):
                shown = " ".join(map(str, value)) if isinstance(value, list) else str(value)
                out(f"{key}: {clean(shown)}")


def part(id_: str) -> str:
    """An id as a part of a path: nothing that could be another path. Raises usage.invalid."""
    if not id_ or not all(c.isascii() and (c.isalnum() or c in "-_") for c in id_):
        raise error("usage.invalid", "An id is letters, digits, dashes and underscores; see the list.")
    return id_


def _open(body: dict[str, Any]) -> None:
    made = call(chosen.place, "POST", "/accounts", {key: value for key, value in body.items() if value})
    if not said(made):
        account = made["account"]
        out(say("desk.account.opened", name=clean(account["name"]), role=account["role"], id=account["id"]))
        out(say("desk.account.link"))
        out(made["link"])
