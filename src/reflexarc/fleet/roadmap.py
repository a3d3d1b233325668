# SPDX-License-Identifier: Apache-2.0
r"""A roadmap that was learned: places by coverage, directed edges with learned duration and risk, a report, a cache.

Vertices: farthest-point sampling (Gonzalez 1985) of candidate places, in the Euclidean or in the learned metric, until
the farthest candidate is nearer than `spacing`: every place is covered and no two vertices are closer. An edge u -> v
stays if the ensemble agrees that it is short and safe enough,

    max_k D_k + q_D <= longest,      max_k C_k + q_C <= dearest,      max_k D_k - min_k D_k <= doubt,

with D_k, C_k the members' expected steps and cost and q the conformal corrections, if there are any. Its duration is
the expected number of steps or an upper quantile, its risk the expected cost; `risk_tail` is the mean of the worst
cost (CVaR), worst member. Atoms widen a cost's distribution, so tails are on the safe side.
"""

import dataclasses
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.sparse import csr_matrix
from scipy.sparse.csgraph import connected_components

from reflexarc.core.config import quantity
from reflexarc.core.errors import ConfigError
from reflexarc.core.types import Array
from reflexarc.fleet.graph import Graph

ARRAYS = ("risk", "risk_upper", "risk_tail", "steps_lower", "steps_upper")
"""Names of the arrays in edge order."""


@dataclass(frozen=True)
class RoadmapOptions:
    """How a roadmap is drawn."""

    vertices: int = quantity(300, low=2, high=20_000, doc="at most so many")
    spacing: float = quantity(0.8, low=0.0, high=1e3, doc="no two vertices are nearer, in the metric")
    metric: str = quantity("euclidean", choices=("euclidean", "learned"), doc="metric of the coverage")
    candidates: int = quantity(4000, low=2, high=1_000_000, doc="places that are to be covered")
    longest: float = quantity(7.0, low=0.1, high=1e4, doc="longest edge [steps]")
    dearest: float = quantity(5.0, low=0.0, high=1e4, doc="most expected cost of an edge")
    doubt: float = quantity(2.0, low=0.0, high=1e4, doc="most disagreement of the members [steps]")
    degree: int = quantity(64, low=1, high=100_000, doc="shortest outgoing edges that are kept")
    quantile: float = quantity(0.0, low=0.0, high=0.999, doc="of the steps, as duration; 0: their mean")
    tail: float = quantity(0.9, low=0.0, high=0.999, doc="level of the tail's mean")
    seed: int = quantity(0, low=0, high=2**31, doc="seed of the candidates")


@dataclass(frozen=True, slots=True, eq=False)
class Roadmap:
    """A graph whose durations were learned, and what its edges and vertices cost; arrays in the graph's edge order."""

    graph: Graph
    risk: Array
    """Expected cost of each edge, mean over the ensemble, shape (edges,)."""
    risk_upper: Array
    """The largest of the members, corrected, shape (edges,)."""
    risk_tail: Array
    """Mean of the worst costs, worst member, shape (edges,)."""
    steps_lower: Array
    """Expected steps of the least member, corrected, shape (edges,)."""
    steps_upper: Array
    """Expected steps of the largest member, corrected, shape (edges,)."""
    dwell: Array
    """Cost per step of standing at each vertex, shape (vertices,)."""
    period: float
    """Time of a step. [s]"""
    digest: str
    """Names agent, domain and options."""


@dataclass(frozen=True, slots=True)
class Edges:
    """What the ensemble says about pairs of places, in the members' expectations and in one quantile and one tail."""

    steps: Array
    """Shape (members, n)."""
    costs: Array
    """Shape (members, n)."""
    quantile: Array
    """Steps at the options' quantile, largest member, shape (n,)."""
    tail: Array
    """Shape (n,)."""


Judge = Callable[[Array, Array], Edges]
"""What lies between places (n, 2) and places (n, 2)."""


