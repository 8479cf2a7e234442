"""Content: what goes in comes out, one meaning a message, and nothing but content.malformed leaves."""

from __future__ import annotations

from dataclasses import replace

import cbor2
import pytest
from hypothesis import given
from hypothesis import strategies as st

from chappe.wire import content as c
from chappe.wire.errors import BadInput

SALT, ID, KEY = b"s" * 16, b"\x01" * 32, b"k" * 32
FILE = c.Attachment("mimi://h/a/x", KEY, b"n" * 12, b"h" * 32, 5, "image/png", "a.png", "a picture")

ids = st.binary(min_size=32, max_size=32)
texts = st.text(st.characters(codec="utf-8"), max_size=200)
bodies = st.one_of(
    st.builds(c.Text, texts),
    st.builds(c.Reaction, st.sampled_from(["👍", "❤️", "👩‍👩‍👧", "+1"])),
    st.just(c.Deleted()),
    st.builds(
        c.Receipt,
        st.lists(st.tuples(ids, st.sampled_from(list(c.Status))), min_size=1, max_size=5).map(tuple),
    ),
    st.builds(
        c.Attachment,
        texts,
        ids,
        st.binary(min_size=12, max_size=12),
        ids,
        st.integers(0, 2**53),
        st.just("application/pdf"),
        st.just("é.pdf"),
        texts,
    ),
)


@st.composite
def messages(draw: st.DrawFn) -> c.Message:
    body = draw(bodies)
    optional = st.none() | ids
    replaces = in_reply_to = expires = None
    if isinstance(body, c.Deleted):
        replaces = draw(ids)
    elif isinstance(body, c.Reaction):
        in_reply_to = draw(ids)
    elif not isinstance(body, c.Receipt):
        replaces, in_reply_to = draw(optional), draw(optional)
        expires = draw(st.none() | st.builds(c.Expiry, st.booleans(), st.integers(0, 2**53)))
    salt = draw(st.binary(min_size=16, max_size=16))
    log = draw(st.none() | st.builds(c.LogHead, st.integers(1, 2**53), ids))
    return c.Message(salt, body, replaces, in_reply_to, expires, draw(st.binary(max_size=255)), log)


def refused(data: bytes) -> None:
    with pytest.raises(BadInput) as caught:
        c.decode(data)
    assert caught.value.code == "content.malformed"


def decodes_or_is_refused(data: bytes) -> None:
    try:
        c.decode(data)
    except BadInput as problem:
        code = problem.code
    else:
        code = "content.malformed"
    assert code == "content.malformed"


@given(messages())
def test_round_trip(message: c.Message) -> None:
    data = c.encode(message)
    assert c.decode(data) == message
    assert c.encode(c.decode(data)) == data


@given(messages(), st.data())
def test_cut_short_or_continued(message: c.Message, data: st.DataObject) -> None:
    encoded = c.encode(message)
    refused(encoded[: data.draw(st.integers(0, len(encoded) - 1))])
    refused(encoded + data.draw(st.binary(min_size=1, max_size=4)))


@given(st.binary(max_size=300))
def test_any_bytes(data: bytes) -> None:
    decodes_or_is_refused(data)


@given(messages(), st.data())
def test_changed_bytes(message: c.Message, data: st.DataObject) -> None:
    encoded = bytearray(c.encode(message))
    for _ in range(data.draw(st.integers(1, 4))):
        encoded[data.draw(st.integers(0, len(encoded) - 1))] = data.draw(st.integers(0, 255))
    decodes_or_is_refused(bytes(encoded))


@given(
    st.recursive(
        st.none()
        | st.booleans()
        | st.integers()
        | st.floats()
        | st.binary(max_size=40)
        | st.text(max_size=20),
        lambda inner: st.lists(inner, max_size=8) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
        max_leaves=20,
    ).map(cbor2.dumps)
)
def test_any_cbor(data: bytes) -> None:
    decodes_or_is_refused(data)


def array(**changes: object) -> list[object]:
    fields: dict[str, object] = {
        "salt": SALT,
        "replaces": None,
        "topic": b"",
        "expires": None,
        "in_reply_to": None,
        "extensions": {},
        "part": [1, "", 1, c.TEXT_TYPE, b"hello"],
    }
    return list((fields | changes).values())


