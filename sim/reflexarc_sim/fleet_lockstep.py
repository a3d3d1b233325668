# SPDX-License-Identifier: Apache-2.0
"""Lock-step run of a fleet: one plant, and for each robot its policy and its own arc; same seed, same bytes.

In each period: the fleet planner, at its rate, takes where the robots are and lets permissions grow; each policy, at
its rate, follows the way that its robot is permitted; each arc judges its robot's proposal; the plant steps.
"""

import hashlib
import math
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np

from reflexarc.core.figures import for_json
from reflexarc.core.interfaces import interface
from reflexarc.core.plant import ContactClass, ContactEvent
from reflexarc.core.types import Array, BaseState, Mode, Proposal
from reflexarc.mission.summary import MOVING_SPEED
from reflexarc.policies import TaskPolicy, make_policy
from reflexarc_sim.fleet_tasks import Delivery, FleetTasks
from reflexarc_sim.lockstep import scenario_arc
from reflexarc_sim.mujoco_plant.fleet_plant import FleetPlant
from reflexarc_sim.scenario import Scenario


@dataclass(slots=True)
class FleetSummary:
    """Figures of one run of a fleet."""

    seed: int
    robots: int
    goals: int
    reached: int
    duration_s: float
    robot_contacts: int
    """Contacts between two robots, each counted once."""
    pedestrian_contacts: int
    pedestrian_contacts_moving: int
    """Those that began while the robot was faster than 0.1 m/s."""
    other_contacts: int
    least_gap_m: float
    """Smallest distance between the centres of two robots."""
    stops: int
    """Times that somebody stopped a robot."""
    stopped_s: float
    intervened: float
    """Share of ticks in which an arc changed what was proposed."""
    largest_delay_s: float
    plans: int
    kept: int
    """Plans that were looked for and not adopted."""
    mean_delivery_s: float
    digest: str
    deliveries: list[dict[str, Any]] = field(default_factory=list)
    contacts: list[dict[str, Any]] = field(default_factory=list)

    def to_json(self) -> dict[str, Any]:
        """Return a mapping for JSON; numbers that are not finite become null."""
        return for_json(asdict(self))


@dataclass(frozen=True, slots=True)
class FleetResult:
    """What a run left."""

    summary: FleetSummary
    times: Array
    """Of the trace, at the planner's rate, shape (t,). [s]"""
    poses: Array
    """x, y, yaw of every robot, shape (t, n, 3). [m, m, rad]"""
    wall_s: float
    """Wall time without set-up. [s]"""
    commands: Array
    """What the plant was told at each step, shape (steps, n, 2). [m/s, rad/s]"""
    events: tuple[str, ...]
    """What the planner said."""


