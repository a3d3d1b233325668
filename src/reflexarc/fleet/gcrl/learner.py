# SPDX-License-Identifier: Apache-2.0
r"""Goal-conditioned DDPG with categorical critics, without and with a limit on the episode's cost.

Stage 1, reward -1 per step and gamma = 1: the critics learn the distributions of the steps and of the cost to the goal,
the actor minimises the expected steps, mean over the ensemble, D(s, pi(s, g), g). Stage 2 goes on from there with

    actor loss = [ D + lambda Q_c 1{Q_c > limit} ] / (1 + lambda),
    lambda <- max(0, lambda + rate (episode cost - limit))          once per finished episode

(Feng et al. 2025). What differs from the published learner: hundreds of environments side by side instead of one,
goals in hindsight, decaying rates, features that show the goal relative to the robot, and the best of the actor's and
some random actions in the backup, to which the actor is pulled as well. Behind a wall an actor can settle between two
ways around it; the critics of that actor then call every action equally bad, and no gradient leads out. Everything runs
in compiled chunks: environments, replay, self-sampling and updates.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import optax
from jax.flatten_util import ravel_pytree

from reflexarc.core.config import quantity
from reflexarc.core.errors import ConfigError
from reflexarc.core.training import Checkpoint, Progress, fit
from reflexarc.fleet.gcrl import replay
from reflexarc.fleet.gcrl.categorical import cross_entropy, expectation, projected, shifted
from reflexarc.fleet.gcrl.domain import Domain
from reflexarc.fleet.gcrl.networks import Networks, act, cost_atoms, distance_atoms, logits
from reflexarc.fleet.gcrl.sampling import Problems, self_sample


@dataclass(frozen=True)
class Training:
    """Parameters of one stage; `limit` is None in stage 1."""

    steps: int = quantity(4000, low=1, high=1e7, doc="steps of every environment")
    environments: int = quantity(128, low=1, high=4096, doc="environments side by side")
    updates: int = quantity(4, low=1, high=64, doc="gradient steps per step of the environments")
    batch: int = quantity(128, low=8, high=8192, doc="transitions per gradient step")
    width: int = quantity(128, low=8, high=1024, doc="neurons per hidden layer")
    members: int = quantity(3, low=2, high=16, doc="critics in each ensemble")
    bins: int = quantity(20, low=4, high=200, doc="bins of the distance critic, one step each")
    actor_rate: float = quantity(3e-4, low=1e-7, high=1.0, doc="Adam's rate at the start")
    critic_rate: float = quantity(1e-3, low=1e-7, high=1.0, doc="Adam's rate at the start")
    polyak: float = quantity(
        0.01, low=1e-5, high=1.0, doc="share by which the targets move per gradient step"
    )
    episode: int = quantity(20, low=2, high=1000, doc="longest episode [steps]")
    tries: int = quantity(
        4, low=0, high=64, doc="random actions that compete with the actor's own in the backup"
    )
    pull: float = quantity(1.0, low=0.0, high=100.0, doc="weight of the pull towards the best of them")
    noise: float = quantity(0.4, low=0.0, high=2.0, doc="standard deviation of exploring actions")
    random: float = quantity(0.15, low=0.0, high=1.0, doc="share of actions drawn at random")
    ring: int = quantity(800, low=8, high=1e6, doc="steps kept per environment")
    later: float = quantity(0.4, low=0.0, high=1.0, doc="share of goals from later in the episode")
    anywhere: float = quantity(0.3, low=0.0, high=1.0, doc="share of goals from anywhere in the ring")
    sampled: float = quantity(0.5, low=0.0, high=1.0, doc="share of episodes on self-sampled problems")
    refresh: int = quantity(50, low=1, high=1e6, doc="steps between two rounds of self-sampling")
    groups: int = quantity(8, low=1, high=256, doc="wanted values per round")
    states: int = quantity(24, low=2, high=512, doc="states and goals per wanted value")
    keep: int = quantity(16, low=1, high=512, doc="problems kept per wanted value")
    limit: float | None = quantity(None, low=0.0, high=40.0, doc="limit of an episode's cost, stage 2")
    lambda_rate: float = quantity(1e-3, low=0.0, high=10.0, doc="rate of the multiplier per episode")
    lambda_start: float = quantity(1e-3, low=0.0, high=1e3, doc="multiplier at the start")
    cost_target: float = quantity(4.0, low=0.0, high=40.0, doc="largest cost that self-sampling wants")


def multiplier(lam: Any, costs: Any, finished: Any, rate: float, limit: float) -> Any:
    """Return lambda after the finished episodes, one after the other.

    Args:
        lam: before, shape ().
        costs: of the episodes, shape (n,).
        finished: which of them are finished, shape (n,).
        rate: of the update.
        limit: of the episode's cost.
    """

    def one(lam: Any, episode: Any) -> tuple[Any, None]:
        cost, ended = episode
        return jnp.where(ended, jnp.maximum(0.0, lam + rate * (cost - limit)), lam), None

    return jax.lax.scan(one, lam, (costs, finished))[0]


def learn(
    domain: Domain,
    t: Training,
    seed: int,
    start: Networks | None = None,
    progress: Progress | None = None,
    checkpoint: Checkpoint | None = None,
) -> tuple[Networks, list[dict[str, float]]]:
    """Train one stage and return the networks and the log.

    Args:
        domain: where.
        t: how; with a `limit` it is stage 2.
        seed: of weights, environments and batches.
        start: networks to go on from; None for fresh ones.
        progress: told after each chunk.
        checkpoint: gone on from if it exists.

    Raises:
        ConfigError: the shares of goals exceed one, or more problems are to be kept than there are pairs.
    """
    if t.later + t.anywhere > 1.0:
        raise ConfigError(f"later {t.later} + anywhere {t.anywhere}: shares of goals must not exceed 1")
    if t.keep > t.states**2:
        raise ConfigError(f"keep {t.keep}: of {t.states} x {t.states} pairs no more can be kept")
    make, reset = jax.random.split(jax.random.key(seed))
    networks = start or Networks(domain.feature_size, domain.action_size, t.width, t.members, make, t.bins)
    weights, static = eqx.partition(networks, eqx.is_array)
    flat, unflatten = ravel_pytree(weights)  # one vector: far fewer operations to compile
    total = t.steps * t.updates
    schedules = [optax.cosine_decay_schedule(rate, total, 0.05) for rate in (t.actor_rate, t.critic_rate)]
    is_actor = ravel_pytree(_marks(weights))[0]
    adam = optax.scale_by_adam()

    def whole(vector: Any) -> Networks:
        return eqx.combine(unflatten(vector), static)

    def descend(gradient: Any, memory: Any) -> tuple[Any, Any]:
        actor_rate, critic_rate = (schedule(memory.count) for schedule in schedules)
        change: Any
        change, memory = adam.update(gradient, memory)
        return -jnp.where(is_actor, actor_rate, critic_rate) * change, memory

    worlds = _fresh(domain, jax.random.uniform(reset, (t.environments, 2 * domain.draws)))
    state = {
        "online": flat,
        "target": flat,
        "optimiser": adam.init(flat),
        "lambda": jnp.float32(t.lambda_start if t.limit is not None else 0.0),
        "ring": replay.empty(domain, t.ring, t.environments),
        "worlds": worlds,
        "problems": Problems(*(jnp.resize(x, (t.groups * t.keep, x.shape[1])) for x in worlds[:2])),
    }

    def step(state: Any, key: Any, fraction: Any) -> tuple[Any, Any]:
        a, b, c = jax.random.split(key, 3)
        online = whole(state["online"])
        number = jnp.round(fraction * t.steps).astype(jnp.int32)
        problems = jax.lax.cond(
            (number % t.refresh == 0) & (number > 0),
            lambda: _new_problems(online, domain, a, t),
            lambda: state["problems"],
        )
        worlds, ring, figures, lam = _advance(domain, online.actor, problems, state, b, t)
        learned = {"online": state["online"], "target": state["target"], "optimiser": state["optimiser"]}

        def update(learned: Any, now: Any) -> tuple[Any, Any]:
            batch = replay.draw(ring, domain, now, t.batch, t.later, t.anywhere, t.episode // 2)
            return _update(learned, whole, descend, domain, batch, lam, t, jax.random.fold_in(now, 1))

        learned, losses = jax.lax.scan(update, learned, jax.random.split(c, t.updates))
        losses = jax.tree.map(lambda x: x.mean(), losses)
        state = {**learned, "lambda": lam, "ring": ring, "worlds": worlds, "problems": problems}
        return state, {**losses, **figures, "lambda": lam}

    state, log = fit(state, step, t.steps, seed, progress, checkpoint, chunk=50)
    return whole(state["target"]), log


def _marks(weights: Networks) -> Any:
    """Return for each weight whether it is the actor's."""
    none = jax.tree.map(lambda x: jnp.zeros(x.shape, bool), weights)
    return eqx.tree_at(
        lambda n: n.actor, none, jax.tree.map(lambda x: jnp.ones(x.shape, bool), weights.actor)
    )


