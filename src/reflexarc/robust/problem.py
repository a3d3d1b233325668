# SPDX-License-Identifier: Apache-2.0
"""What a problem tells the learner: n episodes side by side, stepped on the host, two players who act at once."""

from typing import NamedTuple, Protocol

import numpy as np

from reflexarc.core.types import Array

Mask = np.ndarray[tuple[int, ...], np.dtype[np.bool_]]
"""Which of the episodes, shape (n,)."""


class Step(NamedTuple):
    """What one step of all episodes gave; an episode that has ended has begun anew already."""

    task: Array
    """Reward of the task alone, shape (n,); the cost is `ideal` minus it."""
    shaping: Array
    """Further rewards of the actor, shape (n,), which do not enter the cost."""
    failed: Mask
    """Whether the episode ended in failure, shape (n,)."""
    over: Mask
    """Whether its time was up, shape (n,)."""
    last: Array
    """Observation at the end of the step, before any new beginning, shape (n, o)."""


class Problem(Protocol):
    """One problem."""

    @property
    def name(self) -> str:
        """Name in recipes."""
        ...

    @property
    def episodes(self) -> int:
        """How many: n."""
        ...

    @property
    def observation(self) -> int:
        """Entries that both players see."""
        ...

    @property
    def action(self) -> int:
        """Entries of an action."""
        ...

    @property
    def disturbance(self) -> int:
        """Entries of a disturbance."""
        ...

    @property
    def weight(self) -> Array:
        """How much each entry of a disturbance counts in its magnitude, shape (d,); 0: not at all, as a place does."""
        ...

    @property
    def ideal(self) -> float:
        """Largest reward of the task in one step."""
        ...

    @property
    def ends(self) -> bool:
        """Whether the end of time is part of the problem (nothing comes after), or only cuts an episode off."""
        ...

    def begin(self, rng: np.random.Generator, /) -> Array:
        """Begin all episodes; return the observations, shape (n, o)."""
        ...

    def step(self, action: Array, disturbance: Array, rng: np.random.Generator, /) -> tuple[Array, Step]:
        """Go on by one step.

        Args:
            action: shape (n, a).
            disturbance: as it acts, within every limit, shape (n, d).
            rng: of new beginnings.

        Returns:
            The observations of what comes next, shape (n, o), and what the step gave.
        """
        ...
