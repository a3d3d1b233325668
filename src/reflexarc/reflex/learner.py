# SPDX-License-Identifier: Apache-2.0
r"""Task policy, recovery policy and safety critic, learned together while they drive.

    critic      y = c + (1 - done) gamma_safe^tau max_i Q'_i(s', a'),            sum over members of (Q_i(s, a) - y)^2
    recovery    minimise max_i Q_i(s, pi_recovery(s))
    task        soft actor-critic on (s, a proposed, r, s') with gamma^tau, clipped double Q
    Lagrangian  task's loss + nu max_i Q_i(s, pi_task(s)), nu moved by mean risk - limit

c is 1 in a transition that ends in failure, so Q is the discounted probability of failing. a' is the task policy's
action (`task`: what Recovery RL's code does, which scores the policy as if nobody shielded it) or what the shield would
let through (`composite`). tau is the duration of the transition in decisions: an aborted action is a short one.

Thananjeyan et al., RA-L 2021, arXiv 2010.15920, with the constants of its code where `Training` does not say otherwise;
Haarnoja et al., ICML 2018.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax
from jax.flatten_util import ravel_pytree

from reflexarc.core.config import quantity
from reflexarc.core.training import Checkpoint, Progress, fit
from reflexarc.reflex.loop import Episodes, Piece, Shield, control_step, fresh
from reflexarc.reflex.memory import Memory, drawn, memory_of, remembered
from reflexarc.reflex.navigation import LONG, Navigation
from reflexarc.reflex.networks import Networks, risk_of, sampled

BOOTSTRAPS = ("task", "composite")
COUNTS = ("failed", "reached", "over", "reflex")
SATURATION = 1e-3
"""Weight of the squares of the recovery's means before the tanh. Without it the policy can end in a corner of its box
while the critic is still wrong, and no gradient leads out of there."""
_CHUNK = 50
_PRETRAINING = 1
"""Seed of the pre-training's batches; the seeds themselves are folded in."""


class Learned(NamedTuple):
    """What one seed led to."""

    networks: Networks
    totals: dict[str, int]
    """Episodes that failed, that reached the goal, that ended; reflexes."""


@dataclass(frozen=True)
class Training:
    """Parameters; beside each the published value where it is another."""

    episodes: int = quantity(400, low=1, high=1e6, doc="episodes, if all lasted to the end")
    environments: int = quantity(16, low=1, high=1024, doc="episodes side by side; published: 1")
    updates: int = quantity(
        4, low=1, high=256, doc="gradient steps per decision of all of them; published: 1 per decision"
    )
    pretraining: int = quantity(10_000, low=0, high=1e6, doc="gradient steps of critic and recovery before")
    probes: int = quantity(20_000, low=256, high=1e6, doc="transitions that they are learned from")
    batch: int = quantity(128, low=8, high=8192, doc="transitions per gradient step; published: 256")
    width: int = quantity(64, low=8, high=1024, doc="neurons per hidden layer; published: 256")
    members: int = quantity(2, low=2, high=16, doc="of the safety critic")
    rate: float = quantity(3e-4, low=1e-7, high=1.0, doc="Adam's rate")
    polyak: float = quantity(
        0.005, low=1e-5, high=1.0, doc="movement of the value's targets per gradient step"
    )
    risk_polyak: float = quantity(
        0.001, low=1e-5, high=1.0, doc="and of the safety critic's; published: 0.0002"
    )
    gamma: float = quantity(0.99, low=0.0, high=1.0, doc="discount of the task per published step")
    entropy: float = quantity(0.2, low=0.0, high=10.0, doc="weight of the entropy beside rewards in metres")
    ring: int = quantity(40_000, low=256, high=1e7, doc="driven transitions that are kept")
    bootstrap: str = quantity("task", choices=BOOTSTRAPS, doc="what follows a transition of the critic")
    limit: float | None = quantity(
        None, low=0.0, high=1.0, doc="limit of the task's mean risk, held by a multiplier; default: none"
    )


def probe_transitions(problem: Navigation, count: int, seed: int) -> Piece:
    """Return one decision of each of `count` probes, which critic and recovery are pre-trained with."""
    rng = np.random.default_rng(seed)
    places, actions = (jnp.asarray(x, dtype=jnp.float32) for x in problem.probes(count, rng))
    noise = jnp.asarray(rng.standard_normal((problem.length, count, 2)), dtype=jnp.float32)

    @jax.jit
    def carried(state: Any, z: Any) -> Any:
        def step(carry: Any, z: Any) -> Any:
            s, failed, reached = carry
            on = ~failed & ~reached
            s = jnp.where(on[:, None], problem.move(s, actions, z), s)
            return (s, failed | problem.failed(s), reached | (problem.reached(s) & ~problem.failed(s))), None

        return jax.lax.scan(step, (state, problem.failed(state), problem.reached(state)), z)[0]

    state, failed, reached = carried(places, noise)
    outside = ~problem.failed(places)
    ones = jnp.ones(count)
    return Piece(
        outside, places, actions, actions, 0.0 * ones, failed, failed | reached, state, ones
    )  # fmt: skip


