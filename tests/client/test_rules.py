"""What an organisation rules of messages, on real phones and the real relay."""

from __future__ import annotations

import time

import pytest

from chappe.wire.errors import ChappeError
from chappe.wire.orders import FleetPolicy
from tests.client.office import Office, target
from tests.client.world import PATIENCE, World, all_messages, meet, texts, until

DAY = 86_400
RULED = FleetPolicy(1, 60, disappear_default=600, disappear_max=DAY, receipts="off")


async def test_disappearing_messages_and_receipts_are_ruled(world: World) -> None:
    """On the device that the order is about; the other line is of no organisation, and does as it likes."""
    office = Office(world)
    (ben,) = await world.phones("ben")
    ada = await office.phone("ada")
    mine, his = await meet(ada, ben)
    await ben.send_text(his.id, "before")
    await until(lambda: texts(ada) == ["before"])

    await office.give("policy", target(ada), policy=RULED)
    await until(lambda: ada.conversation(mine.id.hex()).timer_here == DAY, "the policy")
    assert ada.conversation(mine.id.hex()).timer == 0
    for seconds in (0, DAY + 1):
        with pytest.raises(ChappeError, match="stay 1 day after it was read") as refused:
            await ada.set_timer(mine.id, seconds)
        assert refused.value.code == "usage.invalid"
    assert (await ada.create_group("night", [ben.address])).timer == 600

    await ben.send_text(his.id, "after")
    await until(lambda: texts(ada, mine.id) == ["before", "after"])
    await ada.mark_read(mine.id)
    before, after = (one.expires_at for one in ada.messages(mine.id))
    assert before is None, "what was there stays"
    assert after is not None
    assert 0 <= time.time() + DAY - after < PATIENCE

    await ada.send_text(mine.id, "from ada")
    await until(lambda: "from ada" in texts(ben, his.id))
    assert {one.state for one in all_messages(ben) if one.mine} == {"delivered"}, "she does not say it"
    await ben.mark_read(his.id)
    (said,) = [one for one in ben.messages(his.id) if one.text == "from ada"]
    assert said.expires_at is not None
    assert 0 <= time.time() + DAY - said.expires_at < PATIENCE
    await ben.send_text(his.id, "read it")
    await until(lambda: texts(ada, mine.id)[-1:] == ["read it"])
    (sent,) = [one for one in ada.messages(mine.id) if one.mine]
    assert sent.state == "delivered", "nor does she see it"
