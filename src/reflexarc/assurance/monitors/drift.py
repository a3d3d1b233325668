# SPDX-License-Identifier: Apache-2.0
r"""Drift towards danger: an absorbing Markov chain over discretised risk states, learned from runs.

States are bins of a few features (such as a margin and a speed), danger is the absorbing state. With the counted
transitions N_ij, Q the part between states and 1 the vector of ones,

    q_ij = N_ij / N_i,     P(danger within k steps | state i) = 1 - e_i Q^k 1.

Rows are uncertain: their posterior is Dirichlet with the weight 1/2 (Jeffreys) on every successor that was seen and on
danger, and the interval of P is that of draws of all rows together. It covers the rows' uncertainty, not the error of
the assumption that the next state depends on the present one alone; that is what held-out runs are for.
A state without a counted transition is unseen: nothing is known of it, so its probability counts as 1.
"""

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from reflexarc.assurance.monitors.hysteresis import Hysteresis
from reflexarc.core.errors import ConfigError
from reflexarc.core.types import Array

MOST_STATES = 400
DRAWS = 400
_PRIOR = 0.5


@dataclass(frozen=True, slots=True)
class Feature:
    """One coordinate of a risk state."""

    name: str
    unit: str
    edges: tuple[float, ...]
    """Increasing; k edges make k + 1 bins, the outer two open."""

    def __post_init__(self) -> None:
        if (
            not self.edges
            or any(not math.isfinite(e) for e in self.edges)
            or any(a >= b for a, b in itertools.pairwise(self.edges))
        ):
            raise ConfigError(f"{self.name}: the edges {self.edges} must be finite and increase")


@dataclass(frozen=True, slots=True)
class Bins:
    """How features become a state."""

    features: tuple[Feature, ...]

    def __post_init__(self) -> None:
        if not self.features or self.count > MOST_STATES:
            raise ConfigError(f"{self.count} states; allowed: 2 to {MOST_STATES}")

    @property
    def count(self) -> int:
        """Number of states without danger."""
        return math.prod(len(f.edges) + 1 for f in self.features) if self.features else 0

    def states(self, values: Array) -> np.ndarray:
        """Return the state of each row, shape (n,); -1 where a feature is not finite.

        Args:
            values: shape (n, features).

        Raises:
            ConfigError: another number of features.
        """
        values = np.asarray(values, dtype=np.float64)
        if values.ndim != 2 or values.shape[1] != len(self.features):
            raise ConfigError(f"features of shape {values.shape}, expected (n, {len(self.features)})")
        state = np.zeros(len(values), dtype=np.int64)
        for column, feature in enumerate(self.features):
            state = state * (len(feature.edges) + 1) + np.searchsorted(
                feature.edges, values[:, column], side="right"
            )
        return np.where(np.isfinite(values).all(axis=1), state, -1)


class Run(NamedTuple):
    """One run for learning or judging."""

    features: Array
    """Shape (n, features), one row per period."""
    danger: np.ndarray
    """Whether it was dangerous, shape (n,), bool."""


def count_transitions(bins: Bins, runs: Sequence[Run]) -> np.ndarray:
    """Return N of shape (states, states + 1), danger last; from danger nothing is counted, NaN breaks a run.

    Raises:
        ConfigError: shapes do not fit.
    """
    counts = np.zeros((bins.count, bins.count + 1), dtype=np.int64)
    for run in runs:
        states = bins.states(run.features)
        danger = np.asarray(run.danger, dtype=bool)
        if danger.shape != states.shape:
            raise ConfigError(f"{len(states)} rows of features and danger of shape {danger.shape}")
        states = np.where(danger, bins.count, states)
        before, after = states[:-1], states[1:]
        counted = (before >= 0) & (before < bins.count) & (after >= 0)
        np.add.at(counts, (before[counted], after[counted]), 1)
    return counts


