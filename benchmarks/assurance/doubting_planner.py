# SPDX-License-Identifier: Apache-2.0
"""A planner that scores sampled plans with a learned part, and what it does when their cluster entropy is high.

An ablation: it stands beside the stack, proposes as any task policy does, and is judged by the arc as any other.
"""

import time
from collections import deque
from collections.abc import Mapping
from typing import Any

import numpy as np
from gated_update import FRAMES, Gate, GatedUpdate, Step
from plan_logs import Frames, Moment, drive, joined, judged, scenario
from plan_scorer import Scorer
from scored_plans import ANCHORS, CONFIG, VOCABULARY, observe

from reflexarc.assurance.monitors.entropy import EntropyMonitor
from reflexarc.core.types import Array, BaseState, Mode, Proposal
from reflexarc.policies import make_policy
from reflexarc.policies.polyline import Polyline

BUILT: list["Driver"] = []
"""Planners in the order in which `make_policy` built them: how a study gets at the one of its run."""
DOUBTS = ("ignore", "slow", "stop")
SLOW = 0.5
"""Share of the chosen plan's speed and turn rate in doubt."""
DWELL = 0.5
"""Of the entropy monitor. [s]"""


class Driver:
    """Route, progress and log of a planner; the driving is left to a policy by name."""

    def __init__(self, inner: str):
        """Build the policy that drives."""
        self._inner = make_policy(inner) if inner else None
        self._route: Polyline | None = None
        self._before = 0.0
        self.moments: list[Moment] = []
        self.times: list[float] = []
        """Wall time of each proposal. [s]"""

    @classmethod
    def from_dict(cls, data: Mapping[str, Any], where: str) -> "Driver":
        """Build from the parameters of a scenario and enter it in `BUILT`."""
        built = cls(**data)
        BUILT.append(built)
        return built

    @property
    def progress(self) -> float:
        """Way along the routes of all missions so far. [m]"""
        return self._before + (self._route.progress if self._route else 0.0)

    def reset(self, route: Array) -> None:
        """Start a route, shape (n, 2). [m]"""
        self._before = self.progress
        self._route = Polyline(route)
        if self._inner is not None:
            self._inner.reset(route)

    def propose(self, state: BaseState, now: float) -> Proposal:
        """Return what the policy wants."""
        started = time.perf_counter()
        carrot = self._carrot(state)
        self.moments.append(Moment(state, carrot, now))
        proposal = self._decide(state, carrot, now)
        self.times.append(time.perf_counter() - started)
        return proposal

    def _decide(self, state: BaseState, carrot: Array | None, now: float) -> Proposal:
        assert self._inner is not None
        return self._inner.propose(state, now)

    def _carrot(self, state: BaseState) -> Array | None:
        """As the dynamic window planner's; None without a route, at its end, and where the pose is no number."""
        if self._route is None or not np.isfinite(state.pose).all():
            return None
        progress = self._route.advance(state.pose[:2])
        left = max(self._route.length - progress, float(np.hypot(*(self._route.end - state.pose[:2]))))
        if left <= CONFIG.goal_tolerance_m:
            return None
        return self._route.point(progress + CONFIG.cruise_speed_m_s * CONFIG.horizon_s + CONFIG.lookahead_m)


class DoubtingPlanner(Driver):
    """Drives the plan with the best score."""

    def __init__(
        self,
        eta: float = 0.0,
        entropy: float = float("-inf"),
        norm: float = float("inf"),
        direction: str = "gradient",
        doubt: str = "ignore",
        on: float = 0.8,
        seed: int = 0,
    ):
        """Take the parameters.

        Args:
            eta: of the update; 0 for none.
            entropy: gate of the update. [nat]
            norm: gate of the update.
            direction: of the update.
            doubt: what is done at high entropy: `ignore`, `slow` or `stop`.
            on: entropy that counts as doubt. [nat]
            seed: of random directions.
        """
        super().__init__("")
        self.update = GatedUpdate(_scorer(), Gate(entropy, norm), eta, direction, seed)
        self._monitor = EntropyMonitor(ANCHORS, on, 0.9 * on, DWELL)
        self._share = {"ignore": 1.0, "slow": SLOW, "stop": 0.0}[doubt]
        self._past: deque[tuple[Array, Array]] = deque(maxlen=FRAMES)
        self.steps: list[Step] = []

    def _decide(self, state: BaseState, carrot: Array | None, now: float) -> Proposal:
        if carrot is None:
            return Proposal(now, np.zeros(2))
        seen = observe(state, carrot, now)
        if not np.isfinite(seen.features).all():
            return Proposal(now, np.zeros(2))
        self._past.append((seen.features, seen.cluster))
        held = [self._past[0]] * (FRAMES - len(self._past)) + list(self._past)
        frames, clusters = (np.stack(column) for column in zip(*held, strict=True))
        step = self.update.choose(seen.features, seen.cluster, frames, clusters)
        self.steps.append(step)
        twist = VOCABULARY[int(step.scores.argmax())].copy()
        if self._share < 1.0:
            doubt = self._monitor.update(now, seen.rollout.body[..., :2], step.scores)
            twist *= self._share if doubt.mode is not Mode.NORMAL else 1.0
        return Proposal(now, twist)


def logged(seeds: list[int], seconds: float, every: int) -> Frames:
    """Return judged moments of runs without the arc, driven in turn by two policies that learn nothing."""
    parts = []
    for seed in seeds:
        inner = ("dwa", "route_follower")[seed % 2]
        _, watcher = drive(scenario("doubting_planner:Driver", inner=inner), seed, False, seconds)
        parts.append(judged(watcher, BUILT.pop().moments, seed, every))
    return joined(parts)


_SCORERS: list[Scorer] = []


def _scorer() -> Scorer:
    if not _SCORERS:
        _SCORERS.append(Scorer.load())
    return _SCORERS[0]
