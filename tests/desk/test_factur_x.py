"""An invoice is a page for people and, in the same file, EN 16931 XML that says the same."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from decimal import Decimal
from io import BytesIO

import pytest
from facturx import get_facturx_xml_from_pdf, xml_check_xsd
from lxml import etree
from pypdf import PdfReader

from chappe.desk.factur_x import RAM, xml
from chappe.desk.invoice import Invoice, Kind, Line, Party, Treatment
from chappe.desk.invoice_pdf import pdf
from chappe.desk.invoice_words import designation, terms
from chappe.desk.money import Language

SELLER = Party(
    "Chappe SAS",
    "1 rue du Télégraphe",
    "75020",
    "Paris",
    "FR",
    "FR83404833048",
    "404833048",
    "f@chappe.example",
)
BUYER = Party("Lignes <Sûres> & fils", "2 quai du Sud", "", "Liège", "BE", "BE0428759497", "0428759497")
INVOICE = Invoice(
    number="2026-000017",
    kind="invoice",
    issued=date(2026, 11, 29),
    due=date(2026, 12, 29),
    seller=SELLER,
    buyer=BUYER,
    lines=(Line(designation(6, "fr"), 50, 4900, 2000), Line("Étiquettes", 3, 333, 550)),
    currency="EUR",
    reference="K7Q4",
    iban="FR7630006000011234567890189",
    terms=terms("fr"),
)


def _texts(document: bytes, name: str) -> list[str | None]:
    return [node.text for node in etree.fromstring(document).iter(f"{{{RAM}}}{name}")]


def test_vat_is_taken_once_for_each_rate() -> None:
    assert [(vat.rate, vat.base, vat.amount) for vat in INVOICE.vat] == [
        (550, 999, 55),
        (2000, 245000, 49000),
    ]
    assert (INVOICE.net, INVOICE.vat_total, INVOICE.gross) == (245999, 49055, 295054)


@pytest.mark.parametrize("kind", ["invoice", "credit_note"])
@pytest.mark.parametrize("treatment", ["standard", "reverse_charge", "exempt"])
def test_the_xml_holds_against_the_published_schema(kind: Kind, treatment: Treatment) -> None:
    one = replace(
        INVOICE,
        kind=kind,
        treatment=treatment,
        exemption="Article 262 ter" if treatment == "exempt" else "",
        refers_to="2026-000003" if kind == "credit_note" else "",
    )
    document = xml(one)
    assert xml_check_xsd(document, flavor="factur-x", level="en16931")
    assert _texts(document, "TypeCode")[0] == {"invoice": "380", "credit_note": "381"}[kind]
    charged = treatment == "standard"
    expected = {"standard": "S", "reverse_charge": "AE", "exempt": "E"}[treatment]
    assert set(_texts(document, "CategoryCode")) == {expected}
    assert _texts(document, "GrandTotalAmount") == ["2950.54" if charged else "2459.99"]
    assert len(_texts(document, "ExemptionReason")) == (0 if charged else 1)


def test_a_party_is_written_as_the_rules_of_en_16931_ask() -> None:
    """PEPPOL-EN16931-R008 (nothing empty), BR-CO-09 (a VAT number with its country), BR-S-02 and BR-E-02 (the
    seller's registration in place of a VAT number): checked once with the published Schematron."""
    franchise = replace(SELLER, vat_number="", postcode="")
    abroad = replace(BUYER, country="GB", vat_number="123456789")
    document = xml(
        replace(INVOICE, seller=franchise, buyer=abroad, treatment="exempt", exemption="art. 293 B")
    )
    assert xml_check_xsd(document, flavor="factur-x", level="en16931")
    root = etree.fromstring(document)
    assert not [node.tag for node in root.iter() if len(node) == 0 and not (node.text or "").strip()]
    numbers = root.findall(f".//{{{RAM}}}SpecifiedTaxRegistration/{{{RAM}}}ID")
    assert [(one.get("schemeID"), one.text) for one in numbers] == [
        ("FC", "404833048"),
        ("VA", "GB123456789"),
    ]


def test_the_sums_of_the_xml_add_up() -> None:
    document = xml(INVOICE)
    lines = [Decimal(text or "") for text in _texts(document, "LineTotalAmount")]
    assert sum(lines[:-1]) == lines[-1] == Decimal("2459.99")
    vat = sum(Decimal(text or "") for text in _texts(document, "CalculatedAmount"))
    assert _texts(document, "TaxTotalAmount") == [str(vat)]


def test_names_are_not_markup() -> None:
    assert _texts(xml(INVOICE), "Name")[-1] == BUYER.name


@pytest.mark.parametrize("language", ["fr", "en"])
def test_the_page_carries_the_xml_and_says_the_same(language: Language) -> None:
    document = pdf(INVOICE, language)
    name, carried = get_facturx_xml_from_pdf(document)
    assert (name, carried) == ("factur-x.xml", xml(INVOICE))
    reader = PdfReader(BytesIO(document))
    metadata = reader.xmp_metadata
    assert metadata is not None
    assert metadata.pdfaid_part == "3"
    page = "".join(reader.pages[0].extract_text().split())
    for text in ("2026-000017", BUYER.name, INVOICE.iban, SELLER.vat_number):
        assert "".join(text.split()) in page
    assert ("2950,54€" if language == "fr" else "€2,950.54") in page.replace("\u202f", "")


def test_a_credit_note_names_what_it_takes_back() -> None:
    one = replace(INVOICE, kind="credit_note", number="2026-000018", refers_to="2026-000017")
    page = PdfReader(BytesIO(pdf(one, "fr"))).pages[0].extract_text()
    assert "Avoir" in page
    assert "2026-000017" in page
