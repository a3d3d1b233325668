# SPDX-License-Identifier: Apache-2.0
r"""One step of cluster entropy on what is seen now, before a plan is chosen: Centaur's test-time training, gated.

    theta^ = theta - eta mean_f dH_f / d theta,      H_f = - sum_a p_a ln p_a,   p_a = sum of scores of cluster a

over the last moments f (Sima et al., arXiv:2503.11650). Always from the committed theta: a changed theta lives for one
call and is kept nowhere. The gate: no step below an entropy; |theta^ - theta| at most a norm, a longer step is
shortened; a step that is not finite or late is dropped, and the committed weights choose.

This is an ablation of the study `assurance`. Nothing that runs on the robot imports it, and its output is a proposal
like any other.
"""

import functools
import math
import time
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from plan_scorer import Scorer
from scored_plans import ANCHORS

from reflexarc.core.errors import ConfigError, UnknownNameError
from reflexarc.core.types import Array

FRAMES = 4
"""Moments whose gradients are averaged."""
DIRECTIONS = ("gradient", "random")


class Gate(NamedTuple):
    """When a step is taken, and how far."""

    entropy: float = -math.inf
    """Least entropy of the present moment with the committed weights. [nat]"""
    norm: float = math.inf
    """Largest Euclidean norm of the change of theta."""
    limit_s: float = math.inf
    """Longest wall time of a step; a later one is dropped. [s]"""


class Step(NamedTuple):
    """What came of one moment."""

    scores: Array
    """To choose by, shape (k,)."""
    entropy: float
    """With the committed weights. [nat]"""
    after: float
    """With the weights that gave the scores. [nat]"""
    norm: float
    """Of the change of theta; 0 without one."""
    outcome: str
    """`closed`, `stepped`, `not finite` or `late`."""


class GatedUpdate:
    """Scores with a step from the committed weights."""

    def __init__(
        self,
        scorer: Scorer,
        gate: Gate,
        eta: float,
        direction: str = "gradient",
        seed: int = 0,
        clock: Callable[[], float] = time.perf_counter,
    ):
        """Take the parameters and compile the step.

        Args:
            scorer: with the committed weights.
            gate: see there.
            eta: length of the step per gradient, >= 0; 0 is the unmodified scorer.
            direction: `gradient`, or `random` for a step of the same norm in a random direction.
            seed: of random directions.
            clock: seconds, for the time limit.

        Raises:
            ConfigError: eta is negative or not finite, or a limit of the gate is NaN or negative.
            UnknownNameError: no such direction.
        """
        if direction not in DIRECTIONS:
            raise UnknownNameError("direction", direction, DIRECTIONS)
        if (
            not 0.0 <= eta < math.inf
            or math.isnan(gate.entropy)
            or not (gate.norm >= 0.0 and gate.limit_s > 0.0)
        ):
            raise ConfigError(
                f"eta {eta}, {gate}; needed: eta finite and >= 0, norm >= 0, limit_s > 0, an entropy that is a number"
            )
        self.scorer, self.gate, self.eta, self.direction = scorer, gate, eta, direction
        self._rng, self._clock = np.random.default_rng(seed), clock

        self._entropy, self._slope, self._slopes = _compiled(scorer)

    def entropy(self, features: Array, cluster: Array, theta: Array | None = None) -> float:
        """Return H of plans with the committed weights or with others. [nat]"""
        return float(self._entropy(self.scorer.theta if theta is None else theta, features, cluster))

    def slopes(self, frames: Array, clusters: Array) -> Array:
        """Return dH / d theta of each moment (f, k, n) at the committed weights, shape (f, p)."""
        return np.asarray(self._slopes(self.scorer.theta, frames, clusters), dtype=np.float64)

    def choose(self, features: Array, cluster: Array, frames: Array, clusters: Array) -> Step:
        """Score the plans of the present moment.

        Args:
            features: of the present moment, shape (k, n).
            cluster: anchor of each plan, shape (k,).
            frames: features of the moments to learn from, shape (FRAMES, k, n).
            clusters: their clusters, shape (FRAMES, k).

        Raises:
            ConfigError: the present features are not finite; no plan can be scored.
        """
        if not np.isfinite(features).all():
            raise ConfigError("features of the plans are not finite; no plan was scored")
        started = self._clock()
        committed = self.scorer.scores(features)
        before = self.entropy(features, cluster)
        if before < self.gate.entropy or self.eta == 0.0:
            return Step(committed, before, before, 0.0, "closed")
        theta, norm = self.changed(frames, clusters)
        if not np.isfinite(theta).all():
            return Step(committed, before, before, 0.0, "not finite")
        scores, after = self.scorer.scores(features, theta), self.entropy(features, cluster, theta)
        if not (np.isfinite(scores).all() and math.isfinite(after)):
            return Step(committed, before, before, 0.0, "not finite")
        if self._clock() - started > self.gate.limit_s:
            return Step(committed, before, before, 0.0, "late")
        return Step(scores, before, after, norm, "stepped")

    def changed(self, frames: Array, clusters: Array) -> tuple[Array, float]:
        """Return theta after one step on moments, float32 of shape (p,), and the norm of its change."""
        theta = self.scorer.theta
        step = -self.eta * np.asarray(self._slope(theta, frames, clusters), dtype=np.float64)
        norm = float(np.linalg.norm(step))
        if self.direction == "random":
            step = self._rng.normal(size=len(step))
            step *= norm / np.linalg.norm(step)
        if norm > self.gate.norm:
            step, norm = step * (self.gate.norm / norm), self.gate.norm
        return (theta + step).astype(np.float32), norm


@functools.cache
def _compiled(scorer: Scorer) -> tuple[Any, Any, Any]:
    """H of a moment, its mean gradient over moments, the gradient of each; of theta, features and cluster."""

    def entropy(theta: Any, features: Any, cluster: Any) -> Any:
        scores = jax.nn.softmax(scorer.logits(theta, features))
        member = cluster[None] == jnp.arange(len(ANCHORS))[:, None]
        share = jnp.where(member, scores[None], 0.0).sum(axis=1)
        # x ln x -> 0; both branches finite, so that the gradient is
        return -jnp.where(share > 0.0, share * jnp.log(jnp.where(share > 0.0, share, 1.0)), 0.0).sum()

    def mean(theta: Any, frames: Any, clusters: Any) -> Any:
        return jax.vmap(entropy, in_axes=(None, 0, 0))(theta, frames, clusters).mean()

    each = jax.vmap(jax.grad(entropy), in_axes=(None, 0, 0))
    return jax.jit(entropy), jax.jit(jax.grad(mean)), jax.jit(each)
