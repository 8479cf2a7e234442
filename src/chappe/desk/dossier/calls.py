"""What cryptology the sources call: a walk over the running Python code, and over the phone's TypeScript.

A *call* is a room and a name. The room is the package (`chappe.vault`, `phone/wire`); the name is what is
used there of a library that does cryptology, as long as it can be told (`cryptography…hpke.KEM.P256`,
`hashlib.sha256`, `@noble/hashes/sha2.js:sha256`, `subtle:AES-GCM`). `chappe.wire.cryptology` must name each.

Python is parsed, TypeScript is searched: names of imports, WebCrypto's methods, and its algorithms' names
where a file uses WebCrypto at all. What is called by a name made at run time is not seen here; a test that
spies on a real session is there for that.
"""

from __future__ import annotations

import ast
import re
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Final, TypeAlias

from chappe.wire.cryptology import NOT_CRYPTOLOGY, TABLE, Row, fits

Calls: TypeAlias = dict[tuple[str, str], tuple[str, ...]]
"""(room, name) → the files, sorted, from the source's root."""

WATCHED: Final = (
    "cryptography", "hashlib", "hmac", "secrets", "ssl", "sqlcipher3", "webpush", "webauthn", "fido2", "jwt",
    "jose", "nacl", "argon2", "bcrypt", "Crypto", "Cryptodome", "OpenSSL", "pyhpke", "oqs", "ecdsa", "rsa",
    "passlib", "itsdangerous", "pyotp", "crypt", "_hashlib", "_ssl",
)  # fmt: skip
"""Python modules that do cryptology. `os.urandom`, `random.SystemRandom` and `uuid.uuid4` are watched too."""
_WATCHED_NAMES: Final = frozenset(
    {
        "os.urandom",
        "os.getrandom",
        "random.SystemRandom",
        "uuid.uuid4",
        "uuid.uuid1",
        "uuid.uuid3",
        "uuid.uuid5",
    }
)
_BEGINNINGS: Final = "|".join((*WATCHED, *sorted({name.split(".")[0] for name in _WATCHED_NAMES})))
_MAY: Final = re.compile(rf"^\s*(?:import|from)\b.*\b(?:{_BEGINNINGS})\b", re.MULTILINE)
"""A module without such a line imports none of them: it need not be parsed."""
PAGES: Final = ("phone", "console")
PHONE_WATCHED: Final = (
    "@noble/", "@scure/", "@hpke/", "hash-wasm", "ts-mls", "tweetnacl", "libsodium", "node:crypto",
    "crypto-js", "jose", "openpgp", "sjcl", "argon2", "@stablelib/", "@peculiar/", "mlkem", "crystals-kyber",
)  # fmt: skip
"""How the names of the phone's modules that do cryptology begin."""

_ALGORITHM: Final = re.compile(
    r"""["'](AES-(?:GCM|CTR|CBC|KW)|HKDF|HMAC|PBKDF2|SHA-(?:1|256|384|512)|Ed25519|Ed448|X25519|X448|ECDH|ECDSA"""
    r"""|RSA-OAEP|RSA-PSS|RSASSA-PKCS1-v1_5|ML-KEM-\d+|ML-DSA-\d+)["']"""
)
_IMPORT: Final = re.compile(
    r"""\b(?:import|export)\s+(type\s+)?([^;"'()]*?)\s*from\s*["']([^"']+)["']|\bimport\s*\(?\s*["']([^"']+)["']""",
    re.DOTALL,
)
_SUBTLE: Final = re.compile(r"\bsubtle\b")
_RANDOM: Final = re.compile(r"\bcrypto\.(getRandomValues|randomUUID)\b")
_PASSKEY: Final = re.compile(r"\bnavigator\.credentials\.(get|create)\b")
_SUITE: Final = re.compile(r"""["'](MLS_\d+_\w+)["']""")
_COMMENT: Final = re.compile(r"/\*.*?\*/|(?<![:\"'`\\])//[^\n]*", re.DOTALL)


def python_calls(package: Path) -> Calls:
    """Of every module under the folder of a package."""
    found: defaultdict[tuple[str, str], set[str]] = defaultdict(set)
    for path in sorted(package.rglob("*.py")):
        inside = path.relative_to(package.parent)
        for name in names_in(path.read_text("utf-8")):
            found[room_of(inside), name].add(inside.as_posix())
    return _sorted(found)


def web_calls(web: Path) -> Calls:
    """Of the phone's page and the console's (`web/phone`, `web/console`), and of what builds and signs them.

    A page that is not there counts as calling what its rows say.
    """
    found: defaultdict[tuple[str, str], set[str]] = defaultdict(set)
    for page in PAGES:
        folder = web / page
        if not (folder / "src").is_dir():
            found.update({key: set() for key in _assumed(page)})
        for path in sorted(_sources(folder)):
            inside = path.relative_to(folder)
            for name in phone_names_in(path.read_text("utf-8")):
                found[_web_room(page, inside), name].add(f"web/{page}/{inside.as_posix()}")
    return _sorted(found)


def _sources(folder: Path) -> list[Path]:
    return [*folder.glob("src/**/*.ts"), *folder.glob("src/**/*.svelte"), *folder.glob("build/*.ts")]


