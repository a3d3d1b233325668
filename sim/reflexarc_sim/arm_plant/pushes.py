# SPDX-License-Identifier: Apache-2.0
"""Pushes of a person against the arm: when, where, how hard and for how long, drawn by the seed."""

import math
from dataclasses import dataclass

import numpy as np

from reflexarc.core.types import Array
from reflexarc_sim.cell import PushesConfig


@dataclass(frozen=True, eq=False)
class Push:
    """One push: a constant force."""

    start: float
    """[s]"""
    end: float
    """[s]"""
    body: int
    """What is pushed, a body of the model."""
    force: Array
    """In the axes of the arm's base, shape (3,). [N]"""
    offset: Array
    """Where it acts, in the body's axes from its centre of mass, shape (3,). [m]"""


def draw_pushes(
    config: PushesConfig, bodies: tuple[int, ...], horizon: float, rng: np.random.Generator
) -> tuple[Push, ...]:
    """Return the pushes of a run, by time; mostly sideways, at the centre of mass of one of `bodies`.

    Args:
        config: how many and how hard.
        bodies: what may be pushed.
        horizon: they begin within this time. [s]
        rng: stream of the pushes alone.
    """
    pushes = []
    for _ in range(config.count):
        start = float(rng.uniform(0.0, horizon))
        lasts = float(rng.uniform(*config.duration_s))
        size, heading, lift = (
            rng.uniform(*config.force),
            rng.uniform(-math.pi, math.pi),
            rng.uniform(-0.5, 0.5),
        )
        way = np.array(
            [math.cos(heading) * math.cos(lift), math.sin(heading) * math.cos(lift), math.sin(lift)]
        )
        body = int(bodies[int(rng.integers(len(bodies)))])
        pushes.append(Push(start, start + lasts, body, size * way, np.zeros(3)))
    return tuple(sorted(pushes, key=lambda p: p.start))
