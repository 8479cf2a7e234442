"""What the command line says of a line's term, in English and in French."""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING, Final

from chappe.wire.terms import utc_date

if TYPE_CHECKING:
    from chappe.client import LineTerm

TERM_WORDS: Final[dict[str, tuple[str, str]]] = {
    "term.none": (
        "This line has no term: it needs no renewal.",
        "Cette ligne n'a pas de terme : elle n'a pas besoin de renouvellement.",
    ),
    "term.until": ("This line is paid until {day}.", "Cette ligne est payée jusqu'au {day}."),
    "term.reminder": (
        "This line is paid until {day}: {days} days are left. Renew it: chappe renew CODE",
        "Cette ligne est payée jusqu'au {day} : il reste {days} jours. Renouvelez-la : chappe renew CODE",
    ),
    "term.tomorrow": (
        "This line is paid until tomorrow, {day}. Renew it: chappe renew CODE",
        "Cette ligne est payée jusqu'à demain, le {day}. Renouvelez-la : chappe renew CODE",
    ),
    "term.today": (
        "This line is paid until today, {day}. Renew it: chappe renew CODE",
        "Cette ligne est payée jusqu'à aujourd'hui, le {day}. Renouvelez-la : chappe renew CODE",
    ),
    "term.grace": (
        "The term of this line is over since {day}. It receives, and sends nothing. Export what you want to "
        "keep; from {next} on it is suspended. Renew it: chappe renew CODE",
        "Le terme de cette ligne est passé depuis le {day}. Elle reçoit, et n'envoie rien. Exportez ce que "
        "vous voulez garder ; à partir du {next}, elle est suspendue. Renouvelez-la : chappe renew CODE",
    ),
    "term.suspended": (
        "This line is suspended: its term is over since {day}. What is on this device can be read. Renew it "
        "before {next}, or it is closed: chappe renew CODE",
        "Cette ligne est suspendue : son terme est passé depuis le {day}. Ce qui est sur cet appareil reste "
        "lisible. Renouvelez-la avant le {next}, sinon elle est fermée : chappe renew CODE",
    ),
    "term.closed": (
        "This line is closed: its term is over since {day}. Export what you want to keep: from {next} on "
        "this device may not open any more.",
        "Cette ligne est fermée : son terme est passé depuis le {day}. Exportez ce que vous voulez garder : "
        "à partir du {next}, cet appareil pourrait ne plus s'ouvrir.",
    ),
    "term.renewed": (
        "Renewed: this line is paid until {day}.",
        "Renouvelée : la ligne est payée jusqu'au {day}.",
    ),
}


def state(term: LineTerm, now: int) -> tuple[str, dict[str, object]]:
    """How a term stands: the words and what goes into them."""
    over: dict[str, object] = {"day": _iso(term.last_day)}
    if term.stage != "active":
        later = {"grace": term.suspends, "suspended": term.closes}.get(term.stage, term.forgotten)
        return f"term.{term.stage}", over | {"next": _iso(utc_date(later))}
    if term.reminder(now) is None:
        return "term.until", over
    left = term.days_left(now)
    key = {0: "term.today", 1: "term.tomorrow"}.get(left, "term.reminder")
    return key, over | {"days": left}


def _iso(day: date) -> str:
    return day.isoformat()
