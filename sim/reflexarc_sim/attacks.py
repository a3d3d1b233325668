# SPDX-License-Identifier: Apache-2.0
"""Stacks to attack, each in its scenario: a mobile base, an arm in contact, a quadruped.

Each is run in lock-step, so that a push does the same every time, and each can write down what repeats it.
"""

import contextlib
import dataclasses
import math
from collections.abc import Mapping
from typing import Any

from reflexarc.core.errors import ConfigError
from reflexarc.core.plant import CargoEvent, ContactEvent, PlantEvent
from reflexarc.core.types import Array, BaseState, Proposal, Verdict
from reflexarc.mission.summary import MOVING_SPEED
from reflexarc.robots import load_robot
from reflexarc.robots.arm import Arm
from reflexarc.robots.quadruped import load_quadruped
from reflexarc.robust.attack import Dimension, Trial
from reflexarc_sim import lockstep
from reflexarc_sim.arm_lockstep import ArmRun
from reflexarc_sim.cell import PlannedPush
from reflexarc_sim.scenario import Disturbance, Scenario
from reflexarc_sim.walk_config import PlannedForce, SuddenPushes
from reflexarc_sim.walker_lockstep import WalkerRun

GRAVITY = 9.80665
AFTER_S = 5.0
"""How long a run goes on after the latest push, at least. [s]"""
START_S = 1.0
"""How long a quadruped has to stand before the first push. [s]"""


class _Failed(Exception):
    """What is looked for has happened."""


class _Watch:
    """Margin and first failure of a run of a mobile base; ends the run there."""

    def __init__(self) -> None:
        self.margin, self.what = math.inf, ""

    def tick(
        self,
        state: BaseState,
        proposal: Proposal | None,
        command: Array,
        verdict: Verdict | None,
        min_distance: float,
    ) -> None:
        if abs(state.twist[0]) > MOVING_SPEED:
            self.margin = min(self.margin, min_distance)

    def pedestrians(self, time: float, names: tuple[str, ...], positions: Array) -> None: ...

    def plant_event(self, event: PlantEvent) -> None:
        if isinstance(event, ContactEvent):
            if event.robot_speed > MOVING_SPEED:
                self.what = (
                    f"contact with {event.partner} at {event.start:.2f} s, {event.robot_speed:.2f} m/s"
                )
        elif isinstance(event, CargoEvent):
            self.what = f"cargo lost at {event.stamp:.2f} s"
        else:
            self.what = f"rolled over at {event.stamp:.2f} s"
        if self.what:
            raise _Failed

    def event(self, time: float, kind: str, text: str, **details: Any) -> None: ...


class BaseStack:
    """A mobile base: fails when it touches anything while it moves, loses cargo or rolls over. Size: impulse."""

    size_unit = "N s"

    def __init__(self, scenario: Scenario, seed: int, length: float, arc: bool | None = None):
        """Take the scenario.

        Args:
            scenario: of one mobile base, without pushes of its own.
            seed: of the run.
            length: of the run. [s]
            arc: whether the arc is there; None: as the scenario says.

        Raises:
            ConfigError: it is an arm's, a quadruped's or a fleet's, has pushes, or is too short for one.
        """
        if scenario.of_arm or scenario.of_walker or scenario.fleet.robots or scenario.disturbances:
            raise ConfigError(f"{scenario.where}: wanted is one mobile base without `disturbances`")
        if length <= AFTER_S:
            raise ConfigError(f"a run of {length:g} s; allowed: more than {AFTER_S:g} s")
        self.name, self._scenario, self._seed, self._length, self._arc = (
            scenario.name,
            scenario,
            seed,
            length,
            arc,
        )
        self.mass = load_robot(scenario.robot).mass
        self.weight = self.mass * GRAVITY
        self.shape = (
            Dimension("time_s", "s", 0.0, length - AFTER_S),
            Dimension("heading", "rad", -math.pi, math.pi, True),
            Dimension("duration_s", "s", 0.05, 1.0),
            Dimension("height_m", "m", 0.1, 1.1),
        )

    def pushed(self, shape: Array, size: float) -> Scenario:
        """Return the scenario with the push in it."""
        time, heading, duration, height = (float(x) for x in shape)
        push = Disturbance(
            time_s=time,
            duration_s=duration,
            impulse=(size * math.cos(heading), size * math.sin(heading)),
            height_m=height,
        )
        return dataclasses.replace(
            self._scenario, disturbances=(push,), seed=self._seed, duration_s=self._length
        )

    def run(self, shape: Array, size: float) -> Trial:
        """See `Stack`; the margin is the least distance to a person while it moves. [m]"""
        watch = _Watch()
        scenario = self.pushed(shape, size)
        with contextlib.suppress(_Failed):
            lockstep.run(scenario, self._seed, self._arc, self._length, observers=(watch,))
        return Trial(bool(watch.what), watch.margin, watch.what)

    def regression(self, shape: Array, size: float) -> dict[str, Any]:
        """Return the scenario that repeats a push, as the mapping of a YAML file."""
        push = self.pushed(shape, size).disturbances[0]
        changes = {
            "name": f"{self.name}_attacked",
            "seed": self._seed,
            "duration_s": self._length,
            "disturbances": [_plain(push)],
        }
        if self._arc is not None:
            changes["arc"] = {**self._scenario.source.get("arc", {}), "enabled": self._arc}
        return {**self._scenario.source, **changes}