def _web_room(page: str, inside: Path) -> str:
    folder, *rest = inside.parts[:-1]
    return "/".join((page, *rest[:1])) if folder == "src" else f"{page}/build"


def _assumed(page: str) -> list[tuple[str, str]]:
    """What the rows say of a page."""
    return [
        (room, name.rstrip("*"))
        for row in TABLE
        for room, names in row.calls.items()
        for name in names
        if room.split("/")[0] == page
    ]


def room_of(inside: Path) -> str:
    """`chappe/relay/shares/epoch.py` → `chappe.relay.shares`; the share service is a room of its own."""
    parts = inside.parts[:-1]
    return ".".join(parts[: 3 if parts[1:3] == ("relay", "shares") else 2])


def names_in(source: str) -> set[str]:
    """The names that a Python module uses of watched modules, each as long as it can be told."""
    if not _MAY.search(source):
        return set()
    tree = ast.parse(source)
    imported = dict(_imported(tree))
    names: set[str] = set()
    seen: set[str] = set()
    for node in ast.walk(tree):
        chain = _chain(node)
        if chain and chain[0] in imported:
            name = ".".join((imported[chain[0]], *chain[1:]))
            if _is_watched(name):
                names.add(name)
                seen.add(chain[0])
    # What is imported and never used stands for itself: it may be handed on.
    names.update(full for local, full in imported.items() if local not in seen and _is_watched(full))
    return _longest(names)


def _imported(tree: ast.AST) -> Iterator[tuple[str, str]]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for one in node.names:
                yield (
                    (one.asname, one.name) if one.asname else (one.name.split(".")[0], one.name.split(".")[0])
                )
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            for one in node.names:
                yield one.asname or one.name, f"{node.module}.{one.name}"


def _chain(node: ast.AST) -> tuple[str, ...]:
    """`a.b.c` as its parts; empty for what is no plain chain of names."""
    parts: list[str] = []
    while isinstance(node, ast.Attribute):
        parts.append(node.attr)
        node = node.value
    return (node.id, *reversed(parts)) if isinstance(node, ast.Name) else ()


def _is_watched(name: str) -> bool:
    return name.split(".")[0] in WATCHED or any(
        name == one or name.startswith(one + ".") for one in _WATCHED_NAMES
    )


def _longest(names: set[str]) -> set[str]:
    """`ast.walk` also sees the beginnings of a chain: they say nothing more."""
    return {name for name in names if not any(other.startswith(name + ".") for other in names)}


def phone_names_in(source: str) -> set[str]:
    """As `names_in`, of a TypeScript file."""
    text = _COMMENT.sub(" ", source)
    names: set[str] = set()
    for type_only, clause, module, bare in _IMPORT.findall(text):
        module = module or bare
        if type_only or not module.startswith(PHONE_WATCHED):
            continue
        listed = re.search(r"\{(.*?)\}", clause, re.DOTALL)
        values = [one.strip() for one in listed[1].split(",")] if listed else ["*"]
        names.update(
            f"{module}:{one.split(' as ')[0].strip()}"
            for one in values
            if one and not one.startswith("type ")
        )
    if _SUBTLE.search(text):
        names.update(f"subtle:{algorithm}" for algorithm in _ALGORITHM.findall(text))
    names.update(f"crypto:{method}" for method in _RANDOM.findall(text))
    names.update(f"webauthn:{method}" for method in _PASSKEY.findall(text))
    names.update(f"mls-suite:{suite}" for suite in _SUITE.findall(text))
    return names


def _sorted(found: dict[tuple[str, str], set[str]]) -> Calls:
    return {key: tuple(sorted(found[key])) for key in sorted(found)}


def unknown(found: Calls, rows: tuple[Row, ...] = TABLE) -> list[str]:
    """What is called and no row has, as lines for people: room, name, files."""
    return [
        f"{room} calls {name} ({', '.join(files)})"
        for (room, name), files in found.items()
        if not any(fits(one, name) for row in rows for one in row.calls.get(room, ()))
        and not any(fits(one, name) for one in NOT_CRYPTOLOGY)
    ]


def uncalled(found: Calls, rows: tuple[Row, ...] = TABLE) -> list[str]:
    """What rows say is called, and nothing calls."""
    return [
        f"{row.id}: {room} does not call {pattern}"
        for row in rows
        for room, patterns in row.calls.items()
        for pattern in patterns
        if not any(where == room and fits(pattern, name) for where, name in found)
    ]


def files_of(row: Row, found: Calls) -> tuple[str, ...]:
    """The files that call a row's primitive."""
    return tuple(
        sorted(
            {
                file
                for (room, name), files in found.items()
                if any(fits(one, name) for one in row.calls.get(room, ()))
                for file in files
            }
        )
    )


def of_this_installation() -> Calls:
    """Of the package that runs; of the pages too where their sources lie beside it."""
    package = Path(__file__).parents[2]
    return python_calls(package) | web_calls(web_beside(package))


def web_beside(package: Path) -> Path:
    """`web`, where this is the repository; else a folder that is not there."""
    return package.parents[1] / "web"
