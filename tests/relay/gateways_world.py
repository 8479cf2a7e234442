"""Several real gateways: processes on one PostgreSQL, one folder and a NATS cluster, with a share service.

world = Gateways(tmp_path, count=2)
a, b = world.gateways                   # RelayProcess each, on ports of their own
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from tests.relay import stores
from tests.relay.nats_world import NatsCluster
from tests.relay.shares.world import ServiceProcess
from tests.relay.world import RelayProcess

PATIENCE: Final = 40.0


class Gateways:
    """Starts at once. `nats`: one that others use as well, or one of its own."""

    def __init__(
        self, folder: Path, *, count: int = 2, nats: NatsCluster | None = None, **settings: Any
    ) -> None:
        self._own_nats = nats is None
        if nats is None:
            (folder / "nats").mkdir()
            nats = NatsCluster(folder / "nats")
            nats.start_all()
        self.nats = nats
        self.service = ServiceProcess(folder / "service")
        self.data_dir = stores.place(folder / "data", "postgres")
        self._settings: dict[str, Any] = {
            "bus": nats.urls,
            "share_service": f"http://127.0.0.1:{self.service.port}",
            "share_token_file": self.service.folder / "data" / "share-token",
            "attempts_burst": 10_000,
        } | settings
        self.gateways = [self.gateway() for _ in range(count)]

    def gateway(self, **settings: Any) -> RelayProcess:
        """One more."""
        return RelayProcess(self.data_dir, **self._settings | settings)

    @property
    def url(self) -> str:
        """Of the database."""
        return stores.given(self.data_dir)["database_url"]

    @property
    def log(self) -> str:
        """Of all gateways."""
        return self.gateways[0].log

    def stop(self) -> None:
        """Raises AssertionError where one does not end well."""
        statuses = [gateway.stop() for gateway in self.gateways]
        self.service.kill()
        if self._own_nats:
            self.nats.kill_all()
        stores.leave(self.data_dir)
        assert statuses == [0] * len(statuses)
        assert "should not" not in self.log, self.log


async def until(true: Callable[[], bool]) -> None:
    async with asyncio.timeout(PATIENCE):
        while not true():
            await asyncio.sleep(0.02)
