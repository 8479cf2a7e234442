"""An invoice as Factur-X: a PDF for people that carries the same invoice as EN 16931 XML (UN/CEFACT CII).

The XML is made here and checked against the published schema by the `factur-x` library, which also puts it
into the PDF. The PDF itself is typst's.
"""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import TYPE_CHECKING, Final

from chappe.desk.invoice import Invoice, Line, Party, Vat
from chappe.desk.money import EURO, decimal

# It comes with the extra `chappe[dossier]`; the desk runs without.
if TYPE_CHECKING:
    from lxml import etree

RSM: Final = "urn:un:unece:uncefact:data:standard:CrossIndustryInvoice:100"
RAM: Final = "urn:un:unece:uncefact:data:standard:ReusableAggregateBusinessInformationEntity:100"
UDT: Final = "urn:un:unece:uncefact:data:standard:UnqualifiedDataType:100"
PROFILE: Final = "urn:cen.eu:en16931:2017"
# UNTDID 1001, 5305, 4461; UN/ECE recommendation 20: one piece; ISO 6523: a SIREN.
TYPE_CODES: Final = {"invoice": "380", "credit_note": "381"}
CATEGORIES: Final = {"standard": "S", "reverse_charge": "AE", "exempt": "E"}
TRANSFER: Final = "58"
PIECE: Final = "C62"
SIREN: Final = "0002"
REVERSE_CHARGE: Final = "Autoliquidation / Reverse charge (2006/112/EC, art. 196)"


def xml(invoice: Invoice) -> bytes:
    """The invoice as CII, profile EN 16931."""
    from lxml import etree

    root = etree.Element(f"{{{RSM}}}CrossIndustryInvoice", nsmap={"rsm": RSM, "ram": RAM, "udt": UDT})
    context = _add(root, "rsm:ExchangedDocumentContext")
    _add(_add(context, "ram:GuidelineSpecifiedDocumentContextParameter"), "ram:ID", PROFILE)
    _head(root, invoice)
    trade = _add(root, "rsm:SupplyChainTradeTransaction")
    for number, line in enumerate(invoice.lines, start=1):
        _line(trade, invoice, line, number)
    _agreement(trade, invoice)
    delivery = _add(trade, "ram:ApplicableHeaderTradeDelivery")
    _date(_add(delivery, "ram:ActualDeliverySupplyChainEvent"), "ram:OccurrenceDateTime", invoice.issued)
    _settlement(trade, invoice)
    return bytes(etree.tostring(root, xml_declaration=True, encoding="UTF-8"))


def _head(root: etree._Element, invoice: Invoice) -> None:
    document = _add(root, "rsm:ExchangedDocument")
    _add(document, "ram:ID", invoice.number)
    _add(document, "ram:TypeCode", TYPE_CODES[invoice.kind])
    _date(document, "ram:IssueDateTime", invoice.issued)
    if invoice.terms:
        _add(_add(document, "ram:IncludedNote"), "ram:Content", invoice.terms)


def _line(trade: etree._Element, invoice: Invoice, line: Line, number: int) -> None:
    item = _add(trade, "ram:IncludedSupplyChainTradeLineItem")
    _add(_add(item, "ram:AssociatedDocumentLineDocument"), "ram:LineID", str(number))
    _add(_add(item, "ram:SpecifiedTradeProduct"), "ram:Name", line.designation)
    price = _add(_add(item, "ram:SpecifiedLineTradeAgreement"), "ram:NetPriceProductTradePrice")
    _amount(price, "ram:ChargeAmount", line.unit_net, invoice)
    delivery = _add(item, "ram:SpecifiedLineTradeDelivery")
    _add(delivery, "ram:BilledQuantity", str(line.quantity), unitCode=PIECE)
    settlement = _add(item, "ram:SpecifiedLineTradeSettlement")
    tax = _add(settlement, "ram:ApplicableTradeTax")
    _add(tax, "ram:TypeCode", "VAT")
    _category(tax, invoice, line.vat_rate)
    sums = _add(settlement, "ram:SpecifiedTradeSettlementLineMonetarySummation")
    _amount(sums, "ram:LineTotalAmount", line.net, invoice)


def _agreement(trade: etree._Element, invoice: Invoice) -> None:
    agreement = _add(trade, "ram:ApplicableHeaderTradeAgreement")
    selling = _add(agreement, "ram:SellerTradeParty")
    _party(selling, invoice.seller)
    if not invoice.seller.vat_number and invoice.seller.legal_id:
        # Who is not liable to VAT has a tax registration all the same (BT-32; BR-S-02, BR-E-02).
        _add(_add(selling, "ram:SpecifiedTaxRegistration"), "ram:ID", invoice.seller.legal_id, schemeID="FC")
    _party(_add(agreement, "ram:BuyerTradeParty"), invoice.buyer)
    if invoice.reference:
        order = _add(agreement, "ram:SellerOrderReferencedDocument")
        _add(order, "ram:IssuerAssignedID", invoice.reference)