class ArmStack:
    """An arm in contact: fails when its force limit is broken. Size: force on one of the last three links."""

    size_unit = "N"

    def __init__(self, scenario: Scenario, seed: int, length: float):
        """Take the scenario.

        Args:
            scenario: of an arm in contact, without pushes of its own.
            seed: of the run.
            length: of the run. [s]

        Raises:
            ConfigError: it is no arm's, or has pushes.
        """
        if not scenario.of_arm or scenario.cell.pushes.count or scenario.cell.planned:
            raise ConfigError(f"{scenario.where}: wanted is an arm without `cell.pushes` and `cell.planned`")
        self.name, self._scenario, self._seed, self._length = scenario.name, scenario, seed, length
        arm, lasts = self._calm()
        self.weight = GRAVITY * float(sum(inertia.mass for inertia in arm.model.inertias))
        # not the tool: a push at its tip is a force on the tip, which is what is judged
        self._bodies = tuple(f"link_{i}" for i in range(arm.n, arm.n - 3, -1))
        self.shape = (
            Dimension("time_s", "s", 0.0, 0.95 * lasts),
            Dimension("heading", "rad", -math.pi, math.pi, True),
            Dimension("lift", "rad", -math.pi / 2.0, math.pi / 2.0),
            Dimension("duration_s", "s", 0.02, 0.5),
            Dimension("body", "", 0.0, len(self._bodies) - 1e-9),
        )

    def _calm(self) -> tuple[Arm, float]:
        """Return the arm, and how long its task takes without a push. [s]"""
        run = ArmRun(self._scenario, self._seed, self._length)
        try:
            while not run.over:
                run.step()
            return run.plant.arm, run.plant.time
        finally:
            run.plant.close()

    def pushed(self, shape: Array, size: float) -> Scenario:
        """Return the scenario with the push in it."""
        time, heading, lift, duration, body = (float(x) for x in shape)
        level = size * math.cos(lift)
        force = (level * math.cos(heading), level * math.sin(heading), size * math.sin(lift))
        push = PlannedPush(time, duration, force, self._bodies[int(body)])
        cell = dataclasses.replace(self._scenario.cell, planned=(push,) if size > 0.0 else ())
        return dataclasses.replace(self._scenario, cell=cell)

    def run(self, shape: Array, size: float) -> Trial:
        """See `Stack`; the margin is what is left of the force limit, of 1."""
        run = ArmRun(self.pushed(shape, size), self._seed, self._length)
        try:
            while not run.over:
                run.step()
            left = 1.0 - run.judge.largest / self._scenario.arc_config.contact.peak_n
            return Trial(bool(run.judge.violation), left, run.judge.violation or "")
        finally:
            run.plant.close()

    def regression(self, shape: Array, size: float) -> dict[str, Any]:
        """Return the scenario that repeats a push, as the mapping of a YAML file."""
        source = self._scenario.source
        push = _plain(self.pushed(shape, size).cell.planned[0])
        cell = {**source.get("cell", {}), "planned": [push]}
        return {**source, "name": f"{self.name}_attacked", "seed": self._seed, "cell": cell}


class WalkerStack:
    """A quadruped that walks as its scenario says: fails when it falls. Size: impulse on the trunk."""

    size_unit = "N s"

    def __init__(self, scenario: Scenario, seed: int, length: float):
        """Take the scenario; pushes of its own are left out.

        Args:
            scenario: of a quadruped at the level of its joints.
            seed: of the run.
            length: of the run. [s]

        Raises:
            ConfigError: it is no quadruped's, or the run is too short for a push.
        """
        if not scenario.of_walker or length <= START_S + AFTER_S:
            raise ConfigError(
                f"{scenario.where}: wanted is a quadruped, for more than {START_S + AFTER_S:g} s (here {length:g} s)"
            )
        self.name, self._scenario, self._seed, self._length = scenario.name, scenario, seed, length
        self.weight = GRAVITY * load_quadruped(scenario.robot).mass
        self.shape = (
            Dimension("time_s", "s", START_S, length - AFTER_S),
            Dimension("heading", "rad", -math.pi, math.pi, True),
            Dimension("duration_s", "s", 0.04, 1.0),
        )

    def pushed(self, shape: Array, size: float) -> Scenario:
        """Return the scenario with the push in it."""
        time, heading, duration = (float(x) for x in shape)
        level = size / duration
        push = PlannedForce(time, duration, (level * math.cos(heading), level * math.sin(heading), 0.0))
        planned = (push,) if size > 0.0 else ()
        walk = dataclasses.replace(self._scenario.walk, pushes=SuddenPushes(), planned=planned)
        return dataclasses.replace(self._scenario, walk=walk)

    def run(self, shape: Array, size: float) -> Trial:
        """See `Stack`; the margin is the least cosine of the trunk's lean."""
        run, most = WalkerRun(self.pushed(shape, size), self._seed, self._length), 0.0
        try:
            while not run.over:
                run.step()
                most = max(most, run.plant.lean())
            what = f"fall at {run.plant.time:.2f} s" if run.plant.fallen else ""
            return Trial(bool(what), -1.0 if what else math.cos(most), what)
        finally:
            run.plant.close()

    def regression(self, shape: Array, size: float) -> dict[str, Any]:
        """Return the scenario that repeats a push, as the mapping of a YAML file."""
        walk = {k: v for k, v in self._scenario.source["walk"].items() if k != "pushes"}
        walk["planned"] = [_plain(self.pushed(shape, size).walk.planned[0])]
        changes = {
            "name": f"{self.name}_attacked",
            "seed": self._seed,
            "duration_s": self._length,
            "walk": walk,
        }
        return {**self._scenario.source, **changes}


def _plain(push: Disturbance | PlannedPush | PlannedForce) -> Mapping[str, Any]:
    """Return a push as YAML holds it."""
    return {
        key: list(value) if isinstance(value, tuple) else value
        for key, value in dataclasses.asdict(push).items()
    }
