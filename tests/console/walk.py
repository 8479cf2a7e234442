"""Every view of the console, one after another."""

from __future__ import annotations

from collections.abc import AsyncIterator

from tests.console.world import Person
from tests.e2e.phone_page import button

LINE = "th >> role=link >> nth=0"


async def views(who: Person) -> AsyncIterator[str]:
    """An operator's: the name of what is shown."""
    page = who.page
    await who.go("Overview")
    await page.see("text=Lines by stage")
    yield "overview"
    await page.click(f"{button('As a table')} >> nth=0")
    await page.see("table")
    yield "overview-table"
    await who.go("Lines")
    await page.see(LINE)
    yield "lines"
    await page.on("role=combobox[name=Stage]", "selectOption", "active")
    # The list may still be the one of all lines.
    await page.click('tbody tr:has(td :text-is("Active")) >> role=link >> nth=0')
    await page.see("h2:text-is('Devices')")
    yield "line"
    await page.click(button("Renew"))
    await page.see("dialog")
    yield "renew"
    await page.click("dialog >> role=button[name=Cancel]")
    await who.go("Lines")
    await page.click("role=link[name=Import]")
    await page.see(button("Dry run"))
    yield "import"
    await who.go("Subscribers")
    await page.see("text=Nothing found.")
    yield "subscribers"
    await page.click(button("File a record"))
    await page.see("dialog")
    yield "subscriber"
    await page.click("dialog >> role=button[name=Cancel]")
    await who.go("Resellers")
    await page.see(LINE)
    yield "resellers"
    await page.click('role=link[name="Comptoir Marin"]')
    await page.see("h2:text-is('Accreditation')")
    await page.see("h2:text-is('Invoicing')")
    yield "reseller"
    await page.click(button("Invoicing: Change"))
    await page.see("dialog")
    yield "terms"
    await page.click("dialog >> role=button[name=Cancel]")
    await page.click(button("Accredit"))
    await page.see("dialog")
    yield "accredit"
    await page.click("dialog >> role=button[name=Cancel]")
    for name, seen in (("Codes", LINE), ("Invoices", "tbody"), ("Plans", "text=On sale >> nth=0")):
        await who.go(name)
        await page.see(seen)
        yield name.lower()
    await who.go("Books")
    await page.see("text=Chappe SAS")
    await page.see("text=44571 VAT collected >> nth=0")
    yield "books"
    await who.go("Codes")
    await page.click(LINE)
    await page.see("text=What became of the codes")
    yield "order"
    await who.go("Audit log")
    await page.see("tbody")
    yield "log"
    await who.go("Accounts")
    await page.see("tbody")
    yield "accounts"
    await page.click(button("Open an account"))
    await page.see("dialog")
    yield "account"
    await page.click("dialog >> role=button[name=Cancel]")
    await who.go("My account")
    await page.see("text=Test browser")
    await page.see(button("New token"))
    yield "me"
    await page.click(button("New token"))
    await page.see("dialog")
    yield "token"
    await page.click("dialog >> role=button[name=Cancel]")
