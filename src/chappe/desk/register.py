"""The public register: which resellers are accredited today. A page for people, the same as JSON for
programs.

Nothing of a person is on it, and no script: the page is text and one style, under a policy that allows that
alone.
"""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Sequence
from datetime import date, datetime
from html import escape
from typing import Final, Literal, TypeAlias

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from chappe.desk import resellers
from chappe.desk.desk import Desk
from chappe.desk.models import Body, moment
from chappe.desk.resellers import Reseller, Standing

Language: TypeAlias = Literal["en", "fr"]
MAX_SHOWN: Final = 2_000

_STYLE: Final = """
:root{color-scheme:light dark}
body{font:1rem/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem}
table{border-collapse:collapse;width:100%}th,td{text-align:left;padding:.5rem;border-bottom:1px solid #8888}
.wide{overflow-x:auto}nav{margin-bottom:1rem}strong{color:light-dark(#a00,#f88)}
"""
_HEADERS: Final = {
    "Cache-Control": "public, max-age=300",
    "Content-Security-Policy": "default-src 'none'; style-src 'sha256-"
    + base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()
    + "'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}
_WORDS: Final[dict[Language, dict[str, str]]] = {
    "en": {
        "title": "Accredited resellers",
        "about": "These companies may sell lines of {server} today. A code of anybody else does not "
        "activate. They see no key, no address and no message.",
        "none": "No reseller is accredited today.",
        "name": "Company",
        "registration": "Registration",
        "city": "Town",
        "dates": "Accredited",
        "standing": "State",
        "until": "{first} to {last}",
        "accredited": "accredited",
        "suspended": "suspended: its codes do not activate",
        "as_of": "As of {at} UTC.",
        "json": "The same for programs",
        "stored": "Every field that is stored",
        "other": "Français",
    },
    "fr": {
        "title": "Revendeurs agréés",
        "about": "Ces entreprises peuvent vendre aujourd'hui des lignes de {server}. Le code de toute autre "
        "ne s'active pas. Elles ne voient ni clé, ni adresse, ni message.",
        "none": "Aucun revendeur n'est agréé aujourd'hui.",
        "name": "Entreprise",
        "registration": "Immatriculation",
        "city": "Ville",
        "dates": "Agrément",
        "standing": "État",
        "until": "du {first} au {last}",
        "accredited": "agréé",
        "suspended": "suspendu : ses codes ne s'activent pas",
        "as_of": "À la date du {at} UTC.",
        "json": "La même liste pour les programmes",
        "stored": "Chaque champ conservé",
        "other": "English",
    },
}


class RegisterEntry(Body):
    """Both days are included."""

    name: str
    trade_name: str
    country: str
    registration: str
    city: str
    website: str
    standing: Standing
    accredited_from: date
    accredited_until: date


class RegisterView(Body):
    """`server`: whose lines they sell."""

    server: str
    at: datetime
    resellers: list[RegisterEntry]


def view(desk: Desk) -> RegisterView:
    """Accredited, or suspended while accredited; by name. Blocking."""
    now = desk.database.now()

    def shown(standing: Standing) -> list[Reseller]:
        return desk.database.read(
            lambda connection: resellers.listed(connection, now, limit=MAX_SHOWN, standing=standing)
        )

    found = [_entry(one) for one in shown(Standing.ACCREDITED) + shown(Standing.SUSPENDED)]
    return RegisterView(
        server=desk.settings.server_name,
        at=moment(now),
        resellers=sorted(found, key=lambda one: (one.name.casefold(), one.registration)),
    )


def page(register: RegisterView, language: Language) -> str:
    """The HTML of it: everything that a person wrote is escaped."""
    words = _WORDS[language]
    other = "en" if language == "fr" else "fr"
    return (
        f'<!doctype html><html lang="{language}"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width">'
        f"<title>{words['title']} · Chappe</title><style>{_STYLE}</style></head><body>"
        f'<nav><a href="?lang={other}" lang="{other}" hreflang="{other}">{words["other"]}</a></nav>'
        f"<main><h1>{words['title']}</h1><p>{words['about'].format(server=escape(register.server))}</p>"
        f"{_table(register, words)}"
        f"<p>{words['as_of'].format(at=f'{register.at:%Y-%m-%d %H:%M}')} "
        f'<a href="/register.json">{words["json"]}</a> · <a href="/stored">{words["stored"]}</a></p>'
        "</main></body></html>"
    )


def register_routes(desk: Desk) -> Sequence[BaseRoute]:
    """At the top of the site, where people look."""

    async def people(request: Request) -> Response:
        language = language_of(request.query_params.get("lang"), request.headers.get("accept-language", ""))
        html = page(await run_in_threadpool(view, desk), language)
        headers = _HEADERS | {"Content-Language": language, "Vary": "Accept-Language"}
        return Response(html, media_type="text/html", headers=headers)

    async def programs(_request: Request) -> Response:
        found = await run_in_threadpool(view, desk)
        headers = _HEADERS | {"Access-Control-Allow-Origin": "*"}
        return Response(found.model_dump_json(), media_type="application/json", headers=headers)

    return [
        Route("/register", people, methods=["GET"]),
        Route("/register.json", programs, methods=["GET"]),
    ]


def language_of(asked: str | None, accepted: str) -> Language:
    """`?lang=`, or the first of ours in Accept-Language (its order is enough: browsers sort it)."""
    if asked is not None and asked in _WORDS:
        return "fr" if asked == "fr" else "en"
    for part in accepted[:500].lower().split(","):
        match = re.match(r"\s*(en|fr)\b", part)
        if match:
            return "en" if match[1] == "en" else "fr"
    return "en"


def _table(register: RegisterView, words: dict[str, str]) -> str:
    if not register.resellers:
        return f"<p>{words['none']}</p>"
    heads = "".join(
        f'<th scope="col">{words[name]}</th>'
        for name in ("name", "registration", "city", "dates", "standing")
    )
    rows = "".join(_row(one, words) for one in register.resellers)
    return f'<div class="wide"><table><thead><tr>{heads}</tr></thead><tbody>{rows}</tbody></table></div>'


def _row(one: RegisterEntry, words: dict[str, str]) -> str:
    name = escape(one.name)
    if one.trade_name:
        name += f" ({escape(one.trade_name)})"
    if one.website:
        name = f'<a href="{escape(one.website)}" rel="noopener noreferrer nofollow">{name}</a>'
    dates = words["until"].format(
        first=one.accredited_from.isoformat(), last=one.accredited_until.isoformat()
    )
    standing = words[one.standing.value]
    if one.standing is Standing.SUSPENDED:
        standing = f"<strong>{standing}</strong>"
    return (
        f'<tr><th scope="row">{name}</th><td>{escape(one.country)} {escape(one.registration)}</td>'
        f"<td>{escape(one.city)}</td><td>{dates}</td><td>{standing}</td></tr>"
    )


def _entry(one: Reseller) -> RegisterEntry:
    assert one.accredited_from is not None
    assert one.accredited_until is not None
    particulars = one.particulars
    return RegisterEntry(
        name=particulars.name,
        trade_name=particulars.trade_name,
        country=particulars.country,
        registration=particulars.registration,
        city=particulars.city,
        website=particulars.website,
        standing=one.standing,
        accredited_from=one.accredited_from,
        accredited_until=one.accredited_until,
    )
