# SPDX-License-Identifier: Apache-2.0
"""Pictures of planning under risk: candidates with their particles, and the plan that was accepted."""

from typing import Any

import numpy as np
from matplotlib.figure import Figure
from matplotlib.patches import Circle

from reflexarc.core.types import Array
from reflexarc.reach.planner.plan import Plan
from reflexarc.reach.planner.replan import Mission, Perturbation
from reflexarc.reach.planner.rollout import Rollouts
from reflexarc.reach.planner.scene import Scene
from reflexarc.report.style import BLUE, GREEN, INK, MUTED, PEDESTRIAN, VERMILION

SHOWN = 400
"""Particles per drawn segment."""


def mission_figure(scene: Scene, mission: Mission, limit: float, seed: int = 0) -> Figure:
    """Draw a mission from above, and its last perturbed segment from near.

    On the left: obstacles, start, goal, the nominal segments that were rejected and the accepted plan, each with
    particles at the ends of its segments. On the right: that segment's candidates, those whose screened risk is above
    `limit` in red, the others in green, and the particles of the rejected one. A scene in the air is seen from above.

    Args:
        scene: the mission's.
        mission: of `RiskPlanner.plan`.
        limit: on the risk, for the colour.
        seed: of the particles.
    """
    figure = Figure(figsize=(10.0, 4.2), layout="constrained")
    left, right = figure.subplots(1, 2, width_ratios=(1.7, 1.0))
    rollouts = Rollouts(scene.case)
    errors = scene.belief.sample(np.random.default_rng(seed), SHOWN)
    for axis in (left, right):
        _scene(axis, scene)
    for perturbation in mission.perturbations:
        rejected = perturbation.plan
        left.plot(*_line(rejected, rejected.segments - 1), color=VERMILION, lw=2)
    plan = mission.plan or mission.brake
    if plan is not None:
        colour = GREEN if mission.plan is not None else MUTED
        for s in range(plan.segments):
            _cloud(left, rollouts, errors, plan, s, colour)
        left.plot(*_line(plan, 0), color=colour, lw=1.5)
    left.set_title("accepted plan" if mission.plan is not None else mission.reason, wrap=True)
    if mission.perturbations:
        _candidates(right, rollouts, errors, mission.perturbations[-1], limit)
    else:
        right.set_title("no segment was perturbed")
    return figure


def _scene(axis: Any, scene: Scene) -> None:
    for centre, radius in zip(scene.centre, scene.radius, strict=True):
        axis.add_patch(
            Circle(tuple(centre[:2]), radius, color=PEDESTRIAN, alpha=0.5 if scene.case.dimension == 3 else 1)
        )
    axis.plot(*scene.start[:2], "o", color=INK)
    axis.plot(*scene.goal[:2], "*", color=INK, ms=10)
    axis.set(
        xlim=(0, scene.case.size[0]),
        ylim=(0, scene.case.size[1]),
        aspect="equal",
        xlabel="x [m]",
        ylabel="y [m]",
    )


def _line(plan: Plan, first: int) -> tuple[Array, Array]:
    poses = plan.poses(10)[20 * first :]
    return poses[:, 0], poses[:, 1]


def _cloud(axis: Any, rollouts: Rollouts, errors: Array, plan: Plan, segment: int, colour: str) -> None:
    x = rollouts.carry(errors, plan.controls[:segment])
    path, _ = rollouts.path(x, plan.pose(segment), plan.controls[segment])
    axis.plot(path[-1, :, 0], path[-1, :, 1], ".", color=colour, ms=1.5, alpha=0.3)


def _candidates(
    axis: Any, rollouts: Rollouts, errors: Array, perturbation: Perturbation, limit: float
) -> None:
    plan, segment = perturbation.plan, perturbation.plan.segments - 1
    start = plan.pose(segment)
    ends = []
    for controls, risk in zip(perturbation.candidates.controls, perturbation.risk, strict=True):
        x, y = _line(Plan(start, controls[None]), 0)
        axis.plot(x, y, color=VERMILION if risk > limit else GREEN, lw=0.8)
        ends.append((x[-1], y[-1]))
    _cloud(axis, rollouts, errors, plan, segment, BLUE)
    low, high = np.min([*ends, start[:2]], axis=0) - 0.6, np.max([*ends, start[:2]], axis=0) + 0.6
    accepted = int((perturbation.risk <= limit).sum())
    axis.set(xlim=(low[0], high[0]), ylim=(low[1], high[1]))
    axis.set_title(f"segment {segment + 1}:\n{accepted} of {len(ends)} candidates within {limit:g}")
