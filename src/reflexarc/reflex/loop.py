# SPDX-License-Identifier: Apache-2.0
r"""The decision loop and the control loop inside it, for many episodes side by side.

A decision is an action a = pi_task(s) that is carried out for `problem.length` control steps. Before a control step
the critic may judge the rest of it, eps = Q_risk(s_k, a), with the state as it is now:

    eps <= threshold     the control step is taken;
    eps >  threshold     reflex: what is left of a is aborted, a = pi_recovery(s_k), which is judged like any other.

`every` says how often it looks: every `length` control steps is once per action (Recovery RL), 1 is every control step
(Bresa). What prevents chattering: a recovery is not replaced before `dwell` control steps, and after a recovery the
task's action must stay below `release` times the threshold.

Each piece of an action that was carried out to the end, or until it was aborted, is one transition of duration tau (in
whole decisions): the critic learns from the action that was carried out, the task's policy from the one that it had
proposed (Recovery RL's relabelling). Within an action the critic is asked about the rest of it; so that it has seen
such questions, each piece also gives a transition from a random moment within it to its end (`Rest`), which only the
critic learns from. It counts as a whole decision: discounted by its own short time, targets would hardly contract, and
the largest of several members would raise them without end.
"""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax.scipy.stats import norm

from reflexarc.reflex.networks import Networks, greedy, risk_of, sampled
from reflexarc.reflex.problem import Problem

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
    force: Any = jnp.inf
    """A measured force above it is a reflex too, whatever the critic says. [N]"""
    rule: Any = 0.0
    """1: the recovery is the problem's rule instead of the learned one."""
    doubt: Any = 0.0
    """1: where the critic refuses the learned recovery too, the rule acts instead of it."""


class Piece(NamedTuple):
    """Transitions of n episodes, one each; `valid` says which of them there are. Shapes (n, ...)."""

    valid: Any
    whole: Any
    """The task's policy may learn from it too."""
    state: Any
    """Observation at its beginning."""
    proposed: Any
    """What the task policy put out for it."""
    executed: Any
    """The action that was carried out."""
    reward: Any
    failed: Any
    done: Any
    """Nothing comes after it: failure or success, but not the end of time."""
    next_state: Any
    tau: Any


class Rest(NamedTuple):
    """A moment within the present piece, of n episodes, shape (n, ...)."""

    when: Any
    """Control step of the piece; below zero before one was drawn."""
    state: Any
    """Observation then."""
    left: Any
    """What was left of the action then."""


class Episodes(NamedTuple):
    """Where n episodes stand, shape (n, ...)."""

    state: Any
    begin: Any
    """Observation at which the present piece began."""
    action: Any
    """Being carried out, as it was when it began."""
    proposed: Any
    """By the task's policy, as it put it out."""
    mode: Any
    left: Any
    """Control steps left of the action."""
    used: Any
    """Control steps of the present piece."""
    clock: Any
    """Control steps of the episode."""
    reward: Any
    """Of the present piece."""
    rest: Rest


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


def fresh(problem: Problem, z: Any) -> Episodes:
    """Return episodes at their starts, from standard normal numbers z, shape (n, chance)."""
    return _at(problem, problem.start(z), len(z))


def _at(problem: Problem, state: Any, n: int) -> Episodes:
    none, zero = jnp.zeros((n, problem.action)), jnp.zeros(n, jnp.int32)
    raw, seen = jnp.zeros((n, problem.task_raw)), problem.observe(state)
    rest = Rest(zero - 1, seen, none)
    return Episodes(state, seen, none, raw, zero, zero, zero, zero, jnp.zeros(n), rest)


def numbers(problem: Problem) -> int:
    """Return how many standard normal numbers a control step takes."""
    return problem.task_raw + problem.reflex_raw + problem.noise + 1


