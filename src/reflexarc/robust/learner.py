# SPDX-License-Identifier: Apache-2.0
r"""Actor against disturber under the constraint of H-infinity.

    cost        C = ideal - reward of the task
    disturber   maximise  E sum C - price |d|
    actor       maximise  E sum reward   subject to   L = E[eta |d| - C] >= 0
                by the Lagrangian  reward + lambda L, lambda moved by L (`dual`)

|d| stands for the intensity (`intensity`). A disturber that sees the state answers what the actor does, so both parts
of L are the actor's to change. `price` says what the disturber pays: 0, as published: as much cost as its limits
allow; `eta`: the game whose saddle point is the H-infinity controller; `gain`: the ratio sum C / sum |d| of its own
last episodes, so that what it maximises is the ratio itself (Dinkelbach 1967).

Two rules of robust adversarial reinforcement learning (Pinto et al., arXiv 1703.02702): `zero_sum`, a disturber that
minimises the actor's whole reward, and `turns`, players who learn one after the other.

Long et al., Learning H-Infinity Locomotion Control, arXiv 2404.14405. No official code exists.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from reflexarc.core.config import quantity
from reflexarc.core.training import Checkpoint, Progress
from reflexarc.core.types import Array
from reflexarc.robust.dual import Dual, DualConfig
from reflexarc.robust.intensity import Budget, Limits
from reflexarc.robust.networks import Players
from reflexarc.robust.ppo import Collected, Learning, PpoConfig, begin, update, values
from reflexarc.robust.problem import Problem
from reflexarc.robust.pushes import PUSHES, Pushes

PRICES = ("none", "eta", "gain")
RENEWAL = 25
"""Iterations after which all episodes begin anew, and a checkpoint is written."""
SCALED = 100
"""Iterations after which the scale of the observations stands still, so that what is learned keeps its meaning; that
of another training, which an actor is taken from, never moves: it would turn into another actor."""


_LEAST_SQUARE = 1e-8
"""Added to the variance of what is observed, which may be nothing."""


@dataclass(frozen=True)
class Training:
    """Parameters."""

    iterations: int = quantity(200, low=0, high=1_000_000, doc="collections, each followed by an update")
    steps: int = quantity(50, low=1, high=10_000, doc="steps of every episode per collection")
    hidden: tuple[int, ...] = quantity((64, 64), doc="hidden layers of the actor")
    disturber_hidden: tuple[int, ...] = quantity((64, 64), doc="hidden layers of the disturber")
    critic_hidden: tuple[int, ...] = quantity((128, 128), doc="hidden layers of the critic")
    std: float = quantity(1.0, low=1e-3, high=10.0, doc="standard deviation of the actor at the start")
    std_floor: float = quantity(0.05, low=1e-4, high=10.0, doc="and its least")
    push_std: float = quantity(
        0.5, low=1e-3, high=10.0, doc="standard deviation of the disturber at the start, of the largest push"
    )
    push_floor: float = quantity(
        0.1, low=1e-4, high=10.0, doc="and its least: it must not collapse to one direction"
    )
    actor: bool = quantity(True, doc="whether the actor learns")
    pushes: str = quantity("learned", choices=PUSHES, doc="who pushes")
    random_share: float = quantity(
        0.0, low=0.0, high=1.0, doc="share of the episodes that are pushed at random all the same"
    )
    curriculum: float = quantity(
        0.0, low=0.0, high=1.0, doc="part of the training over which the largest push grows from nothing"
    )
    fall: float = quantity(0.0, low=0.0, high=1e6, doc="cost of a failure, besides that of its step")
    eta: float = quantity(1.0, low=0.0, high=1e9, doc="bound on cost per intensity")
    constrained: bool = quantity(True, doc="whether lambda acts on the actor")
    price: str = quantity("none", choices=PRICES, doc="what the disturber pays per intensity")
    zero_sum: bool = quantity(
        False, doc="whether the disturber minimises the actor's whole reward instead of raising the cost"
    )
    turns: int = quantity(
        0, low=0, high=100_000, doc="iterations after which the other player learns; 0: both at once"
    )
    anneal: bool = quantity(False, doc="whether the rates fall to nothing over the training")
    limits: Limits = field(default_factory=Limits)
    dual: DualConfig = field(default_factory=DualConfig)
    ppo: PpoConfig = field(default_factory=PpoConfig)


def push_unit(weight: Array, most: float) -> Array:
    """Return what an output of 1 of a disturber means, shape (d,): the largest push, or 1 where nothing is weighed."""
    return np.where(weight > 0.0, most / np.where(weight > 0.0, weight, 1.0), 1.0)


class Scaling:
    """Running mean and deviation of the observations."""

    def __init__(self, size: int):
        self.count, self.mean, self.square = 1e-4, np.zeros(size), np.ones(size)

    def take(self, seen: Array) -> None:
        """Take rows, shape (n, o)."""
        n = len(seen)
        total = self.count + n
        shift = seen.mean(axis=0) - self.mean
        self.square = (
            self.square * self.count + seen.var(axis=0) * n + shift**2 * self.count * n / total
        ) / total
        self.mean = self.mean + shift * n / total
        self.count = total

    @property
    def deviation(self) -> Array:
        """What a row's entries are divided by, shape (o,)."""
        return np.sqrt(self.square + _LEAST_SQUARE)

    def know(self, mean: Array, deviation: Array) -> None:
        """Take both from another training, shape (o,) each."""
        self.mean, self.square = mean, np.maximum(deviation**2 - _LEAST_SQUARE, 0.0)

    def __call__(self, seen: Array) -> Any:
        """Return the rows in units of their deviation, cut at ten."""
        return np.clip((seen - self.mean) / self.deviation, -10.0, 10.0).astype(np.float32)