def cover(
    candidates: Array, count: int, spacing: float, distance: Callable[[Array, Array], Array], first: int = 0
) -> np.ndarray:
    """Return indices of candidates that cover all of them, farthest first.

    Args:
        candidates: shape (n, 2).
        count: at most so many.
        spacing: stop when every candidate is nearer than this to a chosen one.
        distance: of one place (2,) to n places (n, 2), shape (n,).
        first: index of the first one.
    """
    chosen = [first]
    nearest = distance(candidates[first], candidates)
    while len(chosen) < min(count, len(candidates)):
        k = int(np.argmax(nearest))
        if nearest[k] < spacing or nearest[k] <= 0.0:
            break
        chosen.append(k)
        nearest = np.minimum(nearest, distance(candidates[k], candidates))
    return np.array(chosen)


def draw_roadmap(
    places: Array,
    judge: Judge,
    dwell: Array,
    options: RoadmapOptions,
    period: float,
    digest: str,
    corrections: Mapping[str, float] | None = None,
    pairs: tuple[np.ndarray, np.ndarray] | None = None,
) -> Roadmap:
    """Return the roadmap over these places.

    Args:
        places: shape (n, 2). [m]
        judge: what the ensemble says.
        dwell: cost per step of standing at each place, shape (n,).
        options: thresholds.
        period: time of a step. [s]
        digest: names all of this.
        corrections: `steps_above`, `steps_below`, `cost_above` of a calibration.
        pairs: tails and heads that are to be judged; None for all.

    Raises:
        ConfigError: learned values that are not finite.
    """
    n = len(places)
    if pairs is None:
        tail, head = (x.ravel() for x in np.meshgrid(np.arange(n), np.arange(n), indexing="ij"))
        different = tail != head
        tail, head = tail[different], head[different]
    else:
        tail, head = pairs
    found = judge(places[tail], places[head])
    for what, values in (("steps", found.steps), ("cost", found.costs), ("tail cost", found.tail)):
        bad = ~np.isfinite(values).reshape(-1, len(tail)).all(axis=0)
        if bad.any():
            k = int(np.flatnonzero(bad)[0])
            raise ConfigError(
                f"learned {what} of {int(bad.sum())} of {len(tail)} edges is not finite, first of {tail[k]} -> "
                f"{head[k]}; no roadmap was drawn"
            )
    c = dict(corrections or {})
    upper = found.steps.max(axis=0) + c.get("steps_above", 0.0)
    lower = np.maximum(found.steps.min(axis=0) - c.get("steps_below", 0.0), 0.0)
    dear = np.maximum(found.costs.max(axis=0) + c.get("cost_above", 0.0), 0.0)
    doubt = found.steps.max(axis=0) - found.steps.min(axis=0)
    keep = (upper <= options.longest) & (dear <= options.dearest) & (doubt <= options.doubt)
    keep &= ~_beyond_degree(tail, upper, keep, options.degree)
    order = np.flatnonzero(keep)
    order = order[np.lexsort((head[order], tail[order]))]
    mean = found.steps.mean(axis=0)
    duration = np.maximum(found.quantile if options.quantile > 0.0 else mean, 1e-3) * period
    return Roadmap(
        directed_graph(places, tail[order], head[order], duration[order]),
        found.costs.mean(axis=0)[order],
        dear[order],
        found.tail[order],
        lower[order],
        upper[order],
        np.asarray(dwell, dtype=np.float64),
        period,
        digest,
    )


def _beyond_degree(tail: np.ndarray, length: Array, keep: np.ndarray, degree: int) -> np.ndarray:
    """Return which kept edges are not among the `degree` shortest of their tail."""
    out = np.zeros(len(tail), dtype=bool)
    index = np.flatnonzero(keep)
    index = index[np.lexsort((length[index], tail[index]))]
    starts = np.concatenate(([0], np.flatnonzero(np.diff(tail[index])) + 1)) if len(index) else np.array([0])
    rank = np.arange(len(index)) - np.repeat(starts, np.diff(np.append(starts, len(index))))
    out[index[rank >= degree]] = True
    return out


def selected(roadmap: Roadmap, keep: np.ndarray, digest: str = "") -> Roadmap:
    """Return the roadmap with some of its edges only; `keep` has shape (edges,), bool."""
    g = roadmap.graph
    index = np.flatnonzero(keep)
    graph = directed_graph(g.positions, g.tail[index], g.head[index], g.duration[index])
    arrays = {name: getattr(roadmap, name)[index] for name in ARRAYS}
    return dataclasses.replace(roadmap, graph=graph, digest=digest or roadmap.digest, **arrays)


