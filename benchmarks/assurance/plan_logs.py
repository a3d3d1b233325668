# SPDX-License-Identifier: Apache-2.0
"""Logs of lock-step runs on the sidewalk: what a planner saw, and which of its plans would have touched somebody."""

import dataclasses
from typing import Any, NamedTuple

import numpy as np
from scored_plans import LOOKS, STEP, observe, realised

from reflexarc.core.errors import ConfigError
from reflexarc.core.interfaces import interface
from reflexarc.core.types import Array, BaseState
from reflexarc_sim.crowd.base import PEDESTRIAN_RADIUS
from reflexarc_sim.lockstep import RunResult
from reflexarc_sim.lockstep import run as run_lockstep
from reflexarc_sim.scenario import PolicyConfig, Scenario, load_scenario

SCENARIO = "sidewalk_delivery"
PERIOD = 1.0 / interface("proposal").rate_hz
"""Between two proposals. [s]"""
AHEAD = round(STEP / PERIOD)
"""Proposals per look."""
NEAR_M, FAST_M_S = 0.2, 0.3
"""Nearer than this to somebody while faster than this is a near miss."""


class Frames(NamedTuple):
    """Judged moments of runs, in order."""

    features: Array
    """Shape (f, 105, FEATURES)."""
    cluster: Array
    """Shape (f, 105)."""
    cost: Array
    """Realised, shape (f, 105). [s]"""
    touch: Array
    """Whether a plan touches anything, shape (f, 105)."""
    run: Array
    """Seed of each frame's run, shape (f,)."""


class Moment(NamedTuple):
    """What a planner was asked."""

    state: BaseState
    carrot: Array | None
    """Point to make for, shape (2,); None without a route and at its end. [m]"""
    now: float
    """[s]"""


class Watcher:
    """Keeps where people really were, and counts near misses."""

    def __init__(self) -> None:
        self.people: list[dict[str, Array]] = []
        self.near_ticks = self.near_events = 0
        self._near = False

    def tick(self, state, proposal, command, verdict, min_distance) -> None:  # type: ignore[no-untyped-def]
        """See one period of the plant. [m]"""
        near = min_distance < NEAR_M and abs(float(state.twist[0])) > FAST_M_S
        self.near_ticks += near
        self.near_events += near and not self._near
        self._near = near

    def pedestrians(self, time, names, positions) -> None:  # type: ignore[no-untyped-def]
        """See where people are. [s, m]"""
        self.people.append(dict(zip(names, np.array(positions), strict=True)))

    def plant_event(self, event) -> None:  # type: ignore[no-untyped-def]
        """Contacts are counted elsewhere."""

    def event(self, time, kind, text, **details) -> None:  # type: ignore[no-untyped-def]
        """Missions are counted elsewhere."""


def scenario(policy: str, deliveries: int = 2, **params: Any) -> Scenario:
    """Return the delivery scenario with a policy and without loose cargo, which no planner sees."""
    base = load_scenario(SCENARIO)
    return dataclasses.replace(
        base,
        policy=PolicyConfig(policy, params),
        cargo=dataclasses.replace(base.cargo, pieces=0),
        missions=dataclasses.replace(base.missions, count=deliveries),
    )


def drive(scene: Scenario, seed: int, arc: bool, seconds: float) -> tuple[RunResult, Watcher]:
    """Run in lock-step and watch."""
    watcher = Watcher()
    return run_lockstep(scene, seed, arc, seconds, observers=(watcher,)), watcher


def judged(watcher: Watcher, moments: list[Moment], seed: int, every: int) -> Frames:
    """Judge every so many-th moment of a run whose future is logged for the whole horizon.

    Args:
        watcher: of the run.
        moments: of its planner, one per proposal.
        seed: of the run.
        every: proposals.

    Raises:
        ConfigError: the run was shorter than the horizon.
    """
    rows = []
    names = sorted({name for moment in watcher.people for name in moment})
    missing = np.full(2, np.nan)
    track = np.array([[moment.get(name, missing) for name in names] for moment in watcher.people])
    track = track.reshape(len(watcher.people), len(names), 2)
    radius = np.full(len(names), PEDESTRIAN_RADIUS)
    for k in range(0, min(len(track), len(moments)) - AHEAD * LOOKS, every):
        state, carrot, now = moments[k]
        if carrot is None:
            continue
        seen = observe(state, carrot, now)
        at = track[k + AHEAD : k + AHEAD * LOOKS + 1 : AHEAD]
        cost, touch = realised(seen.rollout, at, radius, state.walls.segments, carrot, track[k])
        rows.append((seen.features, seen.cluster, cost, touch, seed))
    if not rows:
        raise ConfigError(
            f"seed {seed}: no moment with {AHEAD * LOOKS * PERIOD:g} s of log after it; run it for longer"
        )
    return Frames(*(np.array(column) for column in zip(*rows, strict=True)))


def joined(parts: list[Frames]) -> Frames:
    """Return the frames of several runs."""
    return Frames(*(np.concatenate(column) for column in zip(*parts, strict=True)))