class DriftModel:
    """Probability of danger within a horizon, per state, with its interval."""

    def __init__(
        self,
        bins: Bins,
        counts: np.ndarray,
        period: float,
        steps: int,
        confidence: float = 0.95,
        seed: int = 0,
    ) -> None:
        """Compute the probabilities from counted transitions.

        Args:
            bins: states.
            counts: see `count_transitions`.
            period: of the rows. [s]
            steps: k.
            confidence: of the intervals.
            seed: of the draws.

        Raises:
            ConfigError: counts do not fit the states or are negative, or a number is out of bounds.
        """
        counts = np.asarray(counts)
        if counts.shape != (bins.count, bins.count + 1) or not np.issubdtype(counts.dtype, np.integer):
            raise ConfigError(
                f"counts of shape {counts.shape}, expected whole numbers {(bins.count, bins.count + 1)}"
            )
        if (counts < 0).any() or not counts.any():
            raise ConfigError("a count is negative, or no transition was counted")
        if not (0.0 < period < math.inf and 1 <= steps <= 10_000 and 0.0 < confidence < 1.0):
            raise ConfigError(f"period {period} s, {steps} steps or confidence {confidence} is out of bounds")
        self.bins, self.counts, self.period, self.steps = bins, counts, period, steps
        self.confidence, self.seed = confidence, seed
        self.seen = counts.sum(axis=1) > 0
        """Whether a transition from each state was counted, shape (states,)."""
        self.risk = self.within(steps)
        """P within the horizon, shape (states,); 1 where unseen."""
        self.low, self.high = self._interval()
        """Its interval, each of shape (states,)."""

    def within(self, steps: int) -> Array:
        """Return 1 - Q^k 1 for k = `steps`, shape (states,)."""
        total = np.maximum(self.counts.sum(axis=1, keepdims=True), 1)
        return self._absorbed((self.counts / total)[None], steps)[0]

    def _absorbed(self, rows: Array, steps: int) -> Array:
        """Return P for many chains at once; rows (d, states, states + 1)."""
        inside, danger = rows[:, :, :-1], rows[:, :, -1]
        p = np.zeros(danger.shape)
        for _ in range(steps):
            p[:, ~self.seen] = 1.0
            p = danger + (inside @ p[:, :, None])[:, :, 0]
        p[:, ~self.seen] = 1.0
        return np.clip(p, 0.0, 1.0)

    def _interval(self) -> tuple[Array, Array]:
        rng = np.random.default_rng(self.seed)
        support = self.counts > 0
        support[:, -1] = True
        weights = np.where(support, self.counts + _PRIOR, 0.0)
        found = []
        for _ in range(DRAWS):
            rows = rng.standard_gamma(weights)
            found.append(self._absorbed((rows / rows.sum(axis=1, keepdims=True))[None], self.steps)[0])
        tail = 0.5 * (1.0 - self.confidence)
        low, high = np.quantile(found, (tail, 1.0 - tail), axis=0)
        return np.minimum(low, self.risk), np.maximum(high, self.risk)


class DriftWarning(NamedTuple):
    """What the monitor says of one sample."""

    active: bool
    risk: float
    """P within the horizon; 1 where unknown."""
    low: float
    high: float
    reason: str
    """Why the sample could not be judged; empty otherwise."""


class DriftMonitor:
    """Early warning on the upper end of the interval, with hysteresis; constant time per sample."""

    def __init__(self, model: DriftModel, on: float, off: float, dwell: float) -> None:
        """Take a model and thresholds of the probability; see `Hysteresis`."""
        self.model = model
        self._switch = Hysteresis(on, off, dwell)

    def reset(self) -> None:
        """Forget the past; the warning is on until the first good sample."""
        self._switch.reset()

    def update(self, time: float, features: Sequence[float]) -> DriftWarning:
        """Judge one sample; an unseen state, a feature that is not finite or a wrong time is a warning. [s]"""
        model = self.model
        if len(features) != len(model.bins.features):
            reason = f"{len(features)} features, expected {len(model.bins.features)}"
            return DriftWarning(True, 1.0, 0.0, 1.0, self._switch.distrust(time, reason))
        state = int(model.bins.states(np.array([features]))[0])
        if state < 0 or not model.seen[state]:
            values = ", ".join(
                f"{f.name} {v:g} {f.unit}" for f, v in zip(model.bins.features, features, strict=True)
            )
            what = "a feature is not finite" if state < 0 else "no run was ever in this state"
            return DriftWarning(True, 1.0, 0.0, 1.0, self._switch.distrust(time, f"{what}: {values}"))
        low, risk, high = float(model.low[state]), float(model.risk[state]), float(model.high[state])
        reason = self._switch.update(time, high)
        return DriftWarning(self._switch.active, risk, low, high, reason)
