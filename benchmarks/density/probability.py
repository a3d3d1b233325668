# SPDX-License-Identifier: Apache-2.0
r"""What a probability costs, method by method, on the Van der Pol oscillator at t = 1 s.

`box`: P(X_1 in [1.5, 2] x [-0.5, 0.5]) from the uniform box, 0.0606. Sampling methods take as many samples as their
95 % interval needs to reach a given width; the others say what they say, with their own error. `rare`: a half-plane
that a Gaussian start reaches with a probability of about 1e-5.
The truth of both is quadrature of the exact density (backward characteristics), which samples nothing.
"""

import time
from collections.abc import Callable
from typing import Any

import hj_reachability as hj
import jax.numpy as jnp
import numpy as np
from scipy.integrate import solve_ivp
from scipy.interpolate import RegularGridInterpolator

from reflexarc.core.intervals import clopper_pearson
from reflexarc.core.types import Array
from reflexarc.reach.bracket import bracket, sharpen
from reflexarc.reach.flow import Flow
from reflexarc.reach.initial import Density, Gaussian, Uniform
from reflexarc.reach.query import log_density
from reflexarc.reach.rare import rare_risk
from reflexarc.reach.systems import SYSTEMS

VDP = SYSTEMS["vdp"]
STEPS = 20
"""t = 1 s."""
LOW, HIGH = np.array([1.5, -0.5]), np.array([2.0, 0.5])
DELTA = 0.05
BATCH = 10_000
"""Particles per compiled call."""
START = Gaussian(np.array([0.5, 0.0]), 0.15**2 * np.eye(2))
BEYOND = 0.955
"""The rare event is x1 >= this."""
RARE_SAMPLES = 8_000_000
RARE_CELLS = 20_000
FAR = np.array([4.0, 6.0])
"""Where the density of the rare event's start has long vanished."""


def box_probability(full: bool, progress: Callable[[str], None]) -> dict[str, Any]:
    """Return the probability by every method, with its interval or error and its time.

    Args:
        full: an interval of width 1e-3 instead of 1e-2, and larger grids.
        progress: told what is going on.
    """
    width = 1e-3 if full else 1e-2
    uniform = Uniform(VDP.low, VDP.high)
    truth = quadrature(uniform, LOW, HIGH, 400 if full else 100)
    samples = crude_samples(truth, width)
    rows = []

    def add(
        method: str,
        seconds: float,
        p: float,
        low: float | None = None,
        high: float | None = None,
        **more: Any,
    ):
        rows.append({"method": method, "p": p, "low": low, "high": high, "seconds": round(seconds, 4)} | more)
        progress(f"box by {method}: {seconds:.3g} s")

    nodes = 200 if full else 100
    quadrature(uniform, LOW, HIGH, nodes)
    started = time.perf_counter()
    p = quadrature(uniform, LOW, HIGH, nodes)
    add("exact density, quadrature", time.perf_counter() - started, p, samples=nodes**2)

    flow = Flow(VDP)
    _particles(flow, BATCH, np.random.default_rng(1))
    started = time.perf_counter()
    hits = _particles(flow, samples, np.random.default_rng(1))
    add(
        "particles",
        time.perf_counter() - started,
        hits / samples,
        *clopper_pearson(hits, samples, DELTA),
        samples=samples,
    )

    cells = 10_000 if full else 2500
    for _ in range(2):  # the first compiles
        bounds = bracket(VDP, uniform, LOW, HIGH, steps=STEPS, cells=cells)
    add(
        "interval cells (immrax)",
        bounds.seconds,
        0.5 * (bounds.low + bounds.high),
        bounds.low,
        bounds.high,
        samples=bounds.cells,
    )
    left = float(bounds.masses.sum())
    inside = min(max((truth - bounds.inside) / left, 0.0), 1.0)
    few = max(100, round(crude_samples(inside, width / left) / 100) * 100)
    for _ in range(2):
        risk = sharpen(bounds, flow, uniform, np.random.default_rng(2), few, DELTA, steps=STEPS)
    add(
        "interval cells, rest sampled",
        bounds.seconds + risk.seconds,
        risk.p,
        risk.ci_low,
        risk.ci_high,
        samples=few,
    )

    started = time.perf_counter()
    hits = _numpy(samples, np.random.default_rng(3))
    add(
        "crude Monte Carlo, numpy",
        time.perf_counter() - started,
        hits / samples,
        *clopper_pearson(hits, samples, DELTA),
        samples=samples,
    )
    part = 200 if full else 30
    started = time.perf_counter()
    hits = _scipy(part, np.random.default_rng(4))
    each = (time.perf_counter() - started) / part
    add("crude Monte Carlo, scipy solve_ivp (extrapolated)", each * samples, hits / part, samples=samples)

    seconds, p = _grid_solver((321, 481) if full else (81, 121))
    add("grid, backward reachable set (hj-reachability)", seconds, p)
    return {"truth": truth, "width": width, "rows": rows, "caveat": bounds.caveat}


