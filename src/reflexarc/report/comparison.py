# SPDX-License-Identifier: Apache-2.0
"""The table *with arc | without arc*: one definition for the terminal, the report and the JSON line."""

import hashlib
import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

Summary = Mapping[str, Any]
ABSENT = "–"
"""Shown where a figure does not exist, such as tick times without the arc."""

JSON_KEYS = (
    "missions",
    "successes",
    "contacts",
    "pedestrian_contacts",
    "pedestrian_contacts_moving",
    "min_distance_m",
    "interventions",
    "tick_p50_us",
    "tick_p99_us",
    "deadline_miss_fraction",
    "seed",
    "digest",
)
"""Keys of the JSON line of `reflexarc run --json`, in this order."""


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the table."""

    label: str
    with_arc: str
    without_arc: str
    hazard: bool = False
    """Whether a figure other than 0 means that somebody was hit."""


def combine(summaries: Sequence[Summary]) -> dict[str, Any]:
    """Combine the summaries of several seeds: counts add up, the distance is the smallest, tick times are the
    medians of the runs' p50 and the worst of their p99, `seed` is the list of seeds and `digest` covers
    all digests.

    One summary is returned as it is, cut to `JSON_KEYS`.
    """
    if len(summaries) == 1:
        return {key: summaries[0].get(key) for key in JSON_KEYS}
    joined = "\n".join(str(s.get("digest")) for s in summaries)
    return {
        **{key: sum(s[key] for s in summaries) for key in JSON_KEYS[:5]},
        "min_distance_m": _fold(min, summaries, "min_distance_m"),
        "interventions": sum(s["interventions"] for s in summaries),
        "tick_p50_us": _fold(statistics.median, summaries, "tick_p50_us"),
        "tick_p99_us": _fold(max, summaries, "tick_p99_us"),
        "deadline_miss_fraction": _fold(max, summaries, "deadline_miss_fraction"),
        "seed": [s["seed"] for s in summaries],
        "digest": hashlib.sha256(joined.encode()).hexdigest(),
    }


def comparison_rows(with_arc: Sequence[Summary], without_arc: Sequence[Summary]) -> list[Row]:
    """Return the lines of the table for the runs with and without the arc; either side may be empty."""

    def row(label: str, text: Callable[[Sequence[Summary]], str], hazard: bool = False) -> Row:
        sides = (text(side) if side else ABSENT for side in (with_arc, without_arc))
        return Row(label, *sides, hazard=hazard)

    classes = sorted({name for s in (*with_arc, *without_arc) for name in s.get("contacts_by_class", {})})
    return [
        row("missions done", lambda side: f"{_sum(side, 'successes')} of {_sum(side, 'missions')}"),
        row("pedestrian contacts", lambda side: str(_sum(side, "pedestrian_contacts")), hazard=True),
        row(
            "… with the robot faster than 0.1 m/s",
            lambda side: str(_sum(side, "pedestrian_contacts_moving")),
            hazard=True,
        ),
        *(
            row(f"contacts with {name.replace('_', ' ')}", lambda side, name=name: _class_count(side, name))
            for name in classes
            if name != "pedestrian"
        ),
        row(
            "impulse on pedestrians [N s]",
            lambda side: _number(_total(side, "pedestrian_impulse_n_s"), 1),
            hazard=True,
        ),
        row("impulse of all contacts [N s]", lambda side: _number(_total(side, "impulse_n_s"), 1)),
        row(
            "smallest clearance to a pedestrian [m]",
            lambda side: _number(_fold(min, side, "min_distance_m"), 2),
        ),
        row("interventions of the arc", lambda side: str(_sum(side, "interventions"))),
        row("tick p50 [µs]", lambda side: _number(_fold(statistics.median, side, "tick_p50_us"), 0)),
        row("tick p99 [µs]", lambda side: _number(_fold(max, side, "tick_p99_us"), 0)),
        row("deadline misses", lambda side: _percent(_fold(max, side, "deadline_miss_fraction"))),
    ]


def _sum(side: Sequence[Summary], key: str) -> int:
    return sum(s[key] for s in side)


def _total(side: Sequence[Summary], key: str) -> float | None:
    return sum(s[key] for s in side) if all(s.get(key) is not None for s in side) else None


def _fold(fold: Callable[[list[float]], float], side: Sequence[Summary], key: str) -> float | None:
    """Fold the values of `key` that exist (not None, not NaN); None when there are none."""
    values = [s[key] for s in side if s.get(key) is not None and s[key] == s[key]]
    return fold(values) if values else None


def _class_count(side: Sequence[Summary], name: str) -> str:
    return str(sum(s.get("contacts_by_class", {}).get(name, 0) for s in side))


def _number(value: float | None, digits: int) -> str:
    return ABSENT if value is None else f"{value:.{digits}f}"


def _percent(value: float | None) -> str:
    return ABSENT if value is None else f"{value:.2%}"
