# SPDX-License-Identifier: Apache-2.0
r"""The probability that a plan touches anything within its whole horizon, with an interval that holds.

    p = P(there are t in [0, T] and an obstacle that the footprint at x(t) meets) = sum_i w_i 1[particle i touches]

The union over time and obstacles is taken inside each particle, so nothing is added up or maximised over steps. The
output of the first contact gives the distribution of the time of contact. Unweighted samples get the Clopper-Pearson
interval, weighted ones an empirical Bernstein interval of the self-normalised share. A statement about one of many
candidates or segments is made at delta / statements (Bonferroni).

A particle that leaves every bound inside the horizon counts as a contact. If more than a stated share does, the model
is not believed and the risk is unknown: its interval is [0, 1], so that no limit accepts it.
"""

import math
import time
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from reflexarc.core.errors import ConfigError
from reflexarc.core.intervals import clopper_pearson, clopper_pearson_upper, weighted_share
from reflexarc.core.types import Array
from reflexarc.reach.contact import first_inside, first_touch
from reflexarc.reach.obstacles import Footprint, Surroundings, surround

ESCAPES = 0.01
"""Share of particles that may leave every bound before the risk is called unknown."""


class Touches(NamedTuple):
    """What happens first to each particle."""

    first: npt.NDArray[np.int32]
    """Output at or before which it touches or escapes, -1 for never; shape (N,) or (candidates, N)."""
    escaped: npt.NDArray[np.bool_]
    """Whether it stops being finite before it touches, same shape."""


class Risk(NamedTuple):
    """A probability with its interval."""

    p: float
    """Estimate; NaN where unknown."""
    ci_low: float
    """Lower end of the two-sided interval."""
    ci_high: float
    """Upper end."""
    upper: float
    """One-sided upper bound of the same confidence; what a limit is compared with."""
    n: int
    """Trajectories."""
    ess: float
    """Effective sample size (sum w)^2 / sum w^2."""
    seconds: float
    """Wall time; 0 where only counting was asked for. [s]"""
    first_hit: Array
    """Probability that the first contact is at each output, shape (K + 1,); sums to p."""
    method: str
    """How the interval was made."""
    known: bool = True
    """False: the risk is unknown and must be treated as unacceptable."""
    reason: str = ""
    """Why it is unknown."""
    escaped: int = 0
    """Particles that stopped being finite inside the horizon; each is counted as a contact."""


def touches(
    x: npt.NDArray,
    t: npt.ArrayLike,
    surroundings: Surroundings,
    footprint: Footprint | None = None,
    gain: npt.NDArray | None = None,
) -> Touches:
    """Return what each particle touches first, between outputs too.

    Args:
        x: trajectories (K + 1, N, n), or of several candidates (C, K + 1, N, n); one output is possible.
        t: time of each output, shape (K + 1,), increasing. [s]
        surroundings: of `surround`, drawn for N particles.
        footprint: of the robot; None is a point.
        gain: change of log-density (K + 1, N) of the same bundle; where it is not finite the particle has escaped.

    Raises:
        ConfigError: times that are not finite or do not increase, coordinates that the state does not have, or draws
            for another number of particles.
    """
    footprint = footprint or Footprint()
    dtype = np.float32 if x.dtype == np.float32 else np.float64
    x = np.ascontiguousarray(x, dtype)
    if x.ndim == 4:
        gains = [None] * len(x) if gain is None else gain
        each = [touches(a, t, surroundings, footprint, g) for a, g in zip(x, gains, strict=True)]
        return Touches(np.stack([e.first for e in each]), np.stack([e.escaped for e in each]))
    t = check_times(t, len(x))
    outputs, count, n = x.shape
    planar = any(len(part) for part in (surroundings.draws, surroundings.walls, surroundings.planes))
    _check_coordinates(surroundings, footprint if planar else None, n)
    if surroundings.count != count:
        raise ConfigError(
            f"the surroundings were drawn for {surroundings.count} particles, these are {count}; each needs its own"
        )
    first, escape = np.empty(count, np.int32), np.empty(count, np.int32)
    ix, iy = footprint.position if planar else (0, 0)
    size = np.array([footprint.half_length, footprint.half_width, footprint.radius], dtype)
    ih = footprint.heading if planar and footprint.heading is not None else -1
    draws, bounds, radius, walls, planes = (part.astype(dtype, copy=False) for part in surroundings[:5])
    first_touch(x, t.astype(dtype), ix, iy, ih, size, draws, bounds, radius, walls, planes, first, escape)
    for boxes in surroundings.boxes:
        for low, high in zip(boxes.low, boxes.high, strict=True):
            first_inside(x, np.asarray(boxes.coordinates), low.astype(dtype), high.astype(dtype), first)
    if gain is not None:
        lost = ~np.isfinite(gain)
        if lost.any():
            escape = np.minimum(escape, np.where(lost.any(axis=0), lost.argmax(axis=0), outputs)).astype(
                np.int32
            )
    escaped = escape < first
    first = np.minimum(first, escape)
    return Touches(np.where(first < outputs, first, -1).astype(np.int32), escaped)


