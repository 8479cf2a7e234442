"""An invoice as PDF/A-3 that carries its own XML: Factur-X, profile EN 16931."""

from __future__ import annotations

import json
from datetime import UTC, datetime, time
from pathlib import Path
from typing import Final

from chappe.desk.factur_x import xml
from chappe.desk.invoice import Invoice
from chappe.desk.invoice_words import written
from chappe.desk.money import Language
from chappe.wire.errors import error

TEMPLATE: Final = Path(__file__).parent / "paper" / "invoice.typ"


def pdf(invoice: Invoice, language: Language) -> bytes:
    """The same invoice gives the same page. Raises usage.invalid where `chappe[dossier]` is not installed."""
    try:
        import typst
        from facturx import generate_from_binary
    except ImportError:
        raise error(
            "usage.invalid", "Papers need typst and factur-x: install `chappe[dossier]`, then try again."
        ) from None
    day = datetime.combine(invoice.issued, time(12), UTC)
    page = typst.compile(
        TEMPLATE,
        sys_inputs={"invoice": json.dumps(written(invoice, language))},
        pdf_standards=["a-3a"],
        timestamp=int(day.timestamp()),
    )
    carried = generate_from_binary(
        page, xml(invoice), flavor="factur-x", level="en16931", lang="fr-FR" if language == "fr" else "en-GB"
    )
    return bytes(carried)
