# SPDX-License-Identifier: Apache-2.0
"""Lock-step: plant, policy and arc in one process, in a fixed order, with simulated time; same seed, same bytes."""

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from reflexarc.arc import Arc, ArcConfig, build_arc
from reflexarc.core.errors import ConfigError
from reflexarc.core.interfaces import interface
from reflexarc.core.plant import PlantEvent
from reflexarc.core.types import Array, BaseState, Mode, Proposal, Verdict
from reflexarc.mission import MissionEnded, MissionMonitor, MissionStarted, RunStatistics, RunSummary
from reflexarc.policies import TaskPolicy, make_policy
from reflexarc_sim.judge import Judge
from reflexarc_sim.missions import plan_missions
from reflexarc_sim.plants import make_plant
from reflexarc_sim.scenario import Scenario
from reflexarc_sim.supervised import Supervised

J_PER_KWH = 3.6e6


class RunObserver(Protocol):
    """Something that wants to see a run as it happens: a log for the report, a recording."""

    def tick(
        self,
        state: BaseState,
        proposal: Proposal | None,
        command: Array,
        verdict: Verdict | None,
        min_distance: float,
    ) -> None:
        """See one control period; `verdict` is None without the arc. [m]"""

    def pedestrians(self, time: float, names: tuple[str, ...], positions: Array) -> None:
        """See where people are, at the rate of the policy; positions (n, 2). [s, m]"""

    def plant_event(self, event: PlantEvent) -> None:
        """See a contact, cargo loss or rollover."""

    def event(self, time: float, kind: str, text: str, **details: Any) -> None:
        """See the start or end of a mission."""


