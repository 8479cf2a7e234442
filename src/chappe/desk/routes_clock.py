"""The machine's clock: `/clock`, and the operator's word that it is right."""

from __future__ import annotations

from datetime import datetime

from fastapi import FastAPI

from chappe.desk.database import Unit
from chappe.desk.desk import Desk
from chappe.desk.gate import Who
from chappe.desk.models import Body, moment
from chappe.wire.clock_guard import MAX_JUMP


class ClockView(Body):
    """`days`: how far it went forward at once; 0 where it is believed. Then `before` is the last time that
    was believed, and until somebody confirms it nothing is closed, forgotten or invoiced."""

    at: datetime
    before: datetime | None
    days: int


def add_clock(app: FastAPI, desk: Desk) -> None:
    def view() -> ClockView:
        jump, now = desk.clock_guard.jump(), moment(desk.database.now())
        if jump is None:
            return ClockView(at=now, before=None, days=0)
        return ClockView(at=now, before=moment(jump.before), days=jump.days)

    @app.get("/clock", operation_id="clock.show")
    def show(who: Who) -> ClockView:
        """What the clock says, and whether that is believed."""
        return view()

    @app.post("/clock/confirm", operation_id="clock.confirm")
    def confirm(who: Who) -> ClockView:
        """The clock is right: what has had its time by it is closed, forgotten and dropped from now on."""

        def work(unit: Unit) -> None:
            unit.log("clock.confirmed", days=jump.days if jump else 0)

        jump = desk.clock_guard.jump()
        if jump is not None or desk.clock_guard.behind() > MAX_JUMP:
            desk.database.change(who, work)
            desk.clock_guard.confirm()
        return view()
