# SPDX-License-Identifier: Apache-2.0
r"""Initial densities, and particles of one density that speak for another.

A flow does not depend on rho_0: x(t) and g(t) of particles drawn from q_0 serve every rho_0 that q_0 covers, with the
weights

    r_i = rho_0(x_i) / q_0(x_i),    w_i = r_i / sum r,    ess = 1 / sum w_i^2 .

r has mean 1 under q_0 and is what an interval with a known bound needs; w is what a plain average needs.
"""

from typing import NamedTuple

import numpy as np

from reflexarc.core.errors import ConfigError
from reflexarc.core.types import Array
from reflexarc.reach.composed import Mixture, Truncated
from reflexarc.reach.densities import Density, Gaussian, Mass, Uniform
from reflexarc.reach.estimated import Empirical, FromLogDensity

__all__ = [
    "Density",
    "Empirical",
    "FromLogDensity",
    "Gaussian",
    "Mass",
    "Mixture",
    "Particles",
    "Truncated",
    "Uniform",
    "Weights",
    "missing_mass",
    "particles",
    "reweight",
    "weight_bound",
]


class Weights(NamedTuple):
    """Importance weights of particles."""

    w: Array
    """Self-normalised weights, shape (N,), sum 1."""
    ess: float
    """Effective sample size, between 1 and N."""
    bound: float
    """Known upper bound of rho_0 / q_0 over all states; infinity where none is known. The largest weight seen is no
    bound."""
    ratio: Array
    """rho_0 / q_0 at the particles, shape (N,): of mean 1 where q_0 covers rho_0."""
    missing: float
    """Mass of rho_0 outside the support of q_0, which no weight can bring back; add it to every upper bound."""


class Particles(NamedTuple):
    """States that represent a density."""

    x: Array
    """Shape (N, n)."""
    weights: Weights | None
    """None where all count alike."""
    ess: float
    """Effective sample size."""


def reweight(target: Density, proposal: Density, x: Array) -> Weights:
    """Weigh states drawn from one density so that they represent another.

    Args:
        target: rho_0.
        proposal: q_0, from which the states were drawn.
        x: states, shape (N, n).

    Raises:
        ConfigError: sizes that differ, a state that the proposal cannot have drawn, or a target that is zero at all
            states.
    """
    if target.n != proposal.n:
        raise ConfigError(f"the target has {target.n} states, the proposal {proposal.n}; they must agree")
    drawn = proposal.log_density(x)
    if len(drawn) == 0 or not np.isfinite(drawn).all():
        raise ConfigError(
            f"{(~np.isfinite(drawn)).sum()} of {len(drawn)} states have no density under the proposal; weights need "
            "at least one state, and all of them drawn from it"
        )
    log_ratio = target.log_density(x) - drawn
    top = log_ratio.max()
    if top == -np.inf:
        raise ConfigError(
            f"the target density is zero at all {len(log_ratio)} states; draw from a proposal that covers it"
        )
    scaled = np.exp(log_ratio - top)
    w = scaled / scaled.sum()
    return Weights(
        w,
        float(1.0 / (w**2).sum()),
        weight_bound(target, proposal),
        np.exp(log_ratio),
        missing_mass(target, proposal),
    )


def particles(
    target: Density, count: int, rng: np.random.Generator, proposal: Density | None = None
) -> Particles:
    """Draw independent particles of a density, directly or from a proposal with weights.

    Args:
        target: rho_0.
        count: number of particles N.
        rng: source of randomness.
        proposal: q_0; None draws from the target itself.

    Raises:
        ConfigError: fewer than one particle, or as `reweight`.
    """
    if count < 1:
        raise ConfigError(f"count: {count} particles; at least 1 is needed")
    if proposal is None:
        return Particles(target.sample(rng, count), None, float(count))
    x = proposal.sample(rng, count)
    weights = reweight(target, proposal, x)
    return Particles(x, weights, weights.ess)


def weight_bound(target: Density, proposal: Density) -> float:
    """Return an upper bound of rho_0 / q_0 on the support of q_0, infinity where none is known.

    Known are: the same density, a proposal that is uniform, Gaussians of which the proposal is the wider, truncations
    and mixtures of these. A mixture that holds the target with weight a is bounded by 1 / a, whatever else it holds.
    """
    if target is proposal:
        return 1.0
    if isinstance(proposal, Mixture):
        bounds = [
            weight_bound(target, p) / w
            for p, w in zip(proposal.parts, proposal.weights, strict=True)
            if w > 0
        ]
        return min(bounds)
    if isinstance(proposal, Uniform):
        return float(np.exp(target.peak - proposal.peak))
    if isinstance(target, Truncated):
        return weight_bound(target.base, proposal) / target.inside.value
    if isinstance(target, Mixture):
        bounds = [weight_bound(p, proposal) for p in target.parts]
        return float(sum(w * b for w, b in zip(target.weights, bounds, strict=True) if w > 0.0))
    if isinstance(proposal, Truncated):
        return weight_bound(target, proposal.base) * proposal.inside.value
    if isinstance(target, Gaussian) and isinstance(proposal, Gaussian):
        return _gaussian_bound(target, proposal)
    return np.inf


def missing_mass(target: Density, proposal: Density) -> float:
    """Return the mass of rho_0 outside the box in which q_0 is positive."""
    if target is proposal:
        return 0.0
    if isinstance(proposal, Mixture):
        return min(
            missing_mass(target, p) for p, w in zip(proposal.parts, proposal.weights, strict=True) if w > 0
        )
    (low, high), (inner_low, inner_high) = proposal.support, target.support
    if (low <= inner_low).all() and (inner_high <= high).all():
        return 0.0
    inside = target.mass(low, high)
    return float(np.clip(1.0 - inside.value + inside.error, 0.0, 1.0))


def _gaussian_bound(target: Gaussian, proposal: Gaussian) -> float:
    """Return the largest ratio of two Gaussian densities: at the stationary point, if the proposal is wider."""
    if np.array_equal(target.mean, proposal.mean) and np.array_equal(target.cov, proposal.cov):
        return 1.0
    p, q = np.linalg.inv(target.cov), np.linalg.inv(proposal.cov)
    curvature = p - q
    if np.linalg.eigvalsh(curvature)[0] <= 1e-12 * np.abs(p).max():
        return np.inf
    at = np.asarray(np.linalg.solve(curvature, p @ target.mean - q @ proposal.mean), dtype=np.float64)[None]
    return float(np.exp(target.log_density(at) - proposal.log_density(at))[0])
