# SPDX-License-Identifier: Apache-2.0
"""The welding cell's mitigations in order, beside the published figures, and how far the order rests on assumptions.

The published productivities are the largest over the operator's choices, with both alarms at 0.5. In the authors' model
that intensity makes the operator withdraw from the workbench as likely as without an alarm, in ours a quiet one does.
So quiet alarms here stand beside 0.5 there, and what the authors' model says with quiet alarms is told as well.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from reflexarc.assurance.hazards.cell import Cell
from reflexarc.assurance.hazards.policies import Policy, policies
from reflexarc.assurance.synthesis.checker import Checker, Query
from reflexarc.assurance.synthesis.prism import model_text
from reflexarc.assurance.synthesis.queries import worst_person_queries

QUIET = 0.05
"""Intensity of both alarms."""
PUBLISHED = {
    ("none", "none"): (64.18894365, 0.6081, 64.18894365),
    ("workbench_stop", "area_stop"): (37.06048292835938, 0.0, 35.94119444200882),
    ("workbench_stop", "area_force"): (46.26158754594844, 0.2156, 46.40998121502076),
    ("workbench_stop", "area_separation"): (48.15260582206, 0.2774, 48.23179712318576),
    ("workbench_force", "area_stop"): (44.75183719437499, 0.0726, 48.493020017550016),
    ("workbench_force", "area_force"): (49.898419143651566, 0.2157, 50.12981582075628),
    ("workbench_force", "area_separation"): (51.41822767931, 0.2775, 50.67424978611399),
}
"""Largest expected productivity in 50 steps as published; largest P(mishap within 50 steps) of the authors' model, both
with alarms at 0.5; its largest productivity with alarms at 0.05. The last two were computed with our checker."""
COMPARED = {"HC": "close_off"}
"""The welder's mitigation in every row; the published productivities do not depend on it."""
ASSUMED = {
    "a seam": ("process.weld",),
    "the operator withdraws": ("person.withdraw_arm",),
    "the operator exchanges": tuple(
        f"person.{move}"
        for move in ("place_workpiece", "place_beside_finished", "take_workpiece", "take_beside_raw")
    ),
    "the operator leaves the welder": ("person.leave_weld_spot",),
}
"""What decides the productivities and is not fixed by the case study, to the probabilities that it is."""
MOST = {"the operator exchanges": 0.25}
"""Largest value where it is below 1: two exchanges and the entering, 0.5, exclude each other."""
SPREADS = (1.1, 1.25, 1.5)
"""Factors by which all of `ASSUMED` are varied together."""
QUARTER = 0.25
OCTAVES = 3.0
"""How far each of `ASSUMED` is varied alone, either way."""
BISECTIONS = 4
_PRODUCTIVE = "productivity"


def order(cell: Cell, checker: Checker, full: bool, progress: Callable[[str], None]) -> dict[str, Any]:
    """Return productivity and risk of the mitigations beside the published ones, and what the order rests on."""
    quiet = dict.fromkeys(cell.alarms, QUIET)
    produced = productivities(cell, checker, {})
    rows = []
    for ((bench, area), (productivity, mishap, with_quiet)), own in zip(
        PUBLISHED.items(), produced, strict=True
    ):
        worst = checker.check(
            model_text(cell, _policy(cell, bench, area), quiet, random_person=False),
            worst_person_queries(cell),
        )
        rows.append(
            {
                "workbench": bench,
                "area": area,
                "states": worst.states,
                "productivity": own,
                "share": own / produced[0],
                "mishap_worst_person": worst.number("mishap"),
                "published_productivity": productivity,
                "published_share": productivity / PUBLISHED["none", "none"][0],
                "published_mishap": mishap,
                "authors_quiet": with_quiet,
            }
        )
    progress("order of the modes: what it rests on")
    return {
        "rows": rows,
        "productivity_pairs_agreeing": _agreement(rows, "productivity", "published_productivity"),
        "mishap_pairs_agreeing": _agreement(rows, "mishap_worst_person", "published_mishap"),
        "authors_quiet_pairs_agreeing": _agreement(rows, "authors_quiet", "published_productivity"),
        "share_error": max(abs(row["share"] - row["published_share"]) for row in rows),
        "ranges": [_range(cell, checker, name) for name in ASSUMED],
        "alarms": _alarms(cell, checker),
        "together": [_together(cell, checker, spread, 100 if full else 5) for spread in SPREADS],
    }


