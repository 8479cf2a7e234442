"""A desk with a relay's data directory behind its door, lines on it, and a clock for both."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Awaitable
from pathlib import Path
from typing import Any, TypeVar

from chappe.relay import organisations
from chappe.relay.config import load_settings
from chappe.relay.door import DirectoryDoor
from chappe.relay.usecases.register import ActivateLine
from chappe.wire import codes
from chappe.wire.api import to_base64
from chappe.wire.door import CodeBatch
from tests.desk.world import NAME, World
from tests.relay.fleet_world import Organisation, Person, new_device
from tests.relay.world import Device

T = TypeVar("T")
DAY = 24 * 3600


def run(work: Awaitable[T]) -> T:
    async def wait() -> T:
        return await work

    return asyncio.run(wait())


class LinesWorld(World):
    """Close it."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.settings = load_settings({}, data_dir=folder, server_name=NAME)
        self.door = DirectoryDoor(self.settings, self.clock)
        self.desk.relay = self.door
        self.be_patient()

    def organisation(self, name: str) -> Organisation:
        made = Organisation(name, [Person("Olga")])
        organisations.add(self.settings, made.file)
        return made

    def code(self, months: int = 6, of: Organisation | None = None, seller: bytes | None = None) -> str:
        batch = CodeBatch(secrets.token_bytes(16), 1, months, 3_650, seller, None if of is None else of.id)
        return run(self.door.make_codes(batch)).codes[0]

    def line(self, name: str, months: int | None = 6, of: Organisation | None = None) -> Device:
        device = new_device(of, f"{name}@{NAME}")
        code = self.code(months or 1, of)
        run(self.door._change(ActivateLine(codes.digest(code), device.certificate)))
        if months is None:
            self.sql("UPDATE lines SET term_ends = NULL WHERE line = ?", device.certificate.line_id)
        return device

    def sql(self, statement: str, *values: object) -> list[tuple[Any, ...]]:
        import sqlite3

        with sqlite3.connect(self.settings.database, timeout=10) as connection:
            return connection.execute(statement, values).fetchall()


def id_of(device: Device) -> str:
    return to_base64(device.certificate.line_id)
