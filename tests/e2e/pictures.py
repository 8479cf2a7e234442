"""The pictures of docs/using.md: `python -m tests.e2e.pictures`. Look at them before they are committed.

Those of a conversation are of a real session: tests/e2e/screenshots.py."""

from __future__ import annotations

import asyncio
import tempfile
from pathlib import Path
from typing import Final

from tests.e2e import pages
from tests.e2e.browser import Browser, browsing
from tests.relay.world import RelayProcess

IMAGES: Final = Path(__file__).parents[2] / "docs" / "images"
ENGLISH: Final = (
    "welcome",
    "recover-waiting",
    "pin",
    "list",
    "verify",
    "changed",
    "settings",
    "members",
    "locked",
    "lost",
)
FRENCH: Final = (
    "welcome",
    "recover-waiting",
    "pin",
    "list",
    "verify",
    "settings",
    "members",
    "locked",
    "lost",
)
MAX_BYTES: Final = 80_000


async def take(browser: Browser, relay: RelayProcess) -> None:
    options = {"colorScheme": "light", "deviceScaleFactor": 1.5, "reducedMotion": "reduce"}
    async for name, page in pages.views(browser, relay, "light", **options):
        for language, wanted, folder in (("fr", FRENCH, IMAGES / "fr"), ("en", ENGLISH, IMAGES)):
            await pages.say_in(page, language)
            if name not in wanted:
                continue
            await page.call("waitForTimeout", 500)
            path = folder / f"{name}.jpg"
            await page.screenshot(path, type="jpeg", quality=72)
            assert path.stat().st_size <= MAX_BYTES, f"{path.name} is too large"


async def main() -> None:
    (IMAGES / "fr").mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        relay = pages.serve(Path(folder) / "data", pages.build(Path(folder) / "dist"))
        try:
            async with browsing() as browser:
                await take(browser, relay)
        finally:
            relay.stop()


if __name__ == "__main__":
    asyncio.run(main())
