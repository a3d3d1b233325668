# SPDX-License-Identifier: Apache-2.0
r"""The density at any state and time: characteristics run backward, and forward where that is ill-conditioned.

    ln rho(x, t) = ln rho_0(x0) + g(x0, t),    x0 = Phi_-t(x)

x0 is found by integrating backward from x, which carries the inverse tangent DPhi_t(x0)^-1 along. The flow is then run
forward again: the distance r = x - Phi_t(x0) by which it misses x is the round-trip error, and DPhi_t^-1 r is by how
much x0 is wrong to first order. Under strong contraction r is small while x0 is not, which is why the answer is judged
by the latter. Where it is too large, or the backward run escapes, particles of rho_0 are run forward and the nearest
one's local affine map Phi_t(z + d) = Phi_t(z) + DPhi_t(z) d is solved for x, repeatedly (Newton's method), so that the
answer does not rest on how near the particle was. Maps, which have no backward run, always go this way; they must be
injective on the support of rho_0.

Under contraction beyond double precision one and the same x is reached from states of rho_0 far apart, and the x0
found may lie beside the support though x is reached from it. The nearest such state takes its place,

    x0 + d,    min_d |W (x - Phi_t(x0) - DPhi_t d)|    with x0 + d in the support,    W = diag(1 / (1 + |x|)),

if it leads to x within what integration and rounding can tell; else nothing leads there.

Errors are those against the flow of the chosen fixed steps; what the steps themselves are worth shows by halving them.
At kinks of the field they are worth little: the method "adaptive" (`adaptive.py`) has none of that error.
"""

from functools import lru_cache
from typing import Any, Literal, NamedTuple

import jax
import numpy as np
from scipy.optimize import lsq_linear
from scipy.spatial import KDTree

from reflexarc.core.errors import ConfigError
from reflexarc.core.types import Array
from reflexarc.reach.adaptive import PRECISION, integrate_adaptive
from reflexarc.reach.densities import Density
from reflexarc.reach.flow import batch, cast, check
from reflexarc.reach.liouville import TABLEAUS, Law, Method, integrate, law
from reflexarc.reach.system import ClosedLoop

NEWTON_STEPS = 40
"""Affine maps solved per state before it is given up."""
STUCK = 6
"""Shortenings of a step in a row after which a state is left as it is: rounding stands in the way."""
PROJECTIONS = 4
"""Affine maps solved per state beside the support."""
FIXED_NOISE = 16.0 * float(np.finfo(np.float64).eps)
"""What rounding at least leaves open of a state carried with fixed steps, in parts of 1 + |x|."""
CHOSEN_NOISE = 0.1 * PRECISION
"""What integration at least leaves open of it, and of its tangent, with chosen steps."""
SAME = 100.0
"""Ends that differ by less than so many times that are the same: errors add up over the steps."""
LONGEST = 1.0
"""Longest step of an initial state, in standard deviations of rho_0."""
FAR = 1.0
"""A state from which the backward run escapes, farther than this from all particles (in their standard deviations),
counts as unreached without further search."""
LEAST_BATCH = 512
"""States are padded to a power of two of at least this, so that a shrinking search compiles little."""
FLOOR = 1e-26
"""Smallest variance of the particles in a direction, relative to their squared size, that is told from rounding."""


class Query(NamedTuple):
    """Log-density at N states, and how well it is known."""

    log_density: Array
    """ln rho(x, t), shape (N,); -inf where no state of the support leads there. Where the search did not settle, the
    value at the nearest x0 it came to, as good as `initial_error` says; NaN where that is nothing at all. [nat]"""
    error: Array
    """Round-trip error |x - Phi_t(x0)|, shape (N,); where no x0 was found, the distance to the nearest
    particle."""
    backward: np.ndarray
    """Quality flag, shape (N,) bool: the backward run was good enough. False marks the forward fallback."""
    initial: Array
    """x0, shape (N, n)."""
    initial_error: Array
    """First-order error of x0 in standard deviations of rho_0, largest coordinate, shape (N,): that of the round trip
    and what the precision of x leaves open. The log-density's own error is about this times its slope over one
    standard deviation, which is small where contraction made x0 uncertain."""


class _Found(NamedTuple):
    """What a search knows of N states."""

    gain: Array
    error: Array
    backward: np.ndarray
    x0: Array
    wrong: Array
    """First-order error of x0 by the round trip."""
    open: Array
    """First-order error of x0 by the precision of x."""


