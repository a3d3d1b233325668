# SPDX-License-Identifier: Apache-2.0
"""The regression of the delivery robot under its verified supervisor: one person crosses its way."""

import math
import tempfile
from collections.abc import Mapping
from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np

from reflexarc.assurance.guards import ahead, separation
from reflexarc.assurance.hazards.read import read_cell
from reflexarc.assurance.monitors.recorded import Samples
from reflexarc.assurance.monitors.requirements import Requirements, read_requirements, requirements_file
from reflexarc.assurance.regression.answers import Moment, answers
from reflexarc.assurance.regression.cases import Case, Outcome, Suite, UseCase
from reflexarc.assurance.supervision import load_table
from reflexarc.barrier.analytic.separation import protective_distance
from reflexarc.core.errors import ConfigError
from reflexarc.core.paths import models_dir
from reflexarc.core.types import Array, Obstacles
from reflexarc.robots import load_base
from reflexarc_sim.encounters.scripted import KINDS, PHASES, Drive, DriveLog, grid, meetings, track
from reflexarc_sim.lockstep import run
from reflexarc_sim.scenario import Scenario, load_scenario

NAME = "sidewalk_supervised"
FAR_M = 10.0
"""Separation with nobody there. [m]"""
AFTER_S = 8.0
"""What is watched after the meeting. [s]"""
LONGEST_S = 45.0
_SQUARE = {
    "world": {"type": "plaza", "length_m": 40.0, "width_m": 16.0, "bollards": 0, "seed": 0},
    "missions": {"count": 1, "timeout_s": 60.0, "min_distance_m": 15.0, "max_distance_m": 40.0},
}
USE_CASES = (
    UseCase(
        "ENCOUNTER",
        "a person who sees nothing crosses the robot's way",
        {
            "angle": ("0", "45", "90", "135", "180"),
            "speed": ("0.8", "1.34", "2.0"),
            "kind": KINDS,
            "phase": PHASES,
        },
        ({"angle": ("180",), "speed": ("0.8",)},),
        "towards somebody who comes at 1.34 m/s the robot is nearer than S_p for a moment while it brakes; its barrier "
        "promises to stand before contact, not to keep S_p",
    ),
)
TOLERANCES = {"SEP": 0.05, "TOUCH": 0.05, "ANSWER": 0.05, "DWELL": 0.1}
"""Of the robot's own drive: a tick more or less of braking is some centimetres."""


def encounter_suite(overrides: Mapping[str, object] | None = None) -> Suite:
    """Return the suite.

    Args:
        overrides: of the scenario, such as a planted fault.

    Raises:
        ConfigError: the scenario or the requirements are not acceptable.
    """
    requirements = read_requirements(requirements_file("encounter"))
    meeting = _undisturbed()

    def run_case(case: Case) -> Outcome:
        when, pose = meeting[case.levels["phase"]]
        end = when + AFTER_S
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "person.txt"
            path.write_text(track(case.levels, (when, pose), end + 1.0), encoding="utf-8")
            crowd = {"source": "recorded", "file": str(path)}
            drive = _drive(load_scenario(NAME, {**_SQUARE, "crowd": crowd, **(overrides or {})}), end)
        return Outcome(samples(drive, requirements), _figures(drive))

    return Suite(NAME, USE_CASES, requirements, TOLERANCES, run_case)


def samples(drive: Drive, requirements: Requirements) -> Samples:
    """Return the signals of `models/requirements/encounter.yaml`, from the truth of a drive.

    Raises:
        ConfigError: there is no section 'separation'.
    """
    if requirements.separation is None:
        raise ConfigError(f"{requirements.path}: the section 'separation' is needed")
    scenario = load_scenario(NAME)
    robot, parameters = load_base(scenario.robot), requirements.separation.parameters
    limits = replace(scenario.supervisor.guards, position_std_factor=0.0)
    rows, moments = [], []
    for at, index in grid(drive, requirements.period):
        state = drive.truth(at, index)
        gap, near = separation(state, robot, limits)
        found = {
            "NEAR": bool((gap <= near).any()),
            "AHEAD": ahead(state, robot, limits),
            "CLOSE": bool((gap <= limits.close_m).any()),
        }
        moments.append(Moment(at, int(drive.mode[index]), found))
        nearest = min(float(drive.gap[index]), FAR_M)
        own, person = _towards(state.obstacles, drive, index)
        needed = protective_distance(own, parameters, person) if len(state.obstacles) else 0.0
        rows.append((at, nearest, needed, own))
    table = np.array(rows)
    answered = answers(moments, required())
    values = {
        "separation": table[:, 1],
        "protective_distance": table[:, 2],
        "approach": table[:, 3],
        **answered._asdict(),
    }
    return Samples(table[:, 0], values, dict.fromkeys(values, table[:, 0]), float(table[0, 0]))


@cache
def required() -> Mapping[str, int]:
    """Return the mode that the verified policy answers each hazard of persons with, as a rank."""
    cell = read_cell(models_dir() / "cells" / "sidewalk.yaml")
    table = load_table(load_scenario(NAME).supervisor.table)
    return {
        name: int(cell.modes[cell.actions[table.policy[f"{name}.mitigation"]].mode].arc)
        for name in ("NEAR", "AHEAD", "CLOSE")
    }


@cache
def _undisturbed() -> Mapping[str, tuple[float, Array]]:
    """Return where and when the robot is in each phase with nobody there."""
    nobody = {**_SQUARE, "crowd": {"source": "none", "count": 0}}
    return meetings(_drive(load_scenario(NAME, nobody), LONGEST_S))


def _towards(people: Obstacles, drive: Drive, index: int) -> tuple[float, float]:
    """Return the robot's speed towards the person, and the person's towards the robot; 0 without one. [m/s]"""
    if not len(people):
        return 0.0, 0.0
    x, y, yaw = drive.pose[index]
    way: Array = people.position[0] - (x, y)
    way = way / max(float(np.hypot(*way)), 1e-9)
    own = float(drive.twist[index][0]) * (math.cos(yaw) * way[0] + math.sin(yaw) * way[1])
    return own, -float(people.velocity[0] @ way)


def _drive(scenario: Scenario, duration: float) -> Drive:
    log = DriveLog()
    run(scenario, 0, True, duration, observers=(log,))
    return log.drive()


def _figures(drive: Drive) -> Mapping[str, float]:
    return {
        "contacts": float(drive.contacts),
        "least_gap_m": float(min(drive.gap.min(), FAR_M)),
        "way_m": float(np.hypot(*np.diff(drive.pose[:, :2], axis=0).T).sum()),
    }
