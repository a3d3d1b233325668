# SPDX-License-Identifier: Apache-2.0
r"""Grid Hamilton-Jacobi reference: the value function of the avoid problem, for systems of at most four dimensions.

    V*(x) = max_u min_{t >= 0} l(x(t)),        0 = min( l - V*, max_u grad V* . (f + g u) )

{V* >= 0} is the largest set from which some admissible input keeps the system out of the failure set {l < 0} for
ever; {V* < 0 <= l} is the doomed ring: not failed yet, and no input helps. The equation is integrated backwards
in time from V = l until V no longer changes, with the upwind scheme and Lax-Friedrichs Hamiltonian of
`hj_reachability` (Mitchell, A Toolbox of Level Set Methods). It is a numerical answer on a grid, in single
precision, not a proof; its error is of the order of a cell.
"""

import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import hj_reachability as hj
import jax
import jax.numpy as jnp
import numpy as np

from reflexarc.core.errors import ConfigError
from reflexarc.core.types import Array
from reflexarc.robots.systems.system import Ball, System

MAX_DIMENSIONS = 4
"""A grid of more dimensions fits no memory."""
NODES = {1: 1001, 2: 201, 3: 81, 4: 35}
"""Nodes per axis when no shape is given, by number of states."""
SHAPES = {"boat": (251, 201), "unicycle": (31, 31, 21, 24)}
"""Shapes of single systems: 2 cm cells for the boat; for the unicycle 20 cm, 15 cm/s and 15 degrees."""
ACCURACY = {1: "very_high", 2: "very_high", 3: "high", 4: "medium"}
"""Upwind scheme and time integrator of `hj_reachability`, by number of states."""
STEP_OF_CROSSING = 0.05
"""Time between two convergence checks, in units of the time that the fastest coordinate needs for its axis."""
MAX_CHECKS = 1000
"""Convergence checks until the integration is given up."""
STILL = 0.02
"""V* stands still when its largest change over one check is below this share of the largest difference of l between
neighbouring nodes. High-order schemes keep flickering below it."""


class GridErrors(NamedTuple):
    """Where a barrier V is wrong against the reference V*, in shares of grid nodes."""

    failure: float
    """Share of the box with l < 0."""
    unavoidable: float
    """Share of the box with V* < 0."""
    ring: float
    """Share of the box with V* < 0 <= l: the doomed ring."""
    false_safe_of_unavoidable: float
    """Share of {V* < 0} with V >= 0."""
    false_safe_of_ring: float
    """Share of {V* < 0 <= l} with V >= 0; 0 where the ring is empty."""
    false_unsafe: float
    """Share of {V* >= 0} with V < 0."""
    called_safe: float
    """Share of the box with V >= 0."""
    worst_state: tuple[float, ...]
    """Node with V >= 0 and the lowest V*: the worst false-safe state, else empty."""
    nodes: int
    """Number of grid nodes."""


