# SPDX-License-Identifier: Apache-2.0
"""Figure of a fault-injection campaign: detection latencies and their limits, fail-safe rates and their intervals."""

from typing import Any

import numpy as np
from matplotlib.figure import Figure


def campaign_figure(summary: dict[str, Any]) -> Figure:
    """Draw the summary of a campaign, one line per row of the table of injections."""
    rows = summary["rows"]
    names, y = list(rows), np.arange(len(rows))
    figure = Figure(figsize=(10.0, 1.0 + 0.2 * len(rows)), layout="constrained")
    left, right = figure.subplots(1, 2, sharey=True)
    for k, row in enumerate(rows.values()):
        if row["within_s"] is not None:
            left.plot([1e3 * row["within_s"]] * 2, [k - 0.4, k + 0.4], color="tab:red", lw=1.5)
        if row["latency"] and row["latency"]["max_s"] is not None:
            p50, most = 1e3 * row["latency"]["p50_s"], 1e3 * row["latency"]["max_s"]
            left.plot([p50, most], [k, k], color="tab:blue", lw=1.0)
            left.plot(p50, k, "o", color="tab:blue", ms=3)
        low, high = row["fail_safe_interval"]
        right.plot([low, high], [k, k], color="0.5", lw=1.0)
        good = row["fail_safe"] / row["cases"]
        right.plot(good, k, "o", color="tab:blue" if good == 1.0 else "tab:red", ms=3)
    left.set_yticks(y, names, fontsize=7)
    left.set_ylim(len(rows) - 0.5, -0.5)
    left.set_xlabel("detection latency: median to max (blue), limit (red) [ms]")
    right.set_xlabel("fail-safe rate, 95 % interval")
    right.set_xlim(0.0, 1.02)
    return figure
