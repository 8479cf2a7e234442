"""Files: encrypted piece by piece, sent and fetched with resumption, checked before they get their name."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import mimetypes
import os
import secrets
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import IO, Final, TypeAlias

import msgspec
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

from chappe.client.messages import StoredFile
from chappe.client.transport import HttpApi
from chappe.vault.disk import os_failure, private
from chappe.wire import content as c
from chappe.wire.api import from_base64, to_base64
from chappe.wire.cryptology import GCM_TAG_BYTES
from chappe.wire.errors import ChappeError, error

PIECE: Final = 256 * 1024
TAG: Final = GCM_TAG_BYTES
PATIENCE: Final = 120.0
"""How long a transfer goes on without any progress, in seconds."""
LONGEST_PAUSE: Final = 5.0

Progress: TypeAlias = Callable[[int, int], None]
"""Called with bytes done and bytes in all."""


class Sealed(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A file encrypted into the spool: what its message will say but for the URL. Kept in the store."""

    key: bytes
    nonce: bytes
    hash: bytes
    size: int
    content_type: str
    name: str

    @property
    def ciphertext_size(self) -> int:
        return self.size + TAG

    def attachment(self, server: str, id_: bytes) -> c.Attachment:
        url = f"mimi://{server}/a/{to_base64(id_)}"
        return c.Attachment(url, self.key, self.nonce, self.hash, self.size, self.content_type, self.name)


def seal(path: Path, spool: Path) -> Sealed:
    """Encrypt a file into the spool; blocks. Raises file.unreadable, storage.*."""
    try:
        return _seal(path, spool)
    except OSError as problem:
        raise os_failure(problem) from None


def _seal(path: Path, spool: Path) -> Sealed:
    key, nonce = secrets.token_bytes(c.KEY_BYTES), secrets.token_bytes(c.NONCE_BYTES)
    encryptor = Cipher(algorithms.AES(key), modes.GCM(nonce)).encryptor()
    digest, size = hashlib.sha256(), 0
    try:
        source = path.open("rb")
    except (OSError, ValueError):
        raise error("file.unreadable") from None
    with source, open(spool, "wb", opener=private) as target:
        while piece := _read(source):
            size += len(piece)
            sealed = encryptor.update(piece)
            digest.update(sealed)
            _write(target, sealed)
        tail = encryptor.finalize() + encryptor.tag
        digest.update(tail)
        _write(target, tail)
        target.flush()
        os.fsync(target.fileno())
    kind = mimetypes.guess_type(path.name)[0] or "application/octet-stream"
    return Sealed(key, nonce, digest.digest(), size, kind, c.safe_name(path.name))


def unseal(part: Path, file: StoredFile, target: Path) -> None:
    """Decrypt a whole ciphertext to `target`, which must be new; blocks.

    Raises attachment.corrupt, storage.full, storage.failed; `target` is then gone again.
    """
    encrypted = part.stat().st_size - TAG
    with part.open("rb") as source:
        source.seek(encrypted)
        tag = source.read(TAG)
        source.seek(0)
        decryptor = Cipher(algorithms.AES(file.key), modes.GCM(file.nonce, tag)).decryptor()
        try:
            with target.open("xb") as plain:
                while (left := encrypted - source.tell()) > 0:
                    _write(plain, decryptor.update(source.read(min(PIECE, left))))
                decryptor.finalize()
                plain.flush()
                os.fsync(plain.fileno())
        except InvalidTag:
            target.unlink(missing_ok=True)
            raise error("attachment.corrupt") from None
        except BaseException:
            target.unlink(missing_ok=True)
            raise


async def upload(
    api: HttpApi, id_: bytes, token: bytes, spool: Path, size: int, progress: Progress | None
) -> None:
    """Bring a ciphertext to the relay, resuming where it stopped. Raises network.*, attachment.*."""
    patience = Patience()
    while True:
        try:
            offset = await api.upload_offset(id_)
            if progress:
                progress(min(offset, size), size)
            if offset >= size:
                return
            patience.progress(offset)
            body = _pieces(spool, offset, progress, size)
            await api.upload(id_, token, offset, body, size - offset)
        except ChappeError as problem:
            await patience.wait(problem)


