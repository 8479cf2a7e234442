"""`chappe dossier`: what is declared, stored, disclosed, and how much of it."""

from __future__ import annotations

from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Annotated

import typer

from chappe.cli.relay_commands import DataDir
from chappe.cli.show import note, out
from chappe.cli.words import say

app = typer.Typer(no_args_is_help=True, help="For authorities: what is declared, stored and disclosed.")


def today() -> str:
    return datetime.now(UTC).date().isoformat()


def folder_of(data_dir: Path | None) -> Path:
    """The relay's data directory, as its settings say."""
    from chappe.relay.config import load_settings

    return load_settings(data_dir=data_dir).data_dir


@app.command("fingerprint")
def show_fingerprint(
    as_json: Annotated[bool, typer.Option("--json", help="The whole inventory too, as a baseline.")] = False,
) -> None:
    """The fingerprint of this version's cryptology: SHA-256 over the canonical inventory."""
    from chappe.desk.dossier.declared import current, encode
    from chappe.wire.cryptology import fingerprint

    if as_json:
        out(encode(current(version("chappe"), today())).decode().rstrip())
    else:
        out(fingerprint())


@app.command("check")
def check(
    data_dir: DataDir = None,
    against: Annotated[
        Path | None, typer.Option(help="Another declaration than the data directory's.", show_default=False)
    ] = None,
) -> None:
    """Does this version still have the cryptology that was declared? Exit status 87 if not."""
    from chappe.desk.dossier import declared
    from chappe.desk.dossier.calls import of_this_installation, uncalled, unknown
    from chappe.wire.cryptology import fingerprint, inventory
    from chappe.wire.errors import error

    before = declared.read(against) if against else declared.kept(folder_of(data_dir))
    found = of_this_installation()
    changes = [*declared.differences(before.inventory, inventory())]
    changes += [f"! {line}" for line in (*unknown(found), *uncalled(found))]
    for line in changes:
        out(line)
    if changes:
        raise error("dossier.changed", say("dossier.changed", date=before.date, version=before.version))
    note(say("dossier.same", date=before.date, version=before.version, fingerprint=fingerprint()))
