"""The relay's numbers in Prometheus's words. A label has its values from a closed set, or there is none."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Final

from prometheus_client import CollectorRegistry, ProcessCollector
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest
from prometheus_client.registry import Collector

from chappe.relay.watching.readiness import CHECKS, Doctor, Readiness
from chappe.relay.watching.tally import OTHER, TURNED_AWAY, UNLOCKS
from chappe.relay.watching.totals import KEEP_SECONDS, Totals, count
from chappe.wire.door import UnlockCounts
from chappe.wire.errors import KINDS, ChappeError

if TYPE_CHECKING:
    from chappe.relay.relay import Relay

CONTENT_TYPE: Final = CONTENT_TYPE_LATEST
LABELS: Final[Mapping[str, frozenset[str]]] = {
    "code": frozenset({*KINDS, OTHER}),
    "outcome": frozenset(UNLOCKS),
    "limit": frozenset(TURNED_AWAY),
    "check": frozenset(CHECKS),
}
"""Every label there is, beside a histogram's `le`, with all that it may say. A test holds the page to it."""


class Metrics:
    """Of one relay. Used in its event loop."""

    def __init__(self, relay: Relay, doctor: Doctor) -> None:
        self._relay = relay
        self._doctor = doctor
        self._found: Readiness | None = None
        self._totals: Totals | None = None
        self._counted_at = float("-inf")
        self._unlocks: UnlockCounts | None = None
        registry = relay.tally.registry
        registry.register(_Numbers(self))
        ProcessCollector(registry=registry)
        self._registry: CollectorRegistry = registry

    async def page(self, now: float) -> bytes:
        """What a scrape is answered. `now`: steady seconds. Where the store does not answer, the totals are
        left out, and the rest is told."""
        if now - self._counted_at >= KEEP_SECONDS:
            self._counted_at = now
            try:
                self._totals = await self._relay.store.read(count)
            except ChappeError:
                self._totals = None
            self._unlocks = await self._relay.unlock_counts()
        self._found = await self._doctor.look()
        return generate_latest(self._registry)

    def numbers(self) -> Iterable[Metric]:
        yield from self._here()
        yield from self._done()
        if self._found is not None:
            yield _gauge("ready", "1 while the relay takes messages.", int(self._found.ready))
            family = GaugeMetricFamily("chappe_check", "1 where this part is well.", labels=["check"])
            for check in CHECKS:
                family.add_metric([check], int(self._found.checks.get(check, "ok") == "ok"))
            yield family
        if self._totals is not None:
            yield from _stored(self._totals)
        if self._unlocks is not None:
            yield _gauge(
                "share_devices", "Devices that the share service keeps a share of.", self._unlocks.devices
            )
            yield _gauge(
                "share_devices_failing", "Of them, after one wrong guess or more.", self._unlocks.failing
            )
            yield _gauge(
                "share_devices_worn_out", "Shares that wrong guesses destroyed.", self._unlocks.worn_out
            )

    def _here(self) -> Iterable[Metric]:
        relay = self._relay
        sockets, waiting = relay.load()
        size, age = relay.log_head()
        yield _gauge("connections", "WebSockets that are here.", sockets)
        yield _gauge("connections_signed_in", "Of them, those whose device has signed in.", len(relay.hub))
        yield _gauge("connections_of_strangers", "Of all, those that nobody signed in on.", relay.seats.taken)
        yield _gauge("store_waiting_bytes", "Requests that wait for the store.", waiting)
        yield _gauge("log_entries", "Entries of the transparency log's head.", size)
        yield _gauge("log_head_age_seconds", "Since the log's head was signed.", age)
        yield _gauge(
            "clock_jump_days",
            "Days that the clock is ahead of the last time believed; 0: none.",
            relay.days_ahead(),
        )
        yield _gauge(
            "leads", "1 where what only one gateway does is done: log, sweep, orders.", int(relay.leads)
        )
        yield _gauge("draining", "1 while the relay is going, and takes nobody new.", int(relay.draining))

    def _done(self) -> Iterable[Metric]:
        tally = self._relay.tally
        yield _counter("sign_ins", "Devices that signed in.", tally.signed_in)
        yield _counter("messages_accepted", "Messages and commits that were taken, durably.", tally.accepted)
        yield _counter("items_acknowledged", "Envelopes that devices have, and said so.", tally.acknowledged)
        yield _counter("sealed_stale", "Sealed messages whose token did not hold.", tally.stale)
        yield _by("refusals", "What was refused, by stable code.", "code", tally.refused)
        yield _by(
            "unlock_guesses", "Guesses of locked phones, by how they ended here.", "outcome", tally.unlocks
        )
        yield _by("turned_away", "Connections that found no room, by limit.", "limit", tally.turned_away)
        yield _counter("sweeps", "Rounds of dropping what has expired.", tally.sweeps)
        yield _gauge("swept_timestamp_seconds", "When the last one ended; 0: none yet.", tally.swept_at)
        yield _counter("chores_failed", "Chores that failed, and are tried again.", tally.failed_chores)


class _Numbers(Collector):
    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics

    def collect(self) -> Iterable[Metric]:
        return self._metrics.numbers()

    def describe(self) -> Iterable[Metric]:
        return ()


def _stored(totals: Totals) -> Iterable[Metric]:
    yield _gauge("lines", "Lines that the relay has.", totals.lines)
    yield _gauge("devices", "Devices that it has.", totals.devices)
    yield _gauge("groups", "Groups whose epoch it keeps.", totals.groups)
    yield _gauge("mailbox_items", "Envelopes that wait, in all mailboxes.", totals.waiting_items)
    yield _gauge("mailbox_bytes", "Bytes of them.", totals.waiting_bytes)
    yield _gauge("attachments", "Attachments that are kept.", totals.attachments)
    yield _gauge("attachment_bytes", "Bytes of them that are here.", totals.attachment_bytes)


def _gauge(name: str, says: str, value: float) -> Metric:
    return GaugeMetricFamily(f"chappe_{name}", says, value=value)


def _counter(name: str, says: str, value: float) -> Metric:
    return CounterMetricFamily(f"chappe_{name}", says, value=value)


def _by(name: str, says: str, label: str, values: Mapping[str, int]) -> Metric:
    family = CounterMetricFamily(f"chappe_{name}", says, labels=[label])
    for value, number in values.items():
        family.add_metric([value], number)
    return family
