"""Random contents of messages, and hostile ones."""

from __future__ import annotations

import random
from typing import Any, Final

import cbor2

from chappe.wire import content as c

NAMES: Final = (
    "a.txt", "../a.txt", "C:\\a\\b.pdf", "", ".", "..", " . ", "\u202egnp.exe", "a\x00b", "a\u200bb",
    "ä日😀.jpg",
    "x" * 300, "x" * 300 + ".pdf", "日" * 100 + ".jpeg", "." + "x" * 300, "a." + "y" * 300, ".pdf" * 80,
    "a\u2028b", "a\u00a0b\u3000c", "\ufeffa", "CON", 'a"<b>|c?*', "\ue000a", "\u0378b", " a ", "a\tb\nc",
)  # fmt: skip


def message(rng: random.Random) -> c.Message:
    body: c.Body = rng.choice((_text, _reaction, _file, _deleted, _receipt, _typing, _delivery))(rng)
    replaces, in_reply_to, expires = None, None, None
    if isinstance(body, c.Deleted) or (isinstance(body, c.Text) and rng.random() < 0.3):
        replaces = rng.randbytes(32)
    if isinstance(body, c.Reaction) or rng.random() < 0.3:
        in_reply_to = rng.randbytes(32)
    if not isinstance(body, c.Receipt) and rng.random() < 0.5:
        expires = c.Expiry(rng.random() < 0.5, rng.choice((0, 23, 24, 255, 65536, 2**32, 2**53)))
    if isinstance(body, c.Typing | c.Delivery):
        in_reply_to, expires = None, c.TYPING_EXPIRY
    topic = rng.randbytes(rng.choice((0, 0, 1, 23, 24, 255)))
    log = None
    if rng.random() < 0.4:
        log = c.LogHead(rng.choice((1, 255, 2**32, 2**53)), rng.randbytes(32))
    return c.Message(rng.randbytes(16), body, replaces, in_reply_to, expires, topic, log)


def _text(rng: random.Random) -> c.Body:
    length = rng.choice((0, 1, 22, 23, 24, 255, 256, 300))
    return c.Text("".join(rng.choice("ab é日😀\n\u202e\ufeff\0") for _ in range(length)))


def _reaction(rng: random.Random) -> c.Body:
    return c.Reaction(rng.choice(("👍", "❤️", "x", "\ufeff", "👩‍👩‍👧‍👦")))


def _deleted(_rng: random.Random) -> c.Body:
    return c.Deleted()


def _receipt(rng: random.Random) -> c.Body:
    count = rng.choice((1, 2, 30))
    return c.Receipt(tuple((rng.randbytes(32), rng.choice(list(c.Status))) for _ in range(count)))


def _typing(_rng: random.Random) -> c.Body:
    return c.Typing()


def _delivery(rng: random.Random) -> c.Body:
    return c.Delivery(rng.choice((0, 1, 2**31, 2**32 - 1)), rng.randbytes(32))


def _media(rng: random.Random) -> c.Media | None:
    if rng.random() < 0.3:
        return None
    kind: c.MediaKind = rng.choice(("file", "photo", "voice"))
    side, seconds = rng.choice((0, 23, 24, c.MAX_SIDE)), rng.choice((0, 61, c.MAX_SECONDS))
    waveform, preview = (
        rng.randbytes(rng.choice((0, 1, c.MAX_WAVEFORM))),
        rng.randbytes(rng.choice((0, 6144))),
    )
    return c.Media(kind, side, rng.randrange(c.MAX_SIDE), seconds, waveform, preview)


def _file(rng: random.Random) -> c.Body:
    return c.Attachment(
        f"mimi://relay.example/a/{rng.getrandbits(256):064x}",
        rng.randbytes(32), rng.randbytes(12), rng.randbytes(32),
        rng.choice((0, 100, 2**32, 2**53)),
        rng.choice(("image/jpeg", "", "application/x-é")),
        rng.choice(("a.txt", "ä日😀.jpg", "x" * 255)),
        rng.choice(("", "two\nlines")),
        _media(rng),
    )  # fmt: skip


_SALT, _ID = bytes(16), bytes(32)
_TEXT_PART = [1, "", 1, c.TEXT_TYPE, b"hello"]


def _array(part: Any = None, **places: Any) -> list[Any]:
    names = ("salt", "replaces", "topic", "expires", "reply", "extensions", "part")
    given: dict[str, Any] = dict(
        zip(names, [_SALT, None, b"", None, None, {}, part or _TEXT_PART], strict=True)
    )
    return list((given | places).values())


def _external(**at: Any) -> list[Any]:
    part = [7, "", 2, "t", "mimi://r/a/x", 0, 5, 2, bytes(32), bytes(12), b"", 1, bytes(32), "", "n"]
    for place, value in at.items():
        part[int(place[1:])] = value
    return part


def _with_extensions(raw: str) -> bytes:
    """A good text with other bytes where its empty map of extensions was."""
    before = cbor2.dumps(_array())
    head, _, tail = before.partition(b"\xf6\xf6\xa0")
    return head + b"\xf6\xf6" + bytes.fromhex(raw) + tail


