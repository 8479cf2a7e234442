"""The line's term, as the relay told it last: kept, so that a phone that is offline can remind of it too."""

from __future__ import annotations

from typing import Final

import msgspec

from chappe.client.core import Core
from chappe.client.events import TermChanged
from chappe.client.model import LineTerm
from chappe.client.transport import HttpApi
from chappe.wire import api, codes, frames
from chappe.wire.errors import ChappeError, error
from chappe.wire.frames import TermStage

_TERM: Final = "term"
_STAGES: Final[tuple[TermStage, ...]] = ("active", "grace", "suspended", "closed")


class Terms:
    def __init__(self, core: Core) -> None:
        self._core = core

    @property
    def told(self) -> frames.Term | None:
        kept = self._core.store.get(_TERM)
        return None if kept is None else msgspec.msgpack.decode(kept, type=frames.Term)

    @property
    def term(self) -> LineTerm | None:
        """None: the line has none."""
        told = self.told
        if told is None:
            return None
        return LineTerm(told.stage, told.ends, told.suspends, told.closes, told.forgotten)

    @property
    def may_send(self) -> bool:
        told = self.told
        return told is None or told.stage == "active"

    def check_sending(self) -> None:
        """Raises term.grace, term.suspended, term.closed."""
        told = self.told
        if told is not None and told.stage != "active":
            raise error(f"term.{told.stage}")

    def take(self, term: frames.Term) -> None:
        """What the relay says. It is believed: it could refuse all the same."""
        if term == self.told:
            return
        with self._core.change():
            self._core.store.set(_TERM, msgspec.msgpack.encode(term))
            self._core.tell(TermChanged(term.stage, term.ends))

    async def renew(self, http: HttpApi, code: str) -> LineTerm:
        """Redeem a code. Raises code.*, term.*, signin.*, network.*."""
        me, canonical = self._core.me, codes.parse(code)
        proof = me.sign(api.renew_bytes(me.server, canonical, me.device_id))
        answer = await http.renew(api.Renew(canonical, api.to_base64(me.device_id), api.to_base64(proof)))
        self.take(_term_of(answer))
        found = self.term
        assert found is not None
        return found


def _term_of(answer: api.Renewed) -> frames.Term:
    stage = next((stage for stage in _STAGES if stage == answer.stage), None)
    if stage is None:
        raise _unfit()
    try:
        told = frames.Term(stage, answer.ends, answer.suspends, answer.closes, answer.forgotten)
        return msgspec.msgpack.decode(msgspec.msgpack.encode(told), type=frames.Term)
    except msgspec.MsgspecError:
        raise _unfit() from None


def _unfit() -> ChappeError:
    return error("http.malformed", "The relay's answer has another form; update this client.")
