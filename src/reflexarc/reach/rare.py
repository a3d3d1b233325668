# SPDX-License-Identifier: Apache-2.0
r"""Risks of 1e-4 and below: importance sampling with a shifted density found by cross-entropy.

A pilot moves the sampling density towards the event over a sequence of levels of a score (Rubinstein and Kroese, The
Cross-Entropy Method, 2004): a Gaussian mixture g is fitted to the best tenth until the level is the event itself.
The interval is made from fresh samples of the defensive mixture (Hesterberg 1995)

    q = alpha rho + (1 - alpha) g,     v = 1[event] rho / q <= 1 / alpha,     p = E_q[v] .

The bound 1 / alpha alone would make the interval useless at p = 1e-5, because g puts the weight of most events near p.
So p is split at a weight tau that few events of the pilot reach:

    p = E_q[v 1[v <= tau]] + E_q[v 1[v > tau]]
      within empirical Bernstein with bound tau, plus [0, P_q(event, v > tau) / alpha] by Clopper-Pearson.

The second part is the price of honesty: events in a place that the pilot did not see. Whoever knows nothing about the
event needs about 3 / width samples of rho to exclude them, whatever the method, where crude sampling needs
15 p / width^2 for an interval of this width: at a width of p / 15 that is 60 times as many, and the gain grows as the
interval narrows. For more, exclude states by enclosures (`reflexarc.reach.bracket`).
"""

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, cast

import numpy as np

from reflexarc.core.errors import ConfigError
from reflexarc.core.intervals import clopper_pearson_upper, empirical_bernstein
from reflexarc.core.types import Array
from reflexarc.reach.initial import Gaussian, Mixture
from reflexarc.reach.obstacles import Discs, Footprint, Obstacle, Surroundings, surround
from reflexarc.reach.risk import Risk, check_finite, estimate, touches

Score = Callable[[Array], Array]
"""From states (N, n) to how far each is from the event, (N,): the event is <= 0, or not a number."""


class Source(Protocol):
    """What is asked of a density here: those of `reflexarc.reach.initial` have it."""

    @property
    def n(self) -> int:
        """Size of the state."""
        ...

    def log_density(self, x: Array) -> Array:
        """Return ln rho at states (N, n): shape (N,)."""
        ...

    def sample(self, rng: np.random.Generator, count: int) -> Array:
        """Return independent draws, shape (count, n)."""
        ...


ELITE = 0.1
"""Share of the pilot's samples that fixes the next level and is fitted."""
LEVELS = 40
"""Levels before the pilot gives up."""
HEAVY = 0.005
"""Least weight tau, as a share of the largest possible; more where events of the pilot weigh more."""
WIDEN = 1.2
"""Factor on the covariances of the fit."""
TAILS = (0.3, 4.0)
"""Share of the shifted density with wider covariances, and their factor: light tails make heavy weights."""


def rare_risk(
    score: Score,
    density: Source,
    rng: np.random.Generator,
    *,
    count: int = 1_000_000,
    delta: float = 0.05,
    defensive: float = 0.9,
    pilot: int = 10_000,
    parts: int = 2,
) -> Risk:
    """Return the probability of a rare event with an interval that holds for any event.

    Args:
        score: how far a state is from the event.
        density: of the states, of `reflexarc.reach.initial`.
        rng: source of all draws.
        count: fresh samples for the interval; the pilot comes on top, and `n` of the result counts both.
        delta: probability that the interval misses.
        defensive: share alpha of the samples that come from the density itself.
        pilot: samples per level and per call of `score`: always exactly so many, so that it is compiled once.
        parts: Gaussians of the shifted density; as many as the event has separate places.

    Raises:
        ConfigError: a share outside (0, 1), or fewer than two samples.
    """
    if not 0.0 < defensive < 1.0 or count < 2:
        raise ConfigError(
            f"the defensive share {defensive} must lie between 0 and 1, the count {count} be at least 2"
        )
    began = time.perf_counter()
    chunked = _in_chunks(score, pilot)
    shifted, seen, spent = shift(chunked, density, rng, pilot, parts)
    if shifted is None:  # the pilot did not reach the event: nothing is gained by weights
        hit = chunked(density.sample(rng, count)) <= 0.0
        risk = estimate(np.where(hit, 0, -1), outputs=1, delta=delta)
        return risk._replace(n=count + spent, seconds=time.perf_counter() - began)
    q = _defended(defensive, density, shifted)
    values = []
    for first in range(0, count, pilot):
        x = q.sample(rng, min(pilot, count - first))
        values.append(_weights(density, q, x) * (chunked(x) <= 0.0))
    v = np.concatenate(values)
    usual = 3.0 * float(np.quantile(_weights(density, q, seen), 0.99))
    tau = min(max(HEAVY, usual), 1.0) / defensive
    heavy = v > tau
    low, high = empirical_bernstein(np.where(heavy, 0.0, v), tau, 0.1 * delta)
    high += clopper_pearson_upper(int(heavy.sum()), count, 0.9 * delta) / defensive
    p, ess = float(v.mean()), float(v.sum() ** 2 / max((v**2).sum(), 1e-300))
    seconds = time.perf_counter() - began
    high = min(high, 1.0)
    return Risk(p, low, high, high, count + spent, ess, seconds, np.array([p]), "cross-entropy")


