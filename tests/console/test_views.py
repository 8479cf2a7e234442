"""What people see at the console: every view in both themes, narrow, in French; 10,000 lines; an order."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.cli.world import chappe
from tests.console.walk import views
from tests.console.world import DESKTOP, Console, Person, looked_at, serving
from tests.e2e import pages
from tests.e2e.conftest import need_browser
from tests.e2e.phone_page import button, field_of

pytestmark = pytest.mark.anyio
LINES = 10_000


@pytest.fixture(scope="module")
async def shop(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Console]:
    need_browser()
    async with serving(tmp_path_factory.mktemp("shop"), LINES) as served:
        yield served


@pytest.fixture(scope="module")
async def ada(shop: Console) -> Person:
    return await shop.person("operator", "Ada")


@pytest.mark.timeout(600)
async def test_every_view_in_both_themes_and_languages_and_at_320_pixels(ada: Person) -> None:
    found: list[str] = []
    seen = 0
    async for name in views(ada):
        seen += 1
        found += [f"{name}, light: {one}" for one in await looked_at(ada, "light")]
        await ada.speak("fr")
        found += [f"{name}, dark, French: {one}" for one in await looked_at(ada, "dark")]
        await ada.page.call("setViewportSize", {"width": 320, "height": 640})
        if await pages.too_wide(ada.page):
            found.append(f"{name}: too wide")
        await ada.page.call("setViewportSize", DESKTOP)
        await ada.speak("en")
    assert not found, "\n".join(found)
    assert seen == 22
    await ada.clean()


async def test_ten_thousand_lines(ada: Person) -> None:
    page = ada.page
    await ada.go("Lines")
    await page.see("text=1 to 50 of 10,000")
    first = await page.text("tbody")
    await page.click(button("Next"))
    await page.see("text=51 to 100 of 10,000")
    assert await page.text("tbody") != first
    # A page of rows is in the document, whatever there is.
    assert await page.count("tbody tr") == 50
    await page.click(button("Previous"))
    await page.see("text=1 to 50 of 10,000")
    assert await page.text("tbody") == first
    await page.fill("role=searchbox", "hugo.photo")
    await page.see("tbody >> text=hugo.photo@localhost")
    assert await page.count("tbody tr") < 50
    await page.fill("role=searchbox", "")
    await page.on("role=combobox[name=Stage]", "selectOption", "suspended")
    await page.see("tbody >> text=Suspended >> nth=0")
    assert await page.count("tbody >> text=Active") == 0
    # Renewed, and in the audit log.
    await page.on("role=combobox[name=Stage]", "selectOption", "active")
    await page.click("th >> role=link >> nth=0")
    await page.click(button("Renew"))
    await page.click("dialog >> role=button[name=Renew]")
    await page.see("text=Renewed until")
    await ada.go("Audit log")
    await page.see("tbody >> text=/renewed/i >> nth=0")


async def test_a_sheet_of_lines_is_tried_before_it_is_made(ada: Person, tmp_path: Path) -> None:
    page = ada.page
    sheet = tmp_path / "lines.csv"
    sheet.write_text(
        "address,surname,given name,email\nzadig@localhost,Arouet,François,f@example.org\nnobody,A,B,\n"
    )
    await ada.go("Lines")
    await page.click("role=link[name=Import]")
    await page.on("input[type=file]", "setInputFiles", str(sheet))
    await page.click(button("Dry run"))
    await page.see("tbody >> text=3")
    sheet = tmp_path / "mended.csv"
    sheet.write_text("address,surname,given name,email\nzadig@localhost,Arouet,François,f@example.org\n")
    await page.on("input[type=file]", "setInputFiles", str(sheet))
    await page.click(button("Dry run"))
    await page.see("text=1 rows, no mistake.")
    await page.click(button("Make 1 codes"))
    await page.see("li >> text=zadig@localhost,")


async def test_subscribers_books_and_what_was_agreed(ada: Person) -> None:
    page = ada.page
    await ada.go("Subscribers")
    await page.click(button("File a record"))
    await page.fill(field_of("Address of the line"), "candide@localhost")
    await page.fill(field_of("Surname"), "Arouet")
    await page.fill(field_of("Given name"), "Francois")
    await page.fill(field_of("E-mail address"), "f@example.org")
    await page.on("dialog >> role=button[name=Save]", "press", "Enter")
    await page.see("h1:text-is('Francois Arouet')")
    await page.click(button("Correct"))
    await page.fill(field_of("Given name"), "François")
    await page.click("dialog >> role=button[name=Save]")
    await page.see("h1:text-is('François Arouet')")
    await page.see("text=nothing of it is deleted yet")
    await page.click(button("End the contract"))
    await page.click("dialog >> role=button[name='End the contract']")
    await page.see("dt:text-is('Identity kept until')")
    await page.click('main >> role=link[name="Subscribers"]')
    await page.fill("role=searchbox", "candide@localhost")
    await page.click(button("Search"))
    await page.see("tbody >> text=Ended")
    # The seller, and the ledger, which the tax office can read.
    await ada.go("Books")
    await page.click(button("Change"))
    await page.fill(field_of("E-mail address"), "sales@example.org")
    await page.click("dialog >> role=button[name=Save]")
    await page.see("dd:text-is('sales@example.org')")
    assert (await page.download(button("Export (FEC)"))).startswith(b"JournalCode")
    # What was agreed with a reseller, and what it says of itself.
    await ada.go("Resellers")
    await page.click('role=link[name="Atelier Vauban"]')
    await page.click(button("Invoicing: Change"))
    await page.on('dialog >> role=combobox[name="VAT"]', "selectOption", "exempt")
    await page.fill(field_of("The reason, as the invoice says it"), "Article 262 of the CGI")
    await page.click("dialog >> role=button[name=Save]")
    await page.see("dd:text-is('Article 262 of the CGI')")
    await page.click(button("Company: Change"))
    await page.fill(field_of("Contact"), "Ines Leroy")
    await page.click("dialog >> role=button[name=Save]")
    await page.see("dd:text-is('Ines Leroy')")
    await ada.go("Plans")
    await page.click(button("New plan"))
    await page.fill(field_of("Name"), "Zone CFA")
    await page.on('dialog >> role=combobox[name="Currency"]', "selectOption", "XOF")
    await page.fill(field_of("Price of a line, without VAT (XOF)"), "9500")
    await page.click("dialog >> role=button[name=Save]")
    await page.see("text=/9,500/")


async def test_accounts(ada: Person) -> None:
    page = ada.page
    await ada.go("Accounts")
    await page.click(button("Open an account"))
    await page.on('dialog >> role=combobox[name="Role"]', "selectOption", "auditor")
    await page.fill(field_of("Name"), "Eve")
    await page.fill(field_of("E-mail address"), "eve@example.org")
    await page.click("dialog >> role=button[name='Open an account']")
    await page.see("dialog >> text=/#link=/")
    await page.on("dialog", "press", "Escape")
    await page.click(button("Change: Eve"))
    await page.fill(field_of("Name"), "Eve Martin")
    await page.click("dialog >> role=button[name=Save]")
    await page.click(button("Fresh sign-in link: Eve Martin"))
    await page.click("dialog >> role=button[name='Fresh sign-in link']")
    await page.see("dialog >> text=/#link=/")
    await page.on("dialog", "press", "Escape")
    await page.click(button("Close the account: Eve Martin"))
    await page.click("dialog >> role=button[name='Close the account']")
    await page.gone("th >> text=Eve Martin")


async def test_the_desks_log_is_exported_and_verified(ada: Person, tmp_path: Path) -> None:
    page = ada.page
    await ada.go("Audit log")
    file = tmp_path / "desk.jsonl"
    file.write_bytes(await page.download(button("Export")))
    ran = await asyncio.to_thread(chappe, "desk", "log", "check", str(file))
    assert ran.status == 0, ran.err
    head = json.loads(file.read_bytes().splitlines()[-1])["head"]
    for root, wrong in ((head["root"], False), ("A" * 43, True)):
        await page.click(button("Verify"))
        await page.fill(field_of("Size of the kept head (may be empty)"), str(head["size"]))
        await page.fill(field_of("Root of the kept head (may be empty)"), root)
        await page.click("dialog >> role=button[name=Verify]")
        if wrong:
            await page.see("dialog >> text=its history was rewritten")
        else:
            await page.see("text=The log holds")
            await page.gone("dialog")
    await page.click("dialog >> role=button[name=Cancel]")


async def test_a_reseller_orders_codes_and_fetches_the_invoice(shop: Console) -> None:
    reseller = shop.resellers["Bureau Sûr"]
    camille = await shop.person("reseller", "Camille", "--reseller", reseller)
    page = camille.page
    # Nothing of others is offered.
    for name in ("Lines", "Accounts", "Resellers"):
        assert await page.count(f'nav >> role=link[name="{name}"]') == 0
    await camille.go("Our accreditation")
    await page.see("text=Bureau Sûr")
    await camille.go("Codes")
    await page.click(button("Order codes"))
    await page.fill("dialog >> role=spinbutton", "3")
    await page.see("text=€447.00 net, €536.40 with VAT")
    await page.click("dialog >> role=button[name='Order codes']")
    await page.see("text=Your codes are shown this once.")
    codes = await page.on("ol li", "allInnerTexts")
    assert len(codes) == 3
    assert all(re.fullmatch(r"[0-9A-Z]{4}(-[0-9A-Z]{4}){3,}", code) for code in codes), codes
    kept = await page.download(button("Download"))
    assert kept.decode().split() == codes
    await page.click(button("I have kept them"))
    await page.see("tbody tr >> nth=0")
    assert codes[0] not in await page.text("body")
    await camille.go("Invoices")
    await page.see("tbody >> text=€536.40 >> nth=0")
    for name in ("Our accreditation", "Codes", "Audit log", "My account"):
        await camille.go(name)
        await page.gone("text=One moment …")
        await camille.speak("fr")
        assert not await looked_at(camille, "dark"), name
        await camille.speak("en")
    await camille.go("Invoices")
    pdf = await page.download("role=button[name=/PDF of/] >> nth=0")
    assert pdf.startswith(b"%PDF-")
    await camille.clean()


async def test_in_french_and_by_keyboard(ada: Person) -> None:
    page = ada.page
    await ada.go("My account")
    await page.on('role=combobox[name="Language"]', "selectOption", "fr")
    await page.see("h1:text-is('Mon compte')")
    assert await page.evaluate("() => document.documentElement.lang") == "fr"
    await page.on('nav >> role=link[name="Offres"]', "press", "Enter")
    await page.see("h1:text-is('Offres')")
    # A screen reader is told where one has come to.
    assert await page.evaluate("() => document.activeElement.tagName") == "H1"
    await page.on(button("Nouvelle offre"), "press", "Enter")
    await page.fill(field_of("Nom"), "Trimestre")
    await page.fill("dialog >> role=spinbutton", "3")
    await page.fill(field_of("Prix d'une ligne, hors taxes (EUR)"), "79,50")
    await page.on("dialog >> role=button[name=Enregistrer]", "press", "Enter")
    await page.see("text=79,50")
    # What is refused is said in French, too.
    await page.on(button("Nouvelle offre"), "press", "Enter")
    await page.fill(field_of("Nom"), "Trimestre")
    await page.on("dialog >> role=button[name=Enregistrer]", "press", "Enter")
    await page.see("dialog >> text=Une offre de ce nom est en vente ; retirez-la d'abord.")
    await page.on("dialog", "press", "Escape")
    await page.on('role=combobox[name="Langue"]', "selectOption", "en")
