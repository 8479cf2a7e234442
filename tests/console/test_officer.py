"""Officers at the console: files opened in the browser, orders signed there, by two where it takes two."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from chappe.relay import organisations
from chappe.relay.config import load_settings
from chappe.relay.tls import pin_in_force
from chappe.wire.api import to_base64
from tests.cli.test_erase import WORDS, Desk
from tests.cli.world import People, chappe
from tests.console.world import Console, Person, looked_at, serving
from tests.e2e import pages
from tests.e2e.browser import Page
from tests.e2e.conftest import need_browser
from tests.e2e.phone_page import button, field_of
from tests.relay.world import RelayProcess

pytestmark = pytest.mark.anyio


@dataclass
class Fleet:
    console: Console
    desk: Desk
    organisation: str

    async def officer(self, name: str) -> Person:
        """Signed in, with the file open."""
        who = await self.console.person("officer", name, "--organisation", self.organisation)
        await who.go("Erasure and policy")
        await who.page.see("text=What erasing does not do")
        await who.page.on("input[type=file]", "setInputFiles", self.desk.paper(f"{name.lower()}.chappe"))
        return who

    async def open(self, who: Person, passphrase: str = WORDS) -> None:
        await who.page.fill("input[type=password]", passphrase)
        await who.page.click(button("Open"))


@pytest.fixture(scope="module")
async def fleet(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Fleet]:
    need_browser()
    folder = tmp_path_factory.mktemp("fleet")
    async with serving(folder) as console:
        yield await asyncio.to_thread(founded, console, folder)


def founded(console: Console, folder: Path) -> Fleet:
    """Two officers and two lines, made on the command line."""
    relay = RelayProcess(console.data, start=False)
    settings = load_settings({}, data_dir=console.data)
    relay.port, relay.pin = int(console.url.rpartition(":")[2]), pin_in_force(settings)
    desk = Desk(relay, People(relay, folder), folder, "Gazette")
    desk.found()
    desk.activate("max", "lea", "nina")
    # Nina has a PIN, and is in a conversation.
    desk.people.ok("nina", "send", desk.people.address("lea"), "hello")
    desk.people.ok("lea", "receive")
    desk.people.ok("nina", "lock", "--pin-file", "-", stdin="480297\n")
    request, answer = desk.paper("ben.request"), desk.paper("ben.answer")
    desk.ok("ben", "fleet", "officer", "request", "--name", "Ben", "--out", request)
    desk.ok("ada", "fleet", "officer", "add", request, "--yes", "--out", answer)
    desk.ok("ben", "fleet", "officer", "accept", answer)
    (known,) = organisations.known(settings)
    return Fleet(console, desk, to_base64(known.id))


async def give(who: Person, kind: str, address: str, reason: str, *, device: bool = False) -> None:
    """`device`: its one device, in place of the line."""
    page = who.page
    await page.click(button("New order"))
    await page.on('dialog >> role=combobox[name="Order"]', "selectOption", kind)
    await page.on(f'dialog >> role=checkbox[name="{address}"]', "check")
    if device:
        await page.on("dialog >> role=group[name=/^Devices of/] >> role=checkbox", "check")
    await page.fill(field_of("Reason"), reason)
    await page.click(button("Sign and give the order"))


async def test_erased_from_the_browser_with_its_stages(fleet: Fleet) -> None:
    ada = await fleet.officer("Ada")
    page = ada.page
    await fleet.open(ada, "violets at the palace")
    await page.see("text=That is not the passphrase of this file.")
    await page.on("input[type=file]", "setInputFiles", fleet.desk.paper("ada.chappe"))
    await fleet.open(ada)
    await page.see("text=Ada, officer of Gazette", 60)
    max_ = fleet.desk.people.address("max")
    await give(ada, "erase", max_, "left in a taxi")
    await page.see("li >> text=left in a taxi")
    assert await page.count('li:has(time):has-text("Receipt checked"):not(:has(ol))') == 0
    # It has no PIN: no false comfort.
    await page.see("text=It had no PIN")
    assert not await pages.violations(page)
    # What the phone does shows here by itself.
    ended = await asyncio.to_thread(fleet.desk.people.run, "max", "receive")
    assert ended.status == 47
    await page.see('li:has(time):has-text("Receipt checked"):not(:has(ol))')
    # The command line sees the same.
    shown = await asyncio.to_thread(fleet.desk.ok, "ada", "erase", "status", "--json")
    assert (shown.json[0]["reason"], shown.json[0]["by"]) == ("left in a taxi", ["Ada"])
    assert shown.json[0]["devices"][0]["receipt"] == "holds"
    # A policy, and nothing of the file is left in what the browser keeps.
    await page.click(button("Policy"))
    await page.fill("role=spinbutton >> nth=2", "0")
    begins, most = "A new conversation begins with", "Messages disappear after, at most"
    await _choose(page, begins, "1 week")
    await _choose(page, most, "1 day")
    # What is beyond the maximum is not offered, and was no choice any more.
    assert await _chosen(page, begins) == "0"
    await _choose(page, "Read receipts", "Never sent")
    await page.fill(field_of("Reason"), "no unlocking without the relay")
    await page.click(button("Sign and give the order"))
    await page.see("li >> text=no unlocking without the relay")
    await page.click(button("Policy"))
    assert [await _chosen(page, one) for one in (most, begins, "Read receipts")] == ["86400", "0", "off"]
    await page.click(button("Cancel"))
    assert await page.evaluate("() => Object.keys(localStorage).join()") in ("", "chappe.language")
    await ada.clean()
    await page.close()


async def _choose(page: Page, field: str, label: str) -> None:
    await page.on(f'role=combobox[name="{field}"]', "selectOption", {"label": label})


async def _chosen(page: Page, field: str) -> str:
    return str(await page.on(f'role=combobox[name="{field}"]', "inputValue"))


async def test_unreadable_and_taken_out_of_conversations(fleet: Fleet) -> None:
    """Each stage as it comes. The page posts the removals, and another member carries them out."""
    ada = await fleet.officer("Ada")
    page, people = ada.page, fleet.desk.people
    await fleet.open(ada)
    await page.see("text=Ada, officer of Gazette", 60)
    await give(ada, "erase", people.address("nina"), "stolen at the station")
    order = 'li:has-text("stolen at the station")'
    await page.see(f'{order} >> li:has(time):has-text("Unreadable")')
    await page.see(f'{order} >> li:has-text("Out of 0 of 1 conversations")')
    await asyncio.to_thread(people.ok, "lea", "receive")
    await page.see(f'{order} >> li:has(time):has-text("Out of conversations")')
    assert not await looked_at(ada, "light")
    await ada.speak("fr")
    assert not await looked_at(ada, "dark")
    await ada.speak("en")
    await ada.clean()
    await page.close()


async def test_the_audit_log_is_replayed_filtered_and_exported(fleet: Fleet, tmp_path: Path) -> None:
    ada = await fleet.officer("Ada")
    page = ada.page
    await fleet.open(ada)
    await page.see("text=Ada, officer of Gazette", 60)
    await page.click(button("Audit log"))
    await page.see("text=/The log holds: [0-9]+ entries/")
    await ada.speak("fr")
    assert not await looked_at(ada, "dark")
    await ada.speak("en")
    # Exported, it holds on any machine.
    file = tmp_path / "fleet.jsonl"
    file.write_bytes(await page.download(button("Export")))
    ran = await asyncio.to_thread(chappe, "desk", "log", "check", str(file))
    assert ran.status == 0, ran.err
    *entries, last = [json.loads(line) for line in file.read_text().splitlines()]
    head = last["head"]
    assert head["size"] == len(entries)
    assert [one["reason"] for one in entries if one["kind"] == "policy" and one["reason"]]
    # What is searched is what is shown.
    await page.on('role=combobox[name="Kind"]', "selectOption", "roster")
    await page.gone("li >> text=An order was given")
    assert await page.count("li >> text=The list of officers changed") == 2
    await page.on('role=combobox[name="Kind"]', "selectOption", "")
    await page.fill(field_of("Line, officer or reason"), "in a TAXI")
    await page.see("li >> text=Erase · left in a taxi")
    assert await page.count("ol > li:has(time)") == 1
    # A head that was written down is held against it, and another one is not.
    for root, wrong in ((head["root"], False), ("A" * 43, True)):
        await page.click(button("Verify"))
        await page.fill(field_of("Size of the kept head (may be empty)"), str(head["size"]))
        await page.fill(field_of("Root of the kept head (may be empty)"), root)
        await page.on("dialog >> role=button[name=Verify]", "press", "Enter")
        if wrong:
            await page.see("dialog >> text=its history was rewritten")
        else:
            await page.gone("dialog")
    await ada.clean()
    await page.close()


async def test_a_third_officer_is_appointed_in_the_browser(fleet: Fleet, tmp_path: Path) -> None:
    """By two others; each end might as well be the command line."""
    ada = await fleet.officer("Ada")
    await fleet.open(ada)
    cyd = await fleet.console.person("officer", "Cyd", "--organisation", fleet.organisation)
    await cyd.go("Erasure and policy")
    await cyd.page.click(button("Make a request"))
    await cyd.page.fill(field_of("Your name, as the others know you"), "Cyd")
    await cyd.page.fill("dialog >> role=textbox[name='Its passphrase']", WORDS)
    await cyd.page.fill(field_of("Once more"), WORDS)
    await cyd.page.click(button("Make file and request"))
    own, request, draft, answer = (
        tmp_path / f"cyd.{one}" for one in ("chappe", "request", "draft", "answer")
    )
    await cyd.page.save(button("Save your file"), own)
    await cyd.page.save(button("Save the request"), request)
    digits = await cyd.page.text("p.font-mono")
    assert re.fullmatch(r"([0-9]{5} ?){6}", digits)
    # One officer signs the first half.
    page = ada.page
    await page.see("text=Ada, officer of Gazette", 60)
    await page.click(button("Officers"))
    await page.click(button("Appoint an officer"))
    await page.on("dialog >> input[type=file]", "setInputFiles", str(own))
    await page.see("dialog >> text=That file is not what was asked for")
    await page.on("dialog >> input[type=file]", "setInputFiles", str(request))
    await page.see(f"dialog >> text={digits}")
    assert not await looked_at(ada, "dark")
    await page.on("dialog >> role=checkbox", "check")
    await page.click(button("Sign the appointment"))
    await page.save(button("Save the draft"), draft)
    # Another the second, and it counts.
    signed = await asyncio.to_thread(
        fleet.desk.ok, "ben", "fleet", "officer", "sign", str(draft), "--yes", "--out", str(answer)
    )
    assert "Cyd" in signed.err
    await cyd.page.click(button("Take the answer"))
    await cyd.page.on("dialog >> input[type=file] >> nth=0", "setInputFiles", str(own))
    await cyd.page.fill("dialog >> role=textbox[name='Its passphrase']", WORDS)
    await cyd.page.on("dialog >> input[type=file] >> nth=1", "setInputFiles", str(answer))
    await cyd.page.click("dialog >> role=button[name='Take the answer']")
    await cyd.page.save(button("Save your file"), own)
    (fleet.desk.folder / "cyd.chappe").write_bytes(own.read_bytes())
    listed = await asyncio.to_thread(fleet.desk.ok, "cyd", "fleet", "officer", "list", "--json")
    assert [one["name"] for one in listed.json] == ["Ada", "Ben", "Cyd"]
    # Cyd goes again: Ada begins it, and Cyd may be the second, in the browser.
    await page.click(button("Remove Cyd as an officer"))
    await page.click("dialog >> role=button[name=Remove]")
    await page.save(button("Save the draft"), draft)
    await cyd.page.on("input[type=file]", "setInputFiles", str(own))
    await fleet.open(cyd)
    await cyd.page.see("text=Cyd, officer of Gazette", 60)
    await cyd.page.click(button("Officers"))
    await cyd.page.click(button("Sign a draft"))
    await cyd.page.on("dialog >> input[type=file]", "setInputFiles", str(draft))
    await cyd.page.see("dialog >> text=Is an officer no more: Cyd")
    await cyd.page.on(button("Sign the change"), "press", "Enter")
    await cyd.page.see("text=The change holds.")
    for who in (ada, cyd):
        await who.clean()
        await who.page.close()


async def test_a_line_under_legal_hold_takes_a_second_officer(fleet: Fleet) -> None:
    ada, ben = await fleet.officer("Ada"), await fleet.officer("Ben")
    await fleet.open(ada)
    lea = fleet.desk.people.address("lea")
    await give(ada, "hold", lea, "a court asked")
    await ada.page.see("li >> text=a court asked", 60)
    # One device of the line, to be signed out.
    await give(ada, "revoke", f"{lea} Legal hold", "stolen", device=True)
    await ada.page.see("text=Waits for a second officer")
    assert await ada.page.count(button("Sign as second officer")) == 0
    await fleet.open(ben)
    await ben.page.see("text=Waits for a second officer", 60)
    await ben.page.click(button("Sign as second officer"))
    await ben.page.click("dialog >> role=button[name='Sign as second officer']")
    await ben.page.see("text=/Signed by (Ada, Ben|Ben, Ada)/")
    await ada.page.gone("text=Waits for a second officer")
    # The line goes on: only that device is named.
    order = 'li:has-text("stolen"):has-text("Sign out")'
    assert re.search(rf"{lea} \([0-9a-f]{{8}}\)", await ada.page.text(f"{order} >> h3"))
    await ada.page.see(f'{order} >> li:has(time):has-text("Out of conversations")')
