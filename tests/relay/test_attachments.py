"""Attachments against a real relay: in pieces, cut off and resumed, in ranges, and what is refused."""

from __future__ import annotations

import asyncio
import hashlib
import secrets
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest

from chappe.wire import api, frames
from tests.relay.test_activation import failure
from tests.relay.world import Device, RelayProcess

MIB = 1024 * 1024


class Upload:
    """One attachment under way."""

    def __init__(self, http: httpx.AsyncClient, ticket: frames.Ticket) -> None:
        self.http = http
        self.path = f"/v1/attachments/{api.to_base64(ticket.id)}"
        self.token = api.to_base64(ticket.token)
        self.id = ticket.id

    async def patch(
        self, offset: int | str, content: bytes | AsyncIterator[bytes], token: str | None = None
    ) -> httpx.Response:
        headers = {"Authorization": f"Bearer {self.token if token is None else token}"}
        return await self.http.patch(
            self.path, content=content, headers=headers | {"Upload-Offset": str(offset)}
        )

    async def offset(self) -> int:
        answer = await self.http.head(self.path)
        assert answer.status_code == 200
        return int(answer.headers["upload-offset"])

    async def get(self, span: str | None = None, **headers: str) -> httpx.Response:
        return await self.http.get(self.path, headers=headers | ({"Range": span} if span else {}))


async def ticket(relay: RelayProcess, device: Device, size: int) -> frames.Ticket:
    async with relay.sign_in(device) as wire:
        await wire.say(frames.NewAttachment(6, size))
        return await wire.hear(frames.Ticket)


async def begin(relay: RelayProcess, http: httpx.AsyncClient, size: int) -> Upload:
    device = await relay.device("u" + secrets.token_hex(5))
    return Upload(http, await ticket(relay, device, size))


async def test_in_pieces_and_back_in_ranges(relay: RelayProcess) -> None:
    data = secrets.token_bytes(3 * MIB + 17)
    async with relay.http() as http:
        upload = await begin(relay, http, len(data))
        assert await upload.offset() == 0
        for start, end in ((0, 1), (1, MIB), (MIB, len(data))):
            answer = await upload.patch(start, data[start:end])
            assert (answer.status_code, answer.headers["upload-offset"]) == (204, str(end))
            assert await upload.offset() == end
        whole = await upload.get()
        assert (whole.status_code, whole.content) == (200, data)
        assert whole.headers["accept-ranges"] == "bytes"
        last = len(data) - 1
        for span, first, end in (
            ("bytes=0-0", 0, 0),
            ("bytes=100-1999999", 100, 1_999_999),
            (f"bytes={last - 4}-", last - 4, last),
            ("bytes=-7", last - 6, last),
            (f"bytes=-{len(data) * 2}", 0, last),
            ("bytes=5-999999999999", 5, last),
        ):
            part = await upload.get(span)
            assert (part.status_code, part.content) == (206, data[first : end + 1]), span
            assert part.headers["content-range"] == f"bytes {first}-{end}/{len(data)}"


async def test_ranges_that_lie_outside(relay: RelayProcess) -> None:
    async with relay.http() as http:
        upload = await begin(relay, http, 10)
        assert (await upload.patch(0, b"0123456789")).status_code == 204
        for span in (
            "bytes=10-",
            "bytes=10-20",
            "bytes=5-4",
            "bytes=-0",
            "bytes=-",
            "bytes=a-b",
            "bytes=0-1,3-4",
        ):
            answer = await upload.get(span)
            assert (answer.status_code, failure(answer)) == (416, "attachment.bad_range"), span
            assert answer.headers["content-range"] == "bytes */10"
        # Another unit is passed over; so is a range for another version.
        assert (await upload.get("lines=0-1")).status_code == 200
        assert (await upload.get("bytes=0-1", **{"If-Range": '"another"'})).status_code == 200
        etag = (await upload.get()).headers["etag"]
        assert (await upload.get("bytes=0-1", **{"If-Range": etag})).content == b"01"


