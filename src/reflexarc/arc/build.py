# SPDX-License-Identifier: Apache-2.0
"""Build the standard arc of a robot: its stages in order, compiled and warm."""

from collections.abc import Callable

from reflexarc.arc.actuator_limits import ActuatorLimitStage
from reflexarc.arc.arc import Arc
from reflexarc.arc.barrier_stage import BarrierStage
from reflexarc.arc.config import ArcConfig
from reflexarc.arc.learned import LearnedRows
from reflexarc.arc.legged_barrier import LeggedBarrierStage
from reflexarc.arc.legged_learned import LeggedLearnedRows
from reflexarc.arc.legged_limits import LeggedLimitStage
from reflexarc.arc.mode_limits import ModeLimitStage
from reflexarc.arc.postcheck import PostCheckStage
from reflexarc.arc.sanity import SanityStage
from reflexarc.arc.stage import Stage
from reflexarc.arc.warm_up import warm_up_arm, warm_up_base
from reflexarc.core.paths import robot_kind
from reflexarc.robots import BaseRobot, LeggedRobot, load_legged, load_robot


def build_arc(config: ArcConfig) -> Arc:
    """Build the standard arc of the robot that `config` names, compiled and warm.

    A wheeled base: sanity, mode limits, limits of the drive on the proposal, barrier, limits of the drive, post-check.
    A legged base: the same with the limits of its gait. An arm: sanity, mode limits, barrier, post-check.

    Raises:
        ConfigError: the robot is unknown, or the configuration asks for what its kind does not have.
        ModelError: its parameter file is missing or malformed, or the learned barrier is not acceptable.
    """
    return _BUILDERS[robot_kind(config.robot)](config)


def _wheeled(config: ArcConfig) -> Arc:
    robot = load_robot(config.robot)
    learned = LearnedRows(config, robot) if config.learned.enabled else None
    limits = (ActuatorLimitStage(robot, "proposal_limits"), ActuatorLimitStage(robot))
    return _base(config, robot, limits, BarrierStage(config, robot, learned), learned)


def _legged(config: ArcConfig) -> Arc:
    robot = load_legged(config.robot)
    learned = LeggedLearnedRows(config, robot) if config.learned.enabled else None
    limits = (LeggedLimitStage(robot, "proposal_limits"), LeggedLimitStage(robot))
    return _base(config, robot, limits, LeggedBarrierStage(config, robot, learned), learned)


def _base(
    config: ArcConfig,
    robot: BaseRobot | LeggedRobot,
    limits: tuple[Stage, Stage],
    barrier: BarrierStage | LeggedBarrierStage,
    learned: LearnedRows | LeggedLearnedRows | None,
) -> Arc:
    """Put a base's stages in order: `limits` stand before and after the barrier."""
    stages = (
        SanityStage(config, robot.components),
        ModeLimitStage(config.mode_limits),
        limits[0],
        barrier,
        limits[1],
        PostCheckStage(robot, barrier, config.barrier.enabled),
    )
    arc = Arc(config, stages, robot.components, uncertified=learned is not None and learned.uncertified)
    warm_up_base(arc, robot.components)
    return arc


def _arm(config: ArcConfig) -> Arc:
    # pinocchio and the arms' kernels are needed only here.
    from reflexarc.arc.arm_barrier import ArmBarrierStage, ArmCheckStage  # noqa: PLC0415
    from reflexarc.arc.arm_modes import ArmModeStage  # noqa: PLC0415
    from reflexarc.arc.arm_sanity import ArmSanityStage  # noqa: PLC0415
    from reflexarc.robots.arm import load_arm  # noqa: PLC0415

    arm = load_arm(config.robot)
    modes = ArmModeStage(config, arm)
    barrier = ArmBarrierStage(config, arm, modes)
    stages = (
        ArmSanityStage(config, arm),
        modes,
        barrier,
        ArmCheckStage(arm, barrier, config.arm.command == "torque"),
    )
    arc = Arc(config, stages, arm.n, barrier.halt, barrier.uncertified)
    warm_up_arm(arc, arm)
    return arc


_BUILDERS: dict[str, Callable[[ArcConfig], Arc]] = {"wheeled": _wheeled, "legged": _legged, "arm": _arm}
