# SPDX-License-Identifier: Apache-2.0
"""Published planners in plain Python on the same instances in the same run, from clones in `$REFLEXARC_PEERS`.

    git clone https://github.com/atb033/multi_agent_path_planning
    git clone https://github.com/virajparimi/safe-visual-mapf
    git clone https://github.com/virajparimi/rb-safe-visual-mapf

Each plans one instance in a process of its own, which may use so much processor time; only its search is timed. The
conflict test of safe-visual-mapf looks at the first time step only; it is repaired here, or its plans would collide.
Of rb-safe-visual-mapf both the plain search and the one in its paper's settings are run.
"""

import importlib
import json
import os
import resource
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from reflexarc.fleet.instances import Instance
from reflexarc.fleet.plan import FleetPlan, step_path
from reflexarc.fleet.validator import validate

START_UP_S = 30.0
"""Processor time that a peer may need besides its search: imports, its graph. [s]"""

Paths = list[list[int]]


def peers() -> list[str]:
    """Return the names of the peers whose clones are there."""
    return [name for name, (clone, _) in PEERS.items() if _folder(clone) is not None]


def peer_plan(name: str, instance: Instance, time_limit: float) -> dict[str, Any]:
    """Let a peer plan; return processor seconds, cost and number of conflicts, the last two None if it found no plan.

    Args:
        name: one of `peers()`.
        instance: on a grid, in steps.
        time_limit: processor time of the search, after which the peer is ended. [s]
    """
    graph = instance.graph
    problem = {
        "positions": np.asarray(graph.positions).tolist(),
        "edges": np.column_stack([graph.tail, graph.head]).tolist(),
        "starts": list(instance.starts),
        "goals": list(instance.goals),
    }
    most = int(time_limit + START_UP_S)
    child = subprocess.run(
        [sys.executable, __file__, name],
        input=json.dumps(problem),
        capture_output=True,
        text=True,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_CPU, (most, most)),
        check=False,
    )
    lines = child.stdout.splitlines()
    if child.returncode or not lines:
        if child.returncode > 0:
            raise RuntimeError(f"{name} failed:\n{child.stderr[-2000:]}")
        return {"seconds": time_limit, "cost": None, "conflicts": None}
    found = json.loads(lines[-1])
    if found["paths"] is None or found["seconds"] > time_limit:
        return {"seconds": min(found["seconds"], time_limit), "cost": None, "conflicts": None}
    paths = tuple(step_path(path) for path in found["paths"])
    plan = FleetPlan(instance, name, paths, 0.0, 0, found["seconds"])
    return {"seconds": found["seconds"], "cost": plan.soc, "conflicts": len(validate(plan.to_json()))}


def _folder(clone: str) -> Path | None:
    root = os.environ.get("REFLEXARC_PEERS")
    return Path(root) / clone if root and (Path(root) / clone).is_dir() else None


# ---- in the peer's process: make its search of a problem, a function without arguments that returns paths


def _atb033(folder: Path, problem: dict[str, Any]) -> Callable[[], Paths | None]:
    sys.path.insert(0, str(folder / "centralized"))
    cbs = importlib.import_module("cbs.cbs")
    cells = [tuple(int(x) for x in place) for place in problem["positions"]]
    vertex = {cell: v for v, cell in enumerate(cells)}
    size = [max(cell[k] for cell in cells) + 1 for k in range(2)]
    blocked = {(x, y) for x in range(size[0]) for y in range(size[1])} - set(cells)
    agents = [
        {"name": f"a{k}", "start": list(cells[s]), "goal": list(cells[g])}
        for k, (s, g) in enumerate(zip(problem["starts"], problem["goals"], strict=True))
    ]

    def search() -> Paths | None:
        plan = cbs.CBS(cbs.Environment(size, agents, blocked)).search()
        paths = [[vertex[(s["x"], s["y"])] for s in plan[a["name"]]] for a in agents] if plan else None
        return paths

    return search


def _feng(folder: Path, problem: dict[str, Any]) -> Callable[[], Paths | None]:
    sys.path.insert(0, str(folder))
    cbs = importlib.import_module("pud.mapf.cbs")

    def detect(one: list[int], other: list[int], places: Any, radius: float = 0.0) -> Any:
        most = max(len(one), len(other))
        one, other = (path + [path[-1]] * (most - len(path)) for path in (one, other))
        found = (cbs.location_collision(one, other, t) for t in range(most))
        return next((collision for collision in found if collision is not None), None)

    cbs.detect_collision = detect
    graph, places = _graph(problem)
    return lambda: cbs.CBSSolver(
        graph, places, problem["starts"], problem["goals"], seed=0, collision_radius=0.0,
        max_expanded=10**9,
    ).find_paths()  # fmt: skip


def _parimi(folder: Path, problem: dict[str, Any], *, paper: bool) -> Callable[[], Paths | None]:
    sys.path.insert(0, str(folder))
    cbs = importlib.import_module("pud.mapf.cbs")
    graph, places = _graph(problem)
    distance = np.hypot(*np.moveaxis(places[:, None] - places[None], 2, 0))[None]
    config = {
        "seed": 0,
        "max_time": 10**6,
        "max_distance": 1.0,
        "split_strategy": "disjoint" if paper else "standard",
        "use_experience": paper,
        "use_cardinality": paper,
        "edge_attributes": ["step"],
        "risk_attribute": "cost",
        "collision_radius": 0.0,
    }
    return lambda: (
        cbs.CBSSolver(graph, problem["goals"], problem["starts"], distance, config).find_paths().paths
    )


def _graph(problem: dict[str, Any]) -> tuple[Any, Any]:
    networkx = importlib.import_module("networkx")
    graph = networkx.DiGraph()
    graph.add_nodes_from(range(len(problem["positions"])))
    graph.add_edges_from(problem["edges"], weight=1, step=1, cost=1.0)
    return graph, np.array(problem["positions"], dtype=float)


PEERS: dict[str, tuple[str, Callable[[Path, dict[str, Any]], Callable[[], Paths | None]]]] = {
    "CBS of atb033": ("multi_agent_path_planning", _atb033),
    "CBS of Feng et al., detector repaired": ("safe-visual-mapf", _feng),
    "CBS of Parimi et al., plain": ("rb-safe-visual-mapf", lambda f, p: _parimi(f, p, paper=False)),
    "CBS of Parimi et al., as in the paper": ("rb-safe-visual-mapf", lambda f, p: _parimi(f, p, paper=True)),
}
"""Name to the clone and what makes its search."""


def main() -> None:
    """Plan the problem on standard input with the peer of that name; the last line holds seconds and paths."""
    clone, make = PEERS[sys.argv[1]]
    folder = _folder(clone)
    assert folder is not None
    search = make(folder, json.load(sys.stdin))
    began = time.process_time()
    paths = search()
    print("\n" + json.dumps({"seconds": time.process_time() - began, "paths": paths}))


if __name__ == "__main__":
    main()
