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
from reflexarc.reflex.loop import Episodes, Piece, Shield, chosen, control_step, fresh, numbers
from reflexarc.reflex.memory import Memory, drawn, memory_of, remembered
from reflexarc.reflex.networks import Networks, risk_of, sampled
from reflexarc.reflex.problem import Problem

BOOTSTRAPS = ("task", "composite")
TARGETS = ("largest", "mean")
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

    episodes: int = quantity(
        400, low=0, high=1e6, doc="episodes, if all lasted to the end; 0: only what comes before"
    )
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
    rests: bool = quantity(False, doc="the critic also learns from rests of actions")
    target: str = quantity("largest", choices=TARGETS, doc="which member's risk the critic's targets take")
    bootstrap: str = quantity("task", choices=BOOTSTRAPS, doc="what follows a transition of the critic")
    limit: float | None = quantity(
        None, low=0.0, high=1.0, doc="limit of the task's mean risk, held by a multiplier; default: none"
    )


def probe_transitions(problem: Problem, count: int, seed: int, rests: bool = False) -> Piece:
    """Return one decision of each of `count` probes, which critic and recovery are pre-trained with.

    Args:
        problem: where.
        count: how many.
        seed: of what is drawn.
        rests: of every second one only the rest from a random moment on.
    """
    rng = np.random.default_rng(seed)
    start, actions = jax.tree.map(jnp.asarray, problem.probes(count, rng))
    zero, never = jnp.zeros(count), jnp.zeros(count, bool)
    moment = rng.integers(0, problem.length, count) * (rng.random(count) < 0.5) if rests else np.zeros(count)
    moment = jnp.asarray(moment, dtype=jnp.int32)

    @jax.jit
    def carried(state: Any, actions: Any, key: Any) -> Any:
        state = problem.begin(state, actions, ~never, never)

        def step(carry: Any, now: Any) -> Any:
            s, over, begun, left = carry
            k, key = now
            here = (k == moment)[:, None]
            begun = jnp.where(here, problem.observe(s), begun)
            left = jnp.where(here, problem.left(s, actions), left)
            sound = jnp.where(k == moment, ~over, True)
            s = chosen(~over, problem.move(s, actions, jax.random.normal(key, (count, problem.noise))), s)
            return (s, over | problem.failed(s) | problem.reached(s), begun, left), sound

        first = (state, problem.failed(state), problem.observe(state), actions)
        keys = jax.random.split(key, problem.length)
        (state, over, *rest), sound = jax.lax.scan(step, first, (jnp.arange(problem.length), keys))
        return state, sound.all(axis=0), *rest

    actions = actions.astype(jnp.float32)
    state, sound, begun, left = carried(start, actions, jax.random.key(seed))
    failed = problem.failed(state)
    return Piece(
        sound & ~problem.failed(start), never, begun, jnp.zeros((count, problem.task_raw)), left,
        zero, failed, failed | problem.reached(state), problem.observe(state), zero + 1.0,
    )  # fmt: skip


