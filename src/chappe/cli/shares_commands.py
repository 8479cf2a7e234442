"""`chappe shares`: the share service on a machine of its own, how it is, and the end of all shares."""

from __future__ import annotations

import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from chappe.cli.relay_commands import DataDir
from chappe.cli.show import note, out
from chappe.cli.words import say
from chappe.wire.errors import error

if TYPE_CHECKING:
    from chappe.relay.serve import Ready

PORT: Final = 8441
RESET_WORD: Final = "DESTROY"

app = typer.Typer(no_args_is_help=True, help="The share service, which every vault needs to open.")


@app.command()
def serve(
    data_dir: DataDir = None,
    host: Annotated[str | None, typer.Option(help="The address to listen on.", show_default=False)] = None,
    port: Annotated[int, typer.Option(help="Its port.")] = PORT,
    name: Annotated[
        str | None, typer.Option("--name", help="The host name in its certificate.", show_default=False)
    ] = None,
    token_file: Annotated[
        Path | None, typer.Option(help="File with the token that the relay shows; else one is made.")
    ] = None,
    tls_cert: Annotated[Path | None, typer.Option(help="PEM chain; else one is made.")] = None,
    tls_key: Annotated[Path | None, typer.Option(help="PEM key of --tls-cert.")] = None,
    behind_proxy: Annotated[
        bool, typer.Option("--behind-proxy", help="Plain HTTP on loopback; a proxy does the TLS.")
    ] = False,
) -> None:
    """Run the share service alone, for a relay on another machine (docs/operating.md)."""
    from chappe.relay.config import load_settings
    from chappe.relay.share_server import TOKEN_NAME, serve_shares

    settings = load_settings(
        data_dir=data_dir,
        host=host,
        port=port,
        server_name=name,
        share_token_file=token_file,
        tls_cert=tls_cert,
        tls_key=tls_key,
        behind_proxy=behind_proxy or None,
    )

    def ready(service: Ready) -> None:
        note(say("shares.ready", address=f"{settings.server_name}:{service.port}"))
        note(say("shares.token", path=settings.share_token_file or settings.data_dir / TOKEN_NAME))

    serve_shares(settings, on_ready=ready)
    note(say("shares.stopped"))


@app.command()
def status(data_dir: DataDir = None) -> None:
    """How many devices have a share, and when the last change was. The service may run meanwhile."""
    from chappe.relay.config import load_settings
    from chappe.relay.shares.service import status_of

    found = status_of(load_settings(data_dir=data_dir).shares)
    when = "-"
    if found.changed_at:
        when = datetime.datetime.fromtimestamp(found.changed_at, datetime.UTC).isoformat()
    out(say("shares.devices", count=found.devices))
    out(say("shares.changed", when=when))


@app.command()
def reset(data_dir: DataDir = None) -> None:
    """Destroy every share and start anew, where the store was rolled back or lost. Asks for a word first."""
    from chappe.relay.config import load_settings
    from chappe.relay.shares.service import reset as destroy_all

    folder = load_settings(data_dir=data_dir).shares
    if not folder.is_dir():
        raise error("storage.missing", "There is no share store here; check --data-dir.")
    note(say("shares.reset.explain"))
    if (
        typer.prompt(say("shares.reset.ask", word=RESET_WORD), default="", show_default=False, err=True)
        != RESET_WORD
    ):
        raise error("usage.invalid", say("shares.reset.not"))
    destroy_all(folder)
    note(say("shares.reset.done"))