@dataclass(frozen=True, slots=True)
class RunResult:
    """What a run left."""

    summary: RunSummary
    missions: tuple[MissionEnded, ...]
    wall_s: float
    """Wall time without set-up. [s]"""


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a run is, for a progress bar."""

    time: float
    """Simulated time. [s]"""
    duration: float
    """Longest simulated time. [s]"""
    missions_done: int
    missions: int
    contacts: int
    interventions: int
    min_distance_m: float


def scenario_arc(scenario: Scenario) -> Arc:
    """Build the arc of a scenario, ticking once per plant step.

    Raises:
        ConfigError: an override is not acceptable, or the arc's rate is not the plant's step rate.
    """
    where = f"{scenario.where}: arc"
    config = ArcConfig.from_dict({"robot": scenario.robot, **scenario.arc_overrides}, where)
    if not math.isclose(config.period, scenario.plant.step_period, rel_tol=1e-9):
        raise ConfigError(
            f"{where}: rate_hz {config.rate_hz} is one tick per {config.period} s, but plant.step_period is "
            f"{scenario.plant.step_period} s; in lock-step they must agree"
        )
    return build_arc(config)


def run(
    scenario: Scenario,
    seed: int | None = None,
    arc_enabled: bool | None = None,
    duration: float | None = None,
    progress: Callable[[Progress], None] | None = None,
    observers: Sequence[RunObserver] = (),
) -> RunResult:
    """Run a scenario in lock-step.

    Args:
        scenario: what to run.
        seed: seed of the run; the scenario's own if None.
        arc_enabled: whether the arc stands between policy and plant; as the scenario says if None.
        duration: longest simulated time [s]; the scenario's own if None.
        progress: called about once per simulated second.
        observers: see everything, in order.

    Raises:
        ConfigError: the scenario cannot be built.
        PlantError: the simulation diverged.
    """
    seed = scenario.seed if seed is None else seed
    with_arc = scenario.arc_enabled if arc_enabled is None else arc_enabled
    limit = scenario.duration_s if duration is None else duration
    plant = make_plant(scenario)
    try:
        return _Run(scenario, plant, seed, with_arc, limit, progress, observers).to_end()
    finally:
        plant.close()


class _Run:
    """The loop and its counters."""

    def __init__(self, scenario, plant, seed, with_arc, limit, progress, observers):  # type: ignore[no-untyped-def]
        self.plant, self.limit, self.progress, self.observers = plant, limit, progress, observers
        self.arc = scenario_arc(scenario) if with_arc else None
        self.supervised = Supervised(scenario) if with_arc and scenario.supervisor.enabled else None
        self.policy: TaskPolicy = make_policy(scenario.policy.name, scenario.policy.params)
        self.judge = Judge(self.policy, scenario, seed) if scenario.reach.enabled else None
        if self.judge is not None:
            self.policy = self.judge.policy
        self.state: BaseState = plant.reset(seed)
        missions = plan_missions(plant.world, self.state.pose[:2], scenario.missions, seed)
        self.monitor = MissionMonitor(missions, plant.world.route, scenario.missions.goal_tolerance_m)
        self.statistics = RunStatistics(seed, with_arc)
        self.steps_per_proposal = max(1, round(1.0 / (interface("proposal").rate_hz * plant.step_period)))
        self.proposal: Proposal | None = None

    def to_end(self) -> RunResult:
        started = time.perf_counter()
        step = 0
        steps_per_second = round(1.0 / self.plant.step_period)
        while not self.monitor.done and self.plant.time < self.limit - 1e-9:
            self._step(propose=step % self.steps_per_proposal == 0)
            step += 1
            if self.progress is not None and step % steps_per_second == 0:
                self.progress(self._progress())
        self._missions(self.monitor.finish(self.plant.time))
        self._plant_events(self.plant.finish())
        if self.judge is not None:
            self.statistics.plan_risks = self.judge.figures()
        return RunResult(
            self.statistics.summary(), tuple(self.monitor.outcomes), time.perf_counter() - started
        )

    def _step(self, propose: bool) -> None:
        now, state, plant = self.plant.time, self.state, self.plant
        if now == 0.0:
            self._missions(self.monitor.update(now, state, ()))
        if propose:
            if self.judge is not None:
                self.judge.look(state, now)
            self.proposal = self.policy.propose(state, now)
        assert self.proposal is not None  # the first step proposes
        distance = plant.min_pedestrian_distance()
        self.statistics.add_distance(distance)
        self.statistics.add_state(now, state.pose, state.twist)
        verdict, command = None, self.proposal.twist
        if self.arc is not None:
            mode = self.supervised.mode(state, now) if self.supervised is not None else Mode.NORMAL
            verdict = self.arc.tick(state, self.proposal, mode, now)
            command = verdict.command
            if self.supervised is not None:
                command = self.supervised.command(verdict, state, now)
            self.statistics.add_verdict(verdict, self.proposal.twist, None, plant.step_period)
        for observer in self.observers:
            observer.tick(state, self.proposal, command, verdict, distance)
            if propose:
                observer.pedestrians(now, plant.pedestrian_names, plant.pedestrian_positions())
        self.state, events = plant.step(command)
        self._plant_events(events)
        self._missions(self.monitor.update(plant.time, self.state, events))

    def _plant_events(self, events: Sequence[PlantEvent]) -> None:
        self.statistics.add_events(events)
        for observer in self.observers:
            for event in events:
                observer.plant_event(event)

    def _missions(self, events: Sequence[MissionStarted | MissionEnded]) -> None:
        for event in events:
            if isinstance(event, MissionStarted):
                self.policy.reset(event.route)
                details: dict[str, Any] = {"state": "started"}
                text = f"mission {event.number} started, goal ({event.goal[0]:.1f}, {event.goal[1]:.1f}) m"
            else:
                self.statistics.add_mission(event)
                details = {"state": "ended", "outcome": str(event.outcome), "duration": event.duration}
                text = f"mission {event.number} ended: {event.outcome} after {event.duration:.1f} s"
            details["energy_kwh"] = self.plant.traction_energy / J_PER_KWH
            for observer in self.observers:
                goal = [float(c) for c in self.monitor.missions[event.number].goal]
                ended = isinstance(event, MissionEnded)
                observer.event(
                    event.stamp, "mission", text, number=event.number, goal=goal, ended=ended, **details
                )

    def _progress(self) -> Progress:
        statistics = self.statistics
        return Progress(
            self.plant.time,
            self.limit,
            len(self.monitor.outcomes),
            len(self.monitor.missions),
            len(statistics.contacts),
            statistics.interventions,
            statistics.min_distance,
        )