def test_the_control_is_read() -> None:
    assert c.decode(cbor2.dumps(array())) == c.Message(SALT, c.Text("hello"))


@pytest.mark.parametrize(
    "changes",
    [
        {"salt": b"s" * 15},
        {"salt": "s" * 16},
        {"replaces": b"short"},
        {"replaces": ID + b"x"},
        {"topic": b"t" * 256},
        {"expires": [1, 5]},
        {"expires": [True, -1]},
        {"expires": [True, 1.5]},
        {"expires": [True]},
        {"expires": [True, 2**53 + 1]},
        {"in_reply_to": "x"},
        {"extensions": []},
        {"extensions": {b"x": 1}},
        {"extensions": {n: n for n in range(65)}},
        {"part": None},
        {"part": []},
        {"part": [1, "", 1, c.TEXT_TYPE]},
        {"part": [1, "", 1, c.TEXT_TYPE, "text"]},
        {"part": [1, "", 1, c.TEXT_TYPE, b"\xff"]},
        {"part": [1, "", 1, c.TEXT_TYPE, b"x" * (c.MAX_TEXT + 1)]},
        {"part": [True, "", 1, c.TEXT_TYPE, b"x"]},
        {"part": [-1, "", 1, c.TEXT_TYPE, b"x"]},
        {"part": [1, "", 9, c.TEXT_TYPE, b"x"]},
        {"part": [1, "x" * 65, 1, c.TEXT_TYPE, b"x"]},
        {"part": [0, "", 0]},
        {"part": [2, "", 1, c.TEXT_TYPE, b"+1"]},
        {"part": [2, "", 1, c.TEXT_TYPE, b""], "in_reply_to": ID},
        {"part": [2, "", 1, c.TEXT_TYPE, b"x" * 65], "in_reply_to": ID},
        {"part": [2, "", 1, c.TEXT_TYPE, b"\x1b[2J"], "in_reply_to": ID},
        {"part": [0, "", 1, c.STATUS_TYPE, b"\x80"]},
        {"part": [0, "", 1, c.STATUS_TYPE, cbor2.dumps([[b"short", 1]])]},
        {"part": [0, "", 1, c.STATUS_TYPE, cbor2.dumps([[ID, 1]] * 1001)]},
        {"part": [0, "", 1, c.STATUS_TYPE, cbor2.dumps([[ID, 1]])], "expires": [True, 5]},
        {"part": [7, "", 2, "t", "u", 0, -1, 2, KEY, b"n" * 12, b"", 1, b"h" * 32, "", "f"]},
        {"part": [7, "", 2, "t", "u", 0, 1, 2, b"short", b"n" * 12, b"", 1, b"h" * 32, "", "f"]},
        {"part": [7, "", 2, "t", "u", 0, 1, 2, KEY, b"n" * 11, b"", 1, b"h" * 32, "", "f"]},
        {"part": [7, "", 2, "t", "u", 0, 1, 2, KEY, b"n" * 12, b"", 1, b"h" * 31, "", "f"]},
        {"part": [7, "", 2, "t", "u" * 2049, 0, 1, 2, KEY, b"n" * 12, b"", 1, b"h" * 32, "", "f"]},
    ],
    ids=repr,
)
def test_what_does_not_fit(changes: dict[str, object]) -> None:
    refused(cbor2.dumps(array(**changes)))


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\x87",
        cbor2.dumps(array()[:6]),
        cbor2.dumps([*array(), 1]),
        cbor2.dumps(cbor2.CBORTag(24, array())),
        b"\x81" * 100_000,
        b"\x9f" * 100,
        b"\x9b" + b"\xff" * 8,
        b"\x5b\x7f" + b"\xff" * 7,
        b"\x9f" + cbor2.dumps(array())[1:] + b"\xff",
        cbor2.dumps(array()).replace(b"\xa0", b"\xa2\x01\x01\x01\x02"),
        b"\x00" * (c.MAX_CONTENT + 1),
    ],
    ids=range(12),
)
def test_hostile_cbor(data: bytes) -> None:
    refused(data)


