"""`python deploy/grafana/build.py`: writes chappe.json, Grafana's dashboard, from the rows below."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

# (row, [(title, unit, [(expression, legend)])])
ROWS: list[tuple[str, list[tuple[str, str, list[tuple[str, str]]]]]] = [
    (
        "Is it well",
        [
            (
                "Ready",
                "short",
                [
                    ("chappe_ready", "{{instance}}"),
                    ("chappe_draining", "{{instance}} draining"),
                    ("chappe_leads", "{{instance}} leads"),
                ],
            ),
            ("Parts", "short", [("chappe_check", "{{instance}} {{check}}")]),
            ("Log head's age", "s", [("chappe_log_head_age_seconds", "{{instance}}")]),
            ("Clock ahead", "d", [("chappe_clock_jump_days", "{{instance}}")]),
        ],
    ),
    (
        "Messages",
        [
            (
                "Accepted and acknowledged",
                "ops",
                [
                    ("sum(rate(chappe_messages_accepted_total[$__rate_interval]))", "accepted"),
                    (
                        "sum(rate(chappe_items_acknowledged_total[$__rate_interval]))",
                        "acknowledged, by device",
                    ),
                    ("sum(rate(chappe_sealed_stale_total[$__rate_interval]))", "stale tokens"),
                ],
            ),
            (
                "Refused, by code",
                "ops",
                [("sum by (code) (rate(chappe_refusals_total[$__rate_interval])) > 0", "{{code}}")],
            ),
            ("Waiting in mailboxes", "short", [("max(chappe_mailbox_items)", "items")]),
            ("Bytes of them", "bytes", [("max(chappe_mailbox_bytes)", "bytes")]),
        ],
    ),
    (
        "Store",
        [
            (
                "A commit takes",
                "s",
                [
                    (
                        f"histogram_quantile({q}, sum by (le) "
                        "(rate(chappe_commit_seconds_bucket[$__rate_interval])))",
                        f"p{round(q * 100)}",
                    )
                    for q in (0.5, 0.99)
                ],
            ),
            (
                "Operations in one",
                "short",
                [
                    (
                        "sum(rate(chappe_batch_operations_sum[$__rate_interval])) / "
                        "sum(rate(chappe_batch_operations_count[$__rate_interval]))",
                        "mean",
                    )
                ],
            ),
            ("Waiting for the store", "bytes", [("chappe_store_waiting_bytes", "{{instance}}")]),
            (
                "Attachments",
                "bytes",
                [("max(chappe_attachment_bytes)", "bytes")],
            ),
        ],
    ),
    (
        "Connections",
        [
            (
                "Sockets",
                "short",
                [
                    ("chappe_connections", "{{instance}}"),
                    ("chappe_connections_signed_in", "{{instance}} signed in"),
                    ("chappe_connections_of_strangers", "{{instance}} strangers, of any kind"),
                ],
            ),
            ("Sign-ins", "ops", [("sum(rate(chappe_sign_ins_total[$__rate_interval]))", "sign-ins")]),
            (
                "Turned away, by limit",
                "ops",
                [("sum by (limit) (rate(chappe_turned_away_total[$__rate_interval]))", "{{limit}}")],
            ),
            (
                "Guesses of locked phones",
                "ops",
                [("sum by (outcome) (rate(chappe_unlock_guesses_total[$__rate_interval]))", "{{outcome}}")],
            ),
        ],
    ),
    (
        "Process",
        [
            ("Memory", "bytes", [('process_resident_memory_bytes{job="chappe"}', "{{instance}}")]),
            (
                "Processor",
                "percentunit",
                [('rate(process_cpu_seconds_total{job="chappe"}[$__rate_interval])', "{{instance}}")],
            ),
            (
                "Event loop late, p99",
                "s",
                [
                    (
                        "histogram_quantile(0.99, sum by (le, instance) "
                        "(rate(chappe_event_loop_lag_seconds_bucket[$__rate_interval])))",
                        "{{instance}}",
                    )
                ],
            ),
            ("Open files", "short", [('process_open_fds{job="chappe"}', "{{instance}}")]),
        ],
    ),
    (
        "What is there",
        [
            (
                "Lines and devices",
                "short",
                [("max(chappe_lines)", "lines"), ("max(chappe_devices)", "devices")],
            ),
            ("Conversations", "short", [("max(chappe_groups)", "groups")]),
            (
                "Shares",
                "short",
                [
                    ("chappe_share_devices", "devices"),
                    ("chappe_share_devices_failing", "with wrong guesses"),
                    ("chappe_share_devices_worn_out", "destroyed by guesses"),
                ],
            ),
            (
                "Log entries; sweeps and failed chores an hour",
                "short",
                [
                    ("max(chappe_log_entries)", "entries"),
                    ("sum(increase(chappe_sweeps_total[1h]))", "sweeps"),
                    ("sum(increase(chappe_chores_failed_total[1h]))", "failed chores"),
                    ("max(chappe_attachments)", "attachments"),
                ],
            ),
        ],
    ),
]


def dashboard() -> dict[str, Any]:
    panels: list[dict[str, Any]] = []
    source = {"type": "prometheus", "uid": "${source}"}
    for row, (heading, shown) in enumerate(ROWS):
        panels.append(
            {"type": "row", "title": heading, "collapsed": False, "panels": [], "id": len(panels) + 1}
            | {"gridPos": {"x": 0, "y": row * 9, "w": 24, "h": 1}}
        )
        for column, (title, unit, lines) in enumerate(shown):
            targets = [
                {"refId": chr(65 + i), "expr": expression, "legendFormat": legend, "datasource": source}
                for i, (expression, legend) in enumerate(lines)
            ]
            panels.append(
                {
                    "type": "timeseries",
                    "title": title,
                    "id": len(panels) + 1,
                    "datasource": source,
                    "gridPos": {"x": column * 6, "y": row * 9 + 1, "w": 6, "h": 8},
                    "fieldConfig": {"defaults": {"unit": unit, "min": 0}, "overrides": []},
                    "targets": targets,
                }
            )
    return {
        "title": "Chappe",
        "uid": "chappe",
        "tags": ["chappe"],
        "schemaVersion": 41,
        "refresh": "30s",
        "time": {"from": "now-6h", "to": "now"},
        "templating": {"list": [{"name": "source", "type": "datasource", "query": "prometheus"}]},
        "panels": panels,
    }


if __name__ == "__main__":
    (Path(__file__).parent / "chappe.json").write_text(json.dumps(dashboard(), indent=1) + "\n")
