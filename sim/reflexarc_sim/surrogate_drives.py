# SPDX-License-Identifier: Apache-2.0
"""The drives of a session beside the scenario's: manoeuvres in an empty place, and a touch of a bollard."""

import numpy as np

from reflexarc.core.types import Array, BaseState, Proposal
from reflexarc_sim.mujoco_plant.start import GAP
from reflexarc_sim.scenario import Scenario, scenario_from_mapping

MANOEUVRES = (
    (1.0, 0.0, 0.0),
    (2.0, 1.2, 0.0),
    (1.2, 0.0, 0.0),
    (3.6, 3.4, 0.0),
    (1.9, 0.0, 0.0),
    (2.8, 2.6, 0.0),
    (1.4, 2.6, 1.5),
    (0.8, 2.6, 0.0),
    (1.4, 2.6, -1.5),
    (1.6, 0.0, 0.0),
    (1.2, 0.0, 1.5),
    (1.2, 0.0, -1.5),
    (1.0, 0.0, 0.0),
)
"""Duration [s], forward and yaw velocity [m/s, rad/s]: steps, full brakings from two speeds, turns at 3.9 m/s^2 of
lateral acceleration, turns on the spot."""
MANOEUVRES_S = sum(duration for duration, _, _ in MANOEUVRES)
TOUCH = ((1.0, 0.0, 0.0), (GAP / 0.1 + 0.2, 0.1, 0.0), (0.6, -0.2, 0.0), (1.0, 0.0, 0.0))
"""The same of a drive that touches a bollard: at 0.1 m/s, 0.2 s longer than the way takes, and back. The arc, which
would not let the robot touch anything, is not in between; on a real robot a person stands beside it."""
TOUCH_S = sum(duration for duration, _, _ in TOUCH)
_OPEN = {
    "world": {"type": "plaza", "length_m": 120.0, "width_m": 40.0, "bollards": 0},
    "crowd": {"source": "none", "count": 0},
}
_BOLLARD = _OPEN | {"world": {"type": "plaza", "length_m": 16.0, "width_m": 16.0, "bollards": 1}}
_KEPT = ("robot", "cargo", "arc", "plant")


def empty_place(scenario: Scenario) -> Scenario:
    """Return the scenario's robot, cargo, arc and plant in a place where nothing is in the way."""
    return _place(scenario, "empty", MANOEUVRES_S, _OPEN)


def bollard_place(scenario: Scenario) -> Scenario:
    """Return the same in a place with one bollard."""
    return _place(scenario, "bollard", TOUCH_S, _BOLLARD)


def manoeuvres(_: BaseState, now: float) -> Proposal:
    """Propose what `MANOEUVRES` says at time `now` [s]."""
    return Proposal(now, commanded(MANOEUVRES, now))


def touch(_: BaseState, now: float) -> Proposal:
    """Propose what `TOUCH` says at time `now` [s]."""
    return Proposal(now, commanded(TOUCH, now))


def commanded(parts: tuple[tuple[float, float, float], ...], now: float) -> Array:
    """Return the velocity that a list of parts says at time `now` [s], shape (2,); zero after its end. [m/s, rad/s]"""
    end = 0.0
    for duration, v, omega in parts:
        end += duration
        if now < end - 1e-9:
            return np.array([v, omega])
    return np.zeros(2)


def _place(scenario: Scenario, name: str, duration: float, place: dict) -> Scenario:
    kept = {key: scenario.source[key] for key in _KEPT if key in scenario.source}
    data = {"name": f"{scenario.name}_{name}", "duration_s": duration, **kept, **place}
    return scenario_from_mapping(data, scenario.where)