def rare_event(progress: Callable[[str], None]) -> dict[str, Any]:
    """Return what a rare event costs, and what crude sampling would for an interval of the same width."""
    progress("rare event")
    truth = quadrature(START, np.array([BEYOND, -FAR[1]]), FAR, 200, gauss=True)
    flow = Flow(VDP)

    def score(x: Array) -> Array:
        return BEYOND - flow.run(x, STEPS).x[-1, :, 0]

    score(START.sample(np.random.default_rng(0), BATCH))
    started = time.perf_counter()
    for _ in range(20):
        score(START.sample(np.random.default_rng(0), BATCH))
    each = (time.perf_counter() - started) / (20 * BATCH)
    risk = rare_risk(score, START, np.random.default_rng(5), count=RARE_SAMPLES, parts=1)
    reach = 8.0 * np.sqrt(np.diag(START.cov))
    domain = START.mean - reach, START.mean + reach
    infinite = np.full(2, np.inf)
    for _ in range(2):  # the first compiles
        bounds = bracket(
            VDP, START, np.array([BEYOND, -np.inf]), infinite, steps=STEPS, cells=RARE_CELLS, domain=domain
        )
        rest = sharpen(bounds, flow, START, np.random.default_rng(6), BATCH, DELTA, steps=STEPS)
    rows = []
    for method, found, samples, seconds in (
        ("cross-entropy", risk, risk.n, risk.seconds),
        ("interval cells, rest sampled", rest, BATCH + bounds.cells, bounds.seconds + rest.seconds),
    ):
        crude = crude_samples(truth, found.ci_high - found.ci_low)
        rows.append(
            {
                "method": method,
                "p": found.p,
                "low": found.ci_low,
                "high": found.ci_high,
                "covered": bool(found.ci_low <= truth <= found.ci_high),
                "samples": samples,
                "seconds": round(seconds, 2),
                "crude_samples": crude,
                "crude_seconds": round(crude * each, 1),
                "samples_ratio": round(crude / samples, 1),
                "seconds_ratio": round(crude * each / seconds, 1),
            }
        )
    return {"truth": truth, "rows": rows}


def quadrature(density: Density, low: Array, high: Array, nodes: int, gauss: bool = False) -> float:
    """Integrate the exact density over a box: midpoints, or Gauss-Legendre where it is smooth."""
    if gauss:
        at, weight = np.polynomial.legendre.leggauss(nodes)
        at, weight = 0.5 * (at + 1.0), 0.5 * weight
    else:
        at, weight = (np.arange(nodes) + 0.5) / nodes, np.full(nodes, 1.0 / nodes)
    x = np.stack(np.meshgrid(*(low + (high - low) * at[:, None]).T, indexing="ij"), axis=-1).reshape(-1, 2)
    value = np.exp(log_density(VDP, density, x, STEPS).log_density).reshape(nodes, nodes)
    return float(weight @ value @ weight * np.prod(high - low))


