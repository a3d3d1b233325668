# SPDX-License-Identifier: Apache-2.0
"""Pedestrians of jupedsim's Anticipation Velocity Model, walking up and down the street, some distracted.

- Operational model: Anticipation Velocity Model (Xu, Chraibi, Seyfried, Transportation Research C 2021), agents of
  radius 0.25 m.
- Desired speed: normal, 1.34 +- 0.26 m/s (Weidmann, ETH Zurich 1993), cut at two standard deviations.
- Distracted share: 29.8 % of pedestrians perform a distracting activity while crossing (Thompson et al., Injury
  Prevention 2013). A distracted one does not see the robot at all until it has bumped into it; then it is attentive
  for `ALERT_TIME`.
- Attentive ones see the robot when it is in their field of view and range, and go round it (`avoidance`).

The robot is not an agent of jupedsim, because every agent would see it. jupedsim decides how people walk among each
other; the bodies in the plant follow their agents. An agent whose body was pushed away is taken out and put back where
the body is; while somebody is startled, steps aside or brakes before the robot, that overrides its agent.
"""

import math
from collections.abc import Container

import jupedsim as jps
import numpy as np
import shapely

from reflexarc.core.errors import ConfigError, PlantError
from reflexarc.core.types import Array
from reflexarc_sim.crowd.avoidance import Walker, evasive_aim, keep_off, step_aside
from reflexarc_sim.crowd.base import CROWD_PERIOD, PEDESTRIAN_RADIUS, Intent, Surroundings
from reflexarc_sim.scenario import CrowdConfig
from reflexarc_sim.world import World

ALERT_TIME = 5.0  # [s] a distracted pedestrian stays attentive for this long after a bump
_STARTLE_TIME = 0.6  # [s] and stands still for this long first
_START_DISTANCE = 3.0  # [m] nobody starts nearer to the robot
_SPACING = 0.8  # [m] least distance between two people at the start
_TRIES = 100  # draws per person before the street counts as full
_LANE_MARGIN = (
    0.9  # [m] aims keep this far from the edges of the walkable area, clear of the furniture strips
)
_ARRIVED = 0.8  # [m] along the street
_RESYNC = 0.35  # [m] a touched body farther from its agent than this was pushed away
_LOST = (
    2.0  # [m] and so was any other one; agents turn at once, bodies lag behind by up to v^2 / (2 * 2 m/s^2)
)
_PATIENCE = 3.0  # [s] without progress: aim for another lane
_PROGRESS = 0.4  # [m] that counts as progress


