# SPDX-License-Identifier: Apache-2.0
"""Instances of multi-agent path finding: MovingAI maps and scenarios, YAML grids and roadmaps, checked when read.

MovingAI (Stern et al., SoCS 2019): map rows follow the line `map`, `.`, `G` and `S` are free, `@`, `O`, `T` and `W`
blocked; x is the column, y the row, the origin is top left. A scenario line holds bucket, map, width, height, start x,
start y, goal x, goal y and the optimal length of one agent; an instance of k agents takes the first k lines.

YAML, a grid: `map: {dimensions: [w, h], obstacles: [[x, y], ...]}`, `agents: [{start: [x, y], goal: [x, y]}, ...]`.
YAML, a roadmap: `roadmap: {vertices: [[x, y], ...], edges: [[from, to, duration], ...], directed: false}`,
`agents: [{start: vertex, goal: vertex}, ...]`, and for discs `radius: r`.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from reflexarc.core.errors import ConfigError
from reflexarc.fleet.graph import UNREACHABLE, Graph, grid, roadmap, steps_to

FREE, BLOCKED = ".GS", "@OTW"
"""Letters of a MovingAI map."""
MAX_CELLS = 4_000_000
"""Largest map that is read."""


@dataclass(frozen=True, slots=True, eq=False)
class Instance:
    """Agents with starts and goals on a graph."""

    graph: Graph
    starts: tuple[int, ...]
    """Vertex per agent."""
    goals: tuple[int, ...]
    """Vertex per agent."""
    name: str = ""
    radius: float = 0.0
    """Of every agent's disc; counts in continuous time only. [m]"""

    @property
    def agents(self) -> int:
        """Number of agents."""
        return len(self.starts)


def make_instance(
    graph: Graph, starts: Sequence[int], goals: Sequence[int], name: str = "", radius: float = 0.0
) -> Instance:
    """Return the checked instance.

    Raises:
        ConfigError: no agents, a vertex that does not exist, two agents with one start or one goal, a goal that cannot
            be reached, or a radius that is negative or not finite.
    """
    where = f"{name}: " if name else ""
    if not starts:
        raise ConfigError(f"{where}zero agents; an instance needs at least one")
    if len(starts) != len(goals):
        raise ConfigError(
            f"{where}{len(starts)} starts and {len(goals)} goals; every agent needs one of each"
        )
    if not 0.0 <= radius < math.inf:
        raise ConfigError(f"{where}radius {radius} must be a finite length >= 0 [m]")
    for what, vertices in (("start", starts), ("goal", goals)):
        taken: dict[int, int] = {}
        for agent, vertex in enumerate(vertices):
            if not 0 <= vertex < graph.vertices:
                raise ConfigError(
                    f"{where}agent {agent}: its {what} {vertex} is no vertex; allowed: 0..{graph.vertices - 1}"
                )
            if vertex in taken:
                raise ConfigError(
                    f"{where}agents {taken[vertex]} and {agent} have the same {what}, {graph.label(vertex)}; "
                    f"every agent needs its own"
                )
            taken[vertex] = agent
    distances = steps_to(graph, goals)
    for agent, (start, goal) in enumerate(zip(starts, goals, strict=True)):
        if distances[agent, start] == UNREACHABLE:
            raise ConfigError(
                f"{where}agent {agent}: its goal, {graph.label(goal)}, cannot be reached from its start, "
                f"{graph.label(start)}"
            )
    return Instance(graph, tuple(map(int, starts)), tuple(map(int, goals)), name, radius)


def load_map(path: Path) -> Graph:
    """Read a MovingAI map.

    Raises:
        ConfigError: the file cannot be read or a line of it is malformed.
    """
    lines = _text(path).splitlines()
    sizes: dict[str, int] = {}
    body = -1
    for k, line in enumerate(lines):
        words = line.split()
        if words == ["map"]:
            body = k + 1
            break
        if len(words) == 2 and words[0] in ("height", "width") and words[1].isdecimal():
            sizes[words[0]] = int(words[1])
        elif words and words[0] != "type":
            raise ConfigError(
                f"{path}:{k + 1}: malformed map line {line[:60]!r}; before the line 'map' only 'type NAME', "
                f"'height N' and 'width N' are allowed"
            )
    if body < 0 or set(sizes) != {"height", "width"}:
        raise ConfigError(f"{path}: a map needs the lines 'height N', 'width N' and 'map'")
    width, height = sizes["width"], sizes["height"]
    if not 0 < width * height <= MAX_CELLS:
        raise ConfigError(f"{path}: {width} x {height} cells; allowed: 1 to {MAX_CELLS}")
    rows = lines[body : body + height]
    if len(rows) != height or any(line.strip() for line in lines[body + height :]):
        raise ConfigError(f"{path}: height is {height}, but {len(lines) - body} lines follow 'map'")
    for k, row in enumerate(rows):
        wrong = next((letter for letter in row if letter not in FREE + BLOCKED), None)
        if wrong is not None:
            raise ConfigError(
                f"{path}:{body + k + 1}: malformed map line: letter {wrong!r}; allowed: {FREE} free, {BLOCKED} blocked"
            )
        if len(row) != width:
            raise ConfigError(
                f"{path}:{body + k + 1}: malformed map line: {len(row)} cells; width is {width}"
            )
    return grid(["".join("." if letter in FREE else "@" for letter in row) for row in rows])


