"""Web Push, against a push service on this machine: all get the same, and it opens as RFC 8291 says."""

from __future__ import annotations

from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from pydantic import AnyHttpUrl
from webpush import WebPushSubscription
from webpush.types import WebPushKeys

from chappe.relay.push import KEY_NAME, Outcome, Pusher, PushKey, Subscription, check
from chappe.wire.api import from_base64, to_base64
from chappe.wire.errors import ChappeError
from tests.relay.push_service import Browser, Service, service

CONTACT = "operator@relay.example"


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


async def test_a_knock_says_nothing_and_is_signed(tmp_path: Path) -> None:
    """The service itself judges TTL, urgency, topic, the token and the encryption."""
    key = PushKey(tmp_path)
    async with service() as it:
        browsers = [Browser(it, name, key.public) for name in ("one", "other")]
        pusher = Pusher(key, CONTACT, Clock())
        for browser in browsers:
            assert await pusher.knock(browser.subscription) is Outcome.SENT
        await pusher.close()
    one, other = it.got
    assert one.message == other.message == bytes(16)
    assert len(one.body) == len(other.body)
    assert {name for name in one.headers if one.headers[name] != other.headers[name]} <= {"authorization"}
    asked = [one.headers[name] for name in ("ttl", "urgency", "topic", "content-encoding")]
    assert asked == ["86400", "high", "chappe", "aes128gcm"]


async def test_the_service_here_judges(tmp_path: Path) -> None:
    """What the relay does not do, it refuses: else the tests with it could not fail."""
    key = PushKey(tmp_path)
    it = Service(8440)
    one, door = Browser(it, "one", key.public), f"{it.origin}/push/one"
    keys = WebPushKeys(p256dh=to_base64(one.point), auth=to_base64(one.subscription.auth))
    body = (
        key.signer(CONTACT)
        .get(bytes(16), WebPushSubscription(endpoint=AnyHttpUrl(door), keys=keys))
        .encrypted
    )
    right = {
        "ttl": "1",
        "content-encoding": "aes128gcm",
        "authorization": key.authorization(door, CONTACT),
    }
    assert it.judge("POST", right, body, one) == ""
    (tmp_path / "other").mkdir()
    stolen = PushKey(tmp_path / "other").authorization(door, CONTACT).split("k=")[0] + "k=" + key.public
    for change, section in (
        ({"ttl": ""}, "8030 section 5.2"),
        ({"urgency": "now"}, "8030 section 5.3"),
        ({"topic": "a b"}, "8030 section 5.4"),
        ({"content-encoding": "aesgcm"}, "8291 section 4"),
        ({"authorization": ""}, "8292 section 3"),
        ({"authorization": key.authorization("http://127.0.0.1/push", CONTACT)}, "not http://127.0.0.1:8440"),
        ({"authorization": stolen}, "signature"),
    ):
        assert section in it.judge("POST", right | change, body, one), change
    assert "8291" in it.judge("POST", right, body[:-1], one)
    assert "8030" in it.judge("GET", right, body, one)
    one.server_key = to_base64(bytes(65))
    assert "another key" in it.judge("POST", right, body, one)


async def test_one_knock_until_somebody_comes(tmp_path: Path) -> None:
    clock = Clock()
    async with service() as it:
        one = Browser(it).subscription
        pusher = Pusher(PushKey(tmp_path), CONTACT, clock)
        assert await pusher.knock(one) is Outcome.SENT
        clock.now = 29
        assert await pusher.knock(one) is Outcome.QUIET
        pusher.came(one)
        assert await pusher.knock(one) is Outcome.SENT
        clock.now = 60
        assert await pusher.knock(one) is Outcome.SENT
        await pusher.close()
    assert len(it.got) == 3


@pytest.mark.parametrize(
    ("status", "outcome"),
    [
        (201, Outcome.SENT),
        (404, Outcome.GONE),
        (410, Outcome.GONE),
        (429, Outcome.FAILED),
        (500, Outcome.FAILED),
        (503, Outcome.FAILED),
        (307, Outcome.FAILED),
    ],
)
async def test_what_services_answer(tmp_path: Path, status: int, outcome: Outcome) -> None:
    async with service() as it:
        it.answers.append((status, {"Location": "http://127.0.0.1:1/"} if status == 307 else {}))
        pusher = Pusher(PushKey(tmp_path), CONTACT, Clock())
        assert await pusher.knock(Browser(it).subscription) is outcome
        await pusher.close()
    assert len(it.asked) == 1


