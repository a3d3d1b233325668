# SPDX-License-Identifier: Apache-2.0
"""Scenes for the tick's timing: what the arc sees while the delivery robot drives among twenty pedestrians."""

from dataclasses import dataclass, field
from typing import Any

from reflexarc.core.types import Array, BaseState, Proposal, Verdict
from reflexarc_sim.lockstep import run
from reflexarc_sim.scenario import load_scenario

OBSTACLES = 20


@dataclass(frozen=True, slots=True)
class Scene:
    """Inputs of one tick."""

    now: float
    state: BaseState
    proposal: Proposal


@dataclass
class _Collector:
    """Observer of a lock-step run that keeps the inputs of every tick."""

    scenes: list[Scene] = field(default_factory=list)

    def tick(
        self, state: BaseState, proposal: Proposal, command: Array, verdict: Verdict, min_distance: float
    ) -> None:
        if len(state.obstacles) == OBSTACLES:
            self.scenes.append(Scene(verdict.now, state, proposal))

    def pedestrians(self, *_: Any) -> None:
        pass

    def plant_event(self, *_: Any) -> None:
        pass

    def event(self, *_: Any, **__: Any) -> None:
        pass


def sidewalk_scenes(seeds: tuple[int, ...], seconds: float) -> list[list[Scene]]:
    """Run `sidewalk_delivery` in lock-step with a tracker that reports all twenty people, however far, and
    keep the inputs.

    Args:
        seeds: one run each.
        seconds: simulated time of a run at most.

    Returns:
        One list of consecutive scenes at 200 Hz per seed.
    """
    scenario = load_scenario(
        "sidewalk_delivery", {"sensors.tracker.range_m": "200", "crowd.count": str(OBSTACLES)}
    )
    runs = []
    for seed in seeds:
        collector = _Collector()
        run(scenario, seed, duration=seconds, observers=[collector])
        runs.append(collector.scenes)
    return runs