def hits(
    x: npt.NDArray, t: npt.ArrayLike, surroundings: Surroundings, footprint: Footprint | None = None
) -> npt.NDArray[np.int32]:
    """Return the output of the first contact or escape of each particle, -1 for none; see `touches`."""
    return touches(x, t, surroundings, footprint).first


def estimate(
    first_hit: npt.NDArray,
    weights: npt.NDArray | None = None,
    delta: float = 0.05,
    *,
    outputs: int,
    bound: float | None = None,
    missing: float = 0.0,
    statements: int = 1,
    escaped: int = 0,
    escapes: float = ESCAPES,
    seconds: float = 0.0,
) -> Risk:
    """Return the risk of one candidate from the first contacts of its particles.

    Args:
        first_hit: of `hits`, shape (N,).
        weights: of the particles, in any scale, shape (N,); None is equal weights of independent draws.
        delta: probability that any of the statements' intervals misses.
        outputs: K + 1.
        bound: largest possible weight in the same scale, known from the densities and not from the sample.
        missing: mass of the density where no particle can be; all of it may touch.
        statements: candidates times segments that share delta.
        escaped: how many of the contacts are escapes.
        escapes: share of escapes beyond which the risk is unknown.
        seconds: wall time to report. [s]

    Raises:
        ConfigError: no particles, weights without a bound, statements below 1, or delta outside (0, 1).
    """
    count = len(first_hit)
    if count == 0 or statements < 1:
        raise ConfigError(f"a risk needs particles and at least one statement, got {count} and {statements}")
    if escaped > escapes * count:
        reason = f"{escaped} of {count} trajectories leave every bound inside the horizon; at most {escapes:.2%} may"
        return unknown(reason, outputs, count, seconds, escaped)
    share = delta / statements
    hit = first_hit >= 0
    if weights is None:
        total = int(hit.sum())
        low, high = clopper_pearson(total, count, share)
        upper = clopper_pearson_upper(total, count, share)
        p, ess, method, mass = total / count, float(count), "clopper-pearson", np.ones(count)
    else:
        mass = np.asarray(weights, dtype=np.float64)
        if bound is None:
            raise ConfigError(
                "weighted samples need the largest possible weight; without it no interval holds"
            )
        if not math.isfinite(bound):
            reason = "the weights have no known bound, so no interval holds; draw from a wider proposal"
            return unknown(reason, outputs, count, seconds, escaped)
        low, high = weighted_share(hit, mass, bound, share)
        upper = weighted_share(hit, mass, bound, min(2.0 * share, 0.999))[1]
        covered = 1.0 - missing
        low, high, upper = covered * low, covered * high + missing, covered * upper + missing
        p, ess = covered * float(mass[hit].sum() / mass.sum()), float(mass.sum() ** 2 / (mass**2).sum())
        method = "empirical-bernstein"
    when = np.bincount(first_hit[hit], weights=mass[hit], minlength=outputs)
    when = np.asarray(when * (p / max(float(when.sum()), 1e-300)), dtype=np.float64)
    return Risk(p, low, high, upper, count, ess, seconds, when, method, escaped=escaped)