def shift(
    score: Score, density: Source, rng: np.random.Generator, pilot: int, parts: int
) -> tuple[Mixture | None, Array, int]:
    """Return a mixture that sits on the event, samples of the event that it was fitted to, and the samples spent.

    The mixture is None where the event was not reached.

    Args:
        score: as of `rare_risk`.
        density: of the states.
        rng: source of the draws.
        pilot: samples per level.
        parts: Gaussians of the mixture.
    """
    q = density
    spread, last, reached, level, x = None, math.inf, False, 0, np.zeros((0, density.n))
    for level in range(LEVELS):
        x = q.sample(rng, pilot)
        far = np.nan_to_num(score(x), nan=-math.inf)
        spread = np.var(x, axis=0) if spread is None else spread
        limit = max(float(np.quantile(far, ELITE)), 0.0)
        if limit > 0.0 and limit >= last:
            break  # the pilot comes no nearer
        last = limit
        chosen = far <= limit
        weight = _weights(density, q, x[chosen])
        if not weight.any():
            break
        fitted = _tailed(fit(x[chosen], weight, parts, rng, 1e-4 * spread))
        if reached:
            return fitted, x[chosen], (level + 1) * pilot
        reached = limit == 0.0  # once more, from samples of the event itself
        q = _defended(0.1, density, fitted)
    return None, x, (level + 1) * pilot


def fit(x: Array, weight: Array, parts: int, rng: np.random.Generator, floor: Array) -> Mixture:
    """Return the Gaussian mixture of largest weighted likelihood, by expectation maximisation.

    Args:
        x: shape (N, n).
        weight: shape (N,), not all zero; the heaviest are cut, which biases nothing but the choice of the mixture.
        parts: number of Gaussians.
        rng: chooses the first means.
        floor: least variance per coordinate, shape (n,).
    """
    n = x.shape[1]
    weight = np.minimum(weight, 10.0 * weight.mean())
    weight = weight / weight.sum()
    effective = 1.0 / (weight**2).sum()
    diagonal = n * n / (n * n + effective)  # few samples do not fix correlations

    def gaussian(share: Array) -> Gaussian:
        share = share / share.sum()
        mean = share @ x
        cov = (share[:, None] * (x - mean)).T @ (x - mean)
        cov = (1.0 - diagonal) * cov + diagonal * np.diag(np.diag(cov))
        return Gaussian(mean, WIDEN * cov + np.diag(floor + 1e-12))

    first = gaussian(weight)
    if parts == 1:
        return Mixture(np.ones(1), [first])
    scaled = x / np.sqrt(np.diag(first.cov))
    centres = [scaled[rng.choice(len(x), p=weight)]]
    for _ in range(parts - 1):
        apart = weight * np.min([((scaled - c) ** 2).sum(axis=1) for c in centres], axis=0)
        centres.append(scaled[rng.choice(len(x), p=apart / apart.sum())] if apart.any() else scaled[0])
    distance = np.array([((scaled - c) ** 2).sum(axis=1) for c in centres])
    share = (distance == distance.min(axis=0)) * weight
    for _ in range(20):
        share = share[share.sum(axis=1) > 1e-3]
        found = [gaussian(row) for row in share]
        logs = np.array([g.log_density(x) for g in found]) + np.log(share.sum(axis=1))[:, None]
        share = np.exp(logs - logs.max(axis=0))
        share *= weight / share.sum(axis=0)
    return Mixture(share.sum(axis=1), found)


