# SPDX-License-Identifier: Apache-2.0
r"""Densities of the initial state: the interface, boxes and Gaussians.

Masses of boxes are exact for a uniform density and for a Gaussian of independent coordinates. A Gaussian with
correlations is integrated by separation of variables (Genz, J. Comp. Graph. Stat. 1, 1992) over scrambled Sobol
points; its standard error over independent scramblings is stated.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol

import numpy as np
from scipy import special
from scipy.stats import qmc

from reflexarc.core.errors import ConfigError
from reflexarc.core.types import Array

SCRAMBLES = 8
"""Independent scramblings of a Sobol sequence behind a standard error."""
POINTS = 12
"""Binary logarithm of the points per scrambling."""
LEAST_ACCEPTANCE = 1e-4
"""Rejection sampling that accepts fewer is refused."""


class Mass(NamedTuple):
    """Probability of a box."""

    value: float
    error: float
    """Standard error or difference of two quadratures; 0 where the value is exact to rounding."""


class Density(Protocol):
    """What every initial density offers."""

    @property
    def n(self) -> int:
        """Size of the state."""
        ...

    @property
    def support(self) -> tuple[Array, Array]:
        """Corners of a box outside which the density is 0, shape (n,) each; infinite where there is none."""
        ...

    @property
    def peak(self) -> float:
        """Upper bound on the log-density; infinity where none is known."""
        ...

    def log_density(self, x: Array) -> Array:
        """Return ln rho_0 at states (N, n): shape (N,), -inf outside the support."""
        ...

    def sample(self, rng: np.random.Generator, count: int) -> Array:
        """Return independent draws, shape (count, n)."""
        ...

    def mass(self, low: Array, high: Array) -> Mass:
        """Return the probability of the box [low, high]."""
        ...


@dataclass(frozen=True, slots=True)
class Uniform:
    """Constant on a box [low, high], corners of shape (n,).

    Raises:
        ConfigError: corners that are not finite or in the wrong order, or a box without volume.
    """

    low: Array
    high: Array

    def __post_init__(self) -> None:
        low, high = box(self.low, self.high)
        if not (np.isfinite([low, high]).all() and (low < high).all()):
            raise ConfigError(
                f"a uniform density needs a box of finite, positive volume, got {low.tolist()} to {high.tolist()}"
            )
        object.__setattr__(self, "low", low)
        object.__setattr__(self, "high", high)

    @property
    def n(self) -> int:
        """Size of the state."""
        return len(self.low)

    @property
    def support(self) -> tuple[Array, Array]:
        """The box."""
        return self.low, self.high

    @property
    def peak(self) -> float:
        """Minus the logarithm of the volume."""
        return -float(np.log(self.high - self.low).sum())

    def log_density(self, x: Array) -> Array:
        """Return ln rho_0, shape (N,)."""
        x = states(x, self.n)
        return np.where(((x >= self.low) & (x <= self.high)).all(axis=1), self.peak, -np.inf)

    def sample(self, rng: np.random.Generator, count: int) -> Array:
        """Return draws, shape (count, n)."""
        return rng.uniform(self.low, self.high, (count, self.n))

    def mass(self, low: Array, high: Array) -> Mass:
        """Return the exact probability of a box."""
        low, high = box(low, high)
        overlap = np.minimum(high, self.high) - np.maximum(low, self.low)
        return Mass(float((overlap.clip(0.0) / (self.high - self.low)).prod()), 0.0)


@dataclass(frozen=True, slots=True)
class Gaussian:
    """Normal density of mean (n,) and covariance (n, n).

    Raises:
        ConfigError: shapes that do not fit, or a covariance that is not symmetric and positive definite.
    """

    mean: Array
    cov: Array
    root: Array = field(init=False, repr=False)
    """Lower Cholesky factor of the covariance."""

    def __post_init__(self) -> None:
        mean = np.asarray(self.mean, dtype=np.float64)
        cov = np.asarray(self.cov, dtype=np.float64)
        if mean.ndim != 1 or len(mean) == 0 or cov.shape != (len(mean), len(mean)):
            raise ConfigError(
                f"a Gaussian needs a mean (n,) and a covariance (n, n), got {mean.shape} and {cov.shape}"
            )
        if not (np.isfinite(mean).all() and np.isfinite(cov).all()) or not np.allclose(cov, cov.T):
            raise ConfigError("a Gaussian's mean and covariance must be finite and the covariance symmetric")
        cov = (cov + cov.T) / 2.0
        scale = np.sqrt(np.diag(cov).clip(1e-300))
        smallest = float(np.linalg.eigvalsh(cov / np.outer(scale, scale))[0])
        if smallest <= len(mean) * np.finfo(float).eps:
            raise ConfigError(
                f"the covariance is singular: its correlation matrix has the eigenvalue {smallest:.2g}, allowed are "
                "positive ones. A coordinate that is known exactly, or a function of the others, has no density: "
                "leave it out of the state or give it a spread"
            )
        for name, value in (("mean", mean), ("cov", cov), ("root", np.linalg.cholesky(cov))):
            object.__setattr__(self, name, value)

    @property
    def n(self) -> int:
        """Size of the state."""
        return len(self.mean)

    @property
    def support(self) -> tuple[Array, Array]:
        """All states."""
        return np.full(self.n, -np.inf), np.full(self.n, np.inf)

    @property
    def peak(self) -> float:
        """Log-density at the mean."""
        return -0.5 * self.n * float(np.log(2.0 * np.pi)) - float(np.log(np.diag(self.root)).sum())

    def log_density(self, x: Array) -> Array:
        """Return ln rho_0, shape (N,)."""
        white = np.linalg.solve(self.root, (states(x, self.n) - self.mean).T)
        return self.peak - 0.5 * (white**2).sum(axis=0)

    def sample(self, rng: np.random.Generator, count: int) -> Array:
        """Return draws, shape (count, n)."""
        return self.mean + rng.standard_normal((count, self.n)) @ self.root.T

    @property
    def independent(self) -> bool:
        """Whether the coordinates are independent."""
        return not np.any(self.cov - np.diag(np.diag(self.cov)))

    def mass(self, low: Array, high: Array) -> Mass:
        """Return the probability of a box, exact where the coordinates are independent."""
        low, high = (np.asarray(c) - self.mean for c in box(low, high))
        if self.independent:
            scale = np.diag(self.root)
            return Mass(float(between(low / scale, high / scale).prod()), 0.0)
        parts = np.empty(SCRAMBLES)
        for k, u in enumerate(scrambled(self.n)):
            drawn, weight = np.zeros_like(u), np.ones(len(u))
            for i in range(self.n):
                shift = drawn[:, :i] @ self.root[i, :i]
                a, b = ((c[i] - shift) / self.root[i, i] for c in (low, high))
                weight = weight * between(a, b)
                drawn[:, i] = special.ndtri(special.ndtr(a) + u[:, i] * between(a, b)).clip(-38.0, 38.0)
            parts[k] = weight.mean()
        return Mass(float(parts.mean()), float(parts.std(ddof=1) / np.sqrt(SCRAMBLES)))


def box(low: Array, high: Array, n: int | None = None) -> tuple[Array, Array]:
    """Return the corners of a box as float64 vectors.

    Raises:
        ConfigError: shapes that do not fit, NaN, or a lower corner above the upper one.
    """
    low, high = np.asarray(low, dtype=np.float64), np.asarray(high, dtype=np.float64)
    if low.ndim != 1 or low.shape != high.shape or len(low) == 0 or n not in (None, len(low)):
        size = "n" if n is None else n
        raise ConfigError(f"a box needs two corners of shape ({size},), got {low.shape} and {high.shape}")
    if not (low <= high).all():
        raise ConfigError(
            f"the box's lower corner {low.tolist()} must not lie above its upper one {high.tolist()}"
        )
    return low, high


def states(x: Array, n: int) -> Array:
    """Return states as float64 of shape (N, n), or raise ConfigError."""
    x = np.asarray(x, dtype=np.float64)
    if x.ndim != 2 or x.shape[1] != n:
        raise ConfigError(f"states must have shape (N, {n}), got {x.shape}")
    return x


def between(low: Array, high: Array) -> Array:
    """Return the standard normal probability of [low, high], elementwise and accurate in both tails."""
    flip = low > 0.0
    low, high = np.where(flip, -high, low), np.where(flip, -low, high)
    return special.ndtr(high) - special.ndtr(low)


def scrambled(n: int) -> Iterator[Array]:
    """Yield independent scramblings of 2^POINTS Sobol points in the unit cube of n dimensions."""
    for seed in range(SCRAMBLES):
        yield qmc.Sobol(n, rng=np.random.default_rng(seed)).random_base2(POINTS)


def worth_it(acceptance: float) -> None:
    """Raise ConfigError for rejection sampling that accepts almost nothing."""
    if acceptance < LEAST_ACCEPTANCE:
        raise ConfigError(
            f"rejection sampling would accept {acceptance:.1g} of the draws, allowed are {LEAST_ACCEPTANCE:.0e} or "
            "more; draw from another density and re-weight (`particles` with a proposal)"
        )
