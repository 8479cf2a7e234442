"""A declaration's folder: both answer sheets, the brochures, and all of it for programs."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import msgspec

from chappe.desk.dossier import pdf
from chappe.desk.dossier.brochure import brochure
from chappe.desk.dossier.calls import Calls
from chappe.desk.dossier.commercial import commercial
from chappe.desk.dossier.declaring import Declaring
from chappe.desk.dossier.form import as_plain
from chappe.desk.dossier.means_sheet import means
from chappe.desk.dossier.service_sheet import service
from chappe.wire.cryptology import fingerprint, inventory
from chappe.wire.sqlite import os_failure

MEANS: Final = {"fr": "annexe-1-moyen.pdf", "en": "annex-1-means.pdf"}
SERVICE: Final = {"fr": "annexe-2-prestation.pdf", "en": "annex-2-service.pdf"}
BROCHURE: Final = {"fr": "brochure-technique.pdf", "en": "technical-brochure.pdf"}
COMMERCIAL: Final = {"fr": "brochure-commerciale.pdf", "en": "commercial-brochure.pdf"}
ALL: Final = "dossier.json"


def write(folder: Path, it: Declaring, found: Calls) -> list[Path]:
    """Write the folder; gives its files. Nothing is written where a paper cannot be made.

    Raises dossier.no_typst, storage.*.
    """
    papers = {
        MEANS[it.language]: means(it),
        SERVICE[it.language]: service(it),
        BROCHURE[it.language]: brochure(it, found),
        COMMERCIAL[it.language]: commercial(it),
    }
    contents = {name: pdf.make(paper) for name, paper in papers.items()}
    contents[ALL] = msgspec.json.format(msgspec.json.encode(whole(it)), indent=1) + b"\n"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, data in contents.items():
            (folder / name).write_bytes(data)
    except OSError as problem:
        raise os_failure(problem) from None
    return [folder / name for name in contents]


def whole(it: Declaring) -> dict[str, object]:
    """Everything that the papers are made from."""
    return {
        "format": 1,
        "date": it.date,
        "version": it.version,
        "draft": it.draft,
        "fingerprint": fingerprint(),
        "inventory": inventory(),
        "declarant": as_plain(it.form),
        "references": [
            {
                "id": one.id,
                "code": one.code,
                "inputs": {english: data for english, _, data in one.inputs},
                "outputs": {english: data for english, _, data in one.outputs},
            }
            for one in it.references
        ],
    }
