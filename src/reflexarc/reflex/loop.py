# SPDX-License-Identifier: Apache-2.0
r"""The decision loop and the control loop inside it, for many episodes side by side.

A decision is an action a = pi_task(s) that is held for `problem.length` control steps. Before a control step the critic
may judge the rest of it, eps = Q_risk(s_k, a), with the state as it is now:

    eps <= threshold     the control step is taken;
    eps >  threshold     reflex: what is left of a is aborted, a = pi_recovery(s_k), which is judged like any other.

`every` says how often it looks: every `length` control steps is once per action (Recovery RL), 1 is every control step
(Bresa). What prevents chattering: a recovery is not replaced before `dwell` control steps, and after a recovery the
task's action must stay below `release` times the threshold.

Each piece of an action that was carried out to the end, or until it was aborted, is one transition of duration tau (in
whole decisions): the critic learns from the action that was carried out, the task's policy from the one that it had
proposed (Recovery RL's relabelling).
"""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from reflexarc.reflex.navigation import Navigation
from reflexarc.reflex.networks import Networks, greedy, risk_of, sampled

TASK, RECOVERY = 0, 1


class Shield(NamedTuple):
    """How the critic is used; plain numbers, so that a change needs no compiling."""

    threshold: Any = jnp.inf
    """Infinity: no shield."""
    every: Any = 1
    """Control steps between two looks within an action; each action is looked at before it begins."""
    dwell: Any = 1
    """Control steps for which a recovery is kept at least."""
    release: Any = 1.0
    """Share of the threshold below which the task's action must be after a recovery."""


class Piece(NamedTuple):
    """Transitions of n episodes, one each; `valid` says which of them there are. Shapes (n, ...)."""

    valid: Any
    state: Any
    proposed: Any
    executed: Any
    reward: Any
    failed: Any
    done: Any
    """Nothing comes after it: failure or success, but not the end of time."""
    next_state: Any
    tau: Any


class Episodes(NamedTuple):
    """Where n episodes stand, shape (n, ...)."""

    state: Any
    begin: Any
    """State at which the present piece began."""
    action: Any
    """Being carried out."""
    proposed: Any
    """By the task's policy."""
    mode: Any
    left: Any
    """Control steps left of the action."""
    used: Any
    """Control steps of the present piece."""
    clock: Any
    """Control steps of the episode."""
    reward: Any
    """Of the present piece."""


class Events(NamedTuple):
    """What a control step brought, shape (n,) each."""

    reflex: Any
    """A task's action was refused or aborted."""
    aborted: Any
    """In the middle of it."""
    failed: Any
    reached: Any
    over: Any
    """The episode has ended, for one of these reasons or because its time is up."""


def fresh(problem: Navigation, z: Any) -> Episodes:
    """Return episodes at their starts, from standard normal numbers z, shape (n, 2)."""
    n = len(z)
    state, none, zero = problem.start(z), jnp.zeros((n, 2)), jnp.zeros(n, jnp.int32)
    return Episodes(state, state, none, none, zero, zero, zero, zero, jnp.zeros(n))


