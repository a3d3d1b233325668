# SPDX-License-Identifier: Apache-2.0
r"""Backup-set barriers: a state is safe when the backup law brings it, safely, into a set that it never leaves.

With phi_t the flow under the backup law, sampled and held as it would be executed, l the signed margin and
S = {h_S >= 0} a set that is invariant under the law and in which l >= 0:

    value(x) = min( min_{t <= T_b} l(phi_t(x)) - slack, h_S(phi_{T_b}(x)) )                 {value >= 0} is safe

(Gurriet, Mote, Ames, Feron, CDC 2018; Chen, Jankovic, Santillo, Ames, CDC 2021). The rows of the programme come
from the sensitivity Q_t = d phi_t / d x, along the trajectory at every `stride`-th sample and at its end:

    -grad l(phi_t) Q_t g(x) u <= grad l(phi_t) Q_t f(x) + alpha (l(phi_t) - slack).

They act for continuous time and are only how the filter *steers*; that a chosen input is safe is decided by
`OneStepGuard` with the value above: after the period, the law still brings the system home. From a state with
value >= 0 the law's own input always passes, so the loop is safe for ever, as long as the model is right.
"""

import math
from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from reflexarc.barrier.analytic.laws import Policy
from reflexarc.barrier.analytic.rows import Barrier, ClassK, Row, RowFunction, apply_class_k
from reflexarc.barrier.analytic.sampled import OneStepGuard
from reflexarc.core.errors import ConfigError, ModelError
from reflexarc.core.types import Array
from reflexarc.robots.systems.integrate import LONGEST_SUBSTEP, held_path
from reflexarc.robots.systems.system import System


class BackupSet(NamedTuple):
    """A backup law with a set that it keeps."""

    law: Policy
    """Traceable, (n,) -> (m,), within the bounds."""
    inside: Barrier
    """h_S, (n,) -> scalar."""
    sample: Callable[[np.random.Generator, int], Array]
    """States in and around the border of S, (count, n), for the check."""


class SetReport(NamedTuple):
    """What a check of a backup set found."""

    checked: int
    """Sampled states of S."""
    least_inside: float
    """Smallest h_S one period later. [units of h_S]"""
    least_margin: float
    """Smallest l on the way. [units of l]"""


