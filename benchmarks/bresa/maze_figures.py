# SPDX-License-Identifier: Apache-2.0
"""Figures of deployments in mazes, from the rows of their episodes, and methods compared seed by seed."""

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from figures import advantage, geometric_mean, mean, ratio
from maze_station import Row
from maze_units import INNER, PLAIN, Unit

LIMITS = (20, 30, 40)
"""Peaks that episodes are counted above, so that no single limit decides. [N]"""
Found = list[tuple[Unit, dict[str, Any]]]
"""Units with what was measured."""


def by_seed(found: Found, group: str, method: str, form: str) -> list[list[Row]]:
    """Return the rows of a form, seed by seed."""
    seeds: dict[int, list[Row]] = {}
    for unit, got in found:
        if (unit.group, unit.method) == (group, method):
            seeds.setdefault(unit.seed, []).extend(got["forms"].get(form, []))
    return [seeds[k] for k in sorted(seeds) if seeds[k]]


def deployment(seeds: Sequence[Sequence[Row]]) -> dict[str, Any]:
    """Return the figures of a form, means over seeds with intervals; latencies of all seeds together."""
    rows = [row for seed in seeds for row in seed]
    return {
        "seeds": len(seeds),
        "episodes": len(rows),
        "successes": [_count(seed, "success") for seed in seeds],
        "violations": [_count(seed, "violation") for seed in seeds],
        "success": mean(shares(seeds, "success")),
        "violation": mean(shares(seeds, "violation")),
        "ratio": geometric_mean(ratios(seeds)),
        "peak_n": mean([_mean(r["peak_n"] for r in seed) for seed in seeds]),
        "peak_most_n": max((r["peak_n"] for r in rows if r["peak_n"] is not None), default=None),
        "above": {str(limit): mean([_above(seed, limit) for seed in seeds]) for limit in LIMITS},
        "cvar95_n": mean([_mean(r["cvar95_n"] for r in seed) for seed in seeds]),
        "completion_s": mean([_mean(r["completion_s"] for r in seed) for seed in seeds]),
        "reflexes": mean([_mean(r["reflexes"] for r in seed) for seed in seeds]),
        "false_reflexes": mean([_mean(r.get("false") for r in seed) for seed in seeds]),
        "latency_ms": latency(x for r in rows for x in r["latencies_ms"]),
        "underflows": sum(r["underflows"] for r in rows),
        "tank_least_j": min((r["tank_least_j"] for r in rows if r["tank_least_j"] is not None), default=None),
        "diverged": sum(r["outcome"] == "diverged" for r in rows),
        "faulty": sum(r["faults"] > 0 for r in rows),
    }


def latency(values: Iterable[float]) -> dict[str, Any]:
    """Return median, 99th percentile, largest and number; None without any. [ms]"""
    known = np.array(list(values), dtype=np.float64)
    if not known.size:
        return {"p50": None, "p99": None, "max": None, "count": 0}
    p50, p99 = (round(float(x), 1) for x in np.quantile(known, (0.5, 0.99)))
    return {"p50": p50, "p99": p99, "max": float(known.max()), "count": int(known.size)}


def shares(seeds: Sequence[Sequence[Row]], what: str) -> list[float | None]:
    """Return the share of episodes of each seed in which something was so."""
    return [_count(seed, what) / len(seed) for seed in seeds]


def ratios(seeds: Sequence[Sequence[Row]]) -> list[float]:
    """Return successes to violations of each seed, one added to both."""
    return [ratio(_count(seed, "success"), _count(seed, "violation")) for seed in seeds]


def compared(found: Found, methods: Sequence[str]) -> list[dict[str, Any]]:
    """Return ours without the inner layer beside every other, ours with it beside them too, and beside itself."""
    ours = "ours"
    others = [(name, PLAIN) for name in methods if name != ours]
    pairs = [((ours, PLAIN), other) for other in others]
    pairs += [((ours, INNER), other) for other in [(ours, PLAIN), *others]]
    out = []
    for of, over in pairs:
        a, b = (by_seed(found, "methods", *side) for side in (of, over))
        if a and b:
            out.append({"of": list(of), "over": list(over)} | _paired(a, b))
    return out


def varied(found: Found, group: str, method: str, forms: Sequence[str]) -> list[dict[str, Any]]:
    """Return every form of an ablation beside its first."""
    first, *others = ((form, by_seed(found, group, method, form)) for form in forms)
    return [
        {"group": group, "of": [form, method], "over": [first[0], method]} | _paired(rows, first[1])
        for form, rows in others
        if rows and first[1]
    ]


def _paired(a: list[list[Row]], b: list[list[Row]]) -> dict[str, Any]:
    n = min(len(a), len(b))
    difference = {
        what: mean([x - y for x, y in zip(shares(a[:n], what), shares(b[:n], what), strict=True)])  # type: ignore[operator]
        for what in ("success", "violation")
    }
    return {"seeds": n, **difference, "advantage": advantage(ratios(a), ratios(b))}


def _count(rows: Sequence[Row], what: str) -> int:
    return sum(bool(row[what]) for row in rows)


def _above(rows: Sequence[Row], limit: float) -> float:
    return sum(row["peak_n"] is None or row["peak_n"] > limit for row in rows) / len(rows)


def _mean(values: Iterable[float | None]) -> float | None:
    known = [float(v) for v in values if v is not None]
    return float(np.mean(known)) if known else None