def _fresh(domain: Domain, u: Any) -> tuple[Any, ...]:
    """Return states, goals, ages, costs so far and episode numbers from uniform numbers (n, 2 draws)."""
    n = len(u)
    states = jax.vmap(domain.sample)(u[:, : domain.draws])
    goals = jax.vmap(domain.place)(jax.vmap(domain.sample)(u[:, domain.draws :]))
    return states, goals, jnp.zeros(n, jnp.int32), jax.vmap(domain.cost)(states), jnp.arange(n)


def _new_problems(online: Networks, domain: Domain, key: Any, t: Training) -> Problems:
    costs = None if t.limit is None else (min(t.limit, t.cost_target), max(t.limit, t.cost_target))
    longest = 0.5 * t.bins
    return self_sample(online, domain, key, t.groups, t.states, t.keep, (1.0, float(t.bins)), costs, longest)


def _advance(domain: Domain, actor: Any, problems: Problems, state: Any, key: Any, t: Training) -> Any:
    """Step every environment once; return environments, ring, figures and lambda."""
    s, g, age, cost, episode = state["worlds"]
    n, k = t.environments, domain.action_size
    u = jax.random.uniform(key, (n, 2 * k + 3 + 2 * domain.draws), minval=1e-6)
    own = act(actor, jax.vmap(domain.features)(s, g))
    noisy = own + t.noise * jax.scipy.special.ndtri(u[:, :k])
    take = u[:, 2 * k, None] < t.random
    action = jnp.clip(jnp.where(take, 2.0 * u[:, k : 2 * k] - 1.0, noisy), -1.0, 1.0)
    after, paid = jax.vmap(domain.step)(s, action)
    ring = replay.add(state["ring"], s, action, after, paid, g, episode)
    success = jax.vmap(domain.reached)(after, g)
    age, cost = age + 1, cost + paid
    ended = success | (age >= t.episode)
    lam = state["lambda"]
    if t.limit is not None:
        lam = multiplier(lam, cost, ended, t.lambda_rate, t.limit)
    pick = (u[:, 2 * k + 1] * len(problems.start)).astype(jnp.int32) % len(problems.start)
    chosen = (u[:, 2 * k + 2, None] < t.sampled) & (state["ring"].size > t.refresh)
    new = _fresh(domain, u[:, 2 * k + 3 :])
    start = jnp.where(chosen, problems.start[pick], new[0])
    goal = jnp.where(chosen, problems.goal[pick], new[1])
    worlds = (
        jnp.where(ended[:, None], start, after),
        jnp.where(ended[:, None], goal, g),
        jnp.where(ended, 0, age),
        jnp.where(ended, jax.vmap(domain.cost)(start), cost),
        jnp.where(ended, episode + n, episode),
    )
    many = jnp.maximum(ended.sum(), 1)
    figures = {"success": success.sum() / many, "episode_cost": jnp.where(ended, cost, 0.0).sum() / many}
    return worlds, ring, figures, lam


