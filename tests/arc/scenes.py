# SPDX-License-Identifier: Apache-2.0
"""States and proposals for tests of the arc."""

import numpy as np
from hypothesis import strategies as st

from reflexarc.core.types import BaseState, Obstacles, Proposal, Walls

ROOM = ((-8.0, 2.0, 12.0, 2.0), (-8.0, -2.0, 12.0, -2.0))
"""A corridor four metres wide."""


def obstacles(people=(), stamp=0.0, frame="odom", std=0.05):
    """Tracked people (x, y, vx, vy)."""
    table = np.array(people, dtype=float).reshape(-1, 4)
    n = len(table)
    return Obstacles(
        stamp, frame, table[:, :2], table[:, 2:], np.full(n, 0.3), np.full(n, std), np.full(n, std)
    )


def state(people=(), walls=ROOM, now=0.0, pose=(0.0, 0.0, 0.0), twist=(0.0, 0.0), **replaced):
    """A robot in a corridor among people, everything measured at `now` unless replaced."""
    frame = replaced.get("frame", "odom")
    if not isinstance(walls, Walls):
        walls = Walls(now, frame, np.array(walls, dtype=float).reshape(-1, 4))
    return BaseState(
        replaced.get("stamp", now),
        frame,
        np.array(pose),
        np.array(twist),
        replaced.get("obstacles", obstacles(people, now, frame)),
        walls,
    )


def proposal(v=1.0, omega=0.0, now=0.0):
    """A proposal made at `now`."""
    return Proposal(now, np.array([v, omega]))


PERSON = st.tuples(st.floats(-6, 6), st.floats(-6, 6), st.floats(-2, 2), st.floats(-2, 2))
ANY_NUMBER = st.floats(allow_nan=True, allow_infinity=True)
