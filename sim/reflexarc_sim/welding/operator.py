# SPDX-License-Identifier: Apache-2.0
"""The operator of the cell: walks along waypoints and reaches with a hand, heeding neither alarms nor the arm.

That is the person for whom the supervisor has to be good enough. A contact does not push them away either.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from reflexarc.core.errors import ConfigError
from reflexarc_sim.welding.geometry import Point, along, minus
from reflexarc_sim.welding.parameters import WeldingPlant

_AT = 1e-6
"""[m] Closer is arrived."""


@dataclass(frozen=True, slots=True)
class Waypoint:
    """Where to go and what to do there."""

    place: Point
    """[m]"""
    leave: float
    """Time at which the way to the next one begins. [s]"""
    speed: float
    """Of the way to this one. [m/s]"""
    hand: Point | None = None
    """Where to reach while here. [m]"""
    hand_speed: float = 1.0
    """[m/s]"""
    reach_at: float = 0.0
    """Not before. [s]"""
    withdraw_at: float = math.inf
    """The hand is withdrawn from then on; anyway before leaving. [s]"""
    through: bool = False
    """Whether it is only walked through: the way to the next one begins on arrival, and `leave` is not used."""
    serve: bool = False
    """Whether to feed the bench from here again and again, `hand` being where."""


class Operator:
    """Where the operator is at each step.

    Raises:
        ConfigError: a waypoint cannot be: out of reach, out of order, not finite.
    """

    def __init__(self, plant: WeldingPlant, script: Sequence[Waypoint], start: Point):
        """Take the cell, the waypoints in order, and the first place. [m]"""
        _check(plant, script, start)
        self._plant, self._script = plant, list(script)
        self._index = 0
        self._hand_out = False
        self._resting = self._waiting = 0.0
        self.torso, self.hand = start, start
        """Centres; a withdrawn hand is at the torso. [m]"""
        self.torso_velocity: Point = (0.0, 0.0)
        """[m/s]"""
        self.hand_velocity: Point = (0.0, 0.0)
        """[m/s]"""
        self.exchanged = False
        """Whether the hand did its exchange in this very step."""

    @property
    def reaching(self) -> bool:
        """Whether a hand is away from the torso."""
        return math.dist(self.torso, self.hand) > _AT

    def step(self, now: float, dt: float, wanted: bool) -> None:
        """Move for one step.

        Args:
            now: time at its beginning. [s]
            dt: its length. [s]
            wanted: whether the bench needs a workpiece brought or taken.
        """
        script = self._script
        while self._index + 1 < len(script) and self._leaves(script[self._index], now):
            self._index += 1
        goal = script[self._index]
        torso, hand = self.torso, self.hand
        here = math.dist(torso, goal.place) <= _AT
        self.exchanged = False
        self._hand_out = self._wants_hand(goal, now, dt, here, wanted)
        aim = goal.hand if self._hand_out and goal.hand is not None else torso
        if here or self.reaching:
            self.hand = along(hand, aim, min(goal.hand_speed * dt, math.dist(hand, aim)))
        if not here and not self.reaching:
            self.torso = along(torso, goal.place, min(goal.speed * dt, math.dist(torso, goal.place)))
            self.hand = self.torso
        step, reach = minus(self.torso, torso), minus(self.hand, hand)
        self.torso_velocity = (step[0] / dt, step[1] / dt)
        self.hand_velocity = (reach[0] / dt, reach[1] / dt)

    def _leaves(self, goal: Waypoint, now: float) -> bool:
        if goal.through:
            return math.dist(self.torso, goal.place) <= _AT
        return now >= goal.leave - 1e-9

    def _wants_hand(self, goal: Waypoint, now: float, dt: float, here: bool, wanted: bool) -> bool:
        if goal.hand is None or not here:
            return False
        if not goal.serve:
            return goal.reach_at - 1e-9 <= now < goal.withdraw_at
        if self._hand_out:
            if math.dist(self.hand, goal.hand) > _AT:
                return True
            self._resting += dt
            if self._resting < self._plant.process.serve_s:
                return True
            self.exchanged = True
            self._resting = self._waiting = 0.0
            return False
        self._waiting += dt
        return wanted and not self.reaching and self._waiting >= self._plant.process.pause_s


def _check(plant: WeldingPlant, script: Sequence[Waypoint], start: Point) -> None:
    if not script:
        raise ConfigError("the operator has no waypoint; at least one is needed")
    last = -math.inf
    for k, item in enumerate(script):
        numbers = (*item.place, item.speed, item.hand_speed, item.reach_at, *start)
        if not all(map(math.isfinite, numbers)) or item.speed <= 0.0 or item.hand_speed <= 0.0:
            raise ConfigError(f"waypoint {k}: {item} needs finite numbers and positive speeds")
        if item.through:
            continue
        if not item.leave > last:
            raise ConfigError(f"waypoint {k}: leave = {item.leave} s is not after {last} s")
        last = item.leave
        if item.hand is not None and math.dist(item.hand, item.place) > plant.person.reach_m + 1e-9:
            raise ConfigError(
                f"waypoint {k}: the hand is {math.dist(item.hand, item.place):.2f} m away, allowed: "
                f"{plant.person.reach_m} m"
            )
