"""A spy on cryptology, for Python processes that start with this folder on PYTHONPATH and SPY_OUT set.

Before anything of ours is imported, the classes and functions of `cryptography`, `hashlib` and `hmac` are
each put behind a recorder. One line goes to the file for each new (calling module, name, bits of the key).
"""

from __future__ import annotations

import importlib
import os
import sys
from typing import Any

OURS = ("chappe", "webpush", "jwt")
MODULES = (
    "ciphers.aead", "ciphers.algorithms", "ciphers.modes", "ciphers", "asymmetric.ed25519",
    "asymmetric.ed448",
    "asymmetric.x25519", "asymmetric.x448", "asymmetric.ec", "asymmetric.mlkem", "asymmetric.mldsa",
    "asymmetric.rsa", "asymmetric.dsa", "asymmetric.dh", "hashes", "hmac", "cmac", "poly1305", "kdf.hkdf",
    "kdf.argon2", "kdf.scrypt", "kdf.pbkdf2", "kdf.concatkdf", "kdf.x963kdf", "hpke", "keywrap",
)  # fmt: skip
WITH_KEYS = ("AESGCM", "ChaCha20Poly1305", "AESCCM", "AESGCMSIV", "AESOCB3", "AESSIV", "AES", "HMAC")


class Recorder:
    """Stands for a class or function, and says who uses it."""

    def __init__(self, real: Any, name: str) -> None:
        self._real, self._name = real, name

    def __call__(self, *given: Any, **named: Any) -> Any:
        bits = 0
        if self._name.rpartition(".")[2] in WITH_KEYS and given:
            bits = 8 * len(given[0])
        _note(sys._getframe(1), self._name, bits)
        return self._real(*given, **named)

    def __getattr__(self, name: str) -> Any:
        _note(sys._getframe(1), f"{self._name}.{name}", 0)
        return getattr(self._real, name)

    def __instancecheck__(self, it: Any) -> bool:
        return isinstance(it, self._real)

    def __subclasscheck__(self, it: Any) -> bool:
        return issubclass(it, self._real)

    def __mro_entries__(self, _bases: Any) -> tuple[Any, ...]:
        return (self._real,)

    def __or__(self, other: Any) -> Any:
        return self._real | getattr(other, "_real", other)

    def __ror__(self, other: Any) -> Any:
        return other | self._real


_known: set[tuple[str, str, int]] = set()


def _note(frame: Any, name: str, bits: int) -> None:
    module = frame.f_globals.get("__name__", "")
    seen = (module, name, bits)
    if module.split(".")[0] not in OURS or seen in _known:
        return
    _known.add(seen)
    with open(os.environ["SPY_OUT"], "a") as file:
        file.write(f"{module} {name} {bits}\n")


def _put_behind(module: Any, prefix: str) -> None:
    for name, real in list(vars(module).items()):
        if name.startswith("_") or not callable(real) or isinstance(real, Recorder):
            continue
        # Enumerations are told by what they are given to; `typing` and modules of others are none of ours.
        if hasattr(real, "__members__") or not getattr(real, "__module__", "").startswith("cryptography"):
            continue
        setattr(module, name, Recorder(real, prefix + name))


if "SPY_OUT" in os.environ:
    loaded = []
    for one in MODULES:
        # All of them first: while they load, they are to see the real ones.
        loaded.append(importlib.import_module(f"cryptography.hazmat.primitives.{one}"))
    importlib.import_module("cryptography.x509")
    importlib.import_module("cryptography.hazmat.primitives.serialization")
    # `cryptography` looks its classes up by name at their first use, and is to find the real ones.
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

    Cipher(algorithms.AES(bytes(32)), modes.GCM(bytes(12))).encryptor()
    for curve in (ec.SECP256R1(), ec.SECP384R1(), ec.SECP521R1()):
        ec.generate_private_key(curve)
    for one, module in zip(MODULES, loaded, strict=True):
        _put_behind(module, f"cryptography.hazmat.primitives.{one}.")
    import hashlib
    import hmac

    for one in (
        "md5",
        "sha1",
        "sha224",
        "sha256",
        "sha384",
        "sha512",
        "sha3_256",
        "blake2b",
        "pbkdf2_hmac",
        "scrypt",
    ):
        setattr(hashlib, one, Recorder(getattr(hashlib, one), f"hashlib.{one}"))
    for one in ("new", "digest"):
        setattr(hmac, one, Recorder(getattr(hmac, one), f"hmac.{one}"))