def _party(node: etree._Element, party: Party) -> None:
    _add(node, "ram:Name", party.name)
    if party.legal_id:
        scheme = {"schemeID": SIREN} if party.country == "FR" else {}
        _add(_add(node, "ram:SpecifiedLegalOrganization"), "ram:ID", party.legal_id, **scheme)
    address = _add(node, "ram:PostalTradeAddress")
    if party.postcode:
        _add(address, "ram:PostcodeCode", party.postcode)
    _add(address, "ram:LineOne", party.street)
    _add(address, "ram:CityName", party.city)
    _add(address, "ram:CountryID", party.country)
    if party.email:
        _add(_add(node, "ram:URIUniversalCommunication"), "ram:URIID", party.email, schemeID="EM")
    if party.vat_number:
        number = party.vat_number if party.vat_number[:2].isalpha() else party.country + party.vat_number
        _add(_add(node, "ram:SpecifiedTaxRegistration"), "ram:ID", number, schemeID="VA")


def _settlement(trade: etree._Element, invoice: Invoice) -> None:
    settlement = _add(trade, "ram:ApplicableHeaderTradeSettlement")
    _add(settlement, "ram:PaymentReference", invoice.number)
    if invoice.vat_in_euros is not None:
        _add(settlement, "ram:TaxCurrencyCode", EURO)
    _add(settlement, "ram:InvoiceCurrencyCode", invoice.currency)
    if invoice.iban:
        means = _add(settlement, "ram:SpecifiedTradeSettlementPaymentMeans")
        _add(means, "ram:TypeCode", TRANSFER)
        _add(_add(means, "ram:PayeePartyCreditorFinancialAccount"), "ram:IBANID", invoice.iban)
    for vat in invoice.vat:
        _vat(settlement, invoice, vat)
    terms = _add(settlement, "ram:SpecifiedTradePaymentTerms")
    _date(terms, "ram:DueDateDateTime", invoice.due)
    _sums(settlement, invoice)
    if invoice.refers_to:
        _refers_to(settlement, invoice)


def _vat(settlement: etree._Element, invoice: Invoice, vat: Vat) -> None:
    tax = _add(settlement, "ram:ApplicableTradeTax")
    _amount(tax, "ram:CalculatedAmount", vat.amount, invoice)
    _add(tax, "ram:TypeCode", "VAT")
    if reason := exemption(invoice):
        _add(tax, "ram:ExemptionReason", reason)
    _amount(tax, "ram:BasisAmount", vat.base, invoice)
    _category(tax, invoice, vat.rate)


def exemption(invoice: Invoice) -> str:
    """Why no VAT is charged; empty where it is."""
    if invoice.treatment == "reverse_charge":
        return REVERSE_CHARGE
    return invoice.exemption if invoice.treatment == "exempt" else ""


def _category(tax: etree._Element, invoice: Invoice, rate: int) -> None:
    # A rate of nothing is its own category: Z, for goods that are rated at zero.
    code = CATEGORIES[invoice.treatment]
    charged = rate if code == "S" else 0
    _add(tax, "ram:CategoryCode", "Z" if code == "S" and charged == 0 else code)
    _add(tax, "ram:RateApplicablePercent", str(Decimal(charged).scaleb(-2)))


def _sums(settlement: etree._Element, invoice: Invoice) -> None:
    sums = _add(settlement, "ram:SpecifiedTradeSettlementHeaderMonetarySummation")
    _amount(sums, "ram:LineTotalAmount", invoice.net, invoice)
    _amount(sums, "ram:TaxBasisTotalAmount", invoice.net, invoice)
    _amount(sums, "ram:TaxTotalAmount", invoice.vat_total, invoice, currencyID=invoice.currency)
    if invoice.vat_in_euros is not None:
        _add(sums, "ram:TaxTotalAmount", str(decimal(invoice.vat_in_euros, EURO)), currencyID=EURO)
    _amount(sums, "ram:GrandTotalAmount", invoice.gross, invoice)
    _amount(sums, "ram:DuePayableAmount", invoice.gross, invoice)


def _refers_to(settlement: etree._Element, invoice: Invoice) -> None:
    document = _add(settlement, "ram:InvoiceReferencedDocument")
    _add(document, "ram:IssuerAssignedID", invoice.refers_to)


def _amount(parent: etree._Element, name: str, minor: int, invoice: Invoice, **attributes: str) -> None:
    _add(parent, name, str(decimal(minor, invoice.currency)), **attributes)


def _date(parent: etree._Element, name: str, day: date) -> None:
    _add(_add(parent, name), "udt:DateTimeString", day.strftime("%Y%m%d"), format="102")


def _add(parent: etree._Element, name: str, text: str | None = None, **attributes: str) -> etree._Element:
    from lxml import etree

    prefix, _, tag = name.partition(":")
    node = etree.SubElement(parent, f"{{{ {'rsm': RSM, 'ram': RAM, 'udt': UDT}[prefix] }}}{tag}", attributes)
    node.text = text
    return node
