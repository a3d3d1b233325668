# SPDX-License-Identifier: Apache-2.0
r"""Latency: the state at which an input that is computed now will act.

An input sent at t acts from t + delay on. The state measured at `stamp` is integrated over the inputs that were
sent before and are still on their way,

    x(now + delay) = phi(x(stamp); inputs acting on [stamp, now + delay]),

so that the barrier is enforced where its input meets the robot (predictor feedback: Artstein 1982; for CBF: Molnar et
al., CDC 2022). With an exact model and an exact delay the guarantee of the undelayed filter carries over from the first
input on that the filter chose. The delay is a *measured* number: give its upper bound and hold inputs back to it if
it varies.
"""

import math
from collections import deque
from typing import NamedTuple

import jax
import numpy as np

from reflexarc.core.errors import ConfigError
from reflexarc.core.types import Array
from reflexarc.robots.systems.integrate import LONGEST_SUBSTEP, rk4, wrap
from reflexarc.robots.systems.system import System

_COINCIDE = 1e-9
"""Instants closer than this are one. [s]"""


class Prediction(NamedTuple):
    """The state where the next input acts."""

    x: Array
    """Shape (batch, n)."""
    fresh: bool
    """False when the measurement is older than allowed: the caller goes to its backup."""
    horizon: float
    """How far was predicted. [s]"""


class LatencyPredictor:
    """Keeps the queue of inputs sent and predicts over it."""

    def __init__(self, system: System, delay: float, max_age: float = math.inf):
        """Start with an empty queue.

        Args:
            system: the model.
            delay: from sending an input until it acts; measured. [s]
            max_age: oldest measurement that is used. [s]

        Raises:
            ConfigError: the delay is negative or no number.
        """
        if not (math.isfinite(delay) and delay >= 0.0 and max_age > 0.0):
            raise ConfigError(
                f"delay {delay} s must be a finite number >= 0 and max_age {max_age} s positive; no predictor was made"
            )
        self.system, self.delay, self.max_age = system, delay, max_age
        self._queue: deque[tuple[float, Array]] = deque()

        def hold(x, u, dt):
            return wrap(system, rk4(system, x, u, dt))

        self._hold = jax.jit(jax.vmap(hold, in_axes=(0, 0, None)))

    def sent(self, u: Array, now: float) -> None:
        """Note that the inputs u (batch, m) were sent at `now`; times must not decrease."""
        if self._queue and now + self.delay < self._queue[-1][0] - _COINCIDE:
            raise ConfigError(
                f"input sent at {now} s after one sent at {self._queue[-1][0] - self.delay} s: not noted"
            )
        self._queue.append((now + self.delay, np.array(u, dtype=np.float64)))

    def clear(self, initial: Array | None = None) -> None:
        """Forget all inputs; `initial` (batch, m) is what acts until the first one sent does."""
        self._queue.clear()
        if initial is not None:
            self._queue.append((-math.inf, np.array(initial, dtype=np.float64)))

    def predict(self, x: Array, stamp: float, now: float) -> Prediction:
        """Return the states at now + delay from states x (batch, n) measured at `stamp`.

        Raises:
            ConfigError: nothing is known about the input that acts at `stamp` (call `clear(initial)` first), or the
                stamp lies in the future.
        """
        if stamp > now + _COINCIDE:
            raise ConfigError(f"measurement of {stamp} s is later than now, {now} s: nothing was predicted")
        end = now + self.delay
        state = np.asarray(x, dtype=np.float64)
        if end - stamp <= _COINCIDE:
            return Prediction(state, True, 0.0)
        if not self._queue or self._queue[0][0] > stamp + _COINCIDE:
            raise ConfigError(
                f"no input is known that acts at {stamp} s; name the initial one with clear(initial); "
                "nothing was predicted"
            )
        while len(self._queue) > 1 and self._queue[1][0] <= stamp + _COINCIDE:
            self._queue.popleft()
        pieces = [*self._queue, (end, self._queue[-1][1])]
        with jax.enable_x64(True):
            for (begin, u), (until, _) in zip(pieces[:-1], pieces[1:], strict=True):
                span = min(until, end) - max(begin, stamp)
                if span <= _COINCIDE:
                    continue
                count = math.ceil(span / LONGEST_SUBSTEP - 1e-9)
                for _ in range(count):
                    state = self._hold(state, u, span / count)
            state = np.asarray(state)
        return Prediction(state, now - stamp <= self.max_age, end - stamp)
