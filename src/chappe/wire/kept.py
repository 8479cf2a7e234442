"""What is kept of whom, why, and for how long: the form of the reasons that each store gives for its tables.

Relay, share service and desk each say it beside their tables; `chappe dossier inventory` reads the schema of
the databases as they are and puts the two together. A column without a reason fails a test.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, TypeAlias

Words: TypeAlias = tuple[str, str]
"""English, French."""


@dataclass(frozen=True, slots=True)
class Kept:
    """Of a table: what a row is and why it is kept, for how long, and what each column is for."""

    why: Words
    how_long: Words
    columns: Mapping[str, Words]


@dataclass(frozen=True, slots=True)
class KeptFile:
    """Of files in the data directory. `pattern`: as `fnmatch` reads it, from the directory."""

    pattern: str
    why: Words
    how_long: Words


FOR_GOOD: Final[Words] = ("for good", "sans limite")
WITH_THE_LINE: Final[Words] = ("as long as the line is kept", "tant que la ligne est conservée")
WITH_THE_DEVICE: Final[Words] = ("as long as the device is kept", "tant que l'appareil est conservé")
THIRTY_DAYS: Final[Words] = ("30 days at the most", "30 jours au plus")
WHILE_RUNNING: Final[Words] = ("as long as the relay is run", "tant que le relais est exploité")

THE_LINE: Final[Words] = ("the line's random id", "identifiant aléatoire de la ligne")
THE_DEVICE: Final[Words] = ("the device's random id", "identifiant aléatoire de l'appareil")
THE_MAILBOX: Final[Words] = ("number of the device's mailbox", "numéro de la boîte de l'appareil")
THE_ORGANISATION: Final[Words] = (
    "whose it is, if an organisation's",
    "organisation concernée, s'il y en a une",
)
THE_ORDER: Final[Words] = ("the order's random id", "identifiant aléatoire de l'ordre")
MADE_AT: Final[Words] = ("when it was made", "date de création")
AT: Final[Words] = ("when", "date")
VERSION: Final[Words] = (
    "so that two people do not overwrite one another",
    "évite que deux personnes s'écrasent",
)
