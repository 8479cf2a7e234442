"""What a desk has to know of where it stands."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from chappe.wire.errors import error

ORIGIN_VARIABLE: Final = "CHAPPE_DESK_ORIGIN"
"""Where a proxy gives the desk another origin than the relay's name and port."""
_DEFAULT_PORT: Final = 443


@dataclass(frozen=True, slots=True)
class DeskSettings:
    """`server_name`: the host part of addresses, and the relying party that passkeys are made for. `origin`:
    where browsers find the desk, as `https://desk.example.org:8440`, without a slash at its end."""

    data_dir: Path
    server_name: str
    origin: str


def origin_of(server_name: str, port: int, given: str | None = None) -> str:
    """`given` (CHAPPE_DESK_ORIGIN), or what name and port make. Raises usage.invalid for what is no origin,
    or has another host than passkeys of this server could be used at."""
    if given is None:
        return f"https://{server_name}" + ("" if port == _DEFAULT_PORT else f":{port}")
    parts = urlsplit(given)
    host = parts.hostname or ""
    fits = host == server_name or host.endswith(f".{server_name}")
    if not fits or parts.scheme != "https" or given != f"https://{parts.netloc}" or "@" in parts.netloc:
        raise error(
            "usage.invalid", f"{ORIGIN_VARIABLE} is https://HOST[:PORT], and HOST is the relay's name."
        )
    return given
