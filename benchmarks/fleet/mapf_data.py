# SPDX-License-Identifier: Apache-2.0
"""The MovingAI instances of the study, small random ones, and what peers were published or measured to need on them."""

import csv
import os
from pathlib import Path

import numpy as np

from reflexarc.core.errors import ConfigError
from reflexarc.fleet.graph import grid
from reflexarc.fleet.instances import Instance, load_movingai, make_instance

PUBLISHED = {
    "CBSH2-RTC (C++, commit 0c1d5ed), solved and median CPU s": {
        "random-32-32-20, 10": "25/25 0.000", "random-32-32-20, 20": "25/25 0.004",
        "random-32-32-20, 30": "25/25 0.005", "random-32-32-20, 40": "25/25 0.038",
        "random-32-32-20, 50": "24/25 0.664", "room-32-32-4, 10": "10/10 0.000",
        "room-32-32-4, 20": "10/10 0.004", "room-32-32-4, 30": "10/10 1.22",
        "maze-32-32-2, 10": "10/10 0.008", "maze-32-32-2, 20": "23/25 in 60 s",
    },
    "EECBS w = 1.2 (C++, commit ae3c594), solved and median CPU s": {
        "random-32-32-20, 50": "10/10 0.010", "random-32-32-20, 100": "10/10 0.060",
        "random-32-32-20, 150": "10/10 0.277", "room-32-32-4, 50": "10/10 0.052",
        "maze-32-32-2, 50": "10/10 0.317",
    },
    "lacam3 (C++, commit 1a269b7), first plan: solved, median s, mean cost over bound": {
        "random-32-32-20, 50": "10/10 0.012 1.06", "random-32-32-20, 100": "10/10 0.026 1.16",
        "random-32-32-20, 200": "10/10 0.071 1.50", "random-32-32-20, 300": "10/10 0.148 2.06",
        "random-32-32-20, 400": "10/10 0.285 2.83", "room-32-32-4, 300": "10/10 0.177 3.54",
        "maze-32-32-2, 300": "10/10 0.238 4.03",
    },
    "lacam3 after 10 s on two cores; on one; MAPF-LNS2 (C++, commit 6da11e6) on one: mean sum of costs": {
        "random-32-32-20, 50": "1128.8; 1166.4; 1118.8", "random-32-32-20, 100": "2398.8; 2528; 2330.8",
        "random-32-32-20, 200": "5645; 6367; 5313", "random-32-32-20, 300": "10868; 13141; 10166",
        "random-32-32-20, 400": "20299; 24134; -",
    },
    "Continuous-CBS, plain; with all its parts (Andreychuk et al., AAAI 2021), solved of 25 in 30 s": {
        "empty-16-16, 5": "25; 25", "empty-16-16, 10": "25; 25", "empty-16-16, 15": "19; 25",
        "empty-16-16, 20": "8; 23", "warehouse-10-20-10-2-2, 5": "25; 25",
        "warehouse-10-20-10-2-2, 10": "25; 25", "warehouse-10-20-10-2-2, 15": "24; 25",
    },
}  # fmt: skip
"""Peers on the same instances, on two x86-64 cores of another machine, none of them run here."""


def data_folder() -> Path | None:
    """Return the folder of MAPF data: in `$REFLEXARC_DATA`, else beside the source tree; None if there is none."""
    configured = os.environ.get("REFLEXARC_DATA")
    folder = Path(configured) if configured else Path(__file__).resolve().parents[3] / "shared" / "data"
    return folder / "mapf" if (folder / "mapf" / "reference_costs.csv").is_file() else None


def reference_costs(folder: Path) -> dict[tuple[str, int], int]:
    """Return proved optimal costs by (scenario file, agents)."""
    with (folder / "reference_costs.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    return {(r["scenario"], int(r["agents"])): int(r["optimal_sum_of_costs"]) for r in rows}


def scenarios(folder: Path, name: str, most: int) -> list[int]:
    """Return the numbers of the map's random scenarios that are there, at most the first `most`."""
    files = folder / "movingai" / "scen"
    return [k for k in range(1, most + 1) if (files / f"{name}-random-{k}.scen").is_file()]


def load(folder: Path, name: str, number: int, agents: int, radius: float = 0.0) -> Instance:
    """Return one instance; with a radius, of discs on a grid with diagonal edges."""
    files = folder / "movingai"
    scenario = files / "scen" / f"{name}-random-{number}.scen"
    instance = load_movingai(files / "maps" / f"{name}.map", scenario, agents)
    if not radius:
        return instance
    cell_of = {vertex: cell for cell, vertex in instance.graph.cells.items()}
    graph = grid(instance.graph.rows, diagonal=True)
    starts, goals = ([graph.cells[cell_of[v]] for v in ends] for ends in (instance.starts, instance.goals))
    return make_instance(graph, starts, goals, instance.name, radius)


def random_instance(rng: np.random.Generator) -> Instance:
    """Return two to eight agents on a grid of three to eight cells a side, a fifth of them blocked."""
    while True:
        width, height = rng.integers(3, 9, 2)
        free = rng.random((height, width)) > 0.2
        count = int(rng.integers(2, 9))
        if free.sum() < count + 3:
            continue
        graph = grid(["".join("." if cell else "@" for cell in row) for row in free])
        starts, goals = (rng.choice(graph.vertices, count, replace=False).tolist() for _ in range(2))
        try:
            return make_instance(graph, starts, goals)
        except ConfigError:
            continue
