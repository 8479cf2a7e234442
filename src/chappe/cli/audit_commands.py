"""`chappe audit URL`: anybody reads a relay's transparency log from its first entry, and checks all of it."""

from __future__ import annotations

import asyncio
import os
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from chappe.cli import show
from chappe.cli.common import Json, expand
from chappe.cli.show import note, out
from chappe.cli.words import say
from chappe.wire.errors import ChappeError, error

if TYPE_CHECKING:
    from chappe.client.log_audit import Found
    from chappe.client.log_ledger import Ledger
    from chappe.client.transport import HttpApi
    from chappe.wire.links import RelayPlace


def audit(
    url: Annotated[str, typer.Argument(help="The relay: https://HOST:PORT, with #PIN where it has a pin.")],
    policy: Annotated[
        Path | None,
        typer.Option(help="Keys and witnesses to believe; else the relay's own word.", show_default=False),
    ] = None,
    watch: Annotated[bool, typer.Option("--watch", help="Go on, and keep what was seen.")] = False,
    state: Annotated[
        Path | None, typer.Option(help="Where --watch keeps what was seen.", show_default=False)
    ] = None,
    every: Annotated[float, typer.Option(min=0.1, help="Seconds between two looks of --watch.")] = 60,
    json: Json = False,
) -> None:
    """Check a relay's transparency log: every entry, tile, signature and rule. Needs no profile."""
    from chappe.client.log_audit import place_of

    text = None if policy is None else _read(policy)
    place = place_of(url)
    if watch:
        asyncio.run(_watch(place, text, _state_of(state, place), every, json))
    else:
        asyncio.run(_once(place, text, json))


async def _once(place: RelayPlace, policy: bytes | None, json: bool) -> None:
    from chappe.client.log_audit import Caught, begin, read
    from chappe.client.transport import HttpApi

    api = await HttpApi.to(place)
    try:
        found = await read(api, await begin(api, policy))
    except Caught as caught:
        raise error("audit.rewritten", say("audit.caught", why=caught.why)) from None
    finally:
        await api.close()
    _tell(found, policy, json, first=True)


async def _watch(place: RelayPlace, policy: bytes | None, state: Path, every: float, json: bool) -> None:
    from chappe.client.log_audit import restore

    ledger = restore(state)
    if ledger is not None and policy is not None and ledger.policy_text != policy:
        raise error("usage.invalid", say("audit.other_policy"))
    while True:
        try:
            ledger = await _look(place, policy, state, ledger, json)
        except ChappeError as problem:
            if not problem.code.startswith(("network.", "http.", "limit.", "storage.f")):
                raise
            note(say("audit.no_answer", code=problem.code))
        await asyncio.sleep(every)


async def _look(
    place: RelayPlace, policy: bytes | None, state: Path, ledger: Ledger | None, json: bool
) -> Ledger:
    from chappe.client.log_audit import Caught, begin, keep_evidence, read, save
    from chappe.client.transport import HttpApi

    api: HttpApi = await HttpApi.to(place)
    try:
        before = ledger if ledger is not None else await begin(api, policy)
        try:
            found = await read(api, before)
        except Caught as caught:
            if not caught.is_proof and ledger is not None:
                note(say("audit.passing", why=caught.why))
                return ledger
            kept = keep_evidence(state, before, caught)
            note(say("audit.evidence", path=kept))
            raise error("audit.rewritten", say("audit.caught", why=caught.why)) from None
    finally:
        await api.close()
    save(state, found.ledger, found.note)
    if ledger is None or found.fresh or found.is_old(int(time.time())):
        _tell(found, policy, json, first=ledger is None)
    return found.ledger


def _tell(found: Found, policy: bytes | None, json: bool, *, first: bool) -> None:
    if json:
        out(show.as_json(_dict(found, policy)))
        return
    ledger, counts = found.ledger, found.counts()
    when = show.clock(found.signed_at)
    out(say("audit.head", origin=ledger.view.origin, size=ledger.size, root=ledger.root.hex(), when=when))
    for name, at in found.witnesses():
        out(say("log.signer.witness", name=name, when=show.clock(at)))
    if not found.witnesses():
        out(say("audit.no_witness"))
    if first:
        out(say("audit.whole"))
        out(say("audit.lines", **counts))
        out(say("audit.officers", **counts))
        for digest, version in ledger.state.releases.items():
            out(say("audit.release", version=version, digest=digest.hex()))
        if counts["unvouched"]:
            out(say("audit.unvouched", count=counts["unvouched"]))
        if policy is None:
            out(say("audit.own_word"))
    else:
        for kind, count in found.kinds().items():
            out(say("audit.new", kind=kind, count=count))
    if found.is_old(int(time.time())):
        out(say("audit.old", when=when))


def _dict(found: Found, policy: bytes | None) -> dict[str, Any]:
    ledger = found.ledger
    return {
        "origin": ledger.view.origin,
        "size": ledger.size,
        "root": ledger.root.hex(),
        "signed_at": found.signed_at,
        "old": found.is_old(int(time.time())),
        "witnesses": [{"name": name, "at": at} for name, at in found.witnesses()],
        "policy": "relay" if policy is None else "given",
        **found.counts(),
        "releases": {digest.hex(): version for digest, version in ledger.state.releases.items()},
        "new": dict(found.kinds()),
    }


def _read(path: Path) -> bytes:
    try:
        return expand(path).read_bytes()
    except OSError:
        raise error("file.unreadable", say("audit.no_policy")) from None


def _state_of(state: Path | None, place: RelayPlace) -> Path:
    if state is not None:
        return expand(state)
    home = os.environ.get("XDG_STATE_HOME")
    folder = Path(home) if home else Path.home() / ".local" / "state"
    return folder / "chappe" / f"audit-{place.host.strip('[]')}-{place.port}.json"
