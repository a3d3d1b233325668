# SPDX-License-Identifier: Apache-2.0
"""Problems in one state and one input that can be solved without learning."""

import numpy as np

from reflexarc.barrier.learn.transitions import Transitions


def transitions(x, u, after, margin, reward, dt=0.05, end=None) -> Transitions:
    """Single transitions (x, u) -> after; `margin` and `end` take a state."""
    x, u, after = (np.asarray(part, dtype=float).reshape(len(x), -1) for part in (x, u, after))
    return Transitions(
        x=x,
        u=u,
        next_x=after,
        margin=margin(x),
        next_margin=margin(after),
        reward=reward(x, u),
        dt=np.full(len(x), dt),
        terminal=np.zeros(len(x), dtype=bool) if end is None else end(after),
        last=np.ones(len(x), dtype=bool),
        system="small",
        state=tuple(f"x{i}" for i in range(x.shape[1])),
        input=tuple(f"u{i}" for i in range(u.shape[1])),
        lower=np.full(u.shape[1], -1.0),
        upper=np.full(u.shape[1], 1.0),
    )


CLIFF_DT = 0.05


def cliff_step(x, u):
    """Left of 0 the input alone moves the state; right of it a current of 2 towards the cliff at 0.8 wins."""
    return x + CLIFF_DT * (u + 2.0 * (x > 0.0))


def cliff_margin(x):
    return 0.8 - np.asarray(x)[..., 0]


def cliff_data(count=20_000, seed=0) -> Transitions:
    """Random inputs everywhere; an episode ends beyond 1."""
    rng = np.random.default_rng(seed)
    x, u = rng.uniform(-1.0, 1.0, count), rng.uniform(-1.0, 1.0, count)
    return transitions(
        x, u, cliff_step(x, u), cliff_margin, lambda x, u: x[:, 0], CLIFF_DT, end=lambda y: y[:, 0] > 1.0
    )


def jump_data(count=8_000, seed=0, highest=1.0, ends=False) -> Transitions:
    """The input is the next state and the reward; states above 0.3 are failures. `ends`: after one step."""
    rng = np.random.default_rng(seed)
    x, u = rng.uniform(-1.0, 1.0, count), rng.uniform(-1.0, highest, count)
    end = (lambda y: np.ones(len(y), dtype=bool)) if ends else None
    return transitions(x, u, u, lambda y: 0.3 - y[:, 0], lambda x, u: u[:, 0], end=end)
