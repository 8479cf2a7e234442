"""`chappe fleet link`: an officer makes activation links of the codes that a reseller handed over.

A reseller sees codes and no key. The link names the organisation's key, out of the officer's own file:
neither the reseller nor the relay can put another one there.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated

import typer

from chappe.cli.fleet_commands import app
from chappe.cli.officers import OfficerFile, PassphraseFile, with_officer
from chappe.cli.show import out, qr

if TYPE_CHECKING:
    from chappe.client.officer import Officer


@app.command("link")
def link(
    codes: Annotated[list[str], typer.Argument(metavar="CODE…", help="As they were sold; - reads them.")],
    picture: Annotated[bool, typer.Option("--qr", help="Each as a QR code too.")] = False,
    officer: OfficerFile = None,
    passphrase_file: PassphraseFile = None,
) -> None:
    """Activation links of the organisation, from codes. Hand them out over a channel that you trust."""
    from chappe.wire.codes import parse
    from chappe.wire.errors import error
    from chappe.wire.links import ActivationLink, RelayPlace

    given = sys.stdin.read().split() if codes == ["-"] else codes
    wanted = [parse(code) for code in given]

    async def work(me: Officer) -> None:
        where = me.state.place
        if where is None:
            raise error("organisation.unknown", "This officer is not appointed yet.")
        for code in wanted:
            text = str(
                ActivationLink(RelayPlace(where.host, where.port, where.pin), code, me.fleet_pair.public)
            )
            out(text)
            if picture:
                out(qr(text, colour=sys.stdout.isatty()))

    with_officer(officer, passphrase_file, work)
