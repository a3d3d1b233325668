# SPDX-License-Identifier: Apache-2.0
"""Densities made of others: restricted to a box, or mixed."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from scipy import special, stats

from reflexarc.core.errors import ConfigError
from reflexarc.core.types import Array
from reflexarc.reach.densities import Density, Gaussian, Mass, Uniform, box, states, worth_it


@dataclass(frozen=True, slots=True)
class Truncated:
    """A density restricted to a box and normalised by its mass there.

    Raises:
        ConfigError: a box of the wrong size or order, or one that holds no mass of the base.
    """

    base: Density
    low: Array
    high: Array
    inside: Mass = field(init=False)
    """Mass of the base in the box."""

    def __post_init__(self) -> None:
        low, high = box(self.low, self.high, self.base.n)
        inside = self.base.mass(low, high)
        if not inside.value > 0.0:
            raise ConfigError(
                f"the density integrates to zero over the box {low.tolist()} to {high.tolist()}; it cannot be "
                "normalised"
            )
        for name, value in (("low", low), ("high", high), ("inside", inside)):
            object.__setattr__(self, name, value)

    @property
    def n(self) -> int:
        """Size of the state."""
        return self.base.n

    @property
    def support(self) -> tuple[Array, Array]:
        """The part of the box where the base is not zero."""
        low, high = self.base.support
        return np.maximum(low, self.low), np.minimum(high, self.high)

    @property
    def peak(self) -> float:
        """The base's bound, normalised."""
        return self.base.peak - float(np.log(self.inside.value))

    def log_density(self, x: Array) -> Array:
        """Return ln rho_0, shape (N,)."""
        x = states(x, self.n)
        value = self.base.log_density(x) - np.log(self.inside.value)
        return np.where(((x >= self.low) & (x <= self.high)).all(axis=1), value, -np.inf)

    def sample(self, rng: np.random.Generator, count: int) -> Array:
        """Return draws, shape (count, n): direct where the coordinates are independent, else by rejection.

        Raises:
            ConfigError: rejection that would accept almost nothing.
        """
        if isinstance(self.base, Uniform):
            return Uniform(*self.support).sample(rng, count)
        if isinstance(self.base, Gaussian) and self.base.independent:
            mean, scale = self.base.mean, np.diag(self.base.root)
            a, b = (self.low - mean) / scale, (self.high - mean) / scale
            drawn = stats.truncnorm.rvs(a, b, mean, scale, size=(count, self.n), random_state=rng)
            return np.asarray(drawn, dtype=np.float64)
        worth_it(self.inside.value)
        kept = np.empty((0, self.n))
        while len(kept) < count:
            x = self.base.sample(rng, int((count - len(kept)) / self.inside.value) + 16)
            kept = np.concatenate([kept, x[((x >= self.low) & (x <= self.high)).all(axis=1)]])
        return kept[:count]

    def mass(self, low: Array, high: Array) -> Mass:
        """Return the probability of a box."""
        low, high = box(low, high, self.n)
        low, high = np.maximum(low, self.low), np.minimum(high, self.high)
        if (low > high).any():
            return Mass(0.0, 0.0)
        part = self.base.mass(low, high)
        value = part.value / self.inside.value
        return Mass(min(value, 1.0), (part.error + value * self.inside.error) / self.inside.value)


@dataclass(frozen=True, slots=True)
class Mixture:
    """Weighted sum of densities; the weights, shape (K,), are normalised.

    Raises:
        ConfigError: no parts, sizes that differ, or weights that are negative, not finite or all zero.
    """

    weights: Array
    parts: Sequence[Density]

    def __post_init__(self) -> None:
        weights = np.asarray(self.weights, dtype=np.float64)
        if len(self.parts) == 0 or weights.shape != (len(self.parts),):
            raise ConfigError(
                f"a mixture needs one weight per part, got {weights.shape} and {len(self.parts)} parts"
            )
        if len({p.n for p in self.parts}) > 1:
            raise ConfigError(
                f"the parts of a mixture have sizes {[p.n for p in self.parts]}; they must agree"
            )
        if not (np.isfinite(weights).all() and (weights >= 0.0).all()):
            raise ConfigError(f"a mixture's weights must be finite and not negative, got {weights.tolist()}")
        if not weights.sum() > 0.0:
            raise ConfigError("a mixture of weights that are all zero integrates to zero")
        object.__setattr__(self, "weights", weights / weights.sum())
        object.__setattr__(self, "parts", tuple(self.parts))

    @property
    def n(self) -> int:
        """Size of the state."""
        return self.parts[0].n

    @property
    def support(self) -> tuple[Array, Array]:
        """The box around all supports."""
        corners = [p.support for p in self.parts]
        return np.min([c[0] for c in corners], axis=0), np.max([c[1] for c in corners], axis=0)

    @property
    def peak(self) -> float:
        """Sum of the parts' bounds."""
        return float(np.asarray(special.logsumexp([p.peak for p in self.parts], b=self.weights)))

    def log_density(self, x: Array) -> Array:
        """Return ln rho_0, shape (N,)."""
        values = np.stack([p.log_density(x) for p in self.parts])
        return np.asarray(special.logsumexp(values, axis=0, b=self.weights[:, None]))

    def sample(self, rng: np.random.Generator, count: int) -> Array:
        """Return draws, shape (count, n)."""
        which = rng.choice(len(self.parts), count, p=self.weights)
        x = np.empty((count, self.n))
        for k, part in enumerate(self.parts):
            chosen = which == k
            x[chosen] = part.sample(rng, int(chosen.sum()))
        return x

    def mass(self, low: Array, high: Array) -> Mass:
        """Return the probability of a box."""
        masses = [p.mass(low, high) for p in self.parts]
        return Mass(*(float(self.weights @ [m[i] for m in masses]) for i in range(2)))
