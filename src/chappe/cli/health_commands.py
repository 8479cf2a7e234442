"""`chappe health URL`: whether a relay takes work, for a person, a container's check or a script."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from chappe.cli.show import out
from chappe.wire.errors import error

SECONDS = 10.0


def health(
    url: Annotated[str, typer.Argument(help="The relay's, or its private port's with the reasons.")],
    authority: Annotated[
        Path | None, typer.Option(help="PEM certificate to trust: tls-certificate.pem of the data folder.")
    ] = None,
    insecure: Annotated[
        bool, typer.Option("--insecure", help="Any certificate: for a check on the same machine.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="As JSON.")] = False,
) -> None:
    """Ask a relay whether it takes messages. Ends with 0 where it does."""
    ready, told = _ask(url, authority, insecure)
    if as_json:
        out(json.dumps(told))
    else:
        out("ready" if ready else "not ready")
        if ready and told.get("whole") is False:
            out("but not whole: see the private port")
        for name, found in told.get("checks", {}).items():
            out(f"  {name}: {found}")
    if not ready:
        raise error("network.unreachable", "The relay answers, and takes no messages now.")


def _ask(url: str, authority: Path | None, insecure: bool) -> tuple[bool, dict[str, Any]]:
    """Raises network.unreachable, network.untrusted, usage.invalid."""
    import ssl

    import httpx

    try:
        verify: ssl.SSLContext | bool = not insecure
        if authority is not None:
            verify = ssl.create_default_context(cafile=authority)
        answer = httpx.get(f"{url.rstrip('/')}/readyz", verify=verify, timeout=SECONDS, trust_env=False)
        told = answer.json()
    except httpx.InvalidURL:
        raise error("usage.invalid", "That is no URL; write https://relay.example.org.") from None
    except httpx.ConnectError as problem:
        if "CERTIFICATE_VERIFY_FAILED" in str(problem):
            raise error("network.untrusted") from None
        raise error("network.unreachable") from None
    except (httpx.HTTPError, OSError, ValueError):
        raise error("network.unreachable") from None
    if not isinstance(told, dict) or answer.status_code not in (200, 503):
        raise error("network.unreachable", "What answers there is no relay of this version.")
    return answer.status_code == 200 and told.get("ready") is True, told
