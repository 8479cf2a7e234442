"""Cases for the phone's wire, each with what Python makes of it: a value, or the code of an error.

`python -m tests.web.cases FILE` writes them as JSON. Good ones, hostile ones, and good ones with some bytes
changed; the seed is fixed, so that a failure comes back.
"""

from __future__ import annotations

import random
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Final, TypeVar

import msgspec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from chappe.wire import api, certificate, chain, codes, content, frames, links, padding, recovery, unlock
from chappe.wire.errors import ChappeError
from tests.web import contents, deliveries, fleets
from tests.web.plain import Case, plain, verdict
from tests.web.wild import device_frame, relay_frame

SEED: Final = 1794
SERVICE: Final = unlock.ServiceKey(bytes(range(96)))
"""The share service that the phone seals to."""
UNLOCK_KEY: Final = bytes(range(32))

T = TypeVar("T")


def mutations(rng: random.Random, data: bytes, count: int) -> list[bytes]:
    """Cut short, lengthened, with bytes changed, put in, taken out."""
    made: list[bytes] = []
    for _ in range(count):
        changed, at = bytearray(data), rng.randrange(len(data))
        match rng.randrange(6):
            case 0:
                del changed[at:]
            case 1:
                changed += rng.randbytes(rng.randint(1, 3))
            case 2:
                changed[at] ^= 1 << rng.randrange(8)
            case 3:
                changed[at] = rng.choice((0x00, 0x7F, 0x80, 0x90, 0xA0, 0xC0, 0xCA, 0xCF, 0xD4, 0xFF))
            case 4:
                changed.insert(at, rng.randrange(256))
            case _:
                del changed[at : at + rng.randint(1, 4)]
        made.append(bytes(changed))
    return made


def frame_cases(
    rng: random.Random, make: Callable[..., frames.Frame], decode: Callable[[bytes], frames.Frame]
) -> list[Case]:
    good = [frames.encode(make(rng)) for _ in range(120)]
    hostile = [bytes.fromhex(text) for text in HOSTILE_FRAMES]
    changed = [piece for data in good for piece in mutations(rng, data, 6)]
    made = [_encoded(data, decode, frames.encode) for data in [*good, *hostile, *changed]]
    return [case for case in made if not _too_large(case.get("value"))]


HOSTILE_FRAMES: Final = (
    "", "c0", "80", "90", "c1", "81a17401", "81a174a0", "81a174a46e6f7065",
    "82a174a4646f6e65a3726566ca3f800000",  # a float for a whole number
    "82a174a4646f6e65a3726566cb3ff0000000000000",
    "82a174a4646f6e65a3726566c3",  # a boolean
    "82a174a4646f6e65c40372656601",  # a key of bytes
    "83a174a4646f6e65a174a46c696e65a372656602",  # a key twice
    "83a174a46c696e65a174a4646f6e65a372656602",
    "82a372656602a174a4646f6e65",  # `t` last
    "82a174c404646f6e65a372656602",
    "83a174a4646f6e65a372656601a17801",  # an unknown field
    "82a174a4646f6e65a37265660100",  # something after it
    "82a174a4646f6e65a3726566cf0000000000000001",  # longer than need be
    "82d90174db00000004646f6e65a372656601",
    "df00000002a174a4646f6e65a372656601",
    "82a174a4646f6e65a3726566d001", "82a174a4646f6e65a3726566ff",
    "82a174a4646f6e65a3726566cf0020000000000001", "82a174a4646f6e65a3726566cf0000000100000000",
    "82a174a4646f6e65a3726566d40101", "82a174a4646f6e65a3726566d6ff00000001",  # extensions
    "83a174a4646f6e65a372656601a1ff01", "83a174a46e6f7065a372656601a1ff01",
    "84a174a772656675736564a372656601a4636f6465a1ffa76d657373616765a0",
    "84a174a772656675736564a372656601a4636f6465a3eda080a76d657373616765a0",  # a surrogate
    "84a174a772656675736564a372656601a4636f6465a3efbbbfa76d657373616765a0",  # a byte order mark
    "83a174a772656675736564a4636f6465a161a76d657373616765a162",
    "84a174a772656675736564a4636f6465a161a76d657373616765a162a3726566c0",
    "83a174a46e6f7065a3726566cd0001a17891919101", "82a174a46e6f7065a3726566a178",
    "82a174a46e6f7065a3726566cf0000000100000000", "82a174a46e6f706590a101", "82a174a46e6f70650501",
    "82a174a95f5f70726f746f5f5fa372656601", "83a174a4646f6e65a372656601a95f5f70726f746f5f5f80",
    "82a174ab636f6e7374727563746f72a372656601",
    "dfffffffff", "ddffffffff", "83a174a4646f6e65a372656601a178ddffffffff", "c6ffffffff", "dbffffffff",
    "82a174a361636ba873657175656e6365cf0020000000000001",
    "83a174a4646f6e65a372656601a178" + "91" * 400 + "01",
)  # fmt: skip


