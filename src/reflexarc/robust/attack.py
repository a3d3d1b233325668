# SPDX-License-Identifier: Apache-2.0
r"""The smallest push that makes a stack fail, whatever it is: it is only run, again and again, with other pushes.

A push has a shape (when, where to, how long, ...), a point of the unit cube, and a size. With J the smallest size that
has been seen to fail:

    draw shapes from a Gaussian, run each at (1 - s) J        s = `step`
    a shape that fails: bisect its size down to a tolerance, J <- what is found
    move the Gaussian towards the shapes with the least margin (cross-entropy, Rubinstein 1999)

`guided = False` draws evenly instead and is otherwise the same: what random pushes find with as many runs. What is
found is an upper bound on the smallest failing size; no failure in n runs proves nothing.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple, Protocol

import numpy as np

from reflexarc.core.config import quantity
from reflexarc.core.errors import ConfigError
from reflexarc.core.types import Array


class Dimension(NamedTuple):
    """One entry of a shape."""

    name: str
    unit: str
    low: float
    high: float
    periodic: bool = False
    """Whether `high` is `low` again, as an angle's."""


class Trial(NamedTuple):
    """What became of a run."""

    failed: bool
    margin: float
    """How far it was from failing, in units of the stack's own; the smaller the nearer."""
    what: str
    """What failed; empty if nothing did."""


class Stack(Protocol):
    """What is attacked."""

    @property
    def name(self) -> str:
        """For reports."""
        ...

    @property
    def shape(self) -> tuple[Dimension, ...]:
        """What a push's shape is."""
        ...

    @property
    def size_unit(self) -> str:
        """Unit of a push's size."""
        ...

    @property
    def weight(self) -> float:
        """Size of which multiples are given: that of the robot's weight for a second, or its weight."""
        ...

    def run(self, shape: Array, size: float, /) -> Trial:
        """Run with one push, the same every time; size 0 is none.

        Args:
            shape: in the units of `shape`.
            size: in `size_unit`.
        """
        ...


@dataclass(frozen=True)
class Search:
    """Parameters."""

    runs: int = quantity(200, low=1, high=1_000_000, doc="runs in all, but the one without a push")
    most: float = quantity(100.0, low=1e-9, high=1e9, doc="largest size that is tried")
    step: float = quantity(0.05, low=1e-4, high=0.9, doc="by how much smaller the next must be to count")
    tolerance: float = quantity(0.02, low=1e-4, high=0.5, doc="relative, of a bisected size")
    generation: int = quantity(8, low=2, high=1000, doc="shapes between two moves of the Gaussian")
    elite: float = quantity(0.25, low=0.01, high=1.0, doc="share of a generation that it moves towards")
    guided: bool = quantity(True, doc="whether margins guide the shapes; else all are drawn evenly")
    seed: int = quantity(0, low=0, high=2**31, doc="of the shapes")


class Found(NamedTuple):
    """Answer of a search."""

    size: float | None
    """Smallest that failed; None if nothing did."""
    shape: Array | None
    """Of that push, in the stack's units."""
    what: str
    runs: int
    """That were made."""
    best: tuple[tuple[int, float], ...]
    """After which run the smallest was lowered to what."""


SMOOTHING = 0.7
"""Of the Gaussian's move."""
LEAST_SPREAD = 0.03
"""Of the Gaussian, in the unit cube."""


def attack(
    stack: Stack, s: Search, progress: Callable[[int, int, float | None], None] | None = None
) -> Found:
    """Look for the smallest push that makes the stack fail.

    Args:
        stack: what is attacked.
        s: parameters.
        progress: told runs done, runs in all, smallest size so far.

    Raises:
        ConfigError: it fails without any push, so that no push is to blame.
    """
    return _Attack(stack, s, progress).run()


class _Attack:
    def __init__(
        self, stack: Stack, s: Search, progress: Callable[[int, int, float | None], None] | None
    ) -> None:
        self._stack, self._s, self._progress = stack, s, progress
        self._dimensions = stack.shape
        self._rng = np.random.default_rng(s.seed)
        n = len(self._dimensions)
        self._mean, self._spread = np.full(n, 0.5), np.full(n, math.inf)
        self._runs = 0
        self._found: tuple[float, Array, str] | None = None
        self._best: list[tuple[int, float]] = []

    def run(self) -> Found:
        middle = self._in_units(np.full(len(self._dimensions), 0.5))
        calm = self._stack.run(middle, 0.0)
        if calm.failed:
            raise ConfigError(f"{self._stack.name} fails without any push ({calm.what}); nothing to look for")
        while self._left:
            self._generation()
        size, shape, what = self._found or (None, None, "")
        return Found(size, shape, what, self._runs, tuple(self._best))

    @property
    def _left(self) -> int:
        return self._s.runs - self._runs

    def _generation(self) -> None:
        s = self._s
        seen: list[tuple[float, Array]] = []
        for _ in range(s.generation):
            if not self._left:
                return
            point = self._draw()
            level = s.most if self._found is None else (1.0 - s.step) * self._found[0]
            trial = self._try(point, level)
            seen.append((trial.margin if not trial.failed else -math.inf, point))
            if trial.failed:
                self._lower(point, level, trial.what)
        if s.guided:
            self._move(seen)

    def _draw(self) -> Array:
        even = self._rng.random(len(self._dimensions))
        if not np.isfinite(self._spread).all():
            return even
        point = self._mean + self._spread * self._rng.normal(size=len(even))
        wraps = np.array([d.periodic for d in self._dimensions])
        return np.where(wraps, point % 1.0, np.clip(point, 0.0, 1.0))

    def _try(self, point: Array, size: float) -> Trial:
        trial = self._stack.run(self._in_units(point), size)
        self._runs += 1
        if self._progress is not None:
            self._progress(self._runs, self._s.runs, self._found[0] if self._found else None)
        return trial

    def _lower(self, point: Array, fails: float, what: str) -> None:
        """Bisect the size of a shape that fails, as far as runs are left."""
        holds = 0.0
        while self._left and fails - holds > self._s.tolerance * fails:
            middle = 0.5 * (holds + fails)
            trial = self._try(point, middle)
            if trial.failed:
                fails, what = middle, trial.what
            else:
                holds = middle
        self._found = (fails, self._in_units(point), what)
        self._best.append((self._runs, fails))

    def _move(self, seen: list[tuple[float, Array]]) -> None:
        """Towards the shapes with the least margin; angles by way of the nearest turn."""
        ranked = sorted(seen, key=lambda row: row[0])
        points = np.array([point for _, point in ranked[: max(2, round(self._s.elite * len(ranked)))]])
        wraps = np.array([d.periodic for d in self._dimensions])
        first = points[0]
        near = np.where(wraps, first + (points - first + 0.5) % 1.0 - 0.5, points)
        mean, spread = near.mean(axis=0), np.maximum(near.std(axis=0), LEAST_SPREAD)
        if np.isfinite(self._spread).all():
            shift = np.where(wraps, (mean - self._mean + 0.5) % 1.0 - 0.5, mean - self._mean)
            mean = self._mean + SMOOTHING * shift
            spread = SMOOTHING * spread + (1.0 - SMOOTHING) * self._spread
        self._mean, self._spread = np.where(wraps, mean % 1.0, mean), spread

    def _in_units(self, point: Array) -> Array:
        low = np.array([d.low for d in self._dimensions])
        high = np.array([d.high for d in self._dimensions])
        return low + point * (high - low)