class BackupBarrier:
    """Value, rows and one-step check of a backup set, for one system and period."""

    def __init__(
        self,
        system: System,
        backup: BackupSet,
        horizon: float,
        keep: Barrier | None = None,
        slack: float = 0.0,
        period: float | None = None,
        longest: float = LONGEST_SUBSTEP,
    ):
        """Prepare the flow.

        Args:
            system: the model.
            backup: law and set.
            horizon: T_b, rounded up to periods. [s]
            keep: l, scalar or (k,); None takes the system's margin.
            slack: kept between l and zero. [units of l]
            period: None takes the system's. [s]
            longest: longest Runge-Kutta step. [s]

        Raises:
            ConfigError: a horizon that is no positive number.
        """
        if not (math.isfinite(horizon) and horizon > 0.0):
            raise ConfigError(f"backup horizon {horizon} s must be a positive number; no barrier was made")
        self.system, self.backup, self.slack = system, backup, slack
        self.period = system.period if period is None else period
        self.count = math.ceil(horizon / self.period - 1e-9)
        self.keep: Barrier = keep or system.margin
        self.longest = longest
        self._along = held_path(system, self.period, longest)
        self._plan = jax.jit(self._inputs)
        self._next = jax.jit(lambda x, u: self._along(x, u)[-1])

    def flow(self, x):
        """Return the backup trajectory at the samples, (count + 1, n); traceable."""

        def step(state, _):
            end = self._along(state, self.backup.law(state))[-1]
            return end, end

        return jnp.concatenate([x[None], jax.lax.scan(step, x, None, length=self.count)[1]])

    def value(self, x):
        """Return the value of the module's equation; traceable. The margin is looked at between the samples, too."""

        def step(state, _):
            path = self._along(state, self.backup.law(state))
            return path[-1], jnp.min(jax.vmap(lambda s: jnp.min(self.keep(s)))(path))

        end, least = jax.lax.scan(step, x, None, length=self.count)
        way = jnp.minimum(jnp.min(least), jnp.min(self.keep(x))) - self.slack
        return jnp.minimum(way, self.backup.inside(end))

    def rows(self, alpha: ClassK, stride: int = 1, with_end: bool = True) -> RowFunction:
        """Return the rows along the backup trajectory.

        Args:
            alpha: class-K function or gain. [1/s]
            stride: a row at every stride-th sample.
            with_end: also the row of h_S at the end.
        """
        chosen = np.arange(0, self.count + 1, stride)

        def row(x) -> Row:
            path = self.flow(x)
            sensitivity = jax.jacfwd(self.flow)(x)  # (count + 1, n, n)

            def along(state, q):
                gradient = jax.jacfwd(lambda s: jnp.atleast_1d(self.keep(s)))(state)
                return jnp.atleast_1d(self.keep(state)) - self.slack, gradient @ q

            h, slope = jax.vmap(along)(path[chosen], sensitivity[chosen])
            h, slope = h.reshape(-1), slope.reshape(-1, self.system.n)
            if with_end:
                inside, gradient = jax.value_and_grad(self.backup.inside)(path[-1])
                h = jnp.append(h, inside)
                slope = jnp.concatenate([slope, (gradient @ sensitivity[-1])[None]])
            return Row(-slope @ self.system.g(x), slope @ self.system.f(x) + apply_class_k(alpha, h), h)

        return row

    def guard(self) -> OneStepGuard:
        """Return the one-step check with this value."""
        return OneStepGuard(
            self.system,
            lambda x: self.keep(x) - self.slack,
            self.backup.law,
            self.value,
            period=self.period,
            longest=self.longest,
        )

    def plan(self, x: Array) -> Array:
        """Return the inputs of the backup law from the state x (n,): shape (count + 1, m). The last one is kept on."""
        with jax.enable_x64(True):
            return np.asarray(self._plan(np.asarray(x, dtype=np.float64)))

    def predict(self, x: Array, u: Array) -> Array:
        """Return the state (n,) after one period from x (n,) with u (m,) held."""
        with jax.enable_x64(True):
            return np.asarray(self._next(np.asarray(x, dtype=np.float64), np.asarray(u, dtype=np.float64)))

    def _inputs(self, x):
        return jax.vmap(self.backup.law)(self.flow(x))

    def check_set(self, samples: int = 4000, seed: int = 0) -> SetReport:
        """Check at random states of S that one period under the law stays in S and keeps l >= 0.

        Raises:
            ModelError: it does not: names the state; or no sample lies in S.
        """
        rng = np.random.default_rng(seed)
        states = np.asarray(self.backup.sample(rng, samples), dtype=np.float64)

        def one(x):
            path = self._along(x, self.backup.law(x))
            least = jnp.min(jax.vmap(lambda s: jnp.min(self.keep(s)))(path))
            return self.backup.inside(x), self.backup.inside(path[-1]), least

        with jax.enable_x64(True):
            before, after, least = (np.asarray(part) for part in jax.jit(jax.vmap(one))(states))
        member = before >= 0.0
        if not member.any():
            raise ModelError(f"{self.system.name}: none of {samples} sampled states lies in the backup set")
        states, after, least = states[member], after[member], least[member]
        worst = int(np.argmin(np.minimum(after, least)))
        if min(after[worst], least[worst]) < -1e-9:
            raise ModelError(
                f"{self.system.name}: the backup set is not kept: from {states[worst].tolist()} the law leads to "
                f"h_S = {after[worst]:.3g} and a margin of {least[worst]:.3g}; allowed: both >= 0; not accepted"
            )
        return SetReport(int(member.sum()), float(after.min()), float(least.min()))
