# SPDX-License-Identifier: Apache-2.0
"""A lock-step run in which a fault begins at a chosen tick: between sensors and arc, in the arc, or before the plant.

`Injector` stands where the messages pass; `Drive` is the loop. Arc, supervisor and gate are those of every other run.
"""

import math
from collections import deque
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

from reflexarc.arc import Arc
from reflexarc.assurance.gate import SOURCES
from reflexarc.assurance.injection.streams import boxed_in, make_stream, towards_nearest, without_nearest
from reflexarc.assurance.injection.table import Injection, delay_s
from reflexarc.core.errors import ConfigError
from reflexarc.core.interfaces import interface
from reflexarc.core.plant import ContactClass, ContactEvent, PlantEvent
from reflexarc.core.types import Array, BaseState, Mode, Obstacles, Proposal, Verdict
from reflexarc.mission import MissionMonitor, MissionStarted
from reflexarc.policies import make_policy
from reflexarc.robots import load_base
from reflexarc_sim.lockstep import scenario_arc
from reflexarc_sim.missions import plan_missions
from reflexarc_sim.plants import make_plant
from reflexarc_sim.scenario import Scenario
from reflexarc_sim.supervised import Supervised

OVERRUN_TICKS = 4
"""An overrunning arc finishes one tick in so many periods."""
JUMP_S = 1.0
"""Size of a clock's jump. [s]"""
MOVING_M_S = 0.1
"""A robot that is slower than this stands when it is touched. [m/s]"""
_REMEMBERED_S = 5.0
"""How long where the robot was is kept, since a contact is reported when it ends. [s]"""
_BEATS = {"arc": ("arc",), "supervisor": ("supervisor",), "partition": SOURCES}


class Injector:
    """One fault from its onset on; `affected` tells whether anything has yet been other than the truth."""

    def __init__(self, row: Injection, top_speed: float, top_yaw_rate: float):
        """Take the row and how fast the robot can drive and turn. [m/s, rad/s]"""
        self.row = row
        self.affected = False
        self._speed, self._yaw = top_speed, top_yaw_rate
        self._pose = np.zeros(3)
        mode, channel = row.mode, row.channel
        self._stream = None
        if channel in {"odometry", "obstacles", "scan", "proposal"} and mode not in {
            "miss",
            "box",
            "adversarial",
        }:
            late = delay_s(row) if mode == "delay" else 0.0
            self._stream = make_stream(mode, late, lambda: self._pose)
        elif channel == "all":
            self._all = [make_stream(mode) for _ in range(3)]
        self._applied: Array | None = None
        self._count = -1

    def state(self, truth: BaseState, now: float) -> BaseState:
        """Return the state that arrives."""
        channel, mode, stream = self.row.channel, self.row.mode, self._stream
        self._pose = truth.pose
        if channel == "odometry" and stream is not None:
            return self._seen(truth, replace_surroundings(stream(truth, now), truth))
        if channel == "obstacles":
            if stream is not None:
                people = stream(truth.obstacles, now)
            else:
                people = (without_nearest if mode == "miss" else boxed_in)(truth.obstacles, truth.pose)
            return truth if people is truth.obstacles else self._seen(truth, replace(truth, obstacles=people))
        if channel == "scan" and stream is not None:
            walls = stream(truth.walls, now)
            return truth if walls is truth.walls else self._seen(truth, replace(truth, walls=walls))
        if channel == "all":
            base, people, walls = (
                s(x, now) for s, x in zip(self._all, (truth, truth.obstacles, truth.walls), strict=True)
            )
            return self._seen(truth, replace(base, obstacles=people, walls=walls))
        return truth

    def proposal(self, truth: Proposal, state: BaseState, now: float) -> Proposal:
        """Return the proposal that arrives; `state` is the true one."""
        if self.row.channel != "proposal":
            return truth
        if self._stream is not None:
            return self._seen(truth, self._stream(truth, now))
        return self._seen(truth, towards_nearest(truth, state, self._speed, self._yaw))

    def clock(self, now: float) -> float:
        """Return the time that the arc reads. [s]"""
        if self.row.channel != "clock":
            return now
        self.affected = True
        return now + {"forward": JUMP_S, "backward": -JUMP_S, "nan": math.nan}[self.row.mode]

    def ticks(self) -> bool:
        """Whether the arc ticks in this period."""
        self._count += 1
        dead = self.row.channel == "process" and self.row.mode == "arc"
        late = self.row.channel == "ticks" and self._count % OVERRUN_TICKS > 0
        self.affected |= dead or late
        return not (dead or late)

    def actuator(self, command: Array, speed: Array) -> Array:
        """Return what the drive makes of a command; `speed` is the body velocity."""
        if self.row.channel != "actuator":
            return command
        self.affected = True
        if self._applied is None:
            self._applied = np.array(speed)
        return {"loss": 0.0 * command, "half": 0.5 * command, "stuck": self._applied}[self.row.mode]

    def begin(self, arc: Arc, supervised: Supervised | None) -> None:
        """Break what is broken once and for all."""
        row = self.row
        if row.channel == "process" and supervised is not None:
            self.affected = True
            _silence(supervised, _BEATS[row.mode])
        if row.channel == "learned":
            self.affected = True
            _always_safe(arc)

    def _seen(self, truth, arrived):  # type: ignore[no-untyped-def]
        self.affected |= arrived is not truth
        return arrived


