"""The judge: what was sent, against what the phones hold and show. It knows no attack.

Harm is what a person did not choose: a message that is missing, doubled, moved, changed, of nobody's making,
or read by the attacker; a device or a conversation that nobody let in; a phone that ended.
A run is **noticed** if a person saw an alarm, or sees a sign (an own message that never shows as read); it is
**harmless** if there was neither harm nor alarm; harm that nobody can see is **unnoticed**, and a failure.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from bench.drill.eyes import Sight

if TYPE_CHECKING:
    from bench.drill.attack import Attack
    from bench.drill.stage import Person, Said, Stage

NOTICED, HARMLESS, UNNOTICED, NOT_MADE = "noticed", "harmless", "unnoticed", "not made"
FALSE_ALARM, HONEST, LOST = "false alarm", "honest", "lost"


@dataclass(frozen=True, slots=True)
class Judged:
    """One run. `signs`: messages that their senders see were not read."""

    verdict: str
    harms: list[str] = field(default_factory=list)
    alarms: list[Sight] = field(default_factory=list)
    signs: list[Sight] = field(default_factory=list)

    @property
    def sees(self) -> list[Sight]:
        return [*self.alarms, *self.signs]


def judge(stage: Stage, attack: Attack, *, eyes_shut: bool = False) -> Judged:
    """After the phones have come to rest. `eyes_shut`: as if nobody looked, which is the control."""
    harms, alarms, signs = _found(stage)
    harms += [f"the attacker read “{text}”" for text in attack.read]
    if eyes_shut:
        alarms, signs = [], []
    return Judged(_verdict(attack.struck, harms, alarms, signs), harms, alarms, signs)


def judge_honest(stage: Stage) -> Judged:
    """A run without an attack: whatever is noticed is a false alarm."""
    harms, alarms, signs = _found(stage)
    verdict = LOST if harms else FALSE_ALARM if alarms or signs else HONEST
    return Judged(verdict, harms, alarms, signs)


def _found(stage: Stage) -> tuple[list[str], list[Sight], list[Sight]]:
    return (
        [harm for person in stage.cast for harm in _harms(stage, person)]
        + [harm for page in stage.watched for harm in page.harms],
        [alarm for person in stage.cast for alarm in stage.alarms(person)]
        + [alarm for page in stage.watched for alarm in page.alarms],
        [sign for person in stage.cast for sign in _signs(stage, person)],
    )


def _verdict(struck: bool, harms: list[str], alarms: list[Sight], signs: list[Sight]) -> str:
    if not struck:
        return NOT_MADE
    # An alarm that shows nothing is none: nobody sees it.
    if any(alarm.text for alarm in alarms) or signs:
        return NOTICED
    return UNNOTICED if harms else HARMLESS


def _harms(stage: Stage, person: Person) -> list[str]:
    if person.away:
        return [f"{person.name}'s phone does not open: {person.ended or 'it stays locked'}"]
    return [*_wrong_messages(stage, person), *_strangers(stage, person)]


def _wrong_messages(stage: Stage, person: Person) -> list[str]:
    found: list[str] = []
    for conversation in stage.conversations:
        mine = [
            said for said in stage.said if said.conversation == conversation and person.name in said.readers
        ]
        shown = person.shown(conversation)
        for sender in sorted({said.sender for said in mine} | {name for name, _ in shown}):
            wanted = [said.text for said in mine if said.sender == sender]
            found += _compared(person.name, sender, wanted, [text for name, text in shown if name == sender])
    return found


def _compared(reader: str, sender: str, wanted: Sequence[str], shown: Sequence[str]) -> list[str]:
    missing, extra = Counter(wanted) - Counter(shown), Counter(shown) - Counter(wanted)
    found = [f"{reader} has no “{text}” of {sender}" for text in missing]
    found += [
        f"{reader} is shown “{text}” of {sender} {'again' if text in wanted else 'too'}" for text in extra
    ]
    there = [text for text in shown if text in wanted]
    if not found and there != [text for text in wanted if text in there]:
        found.append(f"{reader} is shown what {sender} wrote in another order")
    return found


def _strangers(stage: Stage, person: Person) -> list[str]:
    found = []
    for conversation, devices in person.places().items():
        if conversation not in stage.conversations:
            # What was begun alone and refused stays, with nobody else in it.
            if devices - {person.phone.device_id}:
                found.append(f"{person.name} is in a conversation that nobody made")
            continue
        if devices - stage.devices:
            found.append(f"a stranger's device is in a conversation of {person.name}")
    for name in stage.conversations_of(person):
        if not person.is_in(name):
            found.append(f"{person.name} is not in a conversation that they should be in")
    return found


def _signs(stage: Stage, person: Person) -> list[Sight]:
    """Own messages that do not show as read, though all have read what they have."""
    if person.away:
        return []
    found = []
    for said in stage.said:
        if said.sender == person.name and set(said.readers) - {person.name}:
            state = person.state_of(said.id)
            if state != "read":
                found.append(Sight(person.name, f"not read ({state})", _sign(said, state)))
    return found


def _sign(said: Said, state: str) -> str:
    return f"the own message stays “{state}”, and never shows as read"
