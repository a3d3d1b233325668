# SPDX-License-Identifier: Apache-2.0
"""What a training on a linear system came to, beside what is true of it."""

import numpy as np

from reflexarc.core.types import Array
from reflexarc.robust.intensity import Budget, Limits
from reflexarc.robust.learner import Learner, push_unit
from reflexarc.robust.linear.gain import hinf_gain, worst_case
from reflexarc.robust.linear.game import least_gain
from reflexarc.robust.linear.problem import LinearProblem


def learned_feedback(learner: Learner) -> Array:
    """Return K of u = -K x, shape (k, n), of an actor that is one linear map and whatever it adds to.

    The constant part of the actor, which only moves the point that the system rests at, is left out.

    Raises:
        ValueError: the actor has hidden layers, or the problem is no linear system.
    """
    problem, layers = learner.problem, learner.players.actor.mean.layers
    if len(layers) != 1 or not isinstance(problem, LinearProblem):
        raise ValueError(f"{problem.name}: an actor of {len(layers)} layers is no linear feedback")
    n = len(problem.system.a)
    weight = np.asarray(layers[0].weight, dtype=float)[:, :n]
    return problem.feedback - weight / np.sqrt(learner.scaling.square[:n] + 1e-8)


def gain_ratio(learner: Learner) -> float:
    """Return gamma of the learned feedback over the least that any feedback attains, over all time.

    Raises:
        ValueError: see `learned_feedback`.
        ConfigError: the closed loop is not stable.
    """
    feedback = learned_feedback(learner)
    assert isinstance(learner.problem, LinearProblem)
    s = learner.problem.system
    return float(np.sqrt(hinf_gain(s, feedback) / least_gain(s).gain))


def found_share(learner: Learner) -> float:
    """Return the gain that the disturber's mean reaches from rest over the horizon, over the worst there is.

    Raises:
        ValueError: the problem is no linear system.
    """
    problem, t = learner.problem, learner.t
    if not isinstance(problem, LinearProblem):
        raise ValueError(f"{problem.name} is no linear system")
    s, steps = problem.system, problem.horizon
    one = LinearProblem(s, 1, steps, problem.feedback, problem.timed)
    rng = np.random.default_rng(0)
    budget = Budget(Limits(t.limits.most, t.limits.energy), 1)
    unit = push_unit(one.weight, t.limits.most)
    seen, cost, intensity = one.rest(), 0.0, 0.0
    (layers, mean, deviation) = (
        learner.players.disturber.mean,
        learner.scaling.mean,
        np.sqrt(learner.scaling.square + 1e-8),
    )
    for _ in range(steps):
        push = np.asarray(layers(np.clip((seen[0] - mean) / deviation, -10.0, 10.0)), dtype=float)
        acting, size = budget.applied(unit * push[None])
        seen, step = one.step(np.zeros((1, one.action)), acting, rng)
        cost, intensity = cost - float(step.task[0]), intensity + float(size[0])
    return cost / intensity / worst_case(s, problem.feedback, steps)[0] if intensity > 0.0 else 0.0
