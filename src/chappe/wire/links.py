"""The texts that people scan or paste: activation links and device links (docs/protocol.md).

    chappe://HOST:PORT/a/CODE#PIN                      activate a line
    chappe://HOST:PORT/a/CODE/FLEET#PIN                activate a line of an organisation
    chappe://HOST:PORT/l/RENDEZVOUS/KEYHASH#PIN        add a device to a line

FLEET is base64url of the organisation's fleet key. PIN is base64url of the SHA-256 of the relay's DER
certificate. It is absent where the certificate is one that systems trust by themselves; a client then
checks it as a browser does.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from chappe.wire import codes
from chappe.wire.api import from_base64, to_base64
from chappe.wire.errors import ChappeError, error

DEFAULT_PORT: Final = 443
_MAX_TEXT: Final = 1024
_FORM: Final = re.compile(
    r"chappe://(?P<host>\[[0-9a-f:.]{2,45}\]|[a-z0-9.-]{1,253})(:(?P<port>[0-9]{1,5}))?"
    r"/(?P<kind>[al])/(?P<rest>[A-Za-z0-9_/-]{1,200})(#(?P<pin>[A-Za-z0-9_-]{43}))?"
)


@dataclass(frozen=True, slots=True)
class RelayPlace:
    """Where a relay is, and the SHA-256 its certificate must have (None: publicly trusted)."""

    host: str
    port: int
    pin: bytes | None

    @property
    def authority(self) -> str:
        """`host:port` as a URL has it."""
        return f"{self.host}:{self.port}"


@dataclass(frozen=True, slots=True)
class ActivationLink:
    """`code` in its canonical form; `fleet_key` of the organisation that it makes a line for, or empty."""

    place: RelayPlace
    code: str
    fleet_key: bytes = b""

    def __str__(self) -> str:
        fleet = f"/{to_base64(self.fleet_key)}" if self.fleet_key else ""
        return f"chappe://{self.place.authority}/a/{codes.show(self.code)}{fleet}{_fragment(self.place)}"


@dataclass(frozen=True, slots=True)
class DeviceLink:
    """Shown by the new device. `key_hash`: SHA-256 of the X-Wing public key that it left at `rendezvous`."""

    place: RelayPlace
    rendezvous: bytes
    key_hash: bytes

    def __str__(self) -> str:
        path = f"{to_base64(self.rendezvous)}/{to_base64(self.key_hash)}"
        return f"chappe://{self.place.authority}/l/{path}{_fragment(self.place)}"


def activation_link(host: str, port: int, code: str, pin: str | None, fleet_key: bytes = b"") -> str:
    """The text of an activation link; `pin` as base64url. Raises link.malformed for a pin that is none."""
    return str(ActivationLink(RelayPlace(_bracketed(host), port, _pin(pin)), codes.parse(code), fleet_key))


def parse(text: str) -> ActivationLink | DeviceLink:
    """What a person scanned or pasted. Raises BadInput link.malformed, code.malformed."""
    found = _FORM.fullmatch(text.strip()) if len(text) <= _MAX_TEXT else None
    if found is None:
        raise error("link.malformed")
    port = int(found["port"] or DEFAULT_PORT)
    if not 0 < port < 65536:
        raise error("link.malformed")
    place = RelayPlace(found["host"], port, _pin(found["pin"]))
    if found["kind"] == "a":
        code, slash, fleet = found["rest"].partition("/")
        return ActivationLink(place, codes.parse(code), _bytes(fleet, 32) if slash else b"")
    rendezvous, slash, key_hash = found["rest"].partition("/")
    if not slash:
        raise error("link.malformed")
    return DeviceLink(place, _bytes(rendezvous, 16), _bytes(key_hash, 32))


def parse_place(text: str, pin: str | None = None) -> RelayPlace:
    """`HOST[:PORT]` as a person types it. Raises BadInput link.malformed."""
    found = re.fullmatch(r"(\[[0-9a-f:.]{2,45}\]|[a-z0-9.-]{1,253})(?::([0-9]{1,5}))?", text.strip().lower())
    port = int(found[2] or DEFAULT_PORT) if found else 0
    if found is None or not 0 < port < 65536:
        raise error("link.malformed", "A relay is HOST or HOST:PORT, for example relay.example.org:8440.")
    return RelayPlace(found[1], port, _pin(pin))


def _bracketed(host: str) -> str:
    """An IPv6 address goes in brackets in a URL."""
    return f"[{host}]" if ":" in host and not host.startswith("[") else host


def _fragment(place: RelayPlace) -> str:
    return f"#{to_base64(place.pin)}" if place.pin else ""


def _pin(text: str | None) -> bytes | None:
    return _bytes(text, 32) if text else None


def _bytes(text: str, length: int) -> bytes:
    try:
        return from_base64(text, length)
    except ChappeError:
        raise error("link.malformed") from None
