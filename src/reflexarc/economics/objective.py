# SPDX-License-Identifier: Apache-2.0
r"""Dollars as an objective: a cost per step whose sum over a run is that run's line in the statement.

With z the run so far (time, way, energy, contacts) and q the probabilities of its outcomes, let V(z, q) be
the negative margin of a statement of this one run. The cost of a step is the change of V, so the sum
telescopes to V(z_end, q_end) whatever q was on the way, and because the model is linear in the runs, the
mean over runs is the statement's negative margin. Along the way q is smooth in what a policy can influence:

    q_late   = 1 / (1 + exp(-(t + d / v_ref - T) / (0.05 T)))     time, distance to the goal d, time limit T
    q_assist = min(1, sum J / H)^2                               counted impulse, impulse health H
    q        = (q_assist, (1 - q_assist) q_late, (1 - q_assist)(1 - q_late))

and at the end it is what happened. This is potential-based shaping (A. Ng, D. Harada, S. Russell, ICML 1999)
without
discounting: it moves reward in time and leaves every policy's total as it is. Contacts are charged when they
end.
"""

import math
from collections.abc import Sequence

import numpy as np

from reflexarc.core.errors import ConfigError
from reflexarc.core.plant import ContactEvent
from reflexarc.economics.components import electricity_of_energy, operator
from reflexarc.economics.episodes import Contacts, Episodes
from reflexarc.economics.extraction import level_costs
from reflexarc.economics.injury import limit_delta_v, severity_cost
from reflexarc.economics.models import CostModel, cost_model
from reflexarc.economics.outcomes import OUTCOMES, Outcome
from reflexarc.economics.readers.stack import contact_row

LATE_WIDTH = 0.05
"""Width of the transition to being late, as a share of the time limit."""
_SHARES = ("spoiled", "timeout", "assistance")


class StepCost:
    """Cost of one run, step by step. [usd]"""

    def __init__(
        self,
        timeout_s: float,
        reference_speed: float,
        model: CostModel | None = None,
        convention: str | None = None,
    ):
        """Begin before the first step.

        Args:
            timeout_s: time limit of the mission. [s]
            reference_speed: speed at which the rest of the way is expected to be driven. [m/s]
            model: a model that is linear in the runs, `reflexarc_run` if None; not `reflexarc`, which is not.
            convention: revenue convention; the model's own if None.

        Raises:
            ConfigError: the model scales to a trip, or time limit or speed are not positive.
        """
        self._model = cost_model("reflexarc_run") if model is None else model
        if self._model.name == "reflexarc":
            raise ConfigError(
                "the model 'reflexarc' scales to a trip and is not a sum over runs; allowed: reflexarc_run, v1 to v6"
            )
        if not (timeout_s > 0.0 and reference_speed > 0.0):
            raise ConfigError(f"timeout_s {timeout_s} and reference_speed {reference_speed} must be > 0")
        self._timeout, self._speed, self._convention = timeout_s, reference_speed, convention
        self._contacts: list[tuple[float | None, ...]] = []
        self.total = 0.0
        """Sum of all steps so far. [usd]"""

    def step(
        self,
        elapsed: float,
        way: float,
        energy_kwh: float,
        distance_to_goal: float,
        contacts: Sequence[ContactEvent] = (),
        start: float = 0.0,
    ) -> float:
        """Return the cost of the step that led here. [usd]

        Args:
            elapsed: time since the run began. [s]
            way: driven so far. [m]
            energy_kwh: mechanical energy so far; NaN where it is not measured. [kWh]
            distance_to_goal: [m]
            contacts: that ended in this step.
            start: when the run began, on the clock of the contacts. [s]
        """
        self._contacts.extend((0, *contact_row(c, start)) for c in contacts)
        return self._move_to(self._value(elapsed, way, energy_kwh, self._expected(elapsed, distance_to_goal)))

    def finish(
        self,
        outcome: Outcome,
        elapsed: float,
        way: float,
        energy_kwh: float,
        contacts: Sequence[ContactEvent] = (),
        start: float = 0.0,
    ) -> float:
        """Return the cost of the last step, after which `total` is the run's line in the statement. [usd]"""
        self._contacts.extend((0, *contact_row(c, start)) for c in contacts)
        return self._move_to(self._value(elapsed, way, energy_kwh, None, outcome))

    def _move_to(self, value: float) -> float:
        cost, self.total = value - self.total, value
        return cost

    def _expected(self, elapsed: float, distance: float) -> dict[str, float]:
        slack = (elapsed + distance / self._speed - self._timeout) / (LATE_WIDTH * self._timeout)
        late = 1.0 / (1.0 + math.exp(-min(max(slack, -500.0), 500.0)))
        p = self._model.parameters
        health = p["health_impulse"] if "health_impulse" in p else math.inf
        gate = p["contact_impulse"] if "contact_impulse" in p else 0.0
        used = sum(float(row[3] or 0.0) for row in self._contacts if float(row[3] or 0.0) >= gate)
        assist = min(1.0, used / health) ** 2
        return {"spoiled": 0.0, "timeout": (1.0 - assist) * late, "assistance": assist}

    def _value(
        self,
        elapsed: float,
        way: float,
        energy: float,
        shares: dict[str, float] | None,
        outcome: Outcome = Outcome.SUCCESS,
    ) -> float:
        nan = np.full(1, np.nan)
        run = Episodes(
            "step cost", "one", ("run",), np.array([OUTCOMES.index(outcome)]), np.array([elapsed]), np.array([way]),
            np.array([energy]), nan, nan, np.full((1, 9), np.nan), Contacts.from_rows(self._contacts),
        )  # fmt: skip
        means = {
            name: float(value) for name, value in self._model.means(self._model.features(run)[0]).items()
        }
        if shares is not None:
            means |= {name: shares[name] for name in _SHARES}
            means["success"] = 1.0 - sum(shares.values())
        return -float(self._model.figures(means, 0.0, self._convention)["margin"])


def planner_weights(model: CostModel, closing_speed: float, contact_rate: float) -> dict[str, float]:
    """Return the weights of a local planner that counts in dollars, relative to one second of driving.

    Args:
        model: `reflexarc` or `reflexarc_run`, with its parameters.
        closing_speed: speed at which people and robot meet; the pedestrian's change of velocity is that of a
            plastic impact. [m/s]
        contact_rate: expected contacts per second at gap 0. [1/s]

    Returns:
        `time_weight` = 1 and `people_weight` for `reflexarc.policies.dwa`.
    """
    p = model.parameters
    share = p["robot_mass"] / (p["robot_mass"] + p["pedestrian_mass"])
    limit = limit_delta_v(
        p["contact_force_limit"], p["contact_stiffness"], p["robot_mass"], p["pedestrian_mass"]
    )
    injury = float(
        severity_cost(
            share * closing_speed,
            math.nan,
            level_costs(p),
            p["injury_adjustment"],
            p["contact_force_limit"],
            limit,
        )
    )
    hour = float(operator(1.0, p["operator_wage"], p["robots_per_operator"]))
    hour += float(
        electricity_of_energy(0.0, p["hotel_load"], 1.0, p["electricity_price"], p["drive_efficiency"])
    )
    second = hour / 3600.0
    return {"time_weight": 1.0, "people_weight": injury * contact_rate / second}
