# SPDX-License-Identifier: Apache-2.0
r"""Process noise: densities through dX = f(X, t, p) dt + sigma dW by the probability-flow equation.

The Fokker-Planck equation of additive noise, D = sigma sigma^T, is the Liouville equation of

    x' = f(x, t, p) - 1/2 D s(x, t),    s = grad ln rho,    d/dt ln rho = -div f + 1/2 tr(D grad s)

(Maoutsa, Reich and Opper, Entropy 22, 2020): particles that follow it have the law of X and carry its log-density. They
are not paths of X: probabilities at one time are right, those of touching something within a time are not. The score s
is not known; two closures give it:

"gaussian": s = -P^-1 (x - m) with m' = f(m), P' = Df(m) P + P Df(m)^T + D, from the mean and covariance of rho_0.
    Exact to the integrator's error where f is linear in x and rho_0 Gaussian, whatever the particles are. Elsewhere it
    is a linearisation about the mean.
"ensemble": s = grad phi with a polynomial phi, fitted to the particles in every stage by score matching (Hyvarinen,
    JMLR 6, 2005): min mean(|grad phi|^2 / 2 + Laplace phi), which is a linear equation. Approximate: exact only for
    densities exp(polynomial of that order), with the particles' sampling error of order N^-1/2; a density with edges
    (a box) is smoothed over too early, and tails beyond all particles are extrapolated. The particles must be
    independent draws of rho_0, or points that stand for it as well.
"""

from functools import lru_cache
from itertools import combinations_with_replacement
from typing import Any, Literal

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from reflexarc.core.errors import ConfigError
from reflexarc.reach.densities import Density, Gaussian
from reflexarc.reach.flow import Bundle, batch, cast, check
from reflexarc.reach.liouville import TABLEAUS, Law, Method, divergence_at, law, runge_kutta
from reflexarc.reach.system import ClosedLoop

Closure = Literal["gaussian", "ensemble"]

MOMENTS = 20_000
"""Draws of rho_0 for its mean and covariance where it is not a Gaussian."""
RIDGE = 1e-6
"""Ridge of the score's normal equations in standardised coordinates, relative to their mean diagonal."""
FEWEST = 10
"""Particles needed per coefficient of the fitted score."""


class NoisyFlow:
    """A compiled integrator of one system with additive noise.

    Args:
        system: the drift f; flows only.
        sigma: noise input matrix, shape (n, m), in the state's units per square root of a second. 0 is allowed.
        closure: "gaussian" or "ensemble", see the module.
        order: order of the polynomial phi of the ensemble closure, even; 2 is a Gaussian fitted to the particles.
        method: "rk4" or "tsit5".
        dtype: "float32" or "float64".
        substeps: integrator steps per output; None takes the system's.

    Raises:
        ConfigError: a map, a sigma of the wrong shape or not finite, an unknown setting, or as `Flow` for the system.
    """

    def __init__(
        self,
        system: ClosedLoop,
        sigma: Any,
        closure: Closure = "gaussian",
        order: int = 4,
        method: Method = "rk4",
        dtype: Literal["float32", "float64"] = "float32",
        substeps: int | None = None,
    ):
        sigma = np.asarray(sigma, dtype=np.float64)
        if sigma.ndim != 2 or len(sigma) != system.n or not np.isfinite(sigma).all():
            raise ConfigError(
                f"{system.name}: sigma must be finite and of shape ({system.n}, m), got {sigma.shape}"
            )
        if system.kind == "map":
            raise ConfigError(f"{system.name}: process noise is carried through flows, not through maps")
        if (
            closure not in ("gaussian", "ensemble")
            or method not in TABLEAUS
            or dtype not in ("float32", "float64")
        ):
            raise ConfigError(
                f"closure {closure!r}, method {method!r}, dtype {dtype!r}: allowed are gaussian and ensemble, "
                f"{' and '.join(TABLEAUS)}, float32 and float64"
            )
        substeps = system.substeps if substeps is None else substeps
        if order < 2 or order % 2 or substeps < 1:
            raise ConfigError(f"order {order} must be even and at least 2, substeps {substeps} at least 1")
        check(system)
        self.system, self.diffusion, self.closure = system, sigma @ sigma.T, closure
        self.order, self.method, self.dtype, self.substeps = order, method, dtype, substeps

    def run(
        self,
        initial: Density,
        x0: np.ndarray,
        steps: int | None = None,
        parameters: Any = None,
        start: float = 0.0,
    ) -> Bundle:
        """Carry particles and their log-density forward.

        Args:
            initial: rho_0; its moments start the Gaussian closure.
            x0: states at time `start`, shape (N, n); for the ensemble closure independent draws of `initial`.
            steps: outputs after the first; None takes the system's horizon.
            parameters: p of the field; None takes the system's.
            start: time of x0. [s]

        Returns:
            As `Flow.run`: ln rho(x(t), t) = ln rho_0(x0) + gain.

        Raises:
            ConfigError: shapes that do not fit, fewer than one step, or too few particles for the ensemble closure.
        """
        system = self.system
        x0 = batch(system, x0, self.dtype)
        steps = system.steps if steps is None else int(steps)
        if initial.n != system.n:
            raise ConfigError(
                f"the initial density has {initial.n} states, {system.name} {system.n}; they must agree"
            )
        if steps < 1 or not np.isfinite(start):
            raise ConfigError(f"steps: {steps} must be at least 1 and start {start} s finite")
        powers = exponents(system.n, self.order)
        if self.closure == "ensemble" and len(x0) < FEWEST * len(powers):
            raise ConfigError(
                f"a score with {len(powers)} coefficients needs at least {FEWEST * len(powers)} particles, got "
                f"{len(x0)}"
            )
        mean, cov = _moments(initial)
        function = _compiled(law(system), self.closure, self.order, self.method, self.substeps, steps)
        with jax.enable_x64(self.dtype == "float64"):
            arrays = [a.astype(self.dtype) for a in (mean, cov, self.diffusion)]
            path, gain = function(
                x0, *arrays, cast(parameters, system, self.dtype), np.asarray(start, self.dtype)
            )
            path, gain = np.asarray(path), np.asarray(gain)
        return Bundle(start + system.dt * np.arange(steps + 1), path, gain)


