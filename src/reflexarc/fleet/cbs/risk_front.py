# SPDX-License-Identifier: Apache-2.0
r"""One agent in steps: all trade-offs of arrival time against risk under constraints, and paths that realise them.

With steps as time, the smallest risk of being at vertex u at step t + 1 is

    b(t + 1, u) = min( b(t, u) + wait_u,  min over edges (v, u) of  b(t, v) + risk_vu ),

so one number per (step, vertex) is enough; what arrives at the goal at step t for good, b through its last edge, gives
the Pareto front of (t, risk) as t grows. A label is dropped as soon as its risk and the smallest risk to the goal are
no less than what has arrived before. The sweep ends when no label is left, or when nothing changes any more in time and
a whole step has lowered nothing.
"""

from typing import NamedTuple

import numba
import numpy as np

from reflexarc.fleet.cbs.risk_model import RiskModel
from reflexarc.fleet.cbs.tables import FOREVER, INFEASIBLE, TOO_SHORT, allowed, enter_constraints

EPS = 1e-9
"""Risks that differ by less are equal."""
MOST_MEETINGS = 4
"""Paths that meet others more often are all the same."""


class Risks(NamedTuple):
    """A model's arrays, as the kernels take them."""

    edge: np.ndarray
    wait: np.ndarray
    tail: np.ndarray
    exclude_first: np.ndarray
    exclude: np.ndarray


class Use(NamedTuple):
    """What the other agents do; H is the horizon."""

    vertex: np.ndarray
    """How many are at (step, vertex), shape (H + 1, n)."""
    blocked: np.ndarray
    """How many drive an edge that excludes this one in a step, shape (H + 1, m)."""
    parked: np.ndarray
    """Step from which another stands at the vertex for good, shape (n,)."""


class Labels(NamedTuple):
    """Memory of one search."""

    best: np.ndarray
    """Smallest risk at (step, vertex), shape (H + 1, n)."""
    link: np.ndarray
    """Edge by which it is reached, -1 for waiting, shape (H + 1, n)."""
    arrive: np.ndarray
    """Smallest risk of arriving at the goal by an edge at a step, shape (H + 1,)."""
    arrive_by: np.ndarray
    """That edge, shape (H + 1,)."""


def risks_of(model: RiskModel) -> Risks:
    """Return the arrays of `model`."""
    tail = np.ascontiguousarray(model.graph.tail)
    return Risks(model.edge, model.wait, tail, model.exclude_first, model.exclude)


def make_use(vertices: int, edges: int, horizon: int) -> Use:
    """Return empty tables of what others do."""
    return Use(
        np.zeros((horizon + 1, vertices), dtype=np.int32),
        np.zeros((horizon + 1, max(edges, 1)), dtype=np.int32),
        np.full(vertices, FOREVER, dtype=np.int32),
    )


def make_labels(vertices: int, horizon: int) -> Labels:
    """Return memory for searches of at most `horizon` steps."""
    return Labels(
        np.empty((horizon + 1, vertices)),
        np.empty((horizon + 1, vertices), dtype=np.int32),
        np.empty(horizon + 1),
        np.empty(horizon + 1, dtype=np.int32),
    )


@numba.njit(cache=True)
def put(vertices, edges, cost, sign, risks, use):
    """Add a path of `cost` steps to the tables of use (sign 1), or take it out again (sign -1)."""
    for t in range(cost + 1):
        use.vertex[t, vertices[t]] += sign
    for t in range(cost):
        e = edges[t]
        if e >= 0:
            for k in range(risks.exclude_first[e], risks.exclude_first[e + 1]):
                use.blocked[t, risks.exclude[k]] += sign
    use.parked[vertices[cost]] = cost + 1 if sign > 0 else FOREVER