@dataclass(frozen=True, slots=True)
class GridReference:
    """V* and l at the nodes of a grid, with multilinear interpolation."""

    system: str
    """Name of the system."""
    axes: tuple[Array, ...]
    """Coordinates of the nodes, one vector per state."""
    periodic: tuple[int, ...]
    """Indices of the axes that wrap; their last node is one spacing before the upper bound."""
    value: Array
    """V*, shape of the grid."""
    margin: Array
    """l, shape of the grid."""
    slopes: Array
    """Central differences of V*, shape of the grid + (n,)."""
    horizon: float
    """Time over which the value was propagated until it stood still. [s]"""
    change: float
    """Largest change of V* in the last step before it was taken as converged."""

    @property
    def shape(self) -> tuple[int, ...]:
        """Nodes per axis."""
        return self.value.shape

    @property
    def nodes(self) -> Array:
        """All nodes, shape (number of nodes, n)."""
        return np.stack([a.ravel() for a in np.meshgrid(*self.axes, indexing="ij")], axis=1)

    def values(self, x: Array) -> Array:
        """Return V* for states of shape (batch, n): shape (batch,). States outside count as on the border."""
        return self._interpolate(self.value[..., None], x)[:, 0]

    def margins(self, x: Array) -> Array:
        """Return l, interpolated like V*, for states of shape (batch, n): shape (batch,)."""
        return self._interpolate(self.margin[..., None], x)[:, 0]

    def gradient(self, x: Array) -> Array:
        """Return grad V* for states of shape (batch, n), interpolated between central differences at the nodes."""
        return self._interpolate(self.slopes, x)

    def value_and_gradient(self, x: Array) -> tuple[float, Array]:
        """Return V*(x) and its gradient at one state of shape (n,), as a `LearnedBarrier` does."""
        return float(self.values(x[None])[0]), self.gradient(x[None])[0]

    def errors(self, barrier: Callable[[Array], Array], batch: int = 65536) -> GridErrors:
        """Compare `barrier`, a function of states (batch, n) to values (batch,), with V* at every node."""
        nodes = self.nodes
        learned = np.concatenate([barrier(nodes[i : i + batch]) for i in range(0, len(nodes), batch)])
        return compare(learned, self.value.ravel(), self.margin.ravel(), nodes)

    def _interpolate(self, table: Array, x: Array) -> Array:
        x = np.asarray(x, dtype=np.float64)
        low, share = [], []
        for i, axis in enumerate(self.axes):
            spacing, count = axis[1] - axis[0], len(axis)
            position = (x[:, i] - axis[0]) / spacing
            if i in self.periodic:
                position = np.mod(position, count)
                cell = np.minimum(np.floor(position).astype(np.int64), count - 1)
            else:
                position = np.clip(position, 0.0, count - 1)
                cell = np.minimum(np.floor(position).astype(np.int64), count - 2)
            low.append(cell)
            share.append(position - cell)
        result = np.zeros((len(x), table.shape[-1]))
        for corner in itertools.product((0, 1), repeat=len(self.axes)):
            index = tuple((cell + c) % len(a) for cell, c, a in zip(low, corner, self.axes, strict=True))
            weight = np.prod([s if c else 1.0 - s for s, c in zip(share, corner, strict=True)], axis=0)
            result += weight[:, None] * table[index]
        return result


def compare(learned: Array, value: Array, margin: Array, nodes: Array) -> GridErrors:
    """Return the errors of `learned` at nodes (k, n), given V* and l there; all of shape (k,)."""
    doomed, called_safe = value < 0.0, learned >= 0.0
    ring, wrong = doomed & (margin >= 0.0), doomed & called_safe

    def share(part: np.ndarray, whole: np.ndarray) -> float:
        return float(np.sum(part & whole) / max(np.sum(whole), 1))

    worst = tuple(nodes[wrong][np.argmin(value[wrong])].tolist()) if wrong.any() else ()
    return GridErrors(
        failure=float(np.mean(margin < 0.0)),
        unavoidable=float(np.mean(doomed)),
        ring=float(np.mean(ring)),
        false_safe_of_unavoidable=share(called_safe, doomed),
        false_safe_of_ring=share(called_safe, ring),
        false_unsafe=share(~called_safe, ~doomed),
        called_safe=float(np.mean(called_safe)),
        worst_state=worst,
        nodes=len(nodes),
    )