def merged(roadmap: Roadmap, more: Roadmap) -> Roadmap:
    """Return a roadmap with the edges of both; `more` has all vertices of both and none of the edges of `roadmap`."""
    one, other = roadmap.graph, more.graph
    tail, head = np.concatenate([one.tail, other.tail]), np.concatenate([one.head, other.head])
    order = np.lexsort((head, tail))
    duration = np.concatenate([one.duration, other.duration])[order]
    graph = directed_graph(other.positions, tail[order], head[order], duration)
    arrays = {n: np.concatenate([getattr(roadmap, n), getattr(more, n)])[order] for n in ARRAYS}
    return dataclasses.replace(more, graph=graph, **arrays)


def directed_graph(positions: Array, tail: np.ndarray, head: np.ndarray, duration: Array) -> Graph:
    """Return the graph with these edges, sorted by tail and head; thousands of edges at once.

    Args:
        positions: shape (n, 2). [m]
        tail: vertex at which each edge starts, ascending, shape (m,).
        head: vertex at which each ends, ascending within a tail.
        duration: finite and > 0, shape (m,). [s]

    Raises:
        ConfigError: edges that are not in order, twice the same edge, or a duration that is not a finite time > 0.
    """
    n, m = len(positions), len(tail)
    number = tail.astype(np.int64) * n + head
    if m and ((np.diff(number) <= 0).any() or tail.min() < 0 or max(tail.max(), head.max()) >= n):
        raise ConfigError(
            "edges must be sorted by tail and head, without repetition, between vertices that exist"
        )
    wrong = ~((duration > 0.0) & np.isfinite(duration))
    if wrong.any():
        k = int(np.flatnonzero(wrong)[0])
        raise ConfigError(
            f"edge {tail[k]} -> {head[k]}: its duration {duration[k]} must be a finite time > 0 [s]"
        )
    order = np.lexsort((tail, head)).astype(np.int32)
    first, back_first = (
        np.concatenate(([0], np.cumsum(np.bincount(ends, minlength=n)))).astype(np.int32)
        for ends in (tail, head)
    )
    back = head.astype(np.int64) * n + tail
    place = np.minimum(np.searchsorted(number, back), max(m - 1, 0))
    opposite = np.where(number[place] == back, place, -1) if m else np.empty(0)
    return Graph(
        np.asarray(positions, dtype=np.float64),
        first,
        head.astype(np.int32),
        np.asarray(duration, dtype=np.float64),
        back_first,
        tail[order].astype(np.int32),
        order,
        opposite.astype(np.int32),
    )


def connectivity(roadmap: Roadmap) -> dict[str, Any]:
    """Return a report: components, pairs without a way, degrees."""
    g = roadmap.graph
    table = csr_matrix((np.ones(g.edges), g.head, g.first), shape=(g.vertices, g.vertices))
    strong, label = connected_components(table, directed=True, connection="strong")
    weak, _ = connected_components(table, directed=False)
    sizes = np.bincount(label)
    reached = _reachable(g)
    out, into = np.diff(g.first), np.diff(g.back_first)
    return {
        "vertices": g.vertices,
        "edges": g.edges,
        "strong_components": int(strong),
        "weak_components": int(weak),
        "largest_component": int(sizes.max()),
        "pairs_without_way": int(g.vertices**2 - reached.sum()),
        "no_way_out": int((out == 0).sum()),
        "no_way_in": int((into == 0).sum()),
        "degree": [int(out.min()), float(out.mean()), int(out.max())],
    }


def _reachable(g: Graph) -> np.ndarray:
    """Return which vertex can be reached from which, shape (n, n), bool."""
    out = np.eye(g.vertices, dtype=bool)
    for source in range(g.vertices):
        stack, seen = [source], out[source]
        while stack:
            u = stack.pop()
            for v in g.head[g.first[u] : g.first[u + 1]].tolist():
                if not seen[v]:
                    seen[v] = True
                    stack.append(v)
    return out
