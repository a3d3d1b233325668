# SPDX-License-Identifier: Apache-2.0
"""A surrogate of the real delivery robot: the plant with other numerics and withheld parameters.

It stands in for a real robot where there is none, and its recordings are called surrogate logs. It differs from the
twin in the integrator (fourth-order Runge-Kutta, against semi-implicit Euler), in parameters that are drawn from a
withheld seed, in noise, and in a computer that begins its ticks late and takes time for them. A planted error
multiplies mass, friction or the softness of the bumper, or adds dead time, on top.
"""

# MuJoCo is a compiled module without stubs:
# pyright: reportAttributeAccessIssue=false

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

import mujoco
import numpy as np

from reflexarc.core.errors import UnknownNameError
from reflexarc.core.plant import ContactClass, PlantEvent
from reflexarc.core.types import Array, BaseState
from reflexarc_sim.mujoco_plant import MujocoPlant
from reflexarc_sim.mujoco_plant.start import Start
from reflexarc_sim.scenario import Scenario

_STREAM, _COMPUTER = (
    77,
    78,
)  # spawn keys of the withheld parameters and of the times of ticks, used by nothing else
_LONGEST_TICK = 0.9  # share of a step: a tick's lateness and duration together


@dataclass(frozen=True, slots=True)
class PlantedError:
    """An error of the twin's model, planted in the surrogate to see whether it is found."""

    mass: float = 1.0
    """Factor of every mass and inertia of the robot."""
    latency: float = 0.0
    """Added dead time. [s]"""
    friction: float = 1.0
    """Factor of the tyres' friction coefficient."""
    bumper: float = 1.0
    """Factor of the time constant of contact between hull and bollards; below 1 is harder."""


PLANTED: Mapping[str, PlantedError] = {
    "none": PlantedError(),
    "mass": PlantedError(mass=1.2),
    "latency": PlantedError(latency=0.03),
    "friction": PlantedError(friction=0.6),
    "bumper": PlantedError(bumper=0.5),
}
"""Planted errors by name: mass +20 %, latency +30 ms, friction -40 %, a bumper of four times the stiffness."""


@dataclass(frozen=True, slots=True)
class SurrogateParameters:
    """What a surrogate differs in; drawn, and not shown to whoever tunes the twin."""

    mass: float
    """Factor of every mass and inertia of the robot."""
    friction: float
    """Factor of the tyres' friction coefficient."""
    latency: float
    """Added dead time. [s]"""
    suspension: float
    """Factor of the casters' stiffness and damping."""
    contact_time: float
    """Factor of the time constant of tyre and caster contact; above 1 is softer."""
    drag: float
    """Factor of the damping of the wheel joints."""
    position_std: float
    """Noise of the odometry's position. [m]"""
    yaw_std: float
    """[rad]"""
    twist_std: float
    """[m/s, rad/s]"""
    bumper: float
    """Factor of the time constant of contact between hull and bollards; above 1 is softer."""
    tick_mean: float
    """Mean time that a tick of the arc takes. [s]"""
    lateness_mean: float
    """Mean lateness of a tick. [s]"""


def draw_parameters(seed: int, planted: str = "none") -> SurrogateParameters:
    """Draw the withheld parameters of one robot.

    Mass within 2 %, friction within 5 %, dead time up to 2 ms, suspension within 20 %, contact up to 50 % softer, drag
    within 50 %; odometry noise of up to 3 mm, 1.5 mrad and 1 cm/s; bumper within 10 %; ticks of 0.2 to 0.6 ms
    that begin 0.02 to 0.2 ms late on average, both exponential.

    Raises:
        UnknownNameError: no such planted error.
    """
    if planted not in PLANTED:
        raise UnknownNameError("planted error", planted, PLANTED)
    error = PLANTED[planted]
    rng = np.random.default_rng(np.random.SeedSequence(entropy=seed, spawn_key=(_STREAM,)))
    return SurrogateParameters(
        mass=error.mass * rng.uniform(0.98, 1.02),
        friction=error.friction * rng.uniform(0.95, 1.05),
        latency=error.latency + rng.uniform(0.0, 0.002),
        suspension=rng.uniform(0.8, 1.2),
        contact_time=rng.uniform(1.0, 1.5),
        drag=rng.uniform(0.5, 1.5),
        position_std=rng.uniform(0.001, 0.003),
        yaw_std=rng.uniform(0.0005, 0.0015),
        twist_std=rng.uniform(0.003, 0.01),
        bumper=error.bumper * rng.uniform(0.9, 1.1),
        tick_mean=rng.uniform(0.0002, 0.0006),
        lateness_mean=rng.uniform(0.00002, 0.0002),
    )


