# SPDX-License-Identifier: Apache-2.0
r"""Nominal plans that keep away from obstacles as far as the belief asks for.

The margin of segment s is f_s q_s. q_s is the 99.5 % quantile of the distance between robot and reference over the
segment, of screening particles, along a straight plan at first and then along the plan found; the factor f_s is 1 and
grows by 1.4 each time a screening particle's first contact lies in the segment. Margins are elastic: where a gap is too
narrow, the programme gives up as little as it can. The screening sample steers only; risks are proven on fresh ones.
"""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from reflexarc.core.types import Array
from reflexarc.reach.planner import nominal
from reflexarc.reach.planner.contacts import Contacts
from reflexarc.reach.planner.plan import HALVES, INPUTS, SEGMENT, Plan
from reflexarc.reach.planner.rollout import Rollouts
from reflexarc.reach.planner.scene import Scene

QUANTILE = 0.995
REFINEMENTS = 3
GROWTH = 1.4
AHEAD = 12
"""Segments of the straight plan."""


def walk(
    rollouts: Rollouts, contacts: Contacts, x: Any, plan: Plan, first: int = 0, elapsed: float = 0.0
) -> Iterator[tuple[np.ndarray, Any]]:
    """Follow a plan with particles; yield, segment by segment, who touches something first there, and the errors.

    Args:
        rollouts: of the case.
        contacts: as the particles meet the scene.
        x: errors at the start of segment `first`, shape (N, n).
        plan: to follow.
        first: segment to start at.
        elapsed: mission's time at the plan's start. [s]
    """
    free, poses = np.ones(len(x), dtype=bool), plan.poses(1)[::HALVES]
    for s in range(first, plan.segments):
        path, x = rollouts.path(x, poses[s], plan.controls[s])
        touched = contacts.touched(path[None], elapsed + s * SEGMENT)[0] & free
        free &= ~touched
        yield touched, x


def clear_plans(
    scene: Scene,
    rollouts: Rollouts,
    contacts: Contacts,
    x: Any,
    *,
    start: Array,
    previous: Array | None = None,
    elapsed: float = 0.0,
    routes: int = 1,
    few: float = 0.0,
) -> Iterator[Plan]:
    """Yield plans from `start` to the goal, at most one per route.

    A plan that at most `few` screening particles touch something on comes at once; the others wait until all
    routes were tried and then come by their number of contacts.

    Args:
        scene: obstacles, goal, limits.
        rollouts: of the case.
        contacts: as the screening particles meet the scene.
        x: their errors at `start`, shape (N, n).
        start: pose, shape (4,).
        previous: inputs before `start`, shape (3,).
        elapsed: mission's time at `start`. [s]
        routes: how many to try.
        few: number of contacts.
    """
    waiting: list[tuple[int, Plan]] = []
    options: dict[str, Any] = {"start": start, "previous": previous, "elapsed": elapsed, "elastic": True}
    straight = spread(rollouts, x, AHEAD, QUANTILE)
    for found in nominal.solve(scene, steps(straight, elapsed), routes=routes, **options):
        plan, factor, best = found.plan, np.ones(found.plan.segments), None
        for _ in range(REFINEMENTS + 1):
            hits, reach = along(rollouts, contacts, x, plan, QUANTILE, elapsed)
            if best is None or hits.sum() < best[0]:
                best = (int(hits.sum()), plan)
            if best[0] <= few:
                break
            factor[hits > 0] *= GROWTH
            margin = steps(factor * reach, elapsed)
            guide = plan.poses(2)[:, :3]
            renewed = next(nominal.solve(scene, margin, guide=guide, segments=plan.segments, **options), None)
            if renewed is None:
                break
            plan = renewed.plan
        assert best is not None
        if best[0] <= few:
            yield best[1]
        else:
            waiting.append(best)
    yield from (plan for _, plan in sorted(waiting, key=lambda pair: pair[0]))


def along(
    rollouts: Rollouts, contacts: Contacts, x: Any, plan: Plan, quantile: float, elapsed: float = 0.0
) -> tuple[np.ndarray, Array]:
    """First contacts by segment of a plan, and the larger quantile of the distance from it at its two ends, [m].

    Args:
        rollouts: of the case.
        contacts: as the particles meet the scene.
        x: errors at the plan's start, shape (N, n).
        plan: to follow.
        quantile: 1 for the greatest.
        elapsed: mission's time at the plan's start. [s]

    Returns:
        Both of shape (S,).
    """
    hits, ends = [], [distance(x, rollouts.case.dimension, quantile)]
    for touched, errors in walk(rollouts, contacts, x, plan, elapsed=elapsed):
        hits.append(int(touched.sum()))
        ends.append(distance(errors, rollouts.case.dimension, quantile))
    return np.array(hits), np.maximum(ends[1:], ends[:-1])


def distance(x: Any, dimension: int, quantile: float) -> float:
    """Quantile of the distance between robot and reference, of errors (N, n). [m]"""
    return float(np.quantile(np.linalg.norm(np.asarray(x)[:, [0, 1, 3][:dimension]], axis=1), quantile))


def spread(rollouts: Rollouts, x: Any, segments: int, quantile: float) -> Array:
    """As `along`, of a straight plan at cruise speed that nothing is near.

    Args:
        rollouts: of the case.
        x: errors at the start, shape (N, n).
        segments: S.
        quantile: 1 for the greatest.

    Returns:
        Shape (S,). [m]
    """
    straight = np.zeros((1, HALVES, INPUTS))
    straight[..., 0] = rollouts.case.limits.cruise
    ends = [distance(x, rollouts.case.dimension, quantile)]
    for _ in range(segments):
        x = rollouts.carry(x, straight)
        ends.append(distance(x, rollouts.case.dimension, quantile))
    return np.maximum(ends[1:], ends[:-1])


def steps(margin: Array, elapsed: float) -> Callable[[Array], Array]:
    """Margins by segment as a function of the mission's time."""
    return lambda t: margin[
        np.clip(np.ceil((t - elapsed) / SEGMENT - 1e-9).astype(int) - 1, 0, len(margin) - 1)
    ]