class Learner:
    """One training."""

    def __init__(self, problem: Problem, t: Training, seed: int):
        """Make the networks.

        Args:
            problem: where.
            t: how.
            seed: of everything random.
        """
        self.problem, self.t, self._seed = problem, t, seed
        self._root, key = jax.random.split(jax.random.key(seed))
        players = Players(
            problem.observation,
            problem.action,
            problem.disturbance,
            (t.hidden, t.disturber_hidden, t.critic_hidden),
            (t.std, t.push_std),
            key,
        )
        self.static = eqx.filter(players, eqx.is_array, inverse=True)
        self.learning: Learning = begin(players, t.ppo)
        self.scaling = Scaling(problem.observation)
        self.dual = Dual(t.dual)
        self.gain = 0.0
        """Running ratio of cost to intensity."""
        self.iteration = 0
        self._scales = True
        self._budget = Budget(t.limits, problem.episodes, problem.weight)
        self._unit = push_unit(problem.weight, t.limits.most)
        self._pushes = Pushes(t.pushes, problem.episodes, problem.disturbance)
        at_random = np.arange(problem.episodes) < round(t.random_share * problem.episodes)
        self._driven = (~at_random).astype(float) * (t.pushes == "learned")
        self._seen = np.zeros((problem.episodes, problem.observation))
        self._act = eqx.filter_jit(self._sample)
        self._update = eqx.filter_jit(update)
        self._values = eqx.filter_jit(values)

    @property
    def players(self) -> Players:
        """What is learned, as it is now."""
        return eqx.combine(self.learning.players, self.static)

    def take(self, tensors: Mapping[str, Array]) -> None:
        """Begin with the actor, the critic and the scales of another training; the disturber stays as it is.

        Args:
            tensors: of a file of weights, see `weights`.

        Raises:
            KeyError: one is missing.
            ValueError: one has another shape than this training's, or is not finite.
        """

        def same(name: str, like: Any) -> Any:
            found = np.asarray(tensors[name])
            if found.shape != np.shape(like) or not np.isfinite(found).all():
                raise ValueError(
                    f"{name} of shape {found.shape}; wanted: finite numbers of shape {np.shape(like)}"
                )
            return jnp.asarray(found, jnp.float32)

        def network(name: str, like: Any) -> Any:
            layers = [
                eqx.tree_at(
                    lambda m: (m.weight, m.bias),
                    layer,
                    (same(f"{name}.{i}.weight", layer.weight), same(f"{name}.{i}.bias", layer.bias)),
                )
                for i, layer in enumerate(like.layers)
            ]
            return eqx.tree_at(lambda m: m.layers, like, layers)

        players = self.players
        players = eqx.tree_at(
            lambda p: (p.actor.mean, p.actor.log_std, p.critic),
            players,
            (
                network("actor", players.actor.mean),
                same("actor.log_std", players.actor.log_std),
                network("critic", players.critic),
            ),
        )
        scale = same("critic.returns", self.learning.scale)
        self.learning = begin(players, self.t.ppo)._replace(scale=scale)
        mean, deviation = (
            np.asarray(same(f"observation.{x}", self.scaling.mean), float) for x in ("mean", "deviation")
        )
        self.scaling.know(mean, deviation)
        self._scales = False

    def run(
        self, progress: Progress | None = None, checkpoint: Checkpoint | None = None
    ) -> list[dict[str, float]]:
        """Train to the end and return the log.

        Args:
            progress: told after each iteration.
            checkpoint: gone on from if it exists. What is random in an iteration depends on the seed and its number
                alone, and every `RENEWAL` iterations all episodes begin anew, so that a training that was stopped ends
                with the same weights.

        Raises:
            ModelError: the checkpoint is damaged or of another training.
        """
        log: list[dict[str, float]] = []
        kept = checkpoint.read(self._state()) if checkpoint is not None else None
        if kept is not None:
            state, self.iteration, log = kept
            self._restore(state)
        while self.iteration < self.t.iterations:
            row = self.step()
            log.append({"step": self.iteration, **row})
            if progress is not None:
                progress(self.iteration, self.t.iterations, row)
            if checkpoint is not None and self.iteration % RENEWAL == 0:
                checkpoint.write(self._state(), self.iteration, log)
        return log

    def _state(self) -> Any:
        s = self.scaling
        numbers = np.array((s.count, self.dual.integral, self.dual.value, self.gain))
        return {"learning": self.learning, "scaling": np.stack((s.mean, s.square)), "numbers": numbers}

    def _restore(self, state: Any) -> None:
        self.learning = state["learning"]
        self.scaling.mean, self.scaling.square = np.array(state["scaling"], dtype=float)
        numbers = (float(x) for x in state["numbers"])
        self.scaling.count, self.dual.integral, self.dual.value, self.gain = numbers

    def step(self) -> dict[str, float]:
        """Collect and update once; return figures."""
        t = self.t
        rng = np.random.default_rng((self._seed, self.iteration))
        collect_key, key = jax.random.split(jax.random.fold_in(self._root, self.iteration))
        if self.iteration % RENEWAL == 0:
            self._restore(jax.tree.map(jnp.asarray, self._state()))  # rounded as in a checkpoint
            self._seen = self.problem.begin(rng)
            everywhere = np.ones(self.problem.episodes, dtype=bool)
            self._budget.begin(everywhere)
            self._pushes.begin(everywhere)
        collected, figures = self._collect(rng, collect_key)
        slack = t.eta * figures["intensity"] - figures["cost"]
        if t.constrained and figures["intensity"] > 0.0:
            self.dual.step(slack)
        if figures["intensity"] > 0.0:
            now = figures["cost"] / figures["intensity"]
            self.gain = now if self.iteration == 0 else 0.9 * self.gain + 0.1 * now
        multiplier = self.dual.value if t.constrained else 0.0
        price = {"none": 0.0, "eta": t.eta, "gain": self.gain}[t.price]
        self.learning, told = self._update(
            self.learning,
            self.static,
            collected,
            jnp.asarray(self.scaling(self._seen)),
            (jnp.float32(multiplier), jnp.float32(t.eta), jnp.float32(price)),
            (t.std_floor, t.push_floor),
            self._moves(),
            t.zero_sum,
            jnp.float32(1.0 - self.iteration / t.iterations if t.anneal else 1.0),
            t.ppo,
            key,
        )
        self.iteration += 1
        return {
            **figures,
            "slack": slack,
            "lambda": multiplier,
            "price": price,
            "gain": self.gain,
            "critic_loss": float(told["critic_loss"]),
            "entropy_actor": float(told["entropy"][0]),
            "entropy_disturber": float(told["entropy"][1]),
        }

    def _moves(self) -> tuple[bool, bool]:
        """Whether actor and disturber learn in this iteration."""
        both = self.t.actor, self.t.pushes == "learned"
        if self.t.turns == 0 or not all(both):
            return both
        second = bool(self.iteration // self.t.turns % 2)
        return not second, second

    def _sample(self, learning: Learning, seen: Any, key: Any) -> Any:
        players = eqx.combine(learning.players, self.static)
        a, b = jax.random.split(key)
        action = players.actor.sample(seen, a, self.t.std_floor)
        push = players.disturber.sample(seen, b, self.t.push_floor)
        return (
            action,
            players.actor.density(seen, action, self.t.std_floor)[0],
            push,
            players.disturber.density(seen, push, self.t.push_floor)[0],
        )

    def _collect(self, rng: np.random.Generator, key: Any) -> tuple[Collected, Mapping[str, float]]:
        t, problem = self.t, self.problem
        share = 1.0 if t.curriculum == 0.0 else min(1.0, self.iteration / (t.curriculum * t.iterations))
        rows: list[tuple[Any, ...]] = []
        totals = {"reward": 0.0, "cost": 0.0, "intensity": 0.0, "failures": 0.0}
        for k in jax.random.split(key, t.steps):
            if self._scales and self.iteration < SCALED:
                self.scaling.take(self._seen)
            seen = self.scaling(self._seen)
            action, was_a, push, was_d = (np.asarray(x) for x in self._act(self.learning, seen, k))
            wanted = self._unit * self._pushes.wanted(push, self._driven, share, rng)
            acting, intensity = self._budget.applied(wanted, share * t.limits.most)
            self._seen, step = problem.step(np.asarray(action, dtype=np.float64), acting, rng)
            cost = problem.ideal - step.task + t.fall * step.failed
            reward = step.task + step.shaping
            gains = np.stack((reward, cost, intensity), axis=-1).astype(np.float32)
            ended = step.failed | step.over
            cut = step.over & ~step.failed
            if not problem.ends and cut.any():  # what would have come after counts
                rest = np.asarray(self._values(self.players, self.learning.scale, self.scaling(step.last)))
                gains[cut] += t.ppo.gamma * rest[cut]
            self._budget.begin(ended)
            self._pushes.begin(ended)
            rows.append((seen, action, was_a, push, was_d, self._driven, gains, ended.astype(float)))
            for name, value in (("reward", reward), ("cost", cost), ("intensity", intensity)):
                totals[name] += float(value.mean()) / t.steps
            totals["failures"] += float(step.failed.sum())
        return Collected(*(jnp.asarray(np.stack(column)) for column in zip(*rows, strict=True))), totals
