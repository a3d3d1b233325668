# SPDX-License-Identifier: Apache-2.0
"""Decision points of a cell and its policies: one action for every mitigation and resumption."""

import itertools
from collections.abc import Mapping
from dataclasses import dataclass

from reflexarc.assurance.hazards.cell import Action, Cell
from reflexarc.core.errors import ConfigError, UnknownNameError

MOST_POLICIES = 20_000


@dataclass(frozen=True, slots=True)
class Policy:
    """One action for every decision point; each hazard has its own mitigation and resumption."""

    mitigation: Mapping[str, str]
    """Hazard to its action's name."""
    resumption: Mapping[str, str]
    """Hazard to its action's name."""

    def choices(self) -> dict[str, str]:
        """Return decision point to action, such as `HC.mitigation`."""
        return {
            **{f"{hazard}.mitigation": action for hazard, action in self.mitigation.items()},
            **{f"{hazard}.resumption": action for hazard, action in self.resumption.items()},
        }

    def mitigate(self, cell: Cell, hazard: str) -> Action:
        """Return the action that mitigates the hazard."""
        return cell.actions[self.mitigation[hazard]]

    def resume(self, cell: Cell, hazard: str) -> Action:
        """Return the action that resumes after the hazard."""
        return cell.actions[self.resumption[hazard]]


def decision_points(cell: Cell) -> dict[str, tuple[str, ...]]:
    """Return every decision point, such as `HC.mitigation`, with its actions."""
    return {
        **{f"{name}.mitigation": hazard.mitigations for name, hazard in cell.hazards.items()},
        **{f"{name}.resumption": hazard.resumptions for name, hazard in cell.hazards.items()},
    }


def policies(cell: Cell) -> list[Policy]:
    """Return every policy of the cell.

    Raises:
        ConfigError: there are more than can be enumerated.
    """
    points = decision_points(cell)
    count = policy_count(cell)
    if count > MOST_POLICIES:
        raise ConfigError(f"{cell.name}: {count} policies; allowed: at most {MOST_POLICIES}")
    return [
        policy_from(cell, dict(zip(points, chosen, strict=True)))
        for chosen in itertools.product(*points.values())
    ]


def policy_count(cell: Cell) -> int:
    """Return the number of policies."""
    count = 1
    for actions in decision_points(cell).values():
        count *= len(actions)
    return count


def policy_from(cell: Cell, choices: Mapping[str, str]) -> Policy:
    """Return the policy of the choices, decision point to action.

    Raises:
        ConfigError: a decision point is missing.
        UnknownNameError: a decision point or an action that the cell does not offer.
    """
    points = decision_points(cell)
    for point, action in choices.items():
        if point not in points:
            raise UnknownNameError("decision point", point, points, cell.name)
        if action not in points[point]:
            raise UnknownNameError("action", action, points[point], point)
    missing = set(points) - set(choices)
    if missing:
        raise ConfigError(f"{cell.name}: no action chosen for {', '.join(sorted(missing))}")
    return Policy(
        {name: choices[f"{name}.mitigation"] for name in cell.hazards},
        {name: choices[f"{name}.resumption"] for name in cell.hazards},
    )
