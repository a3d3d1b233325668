# SPDX-License-Identifier: Apache-2.0
"""Figures of a live run of a quadruped, from what its nodes publish: the same as those of a lock-step run.

A row of the log is a message of odometry with the newest of everything else. Faults are counted by verdicts, which come
at a lower rate than ticks but at every change.
"""

import math
from typing import Any

import numpy as np

from reflexarc.core.errors import ConfigError
from reflexarc.core.joint_wire import JointRecord
from reflexarc.core.paths import model_file
from reflexarc.core.types import Array, Verdict
from reflexarc.core.walker_wire import TrunkReading
from reflexarc.robots.quadruped import load_quadruped
from reflexarc.walking.fall import load_fall
from reflexarc_sim.scenario import Scenario
from reflexarc_sim.walker_figures import summarise
from reflexarc_sim.walker_lockstep import HALTED, WalkerLog, WalkerResult, told_at
from reflexarc_sim.walker_plant import TrunkPush


class WalkerLiveFigures:
    """Watches a run until the robot falls or time is up."""

    def __init__(self, scenario: Scenario, seed: int):
        """Take the commands and the length of the run.

        Raises:
            ConfigError: the scenario is none of a quadruped.
        """
        if not scenario.of_walker:
            raise ConfigError(f"{scenario.where}: {scenario.robot} is no quadruped")
        self.scenario, self.seed, self.limit = scenario, seed, scenario.duration_s
        self.period = scenario.plant.step_period
        self.now, self.fallen = 0.0, False
        self.ticks = self.late = 0
        self.faults: dict[str, int] = {}
        self._log = WalkerLog(math.ceil(self.limit / self.period) + 2)
        self._rows = 0
        self._verdict: Verdict | None = None
        self._joints, self._power = np.full(12, np.nan), 0.0
        self._push: Array = np.zeros(3)
        self._used: list[float] = []

    @property
    def over(self) -> bool:
        """Whether the run has ended."""
        return self.fallen or self.now >= self.limit - 1e-9

    def add_verdict(self, verdict: Verdict, record: JointRecord) -> None:
        """Take in a verdict."""
        self._verdict = verdict
        self.ticks, self.late = record.seq + 1, record.late
        self._used.append(verdict.time_used)
        if record.state_stamp > 0.0:
            for fault in verdict.faults:
                self.faults[fault] = self.faults.get(fault, 0) + 1

    def add_joints(self, position: Array, velocity: Array, effort: Array) -> None:
        """Take in joint states, shape (12,) each. [rad, rad/s, N m]"""
        self._joints, self._power = position, float(np.abs(effort * velocity).sum())

    def add_push(self, push: Array) -> None:
        """Take in what pushes the trunk, shape (3,). [N]"""
        self._push = push

    def add_trunk(self, trunk: TrunkReading) -> None:
        """Take in where the trunk is; a row of the log, unless the run is over or time stands still."""
        if self.over or trunk.stamp <= self.now:
            return
        self.now = trunk.stamp
        verdict = self._verdict
        inside = verdict.walker if verdict is not None else None
        halted = verdict is not None and verdict.status in HALTED
        _, x, y, _ = trunk.orientation.tolist()
        self._log.add(
            time=self.now,
            told=told_at(self.scenario.walk.commands, self.now),
            velocity=trunk.velocity,
            rate=trunk.rate,
            position=trunk.position,
            lean=math.acos(min(max(1.0 - 2.0 * (x * x + y * y), -1.0), 1.0)),
            push=self._push,
            risk=verdict.risk if verdict is not None else math.nan,
            reflex=inside is not None and bool(inside.reflex) and not halted,
            halted=halted,
            changed=verdict is not None and verdict.intervened,
            targets=verdict.command if verdict is not None else np.full(12, np.nan),
            joints=self._joints,
            power=self._power,
            time_used=verdict.time_used if verdict is not None else math.nan,
        )
        self._rows += 1

    def counters(self) -> dict[str, Any]:
        """Return what a progress bar shows."""
        inside = self._verdict.walker if self._verdict is not None else None
        return {"time_s": self.now, "reflexes": inside.reflexes if inside is not None else 0}

    def loop(self) -> dict[str, float]:
        """Return how the arc kept its time."""
        used = np.array(self._used) if self._used else np.zeros(1)
        return {
            "ticks": self.ticks,
            "late_ticks": self.late,
            "tick_p50_us": float(1e6 * np.quantile(used, 0.5)),
            "tick_p99_us": float(1e6 * np.quantile(used, 0.99)),
        }

    def result(self, pushes: tuple[TrunkPush, ...] = ()) -> WalkerResult:
        """Return what the run left.

        Raises:
            ConfigError: nothing has arrived.
        """
        if not self._rows:
            raise ConfigError("no odometry has arrived: there is nothing to judge")
        log = self._log.arrays()
        summary = summarise(
            log, self.seed, self.fallen, self.period,
            faults=dict(sorted(self.faults.items())), threshold=risk_threshold(self.scenario),
        )  # fmt: skip
        if not self.over:
            summary.outcome, summary.success = "stopped", False
        return WalkerResult(summary, log, pushes)


def risk_threshold(scenario: Scenario) -> float:
    """Return the risk above which the reflex of a quadruped's arc acts; NaN where the critic is switched off."""
    walker = scenario.arc_config.walker
    if not (scenario.arc_enabled and walker.critic):
        return math.nan
    if walker.threshold is not None:
        return walker.threshold
    return load_fall(model_file(walker.fall), load_quadruped(scenario.robot)).threshold
