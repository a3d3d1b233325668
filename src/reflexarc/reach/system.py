# SPDX-License-Identifier: Apache-2.0
r"""Closed loops x' = f(x, t, p) and maps x+ = F(x, k, p): what a density is carried through.

An uncertain constant is a state with zero derivative. The parameters p are the same for all particles of one call (a
reference to track, a candidate plan); they are not uncertain.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from reflexarc.core.errors import ConfigError
from reflexarc.core.types import Array
from reflexarc.robots.systems.system import Coordinate, System


@dataclass(frozen=True, slots=True)
class ClosedLoop:
    """A system without free inputs, written for one state with `jax.numpy`."""

    name: str
    source: str
    """Paper or code that the dynamics come from."""
    state: tuple[Coordinate, ...]
    """Name and unit of each of the n coordinates."""
    field: Callable[[Any, Any, Any], Any]
    """f(x, t, p), (n,), scalar [s], any pytree -> (n,); for a map F(x, k, p) with the step's number k."""
    low: Array
    """Lower corner of the box of initial states, shape (n,)."""
    high: Array
    """Upper corner, shape (n,)."""
    dt: float
    """Time between two outputs; the time of one step of a map. [s]"""
    steps: int
    """Outputs of the system's usual horizon."""
    substeps: int = 1
    """Integrator steps per output at double precision's usual accuracy."""
    kind: Literal["flow", "map"] = "flow"
    parameters: Any = None
    """p where the caller gives none."""
    divergence: Callable[[Any, Any, Any], Any] | None = None
    """Hand-written trace of df/dx, (n,), scalar, pytree -> scalar; None takes the exact one by forward mode."""
    periodic: tuple[int, ...] = ()
    """Indices of coordinates that are angles."""

    @property
    def n(self) -> int:
        """Size of the state."""
        return len(self.state)

    def __post_init__(self) -> None:
        low, high = np.asarray(self.low, dtype=np.float64), np.asarray(self.high, dtype=np.float64)
        n = len(self.state)
        if low.shape != (n,) or high.shape != (n,) or not np.isfinite([low, high]).all():
            raise ConfigError(
                f"{self.name}: the box must be {n} finite numbers each, got {low.tolist()} and {high.tolist()}"
            )
        if not (low <= high).all():
            axis = int(np.argmax(low > high))
            raise ConfigError(
                f"{self.name}: the box's lower bound {low[axis]:g} of {self.state[axis].name!r} lies above its upper "
                f"bound {high[axis]:g}"
            )
        if not (self.dt > 0.0 and np.isfinite(self.dt)) or self.steps < 1 or self.substeps < 1:
            raise ConfigError(
                f"{self.name}: dt {self.dt} s must be positive and finite, steps {self.steps} and substeps "
                f"{self.substeps} at least 1"
            )
        object.__setattr__(self, "low", low)
        object.__setattr__(self, "high", high)


def closed_loop(system: System, policy: Callable[[Any, Any], Any], substeps: int = 4) -> ClosedLoop:
    """Close a control-affine system with a policy: f(x) + g(x) u(x, t).

    Args:
        system: of `reflexarc.robots.systems`; its region of interest becomes the initial box.
        policy: u(x, t), (n,), scalar -> (m,), traceable by JAX.
        substeps: integrator steps per period.
    """

    def field(x: Any, t: Any, _: Any) -> Any:
        return system.f(x) + system.g(x) @ policy(x, t)

    return ClosedLoop(
        name=system.name,
        source=system.source,
        state=system.state,
        field=field,
        low=system.low,
        high=system.high,
        dt=system.period,
        steps=system.steps,
        substeps=substeps,
        periodic=system.periodic,
    )
