# SPDX-License-Identifier: Apache-2.0
"""The page of a synthesis, in Markdown."""

from collections.abc import Mapping, Sequence
from typing import Any

from reflexarc.assurance.hazards.cell import Cell
from reflexarc.assurance.hazards.policies import decision_points, policy_count
from reflexarc.assurance.synthesis.sweep import acceptable


def page(
    cell: Cell,
    rows: Sequence[Mapping[str, Any]],
    front: Sequence[int],
    chosen: int,
    robust: Mapping[str, Any],
    properties: Mapping[str, Any],
) -> str:
    """Return the page: the choice, its properties, the Pareto front, the assumptions."""
    good = [row for row in rows if acceptable(cell, row)]
    seconds = cell.horizon_steps * cell.step_s
    lines = [
        f"# Supervisor of the cell {cell.name}",
        "",
        cell.description,
        "",
        f"{policy_count(cell)} policies, {len(rows)} configurations with the alarms; {len(good)} keep every constraint "
        f"at the nominal probabilities, {len(front)} of them are not dominated. Horizon {cell.horizon_steps} steps of "
        f"{cell.step_s:g} s ({seconds:g} s).",
        "",
        "![Pareto front](pareto.svg)",
        "",
        "## The choice",
        "",
        "The largest utility, productivity / (disruption + effort), with no deadlock, live, resuming, and P(mishap) "
        f"within the limit {cell.limits.mishap_probability:g} at the worst of the uncertain probabilities.",
        "",
        *_table(("decision", "action"), rows[chosen]["policy"].items()),
        "",
        *_table(("property", "value"), _flat(properties)),
        "",
        f"The worst case is the largest of {robust['corners']} corners and {robust['inside']} random points of the box "
        f"of uncertain probabilities: {robust['intervals'] or 'there are none'}.",
        "",
        "## Pareto front",
        "",
        *_table(
            (
                *(point for point in decision_points(cell)),
                *cell.alarms,
                "utility",
                "nuisance",
                "risk",
                "P(mishap)",
            ),
            [
                (
                    *rows[i]["policy"].values(),
                    *rows[i]["alarms"].values(),
                    *(_number(rows[i][key]) for key in ("utility", "nuisance", "weighted_risk", "mishap")),
                )
                for i in front
            ],
        ),
        "",
        "## Probabilities and where they come from",
        "",
        *_table(
            ("probability", "value", "interval", "provenance"),
            [
                (
                    path,
                    _number(p.nominal),
                    "–"
                    if not p.uncertain
                    else " to ".join(_number(v) for v in p.interval(cell.limits.confidence)),
                    cell.sources[p.source] if p.source else f"assumed: {p.assumed}",
                )
                for path, p in cell.probabilities().items()
            ],
        ),
        "",
        "Bounded horizon, stated assumptions, software only: no performance level follows from this page.",
    ]
    return "\n".join(lines) + "\n"


def _table(head: Sequence[str], rows: Any) -> list[str]:
    body = ["| " + " | ".join(str(cell) for cell in row) + " |" for row in rows]
    return ["| " + " | ".join(head) + " |", "|" + "---|" * len(head), *body]


def _flat(properties: Mapping[str, Any], prefix: str = "") -> list[tuple[str, str]]:
    found: list[tuple[str, str]] = []
    for key, value in properties.items():
        if isinstance(value, Mapping):
            found += _flat(value, f"{prefix}{key}.")
        else:
            found.append((prefix + key, _number(value)))
    return found


def _number(value: Any) -> str:
    return f"{value:.5g}" if isinstance(value, float) else str(value)
