# SPDX-License-Identifier: Apache-2.0
r"""Two-sided brackets of P(X_t in Q) from cells of initial states, without sampling.

The initial states are cut into boxes of exactly known mass. Interval arithmetic of immrax (Harapanahalli, Jafarpour
and Coogan, 2024) makes of the system an embedding system in 2 n states, whose trajectory from a cell's corners encloses
every trajectory from the cell. Then

    sum of masses of cells whose enclosure lies in Q  <=  P(X_t in Q)  <=  1 - sum of masses of cells that miss Q .

Only undecided cells are cut further, the heaviest first, each across its longest edge. What stays undecided can be
sampled (`sharpen`): the interval is then as narrow as that of 1 / undecided times as many crude samples.

The embedding is integrated by the classical Runge-Kutta method, rounded to nearest, with no remainder term: the
bracket is guaranteed up to that error, and says so.
"""

import time
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from reflexarc.core.errors import ConfigError
from reflexarc.core.intervals import clopper_pearson, clopper_pearson_upper
from reflexarc.core.types import Array
from reflexarc.reach.inclusion import encloser
from reflexarc.reach.initial import Density, Gaussian, Mixture, Truncated, Uniform
from reflexarc.reach.risk import Risk
from reflexarc.reach.system import ClosedLoop

CAVEAT = (
    "guaranteed up to integrator error: the embedding system is integrated by a Runge-Kutta method without a remainder "
    "term, rounded to nearest"
)


FIRST = 1024
"""Most cells before anything is known."""


class Bracket(NamedTuple):
    """Bounds of the probability that the state is in a box at a time."""

    low: float
    high: float
    inside: float
    """Mass of the cells that surely end in the box."""
    missing: float
    """Mass outside the domain that was cut into cells, and error of the cells' masses; all of it may end in the box."""
    cells: int
    """Cells enclosed."""
    corners: Array
    """Lower and upper corners of the undecided cells, shape (2, m, n)."""
    masses: Array
    """Of the undecided cells, shape (m,)."""
    query: Array
    """Lower and upper corner of the box, shape (2, n)."""
    seconds: float
    """Wall time, compilation included. [s]"""
    caveat: str = CAVEAT
    """What the guarantee leaves out; print it beside the numbers."""


