# SPDX-License-Identifier: Apache-2.0
"""Which successes and violations of the navigation part, and their ratios, are compared with which, seed by seed."""

from typing import Any, NamedTuple

from configurations import EVERY, Configuration
from figures import advantage, ratio

from reflexarc.reflex.navigation import NAVIGATION

OURS, BASELINE = "ours", "recovery_rl"
AS_MEANT = {"sac": "none", "sac_lagrangian": "none", "recovery_rl": "published", "bresa": "published"}
"""Method to the shield it is deployed with; ours with the calibrated one."""
KINDS = ("published", "calibrated", "tested")
"""Of thresholds."""
Rows = list[dict[str, Any]]
Counts = list[tuple[int, int]]
"""Episodes that reached the goal and that failed, of each seed."""


class Side(NamedTuple):
    """One side of a comparison; a stage that is not compared is empty."""

    name: str
    training: Counts
    deployment: Counts


def comparisons(found: list[tuple[Configuration, Rows]]) -> Rows:
    """Return how many times one side's ratio, successes and violations are the other's."""
    out = []
    for problem in NAVIGATION:
        rows = {(c.group, c.method, c.rate): r for c, r in found if c.problem == problem}
        for group, make in GROUPS.items():
            out += [
                {"group": group, "problem": problem} | one
                for of, over in make(rows)
                for one in _compared(of, over)
            ]
    return out


def counted(rows: Rows, shield: str | None = None) -> Counts:
    """Return what happened in each seed, while learning or behind a shield, as far as seeds have it."""
    here = [r["training"] if shield is None else r["deployments"].get(shield) for r in rows]
    return [(h["reached"], h["failed"]) for h in here if h]


def _compared(of: Side, over: Side) -> Rows:
    return [
        {
            "stage": stage,
            "of": of.name,
            "over": over.name,
            "seeds": min(len(a), len(b)),
            "advantage": advantage([ratio(*x) for x in a], [ratio(*x) for x in b]),
            "successes": advantage([x + 1.0 for x, _ in a], [x + 1.0 for x, _ in b]),
            "violations": advantage([x + 1.0 for _, x in a], [x + 1.0 for _, x in b]),
        }
        for stage, a, b in (
            ("training", of.training, over.training),
            ("deployment", of.deployment, over.deployment),
        )
        if a and b
    ]


def _methods(rows: dict[Any, Rows]) -> list[tuple[Side, Side]]:
    """Ours beside every other, every other beside Recovery RL."""
    sides = {m: _as_meant(m, r) for (group, m, _), r in rows.items() if group == "methods"}
    pairs = [(sides[OURS], side) for name, side in sides.items() if name != OURS]
    return pairs + [(side, sides[BASELINE]) for name, side in sides.items() if name not in (OURS, BASELINE)]


def _thresholds(rows: dict[Any, Rows]) -> list[tuple[Side, Side]]:
    """Each method with a shield beside itself with the published threshold, and ours tested beside the others."""
    pairs = []
    tested = Side(f"{OURS}, tested", [], counted(rows["methods", OURS, None], "tested"))
    for name in (BASELINE, "bresa", OURS):
        here = {k: Side(f"{name}, {k}", [], counted(rows["methods", name, None], k)) for k in KINDS}
        pairs += [(here[k], here["published"]) for k in KINDS[1:]]
        if name != OURS:
            pairs += [(tested, here["published"]), (tested, here["tested"])]
    return pairs


def _hysteresis(rows: dict[Any, Rows]) -> list[tuple[Side, Side]]:
    """Ours deployed with and without hysteresis and dwell."""
    here = rows["methods", OURS, None]
    return [
        (
            Side(f"{OURS}, {kind}", [], counted(here, kind)),
            Side(f"{OURS}, {kind}, at once", [], counted(here, f"{kind}_at_once")),
        )
        for kind in KINDS
    ]


def _rates(rows: dict[Any, Rows]) -> list[tuple[Side, Side]]:
    """Every rate of the critic beside the lowest, as far as there are any."""
    there = {rate: rows.get(("rates", "bresa", rate)) for rate in sorted(EVERY)}
    sides = [_side(f"{rate} Hz", r) for rate, r in there.items() if r]
    return [(side, sides[0]) for side in sides[1:]]


def _backups(rows: dict[Any, Rows]) -> list[tuple[Side, Side]]:
    """Ours with the task policy's backup beside the composite one, if there is any."""
    task, composite = rows["methods", OURS, None], rows.get(("backups", OURS, None))
    if not composite:
        return []
    return [(_side(f"{OURS}, task backup", task), _side(f"{OURS}, composite backup", composite))]


def _as_meant(name: str, rows: Rows) -> Side:
    return Side(name, counted(rows), counted(rows, AS_MEANT.get(name, "calibrated")))


def _side(name: str, rows: Rows) -> Side:
    return Side(name, counted(rows), counted(rows, "published"))


GROUPS = {
    "methods": _methods,
    "thresholds": _thresholds,
    "hysteresis": _hysteresis,
    "rates": _rates,
    "backups": _backups,
}
"""What is compared within each group."""
