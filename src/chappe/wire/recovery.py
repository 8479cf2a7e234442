"""What an officer and a person who lost their phone hand each other (docs/protocol.md section 12.7).

    chappe://HOST:PORT/r/LINE/FLEET/ADDRESS#PIN     officer to person: which line, of which organisation
    chappe-request:CERTIFICATE                      person to officer: the new phone's certificate

All parts but HOST and PORT are base64url. Neither is secret. Whoever passes them on could put another in
their place: person and officer compare the request's sixty digits by voice. These are of the certificate, and
not of HOST, PORT and PIN: whoever changes those in a link stands where a relay stands, as with an activation
link. A page goes to no other relay than its own.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from typing import Final

from chappe.wire.api import from_base64, to_base64
from chappe.wire.certificate import MAX_BYTES, DeviceCertificate, check_address
from chappe.wire.errors import ChappeError, error
from chappe.wire.links import RelayPlace, parse_place

REQUEST_CONTEXT: Final = b"chappe recovery request v1"
REQUEST: Final = "chappe-request:"
_MAX_TEXT: Final = 2048
_DIGITS: Final = 60
_LINK: Final = re.compile(
    r"chappe://(?P<place>[^/#\s]{1,270})/r/(?P<line>[\w-]{22})/(?P<fleet>[\w-]{43})/(?P<address>[\w-]{1,430})"
    r"(#(?P<pin>[\w-]{43}))?",
    re.ASCII,
)


@dataclass(frozen=True, slots=True)
class RecoveryLink:
    """`line`: its id. `fleet_key`: of its organisation."""

    place: RelayPlace
    line: bytes
    fleet_key: bytes
    address: str

    def __str__(self) -> str:
        parts = "/".join(map(to_base64, (self.line, self.fleet_key, self.address.encode("ascii"))))
        pin = f"#{to_base64(self.place.pin)}" if self.place.pin else ""
        return f"chappe://{self.place.authority}/r/{parts}{pin}"


def parse_link(text: str) -> RecoveryLink:
    """Raises BadInput link.malformed, also for another spelling of what would be one."""
    text = text.strip()
    found = _LINK.fullmatch(text) if len(text) <= _MAX_TEXT else None
    if found is None:
        raise error("link.malformed")
    try:
        address = from_base64(found["address"]).decode("ascii")
        link = RecoveryLink(
            parse_place(found["place"], found["pin"]),
            from_base64(found["line"], 16),
            from_base64(found["fleet"], 32),
            check_address(address),
        )
    except (ChappeError, UnicodeDecodeError):
        raise error("link.malformed") from None
    if str(link) != text:
        raise error("link.malformed")
    return link


def request(certificate: DeviceCertificate) -> str:
    """What the person sends to the officer."""
    return REQUEST + to_base64(certificate.to_bytes())


def parse_request(text: str) -> DeviceCertificate:
    """The certificate, which holds. Raises link.malformed, certificate.invalid."""
    text = text.strip()
    if not text.startswith(REQUEST) or len(text) > _MAX_TEXT:
        raise error("link.malformed", "That is no request of a new phone; take it whole.")
    try:
        data = from_base64(text.removeprefix(REQUEST))
    except ChappeError:
        raise error("link.malformed", "That is no request of a new phone; take it whole.") from None
    if len(data) > MAX_BYTES:
        raise error("certificate.invalid")
    certificate = DeviceCertificate.from_bytes(data)
    certificate.verify()
    return certificate


def digits(certificate: bytes) -> str:
    """Sixty digits in twelve groups, which person and officers compare by voice."""
    number = int.from_bytes(hashlib.sha512(REQUEST_CONTEXT + b"\0" + certificate).digest(), "big")
    text = f"{number % 10**_DIGITS:0{_DIGITS}d}"
    return " ".join(text[at : at + 5] for at in range(0, _DIGITS, 5))
