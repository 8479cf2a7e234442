"""What an invoice says to people, in French and in English."""

from __future__ import annotations

from datetime import date
from typing import Any, Final

from babel import Locale
from babel.dates import format_date

from chappe.desk.factur_x import exemption
from chappe.desk.invoice import Invoice, Line, Party
from chappe.desk.money import EURO, Language, shown, shown_exchange, shown_rate

_WORDS: Final[dict[Language, dict[str, Any]]] = {
    "fr": {
        "invoice": "Facture",
        "credit_note": "Avoir",
        "seller": "Vendeur",
        "buyer": "Client",
        "legal_id": "SIREN",
        "vat_number": "TVA",
        "columns": ["Désignation", "Quantité", "Prix unitaire HT", "TVA", "Montant HT"],
        "issued": "Date d’émission",
        "due": "Échéance",
        "reference": "Commande",
        "refers_to": "Annule la facture",
        "net": "Total HT",
        "vat": "TVA à {rate} sur {base}",
        "euros": "TVA en euros : {vat} (1 {currency} = {rate} € le {day}).",
        "gross": "Total TTC",
        "iban": "Paiement par virement : IBAN {iban}, en rappelant le numéro {number}.",
        "reverse_charge": "Autoliquidation : la TVA est due par le preneur"
        " (article 196 de la directive 2006/112/CE ; article 283-2 du code général des impôts).",
        "terms": "Pas d’escompte pour paiement anticipé. En cas de retard : intérêts à trois fois le taux"
        " d’intérêt légal et indemnité forfaitaire de 40 € pour frais de recouvrement"
        " (article L441-10 du code de commerce).",
    },
    "en": {
        "invoice": "Invoice",
        "credit_note": "Credit note",
        "seller": "Seller",
        "buyer": "Customer",
        "legal_id": "Company number",
        "vat_number": "VAT",
        "columns": ["Description", "Quantity", "Unit price, net", "VAT", "Net amount"],
        "issued": "Issued",
        "due": "Due",
        "reference": "Order",
        "refers_to": "Takes back invoice",
        "net": "Total, net",
        "vat": "VAT at {rate} on {base}",
        "euros": "VAT in euros: {vat} (1 {currency} = €{rate} on {day}).",
        "gross": "Total to pay",
        "iban": "Pay by transfer to IBAN {iban}, quoting {number}.",
        "reverse_charge": "Reverse charge: VAT is owed by the customer"
        " (article 196 of directive 2006/112/EC).",
        "terms": "No discount for early payment. Late payment: interest at three times the legal rate and a"
        " fixed 40 € for the cost of recovery (article L441-10 of the French commercial code).",
    },
}


def terms(language: Language) -> str:
    """What the law has every invoice say of late payment."""
    return str(_WORDS[language]["terms"])


def written(invoice: Invoice, language: Language) -> dict[str, Any]:
    """All that the page shows, as text, for the template."""
    words = _WORDS[language]
    return {
        "language": language,
        "number": invoice.number,
        "words": words | {"title": words[invoice.kind]},
        "seller": _party(invoice.seller, language),
        "buyer": _party(invoice.buyer, language),
        "facts": _facts(invoice, language),
        "lines": [_line(invoice, line, language) for line in invoice.lines],
        "sums": _sums(invoice, language),
        "total": {"label": words["gross"], "value": shown(invoice.gross, invoice.currency, language)},
        "notes": _notes(invoice, language),
    }


def designation(months: int, language: Language) -> str:
    """The one thing that is sold."""
    if language == "fr":
        return f"Ligne Chappe, terme de {months} mois"
    return f"Chappe line, term of {months} month{'s' if months > 1 else ''}"


def _party(party: Party, language: Language) -> dict[str, str]:
    country = Locale(language).territories.get(party.country, party.country)
    return {
        "name": party.name,
        "street": party.street,
        "postcode": party.postcode,
        "city": party.city,
        "country_name": country,
        "vat_number": party.vat_number,
        "legal_id": party.legal_id,
    }


def _facts(invoice: Invoice, language: Language) -> list[dict[str, str]]:
    words = _WORDS[language]
    facts = [(words["issued"], _day(invoice.issued, language))]
    if invoice.kind == "invoice":
        facts.append((words["due"], _day(invoice.due, language)))
    if invoice.reference:
        facts.append((words["reference"], invoice.reference))
    if invoice.refers_to:
        facts.append((words["refers_to"], invoice.refers_to))
    return [{"label": label, "value": value} for label, value in facts]


def _line(invoice: Invoice, line: Line, language: Language) -> dict[str, str]:
    return {
        "designation": line.designation,
        "quantity": str(line.quantity),
        "unit": shown(line.unit_net, invoice.currency, language),
        "rate": shown_rate(line.vat_rate, language) if invoice.treatment == "standard" else "–",
        "net": shown(line.net, invoice.currency, language),
    }


def _sums(invoice: Invoice, language: Language) -> list[dict[str, str]]:
    words = _WORDS[language]
    sums = [(words["net"], invoice.net)]
    if invoice.treatment == "standard":
        for vat in invoice.vat:
            base = shown(vat.base, invoice.currency, language)
            sums.append((words["vat"].format(rate=shown_rate(vat.rate, language), base=base), vat.amount))
    return [{"label": label, "value": shown(amount, invoice.currency, language)} for label, amount in sums]


def _notes(invoice: Invoice, language: Language) -> list[str]:
    words = _WORDS[language]
    notes = []
    if invoice.treatment == "reverse_charge":
        notes.append(words["reverse_charge"])
    elif why := exemption(invoice):
        notes.append(why)
    if invoice.vat_in_euros is not None and invoice.rate_day is not None:
        notes.append(
            words["euros"].format(
                vat=shown(invoice.vat_in_euros, EURO, language),
                currency=invoice.currency,
                rate=shown_exchange(invoice.rate, language),
                day=_day(invoice.rate_day, language),
            )
        )
    if invoice.iban and invoice.kind == "invoice":
        notes.append(words["iban"].format(iban=invoice.iban, number=invoice.number))
    if invoice.terms:
        notes.append(invoice.terms)
    return notes


def _day(day: date, language: Language) -> str:
    return str(format_date(day, format="long", locale="fr_FR" if language == "fr" else "en_GB"))
