# SPDX-License-Identifier: Apache-2.0
"""A cell with measured counts in place of assumptions, and its table's policy verified again on it.

A probability with too few trials keeps what the model has: no hit in a dozen turns is no reason to call it 0.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from reflexarc.assurance.conformance.estimate import Estimate, Finding
from reflexarc.assurance.hazards.cell import Cell
from reflexarc.assurance.hazards.counts import with_counts
from reflexarc.assurance.hazards.policies import policy_from
from reflexarc.assurance.hazards.read import parse_cell
from reflexarc.assurance.supervisor.table import SupervisorTable
from reflexarc.assurance.synthesis.checker import Checker
from reflexarc.assurance.synthesis.prism import model_text
from reflexarc.assurance.synthesis.queries import figures, policy_queries
from reflexarc.assurance.synthesis.robust import robust_mishap
from reflexarc.assurance.synthesis.sweep import Configuration


def counts_of(estimates: Sequence[Estimate]) -> dict[str, list[int]]:
    """Return path to [hits, trials] as `assurance synthesise --counts` takes it, of what has enough trials."""
    return {e.path: [e.hits, e.trials] for e in estimates if e.finding is not Finding.TOO_FEW}


def counted_cell(data: Mapping[str, Any], cell: Cell, counts: Mapping[str, Any], source: str) -> Cell:
    """Return the cell with the counts in.

    Raises:
        ConfigError: the counts do not fit the cell; together they may say that more than one thing always happens.
    """
    return parse_cell(with_counts(data, cell, counts, source), source)


def reverify(cell: Cell, table: SupervisorTable, checker: Checker) -> dict[str, Any]:
    """Return what holds of the table's policy on a cell, nominal and at the worst of its uncertain probabilities.

    Raises:
        ConfigError: the policy is none of this cell, or Storm is not installed.
        ModelError: Storm refuses the model.
    """
    point = Configuration(policy_from(cell, table.policy), table.alarms)
    found = figures(cell, checker.check(model_text(cell, point.policy, point.alarms), policy_queries(cell)))
    robust = robust_mishap(cell, point, checker)
    worst_text = model_text(cell, point.policy, point.alarms, values=robust["worst_at"])
    worst = figures(cell, checker.check(worst_text, policy_queries(cell)))
    keys = ("mishap", "deadlock", "freedom", "live", "resumes", "productivity", "states", "undecided")
    limit = cell.limits.mishap_probability
    return {
        "horizon_s": cell.horizon_steps * cell.step_s,
        "limit": limit,
        "nominal": {key: found.get(key) for key in keys},
        "worst": {key: worst.get(key) for key in keys},
        "worst_at": robust["worst_at"],
        "corners": robust["corners"],
        "inside": robust["inside"],
        "keeps_limit": robust["worst"] is not None and robust["worst"] <= limit,
    }
