# SPDX-License-Identifier: Apache-2.0
r"""Densities given by a function or by samples.

A function is normalised by Gauss-Legendre quadrature up to three dimensions and by scrambled Sobol points above, with
the error stated. Samples are smoothed by a Gaussian product kernel (Scott, Multivariate Density Estimation, 1992).
"""

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import ArrayLike
from scipy import special

from reflexarc.core.errors import ConfigError
from reflexarc.core.types import Array
from reflexarc.reach.densities import Mass, Uniform, between, box, scrambled, states, worth_it

PANELS = {1: 1024, 2: 64, 3: 10}
"""Panels per axis of the Gauss-Legendre quadrature (four nodes each), by dimension."""
INACCURATE = 0.1
"""Relative error of a normalising integral above which a function is refused."""


@dataclass(frozen=True, slots=True)
class FromLogDensity:
    """Any density on a box, given by the logarithm of a function that need not be normalised.

    Args (fields):
        function: states (N, n) -> (N,), -inf where the density is 0.
        low: lower corner of the box outside which the density is 0, shape (n,).
        high: upper corner.

    Raises:
        ConfigError: a function that integrates to zero or not to a finite number over the box, that returns NaN or
            another shape, or that is so peaked that its integral is not known to `INACCURATE`.
    """

    function: Callable[[Array], ArrayLike]
    low: Array
    high: Array
    log_integral: float = field(init=False)
    """Logarithm of the function's integral over the box."""
    error: float = field(init=False)
    """Relative error of the integral: difference of two quadratures, or standard error."""
    largest: float = field(init=False)
    """Largest logarithm seen at the nodes."""

    def __post_init__(self) -> None:
        low, high = Uniform(self.low, self.high).support
        object.__setattr__(self, "low", low)
        object.__setattr__(self, "high", high)
        log_integral, error, largest = self._integrate(low, high)
        if log_integral == -np.inf:
            raise ConfigError(
                f"the initial density integrates to zero over the box {low.tolist()} to {high.tolist()}; it must be "
                "positive somewhere in it"
            )
        if not error <= INACCURATE:
            raise ConfigError(
                f"the integral of the initial density is known only to {100 * error:.0f} % over the box "
                f"{low.tolist()} to {high.tolist()}, allowed are {100 * INACCURATE:.0f} %; give a closer box"
            )
        for name, value in (("log_integral", log_integral), ("error", error), ("largest", largest)):
            object.__setattr__(self, name, value)

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
        """Infinity: a function is only known where it was evaluated."""
        return np.inf

    def log_density(self, x: Array) -> Array:
        """Return ln rho_0, shape (N,)."""
        x = states(x, self.n)
        inside = ((x >= self.low) & (x <= self.high)).all(axis=1)
        value = np.full(len(x), -np.inf)
        if inside.any():
            value[inside] = self._values(x[inside]) - self.log_integral
        return value

    def sample(self, rng: np.random.Generator, count: int) -> Array:
        """Return draws by rejection from the box, shape (count, n).

        The bound is the largest value seen. When a draw exceeds it, it is raised and all draws are repeated
        (empirical supremum rejection, Caffo, Booth and Davis, Biometrika 89, 2002): what is returned is distributed
        as the density capped at the largest value seen.

        Raises:
            ConfigError: rejection that would accept almost nothing.
        """
        volume = float(np.log(self.high - self.low).sum())
        largest, kept = self.largest, np.empty((0, self.n))
        while len(kept) < count:
            acceptance = float(np.exp(min(self.log_integral - volume - largest, 0.0)))
            worth_it(acceptance)
            x = rng.uniform(self.low, self.high, (int((count - len(kept)) / acceptance) + 16, self.n))
            value = self._values(x)
            if value.max() > largest:
                largest, kept = float(value.max()), kept[:0]
                continue
            kept = np.concatenate([kept, x[np.log(rng.random(len(x))) < value - largest]])
        return kept[:count]

    def mass(self, low: Array, high: Array) -> Mass:
        """Return the probability of a box, by the same quadrature as the normalisation."""
        low, high = box(low, high, self.n)
        low, high = np.maximum(low, self.low), np.minimum(high, self.high)
        if (low >= high).any():
            return Mass(0.0, 0.0)
        part, error, _ = self._integrate(low, high)
        value = float(np.exp(part - self.log_integral))
        return Mass(min(value, 1.0), value * (error + self.error))

    def _values(self, x: Array) -> Array:
        value = np.asarray(self.function(x), dtype=np.float64)
        if value.shape != (len(x),) or np.isnan(value).any() or (value == np.inf).any():
            raise ConfigError(
                f"a log-density must return finite numbers or -inf in the shape ({len(x)},), got shape {value.shape} "
                f"with {np.isnan(value).sum()} NaN and {(value == np.inf).sum()} +inf"
            )
        return value

    def _integrate(self, low: Array, high: Array) -> tuple[float, float, float]:
        """Return the logarithm of the integral, its relative error and the largest logarithm seen."""
        n, log_volume = len(low), float(np.log(high - low).sum())
        if n in PANELS:
            rules = [_legendre(n, panels) for panels in (PANELS[n], PANELS[n] // 2)]
        else:
            rules = [(u, np.full(len(u), 1.0 / len(u))) for u in scrambled(n)]
        values = [self._values(low + (high - low) * u) for u, _ in rules]
        largest = float(max(v.max() for v in values))
        if largest == -np.inf:
            return -np.inf, 0.0, largest
        parts = np.array([w @ np.exp(v - largest) for (_, w), v in zip(rules, values, strict=True)])
        if n in PANELS:
            integral, error = parts[0], abs(parts[0] - parts[1])
        else:
            integral, error = parts.mean(), parts.std(ddof=1) / np.sqrt(len(parts))
        return float(np.log(integral)) + largest + log_volume, float(error / integral), largest


@dataclass(frozen=True, slots=True)
class Empirical:
    """Gaussian product kernel around samples.

    Args (fields):
        samples: shape (M, n).
        bandwidth: standard deviation of the kernel, scalar or (n,), in the units of the state; None takes Scott's
            rule, the samples' standard deviation times M^(-1 / (n + 4)).

    Raises:
        ConfigError: fewer than two samples, samples that are not finite, or a bandwidth that is not positive, as
            Scott's rule gives it for a coordinate in which all samples agree.
    """

    samples: Array
    bandwidth: ArrayLike | None = None
    width: Array = field(init=False)
    """Standard deviation of the kernel, shape (n,)."""

    def __post_init__(self) -> None:
        samples = np.asarray(self.samples, dtype=np.float64)
        if samples.ndim != 2 or len(samples) < 2 or samples.shape[1] == 0 or not np.isfinite(samples).all():
            raise ConfigError(
                f"an empirical density needs finite samples (M, n), M >= 2, got {samples.shape}"
            )
        count, n = samples.shape
        width = (
            samples.std(axis=0, ddof=1) * count ** (-1.0 / (n + 4))
            if self.bandwidth is None
            else self.bandwidth
        )
        width = np.broadcast_to(np.asarray(width, dtype=np.float64), (n,))
        if not ((width > 0.0) & np.isfinite(width)).all():
            raise ConfigError(
                f"the bandwidth must be positive in every coordinate, got {width.tolist()}; where all samples agree, "
                "give one"
            )
        object.__setattr__(self, "samples", samples)
        object.__setattr__(self, "width", width)

    @property
    def n(self) -> int:
        """Size of the state."""
        return self.samples.shape[1]

    @property
    def support(self) -> tuple[Array, Array]:
        """All states."""
        return np.full(self.n, -np.inf), np.full(self.n, np.inf)

    @property
    def peak(self) -> float:
        """Log-density of a single kernel at its centre."""
        return -0.5 * self.n * float(np.log(2.0 * np.pi)) - float(np.log(self.width).sum())

    def log_density(self, x: Array) -> Array:
        """Return ln rho_0, shape (N,)."""
        x, centres = states(x, self.n) / self.width, self.samples / self.width
        value = np.empty(len(x))
        rows = max(1, 2**22 // centres.size)
        for i in range(0, len(x), rows):
            square = ((x[i : i + rows, None] - centres) ** 2).sum(axis=2)
            value[i : i + rows] = special.logsumexp(-0.5 * square, axis=1)
        return value + self.peak - np.log(len(centres))

    def sample(self, rng: np.random.Generator, count: int) -> Array:
        """Return draws, shape (count, n)."""
        centre = self.samples[rng.integers(len(self.samples), size=count)]
        return centre + self.width * rng.standard_normal((count, self.n))

    def mass(self, low: Array, high: Array) -> Mass:
        """Return the exact probability of a box."""
        low, high = box(low, high, self.n)
        inside = between((low - self.samples) / self.width, (high - self.samples) / self.width)
        return Mass(float(inside.prod(axis=1).mean()), 0.0)


def _legendre(n: int, panels: int) -> tuple[Array, Array]:
    """Return nodes (M, n) and weights (M,) of the composite Gauss-Legendre rule on the unit cube."""
    node, weight = np.polynomial.legendre.leggauss(4)
    line = ((np.arange(panels)[:, None] + 0.5 + 0.5 * node) / panels).ravel()
    weights = np.tile(0.5 * weight / panels, panels)
    nodes = np.stack(np.meshgrid(*[line] * n, indexing="ij"), axis=-1).reshape(-1, n)
    total = np.stack(np.meshgrid(*[weights] * n, indexing="ij"), axis=-1).reshape(-1, n).prod(axis=1)
    return nodes, total