def hostile(rng: random.Random) -> list[bytes]:
    """Each is refused, or read as something unknown, the same at both ends."""
    extended = map(_with_extensions, _EXTENSIONS)
    return [
        *_bad_items(),
        *_bad_arrays(rng),
        *_bad_parts(),
        *extended,
        *_bad_heads(),
        *_bad_media(),
        *_bad_typing(),
    ]


def _bad_media() -> list[bytes]:
    """Passed over, or on the very bound."""
    good: list[Any] = [1, 640, 480, 3, bytes(64), bytes(6144)]
    wrong: list[Any] = [
        (0, 2), (0, 3), (0, -1), (0, True), (0, "1"), (0, None), (1, 65535), (1, 65536), (1, -1), (2, 65536),
        (2, 2**64), (3, 86400), (3, 86401), (4, bytes(65)), (4, [1]), (4, "a"), (4, None), (5, bytes(6145)),
        (5, "data:"), (5, []),
    ]  # fmt: skip
    values: list[Any] = [[*good[:at], value, *good[at + 1 :]] for at, value in wrong]
    values += [good, good[:5], [*good, 0], [], {}, None, 1, "x"]
    made = [cbor2.dumps(_array(_external(), extensions={c.MEDIA: value, 7: 1})) for value in values]
    return [*made, cbor2.dumps(_array(extensions={c.MEDIA: good}))]


def _bad_heads() -> list[bytes]:
    """Passed over, or on the very bound."""
    sizes = [n.to_bytes(8, "big") for n in (0, 1, 2**53, 2**53 + 1, 2**64 - 1)]
    values: list[Any] = [
        *(size + bytes(32) for size in sizes),
        b"",
        bytes(39),
        bytes(41),
        "x" * 40,
        [1],
        None,
        7,
    ]
    return [cbor2.dumps(_array(extensions={c.LOG: value})) for value in values]


def _bad_typing() -> list[bytes]:
    part = [0, "", 1, c.TYPING_TYPE, b""]
    never = {"expires": [False, 0]}
    wrong: list[dict[str, Any]] = [
        {}, {"expires": [True, 0]}, {"expires": [False, 1]},
        never | {"replaces": _ID}, never | {"reply": _ID}, never,
    ]  # fmt: skip
    longer = cbor2.dumps(_array([*part[:4], b"x"], **never))
    token = [*part[:3], c.DELIVERY_TYPE, bytes(36)]
    sizes = [cbor2.dumps(_array([*token[:4], bytes(size)], **never)) for size in (0, 35, 37)]
    placed = [cbor2.dumps(_array(one, **places)) for one in (part, token) for places in wrong]
    return [longer, *sizes, *placed]


_EXTENSIONS: Final = (
    "a0", "a10102", "a2010201" + "03", "a2616101616102", "a1f501", "a1f601", "a1410101", "a1810101",
    "a1a00101",
    "a101f5", "a101f4", "a101f6", "a101f7", "a101f97e00", "a101fb3ff0000000000000", "a101e0", "a101f820",
    "a101f814",
    "a101a2010201" + "03", "a101a201f5f5f4", "a101a2410101410102", "a101a2410101420102" + "03",
    "a101a1f600",
    "a101a2f600f601", "a101c001", "a101c2410f", "a101d81c80", "a101d81d00", "a1011bffffffffffffffff",
    "a1013bffffffffffffffff", "a11bffffffffffffffff01", "a1180102", "a2180102" + "0103", "b80101" + "02",
    "bf0102ff",
    "a1019f01ff", "a1015f4101ff", "a1017f6161ff", "a101620001", "a10161ff", "a10163eda080", "a1018101",
    "a101818181818181" + "01", "a10181818181818101", "a101818181818101", "a1018181818101", "a10181818101",
    "a101a101a101a101a101a10101", "a101a101a101a101a10101", "a101a101a101a10101", "a201010201",
    "a2200121" + "02",
    "a1011c", "a1011d", "a1011e", "a1011f", "a101fc", "a101ff", "bb000000000000000101" + "01",
    "a1019bffffffffffffffff", "a1015bffffffffffffffff", "a1017bffffffffffffffff", "a1019affffffff",
    "a1015affffffff",
    "bbffffffffffffffff", "a101a1810101", "a101a1a001", "a201016131" + "02", "a163efbbbf01", "a10163efbbbf",
    "b841" + "".join(f"18{n:02x}00" for n in range(65, 130)),
    "b840" + "".join(f"18{n:02x}00" for n in range(64, 128)),
)  # fmt: skip


def _bad_items() -> list[bytes]:
    good = cbor2.dumps(_array())
    return [
        b"", b"\xff", b"\x80", b"\xa0", b"\x01", b"\xf6", good + b"\0", good[:-1], b"\xc0" + good,

        b"\x9f" + good[1:] + b"\xff",
        b"\xd9\xd9\xf7" + good, b"\x98\x07" + good[1:], b"\x9b" + (7).to_bytes(8, "big") + good[1:],
        cbor2.dumps(_array()[:6]), cbor2.dumps([*_array(), None]), b"\x81" * 2000, b"\xa1" * 2000,
        bytes.fromhex("d81c82d81c82d81d01d81d01d81d00"), b"\x87" + b"\xd8\x1d\x00" * 7,
    ]  # fmt: skip


