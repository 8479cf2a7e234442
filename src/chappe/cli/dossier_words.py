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
    "dossier.form.exists": (
        "{path} is there already; fill it in, or choose another --out.",
        "{path} existe déjà ; remplissez-le, ou choisissez un autre --out.",
    ),
    "dossier.form.written": (
        "The form is in {path}. Fill it in, then: chappe dossier declare --form {path} --out FOLDER",
        "Le formulaire est dans {path}. Remplissez-le, puis : chappe dossier declare --form {path} "
        "--out DOSSIER",
    ),
    "dossier.drafted": (
        "A draft: nothing was noted as declared.",
        "C'est un projet : rien n'a été noté comme déclaré.",
    ),
    "dossier.declared": (
        "Noted as declared in {path}; `chappe dossier check` compares with it. Read the papers "
        "before you file them.",
        "Noté comme déclaré dans {path} ; `chappe dossier check` s'y compare. Relisez les pièces "
        "avant de les "
        "déposer.",
    ),
    "dossier.written": ("Written to {path}.", "Écrit dans {path}."),
    "dossier.disclosed": (
        "Disclosure no. {number} is noted in the desk's audit log. Signed with {public}.",
        "La communication n° {number} est notée au journal du guichet. Signée avec {public}.",
    ),
    "dossier.other_line": (
        "Another line had this address before, and is not in it: {line}. Ask for it by that id.",
        "Une autre ligne a porté cette adresse et n'y figure pas : {line}. Demandez-la par cet identifiant.",
    ),
    "dossier.holds": (
        "Disclosure no. {number} of {at} on {asked} is as it was signed, with the key {public}.",
        "La communication n° {number} du {at} sur {asked} est telle qu'elle a été signée, avec la "
        "clé {public}.",
    ),
    "dossier.compare_key": (
        "Whose key that is, this cannot say: compare it with the operator's, or give that as --key.",
        "Ceci ne dit pas à qui est cette clé : comparez-la avec celle de l'opérateur, ou donnez "
        "celle-ci avec "
        "--key.",
    ),
    "dossier.other_key": (
        "The paper is signed with another key than the operator's: {public}. Do not rely on it.",
        "La pièce est signée avec une autre clé que celle de l'opérateur : {public}. Ne vous y fiez pas.",
    ),
}
