"""The bus on NATS (core, no JetStream: nothing is kept there). nats-py goes on for ever, at whichever server
of the cluster answers.

    chappe.<instance>.m.<mailbox>   subscribed by the gateway that holds its device
    chappe.<instance>.all           subscribed by all

What is to be said is gathered and said by one task: of a mailbox that much comes for at once only the newest
number is told, and nobody waits for NATS. While no server answers nothing is kept: others are told to look
when one does again.
"""

from __future__ import annotations

import asyncio
import hashlib
import ssl
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import structlog
from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.aio.subscription import Subscription
from nats.errors import Error as NatsError

from chappe.relay.bus import Heard
from chappe.relay.bus.wakes import (
    ASK,
    CHANGED,
    HERE,
    MAIL,
    MAX_WAKE,
    NOT_HERE,
    Kind,
    Notice,
    decode_notice,
    decode_to_mailbox,
    encode_mail,
    encode_notice,
)
from chappe.wire.errors import error

log = structlog.get_logger()

RECONNECT_SECONDS: Final = 1
CONNECT_SECONDS: Final = 3
PING_SECONDS: Final = 5
"""A server that says nothing twice as long is given up: it may be a machine that is gone."""
ASK_SECONDS: Final = 2.0
OF_A_MAILBOX: Final = 64
"""Wakes of a mailbox that wait here to be heard; beyond, they are dropped, and everything is looked at."""
OF_ALL: Final = 65_536
MAX_NOTICES: Final = 10_000
_PROBLEMS: Final = (NatsError, OSError, TimeoutError)


@dataclass(frozen=True, slots=True)
class Place:
    """Where NATS is. `urls`: with commas between, with name and password where it wants them; `token`: in
    place of those; `authority`, `certificate`, `key`: PEM files, where it is TLS."""

    urls: str = field(repr=False)
    instance: str
    token: str | None = field(default=None, repr=False)
    authority: Path | None = None
    certificate: Path | None = None
    key: Path | None = None

    def tls(self) -> ssl.SSLContext | None:
        """None where no URL asks for it. Raises tls.unreadable."""
        if self.authority is None and self.certificate is None and "tls://" not in self.urls:
            return None
        try:
            context = ssl.create_default_context(cafile=self.authority)
            if self.certificate is not None:
                context.load_cert_chain(self.certificate, self.key)
        except (OSError, ssl.SSLError):
            raise error("tls.unreadable", "The certificate files of the bus cannot be read.") from None
        return context


def instance_of(server_name: str) -> str:
    """A relay's name on a NATS that others use as well: no dots, and not the name itself."""
    return hashlib.sha256(b"chappe bus v1" + server_name.encode()).hexdigest()[:16]


