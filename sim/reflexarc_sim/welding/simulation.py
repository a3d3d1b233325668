# SPDX-License-Identifier: Apache-2.0
"""One run of the welding cell at 100 Hz, from standstill, with everything that a judge needs written down.

Order of a step: operator, sensors, supervisor (when its turn is due), process, tool. The tool obeys the newest mode:

    normal               normal_m_s
    speed_separation     the speed at which the perceived distance is S_p (`allowed_speed`), at most normal_m_s
    power_force_limited  pfl_share of the contact speed permitted for every region of `pfl_regions`
    hand_guided          hand_guided_m_s along the task's path: the operator leads, the path is the task's
    monitored_stop, stopped   braked with deceleration_m_s2; the process halts

The drive stops on a contact and stays until the gap is open again, in every mode and without any controller.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from reflexarc.assurance.hazards.cell import SafetyMode
from reflexarc.assurance.pfl import body_region
from reflexarc.barrier.analytic.separation import allowed_speed
from reflexarc.core.errors import ConfigError, UnknownNameError
from reflexarc_sim.welding.arm import Arm
from reflexarc_sim.welding.controllers import Controller, Directive, welding_cell
from reflexarc_sim.welding.geometry import Point
from reflexarc_sim.welding.operator import Operator, Waypoint
from reflexarc_sim.welding.parameters import STEP_S, WeldingPlant
from reflexarc_sim.welding.process import Process
from reflexarc_sim.welding.sensors import Sensing
from reflexarc_sim.welding.truth import MOVING, Contact, encounter, hazards, peak_force

_FREE = 0.02
"""[m] A contact is over when the gap is that wide."""
_LONGEST = 3600.0
"""[s]"""


@dataclass(frozen=True, slots=True)
class Setup:
    """What is run."""

    tool: str
    region: str
    """Part of the body that a contact would hit; a key of the table of ISO/TS 15066."""
    script: tuple[Waypoint, ...]
    start: Point
    """Of the operator. [m]"""
    duration: float
    """[s]"""
    seed: int = 0
    """Of the sensors' noise and lost samples."""
    support: str = "left"
    """What lies on the bench at first."""
    blind: tuple[str, ...] = ()
    """Sensors that see nobody and do not say so: a planted fault."""


@dataclass(frozen=True, slots=True)
class Step:
    """The cell at the end of one step."""

    time: float
    """[s]"""
    tool: Point
    """[m]"""
    speed: float
    """Of the tool. [m/s]"""
    torso: Point
    hand: Point
    gap: float
    """[m]"""
    tool_towards: float
    """[m/s]"""
    person_towards: float
    """[m/s]"""
    region_speed: float
    """Contact speed permitted for the exposed region with what is gripped now; 0 where contact is not. [m/s]"""
    force: float
    """Peak of a contact that begins in this step, 0 otherwise. [N]"""
    mode: str
    state: str
    activity: str
    gripper: str
    support: str
    phase: str
    hazards: Mapping[str, bool]
    """Those that are really there."""
    seen: Mapping[str, bool | None]
    """Signals at the supervisor's newest turn."""


@dataclass(frozen=True, slots=True)
class Run:
    """What a run left."""

    setup: Setup
    steps: tuple[Step, ...]
    contacts: tuple[Contact, ...]
    value: float
    """Productivity, in the hazard model's values."""
    finished: int
    """Workpieces put back."""
    force_limit: float
    """Largest transient force on the exposed region; 0 where contact is not permitted. [N]"""

    @property
    def mishaps(self) -> int:
        """Contacts above the permitted force."""
        return sum(contact.force > self.force_limit for contact in self.contacts)


def run_cell(plant: WeldingPlant, setup: Setup, controller: Controller | None) -> Run:
    """Run the cell; without a controller nobody reaches it but the drive's own stop on contact.

    Raises:
        ConfigError: the setup cannot be run.
        UnknownNameError: the tool or region is unknown.
    """
    if not STEP_S <= setup.duration <= _LONGEST:
        raise ConfigError(f"duration = {setup.duration} s; allowed: {STEP_S} to {_LONGEST:g} s")
    for name in setup.blind:
        if name not in ("range_finder", "light_curtain"):
            raise UnknownNameError("sensor", name, ("range_finder", "light_curtain"), "blind")
    return _Cell(plant, setup, controller).to_end()


