"""Logs, honest and bent, with what Python makes of them: the phone must judge the same."""

from __future__ import annotations

from typing import Any

from chappe.client.log_state import Broken, LogState
from tests.client import log_book as b
from tests.client.test_log_state import CASES


def cases() -> list[dict[str, Any]]:
    honest = b.honest().data
    logs = {"honest": honest, "recovered": b.Book(b.recovered()).data}
    logs |= {name: b.Book(make()).data for name, (make, _) in CASES.items()}
    for at, data in enumerate(honest):
        others = honest[:at] + honest[at + 1 :]
        logs |= {
            f"without {at}": others,
            f"{at} twice": [*honest[: at + 1], *honest[at:]],
            f"{at} cut": [*honest[:at], data[:-1], *honest[at + 1 :]],
            f"{at} longer": [*honest[:at], data + b"\0", *honest[at + 1 :]],
            f"{at} with a bit flipped": [*honest[:at], data[:-9] + bytes([data[-9] ^ 1]) + data[-8:]],
        }
    return [{"name": name, "entries": [one.hex() for one in log]} | judged(log) for name, log in logs.items()]


def judged(log: list[bytes]) -> dict[str, Any]:
    state = LogState()
    try:
        for index, data in enumerate(log):
            state.apply_bytes(index, data)
    except Broken as broken:
        return {"broken": [broken.index, broken.why]}
    return {
        "size": state.size,
        "at": state.at,
        "devices": {
            key.hex(): [one.line.hex(), one.certificate.hex(), one.by.hex(), one.order.hex(), one.revoked_at]
            for key, one in state.devices.items()
        },
        "releases": {key.hex(): name for key, name in state.releases.items()},
        "lines": {key.hex(): one.identity_key.hex() for key, one in state.lines.items()},
        "announced": [[one.device.hex(), one.at] for one in state.announced],
    }
