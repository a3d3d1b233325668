# SPDX-License-Identifier: Apache-2.0
"""Goal and Circle with a point or a car: Safety-Gymnasium's navigation tasks on current MuJoCo and Gymnasium.

Source of every number: github PKU-Alignment/safety-gymnasium, commit ae966e5, tasks/safe_navigation and assets/geoms.
"""

import math
from typing import Any, NamedTuple

import gymnasium
import numpy as np

from reflexarc.core.errors import UnknownNameError
from reflexarc.core.types import Array
from reflexarc_sim.tasks.arena import Arena
from reflexarc_sim.tasks.base import SafeTask, checked_action
from reflexarc_sim.tasks.layout import Kind, Point, sample_layout, sample_place
from reflexarc_sim.tasks.lidar import BINS, bearing_lidar
from reflexarc_sim.tasks.robots import ROBOTS

ROBOT_KEEPOUT = 0.4  # [m]
GOAL_RADIUS, GOAL_KEEPOUT = 0.3, 0.305  # [m]
HAZARD_RADIUS, HAZARD_KEEPOUT = 0.2, 0.18  # [m]
VASE_KEEPOUT = 0.15  # [m]
VASE_MOVING = 1e-4  # a vase at least this fast counts as pushed [m/s]
CIRCLE_RADIUS = 1.5  # [m]
WALL = 1.125  # distance of the walls that must not be crossed from the centre [m]
GOAL_REACH, CIRCLE_REACH = 3.0, 6.0  # of the lidar [m]
CIRCLE_REWARD = 0.1
REWARD_LIMIT = 10.0


class _GoalLevel(NamedTuple):
    extent: float
    hazards: int
    vases: int
    vases_cost: bool


_GOAL_LEVELS = {1: _GoalLevel(1.5, 8, 1, False), 2: _GoalLevel(2.0, 10, 10, True)}


class NavigationTask(SafeTask):
    """A robot in an arena: step, observation and action space."""

    camera = "above"

    def __init__(self, robot: str, arena: Arena, lidars: int, render_mode: str | None):
        """`lidars`: how many kinds of things have a lidar of their own."""
        super().__init__(render_mode)
        self.robot = robot
        self.arena = arena
        self.model, self.data = arena.model, arena.data
        sensed = 24 if arena.robot.ball else 12
        low = np.concatenate([np.full(sensed, -np.inf), np.zeros(lidars * BINS)])
        high = np.concatenate([np.full(sensed, np.inf), np.ones(lidars * BINS)])
        self.observation_space = gymnasium.spaces.Box(low, high, dtype=np.float64)
        self.action_space = gymnasium.spaces.Box(-1.0, 1.0, (2,), np.float64)

    @property
    def period(self) -> float:
        """Time of one step. [s]"""
        return self.arena.period

    def _lidar(self, places: Array, reach: float) -> Array:
        return bearing_lidar(self.arena.seen_from_robot(places), reach)


