# SPDX-License-Identifier: Apache-2.0
"""Policies and critics: multilayer perceptrons with two hidden layers, critics as ensembles of twins or more."""

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp

from reflexarc.reflex.problem import Problem

_LOG_STD = (-5.0, 1.0)


class Policy(eqx.Module):
    """Gaussian in front of a tanh: features to an action in [-1, 1]^k."""

    mlp: eqx.nn.MLP

    def __init__(self, features: int, actions: int, width: int, key: Any):
        self.mlp = eqx.nn.MLP(features, 2 * actions, width, 2, dtype=jnp.float32, key=key)

    def __call__(self, features: Any) -> tuple[Any, Any]:
        """Return mean and logarithm of the standard deviation before the tanh, shape (k,) each."""
        mean, log_std = jnp.split(self.mlp(features), 2)
        return mean, jnp.clip(log_std, *_LOG_STD)


class Critic(eqx.Module):
    """Features to one number; the members are stacked along a first axis."""

    members: eqx.nn.MLP

    def __init__(self, features: int, width: int, members: int, key: Any):
        self.members = eqx.filter_vmap(
            lambda k: eqx.nn.MLP(features, "scalar", width, 2, dtype=jnp.float32, key=k)
        )(jax.random.split(key, members))

    def __call__(self, seen: Any) -> Any:
        """Return what each member says of n rows, shape (members, n)."""
        return eqx.filter_vmap(lambda one: jax.vmap(one)(seen))(self.members)


class Networks(eqx.Module):
    """What is learned."""

    task: Policy
    value: Critic
    """Return of the task."""
    risk: Critic
    """Logit of the discounted probability of failure."""
    recovery: Policy

    def __init__(self, problem: Problem, width: int, members: int, key: Any):
        a, b, c, d = jax.random.split(key, 4)
        self.task = Policy(problem.task_features, problem.task_raw, width, a)
        self.value = Critic(problem.task_features + problem.task_raw, width, 2, b)
        self.risk = Critic(problem.judged_features, width, members, c)
        self.recovery = Policy(problem.reflex_features, problem.reflex_raw, width, d)


def sampled(policy: Policy, features: Any, z: Any) -> tuple[Any, Any]:
    """Return actions of standard normal numbers z, shape (n, k), and their log-probabilities, shape (n,)."""
    mean, log_std = jax.vmap(policy)(features)
    before = mean + jnp.exp(log_std) * z
    action = jnp.tanh(before)
    density = -0.5 * z**2 - log_std - 0.5 * jnp.log(2.0 * jnp.pi)
    squash = 2.0 * (jnp.log(2.0) - before - jax.nn.softplus(-2.0 * before))
    return action, (density - squash).sum(axis=-1)


def greedy(policy: Policy, features: Any) -> Any:
    """Return the means' actions, shape (n, k)."""
    return jnp.tanh(jax.vmap(policy)(features)[0])


def risk_of(critic: Critic, seen: Any) -> Any:
    """Return the risk of n rows, the largest of the members', shape (n,)."""
    return jax.nn.sigmoid(critic(seen).max(axis=0))