def _bad_arrays(rng: random.Random) -> list[bytes]:
    wrong: list[dict[str, Any]] = [
        {"salt": bytes(15)}, {"salt": "a" * 16}, {"salt": None}, {"replaces": bytes(31)}, {"replaces": 0},
        {"replaces": _ID}, {"topic": bytes(256)}, {"topic": None}, {"topic": "a"}, {"expires": [True]},
        {"expires": [1, 5]}, {"expires": [True, -1]}, {"expires": [False, 2**53]},
        {"expires": [False, 2**53 + 1]},
        {"expires": [True, True]}, {"expires": [True, 2**64]}, {"expires": {}}, {"expires": [True, 1.0]},
        {"reply": bytes(33)}, {"reply": _ID}, {"extensions": []}, {"extensions": None},
        {"part": None}, {"part": {}},
        {"salt": rng.randbytes(16), "replaces": b""},
    ]  # fmt: skip
    return [cbor2.dumps(_array(**places)) for places in wrong]


def _bad_parts() -> list[bytes]:
    parts: list[Any] = [
        [0, "", 0], [1, "", 0], [0, "", 0, 0], [1, ""], [], [1, "", 1, c.TEXT_TYPE], [256, "", 1, "t", b""],
        [True, "", 0], [1, 0, 1, "t", b""], [1, "x" * 65, 1, "t", b""], [1, "x" * 64, 1, "t", b""],
        [1, "", 1, c.TEXT_TYPE, "hello"], [1, "", 1, c.TEXT_TYPE, b"\xff"],
        [1, "", 1, c.TEXT_TYPE, b"\xed\xa0\x80"],
        [1, "", 1, "Text/Plain; Charset=UTF-8", b"x"], [1, "", 1, "text/plain", b"x"],
        [1, "", 1, "text/html", b"x"],
        [3, "", 1, c.TEXT_TYPE, b"x"], [1, "", 1, c.TEXT_TYPE, bytes(65536)],
        [1, "", 1, c.TEXT_TYPE, bytes(65537)],
        [2, "", 1, c.TEXT_TYPE, b"x" * 64], [2, "", 1, c.TEXT_TYPE, b"x" * 65],
        [2, "", 1, c.TEXT_TYPE, b""],
        [2, "", 1, c.TEXT_TYPE, b"\x1f"], [2, "", 1, c.TEXT_TYPE, b"\x7f"],
        [2, "", 1, c.TEXT_TYPE, b"\xc2\x85"],
        [1, "", 1, "t" * 256, b""], [1, "", 1, "é" * 128, b""], [0, "", 3, 0, []], [0, "", 3, 0, {}],
        [0, "", 4, 0, []],
        [0, "", 1, c.STATUS_TYPE, b""], [0, "", 1, c.STATUS_TYPE, cbor2.dumps([])],
        [0, "", 1, c.STATUS_TYPE, cbor2.dumps([[_ID, 3]])],
        [0, "", 1, c.STATUS_TYPE, cbor2.dumps([[_ID, 256]])],
        [0, "", 1, c.STATUS_TYPE, cbor2.dumps([[_ID, 1, 2]])],
        [0, "", 1, c.STATUS_TYPE, cbor2.dumps([[bytes(31), 9]])],
        [0, "", 1, c.STATUS_TYPE, cbor2.dumps([[_ID, 1]] * 1001)], [0, "", 1, c.STATUS_TYPE, b"\x9f\xff"],
        [0, "", 1, c.STATUS_TYPE, cbor2.dumps([[_ID, 1]]) + b"\0"],
        _external(), _external(_7=1), _external(_7=65536), _external(_11=2), _external(_11=256),
        _external(_5=1),
        _external(_10=b"x"), _external(_10=None), _external(_8=bytes(31)), _external(_8=bytes(256)),
        _external(_9=b""),
        _external(_12=bytes(31)), _external(_8="x"), _external(_6=-1), _external(_6=2**53),
        _external(_6=2**53 + 1),
        _external(_4="x" * 2049), _external(_14="../../etc/passwd"), _external(_14="x" * 1021),
        _external(_13=0),
        _external(_7=1, _8=b""), _external(_0=1),
    ]  # fmt: skip
    made = [cbor2.dumps(_array(part)) for part in parts if part is not None]
    made += [cbor2.dumps(_array(part, replaces=_ID)) for part in parts[:2]]
    reactions = [[2, "", 1, c.TEXT_TYPE, "👍".encode()]]
    made += [cbor2.dumps(_array(part, reply=_ID)) for part in [*reactions, *parts[20:26]]]
    made += [cbor2.dumps(_array(reactions[0], reply=_ID, replaces=_ID))]
    receipt = [0, "", 1, c.STATUS_TYPE, cbor2.dumps([[_ID, 1]])]
    made += [cbor2.dumps(_array(receipt, **more)) for more in ({}, {"replaces": _ID}, {"expires": [True, 1]})]
    return made
