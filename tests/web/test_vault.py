"""The phone's vault against Python's: the same PINs, the same keys, and the real share service."""

from __future__ import annotations

import asyncio
import secrets
import unicodedata
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from chappe.client import Phone
from chappe.client.transport import HttpApi
from chappe.vault import keys, pins
from chappe.wire import frames, orders, unlock
from chappe.wire.api import from_base64
from chappe.wire.errors import ChappeError
from tests.client.world import World
from tests.relay.shares import world as shares
from tests.relay.world import RelayProcess
from tests.vault.service import CHEAP, Service
from tests.web.lines import Node, NodeError, need_phone

PIN, OTHER = "480297", "903761"
OWN = ("ada-1815@relay.example", "ada")


@pytest.fixture
def node() -> Iterator[Node]:
    """A phone with nothing in it."""
    need_phone()
    with Node.start("vault") as running:
        yield running


@pytest.fixture(scope="module")
def relay(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RelayProcess]:
    process = RelayProcess(tmp_path_factory.mktemp("relay") / "data", attempts_burst=10_000)
    yield process
    assert process.stop() == 0


@pytest.fixture
async def world(relay: RelayProcess, tmp_path: Path) -> AsyncIterator[World]:
    made = World(relay, tmp_path)
    yield made
    await made.close()


def refused(code: str, node: Node, op: str, **args: Any) -> str:
    with pytest.raises(NodeError) as caught:
        node(op, **args)
    assert caught.value.code == code, caught.value
    return str(caught.value)


# --- the same rules


def reason(pin: str) -> str:
    try:
        pins.check(pin, *OWN)
    except ChappeError as problem:
        return problem.message
    return ""


def some_pins() -> list[str]:
    digits = [f"{n:06}" for n in range(0, 1_000_000, 997)]
    dates = [
        "19991231",
        "20240229",
        "20230229",
        "31121999",
        "12311999",
        "290223",
        "000229",
        "190029",
        "199913",
    ]
    runs = [
        "123456",
        "890123",
        "654321",
        "210987",
        "111111",
        "121212",
        "123123",
        "1815181",
        "",
        "12345",
        "7" * 257,
    ]
    words = [
        "correct horse battery staple",
        "Correct  Horse\u00a0Battery Staple",
        "motdepasse123",
        "qwertyuiopas",
        "sapoiuytrewq",
        "aaaaaaabbbbbb",
        "abcabcabcabc",
        "ada-1815@relay.example",
        "relay.example123",
        "the tower on the hill",
        "STRASSE straße",
        "ΣΊΣΥΦΟΣ σίσυφος",
        "e\u0301te\u0301 a\u0300 la mer du nord",
        "été à la mer du nord",
        "雨にも負けず風にも負けず",
        "🐎🔋🐎🔋🐎🔋🐎🔋🐎🔋🐎🔋",
        "🐎🔋📎🦄🧂🥖🧀🍷🎩🗼🚲🐓",
        "tab\there and there",
        "new\nline and so on",
        "１２３４５６",
        "secretsecret42",
    ]
    return [*digits, *dates, *runs, *(pins._COMMON_PINS), *words]


def test_every_pin_is_judged_alike_and_for_the_same_reason(node: Node) -> None:
    tried = some_pins()
    expected = [reason(pin) for pin in tried]
    assert len(set(expected)) > 12
    found = node("judge", pins=tried, own=list(OWN))
    different = [
        (pin, mine, theirs)
        for pin, mine, theirs in zip(tried, expected, found, strict=True)
        if mine != theirs
    ]
    assert different == []


def test_letters_are_folded_alike(node: Node) -> None:
    known = [chr(n) for n in range(0x2FFFF) if unicodedata.category(chr(n)) not in ("Cn", "Cs", "Co")]
    found = node("casefold", texts=known)
    assert [letter for letter, other in zip(known, found, strict=True) if letter.casefold() != other] == []


# --- the same keys


@pytest.mark.parametrize("cheap", [True, False])
@pytest.mark.parametrize("pin", [PIN, "e\u0301te\u0301 a\u0300 la mer"])
def test_the_same_keys_come_of_a_pin(node: Node, pin: str, cheap: bool) -> None:
    r, s, device = secrets.token_bytes(32), secrets.token_bytes(32), secrets.token_bytes(16)
    a = keys.stretch(pin, r, CHEAP if cheap else keys.COST)
    found = node("derive", pin=pin, r=r.hex(), s=s.hex(), device=device.hex(), cheap=cheap)
    assert found == {
        "a": a.hex(),
        "auth": keys.auth_of(a, r).hex(),
        "kek": keys.kek_of(a, r, s).hex(),
        "offline": keys.offline_key_of(a, r).hex(),
        "commitment": unlock.share_commitment(device, s).hex(),
    }


