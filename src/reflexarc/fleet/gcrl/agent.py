# SPDX-License-Identifier: Apache-2.0
"""What was learned, as a file and as functions of plain arrays: actions, distances and costs with their distributions.

The file is safetensors; its metadata say what domain and training it is of, so that it is loaded by itself.
"""

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

import equinox as eqx
import jax
import numpy as np

from reflexarc.core.types import Array
from reflexarc.core.weights import read_weights, save_weights, with_weights
from reflexarc.fleet.gcrl.domain import Domain
from reflexarc.fleet.gcrl.networks import Networks, act, cost_atoms, distance_atoms, logits

FORMAT = "reflexarc-gcrl-1"
_BATCH = 4096
"""Pairs judged at once; the last batch is filled up, so that only one shape is compiled."""


class Judgement(NamedTuple):
    """Distributions that every member of the ensembles gives for n pairs of state and goal."""

    distance: Array
    """Probabilities of 1, 2, ... steps, shape (members, n, bins)."""
    cost: Array
    """Probabilities of the cost atoms, shape (members, n, bins)."""
    distance_atoms: Array
    """[steps]"""
    cost_atoms: Array

    @property
    def steps(self) -> Array:
        """Expected steps per member, shape (members, n)."""
        return self.distance @ self.distance_atoms

    @property
    def costs(self) -> Array:
        """Expected cost per member, shape (members, n)."""
        return self.cost @ self.cost_atoms


@dataclass(frozen=True, eq=False)
class Agent:
    """Networks in their domain."""

    domain: Domain
    networks: Networks
    recipe: Mapping[str, Any]
    """What the training was: domain, training, seed, stage."""

    @cached_property
    def digest(self) -> str:
        """Hash of weights and domain, 16 hexadecimal digits."""
        content = hashlib.sha256(self.domain.digest().encode())
        for leaf in jax.tree.leaves(eqx.filter(self.networks, eqx.is_array)):
            content.update(np.asarray(leaf).tobytes())
        return content.hexdigest()[:16]

    def act(self, states: Array, goals: Array) -> Array:
        """Return actions, shape (n, action_size), for states (n, state_size) and goals (n, goal_size)."""
        return self._in_batches(self._actions, states, goals)[0]

    def judge(self, states: Array, goals: Array) -> Judgement:
        """Return what lies between states (n, state_size) and goals (n, goal_size) for the agent's own policy."""
        distance, cost = self._in_batches(self._probabilities, states, goals, axis=1)
        atoms = np.asarray(distance_atoms(self.networks.bins), dtype=np.float64)
        return Judgement(distance, cost, atoms, np.asarray(cost_atoms(), dtype=np.float64))

    def expected(self, states: Array, goals: Array) -> tuple[Array, Array]:
        """Return expected steps and expected cost per member, shape (members, n) each; cheaper than `judge`."""
        steps, costs = self._in_batches(self._means, states, goals, axis=1)
        return steps, costs

    @cached_property
    def _means(self) -> Callable[[Any, Any], tuple[Any, ...]]:
        atoms = distance_atoms(self.networks.bins), cost_atoms()

        def means(states: Any, goals: Any) -> tuple[Any, ...]:
            return tuple(
                probabilities @ z
                for probabilities, z in zip(self._probabilities(states, goals), atoms, strict=True)
            )

        return jax.jit(means)

    @cached_property
    def _actions(self) -> Callable[[Any, Any], tuple[Any]]:
        def actions(states: Any, goals: Any) -> tuple[Any]:
            return (act(self.networks.actor, jax.vmap(self.domain.features)(states, goals)),)

        return jax.jit(actions)

    @cached_property
    def _probabilities(self) -> Callable[[Any, Any], tuple[Any, ...]]:
        def probabilities(states: Any, goals: Any) -> tuple[Any, ...]:
            features = jax.vmap(self.domain.features)(states, goals)
            actions = act(self.networks.actor, features)
            return tuple(
                jax.nn.softmax(logits(critic, features, actions))
                for critic in (self.networks.distance, self.networks.cost)
            )

        return jax.jit(probabilities)

    def _in_batches(self, function: Any, states: Array, goals: Array, axis: int = 0) -> list[Array]:
        here = np.asarray(states, dtype=np.float32).reshape(-1, self.domain.state_size)
        there = np.asarray(goals, dtype=np.float32).reshape(-1, self.domain.goal_size)
        n = len(here)
        size = _BATCH if n > 64 else 64
        parts: list[tuple[Any, ...]] = []
        for k in range(0, max(n, 1), size):
            s, g = here[k : k + size], there[k : k + size]
            short = size - len(s)
            s, g = (np.concatenate([x, np.zeros((short, x.shape[1]), np.float32)]) for x in (s, g))
            parts.append(tuple(np.asarray(x, dtype=np.float64) for x in function(s, g)))
        whole = [np.concatenate([part[i] for part in parts], axis=axis) for i in range(len(parts[0]))]
        return [np.take(x, range(n), axis=axis) for x in whole]

    def save(self, path: Path) -> str:
        """Write the weights and return the file's SHA-256."""
        return save_weights(path, FORMAT, self.networks, self.recipe)


def load_agent(path: Path) -> Agent:
    """Read weights.

    Raises:
        ModelError: the file is missing, damaged, of another kind, or holds numbers that are not finite.
    """
    from reflexarc.fleet.gcrl.recipe import Recipe, domain_of  # noqa: PLC0415 - a recipe knows all domains

    content, arrays = read_weights(path, FORMAT)
    recipe = Recipe.from_content({k: v for k, v in content.items() if k != "stage"}, str(path))
    domain, t = domain_of(recipe), recipe.training
    like = Networks(domain.feature_size, domain.action_size, t.width, t.members, jax.random.key(0), t.bins)
    return Agent(domain, with_weights(path, like, arrays), content)
