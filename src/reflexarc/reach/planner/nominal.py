# SPDX-License-Identifier: Apache-2.0
r"""The nominal plan: a nonlinear programme over the inputs of the remaining segments, solved by IPOPT.

    min   sum_s 0.5 (v_s - v_cruise)^2 + 0.5 sum_h w_h^2 + 0.1 sum_h (w_h - w_{h-1})^2 + sum_s v_z,s^2
          + 30 sum_s (1 - kappa_s)^2
    s.t.  pose_{h+1} = arc(pose_h, v, w, v_z)                          (2 halves of 0.5 s per segment)
          |p_j - c_i| >= r_i + r_robot + bulge + kappa_s margin_j      at points j every 0.25 s, 4 nearest obstacles i
          low + r_robot + kappa_s margin_j <= p_j <= high - r_robot - kappa_s margin_j
          |w_h| <= min(w_max, kappa_max v_s),   |v_s - v_{s-1}| <= dv_max,   |p_end - goal| <= 0.1 m

A plan keeps its margins where kappa_s = 1; an *elastic* one may lower kappa_s to 0, segment by segment, where a gap is
too narrow. Poses at the halves are variables (multiple shooting). `bulge` is what a path may approach between two
points. It starts from a route on a grid. A programme is built once per number of segments. A solution counts only if
IPOPT reports success and the plan, sampled every 0.05 s, keeps its margins (an elastic one: no margin) from *all*
obstacles within 1 cm; if another obstacle than those chosen is in the way, the choice is renewed, three times at most.
"""

import functools
import math
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import casadi as ca
import numpy as np

from reflexarc.core.types import Array
from reflexarc.reach.planner.plan import HALF, HALVES, INPUTS, SEGMENT, Plan
from reflexarc.reach.planner.route import bottleneck, find_route, length, resample
from reflexarc.reach.planner.scene import Case, Scene

POINTS = 2
"""Constrained points per half."""
NEAREST = 4
"""Obstacles per constrained point."""
TOLERANCE = 0.01
"""Lost margin that an accepted solution may show between its points. [m]"""
AT_GOAL = 0.1
"""[m]"""
_CLEARANCE = 30.0
"""Cost of giving a segment's margin up."""
_SHARES = (1.0, 0.6, 0.3, 0.0)
"""Of the margin, for the routes of elastic plans: the widest that leads through."""
_FAR = 1e3
_ROUNDS = 3
_ITERATIONS = {False: 60, True: 120}
"""Most iterations, by elastic or not; what can be solved takes 20 on average and 50 at most with hard margins."""
_OPTIONS = {"expand": True, "print_time": False, "error_on_fail": False}
_IPOPT = {"print_level": 0, "sb": "yes", "tol": 1e-4, "acceptable_tol": 1e-3, "mu_init": 1e-2}


class Nominal(NamedTuple):
    """A solution."""

    plan: Plan
    kappa: Array
    """Kept share of the margin by segment, shape (S,)."""


class _Programme(NamedTuple):
    solve: Callable[..., Any]
    stats: Callable[[], dict[str, Any]]
    lbx: Array
    ubx: Array
    lbg: Array
    ubg: Array


def solve(
    scene: Scene,
    margin: float | Callable[[Array], Array],
    *,
    start: Array | None = None,
    previous: Array | None = None,
    elapsed: float = 0.0,
    segments: int | None = None,
    routes: int = 1,
    elastic: bool = False,
    guide: Array | None = None,
) -> Iterator[Nominal]:
    """Yield nominal plans from `start` to the goal, one for each route that leads to a solution.

    Args:
        scene: obstacles, goal, limits, and the start where none is given.
        margin: clearance of the robot's hull, [m]; a number or a function of the mission's time, (k,) [s] -> (k,) [m].
        start: pose, shape (4,).
        previous: inputs of the last half before `start`, shape (3,): its turn rate and speed are continued smoothly.
        elapsed: mission's time at `start`. [s]
        segments: exact number of segments; otherwise what the route takes at cruise speed.
        routes: how many different routes to try at most.
        elastic: let segments keep less than the margin.
        guide: points of the only route to try, shape (k, 3); none is searched then.
    """
    start = scene.start if start is None else start
    margin_at = margin if callable(margin) else lambda t: np.full(np.shape(t), float(margin))
    usual = float(np.median(margin_at(elapsed + np.arange(1.0, 12.0))))
    shares = _SHARES if elastic else (1.0,)
    for route in (
        [guide] if guide is not None else _routes(scene, start[:3], [s * usual for s in shares], routes)
    ):
        count = segments or max(1, math.ceil(length(route) / scene.case.limits.cruise))
        found = _solve_along(scene, route, margin_at, start, previous, elapsed, count, elastic)
        if found is not None:
            yield found


