# SPDX-License-Identifier: Apache-2.0
"""From a swept cell to a verified table: choice under the robust limit, the remaining proofs, the table; and the way
back, the check of a table against its cell.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from reflexarc.assurance.hazards.cell import Cell
from reflexarc.assurance.hazards.policies import policy_from
from reflexarc.assurance.supervisor.table import SupervisorTable, canonical, digest, parse_table
from reflexarc.assurance.synthesis.automaton import table_content
from reflexarc.assurance.synthesis.checker import QUERY_LIMIT_S, Checker, Query
from reflexarc.assurance.synthesis.conformance import conformance
from reflexarc.assurance.synthesis.prism import model_text
from reflexarc.assurance.synthesis.queries import (
    figures,
    mishap_query,
    policy_queries,
    worst_person_queries,
)
from reflexarc.assurance.synthesis.robust import robust_mishap
from reflexarc.assurance.synthesis.sweep import Configuration, acceptable, by_utility
from reflexarc.core.errors import ModelError

FAILURE_SHARES = (0.05, 0.10, 0.20)
"""Probability of a sensor's failure in the variants, the same for every sensor."""
TOLERANCE = 1e-6
"""Largest difference between a property of a table and its recomputed value."""


@dataclass(frozen=True, slots=True)
class Choice:
    """The chosen point and what was found about it."""

    index: int
    robust: Mapping[str, Any]
    tried: int
    """Points that were looked at, from the largest utility down."""


def choose(
    cell: Cell, points: Sequence[Configuration], rows: Sequence[Mapping[str, Any]], checker: Checker
) -> Choice:
    """Return the acceptable point of the largest utility whose worst P(mishap) keeps the limit as well.

    Raises:
        ModelError: there is none.
    """
    limit, worst_values = cell.limits.mishap_probability, {}
    for tried, index in enumerate(by_utility(cell, rows), 1):
        point = points[index]
        if worst_values:
            text = model_text(cell, point.policy, point.alarms, values=worst_values)
            known = checker.check(text, [mishap_query(cell)]).number("mishap")
            if known is None or known > limit:
                continue
        robust = robust_mishap(cell, point, checker)
        if robust["worst"] is not None and robust["worst"] <= limit:
            return Choice(index, robust, tried)
        worst_values = robust["worst_at"]
    raise ModelError(
        f"{cell.name}: no live policy without a deadlock keeps P(mishap within {cell.horizon_steps} steps) "
        f"<= {limit:g} at the worst probabilities; no table was made"
    )


def failure_values(cell: Cell, share: float) -> dict[str, float]:
    """Return the probabilities of the variant in which every sensor fails with `share`."""
    return {f"sensors.{name}.failure": share for name in cell.sensors}


def exploring_values(cell: Cell) -> dict[str, float]:
    """Return probabilities under which the model reaches whatever it can: sensors fail, resumptions have to wait."""
    return {**failure_values(cell, 0.5), "resuming.dwell": 0.5, "resuming.acknowledge": 0.5}


def failure_variant(
    cell: Cell, point: Configuration, share: float, checker: Checker, default_stop: bool = True
) -> dict[str, Any]:
    """Return the figures of a point when every sensor fails with `share`.

    Raises:
        ModelError: Storm refuses the model.
    """
    values = failure_values(cell, share)
    text = model_text(cell, point.policy, point.alarms, values=values, default_stop=default_stop)
    return figures(cell, checker.check(text, policy_queries(cell)))


def make_table(
    cell: Cell, point: Configuration, robust: Mapping[str, Any], checker: Checker
) -> tuple[dict[str, Any], SupervisorTable]:
    """Prove the rest about a point and return its table's content with digest, and the table.

    Raises:
        ModelError: the table and the model differ, a deadlock is possible or a query stayed undecided.
    """
    content = table_content(cell, point.policy, point.alarms, {})
    content["properties"] = _properties(cell, point, robust, content, checker)
    content["digest"] = digest(content)
    return content, parse_table(content, cell.name)


