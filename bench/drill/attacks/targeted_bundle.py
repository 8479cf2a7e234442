"""One phone alone is handed another page: code of the attacker's, which the release key did not sign."""

from __future__ import annotations

import hashlib
import json
import random

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from bench.drill import attack
from bench.drill.attack import Onward
from bench.drill.middleman import Request, Response
from bench.drill.page import FOREIGN
from bench.drill.stage import Stage

VICTIM = "ada"
PAGE = f"<!doctype html><title>Chappe</title><p>{FOREIGN}</p>".encode()


class Attack(attack.Attack):
    name = "targeted bundle"
    does = "Hands one browser a page of its own, unsigned, signed by another key, or under the old signature."
    shows = ("page:app.refused",)
    needs_browser = True

    def __init__(self, chance: random.Random) -> None:
        super().__init__(chance)
        self._how = chance.choice(["old signature", "another key", "no signature"])
        self._on = False
        self._manifest = b""

    async def scene(self, stage: Stage) -> None:
        ada = await stage.page(VICTIM)
        before = await ada.bundle()
        await ada.phone.reload()
        await ada.look()
        await ada.phone.unlock()
        await ada.look()
        self._on = True
        for _ in range(2):
            await ada.phone.page.call("reload")
            await ada.phone.page.see("body")
            await ada.phone.page.call("waitForLoadState", "networkidle")
            await ada.look_again()
        if not ada.harms:
            await ada.phone.unlock()
            await ada.look_again()
            if await ada.bundle() != before:
                ada.harms.append("another release runs")

    async def http(self, request: Request, onward: Onward) -> Response:
        answer = await onward(request)
        if not self._on or request.who != VICTIM or answer.status != 200:
            return answer
        if request.path in ("/", "/index.html"):
            self.strike()
            return answer.with_body(PAGE)
        if request.path == "/release.json":
            self.strike()
            self._manifest = _with_page(answer.body)
            return answer.with_body(self._manifest)
        if request.path == "/release.sig" and self._how != "old signature":
            key = Ed25519PrivateKey.generate()
            signed = key.sign(b"chappe release v1\0" + self._manifest)
            return answer.with_body(signed if self._how == "another key" else b"")
        return answer


def _with_page(manifest: bytes) -> bytes:
    """A newer release, in which the page is the attacker's."""
    read = json.loads(manifest)
    for file in read["files"]:
        if file["path"] == "index.html":
            file |= {"size": len(PAGE), "sha256": hashlib.sha256(PAGE).hexdigest()}
    lines = "".join(f"{file['sha256']}  {file['path']}\n" for file in read["files"])
    read |= {"bundle": hashlib.sha256(lines.encode()).hexdigest(), "serial": read["serial"] + 1}
    return json.dumps(read).encode()