def learn(
    problem: Navigation,
    t: Training,
    shield: Shield,
    seeds: Sequence[int],
    progress: Progress | None = None,
    checkpoint: Checkpoint | None = None,
) -> tuple[list[Learned], list[dict[str, float]]]:
    """Train once per seed, all side by side, and return what was learned, and the log of means over the seeds.

    What a seed leads to does not depend on the others, rounding aside.

    Args:
        problem: where.
        t: how.
        shield: how the critic is used while it drives.
        seeds: of weights, probes, episodes and batches.
        progress: told after each chunk.
        checkpoint: gone on from if it exists; pre-training is not in it and is done again.
    """
    started = [_started(problem, t, seed) for seed in seeds]
    state = jax.tree.map(lambda *x: jnp.stack(x), *(s for s, _, _ in started))
    _, whole, unflatten = started[0]
    adam = optax.adam(t.rate)
    risky = ravel_pytree(
        (_risk_marks(eqx.filter(whole(state["learned"]["online"][0]), eqx.is_array)), jnp.zeros(()))
    )[0]
    speed = jnp.where(risky > 0, t.risk_polyak, t.polyak)
    numbers = jnp.array(seeds, dtype=jnp.uint32)

    def each(one: Callable[[Any, Any], tuple[Any, Any]]) -> Callable[[Any, Any, Any], tuple[Any, Any]]:
        """Return a step of all seeds."""

        def step(state: Any, key: Any, _: Any) -> tuple[Any, Any]:
            keys = jax.vmap(lambda n: jax.random.fold_in(key, n))(numbers)
            state, figures = jax.vmap(one)(state, keys)
            return state, jax.tree.map(lambda x: x.mean(), figures)

        return step

    def update(learned: Any, memory: Memory, key: Any, task: bool) -> tuple[Any, Any]:
        a, b, c = jax.random.split(key, 3)
        own = drawn(memory, t.probes, a, t.batch, True) if task else None
        every = drawn(memory, t.probes, b, t.batch, False)
        z = jax.random.normal(c, (4, t.batch, 2))
        gradient, figures = jax.grad(_loss, has_aux=True)(
            learned["online"],
            learned["target"],
            whole,
            unflatten,
            problem,
            t,
            shield.threshold,
            own,
            every,
            z,
        )
        change, optimiser = adam.update(gradient, learned["optimiser"])
        online = learned["online"] + change
        target = learned["target"] + speed * (online - learned["target"])
        return {"online": online, "target": target, "optimiser": optimiser}, figures

    def before(state: Any, key: Any) -> tuple[Any, Any]:
        learned, figures = update(state["learned"], state["memory"], key, False)
        return {**state, "learned": learned}, figures

    def during(state: Any, key: Any) -> tuple[Any, Any]:
        a, b = jax.random.split(key)
        driving = whole(state["learned"]["online"])

        def tick(carry: Any, key: Any) -> tuple[Any, Any]:
            e, memory, counts = _drive(problem, driving, shield, carry[0], carry[1], t.probes, key)
            return (e, memory), counts

        ticks = jax.random.split(a, problem.length)
        (e, memory), counts = jax.lax.scan(tick, (state["episodes"], state["memory"]), ticks)
        learned, losses = jax.lax.scan(
            lambda learned, key: update(learned, memory, key, True),
            state["learned"], jax.random.split(b, t.updates),
        )  # fmt: skip
        counts = {name: x.sum() for name, x in counts.items()}
        totals = {name: state["totals"][name] + x for name, x in counts.items()}
        state = {**state, "learned": learned, "memory": memory, "episodes": e, "totals": totals}
        return state, counts | jax.tree.map(lambda x: x.mean(), losses)

    if t.pretraining:
        told = _named(progress, "pretraining")
        state, _ = fit(state, each(before), t.pretraining, _PRETRAINING, told, None, 500)
    steps = max(1, t.episodes * problem.horizon // (problem.length * t.environments))
    state, log = fit(state, each(during), steps, 0, progress, checkpoint, _CHUNK)
    learned = [
        Learned(
            whole(state["learned"]["online"][k]),
            {name: int(x[k]) for name, x in state["totals"].items()},
        )
        for k in range(len(seeds))
    ]
    return learned, log


def _started(problem: Navigation, t: Training, seed: int) -> tuple[Any, Callable[[Any], Networks], Any]:
    """Return the state of one seed before it has learned anything, and what makes networks, and all, of a vector."""
    make, begin = jax.random.split(jax.random.key(seed))
    networks = Networks(2, 2, t.width, t.members, make)
    weights, static = eqx.partition(networks, eqx.is_array)
    flat, unflatten = ravel_pytree((weights, jnp.float32(np.log(problem.multiplier / LONG))))
    state = {
        "learned": {"online": flat, "target": flat, "optimiser": optax.adam(t.rate).init(flat)},
        "memory": memory_of(probe_transitions(problem, t.probes, seed), t.ring),
        "episodes": fresh(problem, jax.random.normal(begin, (t.environments, 2))),
        "totals": dict.fromkeys(COUNTS, jnp.int32(0)),
    }
    return state, lambda vector: eqx.combine(unflatten(vector)[0], static), unflatten


def _risk_marks(weights: Networks) -> Any:
    none = jax.tree.map(jnp.zeros_like, weights)
    return eqx.tree_at(lambda n: n.risk, none, jax.tree.map(jnp.ones_like, weights.risk))


def _named(progress: Progress | None, stage: str) -> Progress | None:
    if progress is None:
        return None
    return lambda done, total, figures: progress(done, total, {stage: done / total, **figures})


def _drive(
    problem: Navigation,
    networks: Networks,
    shield: Shield,
    e: Episodes,
    memory: Memory,
    offline: int,
    key: Any,
) -> tuple[Episodes, Memory, Any]:
    """Take one control step, remember what ended with it, and begin new episodes where one is over."""
    z = jax.random.normal(key, (len(e.clock), 8))
    after, cut, piece, events = control_step(problem, networks, shield, e, z[:, :6], True)
    both = jax.tree.map(lambda a, b: jnp.concatenate([a, b]), cut, piece)
    memory = remembered(memory, offline, both)
    again = fresh(problem, z[:, 6:])
    over = events.over
    after = jax.tree.map(
        lambda new, old: jnp.where(over.reshape(-1, *[1] * (old.ndim - 1)), new, old), again, after
    )
    return after, memory, {name: getattr(events, name).sum() for name in COUNTS}


def _loss(
    vector: Any,
    target: Any,
    whole: Callable[[Any], Networks],
    unflatten: Callable[[Any], Any],
    problem: Navigation,
    t: Training,
    threshold: Any,
    own: Piece | None,
    every: Piece,
    z: Any,
) -> tuple[Any, Any]:
    """Return the sum of all losses; each touches only its own networks."""
    fixed = jax.lax.stop_gradient
    net, judge, slow = whole(vector), whole(fixed(vector)), whole(target)

    here, there = problem.features(every.state), problem.features(every.next_state)
    then = sampled(judge.task, there, z[0])[0]
    if t.bootstrap == "composite":
        back = sampled(judge.recovery, there, z[1])[0]
        refused = ~(risk_of(judge.risk, there, then) <= threshold)
        then = jnp.where(refused[:, None], back, then)
    risk_gamma = (problem.gamma**problem.hold) ** every.tau
    ahead = jnp.where(every.done, 0.0, risk_gamma * risk_of(slow.risk, there, then))
    wanted = fixed(every.failed + ahead)
    guess = jax.nn.sigmoid(net.risk(here, every.executed))
    risk_loss = _mean((guess - wanted) ** 2, every.valid)
    back, _ = sampled(net.recovery, here, z[2])
    mean = jax.vmap(net.recovery)(here)[0]
    recovery_loss = _mean(risk_of(judge.risk, here, back) + SATURATION * (mean**2).sum(axis=-1), every.valid)
    loss = risk_loss + recovery_loss
    figures = {"risk_loss": risk_loss}
    if own is None:
        return loss, figures

    here, there = problem.features(own.state), problem.features(own.next_state)
    alpha = t.entropy / LONG
    then, density = sampled(judge.task, there, z[0])
    value = slow.value(there, then).min(axis=0) - alpha * density
    gamma = (t.gamma**problem.hold) ** own.tau
    wanted = fixed(own.reward * problem.hold + jnp.where(own.done, 0.0, gamma * value))
    value_loss = _mean((net.value(here, own.proposed) - wanted) ** 2, own.valid)
    action, density = sampled(net.task, here, z[3])
    task_loss = _mean(alpha * density - judge.value(here, action).min(axis=0), own.valid)
    if t.limit is not None:
        log_nu = unflatten(vector)[1]
        risk = risk_of(judge.risk, here, action)
        over = _mean(risk, own.valid)
        task_loss += jnp.exp(fixed(log_nu)) * over - log_nu * fixed(over - t.limit)
    return loss + value_loss + task_loss, figures | {"value_loss": value_loss}


def _mean(values: Any, valid: Any) -> Any:
    """Return the mean over the valid columns."""
    share = valid / jnp.maximum(valid.sum(), 1)
    return (values * share).sum(axis=-1).sum()
