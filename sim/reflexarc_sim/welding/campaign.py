# SPDX-License-Identifier: Apache-2.0
"""Random runs of the welding cell, the same for every controller: five waypoints in 20 s, then feeding until 60 s.

As in the original project's twin: waypoint durations are drawn on a simplex. The operator goes round the bench on the
west side, never through it, and heeds no alarm.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from reflexarc.assurance.monitors.recorded import judge
from reflexarc.assurance.monitors.requirements import Requirements
from reflexarc.core.errors import ConfigError
from reflexarc_sim.welding.controllers import make_controller
from reflexarc_sim.welding.geometry import Point, polar
from reflexarc_sim.welding.operator import Waypoint
from reflexarc_sim.welding.parameters import WeldingPlant
from reflexarc_sim.welding.signals import samples
from reflexarc_sim.welding.simulation import Run, Setup, run_cell

WAYPOINTS, WANDERING_S, LENGTH_S = 5, 20.0, 60.0
PLACES = ("feed", "reach", "area", "welder", "outside")
"""Feeding the bench; a hand resting on it; anywhere in the safeguarded area; at the weld spot; away."""
REGIONS = ("chest", "abdomen", "back_shoulders", "thigh_knee", "lower_arm_wrist", "hand_finger")
"""Body regions that a contact would hit, drawn once a run; all of them permit contact."""
ROUND: tuple[Point, Point] = ((-2.8, 2.3), (-2.8, -1.0))
"""Corners of the way between table and area. [m]"""
TABLE: Point = (0.25, 2.04)
"""Where the operator stands to feed. [m]"""
AWAY: Point = (0.0, 4.0)
STAND_M = 0.3
"""From the weld spot. [m]"""


@dataclass(frozen=True, slots=True)
class RunFigures:
    """One run of one controller."""

    seed: int
    contacts: int
    mishaps: int
    """Contacts above the permitted force."""
    peak_force: float
    """[N]"""
    value: float
    """Productivity, in the hazard model's values."""
    finished: int
    stopped_s: float
    """Time in a stop mode. [s]"""
    robustness: Mapping[str, float]
    """Smallest per requirement; inf where it was never exercised."""


def random_setup(plant: WeldingPlant, seed: int) -> Setup:
    """Return the run of a seed.

    Raises:
        ConfigError: the seed is negative.
    """
    if seed < 0:
        raise ConfigError(f"seed = {seed}; allowed: >= 0")
    rng = np.random.default_rng(seed)
    leaves = WANDERING_S * np.cumsum(rng.dirichlet(np.ones(WAYPOINTS)))
    script: list[Waypoint] = []
    north = True
    for leave in [*leaves[:-1], WANDERING_S]:
        kind = str(rng.choice(PLACES))
        speed = float(rng.uniform(0.8, 1.6))
        place = _place(plant, kind, rng)
        to_north = kind in ("feed", "reach", "outside")
        script += _ways(north, to_north, speed)
        hand, hand_speed = _hand(plant, kind, rng), float(rng.uniform(0.5, 1.5))
        least = script[-1].leave if script and not script[-1].through else 0.0
        script.append(
            Waypoint(
                place,
                max(float(leave), least + 1e-3),
                speed,
                hand,
                hand_speed,
                serve=kind == "feed",
            )
        )
        north = to_north
    speed = float(rng.uniform(0.8, 1.6))
    script += _ways(north, True, speed)
    script.append(Waypoint(TABLE, math.inf, speed, plant.layout.finished_spot, 1.0, serve=True))
    tool, region = str(rng.choice(list(plant.all_tools))), str(rng.choice(REGIONS))
    return Setup(tool, region, tuple(script), TABLE, LENGTH_S, seed)


def run_campaign(
    plant: WeldingPlant,
    requirements: Requirements,
    controller: str,
    seeds: Sequence[int],
    progress: Callable[[int, int], None] | None = None,
) -> list[RunFigures]:
    """Run every seed under a controller, a name of `controllers.CONTROLLERS`."""
    rows = []
    for number, seed in enumerate(seeds):
        run = run_cell(plant, random_setup(plant, seed), make_controller(controller, plant))
        rows.append(_figures(run, requirements))
        if progress is not None:
            progress(number + 1, len(seeds))
    return rows


def _figures(run: Run, requirements: Requirements) -> RunFigures:
    findings = judge(samples(run, requirements), requirements)
    stopped = sum(step.mode in ("stopped", "monitored_stop") for step in run.steps)
    return RunFigures(
        run.setup.seed,
        len(run.contacts),
        run.mishaps,
        max((contact.force for contact in run.contacts), default=0.0),
        run.value,
        run.finished,
        stopped * (run.setup.duration / len(run.steps)),
        {f.requirement.id: f.robustness for f in findings},
    )


def _place(plant: WeldingPlant, kind: str, rng: np.random.Generator) -> Point:
    layout = plant.layout
    if kind in ("feed", "reach"):
        return TABLE
    if kind == "welder":
        return polar(layout.weld_spot, STAND_M, float(rng.uniform(-math.pi, math.pi)))
    if kind == "area":
        x0, y0, x1, y1 = layout.area
        return float(rng.uniform(x0, x1)), float(rng.uniform(y0, y1))
    return AWAY


def _hand(plant: WeldingPlant, kind: str, rng: np.random.Generator) -> Point | None:
    if kind == "feed":
        return plant.layout.finished_spot
    if kind == "reach":
        y = float(rng.uniform(plant.layout.finished_spot[1], plant.layout.bench[3]))
        return float(rng.uniform(0.1, 0.4)), y
    return None


def _ways(north: bool, to_north: bool, speed: float) -> list[Waypoint]:
    if north == to_north:
        return []
    corners = ROUND[::-1] if to_north else ROUND
    return [Waypoint(corner, 0.0, speed, through=True) for corner in corners]
