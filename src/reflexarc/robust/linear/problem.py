# SPDX-License-Identifier: Apache-2.0
"""A linear system as a problem of the two players, for a fixed number of steps."""

import numpy as np

from reflexarc.core.types import Array
from reflexarc.robust.linear.systems import LinearSystem
from reflexarc.robust.problem import Mask, Step

_FAR = 1e3
"""An entry of the state beyond it counts as a failure: the loop is not stable."""


class LinearProblem:
    """n copies of a system; fulfils `robust.problem.Problem`.

    Observed are the state and, if wanted, what is left of the time in [0, 1].
    """

    ideal = 0.0
    ends = True

    def __init__(
        self,
        system: LinearSystem,
        episodes: int,
        horizon: int,
        feedback: Array | None = None,
        timed: bool = True,
        spread: float = 0.0,
    ):
        """Take the system.

        Args:
            system: which.
            episodes: n.
            horizon: steps of an episode.
            feedback: K of u = -K x + action, shape (k, n); default: none.
            timed: whether the time left is seen.
            spread: standard deviation of each entry of the state at the start; 0: from rest.
        """
        self.system, self.episodes, self.horizon = system, episodes, horizon
        self.feedback = np.zeros((system.b.shape[1], len(system.a))) if feedback is None else feedback
        """K of u = -K x + action, shape (k, n)."""
        self.timed, self._spread = timed, spread
        self.name = system.name
        self.action, self.disturbance = system.b.shape[1], system.e.shape[1]
        self.weight = np.ones(self.disturbance)
        self.observation = len(system.a) + timed
        self._state, self._step = np.zeros((episodes, len(system.a))), np.zeros(episodes, dtype=int)

    def begin(self, rng: np.random.Generator) -> Array:
        """All at another time, so that a batch holds every phase."""
        self._state[:] = self._spread * rng.normal(size=self._state.shape)
        self._step = rng.integers(0, self.horizon, self.episodes)
        return self._observe()

    def rest(self) -> Array:
        """Begin all at rest with their whole time left; return the observations, shape (n, o)."""
        self._state[:], self._step[:] = 0.0, 0
        return self._observe()

    def step(self, action: Array, disturbance: Array, rng: np.random.Generator) -> tuple[Array, Step]:
        """Go on; see `Problem`."""
        s = self.system
        u = action - self._state @ self.feedback.T
        self._state = self._state @ s.a.T + u @ s.b.T + disturbance @ s.e.T
        cost = np.einsum("ni,ij,nj->n", self._state, s.q, self._state) + np.einsum("ni,ij,nj->n", u, s.r, u)
        self._step += 1
        over = self._step >= self.horizon
        failed: Mask = np.logical_not((np.abs(self._state) < _FAR).all(axis=1))
        last = self._observe()
        ended = over | failed
        self._state[ended] = self._spread * rng.normal(size=(int(ended.sum()), self._state.shape[1]))
        self._step[ended] = 0
        return self._observe(), Step(-cost, np.zeros_like(cost), failed, over, last)

    def _observe(self) -> Array:
        left = (1.0 - self._step / self.horizon)[:, None]
        return np.hstack((self._state, left)) if self.timed else self._state.copy()