def _data(data: bytes, decode: Callable[[bytes], object]) -> Case:
    return {"data": data.hex()} | verdict(lambda: decode(data))


def _encoded(data: bytes, decode: Callable[[bytes], T], encode: Callable[[T], bytes]) -> Case:
    """`encoded`: what is read, in the one spelling that is sent; empty for what nobody sends."""
    case = _data(data, decode)
    if "value" in case:
        try:
            case["encoded"] = encode(decode(data)).hex()
        except ChappeError:
            case["encoded"] = ""
    return case


def _too_large(value: object) -> bool:
    """Numbers that JavaScript would round; Python takes them in `welcome`, where none is meant to be."""
    if isinstance(value, dict):
        return any(_too_large(item) for item in value.values())
    if isinstance(value, list):
        return any(_too_large(item) for item in value)
    return isinstance(value, int) and abs(value) > 2**53


def content_cases(rng: random.Random) -> list[Case]:
    good = [content.encode(contents.message(rng)) for _ in range(80)]
    hostile = contents.hostile(rng)
    changed = [piece for data in good for piece in mutations(rng, data, 8)]
    return [_encoded(data, content.decode, content.encode) for data in [*good, *hostile, *changed]]


def message_id_cases(rng: random.Random) -> list[Case]:
    return [
        {
            "address": (address := f"n{number}@relay.example"),
            "server": "relay.example",
            "group": (group := rng.randbytes(16)).hex(),
            "data": (data := rng.randbytes(number)).hex(),
            "id": content.message_id(
                content.sender_uri(address), content.room_uri("relay.example", group), data
            ).hex(),
        }
        for number in range(10)
    ]


def item_cases(rng: random.Random) -> list[Case]:
    """What a device encrypts: a link, and a content that nobody looks at here."""
    links_ = [
        chain.Link(rng.randbytes(16), counter, epoch, chain.START if counter == 1 else rng.randbytes(32))
        for counter in (1, 2, 255, 2**32, 2**53 - 1, 2**53)
        for epoch in (0, 7, 2**53)
    ]
    good = [link.encode() + rng.randbytes(rng.randrange(40)) for link in links_]
    good += [chain.voided(link.encode()) + rng.randbytes(32) for link in links_]
    good += [chain.loose(b""), chain.loose(b"typing"), links_[0].encode(), b"", bytes(200)]
    changed = [piece for data in good if data for piece in mutations(rng, data, 8)]
    return [_data(piece, chain.decode) for piece in [*good, *changed]]


def chain_cases(rng: random.Random) -> list[Case]:
    made: list[Case] = []
    for counter in range(1, 9):
        group, device, digest, transcript = (rng.randbytes(size) for size in (16, 16, 32, 64))
        link = chain.Link(rng.randbytes(16), counter, counter, chain.START)
        case = {
            "group": group.hex(), "device": device.hex(), "digest": digest.hex(), "epoch": counter,
            "stream": link.stream.hex(), "transcript": transcript.hex(),
            "hash": link.hash(group, device, digest).hex(),
            "history": chain.history(group, counter, transcript).hex(),
        }  # fmt: skip
        made.append(case)
    return made


def certificate_cases(rng: random.Random) -> list[Case]:
    """`held`: whether the signature does."""
    made: list[Case] = []
    for _ in range(12):
        data = _certificate(rng).to_bytes()
        for piece in [data, *mutations(rng, data, 40)]:
            case = _data(piece, certificate.DeviceCertificate.from_bytes)
            if "value" in case:
                checked = verdict(certificate.DeviceCertificate.from_bytes(piece).verify)
                case["held"] = "error" not in checked
            made.append(case)
    return made


def _certificate(rng: random.Random, identity: bytes | None = None) -> certificate.DeviceCertificate:
    return certificate.issue(
        Ed25519PrivateKey.from_private_bytes(identity or rng.randbytes(32)),
        line_id=rng.randbytes(16),
        address=rng.choice(("ada@localhost", f"b{'.x' * 10}@{'h' * 60}.{'i' * 60}.example", "0@a")),
        device_id=rng.randbytes(16),
        signature_key=rng.randbytes(32),
        issued_at=rng.choice((0, 1_700_000_000, 2**53)),
        fleet_key=rng.choice((b"", rng.randbytes(32))),
    )


