# SPDX-License-Identifier: Apache-2.0
r"""What is asked of every policy, and when it is satisfied.

Mishap freedom of a hazardous state is P[not mishap W safe], which Storm, without a weak until, answers as
1 - P[hazard U mishap]. Liveness: what is perceived is mitigated in the supervisor's next step, and every hazard that is
really present is mitigated or over at last. Resumption: every mitigation ends and the task still finishes. All of them
almost surely, unless a mishap ends the run.
"""

from typing import Any

from reflexarc.assurance.hazards.cell import Cell
from reflexarc.assurance.synthesis.checker import Answers, Query
from reflexarc.assurance.synthesis.prism_costs import REWARDS

ALMOST_SURE = 1.0 - 1e-9
"""Storm decides probability 1 on the graph; this only allows for the last digit."""


def policy_queries(cell: Cell) -> list[Query]:
    """Return the queries on the Markov chain of a policy."""
    horizon = cell.horizon_steps
    queries = [
        mishap_query(cell),
        Query("deadlock", 'P=? [F "deadlock"]'),
        Query("harm", 'P=? ["hazard" U "mishap"]', "hazard"),
        *(Query(name, f'R{{"{name}"}}=? [C<={horizon}]') for name in REWARDS),
        Query("finishes", 'P=? [F ("goal" | "mishap")]', "running"),
        Query("goal", 'P=? [F "goal"]', "running"),
    ]
    for name in cell.hazards:
        held, present = f'"held_{name}"', f'"present_{name}"'
        queries += [
            Query(f"noticed_{name}", f'P=? [X ({held} | "stopped")]', f"noticed_{name}"),
            Query(
                f"mitigated_{name}",
                f'P=? [F ({held} | "stopped" | "mishap" | !{present})]',
                f"present_{name}",
            ),
            Query(f"resumed_{name}", f'P=? [F ((!{held} & !"stopped") | "mishap")]', f"held_{name}"),
        ]
    return queries


def mishap_query(cell: Cell) -> Query:
    """Return the query of P(mishap within the horizon)."""
    return Query("mishap", f'P=? [F<={cell.horizon_steps} "mishap"]')


def worst_person_queries(cell: Cell) -> list[Query]:
    """Return the queries on the decision process: the person does whatever is worst."""
    return [
        Query("mishap", f'Pmax=? [F<={cell.horizon_steps} "mishap"]'),
        Query("deadlock", 'Pmax=? [F "deadlock"]'),
    ]


def figures(cell: Cell, answers: Answers) -> dict[str, Any]:
    """Return the figures of one policy from the answers; None where undecided."""
    found: dict[str, Any] = {
        "states": answers.states,
        "transitions": answers.transitions,
        "deadlock": answers.number("deadlock"),
        "mishap": answers.number("mishap"),
        "hazardous_states": None,
        **{name: answers.number(name) for name in REWARDS},
    }
    harm = answers.values.get("harm")
    if harm is not None:
        found["hazardous_states"] = harm["states"]
        found["freedom"] = (
            {"min": 1.0 - harm["max"], "mean": 1.0 - harm["mean"], "max": 1.0 - harm["min"]}
            if harm["states"]
            else None
        )
    found["live"] = _always(
        answers, [f"{kind}_{name}" for name in cell.hazards for kind in ("noticed", "mitigated")]
    )
    found["resumes"] = _always(answers, ["finishes", *(f"resumed_{name}" for name in cell.hazards)])
    goal = answers.over("goal", "min", 0.0)
    found["resumes"] = found["resumes"] and goal is not None and goal > 0.0
    cost = None
    if found["disruption"] is not None and found["effort"] is not None:
        cost = found["disruption"] + found["effort"]
    productive = found["productivity"]
    found["utility"] = productive / cost if cost and productive is not None else None
    found["undecided"] = sorted(answers.undecided)
    return found


def _always(answers: Answers, names: list[str]) -> bool:
    """Return whether every one holds almost surely in all of its states; undecided is no."""
    least = [answers.over(name, "min", 1.0) for name in names]
    return all(value is not None and value >= ALMOST_SURE for value in least)