async def download(api: HttpApi, id_: bytes, file: StoredFile, part: Path, progress: Progress | None) -> None:
    """Bring a ciphertext into `part`, resuming there; checked when all is here.

    Raises attachment.corrupt (`part` is then gone), attachment.*, network.*, storage.*.
    """
    size, patience = file.size + TAG, Patience()
    while (done := part.stat().st_size if part.exists() else 0) < size:
        patience.progress(done)
        try:
            await _append(api, id_, part, done, size, progress)
        except OSError as problem:
            raise os_failure(problem) from None
        except ChappeError as problem:
            await patience.wait(problem)
    if done > size or not await asyncio.to_thread(_hash_holds, part, file.hash):
        part.unlink()
        raise error("attachment.corrupt")


async def _append(
    api: HttpApi, id_: bytes, part: Path, done: int, size: int, progress: Progress | None
) -> None:
    with open(part, "ab", opener=private) as target:
        async for piece in api.download(id_, done):
            if done + len(piece) > size:
                raise error("attachment.corrupt")
            _write(target, piece)
            done += len(piece)
            if progress:
                progress(min(done, size - TAG), size - TAG)


def attachment_id(url: str, server: str) -> bytes:
    """The id in a URL of this relay. Raises attachment.unknown."""
    start = f"mimi://{server}/a/"
    if not url.startswith(start):
        raise error("attachment.unknown")
    try:
        return from_base64(url.removeprefix(start), 32)
    except ChappeError:
        raise error("attachment.unknown") from None


def claim_name(temporary: Path, folder: Path, name: str) -> Path:
    """Give a finished file its name, or the next free one: nothing is ever overwritten."""
    stem, suffix = os.path.splitext(name)
    for number in range(1, 10_000):
        target = folder / (name if number == 1 else f"{stem} ({number}){suffix}")
        try:
            os.link(temporary, target)
        except FileExistsError:
            continue
        except OSError:
            # No hard links here: reserve the name, then move over the reservation.
            try:
                os.close(os.open(target, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
                os.replace(temporary, target)
            except FileExistsError:
                continue
            except OSError as problem:
                raise os_failure(problem) from None
            return target
        temporary.unlink()
        return target
    raise error("storage.failed")


class Patience:
    """Waits longer each time, and gives up after PATIENCE seconds without progress. The clock starts with the
    first failure: what is cut off after hours of progress goes on."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._since: float | None = None
        self._pause = 0.1
        self._best = -1

    def progress(self, done: int) -> None:
        if done > self._best:
            self._best, self._since, self._pause = done, None, 0.1

    async def wait(self, problem: ChappeError) -> None:
        passing = problem.code in {
            "network.unreachable",
            "network.timeout",
            "attachment.bad_offset",
            "limit.rate",
            "limit.connections",
        }
        if self._since is None:
            self._since = self._loop.time()
        if not passing or self._loop.time() - self._since > PATIENCE:
            raise problem
        await asyncio.sleep(self._pause)
        self._pause = min(2 * self._pause, LONGEST_PAUSE)


async def _pieces(spool: Path, offset: int, progress: Progress | None, size: int) -> AsyncIterator[bytes]:
    with spool.open("rb") as source:
        source.seek(offset)
        while piece := await asyncio.to_thread(source.read, PIECE):
            yield piece
            offset += len(piece)
            if progress:
                progress(offset, size)


def _hash_holds(part: Path, expected: bytes) -> bool:
    with part.open("rb") as file:
        return hmac.compare_digest(hashlib.file_digest(file, "sha256").digest(), expected)


def _read(source: IO[bytes]) -> bytes:
    try:
        return source.read(PIECE)
    except OSError:
        raise error("file.unreadable") from None


def _write(target: IO[bytes], data: bytes) -> None:
    try:
        target.write(data)
    except OSError as problem:
        raise os_failure(problem) from None