def issue_cases(rng: random.Random) -> list[Case]:
    """The TypeScript end issues the same bytes."""
    identities = [rng.randbytes(32) for _ in range(4)]
    return [
        {"identity": identity.hex(), "of": plain(made), "data": made.to_bytes().hex()}
        for identity in identities
        for made in [_certificate(rng, identity)]
    ]


ADDRESSES: Final = (
    "ada@relay.example", " Ada@Relay.Example ", "ada", "@a", "ada@", "ada@@a", "a@b@c", "ada@-a", "ada@a-",
    "ada@a..b", "ada@.a", "ada@a.", "a" * 32 + "@a", "a" * 33 + "@a", "a@" + "b" * 63, "a@" + "b" * 64,
    "a@" + "b." * 126 + "b", "a@" + "b." * 127 + "b", ".ada@a", "_a@a", "a_.-@a", "ada@a\n", "ada @a",
    "ädä@a",
    "ada@exämple", "ada@a_b", "", " ", "ADA@A", "a" * 400, "ada@1.2.3.4",
)  # fmt: skip

LINKS: Final = (
    "chappe://relay.example:8440/a/{code}", "chappe://relay.example/a/{code}#{pin}",
    " chappe://r/a/{code}\n",
    "chappe://[::1]:8440/a/{code}", "chappe://r:0/a/{code}", "chappe://r:65535/a/{code}",
    "chappe://r:65536/a/{code}", "chappe://r:/a/{code}", "chappe://R/a/{code}", "http://r/a/{code}",
    "chappe://r/b/{code}", "chappe://r/a/{code}x", "chappe://r/a/", "chappe://r/a/{code}#",
    "chappe://r/a/0",
    "chappe://r/a/{code}#{pin}x", "chappe://r/l/{id}/{pin}", "chappe://r/l/{id}/{pin}#{pin}",
    "chappe://r/l/{id}",
    "chappe://r/l/{id}/{id}", "chappe://r/l/{pin}/{id}", "chappe://r/l/{id}/{pin}/", "chappe://r/l//{pin}",
    "chappe://r/l/{id}/{stray}", "chappe://r?/a/{code}", "chappe://u@r/a/{code}", "", "{code}", "x" * 2000,
    "chappe://r/a/{code}#{stray}", "chappe://r/a/{code}/{pin}", "chappe://r/a/{code}/{pin}#{pin}",
    "chappe://r/a/{code}/", "chappe://r/a/{code}/{id}", "chappe://r/a/{code}/{stray}",
)  # fmt: skip

RECOVERIES: Final = (
    "chappe://r:8440/r/{id}/{pin}/{address}#{pin}", " chappe://relay.example:443/r/{id}/{pin}/{address}\n",
    "chappe://[::1]:8440/r/{id}/{pin}/{address}", "chappe://relay.example/r/{id}/{pin}/{address}",
    "chappe://R:8440/r/{id}/{pin}/{address}", "chappe://r:0/r/{id}/{pin}/{address}",
    "chappe://r:8440/r/{pin}/{pin}/{address}", "chappe://r:8440/r/{id}/{id}/{address}",
    "chappe://r:8440/r/{id}/{stray}/{address}", "chappe://r:8440/r/{id}/{pin}/{address}#",
    "chappe://r:8440/r/{id}/{pin}/{address}#{stray}", "chappe://r:8440/r/{id}/{pin}/{address}/",
    "chappe://r:8440/r/{id}/{pin}/", "chappe://r:8440/r/{id}/{pin}", "chappe://r:8440/r/{id}/{pin}/{upper}",
    "chappe://r:8440/r/{id}/{pin}/{strange}", "chappe://r:8440/r/{id}/{pin}/{pin}", "chappe://r:8440/a/{code}",
    "http://r:8440/r/{id}/{pin}/{address}", "", "x" * 3000, "chappe://r:8440/r/{id}/{pin}/" + "A" * 431,
    "chappe://u@r:8440/r/{id}/{pin}/{address}", "chappe://r:08440/r/{id}/{pin}/{address}",
)  # fmt: skip

PLACES: Final = ("r", "r:1", "R:8440 ", "[::1]", "[::1]:5", "r:0", "r:70000", "r:x", "", "a b", "r/", "::1")


