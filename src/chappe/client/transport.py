"""TLS to the relay, and its HTTP API. A relay with a pin is trusted by its certificate's hash alone."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import re
import ssl
from collections.abc import AsyncIterator, Callable
from typing import Final, TypeVar

import httpx
import msgspec

from chappe.wire import api, fleet
from chappe.wire.cryptology import TLS_MINIMUM
from chappe.wire.errors import ChappeError, error, from_peer
from chappe.wire.links import RelayPlace

T = TypeVar("T", bound=api.Body)
A = TypeVar("A", bound=fleet.Answer)

CONNECT_SECONDS: Final = 10.0
READ_SECONDS: Final = 60.0
MAX_LOG_FILE: Final = 512 * 1024
"""A bundle of 256 entries of 1 KiB each, and as much again."""
_NO_PIN: Final = "The relay's certificate is self-made: give its pin (--pin), what comes after # in a link."


async def tls_context(place: RelayPlace) -> ssl.SSLContext:
    """A context that trusts this relay and nobody else.

    With a pin the certificate is fetched, compared, and becomes the only trust anchor: nothing is said to
    the relay before. Raises network.unreachable, network.untrusted.
    """
    if place.pin is None:
        context = ssl.create_default_context()
        context.minimum_version = ssl.TLSVersion[TLS_MINIMUM]
        return context
    certificate = await _certificate_of(place)
    if not hmac.compare_digest(hashlib.sha256(certificate).digest(), place.pin):
        raise error("network.untrusted")
    pinned = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    pinned.minimum_version = ssl.TLSVersion[TLS_MINIMUM]
    # The name plays no part: the key is the one that was pinned.
    pinned.check_hostname = False
    pinned.load_verify_locations(cadata=ssl.DER_cert_to_PEM_cert(certificate))
    return pinned


async def _certificate_of(place: RelayPlace) -> bytes:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    try:
        async with asyncio.timeout(CONNECT_SECONDS):
            _reader, writer = await asyncio.open_connection(place.host.strip("[]"), place.port, ssl=context)
    except (OSError, TimeoutError, ssl.SSLError):
        raise error("network.unreachable") from None
    try:
        found = writer.get_extra_info("ssl_object").getpeercert(binary_form=True)
    finally:
        writer.close()
    if not found:
        raise error("network.untrusted")
    return bytes(found)


class HttpApi:
    """The relay's HTTP API. Every method raises the relay's own error, or network.*."""

    def __init__(self, place: RelayPlace, context: ssl.SSLContext) -> None:
        self._place = place
        self._client = httpx.AsyncClient(
            base_url=f"https://{place.authority}",
            verify=context,
            trust_env=False,
            timeout=httpx.Timeout(READ_SECONDS, connect=CONNECT_SECONDS),
        )

    @classmethod
    async def to(cls, place: RelayPlace) -> HttpApi:
        return cls(place, await tls_context(place))

    async def close(self) -> None:
        await self._client.aclose()

    async def info(self) -> api.Info:
        return _body(await self._request("GET", "/v1/info"), api.Info)

    async def activate(self, body: api.Activate) -> api.Activated:
        return _body(await self._request("POST", "/v1/activate", content=api.encode(body)), api.Activated)

    async def organisation_of(self, code: str) -> api.Organisation:
        """Whose lines an activation code makes."""
        body = api.encode(api.CodeFor(code))
        answer = await self._request("POST", "/v1/activate/organisation", content=body)
        return _body(answer, api.Organisation)

    async def fleet(self, envelope: fleet.AnyEnvelope, kind: type[A]) -> A:
        """What officers, owners and devices ask about orders. Raises http.malformed for another answer."""
        headers = {"content-type": fleet.MEDIA_TYPE}
        body = fleet.encode(envelope)
        answer = await self._request("POST", "/v1/fleet", content=body, headers=headers)
        found = fleet.decode_answer(answer.content)
        if not isinstance(found, kind):
            raise error("http.malformed")
        return found

    async def add_device(self, body: api.AddDevice) -> api.Activated:
        return _body(await self._request("POST", "/v1/devices", content=api.encode(body)), api.Activated)

    async def enter(self, body: api.Enter) -> api.Activated:
        """A new phone that officers let in. What stands in its way is said in words of its own."""
        content = api.encode(body)
        path = "/v1/devices/enrolled"
        return _body(await self._request("POST", path, refused=not_yet, content=content), api.Activated)

    async def renew(self, body: api.Renew) -> api.Renewed:
        return _body(await self._request("POST", "/v1/renew", content=api.encode(body)), api.Renewed)

    async def unlock_challenge(self, device: bytes) -> bytes:
        """For one guess."""
        body = api.encode(api.UnlockChallenge(api.to_base64(device)))
        answer = await self._request("POST", "/v1/unlock/challenge", content=body)
        return api.from_base64(_body(answer, api.UnlockChallenged).challenge, 32)

    async def unlock(self, device: bytes, sealed: bytes) -> bytes:
        """The sealed answer to a sealed guess."""
        body = api.encode(api.Unlock(api.to_base64(device), api.to_base64(sealed)))
        answer = await self._request("POST", "/v1/unlock", content=body)
        return api.from_base64(_body(answer, api.Unlocked).sealed)

    async def log(self, path: str) -> bytes:
        """A file of the transparency log: `checkpoint`, `policy`, or a tile's path. Raises http.unknown_path
        where there is none, http.malformed for one that is too large."""
        data = (await self._request("GET", f"/v1/tlog/{path}")).content
        if len(data) > MAX_LOG_FILE:
            raise error("http.malformed")
        return data

    async def put_link(self, rendezvous: bytes, slot: str, data: bytes) -> None:
        await self._request("PUT", f"/v1/links/{api.to_base64(rendezvous)}/{slot}", content=data)

    async def get_link(self, rendezvous: bytes, slot: str, wait: int) -> bytes:
        path = f"/v1/links/{api.to_base64(rendezvous)}/{slot}"
        return (await self._request("GET", path, params={"wait": str(wait)})).content

    async def upload_offset(self, attachment: bytes) -> int:
        """How many bytes of an attachment the relay holds."""
        answer = await self._request("HEAD", _attachment(attachment))
        try:
            return int(answer.headers["upload-offset"])
        except (KeyError, ValueError):
            raise error("http.malformed") from None

    async def upload(
        self, attachment: bytes, token: bytes, offset: int, body: AsyncIterator[bytes], length: int
    ) -> None:
        """Send `length` bytes from `offset`."""
        headers = {
            "authorization": f"Bearer {api.to_base64(token)}",
            "upload-offset": str(offset),
            "content-length": str(length),
            "content-type": "application/offset+octet-stream",
        }
        await self._request("PATCH", _attachment(attachment), content=body, headers=headers)

    async def download(self, attachment: bytes, offset: int) -> AsyncIterator[bytes]:
        """The bytes of an attachment from `offset` on."""
        headers = {"range": f"bytes={offset}-"}
        try:
            async with self._client.stream("GET", _attachment(attachment), headers=headers) as answer:
                if answer.status_code != 206:
                    await answer.aread()
                    raise refusal(answer)
                async for piece in answer.aiter_raw():
                    yield piece
        except httpx.HTTPError as problem:
            raise unreachable(self._place, problem) from None

    async def _request(
        self,
        method: str,
        path: str,
        refused: Callable[[httpx.Response], Exception] | None = None,
        **rest: object,
    ) -> httpx.Response:
        try:
            answer = await self._client.request(method, path, **rest)  # type: ignore[arg-type]
        except httpx.HTTPError as problem:
            raise unreachable(self._place, problem) from None
        if answer.is_error:
            raise (refused or refusal)(answer)
        return answer


def _attachment(attachment: bytes) -> str:
    return f"/v1/attachments/{api.to_base64(attachment)}"


def _body(answer: httpx.Response, kind: type[T]) -> T:
    return api.decode(answer.content, kind)


def unreachable(place: RelayPlace, problem: httpx.HTTPError) -> Exception:
    """Our error for one of the library's."""
    if isinstance(problem, httpx.ReadTimeout):
        return error("network.timeout")
    untrusted = "CERTIFICATE_VERIFY_FAILED" in str(problem)
    if untrusted and place.pin is None:
        return error("network.untrusted", _NO_PIN)
    return error("network.untrusted" if untrusted else "network.unreachable")


