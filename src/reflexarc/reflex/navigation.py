# SPDX-License-Identifier: Apache-2.0
r"""The two navigation problems of Recovery RL, cut into control steps.

A point s = (x, y) starts at (-50, 0) + N(0, I) and is to reach the origin. Published, per step:
s' = s + a + 0.05 N(0, I) with a in [-1, 1]^2, reward -|s|, success where the reward exceeds -4, failure inside an
obstacle, 100 steps. Here each step is cut into `control` parts s' = s + a / control + 0.05 / sqrt(control) N(0, I),
whose sum has the published distribution; failure and success are looked for after every part, so that nothing jumps
across a corner. A decision is an action that is held for `hold` published steps; published: 1.

Lengths are in metres and a published step takes one tenth of a second where rates are named in hertz; the problem
itself has no units.
"""

from dataclasses import dataclass, replace
from typing import Any

import jax.numpy as jnp
import numpy as np

from reflexarc.core.errors import UnknownNameError
from reflexarc.core.types import Array

STEPS = 100
"""Longest episode. [published steps]"""
NOISE = 0.05
START = (-50.0, 0.0)
NEAR = 4.0
"""The goal is reached nearer than this."""
LONG = 50.0
"""Rewards are -distance / LONG: of the order of one."""
FEATURE = 10.0
"""Networks see places over this."""


@dataclass(frozen=True)
class Navigation:
    """One problem; boxes are (x low, x high, y low, y high)."""

    name: str
    boxes: tuple[tuple[float, float, float, float], ...]
    gamma: float
    """Discount of the safety critic per published step, as published."""
    threshold: float
    """Published threshold of risk, chosen by hand."""
    multiplier: float
    """Published start of the Lagrange multiplier, for rewards in metres."""
    scale: float = LONG
    unfolds: bool = False
    observation: int = 2
    action: int = 2
    task_features: int = 2
    task_raw: int = 2
    judged_features: int = 4
    reflex_features: int = 2
    reflex_raw: int = 2
    noise: int = 2
    chance: int = 2
    hold: int = 1
    """Published steps of one decision."""
    control: int = 10
    """Control steps of one published step."""

    @property
    def length(self) -> int:
        """Control steps of a whole decision."""
        return self.hold * self.control

    @property
    def horizon(self) -> int:
        """Control steps of the longest episode."""
        return STEPS * self.control

    def move(self, s: Any, a: Any, z: Any) -> Any:
        """Return where a control step with action a, in [-1, 1]^2, and standard normal numbers z leads; shape (2,)."""
        return s + a / self.control + NOISE / self.control**0.5 * z

    def start(self, z: Any) -> Any:
        """Return the start of standard normal numbers z, shape (2,)."""
        return jnp.array(START) + z

    def failed(self, s: Any) -> Any:
        """Return whether s, shape (..., 2), lies in an obstacle."""
        found = jnp.zeros(s.shape[:-1], dtype=bool)
        for left, right, low, high in self.boxes:
            inside = (s[..., 0] >= left) & (s[..., 0] <= right) & (s[..., 1] >= low) & (s[..., 1] <= high)
            found = found | inside
        return found

    def reached(self, s: Any) -> Any:
        """Return whether s, shape (..., 2), is at the goal."""
        return jnp.sqrt((s**2).sum(axis=-1)) < NEAR

    def reward(self, s: Any) -> Any:
        """Return -|s| / LONG of s, shape (..., 2)."""
        return -jnp.sqrt((s**2).sum(axis=-1)) / LONG

    def observe(self, s: Any) -> Any:
        """Return the state itself: nothing is hidden."""
        return s

    def task_seen(self, s: Any) -> Any:
        """Return what the networks see."""
        return s / FEATURE

    def proposed(self, s: Any, raw: Any) -> Any:
        """Return the action itself."""
        return raw

    def judged(self, s: Any, a: Any) -> Any:
        """Return place and action."""
        return jnp.concatenate([s / FEATURE, a], axis=-1)

    def refused(self, s: Any, a: Any) -> Any:
        """Return the place; the recovery does not see what was refused."""
        return s / FEATURE

    def recovered(self, s: Any, a: Any, raw: Any) -> Any:
        """Return the action itself."""
        return raw

    def rule(self, s: Any, a: Any) -> Any:
        """Stand still."""
        return jnp.zeros_like(a)

    def force(self, s: Any) -> Any:
        """Return zero: nothing is felt here."""
        return jnp.zeros(s.shape[:-1])

    def left(self, s: Any, a: Any) -> Any:
        """Return the action itself, which is a velocity."""
        return a

    def begin(self, s: Any, a: Any, begins: Any, reflex: Any) -> Any:
        """Return the state: an action leaves no trace before it is carried out."""
        return s

    def probes(self, count: int, rng: np.random.Generator) -> tuple[Array, Array]:
        """Return places and actions, shape (count, 2) each, that show the critic failures before anything is driven.

        As published for the second problem: a fifth part from anywhere with any action, the others from before a face
        of an obstacle, at most ten steps away, towards it.
        """
        anywhere = rng.uniform((-60.0, -20.0), (10.0, 20.0), (count, 2))
        actions = rng.uniform(-1.0, 1.0, (count, 2))
        low, high = np.array([-60.0, -20.0]), np.array([10.0, 20.0])
        faces = rng.integers(0, 4 * len(self.boxes), count)
        near, inward = np.empty((count, 2)), np.empty((count, 2))
        for k, face in enumerate(faces.tolist()):
            box = np.array(self.boxes[face // 4]).reshape(2, 2)
            box = np.clip(box, low[:, None], high[:, None])
            axis, side = (face % 4) // 2, face % 2
            place = rng.uniform(box[:, 0], box[:, 1])
            sign = 2 * side - 1
            place[axis] = box[axis, side] + sign * rng.uniform(0.0, 10.0)
            push = rng.uniform(-1.0, 1.0, 2)
            push[axis] = -sign * rng.uniform(0.2, 1.0)
            near[k], inward[k] = place, push
        far = (rng.random(count) < 0.2)[:, None]
        return np.where(far, anywhere, near), np.where(far, actions, inward)


NAVIGATION = {
    "navigation1": Navigation(
        "navigation1",
        ((-100.0, 150.0, 5.0, 10.0), (-100.0, 150.0, -10.0, -5.0), (-100.0, -80.0, -10.0, 10.0)),
        gamma=0.8,
        threshold=0.3,
        multiplier=5000.0,
    ),
    "navigation2": Navigation(
        "navigation2", ((-30.0, -20.0, -7.5, 7.5),), gamma=0.65, threshold=0.2, multiplier=1000.0
    ),
}
"""Corridor and box; constants of Recovery RL's code."""


def navigation(name: str, hold: int = 1, control: int = 10) -> Navigation:
    """Return a problem.

    Raises:
        UnknownNameError: there is none of this name.
    """
    if name not in NAVIGATION:
        raise UnknownNameError("navigation problem", name, NAVIGATION)
    return replace(NAVIGATION[name], hold=hold, control=control)