def learn(
    problem: Problem,
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
        checkpoint: gone on from if it exists; pre-training is not in it and is done again, unless nothing else is.
    """
    started = [_started(problem, t, shield, seed) for seed in seeds]
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

    def update(learned: Any, memory: Memory, threshold: Any, key: Any, task: bool) -> tuple[Any, Any]:
        a, b, c = jax.random.split(key, 3)
        own = drawn(memory, t.probes, a, t.batch, True) if task else None
        every = drawn(memory, t.probes, b, t.batch, False)
        widest = max(problem.task_raw, problem.reflex_raw)
        z = jax.random.normal(c, (4, t.batch, widest))
        gradient, figures = jax.grad(_loss, has_aux=True)(
            learned["online"],
            learned["target"],
            whole,
            unflatten,
            problem,
            t,
            threshold,
            own,
            every,
            z,
        )
        change, optimiser = adam.update(gradient, learned["optimiser"])
        online = learned["online"] + change
        target = learned["target"] + speed * (online - learned["target"])
        return {"online": online, "target": target, "optimiser": optimiser}, figures

    def before(state: Any, key: Any) -> tuple[Any, Any]:
        learned, figures = update(state["learned"], state["memory"], state["shield"].threshold, key, False)
        return {**state, "learned": learned}, figures

    def during(state: Any, key: Any) -> tuple[Any, Any]:
        a, b = jax.random.split(key)
        driving = whole(state["learned"]["online"])

        def tick(carry: Any, key: Any) -> tuple[Any, Any]:
            e, memory, counts = _drive(
                problem, driving, state["shield"], carry[0], carry[1], t.probes, t.rests, key
            )
            return (e, memory), counts

        ticks = jax.random.split(a, problem.length)
        (e, memory), counts = jax.lax.scan(tick, (state["episodes"], state["memory"]), ticks)
        learned, losses = jax.lax.scan(
            lambda learned, key: update(learned, memory, state["shield"].threshold, key, True),
            state["learned"], jax.random.split(b, t.updates),
        )  # fmt: skip
        counts = {name: x.sum() for name, x in counts.items()}
        totals = {name: state["totals"][name] + x for name, x in counts.items()}
        state = {**state, "learned": learned, "memory": memory, "episodes": e, "totals": totals}
        return state, counts | jax.tree.map(lambda x: x.mean(), losses)

    steps = -(-t.episodes * problem.horizon // (problem.length * t.environments))
    log = []
    if t.pretraining:
        told, kept = _named(progress, "pretraining"), None if steps else checkpoint
        state, log = fit(state, each(before), t.pretraining, _PRETRAINING, told, kept, 500)
    if steps:
        state, log = fit(state, each(during), steps, 0, progress, checkpoint, _CHUNK)
    learned = [
        Learned(
            whole(state["learned"]["online"][k]),
            {name: int(x[k]) for name, x in state["totals"].items()},
        )
        for k in range(len(seeds))
    ]
    return learned, log


def _started(
    problem: Problem, t: Training, shield: Shield, seed: int
) -> tuple[Any, Callable[[Any], Networks], Any]:
    """Return the state of one seed before it has learned anything, and what makes networks, and all, of a vector."""
    make, begin = jax.random.split(jax.random.key(seed))
    networks = Networks(problem, t.width, t.members, make)
    weights, static = eqx.partition(networks, eqx.is_array)
    flat, unflatten = ravel_pytree((weights, jnp.float32(np.log(problem.multiplier / problem.scale))))
    state = {
        "learned": {"online": flat, "target": flat, "optimiser": optax.adam(t.rate).init(flat)},
        "memory": memory_of(probe_transitions(problem, t.probes, seed, t.rests), t.ring),
        "episodes": fresh(problem, jax.random.normal(begin, (t.environments, problem.chance))),
        "totals": dict.fromkeys(COUNTS, jnp.int32(0)),
        "shield": Shield(*(jnp.float32(x) for x in shield)),
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
    problem: Problem,
    networks: Networks,
    shield: Shield,
    e: Episodes,
    memory: Memory,
    offline: int,
    rests: bool,
    key: Any,
) -> tuple[Episodes, Memory, Any]:
    """Take one control step, remember what ended with it, and begin new episodes where one is over."""
    count = numbers(problem)
    z = jax.random.normal(key, (len(e.clock), count + problem.chance))
    after, (*pieces, rest), events = control_step(problem, networks, shield, e, z[:, :count], True)
    kept = (*pieces, rest) if rests else pieces
    memory = remembered(memory, offline, jax.tree.map(lambda *x: jnp.concatenate(x), *kept))
    after = chosen(events.over, fresh(problem, z[:, count:]), after)
    return after, memory, {name: getattr(events, name).sum() for name in COUNTS}


def _loss(
    vector: Any,
    target: Any,
    whole: Callable[[Any], Networks],
    unflatten: Callable[[Any], Any],
    problem: Problem,
    t: Training,
    threshold: Any,
    own: Piece | None,
    every: Piece,
    z: Any,
) -> tuple[Any, Any]:
    """Return the sum of all losses; each touches only its own networks."""
    fixed = jax.lax.stop_gradient
    net, judge, slow = whole(vector), whole(fixed(vector)), whole(target)
    k, m = problem.task_raw, problem.reflex_raw

    def task_action(policy: Any, seen: Any, z: Any) -> Any:
        return problem.proposed(seen, sampled(policy, problem.task_seen(seen), z[:, :k])[0])

    def recovery_action(policy: Any, seen: Any, refused: Any, z: Any) -> Any:
        features = problem.refused(seen, refused)
        return problem.recovered(seen, refused, sampled(policy, features, z[:, :m])[0])

    here, there = every.state, every.next_state
    then = task_action(judge.task, there, z[0])
    if t.bootstrap == "composite":
        back = recovery_action(judge.recovery, there, then, z[1])
        refused = ~(risk_of(judge.risk, problem.judged(there, then)) <= threshold)
        then = jnp.where(refused[:, None], back, then)
    risk_gamma = (problem.gamma**problem.hold) ** every.tau
    members = jax.nn.sigmoid(slow.risk(problem.judged(there, then)))
    ahead = risk_gamma * (members.max(axis=0) if t.target == "largest" else members.mean(axis=0))
    wanted = fixed(every.failed + jnp.where(every.done, 0.0, ahead))
    guess = jax.nn.sigmoid(net.risk(problem.judged(here, every.executed)))
    risk_loss = _mean((guess - wanted) ** 2, every.valid)
    back = recovery_action(net.recovery, here, every.executed, z[2])
    mean = jax.vmap(net.recovery)(problem.refused(here, every.executed))[0]
    harm = risk_of(judge.risk, problem.judged(here, back)) + SATURATION * (mean**2).sum(axis=-1)
    loss = risk_loss + _mean(harm, every.valid)
    figures = {"risk_loss": risk_loss}
    if own is None:
        return loss, figures

    def value(critic: Any, seen: Any, raw: Any) -> Any:
        return critic(jnp.concatenate([seen, raw], axis=-1))

    own = own._replace(valid=own.valid & own.whole)
    here, there = problem.task_seen(own.state), problem.task_seen(own.next_state)
    alpha = t.entropy / problem.scale
    then, density = sampled(judge.task, there, z[0][:, :k])
    ahead = value(slow.value, there, then).min(axis=0) - alpha * density
    gamma = (t.gamma**problem.hold) ** own.tau
    wanted = fixed(own.reward * problem.hold + jnp.where(own.done, 0.0, gamma * ahead))
    value_loss = _mean((value(net.value, here, own.proposed) - wanted) ** 2, own.valid)
    raw, density = sampled(net.task, here, z[3][:, :k])
    task_loss = _mean(alpha * density - value(judge.value, here, raw).min(axis=0), own.valid)
    if t.limit is not None:
        log_nu = unflatten(vector)[1]
        risk = risk_of(judge.risk, problem.judged(own.state, problem.proposed(own.state, raw)))
        over = _mean(risk, own.valid)
        task_loss += jnp.exp(fixed(log_nu)) * over - log_nu * fixed(over - t.limit)
    return loss + value_loss + task_loss, figures | {"value_loss": value_loss}


def _mean(values: Any, valid: Any) -> Any:
    """Return the mean over the valid columns."""
    share = valid / jnp.maximum(valid.sum(), 1)
    return (values * share).sum(axis=-1).sum()
