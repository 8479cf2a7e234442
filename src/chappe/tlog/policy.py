"""Whom to believe about a log: its keys, its witnesses, and how many of them (C2SP tlog-policy).

A policy is a text file: lines `log <vkey> [<url>]`, `witness <name> <vkey> [<url>]`,
`group <name> all|any|<k> <name>...` and one `quorum <name>|none`. Stricter than the specification in one
point: a checkpoint needs a signature of *every* key that is listed for its log, so that an Ed25519 key and
an ML-DSA-44 key together are as strong as the stronger of them.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Final

from chappe.tlog.checkpoints import Checkpoint
from chappe.tlog.errors import Malformed, Unsigned, WrongLog
from chappe.tlog.keys import Kind, VerifierKey
from chappe.tlog.notes import SignedNote
from chappe.tlog.text import from_decimal

MAX_LINES: Final = 1000
MAX_GROUPS: Final = 64
MAX_POLICY: Final = 512 * 1024
LOG_KINDS: Final = (Kind.ED25519, Kind.COSIGNATURE_ML_DSA_44)
WITNESS_KINDS: Final = (Kind.COSIGNATURE_ED25519, Kind.COSIGNATURE_ML_DSA_44)


@dataclass(frozen=True, slots=True)
class Group:
    """Holds if `threshold` of its members do; a member is a witness's key or another group."""

    threshold: int
    members: tuple[VerifierKey | Group, ...]

    def __post_init__(self) -> None:
        if not 1 <= self.threshold <= len(self.members):
            raise Malformed("a group needs one to all of its members")

    def met(self, signed: Collection[VerifierKey]) -> bool:
        """Whether those who signed are enough."""
        count = sum(each.met(signed) if isinstance(each, Group) else each in signed for each in self.members)
        return count >= self.threshold

    def witnesses(self) -> list[VerifierKey]:
        """Every key in it, as often as it occurs."""
        parts = (each.witnesses() if isinstance(each, Group) else [each] for each in self.members)
        return [key for part in parts for key in part]


@dataclass(frozen=True, slots=True)
class SignedCheckpoint:
    """A checkpoint that a policy was satisfied with. Only `Policy.check` makes one.

    `note` is all of it, as it came; `times` says who of the known keys signed, and when (seconds since 1970,
    0 or None where the signature does not say).
    """

    checkpoint: Checkpoint
    note: bytes
    times: Mapping[VerifierKey, int | None] = field(compare=False)

    @property
    def signed_at(self) -> int:
        """The latest time that a known key gives, 0 if none does: how fresh the head is."""
        return max((at or 0 for at in self.times.values()), default=0)


@dataclass(frozen=True, slots=True)
class Policy:
    """The keys of the logs, and the quorum of witnesses; None if none is needed."""

    logs: tuple[VerifierKey, ...]
    quorum: Group | None = None

    def __post_init__(self) -> None:
        witnesses = self.quorum.witnesses() if self.quorum else []
        if any(key.kind not in LOG_KINDS for key in self.logs):
            raise Malformed("a log does not sign with a key of this kind")
        if any(key.kind not in WITNESS_KINDS for key in witnesses):
            raise Malformed("a witness does not sign with a key of this kind")
        # A key that is there twice would be counted twice; a log that is its own witness says nothing new.
        publics = [key.public for key in (*self.logs, *witnesses)]
        if len(set(publics)) != len(publics):
            raise Malformed("a public key is in the policy twice")

    def check(self, data: bytes) -> SignedCheckpoint:
        """The checkpoint in a signed note, if every key of its log and enough witnesses have signed it.

        Raises Malformed, WrongLog for an origin that has no key here, WrongSignature if a known key's
        signature does not hold, and Unsigned if signatures are missing.
        """
        note = SignedNote.parse(data)
        checkpoint = Checkpoint.parse(note.text)
        logs = [key for key in self.logs if key.name == checkpoint.origin]
        if not logs:
            raise WrongLog("a checkpoint of a log that the policy does not name")
        signed = note.verify([*logs, *(self.quorum.witnesses() if self.quorum else ())])
        if any(key not in signed for key in logs):
            raise Unsigned("the log has not signed with each of its keys")
        if self.quorum and not self.quorum.met(signed.keys()):
            raise Unsigned("too few witnesses have cosigned")
        return SignedCheckpoint(checkpoint, data, signed)

    @classmethod
    def parse(cls, data: bytes) -> Policy:
        """The policy in a file. Raises Malformed, with the number of the line, for anything that does not
        fit."""
        if len(data) > MAX_POLICY or data.count(b"\n") > MAX_LINES:
            raise Malformed("the policy is too long")
        if any((byte < 0x20 and byte not in b"\t\n") or byte == 0x7F for byte in data):
            raise Malformed("the policy has a control character")
        reader = _PolicyReader()
        # Names are octets: Latin-1 keeps them apart as they are.
        for number, line in enumerate(data.decode("latin-1").split("\n"), 1):
            items = [item for item in line.replace("\t", " ").split(" ") if item]
            if items and not items[0].startswith("#"):
                try:
                    reader.read(items)
                except Malformed as error:
                    raise Malformed(f"line {number} of the policy: {error}") from error
        return reader.policy()


@dataclass(slots=True)
class _PolicyReader:
    logs: list[VerifierKey] = field(default_factory=list)
    names: dict[str, VerifierKey | Group] = field(default_factory=dict)
    used: set[str] = field(default_factory=set)
    quorum: list[Group | None] = field(default_factory=list)

    def read(self, items: list[str]) -> None:
        match items:
            case ["log", vkey] | ["log", vkey, _]:
                self.logs.append(_vkey(vkey))
            case ["witness", name, vkey] | ["witness", name, vkey, _]:
                self._name(name, _vkey(vkey))
            case ["group", name, count, *members] if members:
                if sum(isinstance(each, Group) for each in self.names.values()) == MAX_GROUPS:
                    raise Malformed(f"a policy has at most {MAX_GROUPS} groups")
                self._name(name, self._group(count, members))
            case ["quorum", "none"]:
                self.quorum.append(None)
            case ["quorum", name]:
                found = self._find(name)
                self.quorum.append(found if isinstance(found, Group) else Group(1, (found,)))
            case _:
                raise Malformed("not a log, witness, group or quorum line")

    def policy(self) -> Policy:
        if len(self.quorum) != 1:
            raise Malformed("a policy has one quorum line")
        # Witnesses outside the quorum are not asked; that they are no doubles is checked all the same.
        witnesses = [each for each in self.names.values() if isinstance(each, VerifierKey)]
        Policy((), Group(1, tuple(witnesses)) if witnesses else None)
        return Policy(tuple(self.logs), self.quorum[0])

    def _name(self, name: str, value: VerifierKey | Group) -> None:
        if name == "none" or name in self.names:
            raise Malformed("a name that is taken")
        self.names[name] = value

    def _find(self, name: str) -> VerifierKey | Group:
        if name not in self.names:
            raise Malformed("a name that no line before defines")
        return self.names[name]

    def _group(self, count: str, names: list[str]) -> Group:
        for name in names:
            if name in self.used:
                raise Malformed("a name that is a member already")
            self.used.add(name)
        members = tuple(self._find(name) for name in names)
        threshold = {"all": len(members), "any": 1}.get(count)
        return Group(from_decimal(count) if threshold is None else threshold, members)


def _vkey(text: str) -> VerifierKey:
    try:
        return VerifierKey.parse(text.encode("latin-1").decode())
    except UnicodeDecodeError as error:
        raise Malformed("a vkey is not UTF-8") from error
