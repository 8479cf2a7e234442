"""What goes over `POST /v1/deliver`, for the phone to judge and to spell."""

from __future__ import annotations

import random

import msgspec

from chappe.wire import delivery
from tests.web.plain import Case, plain, verdict


def answer_cases(rng: random.Random) -> list[Case]:
    """Answers, good and bad."""
    taken = delivery.Taken(rng.randbytes(16), 2**53)
    turned = delivery.Turned(rng.randbytes(16), "delivery.refused", "é", [rng.randbytes(16)])
    good: list[list[delivery.Taken | delivery.Turned]] = [
        [],
        [taken],
        [turned, taken],
        [delivery.Turned(bytes(16), "new.code", "")],
        [taken] * 64,
    ]
    made = [delivery.encode(delivery.Delivered(answers)) for answers in good]
    pack = msgspec.msgpack.encode
    made += [
        b"", b"\xc0", pack([]), pack({}), pack({"answers": None}), pack({"answers": [{"t": "accepted"}]}),
        pack({"answers": [], "more": 1}), pack({"answers": [{"t": "done", "id": bytes(16)}]}),
        pack({"answers": [{"t": "refused", "id": bytes(15), "code": "a", "message": "b"}]}),
        pack({"answers": [{"t": "refused", "id": bytes(16), "code": "a", "message": "b", "stale": [1]}]}),
        pack({"answers": [{"t": "accepted", "id": bytes(16), "expires": -1}]}),
        made[1] + b"\x00", made[2][:-1],
    ]  # fmt: skip
    return [
        {"data": data.hex()} | verdict(lambda d=data: delivery.decode_answer(d).answers)  # type: ignore[misc]
        for data in made
    ]


def request_cases(rng: random.Random) -> list[Case]:
    """Messages, and the bytes that carry them."""
    made = []
    for count in (1, 2, 40):
        to = [(rng.randbytes(16), rng.randbytes(32)) for _ in range(count)]
        messages = [delivery.Sealed(rng.randbytes(16), to, rng.randbytes(300 * count)) for _ in range(2)]
        encoded = delivery.encode(delivery.Deliver(messages)).hex()
        made.append({"messages": plain(messages), "encoded": encoded})
    return made


def digest_case() -> Case:
    token = bytes(range(32))
    return {"token": token.hex(), "digest": delivery.token_digest(token).hex()}
