# SPDX-License-Identifier: Apache-2.0
"""The drives of manoeuvres and contact as scenarios whose policy proposes them, so that live nodes can drive them."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from reflexarc.assurance.twin.sessions import CONTACT, MANOEUVRES
from reflexarc.core.config import from_mapping, quantity
from reflexarc.core.types import Array, BaseState, Proposal
from reflexarc_sim import surrogate_drives as drives
from reflexarc_sim.mujoco_plant.start import GAP, Start
from reflexarc_sim.scenario import Scenario

SETTLE_S = 2.0
"""Standstill before a drive: a recorder may find its topics a second after time has begun to run. [s]"""
TRAILING_S = 0.5
"""Standstill after it. [s]"""
POLICY = f"{__name__}:DrivePolicy"
PRESS_S = 0.8
"""A live robot drives for so much longer than the way to the bollard takes, since a pause of the processes stops it on
the way. The peak is that of the impact, however long it presses. [s]"""
_WAIT, (_, _SPEED, _), *_BACK = drives.TOUCH
_PARTS = {MANOEUVRES: drives.MANOEUVRES, CONTACT: (_WAIT, (GAP / _SPEED + PRESS_S, _SPEED, 0.0), *_BACK)}
_SCENARIO: Mapping[str, dict[str, Any]] = {
    MANOEUVRES: {"plant.start": str(Start.MIDDLE)},
    # Nothing is planned here, but mission_node plans a route from where the robot stands, close to the bollard.
    CONTACT: {"plant.start": str(Start.BOLLARD), "missions.min_distance_m": 3.0, "world.route_margin_m": 0.0},
}


@dataclass(frozen=True, slots=True)
class DriveConfig:
    """Parameters of the policy."""

    drive: str = quantity(MANOEUVRES, choices=(MANOEUVRES, CONTACT), doc="which list of velocities")
    settle_s: float = quantity(SETTLE_S, unit="s", low=0.0, high=60.0, doc="standstill before it")


class DrivePolicy:
    """Proposes a list of velocities, whatever the route and the state are; zero after its end."""

    def __init__(self, config: DriveConfig):
        """Take the parameters; the list begins with the first proposal."""
        self.config = config
        self._parts = ((config.settle_s, 0.0, 0.0), *_PARTS[config.drive])
        self._begun: float | None = None

    @classmethod
    def from_dict(cls, data: Mapping[str, Any], where: str) -> "DrivePolicy":
        """Build from a mapping of parameters.

        Raises:
            ConfigError: unknown key or value out of bounds.
        """
        return cls(from_mapping(DriveConfig, data, where))

    def reset(self, route: Array) -> None:
        """Ignore the route."""

    def propose(self, state: BaseState, now: float) -> Proposal:
        """Return the list's velocity at time `now` [s]."""
        self._begun = now if self._begun is None else self._begun
        return Proposal(now, np.asarray(drives.commanded(self._parts, now - self._begun)))


def live_place(scenario: Scenario, drive: str, settle_s: float = SETTLE_S) -> Scenario:
    """Return the scenario's robot, cargo, arc and plant where the drive begins, with the policy that drives it.

    Args:
        scenario: of the validation.
        drive: `manoeuvres` or `contact`.
        settle_s: standstill before the drive. [s]
    """
    place = {MANOEUVRES: drives.empty_place, CONTACT: drives.bollard_place}[drive](scenario)
    policy = {"name": POLICY, "params": {"drive": drive, "settle_s": settle_s}}
    seconds = settle_s + sum(part[0] for part in _PARTS[drive]) + TRAILING_S
    return place.with_overrides(
        {
            "policy": policy,
            "duration_s": seconds,
            "missions.timeout_s": 3600.0,
            "missions.goal_tolerance_m": 0.05,
        }
        | _SCENARIO[drive]
    )
