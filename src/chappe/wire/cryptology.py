"""The cryptology of Chappe, in one table: every algorithm, mode, key length, use, standard and caller.

The dossier that is declared (`chappe dossier`) is made from it, and so is its fingerprint. The code takes
its parameters from here where it may import this; `mls` and `tlog` import nothing of ours, and the phone is
another language: tests hold them to the table, by the sources (`tests/wire/test_cryptology.py`) and by a
spy on a real session. A primitive that is not here is not called; one that nothing calls is not here.

A *room* is where a call is: a package (`chappe.vault`), or a folder of the phone (`phone/wire`).
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final, TypeAlias

# --- Parameters that the code takes from here

AES_KEY_BYTES: Final = 32
GCM_NONCE_BYTES: Final = 12
GCM_TAG_BYTES: Final = 16
XWING_PUBLIC_BYTES: Final = 1216
MLKEM_PUBLIC_BYTES: Final = 1184
MLKEM_SEED_BYTES: Final = 64
SECRET_BYTES: Final = 32
"""Of `r`, the share, `auth` and the vault key."""
ED25519_KEY_BYTES: Final = 32
CODE_BITS: Final = 75
TLS_MINIMUM: Final = "TLSv1_2"


@dataclass(frozen=True, slots=True)
class Argon2Cost:
    """Of Argon2id. Part of the format: no file names it, so that none can lower it."""

    memory_kib: int = 64 * 1024
    passes: int = 3
    lanes: int = 1


ARGON2ID: Final = Argon2Cost()

# --- The table


class Family(StrEnum):
    CIPHER = "cipher"
    AGREEMENT = "agreement"
    SIGNATURE = "signature"
    HASH = "hash"
    MAC = "mac"
    DERIVATION = "derivation"
    RANDOM = "random"
    COMPARISON = "comparison"
    PROTOCOL = "protocol"


class Function(StrEnum):
    """The functions that the French form knows."""

    AUTHENTICATION = "authentication"
    INTEGRITY = "integrity"
    CONFIDENTIALITY = "confidentiality"
    SIGNATURE = "signature"


A, I = Function.AUTHENTICATION, Function.INTEGRITY  # noqa: E741
C, S = Function.CONFIDENTIALITY, Function.SIGNATURE
Calls: TypeAlias = Mapping[str, tuple[str, ...]]


@dataclass(frozen=True, slots=True)
class Row:
    """One primitive or protocol. `key_bits`: the longest key, in bits; None where there is none. `use`: what
    for, by language. `calls`: by room, the names that are called there, as `desk.dossier.calls` spells them;
    a name stands for all that begin with it and a dot, one that ends with a star for all that begin so.
    `inside`: rooms in whose name a library calls it inside of another call (HPKE, Web Push)."""

    id: str
    family: Family
    algorithm: str
    mode: str
    key_bits: int | None
    parameters: str
    functions: tuple[Function, ...]
    standards: tuple[str, ...]
    library: str
    use: Mapping[str, str]
    calls: Calls
    inside: tuple[str, ...] = ()
    interoperability_only: bool = False


_P: Final = "cryptography.hazmat.primitives."
_AESGCM: Final = _P + "ciphers.aead.AESGCM"
_ASYM: Final = _P + "asymmetric."
_ED25519: Final = _ASYM + "ed25519"
_HPKE: Final = _P + "hpke."
_CRYPTOGRAPHY: Final = "cryptography (OpenSSL)"
_NOBLE_SHA2: Final = "@noble/hashes/sha2.js:"
_GCM: Final = f"nonce {8 * GCM_NONCE_BYTES} bits, tag {8 * GCM_TAG_BYTES} bits"

TABLE: Final = (
    # Ciphers
    Row(
        "aes-256-gcm", Family.CIPHER, "AES", "GCM", 8 * AES_KEY_BYTES, _GCM, (C, I, A),
        ("FIPS 197", "NIST SP 800-38D", "RFC 5116"), f"{_CRYPTOGRAPHY}; WebCrypto; @noble/ciphers (GHASH)",
        {"en": "Messages, files, keys and shares at rest, what is sealed by HPKE, answers of the service",
         "fr": "Messages, fichiers, clés et parts au repos, scellements HPKE, réponses du service des parts"},
        {
            "chappe.vault": (_AESGCM,),
            "chappe.client": (_AESGCM, _P + "ciphers.Cipher", _P + "ciphers.algorithms.AES",
                              _P + "ciphers.modes.GCM"),
            "chappe.wire": (_AESGCM, _HPKE + "AEAD.AES_256_GCM"),
            "chappe.relay.shares": (_AESGCM, _HPKE + "AEAD.AES_256_GCM"),
            "chappe.mls": (_AESGCM, _HPKE + "AEAD.AES_256_GCM"),
            "phone/vault": ("subtle:AES-GCM",), "console/officer": ("subtle:AES-GCM",),
            "phone/wire": ("subtle:AES-GCM", "@hpke/core:Aes256Gcm"),
            "phone/client": ("subtle:AES-CTR", "@noble/ciphers/_polyval.js:GHASH"),
        },
    ),
    Row(
        "aes-256-cbc-hmac", Family.CIPHER, "AES", "CBC, HMAC-SHA-512 per page", 256,
        "page 4096 bytes, random IV 128 bits, key given raw, page MAC key by PBKDF2-HMAC-SHA-512", (C, I),
        ("FIPS 197", "NIST SP 800-38A", "FIPS 198-1", "SQLCipher 4"), "sqlcipher3 (SQLCipher 4, OpenSSL)",
        {"en": "The desktop client's encrypted store",
         "fr": "Base chiffrée du client de bureau"},
        {"chappe.vault": ("sqlcipher3.connect",)},
    ),
    Row(
        "aes-128-gcm", Family.CIPHER, "AES", "GCM", 128, _GCM, (C, I, A),
        ("FIPS 197", "NIST SP 800-38D", "RFC 8188"), f"{_CRYPTOGRAPHY}; webpush",
        {"en": "Web Push (content without information); MLS suites 0x0001 and 0x0002",
         "fr": "Web Push (contenu sans information) ; suites MLS 0x0001 et 0x0002"},
        {"chappe.relay": ("webpush.WebPush",), "chappe.mls": (_AESGCM, _HPKE + "AEAD.AES_128_GCM")},
    ),
    Row(
        "chacha20-poly1305", Family.CIPHER, "ChaCha20-Poly1305", "AEAD", 256, "nonce 96 bits, tag 128 bits",
        (C, I, A), ("RFC 8439",), _CRYPTOGRAPHY,
        {"en": "MLS suites 0x0003 and 0x0006", "fr": "Suites MLS 0x0003 et 0x0006"},
        {"chappe.mls": (_P + "ciphers.aead.ChaCha20Poly1305", _HPKE + "AEAD.CHACHA20_POLY1305")},
        interoperability_only=True,
    ),
    # Key agreement and encapsulation
    Row(
        "x-wing", Family.AGREEMENT, "X-Wing", "hybrid KEM", 8 * XWING_PUBLIC_BYTES,
        f"ML-KEM-768 and X25519, SHA3-256 combiner; encapsulation key {8 * XWING_PUBLIC_BYTES} bits", (C,),
        ("draft-connolly-cfrg-xwing-kem", "RFC 9180"),
        f"{_CRYPTOGRAPHY}; @hpke/hybridkem-x-wing; @noble/post-quantum; ts-mls",
        {"en": "All conversations (MLS 0xF00D); what is sealed to share service and officers",
         "fr": "Toutes les conversations (MLS 0xF00D) ; scellements au service des parts "
               "et aux officiers"},
        {
            "chappe.wire": (_HPKE + "KEM.MLKEM768_X25519", _HPKE + "MLKEM768X25519PrivateKey",
                            _HPKE + "MLKEM768X25519PublicKey"),
            "chappe.relay.shares": (_HPKE + "KEM.MLKEM768_X25519", _HPKE + "MLKEM768X25519PrivateKey"),
            "chappe.mls": (_HPKE + "KEM.MLKEM768_X25519", _HPKE + "MLKEM768X25519PrivateKey",
                           _HPKE + "MLKEM768X25519PublicKey"),
            "phone/wire": ("@hpke/hybridkem-x-wing:XWing", "@noble/post-quantum/hybrid.js:combineKEMS",
                           "@noble/post-quantum/hybrid.js:ecdhKem"),
        },
    ),
    Row(
        "ml-kem-768", Family.AGREEMENT, "ML-KEM-768", "KEM", 8 * MLKEM_PUBLIC_BYTES,
        f"module-lattice, category 3; encapsulation key {8 * MLKEM_PUBLIC_BYTES} bits, secret 256 bits", (C,),
        ("FIPS 203",), f"{_CRYPTOGRAPHY}; @noble/post-quantum",
        {"en": "The post-quantum half of X-Wing", "fr": "Moitié post-quantique de X-Wing"},
        {
            "chappe.wire": (_ASYM + "mlkem.MLKEM768PrivateKey", _ASYM + "mlkem.MLKEM768PublicKey"),
            "chappe.relay.shares": (_ASYM + "mlkem.MLKEM768PrivateKey",),
            "chappe.mls": (_ASYM + "mlkem.MLKEM768PrivateKey", _ASYM + "mlkem.MLKEM768PublicKey"),
            "phone/wire": ("@noble/post-quantum/ml-kem.js:ml_kem768",),
        },
    ),
    Row(
        "x25519", Family.AGREEMENT, "X25519", "ECDH", 256, "Curve25519", (C,), ("RFC 7748", "RFC 9180"),
        f"{_CRYPTOGRAPHY}; @noble/curves",
        {"en": "The classical half of X-Wing; MLS suites 0x0001 and 0x0003",
         "fr": "Moitié classique de X-Wing ; suites MLS 0x0001 et 0x0003"},
        {
            "chappe.wire": (_ASYM + "x25519.X25519PrivateKey", _ASYM + "x25519.X25519PublicKey"),
            "chappe.relay.shares": (_ASYM + "x25519.X25519PrivateKey",),
            "chappe.mls": (_ASYM + "x25519.X25519PrivateKey", _ASYM + "x25519.X25519PublicKey",
                           _HPKE + "KEM.X25519"),
            "phone/wire": ("@noble/curves/ed25519.js:x25519",),
        },
    ),
    Row(
        "x448", Family.AGREEMENT, "X448", "ECDH", 448, "Curve448", (C,), ("RFC 7748", "RFC 9180"),
        _CRYPTOGRAPHY,
        {"en": "MLS suites 0x0004 and 0x0006", "fr": "Suites MLS 0x0004 et 0x0006"},
        {"chappe.mls": (_ASYM + "x448.X448PrivateKey", _ASYM + "x448.X448PublicKey")},
        interoperability_only=True,
    ),
    Row(
        "ecdh-nist", Family.AGREEMENT, "ECDH", "P-256, P-384, P-521", 521, "uncompressed points", (C,),
        ("NIST SP 800-56A", "FIPS 186-5", "RFC 9180", "RFC 8291"), f"{_CRYPTOGRAPHY}; webpush",
        {"en": "Web Push (P-256); MLS suites 0x0002, 0x0005 and 0x0007",
         "fr": "Web Push (P-256) ; suites MLS 0x0002, 0x0005 et 0x0007"},
        {
            "chappe.mls": (_ASYM + "ec.ECDH", _HPKE + "KEM.P256", _HPKE + "KEM.P384", _HPKE + "KEM.P521",
                           _ASYM + "ec.SECP256R1", _ASYM + "ec.SECP384R1",
                           _ASYM + "ec.SECP521R1", _ASYM + "ec.derive_private_key",
                           _ASYM + "ec.generate_private_key", _ASYM + "ec.EllipticCurvePublicKey"),
            "chappe.relay": ("webpush.WebPush", _ASYM + "ec.EllipticCurvePublicKey",
                             _ASYM + "ec.SECP256R1"),
        },
    ),
    # Signatures
    Row(
        "ed25519", Family.SIGNATURE, "Ed25519", "EdDSA", 256, "deterministic, signature 512 bits", (S, A, I),
        ("RFC 8032", "FIPS 186-5"), f"{_CRYPTOGRAPHY}; WebCrypto; @noble/curves",
        {"en": "Identities, devices, messages, orders, receipts, rosters, releases, logs, operator's papers",
         "fr": "Identités, appareils, messages, ordres, reçus, listes de officiers, versions, journaux, "
               "pièces de l'opérateur"},
        {
            "chappe.desk": (_ED25519,),
            "chappe.vault": (_ED25519,), "chappe.client": (_ED25519,), "chappe.wire": (_ED25519,),
            "chappe.relay": (_ED25519,), "chappe.relay.shares": (_ED25519,), "chappe.mls": (_ED25519,),
            "chappe.tlog": (_ED25519,),
            "phone/mls": ("@noble/curves/ed25519.js:ed25519", "subtle:Ed25519"),
            "phone/sw": ("@noble/curves/ed25519.js:ed25519",),
            "phone/tlog": ("@noble/curves/ed25519.js:ed25519",),
            "phone/vault": ("@noble/curves/ed25519.js:ed25519", "subtle:Ed25519"),
            "phone/wire": ("@noble/curves/ed25519.js:ed25519",),
            "phone/build": ("node:crypto:generateKeyPairSync", "node:crypto:sign",
                            "node:crypto:createPrivateKey", "node:crypto:createPublicKey"),
        },
    ),
    Row(
        "ed448", Family.SIGNATURE, "Ed448", "EdDSA", 448, "deterministic, signature 912 bits", (S, A, I),
        ("RFC 8032", "FIPS 186-5"), _CRYPTOGRAPHY,
        {"en": "MLS suites 0x0004 and 0x0006", "fr": "Suites MLS 0x0004 et 0x0006"},
        {"chappe.mls": (_ASYM + "ed448",)}, interoperability_only=True,
    ),
    Row(
        "ecdsa-nist", Family.SIGNATURE, "ECDSA", "P-256, P-384, P-521", 521,
        "SHA-256, SHA-384, SHA-512; deterministic (RFC 6979) in MLS", (S, A, I),
        ("FIPS 186-5", "RFC 6979", "RFC 8292"), f"{_CRYPTOGRAPHY}; webpush; PyJWT",
        {"en": "The relay's own certificate and Web Push (P-256); MLS suites 0x0002, 0x0005 and 0x0007",
         "fr": "Certificat propre du relais et Web Push (P-256) ; suites MLS 0x0002, 0x0005 et 0x0007"},
        {
            "chappe.mls": (_ASYM + "ec.ECDSA",),
            "chappe.desk": ("fido2.server.Fido2Server",),
            "chappe.relay": (_ASYM + "ec.generate_private_key", "webpush.WebPush", "jwt.encode",
                             _ASYM + "ec.EllipticCurvePrivateKey"),
        },
    ),
    Row(
        "rsa-verify", Family.SIGNATURE, "RSA", "PKCS #1 v1.5", 2048,
        "SHA-256, verification only; the key is the authenticator's, of 2048 bits with Windows Hello",
        (S, A, I), ("RFC 8017", "RFC 8812"), f"fido2; {_CRYPTOGRAPHY}",
        {"en": "Passkeys of the operator's accounts, where an authenticator has no other",
         "fr": "Clés d'accès des comptes de l'opérateur, si l'authentificateur n'en a pas d'autre"},
        {"chappe.desk": ("fido2.server.Fido2Server",)},
    ),
    Row(
        "ml-dsa-44", Family.SIGNATURE, "ML-DSA-44", "module-lattice", 8 * 1312,
        "category 2; public key 10496 bits, signature 19360 bits", (S, A, I),
        ("FIPS 204", "C2SP tlog-cosignature"), f"{_CRYPTOGRAPHY}; @noble/post-quantum",
        {"en": "Heads of the transparency log, and cosignatures of its witnesses",
         "fr": "Têtes du journal de transparence, et cosignatures de ses témoins"},
        {"chappe.tlog": (_ASYM + "mldsa.MLDSA44PrivateKey", _ASYM + "mldsa.MLDSA44PublicKey"),
         "phone/tlog": ("@noble/post-quantum/ml-dsa.js:ml_dsa44",)},
    ),
    # Hashes
    Row(
        "sha-256", Family.HASH, "SHA-256", "hash", None, "output 256 bits", (I,), ("FIPS 180-4",),
        f"hashlib (OpenSSL); {_CRYPTOGRAPHY}; WebCrypto; @noble/hashes; hash-wasm",
        {"en": "Names, commitments, Merkle trees, certificates' pins, files' integrity",
         "fr": "Noms, engagements, arbres de Merkle, empreintes de certificats, intégrité des fichiers"},
        {
            "chappe.client": ("hashlib.sha256", "hashlib.file_digest", _P + "hashes.SHA256"),
            "chappe.desk": ("hashlib.sha256",),
            "chappe.relay": ("hashlib.sha256", _P + "hashes.SHA256"),
            "chappe.relay.shares": ("hashlib.sha256", _P + "hashes.SHA256"),
            "chappe.tlog": ("hashlib.sha256",), "chappe.vault": ("hashlib.sha256", _P + "hashes.SHA256"),
            "chappe.wire": ("hashlib.sha256",), "chappe.mls": (_P + "hashes.SHA256", _P + "hashes.Hash"),
            "phone/client": ("hash-wasm:createSHA256", _NOBLE_SHA2 + "sha256"),
            "phone/tlog": (_NOBLE_SHA2 + "sha256",),
            "phone/wire": (_NOBLE_SHA2 + "sha256",), "phone/sw": ("subtle:SHA-256",),
            "phone/vault": ("subtle:SHA-256",), "phone/build": ("node:crypto:createHash",),
            "console/officer": ("subtle:SHA-256",),
        },
        inside=("chappe.relay",),
    ),
    Row(
        "sha-384", Family.HASH, "SHA-384", "hash", None, "output 384 bits", (I,), ("FIPS 180-4",),
        f"{_CRYPTOGRAPHY}; browser (subresource integrity)",
        {"en": "Integrity of the page's scripts; MLS suite 0x0007",
         "fr": "Intégrité des scripts de la page ; suite MLS 0x0007"},
        {"chappe.mls": (_P + "hashes.SHA384",), "phone/build": ("node:crypto:createHash",)},
    ),
    Row(
        "sha-512", Family.HASH, "SHA-512", "hash", None, "output 512 bits", (I,), ("FIPS 180-4",),
        f"hashlib (OpenSSL); {_CRYPTOGRAPHY}; @noble/hashes",
        {"en": "The default MLS suite; safety numbers",
         "fr": "Suite MLS par défaut ; numéros de sécurité"},
        {
            "chappe.client": ("hashlib.sha512",), "chappe.wire": ("hashlib.sha512",),
            "chappe.mls": (_P + "hashes.SHA512", _P + "hashes.Hash"), "phone/wire": (_NOBLE_SHA2 + "sha512",),
            "console/officer": ("subtle:SHA-512",),
        },
        inside=("chappe.relay.shares", "chappe.wire"),
    ),
    Row(
        "sha3", Family.HASH, "SHA3-256, SHAKE256", "hash, XOF", None, "output 256 bits; 256 and 768 bits",
        (I,), ("FIPS 202",), f"{_CRYPTOGRAPHY}; @noble/hashes",
        {"en": "Inside X-Wing: combining both secrets, expanding the seed",
         "fr": "Dans X-Wing : combinaison des deux secrets, expansion de la graine"},
        {"chappe.mls": (_P + "hashes.SHA3_256", _P + "hashes.SHAKE256"),
         "phone/wire": ("@noble/hashes/sha3.js:sha3_256",)},
        inside=("chappe.relay.shares", "chappe.wire"),
    ),
    # Message authentication and derivation
    Row(
        "hmac-sha-2", Family.MAC, "HMAC", "SHA-256, SHA-384, SHA-512", 512, "tags of 64 to 512 bits", (I, A),
        ("FIPS 198-1", "RFC 2104"), f"hmac (OpenSSL); {_CRYPTOGRAPHY}; WebCrypto",
        {"en": "MLS confirmation and membership tags; names of records; challenges; files of the vault",
         "fr": "Étiquettes MLS ; noms d'enregistrements ; défis du service des parts ; fichiers du coffre"},
        {
            "chappe.vault": ("hmac.digest",), "chappe.relay.shares": ("hmac.new",),
            "chappe.mls": (_P + "hmac.HMAC",), "phone/vault": ("subtle:HMAC",),
        },
    ),
    Row(
        "hkdf-sha-2", Family.DERIVATION, "HKDF", "SHA-256, SHA-384, SHA-512", 512, "no salt, labelled infos",
        (C,), ("RFC 5869", "NIST SP 800-56C"), f"{_CRYPTOGRAPHY}; WebCrypto; @hpke/core",
        {"en": "MLS, HPKE, keys of the vault, the fleet and the share service, Web Push",
         "fr": "MLS, HPKE, clés du coffre, de flotte et du service des parts, Web Push"},
        {
            "chappe.vault": (_P + "kdf.hkdf.HKDF",), "chappe.client": (_P + "kdf.hkdf.HKDF",),
            "chappe.relay.shares": (_P + "kdf.hkdf.HKDF", _HPKE + "KDF.HKDF_SHA512"),
            "chappe.wire": (_HPKE + "KDF.HKDF_SHA512",), "chappe.relay": ("webpush.WebPush",),
            "chappe.mls": (_P + "kdf.hkdf.HKDF", _P + "kdf.hkdf.HKDFExpand", _HPKE + "KDF.HKDF_SHA256",
                           _HPKE + "KDF.HKDF_SHA384", _HPKE + "KDF.HKDF_SHA512"),
            "phone/vault": ("subtle:HKDF",), "phone/wire": ("@hpke/core:HkdfSha512",),
            "console/officer": ("subtle:HKDF",),
        },
    ),
    Row(
        "argon2id", Family.DERIVATION, "Argon2id", "password hashing", 8 * SECRET_BYTES,
        f"{ARGON2ID.memory_kib} KiB, {ARGON2ID.passes} passes, {ARGON2ID.lanes} lane, salt 256 bits", (C, A),
        ("RFC 9106",), f"{_CRYPTOGRAPHY}; hash-wasm",
        {"en": "Stretching of PINs and of officers' passphrases",
         "fr": "Étirement des codes PIN et des phrases de passe de officiers"},
        {"chappe.vault": (_P + "kdf.argon2.Argon2id",), "phone/client": ("hash-wasm:argon2id",),
         "phone/vault": ("hash-wasm:argon2id",)},
    ),
    # Randomness and comparison
    Row(
        "os-random", Family.RANDOM, "CSPRNG", "of the operating system", None, "getrandom(2), WebCrypto",
        (C, A), ("NIST SP 800-90A",), "secrets, os.urandom; WebCrypto",
        {"en": "Keys, nonces, salts, ids, activation codes",
         "fr": "Clés, nonces, sels, identifiants, codes d'activation"},
        {
            "chappe.cli": ("secrets.token_hex",),
            "chappe.client": ("os.urandom", "secrets.token_bytes", "secrets.token_hex"),
            "chappe.desk": ("secrets.token_bytes", "secrets.token_urlsafe"),
            "chappe.mls": ("os.urandom",),
            "chappe.relay": ("secrets.token_bytes", "secrets.token_hex", "secrets.token_urlsafe"),
            "chappe.relay.shares": ("os.urandom", "secrets.randbelow", "secrets.token_bytes"),
            "chappe.vault": ("secrets.token_bytes",),
            "chappe.wire": ("secrets.randbits", "secrets.token_bytes"),
            "console/api": ("crypto:randomUUID",),
            "phone/client": ("crypto:randomUUID",), "phone/vault": ("crypto:getRandomValues",),
            "phone/ui": ("crypto:randomUUID",), "phone/wire": ("crypto:getRandomValues",),
        },
    ),
    Row(
        "constant-time", Family.COMPARISON, "Comparison", "constant time", None, "", (A,), (),
        f"hmac; {_CRYPTOGRAPHY}",
        {"en": "Tags, tokens, what proves a PIN, locks of groups, pins",
         "fr": "Étiquettes, jetons, preuves de PIN, verrous de groupes, empreintes"},
        {
            "chappe.client": ("hmac.compare_digest",), "chappe.relay": ("hmac.compare_digest",),
            "chappe.relay.shares": ("hmac.compare_digest",), "chappe.vault": ("hmac.compare_digest",),
            "chappe.mls": (_P + "constant_time.bytes_eq",),
        },
    ),
    # Protocols
    Row(
        "mls", Family.PROTOCOL, "MLS", "1.0", None, "default suite 0xF00D", (C, I, A, S),
        ("RFC 9420",), "chappe.mls (own engine, primitives of cryptography); ts-mls",
        {"en": "End-to-end encryption of conversations",
         "fr": "Chiffrement de bout en bout des conversations"},
        {"phone/mls": ("ts-mls:*", "mls-suite:MLS_256_XWING_AES256GCM_SHA512_Ed25519")},
    ),
    Row(
        "hpke", Family.PROTOCOL, "HPKE", "base", None, "X-Wing, HKDF-SHA-512, AES-256-GCM", (C, I),
        ("RFC 9180",), f"{_CRYPTOGRAPHY}; @hpke/core",
        {"en": "Sealing to the share service, to officers, and inside MLS",
         "fr": "Scellement au service des parts, aux officiers, et à l'intérieur de MLS"},
        {
            "chappe.wire": (_HPKE + "Suite",), "chappe.relay.shares": (_HPKE + "Suite",),
            "chappe.mls": (_HPKE + "Suite",), "phone/wire": ("@hpke/core:CipherSuite",),
        },
    ),
    Row(
        "tls", Family.PROTOCOL, "TLS", "1.2, 1.3", None,
        "at least 1.2; suites of OpenSSL's default list; an ECDSA P-256 certificate of its own, or one given",
        (C, I, A), ("RFC 8446", "RFC 5246", "RFC 5280"), "ssl (OpenSSL); the browser",
        {"en": "The wire between phones and relay, relay and share service, gateways and NATS",
         "fr": "Lien entre téléphones et relais, relais et service des parts, passerelles et NATS"},
        {
            "chappe.cli": ("ssl.create_default_context",),
            "chappe.client": ("ssl.SSLContext", "ssl.create_default_context", "ssl.TLSVersion",
                              "ssl.PROTOCOL_TLS_CLIENT", "ssl.CERT_NONE", "ssl.DER_cert_to_PEM_cert"),
            "chappe.relay": ("ssl.SSLContext", "ssl.create_default_context", "ssl.TLSVersion",
                             "ssl.PROTOCOL_TLS_SERVER", "ssl.SSLSocket",
                             "ssl.OP_NO_COMPRESSION", "ssl.OP_NO_RENEGOTIATION", "cryptography.x509"),
            "chappe.relay.shares": ("ssl.SSLContext", "ssl.create_default_context"),
        },
    ),
    Row(
        "web-push", Family.PROTOCOL, "Web Push", "aes128gcm, VAPID", None,
        "ECDH and ECDSA on P-256, AES-128-GCM", (C, I, A), ("RFC 8030", "RFC 8291", "RFC 8292"),
        "webpush; PyJWT",
        {"en": "A knock that says nothing, for a phone whose page is closed",
         "fr": "Signal sans contenu, pour un téléphone dont la page est fermée"},
        {"chappe.relay": ("webpush.WebPush", "jwt.encode")},
    ),
    Row(
        "webauthn", Family.PROTOCOL, "WebAuthn", "passkeys", None, "ES256, EdDSA, RS256; verification only",
        (A,), ("W3C WebAuthn Level 3", "RFC 9053"), "fido2; the browser",
        {"en": "Sign-in at the operator's console", "fr": "Connexion à la console de l'opérateur"},
        {"chappe.desk": ("fido2.server.Fido2Server", "fido2.webauthn"),
         "console/api": ("webauthn:get", "webauthn:create")},
    ),
)  # fmt: skip

SUITES: Final = {
    0x0001: "MLS_128_DHKEMX25519_AES128GCM_SHA256_Ed25519",
    0x0002: "MLS_128_DHKEMP256_AES128GCM_SHA256_P256",
    0x0003: "MLS_128_DHKEMX25519_CHACHA20POLY1305_SHA256_Ed25519",
    0x0004: "MLS_256_DHKEMX448_AES256GCM_SHA512_Ed448",
    0x0005: "MLS_256_DHKEMP521_AES256GCM_SHA512_P521",
    0x0006: "MLS_256_DHKEMX448_CHACHA20POLY1305_SHA512_Ed448",
    0x0007: "MLS_256_DHKEMP384_AES256GCM_SHA384_P384",
    0xF00D: "MLS_256_XWING_AES256GCM_SHA512_Ed25519",
}
DEFAULT_SUITE: Final = 0xF00D

NOT_CRYPTOLOGY: Final = (
    "cryptography.exceptions", _P + "serialization", "ssl.SSLError", "ssl.SSLCertVerificationError",
    "ssl.SSLWantReadError", "ssl.SSLWantWriteError", "ssl.SSLContext",
    "sqlcipher3.Error", "webpush.WebPushSubscription", _P + "hashes.HashAlgorithm",
    _ASYM + "ec.EllipticCurve", _ASYM + "ec.EllipticCurvePrivateKey",
)  # fmt: skip
"""What these libraries also have and the code uses: errors, encodings, types."""


def fits(pattern: str, name: str) -> bool:
    """Whether a name of the table stands for a name that was found."""
    if pattern.endswith("*"):
        return name.startswith(pattern[:-1])
    return name == pattern or name.startswith(pattern + ".")


def by_id(id: str) -> Row:
    """Raises KeyError."""
    return {row.id: row for row in TABLE}[id]


def inventory() -> dict[str, Any]:
    """What is declared, as plain values: what it is for and who calls it are left out, for they may change
    without a change of the cryptology."""
    return {
        "format": 1,
        "algorithms": {
            row.id: {
                "family": row.family.value,
                "algorithm": row.algorithm,
                "mode": row.mode,
                "key_bits": row.key_bits,
                "parameters": row.parameters,
                "functions": sorted(one.value for one in row.functions),
                "standards": list(row.standards),
                "library": row.library,
                "interoperability_only": row.interoperability_only,
            }
            for row in TABLE
        },
        "suites": {f"0x{number:04X}": name for number, name in SUITES.items()},
        "default_suite": f"0x{DEFAULT_SUITE:04X}",
    }


def canonical(inventory: Mapping[str, Any]) -> bytes:
    """JSON with sorted keys, without spaces, in ASCII (all of RFC 8785 that such values need)."""
    return json.dumps(inventory, sort_keys=True, separators=(",", ":"), ensure_ascii=True).encode()


def fingerprint(declared: Mapping[str, Any] | None = None) -> str:
    """SHA-256 over the canonical inventory, in hexadecimal. Of this version, or of what is given."""
    return hashlib.sha256(canonical(inventory() if declared is None else declared)).hexdigest()
