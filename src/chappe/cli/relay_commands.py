"""`chappe serve` and `chappe code`: the relay's side."""

from __future__ import annotations

import secrets
import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from chappe.cli.show import note, out, qr
from chappe.cli.words import say

if TYPE_CHECKING:
    from chappe.relay.config import Settings
    from chappe.relay.serve import Ready

code_app = typer.Typer(no_args_is_help=True, help="Activation codes.")

DataDir = Annotated[
    Path | None, typer.Option("--data-dir", help="Where the relay keeps its data.", show_default=False)
]


def serve(
    data_dir: DataDir = None,
    database: Annotated[
        str | None,
        typer.Option(
            help="postgresql://… instead of SQLite; better CHAPPE_DATABASE_URL.", show_default=False
        ),
    ] = None,
    bus: Annotated[
        str | None,
        typer.Option(
            help="nats://…,nats://… that several gateways on one database have; better CHAPPE_BUS.",
            show_default=False,
        ),
    ] = None,
    share_service: Annotated[
        str | None, typer.Option(help="URL of `chappe shares serve` elsewhere.", show_default=False)
    ] = None,
    share_token_file: Annotated[
        Path | None, typer.Option(help="File with the token that it takes.", show_default=False)
    ] = None,
    desk: Annotated[
        bool, typer.Option("--desk", help="With --bus: the desk runs here. At one of the gateways.")
    ] = False,
    host: Annotated[str | None, typer.Option(help="The address to listen on.", show_default=False)] = None,
    port: Annotated[int | None, typer.Option(help="The one port (8440).", show_default=False)] = None,
    name: Annotated[
        str | None,
        typer.Option("--name", help="The host part of addresses (localhost).", show_default=False),
    ] = None,
    tls_cert: Annotated[Path | None, typer.Option(help="PEM chain; else one is made.")] = None,
    tls_key: Annotated[Path | None, typer.Option(help="PEM key of --tls-cert.")] = None,
    behind_proxy: Annotated[
        bool, typer.Option("--behind-proxy", help="Plain HTTP on loopback; a proxy does the TLS.")
    ] = False,
    witness: Annotated[
        list[str] | None,
        typer.Option(help="A witness of the transparency log, URL=vkey.", show_default=False),
    ] = None,
    quorum: Annotated[
        int | None, typer.Option(help="Witnesses that a head needs (all).", show_default=False)
    ] = None,
    metrics: Annotated[
        str | None,
        typer.Option(help="HOST:PORT of the private port: metrics and health.", show_default=False),
    ] = None,
    welcome: Annotated[bool, typer.Option("--welcome", help="Show codes and what to try next.")] = False,
) -> None:
    """Run the relay. Every setting can also be CHAPPE_… in the environment (docs/operating.md)."""
    from chappe.cli.desk_beside import beside
    from chappe.relay.config import load_settings
    from chappe.relay.serve import serve as run

    settings = load_settings(
        data_dir=data_dir,
        database_url=database,
        bus=bus,
        share_service=share_service,
        share_token_file=share_token_file,
        desk=desk or None,
        host=host,
        port=port,
        server_name=name,
        tls_cert=tls_cert,
        tls_key=tls_key,
        behind_proxy=behind_proxy or None,
        witness=" ".join(witness) if witness else None,
        quorum=quorum,
        metrics=metrics,
    )

    def ready(relay: Ready) -> None:
        note(say("relay.ready", address=f"{settings.server_name}:{relay.port}"))
        if welcome:
            _welcome(settings, relay)

    # The desk has a database of its own, of one process.
    mounts = [beside(settings)] if settings.bus is None or settings.desk else []
    run(settings, on_ready=ready, mounts=mounts)
    note(say("relay.stopped"))


def _welcome(settings: Settings, relay: Ready) -> None:
    """What a newcomer needs: codes, commands, a picture."""
    from chappe.relay.new_codes import new_code
    from chappe.wire.links import activation_link

    links = [
        activation_link(settings.server_name, relay.port, code, relay.pin)
        for code in new_code(settings, count=2)
    ]
    program = shlex.quote(sys.argv[0])
    server = settings.server_name
    one, other = _fresh_names()
    out()
    out(say("relay.codes", days=settings.code_days))
    for link in links:
        out(f"  {link}")
    out()
    scheme = "http" if settings.behind_proxy else "https"
    out(say("relay.page", url=f"{scheme}://{server}:{relay.port}/"))
    out()
    out(say("relay.next"))
    for command in (
        f"activate '{links[0]}' --name {one}@{server} --home ~/chappe-{one}",
        f"activate '{links[1]}' --name {other}@{server} --home ~/chappe-{other}",
        f"send {other}@{server} 'Hello!' --home ~/chappe-{one}",
        f"receive --home ~/chappe-{other}",
        f"chat {one}@{server} --home ~/chappe-{other}",
    ):
        out(f"  {program} {command}")
    out()
    out(say("relay.console", url=f"{scheme}://{server}:{relay.port}/console/"))
    folder = shlex.quote(str(settings.data_dir))
    out(f"  {program} desk --data-dir {folder} operator new --name Ada --email ada@example.org")
    out()
    out(say("relay.qr"))
    out(qr(links[0], colour=sys.stdout.isatty()))
    out(say("relay.stop"))


def _fresh_names() -> tuple[str, str]:
    """Two names whose profiles are not there yet: what is printed works on the second day too."""
    for pair in (("ada", "ben"), ("cyd", "dan"), ("eve", "fay"), ("gil", "hal")):
        if not any((Path.home() / f"chappe-{name}").exists() for name in pair):
            return pair
    tail = secrets.token_hex(2)
    return f"ada-{tail}", f"ben-{tail}"


@code_app.command("new")
def new(
    count: Annotated[int, typer.Option(min=1, max=10_000, help="How many.")] = 1,
    data_dir: DataDir = None,
    port: Annotated[int | None, typer.Option(help="The relay's port.", show_default=False)] = None,
    name: Annotated[str | None, typer.Option("--name", help="The relay's name.", show_default=False)] = None,
    organisation: Annotated[
        str | None, typer.Option(help="Whose lines they make; its name.", show_default=False)
    ] = None,
    picture: Annotated[bool, typer.Option("--qr", help="Each as a QR code too.")] = False,
) -> None:
    """Make activation codes, each for one line. The relay may run meanwhile."""
    from chappe.cli.desk_beside import as_served
    from chappe.relay.config import load_settings
    from chappe.relay.new_codes import new_codes
    from chappe.relay.tls import pin_in_force
    from chappe.wire.links import activation_link

    settings = as_served(load_settings(data_dir=data_dir, port=port, server_name=name))
    # First: codes that were made and not shown would be lost.
    pin = pin_in_force(settings)
    fresh = new_codes(settings, count, organisation)
    for code in fresh.codes:
        link = activation_link(settings.server_name, settings.port, code, pin, fresh.fleet_key)
        out(link)
        if picture:
            out(qr(link, colour=sys.stdout.isatty()))