def _routes(scene: Scene, start: Array, margins: list[float], count: int) -> Iterator[Array]:
    """Yield different routes, each with the first of the margins that leads through."""
    closed = np.zeros((0, 3))
    for _ in range(count):
        found = (find_route(scene, margin, start=start, closed=closed) for margin in margins)
        route = next((r for r in found if r is not None), None)
        if route is None:
            return
        yield route
        closed = np.vstack([closed, bottleneck(scene, route)])


def _solve_along(
    scene: Scene,
    route: Array,
    margin_at: Callable[[Array], Array],
    start: Array,
    previous: Array | None,
    elapsed: float,
    count: int,
    elastic: bool,
) -> Nominal | None:
    case = scene.case
    programme = _programme(case, count, elastic)
    times = elapsed + np.linspace(0.0, count * SEGMENT, HALVES * POINTS * count + 1)[1:]
    margin = margin_at(times)
    x = _guess(case, route, start, count)
    before = np.array([case.limits.cruise, 0.0]) if previous is None else previous[:2]
    guessed = _points(x, case, start, count)
    for _ in range(_ROUNDS):
        at = scene.centre_at(times)  # (k, m, 3)
        offsets = np.linalg.norm(guessed[:, None] - at, axis=2) - scene.radius  # (k, m)
        chosen = np.argsort(offsets, axis=1)[:, :NEAREST]
        centre, reach = np.full((len(times), NEAREST, 3), _FAR), np.full((len(times), NEAREST), case.robot)
        centre[:, : chosen.shape[1]] = np.take_along_axis(at, chosen[..., None], axis=1)
        reach[:, : chosen.shape[1]] += scene.radius[chosen]
        # between two points, l apart, a straight path comes nearer to a disc of radius r by at most l^2 / (8 r)
        reach += (case.limits.cruise * HALF / POINTS) ** 2 / (8.0 * np.maximum(reach, 0.3))
        answer = programme.solve(
            x0=x,
            p=np.concatenate([start, before, scene.goal, centre.ravel(), reach.ravel(), margin]),
            lbx=programme.lbx,
            ubx=programme.ubx,
            lbg=programme.lbg,
            ubg=programme.ubg,
        )
        if not programme.stats()["success"]:
            return None
        x = np.asarray(answer["x"]).ravel()
        plan, kappa = Plan(start, _controls(x, case, count)), x[-count:]
        if keeps_margin(scene, plan, np.zeros_like if elastic else margin_at, elapsed):
            return Nominal(plan, kappa)
        guessed = _points(x, case, start, count)
    return None


def keeps_margin(scene: Scene, plan: Plan, margin_at: Callable[[Array], Array], elapsed: float = 0.0) -> bool:
    """Whether a plan, sampled every 0.05 s, keeps its margins within `TOLERANCE`; its start is not judged."""
    poses = plan.poses(10)[1:]
    times = elapsed + np.linspace(0.0, plan.segments * SEGMENT, len(poses) + 1)[1:]
    return bool((scene.clearance(poses[:, :3], times) >= margin_at(times) - TOLERANCE).all())


def _layout(case: Case, count: int) -> tuple[int, int]:
    """Inputs per segment (speed, turn rates, climb) and coordinates per pose."""
    return 1 + HALVES + (case.dimension == 3), case.dimension + 1


def _arc(pose: Any, v: Any, w: Any, climb: Any, t: float) -> Any:
    """`plan.advance` with sin(x) / x as a polynomial (error below 1e-8 for |x| <= 0.5)."""
    u = 0.5 * w * t
    chord = v * t * (1.0 - u**2 / 6.0 + u**4 / 120.0 - u**6 / 5040.0)
    middle = [pose[2] + climb * t] if climb is not None else []
    return ca.vertcat(
        pose[0] + chord * ca.cos(pose[-1] + u),
        pose[1] + chord * ca.sin(pose[-1] + u),
        *middle,
        pose[-1] + w * t,
    )