@numba.njit(cache=True)
def sweep(start, goal, steps, to_go, limit, ceiling, constraints, busy, net, risks, use, scratch, labels):
    """Fill `labels` with the smallest risks; `arrive` then holds the front.

    Args:
        start: the agent's start.
        goal: its goal.
        steps: steps to the goal from every vertex, shape (n,).
        to_go: smallest risk to the goal from every vertex, shape (n,).
        limit: latest arrival of interest.
        ceiling: largest risk of interest.
        constraints: shape (k, 4), see `tables`.
        busy: step after which the others stand; negative if `use` does not count.
        net: the graph.
        risks: its risks.
        use: what nobody may run into.
        scratch: tables of constraints.
        labels: changed in place.

    Returns:
        The last step of the front that was looked at, `INFEASIBLE` or `TOO_SHORT`.
    """
    earliest, latest, still, _ = enter_constraints(constraints, goal, steps, net, scratch)
    call = scratch.call[0]
    n, horizon = steps.shape[0], labels.best.shape[0] - 1
    best, link, arrive, arrive_by = labels.best, labels.link, labels.arrive, labels.arrive_by
    latest = min(latest, limit)
    if busy >= 0:
        still = max(still, busy + 1)
        for t in range(busy, earliest - 1, -1):
            if use.vertex[t, goal] > 0:
                earliest = t + 1
                break
    still = max(still, earliest)
    arrive[0] = np.inf
    if not allowed(0, start, scratch):
        return INFEASIBLE
    if start == goal and earliest <= 0:
        arrive[0], arrive_by[0] = 0.0, -1
        return 0
    best[0, :] = np.inf
    best[0, start] = 0.0
    floor = np.full(n, np.inf)
    least, found = np.inf, INFEASIBLE
    t = 0
    while t < latest:
        if t >= horizon:
            return TOO_SHORT
        t1 = t + 1
        best[t1, :] = np.inf
        arrive[t1] = np.inf
        alive = False
        most = min(ceiling + EPS, least - EPS)
        for v in range(n):
            so_far = best[t, v]
            if so_far == np.inf:
                continue
            for e in range(net.first[v] - 1, net.first[v + 1]):
                wait = e < net.first[v]
                u = v if wait else net.head[e]
                total = so_far + (risks.wait[v] if wait else risks.edge[e])
                if total + to_go[u] > most or t1 + steps[u] > latest:
                    continue
                if not wait and scratch.edge[t, e] == call:
                    continue
                if not allowed(t1, u, scratch):
                    continue
                if busy >= 0 and (
                    use.parked[u] <= t1 or use.vertex[t1, u] > 0 or (not wait and use.blocked[t, e] > 0)
                ):
                    continue
                if u == goal and not wait and t1 >= earliest and total < arrive[t1]:
                    arrive[t1], arrive_by[t1] = total, e
                if total < best[t1, u]:
                    best[t1, u], link[t1, u] = total, -1 if wait else e
                    alive = True
        if arrive[t1] < least:
            least, found = arrive[t1], t1
        t = t1
        if not alive:
            return found
        if t > still:
            lowered = False
            for v in range(n):
                if best[t, v] < floor[v] - EPS:
                    lowered = True
                floor[v] = min(floor[v], best[t, v])
            if not lowered:
                return found
        elif t == still:
            floor[:] = best[t]
    return found


@numba.njit(cache=True)
def points(last, labels):
    """Return steps and risks of the front up to step `last`, both shape (k,); risks fall."""
    count, least = 0, np.inf
    steps = np.empty(last + 1, dtype=np.int32)
    risk = np.empty(last + 1)
    for t in range(last + 1):
        if labels.arrive[t] < least - EPS:
            least = labels.arrive[t]
            steps[count], risk[count] = t, least
            count += 1
    return steps[:count].copy(), risk[:count].copy()


@numba.njit(cache=True)
def trace(t, goal, risks, labels, vertices, edges):
    """Write the path of smallest risk that arrives at step t."""
    vertices[t] = goal
    e = labels.arrive_by[t]
    for s in range(t, 0, -1):
        edges[s - 1] = e
        vertices[s - 1] = vertices[s] if e < 0 else risks.tail[e]
        if s > 1:
            e = labels.link[s - 1, vertices[s - 1]]


