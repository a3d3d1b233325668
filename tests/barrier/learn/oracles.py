# SPDX-License-Identifier: Apache-2.0
"""Small problems with known answers; shares no code with the learners."""

import numpy as np

from reflexarc.barrier.learn.transitions import Transitions


def transitions(x, u, after, margin, next_margin, dt=0.1, last=None, terminal=None):
    """Return transitions with made-up names and inputs within [-1, 1]."""
    x, u, after = (np.atleast_2d(np.asarray(a, dtype=float).T).T for a in (x, u, after))
    count = len(x)
    return Transitions(
        x=x,
        u=u,
        next_x=after,
        margin=np.asarray(margin, dtype=float),
        next_margin=np.asarray(next_margin, dtype=float),
        reward=np.zeros(count),
        dt=np.broadcast_to(np.asarray(dt, dtype=float), (count,)).copy(),
        terminal=np.zeros(count, dtype=bool) if terminal is None else terminal,
        last=np.ones(count, dtype=bool) if last is None else last,
        system="test",
        state=tuple(f"x{i}" for i in range(x.shape[1])),
        input=tuple(f"u{i}" for i in range(u.shape[1])),
        lower=-np.ones(u.shape[1]),
        upper=np.ones(u.shape[1]),
    )


def sliding(count, seed, dt=0.05, duration=1):
    """Transitions of x' = 1 + 0.5 u on [0, 2], failure x in (0.9, 1.1) without escape, leaving the region for good.

    l = |x - 1| - 0.1. Everything to the left of 0.9 is doomed to pass the failure set: there V* = -0.1. To its right
    the best input flees, so that V* = l. Returns the data and V*.
    """
    rng = np.random.default_rng(seed)
    x = rng.uniform(0.0, 2.0, count)
    u = rng.uniform(-1.0, 1.0, count)
    rows = []
    for start, push in zip(x, u, strict=True):
        path = [start]
        for _ in range(duration):
            path.append(path[-1] + dt * (1.0 + 0.5 * push))
            if path[-1] > 2.0:
                break
        rows += [
            (a, push, b, b > 2.0, k == len(path) - 2)
            for k, (a, b) in enumerate(zip(path, path[1:], strict=False))
        ]
    a, push, b, terminal, last = (np.array(c) for c in zip(*rows, strict=True))

    def margin(x):
        return np.abs(x - 1.0) - 0.1

    data = transitions(a, push, b, margin(a), margin(b), dt, last | terminal, terminal)
    return data, lambda x: np.where(x < 1.0, -0.1, margin(x))
