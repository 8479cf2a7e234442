"""The pictures of docs/operating.md: `python -m tests.console.pictures`. Look at them before they go in."""

from __future__ import annotations

import asyncio
import tempfile
from pathlib import Path
from typing import Final

from tests.console.test_officer import founded, give
from tests.console.walk import views
from tests.console.world import Person, serving
from tests.e2e.phone_page import button

IMAGES: Final = Path(__file__).parents[2] / "docs" / "images"
LIGHT: Final = ("overview", "lines", "books", "log")
DARK: Final = ("overview",)
MAX_BYTES: Final = 120_000


async def take(who: Person, wanted: tuple[str, ...], folder: Path, tail: str = "") -> None:
    async for name in views(who):
        if wanted and name not in wanted:
            continue
        await keep(who, folder / f"console-{name}{tail}.jpg")


async def keep(who: Person, path: Path) -> None:
    await who.page.call("waitForTimeout", 400)
    await who.page.screenshot(path, type="jpeg", quality=74)
    assert path.stat().st_size <= MAX_BYTES, f"{path.name} is too large"


async def erase(folder: Path, images: Path) -> None:
    """An officer's view after an order."""
    async with serving(folder) as console:
        fleet = await asyncio.to_thread(founded, console, folder)
        ada = await fleet.officer("Ada")
        await fleet.open(ada)
        await give(ada, "hold", fleet.desk.people.address("lea"), "A court asked for it")
        await ada.page.see("li >> text=A court asked", 60)
        people = fleet.desk.people
        await give(ada, "erase", people.address("nina"), "Left in a taxi")
        await ada.page.see('li:has-text("Out of 0 of 1 conversations")')
        await asyncio.to_thread(people.ok, "lea", "receive")
        await ada.page.see('li:has(time):has-text("Out of conversations")')
        await ada.page.gone("text=The order was given.")
        await keep(ada, images / "console-erase.jpg")
        await ada.page.click(button("Audit log"))
        await ada.page.see("text=The log holds")
        await keep(ada, images / "console-fleet-log.jpg")


async def main(folder: Path = IMAGES, all_of_them: bool = False) -> None:
    folder.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as name:
        async with serving(Path(name), 10_000) as console:
            ada = await console.person("operator", "Ada", colorScheme="light")
            await take(ada, () if all_of_them else LIGHT, folder)
            await ada.page.call("emulateMedia", {"colorScheme": "dark"})
            await take(ada, () if all_of_them else DARK, folder, "-dark")
    with tempfile.TemporaryDirectory() as name:
        await erase(Path(name), folder)


if __name__ == "__main__":
    asyncio.run(main())