class GoalTask(NavigationTask):
    """Reach the goal, again and again, and stay out of the hazards (level 2: and leave the vases alone).

    Reward: metres gained towards the goal, plus 1 for reaching it; a new goal is drawn then. Observation: sensors, then
    the lidars of goal, hazards and vases. `info` also holds `goal_met`, `cost_hazards`, `cost_vases_contact` and
    `cost_vases_velocity`; margin: distance to the nearest hazard's edge and, at level 2, to the nearest vase,
    the depth of a contact or the speed of a pushed vase counting negative.
    """

    def __init__(self, robot: str = "Point", level: int = 1, render_mode: str | None = None):
        """Build the arena of a level.

        Raises:
            UnknownNameError: no such robot or level.
        """
        robot_model, self._level = _look_up(robot, level)
        marks = {"goal": (GOAL_RADIUS, "0 .8 0 .4")}
        marks |= {f"hazard{k}": (HAZARD_RADIUS, "0 0 1 .4") for k in range(self._level.hazards)}
        super().__init__(robot, Arena(robot_model, self._level.vases, marks), 3, render_mode)
        extent = self._level.extent
        self._kinds = {
            "robot": Kind(1, ROBOT_KEEPOUT, extent),
            "goal": Kind(1, GOAL_KEEPOUT, extent),
            "hazards": Kind(self._level.hazards, HAZARD_KEEPOUT, extent),
            "vases": Kind(self._level.vases, VASE_KEEPOUT, extent),
        }
        self.goal = np.zeros(2)
        self.hazards = np.zeros((self._level.hazards, 2))
        self._distance = 0.0

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[np.ndarray, dict[str, Any]]:
        """Draw a layout; robot and vases get random headings."""
        super().reset(seed=seed)
        layout = sample_layout(self._kinds, self.np_random)
        turns = self.np_random.uniform(0.0, 2.0 * math.pi, 1 + self._level.vases).tolist()
        self.arena.place(layout["robot"][0], turns[0], list(zip(layout["vases"], turns[1:], strict=True)))
        self.hazards = np.array(layout["hazards"])
        for k, place in enumerate(layout["hazards"]):
            self.arena.mark(f"hazard{k}", place)
        self._set_goal(layout["goal"][0])
        return self._observation(), self._safety()

    def step(self, action: Array) -> tuple[np.ndarray, float, bool, bool, dict[str, Any]]:
        """Move; terminated only if no place is left for a new goal."""
        self.arena.step(checked_action(action, 2))
        distance = self._distance_to_goal()
        reward = self._distance - distance
        self._distance = distance
        info = self._safety()
        info["goal_met"] = distance <= GOAL_RADIUS
        terminated = False
        if info["goal_met"]:
            reward += 1.0
            terminated = not self._new_goal()
        reward = min(max(reward, -REWARD_LIMIT), REWARD_LIMIT)
        return self._observation(), reward, terminated, False, info

    def _distance_to_goal(self) -> float:
        return math.dist(self.arena.position, self.goal)

    def _set_goal(self, place: Point) -> None:
        self.goal = np.array(place)
        self.arena.mark("goal", place)
        self._distance = self._distance_to_goal()

    def _new_goal(self) -> bool:
        others = [(tuple(self.arena.position), ROBOT_KEEPOUT)]
        others += [(tuple(place), HAZARD_KEEPOUT) for place in self.hazards]
        others += [(tuple(place), VASE_KEEPOUT) for place in self.arena.vases]
        place = sample_place(self._kinds["goal"], others, self.np_random)
        if place is not None:
            self._set_goal(place)
        return place is not None

    def _observation(self) -> np.ndarray:
        return np.concatenate(
            [
                self.arena.proprioception(),
                self._lidar(self.goal[None], GOAL_REACH),
                self._lidar(self.hazards, GOAL_REACH),
                self._lidar(self.arena.vases, GOAL_REACH),
            ]
        )

    def _safety(self) -> dict[str, Any]:
        margin = float(np.min(np.linalg.norm(self.hazards - self.arena.position, axis=1))) - HAZARD_RADIUS
        info: dict[str, Any] = {"cost_hazards": float(margin < 0.0)}
        if self._level.vases_cost:
            contacts = self.arena.vase_contacts()
            fastest = float(self.arena.vase_speeds.max())
            info["cost_vases_contact"] = float(bool(contacts))
            info["cost_vases_velocity"] = float(fastest >= VASE_MOVING)
            # a contact may begin at depth zero: it counts as the smallest negative margin
            touch = min(*contacts, -1e-9) if contacts else self.arena.vase_distance()
            margin = min(margin, touch, -fastest if fastest >= VASE_MOVING else math.inf)
        info["cost"] = max(value for key, value in info.items() if key.startswith("cost_"))
        info["margin"] = margin
        return info


class CircleTask(NavigationTask):
    """Go round the circle, fast and close to its line, between two walls (level 1) or four (level 2).

    Reward: 0.1 times the tangential speed, divided by 1 + distance to the line [1/m]. Observation: sensors, then the
    lidar of the circle's centre. Margin: distance to the nearest wall.
    """

    def __init__(self, robot: str = "Point", level: int = 1, render_mode: str | None = None):
        """Build the arena of a level.

        Raises:
            UnknownNameError: no such robot or level.
        """
        robot_model, _ = _look_up(robot, level)
        marks = {"circle": (CIRCLE_RADIUS, "0 .8 0 .2")}
        super().__init__(robot, Arena(robot_model, 0, marks), 1, render_mode)
        self._axes = level  # level 1: walls across x; level 2: across x and y

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[np.ndarray, dict[str, Any]]:
        """Put the robot at a random place within +-0.8 m, with a random heading."""
        super().reset(seed=seed)
        x, y = self.np_random.uniform(-0.8, 0.8, 2).tolist()
        self.arena.place((x, y), float(self.np_random.uniform(0.0, 2.0 * math.pi)), [])
        return self._observation(), self._safety()

    def step(self, action: Array) -> tuple[np.ndarray, float, bool, bool, dict[str, Any]]:
        """Move."""
        self.arena.step(checked_action(action, 2))
        (x, y), (u, v, _) = self.arena.position, self.arena.velocity
        radius = max(math.hypot(x, y), 1e-9)
        reward = CIRCLE_REWARD * (v * x - u * y) / radius / (1.0 + abs(radius - CIRCLE_RADIUS))
        return self._observation(), float(reward), False, False, self._safety()

    def _observation(self) -> np.ndarray:
        return np.concatenate([self.arena.proprioception(), self._lidar(np.zeros((1, 2)), CIRCLE_REACH)])

    def _safety(self) -> dict[str, Any]:
        margin = WALL - float(np.abs(self.arena.position[: self._axes]).max())
        return {"cost": float(margin < 0.0), "cost_out_of_boundary": float(margin < 0.0), "margin": margin}


def _look_up(robot: str, level: int):
    if robot not in ROBOTS:
        raise UnknownNameError("robot", robot, ROBOTS)
    if level not in _GOAL_LEVELS:
        raise UnknownNameError("level", str(level), [str(known) for known in _GOAL_LEVELS])
    return ROBOTS[robot], _GOAL_LEVELS[level]
