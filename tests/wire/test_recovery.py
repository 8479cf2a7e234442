"""What an officer and a person who lost their phone hand each other has one spelling."""

from __future__ import annotations

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from chappe.wire.certificate import DeviceCertificate, issue
from chappe.wire.errors import ChappeError
from chappe.wire.links import RelayPlace
from chappe.wire.recovery import REQUEST, RecoveryLink, digits, parse_link, parse_request, request

ADDRESS = "ada@relay.example"
PLACES = [RelayPlace("relay.example", 443, None), RelayPlace("[::1]", 8440, b"p" * 32)]


def certificate() -> DeviceCertificate:
    return issue(
        Ed25519PrivateKey.from_private_bytes(bytes(32)),
        line_id=b"l" * 16,
        address=ADDRESS,
        device_id=b"d" * 16,
        signature_key=b"s" * 32,
        issued_at=1,
        fleet_key=b"f" * 32,
    )


@pytest.mark.parametrize("place", PLACES)
def test_a_link_comes_back(place: RelayPlace) -> None:
    link = RecoveryLink(place, b"l" * 16, b"f" * 32, ADDRESS)
    assert parse_link(f" {link}\n") == link
    assert len(str(link)) < 256, "a code that a phone reads"


def test_what_is_no_link_is_refused() -> None:
    text = str(RecoveryLink(PLACES[1], b"l" * 16, b"f" * 32, ADDRESS))
    default = str(RecoveryLink(PLACES[0], b"l" * 16, b"f" * 32, ADDRESS)).replace(":443", "")
    bad = ["", text[:-1], text + "A", text.upper(), text.replace("/r/", "/a/"), "x" * 5_000, default]
    bad += [text.replace("chappe://", "chappe://x@"), text.replace(":8440", ":99999")]
    for one in bad:
        with pytest.raises(ChappeError, match=r"Chappe link"):
            parse_link(one)


def test_a_request_comes_back_and_no_bent_one() -> None:
    made = certificate()
    text = request(made)
    assert parse_request(text + "\n") == made
    for bad in ("", text[len(REQUEST) :], text[:-1], text + "=", text + "A", REQUEST, REQUEST + "A" * 4_000):
        with pytest.raises(ChappeError):
            parse_request(bad)
    for at in range(len(REQUEST), len(text), 7):
        bent = text[:at] + ("A" if text[at] != "A" else "B") + text[at + 1 :]
        with pytest.raises(ChappeError):
            parse_request(bent)


def test_the_digits_are_sixty_and_of_every_byte() -> None:
    raw = certificate().to_bytes()
    found = digits(raw)
    assert [len(group) for group in found.split()] == [5] * 12
    assert digits(raw[:-1] + bytes([raw[-1] ^ 1])) != found