@functools.cache
def _programme(case: Case, count: int, elastic: bool) -> _Programme:
    limits, d = case.limits, case.dimension
    inputs, size = _layout(case, count)
    variables = ca.SX.sym("x", count * (inputs + HALVES * size + 1))
    start, before, goal = ca.SX.sym("start", 4), ca.SX.sym("before", 2), ca.SX.sym("goal", 3)
    sites = HALVES * POINTS * count
    centre, reach = ca.SX.sym("centre", sites * NEAREST * 3), ca.SX.sym("reach", sites * NEAREST)
    margin = ca.SX.sym("margin", sites)
    pose = ca.vertcat(start[:d], start[3])
    cost, gaps, open_sides, changes = 0.0, [], [], []
    speed_before, turn_before, site = before[0], before[1], 0
    for s in range(count):
        u = variables[s * inputs : (s + 1) * inputs]
        v, climb = u[0], u[1 + HALVES] if d == 3 else None
        cost += 0.5 * (v - limits.cruise) ** 2 + (climb**2 if climb is not None else 0.0)
        kappa = variables[variables.numel() - count + s]
        cost += _CLEARANCE * (1.0 - kappa) ** 2
        changes.append(v - speed_before)
        speed_before = v
        for h in range(HALVES):
            w = u[1 + h]
            cost += 0.5 * w**2 + 0.1 * (w - turn_before) ** 2
            turn_before = w
            open_sides += [limits.curvature * v - w, limits.curvature * v + w]
            at = count * inputs + (s * HALVES + h) * size
            following = variables[at : at + size]
            gaps.append(following - _arc(pose, v, w, climb, HALF))
            for j in range(1, POINTS + 1):
                p = (following if j == POINTS else _arc(pose, v, w, climb, HALF * j / POINTS))[:d]
                away = kappa * margin[site]
                open_sides += [p - (case.robot + away), ca.DM(case.size) - case.robot - away - p]
                for k in range(site * NEAREST, (site + 1) * NEAREST):
                    open_sides.append(ca.sumsqr(p - centre[3 * k : 3 * k + d]) - (reach[k] + away) ** 2)
                site += 1
            pose = following
    arrival = ca.sumsqr(pose[:d] - goal[:d])
    parts = [ca.vertcat(*gaps), ca.vertcat(*open_sides), ca.vertcat(*changes), arrival]
    problem = {
        "x": variables,
        "p": ca.vertcat(start, before, goal, centre, reach, margin),
        "f": cost,
        "g": ca.vertcat(*parts),
    }
    options = _OPTIONS | {"ipopt": _IPOPT | {"max_iter": _ITERATIONS[elastic]}}
    solver = ca.nlpsol("nominal", "ipopt", problem, options)
    low = [limits.slowest] + [-limits.turn_rate] * HALVES + [-limits.climb] * (d == 3)
    high = [limits.fastest] + [limits.turn_rate] * HALVES + [limits.climb] * (d == 3)
    free = np.full(count * HALVES * size, math.inf)
    bounds = ((0.0, 0.0), (0.0, math.inf), (-limits.change, limits.change), (0.0, AT_GOAL**2))
    lbg, ubg = (
        np.concatenate([np.full(p.numel(), b[side]) for p, b in zip(parts, bounds, strict=True)])
        for side in (0, 1)
    )
    lbx = np.concatenate([np.tile(low, count), -free, np.full(count, 0.0 if elastic else 1.0)])
    ubx = np.concatenate([np.tile(high, count), free, np.ones(count)])
    return _Programme(solver, solver.stats, lbx, ubx, lbg, ubg)


def _guess(case: Case, route: Array, start: Array, count: int) -> Array:
    limits, (inputs, _) = case.limits, _layout(case, count)
    places = resample(route, HALVES * count + 1)
    step = np.diff(places, axis=0)
    heading = np.unwrap(np.concatenate([start[3:], np.arctan2(step[:, 1], step[:, 0])]))
    speed = np.clip(length(places) / (count * SEGMENT), limits.slowest, limits.fastest)
    turn = np.clip(np.diff(heading) / HALF, -limits.turn_rate, limits.turn_rate)
    controls = np.zeros((count, inputs))
    controls[:, 0] = speed
    controls[:, 1 : 1 + HALVES] = turn.reshape(count, HALVES)
    poses = np.column_stack([places[1:, : case.dimension], heading[1:]])
    return np.concatenate([controls.ravel(), poses.ravel(), np.ones(count)])


def _controls(x: Array, case: Case, count: int) -> Array:
    inputs, _ = _layout(case, count)
    u = x[: count * inputs].reshape(count, inputs)
    controls = np.zeros((count, HALVES, INPUTS))
    controls[:, :, 0] = u[:, :1]
    controls[:, :, 1] = u[:, 1 : 1 + HALVES]
    if case.dimension == 3:
        controls[:, :, 2] = u[:, 1 + HALVES :]
    return controls


def _points(x: Array, case: Case, start: Array, count: int) -> Array:
    """Constrained points between the poses of x, shape (k, 3); on chords, good enough to choose obstacles by."""
    inputs, size = _layout(case, count)
    places = np.zeros((HALVES * count + 1, 3))
    places[0] = start[:3]
    places[1:, : case.dimension] = x[count * inputs : -count].reshape(-1, size)[:, : case.dimension]
    fractions = np.arange(1, POINTS + 1)[:, None] / POINTS
    return (places[:-1, None] + fractions * np.diff(places, axis=0)[:, None]).reshape(-1, 3)