def solve_grid(
    system: System,
    shape: Sequence[int] | None = None,
    tolerance: float | None = None,
    progress: Callable[[str], None] | None = None,
) -> GridReference:
    """Return the converged V* of the avoid problem of `system` over its box [low, high].

    Args:
        system: at most four states.
        shape: nodes per axis; None takes the default for the number of states.
        tolerance: V* is converged when its largest change over one check is below this; None takes `STILL`
            of a cell. [units of l]
        progress: told about each tenth check.

    Raises:
        ConfigError: more than four states, a shape of the wrong length or below 5 nodes, or no convergence.
    """
    n = system.n
    if n > MAX_DIMENSIONS:
        raise ConfigError(
            f"{system.name} has {n} states; a grid reference is possible up to {MAX_DIMENSIONS}, none was made"
        )
    shape = tuple(shape or SHAPES.get(system.name) or (NODES[n],) * n)
    if len(shape) != n or min(shape) < 5:
        raise ConfigError(f"grid shape {shape}: {system.name} needs {n} numbers of nodes, each at least 5")
    with jax.enable_x64(False):
        grid = hj.Grid.from_lattice_parameters_and_boundary_conditions(
            hj.sets.Box(jnp.asarray(system.low), jnp.asarray(system.high)),
            shape,
            periodic_dims=system.periodic,
        )
        margin = jax.jit(jax.vmap(system.margin))(grid.states.reshape(-1, n)).reshape(shape)
        dynamics = _Dynamics(system)
        settings = hj.SolverSettings.with_accuracy(
            ACCURACY[n], value_postprocessor=lambda _, v: jnp.minimum(v, margin)
        )
        step = _check_interval(system, dynamics, grid)
        if tolerance is None:
            tolerance = STILL * max(float(jnp.max(jnp.abs(jnp.diff(margin, axis=i)))) for i in range(n))
        value, change, checks = margin, np.inf, 0
        while change > tolerance:
            if checks == MAX_CHECKS or not np.isfinite(change) and checks:
                raise ConfigError(
                    f"{system.name}: the grid value still changes by {change:.2g} after {checks} checks "
                    f"of {step:.3g} s; no reference was made"
                )
            before = value
            value = hj.step(settings, dynamics, grid, 0.0, value, -step, progress_bar=False)
            change = float(jnp.max(jnp.abs(value - before)))
            checks += 1
            if progress and checks % 10 == 0:
                progress(f"grid {shape}: {checks * step:.2f} s propagated, last change {change:.1e}")
    axes = node_axes(system, shape)
    nodes = np.stack([a.ravel() for a in np.meshgrid(*axes, indexing="ij")], axis=1)
    with jax.enable_x64(True):
        exact = np.asarray(jax.jit(jax.vmap(system.margin))(nodes), dtype=np.float64).reshape(shape)
    final = np.minimum(np.asarray(value, dtype=np.float64), exact)
    return GridReference(
        system=system.name,
        axes=axes,
        periodic=system.periodic,
        value=final,
        margin=exact,
        slopes=_slopes(final, axes, system.periodic),
        horizon=checks * step,
        change=change,
    )


def node_axes(system: System, shape: Sequence[int]) -> tuple[Array, ...]:
    """Return the coordinates of the grid's nodes per axis; an angle's upper bound is its lower bound again."""
    return tuple(
        np.linspace(low, high, count, endpoint=i not in system.periodic)
        for i, (low, high, count) in enumerate(zip(system.low, system.high, shape, strict=True))
    )


def _check_interval(system: System, dynamics: "_Dynamics", grid: hj.Grid) -> float:
    states = grid.states.reshape(-1, system.n)
    speed = jax.jit(jax.vmap(lambda x: dynamics.partial_max_magnitudes(x, 0.0, None, None)))(states)
    return STEP_OF_CROSSING / float(jnp.max(jnp.asarray(speed) / (system.high - system.low)))


def _slopes(value: Array, axes: tuple[Array, ...], periodic: tuple[int, ...]) -> Array:
    slopes = []
    for i, axis in enumerate(axes):
        spacing = axis[1] - axis[0]
        if i in periodic:
            slopes.append((np.roll(value, -1, i) - np.roll(value, 1, i)) / (2.0 * spacing))
        else:
            slopes.append(np.gradient(value, spacing, axis=i))
    return np.stack(slopes, axis=-1)


class _Dynamics(hj.ControlAndDisturbanceAffineDynamics):
    """A `System` without disturbance, in the terms of `hj_reachability`."""

    def __init__(self, system: System) -> None:
        inputs = system.inputs
        space = (
            hj.sets.Ball(jnp.zeros(system.m), jnp.asarray(inputs.radius))
            if isinstance(inputs, Ball)
            else hj.sets.Box(jnp.asarray(inputs.lower), jnp.asarray(inputs.upper))
        )
        super().__init__("max", "min", space, hj.sets.Box(jnp.zeros(1), jnp.zeros(1)))
        self._system = system

    def open_loop_dynamics(self, state, time):
        return self._system.f(state)

    def control_jacobian(self, state, time):
        return self._system.g(state)

    def disturbance_jacobian(self, state, time):
        return jnp.zeros((self._system.n, 1))