def log_density(
    system: ClosedLoop,
    initial: Density,
    x: Array,
    steps: int | None = None,
    *,
    parameters: Any = None,
    start: float = 0.0,
    method: Method | Literal["adaptive"] = "tsit5",
    substeps: int | None = None,
    tolerance: float = 1e-6,
    particles: int = 2000,
) -> Query:
    """Return ln rho(x, start + steps dt) in double precision.

    Args:
        system: what carries the density.
        initial: rho_0, the density at time `start`.
        x: states, shape (N, n).
        steps: outputs of length dt between; None takes the system's horizon.
        parameters: p of the field; None takes the system's.
        start: time of rho_0. [s]
        method: "rk4" or "tsit5" with fixed steps, or "adaptive" for flows with kinks, such as ReLU controllers.
        substeps: fixed integrator steps per output; None takes the system's.
        tolerance: largest accepted error of x0, in standard deviations of rho_0.
        particles: particles of rho_0 for the fallback; drawn only where it is needed, with a fixed seed.

    Raises:
        ConfigError: sizes that differ, fewer than one step, states that are not finite, or as `Flow` for the system.
    """
    steps = system.steps if steps is None else int(steps)
    substeps = system.substeps if substeps is None else int(substeps)
    x = batch(system, x, "float64")
    if initial.n != system.n:
        raise ConfigError(
            f"the initial density has {initial.n} states, {system.name} {system.n}; they must agree"
        )
    methods = (*TABLEAUS, "adaptive") if system.kind == "flow" else tuple(TABLEAUS)
    if steps < 1 or substeps < 1 or particles < 1 or method not in methods:
        raise ConfigError(
            f"steps {steps}, substeps {substeps} and particles {particles} must be at least 1 and the method "
            f"{method!r} one of {', '.join(methods)}"
        )
    if not np.isfinite(x).all():
        raise ConfigError(f"{(~np.isfinite(x)).any(axis=1).sum()} of {len(x)} states are not finite")
    check(system)
    search = _Search(
        system,
        initial,
        cast(parameters, system, "float64"),
        start,
        steps,
        method,
        substeps,
        tolerance,
        particles,
    )
    with jax.enable_x64(True), np.errstate(all="ignore"):  # what is not finite is sorted out below
        found = search.backward(x)
        if not found.backward.all():
            found = search.forward(x, found)
        found = search.inside(x, found)
        at_start = initial.log_density(np.nan_to_num(found.x0))
        value = np.where(np.isinf(found.gain), -np.inf, at_start + found.gain)
    return Query(value, found.error, found.backward, found.x0, found.wrong + found.open)


