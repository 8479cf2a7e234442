"""What is sealed for unlocking: round trips, and typed refusals for everything else."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Callable
from functools import partial
from typing import Any

import msgspec
import pytest
from cryptography.hazmat.primitives.asymmetric.mlkem import MLKEM768PublicKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hpke import AEAD, KDF, KEM, MLKEM768X25519PublicKey, Suite
from hypothesis import given, settings
from hypothesis import strategies as st

from chappe.wire import unlock
from chappe.wire.errors import ChappeError
from tests.wire.strategies import damaged, ids16, ids32, nested, signatures

KEY = unlock.ServiceKey(bytes(range(96)))
PUBLIC = KEY.public
SIGNER = bytes(range(32))
UNLOCK_KEY = bytes.fromhex("03a107bff3ce10be1d70dd18e74bc09967e4d6309ba50d5f1ddc8664125531b8")
quick = settings(max_examples=40, deadline=None)

enrolments = st.builds(unlock.Enrolment, ids16, ids32, ids32, ids32)
guesses = st.builds(unlock.Guess, ids16, ids32, ids32, ids32, signatures)
answers = st.builds(
    unlock.Answer,
    st.sampled_from(["open", "wrong", "wait", "gone"]),
    st.none() | ids32,
    st.integers(0, unlock.TRIES),
    st.integers(0, 2**31),
)


def refused(code: str) -> Any:
    return pytest.raises(ChappeError, match=rf"\[{code}\]")


def code_of(opened: Callable[[bytes], object], data: bytes) -> str | None:
    """What it is refused with; None where it is taken."""
    try:
        opened(data)
    except ChappeError as problem:
        return problem.code
    return None


def hpke(content: bytes, context: bytes) -> bytes:
    """Any bytes, sealed as a structure would be."""
    return Suite(KEM.MLKEM768_X25519, KDF.HKDF_SHA512, AEAD.AES_256_GCM).encrypt(content, _public(), context)


def _public() -> MLKEM768X25519PublicKey:
    return MLKEM768X25519PublicKey(
        MLKEM768PublicKey.from_public_bytes(PUBLIC[:1184]), X25519PublicKey.from_public_bytes(PUBLIC[1184:])
    )


@quick
@given(enrolments)
def test_enrolments_come_out_as_they_went_in(enrolment: unlock.Enrolment) -> None:
    assert KEY.open_enrolment(unlock.seal_enrolment(PUBLIC, enrolment)) == enrolment


@quick
@given(guesses)
def test_guesses_come_out_as_they_went_in(guess: unlock.Guess) -> None:
    sealed = unlock.seal_guess(PUBLIC, guess)
    assert KEY.open_guess(sealed) == guess
    # Fits the body that carries it.
    assert len(sealed) <= 1536


@settings(deadline=None)
@given(ids32, answers)
def test_answers_come_out_as_they_went_in_and_are_of_one_length(key: bytes, answer: unlock.Answer) -> None:
    sealed = unlock.seal_answer(key, answer)
    assert unlock.open_answer(key, sealed) == answer
    assert len(sealed) == 144


@quick
@given(
    st.binary(max_size=1500)
    | damaged(st.just(unlock.seal_enrolment(PUBLIC, unlock.Enrolment(bytes(16), *[bytes(32)] * 3))))
)
def test_any_bytes_sealed(data: bytes) -> None:
    for opened in (KEY.open_enrolment, KEY.open_guess):
        with refused("unlock.malformed"):
            opened(data)


@quick
@given(
    st.binary(max_size=300)
    | damaged(st.one_of(enrolments, guesses).map(msgspec.msgpack.encode))
    | st.sampled_from([b"", b"\xc0", b"\x80", b"\x81\xa1\xff\x00", msgspec.msgpack.encode(nested(300))])
)
def test_any_content_that_was_sealed(content: bytes) -> None:
    """By somebody who knows the service's key, which is everybody."""
    for opened, context in (
        (KEY.open_enrolment, unlock.ENROL_CONTEXT),
        (KEY.open_guess, unlock.UNLOCK_CONTEXT),
    ):
        assert code_of(opened, hpke(content, context)) in (None, "unlock.malformed")


@settings(deadline=None)
@given(ids32, st.binary(max_size=200) | damaged(answers.map(msgspec.msgpack.encode)))
def test_any_answer_that_was_sealed(key: bytes, content: bytes) -> None:
    for padded in (content, len(content).to_bytes(2, "big") + content):
        sealed = AESGCM(key).encrypt(bytes(12), padded, unlock.UNLOCK_CONTEXT)
        assert code_of(partial(unlock.open_answer, key), sealed) in (None, "unlock.malformed")


@settings(deadline=None)
@given(ids32, st.binary(max_size=200))
def test_any_bytes_for_an_answer(key: bytes, data: bytes) -> None:
    with refused("unlock.malformed"):
        unlock.open_answer(key, data)


def test_one_is_not_taken_for_the_other() -> None:
    enrolment = unlock.seal_enrolment(PUBLIC, unlock.Enrolment(bytes(16), *[bytes(32)] * 3))
    guess = unlock.seal_guess(PUBLIC, unlock.make_guess(SIGNER, bytes(16), bytes(32), bytes(32)))
    with refused("unlock.malformed"):
        KEY.open_guess(enrolment)
    with refused("unlock.malformed"):
        KEY.open_enrolment(guess)
    with refused("unlock.malformed"):
        unlock.ServiceKey.generate().open_guess(guess)


@pytest.mark.parametrize("key", [b"", PUBLIC[:-1], PUBLIC + b"x", b"\xff" * 1216])
def test_service_keys_that_are_none(key: bytes) -> None:
    with refused("unlock.malformed"):
        unlock.seal_enrolment(key, unlock.Enrolment(bytes(16), *[bytes(32)] * 3))


def test_a_guess_is_signed_over_all_of_it() -> None:
    guess = unlock.make_guess(SIGNER, b"d" * 16, b"c" * 32, b"a" * 32)
    unlock.check_guess(guess, UNLOCK_KEY)
    for name in ("device", "challenge", "auth", "answer_key", "signature"):
        values = {field: getattr(guess, field) for field in guess.__struct_fields__}
        values[name] = bytes(len(values[name]))
        with refused("unlock.bad_signature"):
            unlock.check_guess(unlock.Guess(**values), UNLOCK_KEY)
    for key in (secrets.token_bytes(32), bytes(32), b"short"):
        with refused("unlock.bad_signature"):
            unlock.check_guess(guess, key)


def test_guesses_are_never_alike() -> None:
    made = [unlock.make_guess(SIGNER, bytes(16), bytes(32), bytes(32)) for _ in range(2)]
    assert made[0].answer_key != made[1].answer_key


def test_secrets_do_not_show() -> None:
    for value in (
        unlock.Enrolment(bytes(16), *[b"%" * 32] * 3),
        unlock.Answer("open", share=b"%" * 32),
        unlock.make_guess(SIGNER, bytes(16), bytes(32), b"%" * 32),
        KEY,
    ):
        assert "%%" not in repr(value)
        assert "\\x" not in repr(value)


def test_the_commitment() -> None:
    assert (
        unlock.share_commitment(b"d" * 16, b"%" * 32)
        == hashlib.sha256(b"share" + b"d" * 16 + b"%" * 32).digest()
    )


def test_the_waits_are_one_less_than_the_tries() -> None:
    assert len(unlock.WAITS) == unlock.TRIES - 1
