"""The texts that people scan and paste."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chappe.wire import codes, links
from chappe.wire.api import to_base64
from chappe.wire.errors import BadInput
from chappe.wire.links import ActivationLink, DeviceLink, RelayPlace
from tests.wire.strategies import ids16, ids32

hosts = st.sampled_from(["localhost", "relay.example.org", "192.0.2.7", "[2001:db8::1]"])
places = st.builds(RelayPlace, hosts, st.integers(1, 65535), st.none() | ids32)
activations = st.builds(lambda place: ActivationLink(place, codes.new()), places)
devices = st.builds(DeviceLink, places, ids16, ids32)
CODE = codes.parse("ZSHM-44EB-39B1-1V8C")


@given(activations | devices)
def test_round_trip(link: ActivationLink | DeviceLink) -> None:
    assert links.parse(str(link)) == link
    assert links.parse(f"  {link}\n") == link


@given(st.text(max_size=200) | st.text(max_size=60).map(lambda tail: f"chappe://localhost{tail}"))
def test_any_text(text: str) -> None:
    try:
        found = links.parse(text)
    except BadInput as problem:
        code = problem.code
    else:
        code = "link.malformed"
        assert links.parse(str(found)) == found
    assert code in ("link.malformed", "code.malformed")


@given(activations | devices, st.data())
def test_every_truncation_and_change(link: ActivationLink | DeviceLink, data: st.DataObject) -> None:
    text = str(link)
    at = data.draw(st.integers(0, len(text) - 1))
    for damaged in (text[:at], text[:at] + "?" + text[at + 1 :]):
        try:
            found = links.parse(damaged)
        except BadInput:
            continue
        # Only a whole fragment may be missing, and only the port's digits may be fewer.
        assert found.place.pin is None or found.place.port != link.place.port


@pytest.mark.parametrize(
    "text",
    [
        "",
        "chappe://",
        "http://localhost/a/x",
        f"chappe://localhost:0/a/{CODE}",
        f"chappe://localhost:65536/a/{CODE}",
        f"chappe://localhost:123456/a/{CODE}",
        f"chappe://localhost/b/{CODE}",
        f"chappe://local host/a/{CODE}",
        f"chappe://user@localhost/a/{CODE}",
        f"chappe://localhost/a/{CODE}#short",
        f"chappe://localhost/a/{CODE}#" + "A" * 44,
        f"chappe://localhost/a/{CODE}#" + "B" * 42 + "_",
        f"chappe://localhost/l/{to_base64(b'r' * 16)}",
        f"chappe://localhost/l/{to_base64(b'r' * 15)}/{to_base64(b'h' * 32)}",
        f"chappe://localhost/l/{to_base64(b'r' * 16)}/{to_base64(b'h' * 31)}",
        f"chappe://localhost/l/{to_base64(b'r' * 16)}/{to_base64(b'h' * 32)}/x",
        f"chappe://localhost/a/{CODE}\nchappe://localhost/a/{CODE}",
        "x" * 2000,
    ],
)
def test_what_is_no_link(text: str) -> None:
    with pytest.raises(BadInput, match=r"link\.malformed"):
        links.parse(text)


def test_a_code_with_a_typing_mistake() -> None:
    wrong = ("1" if CODE[0] != "1" else "2") + CODE[1:]
    with pytest.raises(BadInput, match=r"code\.malformed"):
        links.parse(f"chappe://localhost/a/{wrong}")


def test_the_port_is_443_unless_it_says_otherwise() -> None:
    assert links.parse(f"chappe://localhost/a/{CODE}").place.port == 443
    assert links.parse_place("relay.example").port == 443
    assert links.parse_place(" Relay.Example:8440 ") == RelayPlace("relay.example", 8440, None)
    assert links.parse_place("[::1]:1", "A" * 43) == RelayPlace("[::1]", 1, bytes(32))


@pytest.mark.parametrize("text", ["", ":1", "host:", "host:0", "host:99999", "a b", "host/path", "u@host"])
def test_places_that_are_none(text: str) -> None:
    with pytest.raises(BadInput, match=r"link\.malformed"):
        links.parse_place(text)


def test_an_activation_link_as_the_relay_prints_it() -> None:
    text = links.activation_link("::1", 8440, CODE, "A" * 43)
    assert text == f"chappe://[::1]:8440/a/{codes.show(CODE)}#{'A' * 43}"
    with pytest.raises(BadInput):
        links.activation_link("localhost", 1, CODE, "nonsense")
