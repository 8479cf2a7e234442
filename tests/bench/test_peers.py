"""What `bench.peers` reads of an XMPP stream, and when its targets count as met. The servers are not here:
it is run by hand (docs/performance.md)."""

from __future__ import annotations

import pytest
from bench.peers import _met, main
from bench.peers.xmpp import XmppClient


@pytest.mark.parametrize("cut", range(1, 60, 7))
def test_bodies_are_found_wherever_the_stream_is_cut(cut: int) -> None:
    heard: list[bytes] = []
    client = XmppClient(heard.append)
    client._bodies = True
    stream = b"<message from='a'><body>one</body></message><presence/><message><body>two</body><x/></message>"
    for start in range(0, len(stream), cut):
        client.data_received(stream[start : start + cut])
    assert heard == [b"one", b"two"]


@pytest.mark.parametrize(
    ("field", "value", "met"),
    [
        ("live_cpu_per_1000", 0.1, True),
        ("live_cpu_per_1000", 0.9, False),
        ("away_cpu_per_1000", 0.9, False),
        ("idle_kib", 50.0, True),
        ("idle_kib", 51.0, False),
    ],
)
def test_what_counts_as_met(field: str, value: float, met: bool) -> None:
    peer = {"live_cpu_per_1000": 0.5, "away_cpu_per_1000": 0.5, "idle_kib": 100.0}
    ours = {"live_cpu_per_1000": 0.1, "away_cpu_per_1000": 0.1, "idle_kib": 30.0}
    assert _met(ours | {field: value}, peer) is met


def test_without_a_peer_it_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("bench.peers.installed", list)
    assert main([]) == 2
    assert "apt-get install prosody" in capsys.readouterr().out
