"""The plots of `bench.curves`, as SVG. Needs matplotlib."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

Row = dict[str, float]

PLOTS: Final = {
    "devices": (
        "devices",
        "devices that are here",
        (("cpu_seconds_per_1000", "CPU s per 1,000 messages"), ("rss_mib", "resident memory, MiB")),
    ),
    "conversation": (
        "devices",
        "devices of a conversation",
        (("all_delivered_ms", "until all have it, ms"), ("cpu_ms_per_delivery", "CPU ms per delivery")),
    ),
    "backlog": (
        "entries",
        "entries that wait",
        (("cpu_seconds_per_1000", "CPU s per 1,000 messages"), ("database_mib", "database, MiB")),
    ),
}
"""Of each curve: what it runs over, in words, and what is drawn."""


def draw(found: dict[str, list[Row]], folder: Path) -> None:
    """One SVG for each curve, `folder`/curve-NAME.svg."""
    import matplotlib

    matplotlib.use("svg")
    # The same figures make the same file.
    matplotlib.rcParams["svg.hashsalt"] = "chappe"
    from matplotlib import pyplot

    for name, rows in found.items():
        over, words, drawn = PLOTS[name]
        figure, axes = pyplot.subplots(1, len(drawn), figsize=(9, 3.2))
        for axis, (field, label) in zip(axes, drawn, strict=True):
            _one(axis, [row[over] for row in rows], [row[field] for row in rows])
            axis.set_xlabel(words)
            axis.set_title(label, fontsize=10)
        figure.tight_layout()
        figure.savefig(folder / f"curve-{name}.svg", metadata={"Date": None})
        pyplot.close(figure)


def _one(axis: Any, over: list[float], values: list[float]) -> None:
    axis.plot(over, values, marker="o", color="#1f5f8b")
    # Nothing at all has no logarithm.
    axis.set_xscale("symlog" if min(over) == 0 else "log")
    axis.set_ylim(bottom=0)
    axis.grid(visible=True, alpha=0.3)