def crude_samples(p: float, width: float) -> int:
    """Return how many samples a 95 % Clopper-Pearson interval at the expected count needs to be as narrow."""
    low, high = 1, 10**12
    while high - low > max(1, low // 1000):
        n = (low + high) // 2
        near, far = clopper_pearson(round(p * n), n, DELTA)
        low, high = (low, n) if far - near <= width else (n, high)
    return high


def _inside(x: Array) -> int:
    return int(((x >= LOW) & (x <= HIGH)).all(axis=1).sum())


def _particles(flow: Flow, count: int, rng: np.random.Generator) -> int:
    uniform = Uniform(VDP.low, VDP.high)
    hits = 0
    for first in range(0, count, BATCH):
        x = flow.run(uniform.sample(rng, BATCH), STEPS).x[-1]
        hits += _inside(x[: count - first])
    return hits


def _numpy(count: int, rng: np.random.Generator) -> int:
    """Count hits as one would by hand: Runge-Kutta of the same step on arrays, in blocks that fit the cache."""
    h = VDP.dt / VDP.substeps

    def field(x: Array) -> Array:
        return np.stack([x[1], (1.0 - x[0] ** 2) * x[1] - x[0]])

    hits = 0
    for first in range(0, count, BATCH):
        x = rng.uniform(-2.5, 2.5, (2, min(BATCH, count - first)))
        for _ in range(STEPS * VDP.substeps):
            a = field(x)
            b = field(x + 0.5 * h * a)
            c = field(x + 0.5 * h * b)
            x = x + h / 6.0 * (a + 2.0 * b + 2.0 * c + field(x + h * c))
        hits += _inside(x.T)
    return hits


def _scipy(count: int, rng: np.random.Generator) -> int:
    """Count hits with scipy's default integrator, one trajectory at a time."""

    def field(_: float, x: Array) -> list[float]:
        return [x[1], (1.0 - x[0] ** 2) * x[1] - x[0]]

    ends = [
        solve_ivp(field, (0.0, 1.0), rng.uniform(-2.5, 2.5, 2), rtol=1e-6, atol=1e-9).y[:, -1]
        for _ in range(count)
    ]
    return _inside(np.array(ends))


class _VanDerPol(hj.dynamics.ControlAndDisturbanceAffineDynamics):
    """The oscillator without inputs."""

    def __init__(self) -> None:
        nothing = hj.sets.Box(jnp.zeros(1), jnp.zeros(1))
        super().__init__("max", "min", nothing, nothing)

    def open_loop_dynamics(self, state: Any, time: Any) -> Any:
        return jnp.array([state[1], (1.0 - state[0] ** 2) * state[1] - state[0]])

    def control_jacobian(self, state: Any, time: Any) -> Any:
        return jnp.zeros((2, 1))

    disturbance_jacobian = control_jacobian


def _grid_solver(shape: tuple[int, int]) -> tuple[float, float]:
    """Return time and P_0 of the set that is in the box after 1 s, from a level-set method; compiled before."""
    domain = hj.sets.Box(np.array([-4.0, -6.0]), np.array([4.0, 6.0]))
    grid = hj.Grid.from_lattice_parameters_and_boundary_conditions(domain, shape)
    settings = hj.SolverSettings.with_accuracy("very_high")
    depth = jnp.maximum(LOW - grid.states, grid.states - HIGH).max(axis=-1)
    dynamics = _VanDerPol()
    hj.step(settings, dynamics, grid, 0.0, depth, -1.0, progress_bar=False).block_until_ready()
    started = time.perf_counter()
    value = np.asarray(hj.step(settings, dynamics, grid, 0.0, depth, -1.0, progress_bar=False))
    seconds = time.perf_counter() - started
    axes = [np.asarray(v) for v in grid.coordinate_vectors]
    fine = (np.arange(1000) + 0.5) / 1000 * 5.0 - 2.5
    x = np.stack(np.meshgrid(fine, fine, indexing="ij"), axis=-1)
    return seconds, float(np.mean(RegularGridInterpolator(axes, value)(x) <= 0.0))
