"""The declarant's details: a TOML file that a person fills in, and its template.

What is wrong is said by name (`declarant.email`), all of it at once, so that nobody files a form with a hole.
"""

from __future__ import annotations

import re
import tomllib
from datetime import date
from pathlib import Path
from typing import Any, Final, Literal, get_type_hints

import msgspec
from stdnum.fr import siren, siret

from chappe.wire.errors import error

MAX_FILE: Final = 256 * 1024
MAX_TEXT: Final = 2_000


class _Part(msgspec.Struct, forbid_unknown_fields=True, frozen=True, kw_only=True):
    """Of the form. An empty text is one that is not filled in yet."""


class Declarant(_Part, frozen=True):
    kind: Literal["company", "person"] = "company"
    name: str = ""
    legal_form: str = ""
    registration: str = ""
    nationality: str = ""
    address: str = ""
    postal_code: str = ""
    city: str = ""
    country: str = ""
    telephone: str = ""
    email: str = ""
    website: str = ""


class Contact(_Part, frozen=True):
    name: str = ""
    position: str = ""
    telephone: str = ""
    email: str = ""


class Means(_Part, frozen=True):
    brand: str = ""
    name: str = "Chappe"
    commercial_reference: str = ""
    market_date: str = ""
    manufacturer: str = ""
    operations: tuple[Literal["supply", "import", "transfer", "export"], ...] = ("supply",)
    mass_market: bool = False
    earlier_reference: str = ""


class Service(_Part, frozen=True):
    name: str = ""
    start_date: str = ""
    users: str = ""
    server_name: str = ""
    hosting: str = ""
    means_reference: str = ""


class Signing(_Part, frozen=True):
    name: str = ""
    capacity: str = ""
    place: str = ""
    date: str = ""


class Form(_Part, frozen=True):
    declarant: Declarant = Declarant()
    administrative: Contact = Contact()
    technical: Contact = Contact()
    means: Means = Means()
    service: Service = Service()
    signing: Signing = Signing()


_OPTIONAL: Final = frozenset(
    {
        "declarant.website", "declarant.legal_form", "means.brand", "means.commercial_reference",
        "means.manufacturer", "means.earlier_reference", "service.means_reference",
    }
)  # fmt: skip
_DATES: Final = frozenset({"means.market_date", "service.start_date", "signing.date"})
_EMAIL: Final = re.compile(r"[^@\s]{1,64}@[^@\s.]+(\.[^@\s.]+)+")
_TELEPHONE: Final = re.compile(r"\+?[0-9][0-9 ().-]{5,24}")


def read(path: Path, *, draft: bool) -> Form:
    """A filled-in form. With `draft`, texts may be missing. Raises dossier.malformed, naming each field."""
    try:
        with path.open("rb") as file:
            data = file.read(MAX_FILE + 1)
    except OSError:
        raise error(
            "dossier.malformed", f"{path.name} cannot be read; `chappe dossier form` writes a template."
        ) from None
    return parse(data, path.name, draft=draft)


def parse(data: bytes, name: str, *, draft: bool) -> Form:
    """As `read`."""
    if len(data) > MAX_FILE:
        raise error("dossier.malformed", f"{name} is too long to be a declarant's form.")
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError:
        raise error(
            "dossier.malformed", f"{name} is not UTF-8; save it as UTF-8 and run this again."
        ) from None
    try:
        form = msgspec.convert(tomllib.loads(text), Form)
    except tomllib.TOMLDecodeError as problem:
        raise error("dossier.malformed", f"{name} is not TOML: {problem}.") from None
    except msgspec.ValidationError as problem:
        raise error("dossier.malformed", f"{name}: {problem}.") from None
    except RecursionError:
        raise error("dossier.malformed", f"{name} is not a declarant's form.") from None
    wrong = list(_problems(form, draft=draft))
    if wrong:
        raise error("dossier.malformed", f"{name}: {'; '.join(wrong)}.")
    return form


def _problems(form: Form, *, draft: bool) -> list[str]:
    found: list[str] = []
    for part, kind in get_type_hints(Form).items():
        for field in msgspec.structs.fields(kind):
            name, value = f"{part}.{field.name}", getattr(getattr(form, part), field.name)
            if isinstance(value, str):
                problem = _problem(form, name, value, draft=draft)
                found += [f"{name} {problem}"] if problem else []
    if not form.means.operations:
        found.append("means.operations names no operation")
    return found


def _problem(form: Form, name: str, value: str, *, draft: bool) -> str:
    if not value.strip():
        return "" if draft or name in _OPTIONAL or _needless(form, name) else "is not filled in"
    if len(value) > MAX_TEXT or not all(char.isprintable() or char == "\n" for char in value):
        return "is too long, or holds control characters"
    if name in _DATES and not _is_day(value):
        return "is no date like 2026-05-31"
    if name.endswith(".email") and not _EMAIL.fullmatch(value):
        return "is no e-mail address"
    if name.endswith(".telephone") and not _TELEPHONE.fullmatch(value):
        return "is no telephone number"
    if name == "declarant.registration" and form.declarant.country.strip().lower() == "france":
        return "" if is_siren(value) else "is no SIREN or SIRET: its check digit is wrong"
    return ""