class _Cell:
    """The loop."""

    def __init__(self, plant: WeldingPlant, setup: Setup, controller: Controller | None) -> None:
        self._plant, self._setup, self._controller = plant, setup, controller
        self._tool, self._region = plant.tool(setup.tool), body_region(setup.region)
        self._modes: Mapping[str, SafetyMode] = welding_cell().modes
        self._operator = Operator(plant, setup.script, setup.start)
        self._sensing = Sensing(plant, np.random.default_rng(setup.seed), setup.blind)
        self._arm, self._process = Arm(plant.arm, plant.layout.home), Process(plant, setup.support)
        self._directive = Directive("stopped" if controller is not None else "normal", "")
        self._touching = False
        self._contacts: list[Contact] = []
        self._masses = {loaded: plant.effective_mass(self._tool, loaded) for loaded in (False, True)}
        self._seen: Mapping[str, bool | None] = {}

    def to_end(self) -> Run:
        count = round(self._setup.duration / STEP_S)
        every = max(1, round(self._plant.supervisor.period_s / STEP_S))
        first = round(self._plant.range_finder.latency_s / STEP_S) + 1
        steps = [self._step(k * STEP_S, k >= first and (k - first) % every == 0) for k in range(count)]
        limit = self._region.transient if self._region.permitted else 0.0
        process = self._process
        return Run(self._setup, tuple(steps), tuple(self._contacts), process.value, process.finished, limit)

    def _step(self, now: float, turn: bool) -> Step:
        process, arm, person = self._process, self._arm, self._operator
        person.step(now, STEP_S, process.wants_operator)
        if person.exchanged:
            process.serve()
        self._sensing.step(person, now)
        if turn and self._controller is not None:  # from when the first scan could be known
            self._seen = self._sensing.signals(process.activity, now)
            self._directive = self._controller.turn(self._seen, now)
            if self._directive.resume:
                process.resume(self._directive.resume)
        process.step(arm, STEP_S, self._modes[self._directive.mode].latched)
        self._move(now)
        met, force = encounter(self._plant, self._tool, arm, person), 0.0
        mass = self._masses[process.gripper != "open"]
        if met.gap <= 0.0 and not self._touching and met.tool_towards > MOVING:
            self._touching = True
            force = peak_force(self._region, mass, met.tool_towards)
            closing = peak_force(self._region, mass, met.tool_towards + max(met.person_towards, 0.0))
            self._contacts.append(Contact(now, met.tool_towards, force, closing, self._directive.mode))
        elif met.gap > _FREE:
            self._touching = False
        return Step(
            now,
            arm.position,
            arm.speed,
            person.torso,
            person.hand,
            *met,
            self._region.speed(mass) if self._region.permitted else 0.0,
            force,
            self._directive.mode,
            self._directive.state,
            process.activity,
            process.gripper,
            process.support,
            process.phase,
            hazards(self._plant, person, process.activity),
            self._seen,
        )

    def _move(self, now: float) -> None:
        arm, process = self._arm, self._process
        goal = process.goal
        at_bench = goal if process.activity == "exchange" else None
        arm.step(
            arm.position if goal is None else goal,
            0.0 if self._touching or goal is None else self._limit(now),
            at_bench,
            STEP_S,
        )

    def _limit(self, now: float) -> float:
        mode, speeds = self._directive.mode, self._plant.arm
        if self._modes[mode].latched:
            return 0.0
        if mode == "power_force_limited":
            mass = self._masses[self._process.gripper != "open"]
            return min(speeds.normal_m_s, self._plant.pfl_speed(mass))
        if mode == "hand_guided":
            return speeds.hand_guided_m_s
        if mode == "speed_separation":
            gap = self._sensing.distance(self._arm.position, self._tool.radius_m, now)
            return min(speeds.normal_m_s, allowed_speed(gap, self._plant.separation.parameters))
        return speeds.normal_m_s


def phases(run: Run) -> Mapping[str, tuple[float, float]]:
    """Return the last interval of each phase of a run. [s]"""
    found: dict[str, tuple[float, float]] = {}
    before = ""
    for step in run.steps:
        begin = step.time if step.phase != before else found[step.phase][0]
        found[step.phase] = (begin, step.time + STEP_S)
        before = step.phase
    return found