def _range(cell: Cell, checker: Checker, name: str) -> dict[str, Any]:
    """Smallest and largest value that was found to keep the order with everything between; the others as they are.

    Quarter octaves outwards until the order breaks, then bisection of the last quarter.
    """
    nominal, most = _nominal(cell, name), MOST.get(name, 1.0)

    def kept(octaves: float) -> bool:
        value = nominal * 2.0**octaves
        return value <= most and holds(cell, checker, {name: value})

    ends = []
    for step in (-QUARTER, QUARTER):
        last = 0.0
        while abs(last) < OCTAVES and kept(last + step):
            last += step
        if abs(last) < OCTAVES:
            for halving in range(1, BISECTIONS + 1):
                last += step / 2**halving if kept(last + step / 2**halving) else 0.0
        ends.append(nominal * 2.0**last)
    return {"name": name, "nominal": nominal, "low": ends[0], "high": ends[1], "most": most}


def _alarms(cell: Cell, checker: Checker) -> float:
    """Largest intensity of both alarms, in steps of 0.05, up to which the order holds; below 0 for none."""
    last = -1.0
    for percent in range(0, 100, 5):
        if not holds(cell, checker, {}, percent / 100.0):
            break
        last = percent / 100.0
    return last


def _together(cell: Cell, checker: Checker, spread: float, draws: int) -> dict[str, Any]:
    """In how many draws the order holds; each multiplies every assumption by a factor of its own, up to the spread."""
    rng = np.random.default_rng(0)
    held = 0
    for factors in np.exp(rng.uniform(-math.log(spread), math.log(spread), (draws, len(ASSUMED)))):
        values = {
            name: min(_nominal(cell, name) * float(factor), MOST.get(name, 1.0))
            for name, factor in zip(ASSUMED, factors, strict=True)
        }
        held += holds(cell, checker, values)
    return {"spread": spread, "draws": draws, "held": held}


def _nominal(cell: Cell, name: str) -> float:
    return cell.probabilities()[ASSUMED[name][0]].nominal


def holds(cell: Cell, checker: Checker, values: Mapping[str, float], intensity: float = QUIET) -> bool:
    """Whether the productivities are in the published order, all 21 pairs."""
    own = productivities(cell, checker, values, intensity)
    theirs = [figures[0] for figures in PUBLISHED.values()]
    return pairs_alike(own, theirs) == _count(theirs)


def productivities(
    cell: Cell, checker: Checker, values: Mapping[str, float], intensity: float = QUIET
) -> list[float]:
    """Expected productivity of every row with the random operator; without a supervisor nothing is a mishap."""
    alarms = dict.fromkeys(cell.alarms, intensity)
    harmless = {f"hazards.{name}.mishap": 0.0 for name in cell.hazards}
    changed = {path: value for name, value in values.items() for path in ASSUMED[name]}
    query = Query(_PRODUCTIVE, f'R{{"productivity"}}=? [C<={cell.horizon_steps}]')
    found = []
    for bench, area in PUBLISHED:
        policy = _policy(cell, bench, area)
        text = model_text(cell, policy, alarms, values=changed if policy else {**changed, **harmless})
        found.append(checker.check(text, [query]).values[_PRODUCTIVE])
    return found


def _agreement(rows: Sequence[Mapping[str, Any]], ours: str, theirs: str) -> str:
    a, b = ([row[key] for row in rows] for key in (ours, theirs))
    return f"{pairs_alike(a, b)} of {_count(b)}"


def pairs_alike(a: Sequence[float], b: Sequence[float]) -> int:
    """Number of pairs that are in the same order in both."""
    return sum((a[i] < a[j]) == (b[i] < b[j]) for i in range(len(a)) for j in range(i + 1, len(a)))


def _count(rows: Sequence[float]) -> int:
    return math.comb(len(rows), 2)


def _policy(cell: Cell, bench: str, area: str) -> Policy | None:
    if bench == "none":
        return None
    wanted = {"HRW": bench, "HS": area, **COMPARED}
    return next(policy for policy in policies(cell) if policy.mitigation == wanted)
