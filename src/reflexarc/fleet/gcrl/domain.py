# SPDX-License-Identifier: Apache-2.0
"""What a domain has to offer so that it can be learned in: pure functions of arrays, compiled over whole batches.

A goal is a place; a state holds a place and may hold more (heading, speeds). Step and costs do not depend on the goal,
so every recorded transition can be learned from with any goal.
"""

from typing import Any, Protocol


class Domain(Protocol):
    """A world with one robot. All functions take single states and are vectorised by the caller."""

    @property
    def name(self) -> str:
        """Name of the map."""
        ...

    @property
    def state_size(self) -> int:
        """Numbers of a state."""
        ...

    @property
    def goal_size(self) -> int:
        """Numbers of a goal."""
        ...

    @property
    def action_size(self) -> int:
        """Numbers of an action."""
        ...

    @property
    def feature_size(self) -> int:
        """Numbers that the networks see."""
        ...

    @property
    def period(self) -> float:
        """Time of one step. [s]"""
        ...

    @property
    def extent(self) -> tuple[float, float]:
        """Size of the map. [m]"""
        ...

    @property
    def goal_radius(self) -> float:
        """A goal is reached nearer than this. [m]"""
        ...

    @property
    def draws(self) -> int:
        """Uniform numbers that a random state takes: a few large draws compile much faster than many keys."""
        ...

    def sample(self, u: Any) -> Any:
        """Return the free state that uniform numbers in [0, 1), shape (draws,), lead to; shape (state_size,)."""
        ...

    def step(self, state: Any, action: Any) -> tuple[Any, Any]:
        """Return the next state and the step's cost for an action in [-1, 1]^action_size."""
        ...

    def cost(self, state: Any) -> Any:
        """Return the cost of being in a state, shape ()."""
        ...

    def place(self, state: Any) -> Any:
        """Return the goal that a state is at, shape (goal_size,)."""
        ...

    def state_at(self, place: Any, u: Any) -> Any:
        """Return a state at a place, shape (state_size,); what the place does not say follows from u in [0, 1)."""
        ...

    def reached(self, state: Any, goal: Any) -> Any:
        """Return whether a state is at the goal, shape ()."""
        ...

    def features(self, state: Any, goal: Any) -> Any:
        """Return what the networks see, shape (feature_size,), of the order of one."""
        ...

    def digest(self) -> str:
        """Return a hash of everything that defines the domain."""
        ...