def text_cases(rng: random.Random) -> dict[str, list[Case]]:
    code = codes.new(rng.getrandbits(75))
    pin, id_ = api.to_base64(rng.randbytes(32)), api.to_base64(rng.randbytes(16))
    stray = pin[:-1] + chr(ord(pin[-1]) + 1)
    given = {"code": code, "pin": pin, "id": id_, "stray": stray}
    link_texts = [text.format(**given) for text in LINKS]
    given |= {
        "address": api.to_base64(b"ada@relay.example"),
        "upper": api.to_base64(b"Ada@relay.example"),
        "strange": api.to_base64("ad\u00e4@relay.example".encode()),
    }
    recoveries = [text.format(**given) for text in RECOVERIES]
    base64_texts = [
        "",
        "A",
        "AA",
        "AB",
        "AAA",
        "AAAA",
        "AAAB",
        "AA==",
        "+A",
        "_-_-",
        "A A",
        "äA",
        pin,
        stray,
        id_,
    ]
    return {
        "addresses": [_text(text, certificate.check_address) for text in ADDRESSES],
        "codes": [_text(text, codes.parse) for text in code_texts(rng)],
        "links": [_text(text, links.parse) for text in link_texts],
        "shown": [{"text": str(links.parse(link_texts[at]))} for at in (0, 1, 3, 16, 17, 30, 31)],
        "recoveries": [_text(text, recovery.parse_link) for text in recoveries],
        "requests": [
            {"data": data.hex(), "digits": recovery.digits(data)}
            for data in (b"", bytes(300), rng.randbytes(300))
        ],
        "places": [_text(text, links.parse_place) for text in PLACES],
        "base64": [_text(text, api.from_base64) for text in base64_texts],
        "names": [_text(text, content.safe_name) for text in contents.NAMES],
    }


def code_texts(rng: random.Random) -> list[str]:
    made: list[str] = []
    for _ in range(20):
        code = codes.new(rng.getrandbits(75))
        at = rng.randrange(16)
        swapped = code[: at - 1] + code[at] + code[at - 1] + code[at + 1 :] if at else code
        wrong = code[:at] + rng.choice(codes.ALPHABET) + code[at + 1 :]
        spoken = code.replace("0", "o").replace("1", "l").lower()
        made += [code, codes.show(code), spoken, f" {code[:5]}–{code[5:]}\u00a0", swapped, wrong, code[:-1]]
    return [*made, "", "-" * 64, "-" * 65, "U" * 16, "ß" * 16, "0" * 16, "0" * 17, "😀" * 16]


def _text(text: str, parse: Callable[[str], object]) -> Case:
    return {"text": text} | verdict(lambda: parse(text))


BODIES: Final[dict[str, type[api.Body]]] = {
    "info": api.Info, "activated": api.Activated, "unlockChallenged": api.UnlockChallenged,
    "unlocked": api.Unlocked, "failure": api.Failure, "activate": api.Activate, "addDevice": api.AddDevice,
    "codeFor": api.CodeFor, "organisation": api.Organisation,
}  # fmt: skip


def body_cases(rng: random.Random) -> list[Case]:
    good: list[api.Body] = [
        api.Info("relay.example", "1.0", 1, 2**40, 30),
        api.Info("é", "1.0\n", 1, 2**53, 30, "AA"),
        api.Activated("AA", "AA", "ada@relay.example", "AA"),
        api.UnlockChallenged("AA"),
        api.Unlocked("A" * 2048),
        api.Failure("code.used", "Used."),
        api.Activate("0" * 64, "AA", "AA"),
        api.AddDevice("AA", "AA", "AA", "AA"),
        api.CodeFor("0000"),
        api.Organisation("A press", "AA"),
    ]
    made: list[tuple[str, bytes]] = []
    for body in good:
        name = next(name for name, kind in BODIES.items() if kind is type(body))
        data = api.encode(body)
        # Bytes changed inside JSON: what is then a number too large for JavaScript is left out below.
        made += [(name, piece) for piece in [data, *mutations(rng, data, 25)]]
    hostile = [
        b"", b"null", b"[]", b"{}", b'"a"', b'{"sealed":1}', b'{"sealed":"A="}', b'{"sealed":"A\n"}',
        b'{"sealed":null}',
        b'{"sealed":"A","__proto__":1}', b'{"sealed":"A","sealed":"B"}', b'\xef\xbb\xbf{"sealed":"A"}',
        b'{"sealed":"' + b"A" * 2049 + b'"}', b'{"sealed":"A"} ', b'{"sealed":"A"},', b"[" * 20_000,
    ]  # fmt: skip
    made += [("unlocked", data) for data in hostile]
    cases = [{"kind": kind} | _body(kind, data) for kind, data in made]
    return [case for case in cases if not _too_large(case.get("value"))]


