"""Keys and their signatures: the published vkeys, and what no key may be."""

from __future__ import annotations

import pytest

from chappe.tlog.checkpoints import Checkpoint
from chappe.tlog.errors import Malformed, OutOfRange, TlogError, WrongSignature
from chappe.tlog.keys import Kind, Signer, VerifierKey, cosigned_message
from chappe.tlog.text import from_base64, to_base64

VKEY = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"
TEXT = Checkpoint("example.com/log", 5, b"r" * 32).text()
KINDS = list(Kind)


def test_a_published_vkey_is_read_and_written() -> None:
    key = VerifierKey.parse(VKEY)
    assert (key.name, key.kind, key.id.hex()) == ("PeterNeumann", Kind.ED25519, "c74f20a3")
    assert str(key) == VKEY


@pytest.mark.parametrize(
    "text",
    [
        "",
        "PeterNeumann",
        "PeterNeumann+c74f20a3",
        "PeterNeumann+c74f20a3+",
        VKEY + "=",
        VKEY + "\n",
        VKEY.replace("c74f20a3", "c74f20a4"),
        VKEY.replace("c74f20a3", "C74F20A3"),
        VKEY.replace("c74f20a3", "0c74f20a3"),
        VKEY.replace("PeterNeumann", "EnochRoot"),
        VKEY.replace("PeterNeumann", "Peter Neumann"),
        VKEY.replace("PeterNeumann", ""),
        VKEY.replace("+AR", "+BR"),
        VKEY.replace("TW", "TX"),
        VKEY[:-4],
        VKEY.replace("+ARpc", "+Ag=="),
    ],
)
def test_what_is_no_vkey_is_refused(text: str) -> None:
    with pytest.raises(Malformed):
        VerifierKey.parse(text)


@pytest.mark.parametrize("name", ["", "a b", "a\u00a0b", "a\u2003b", "a+b", "a\nb", "a\x00b", "n" * 256])
def test_what_is_no_name_is_refused(name: str) -> None:
    with pytest.raises(Malformed):
        VerifierKey(name, Kind.ED25519, b"k" * 32)


@pytest.mark.parametrize("kind", KINDS)
def test_a_signature_holds_for_its_text_key_and_time_alone(kind: Kind) -> None:
    signer = Signer.from_seed("example.com/log", kind, b"1" * 32)
    at = 1_790_000_000 if kind.timed else None
    made = signer.sign(TEXT, at)
    assert signer.key.verify(TEXT, made) == at
    assert VerifierKey.parse(str(signer.key)) == signer.key
    flips = [0, 7, 8, len(made) // 2, len(made) - 1]
    wrong = [made[:place] + bytes([made[place] ^ 1]) + made[place + 1 :] for place in flips]
    for changed in [*wrong, made[:-1], made + b"\x00", b"", made[1:]]:
        with pytest.raises(WrongSignature):
            signer.key.verify(TEXT, changed)
    other = Signer.from_seed("example.com/log", kind, b"2" * 32).key
    for key, text in ((other, TEXT), (signer.key, Checkpoint("example.com/log", 6, b"r" * 32).text())):
        with pytest.raises(WrongSignature):
            key.verify(text, made)


def test_one_key_in_two_kinds_has_two_ids_and_no_signature_in_common() -> None:
    plain, timed = (
        Signer.from_seed("log", kind, b"1" * 32) for kind in (Kind.ED25519, Kind.COSIGNATURE_ED25519)
    )
    assert plain.key.public == timed.key.public
    assert plain.key.id != timed.key.id
    cosignature = timed.sign(TEXT, 9)
    with pytest.raises(WrongSignature):
        plain.key.verify(TEXT, cosignature)
    with pytest.raises(WrongSignature):
        plain.key.verify(TEXT, cosignature[8:])


def test_an_ml_dsa_cosignature_is_bound_to_its_cosigners_name() -> None:
    kind = Kind.COSIGNATURE_ML_DSA_44
    made = Signer.from_seed("one.example", kind, b"1" * 32).sign(TEXT, 9)
    with pytest.raises(WrongSignature):
        Signer.from_seed("two.example", kind, b"1" * 32).key.verify(TEXT, made)


def test_the_message_of_an_ml_dsa_cosignature_is_the_specifications_structure() -> None:
    made = cosigned_message("w", 258, "log", 0, 5, b"h" * 32)
    assert made == (
        b"subtree/v1\n\x00"
        + b"\x01w"
        + b"\0\0\0\0\0\0\1\2"
        + b"\x03log"
        + bytes(8)
        + b"\0" * 7
        + b"\5"
        + b"h" * 32
    )
    for name, origin in (("", "log"), ("w", ""), ("w" * 256, "log"), ("w", "l" * 256)):
        with pytest.raises(Malformed):
            cosigned_message(name, 0, origin, 0, 5, b"h" * 32)


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind.timed])
def test_a_cosignature_is_of_a_checkpoint_and_has_a_time(kind: Kind) -> None:
    signer = Signer.from_seed("w", kind, b"1" * 32)
    for at in (None, -1, 2**63):
        with pytest.raises(OutOfRange):
            signer.sign(TEXT, at)
    with pytest.raises(Malformed):
        signer.sign("any text\n", 9)
    made = signer.sign(TEXT, 9)
    with pytest.raises(TlogError):
        signer.key.verify("any text\n", made)
    with pytest.raises(WrongSignature):
        signer.key.verify(TEXT, b"\xff" * 8 + made[8:])


def test_a_signer_shows_no_secret() -> None:
    signer = Signer.from_seed("w", Kind.ED25519, b"secret seed of thirty-two bytes!")
    shown = repr(signer) + str(signer)
    assert "private" not in shown.lower()
    assert "secret" not in shown
    with pytest.raises(Malformed):
        Signer.from_seed("w", Kind.ED25519, b"short")


@pytest.mark.parametrize("text", ["AA", "AA=", "AB==", "AA==\n", " AA==", "A-==", "AA==AA==", "é", "AAA=="])
def test_base64_has_one_spelling(text: str) -> None:
    with pytest.raises(Malformed):
        from_base64(text)
    assert from_base64(to_base64(b"\x00")) == b"\x00"
