"""What is a PIN: six digits or more, or a passphrase of twelve characters or more, and not one of the first
that anybody would try.

The share service gives a thief ten tries, no more; these rules are there so that ten are not enough. Each
refusal says its reason. Both kinds are normalised to Unicode NFC: what looks the same is the same.
"""

from __future__ import annotations

import unicodedata
from datetime import date
from itertools import pairwise
from typing import Final

from chappe.wire.errors import ChappeError, error

MIN_DIGITS: Final = 6
MIN_PASSPHRASE: Final = 12
MAX_LENGTH: Final = 256
MIN_DIFFERENT: Final = 6
"""Characters in a passphrase that are not the same."""
_NAME_COUNTS_FROM: Final = 3

# The most used of published lists that no rule below catches already.
_COMMON_PINS: Final = frozenset(
    """
    112233 123321 159753 147258 147852 258456 789456 456789 123654 102030 100200 520520
    131420 696969 314159 271828 142857 159357 741852 852456 963852 369258 110110 101101
    010203 192837 112358 445566 778899 998877 332211 665544 12344321 11223344 14725836 147258369
    789456123 741852963 3141592 31415926 2718281 135792468 13579246 24681012 246810 135790
    """.split()  # noqa: SIM905 - a table of numbers
)
_COMMON_WORDS: Final = (
    "password",
    "passphrase",
    "motdepasse",
    "letmein",
    "iloveyou",
    "jetaime",
    "welcome",
    "bienvenue",
    "administrator",
    "changeme",
    "correct horse battery staple",
    "correcthorsebatterystaple",
    "trustno",
    "secret",
    "chappe",
)
_ROWS: Final = (
    "abcdefghijklmnopqrstuvwxyz",
    "qwertyuiopasdfghjklzxcvbnm",
    "azertyuiopqsdfghjklmwxcvbn",
    "qwertzuiopasdfghjklyxcvbnm",
    "12345678901234567890",
    "1qaz2wsx3edc4rfv5tgb6yhn7ujm",
)


def normalise(pin: str) -> str:
    """As it goes into the derivation."""
    return unicodedata.normalize("NFC", pin)


def check(pin: str, *own: str) -> str:
    """The normalised PIN. `own`: what a thief knows of its owner, such as the line's address.

    Raises vault.weak_pin, with the reason.
    """
    pin = normalise(pin)
    if len(pin) > MAX_LENGTH:
        raise _weak(f"A PIN or passphrase has at most {MAX_LENGTH} characters.")
    if any(unicodedata.category(character) in ("Cc", "Cs") for character in pin):
        raise _weak("A PIN or passphrase holds no control characters.")
    if pin.isascii() and pin.isdigit():
        _check_digits(pin, own)
    else:
        _check_passphrase(pin, own)
    return pin


def _weak(reason: str) -> ChappeError:
    return error("vault.weak_pin", reason)


# --- digits


def _check_digits(pin: str, own: tuple[str, ...]) -> None:
    if len(pin) < MIN_DIGITS:
        raise _weak(f"A PIN has {MIN_DIGITS} digits or more; a passphrase {MIN_PASSPHRASE} characters.")
    if len(set(pin)) == 1:
        raise _weak("The same digit again and again is among the first PINs tried.")
    if _is_run(pin):
        raise _weak("Digits in a row, up or down, are among the first PINs tried.")
    if _is_repeated(pin):
        raise _weak("The same few digits repeated are among the first PINs tried.")
    if _is_date(pin):
        raise _weak("That reads as a date; dates are among the first PINs tried.")
    if pin in _COMMON_PINS:
        raise _weak("That is one of the most used PINs.")
    if any(pin in _digits(word) for word in own):
        raise _weak("Those digits stand in the line's own address.")


def _is_run(pin: str) -> bool:
    """123456, 654321, 890123: each digit one more, or one less, than the one before it."""
    steps = {(int(after) - int(before)) % 10 for before, after in pairwise(pin)}
    return steps in ({1}, {9})


def _is_repeated(text: str) -> bool:
    """121212, 123123: a part of it, twice or more."""
    return text in (text + text)[1:-1]


def _is_date(pin: str) -> bool:
    if len(pin) == 6:
        a, b, c = pin[:2], pin[2:4], pin[4:]
        years = [(c, b, a), (c, a, b), (a, b, c)]
        short = any(_is_day(century + y, m, d) for y, m, d in years for century in ("19", "20"))
        return short or _is_day(pin[2:], pin[:2], "01") or _is_day(pin[:4], pin[4:], "01")
    if len(pin) == 8:
        first, last = pin[:4], pin[4:]
        orders = [(last, first[2:], first[:2]), (last, first[:2], first[2:])]
        orders += [(first, last[:2], last[2:]), (first, last[2:], last[:2])]
        return any(_is_day(*order) for order in orders)
    return False


def _is_day(year: str, month: str, day: str) -> bool:
    """Of this or the last century."""
    if year[:2] not in ("19", "20"):
        return False
    try:
        date(int(year), int(month), int(day))
    except ValueError:
        return False
    return True


def _digits(word: str) -> str:
    return "".join(character for character in word if character.isdigit())


# --- passphrases


def _check_passphrase(pin: str, own: tuple[str, ...]) -> None:
    if len(pin) < MIN_PASSPHRASE:
        raise _weak(f"A passphrase has {MIN_PASSPHRASE} characters or more; a PIN {MIN_DIGITS} digits.")
    plain = "".join(pin.casefold().split())
    if len(set(plain)) < MIN_DIFFERENT:
        raise _weak("That passphrase has too few different characters.")
    if _is_repeated(plain):
        raise _weak("That passphrase is one part repeated; take different words.")
    if any(plain in row or plain in row[::-1] for row in _ROWS):
        raise _weak("Keys or letters in a row are among the first passphrases tried.")
    if len(_without(plain, _COMMON_WORDS)) < MIN_PASSPHRASE // 2:
        raise _weak("That is close to one of the most used passphrases.")
    if len(_without(plain, _names(own))) < MIN_PASSPHRASE // 2:
        raise _weak("That is little more than the line's own address or name.")


def _without(plain: str, words: tuple[str, ...]) -> str:
    """What is left once these are taken out, the longest first."""
    for word in sorted(words, key=len, reverse=True):
        plain = plain.replace("".join(word.casefold().split()), "")
    return plain


def _names(own: tuple[str, ...]) -> tuple[str, ...]:
    """An address, its name and its host."""
    parts = {part for word in own for part in (word, *word.split("@"))}
    return tuple(part for part in parts if len(part) >= _NAME_COUNTS_FROM)
