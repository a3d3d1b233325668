# SPDX-License-Identifier: Apache-2.0
r"""The level shift: how much a learned value is lowered because it was too high on data that it has not seen.

The value of a state never exceeds its margin. On held-out states close to the border of the failure set, |l| <= band,
the excess V(x) - l(x) is sorted, and the shift is the conformal quantile

    delta = max(0, e_(k)),   k = ceil((n + 1) (1 - share))

so that for a further such state, exchangeable with the held-out ones, P(V - delta > l) <= share. Rows of one episode
are alike, so whole episodes are held out; the share is a figure of the recording, not a safety claim: that is the
certificate's business.
"""

import math

import numpy as np

from reflexarc.barrier.learn.transitions import Transitions
from reflexarc.core.types import Array


def level_shift(values: Array, margins: Array, share: float, band: float) -> tuple[float, float]:
    """Return delta and the share that it guarantees, which is more than `share` where there are too few states.

    Args:
        values: V at held-out states, shape (n,).
        margins: l at the same states, shape (n,), same unit.
        share: share of states near the border whose value may exceed the margin after the shift, in (0, 1).
        band: |l| up to which a state counts as near the border.
    """
    excess = np.sort((values - margins)[np.abs(margins) <= band])
    count = len(excess)
    if count == 0:
        return 0.0, 1.0
    k = math.ceil((count + 1) * (1.0 - share))
    if k > count:
        return max(0.0, float(excess[-1])), 1.0 / (count + 1)
    return max(0.0, float(excess[k - 1])), share


def hold_out(data: Transitions, share: float, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the rows of the training and of the held-out episodes, whole episodes each.

    At least one episode is trained on; with a single episode nothing is held out.
    """
    episode = np.concatenate(([0], np.cumsum(data.last)[:-1]))
    count = int(episode[-1]) + 1
    held = np.random.default_rng(seed).permutation(count)[: min(int(round(share * count)), count - 1)]
    out = np.isin(episode, held)
    return np.flatnonzero(~out), np.flatnonzero(out)
