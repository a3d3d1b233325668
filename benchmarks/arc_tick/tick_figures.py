# SPDX-License-Identifier: Apache-2.0
"""What the parts of the study have in common: percentiles, and the figures that the page leads with."""

from typing import Any

import numpy as np

from reflexarc.core.types import Array

BARRIER, WHOLE = "barrier_us", "tick_us"


def sidewalk_headline(results: dict[str, Any]) -> dict[str, Any]:
    """Return median and p99 of tick and barrier stage and the median ratios to the peers (above 1: ours is faster)."""
    table = results["times_us"]
    figures = {
        "tick_p50_us": table[WHOLE]["p50"],
        "tick_p99_us": table[WHOLE]["p99"],
        "barrier_p50_us": table[BARRIER]["p50"],
        "barrier_p99_us": table[BARRIER]["p99"],
        "barrier_active_p50_us": table.get("barrier_us_when_active", {}).get("p50"),
        "barrier_active_p99_us": table.get("barrier_us_when_active", {}).get("p99"),
        "active_fraction": round(results["active_fraction"], 3),
    }
    return figures | {k: v and round(v, 2) for k, v in results.items() if k.startswith("ratio_")}


def percentiles(seconds: Array) -> dict[str, float]:
    """Return median, p99, p99.9 and longest of times [s] in microseconds."""
    p50, p99, p999 = np.percentile(seconds * 1e6, [50, 99, 99.9])
    return {
        "p50": round(p50, 1),
        "p99": round(p99, 1),
        "p99_9": round(p999, 1),
        "max": round(seconds.max() * 1e6, 1),
    }
