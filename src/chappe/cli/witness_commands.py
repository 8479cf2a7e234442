"""`chappe witness`: cosign the heads of transparency logs, on another machine than their relay."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Final

import typer

from chappe.cli.relay_commands import DataDir
from chappe.cli.show import note, out
from chappe.cli.words import say
from chappe.wire.errors import error

if TYPE_CHECKING:
    from chappe.relay.serve import Ready
    from chappe.tlog.keys import VerifierKey

PORT: Final = 8442


def witness(
    name: Annotated[str, typer.Option("--name", help="The witness's name, as witness.example.org.")],
    log: Annotated[
        list[str], typer.Option("--log", help="A log's key, a vkey of its policy; each of its keys once.")
    ],
    data_dir: DataDir = None,
    listen: Annotated[str, typer.Option(help="HOST:PORT to listen on.")] = f"127.0.0.1:{PORT}",
) -> None:
    """Run a witness: it cosigns heads that contain the last one it cosigned, and nothing else."""
    from chappe.relay.config import load_settings
    from chappe.relay.log_witness import serve_witness

    host, _, port = listen.rpartition(":")
    if not host or not port.isdecimal():
        raise error("usage.invalid", "--listen is HOST:PORT.")
    settings = load_settings(data_dir=data_dir, host=host.strip("[]"), port=int(port))

    def ready(place: Ready, key: VerifierKey) -> None:
        note(say("witness.ready", address=f"{place.host}:{place.port}"))
        out(str(key))

    serve_witness(settings, name, log, on_ready=ready)
    note(say("witness.stopped"))