TAGGED = [
    b"\xc2\x41\x05",  # a bignum, which cbor2 makes a whole number
    b"\xc3\x41\x05",
    b"\xc4\x82\x01\x01",
    b"\xc1\x01",
    b"\xd8\x1c\x80",  # shared values
    b"\xd9\x01\x00\x80",  # a namespace of strings
    b"\xd9\xd9\xf7\x01",  # "this is CBOR"
    b"\xd9\x12\x34\x01",  # a tag that nobody knows
]


@pytest.mark.parametrize("tagged", TAGGED, ids=bytes.hex)
def test_no_tag_anywhere(tagged: bytes) -> None:
    plain = cbor2.dumps(array(extensions={7: 0}))
    at = plain.index(b"\xa1\x07\x00")
    for extension in (b"\xa1\x07" + tagged, b"\xa1" + tagged + b"\x00"):
        refused(plain[:at] + extension + plain[at + 3 :])
    status = cbor2.dumps([[ID, 1]])
    refused(cbor2.dumps(array(part=[0, "", 1, c.STATUS_TYPE, status[:-1] + tagged])))


def test_what_is_newer_than_this_version_is_unknown_not_broken() -> None:
    for part in (
        [1, "", 1, "text/markdown", b"*x*"],
        [9, "", 1, c.TEXT_TYPE, b"x"],
        [1, "", 3, 0, [[1, "", 1, c.TEXT_TYPE, b"x"]]],
        [7, "", 2, "t", "u", 0, 1, 3, KEY, b"n" * 12, b"", 1, b"h" * 32, "", "f"],
    ):
        assert isinstance(c.decode(cbor2.dumps(array(part=part))).body, c.Unknown)
    assert c.decode(cbor2.dumps(array(extensions={"new": [1, 2]}))).body == c.Text("hello")
    odd = cbor2.dumps([[ID, 1], [ID, 77]])
    assert c.decode(cbor2.dumps(array(part=[0, "", 1, c.STATUS_TYPE, odd]))).body == c.Receipt(
        ((ID, c.Status.DELIVERED),)
    )


@pytest.mark.parametrize(
    "message",
    [
        c.Message(b"short", c.Text("x")),
        c.Message(SALT, c.Text("x"), log=c.LogHead(0, ID)),
        c.Message(SALT, c.Text("x"), log=c.LogHead(1, b"short")),
        c.Message(SALT, c.Text("x" * (c.MAX_TEXT + 1))),
        c.Message(SALT, c.Deleted()),
        c.Message(SALT, c.Reaction("👍")),
        c.Message(SALT, c.Receipt(())),
        c.Message(SALT, c.Unknown("x")),
    ],
)
def test_what_would_be_refused_is_not_sent(message: c.Message) -> None:
    with pytest.raises(BadInput):
        c.encode(message)


def test_ids_are_of_sender_room_and_content() -> None:
    seen = {
        c.message_id(sender, room, data)
        for sender in ("a", "ab", "")
        for room in ("b", "bb", "")
        for data in (b"", b"b", b"bb")
    }
    assert len(seen) == 27
    assert all(len(found) == 32 and found[0] == 1 for found in seen)
    assert c.sender_uri("ada@relay.example") == "mimi://relay.example/u/ada"
    assert c.room_uri("relay.example", b"\x01" * 16) == "mimi://relay.example/r/" + "01" * 16


@pytest.mark.parametrize(
    ("name", "safe"),
    [
        ("report.pdf", "report.pdf"),
        ("../../etc/passwd", "etcpasswd"),
        ("C:\\x\\y.txt", "Cxy.txt"),
        ("", "file"),
        ("..", "file"),
        ("a\x00b\x1b[31m.txt", "ab[31m.txt"),
        ("gpj.\u202eexe", "gpj.exe"),
        (" .hidden ", "hidden"),
        ("é" * 200 + ".png", "é" * 125 + ".png"),
    ],
)
def test_file_names(name: str, safe: str) -> None:
    assert c.safe_name(name) == safe


