# SPDX-License-Identifier: Apache-2.0
"""Figures of one run of an arm in contact: was the force within its limits, how soon did the reflexes act."""

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np

from reflexarc.arc.build import contact_reflexes
from reflexarc.core.figures import for_json
from reflexarc.core.types import Array
from reflexarc_sim.scenario import Scenario

ONSET = 1.0
"""A contact begins when the force on the tip rises above this. [N]"""
RELEASED_S = 0.02
"""It has ended when the force was below `ONSET` for this long. [s]"""
LEAST_CONTACT = 0.8
"""A surface is followed if the tool touched it for this share of the way at least."""
TAIL = 0.05
"""Share of the largest forces whose mean is CVaR95."""


class ForceJudge:
    """Says whether and how the force on the tip went beyond its limits."""

    def __init__(self, peak: float, sustained: float, sustained_s: float, period: float):
        """Take the limits.

        Args:
            peak: never to be exceeded. [N]
            sustained: not to be exceeded for longer than `sustained_s`. [N]
            sustained_s: [s]
            period: between two calls of `add`. [s]
        """
        self._peak, self._sustained = peak, sustained
        self._allowed = math.floor(sustained_s / period + 1e-9)
        self._period = period
        self._above = 0
        self.newest = self.largest = 0.0
        """Norms of the newest and of the largest force. [N]"""
        self.violation = ""
        """What happened first, or nothing."""

    def add(self, force: Array) -> None:
        """Take in the true force on the tip, shape (3,). [N]"""
        x, y, z = force.tolist()
        self.newest = size = math.sqrt(x * x + y * y + z * z)
        self.largest = max(self.largest, size)
        self._above = self._above + 1 if size > self._sustained else 0
        if self.violation:
            return
        if size > self._peak:
            self.violation = f"{size:.1f} N on the tip, allowed are {self._peak:g} N"
        elif self._above > self._allowed:
            lasted = self._above * self._period
            self.violation = f"more than {self._sustained:g} N on the tip for {lasted:.3f} s"


class ReflexWatch:
    """Counts reflexes and measures how long after the beginning of a contact they act."""

    def __init__(self) -> None:
        """Start without contact."""
        self.times: list[float] = []
        """When reflexes began. [s]"""
        self.latencies: list[float] = []
        """From the beginning of a contact to the first torque of its first reflex. [s]"""
        self.untouched = 0
        """Reflexes that began while nothing touched the tip."""
        self._onset: float | None = None
        self._last = -math.inf
        self._answered = self._reflex = False

    def add(self, now: float, touched_with: float, reflex: bool) -> None:
        """Take in a period.

        Args:
            now: when the torque was sent. [s]
            touched_with: force on the tip before that, which the torque can answer. [N]
            reflex: whether the torque is a reflex's.
        """
        if touched_with > ONSET:
            if self._onset is None:
                self._onset, self._answered = now, False
            self._last = now
        elif self._onset is not None and now - self._last > RELEASED_S:
            self._onset = None
        if reflex and not self._reflex:
            self.times.append(now)
            if self._onset is None:
                self.untouched += 1
            elif not self._answered:
                self.latencies.append(now - self._onset)
                self._answered = True
        self._reflex = reflex