class FleetRun:
    """A run under way."""

    def __init__(self, scenario: Scenario, seed: int):
        """Build everything.

        Raises:
            ConfigError: the scenario cannot be built.
        """
        self.scenario, self.seed = scenario, seed
        self.tasks = FleetTasks(scenario, seed)
        self.plant = FleetPlant(scenario)
        n = len(self.tasks.names)
        self.arcs = [scenario_arc(scenario) if scenario.arc_enabled else None for _ in range(n)]
        self.policies: list[TaskPolicy] = [
            make_policy(scenario.policy.name, scenario.policy.params) for _ in range(n)
        ]
        self.states: tuple[BaseState, ...] = self.plant.reset(seed, self.tasks.start_poses())
        period = self.plant.step_period
        self._every = {
            "plan": max(1, round(1.0 / (scenario.fleet.rate_hz * period))),
            "propose": max(1, round(1.0 / (interface("proposal").rate_hz * period))),
        }
        self.proposals = [Proposal(0.0, np.zeros(2))] * n
        self.commands = np.zeros((n, 2))
        self.events: list[tuple[str, ContactEvent]] = []
        self.step_count = self.changed = self.ticks = 0
        self.least_gap = math.inf
        self.largest_delay = 0.0
        self._told: list[Array | None] = [None] * n
        self._hash = hashlib.sha256()

    def step(self) -> None:
        """Advance one period."""
        now, tasks, k = self.plant.time, self.tasks, self.step_count
        if k % self._every["plan"] == 0:
            places = {n: s.pose[:2] for n, s in zip(tasks.names, self.states, strict=True)}
            tasks.update(now, places)
            self._look(now)
            for i, name in enumerate(tasks.names):
                way = tasks.fleet.permission(name)
                told = self._told[i]
                if told is None or not np.array_equal(way, told):
                    self.policies[i].reset(way)
                    self._told[i] = way
        if k % self._every["propose"] == 0:
            self.proposals = [p.propose(s, now) for p, s in zip(self.policies, self.states, strict=True)]
        for i, (arc, state) in enumerate(zip(self.arcs, self.states, strict=True)):
            self.commands[i] = self.proposals[i].twist
            if arc is not None:
                verdict = arc.tick(state, self.proposals[i], Mode.NORMAL, now)
                self.commands[i] = verdict.command
                self.changed += verdict.intervened
                self.ticks += 1
        self.states, events = self.plant.step(self.commands)
        self._hash.update(self.commands.tobytes())
        for state, unit, happened in zip(self.states, self.plant.units, events, strict=True):
            self._hash.update(state.pose.tobytes())
            self.events += [(unit.name, e) for e in happened if isinstance(e, ContactEvent)]
        self.step_count += 1

    def finish(self) -> FleetSummary:
        """Return the figures."""
        self.tasks.finish()
        for unit in self.plant.units:
            self.events += [(unit.name, e) for e in unit.finish() if isinstance(e, ContactEvent)]
        deliveries = sorted(self.tasks.deliveries, key=lambda d: (d.robot, d.number))
        end = self.plant.time
        stops = [(max(b, 0.0), min(e, end)) for row in self.plant.stops for b, e in row if b < end]
        of = {kind: [e for _, e in self.events if e.contact_class is kind] for kind in ContactClass}
        people = of[ContactClass.PEDESTRIAN]
        fleet = self.tasks.fleet
        took = [d.end - d.begin for d in deliveries if math.isfinite(d.end)]
        return FleetSummary(
            seed=self.seed,
            robots=len(self.tasks.names),
            goals=self.scenario.missions.count * len(self.tasks.names),
            reached=len(took),
            duration_s=end,
            robot_contacts=(len(of[ContactClass.ROBOT]) + 1) // 2,
            pedestrian_contacts=len(people),
            pedestrian_contacts_moving=sum(e.robot_speed > MOVING_SPEED for e in people),
            other_contacts=len(self.events) - len(people) - len(of[ContactClass.ROBOT]),
            least_gap_m=self.least_gap,
            stops=len(stops),
            stopped_s=math.fsum(e - b for b, e in stops),
            intervened=self.changed / self.ticks if self.ticks else 0.0,
            largest_delay_s=self.largest_delay,
            plans=fleet.plans,
            kept=fleet.kept,
            mean_delivery_s=float(np.mean(took)) if took else math.nan,
            digest=self._hash.hexdigest(),
            deliveries=[_row(d, self.tasks) for d in deliveries],
            contacts=[
                {"robot": n, **asdict(e), "contact_class": str(e.contact_class)} for n, e in self.events
            ],
        )

    def _look(self, now: float) -> None:
        places = np.array([s.pose[:2] for s in self.states])
        gaps = np.hypot(*np.moveaxis(places[:, None] - places[None], 2, 0)) + 1e9 * np.eye(len(places))
        self.least_gap = min(self.least_gap, float(gaps.min()))
        late = [self.tasks.fleet.delay(n, now) for n in self.tasks.names if not self.tasks.fleet.lost(n)]
        self.largest_delay = max(self.largest_delay, *late)


def run_fleet(
    scenario: Scenario,
    seed: int | None = None,
    duration: float | None = None,
    progress: Callable[[FleetRun], None] | None = None,
) -> FleetResult:
    """Run a scenario of a fleet until all deliveries are made or time is up.

    Args:
        scenario: with `fleet.robots` > 0.
        seed: of the run; the scenario's own if None.
        duration: longest simulated time; the scenario's own if None. [s]
        progress: called about once per simulated second.

    Raises:
        ConfigError: the scenario cannot be built.
        PlantError: the simulation diverged.
    """
    run = FleetRun(scenario, scenario.seed if seed is None else seed)
    limit = scenario.duration_s if duration is None else duration
    began = time.perf_counter()
    every = max(1, round(1.0 / (scenario.fleet.rate_hz * run.plant.step_period)))
    second = round(1.0 / run.plant.step_period)
    times, poses, commands = [], [], []
    try:
        while not run.tasks.done and run.plant.time < limit - 1e-9:
            if run.step_count % every == 0:
                times.append(run.plant.time)
                poses.append([s.pose for s in run.states])
            run.step()
            commands.append(run.commands.copy())
            if progress is not None and run.step_count % second == 0:
                progress(run)
        summary = run.finish()
    finally:
        run.plant.close()
    said = tuple(f"{e.time:.1f} s {e.kind} {e.robot} {e.text}" for e in run.tasks.fleet.events)
    wall = time.perf_counter() - began
    return FleetResult(summary, np.array(times), np.array(poses), wall, np.array(commands), said)


def _row(delivery: Delivery, tasks: FleetTasks) -> dict[str, Any]:
    x, y = tasks.road.graph.positions[delivery.goal].tolist()
    end = delivery.end if math.isfinite(delivery.end) else None
    return {
        "robot": delivery.robot, "number": delivery.number, "goal": [x, y], "begin": delivery.begin, "end": end
    }  # fmt: skip
