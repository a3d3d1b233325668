# SPDX-License-Identifier: Apache-2.0
r"""The exact value on a grid, for systems of at most four states: what learned barriers are judged by.

The viability value  V*(x) = max_u min_t l(x(t))  is the fixed point of

    V(x) = min( l(x), (1 - gamma) l(x) + gamma max_u V(x + h (f(x) + g(x) u)) )

with gamma = 1: the semi-Lagrangian form of the Hamilton-Jacobi variational inequality
min{ max_u grad V . (f + g u), l - V } = 0. gamma < 1 shows what discounting alone does to it. Inputs are taken at
the boundary of their bounds, where a linear term has its maximum; V between the nodes is multilinear, states that
leave the grid count as at its border.
"""

import itertools
from dataclasses import dataclass

import numpy as np

from reflexarc.barrier.learn.simulate import batched
from reflexarc.core.errors import ConfigError
from reflexarc.core.types import Array
from reflexarc.robots.systems.system import Ball, Box, System

MAX_STATES = 4


@dataclass(frozen=True, slots=True)
class GridValue:
    """A value on a rectangular grid."""

    low: Array
    """Shape (n,)."""
    high: Array
    """Shape (n,)."""
    values: np.ndarray
    """V at the nodes, one axis per state."""
    margin: np.ndarray
    """l at the nodes."""
    sweeps: int
    """Sweeps until nothing changed."""

    def value(self, x: Array) -> Array:
        """Return V for states of shape (batch, n), multilinear between nodes."""
        index, weight = _corners(x, self.low, self.high, self.values.shape)
        return (self.values.reshape(-1)[index] * weight).sum(axis=1)

    def value_and_gradient(self, x: Array) -> tuple[Array, Array]:
        """Return V and its gradient; the gradient is that of central differences, multilinear between nodes."""
        spacing = (self.high - self.low) / (np.array(self.values.shape) - 1)
        index, weight = _corners(x, self.low, self.high, self.values.shape)
        slopes = np.gradient(self.values, *spacing)
        slopes = [slopes] if self.values.ndim == 1 else slopes
        gradient = np.stack([(s.reshape(-1)[index] * weight).sum(axis=1) for s in slopes], axis=1)
        return (self.values.reshape(-1)[index] * weight).sum(axis=1), gradient


def solve_grid(
    system: System,
    nodes: tuple[int, ...],
    step: float,
    headings: int = 24,
    gamma: float = 1.0,
    tolerance: float = 1e-6,
    most_sweeps: int = 5000,
) -> GridValue:
    """Solve for V* of `system` on its region.

    Args:
        system: dynamics, bounds and margin.
        nodes: grid nodes per state.
        step: h, time between two values of the recursion; about the time to cross a cell. [s]
        headings: directions of the input where the bound is a disc.
        gamma: discount per step h; 1 is the exact value.
        tolerance: largest change of a sweep that counts as converged.
        most_sweeps: give up after so many.

    Raises:
        ConfigError: more than four states, a grid that does not fit, or no convergence.
    """
    if system.n > MAX_STATES or len(nodes) != system.n:
        raise ConfigError(
            f"{system.name}: a grid of {len(nodes)} axes for {system.n} states; allowed are one axis per state "
            f"and at most {MAX_STATES}"
        )
    axes = [np.linspace(a, b, k) for a, b, k in zip(system.low, system.high, nodes, strict=True)]
    x = np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1).reshape(-1, system.n)
    functions = batched(system)
    margin = np.asarray(functions.margin(x), dtype=float)
    targets = []
    for u in extreme_inputs(system.inputs, headings):
        after = np.asarray(functions.step(x, np.tile(u, (len(x), 1)), step), dtype=float)
        targets.append(_corners(after, system.low, system.high, nodes))
    value = margin.copy()
    for sweep in range(1, most_sweeps + 1):
        best = np.full(len(x), -np.inf)
        for index, weight in targets:
            np.maximum(best, (value[index] * weight).sum(axis=1), out=best)
        new = np.minimum(margin, (1.0 - gamma) * margin + gamma * best)
        change = float(np.abs(new - value).max())
        value = new
        if change < tolerance:
            return GridValue(system.low, system.high, value.reshape(nodes), margin.reshape(nodes), sweep)
    raise ConfigError(f"{system.name}: the grid value did not converge in {most_sweeps} sweeps")


def extreme_inputs(inputs: Box | Ball, headings: int) -> Array:
    """Return inputs on the boundary of the bounds: the corners of a box, or directions of a ball; (k, m)."""
    if isinstance(inputs, Box):
        return np.array(list(itertools.product(*zip(inputs.lower, inputs.upper, strict=True))), dtype=float)
    if inputs.size == 1:
        return inputs.radius * np.array([[-1.0], [1.0]])
    if inputs.size != 2:
        raise ConfigError(
            f"a ball of {inputs.size} inputs has no grid of directions here; allowed are 1 and 2"
        )
    angle = np.linspace(0.0, 2.0 * np.pi, headings, endpoint=False)
    return inputs.radius * np.column_stack((np.cos(angle), np.sin(angle)))


def _corners(x: Array, low: Array, high: Array, nodes: tuple[int, ...]) -> tuple[np.ndarray, np.ndarray]:
    """Return flat indices and weights of the 2^n nodes around each state, shape (batch, 2^n) each."""
    shape = np.array(nodes)
    place = np.clip((np.asarray(x) - low) / (high - low), 0.0, 1.0) * (shape - 1)
    cell = np.minimum(place.astype(int), shape - 2)
    part = place - cell
    strides = np.append(np.cumprod(shape[::-1])[::-1][1:], 1)
    index = np.empty((len(place), 2 ** len(nodes)), dtype=np.int32)
    weight = np.empty(index.shape)
    for k, corner in enumerate(itertools.product((0, 1), repeat=len(nodes))):
        c = np.array(corner)
        index[:, k] = ((cell + c) * strides).sum(axis=1)
        weight[:, k] = np.where(c == 1, part, 1.0 - part).prod(axis=1)
    return index, weight