class TickTimes(NamedTuple):
    """When the arc's computer begins and ends a tick, counted from when it should begin."""

    lateness: float
    """[s]"""
    used: float
    """[s]"""


class TwinPlant(MujocoPlant):
    """The twin: the plant as it is, which can begin elsewhere in its world than at the first mission."""

    def __init__(self, scenario: Scenario, start: Start = Start.MISSION):
        """Take the scenario and where to begin.

        Raises:
            ModelError: the robot's files are missing or malformed.
        """
        super().__init__(scenario.with_overrides({"plant.start": str(start)}))

    def tick_times(self) -> TickTimes:
        """Return those of the coming step; the twin's computer takes no time."""
        return TickTimes(0.0, 0.0)


class SurrogatePlant(TwinPlant):
    """The delivery robot with the parameters of one surrogate."""

    def __init__(self, scenario: Scenario, parameters: SurrogateParameters, start: Start = Start.MISSION):
        """Take the scenario, what differs, and where to begin as the twin.

        Raises:
            ModelError: the robot's files are missing or malformed.
        """
        noise = {name: getattr(parameters, name) for name in ("position_std", "yaw_std", "twist_std")}
        super().__init__(
            scenario.with_overrides(
                {f"sensors.odometry.{name}": repr(float(value)) for name, value in noise.items()}
            ),
            start,
        )
        self.parameters = parameters
        self._late = 0.0

    def reset(self, seed: int) -> BaseState:
        """Start a new run, with no command under way; raises what the twin's `reset` raises."""
        longest = int(self.parameters.latency / self.step_period) + 3
        self._under_way: deque[Array] = deque([np.zeros(2)] * longest, maxlen=longest)
        self._late = 0.0
        self._computer = np.random.default_rng(
            np.random.SeedSequence(entropy=seed, spawn_key=(_STREAM, _COMPUTER))
        )
        return super().reset(seed)

    def tick_times(self) -> TickTimes:
        """Draw those of the coming step; its command leaves the computer so much later."""
        p = self.parameters
        drawn = self._computer.standard_exponential(2) * (p.lateness_mean, p.tick_mean)
        drawn *= min(1.0, _LONGEST_TICK * self.step_period / drawn.sum())
        self._late = float(drawn.sum())
        return TickTimes(float(drawn[0]), float(drawn[1]))

    def step(self, command: Array) -> tuple[BaseState, tuple[PlantEvent, ...]]:
        """Apply a command later; a dead time between two steps is interpolated. Raises as the twin's `step`."""
        self._under_way.append(np.array(command, float))
        whole, share = divmod((self.parameters.latency + self._late) / self.step_period, 1.0)
        older, newer = self._under_way[-2 - int(whole)], self._under_way[-1 - int(whole)]
        return super().step(share * older + (1.0 - share) * newer)

    def _build(self, seed: int) -> None:
        fresh = self._seed != seed
        super()._build(seed)
        if fresh:
            self._change()
            self._data = mujoco.MjData(self._model)

    def _change(self) -> None:
        """Give the compiled model this surrogate's parameters."""
        p, model = self.parameters, self._model
        model.opt.integrator = mujoco.mjtIntegrator.mjINT_RK4
        names = ("caster_fl", "caster_fr", "caster_rl", "caster_rr")
        wheels = ("wheel_left", "wheel_right")
        for name in ("base_link", *wheels, *names):
            body = model.body(name).id
            model.body_mass[body] *= p.mass
            model.body_inertia[body] *= p.mass
        for name in names:
            joint = model.joint(name)
            model.jnt_stiffness[joint.id] *= p.suspension
            model.dof_damping[joint.dofadr[0]] *= p.suspension
        for name in wheels:
            model.geom_friction[model.geom(name).id, 0] *= p.friction
            model.dof_damping[model.joint(name).dofadr[0]] *= p.drag
        for name in (*names, *wheels):
            model.geom_solref[model.geom(name).id, 0] *= p.contact_time
        bollards = [g for g, found in self._assembly.geom_class.items() if found[0] is ContactClass.BOLLARD]
        for geom in (self._assembly.hull_geom, *bollards):
            model.geom_solref[geom, 0] *= p.bumper
        mujoco.mj_setConst(model, mujoco.MjData(model))
