# SPDX-License-Identifier: Apache-2.0
r"""The closed loop that a scenario certificate speaks about: nominal input, one-row filter, the system, held inputs.

At each sample the filter solves

    min |u - u_nom|^2   subject to   L_f V + L_g V u - eps |grad V| + alpha (V - delta) >= 0,   u in U

exactly, with the bounds U inside; where no admissible input satisfies the row it applies argmax over U of L_g V u. The
input is held for one period while the system is integrated (Runge-Kutta, substeps of at most 10 ms); the margin l is
looked at after every substep.
"""

from collections.abc import Callable
from typing import NamedTuple

import jax
import numpy as np

from reflexarc.barrier.learn.projection import project
from reflexarc.barrier.learned import LearnedBarrier, Mlp
from reflexarc.core.types import Array
from reflexarc.robots.systems.rollout import Decision, Filter, Rollout, rollout
from reflexarc.robots.systems.system import System

Progress = Callable[[float], None]
"""Told which share of the work is done, 0 to 1."""


class FilterSettings(NamedTuple):
    """What the deployed filter is set to."""

    alpha: float
    """Gain of the barrier row. [1/s]"""
    model_error: float = 0.0
    """eps: bound on |x' - f - g u|. [units of x']"""


def values_and_gradients(barrier: LearnedBarrier, x: Array) -> tuple[Array, Array]:
    """Return V, shape (batch,), and its gradient by x, shape (batch, n), for states (batch, n).

    At a tie of members the first one's gradient is returned, at a ReLU's kink the left-hand one, as
    `LearnedBarrier.value_and_gradient` does for one state.
    """
    z = (x - barrier.centre) / barrier.scale
    values, slopes = zip(*(_member(m, z) for m in barrier.members), strict=True)
    rows = np.arange(len(x))
    if barrier.form == "min":
        first = np.argmin(values, axis=0)
        return np.array(values)[first, rows] - barrier.delta, np.array(slopes)[first, rows] / barrier.scale
    first = np.argmax(values[1:], axis=0)
    drop = np.array(values[1:])[first, rows]
    share = 1.0 / (1.0 + np.exp(-drop))
    gradient = slopes[0] - share[:, None] * np.array(slopes[1:])[first, rows]
    return values[0] - np.logaddexp(0.0, drop) - barrier.delta, gradient / barrier.scale


def deployed_filter(system: System, barrier: LearnedBarrier, settings: FilterSettings) -> Filter:
    """Return the filter of the module's equation for batches of states and nominal inputs."""
    affine = jax.jit(jax.vmap(lambda x: (system.f(x), system.g(x))))

    def filtered(x: Array, nominal: Array) -> Decision:
        value, gradient = values_and_gradients(barrier, x)
        with jax.enable_x64(True):
            drift, actuation = (np.asarray(part, dtype=np.float64) for part in affine(x))
        row = np.einsum("bn,bnm->bm", gradient, actuation)
        need = -settings.alpha * value - (gradient * drift).sum(axis=1)
        need += settings.model_error * np.linalg.norm(gradient, axis=1)
        u, found = project(nominal, row, need, system.inputs)
        return Decision(u, ~found)

    return filtered


def closed_loop(
    system: System,
    barrier: LearnedBarrier,
    settings: FilterSettings,
    starts: Array,
    progress: Progress | None = None,
) -> Rollout:
    """Run one episode of the system from each start (batch, n), with the filter in the loop."""
    inner, steps = deployed_filter(system, barrier, settings), 0

    def counted(x: Array, nominal: Array) -> Decision:
        nonlocal steps
        steps += 1
        if progress:
            progress(steps / system.steps)
        return inner(x, nominal)

    return rollout(system, starts, counted)


def _member(member: Mlp, z: Array) -> tuple[Array, Array]:
    slopes = []
    for weight, bias in zip(member.weights[:-1], member.biases[:-1], strict=True):
        before = z @ weight.T + bias
        if member.activation == "relu":
            z = np.maximum(before, 0.0)
            slopes.append((before > 0.0).astype(np.float64))
        elif member.activation == "tanh":
            z = np.tanh(before)
            slopes.append(1.0 - z * z)
        else:
            z = np.logaddexp(0.0, before)
            slopes.append(1.0 / (1.0 + np.exp(-before)))
    value = (z @ member.weights[-1].T + member.biases[-1])[:, 0]
    gradient = np.broadcast_to(member.weights[-1][0], (len(value), member.weights[-1].shape[1]))
    for weight, slope in zip(member.weights[-2::-1], slopes[::-1], strict=True):
        gradient = (gradient * slope) @ weight
    return value, gradient
