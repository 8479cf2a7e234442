"""Several devices of one line."""

from __future__ import annotations

import asyncio
import hashlib
import time
from functools import partial
from pathlib import Path

import msgspec
import pytest

from chappe.client import Phone, linking
from chappe.client.groups import SUITE
from chappe.client.transport import HttpApi
from chappe.wire import links
from chappe.wire.errors import ChappeError
from tests.client.world import PATIENCE, World, gather, meet, texts, until


async def test_a_linked_device_is_in_every_conversation(world: World) -> None:
    ada, ben, cyd = await world.phones("ada", "ben", "cyd")
    mine, his = await meet(ada, ben)
    group = await gather(cyd, ada, ben)
    await ada.send_text(mine.id, "before the tablet")
    await ada.settled(PATIENCE)
    tablet = await world.linked("tablet", ada)
    assert (tablet.address, tablet.line_id) == (ada.address, ada.line_id)
    assert tablet.device_id != ada.device_id
    await until(lambda: len(tablet.conversations()) == 2)
    assert texts(tablet) == [], "what was before stays where it was"
    await ben.send_text(his.id, "to both")
    await cyd.send_text(group, "to all")
    for phone in (ada, tablet):
        await until(lambda p=phone: set(texts(p)) >= {"to both", "to all"})  # type: ignore[misc]
    await tablet.send_text(mine.id, "from the tablet")
    await until(lambda: texts(ben, his.id)[-1] == texts(ada, mine.id)[-1] == "from the tablet")
    shown = ada.messages(mine.id)[-1]
    assert (shown.mine, shown.sender) == (True, ada.address)
    assert shown.state in ("sent", "delivered")
    assert len(his.members) == 2


async def test_new_conversations_reach_all_devices(world: World) -> None:
    ada, ben = await world.phones("ada", "ben")
    tablet = await world.linked("tablet", ada)
    mine, his = await meet(ada, ben)
    await until(lambda: len(tablet.conversations()) == 1)
    await ben.send_text(his.id, "hello")
    await until(lambda: texts(ada) == texts(tablet) == ["hello"])
    # Also those that others begin.
    cyd = await world.phone("cyd")
    await cyd.conversation_with(ada.address)
    await until(lambda: len(tablet.conversations()) == len(ada.conversations()) == 2)
    assert mine.id in {c.id for c in tablet.conversations()}


async def test_what_is_read_on_one_device_is_read_on_the_other(world: World) -> None:
    ada, ben = await world.phones("ada", "ben")
    mine, his = await meet(ada, ben)
    tablet = await world.linked("tablet", ada)
    await until(lambda: len(tablet.conversations()) == 1)
    await ben.send_text(his.id, "read me")
    await until(lambda: texts(ada) == texts(tablet) == ["read me"])
    assert tablet.conversation(mine.id.hex()).unread == 1
    await ada.mark_read(mine.id)
    await until(lambda: tablet.conversation(mine.id.hex()).unread == 0)


async def test_devices_are_listed(world: World) -> None:
    (ada,) = await world.phones("ada")
    tablet = await world.linked("tablet", ada)
    listed = {device.device_id: device.this for device in await ada.devices()}
    assert listed == {ada.device_id: True, tablet.device_id: False}


async def test_contacts_come_along(world: World) -> None:
    ada, ben = await world.phones("ada", "ben")
    await ada.contact(ben.address)
    ada.mark_verified(ben.address, (await ada.contact(ben.address)).identity)
    tablet = await world.linked("tablet", ada)
    assert tablet.contacts() == ada.contacts()
    assert tablet.contacts()[0].verified
    assert await tablet.safety_number(ben.address) == await ben.safety_number(ada.address)


async def test_a_removed_line_loses_all_its_devices(world: World) -> None:
    ada, ben = await world.phones("ada", "ben")
    tablet = await world.linked("tablet", ben)
    group = await gather(ada, ben)
    await until(lambda: len(tablet.conversations()) == 1)
    await ada.remove(group, ben.address)
    await until(
        lambda: not ben.conversation(group.hex()).active and not tablet.conversation(group.hex()).active
    )
    await ada.send_text(group, "alone")
    await ada.settled(PATIENCE)
    assert texts(ben) == texts(tablet) == []