def load_movingai(map_path: Path, scenario_path: Path, agents: int) -> Instance:
    """Read the first `agents` lines of a MovingAI scenario.

    Raises:
        ConfigError: a file is malformed, the scenario has fewer agents, or the instance is not acceptable.
    """
    graph = load_map(map_path)
    if agents < 1:
        raise ConfigError(f"{scenario_path.name}: {agents} agents; an instance needs at least one")
    lines = [(k + 1, line) for k, line in enumerate(_text(scenario_path).splitlines()) if line.strip()]
    if not lines or not lines[0][1].startswith("version"):
        raise ConfigError(f"{scenario_path}:1: a scenario begins with the line 'version 1'")
    if len(lines) - 1 < agents:
        raise ConfigError(f"{scenario_path}: {len(lines) - 1} agents; {agents} were asked for")
    starts, goals = [], []
    for number, line in lines[1 : agents + 1]:
        words = line.split("\t") if "\t" in line else line.split()
        if len(words) != 9 or not all(word.isdecimal() for word in words[2:8]):
            raise ConfigError(
                f"{scenario_path}:{number}: malformed scenario line; expected bucket, map, width, height, "
                f"start x, start y, goal x, goal y, length"
            )
        width, height, sx, sy, gx, gy = map(int, words[2:8])
        if (width, height) != (len(graph.rows[0]), len(graph.rows)):
            raise ConfigError(
                f"{scenario_path}:{number}: made for a map of {width} x {height} cells; {map_path.name} has "
                f"{len(graph.rows[0])} x {len(graph.rows)}"
            )
        where = f"{scenario_path}:{number}: agent {len(starts)}"
        starts.append(_cell(graph, (sx, sy), f"{where}: its start"))
        goals.append(_cell(graph, (gx, gy), f"{where}: its goal"))
    return make_instance(graph, starts, goals, scenario_path.stem)


def load_yaml(path: Path, agents: int | None = None) -> Instance:
    """Read a YAML instance; with `agents`, only so many of them.

    Raises:
        ConfigError: the file is no instance, has fewer agents, or is not acceptable.
    """
    try:
        content = yaml.load(_text(path), Loader=_Loader)
    except yaml.YAMLError as error:
        raise ConfigError(f"{path}: no YAML: {error}") from error
    if not isinstance(content, dict) or ("map" in content) == ("roadmap" in content):
        raise ConfigError(
            f"{path}: an instance needs the key 'agents' and either 'map' or 'roadmap'; see docs/fleet.md"
        )
    unknown = set(content) - {"map", "roadmap", "agents", "radius", "name"}
    if unknown:
        raise ConfigError(
            f"{path}: unknown key {sorted(unknown)[0]!r}; allowed: agents, map, name, radius, roadmap"
        )
    try:
        graph = _yaml_grid(content["map"]) if "map" in content else _yaml_roadmap(content["roadmap"])
        listed = content["agents"] or []
        if agents is not None and len(listed) < agents:
            raise ConfigError(f"{len(listed)} agents; {agents} were asked for")
        pairs = [
            tuple(_place(graph, agent[what], f"agent {k}: its {what}") for what in ("start", "goal"))
            for k, agent in enumerate(listed[:agents])
        ]
        radius = float(content.get("radius", 0.0))
    except ConfigError as error:
        raise ConfigError(f"{path}: {error}") from error
    except (KeyError, TypeError, ValueError, IndexError) as error:
        raise ConfigError(f"{path}: malformed instance ({error!r}); see docs/fleet.md") from error
    return make_instance(graph, [s for s, _ in pairs], [g for _, g in pairs], path.stem, radius)


class _Loader(yaml.SafeLoader):
    """Reads Python tuples, which the files of libMultiRobotPlanning hold, as lists."""


_Loader.add_constructor("tag:yaml.org,2002:python/tuple", _Loader.construct_yaml_seq)


def _yaml_grid(content: dict[str, Any]) -> Graph:
    width, height = (int(size) for size in content["dimensions"])
    if not 0 < width * height <= MAX_CELLS or width < 1:
        raise ConfigError(f"map: {width} x {height} cells; allowed: 1 to {MAX_CELLS}")
    rows = [["."] * width for _ in range(height)]
    for x, y in content.get("obstacles") or []:
        if not (0 <= x < width and 0 <= y < height):
            raise ConfigError(f"map: the obstacle [{x}, {y}] lies outside of {width} x {height} cells")
        rows[y][x] = "@"
    return grid(["".join(row) for row in rows])


def _yaml_roadmap(content: dict[str, Any]) -> Graph:
    return roadmap(content["vertices"], content["edges"], directed=bool(content.get("directed", False)))


def _place(graph: Graph, place: Any, what: str) -> int:
    if graph.rows:
        x, y = place
        return _cell(graph, (int(x), int(y)), what)
    if isinstance(place, bool) or not isinstance(place, int):
        raise ConfigError(f"{what} {place!r} must be the number of a vertex")
    return place


def _cell(graph: Graph, cell: tuple[int, int], what: str) -> int:
    x, y = cell
    if cell in graph.cells:
        return graph.cells[cell]
    if 0 <= y < len(graph.rows) and 0 <= x < len(graph.rows[0]):
        raise ConfigError(f"{what} ({x}, {y}) lies inside an obstacle")
    raise ConfigError(
        f"{what} ({x}, {y}) lies outside of the map of {len(graph.rows[0])} x {len(graph.rows)} cells"
    )


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: cannot be read ({error})") from error