def replace_surroundings(state: BaseState, truth: BaseState) -> BaseState:
    """Return a state with the surroundings of another; the very other if it is the same state."""
    if state is truth:
        return truth
    return replace(state, obstacles=truth.obstacles, walls=truth.walls)


class Drive:
    """The loop of a run, one `step` at a time."""

    def __init__(self, scenario: Scenario, seed: int):
        """Build plant, arc, supervisor and missions.

        Raises:
            ConfigError: the scenario is not one of a mobile base with the arc, or judges plans.
        """
        if scenario.reach.enabled or not scenario.arc_enabled:
            raise ConfigError(
                f"{scenario.where}: faults are injected where arc.enabled is true and reach.enabled is false"
            )
        self.plant: Any = make_plant(scenario)
        self.arc = scenario_arc(scenario)
        late = {"arc": {"barrier": {"deadline_s": 1e-6}}}
        self.late_arc = scenario_arc(scenario.with_overrides(late))
        self.supervised = Supervised(scenario) if scenario.supervisor.enabled else None
        self.policy = make_policy(scenario.policy.name, scenario.policy.params)
        self.robot = load_base(scenario.robot)
        self.state = self.plant.reset(seed)
        missions = plan_missions(self.plant.world, self.state.pose[:2], scenario.missions, seed)
        self.monitor = MissionMonitor(missions, self.plant.world.route, scenario.missions.goal_tolerance_m)
        self.injector: Injector | None = None
        self.mode = Mode.NORMAL
        self.touch: tuple[float, float] | None = None
        """Speed, and its part towards the touched point, when the moving robot first touched a person since
        `touches_from`. [m/s]"""
        self.touches_from = 0.0
        self._way: deque[tuple[float, Array, float]] = deque(
            maxlen=round(_REMEMBERED_S / self.plant.step_period)
        )
        self.command = np.zeros(len(self.state.twist))
        self.distance = math.inf
        self.proposal: Proposal | None = None
        self._verdict: Verdict | None = None
        self._step = 0
        self._every = max(1, round(1.0 / (interface("proposal").rate_hz * self.plant.step_period)))
        self._follow(self.monitor.update(0.0, self.state, ()))

    def inject(self, row: Injection) -> None:
        """Let the fault of a row begin with the next step."""
        self.injector = Injector(row, self.robot.max_speed, self.robot.max_yaw_rate)
        if row.channel == "solver":
            self.arc = self.late_arc
        self.injector.begin(self.arc, self.supervised)

    def step(self) -> tuple[str, ...]:
        """Drive one period and return the faults that were named in it."""
        now, truth, plant, injector = self.plant.time, self.state, self.plant, self.injector
        if self._step % self._every == 0:
            self.proposal = self.policy.propose(truth, now)
        self._step += 1
        assert self.proposal is not None  # the first step proposes
        state, proposal, clock, ticks = truth, self.proposal, now, True
        if injector is not None:
            state, proposal = injector.state(truth, now), injector.proposal(self.proposal, truth, now)
            clock, ticks = injector.clock(now), injector.ticks()
        if self.supervised is not None and not self._is_dead("supervisor"):
            self.mode = self.supervised.mode(state, now)
        if ticks or self._verdict is None:
            self._verdict = self.arc.tick(state, proposal, self.mode, clock)
        command = self._verdict.command
        if self.supervised is not None:
            command = self.supervised.command(self._verdict, state, now)
        self.command = command
        self.distance = plant.min_pedestrian_distance()
        if injector is not None:
            command = injector.actuator(command, truth.twist)
        self._way.append((now, truth.pose, float(truth.twist[0])))
        self.state, events = plant.step(command)
        self._touches(events)
        self._follow(self.monitor.update(plant.time, self.state, events))
        return self._named(now)

    def finish(self) -> None:
        """Take the contacts that have not ended, and close the plant."""
        self._touches(self.plant.finish())
        self.plant.close()

    def _is_dead(self, source: str) -> bool:
        row = self.injector.row if self.injector is not None else None
        return row is not None and row.channel == "process" and row.mode == source

    def _named(self, now: float) -> tuple[str, ...]:
        assert self._verdict is not None
        names = () if self._is_dead("arc") else self._verdict.faults
        if self.supervised is not None and (found := self.supervised.gate.open(now).fault):
            names = (*names, found)
        return names

    def _touches(self, events: tuple[PlantEvent, ...] | list[PlantEvent]) -> None:
        for event in events:
            if not isinstance(event, ContactEvent) or event.contact_class is not ContactClass.PEDESTRIAN:
                continue
            moving = event.robot_speed > MOVING_M_S and event.start >= self.touches_from
            if moving and self.touch is None:
                self.touch = event.robot_speed, self._approach(event)

    def _approach(self, event: ContactEvent) -> float:
        """Return the robot's speed towards the touched point when it was touched; nan: that is too long ago. [m/s]"""
        before = [(pose, speed) for stamp, pose, speed in self._way if stamp <= event.start]
        if not before or self._way[0][0] > event.start:
            return math.nan
        pose, speed = before[-1]
        offset = np.array(event.position) - pose[:2]
        return float(speed * (np.array([np.cos(pose[2]), np.sin(pose[2])]) @ offset) / np.linalg.norm(offset))

    def _follow(self, events) -> None:  # type: ignore[no-untyped-def]
        for event in events:
            if isinstance(event, MissionStarted):
                self.policy.reset(event.route)


def _silence(supervised: Supervised, sources: tuple[str, ...]) -> None:
    """Let no more beats of these sources reach the gate."""
    gate = supervised.gate
    beat: Callable[..., None] = gate.beat

    def heard(source: str, seq: int, stamp: float, now: float, motion: bool = True) -> None:
        if source not in sources:
            beat(source, seq, stamp, now, motion)

    gate.beat = heard
    if "arc" in sources:  # no verdict of a dead arc arrives
        supervised.supervision.guards.arc.take = lambda verdict, obstacles_stamp, steady: None


def _always_safe(arc: Arc) -> None:
    """Make the learned barrier blind: it sees nobody, so that it admits everything."""
    learned = next(stage.learned for stage in arc.stages if stage.name == "barrier")  # type: ignore[attr-defined]
    update = learned.update

    def blind(state: BaseState, pose: Array, age: float) -> bool:
        return update(
            replace(state, obstacles=Obstacles.none(state.obstacles.stamp, state.frame_id)), pose, age
        )

    learned.update = blind
