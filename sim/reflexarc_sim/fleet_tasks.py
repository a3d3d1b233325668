# SPDX-License-Identifier: Apache-2.0
"""The deliveries of a fleet: roadmap, starts, and a seeded stream of goals for each robot; the same in both clocks."""

import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from reflexarc.core.config import read_yaml
from reflexarc.core.errors import ConfigError
from reflexarc.core.types import Array
from reflexarc.fleet.execution import Fleet, FleetOptions
from reflexarc.fleet.graph import roadmap
from reflexarc_sim.fleet_config import FleetConfig
from reflexarc_sim.mujoco_plant.fleet_model import robot_names
from reflexarc_sim.scenario import Scenario, data_file
from reflexarc_sim.world.lanes import Lanes, lanes

_TASKS = 21  # spawn key


@dataclass(frozen=True, slots=True)
class Delivery:
    """One goal of one robot."""

    robot: str
    number: int
    """Counts from 0 for each robot."""
    goal: int
    """Vertex."""
    begin: float
    """[s]"""
    end: float
    """When it was reached; NaN if it was not. [s]"""


def fleet_roadmap(scenario: Scenario) -> Lanes:
    """Return the roadmap that the scenario asks for.

    Raises:
        ConfigError: the world has no lanes, or the file holds no roadmap with bays.
    """
    config, world = scenario.fleet, scenario.world
    if config.roadmap == "lanes":
        if world.type != "plaza":
            raise ConfigError(
                f"{scenario.where}: fleet.roadmap 'lanes' needs world.type plaza, not {world.type}"
            )
        return lanes(
            world.length_m, world.width_m, config.lane_spacing_m, config.plan_speed_m_s, config.turn_s
        )
    path = data_file(config.roadmap, scenario.where)
    return load_lanes(path)


def load_lanes(path: Path) -> Lanes:
    """Read a roadmap: `roadmap: {vertices, edges, directed}` as for `reflexarc plan`, and `bays: [vertex, ...]`.

    Raises:
        ConfigError: the file is something else.
    """
    content = read_yaml(path)
    try:
        drawn, bays = content["roadmap"], tuple(int(v) for v in content["bays"])
        graph = roadmap(drawn["vertices"], drawn["edges"], directed=bool(drawn.get("directed", False)))
    except (KeyError, TypeError, ValueError) as error:
        raise ConfigError(f"{path}: no roadmap with bays ({error!r}); see docs/fleet/execution.md") from error
    if any(not 0 <= v < graph.vertices for v in bays):
        raise ConfigError(f"{path}: bays must be vertices 0..{graph.vertices - 1}")
    return Lanes(graph, bays)


def fleet_options(config: FleetConfig) -> FleetOptions:
    """Return what execution needs to know of a scenario."""
    return FleetOptions(config.radius_m, config.plan_radius_m, config.tolerance_m, config.ahead_m)


class FleetTasks:
    """A fleet with its deliveries: told where the robots are, it gives out goals and permissions."""

    def __init__(self, scenario: Scenario, seed: int, robots: int | None = None):
        """Choose starts; the robots have no goals before the first `update`.

        Raises:
            ConfigError: fewer bays than robots, or a roadmap that cannot be had.
        """
        self.config, self.missions = scenario.fleet, scenario.missions
        self.road = fleet_roadmap(scenario)
        self.names = robot_names(scenario.fleet.robots if robots is None else robots)
        if len(self.names) >= len(self.road.bays):
            raise ConfigError(
                f"{len(self.names)} robots need more bays than the roadmap's {len(self.road.bays)}"
            )
        self._rng = {
            name: np.random.default_rng(np.random.SeedSequence(entropy=seed, spawn_key=(_TASKS, k)))
            for k, name in enumerate(self.names)
        }
        rng = np.random.default_rng(np.random.SeedSequence(entropy=seed, spawn_key=(_TASKS,)))
        chosen = rng.permutation(len(self.road.bays))[: len(self.names)]
        self.starts = {name: self.road.bays[k] for name, k in zip(self.names, chosen, strict=True)}
        self.fleet = Fleet(self.road.graph, fleet_options(scenario.fleet))
        for name in self.names:
            self.fleet.join(name, self.starts[name], 0.0)
        self.left = dict.fromkeys(self.names, scenario.missions.count)
        self.open: dict[str, Delivery] = {}
        self.deliveries: list[Delivery] = []
        self.refused: dict[str, str] = {}
        """Why the last goal drawn for a robot was refused; gone with its next one."""

    def start_poses(self) -> Array:
        """Return x, y, yaw of each robot at the start, looking towards its lane, shape (n, 3). [m, m, rad]"""
        graph, rows = self.road.graph, []
        for name in self.names:
            vertex = self.starts[name]
            ahead = graph.positions[graph.head[graph.first[vertex]]] - graph.positions[vertex]
            rows.append((*graph.positions[vertex], math.atan2(ahead[1], ahead[0])))
        return np.array(rows)

    def update(self, now: float, places: dict[str, Array]) -> None:
        """Take where the robots are, (2,) each [m], and let the fleet and its deliveries go on."""
        for name, place in places.items():
            if not self.fleet.lost(name):
                self.fleet.report(name, place, now)
        for name in self.names:
            self._deliver(name, now)
        self.fleet.tick(now)

    @property
    def done(self) -> bool:
        """Whether every robot has made all its deliveries."""
        return not self.open and not any(self.left[n] for n in self.names if not self.fleet.lost(n))

    def finish(self) -> None:
        """End the run: what is open was not reached."""
        self.deliveries += self.open.values()
        self.open.clear()

    def _deliver(self, name: str, now: float) -> None:
        fleet, delivery = self.fleet, self.open.get(name)
        if fleet.lost(name):
            if delivery is not None:
                self.deliveries.append(self.open.pop(name))
            return
        if delivery is not None and fleet.goal(name) is None:
            del self.open[name]
            self.deliveries.append(Delivery(name, delivery.number, delivery.goal, delivery.begin, now))
            delivery = None
        if delivery is None and self.left[name]:
            goal = self._draw(name)
            if goal is None:
                return
            try:
                fleet.send(name, goal, now)
            except ConfigError as error:  # another one is drawn next time
                self.refused[name] = str(error)
                return
            self.refused.pop(name, None)
            number = self.missions.count - self.left[name]
            self.left[name] -= 1
            self.open[name] = Delivery(name, number, goal, now, math.nan)

    def _draw(self, name: str) -> int | None:
        """Return a free bay at the scenario's distance, None if there is none now."""
        graph, fleet = self.road.graph, self.fleet
        taken = np.array([fleet.end(other) for other in self.names])
        here = fleet.end(name)
        reach = 2.0 * self.config.plan_radius_m
        free = [
            v
            for v in self.road.bays
            if self.missions.min_distance_m
            <= math.dist(graph.positions[v], here)
            <= self.missions.max_distance_m
            and np.hypot(*(taken - graph.positions[v]).T).min() >= reach
        ]
        return int(self._rng[name].choice(free)) if free else None
