# SPDX-License-Identifier: Apache-2.0
"""Use cases of the welding cell: U1, U2 and the misuse MU of the original project, each with its factors.

What the person does begins in the middle of a phase of the arm's task, as a run without a person has it: U1 steps into
the safeguarded area, the hand of U2 and MU gets over the bench.
"""

import math
from collections.abc import Callable, Mapping
from functools import lru_cache

from reflexarc.assurance.monitors.requirements import read_requirements, requirements_file
from reflexarc.assurance.regression.cases import Case, Outcome, Suite, UseCase
from reflexarc_sim.welding.controllers import Controller, make_controller
from reflexarc_sim.welding.geometry import Point, polar
from reflexarc_sim.welding.operator import Waypoint
from reflexarc_sim.welding.parameters import WeldingPlant, inside, read_plant
from reflexarc_sim.welding.process import PHASES
from reflexarc_sim.welding.signals import check_agreement, samples
from reflexarc_sim.welding.simulation import Run, Setup, phases, run_cell

NAME = "welding"
STAY_S, AFTER_S = 4.0, 3.0
"""How long the person stays, and what is watched afterwards. [s]"""
LONGEST_S = 40.0
STAND_M = 0.3
"""From the weld spot, in U1: where the tool comes back to. [m]"""
FAR_M = 5.0
"""From the weld spot, where U1 begins. [m]"""
OUT = 225.0
"""Direction from the weld spot out of the cell. [deg]"""
OUTSIDE: Point = (0.0, 6.0)
"""Where somebody is who has nothing to do with the cell. [m]"""
TOOLS = ("light_gripper", "gripper", "plate_holder")
_REGIONS = ("hand_finger", "lower_arm_wrist", "upper_arm_elbow", "face")
_FACE = (
    "a face may not be touched at all, but the policy lets the arm go on in power and force limiting, and no sensor "
    "tells a face from a hand"
)
USE_CASES = (
    UseCase(
        "U1",
        "the operator walks to the welder during operation",
        {
            "angle": ("-60", "-30", "0", "30", "60"),
            "speed": ("0.8", "1.6", "2.0"),
            "region": ("chest", "abdomen", "back_shoulders", "thigh_knee"),
            "tool": TOOLS,
            "phase": PHASES,
        },
        ({"angle": ("0",), "region": ("back_shoulders",)},),
    ),
    UseCase(
        "U2",
        "the operator reaches across the workbench during operation",
        {
            "angle": ("-25", "0", "25"),
            "speed": ("0.5", "1.0", "2.0"),
            "region": _REGIONS,
            "tool": TOOLS,
            "phase": PHASES,
        },
        ({"region": ("face",), "speed": ("2.0",)},),
        _FACE,
    ),
    UseCase(
        "MU",
        "misuse: the operator reaches the bench from behind the light curtain, out of reach of the range finder",
        {
            "angle": ("0", "10", "20"),
            "speed": ("0.5", "1.0", "2.0"),
            "region": _REGIONS,
            "tool": TOOLS,
            "phase": PHASES,
        },
        ({"region": ("face",), "speed": ("2.0",)},),
        f"no sensor sees a person there, so the supervisor does not answer; {_FACE}",
    ),
)
TOLERANCES = {"SEP": 0.02, "FORCE": 5.0, "ANSWER": 0.02, "DWELL": 0.02}
"""Below what a person would call a change: 2 cm or 2 cm/s, 5 N, two samples."""


def welding_suite(
    controller: str | Callable[[], Controller] = "verified",
    blind: tuple[str, ...] = (),
    plant: WeldingPlant | None = None,
) -> Suite:
    """Return the suite.

    Args:
        controller: what stands over the cell: a name of `CONTROLLERS`, or what makes a fresh one.
        blind: sensors that see nobody: a planted fault.
        plant: the cell; the shipped one if None.

    Raises:
        ConfigError: requirements and plant do not agree.
    """
    plant = plant or read_plant()
    requirements = read_requirements(requirements_file(NAME))
    check_agreement(requirements, plant)

    def run(case: Case) -> Outcome:
        made = make_controller(controller, plant) if isinstance(controller, str) else controller()
        found = run_cell(plant, setup(plant, case, blind), made)
        return Outcome(samples(found, requirements), figures(found))

    return Suite(NAME, USE_CASES, requirements, TOLERANCES, run)