def _needless(form: Form, name: str) -> bool:
    """A person has no registration, a company no nationality."""
    kind = form.declarant.kind
    return name == ("declarant.registration" if kind == "person" else "declarant.nationality")


def _is_day(value: str) -> bool:
    try:
        return bool(re.fullmatch(r"\d{4}-\d\d-\d\d", value)) and date.fromisoformat(value) is not None
    except ValueError:
        return False


def is_siren(value: str) -> bool:
    """A SIREN (9 digits) or SIRET (14), with its check digit."""
    return bool(siren.is_valid(value) or siret.is_valid(value))


_FR: Final = """\
# Formulaire du déclarant, pour `chappe dossier declare`. Remplissez entre les guillemets ; tout le reste
# (algorithmes, protocoles, clés, sorties de référence, empreinte) vient du programme lui-même.

[declarant]
kind = "company"            # "company" : personne morale ; "person" : personne physique
name = ""                   # raison sociale ; ou nom et prénoms d'état civil
legal_form = ""             # SAS, association… (facultatif)
registration = ""           # SIREN ou SIRET ; hors de France, numéro au registre du pays
nationality = ""            # d'une personne physique
address = ""                # numéro et rue
postal_code = ""
city = ""
country = "France"
telephone = ""
email = ""
website = ""                # facultatif

[administrative]            # la personne chargée du dossier administratif
name = ""
position = ""
telephone = ""
email = ""

[technical]                 # la personne chargée des éléments techniques
name = ""
position = ""
telephone = ""
email = ""

[means]                     # le moyen de cryptologie (annexe I)
brand = ""                  # marque de distribution (facultatif)
name = "Chappe"             # la dénomination qui figurera sur l'attestation
commercial_reference = ""   # facultatif
market_date = ""            # mise sur le marché, réelle ou prévue : AAAA-MM-JJ
manufacturer = ""           # si le déclarant n'est pas le fabricant : le fabricant
# "supply" : fourniture ; "import" : importation ; "transfer" : transfert ; "export" : exportation
operations = ["supply"]
mass_market = false         # demander le classement « grand public » (annexe 2 du décret, catégorie 3)
earlier_reference = ""      # numéro d'une attestation antérieure, s'il y en a une

[service]                   # la prestation de cryptologie (annexe II)
name = ""                   # désignation de la prestation
start_date = ""             # début, réel ou prévu : AAAA-MM-JJ
users = ""                  # à qui elle s'adresse
server_name = ""            # nom du serveur (la partie après @ des adresses)
hosting = ""                # où le serveur est hébergé : opérateur, ville, pays
means_reference = ""        # numéro d'attestation du moyen, quand il est connu

[signing]
name = ""
capacity = ""               # qualité : président, gérant…
place = ""
date = ""                   # AAAA-MM-JJ
"""

_EN: Final = """\
# The declarant's form, for `chappe dossier declare`. Fill in between the quotes; all else (algorithms,
# protocols, keys, reference outputs, fingerprint) comes from the program itself.

[declarant]
kind = "company"            # "company", or "person"
name = ""                   # registered name; or a person's full name
legal_form = ""             # optional
registration = ""           # SIREN or SIRET in France; else the number in the country's register
nationality = ""            # of a person
address = ""                # number and street
postal_code = ""
city = ""
country = "France"
telephone = ""
email = ""
website = ""                # optional

[administrative]            # who answers for the file
name = ""
position = ""
telephone = ""
email = ""

[technical]                 # who answers for what is technical
name = ""
position = ""
telephone = ""
email = ""

[means]                     # the means of cryptology (Annexe I)
brand = ""                  # optional
name = "Chappe"             # the name that the attestation will bear
commercial_reference = ""   # optional
market_date = ""            # first supply, real or planned: YYYY-MM-DD
manufacturer = ""           # if the declarant is not the manufacturer: who is
operations = ["supply"]     # "supply", "import", "transfer", "export"
mass_market = false         # ask for the class "grand public" (annex 2 of the decree, category 3)
earlier_reference = ""      # number of an earlier attestation, if there is one

[service]                   # the service of cryptology (Annexe II)
name = ""
start_date = ""             # YYYY-MM-DD
users = ""                  # whom it is for
server_name = ""            # the part of addresses after @
hosting = ""                # where the server stands: by whom, town, country
means_reference = ""        # the attestation of the means, once it is known

[signing]
name = ""
capacity = ""               # president, manager…
place = ""
date = ""                   # YYYY-MM-DD
"""


def template(language: str) -> str:
    """An empty form, with comments in that language."""
    return _FR if language == "fr" else _EN


def as_plain(form: Form) -> dict[str, Any]:
    built: dict[str, Any] = msgspec.to_builtins(form)
    return built
