# SPDX-License-Identifier: Apache-2.0
"""Figures of a live run of an arm in contact, from what its nodes publish: the same as those of a lock-step run.

The plant's truth comes step by step, verdicts at a lower rate but at every change of reflex, status and faults. Both
are put on one time line: a step counts once a verdict that is not older has come, under the newest verdict before it.
"""

import math
from collections import deque
from typing import Any

import numpy as np

from reflexarc.core.arm_wire import Truth
from reflexarc.core.joint_wire import JointRecord
from reflexarc.core.types import Array, Verdict
from reflexarc.reflex.contact.view import DECISION_S
from reflexarc_sim.arm_figures import ArmSummary, ForceJudge, ReflexWatch, summarise
from reflexarc_sim.arm_lockstep import ArmLog, ArmResult
from reflexarc_sim.arm_plant import ToolContact, make_scene
from reflexarc_sim.scenario import Scenario

_Said = tuple[Verdict, JointRecord]


class ArmLiveFigures:
    """Watches a run until its task is done, a limit is broken or time is up."""

    def __init__(self, scenario: Scenario, seed: int):
        """Make the scene of the seed, which says when the task is done.

        Raises:
            ConfigError: the scenario is none of an arm.
        """
        self.scenario, self.seed = scenario, seed
        self.scene = make_scene(scenario.cell, seed)
        self.limit = min(scenario.duration_s, scenario.cell.horizon_s)
        contact = scenario.arc_config.contact
        period = scenario.plant.step_period
        self.judge = ForceJudge(contact.peak_n, contact.sustained_n, contact.sustained_s, period)
        self.watch = ReflexWatch()
        self.contacts: list[ToolContact] = []
        self.now, self.done = 0.0, False
        self.ticks = self.late = self.underflows = 0
        self.faults: dict[str, int] = {}
        self._period = period
        self._steps: deque[tuple[float, Array, Array]] = deque()
        self._coming: deque[_Said] = deque()
        self._said: _Said | None = None
        self._newest = -math.inf
        self._rows: list[tuple[Any, ...]] = []
        self._used: list[float] = []
        self._balls: list[Array] = []
        self._balls_time: list[float] = []
        self._truth: Truth | None = None

    @property
    def over(self) -> bool:
        """Whether the run has ended."""
        return self.done or bool(self.judge.violation) or self.now >= self.limit - 1e-9

    def add_verdict(self, verdict: Verdict, record: JointRecord) -> None:
        """Take in a verdict."""
        self._count_faults(verdict, record)
        self._newest = max(self._newest, verdict.now)
        self._coming.append((verdict, record))
        self._used.append(verdict.time_used)
        self.ticks, self.late = record.seq + 1, record.late
        if verdict.contact is not None and not self.over:
            self.underflows = verdict.contact.underflows
        self._advance()

    def add_truth(self, truth: Truth) -> None:
        """Take in what the tip truly did."""
        self._steps.extend(zip(truth.time.tolist(), truth.tip, truth.force, strict=True))
        if not self.over:
            self._truth = truth
            if not self._balls or truth.time[-1] - self._balls_time[-1] >= DECISION_S - 1e-9:
                self._balls.append(truth.balls)
                self._balls_time.append(float(truth.time[-1]))
        self._advance()

    def add_contact(self, contact: ToolContact) -> None:
        """Take in an encounter of the tool that is over."""
        self.contacts.append(contact)

    def counters(self) -> dict[str, Any]:
        """Return running figures."""
        return {
            "time_s": self.now,
            "force_n": self.judge.newest,
            "contacts": len(self.contacts),
            "reflexes": len(self.watch.times),
            "late_share": self.late / self.ticks if self.ticks else 0.0,
        }

    def log(self) -> dict[str, Array]:
        """Return what was written down in every step, as in lock-step; verdicts count until the next has come."""
        log = ArmLog(len(self._rows))
        for time, tip, force, said in self._rows:
            log.add(time=time, tip=tip, force=force, **_columns(said))
        return log.arrays()

    def summary(self) -> ArmSummary:
        """Return the figures; without a digest, since no two live runs are alike."""
        log, truth = self.log(), self._truth
        return summarise(
            log,
            self.scenario,
            self.judge,
            self.watch,
            self.done,
            self.now,
            seed=self.seed,
            peak_force_n=float(np.linalg.norm(log["force"], axis=1).max(initial=0.0)),
            contacts=sum(contact.start <= self.now for contact in self.contacts),
            tank_underflows=self.underflows,
            work_j=truth.work if truth is not None else 0.0,
            pushes=truth.pushes if truth is not None else 0,
            faults=dict(sorted(self.faults.items())),
        )

    def result(self) -> ArmResult:
        """Return what a lock-step run returns."""
        log = self.log() | {"balls": np.array(self._balls), "balls_time": np.array(self._balls_time)}
        return ArmResult(self.summary(), log, tuple(self.contacts), self.scene)

    def loop(self) -> dict[str, float]:
        """Return how the arc's loop kept its time, by its own count."""
        used = 1e6 * np.array(self._used or [0.0])
        return {
            "ticks": self.ticks,
            "deadline_miss_fraction": self.late / max(1, self.ticks),
            "tick_p50_us": float(np.percentile(used, 50)),
            "tick_p99_us": float(np.percentile(used, 99)),
        }

    def _count_faults(self, verdict: Verdict, record: JointRecord) -> None:
        """Count the ticks with faults since the last verdict; those of before time began are nobody's."""
        last = self._coming[-1] if self._coming else self._said
        if last is not None and last[0].now > 0.0 and not self.over:
            for name in last[0].faults:
                self.faults[name] = self.faults.get(name, 0) + max(0, record.seq - last[1].seq)

    def _advance(self) -> None:
        """Count every step for which a verdict that is not older has come."""
        while self._steps and self._steps[0][0] <= self._newest and not self.over:
            time, tip, force = self._steps.popleft()
            while self._coming and self._coming[0][0].now <= time:
                self._said = self._coming.popleft()
            self._step(time, tip, force)
        if self.over:
            self._steps.clear()

    def _step(self, time: float, tip: Array, force: Array) -> None:
        self.now = time
        self.judge.add(force)
        said = self._said
        self.watch.add(time, self.judge.newest, said is not None and _reflex(said[0]))
        self._rows.append((time, tip, force, said))
        self.done = bool(self.scene.reached(tip))


def _reflex(verdict: Verdict) -> bool:
    return verdict.contact is not None and bool(verdict.contact.reflex)


def _columns(said: _Said | None) -> dict[str, Any]:
    """Return what the log has of a verdict: nothing before the first, little where the arc stopped early."""
    if said is None:
        return {"reflex": False, "changed": False}
    verdict = said[0]
    inside = verdict.contact
    columns = {
        "risk": verdict.risk,
        "torque": verdict.command,
        "changed": verdict.intervened,
        "reflex": _reflex(verdict),
    }
    if inside is None:
        return columns
    k = inside.stiffness
    return columns | {
        "reference": inside.reference,
        "measured": inside.force,
        "stiffness": (k[0, 0], k[1, 1], k[0, 1]),
        "tank": inside.tank,
        "braking": inside.braking,
        "foreseen": inside.peak,
    }
