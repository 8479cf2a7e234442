"""`chappe backup` and `chappe restore`: the relay's data directory, kept and brought back."""

from __future__ import annotations

import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from chappe.cli.relay_commands import DataDir
from chappe.cli.show import note, out
from chappe.cli.words import say

if TYPE_CHECKING:
    from chappe.relay.backup.checking import Checked

app = typer.Typer(no_args_is_help=True, help="A relay's data directory as a backup: make one, check one.")

Digest = Annotated[
    str | None,
    typer.Option("--sha256", help="What its manifest must have, as `backup new` said.", show_default=False),
]


@app.command("new")
def new(
    folder: Annotated[Path, typer.Argument(help="The backup: a folder that is not there yet.")],
    data_dir: DataDir = None,
    attachments: Annotated[
        bool, typer.Option("--attachments", help="Take attachments along: ciphertexts that wait.")
    ] = False,
    without_database: Annotated[
        bool,
        typer.Option("--without-database", help="PostgreSQL's is kept in another way (pg_basebackup, WAL)."),
    ] = False,
) -> None:
    """Make a backup, checked after it is written. The relay may run meanwhile. Shares are never in it."""
    from chappe.relay.backup.taking import take
    from chappe.relay.config import load_settings

    settings = load_settings(data_dir=data_dir)
    url = settings.database_url
    checked = take(
        settings.data_dir,
        folder,
        attachments=attachments,
        database_url=None if url is None else url.get_secret_value(),
        without_database=without_database,
    )
    _show(checked, "backup.made", path=folder)
    for left in checked.manifest.left_out:
        note(say("backup.left", name=left.name, why=left.why))
    note(say("backup.secret"))


@app.command("verify")
def verify(
    folder: Annotated[Path, typer.Argument(help="The backup.")],
    sha256: Digest = None,
) -> None:
    """Read all of a backup, and say whether it is what was made. Fails with storage.failed where it is
    not."""
    from chappe.relay.backup.checking import check

    _show(check(folder, sha256), "backup.whole")


def restore(
    folder: Annotated[Path, typer.Argument(help="The backup.")],
    data_dir: DataDir = None,
    log: Annotated[
        Path | None,
        typer.Option(help="The published log that outlived the relay: a copy of tlog/.", show_default=False),
    ] = None,
    without_log: Annotated[
        bool, typer.Option("--without-log", help="No log outlived it: what was erased since is not known.")
    ] = False,
    database_restored: Annotated[
        bool,
        typer.Option("--database-restored", help="PostgreSQL's was brought back in its own way: settle it."),
    ] = False,
    sha256: Digest = None,
) -> None:
    """Bring a backup back into an empty data directory; what was erased since stays erased
    (docs/operating.md)."""
    from chappe.relay.backup.restoring import restore as bring_back
    from chappe.relay.config import load_settings

    settings = load_settings(data_dir=data_dir)
    done = bring_back(
        settings,
        folder,
        log=log,
        without_log=without_log,
        database_restored=database_restored,
        expected=sha256,
    )
    when = _when(done.manifest.made_at)
    out(say("restore.done", when=when, path=settings.data_dir))
    if learned := done.learned:
        out(
            say(
                "restore.learned",
                entries=learned.entries,
                signed_out=learned.signed_out,
                to_erase=learned.to_erase,
                closed=learned.closed,
            )
        )
        for what, count in (
            ("restore.devices", learned.devices),
            ("restore.lines", learned.lines),
            ("restore.officers", learned.officers),
        ):
            if count:
                note(say(what, count=count))
    else:
        note(say("restore.no_log", when=when))
    if done.by_shares:
        out(say("restore.by_shares", count=done.by_shares))
    out(say("restore.waiting", count=done.settled.waiting))
    if done.settled.attachments:
        note(say("restore.attachments", count=done.settled.attachments))
    note(say("restore.shares"))


def _show(checked: Checked, what: str, **more: object) -> None:
    manifest = checked.manifest
    size = sum(part.size for part in manifest.files)
    when = _when(manifest.made_at)
    out(say(what, files=len(manifest.files), bytes=size, when=when, **more))
    if manifest.log:
        out(say("backup.log", log=manifest.log, size=manifest.log_size))
    out(say("backup.digest", digest=checked.digest))


def _when(seconds: int) -> str:
    return datetime.datetime.fromtimestamp(seconds, datetime.UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