@given(st.text(max_size=600))
def test_no_name_leaves_its_folder(name: str) -> None:
    safe = c.safe_name(name)
    assert safe
    assert len(safe.encode()) <= c.MAX_NAME
    assert "/" not in safe
    assert "\\" not in safe
    assert safe not in (".", "..")
    assert c.safe_name(safe) == safe


def test_a_files_key_does_not_show() -> None:
    assert repr(KEY) not in repr(FILE)


TEXT_PART = cbor2.dumps([1, "", 1, c.TEXT_TYPE, b"hi"])


def raw(extensions: bytes = b"\xa0", part: bytes = TEXT_PART) -> bytes:
    """A message whose last two places are given as CBOR."""
    return b"\x87\x50" + SALT + b"\xf6\x40\xf6\xf6" + extensions + part


@pytest.mark.parametrize("tag", [0, 1, 2, 5, 25, 28, 29, 30, 37, 256, 258, 1004, 43000, 55799, 2**40])
def test_every_tag_is_refused(tag: int) -> None:
    """Also those that cbor2 would take off without asking."""
    tagged = b"\xdb" + tag.to_bytes(8, "big")
    refused(raw(part=tagged + TEXT_PART))
    refused(raw(extensions=b"\xa1\x00" + tagged + b"\x40"))
    refused(tagged + raw())


def test_a_number_in_the_spelling_of_big_ones() -> None:
    refused(raw(part=TEXT_PART.replace(b"\x85\x01", b"\x85\xc2\x41\x01", 1)))


def test_shared_references_do_not_multiply() -> None:
    """Four hundred bytes that stand for 40^4 items: refused without counting them."""
    width = 40
    levels = [b"\xd8\x1c\x98" + bytes([width]) + bytes(width)]
    for level in range(3):
        levels.append(b"\xd8\x1c\x98" + bytes([width]) + (b"\xd8\x1d" + bytes([level])) * width)
    refused(raw(extensions=b"\xa1\x00\x84" + b"".join(levels)))


scalars = st.none() | st.booleans() | st.integers(-(2**64), 2**64 - 1) | st.binary(max_size=300) | texts


@given(st.lists(st.lists(scalars, max_size=5) | st.dictionaries(st.integers(0, 99), scalars), max_size=5))
def test_what_has_no_tag_is_not_taken_for_one(extension: list[object]) -> None:
    """Whatever bytes stand in strings and numbers."""
    assert c.decode(raw(extensions=cbor2.dumps({0: extension}))).body == c.Text("hi")


def test_what_is_said_of_a_file_comes_with_it() -> None:
    media = c.Media("voice", 0, 0, 3, bytes(range(64)), b"\xff\xd8" + bytes(100))
    message = c.Message(SALT, replace(FILE, media=media))
    assert c.decode(c.encode(message)) == message
    for wrong in (replace(media, preview=bytes(6145)), replace(media, waveform=bytes(65))):
        with pytest.raises(BadInput):
            c.encode(c.Message(SALT, replace(FILE, media=wrong)))


def test_what_does_not_fit_is_passed_over() -> None:
    array = cbor2.loads(c.encode(c.Message(SALT, FILE)))
    for wrong in (
        [1, 2],
        [3, 0, 0, 0, b"", b""],
        [1, 65536, 0, 0, b"", b""],
        None,
        [1, True, 0, 0, b"", b""],
    ):
        array[5] = {c.MEDIA: wrong}
        assert c.decode(cbor2.dumps(array)).body == FILE


@pytest.mark.parametrize("body", [c.Typing(), c.Delivery(7, bytes(32))])
def test_what_is_kept_nowhere_is_over_before_it_comes(body: c.Body) -> None:
    """A version that does not know it takes it for a message that has disappeared, and drops it."""
    array = cbor2.loads(c.encode(c.Message(SALT, body, expires=c.TYPING_EXPIRY)))
    array[6][3] = "application/vnd.chappe.something"
    later = c.decode(cbor2.dumps(array))
    assert isinstance(later.body, c.Unknown)
    assert later.expires == c.Expiry(False, 0)
    for wrong in (None, c.Expiry(False, 1), c.Expiry(True, 0)):
        with pytest.raises(BadInput):
            c.encode(c.Message(SALT, body, expires=wrong))
