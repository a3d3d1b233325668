# SPDX-License-Identifier: Apache-2.0
"""The table of plants: a new one is a package like `mujoco_plant`, an entry here and a choice in `PlantConfig`."""

from typing import TYPE_CHECKING

from reflexarc.core.errors import ConfigError, UnknownNameError
from reflexarc.core.plant import Plant
from reflexarc_sim.scenario import Scenario

if TYPE_CHECKING:
    from reflexarc_sim.arm_plant import ArmPlant
    from reflexarc_sim.walker_plant import WalkerPlant


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
        ConfigError: the robot is an arm or a quadruped, see `make_arm_plant` and `make_walker_plant`.
    """
    if scenario.of_arm:
        raise ConfigError(f"{scenario.where}: {scenario.robot} is an arm, and this needs a mobile robot")
    if scenario.of_walker:
        raise ConfigError(
            f"{scenario.where}: {scenario.robot} is a quadruped at the level of its joints, and this needs "
            "a mobile robot"
        )
    if scenario.plant.type not in PLANTS:
        raise UnknownNameError("plant", scenario.plant.type, PLANTS, scenario.where)
    return PLANTS[scenario.plant.type](scenario)


def make_arm_plant(scenario: Scenario) -> "ArmPlant":
    """Return the plant of an arm's scenario, ready for `reset`.

    Raises:
        ConfigError: the robot is no arm, or a step is no whole number of physics steps.
        ModelError: the robot's files are missing or malformed.
    """
    from reflexarc_sim.arm_plant import ArmPlant  # noqa: PLC0415 - a plant's engine is loaded only when it is used

    if not scenario.of_arm:
        raise ConfigError(f"{scenario.where}: {scenario.robot} is no arm")
    plant = scenario.plant
    return ArmPlant(scenario.cell, scenario.robot, plant.step_period, plant.physics_period)


def make_walker_plant(scenario: Scenario) -> "WalkerPlant":
    """Return the plant of a quadruped's scenario, ready for `reset`.

    Raises:
        ConfigError: the robot is no quadruped, or the plant's period is not that of its physics.
    """
    from reflexarc_sim.walker_plant import WalkerPlant  # noqa: PLC0415 - a plant's engine is loaded only when it is used

    if not scenario.of_walker:
        raise ConfigError(f"{scenario.where}: {scenario.robot} is no quadruped")
    plant = scenario.plant
    return WalkerPlant(
        scenario.walk, scenario.robot, plant.step_period, plant.physics_period, scenario.duration_s
    )