def _update(
    learned: Any,
    whole: Callable[[Any], Networks],
    descend: Callable[[Any, Any], tuple[Any, Any]],
    domain: Domain,
    batch: replay.Batch,
    lam: Any,
    t: Training,
    key: Any,
) -> tuple[Any, Any]:
    """Take one gradient step of actor and critics together and move the targets."""
    target = whole(learned["target"])
    features = jax.vmap(domain.features)
    here, there = features(batch.state, batch.goal), features(batch.next_state, batch.goal)
    done = jax.vmap(domain.reached)(batch.next_state, batch.goal)
    steps, atoms = distance_atoms(t.bins), cost_atoms()

    def burden(judge: Networks, seen: Any, action: Any) -> tuple[Any, Any]:
        """What the actor minimises, per transition, and its first term."""
        long = expectation(logits(judge.distance, seen, action), steps).mean(axis=0)
        if t.limit is None:
            return long, long
        dear = expectation(logits(judge.cost, seen, action), atoms).mean(axis=0)
        return (long + lam * jnp.where(dear > t.limit, dear, 0.0)) / (1.0 + lam), long

    then, better = _best_of(target, there, burden, t, domain.action_size, key)
    further = shifted(jax.nn.softmax(logits(target.distance, there, then)), done[None])
    dearer = projected(jax.nn.softmax(logits(target.cost, there, then)), batch.cost[None], done[None], atoms)

    def loss(weights: Any) -> tuple[Any, Any]:
        net, judge = whole(weights), whole(jax.lax.stop_gradient(weights))
        fixed = jax.lax.stop_gradient
        distance_loss = cross_entropy(fixed(further), logits(net.distance, here, batch.action))
        cost_loss = cross_entropy(fixed(dearer), logits(net.cost, here, batch.action))
        action = act(net.actor, here)
        load, long = burden(judge, here, action)
        actor_loss = load.mean()
        if t.tries:
            off = ((act(net.actor, there) - then) ** 2).sum(axis=1)
            actor_loss += t.pull * (better * off).mean()
        distance_loss, cost_loss = (x.mean(axis=1).sum() for x in (distance_loss, cost_loss))
        figures = {"distance_loss": distance_loss, "cost_loss": cost_loss, "mean_distance": long.mean()}
        return distance_loss + cost_loss + actor_loss, figures

    gradient, figures = jax.grad(loss, has_aux=True)(learned["online"])
    change, memory = descend(gradient, learned["optimiser"])
    online = learned["online"] + change
    moved = learned["target"] + t.polyak * (online - learned["target"])
    return {"online": online, "target": moved, "optimiser": memory}, figures


def _best_of(judge: Networks, here: Any, burden: Any, t: Training, size: int, key: Any) -> tuple[Any, Any]:
    """Return the best of the actor's and some random actions, and by how much it beats the actor's, in [0, 1]."""
    own = act(judge.actor, here)
    if not t.tries:
        return own, jnp.zeros(len(own))
    drawn = jax.random.uniform(key, (t.tries, len(own), size), minval=-1.5, maxval=1.5)
    every = jnp.concatenate([own[None], jnp.clip(drawn, -1.0, 1.0)])  # the border of the box is often best
    values = burden(judge, jnp.tile(here, (t.tries + 1, 1)), every.reshape(-1, size))[0]
    values = values.reshape(t.tries + 1, -1)
    pick = values.argmin(axis=0)
    gain = values[0] - values.min(axis=0)
    best = jnp.take_along_axis(every, pick[None, :, None], axis=0)[0]
    return jax.lax.stop_gradient(best), jax.lax.stop_gradient(jnp.clip(gain, 0.0, 1.0))