def test_what_one_wraps_the_other_unwraps(node: Node) -> None:
    kek, key, context = secrets.token_bytes(32), secrets.token_bytes(32), b"chappe vault v1" + bytes(16)
    theirs = bytes.fromhex(node("wrap", kek=kek.hex(), key=key.hex(), context=context.hex()))
    assert bytes(keys.unwrap(kek, theirs, context) or b"") == key
    mine = keys.wrap(kek, key, context)
    assert node("unwrap", kek=kek.hex(), wrapped=mine.hex(), context=context.hex()) == key.hex()
    assert node("unwrap", kek=kek.hex(), wrapped=mine.hex(), context=(context + b"x").hex()) is None


# --- the real share service


class Web:
    """A phone in TypeScript. Its device is signed in through Python's client."""

    def __init__(self, node: Node, phone: Phone, port: int) -> None:
        self.node = node
        self.phone = phone
        self.port = port

    async def set_pin(self, pin: str, key: str, **args: Any) -> dict[str, str]:
        me = self.phone._engine.core.me
        api = await HttpApi.to(me.place)
        service = from_base64((await api.info()).share_key)
        await api.close()
        device, port = me.device_id.hex(), self.port
        prepared: dict[str, str] = await self.do(
            "prepare", pin=pin, key=key, device=device, service=service.hex(), port=port, **args
        )
        sealed = bytes.fromhex(prepared["sealed"])
        await self.phone._engine.connection.ask(lambda ref: frames.Enrol(ref, sealed), frames.Done)
        return prepared

    async def do(self, op: str, **args: Any) -> Any:
        return await asyncio.to_thread(lambda: self.node(op, **args))

    async def unlock(self, pin: str, **args: Any) -> str:
        """The vault key in hex, or the code of what it was refused with."""
        try:
            return str(await self.do("unlock", pin=pin, port=self.port, **args))
        except NodeError as problem:
            return problem.code


@pytest.fixture
async def web(node: Node, world: World) -> Web:
    return Web(node, await world.phone("ada"), world.relay.port)


async def test_a_phone_in_typescript_opens_with_the_real_share_service(web: Web) -> None:
    """With Argon2id as it is: enrolled, locked, unlocked, the PIN changed; the old one opens nothing."""
    key = await web.do("plain")
    assert await web.do("stage") == "plain"
    assert await web.unlock(PIN) == "vault.no_pin"
    made = await web.set_pin(PIN, key, cheap=False)
    await web.do("settle", entry=made["entry"])
    assert await web.do("stage") == "pin"
    assert await web.unlock(OTHER, cheap=False) == "vault.wrong_pin"
    assert await web.unlock(PIN, cheap=False) == key
    made = await web.set_pin(OTHER, key, cheap=False)
    await web.do("settle", entry=made["entry"])
    assert await web.unlock(PIN, cheap=False) == "vault.wrong_pin"
    assert await web.unlock(OTHER, cheap=False) == key
    found = await web.do("dump")
    assert len(found) > 3000
    for secret in (key, PIN.encode().hex(), OTHER.encode().hex(), made["sealed"]):
        assert secret not in found


async def test_an_answer_that_was_lost_costs_nothing(web: Web) -> None:
    """The service took the new PIN, the phone never heard: both are there, and the new one holds."""
    key = await web.do("plain")
    made = await web.set_pin(PIN, key)
    assert await web.do("stage") == "plain"
    await web.do("settle", entry=made["entry"])
    await web.set_pin(OTHER, key)
    assert await web.unlock(PIN) == "vault.wrong_pin"
    assert await web.unlock(OTHER) == key
    assert await web.unlock(OTHER) == key


async def test_an_enrolment_that_never_arrived_costs_nothing(web: Web, world: World) -> None:
    key = await web.do("plain")
    made = await web.set_pin(PIN, key)
    await web.do("settle", entry=made["entry"])
    me = web.phone._engine.core.me
    service = unlock.ServiceKey.generate().public
    args = {"device": me.device_id.hex(), "service": service.hex(), "port": web.port}
    await web.do("prepare", pin=OTHER, key=key, **args)
    # A guess sealed to a key that is not the service's is not looked at, and takes no try off.
    assert await web.unlock(PIN) == "unlock.malformed"


