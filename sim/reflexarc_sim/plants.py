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


def require_plant(scenario: Scenario) -> None:
    """Return if what the scenario's plant stands on is installed; no engine is loaded.

    Raises:
        ConfigError: it is not; the message says what to install.
    """
    if scenario.plant.type == "newton":
        from reflexarc_sim.newton_plant.needs import require_newton  # noqa: PLC0415 - OpenUSD, an optional package

        require_newton()


def _newton(scenario: Scenario) -> Plant:
    require_plant(scenario)
    from reflexarc_sim.newton_plant.plant import NewtonPlant  # noqa: PLC0415 - Newton and OpenUSD, optional packages

    return NewtonPlant(scenario)


PLANTS = {"mujoco": _mujoco, "newton": _newton}
"""Kind of plant -> function Scenario -> Plant."""


def make_plant(scenario: Scenario) -> Plant:
    """Return the plant that the scenario asks for, ready for `reset`.

    Raises:
        UnknownNameError: there is no such kind of plant.
        ModelError: the robot's files are missing or malformed.
        ConfigError: the robot is an arm or a quadruped, see `make_arm_plant` and `make_walker_plant`; or the plant's
            engine is not installed.
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


def only_mujoco(scenario: Scenario, what: str) -> None:
    """Return if the scenario asks for the MuJoCo plant.

    Args:
        scenario: any.
        what: it is about, for the message: an arm.

    Raises:
        ConfigError: it asks for another one.
    """
    if scenario.plant.type != "mujoco":
        raise ConfigError(
            f"{scenario.where}: plant.type {scenario.plant.type!r} simulates one mobile base, not {what}; "
            "plant.type must be 'mujoco' here"
        )


def make_arm_plant(scenario: Scenario) -> "ArmPlant":
    """Return the plant of an arm's scenario, ready for `reset`.

    Raises:
        ConfigError: the robot is no arm, a step is no whole number of physics steps, or the plant is not MuJoCo's.
        ModelError: the robot's files are missing or malformed.
    """
    from reflexarc_sim.arm_plant import ArmPlant  # noqa: PLC0415 - a plant's engine is loaded only when it is used

    if not scenario.of_arm:
        raise ConfigError(f"{scenario.where}: {scenario.robot} is no arm")
    only_mujoco(scenario, "an arm")
    plant = scenario.plant
    return ArmPlant(scenario.cell, scenario.robot, plant.step_period, plant.physics_period)


def make_walker_plant(scenario: Scenario) -> "WalkerPlant":
    """Return the plant of a quadruped's scenario, ready for `reset`.

    Raises:
        ConfigError: the robot is no quadruped, the plant's period is not that of its physics, or the plant is not
            MuJoCo's.
    """
    from reflexarc_sim.walker_plant import WalkerPlant  # noqa: PLC0415 - a plant's engine is loaded only when it is used

    if not scenario.of_walker:
        raise ConfigError(f"{scenario.where}: {scenario.robot} is no quadruped")
    only_mujoco(scenario, "a quadruped")
    plant = scenario.plant
    return WalkerPlant(
        scenario.walk, scenario.robot, plant.step_period, plant.physics_period, scenario.duration_s
    )