def rare_touch_risk(
    flow: Any,
    density: Source,
    obstacles: Obstacle | Sequence[Obstacle],
    footprint: Footprint | None = None,
    *,
    rng: np.random.Generator,
    steps: int | None = None,
    parameters: Any = None,
    start: float = 0.0,
    **settings: Any,
) -> Risk:
    """Return the risk of touching anything where it is small; initial states and discs' errors are both shifted.

    Args:
        flow: of `reflexarc.reach.flow`.
        density: of the initial states.
        obstacles: as of `touch_risk`.
        footprint: of the robot; None is a point.
        rng: source of all draws.
        steps: outputs after the first.
        parameters: p of the field.
        start: time of the initial states. [s]
        settings: further ones of `rare_risk`.

    Raises:
        ConfigError: as of `rare_risk` and `touches`.
    """
    check_finite(parameters, "parameters")
    parts = [obstacles] if isinstance(obstacles, Obstacle) else list(obstacles)
    std = [np.array([d.position_std, d.velocity_std]) for d in parts if isinstance(d, Discs)]
    uncertain = np.repeat(np.hstack([np.zeros((2, 0)), *std]).T > 0.0, 2, axis=1)  # (m, 4)
    n = density.n

    def score(z: Array) -> Array:
        bundle = flow.run(z[:, :n], steps=steps, parameters=parameters, start=start)
        normals = np.zeros((*uncertain.shape, len(z)), bundle.x.dtype)
        normals[uncertain] = z[:, n:].T
        scene = surround(parts, len(z), rng, bundle.x.dtype, normals)
        first = touches(bundle.x, bundle.t, scene, footprint, bundle.gain).first
        return np.where(first >= 0, 0.0, np.maximum(_gap(bundle.x, bundle.t, scene, footprint), 1e-9))

    joint = _Joint(density, int(uncertain.sum()))
    return rare_risk(score, joint, rng, **settings)


def _gap(x: Array, t: Array, scene: Surroundings, footprint: Footprint | None) -> Array:
    """Smallest distance to anything at the outputs, about: it only orders the misses. Shape (N,)."""
    footprint = footprint or Footprint()
    p = x[..., list(footprint.position)] if x.shape[2] > 1 else x[..., [0, 0]]
    draws = scene.draws.transpose(0, 2, 1, 3).reshape(len(scene.draws), 4, -1)[:, :, : scene.count]
    gaps = [np.full(x.shape[1], math.inf)]
    for disc, radius in zip(draws, scene.radius, strict=True):
        apart = p - np.stack([disc[:2].T + now * disc[2:].T for now in t])
        gaps.append(np.hypot(apart[..., 0], apart[..., 1]).min(axis=0) - radius)
    for wall in scene.walls:
        along = wall[2:] - wall[:2]
        share = np.clip((p - wall[:2]) @ along / max(along @ along, 1e-12), 0.0, 1.0)
        gaps.append(np.linalg.norm(p - wall[:2] - share[..., None] * along, axis=2).min(axis=0))
    gaps += [plane[2] - (p @ plane[:2]).max(axis=0) for plane in scene.planes]
    reach = footprint.radius + math.hypot(footprint.half_length, footprint.half_width)
    gaps = [gap - reach for gap in gaps]
    for boxes in scene.boxes:
        inside = x[..., list(boxes.coordinates)]
        for low, high in zip(boxes.low, boxes.high, strict=True):
            out = np.maximum(np.maximum(low - inside, inside - high), 0.0)
            gaps.append(np.linalg.norm(out, axis=2).min(axis=0))
    return np.min(gaps, axis=0)


def _defended(share: float, density: Source, shifted: Mixture) -> Mixture:
    return Mixture(np.array([share, 1.0 - share]), cast(Any, [density, shifted]))


def _tailed(mixture: Mixture) -> Mixture:
    share, factor = TAILS
    wide = [Gaussian(part.mean, factor * part.cov) for part in mixture.parts if isinstance(part, Gaussian)]
    return Mixture(
        np.concatenate([(1.0 - share) * mixture.weights, share * mixture.weights]), [*mixture.parts, *wide]
    )


@dataclass(frozen=True, slots=True)
class _Joint:
    """Initial states beside independent standard normals."""

    density: Source
    extra: int

    @property
    def n(self) -> int:
        return self.density.n + self.extra

    @property
    def _normals(self) -> Gaussian:
        return Gaussian(np.zeros(self.extra), np.eye(self.extra))

    def log_density(self, x: Array) -> Array:
        n = self.density.n
        return self.density.log_density(x[:, :n]) + self._normals.log_density(x[:, n:])

    def sample(self, rng: np.random.Generator, count: int) -> Array:
        return np.hstack([self.density.sample(rng, count), self._normals.sample(rng, count)])


def _weights(density: Source, q: Source, x: Array) -> Array:
    return np.exp(density.log_density(x) - q.log_density(x)) if len(x) else np.zeros(0)


def _in_chunks(score: Score, chunk: int) -> Score:
    """Score any number of states in calls of exactly `chunk`; not a number becomes the event."""

    def whole(x: Array) -> Array:
        parts = []
        for first in range(0, len(x), chunk):
            part = x[first : first + chunk]
            padded = np.concatenate([part, np.repeat(part[-1:], chunk - len(part), axis=0)])
            parts.append(np.asarray(score(padded), dtype=np.float64)[: len(part)])
        return np.nan_to_num(np.concatenate(parts), nan=-math.inf)

    return whole
