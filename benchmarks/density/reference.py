# SPDX-License-Identifier: Apache-2.0
r"""The reference of the scores: log-densities along trajectories by a method that shares nothing with what is judged.

An integrator of another library (diffrax, Dormand-Prince 5(4)) with a step size per trajectory carries [x, g] forward,
with the divergence by central differences of the field instead of its derivatives. The step size matters where a
controller is a ReLU network: the divergence jumps at every switch, and a fixed step h errs by about jump times h.
"""

from typing import Any

import diffrax
import jax
import jax.numpy as jnp
import numpy as np

from reflexarc.core.types import Array
from reflexarc.reach.system import ClosedLoop

CHUNK = 500
"""Trajectories integrated together; all wait for the one with most steps."""
_STEP = 1e-6
"""Of the central differences, in parts of the largest absolute value in the box."""


def reference(system: ClosedLoop, x0: Array, tolerance: float) -> tuple[Array, Array]:
    """Return states (K+1, N, n) and log-density increments (K+1, N).

    Args:
        system: a flow.
        x0: initial states, shape (N, n).
        tolerance: of the integrator, relative and absolute.
    """
    with jax.enable_x64(True):
        solve = _solver(system, tolerance)
        parts = []
        size = min(CHUNK, len(x0))
        for i in range(0, len(x0), size):
            part = x0[i : i + size]
            padded = np.concatenate([part, np.repeat(part[-1:], size - len(part), axis=0)])
            parts.append(np.asarray(solve(padded))[: len(part)])
    y = np.concatenate(parts).swapaxes(0, 1)
    return y[..., :-1], y[..., -1]


def _solver(system: ClosedLoop, tolerance: float) -> Any:
    n = system.n
    size = _STEP * np.maximum(np.maximum(np.abs(system.low), np.abs(system.high)), 0.1)
    shifts = jnp.asarray(np.concatenate([np.zeros((1, n)), np.diag(size), -np.diag(size)]))
    times = jnp.arange(system.steps + 1) * system.dt

    def rate(t: Any, y: Any, _: Any) -> Any:
        f = jax.vmap(lambda d: system.field(y[:-1] + d, t, system.parameters))(shifts)
        slopes = (jnp.diagonal(f[1 : n + 1]) - jnp.diagonal(f[n + 1 :])) / (2.0 * size)
        return jnp.append(f[0], -jnp.sum(slopes))

    def one(x0: Any) -> Any:
        solution = diffrax.diffeqsolve(
            diffrax.ODETerm(rate),
            diffrax.Dopri5(),
            0.0,
            times[-1],
            system.dt / 4.0,
            jnp.append(x0, 0.0),
            saveat=diffrax.SaveAt(ts=times),
            stepsize_controller=diffrax.PIDController(rtol=tolerance, atol=tolerance),
            max_steps=1_000_000,
        )
        assert solution.ys is not None
        return solution.ys

    return jax.jit(jax.vmap(one))
