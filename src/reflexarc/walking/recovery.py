# SPDX-License-Identifier: Apache-2.0
"""What a recovery policy is told, which knows how to walk: to go along with the push, to come to rest, or to stand.

Who falls is caught by stepping to where they fall. A policy that is told to walk at the velocity that it has makes
those steps; one that is told to stand keeps its feet on the ground.
"""

import numpy as np

from reflexarc.core.types import Array

RULES = ("along", "stand")
"""What a reflex tells the recovery policy."""


def going_along(velocity: Array, share: Array | float) -> Array:
    """Return commands to walk at a share of one's own velocity without turning, shape (n, 3). [m/s, m/s, rad/s]

    Args:
        velocity: in base_link, shape (n, 3). [m/s]
        share: 1: all of it, 0: stand; shape (n, 1) or a number.
    """
    command = np.zeros((len(velocity), 3))
    command[:, :2] = share * velocity[:, :2]
    return command