class _Search(NamedTuple):
    """One query's settings and its ways to find x0."""

    system: ClosedLoop
    initial: Density
    parameters: Any
    start: float
    steps: int
    method: Method | Literal["adaptive"]
    substeps: int
    tolerance: float
    particles: int

    def run(self, x: Array, back: bool = False) -> tuple[Array, Array, Array]:
        """Return the last states, whole gains and tangents of states (N, n)."""
        return self._call(x, "back" if back else "forth")

    def ends(self, x: Array) -> Array:
        """Return the last states alone."""
        return self._call(x, "ends")[0]

    def _call(self, x: Array, what: str) -> Any:
        least = 1 if self.method == "adaptive" else LEAST_BATCH
        size = max(least, 2 ** (len(x) - 1).bit_length())
        padded = np.concatenate([x, np.repeat(x[-1:], size - len(x), axis=0)])
        if self.method == "adaptive":
            function, horizon = _adaptive(law(self.system), what), self.steps * self.system.dt
            arrays = function(padded, np.float64(horizon), self.parameters, np.float64(self.start))
        else:
            function = _compiled(law(self.system), self.method, self.substeps, self.steps, what)
            arrays = function(padded, self.parameters, np.float64(self.start))
        return tuple(np.asarray(a)[: len(x)] for a in arrays)

    def spread(self) -> Array:
        """Return the standard deviations of rho_0, shape (n,)."""
        return self.initial.sample(np.random.default_rng(0), 1000).std(axis=0)

    @property
    def noise(self) -> float:
        """What integration and rounding at least leave open of a state, in parts of 1 + |x|."""
        return CHOSEN_NOISE if self.method == "adaptive" else FIXED_NOISE

    def left_open(self, x: Array, inverse: Array) -> Array:
        """Return how far x0 may be off because of it, in standard deviations, shape (N,)."""
        shift = np.einsum("nij,nj->ni", np.abs(inverse), self.noise * (1.0 + np.abs(x)))
        return np.asarray((shift / self.spread()).max(axis=1))

    def backward(self, x: Array) -> _Found:
        """Return x0 by a backward run, judged by a forward one."""
        if self.system.kind == "map":
            nothing = np.full(len(x), np.inf)
            nowhere = np.full(x.shape, np.nan)
            return _Found(nowhere[:, 0], nothing, np.zeros(len(x), bool), nowhere, nothing, nothing)
        x0, gain, inverse = self.run(x, back=True)
        miss = x - self.ends(x0)
        error = np.linalg.norm(miss, axis=1)
        wrong = np.abs(np.einsum("nij,nj->ni", inverse, miss) / self.spread()).max(axis=1)
        wrong = np.where(np.isfinite(wrong) & np.isfinite(gain), wrong, np.inf)
        error = np.nan_to_num(error, nan=np.inf)
        return _Found(gain, error, wrong <= self.tolerance, x0, wrong, self.left_open(x, inverse))

    def forward(self, x: Array, found: _Found) -> _Found:
        """Improve what the backward run did not find."""
        cloud = self.initial.sample(np.random.default_rng(1), self.particles)
        ends = self.ends(cloud)
        alive = np.isfinite(ends).all(axis=1)
        if not alive.any():
            raise ConfigError(
                f"{self.system.name}: none of {self.particles} particles of the initial density stays finite over "
                f"{self.steps * self.system.dt:g} s"
            )
        distance, nearest = _nearest(ends[alive], x)
        lost = ~np.isfinite(found.wrong)
        reach = FAR if self.system.kind == "flow" else np.inf
        start = np.where((found.wrong > LONGEST)[:, None], cloud[alive][nearest], found.x0)
        active = np.flatnonzero(~found.backward & (~lost | (distance <= reach)))
        new = self.newton(x, start, active, SAME * self.noise)
        blurred = np.isfinite(new.wrong) & (new.wrong + SAME * new.open > self.tolerance)
        new = _choose(blurred, self.newton(x, new.x0, np.flatnonzero(blurred), self.noise), new)
        result = _choose(new.wrong < found.wrong, new, found)
        nothing = lost & ~np.isfinite(result.wrong)
        apart = np.linalg.norm(x - ends[alive][nearest], axis=1)
        return result._replace(
            gain=np.where(nothing, -np.inf if self.system.kind == "flow" else np.nan, result.gain),
            error=np.where(nothing, apart, result.error),
        )

    def inside(self, x: Array, found: _Found) -> _Found:
        """Move x0 beside the support of rho_0 into it where x does not tell it from a state inside."""
        low, high = self.initial.support
        spread, weight = self.spread(), 1.0 / (SAME * self.noise * (1.0 + np.abs(x)))
        found = _Found(*(a.copy() for a in found))
        beside = (np.abs(found.x0 - found.x0.clip(low, high)) / spread).max(axis=1)
        active = np.flatnonzero(
            np.isfinite(found.gain) & (beside > 0.0) & (beside <= found.wrong + SAME * found.open)
        )
        at = found.x0.clip(low, high)
        for _ in range(PROJECTIONS):
            if len(active) == 0:
                break
            end, gain, tangent = self.run(at[active])
            miss = x[active] - end
            same = (np.abs(miss) * weight[active] <= 1.0).all(axis=1) & np.isfinite(gain)
            which = active[same]
            found.x0[which], found.gain[which] = at[which], gain[same]
            found.error[which] = np.linalg.norm(miss[same], axis=1)
            rest = ~same & np.isfinite(miss).all(axis=1) & np.isfinite(tangent).all(axis=(1, 2))
            active = active[rest]
            for i, r, t in zip(active, miss[rest], tangent[rest] * spread, strict=True):
                bounds = ((low - at[i]) / spread, (high - at[i]) / spread)
                step = spread * lsq_linear(weight[i, :, None] * t, weight[i] * r, bounds, "bvls").x
                at[i] = (at[i] + step).clip(low, high)
        return found

    def correction(self, tangent: Array, miss: Array, x: Array, noise: float) -> Array:
        """Return the d (N, n), in standard deviations of rho_0, that makes up for a miss r:

        min_d |W (r - DPhi S d)|^2 + |d|^2,    W = diag(1 / (noise (1 + |x|))),    S = diag(spread).

        That is DPhi^-1 r, but for directions in which a standard deviation moves the end by less than noise: there d
        is about 0. NaN where tangent or miss is not finite.
        """
        weight = 1.0 / (noise * (1.0 + np.abs(x)))
        matrix, right = weight[:, :, None] * tangent * self.spread(), weight * miss
        whole = np.isfinite(matrix).all(axis=(1, 2)) & np.isfinite(right).all(axis=1)
        d = np.full(miss.shape, np.nan)
        u, s, vt = np.linalg.svd(matrix[whole])
        along = np.einsum("nji,nj->ni", u, right[whole]) * s / (1.0 + s**2)
        d[whole] = np.einsum("nji,nj->ni", vt, along)
        return d

    def newton(self, x: Array, x0: Array, active: np.ndarray, noise: float) -> _Found:
        """Solve Phi_t(x0) = x from given starts for the states of the given indices, but for `noise`.

        Steps are shortened until the miss, pulled back by the old tangent, decreases (natural monotonicity,
        Deuflhard, Newton Methods for Nonlinear Problems, 2004): the miss itself says little under contraction.
        """
        count, n = x.shape
        spread = self.spread()
        x0, at, factor = x0.copy(), x0.copy(), np.ones(count)
        gain, error, wrong = np.full(count, np.nan), np.full(count, np.inf), np.full(count, np.inf)
        stuck = np.zeros(count, int)
        step, tangent = np.full((count, n), np.inf), np.broadcast_to(np.eye(n), (count, n, n)).copy()
        for _ in range(NEWTON_STEPS):
            if len(active) == 0:
                break
            end, change, local = self.run(at[active])
            miss = x[active] - end
            pulled = np.abs(self.correction(tangent[active], miss, x[active], noise)).max(axis=1)
            better = (pulled < wrong[active]) & np.isfinite(change)
            stuck[active] = np.where(better, 0, stuck[active] + 1)
            which = active[better]
            x0[which], gain[which], tangent[which] = at[which], change[better], local[better]
            error[which] = np.linalg.norm(miss, axis=1)[better]
            step[which] = self.correction(local[better], miss[better], x[which], noise)
            wrong[which] = np.abs(step[which]).max(axis=1)
            factor[active] = np.where(better, np.minimum(1.0, 2.0 * factor[active]), factor[active] / 4.0)
            factor[active] = np.minimum(factor[active], LONGEST / wrong[active])
            active = active[
                np.isfinite(wrong[active]) & (wrong[active] > self.tolerance) & (stuck[active] < STUCK)
            ]
            at[active] = x0[active] + factor[active, None] * spread * step[active]
        left = self.left_open(x, _inverse(tangent))
        return _Found(gain, error, np.zeros(count, bool), x0, wrong, left)


