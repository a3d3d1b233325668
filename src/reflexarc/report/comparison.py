# SPDX-License-Identifier: Apache-2.0
"""The table of a comparison, one column per way of running the scenario, such as *with arc | without arc*: one
definition for the terminal, the report and the JSON line.
"""

import hashlib
import statistics
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from reflexarc.mission import Outcome
from reflexarc.report.columns import COLUMNS, Column
from reflexarc.report.rundir import RunEntry

Summary = Mapping[str, Any]
STOPPING, LEARNED = "barrier", "learned_barrier"
"""Names under which verdicts tell which barrier was the more restrictive one."""
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
    cells: tuple[str, ...]
    """One per column."""
    hazard: bool = False
    """Whether a figure other than 0 means that somebody was hit."""

    @property
    def marked(self) -> tuple[bool, ...]:
        """Which cells say that somebody was hit."""
        return tuple(self.hazard and cell not in ("0", "0.0", ABSENT) for cell in self.cells)


@dataclass(frozen=True, slots=True)
class Comparison:
    """The table of all runs under one clock."""

    clock: str
    """`live` or `lockstep`."""
    title: str
    columns: tuple[Column, ...]
    rows: tuple[Row, ...]


def comparisons(runs: Iterable[tuple[RunEntry, Summary | None]]) -> list[Comparison]:
    """Return one table per clock, live first; runs without a summary are left out, columns without runs too."""
    known = [(entry, summary) for entry, summary in runs if summary is not None]
    tables = []
    for clock, words in (("live", "Live over ROS 2"), ("lockstep", "Lock-step")):
        sides = {
            column: side
            for column in COLUMNS.values()
            if (side := [s for entry, s in known if (entry.clock, entry.column) == (clock, column.key)])
        }
        if sides:
            seeds = sorted({entry.seed for entry, _ in known if entry.clock == clock})
            title = f"{words}, seeds {', '.join(map(str, seeds))}"
            tables.append(Comparison(clock, title, tuple(sides), tuple(comparison_rows(*sides.values()))))
    return tables


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


def column_figures(side: Sequence[Summary]) -> dict[str, Any]:
    """Return the figures of one column for the JSON line: those of `combine`, and what a comparison adds.

    `time_per_mission_s` is the mean of the missions that were done [s], `stopping_share` and `learned_share` are the
    shares of ticks in which the stopping barrier or the learned one was the more restrictive one,
    `min_learned_margin_m` is the smallest value of the learned barrier [m].
    """
    return combine(side) | {
        "time_per_mission_s": _time_per_mission(side),
        "stopping_share": _share(side, STOPPING),
        "learned_share": _share(side, LEARNED) if _sum(side, "learned_ticks", 0) else None,
        "min_learned_margin_m": _fold(min, side, "min_learned_margin_m"),
        "uncertified": any(s.get("uncertified") for s in side),
    }


def missions_done(side: Sequence[Summary], noun: str) -> str:
    """Return how many missions were done of how many, and how many the end of the run left unfinished."""
    cut = sum(s.get("outcomes", {}).get(Outcome.UNFINISHED, 0) for s in side)
    done = f"{_sum(side, 'successes')} of {_sum(side, 'missions')} {noun}".rstrip()
    return f"{done} ({cut} unfinished)" if cut else done


def comparison_rows(*sides: Sequence[Summary]) -> list[Row]:
    """Return the lines of the table, one side per column; a side may be empty.

    What a learned barrier did is told where one was on in any column.
    """

    def row(label: str, text: Callable[[Sequence[Summary]], str], hazard: bool = False) -> Row:
        return Row(label, tuple(text(side) if side else ABSENT for side in sides), hazard)

    every = [summary for side in sides for summary in side]
    classes = sorted({name for s in every for name in s.get("contacts_by_class", {})})
    learned = [
        row(
            "smallest learned margin V [m]", lambda side: _number(_fold(min, side, "min_learned_margin_m"), 2)
        ),
        row("time the stopping barrier binds", lambda side: _percent(_share(side, STOPPING))),
        row(
            "time the learned barrier binds",
            lambda side: _percent(_share(side, LEARNED)) if _sum(side, "learned_ticks", 0) else ABSENT,
        ),
    ]
    if any(s.get("uncertified") for s in every):
        learned.append(row("learned barrier without certificate", _uncertified))
    return [
        row("missions done", lambda side: missions_done(side, "")),
        row("time per mission done [s]", lambda side: _number(_time_per_mission(side), 1)),
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
        *(learned if any(s.get("learned_ticks") for s in every) else ()),
        row("tick p50 [µs]", lambda side: _number(_fold(statistics.median, side, "tick_p50_us"), 0)),
        row("tick p99 [µs]", lambda side: _number(_fold(max, side, "tick_p99_us"), 0)),
        row("deadline misses", lambda side: _percent(_fold(max, side, "deadline_miss_fraction"))),
    ]


def _sum(side: Sequence[Summary], key: str, default: int | None = None) -> int:
    return sum(s[key] if default is None else s.get(key, default) for s in side)


def _total(side: Sequence[Summary], key: str) -> float | None:
    return sum(s[key] for s in side) if all(s.get(key) is not None for s in side) else None


def _fold(fold: Callable[[list[float]], float], side: Sequence[Summary], key: str) -> float | None:
    """Fold the values of `key` that exist (not None, not NaN); None when there are none."""
    values = [s[key] for s in side if s.get(key) is not None and s[key] == s[key]]
    return fold(values) if values else None


def _time_per_mission(side: Sequence[Summary]) -> float | None:
    """Return the mean duration of the missions that were done [s]; None where none was, or it is not known."""
    total, done = _total(side, "success_time_s"), _sum(side, "successes")
    return total / done if done and total is not None else None


def _share(side: Sequence[Summary], stage: str) -> float | None:
    """Return the share of ticks in which `stage` changed the command; None without the arc, or where not counted."""
    ticks = _sum(side, "ticks", 0)
    if not ticks or any("stage_ticks" not in s for s in side):
        return None
    return sum(s["stage_ticks"].get(stage, 0) for s in side) / ticks


def _uncertified(side: Sequence[Summary]) -> str:
    return "yes" if any(s.get("uncertified") for s in side) else ABSENT


def _class_count(side: Sequence[Summary], name: str) -> str:
    return str(sum(s.get("contacts_by_class", {}).get(name, 0) for s in side))


def _number(value: float | None, digits: int) -> str:
    return ABSENT if value is None else f"{value:.{digits}f}"


def _percent(value: float | None) -> str:
    return ABSENT if value is None else f"{value:.2%}"