def refusal(answer: httpx.Response) -> Exception:
    """What an answer that is a failure says."""
    try:
        failure = msgspec.json.decode(answer.content, type=api.Failure)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        # HEAD has no body; a proxy may answer in its own words.
        return error("attachment.unknown" if answer.status_code == 404 else "network.unreachable")
    return from_peer(failure.code, failure.message)


_NOT_YET = {
    "order.two_officers": "One officer asked for this phone; a second has to approve it first.",
    "order.unknown": "No officers let this phone in, or they took it back; ask them.",
    "order.hold": "The line is under legal hold: no phone is let in until it ends.",
    "devices.too_many": "The line has a device that is not signed out: officers erase or revoke it first.",
}
_WHEN = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2} [0-9]{2}:[0-9]{2}:[0-9]{2} UTC")


def not_yet(answer: httpx.Response) -> Exception:
    """Why a phone that officers let in may not come now. Of the relay's words, the time alone is shown."""
    problem = refusal(answer)
    if not isinstance(problem, ChappeError):
        return problem
    if problem.code == "order.stale":
        when = _WHEN.search(answer.text)
        return error(problem.code, f"The new phone is let in at {when[0] if when else 'a later time'}; wait.")
    return error(problem.code, _NOT_YET[problem.code]) if problem.code in _NOT_YET else problem