@lru_cache(maxsize=64)
def _adaptive(law: Law, what: str) -> Any:
    """As `_compiled`, for any horizon."""

    def function(x: Any, horizon: Any, parameters: Any, start: Any) -> Any:
        return integrate_adaptive(
            law, x, horizon, parameters, start, tangent=what != "ends", back=what == "back"
        )

    return jax.jit(function)


@lru_cache(maxsize=64)
def _compiled(law: Law, method: Method, substeps: int, steps: int, what: str) -> Any:
    """Compile the last states, with gains and tangents unless `what` is "ends"; backward if it is "back"."""

    def function(x: Any, parameters: Any, start: Any) -> Any:
        rich, back = what != "ends", what == "back"
        result = integrate(
            law, x, steps, substeps, method, parameters, start, gain=rich, tangent=rich, back=back
        )
        return (result[1][-1], result[2][0 if back else -1], result[3]) if rich else (result[1][-1],)

    return jax.jit(function)


def _nearest(ends: Array, x: Array) -> tuple[Array, np.ndarray]:
    """Return distance and index of the nearest end of a particle, in the particles' standard deviations."""
    centre = ends.mean(axis=0)
    values, vectors = np.linalg.eigh(np.atleast_2d(np.cov(ends.T, bias=True)))
    whiten = vectors / np.sqrt(values.clip(FLOOR * (ends**2).max() + 1e-300))
    distance, index = KDTree((ends - centre) @ whiten).query((x - centre) @ whiten)
    return np.asarray(distance), np.asarray(index)


def _choose(first: np.ndarray, a: _Found, b: _Found) -> _Found:
    """Return the rows of `a` where `first` is true, else those of `b`."""
    return _Found(
        *(np.where(first[:, None] if u.ndim == 2 else first, u, v) for u, v in zip(a, b, strict=True))
    )


def _inverse(tangent: Array) -> Array:
    """Return DPhi^-1 per state, infinite where the tangent is not finite or singular."""
    regular = np.abs(np.linalg.det(tangent)) > 0.0  # False for NaN too
    inverse = np.full(tangent.shape, np.inf)
    inverse[regular] = np.linalg.inv(tangent[regular])
    return inverse
