"""docs/limits.md against the program: every route, every limit among the settings, every test it names."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from unittest.mock import Mock

import pytest
from starlette.routing import BaseRoute, Route

from chappe.desk.rights import RIGHTS
from chappe.desk.serving import Serving
from chappe.desk.settings import DeskSettings
from chappe.relay.app import build_app
from chappe.relay.config import Settings, load_settings
from chappe.relay.database import prepare_folder
from chappe.relay.fleet_routes import PLACES, SMALL, Places
from chappe.relay.log_witness import build_witness_app
from chappe.relay.relay import Relay
from chappe.relay.serve import open_shares
from chappe.relay.share_server import build_share_app
from chappe.relay.shares.worker import LocalShares
from chappe.relay.storage import open_database
from chappe.relay.watching.private import build_private_app
from chappe.wire.errors import ChappeError

ROOT = Path(__file__).parents[2]
REST = "DESK"
# Numbers that bound nobody: where things are, and how often the relay does its own chores.
NO_LIMITS = {
    "port",
    "sweep_seconds",
    "drain_seconds",
    "drain_notice",
    "traces_share",
    "quorum",
    "look_seconds",
}


def rows(heading: str) -> Iterator[list[str]]:
    """The cells of the table below a heading of the page."""
    page = (ROOT / "docs" / "limits.md").read_text()
    section = page.split(f"## {heading}\n", 1)[1].split("\n## ", 1)[0]
    lines = [line for line in section.splitlines() if line.startswith("|")]
    for line in lines[2:]:
        yield [cell.strip() for cell in line.strip("|").split("|")]


def of(routes: list[BaseRoute], prefix: str = "") -> set[str]:
    return {
        f"{prefix}{method} {route.path}"
        for route in routes
        if isinstance(route, Route)
        for method in route.methods or ()
        if method != "HEAD" or "GET" not in (route.methods or ())
    }


async def test_every_route_has_a_row_and_every_row_a_route(tmp_path: Path) -> None:
    settings = load_settings({}, data_dir=tmp_path / "data", web_dir=tmp_path)
    prepare_folder(settings.data_dir)
    database = open_database(settings)
    database.upgrade()
    relay = Relay(settings, open_shares(settings), database=database)
    desk = Serving(DeskSettings(settings.data_dir, "localhost", "https://localhost"), stored=Mock())
    try:
        there = of([*build_app(relay).routes, *desk.routes()])
        there |= of(build_private_app(relay, Mock()).routes, "PRIVATE ")
    finally:
        await desk.close()
        await relay.close()
    there |= of(build_share_app(Mock(spec=LocalShares), "t").routes, "SHARES ")
    there |= of(build_witness_app(Mock()).routes, "WITNESS ")
    there |= {f"DESK {name}" for name, right in RIGHTS.items() if right.public}
    there |= {"SOCKET /v1/socket", REST}
    written = [re.findall(r"`([^`]+)`", cells[0])[0] for cells in rows("Routes")]
    assert sorted(written) == sorted(there)


def test_limits_of_routes_are_limits() -> None:
    known = [cells[0] for cells in rows("Limits")]
    assert len(known) == len(set(known))
    used = {name.strip() for cells in rows("Routes") for name in cells[1].split(",")}
    assert used <= set(known)


def test_every_setting_that_is_a_limit_has_a_row_with_its_default() -> None:
    numbers = {
        name
        for name, field in Settings.model_fields.items()
        if isinstance(field.default, int | float) and not isinstance(field.default, bool)
    }
    written = {cells[4].strip("`"): cells[3] for cells in rows("Limits") if cells[4] != "constant"}
    assert set(written) == numbers - NO_LIMITS
    for name, told in written.items():
        default = Settings.model_fields[name].default
        number = re.match(r"([\d,.]+) ?(GiB)?", told)
        assert number, (name, told)
        assert float(number[1].replace(",", "")) * (2**30 if number[2] else 1) == default, name


def test_every_row_names_a_test_that_is_there() -> None:
    for cells in rows("Limits"):
        file, name = cells[6].strip("`").split("::")
        text = (ROOT / file).read_text()
        assert re.search(rf"def {name}\(", text), cells[6]


def test_large_orders_have_so_many_places() -> None:
    places = Places()
    large, small = Mock(headers={}), Mock(headers={"content-length": str(SMALL)})
    held = [places.hold(large) for _ in range(PLACES)]
    for place in held:
        place.__enter__()
    with pytest.raises(ChappeError, match=r"limit\.rate"), places.hold(large):
        pass
    with places.hold(small):
        pass
    held.pop().__exit__(None, None, None)
    with places.hold(large):
        pass