class NatsBus:
    """Made and used in one event loop."""

    shared = True

    def __init__(self, place: Place) -> None:
        """Raises tls.unreadable."""
        self._place = place
        self._tls = place.tls()
        self._prefix = f"chappe.{place.instance}"
        self._client = Client()
        self._heard: Heard | None = None
        self._entered: dict[int, Subscription] = {}
        # What is to be said: gathered here, taken by `_talk`.
        self._moves: dict[int, bool] = {}
        self._mail: dict[int, int] = {}
        self._changed: set[int] = set()
        self._notices: dict[Notice, None] = {}
        self._work = asyncio.Event()
        self._lost = False
        self._closing = False
        self._task: asyncio.Task[None] | None = None

    async def start(self, heard: Heard) -> None:
        """Begins to connect; does not wait until it is."""
        self._heard = heard
        self._task = asyncio.get_running_loop().create_task(self._run())

    async def close(self) -> None:
        self._closing = True
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        with suppress(*_PROBLEMS):
            await self._client.close()

    # --- Bus

    def enter(self, mailbox: int) -> None:
        self._moves[mailbox] = True
        self._work.set()

    def leave(self, mailbox: int) -> None:
        self._moves[mailbox] = False
        self._work.set()

    def mail(self, mailbox: int, sequence: int) -> None:
        if self._client.is_connected:
            self._mail[mailbox] = max(sequence, self._mail.get(mailbox, 0))
            self._work.set()
        else:
            self._lost = True

    def changed(self, mailbox: int) -> None:
        if self._client.is_connected:
            self._changed.add(mailbox)
            self._work.set()
        else:
            self._lost = True

    def notify(self, notice: Notice) -> None:
        if self._client.is_connected and len(self._notices) < MAX_NOTICES:
            self._notices[notice] = None
            self._work.set()
        else:
            self._lost = True

    async def is_elsewhere(self, mailbox: int) -> bool:
        if not self._client.is_connected:
            return False
        try:
            answer = await self._client.request(self._of(mailbox), bytes((ASK,)), timeout=ASK_SECONDS)
        except _PROBLEMS:
            # Nobody has it, or nobody can say so.
            return False
        return answer.data == HERE

    # --- NATS

    def _of(self, mailbox: int) -> str:
        return f"{self._prefix}.m.{mailbox}"

    async def _run(self) -> None:
        while True:
            try:
                await self._connect()
                while not self._client.is_closed:
                    await self._talk()
                # It gives up where a server refuses it, say: a new one begins anew.
                log.warning("the bus refused to go on")
            except _PROBLEMS as problem:
                log.warning("the bus does not answer", kind=type(problem).__name__)
            except Exception:  # the task's outermost shell: gateways must go on hearing of each other
                log.exception("the bus failed in a way it should not")
            with suppress(*_PROBLEMS):
                await self._client.close()
            await asyncio.sleep(RECONNECT_SECONDS)

    async def _connect(self) -> None:
        self._client = client = Client()
        self._moves = dict.fromkeys(self._entered, True) | self._moves
        self._entered.clear()
        await client.connect(
            [url.strip() for url in self._place.urls.split(",")],
            name="chappe",
            token=self._place.token,
            tls=self._tls,
            no_echo=True,
            inbox_prefix=f"{self._prefix}.inbox",
            max_reconnect_attempts=-1,
            reconnect_time_wait=RECONNECT_SECONDS,
            connect_timeout=CONNECT_SECONDS,
            ping_interval=PING_SECONDS,
            max_outstanding_pings=2,
            error_cb=self._failed,
            disconnected_cb=self._went,
            reconnected_cb=self._came,
        )
        await client.subscribe(
            f"{self._prefix}.all",
            cb=self._hear_notice,
            pending_msgs_limit=OF_ALL,
            pending_bytes_limit=OF_ALL * MAX_WAKE,
        )
        await self._came()

    async def _failed(self, problem: Exception) -> None:
        """Also where wakes came faster than they were heard."""
        log.info("the bus has trouble", kind=type(problem).__name__)
        self._lost = True
        self._work.set()

    async def _went(self) -> None:
        if self._closing:
            return
        log.warning("the bus is gone; mail is looked for until it is back")
        self._lost = True

    async def _came(self) -> None:
        log.info("the bus is there")
        self._lost = True
        self._work.set()

    async def _talk(self) -> None:
        """Say what is to be said; where no server answers, wait a moment, and keep what is subscribed."""
        await self._work.wait()
        self._work.clear()
        if self._client.is_connected:
            await self._say_all()
            return
        self._mail.clear()
        self._changed.clear()
        await asyncio.sleep(RECONNECT_SECONDS)
        self._work.set()

    async def _say_all(self) -> None:
        client = self._client
        if self._lost:
            self._lost = False
            self._notices[Notice(Kind.MISSED)] = None
            if self._heard is not None:
                self._heard.missed()
        while self._moves:
            mailbox, here = self._moves.popitem()
            await self._move(mailbox, here)
        mail, self._mail = self._mail, {}
        for mailbox, sequence in mail.items():
            await client.publish(self._of(mailbox), encode_mail(sequence))
        changed, self._changed = self._changed, set()
        for mailbox in changed:
            await client.publish(self._of(mailbox), bytes((CHANGED,)))
        notices, self._notices = self._notices, {}
        for notice in notices:
            await client.publish(f"{self._prefix}.all", encode_notice(notice))

    async def _move(self, mailbox: int, here: bool) -> None:
        before = self._entered.get(mailbox)
        if here and before is None:
            self._entered[mailbox] = await self._client.subscribe(
                self._of(mailbox),
                cb=self._hear,
                pending_msgs_limit=OF_A_MAILBOX,
                pending_bytes_limit=OF_A_MAILBOX * MAX_WAKE,
            )
        elif not here and before is not None:
            del self._entered[mailbox]
            await before.unsubscribe()

    async def _hear(self, message: Msg) -> None:
        wake = decode_to_mailbox(message.data)
        mailbox = _mailbox_of(message.subject)
        if wake is None or mailbox is None or self._heard is None or mailbox not in self._entered:
            return
        kind, sequence = wake
        if kind == MAIL:
            self._heard.mail(mailbox, sequence)
        elif kind == CHANGED:
            self._heard.changed(mailbox)
        elif message.reply:
            with suppress(*_PROBLEMS):
                await self._client.publish(
                    message.reply, HERE if self._heard.answers_for(mailbox) else NOT_HERE
                )

    async def _hear_notice(self, message: Msg) -> None:
        notice = decode_notice(message.data)
        if notice is None or self._heard is None:
            return
        if notice.kind is Kind.MISSED:
            self._heard.missed()
        else:
            self._heard.notice(notice)


def _mailbox_of(subject: str) -> int | None:
    last = subject.rpartition(".")[2]
    return int(last) if last.isascii() and last.isdigit() and len(last) < 20 else None