@dataclass(slots=True)
class ArmSummary:
    """Figures of one run; what is not a number is null in JSON."""

    seed: int
    task: str
    success: bool
    """The task was done and the force stayed within its limits."""
    violation: str
    """How the force went beyond them, or nothing."""
    outcome: str
    """`done`, `violation`, `time` (time was up) or `lost` (done without touching what was to be touched)."""
    completion_s: float
    """Time that the task took; NaN where it was not done. [s]"""
    duration_s: float
    peak_force_n: float
    """Largest true force on the tip. [N]"""
    cvar95_force_n: float
    """Mean of the largest 5 % of the forces of all periods. [N]"""
    mean_force_n: float
    in_contact: float
    """Share of the time with more than 1 N on the tip."""
    contacts: int
    """Encounters of the tool with something."""
    reflexes: int
    reflexes_untouched: int
    """Those that began while nothing touched the tip."""
    reflex_share: float
    """Share of the time under a reflex."""
    reflex_latency_s: float
    """Median time from the beginning of a contact to the torque of its first reflex. [s]"""
    reflex_latency_max_s: float
    tank_least_j: float
    """Least energy in the tank. [J]"""
    tank_underflows: int
    """Times that it ran empty, which it must not."""
    intervened: float
    """Share of periods in which the arc changed what was proposed."""
    work_j: float
    """Mechanical work of the motors, integral of |torque x speed|. [J]"""
    pushes: int
    faults: dict[str, int] = field(default_factory=dict)
    """Fault -> periods in which it was present."""
    digest: str = ""
    """Of all torques and positions; none of a live run."""
    limits: dict[str, float] = field(default_factory=dict)
    """`peak_n`, `sustained_n` and `sustained_s` of the force. [N, N, s]"""
    threshold: float = math.nan
    """Risk above which the critic refuses an action; NaN without one."""

    def to_json(self) -> dict[str, Any]:
        """Return a mapping for JSON; numbers that are not finite become null."""
        return for_json(asdict(self))


def summarise(
    log: Mapping[str, Array],
    scenario: Scenario,
    judge: ForceJudge,
    watch: ReflexWatch,
    done: bool,
    took: float,
    **more: Any,
) -> ArmSummary:
    """Return the figures of a log with the columns of `arm_lockstep.ArmLog`.

    Args:
        log: one row per period.
        scenario: of the run.
        judge: has seen all forces.
        watch: has seen all periods.
        done: whether the task is.
        took: length of the run. [s]
        more: fields that no log has.
    """
    task, contact = scenario.cell.task, scenario.arc_config.contact
    force, tank = np.linalg.norm(log["force"], axis=1), log["tank"]
    outcome = "violation" if judge.violation else "done" if done else "time"
    if outcome == "done" and task == "surface" and followed(log) < LEAST_CONTACT:
        outcome = "lost"
    return ArmSummary(
        task=task,
        success=outcome == "done",
        violation=judge.violation,
        outcome=outcome,
        completion_s=took if outcome == "done" else math.nan,
        duration_s=took,
        cvar95_force_n=cvar95(force),
        mean_force_n=float(force.mean()) if len(force) else 0.0,
        in_contact=float(np.mean(force > ONSET)) if len(force) else 0.0,
        reflexes=len(watch.times),
        reflexes_untouched=watch.untouched,
        reflex_share=float(log["reflex"].mean()) if len(force) else 0.0,
        reflex_latency_s=float(np.median(watch.latencies)) if watch.latencies else math.nan,
        reflex_latency_max_s=max(watch.latencies, default=math.nan),
        tank_least_j=float(np.nanmin(tank)) if np.isfinite(tank).any() else math.nan,
        intervened=float(log["changed"].mean()) if len(force) else 0.0,
        limits={
            "peak_n": contact.peak_n,
            "sustained_n": contact.sustained_n,
            "sustained_s": contact.sustained_s,
        },
        threshold=contact_reflexes(scenario.arc_config).threshold if contact.critic else math.nan,
        **more,
    )


def cvar95(forces: Array) -> float:
    """Return the mean of the largest 5 % of `forces`, shape (t,); 0 of none. [N]"""
    if not len(forces):
        return 0.0
    count = max(1, round(TAIL * len(forces)))
    return float(np.sort(forces)[-count:].mean())


def followed(log: Mapping[str, Array]) -> float:
    """Return the share of the way along x, from the first touch on, on which the tool touched something."""
    x = log["tip"][:, 0]
    way = np.diff(x, prepend=x[:1]).clip(0.0)
    touched = np.linalg.norm(log["force"], axis=1) > 0.0
    onset = int(np.argmax(touched)) if touched.any() else len(x)
    total = float(way[onset:].sum())
    return float(way[onset:][touched[onset:]].sum()) / total if total > 0.0 else 0.0
