# SPDX-License-Identifier: Apache-2.0
"""The lidar of the Safety-Gymnasium tasks: bins around the robot that read how close the nearest thing is."""

import math

import numpy as np

from reflexarc.core.types import Array

BINS = 16


def bearing_lidar(places: Array, reach: float, bins: int = BINS) -> Array:
    r"""Read the bins for things at `places` in the robot's frame.

    A thing at distance d and bearing b gives its bin floor(b / w), w = 2 pi / bins, the closeness
    c = max(0, reach - d) / reach. The neighbours get a share of it, so that readings change continuously while
    a thing moves from bin to bin: the next one a c, the one before (1 - a) c, with a = b / w - floor(b / w).
    Of several things in a bin the largest reading counts.

    Args:
        places: shape (k, 2), x forward and y left. [m]
        reach: distance beyond which a bin reads 0. [m]
        bins: number of bins, counted counter-clockwise from straight ahead.

    Returns:
        Shape (bins,), each within [0, 1].
    """
    readings = np.zeros(bins)
    width = 2.0 * math.pi / bins
    for x, y in np.asarray(places, dtype=float).reshape(-1, 2).tolist():
        closeness = max(0.0, reach - math.hypot(x, y)) / reach
        turns = (math.atan2(y, x) % (2.0 * math.pi)) / width
        k = min(int(turns), bins - 1)  # the remainder of a tiny negative angle may round to a whole turn
        share = turns - k
        for index, reading in (
            (k, closeness),
            ((k + 1) % bins, share * closeness),
            ((k - 1) % bins, (1.0 - share) * closeness),
        ):
            readings[index] = max(readings[index], reading)
    return readings
