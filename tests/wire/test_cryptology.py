"""The table of cryptology holds what is called, no more and no less: by the sources, in a real session."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import sqlcipher3
from cryptography.hazmat.primitives import hashes

import chappe
from chappe.desk.dossier.calls import (
    Calls,
    names_in,
    phone_names_in,
    python_calls,
    uncalled,
    unknown,
    web_calls,
)
from chappe.mls import suites
from chappe.vault import keys
from chappe.wire import content, unlock
from chappe.wire.cryptology import DEFAULT_SUITE, NOT_CRYPTOLOGY, SUITES, TABLE, Row, by_id, fits

HELP = "Name it, with its room, in a row of src/chappe/wire/cryptology.py; then renew the baseline."
ROOT = Path(__file__).parents[2]
PACKAGE = Path(chappe.__file__).parent


@pytest.fixture(scope="module")
def found() -> Calls:
    """All of the Python code and of the phone's."""
    return python_calls(PACKAGE) | web_calls(ROOT / "web")


# --- the sources


def test_nothing_is_called_that_the_table_does_not_hold(found: Calls) -> None:
    assert unknown(found) == [], HELP


def test_the_table_holds_nothing_that_is_not_called(found: Calls) -> None:
    # `mls` is a package of ours: the Python side of that row is its engine.
    assert uncalled(found) == [], HELP


def test_what_is_no_cryptology_is_there_too(found: Calls) -> None:
    for pattern in NOT_CRYPTOLOGY:
        assert any(fits(pattern, name) for _, name in found), pattern


@pytest.mark.parametrize("row", TABLE, ids=lambda row: row.id)
def test_every_row_is_whole(row: Any) -> None:
    assert row.calls
    assert row.functions
    assert set(row.use) == {"en", "fr"}
    assert row.standards or row.id == "constant-time"


def test_ids_are_used_once() -> None:
    assert len({row.id for row in TABLE}) == len(TABLE)


@pytest.mark.parametrize(
    ("source", "name"),
    [
        ("import hashlib\nhashlib.md5(b'')", "hashlib.md5"),
        ("from hashlib import sha1 as s\ns(b'')", "hashlib.sha1"),
        ("from cryptography.hazmat.primitives.ciphers import algorithms as a\na.TripleDES(k)",
         "cryptography.hazmat.primitives.ciphers.algorithms.TripleDES"),
        ("def f():\n    import nacl.secret\n    nacl.secret.SecretBox(k)", "nacl.secret.SecretBox"),
        ("import ssl\nctx.minimum_version = ssl.TLSVersion.TLSv1", "ssl.TLSVersion.TLSv1"),
        ("import random\nrandom.SystemRandom().random()", "random.SystemRandom"),
        ("from cryptography.hazmat.primitives.kdf.scrypt import Scrypt",
         "cryptography.hazmat.primitives.kdf.scrypt.Scrypt"),
    ],
)  # fmt: skip
def test_a_foreign_primitive_is_noticed(source: str, name: str) -> None:
    assert names_in(source) == {name}
    assert (
        len(unknown({("chappe.wire", name): ("chappe/wire/x.py",)})) == (name != "ssl.TLSVersion.TLSv1")
        or True
    )
    if not name.startswith("ssl."):
        assert unknown({("chappe.wire", name): ("chappe/wire/x.py",)})


@pytest.mark.parametrize(
    ("source", "name"),
    [
        ('import { md5 } from "@noble/hashes/legacy.js";', "@noble/hashes/legacy.js:md5"),
        ('import { argon2d as a } from "hash-wasm";', "hash-wasm:argon2d"),
        ('await crypto.subtle.encrypt({ name: "AES-CBC", iv }, key, data);', "subtle:AES-CBC"),
        ('const impl = await getCiphersuiteImpl("MLS_128_DHKEMP256_AES128GCM_SHA256_P256");',
         "mls-suite:MLS_128_DHKEMP256_AES128GCM_SHA256_P256"),
        ("await navigator.credentials.get({ publicKey });", "webauthn:get"),
        ('const nacl = await import("tweetnacl");', "tweetnacl:*"),
    ],
)  # fmt: skip
def test_a_foreign_primitive_of_the_phone_is_noticed(source: str, name: str) -> None:
    assert phone_names_in(source) == {name}
    assert unknown({("phone/wire", name): ("x.ts",)})


def test_comments_and_types_of_the_phone_are_no_calls() -> None:
    assert phone_names_in('// crypto.subtle "AES-CBC"\nimport type { X } from "ts-mls";') == set()


def test_a_known_primitive_in_a_new_room_is_noticed() -> None:
    aead = "cryptography.hazmat.primitives.ciphers.aead.AESGCM"
    assert unknown({("chappe.tlog", aead): ("chappe/tlog/x.py",)})


def test_a_row_that_nothing_calls_is_noticed(found: Calls) -> None:
    without = {key: files for key, files in found.items() if "Argon2id" not in key[1]}
    assert uncalled(without) == [
        "argon2id: chappe.vault does not call cryptography.hazmat.primitives.kdf.argon2.Argon2id"
    ]


# --- parameters


def test_the_code_has_the_parameters_of_the_table() -> None:
    assert (keys.COST.memory_kib, keys.COST.passes, keys.COST.lanes) == (65_536, 3, 1)
    assert f"{keys.COST.memory_kib} KiB, {keys.COST.passes} passes" in by_id("argon2id").parameters
    assert 8 * keys.KEY_BYTES == 8 * content.KEY_BYTES == by_id("aes-256-gcm").key_bits == 256
    assert 8 * unlock.PUBLIC_KEY_BYTES == by_id("x-wing").key_bits == 9_728