def _body(kind: str, data: bytes) -> Case:
    return _data(data, lambda body: api.decode(body, BODIES[kind]))


def safety_cases(rng: random.Random) -> list[Case]:
    made: list[Case] = []
    for _ in range(2):
        given = [rng.randbytes(size) for size in (32, 16, 32, 16)]
        made.append({"given": [piece.hex() for piece in given], "number": certificate.safety_number(*given)})
    return made


def answer_cases(rng: random.Random) -> list[Case]:
    made: list[Case] = []
    for answer in (
        unlock.Answer("open", rng.randbytes(32), 10, 0),
        unlock.Answer("wrong", None, 4, 60),
        unlock.Answer("wait", tries=3, wait=2**31),
        unlock.Answer("gone"),
    ):
        key = rng.randbytes(32)
        sealed = unlock.seal_answer(key, answer)
        for piece in [sealed, *mutations(rng, sealed, 5), b""]:
            made.append(_answer(key, piece))
    return made + _sealed_nonsense(rng)


def _sealed_nonsense(rng: random.Random) -> list[Case]:
    """Whoever has the key seals what is no answer."""
    made: list[Case] = []
    for inner in (
        b"", b"\x80", b"\xc0", msgspec.msgpack.encode({"status": "open", "tries": 11}),
        msgspec.msgpack.encode({"status": "odd"}), msgspec.msgpack.encode({"status": "gone", "x": 1}),
        msgspec.msgpack.encode({"status": "open", "share": bytes(31)}),
        msgspec.msgpack.encode({"status": "gone", "wait": 2**31 + 1}),
    ):  # fmt: skip
        key = rng.randbytes(32)
        padded = (len(inner).to_bytes(2, "big") + inner).ljust(128, b"\0")
        sealed = AESGCM(key).encrypt(bytes(12), padded, unlock.UNLOCK_CONTEXT)
        made.append(_answer(key, sealed))
    return made


def _answer(key: bytes, sealed: bytes) -> Case:
    return {"key": key.hex(), "data": sealed.hex()} | verdict(lambda: unlock.open_answer(key, sealed))


def signed_cases(rng: random.Random) -> Case:
    """Bytes that are signed or hashed, one example each."""
    server, code, cert = "relay.example", codes.new(5), rng.randbytes(300)
    device, challenge, auth, key = (rng.randbytes(size) for size in (16, 32, 32, 32))
    return {
        "server": server, "code": code, "certificate": cert.hex(),
        "device": device.hex(), "challenge": challenge.hex(), "auth": auth.hex(), "key": key.hex(),
        "activate": api.activate_bytes(server, code, cert).hex(),
        "addDevice": api.add_device_bytes(server, cert).hex(),
        "signIn": frames.sign_in_bytes(server, challenge).hex(),
        "guess": unlock.guess_bytes(device, challenge, auth, key).hex(),
        "commitment": unlock.share_commitment(device, key).hex(),
        "digest": codes.digest(code).hex(),
    }  # fmt: skip


def all_cases() -> Case:
    rng = random.Random(SEED)
    lengths = [*range(600), *(rng.randrange(2**31) for _ in range(200)), 2**20, 2**32, 2**40 + 1]
    return (
        {
            "frames": frame_cases(rng, relay_frame, frames.decode_from_relay),
            "deviceFrames": frame_cases(rng, device_frame, frames.decode_from_device),
            "contents": content_cases(rng),
            "messageIds": message_id_cases(rng),
            "items": item_cases(rng),
            "chain": chain_cases(rng),
            "certificates": certificate_cases(rng),
            "issued": issue_cases(rng),
            "bodies": body_cases(rng),
            "safetyNumbers": safety_cases(rng),
            "answers": answer_cases(rng),
            "delivered": deliveries.answer_cases(rng),
            "deliver": deliveries.request_cases(rng),
            "tokenDigest": deliveries.digest_case(),
            "signed": signed_cases(rng),
            "padding": [[length, padding.padded_length(length)] for length in lengths],
            "service": SERVICE.public.hex(),
            "unlockKey": UNLOCK_KEY.hex(),
        }
        | text_cases(rng)
        | fleets.fleet_cases(rng, mutations)
    )


def write(path: Path) -> None:
    path.write_bytes(msgspec.json.encode(all_cases()))


if __name__ == "__main__":
    write(Path(sys.argv[1]))