@numba.njit(cache=True)
def calm_path(start, goal, steps, to_go, cap, ceiling, constraints, net, risks, use, scratch):
    """Return the path that meets the fewest others of those that arrive by `cap` and risk at most `ceiling`.

    Labels are smallest risks per (meetings, step, vertex). Of equally few meetings the earliest arrival wins, then the
    smallest risk.

    Returns:
        Its vertices, shape (c + 1,), its edges, -1 for waiting, shape (c,), and its risk; -1 with empty arrays if
        there is none.
    """
    earliest, latest, _, _ = enter_constraints(constraints, goal, steps, net, scratch)
    call = scratch.call[0]
    n, levels = steps.shape[0], MOST_MEETINGS + 1
    cap = min(cap, latest)
    nothing = np.empty(0, dtype=np.int32)
    if cap < 0 or not allowed(0, start, scratch) or cap > scratch.vertex.shape[0] - 1:
        return nothing, nothing, -1.0
    after = np.zeros(cap + 2, dtype=np.int32)
    for t in range(use.vertex.shape[0] - 1, 0, -1):
        after[min(t, cap + 1) - 1] += use.vertex[t, goal]
    for t in range(cap - 1, -1, -1):
        after[t] += after[t + 1]
    if start == goal and earliest <= 0 and after[0] == 0:
        return np.full(1, start, dtype=np.int32), nothing, 0.0
    best = np.full((levels, cap + 1, n), np.inf)
    link = np.empty((levels, cap + 1, n), dtype=np.int32)
    best[0, 0, start] = 0.0
    end_q, end_t, end_risk, end_link = levels, 0, np.inf, -1
    if start == goal and earliest <= 0:
        end_q, end_risk = min(after[0], levels - 1), 0.0
    for t in range(cap):
        t1 = t + 1
        for q in range(min(levels, end_q + 1)):
            for v in range(n):
                so_far = best[q, t, v]
                if so_far == np.inf:
                    continue
                for e in range(net.first[v] - 1, net.first[v + 1]):
                    wait = e < net.first[v]
                    u = v if wait else net.head[e]
                    total = so_far + (risks.wait[v] if wait else risks.edge[e])
                    if total + to_go[u] > ceiling + EPS or t1 + steps[u] > cap:
                        continue
                    if (not wait and scratch.edge[t, e] == call) or not allowed(t1, u, scratch):
                        continue
                    more = q + use.vertex[t1, u] + (1 if use.parked[u] <= t1 else 0)
                    more += 0 if wait else use.blocked[t, e]
                    if u == goal and not wait and t1 >= earliest:
                        full = min(more + after[t1], levels - 1)
                        if full < end_q or (full == end_q and end_t == t1 and total < end_risk):
                            end_q, end_t, end_risk = full, t1, total
                            end_link = min(q, levels - 1) * (risks.tail.shape[0] + 1) + e + 1
                    more = min(more, levels - 1)
                    if total < best[more, t1, u]:
                        best[more, t1, u] = total
                        link[more, t1, u] = q * (risks.tail.shape[0] + 1) + (0 if wait else e + 1)
    if end_q == levels:
        return nothing, nothing, -1.0
    vertices, edges = np.empty(end_t + 1, dtype=np.int32), np.empty(end_t, dtype=np.int32)
    vertices[end_t] = goal
    code = end_link
    for t in range(end_t, 0, -1):
        e = code % (risks.tail.shape[0] + 1) - 1
        q = code // (risks.tail.shape[0] + 1)
        edges[t - 1] = e
        vertices[t - 1] = vertices[t] if e < 0 else risks.tail[e]
        code = link[q, t - 1, vertices[t - 1]]
    return vertices, edges, end_risk