class Bench(shares.Bench):
    """The real service in this process, on a clock of ours, and a phone that speaks to it."""

    def enrol(self, node: Node) -> str:
        """The vault key, in hex."""
        self.device = secrets.token_bytes(16)
        key = str(node("plain"))
        args = {"device": self.device.hex(), "service": self.shares.public_key.hex(), "port": 1}
        made = node("prepare", pin=PIN, key=key, **args)
        self.shares.enrol(self.device, bytes.fromhex(made["sealed"]))
        node("settle", entry=made["entry"])
        return key

    def answer(self, node: Node, pin: str) -> str:
        """What the service says to a guess."""
        challenge = self.shares.challenge(self.device)
        sealed = bytes.fromhex(node("begin", pin=pin, challenge=challenge.hex()))
        return self.shares.unlock(self.device, sealed).hex()


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    made = Bench(tmp_path / "shares")
    yield made
    made.shares.close()


def test_ten_wrong_pins_destroy_the_share(node: Node, bench: Bench) -> None:
    bench.enrol(node)
    for left in range(9, 0, -1):
        told = refused("vault.wrong_pin", node, "take", answer=bench.answer(node, OTHER))
        assert ("1 try is left" if left == 1 else f"{left} tries are left") in told
        if left < 7:
            told = refused("vault.wait", node, "take", answer=bench.answer(node, PIN))
            assert "the next try is in" in told
        bench.clock.now += 8 * 3600
    refused("vault.destroyed", node, "take", answer=bench.answer(node, OTHER))
    refused("vault.destroyed", node, "take", answer=bench.answer(node, PIN))
    assert len(bench.compared) == 10


def test_answers_are_taken_once_and_only_whole(node: Node, bench: Bench) -> None:
    key = bench.enrol(node)
    before = node("dump")
    answer = bench.answer(node, PIN)
    refused("unlock.malformed", node, "take", answer=answer[:-2] + ("00" if answer[-2:] != "00" else "01"))
    # It was the answer to that guess, which is over.
    refused("unlock.malformed", node, "take", answer=answer)
    other = bench.answer(node, PIN)
    bench.answer(node, PIN)
    refused("unlock.malformed", node, "take", answer=other)
    assert node("dump") == before
    assert node("take", answer=bench.answer(node, PIN)) == key


def test_a_wrong_share_is_refused_and_nothing_is_erased(node: Node) -> None:
    """By a service that lies, which the real one cannot be made to."""
    service, device = Service(), secrets.token_bytes(16)
    key = node("plain")
    args = {"device": device.hex(), "service": service.key.public.hex(), "port": 1}
    made = node("prepare", pin=PIN, key=key, **args)
    service.enrol(bytes.fromhex(made["sealed"]))
    node("settle", entry=made["entry"])
    before = node("dump")
    right = service.kept[device]
    service.kept[device] = msgspec.structs.replace(right, share=secrets.token_bytes(32))

    def answer() -> str:
        sealed = bytes.fromhex(node("begin", pin=PIN, challenge=service.challenge().hex()))
        return service.guess(sealed).hex()

    assert "relay" in refused("vault.bad_share", node, "take", answer=answer())
    assert node("dump") == before
    service.kept[device] = right
    assert node("take", answer=answer()) == key


# --- erased by order


async def test_an_erased_phone_leaves_a_receipt_that_holds(web: Web) -> None:
    key = await web.do("plain")
    made = await web.set_pin(PIN, key)
    await web.do("settle", entry=made["entry"])
    order, device = secrets.token_bytes(16), web.phone._engine.core.me.device_id
    receipt = await web.do("erase", order=order.hex(), device=device.hex())
    signed = orders.SignedReceipt(
        bytes.fromhex(receipt["body"]), "unlock", bytes.fromhex(receipt["signature"])
    )
    found = orders.check_receipt(signed, signature_key=bytes(32), unlock_key=bytes.fromhex(made["unlockKey"]))
    assert found == orders.Receipt(1, order, device, "erased", 1_700_000_000)
    assert await web.do("databases") == ["chappe-erased"]
    left = await web.do("dump")
    for secret in (key, PIN.encode().hex()):
        assert secret not in left
    assert await web.do("delivered") == {"delivered": True, "signer": None}