class Walkers:
    """A constant number of pedestrians that walk between the two ends of the street."""

    def __init__(self, config: CrowdConfig, world: World, rng: np.random.Generator) -> None:
        """Prepare; `rng` decides everything random."""
        self.count = config.count
        self._config, self._rng = config, rng
        x_min, y_min, x_max, y_max = world.walk_bounds
        self._ends = (x_min + 1.0, x_max - 1.0)
        margin = min(_LANE_MARGIN, 0.4 * (y_max - y_min))
        self._lanes = (y_min + margin, y_max - margin)
        self._edges = (y_min + PEDESTRIAN_RADIUS, y_max - PEDESTRIAN_RADIUS)
        holes = [
            shapely.box(
                b.centre[0] - b.half_size[0],
                b.centre[1] - b.half_size[1],
                b.centre[0] + b.half_size[0],
                b.centre[1] + b.half_size[1],
            )
            for b in world.fixed
        ]
        walkable = shapely.box(x_min, y_min, x_max, y_max).difference(shapely.union_all(holes))
        walkable = max(shapely.get_parts(walkable), key=lambda part: part.area)
        model = jps.AnticipationVelocityModel(rng_seed=int(rng.integers(2**32)))
        self._sim = jps.Simulation(model=model, geometry=walkable, dt=CROWD_PERIOD)
        self._stage = self._sim.add_direct_steering_stage()
        self._journey = self._sim.add_journey(jps.JourneyDescription([self._stage]))

    def start(self, robot_pose: Array) -> Intent:
        """Spread everybody over the street, at least 3 m from the robot.

        Raises:
            ConfigError: there is no room for so many.
        """
        n, rng, config = self.count, self._rng, self._config
        self.distracted = np.arange(n) < round(config.distracted_fraction * n)
        rng.shuffle(self.distracted)
        deviation = np.clip(rng.standard_normal(n), -2.0, 2.0) * config.speed_std
        self._speed = np.maximum(0.3, config.speed_mean + deviation)
        self._position = self._spread(n, robot_pose[:2])
        self._velocity = np.zeros((n, 2))
        self._goal = np.stack(
            [rng.choice(self._ends, n) if n else np.zeros(0), rng.uniform(*self._lanes, n)], axis=1
        )
        self._alert_until = np.full(n, -np.inf)
        self._startled_until = np.full(n, -np.inf)
        self._side = np.zeros(n, int)
        self._checked = np.zeros(n)
        self._best = np.abs(self._goal[:, 0] - self._position[:, 0])
        self._agents = [self._add(i, self._position[i]) for i in range(n)]
        return Intent(self._position.copy(), self._velocity.copy(), np.ones(n, bool))

    def step(self, seen: Surroundings) -> Intent:
        """Let everybody aim, then let jupedsim walk them for one period."""
        for i in sorted(seen.touched):
            if self.distracted[i] and seen.time >= self._alert_until[i]:
                self._startled_until[i] = seen.time + _STARTLE_TIME
            self._alert_until[i] = seen.time + ALERT_TIME
        aware = self._aware(seen)
        evading: dict[int, Array] = {}
        for i, agent_id in enumerate(self._agents):
            self._renew_goal(i, seen.time)
            aim, side, aside = self._avoid(i, self._view(i, seen)) if aware[i] else (None, 0, False)
            self._side[i] = side
            if seen.time < self._startled_until[i]:
                evading[i] = np.zeros(2)
            elif aside:
                way = aim - seen.bodies[i]
                evading[i] = self._speed[i] * way / max(float(np.hypot(*way)), 1e-6)
            # A step aside may lead out of the lanes, where furniture stands; the agent itself aims at its goal then.
            aim = self._goal[i] if aim is None or aside else aim
            x = min(max(float(aim[0]), self._ends[0]), self._ends[1])
            self._sim.agent(agent_id).target = (x, float(aim[1]))
        try:
            self._sim.iterate()
        except RuntimeError as error:
            raise PlantError(
                f"the crowd failed at {seen.time:.3f} s: {error}; the run was stopped"
            ) from error
        now = np.array([self._sim.agent(agent_id).position for agent_id in self._agents]).reshape(-1, 2)
        self._velocity = (now - self._position) / CROWD_PERIOD
        self._position = now
        for i in np.flatnonzero(aware):
            if i not in evading:
                walker = Walker(seen.bodies[i], self._velocity[i], 0, self._lanes)
                near = self._view(int(i), seen)
                kept = keep_off(walker, near.robot_pose, near.robot_size, PEDESTRIAN_RADIUS)
                if np.any(kept != walker.velocity):
                    evading[int(i)] = kept
        self._follow_pushed_bodies(seen, evading)
        position, velocity = self._position.copy(), self._velocity.copy()
        for i, wanted in evading.items():
            velocity[i] = wanted
            position[i] = seen.bodies[i] + wanted * CROWD_PERIOD
        return Intent(position, velocity, np.ones(self.count, bool))

    def _avoid(self, i: int, seen: Surroundings) -> tuple[Array | None, int, bool]:
        """Aim past the robot, or None if it is not in the way; the side; and whether to step there at once."""
        way = self._goal[i] - seen.bodies[i]
        velocity = self._speed[i] * way / max(float(np.hypot(*way)), 1e-6)
        walker = Walker(seen.bodies[i], velocity, int(self._side[i]), self._lanes)
        if seen.time < self._alert_until[i]:
            aim, side = step_aside(walker._replace(y_range=self._edges), seen.robot_pose)
            if aim is not None:
                return aim, side, True
        return *evasive_aim(walker, seen.robot_pose[:2], seen.robot_velocity), False

    def _view(self, i: int, seen: Surroundings) -> Surroundings:
        """Return what pedestrian i sees."""
        return seen

    def _aware(self, seen: Surroundings) -> np.ndarray:
        """Who reacts to the robot now, shape (n,), bool."""
        to_robot = seen.robot_pose[:2] - seen.bodies
        distance = np.hypot(to_robot[:, 0], to_robot[:, 1])
        heading = self._goal - seen.bodies
        dot = np.einsum("ij,ij->i", to_robot, heading)
        norm = np.maximum(distance * np.hypot(heading[:, 0], heading[:, 1]), 1e-9)
        in_view = dot / norm > math.cos(self._config.field_of_view / 2)
        bumped = seen.time < self._alert_until
        return (distance < self._config.notice_range_m) & ((in_view & ~self.distracted) | bumped)

    def _renew_goal(self, i: int, now: float) -> None:
        """Turn round at the end of the street; change the lane when there was no progress."""
        left = abs(self._goal[i, 0] - self._position[i, 0])
        if left < _ARRIVED:
            other = self._ends[0] if self._goal[i, 0] == self._ends[1] else self._ends[1]
            self._goal[i] = (other, self._rng.uniform(*self._lanes))
            self._best[i], self._checked[i] = abs(other - self._position[i, 0]), now
        elif left < self._best[i] - _PROGRESS:
            self._best[i], self._checked[i] = left, now
        elif now - self._checked[i] > _PATIENCE:
            self._goal[i, 1] = self._rng.uniform(*self._lanes)
            self._best[i], self._checked[i] = left, now

    def _follow_pushed_bodies(self, seen: Surroundings, evading: Container[int]) -> None:
        """Put agents back to where their bodies are, where these differ by more than `_RESYNC`."""
        gap = np.hypot(*(self._position - seen.bodies).T)
        own_way = np.array([i in evading for i in range(self.count)], bool)
        pushed = (gap > _RESYNC) & (own_way | (seen.time < self._alert_until))
        for i in np.flatnonzero(pushed | (gap > _LOST)):
            old = self._agents[i]
            try:
                self._agents[i] = self._add(int(i), seen.bodies[i])
            except RuntimeError:  # not walkable or too near to somebody there; the next decision tries again
                continue
            self._sim.mark_agent_for_removal(old)
            self._position[i] = seen.bodies[i]

    def _add(self, i: int, position: Array) -> int:
        return self._sim.add_agent(
            jps.AnticipationVelocityModelAgentParameters(
                position=(float(position[0]), float(position[1])),
                radius=PEDESTRIAN_RADIUS,
                desired_speed=float(self._speed[i]),
                journey_id=self._journey,
                stage_id=self._stage,
            )
        )

    def _spread(self, n: int, robot: Array) -> Array:
        """Draw start positions in metres, shape (n, 2)."""
        placed = np.full((n, 2), np.inf)
        count = 0
        for _ in range(_TRIES * n):
            if count == n:
                break
            p = np.array([self._rng.uniform(*self._ends), self._rng.uniform(*self._lanes)])
            spaced = np.all(np.hypot(*(placed[:count] - p).T) >= _SPACING)
            if spaced and np.hypot(*(p - robot)) >= _START_DISTANCE + PEDESTRIAN_RADIUS:
                placed[count] = p
                count += 1
        if count < n:
            raise ConfigError(
                f"crowd.count: there is room for {count} pedestrians in this world, not for {n}"
            )
        return placed