def figures(run: Run) -> Mapping[str, float]:
    """Return what is told of a run beside its requirements."""
    return {
        "contacts": float(len(run.contacts)),
        "mishaps": float(run.mishaps),
        "peak_force_n": max((contact.force for contact in run.contacts), default=0.0),
        "peak_closing_force_n": max((contact.closing_force for contact in run.contacts), default=0.0),
        "productivity": run.value,
    }


def setup(plant: WeldingPlant, case: Case, blind: tuple[str, ...] = ()) -> Setup:
    """Return how a case is run; its seed follows from its name."""
    levels = case.levels
    begin, end = _phases(plant, levels["tool"])[levels["phase"]]
    event = 0.5 * (begin + end)
    start, script = _SCRIPTS[case.use_case](plant, levels, event)
    seed = sum(ord(letter) * (k + 1) for k, letter in enumerate(case.id))
    duration = min(script[-1].leave if math.isfinite(script[-1].leave) else event + STAY_S, LONGEST_S)
    return Setup(
        levels["tool"], levels["region"], script, start, duration + AFTER_S, seed, "left", tuple(blind)
    )


@lru_cache(maxsize=32)
def _phases(plant: WeldingPlant, tool: str) -> Mapping[str, tuple[float, float]]:
    """Return when each phase is, without a person. [s]"""
    waypoint = Waypoint(OUTSIDE, math.inf, 1.0)
    idle = Setup(tool, "chest", (waypoint,), OUTSIDE, 20.0)
    return phases(run_cell(plant, idle, make_controller("verified", plant)))


def _walk(plant: WeldingPlant, levels: Mapping[str, str], event: float) -> tuple[Point, tuple[Waypoint, ...]]:
    weld, speed = plant.layout.weld_spot, float(levels["speed"])
    direction = math.radians(OUT + float(levels["angle"]))
    far, near = polar(weld, FAR_M, direction), polar(weld, STAND_M, direction)
    inner = next(r for r in _steps(FAR_M) if inside(polar(weld, r, direction), plant.layout.area))
    leave_far = event - (FAR_M - inner) / speed
    start = far
    if leave_far < 0.0:  # no time to come from so far
        start, leave_far = polar(weld, inner + speed * event, direction), 1e-3
    there = event + inner / speed + STAY_S
    out = there + (FAR_M - STAND_M) / speed
    return start, (
        Waypoint(start, leave_far, speed),
        Waypoint(near, there, speed),
        Waypoint(far, out, speed),
    )


def _steps(far: float) -> list[float]:
    return [far - 0.01 * k for k in range(round(100 * far))]


def _reach(
    plant: WeldingPlant, levels: Mapping[str, str], event: float, side: float
) -> tuple[Point, tuple[Waypoint, ...]]:
    """Stand beside the bench, at `side` [deg] from the spot for finished workpieces, and reach there."""
    hand = plant.layout.finished_spot
    angle = math.radians(side + float(levels["angle"]))
    place = polar(hand, plant.person.reach_m, angle)
    speed = float(levels["speed"])
    away, reach = polar(place, 2.0, angle), plant.person.reach_m
    over = max(r for r in _steps(reach) if inside(polar(hand, r, angle), plant.layout.bench))
    begin = max(event - (reach - over) / speed, 0.0)
    end = event + over / speed + STAY_S
    stay = Waypoint(place, end, 1.0, hand, speed, begin)
    return place, (stay, Waypoint(away, end + AFTER_S, 1.0, hand_speed=speed))


def _across(
    plant: WeldingPlant, levels: Mapping[str, str], event: float
) -> tuple[Point, tuple[Waypoint, ...]]:
    return _reach(plant, levels, event, 90.0)


def _from_behind(
    plant: WeldingPlant, levels: Mapping[str, str], event: float
) -> tuple[Point, tuple[Waypoint, ...]]:
    return _reach(plant, levels, event, 0.0)


_SCRIPTS = {"U1": _walk, "U2": _across, "MU": _from_behind}