@pytest.mark.parametrize("status", [429, 503])
@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        ("120", 120.0),
        ("", 30.0),
        ("soon", 30.0),
        ("-1", 30.0),
        ("999999999", 86_400.0),
        ("Fri, 31 Dec 9999 23:59:59 GMT", 86_400.0),
        ("Thu, 01 Jan 1970 00:00:00 GMT", 1.0),
        ("0", 1.0),
        ("9" * 5_000, 30.0),
    ],
)
async def test_a_service_that_asks_for_a_pause_gets_it(
    tmp_path: Path, status: int, header: str, seconds: float
) -> None:
    """For this subscription, whoever came meanwhile."""
    clock = Clock()
    async with service() as it:
        one, other = Browser(it).subscription, Browser(it, "other").subscription
        pusher = Pusher(PushKey(tmp_path), CONTACT, clock)
        it.answers.append((status, {"Retry-After": header} if header else {}))
        assert await pusher.knock(one) is Outcome.FAILED
        assert pusher.wait(one) == pytest.approx(seconds, abs=2)
        pusher.came(one)
        clock.now = max(0, seconds - 3)
        assert await pusher.knock(one) is Outcome.QUIET
        assert await pusher.knock(other) is Outcome.SENT
        clock.now = seconds + 3
        assert await pusher.knock(one) is Outcome.SENT
        assert pusher.wait(one) == 30
        await pusher.close()
    assert it.asked == ["/push/one", "/push/other", "/push/one"]


async def test_a_service_that_goes_on_failing_is_asked_less_and_less(tmp_path: Path) -> None:
    clock, pauses = Clock(), []
    async with service() as it:
        it.status = 500
        one = Browser(it).subscription
        pusher = Pusher(PushKey(tmp_path), CONTACT, clock)
        for _ in range(9):
            assert await pusher.knock(one) is Outcome.FAILED
            pauses.append(pusher.wait(one))
            clock.now += pauses[-1]
        it.status = 201
        assert await pusher.knock(one) is Outcome.SENT
        await pusher.close()
    assert pauses == [30, 60, 120, 240, 480, 960, 1920, 3600, 3600]


async def test_a_service_that_is_not_there(tmp_path: Path) -> None:
    pusher = Pusher(PushKey(tmp_path), CONTACT, Clock())
    assert await pusher.knock(Browser(1).subscription) is Outcome.FAILED
    await pusher.close()


def test_the_key_is_made_once_for_this_user_alone(tmp_path: Path) -> None:
    public = PushKey(tmp_path).public
    assert (tmp_path / KEY_NAME).stat().st_mode & 0o777 == 0o600
    assert PushKey(tmp_path).public == public
    assert len(from_base64(public)) == 65
    (tmp_path / KEY_NAME).write_text("not a key")
    with pytest.raises(ChappeError, match=r"storage\.failed"):
        PushKey(tmp_path)


GOOD = to_base64(
    ec.generate_private_key(ec.SECP256R1())
    .public_key()
    .public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
)
AUTH = to_base64(bytes(16))


@pytest.mark.parametrize(
    "endpoint",
    [
        "https://fcm.googleapis.com/fcm/send/abc",
        "https://updates.push.services.mozilla.com/wpush/v2/x",
        "https://web.push.apple.com/Q",
        "https://db5p.notify.windows.com/w/?token=x",
    ],
)
def test_push_services_that_are_known(endpoint: str) -> None:
    assert check(endpoint, GOOD, AUTH) == Subscription(endpoint, from_base64(GOOD), bytes(16))


@pytest.mark.parametrize(
    "endpoint",
    [
        "http://fcm.googleapis.com/x",
        "https://fcm.googleapis.com:8443/x",
        "https://fcm.googleapis.com.evil.example/x",
        "https://evil.example/fcm.googleapis.com",
        "https://fcm.googleapis.com@127.0.0.1/x",
        "https://127.0.0.1/x",
        "https://localhost/x",
        "https://[::1]/x",
        "https://169.254.169.254/latest/meta-data",
        "https://push.apple.com.evil.example/",
        "https://evil.example#.push.apple.com",
        "https://evil.example\\.push.apple.com/",
        "https://evil.example/\r\nX: y",
        "https://fcm.googleapis.com/" + "x" * 1024,
        "https://fcm.googleapis.com:99999999/",
        "file:///etc/passwd",
        "https://",
        "",
        "https://é.push.apple.com/",
    ],
)
def test_doors_that_the_relay_does_not_knock_at(endpoint: str) -> None:
    with pytest.raises(ChappeError, match=r"http\.malformed"):
        check(endpoint, GOOD, AUTH)


@pytest.mark.parametrize(
    ("point", "auth"),
    [
        ("", AUTH),
        (GOOD[:-2], AUTH),
        (to_base64(b"\x04" + bytes(64)), AUTH),
        (to_base64(bytes(65)), AUTH),
        (GOOD, ""),
        (GOOD, to_base64(bytes(15))),
        (GOOD, "!" * 22),
    ],
    # The good point is another in each process, and xdist wants the same names in all of them.
    ids=lambda _: "key",
)
def test_keys_that_are_none(point: str, auth: str) -> None:
    with pytest.raises(ChappeError, match=r"http\.malformed"):
        check("https://fcm.googleapis.com/x", point, auth)
