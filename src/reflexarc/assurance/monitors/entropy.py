# SPDX-License-Identifier: Apache-2.0
r"""A planner's doubt: Cluster Entropy of sampled plans (Centaur, Sima et al., arXiv:2503.11650), and what follows.

    1. M sampled plans with scores s_i >= 0
    2. anchors by lateral offset: sharp left, slight left, forward, slight right, sharp right
    3. each plan belongs to the anchor that is nearest in L2 over its way points; scores are summed per anchor
    4. p_a = score_a / sum of scores
    5. H = - sum over a of p_a ln p_a,   in [0, ln 5]

A doubt is a reason to go slowly and look, not to stop: the paper's own fall-backs that stop at high entropy lose most
of the progress. The monitor therefore asks for SPEED_SEPARATION, with hysteresis. It asks; it does not command, and a
planner that is sure and wrong has no entropy.
"""

import math
from typing import NamedTuple

import numpy as np

from reflexarc.assurance.monitors.hysteresis import Hysteresis
from reflexarc.core.errors import ConfigError
from reflexarc.core.types import Array, Mode

ANCHORS = ("sharp left", "slight left", "forward", "slight right", "sharp right")
THRESHOLD = 0.5 * math.log(len(ANCHORS))
"""Of the paper's failure identification, about 0.8; calibrate it on held-out failures."""


class ClusterEntropy(NamedTuple):
    """Entropy of a set of plans."""

    entropy: float
    """H. [nat]"""
    share: Array
    """p_a per anchor, shape (a,)."""
    cluster: Array
    """Index of each plan's anchor, shape (n,)."""


class Doubt(NamedTuple):
    """What the monitor says of one planning cycle."""

    mode: Mode
    """Asked for: SPEED_SEPARATION or NORMAL."""
    entropy: float
    """[nat]; NaN where the plans cannot be judged."""
    reason: str
    """Why SPEED_SEPARATION; empty with NORMAL."""


def lateral_anchors(
    speed: float, time: Array, offsets: tuple[float, ...] = (4.0, 1.5, 0.0, -1.5, -4.0)
) -> Array:
    """Return arcs of constant curvature that end so far to the left of straight ahead, shape (a, t, 2). [m]

    Args:
        speed: along every arc. [m/s]
        time: of the way points, increasing from >= 0, shape (t,). [s]
        offsets: lateral offset at the end, in the order of `ANCHORS`. [m]

    Raises:
        ConfigError: a number is not finite, the speed not positive, or an offset beyond a half circle's.
    """
    time = np.asarray(time, dtype=np.float64)
    length = speed * time
    good = time.ndim == 1 and time.size >= 1 and bool(np.isfinite(length).all()) and speed > 0.0
    if not good or time[0] < 0.0 or (np.diff(time) <= 0.0).any() or time[-1] == 0.0:
        raise ConfigError(f"anchors need a positive speed, got {speed} m/s, and increasing times from >= 0")
    return np.stack([_arc(length, offset) for offset in offsets])


def cluster_entropy(plans: Array, scores: Array, anchors: Array) -> ClusterEntropy:
    """Return the entropy of sampled plans.

    Args:
        plans: way points in base_link, shape (n, t, 2). [m]
        scores: of the plans, >= 0, shape (n,).
        anchors: shape (a, t, 2). [m]

    Raises:
        ConfigError: shapes do not fit, a number is not finite, a score is negative, or all are 0.
    """
    plans, scores, anchors = (np.asarray(a, dtype=np.float64) for a in (plans, scores, anchors))
    if plans.ndim != 3 or plans.shape[0] < 1 or anchors.ndim != 3 or plans.shape[1:] != anchors.shape[1:]:
        raise ConfigError(
            f"plans {plans.shape} and anchors {anchors.shape} must be (n, t, 2) and (a, t, 2), n >= 1"
        )
    if scores.shape != plans.shape[:1]:
        raise ConfigError(
            f"{plans.shape[0]} plans and scores of shape {scores.shape}; one score per plan is needed"
        )
    if not all(np.isfinite(a).all() for a in (plans, scores, anchors)) or (scores < 0.0).any():
        raise ConfigError("a way point or score is not finite, or a score is negative")
    total = float(scores.sum())
    if not 0.0 < total < math.inf:
        raise ConfigError(f"the scores sum to {total}; no plan is better than another")
    squared = ((plans[:, None] - anchors[None]) ** 2).sum(axis=(2, 3))  # (n, a)
    cluster = squared.argmin(axis=1)
    share = np.bincount(cluster, weights=scores, minlength=len(anchors)) / total
    positive = share[share > 0.0]
    entropy = float(-(positive * np.log(positive)).sum())
    return ClusterEntropy(max(entropy, 0.0), share, cluster)


class EntropyMonitor:
    """Asks for SPEED_SEPARATION while a planner is in doubt, or cannot be judged."""

    def __init__(
        self, anchors: Array, on: float = THRESHOLD, off: float = 0.8 * THRESHOLD, dwell: float = 1.0
    ):
        """Take anchors and thresholds.

        Args:
            anchors: shape (a, t, 2). [m]
            on: entropy from which the mode is asked for. [nat]
            off: below it for the dwell, no longer. [nat]
            dwell: [s]

        Raises:
            ConfigError: see `Hysteresis`.
        """
        self.anchors = np.array(anchors, dtype=np.float64)
        self._switch = Hysteresis(on, off, dwell)

    def reset(self) -> None:
        """Forget the past; SPEED_SEPARATION is asked for until the first good set of plans."""
        self._switch.reset()

    def update(self, time: float, plans: Array, scores: Array) -> Doubt:
        """Judge the plans of one cycle; anything that `cluster_entropy` refuses counts as doubt. [s]"""
        try:
            entropy = cluster_entropy(plans, scores, self.anchors).entropy
            reason = self._switch.update(time, entropy)
        except ConfigError as error:
            entropy, reason = math.nan, self._switch.distrust(time, str(error))
        if not self._switch.active:
            return Doubt(Mode.NORMAL, entropy, "")
        limit = f"entropy {entropy:.2f} nat, on from {self._switch.on:.2f}, off after {self._switch.dwell:g} s below "
        return Doubt(Mode.SPEED_SEPARATION, entropy, reason or f"{limit}{self._switch.off:.2f}")


def _arc(length: Array, offset: float) -> Array:
    """Way points at these arc lengths on the circle that ends `offset` to the left of straight ahead."""
    end = float(length[-1])
    # offset = (1 - cos(k end)) / k grows with the angle k end up to about 2.33, where it is 0.7246 end
    if not abs(offset) <= 0.72 * end:
        raise ConfigError(f"an arc of {end:g} m cannot end {offset:g} m to the side")
    low, high = 0.0, 2.3
    for _ in range(60):
        angle = 0.5 * (low + high)
        low, high = (angle, high) if (1.0 - math.cos(angle)) / angle * end < abs(offset) else (low, angle)
    angle = math.copysign(0.5 * (low + high), offset) if offset else 0.0
    if angle == 0.0:
        return np.stack([length, np.zeros_like(length)], axis=1)
    k = angle / end
    return np.stack([np.sin(k * length) / k, (1.0 - np.cos(k * length)) / k], axis=1)