def bracket(
    system: ClosedLoop,
    density: Density,
    low: npt.ArrayLike,
    high: npt.ArrayLike,
    *,
    steps: int | None = None,
    cells: int = 10_000,
    width: float = 0.0,
    domain: tuple[npt.ArrayLike, npt.ArrayLike] | None = None,
    substeps: int | None = None,
    parameters: Any = None,
    start: float = 0.0,
) -> Bracket:
    """Return bounds of the probability that the state lies in [low, high] after some steps.

    Args:
        system: what moves the states; its field must be made of operations that immrax knows.
        density: of the initial states.
        low: corner of the box, shape (n,); -inf leaves a coordinate free.
        high: opposite corner, inf likewise.
        steps: outputs after the first; None takes the system's horizon.
        cells: how many may be enclosed.
        width: stop once high - low is at most this.
        domain: box of initial states to cut; None takes the density's support, which must then be finite.
        substeps: integrator steps per output; None takes the system's, at least 2.
        parameters: p of the field.
        start: time of the initial states. [s]

    Raises:
        ConfigError: immrax is missing or does not know an operation, a box with low above high, an infinite domain.
    """
    began = time.perf_counter()
    steps = system.steps if steps is None else steps
    query = _box(low, high, system.n, "query")
    ends = density.support if domain is None else domain
    root = _box(*ends, system.n, "domain")
    if not np.isfinite(root).all():
        raise ConfigError(
            "the density has no finite support: say with `domain` which box of it shall be cut into cells"
        )
    substeps = max(system.substeps, 2) if substeps is None else substeps
    enclose = encloser(system, steps, substeps, parameters, start)
    corners = root[:, None]
    total, error = _masses(density, corners)
    outside = max(1.0 - float(total[0]), 0.0)
    while 2 * corners.shape[1] <= min(cells // 8, FIRST):
        corners = _halves(corners, root[1] - root[0])
    masses, errors = _masses(density, corners)
    error += errors
    inside, spent = 0.0, 0
    kept: list[tuple[Array, Array]] = []  # undecided, beyond the budget
    while len(masses):
        reached = enclose(corners)
        spent += len(masses)
        sure = (reached[0] >= query[0]).all(axis=1) & (reached[1] <= query[1]).all(axis=1)
        missed = (reached[0] > query[1]).any(axis=1) | (reached[1] < query[0]).any(axis=1)
        inside += float(masses[sure].sum())
        corners, masses = corners[:, ~(sure | missed)], masses[~(sure | missed)]
        left = (cells - spent) // 2
        order = np.argsort(-masses, kind="stable")
        undecided = float(masses.sum()) + sum(float(m.sum()) for _, m in kept)
        cut = order[: max(left, 0)] if undecided > width else order[:0]
        rest = order[len(cut) :]
        kept.append((corners[:, rest], masses[rest]))
        corners = _halves(corners[:, cut], root[1] - root[0])
        masses, errors = _masses(density, corners)
        error += errors
        corners, masses = corners[:, masses > 0.0], masses[masses > 0.0]
    corners = np.concatenate([c for c, _ in kept], axis=1)
    masses = np.concatenate([m for _, m in kept])
    missing = outside + float(error)
    upper = min(inside + float(masses.sum()) + missing, 1.0)
    seconds = time.perf_counter() - began
    return Bracket(
        max(inside - float(error), 0.0), upper, inside, missing, spent, corners, masses, query, seconds
    )


def sharpen(
    bounds: Bracket,
    flow: Any,
    density: Density,
    rng: np.random.Generator,
    count: int = 10_000,
    delta: float = 0.05,
    *,
    steps: int | None = None,
    parameters: Any = None,
    start: float = 0.0,
) -> Risk:
    """Sample what a bracket left undecided.

    p = inside + undecided * P(X_t in Q | undecided), the latter with its Clopper-Pearson interval.

    Args:
        bounds: of `bracket`, for the same system, steps and parameters.
        flow: of `reflexarc.reach.flow`.
        density: of the initial states.
        rng: source of the draws.
        count: trajectories.
        delta: probability that the interval misses, the bracket's caveat apart.
        steps: as of `bracket`.
        parameters: as of `bracket`.
        start: as of `bracket`. [s]
    """
    began = time.perf_counter()
    undecided = float(bounds.masses.sum())
    hits = 0
    if undecided > 0.0:
        which = rng.choice(len(bounds.masses), count, p=bounds.masses / undecided)
        x0 = _draw(density, bounds.corners[0][which], bounds.corners[1][which], rng)
        x = flow.run(x0, steps=steps, parameters=parameters, start=start).x[-1]
        inside = (x >= bounds.query[0]).all(axis=1) & (x <= bounds.query[1]).all(axis=1)
        hits = int((inside | ~np.isfinite(x).all(axis=1)).sum())  # an escape counts as in the box
    low, high = clopper_pearson(hits, count, delta)
    upper = clopper_pearson_upper(hits, count, delta)
    p = bounds.inside + undecided * hits / count
    ends = (bounds.inside + undecided * end for end in (low, high, upper))
    low, high, upper = (min(end, 1.0) for end in ends)
    low, high, upper = max(low - bounds.missing, 0.0), high + bounds.missing, upper + bounds.missing
    seconds = time.perf_counter() - began
    return Risk(
        p, low, high, upper, count, float(count), seconds, np.array([p]), "interval cells + clopper-pearson"
    )


def _halves(cells: Array, scale: Array) -> Array:
    """Cut every cell (2, m, n) in two across its longest edge relative to `scale`."""
    low, high = cells
    axis = np.argmax((high - low) / np.where(scale > 0.0, scale, 1.0), axis=1)
    row = np.arange(len(axis))
    middle = 0.5 * (low + high)[row, axis]
    left, right = high.copy(), low.copy()
    left[row, axis], right[row, axis] = middle, middle
    return np.stack([np.concatenate([low, right]), np.concatenate([left, high])])


def _masses(density: Density, cells: Array) -> tuple[Array, float]:
    """Return the masses of cells (2, m, n) and the sum of their errors."""
    low, high = cells
    if isinstance(density, Uniform):
        overlap = np.minimum(high, density.high) - np.maximum(low, density.low)
        return (overlap.clip(0.0) / (density.high - density.low)).prod(axis=1), 0.0
    if isinstance(density, Gaussian) and density.independent:
        from scipy.special import ndtr  # noqa: PLC0415 - only here

        scale = np.diag(density.root)
        a, b = (low - density.mean) / scale, (high - density.mean) / scale
        flip = a > 0.0  # the smaller tail keeps its digits
        return (ndtr(np.where(flip, -a, b)) - ndtr(np.where(flip, -b, a))).prod(axis=1), 0.0
    each = [density.mass(a, b) for a, b in zip(low, high, strict=True)]
    return np.array([m.value for m in each]), float(sum(m.error for m in each))


def _draw(density: Density, low: Array, high: Array, rng: np.random.Generator) -> Array:
    """Draw one initial state in each cell [low, high], shape (m, n) each."""
    if isinstance(density, Uniform):
        return rng.uniform(np.maximum(low, density.low), np.minimum(high, density.high))
    if isinstance(density, Gaussian) and density.independent:
        from scipy.stats import truncnorm  # noqa: PLC0415 - only here

        mean, scale = density.mean, np.diag(density.root)
        a, b = (low - mean) / scale, (high - mean) / scale
        return np.asarray(truncnorm.rvs(a, b, mean, scale, random_state=rng))
    x = np.empty(low.shape)
    if isinstance(density, Mixture):
        share = np.array([_masses(part, np.stack([low, high]))[0] for part in density.parts])
        share = np.cumsum(share * density.weights[:, None], axis=0)
        which = (rng.random(len(low)) * share[-1] > share).sum(axis=0)
        for k, part in enumerate(density.parts):
            x[which == k] = _draw(part, low[which == k], high[which == k], rng)
        return x
    cells, inverse = np.unique(np.hstack([low, high]), axis=0, return_inverse=True)
    for k, cell in enumerate(cells):
        chosen = inverse == k
        x[chosen] = Truncated(density, *np.split(cell, 2)).sample(rng, int(chosen.sum()))
    return x


def _box(low: npt.ArrayLike, high: npt.ArrayLike, n: int, name: str) -> Array:
    ends = np.array(
        [np.broadcast_to(np.asarray(low, float), (n,)), np.broadcast_to(np.asarray(high, float), (n,))]
    )
    if not (ends[0] <= ends[1]).all():  # also catches NaN
        raise ConfigError(
            f"{name}: the lower corner {ends[0].tolist()} must not exceed the upper {ends[1].tolist()}"
        )
    return ends
