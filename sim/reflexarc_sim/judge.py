# SPDX-License-Identifier: Apache-2.0
"""The plan monitor in lock-step: judges the policy's plan at its own rate and tells the policy."""

from typing import Any

import numpy as np

from reflexarc.core.types import BaseState
from reflexarc.policies import TaskPolicy
from reflexarc.policies.risk_aware import RiskAware
from reflexarc.robots import load_robot
from reflexarc_sim.scenario import Scenario


class Judge:
    """Wraps a scenario's policy and judges what it means to do."""

    def __init__(self, policy: TaskPolicy, scenario: Scenario, seed: int):
        """Build the monitor; it compiles for some seconds."""
        from reflexarc.reach.monitor import PlanMonitor  # noqa: PLC0415 - only where plans are judged is JAX needed

        config = scenario.reach
        self.policy = RiskAware(policy, config.risk_max_age_s)
        self._monitor = PlanMonitor(config, load_robot(scenario.robot), seed)
        self._period, self._length = 1.0 / config.rate_hz, config.plan_s
        odometry = scenario.sensors.odometry
        self._covariance = np.diag([odometry.position_std**2, odometry.position_std**2, odometry.yaw_std**2])
        self._next = 0.0
        self._seconds: list[float] = []

    def look(self, state: BaseState, now: float) -> None:
        """Judge the plan if it is time."""
        if now < self._next - 1e-9:
            return
        self._next = now + self._period
        plan = self.policy.plan(state, now, self._length)
        risk = self._monitor.judge(plan, state, now, self._covariance)
        self._seconds.append(risk.seconds)
        self.policy.take(risk)

    def figures(self) -> dict[str, Any]:
        """Return how many judgements of each kind there were and how long they took. [ms]"""
        times = 1e3 * np.array(self._seconds or [np.nan])
        p50, p99 = (float(q) for q in np.percentile(times, [50, 99]))
        return {**self.policy.answers, "judgement_p50_ms": p50, "judgement_p99_ms": p99}
