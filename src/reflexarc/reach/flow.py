# SPDX-License-Identifier: Apache-2.0
r"""Particles that carry their density: the Liouville equation along trajectories.

For a closed loop x' = f(x, t, p) with flow map Phi_t the density rho of the states follows, along every trajectory,

    d/dt ln rho(x(t), t) = -div f(x(t), t),       so that  ln rho(Phi_t(x0), t) = ln rho_0(x0) + g(x0, t),
    g = -int_0^t div f ds = -ln |det DPhi_t(x0)|

(Meng et al., CoRL 2021, arXiv 2109.06728). [x, g] is integrated in one scan, batched over particles, with fixed
steps of the classical Runge-Kutta method or of Tsitouras' fifth-order one (Computers & Mathematics with Applications
62, 2011). div f is the exact trace of the Jacobian by forward mode. For a map x+ = F(x, k, p) one step adds
-ln |det DF|; 1 - dt div f would be wrong there. Nothing is ever exponentiated: g reaches 100 nat on aircraft.
"""

from functools import lru_cache
from typing import Any, Literal, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from reflexarc.core.errors import ConfigError
from reflexarc.core.types import Array
from reflexarc.reach.liouville import TABLEAUS, Law, Method, integrate, law, propagate
from reflexarc.reach.system import ClosedLoop

__all__ = ["Bundle", "Flow", "batch", "cast", "check", "divergence", "propagate"]

CHECKED = 64
"""Points of the box at which a system is tried before anything is computed with it."""
AGREE = 1e-6
"""Relative disagreement allowed between a hand-written divergence and the exact one."""


class Bundle(NamedTuple):
    """Trajectories of particles with the change of their log-density."""

    t: np.ndarray
    """Times of the outputs, shape (K + 1,). [s]"""
    x: np.ndarray
    """States, shape (K + 1, N, n)."""
    gain: np.ndarray
    """ln rho(x(t), t) - ln rho_0(x0), shape (K + 1, N). [nat]"""

    @property
    def finite(self) -> np.ndarray:
        """Whether a particle stayed finite and resolved by the step until the end, shape (N,).

        A particle that escapes to infinity inside the horizon is False; its values from then on mean nothing.
        """
        return np.logical_and(np.isfinite(self.x).all(axis=(0, 2)), np.isfinite(self.gain).all(axis=0))


class Flow:
    """A compiled integrator of one system. Functions are compiled once per number of steps and particles.

    Args:
        system: what to integrate. It is tried at points of its box first.
        method: "rk4" (fourth order) or "tsit5" (fifth order, six stages).
        dtype: "float32" or "float64"; both may be used in one process.
        substeps: integrator steps per output; None takes the system's. Maps have none.

    Raises:
        ConfigError: an unknown method or precision, a field that cannot be traced or has the wrong shape, values or
            a trace that are not finite on the box, or a hand-written divergence that is not the trace.
    """

    def __init__(
        self,
        system: ClosedLoop,
        method: Method = "rk4",
        dtype: Literal["float32", "float64"] = "float32",
        substeps: int | None = None,
    ):
        if method not in TABLEAUS:
            raise ConfigError(f"method: {method!r} is not known; allowed are {', '.join(TABLEAUS)}")
        if dtype not in ("float32", "float64"):
            raise ConfigError(f"dtype: {dtype!r} is not known; allowed are float32 and float64")
        self.system, self.method, self.dtype = system, method, dtype
        self.substeps = system.substeps if substeps is None else substeps
        if self.substeps < 1:
            raise ConfigError(f"substeps: {self.substeps} must be at least 1")
        check(system)

    def run(
        self, x0: np.ndarray, steps: int | None = None, parameters: Any = None, start: float = 0.0
    ) -> Bundle:
        """Carry particles forward.

        Args:
            x0: states at time `start`, shape (N, n).
            steps: outputs after the first, each `system.dt` apart; None takes the system's horizon.
            parameters: p of the field; None takes the system's.
            start: time of x0. [s]

        Raises:
            ConfigError: a shape that does not fit, or fewer than one step.
        """
        return self._run(x0, steps, parameters, start, back=False)

    def run_back(
        self, x: np.ndarray, steps: int | None = None, parameters: Any = None, start: float = 0.0
    ) -> Bundle:
        """Carry particles backward, from time start + steps dt back to `start`.

        Times descend: x[0] is the given state, x[-1] the initial one. `gain` keeps its meaning, so gain[0] is the
        whole change between the initial state and the given one, and gain[-1] is 0.

        Args:
            x: states at time start + steps dt, shape (N, n).
            steps: outputs after the first; None takes the system's horizon.
            parameters: p of the field; None takes the system's.
            start: time at which the run ends. [s]

        Raises:
            ConfigError: a shape that does not fit, fewer than one step, or a map, which has no inverse here.
        """
        if self.system.kind == "map":
            raise ConfigError(
                f"{self.system.name}: a map is not run backward; `log_density` of reflexarc.reach.query inverts it"
            )
        return self._run(x, steps, parameters, start, back=True)

    def _run(self, x: np.ndarray, steps: int | None, parameters: Any, start: float, back: bool) -> Bundle:
        system = self.system
        steps = system.steps if steps is None else int(steps)
        x = batch(system, x, self.dtype)
        if steps < 1:
            raise ConfigError(f"steps: {steps} must be at least 1")
        if not np.isfinite(start):
            raise ConfigError(f"start: {start} s is not finite")
        function = _compiled(law(system), self.method, self.substeps, steps, back)
        with jax.enable_x64(self.dtype == "float64"):
            _, path, gain = function(x, cast(parameters, system, self.dtype), np.asarray(start, self.dtype))
            path, gain = np.asarray(path), np.asarray(gain)
        t = start + system.dt * np.arange(steps + 1)
        return Bundle(t[::-1] if back else t, path, gain)


