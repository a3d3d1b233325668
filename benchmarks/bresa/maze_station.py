# SPDX-License-Identifier: Apache-2.0
"""An arm before one maze after the other: plant, policy and arc are built once, every episode is that of `run_arm`."""

import hashlib
import math
from typing import Any

import numpy as np

from reflexarc.core.errors import PlantError
from reflexarc.core.types import Array, Mode
from reflexarc_sim.arm_figures import ForceJudge, ReflexWatch
from reflexarc_sim.arm_lockstep import ArmLog, ArmResult, ArmRun
from reflexarc_sim.scenario import Scenario

AFTERWARDS_S = 0.2
"""An episode ends when a limit is broken; so long the arm goes on, to see how long the force stays. [s]"""
Row = dict[str, Any]


class Station(ArmRun):
    """Runs episodes of one scenario."""

    def __init__(self, scenario: Scenario):
        """Build everything; see `ArmRun`."""
        super().__init__(scenario, scenario.seed, scenario.duration_s)
        self._contact = scenario.arc_config.contact

    def run(self, seed: int) -> ArmResult:
        """Run the episode of a seed from its start to its end.

        Raises:
            PlantError: the simulation diverged.
        """
        self._begin(seed)
        while not self.over:
            self.step()
        return self.finish()

    def episode(self, seed: int) -> Row:
        """Return the figures of the episode of a seed; a simulation that diverged is a violation, and a long one."""
        try:
            result = self.run(seed)
        except PlantError:
            return _diverged(seed)
        s, forces = result.summary, self._forces(result)
        period, c = self.plant.step_period, self._contact
        return {
            "maze": seed,
            "success": s.success,
            "violation": bool(s.violation),
            "outcome": s.outcome,
            "peak_n": round(s.peak_force_n, 3),
            "cvar95_n": round(s.cvar95_force_n, 3),
            "completion_s": round(s.completion_s, 3) if s.success else None,
            "reflexes": s.reflexes,
            "untouched": s.reflexes_untouched,
            "latencies_ms": [round(1000.0 * x, 1) for x in self.watch.latencies],
            "underflows": s.tank_underflows,
            "tank_least_j": round(s.tank_least_j, 4) if math.isfinite(s.tank_least_j) else None,
            "above_peak_s": round(longest(forces > c.peak_n) * period, 4),
            "above_sustained_s": round(longest(forces > c.sustained_n) * period, 4),
            "faults": sum(s.faults.values()),
        }

    def _begin(self, seed: int) -> None:
        """Put back everything that an episode changes."""
        self.seed = seed
        self.arc.reset()
        self.state = self.plant.reset(seed)
        self.policy.reset(self.plant.scene.plan)
        c, period = self._contact, self.plant.step_period
        self.judge = ForceJudge(c.peak_n, c.sustained_n, c.sustained_s, period)
        self.watch, self.log = ReflexWatch(), ArmLog(math.ceil(self.limit / period) + 1)
        self.contacts, self.done, self.faults = [], False, {}
        self.step_count = self.underflows = 0
        self.work = 0.0
        self._proposal, self._balls = None, []
        self._hash = hashlib.sha256()

    def _forces(self, result: ArmResult) -> Array:
        """Return the force of every period, and of those after a violation. [N]"""
        before = np.linalg.norm(result.log["force"], axis=1)
        return np.concatenate(
            [before, [self.judge.newest], self._afterwards() if self.judge.violation else []]
        )

    def _afterwards(self) -> list[float]:
        forces: list[float] = []
        count = round(AFTERWARDS_S / self.plant.step_period)
        for k in range(count):
            now = self.plant.time
            if (self.step_count + k) % self._every == 0:
                self._proposal = self.policy.propose(self.state, now)
            verdict = self.arc.tick(self.state, self._proposal, Mode.NORMAL, now)
            try:
                self.state, _ = self.plant.step(verdict.command)
            except PlantError:
                return forces + [math.inf] * (count - k)
            forces.append(math.hypot(*self.plant.force().tolist()))
        return forces


def longest(held: np.ndarray) -> int:
    """Return the length of the longest unbroken run of true values, shape (t,)."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], held, [False]]).astype(np.int8)))
    return int((edges[1::2] - edges[::2]).max(initial=0))


def _diverged(seed: int) -> Row:
    return {
        "maze": seed, "success": False, "violation": True, "outcome": "diverged", "peak_n": None, "cvar95_n": None,
        "completion_s": None, "reflexes": 0, "untouched": 0, "latencies_ms": [], "underflows": 0,
        "tank_least_j": None, "above_peak_s": AFTERWARDS_S, "above_sustained_s": AFTERWARDS_S, "faults": 0,
    }  # fmt: skip
