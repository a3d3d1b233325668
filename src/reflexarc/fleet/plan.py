# SPDX-License-Identifier: Apache-2.0
"""What a planner returns: timed paths, costs, bounds, and the plan as a file that holds all that is needed to judge it.

A path is a list of (vertex, time): equal vertices one after the other are a wait, different ones a drive along the edge
between them. An agent's cost is the time at which it reaches its goal for good; `soc` sums over agents. Units are steps
in discrete and seconds in continuous time.
"""

import hashlib
import json
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from reflexarc.core.errors import ConfigError
from reflexarc.fleet.instances import Instance

FORMAT = "reflexarc fleet plan 1"
Path_ = tuple[tuple[int, float], ...]
Clock = Callable[[], float]
"""Seconds that pass: of the wall, or of the processor where a busy machine shall not count."""


@dataclass(frozen=True, slots=True, eq=False)
class FleetPlan:
    """The outcome of one call of a planner; without `paths` if it found none."""

    instance: Instance
    solver: str
    paths: tuple[Path_, ...]
    """Per agent its timed path; empty if the instance was not solved."""
    lower_bound: float
    """No plan of this instance has a smaller sum of costs than this."""
    expanded: int
    """Nodes of the upper level that were expanded."""
    seconds: float
    """Time of the search by the clock it was given; compilation comes before. [s]"""
    continuous: bool = False
    """Whether time is continuous and agents are discs."""
    status: str = ""
    """Why there is no plan, or why it may not be the best."""

    @property
    def solved(self) -> bool:
        """Whether there is a plan."""
        return bool(self.paths)

    @property
    def costs(self) -> tuple[float, ...]:
        """Time at which each agent reaches its goal for good."""
        return tuple(_arrival(path) for path in self.paths)

    @property
    def soc(self) -> float:
        """Sum of costs."""
        return math.fsum(self.costs)

    @property
    def makespan(self) -> float:
        """Time at which the last agent reaches its goal."""
        return max(self.costs, default=0.0)

    @property
    def digest(self) -> str:
        """First 16 hexadecimal digits of the SHA-256 of the paths."""
        return hashlib.sha256(json.dumps(self.paths).encode()).hexdigest()[:16]

    def to_json(self) -> dict[str, Any]:
        """Return the plan with its graph, starts and goals."""
        graph = self.instance.graph
        edges = zip(graph.tail.tolist(), graph.head.tolist(), graph.duration.tolist(), strict=True)
        return {
            "format": FORMAT,
            "solver": self.solver,
            "time": "continuous" if self.continuous else "steps",
            "radius": self.instance.radius if self.continuous else 0.0,
            "name": self.instance.name,
            "rows": list(graph.rows),
            "positions": graph.positions.tolist(),
            "edges": [list(edge) for edge in edges],
            "starts": list(self.instance.starts),
            "goals": list(self.instance.goals),
            "paths": [[list(state) for state in path] for path in self.paths],
            "soc": self.soc if self.solved else None,
            "lower_bound": self.lower_bound,
            "digest": self.digest,
        }

    def save(self, path: Path) -> None:
        """Write the plan as JSON."""
        path.write_text(json.dumps(self.to_json(), allow_nan=False) + "\n", encoding="utf-8")


def load_plan(path: Path) -> dict[str, Any]:
    """Read a plan's file.

    Raises:
        ConfigError: it cannot be read or holds no plan.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ConfigError(f"{path}: no plan can be read ({error})") from error
    if not isinstance(content, dict) or content.get("format") != FORMAT:
        raise ConfigError(f'{path}: no plan; expected JSON with "format": "{FORMAT}"')
    return content


def step_path(vertices: Sequence[int]) -> Path_:
    """Return the timed path of one vertex per step, without the wait at its end."""
    last = len(vertices) - 1
    while last > 0 and vertices[last - 1] == vertices[last]:
        last -= 1
    return tuple(zip(map(int, vertices[: last + 1]), range(last + 1), strict=True))


def _arrival(path: Path_) -> float:
    last = len(path) - 1
    while last > 0 and path[last - 1][0] == path[last][0]:
        last -= 1
    return path[last][1]
