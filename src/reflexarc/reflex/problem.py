# SPDX-License-Identifier: Apache-2.0
"""What a problem tells loop and learner. Everything is for n episodes at once and traced by JAX.

A state is a pytree of arrays of first dimension n. An observation is what is remembered of it, shape (n, o); networks
see parts of that. `raw` numbers are what a policy puts out, in [-1, 1]; an action, shape (n, a), is what they mean.
"""

from typing import Any, Protocol

import numpy as np


class Problem(Protocol):
    """One problem."""

    @property
    def name(self) -> str:
        """Name in recipes."""
        ...

    @property
    def gamma(self) -> float:
        """Discount of the safety critic per published step."""
        ...

    @property
    def threshold(self) -> float:
        """Published threshold of risk, or one chosen by hand."""
        ...

    @property
    def multiplier(self) -> float:
        """Start of the Lagrange multiplier, in units of `scale`."""
        ...

    @property
    def scale(self) -> float:
        """Published weights of entropy and multiplier are divided by it, as the rewards are."""
        ...

    @property
    def hold(self) -> int:
        """Published steps of one decision."""
        ...

    @property
    def observation(self) -> int:
        """Entries of an observation."""
        ...

    @property
    def action(self) -> int:
        """Entries of an action."""
        ...

    @property
    def task_features(self) -> int:
        """Entries that the task policy sees."""
        ...

    @property
    def task_raw(self) -> int:
        """Entries that it puts out."""
        ...

    @property
    def judged_features(self) -> int:
        """Entries that the critic sees of an observation and an action."""
        ...

    @property
    def reflex_features(self) -> int:
        """Entries that the recovery sees."""
        ...

    @property
    def reflex_raw(self) -> int:
        """Entries that it puts out."""
        ...

    @property
    def unfolds(self) -> bool:
        """Whether what is left of an action looks other than the action as it began."""
        ...

    @property
    def noise(self) -> int:
        """Standard normal numbers that a control step needs."""
        ...

    @property
    def chance(self) -> int:
        """Standard normal numbers that a start needs."""
        ...

    @property
    def length(self) -> int:
        """Control steps of a whole decision."""
        ...

    @property
    def horizon(self) -> int:
        """Control steps of the longest episode."""
        ...

    def start(self, z: Any, /) -> Any:
        """Return states of standard normal numbers z, shape (n, chance)."""
        ...

    def observe(self, state: Any, /) -> Any:
        """Return the observation, shape (n, observation)."""
        ...

    def task_seen(self, seen: Any, /) -> Any:
        """Return what the task policy sees of an observation."""
        ...

    def proposed(self, seen: Any, raw: Any, /) -> Any:
        """Return the action that the task policy's numbers mean."""
        ...

    def judged(self, seen: Any, action: Any, /) -> Any:
        """Return what the critic sees of an action in an observation."""
        ...

    def refused(self, seen: Any, action: Any, /) -> Any:
        """Return what the recovery sees when this action is refused."""
        ...

    def recovered(self, seen: Any, action: Any, raw: Any, /) -> Any:
        """Return the action that the recovery's numbers mean when `action` is refused."""
        ...

    def rule(self, seen: Any, action: Any, /) -> Any:
        """Return the recovery of a rule, without anything learned."""
        ...

    def force(self, seen: Any, /) -> Any:
        """Return the measured force, shape (n,), zero where there is none. [N]"""
        ...

    def left(self, state: Any, action: Any, /) -> Any:
        """Return what is left of an action that is going on."""
        ...

    def begin(self, state: Any, action: Any, begins: Any, reflex: Any, /) -> Any:
        """Return the state in which `action` begins where `begins`, after a refused one where `reflex`."""
        ...

    def move(self, state: Any, action: Any, z: Any, /) -> Any:
        """Return the state one control step later; z has shape (n, noise)."""
        ...

    def failed(self, state: Any, /) -> Any:
        """Return whether something happened that must not."""
        ...

    def reached(self, state: Any, /) -> Any:
        """Return whether the goal is reached."""
        ...

    def reward(self, state: Any, /) -> Any:
        """Return the reward of the last control step, times `length`."""
        ...

    def probes(self, count: int, rng: np.random.Generator, /) -> tuple[Any, Any]:
        """Return states and actions that show the critic failures before anything is driven."""
        ...
