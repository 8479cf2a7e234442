"""`python -m bench.peers --json`: Chappe beside Prosody and ejabberd, the same messages in one run.

Run by hand, as root, on Debian, with what `PACKAGES` names. Every message is kept by the server before it
counts; `bench.peers.servers` has their settings.
"""

from __future__ import annotations

import argparse
import json
import platform
import tempfile
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final

from bench.frames_client import in_loop
from bench.peers.ends import ChappeServer, XmppServer
from bench.peers.load import Figures, measure
from bench.peers.servers import installed, running
from bench.relay import _activate, _raise_file_limit, running_relay

PACKAGES: Final = "prosody lua-dbi-sqlite3 ejabberd erlang-p1-sqlite3"


def main(argv: list[str]) -> int:
    """Measure and print. Exit status 1 where a target is not met, 2 where no peer is installed."""
    options = _options(argv)
    peers = installed()
    if not peers:
        print(f"Neither Prosody nor ejabberd is here: apt-get install {PACKAGES}")
        return 2
    _raise_file_limit()
    found: dict[str, Any] = {"chappe": asdict(_chappe(options))}
    for name in peers:
        found[name] = asdict(_peer(name, options))
    found["machine"] = f"{platform.machine()}, Python {platform.python_version()}"
    met = [_met(found["chappe"], found[name]) for name in peers]
    found["met"] = all(met)
    print(json.dumps(found) if options.json else _table(found, peers))
    return 0 if all(met) else 1


def _options(argv: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="bench.peers", description=__doc__)
    parser.add_argument("--pairs", type=int, default=50)
    parser.add_argument("--messages", type=int, default=5_000, help="of each kind, of all pairs together")
    parser.add_argument("--idle", type=int, default=1_000, help="connections that are silent")
    parser.add_argument("--dir", default=None, help="where the servers keep their data for the while")
    parser.add_argument("--json", action="store_true")
    return parser.parse_args(argv)


def _chappe(options: argparse.Namespace) -> Figures:
    users = 2 * options.pairs + options.idle
    with (
        tempfile.TemporaryDirectory(dir=options.dir) as folder,
        running_relay(Path(folder) / "data") as relay,
    ):
        accounts = in_loop(_activate(relay, users))
        figures: Figures = in_loop(
            measure(ChappeServer(relay, accounts), options.pairs, options.messages, options.idle)
        )
    return figures


def _peer(name: str, options: argparse.Namespace) -> Figures:
    users = 2 * options.pairs + options.idle

    async def run(server: XmppServer) -> Figures:
        await server.register(users)
        return await measure(server, options.pairs, options.messages, options.idle)

    with tempfile.TemporaryDirectory(dir=options.dir) as folder:
        # A server runs as a user of its own, who must come in.
        Path(folder).chmod(0o711)
        with running(name, Path(folder) / name) as peer:
            figures: Figures = in_loop(run(XmppServer(peer)))
    return figures


def _met(chappe: dict[str, float], peer: dict[str, float]) -> bool:
    """More durable messages per CPU second, of both kinds, and at most half the memory of a connection."""
    return (
        chappe["live_cpu_per_1000"] < peer["live_cpu_per_1000"]
        and chappe["away_cpu_per_1000"] < peer["away_cpu_per_1000"]
        and chappe["idle_kib"] <= peer["idle_kib"] / 2
    )


def _table(found: dict[str, Any], peers: list[str]) -> str:
    names = ["chappe", *peers]
    lines = [f"{'':24}" + "".join(f"{name:>12}" for name in names)]
    for field in found["chappe"]:
        lines.append(f"{field.replace('_', ' '):24}" + "".join(f"{found[name][field]:>12}" for name in names))
    return "\n".join(lines)