async def test_cut_off_and_resumed(relay: RelayProcess) -> None:
    data = secrets.token_bytes(2 * MIB)

    async def dying() -> AsyncIterator[bytes]:
        yield data[: MIB // 2]
        yield data[MIB // 2 : MIB]
        # Long enough for what came to be read; then the connection is gone in the middle.
        await asyncio.sleep(0.3)
        raise ConnectionError("cut")

    async with relay.http() as http:
        upload = await begin(relay, http, len(data))
    async with relay.http() as http:
        upload.http = http
        with pytest.raises(ConnectionError):
            await upload.patch(0, dying())
    async with relay.http() as http:
        upload.http = http
        for _ in range(100):
            offset = await upload.offset()
            if offset:
                break
            await asyncio.sleep(0.02)
        assert offset == MIB
        assert failure(await upload.get()) == "attachment.incomplete"
        assert (await upload.patch(offset, data[offset:])).status_code == 204
        assert (await upload.get()).content == data


async def test_a_newer_upload_takes_over_from_a_stuck_one(relay: RelayProcess) -> None:
    data = secrets.token_bytes(MIB)
    release = asyncio.Event()

    async def stuck() -> AsyncIterator[bytes]:
        yield data[:1000]
        await release.wait()
        yield data[1000:]

    async with relay.http() as old, relay.http() as http:
        upload = await begin(relay, http, len(data))
        older = Upload.__new__(Upload)
        older.http, older.path, older.token = old, upload.path, upload.token
        hanging = asyncio.create_task(older.patch(0, stuck()))
        await asyncio.sleep(0.3)
        # It says 0, or the thousand bytes if the newer request made the older one end: ask, as a client does.
        answer = await upload.patch(0, data)
        if answer.status_code == 409:
            offset = await upload.offset()
            answer = await upload.patch(offset, data[offset:])
        assert answer.status_code == 204
        release.set()
        assert failure(await hanging) == "attachment.bad_offset"
        assert (await upload.get()).content == data


async def test_what_is_refused_leaves_the_upload_as_it_was(relay: RelayProcess) -> None:
    async with relay.http() as http:
        upload = await begin(relay, http, 100)
        assert (await upload.patch(0, b"x" * 40)).status_code == 204
        other = api.to_base64(secrets.token_bytes(32))
        assert failure(await upload.patch(40, b"y" * 60, token=other)) == "attachment.bad_token"
        assert failure(await http.patch(upload.path, content=b"y", headers={"Upload-Offset": "40"})) == (
            "attachment.bad_token"
        )
        for offset in (0, 39, 41, 100, 10**12):
            answer = await upload.patch(offset, b"y")
            assert (answer.status_code, failure(answer)) == (409, "attachment.bad_offset")
        for wrong in ("", "-1", "4o", "1" * 30):
            assert failure(await upload.patch(wrong, b"y")) == "http.malformed"
        assert failure(await upload.patch(40, b"y" * 61)) == "attachment.too_large"

        async def too_much() -> AsyncIterator[bytes]:
            for _ in range(61):
                yield b"y"

        assert failure(await upload.patch(40, too_much())) == "attachment.too_large"
        assert await upload.offset() == 40
        assert (await upload.patch(40, b"z" * 60)).status_code == 204
        assert (await upload.get()).content == b"x" * 40 + b"z" * 60
        # Complete: nothing more fits, and nothing at the end is no error.
        assert failure(await upload.patch(100, b"!")) == "attachment.too_large"
        assert (await upload.patch(100, b"")).status_code == 204


async def test_what_is_not_there(relay: RelayProcess) -> None:
    nothing = api.to_base64(secrets.token_bytes(32))
    async with relay.http() as http:
        assert failure(await http.get(f"/v1/attachments/{nothing}")) == "attachment.unknown"
        head = await http.head(f"/v1/attachments/{nothing}")
        assert (head.status_code, head.headers["chappe-error"]) == (404, "attachment.unknown")
        for wrong in ("x", nothing + "A", nothing[:-1], nothing[:-1] + "=", "..%2f..%2frelay.db"):
            answer = await http.get(f"/v1/attachments/{wrong}")
            assert failure(answer) in ("http.malformed", "http.unknown_path")


async def test_too_large_and_over_quota(data_dir: Path) -> None:
    own = RelayProcess(data_dir, max_attachment=1000, attachment_quota=2500)
    try:
        ada, bob = await own.device("ada"), await own.device("bob")
        async with own.sign_in(ada) as wire, own.sign_in(bob) as other:

            async def reserve(size: int) -> str:
                await wire.say(frames.NewAttachment(6, size))
                answer = await wire.hear(frames.Frame)
                return answer.code if isinstance(answer, frames.Refusal) else "ticket"

            assert await reserve(1001) == "attachment.too_large"
            assert [await reserve(1000), await reserve(1000)] == ["ticket", "ticket"]
            assert await reserve(501) == "attachment.quota"
            assert await reserve(500) == "ticket"
            assert await reserve(1) == "attachment.quota"
            # It is the line's quota: another line has its own.
            await other.say(frames.NewAttachment(6, 1000))
            await other.hear(frames.Ticket)
    finally:
        own.kill()


async def test_killed_in_the_middle_and_resumed(data_dir: Path) -> None:
    own = RelayProcess(data_dir)
    data = secrets.token_bytes(20 * MIB)
    try:
        async with own.http() as http:
            upload = await begin(own, http, len(data))

            async def killing() -> AsyncIterator[bytes]:
                for start in range(0, 12 * MIB, MIB // 4):
                    yield data[start : start + MIB // 4]
                await asyncio.sleep(0.3)
                own.kill()
                yield data[12 * MIB :]

            with pytest.raises(httpx.TransportError):
                await upload.patch(0, killing())
        own.start()
        async with own.http() as http:
            upload.http = http
            offset = await upload.offset()
            assert 8 * MIB <= offset <= 12 * MIB
            assert (await upload.patch(offset, data[offset:])).status_code == 204
            got = (await upload.get()).content
        assert hashlib.sha256(got).digest() == hashlib.sha256(data).digest()
    finally:
        own.kill()