async def test_one_device_leaves_for_the_line(world: World) -> None:
    ada, ben = await world.phones("ada", "ben")
    tablet = await world.linked("tablet", ben)
    group = await gather(ada, ben)
    await until(lambda: len(tablet.conversations()) == 1)
    await tablet.leave(group)
    await until(lambda: ada.conversation(group.hex()).members == (ada.address,))
    await until(lambda: not ben.conversation(group.hex()).active)


async def refused(code: str, call: object) -> None:
    with pytest.raises(ChappeError) as caught:
        await call  # type: ignore[misc]
    assert caught.value.code == code


async def test_links_that_are_none(world: World) -> None:
    (ada,) = await world.phones("ada")
    await refused("link.malformed", ada.add_device("chappe://localhost/l/nonsense"))
    activation = links.ActivationLink(world.place, "0" * 16)
    with pytest.raises(ChappeError):
        await ada.add_device(str(activation))


async def test_a_relay_that_swaps_the_new_devices_key_is_found_out(world: World) -> None:
    """The link's hash, read from the screen, is of the key that the new device made."""
    (ada,) = await world.phones("ada")
    secret = b"s" * 16
    link = links.DeviceLink(world.place, secret, hashlib.sha256(b"the new device's key").digest())
    api = await HttpApi.to(world.place)
    await api.put_link(linking.rendezvous_id(secret), "offer", b"the relay's own key")
    await api.close()
    with pytest.raises(ChappeError, match=r"do not go on"):
        await ada.add_device(str(link))
    assert len(await ada.devices()) == 1


async def test_a_relay_cannot_forge_an_answer(world: World, tmp_path: Path) -> None:
    """It knows where the two meet and the public key, but not the link's secret."""
    shown: asyncio.Future[str] = asyncio.get_running_loop().create_future()
    linking_task = asyncio.create_task(Phone.link(tmp_path / "new", world.place, shown.set_result))
    link = links.parse(await shown)
    assert isinstance(link, links.DeviceLink)
    meeting = linking.rendezvous_id(link.rendezvous)
    api = await HttpApi.to(world.place)
    offer = linking.Offer.from_bytes(await api.get_link(meeting, "offer", 5))
    forged = SUITE.encrypt_with_label(offer.sealing_key, "chappe device link v1", meeting, b"anything")
    await api.put_link(meeting, "answer", forged.encode())
    await api.close()
    await refused("link.malformed", linking_task)
    assert not (tmp_path / "new" / "phone.db").exists()


async def test_an_old_device_that_answers_for_another_device(world: World, tmp_path: Path) -> None:
    """Whose certificate it makes is the new device's to check; whether it is let in, the relay's. Nothing is
    left of either, so that the next link begins anew."""
    (ada,) = await world.phones("ada")
    me, home = ada._engine.core.me, tmp_path / "new"
    salt = (await ada._ask_who(ada.address)).salt

    def given(offer: linking.Offer, *, stranger: bool = False, by: bytes = b"") -> linking.Handover:
        honest = ada._handover(salt, offer)
        other = me.certify(offer.device_id, bytes(32), int(time.time())).to_bytes()
        certificate = other if stranger else honest.certificate
        return msgspec.structs.replace(honest, certificate=certificate, by=by or honest.by)

    for make, code in (
        (partial(given, stranger=True), "link.malformed"),
        (partial(given, by=bytes(32)), "certificate.invalid"),
    ):
        shown: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        task = asyncio.create_task(Phone.link(home, world.place, shown.set_result))
        link = links.parse(await shown)
        assert isinstance(link, links.DeviceLink)
        api = await HttpApi.to(world.place)
        await linking.give(api, link, make)
        await api.close()
        await refused(code, task)
        assert not (home / "phone.db").exists()
    assert len(await ada.devices()) == 1


async def test_a_link_is_answered_once(world: World) -> None:
    ada, ben = await world.phones("ada", "ben")
    shown: asyncio.Future[str] = asyncio.get_running_loop().create_future()
    task = asyncio.create_task(Phone.link(world.home("tablet"), world.place, shown.set_result))
    adding = asyncio.create_task(ada.add_device(await shown))
    tablet = await world._enter("tablet", await task)
    await adding
    await refused("link.used", ben.add_device(shown.result()))
    assert len(await ben.devices()) == 1
    assert tablet.address == ada.address