def unknown(reason: str, outputs: int = 1, n: int = 0, seconds: float = 0.0, escaped: int = 0) -> Risk:
    """Return the risk of something that cannot be judged: no estimate, interval [0, 1], `known` False."""
    nothing = np.full(outputs, math.nan)
    return Risk(math.nan, 0.0, 1.0, 1.0, n, 0.0, seconds, nothing, "none", False, reason, escaped)


def touch_risk(
    flow: Any,
    particles: Any,
    obstacles: Any,
    footprint: Footprint | None = None,
    *,
    rng: np.random.Generator,
    steps: int | None = None,
    parameters: Any = None,
    start: float = 0.0,
    delta: float = 0.05,
    statements: int = 1,
    final: bool = False,
) -> Risk:
    """Carry particles through a flow and return the risk that they touch anything.

    Args:
        flow: of `reflexarc.reach.flow`.
        particles: of `reflexarc.reach.initial`, independent draws with or without weights.
        obstacles: one or several of `reflexarc.reach.obstacles`.
        footprint: of the robot; None is a point.
        rng: source of the discs' draws; not the generator state that the particles came from.
        steps: outputs after the first; None takes the system's horizon.
        parameters: p of the field.
        start: time of the particles. [s]
        delta: probability that the interval misses.
        statements: candidates times segments that share delta.
        final: ask for contact at the last output alone, not on the way.

    Raises:
        ConfigError: parameters that hold a number that is not finite, or as of `touches` and `estimate`.
    """
    began = time.perf_counter()
    check_finite(parameters, "parameters")
    bundle = flow.run(particles.x, steps=steps, parameters=parameters, start=start)
    surroundings = surround(obstacles, bundle.x.shape[1], rng, bundle.x.dtype)
    chosen = slice(-1, None) if final else slice(None)
    found = touches(bundle.x[chosen], bundle.t[chosen], surroundings, footprint, bundle.gain[chosen])
    weights = particles.weights
    return estimate(
        found.first,
        None if weights is None else weights.ratio,
        delta,
        outputs=len(bundle.t[chosen]),
        bound=None if weights is None else weights.bound,
        missing=0.0 if weights is None else weights.missing,
        statements=statements,
        escaped=int(found.escaped.sum()),
        seconds=time.perf_counter() - began,
    )


def check_times(t: npt.ArrayLike, count: int) -> Array:
    """Return the times of a plan or bundle, or say what is wrong with them.

    Raises:
        ConfigError: another number of times than `count`, a time that is not finite, or time that does not increase.
    """
    t = np.asarray(t, dtype=np.float64)
    if t.shape != (count,):
        raise ConfigError(f"{count} outputs need {count} times, got shape {t.shape}")
    if not np.isfinite(t).all():
        raise ConfigError(
            f"time {int(np.argmin(np.isfinite(t)))} is {t[~np.isfinite(t)][0]}; times must be finite"
        )
    back = np.diff(t) <= 0.0
    if back.any():
        k = int(np.argmax(back))
        raise ConfigError(
            f"time must increase, but output {k} is at {t[k]:g} s and the next at {t[k + 1]:g} s"
        )
    return t


def check_finite(tree: Any, name: str) -> None:
    """Refuse a number that is not finite anywhere in nested parameters (a plan, references).

    Raises:
        ConfigError: the first such number.
    """
    if tree is None:
        return
    import jax  # noqa: PLC0415 - only trees need it

    for leaf in jax.tree_util.tree_leaves(tree):
        values = np.asarray(leaf)
        if np.issubdtype(values.dtype, np.floating) and not np.isfinite(values).all():
            raise ConfigError(
                f"{name}: {values[~np.isfinite(values)][0]} is not a finite number; nothing was computed"
            )


def _check_coordinates(surroundings: Surroundings, footprint: Footprint | None, n: int) -> None:
    used = [c for boxes in surroundings.boxes for c in boxes.coordinates]
    if footprint is not None:
        used += [*footprint.position, *([] if footprint.heading is None else [footprint.heading])]
    if any(not 0 <= c < n for c in used):
        raise ConfigError(f"coordinates {sorted(set(used))} are asked for, the state has 0 to {n - 1}")