def control_step(
    problem: Problem, networks: Networks, shield: Shield, e: Episodes, z: Any, explore: bool
) -> tuple[Episodes, tuple[Piece, Piece, Piece], Events]:
    """Take one control step of every episode.

    Args:
        problem: where.
        networks: policies and critic.
        shield: how the critic is used.
        e: where the episodes stand; those that are over are to be replaced by the caller.
        z: standard normal numbers, shape (n, numbers(problem)): of the task's action, of the recovery, of the noise, of
            the moment to remember.
        explore: sample the policies; else take their means.

    Returns:
        The episodes after it; the pieces that were aborted before it, those that ended with it and the rests of
        these; the events.
    """
    first, second = problem.task_raw, problem.task_raw + problem.reflex_raw

    def put_out(policy: Any, seen: Any, z: Any) -> Any:
        return sampled(policy, seen, z)[0] if explore else greedy(policy, seen)

    seen = problem.observe(e.state)
    raw = put_out(networks.task, problem.task_seen(seen), z[:, :first])
    new = e.left == 0
    was_recovery = e.mode == RECOVERY
    now = jnp.where(new[:, None], problem.proposed(seen, raw), problem.left(e.state, e.action))
    proposed = jnp.where(new[:, None], raw, e.proposed)
    mode = jnp.where(new, TASK, e.mode)
    threshold = jnp.where(new & was_recovery, shield.release, 1.0) * shield.threshold
    look = new | ((e.used % shield.every == 0) & ((mode == TASK) | (e.used >= shield.dwell)))
    fine = (risk_of(networks.risk, problem.judged(seen, now)) <= threshold) & (
        problem.force(seen) <= shield.force
    )
    trip = look & ~fine  # also where the risk is not a number
    aborted = trip & ~new
    none = jnp.zeros_like(trip)
    cut = Piece(
        aborted & (e.used > 0),
        ~none,
        e.begin,
        e.proposed,
        e.action,
        e.reward,
        none,
        none,
        seen,
        e.used / problem.length,
    )
    begins = new | trip
    reflex = trip & (mode == TASK)
    back = put_out(networks.recovery, problem.refused(seen, now), z[:, first:second])
    back = problem.recovered(seen, now, back)
    worse = ~(risk_of(networks.risk, problem.judged(seen, back)) <= threshold)
    by_rule = (shield.rule > 0.0) | ((shield.doubt > 0.0) & worse)
    back = jnp.where(by_rule[:, None], problem.rule(seen, now), back)
    action = jnp.where(trip[:, None], back, jnp.where(new[:, None], now, e.action))
    mode = jnp.where(trip, RECOVERY, mode)
    begin = jnp.where(begins[:, None], seen, e.begin)
    used, left = jnp.where(begins, 0, e.used), jnp.where(begins, problem.length, e.left)
    reward = jnp.where(begins, 0.0, e.reward)

    state = problem.move(problem.begin(e.state, action, begins, trip), action, z[:, second:-1])
    used, left, clock = used + 1, left - 1, e.clock + 1
    reward = reward + problem.reward(state) / problem.length
    failed = problem.failed(state)
    reached = problem.reached(state) & ~failed
    over = failed | reached | (clock >= problem.horizon)
    piece = Piece(
        over | (left == 0),
        ~none,
        begin,
        proposed,
        action,
        reward,
        failed,
        failed | reached,
        problem.observe(state),
        used / problem.length,
    )
    rest = _rest(problem, e.rest, begins, used, seen, now, z[:, -1])
    tail = piece._replace(
        valid=piece.valid & (rest.when > 0),
        whole=none,
        state=rest.state,
        executed=rest.left,
        tau=jnp.ones(len(used)),
    )
    after = Episodes(state, begin, action, proposed, mode, left, used, clock, reward, rest)
    return after, (cut, piece, tail), Events(reflex, aborted & reflex, failed, reached, over)


def _rest(problem: Problem, rest: Rest, begins: Any, used: Any, seen: Any, left: Any, z: Any) -> Rest:
    """Return the moment to remember: each of the piece's with the same probability (reservoir of one).

    `used` counts the control step that has just been taken, z is standard normal.
    """
    when = jnp.where(begins, -1, rest.when)
    at = used - 1
    take = (at > 0) & (norm.cdf(z) * at <= 1.0)
    return Rest(
        jnp.where(take, at, when),
        jnp.where(take[:, None], seen, rest.state),
        jnp.where(take[:, None], left, rest.left),
    )


def chosen(which: Any, a: Any, b: Any) -> Any:
    """Return a where `which`, shape (n,), else b; pytrees of first dimension n."""
    return jax.tree.map(lambda x, y: jnp.where(which.reshape(-1, *[1] * (x.ndim - 1)), x, y), a, b)


class Outcome(NamedTuple):
    """How n episodes went, shape (n,) each."""

    reached: Any
    failed: Any
    steps: Any
    """Control steps until the end."""
    reflexes: Any
    at_reflex: Any
    """States in which the first reflex happened; those at the start without one."""


def run_episodes(problem: Problem, networks: Networks, shield: Shield, starts: Any, key: Any) -> Outcome:
    """Run episodes to their ends with the policies' means; traced by JAX.

    Args:
        problem: where.
        networks: policies and critic.
        shield: how the critic is used.
        starts: states.
        key: of the noise.
    """
    n = len(jax.tree.leaves(starts)[0])
    zero = jnp.zeros(n, jnp.int32)
    quiet = jnp.zeros((n, problem.task_raw + problem.reflex_raw))
    first = (
        _at(problem, starts, n),
        jnp.zeros(n, bool),
        Outcome(zero > 0, zero > 0, zero, zero, starts),
    )

    def step(carry: Any, k: Any) -> tuple[Any, None]:
        e, over, o = carry
        noise = jax.random.normal(jax.random.fold_in(key, k), (n, problem.noise))
        z = jnp.concatenate([quiet, noise, quiet[:, :1]], axis=1)
        after, _, events = control_step(problem, networks, shield, e, z, False)
        on = ~over
        new = on & events.reflex & (o.reflexes == 0)
        o = Outcome(
            o.reached | (on & events.reached),
            o.failed | (on & events.failed),
            o.steps + on,
            o.reflexes + (on & events.reflex),
            chosen(new, e.state, o.at_reflex),
        )
        return (chosen(over, e, after), over | events.over, o), None

    return jax.lax.scan(step, first, jnp.arange(problem.horizon))[0][2]