def check_table(
    cell: Cell,
    table: SupervisorTable,
    content: Mapping[str, Any],
    limit_s: float = QUERY_LIMIT_S,
    say: Callable[[str], None] = lambda line: None,
) -> list[str]:
    """Recompute everything that a table claims from its cell and return what differs.

    Raises:
        ConfigError: the policy is none of this cell, or Storm is not installed.
        ModelError: Storm refuses the model, or a property cannot be proven again.
    """
    if table.model_sha256 != cell.sha256:
        return [f"the cell's hash is {cell.sha256}, the table was made for {table.model_sha256}"]
    say("model hash agrees")
    point = Configuration(policy_from(cell, table.policy), table.alarms)
    made = table_content(cell, point.policy, point.alarms, table.properties)
    wrong = [key for key in made if canonical(made[key]) != canonical(content[key])]
    if wrong:
        return [f"{', '.join(wrong)}: the cell and the policy give something else"]
    say(f"{len(table.states)} states and their transitions agree with the policy")
    with Checker(limit_s) as checker:
        robust = robust_mishap(cell, point, checker)
        again = _properties(cell, point, robust, made, checker)
    differing = _differences("properties", dict(table.properties), again)
    if not differing:
        say(f"{len(again)} properties were proven again")
    return differing


def _properties(
    cell: Cell,
    point: Configuration,
    robust: Mapping[str, Any],
    content: Mapping[str, Any],
    checker: Checker,
) -> dict[str, Any]:
    table = parse_table({**content, "digest": digest(content)}, cell.name)
    text = model_text(cell, point.policy, point.alarms)
    nominal = figures(cell, checker.check(text, policy_queries(cell)))
    worst_person = checker.check(
        model_text(cell, point.policy, point.alarms, random_person=False), worst_person_queries(cell)
    )
    failing = {f"{share:g}": failure_variant(cell, point, share, checker) for share in FAILURE_SHARES}
    explored = model_text(cell, point.policy, point.alarms, values=exploring_values(cell))
    turns = checker.check(explored, list[Query](), explore=True).values.get("explore")
    if turns is None or worst_person.undecided or any(row["undecided"] for row in failing.values()):
        raise ModelError(f"{cell.name}: a query stayed undecided; no table was made")
    same = conformance(cell, table, turns)
    if not same.complete:
        raise ModelError(f"{cell.name}: the table is not the verified model: {same.differences[:1]}")
    stuck = [share for share, row in failing.items() if row["deadlock"] != 0.0]
    if stuck or not acceptable(cell, nominal):
        raise ModelError(
            f"{cell.name}: a constraint is not kept, with failing sensors: {stuck}; no table was made"
        )
    return {
        "horizon_steps": cell.horizon_steps,
        "step_s": cell.step_s,
        "mishap_limit": cell.limits.mishap_probability,
        "mishap": nominal["mishap"],
        "mishap_worst": robust["worst"],
        "worst_at": dict(robust["worst_at"]),
        "mishap_worst_person": worst_person.number("mishap"),
        "deadlock_worst_person": worst_person.number("deadlock"),
        **{key: nominal[key] for key in ("deadlock", "live", "resumes", "freedom", "hazardous_states")},
        **{
            key: nominal[key]
            for key in ("productivity", "disruption", "effort", "nuisance", "weighted_risk", "utility")
        },
        "failing_sensors": {
            share: {key: row[key] for key in ("deadlock", "mishap", "live", "resumes")}
            for share, row in failing.items()
        },
        "conformance": {
            "model_states": same.states,
            "table_states": same.table_states,
            "transitions": same.transitions,
            "differences": 0,
        },
    }


def _differences(where: str, old: Any, new: Any) -> list[str]:
    if isinstance(old, Mapping) and isinstance(new, Mapping):
        if set(old) != set(new):
            return [f"{where}: {sorted(set(old) ^ set(new))} are not in both"]
        return [line for key in old for line in _differences(f"{where}.{key}", old[key], new[key])]
    if isinstance(old, float) and isinstance(new, float) and math.isclose(old, new, abs_tol=TOLERANCE):
        return []
    return [] if old == new else [f"{where}: {old} in the table, {new} now"]
