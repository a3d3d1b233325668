# SPDX-License-Identifier: Apache-2.0
"""Build the standard arc of a robot: its stages in order, compiled and warm."""

from collections.abc import Callable
from typing import TYPE_CHECKING

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
from reflexarc.arc.warm_up import warm_up_arm, warm_up_base, warm_up_contact, warm_up_walker
from reflexarc.core.errors import ConfigError
from reflexarc.core.paths import model_file, robot_kind
from reflexarc.robots import BaseRobot, LeggedRobot, load_legged, load_robot

if TYPE_CHECKING:
    from reflexarc.reflex.contact.reflexes import Reflexes
    from reflexarc.robots.arm import Arm


def build_arc(config: ArcConfig) -> Arc:
    """Build the standard arc of the robot that `config` names, compiled and warm.

    A wheeled base: sanity, mode limits, limits of the drive on the proposal, barrier, limits of the drive, post-check.
    A legged base: the same with the limits of its gait. An arm: sanity, mode limits, barrier, post-check; an arm in
    contact (`arm.command: impedance`): sanity, mode limits, tip, critic, reflex, energy, force barrier, impedance,
    barrier, post-check. A quadruped at the level of its joints: sanity, mode limits, critic, reflex, joint limits,
    post-check.

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
    if config.arm.command == "impedance":
        return _contact(config, arm)
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


def _contact(config: ArcConfig, arm: "Arm") -> Arc:
    """Build the arc of an arm in contact, from the arm without its tool."""
    from reflexarc.arc.arm_barrier import ArmCheckStage  # noqa: PLC0415
    from reflexarc.arc.arm_modes import ArmModeStage  # noqa: PLC0415
    from reflexarc.arc.contact_motion import ContactMotion  # noqa: PLC0415
    from reflexarc.arc.contact_sanity import ContactSanityStage  # noqa: PLC0415
    from reflexarc.arc.critic_stage import CriticStage  # noqa: PLC0415
    from reflexarc.arc.energy_stage import EnergyStage  # noqa: PLC0415
    from reflexarc.arc.force_stage import ForceStage  # noqa: PLC0415
    from reflexarc.arc.impedance_stage import ContactBarrierStage, ImpedanceStage  # noqa: PLC0415
    from reflexarc.arc.reflex_stage import ReflexStage  # noqa: PLC0415
    from reflexarc.arc.tip_stage import TipStage  # noqa: PLC0415
    from reflexarc.reflex.impedance.tip import with_tool  # noqa: PLC0415

    reflexes = contact_reflexes(config)
    arm = with_tool(arm, config.contact.tool_length_m, config.contact.tool_mass_kg)
    modes, motion = ArmModeStage(config, arm), ContactMotion(config, arm)
    barrier = ContactBarrierStage(config, arm, modes, motion)
    stages = (
        ContactSanityStage(config, arm),
        modes,
        TipStage(config, motion),
        CriticStage(config, motion, reflexes),
        ReflexStage(config, motion, reflexes),
        EnergyStage(motion, modes),
        ForceStage(config, motion, modes),
        ImpedanceStage(motion),
        barrier,
        ArmCheckStage(arm, barrier, torque=True),
    )
    arc = Arc(config, stages, arm.n, barrier.halt, barrier.uncertified)
    warm_up_contact(arc, arm, motion)
    return arc


def contact_reflexes(config: ArcConfig) -> "Reflexes":
    """Return critic and recovery of the configuration: those of its weights, or by rule.

    Raises:
        ModelError: the weights are missing, damaged, of another kind or for another robot.
    """
    from reflexarc.reflex.contact.reflexes import RuleReflexes  # noqa: PLC0415

    contact = config.contact
    if not contact.weights:
        return RuleReflexes(
            contact.sustained_n, contact.surface_n_m, contact.rule_threshold, touching=contact.touching_n
        )
    from reflexarc.reflex.contact.agent import load_contact_agent  # noqa: PLC0415 - brings what it was learned with

    return load_contact_agent(model_file(contact.weights), config.robot)


def _walker(config: ArcConfig) -> Arc:
    from reflexarc.arc.walker_critic import WalkerCriticStage, WalkerReflexStage  # noqa: PLC0415
    from reflexarc.arc.walker_limits import WalkerCheckStage, WalkerLimitStage, WalkerModeStage  # noqa: PLC0415
    from reflexarc.arc.walker_motion import WalkerMotion  # noqa: PLC0415
    from reflexarc.arc.walker_sanity import WalkerSanityStage  # noqa: PLC0415
    from reflexarc.robots.quadruped import JOINT_NAMES, load_quadruped  # noqa: PLC0415
    from reflexarc.walking.fall import load_fall  # noqa: PLC0415
    from reflexarc.walking.policy import load_walking_policy  # noqa: PLC0415

    walker, robot = config.walker, load_quadruped(config.robot)
    if walker.critic and not walker.fall:
        raise ConfigError(
            "arc.walker.fall: a quadruped's critic needs its file; or switch it off, arc.walker.critic: false"
        )
    recovery = load_walking_policy(model_file(walker.recovery), robot.name) if walker.recovery else None
    motion = WalkerMotion(config, robot, recovery)
    stages = (
        WalkerSanityStage(config, motion),
        WalkerModeStage(),
        WalkerCriticStage(
            config, motion, load_fall(model_file(walker.fall), robot) if walker.critic else None
        ),
        WalkerReflexStage(motion),
        WalkerLimitStage(motion),
        WalkerCheckStage(motion),
    )
    arc = Arc(config, stages, len(JOINT_NAMES), motion.halt)
    warm_up_walker(arc, motion.stance)
    return arc


_BUILDERS: dict[str, Callable[[ArcConfig], Arc]] = {
    "wheeled": _wheeled, "legged": _legged, "arm": _arm, "quadruped": _walker,
}  # fmt: skip
