"""The pictures of docs/operating.md: `python -m tests.console.pictures`. Look at them before they go in."""

from __future__ import annotations

import asyncio
import tempfile
from pathlib import Path
from typing import Final

from tests.console.walk import views
from tests.console.world import Person, serving

IMAGES: Final = Path(__file__).parents[2] / "docs" / "images"
LIGHT: Final = ("overview", "lines", "reseller", "log")
DARK: Final = ("overview",)
MAX_BYTES: Final = 120_000


async def take(who: Person, wanted: tuple[str, ...], folder: Path, tail: str = "") -> None:
    async for name in views(who):
        if wanted and name not in wanted:
            continue
        await who.page.call("waitForTimeout", 400)
        path = folder / f"console-{name}{tail}.jpg"
        await who.page.screenshot(path, type="jpeg", quality=74)
        assert path.stat().st_size <= MAX_BYTES, f"{path.name} is too large"


async def main(folder: Path = IMAGES, all_of_them: bool = False) -> None:
    folder.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as name:
        async with serving(Path(name), 10_000) as console:
            ada = await console.person("operator", "Ada", colorScheme="light")
            await take(ada, () if all_of_them else LIGHT, folder)
            await ada.page.call("emulateMedia", {"colorScheme": "dark"})
            await take(ada, () if all_of_them else DARK, folder, "-dark")


if __name__ == "__main__":
    asyncio.run(main())
