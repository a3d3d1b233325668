# SPDX-License-Identifier: Apache-2.0
r"""The tool of the arm: a point with bounded acceleration that goes straight to its goal.

    |v| <= min(limit, sqrt(2 a d)),     a step changes v by at most a_acc dt, and by a dt where it brakes,

with d the way left and a the deceleration, so it comes to rest at the goal; near the bench the limit is `bench_m_s`.
"""

import math

from reflexarc_sim.welding.geometry import Point, minus
from reflexarc_sim.welding.parameters import ArmSpeeds

_AT = 0.005
"""[m] Closer is arrived, once slow."""
_NEAR = 0.03
"""[m]"""
_SLOW = 0.05
"""[m/s]"""


class Arm:
    """Position and velocity of the tool."""

    def __init__(self, config: ArmSpeeds, start: Point):
        """Begin at rest at `start`. [m]"""
        self._config = config
        self.position = start
        """[m]"""
        self.velocity: Point = (0.0, 0.0)
        """[m/s]"""

    @property
    def speed(self) -> float:
        """[m/s]"""
        return math.hypot(*self.velocity)

    def at(self, goal: Point) -> bool:
        """Whether the tool is at rest at a goal. [m]"""
        return math.dist(self.position, goal) <= _AT and self.speed <= _SLOW

    def near(self, goal: Point) -> bool:
        """Whether the tool is where work that has begun goes on. [m]"""
        return math.dist(self.position, goal) <= _NEAR

    def step(self, goal: Point, limit: float, slow_at: Point | None, dt: float) -> None:
        """Move for one step.

        Args:
            goal: where to. [m]
            limit: largest speed; above it the tool brakes. [m/s]
            slow_at: place near which it goes slowly, if any. [m]
            dt: length of the step. [s]
        """
        config = self._config
        way = minus(goal, self.position)
        distance = math.hypot(*way)
        if slow_at is not None:
            beyond = max(math.dist(self.position, slow_at) - config.bench_slow_m, 0.0)
            limit = min(limit, math.sqrt(config.bench_m_s**2 + 2.0 * config.deceleration_m_s2 * beyond))
        wanted = min(limit, math.sqrt(2.0 * config.deceleration_m_s2 * distance), distance / dt)
        unit = (way[0] / distance, way[1] / distance) if distance > 1e-9 else (0.0, 0.0)
        change = minus((wanted * unit[0], wanted * unit[1]), self.velocity)
        size = math.hypot(*change)
        bound = (config.acceleration_m_s2 if wanted > self.speed else config.deceleration_m_s2) * dt
        share = min(bound / size, 1.0) if size > 1e-12 else 0.0
        vx, vy = self.velocity[0] + share * change[0], self.velocity[1] + share * change[1]
        self.velocity = (vx, vy)
        self.position = (self.position[0] + vx * dt, self.position[1] + vy * dt)