def exponents(n: int, order: int) -> np.ndarray:
    """Return the exponents of the monomials of degree 1 to `order` in n variables, shape (count, n)."""
    rows = [c for d in range(1, order + 1) for c in combinations_with_replacement(range(n), d)]
    return np.array([np.bincount(c, minlength=n) for c in rows])


def _moments(initial: Density) -> tuple[np.ndarray, np.ndarray]:
    if isinstance(initial, Gaussian):
        return initial.mean, initial.cov
    x = initial.sample(np.random.default_rng(0), MOMENTS)
    return x.mean(axis=0), np.cov(x.T).reshape(initial.n, initial.n)


@lru_cache(maxsize=64)
def _compiled(law: Law, closure: Closure, order: int, method: Method, substeps: int, steps: int) -> Any:
    """Compile the scan over outputs; what is carried has the particles along the last axis."""

    def function(x0: Any, mean: Any, cov: Any, diffusion: Any, p: Any, start: Any) -> Any:
        n, dtype = x0.shape[1], x0.dtype
        powers = exponents(n, order)

        def drift(x: Any, t: Any) -> tuple[Any, Any]:
            rate = jnp.asarray(law.field(x, t, p), dtype)
            return rate, jnp.asarray(divergence_at(law, x, t, p), dtype)

        def rates(y: Any, t: Any) -> Any:
            x = y["x"]
            rate, div = jax.vmap(drift, in_axes=(1, None), out_axes=(1, 0))(x, t)
            moments = {}
            if closure == "gaussian":
                precision = jnp.linalg.inv(y["cov"])
                score = -precision @ (x - y["mean"][:, None])
                curvature = -jnp.sum(diffusion * precision)
                slope = jax.jacfwd(law.field)(y["mean"], t, p) @ y["cov"]
                moments = {
                    "mean": jnp.asarray(law.field(y["mean"], t, p), dtype),
                    "cov": jnp.asarray(slope + slope.T + diffusion, dtype),
                }
            else:
                score, curvature = _matched(x, diffusion, powers)
            return {"x": rate - 0.5 * diffusion @ score, "gain": -div + 0.5 * curvature, **moments}

        def substep(k: Any, y: Any) -> Any:
            h = law.dt / substeps
            return runge_kutta(rates, y, start + h * jnp.asarray(k, dtype), h, method)

        def step(y: Any, k: Any) -> Any:
            y = lax.fori_loop(0, substeps, lambda j, y: substep(k * substeps + j, y), y)
            return y, (y["x"].T, y["gain"])

        y = {"x": x0.T, "gain": jnp.zeros(len(x0), dtype)}
        if closure == "gaussian":
            y |= {"mean": mean, "cov": cov}
        _, (path, gain) = lax.scan(step, y, jnp.arange(steps))
        return jnp.concatenate([x0[None], path]), jnp.concatenate([jnp.zeros_like(gain[:1]), gain])

    return jax.jit(function)


def _matched(x: Any, diffusion: Any, powers: np.ndarray) -> tuple[Any, Any]:
    """Fit the score to particles (n, N); return it, shape (n, N), and tr(D grad s), shape (N,).

    The polynomial lives in whitened coordinates z = L^-1 (x - m), in which the normal equations are well-posed.
    """
    n, count = x.shape
    centre = x.mean(axis=1, keepdims=True)
    root = jnp.linalg.cholesky((x - centre) @ (x - centre).T / count)
    z = jax.scipy.linalg.solve_triangular(root, x - centre, lower=True)

    def basis(z: Any) -> Any:
        return jnp.stack([jnp.prod(jnp.stack([z[i] ** int(e) for i, e in enumerate(row)])) for row in powers])

    gradient = jax.vmap(jax.jacfwd(basis), in_axes=1)(z)  # (N, count, n)
    hessian = jax.vmap(jax.jacfwd(jax.jacfwd(basis)), in_axes=1)(z)  # (N, count, n, n)
    normal = jnp.einsum("kai,kbi->ab", gradient, gradient) / count
    right = -jnp.einsum("kaii->a", hessian) / count
    normal = normal + RIDGE * jnp.trace(normal) / len(powers) * jnp.eye(len(powers), dtype=x.dtype)
    weights = jnp.linalg.solve(normal, right)
    inverse = jax.scipy.linalg.solve_triangular(root, jnp.eye(n, dtype=x.dtype), lower=True)
    score = inverse.T @ jnp.einsum("kai,a->ik", gradient, weights)
    whitened = inverse @ diffusion @ inverse.T
    return score, jnp.einsum("kaij,a,ij->k", hessian, weights, whitened)
