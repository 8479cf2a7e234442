"""`chappe`: every command, and the one place where failures become a line and an exit status."""

from __future__ import annotations

import io
import os
import signal
import sys
import traceback
from pathlib import Path
from typing import Annotated

import typer
from typer.exceptions import Abort, TyperException

import chappe
from chappe.cli import (
    audit_commands,
    bench,
    chaos,
    chat,
    conversation_commands,
    desk_commands,
    desk_overview,  # noqa: F401 - adds its commands to those of the desk
    dossier_commands,
    drill,
    erase_commands,
    fleet_commands,
    fleet_links,  # noqa: F401 - adds its command to those of officers
    health_commands,
    keeping_commands,
    lines_commands,
    locking,
    log_commands,
    moving_commands,
    organisation_commands,
    phone_commands,
    recover_commands,
    relay_commands,
    report_commands,
    reseller_commands,
    sale_papers,  # noqa: F401 - adds its commands to those of sales
    sales_commands,
    shares_commands,
    simulate,
    subscriber_commands,
    term_commands,
    witness_commands,
)
from chappe.cli.common import chosen
from chappe.wire.errors import ChappeError, error

INTERRUPTED = 128 + signal.SIGINT

app = typer.Typer(
    name="chappe",
    help="End-to-end encrypted phone lines: the relay, and a phone in the terminal.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command()(relay_commands.serve)
app.add_typer(relay_commands.code_app, name="code")
app.add_typer(organisation_commands.app, name="organisation")
app.command()(health_commands.health)
app.add_typer(keeping_commands.app, name="backup")
app.command()(keeping_commands.restore)
app.command()(moving_commands.migrate_store)
app.add_typer(shares_commands.app, name="shares")
app.command()(witness_commands.witness)
app.command()(audit_commands.audit)
desk_commands.app.add_typer(reseller_commands.app, name="reseller")
desk_commands.app.add_typer(sales_commands.app, name="sale")
desk_commands.app.add_typer(lines_commands.app, name="lines")
desk_commands.app.add_typer(subscriber_commands.app, name="subscriber")
app.add_typer(desk_commands.app, name="desk")
app.add_typer(dossier_commands.app, name="dossier")
app.command()(phone_commands.activate)
app.command()(recover_commands.recover)
app.command()(chat.chat)
app.command()(locking.unlock)
app.command()(locking.lock)
app.command()(phone_commands.send)
app.command()(phone_commands.receive)
app.add_typer(conversation_commands.app, name="conversation")
app.command()(phone_commands.verify)
app.command()(report_commands.report)
app.command()(term_commands.renew)
app.add_typer(phone_commands.devices_app, name="devices")
app.add_typer(log_commands.app, name="log")
app.add_typer(fleet_commands.app, name="fleet")
app.add_typer(erase_commands.app, name="erase")
app.command(
    context_settings={"allow_extra_args": True, "ignore_unknown_options": True, "help_option_names": []}
)(bench.bench)
app.command(
    context_settings={"allow_extra_args": True, "ignore_unknown_options": True, "help_option_names": []}
)(drill.drill)
app.command(
    context_settings={"allow_extra_args": True, "ignore_unknown_options": True, "help_option_names": []}
)(chaos.chaos)
app.command(
    context_settings={"allow_extra_args": True, "ignore_unknown_options": True, "help_option_names": []}
)(simulate.simulate)


def _show_version(wanted: bool) -> None:
    if wanted:
        print(f"chappe {chappe.__version__}")
        raise typer.Exit


@app.callback()
def options(
    home: Annotated[Path | None, typer.Option("--home", help="The profile's folder.")] = None,
    debug: Annotated[bool, typer.Option("--debug", help="Show where a failure comes from.")] = False,
    show_version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version.")
    ] = False,
) -> None:
    chosen.home = home
    del debug, show_version


def main(arguments: list[str] | None = None) -> int:
    """Gives the exit status. A failure is one line on standard error; `--debug` adds where it comes from."""
    arguments = sys.argv[1:] if arguments is None else arguments
    debug = "--debug" in arguments
    _take_any_text()
    try:
        status = app([word for word in arguments if word != "--debug"], standalone_mode=False)
        sys.stdout.flush()
    except ChappeError as problem:
        return _fail(problem, debug)
    except TyperException as problem:
        return _fail(error("usage.invalid", _one_line(problem.format_message())), debug)
    except (KeyboardInterrupt, Abort):
        return INTERRUPTED
    except BrokenPipeError:
        # Whoever read has gone; nothing more can be said there.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 128 + signal.SIGPIPE
    except Exception:  # noqa: BLE001 - the outermost shell: whatever it is, a person gets a line
        if debug:
            traceback.print_exc()
        return _fail(error("internal.bug"), False)
    return status if isinstance(status, int) else 0


def _take_any_text() -> None:
    """What the terminal cannot show becomes a question mark; what is no text is refused when it is sent."""
    for stream, errors in ((sys.stdin, "surrogateescape"), (sys.stdout, "replace"), (sys.stderr, "replace")):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors=errors)


def _fail(problem: ChappeError, debug: bool) -> int:
    if debug:
        traceback.print_exc()
    print(f"chappe: {_one_line(str(problem))}", file=sys.stderr)
    return problem.exit_status


def _one_line(text: str) -> str:
    return " ".join(text.split())


if __name__ == "__main__":
    sys.exit(main())
