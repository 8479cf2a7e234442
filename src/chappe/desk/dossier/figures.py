"""The yearly transparency figures: how many lines, orders, erasures and disclosures."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any, Final

from sqlalchemy import func, select

from chappe.desk.database import Database
from chappe.desk.dossier.disclosure import HAPPENING
from chappe.desk.dossier.paper import Grid, Items, Language, Note, Paper, Section, day
from chappe.desk.dossier.wording import in_no_hand
from chappe.desk.tables import log
from chappe.wire.errors import error
from chappe.wire.kept import Words

FIRST_YEAR: Final = 2020


@dataclass(frozen=True, slots=True)
class Year:
    """`until`: the day after the last one that is counted; `whole`: all of the year is."""

    year: int
    since: date
    until: date
    whole: bool

    @property
    def bounds(self) -> tuple[int, int]:
        """Unix seconds: from, and before."""
        return tuple(  # type: ignore[return-value]
            int(datetime(one.year, one.month, one.day, tzinfo=UTC).timestamp())
            for one in (self.since, self.until)
        )


def year_of(year: int, today: date) -> Year:
    """Up to today where it is not over. Raises usage.invalid for one that has not begun."""
    if not FIRST_YEAR <= year <= today.year:
        raise error("usage.invalid", f"A year is {FIRST_YEAR} to {today.year}.")
    end = date(year + 1, 1, 1)
    tomorrow = date.fromordinal(today.toordinal() + 1)
    return Year(year, date(year, 1, 1), min(end, tomorrow), end <= tomorrow)


def disclosures(database: Database, year: Year) -> int:
    """How many were noted in the audit log. Raises storage.*."""
    since, until = year.bounds
    statement = (
        select(func.count())
        .select_from(log)
        .where(log.c.what == HAPPENING, log.c.at >= since, log.c.at < until)
    )
    return int(database.read(lambda connection: connection.execute(statement).scalar_one()))


WORDS: Final[Mapping[str, Words]] = {
    "lines_activated": ("Lines activated", "Lignes activées"),
    "lines_closed": ("Lines erased or closed", "Lignes effacées ou fermées"),
    "lines_at_the_end": ("Lines open at the end", "Lignes ouvertes à la fin"),
    "devices_added": ("Devices added", "Appareils ajoutés"),
    "devices_signed_out": ("Devices signed out for good", "Appareils révoqués"),
    "organisations_added": ("Organisations added", "Organisations ajoutées"),
    "organisations_at_the_end": ("Organisations at the end", "Organisations à la fin"),
    "orders_given": ("Orders of customers", "Ordres de clients"),
    "orders_carried_out": ("Orders carried out", "Ordres exécutés"),
    "erasures_ordered": ("Devices ordered to be erased", "Appareils dont l'effacement a été ordonné"),
    "erasures_unreadable": ("Devices made unreadable", "Appareils rendus illisibles"),
    "erasures_confirmed": ("Erasures that the device confirmed", "Effacements confirmés par l'appareil"),
    "holds_ordered": ("Legal holds ordered by customers", "Séquestres ordonnés par des clients"),
    "disclosures": ("Disclosures made by the operator", "Communications faites par l'opérateur"),
}


def as_plain(year: Year, counts: Mapping[str, int], operator: str, version: str) -> dict[str, Any]:
    return {
        "format": 1,
        "operator": operator,
        "version": version,
        "year": year.year,
        "since": year.since.isoformat(),
        "before": year.until.isoformat(),
        "whole": year.whole,
        "figures": dict(counts),
        "erasures_ordered_by_the_operator": 0,
        "not_held": {"en": in_no_hand("en"), "fr": in_no_hand("fr")},
    }


def page(
    year: Year, counts: Mapping[str, int], operator: str, version: str, today: str, language: Language
) -> Paper:
    def say(words: Words) -> str:
        return words[1] if language == "fr" else words[0]

    last = day(date.fromordinal(year.until.toordinal() - 1).isoformat(), language)
    rows = [[say(WORDS[name]), str(count)] for name, count in counts.items()]
    return Paper(
        language=language,
        title=say((f"Transparency figures for {year.year}", f"Chiffres de transparence de {year.year}")),
        kind=say(("How much, never of whom", "Combien, jamais de qui")),
        author=operator,
        date=today,
        foot=f"Chappe {version}",
        summary=say(
            (
                f"From {day(year.since.isoformat(), language)} to {last}, counted in the tables of "
                f"the relay and of the "
                "desk.",
                f"Du {day(year.since.isoformat(), language)} au {last}, comptés dans les tables du "
                f"relais et du guichet.",
            )
        ),
        sections=[
            Section(
                say(("1. Figures", "1. Chiffres")),
                [
                    Grid([say(("What", "Objet")), say(("How many", "Nombre"))], rows, [3, 1], ""),
                    *(
                        []
                        if year.whole
                        else [Note(say(("The year is not over.", "L'année n'est pas terminée.")))]
                    ),
                ],
            ),
            Section(
                say(("2. What stands behind them", "2. Ce qu'ils recouvrent")),
                [
                    Items(
                        [
                            say(
                                (
                                    "Erasures are ordered by customers alone: the operator has no "
                                    "key to order one with.",
                                    "Seuls les clients ordonnent un effacement : l'opérateur n'a "
                                    "aucune clé pour le faire.",
                                )
                            ),
                            say(
                                (
                                    "A disclosure tells what is held; each is noted in the desk's "
                                    "audit log before it is "
                                    "written.",
                                    "Une communication dit ce qui est détenu ; chacune est notée au "
                                    "journal du "
                                    "guichet avant "
                                    "d'être écrite.",
                                )
                            ),
                            say(
                                (
                                    "Lines that were forgotten 120 days after their term are counted "
                                    "no more.",
                                    "Les lignes oubliées 120 jours après leur période ne sont plus comptées.",
                                )
                            ),
                        ]
                    ),
                ],
            ),
            Section(
                say(("3. What the operator does not hold", "3. Ce que l'opérateur ne détient pas")),
                [
                    Items(in_no_hand(language)),
                ],
            ),
        ],
    )