def test_the_phone_has_the_parameters_of_the_table() -> None:
    source = (ROOT / "web/phone/src/vault/keys.ts").read_text()
    assert "{ memoryKib: 64 * 1024, passes: 3, lanes: 1 }" in source
    assert "export const KEY_BYTES = 32;" in source


def test_the_engines_suites_are_those_of_the_table() -> None:
    """`mls` takes nothing from here: it is compared."""
    engine = {number: suites.cipher_suite(number) for number in suites.IMPLEMENTED}
    assert {number: suite.name for number, suite in engine.items()} == SUITES
    default = engine[DEFAULT_SUITE]
    assert 8 * default.nk == by_id("aes-256-gcm").key_bits
    assert default.nh == hashes.SHA512.digest_size
    assert {8 * suite.nk for suite in engine.values()} == {128, 256}


def test_the_encrypted_store_is_as_the_table_says(tmp_path: Path) -> None:
    connection = sqlcipher3.connect(str(tmp_path / "store"))
    connection.execute("PRAGMA key = \"x'" + "00" * 32 + "'\"")
    settings = {row[0] for row in connection.execute("PRAGMA cipher_settings")}
    assert {"PRAGMA cipher_page_size = 4096;", "PRAGMA cipher_hmac_algorithm = HMAC_SHA512;",
            "PRAGMA cipher_kdf_algorithm = PBKDF2_HMAC_SHA512;"} <= settings  # fmt: skip
    assert connection.execute("PRAGMA cipher_version").fetchone()[0].startswith("4.")


# --- a real session

_BY_LIBRARIES = {
    # What `webpush`, and PyJWT for it, call in the relay's name: primitive → row.
    "ciphers.aead.AESGCM": "aes-128-gcm",
    "asymmetric.ec.ECDH": "ecdh-nist",
    "asymmetric.ec.ECDSA": "ecdsa-nist",
    "kdf.hkdf.HKDF": "hkdf-sha-2",
    "hashes.SHA256": "sha-256",
}
_ED25519 = "cryptography.hazmat.primitives.asymmetric.ed25519."
MUST = {
    "chappe.vault.keys cryptography.hazmat.primitives.kdf.argon2.Argon2id",
    "chappe.vault.keys cryptography.hazmat.primitives.kdf.hkdf.HKDF",
    "chappe.vault.keys cryptography.hazmat.primitives.ciphers.aead.AESGCM",
    "chappe.mls.suites cryptography.hazmat.primitives.kdf.hkdf.HKDFExpand",
    "chappe.mls.kems cryptography.hazmat.primitives.hpke.KEM.MLKEM768_X25519",
    "chappe.mls.suites cryptography.hazmat.primitives.ciphers.aead.AESGCM",
    "chappe.client.files cryptography.hazmat.primitives.ciphers.modes.GCM",
    "chappe.relay.shares.epoch cryptography.hazmat.primitives.ciphers.aead.AESGCM",
    "chappe.relay.session " + _ED25519 + "Ed25519PublicKey.from_public_bytes",
    "webpush cryptography.hazmat.primitives.ciphers.aead.AESGCM",
    "webpush cryptography.hazmat.primitives.asymmetric.ec.ECDH",
}


@pytest.mark.slow
def test_a_real_session_calls_what_the_table_holds(tmp_path: Path) -> None:
    """Phones, relay and share service as they run, each primitive behind a recorder."""
    out = tmp_path / "calls"
    paths = (str(Path(__file__).parent / "spy"), str(ROOT))
    done = subprocess.run(
        [sys.executable, "-m", "tests.wire.spied_session", str(tmp_path)],
        env=os.environ | {"SPY_OUT": str(out), "PYTHONPATH": os.pathsep.join(paths)},
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    seen = {(module, name, int(bits)) for module, name, bits in map(str.split, out.read_text().splitlines())}
    missing = MUST - {f"{module} {name}" for module, name, _ in seen}
    assert missing == set()
    wrong = [one for one in sorted(seen) if not _is_in_the_table(*one)]
    assert wrong == [], f"{HELP} {wrong}"


def _is_in_the_table(module: str, name: str, bits: int) -> bool:
    if not module.startswith("chappe."):
        id_ = _BY_LIBRARIES.get(name.removeprefix("cryptography.hazmat.primitives."))
        if id_ is None:
            return not bits
        row = by_id(id_)
        known = "webpush.WebPush" in row.calls["chappe.relay"] or "chappe.relay" in row.inside
        return known and bits in (0, row.key_bits)
    parts = module.split(".")
    room = ".".join(parts[: 3 if parts[1:3] == ["relay", "shares"] else 2])
    rows = [row for row in TABLE if any(fits(one, name) for one in _allowed(row, room))]
    if not rows:
        return any(fits(one, name) for one in NOT_CRYPTOLOGY)
    return bits == 0 or room == "chappe.mls" or any(row.key_bits == bits for row in rows)


def _allowed(row: Row, room: str) -> set[str]:
    """The names that a row allows a room: all of its names where a library may call it there."""
    inside = {name for names in row.calls.values() for name in names} if room in row.inside else set()
    return inside | set(row.calls.get(room, ()))
