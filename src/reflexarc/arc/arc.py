# SPDX-License-Identifier: Apache-2.0
"""The reflex arc: state, proposal and mode in, verdict out, at the control rate."""

import math
import time
from collections.abc import Sequence

import numpy as np

from reflexarc.arc.actuator_limits import ActuatorLimitStage
from reflexarc.arc.barrier_stage import BarrierStage
from reflexarc.arc.config import ArcConfig
from reflexarc.arc.learned import LearnedRows
from reflexarc.arc.mode_limits import ModeLimitStage
from reflexarc.arc.postcheck import PostCheckStage
from reflexarc.arc.sanity import SanityStage
from reflexarc.arc.stage import Stage, Tick
from reflexarc.core.types import BaseState, Mode, Obstacles, Proposal, Status, Verdict, Walls
from reflexarc.robots import load_robot


class Arc:
    """Passes each tick through its stages and returns what happened.

    `tick` never raises on bad data and always returns a finite command. It is deterministic: equal calls since `reset`
    give equal verdicts, times aside. Node, simulator, benchmarks and tests all call this same function.
    """

    def __init__(self, config: ArcConfig, stages: Sequence[Stage], uncertified: bool = False):
        """Take the stages in the order in which they act; `build_arc` makes the standard ones.

        Args:
            config: what the stages were built with.
            stages: in order.
            uncertified: whether one of them relies on a barrier without a matching certificate.
        """
        self.config = config
        self.uncertified = uncertified
        self.stages: tuple[Stage, ...] = tuple(stages)

    def reset(self) -> None:
        """Acknowledge latched faults and forget all earlier ticks."""
        for stage in self.stages:
            stage.reset()

    def tick(self, state: BaseState | None, proposal: Proposal | None, mode: Mode, now: float) -> Verdict:
        """Judge one proposal.

        Args:
            state: newest measured state with its surroundings, or None before the first.
            proposal: newest proposal, or None before the first.
            mode: mode of the supervisor.
            now: time of this tick on the clock of the stamps. [s]

        Returns:
            The verdict; its command is what the robot receives.
        """
        started = before = time.perf_counter()
        tick = Tick(now, state, proposal, mode)
        times = []
        for stage in self.stages:
            if not tick.done:
                stage.apply(tick)
            after = time.perf_counter()
            times.append(after - before)
            before = after
        command = tick.command
        command.setflags(write=False)
        latched = tick.status is Status.LATCHED and mode < Mode.PROTECTIVE_STOP
        return Verdict(
            now=now,
            command=command,
            status=tick.status,
            mode=Mode.PROTECTIVE_STOP if latched else mode,
            margin=tick.margin,
            slack=tick.slack,
            risk=tick.risk,
            interventions=tuple(tick.interventions),
            faults=tuple(tick.faults),
            learned_margin=tick.learned_margin,
            uncertified=self.uncertified,
            time_used=before - started,
            stage_times=tuple(times),
        )

    def warm_up(self, ticks: int = 200) -> None:
        """Run ticks in a made-up crowd so that nothing is compiled or first touched later, then reset."""
        rng = np.random.default_rng(0)
        frame = self.config.frame_id
        for k in range(ticks):
            now = k * self.config.period
            n = int(rng.integers(0, 40))
            angle = rng.uniform(0.0, 2.0 * math.pi, n)
            distance = rng.uniform(0.6, 6.0, n)
            obstacles = Obstacles(
                now,
                frame,
                np.column_stack((np.cos(angle), np.sin(angle))) * distance[:, None],
                rng.normal(0.0, 1.0, (n, 2)),
                np.full(n, 0.3),
                np.full(n, 0.05),
                np.full(n, 0.1),
            )
            walls = Walls(now, frame, rng.uniform(-8.0, 8.0, (60, 4)))
            state = BaseState(now, frame, np.zeros(3), np.array([1.0, 0.0]), obstacles, walls)
            self.tick(state, Proposal(now, np.array([1.5, rng.uniform(-1.0, 1.0)])), Mode.NORMAL, now)
        self.reset()


def build_arc(config: ArcConfig) -> Arc:
    """Build the standard arc of a mobile base, compiled and warm.

    Stages: sanity, mode limits, limits of the drive on the proposal, barrier, limits of the drive, post-check.

    Raises:
        ConfigError: the robot is unknown.
        ModelError: its parameter file is missing or malformed, or the learned barrier is not acceptable.
    """
    robot = load_robot(config.robot)
    learned = LearnedRows(config, robot) if config.learned.enabled else None
    barrier = BarrierStage(config, robot, learned)
    arc = Arc(
        config,
        (
            SanityStage(config),
            ModeLimitStage(config.mode_limits),
            ActuatorLimitStage(robot, "proposal_limits"),
            barrier,
            ActuatorLimitStage(robot),
            PostCheckStage(robot, barrier, config.barrier.enabled),
        ),
        learned is not None and learned.uncertified,
    )
    arc.warm_up()
    return arc
