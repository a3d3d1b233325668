# SPDX-License-Identifier: Apache-2.0
"""Recorded transitions in memory: what every learner of this package is fed."""

from dataclasses import dataclass, replace

import numpy as np

from reflexarc.core.errors import ConfigError
from reflexarc.core.types import Array

_ARRAYS = ("x", "u", "next_x", "margin", "next_margin", "reward", "dt")


@dataclass(frozen=True, slots=True)
class Transitions:
    """N transitions x -> next_x under the input u, in the order in which they were recorded."""

    x: Array
    """State before, shape (N, n)."""
    u: Array
    """Input, held for `dt`, shape (N, m)."""
    next_x: Array
    """State after, shape (N, n)."""
    margin: Array
    """l(x): signed margin, negative in the failure set, shape (N,)."""
    next_margin: Array
    """l(next_x), shape (N,)."""
    reward: Array
    """Shape (N,)."""
    dt: Array
    """How long the transition took, shape (N,). [s]"""
    terminal: np.ndarray
    """Whether the task ended in next_x for good; nothing follows. Shape (N,), bool."""
    last: np.ndarray
    """Whether the recording breaks off after this row (terminal or cut). Shape (N,), bool."""
    system: str
    """Name of the system or robot."""
    state: tuple[str, ...]
    """Names of the state's coordinates."""
    input: tuple[str, ...]
    """Names of the inputs."""
    lower: Array
    """Least input, shape (m,). A ball is recorded by the box around it."""
    upper: Array
    """Largest input, shape (m,)."""

    def __post_init__(self) -> None:
        for name in _ARRAYS:
            object.__setattr__(self, name, np.asarray(getattr(self, name), dtype=np.float64))
        for name in ("terminal", "last"):
            object.__setattr__(self, name, np.asarray(getattr(self, name), dtype=bool))
        n, m, count = len(self.state), len(self.input), len(self.x)
        shapes = {"x": (count, n), "u": (count, m), "next_x": (count, n), "lower": (m,), "upper": (m,)}
        for name in (*_ARRAYS, "terminal", "last", "lower", "upper"):
            expected, array = shapes.get(name, (count,)), getattr(self, name)
            if np.shape(array) != expected:
                raise ConfigError(f"transitions: {name} has shape {np.shape(array)}, expected {expected}")
        if count == 0:
            raise ConfigError("transitions: there is not a single row")
        for name in _ARRAYS:
            array = getattr(self, name)
            rows = np.flatnonzero(~np.isfinite(array.reshape(count, -1)).all(axis=1))
            if len(rows):
                raise ConfigError(
                    f"transitions: {name} is not finite in row {rows[0]} ({len(rows)} rows in all); refused"
                )
        if not (self.dt > 0.0).all():
            row = int(np.flatnonzero(self.dt <= 0.0)[0])
            raise ConfigError(f"transitions: dt is {self.dt[row]} s in row {row}, it must be positive")

    def __len__(self) -> int:
        return len(self.x)

    def rows(self, index: np.ndarray) -> "Transitions":
        """Return the transitions of the rows `index`, which must keep recorded steps together and in order."""
        parts = {name: getattr(self, name)[index] for name in (*_ARRAYS, "terminal", "last")}
        return replace(self, **parts)


@dataclass(frozen=True, slots=True)
class Composed:
    """Transitions over k recorded steps each: the same equation with a longer dt."""

    start: np.ndarray
    """Row of the first step, shape (M,), int."""
    end: np.ndarray
    """Row of the last step, shape (M,), int."""
    least: Array
    """Least margin at the states before each step, shape (M,)."""
    dt: Array
    """Time that the steps took together, shape (M,). [s]"""


def compose(data: Transitions, steps: int) -> Composed:
    """Join up to `steps` consecutive transitions, from every row; a recording's end cuts the last ones short.

    With the path x_0 .. x_k it is  V(x_0) >= min(l(x_0), .., l(x_{k-1}), V(x_k)):  one backup over k periods.

    Raises:
        ConfigError: `steps` is below 1.
    """
    if steps < 1:
        raise ConfigError(f"a composed transition needs at least 1 step, got {steps}")
    count = len(data)
    ends = np.flatnonzero(data.last)
    if len(ends) == 0 or ends[-1] != count - 1:
        ends = np.append(ends, count - 1)
    start = np.arange(count)
    stop = ends[np.searchsorted(ends, start)]
    end = np.minimum(start + steps - 1, stop)
    least = data.margin.copy()
    for k in range(1, steps):
        inside = np.flatnonzero(start + k <= end)
        least[inside] = np.minimum(least[inside], data.margin[inside + k])
    elapsed = np.concatenate(([0.0], np.cumsum(data.dt)))
    return Composed(start, end, least, elapsed[end + 1] - elapsed[start])
