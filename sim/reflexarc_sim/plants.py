# SPDX-License-Identifier: Apache-2.0
"""The table of plants: a new one is a package like `mujoco_plant`, an entry here and a choice in `PlantConfig`."""

from reflexarc.core.errors import UnknownNameError
from reflexarc.core.plant import Plant
from reflexarc_sim.scenario import Scenario


def _mujoco(scenario: Scenario) -> Plant:
    from reflexarc_sim.mujoco_plant import MujocoPlant  # noqa: PLC0415 - a plant's engine is loaded only when it is used

    return MujocoPlant(scenario)


PLANTS = {"mujoco": _mujoco}
"""Kind of plant -> function Scenario -> Plant."""


def make_plant(scenario: Scenario) -> Plant:
    """Return the plant that the scenario asks for, ready for `reset`.

    Raises:
        UnknownNameError: there is no such kind of plant.
        ModelError: the robot's files are missing or malformed.
    """
    if scenario.plant.type not in PLANTS:
        raise UnknownNameError("plant", scenario.plant.type, PLANTS, scenario.where)
    return PLANTS[scenario.plant.type](scenario)