def divergence(system: ClosedLoop, x: np.ndarray, t: float = 0.0, parameters: Any = None) -> Array:
    """Return the exact trace of df/dx (for a map ln |det dF/dx|) in float64 at states (N, n): shape (N,)."""
    with jax.enable_x64(True):
        x = batch(system, x, "float64")
        return np.asarray(_tried(law(system))(x, _clock(system, t), cast(parameters, system, "float64"))[1])


def check(system: ClosedLoop) -> None:
    """Try a system at the centre and at random points of its box.

    Raises:
        ConfigError: a field that cannot be traced or has the wrong shape, a value or a trace that is not finite, or
            a hand-written divergence that is not the trace.
    """
    spread = np.random.default_rng(0).random((CHECKED, system.n))
    spread[0] = 0.5
    x = system.low + (system.high - system.low) * spread
    p = cast(None, system, "float64")
    with jax.enable_x64(True):
        try:
            shape = jax.eval_shape(system.field, x[0], _clock(system, 0.0), p).shape
        except (TypeError, ValueError, IndexError, KeyError, AttributeError) as error:
            raise ConfigError(f"{system.name}: the field cannot be traced by JAX: {error}") from error
        if shape != (system.n,):
            raise ConfigError(f"{system.name}: the field must return shape ({system.n},), got {shape}")
        value, trace, written = (np.asarray(a) for a in _tried(law(system))(x, _clock(system, 0.0), p))
    traced = "ln |det DF|" if system.kind == "map" else "divergence"
    for name, wrong in (("field", ~np.isfinite(value).all(axis=1)), (traced, ~np.isfinite(trace))):
        if wrong.any():
            at = np.array2string(x[np.argmax(wrong)], precision=4, separator=", ")
            raise ConfigError(
                f"{system.name}: the {name} is not finite at {at} inside the box ({wrong.sum()} of {len(x)} points); "
                "no density can be carried through it"
            )
    off = ~(np.abs(written - trace) <= AGREE * (1.0 + np.abs(trace)))
    if off.any():
        i = int(np.argmax(off))
        raise ConfigError(
            f"{system.name}: the hand-written divergence is {written[i]:.6g} at "
            f"{np.array2string(x[i], precision=4, separator=', ')}, the trace of the Jacobian {trace[i]:.6g}"
        )


def batch(system: ClosedLoop, x: np.ndarray, dtype: str) -> np.ndarray:
    """Return states as an array (N, n) of the given precision, or raise ConfigError."""
    x = np.asarray(x, dtype=dtype)
    if x.ndim != 2 or x.shape[1] != system.n or len(x) == 0:
        raise ConfigError(f"{system.name}: states must have shape (N, {system.n}) with N >= 1, got {x.shape}")
    return x


def cast(parameters: Any, system: ClosedLoop, dtype: str) -> Any:
    """Return p, the system's where it is None, with its floating leaves in the given precision."""
    parameters = system.parameters if parameters is None else parameters
    leaves = jax.tree.map(np.asarray, parameters)
    return jax.tree.map(lambda a: a.astype(dtype) if np.issubdtype(a.dtype, np.floating) else a, leaves)


def _clock(system: ClosedLoop, t: float) -> Any:
    """Return what the field takes as its second argument at time t."""
    return np.int64(round(t / system.dt)) if system.kind == "map" else np.float64(t)


@lru_cache(maxsize=256)
def _compiled(law: Law, method: Method, substeps: int, steps: int, back: bool) -> Any:
    def function(x: Any, parameters: Any, start: Any) -> Any:
        return integrate(law, x, steps, substeps, method, parameters, start, back=back)

    return jax.jit(function)


@lru_cache(maxsize=256)
def _tried(law: Law) -> Any:
    """Compile field, exact trace (ln |det| of a map) and hand-written divergence of states (N, n)."""

    def single(x: Any, t: Any, p: Any) -> Any:
        jacobian = jax.jacfwd(law.field)(x, t, p)
        if law.kind == "map":
            exact = written = jnp.linalg.slogdet(jacobian)[1]
        else:
            exact = jnp.trace(jacobian)
            written = exact if law.divergence is None else jnp.asarray(law.divergence(x, t, p), exact.dtype)
        return law.field(x, t, p), exact, written

    return jax.jit(jax.vmap(single, in_axes=(0, None, None)))
