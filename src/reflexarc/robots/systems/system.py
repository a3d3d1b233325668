# SPDX-License-Identifier: Apache-2.0
"""Control-affine systems x' = f(x) + g(x) u with a bounded input: what a barrier is designed for and judged on.

All functions are written for one state with `jax.numpy`, so that they can be compiled, batched (`jax.vmap`) and
differentiated.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple

import numpy as np

from reflexarc.core.types import Array


class Coordinate(NamedTuple):
    """One entry of a state or input vector."""

    name: str
    unit: str


@dataclass(frozen=True, slots=True)
class Box:
    """Inputs with lower <= u <= upper."""

    lower: Array
    """Shape (m,)."""
    upper: Array
    """Shape (m,)."""
    kind: Literal["box"] = field(default="box", init=False)


@dataclass(frozen=True, slots=True)
class Ball:
    """Inputs with |u| <= radius (Euclidean)."""

    radius: float
    size: int
    """Number of inputs m."""
    kind: Literal["ball"] = field(default="ball", init=False)


@dataclass(frozen=True, slots=True)
class System:
    """A control-affine system, its bounded input, its failure set and a task.

    `f`, `g`, `margin` and `nominal` take one state of shape (n,) and are traceable by JAX.
    """

    name: str
    source: str
    """Paper or code that the dynamics and bounds come from."""
    state: tuple[Coordinate, ...]
    input: tuple[Coordinate, ...]
    f: Callable[[Any], Any]
    """Drift, (n,) -> (n,)."""
    g: Callable[[Any], Any]
    """Input matrix, (n,) -> (n, m)."""
    inputs: Box | Ball
    margin: Callable[[Any], Any]
    """l(x), (n,) -> scalar: signed margin; the failure set is {l < 0}."""
    nominal: Callable[[Any], Any]
    """Nominal input of the task, (n,) -> (m,), within the bounds."""
    reward: Callable[[Any], Any]
    """Reward per step, (n,) -> scalar."""
    low: Array
    """Lower corner of the region of interest, shape (n,)."""
    high: Array
    """Upper corner, shape (n,)."""
    period: float
    """Time between two inputs. [s]"""
    steps: int
    """Steps of an episode."""
    periodic: tuple[int, ...] = ()
    """Indices of state coordinates that are angles and wrap at +-pi."""

    @property
    def n(self) -> int:
        """Number of states."""
        return len(self.state)

    @property
    def m(self) -> int:
        """Number of inputs."""
        return len(self.input)

    def __post_init__(self) -> None:
        for name in ("low", "high"):
            bound = np.asarray(getattr(self, name), dtype=float)
            if bound.shape != (self.n,) or not np.isfinite(bound).all():
                raise ValueError(
                    f"{self.name}: {name} must be {self.n} finite numbers, got {getattr(self, name)}"
                )
            object.__setattr__(self, name, bound)
        if not (self.low < self.high).all():
            raise ValueError(f"{self.name}: low must lie below high in every coordinate")
