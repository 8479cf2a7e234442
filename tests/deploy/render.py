"""`python -m tests.deploy.render`: the chart as Helm renders it, into rendered.yaml, for tests without Helm.

It takes `pip install helm-python-sdk` (Helm 4 itself, 244 MB), which is why it is run by hand, after each
change of the chart; a test says when that was forgotten.
"""

from __future__ import annotations

import hashlib
import sys
from pathlib import Path
from typing import Any, Final

ROOT: Final = Path(__file__).parents[2]
CHART: Final = ROOT / "deploy" / "helm" / "chappe"
RENDERED: Final = Path(__file__).parent / "rendered.yaml"
VALUES: Final[dict[str, Any]] = {
    "serverName": "relay.example.org",
    "tls": {"secretName": "relay-tls"},
    "database": {"secretName": "relay-database"},
    "nats": {"urls": "nats://nats-0.nats:4222,nats://nats-1.nats:4222", "tokenSecretName": "relay-nats"},
    "shares": {"secretName": "relay-shares", "storageClassName": "not-in-backups"},
    "desk": {"origin": "https://desk.relay.example.org"},
    "metrics": {"serviceMonitor": {"enabled": True, "labels": {"release": "prometheus"}}},
    "gateways": {"proxyProtocol": True, "env": {"CHAPPE_MAX_CONNECTIONS": "40000"}},
}


def fingerprint() -> str:
    """Of every file of the chart, and of the values."""
    state = hashlib.sha256(repr(VALUES).encode())
    for path in sorted(path for path in CHART.rglob("*") if path.is_file()):
        state.update(str(path.relative_to(CHART)).encode() + b"\0" + path.read_bytes() + b"\0")
    return state.hexdigest()


def main() -> int:
    import helm_python as helm

    report = helm.lint(CHART, VALUES, strict=True)
    for message in report["messages"]:
        print(message["path"], message["error"], file=sys.stderr)
    if report["errors"]:
        return 1
    made = helm.Chart.load(CHART).render(VALUES, name="relay", namespace="chappe")
    parts = [f"# chart {fingerprint()}\n"]
    for name, text in sorted(made.items()):
        if name.endswith(".yaml") and text.strip():
            lines = [line.rstrip() for line in text.splitlines() if line.strip()]
            parts.append("---\n# " + name + "\n" + "\n".join(lines) + "\n")
    RENDERED.write_text("".join(parts))
    return 0


if __name__ == "__main__":
    sys.exit(main())
