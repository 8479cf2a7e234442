"""What `chappe dossier` says, in English and in French."""

from __future__ import annotations

from typing import Final

DOSSIER_WORDS: Final[dict[str, tuple[str, str]]] = {
    "dossier.changed": (
        "The cryptology is not what was declared on {date} for version {version}: declare the change "
        "(`chappe dossier declare`).",
        "La cryptologie n'est plus celle qui a été déclarée le {date} pour la version {version} : déclarez "
        "le changement (`chappe dossier declare`).",
    ),
    "dossier.same": (
        "The cryptology is what was declared on {date} for version {version} (fingerprint {fingerprint}).",
        "La cryptologie est celle qui a été déclarée le {date} pour la version {version} (empreinte "
        "{fingerprint}).",
    ),
}