def control_step(
    problem: Navigation, networks: Networks, shield: Shield, e: Episodes, z: Any, explore: bool
) -> tuple[Episodes, Piece, Piece, Events]:
    """Take one control step of every episode.

    Args:
        problem: where.
        networks: policies and critic.
        shield: how the critic is used.
        e: where the episodes stand; those that are over are to be replaced by the caller.
        z: standard normal numbers, shape (n, 6): of the task's action, of the recovery, of the noise.
        explore: sample the policies; else take their means.

    Returns:
        The episodes after it; the pieces that were aborted before it and those that ended with it; the events.
    """
    seen = problem.features(e.state)
    if explore:
        wish, back = (
            sampled(p, seen, z[:, i : i + 2])[0] for p, i in ((networks.task, 0), (networks.recovery, 2))
        )
    else:
        wish, back = greedy(networks.task, seen), greedy(networks.recovery, seen)
    new = e.left == 0
    was_recovery = e.mode == RECOVERY
    action = jnp.where(new[:, None], wish, e.action)
    proposed = jnp.where(new[:, None], wish, e.proposed)
    mode = jnp.where(new, TASK, e.mode)
    threshold = jnp.where(new & was_recovery, shield.release, 1.0) * shield.threshold
    look = new | ((e.used % shield.every == 0) & ((mode == TASK) | (e.used >= shield.dwell)))
    trip = look & ~(risk_of(networks.risk, seen, action) <= threshold)  # also where it is not a number
    aborted = trip & ~new
    none = jnp.zeros_like(trip)
    cut = Piece(
        aborted & (e.used > 0),
        e.begin,
        e.proposed,
        e.action,
        e.reward,
        none,
        none,
        e.state,
        e.used / problem.length,
    )
    begins = new | trip
    reflex = trip & (mode == TASK)
    action = jnp.where(trip[:, None], back, action)
    mode = jnp.where(trip, RECOVERY, mode)
    begin = jnp.where(begins[:, None], e.state, e.begin)
    used, left = jnp.where(begins, 0, e.used), jnp.where(begins, problem.length, e.left)
    reward = jnp.where(begins, 0.0, e.reward)

    state = problem.move(e.state, action, z[:, 4:6])
    used, left, clock = used + 1, left - 1, e.clock + 1
    reward = reward + problem.reward(state) / problem.length
    failed = problem.failed(state)
    reached = problem.reached(state) & ~failed
    over = failed | reached | (clock >= problem.horizon)
    piece = Piece(
        over | (left == 0),
        begin,
        proposed,
        action,
        reward,
        failed,
        failed | reached,
        state,
        used / problem.length,
    )
    after = Episodes(state, begin, action, proposed, mode, left, used, clock, reward)
    return after, cut, piece, Events(reflex, aborted & reflex, failed, reached, over)


class Outcome(NamedTuple):
    """How n episodes went, shape (n,) each."""

    reached: Any
    failed: Any
    steps: Any
    """Control steps until the end."""
    reflexes: Any
    at_reflex: Any
    """Where the first reflex happened, shape (n, 2); NaN without one."""
    proposed: Any
    """What was refused there, shape (n, 2)."""


def run_episodes(problem: Navigation, networks: Networks, shield: Shield, starts: Any, key: Any) -> Outcome:
    """Run episodes to their ends with the policies' means; traced by JAX.

    Args:
        problem: where.
        networks: policies and critic.
        shield: how the critic is used.
        starts: shape (n, 2).
        key: of the noise.
    """
    n = len(starts)
    e = fresh(problem, jnp.zeros((n, 2)))._replace(state=starts, begin=starts)
    missing = jnp.full((n, 2), jnp.nan)
    zero = jnp.zeros(n, jnp.int32)
    first = (e, jnp.zeros(n, bool), Outcome(zero > 0, zero > 0, zero, zero, missing, missing))

    def step(carry: Any, k: Any) -> tuple[Any, None]:
        e, over, o = carry
        noise = jax.random.normal(jax.random.fold_in(key, k), (n, 2))
        z = jnp.concatenate([jnp.zeros((n, 4)), noise], axis=1)
        after, _, _, events = control_step(problem, networks, shield, e, z, False)
        on = ~over
        new = on & events.reflex & (o.reflexes == 0)
        o = Outcome(
            o.reached | (on & events.reached),
            o.failed | (on & events.failed),
            o.steps + on,
            o.reflexes + (on & events.reflex),
            jnp.where(new[:, None], e.state, o.at_reflex),
            jnp.where(new[:, None], after.proposed, o.proposed),
        )
        e = jax.tree.map(lambda a, b: jnp.where(over.reshape(-1, *[1] * (a.ndim - 1)), a, b), e, after)
        return (e, over | events.over, o), None

    return jax.lax.scan(step, first, jnp.arange(problem.horizon))[0][2]
