# SPDX-License-Identifier: Apache-2.0
"""Drive one seeded mission in lock-step and return it as an episode of the episode table."""

import math
from typing import Any

from reflexarc.core.errors import ReflexArcError
from reflexarc.core.plant import ContactEvent
from reflexarc.core.types import Array
from reflexarc.economics.missions import MissionFile, SeededMission
from reflexarc.economics.objective import StepCost
from reflexarc.economics.readers.tables import WORDS
from reflexarc_sim.lockstep import RunResult
from reflexarc_sim.lockstep import run as run_lockstep
from reflexarc_sim.missions import scenario_missions
from reflexarc_sim.scenario import Scenario, load_scenario

SCENARIO = "sidewalk_delivery"
OVERRIDES = {"missions.count": "1", "duration_s": "60.05"}
"""One delivery per seed, so that missions are independent; the run lasts one tick longer than the mission
may.
"""

TICKS_PER_STEP = 10
"""Ticks of 5 ms between two steps of the objective: the rate of the proposals."""

POLICIES: dict[str, tuple[str, dict[str, Any], bool]] = {
    "pure pursuit": ("route_follower", {}, False),
    "pure pursuit + arc": ("route_follower", {}, True),
    "DWA": ("dwa", {}, False),
    "DWA + arc": ("dwa", {}, True),
}
"""Name in the table: task policy, its parameters, whether the arc is in the loop."""


class Witness:
    """Observer of a run: contacts, way and energy of its one mission."""

    def __init__(self, cost: StepCost) -> None:
        """Count `cost` along, once per proposal."""
        self.cost = cost
        self.contacts: list[ContactEvent] = []
        self.ended: dict[str, Any] = {}
        self.start = 0.0
        self.distance = 0.0
        self.goal = (0.0, 0.0)
        self._last: Array | None = None
        self._ticks = 0
        self._new: list[ContactEvent] = []

    def tick(self, state: Any, proposal: Any, command: Any, verdict: Any, min_distance: float) -> None:
        """Add up the way until the mission ends."""
        if self.ended:
            return
        if self._last is not None:
            self.distance += math.dist(self._last, state.pose[:2])
        self._last = state.pose[:2]
        self._ticks += 1
        if self._ticks % TICKS_PER_STEP == 0:
            left = math.dist(self.goal, state.pose[:2])
            self.cost.step(state.stamp - self.start, self.distance, math.nan, left, self._new, self.start)
            self._new = []

    def pedestrians(self, time: float, names: tuple[str, ...], positions: Array) -> None:
        """Not needed."""

    def plant_event(self, event: Any) -> None:
        """Keep contacts."""
        if isinstance(event, ContactEvent):
            self.contacts.append(event)
            self._new.append(event)

    def event(self, time: float, kind: str, text: str, **details: Any) -> None:
        """Keep how the mission ended."""
        if details.get("state") == "started":
            self.start, self.goal = time, tuple(details["goal"])
        elif details.get("state") == "ended":
            self.ended = details | {"time": time}

    def finish(self) -> float:
        """Charge what came with and after the last tick, and return the run's cost. [usd]"""
        word = self.ended["outcome"]
        if word not in WORDS:
            raise ReflexArcError(f"the mission was {word}: give it the time that it is allowed")
        self.cost.finish(
            WORDS[word],
            self.ended["duration"],
            self.distance,
            self.ended["energy_kwh"],
            self._new,
            self.start,
        )
        return self.cost.total


def study_missions(seeds: tuple[int, ...]) -> MissionFile:
    """Plan the missions of `seeds` without driving them."""
    scenario = load_scenario(SCENARIO, OVERRIDES)
    return MissionFile(SCENARIO, OVERRIDES, tuple(_planned(scenario, seed) for seed in seeds))


def drive(
    mission: SeededMission, policy: str, parameters: dict[str, Any], arc: bool, settings: dict[str, str]
) -> dict[str, Any]:
    """Drive `mission` and return its row of the episode table, with the run's digest.

    Args:
        mission: must be what the scenario plans for its seed.
        policy: task policy by name.
        parameters: of the policy.
        arc: whether the arc is in the loop.
        settings: further scenario keys, such as arc parameters.

    Raises:
        ReflexArcError: the scenario plans another mission for this seed.
    """
    scenario = load_scenario(
        SCENARIO, {**OVERRIDES, **settings, "policy.name": policy, "policy.params": parameters}
    )
    if not mission.same_as(_planned(scenario, mission.seed)):
        raise ReflexArcError(
            f"the scenario plans another mission for seed {mission.seed} than the mission file; plan the file anew"
        )
    witness = Witness(StepCost(mission.timeout_s, 1.0))
    result: RunResult = run_lockstep(scenario, mission.seed, arc, observers=(witness,))
    cost = witness.finish()
    return {
        "mission": mission.key,
        "outcome": witness.ended["outcome"],
        "duration_s": witness.ended["duration"],
        "distance_m": round(witness.distance, 6),
        "energy_kwh": witness.ended["energy_kwh"],
        "contacts": [
            {
                "time": round(c.end - witness.start, 6),
                "start": round(c.start - witness.start, 6),
                "class": str(c.contact_class),
                "partner": c.partner,
                "impulse": round(c.impulse, 6),
                "delta_v": round(c.delta_v, 6),
                "peak_force": round(c.peak_force, 4),
                "robot_speed": round(c.robot_speed, 6),
            }
            for c in witness.contacts
        ],
        "seed": mission.seed,
        "digest": result.summary.digest,
        "step_cost_usd": cost,
    }


def _planned(scenario: Scenario, seed: int) -> SeededMission:
    _, (mission,) = scenario_missions(scenario, seed)
    return SeededMission(seed, mission.start, mission.goal, mission.timeout_s)
