# SPDX-License-Identifier: Apache-2.0
r"""The offline barrier, V-OCBF's recursion with its defects removed: learner `vocbf`.

For a recorded path x_0 .. x_k of duration T the value of the avoid problem obeys, with a discount per second,

    y      = (1 - g) l + g min( l, min_j V'_j(x_k) ),     l = min(l(x_0), .., l(x_{k-1})),   g = exp(-T / tau_h)
    V_j(x) = upper expectile of y over the recorded paths that leave x,

where V' are target networks (Polyak averages) and the horizon tau_h grows to infinity during the first part of the
training, so that at last g = 1: a discounted value errs on the unsafe side. Against the published recipe (see
`published`): the discount is per second and annealed, the backup's value is the target network's, every transition has
its own duration (steps are composed, so a value travels far in one backup), there is no action critic (the expectile is
taken over what the recorded paths reached, which is exact for deterministic systems and leaves one approximation
fewer), the result is the lower bound of an ensemble, states without data are unsafe, and
V = m - softplus(r) <= m by construction, with m the learned margin: only how far the value lies below the margin
is left to learn. A separate member of the ensemble lowers the value where there are no data, and at the end the level
is shifted by what held-out episodes say (`calibration`).

The expectile takes the best recorded outcome, so noise in the outcomes makes it optimistic; the system is taken as
deterministic, and the certificate judges the result.

Sources: Tayal et al., arXiv 2512.10822 (recursion); Zheng et al., arXiv 2401.10700 (feasible value); Fisac et al.,
ICRA 2019 (discounted safety value and its annealing).
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax

from reflexarc.barrier.learn.calibration import hold_out, level_shift
from reflexarc.barrier.learn.learner import Learned, Progress, config_from
from reflexarc.barrier.learn.networks import (
    apply_ensemble,
    apply_mlp,
    expectile_loss,
    init_ensemble,
    init_mlp,
    polyak,
    scaling,
    to_mlp,
    to_mlps,
)
from reflexarc.barrier.learn.support import Support
from reflexarc.barrier.learn.transitions import Transitions, compose
from reflexarc.barrier.learned import Activation, Form, LearnedBarrier
from reflexarc.core.errors import ConfigError
from reflexarc.core.training import Checkpoint, fit


@dataclass(frozen=True)
class VocbfConfig:
    """Parameters of the learner."""

    steps: int = 25_000
    batch: int = 512
    hidden: tuple[int, ...] = (64, 64)
    activation: Activation = "tanh"
    members: int = 3
    """Networks in the ensemble, whose lower bound is the barrier."""
    form: Form = "margin_minus"
    """margin_minus: V = m - softplus(r); min: V is the network itself."""
    compose: tuple[int, ...] = (10, 30)
    """Recorded steps per backup; each row of a batch draws one of these."""
    learning_rate: float = 1e-3
    """Of Adam, with a cosine decay to a hundredth."""
    expectile: float = 0.9
    """At the start."""
    last_expectile: float = 0.99
    """At the end; linear between."""
    horizon: float = 0.5
    """tau_h at the start. [s]"""
    anneal: float = 0.4
    """Share of the training after which the discount is 1."""
    polyak: float = 0.01
    anchor: bool = True
    """Whether the last margin of a path that ends for good is its value; else the value of its last state is learned.
    False where leaving the recorded region must not count as an escape."""
    support: bool = True
    """Whether a further network lowers the value where there are no data."""
    support_depth: float = 0.2
    """V is at most minus this where there are no data. [unit of l]"""
    support_gap: float = 0.2
    """Scaled distance to the data from which a state counts as without data."""
    support_steps: int = 3000
    """Steps that the support network is fitted for."""
    margin_steps: int = 10_000
    """Steps that the learned margin m is fitted for."""
    focus: float = 0.05
    """States are weighted by 1 / (focus + |V|): the zero level is what a filter needs. [unit of l]"""
    held_out: float = 0.1
    """Share of the episodes kept for the level shift."""
    excess_share: float = 1e-4
    """Share of held-out states near the failure set whose value may exceed the margin after the shift."""
    band: float = 0.1
    """|l| up to which a state is near the failure set. [unit of l]"""
    alpha: float = 5.0
    """Gain of the filter that the barrier is made for; noted in the recipe, not used in the training. [1/s]"""
    value_unit: float = 0.0
    """The networks learn l / value_unit; 0 chooses the standard deviation of l, or 1 where that is less."""


def train(
    data: Transitions,
    seed: int,
    config: Mapping[str, Any],
    progress: Progress | None = None,
    checkpoint: Checkpoint | None = None,
) -> Learned:
    """Learn a barrier from `data`; see the module, and `learner.Learner` for the arguments."""
    c = _checked(config)
    whole = data
    training, held = hold_out(data, c.held_out, seed)
    data = whole.rows(training)
    unit = c.value_unit or max(1.0, float(data.margin.std()))
    centre, scale = scaling(data.x)
    keys = jax.random.split(jax.random.key(seed), 3)
    z = jnp.asarray((data.x - centre) / scale, dtype=jnp.float32)
    after = jnp.asarray((data.next_x - centre) / scale, dtype=jnp.float32)
    margin = jnp.asarray(data.margin / unit, dtype=jnp.float32)
    terminal_margin = jnp.asarray(data.next_margin / unit, dtype=jnp.float32)
    terminal = jnp.asarray(data.terminal & c.anchor)
    paths = [compose(data, k) for k in c.compose]
    ends = jnp.asarray(np.stack([p.end for p in paths]), dtype=jnp.int32)
    least = jnp.asarray(np.stack([p.least for p in paths]) / unit, dtype=jnp.float32)
    took = jnp.asarray(np.stack([p.dt for p in paths]), dtype=jnp.float32)
    sizes = (len(data.state), *c.hidden, 1)
    margin_net = None
    if c.form == "margin_minus":
        margin_net = fit_margin(keys[0], sizes, c, unit, z, margin, seed)

    def values(params: Any, z: Any) -> Any:
        raw = apply_ensemble(params, z, c.activation)
        if margin_net is None:
            return raw
        return apply_mlp(margin_net, z, c.activation)[None, :, 0] - jax.nn.softplus(raw)

    optimiser = optax.adam(optax.cosine_decay_schedule(c.learning_rate, c.steps, 0.01))
    weights = init_ensemble(keys[1], c.members, sizes, c.activation)
    state = {"online": weights, "target": weights, "optimiser": optimiser.init(weights)}

    def step(state: Any, key: Any, done: Any) -> tuple[Any, dict[str, Any]]:
        rows_key, path_key = jax.random.split(key)
        rows = jax.random.randint(rows_key, (c.batch,), 0, len(z))
        path = jax.random.randint(path_key, (c.batch,), 0, len(c.compose))
        end = ends[path, rows]
        here, low = z[rows], least[path, rows]
        gamma = discount(took[path, rows], done, c.horizon, c.anneal)
        reached = jnp.where(
            terminal[end], terminal_margin[end], values(state["target"], after[end]).min(axis=0)
        )
        goal = (1.0 - gamma) * low + gamma * jnp.minimum(low, reached)
        tau = c.expectile + (c.last_expectile - c.expectile) * done

        def loss(params: Any) -> Any:
            predicted = values(params, here)
            weight = focus(jax.lax.stop_gradient(predicted), c.focus / unit)
            return (weight * expectile_loss(goal - predicted, tau)).mean()

        error, gradient = jax.value_and_grad(loss)(state["online"])
        change, memory = optimiser.update(gradient, state["optimiser"])
        online = optax.apply_updates(state["online"], change)
        target = polyak(state["target"], online, c.polyak)
        state = {"online": online, "target": target, "optimiser": memory}
        return state, {"loss": error, "mean_target": goal.mean()}

    state, log = fit(state, step, c.steps, seed, progress, checkpoint)
    members = to_mlps(state["target"], c.activation)
    if c.support:
        away = Support(data.x, centre, scale, seed, gap=c.support_gap).draw(20_000, seed)
        outside = jnp.asarray((away - centre) / scale, dtype=jnp.float32)
        members = (
            *members,
            to_mlp(fit_support(keys[2], sizes, c, unit, z, outside, margin_net, seed), c.activation),
        )
    if margin_net is not None:
        members = (to_mlp(margin_net, c.activation), *members)
    recipe = {"learner": "vocbf", "seed": seed, **asdict(c), "value_unit": unit}
    barrier = LearnedBarrier(
        members,
        c.form,
        centre,
        scale,
        0.0,
        data.system,
        data.state,
        recipe,
    )
    delta, reached = level_shift(
        barrier.values(whole.x[held]), whole.margin[held] / unit, c.excess_share, c.band / unit
    )
    barrier = replace(barrier, delta=delta, recipe={**recipe, "excess_share_reached": reached})
    return Learned(
        "vocbf",
        asdict(c),
        value=barrier.values,
        value_and_gradient=barrier.values_and_gradients,
        barrier=barrier,
        log=log,
    )


def fit_margin(
    key: Any, sizes: tuple[int, ...], c: VocbfConfig, unit: float, z: Any, margin: Any, seed: int
) -> Any:
    """Fit m to the recorded margins by least squares and return its weights."""
    optimiser = optax.adam(optax.cosine_decay_schedule(5e-3, c.margin_steps, 0.002))
    weights = init_mlp(key, sizes, c.activation)

    def step(state: Any, key: Any, _: Any) -> tuple[Any, dict[str, Any]]:
        weights, memory = state
        rows = jax.random.randint(key, (c.batch,), 0, len(z))

        def loss(weights: Any) -> Any:
            error = apply_mlp(weights, z[rows], c.activation)[:, 0] - margin[rows]
            return (error**2 * focus(margin[rows], c.focus / unit)).mean()

        error, gradient = jax.value_and_grad(loss)(weights)
        change, memory = optimiser.update(gradient, memory)
        return (optax.apply_updates(weights, change), memory), {"loss": error}

    (weights, _), _ = fit((weights, optimiser.init(weights)), step, c.margin_steps, seed + 1)
    return weights


def fit_support(
    key: Any,
    sizes: tuple[int, ...],
    c: VocbfConfig,
    unit: float,
    z: Any,
    outside: Any,
    margin_net: Any,
    seed: int,
) -> Any:
    """Fit the member that decides where there are no data and stays out of the way where there are.

    In the form m - max softplus(r_k) it is an r with softplus(r) >= m + depth outside and about 0 inside; in
    the form min v_k it is a v with v <= -depth outside and above all margins inside.
    """
    depth, idle = c.support_depth / unit, -6.0
    lowering = margin_net is not None
    optimiser = optax.adam(optax.cosine_decay_schedule(2e-3, c.support_steps, 0.01))
    weights = init_mlp(key, sizes, c.activation)

    def step(state: Any, key: Any, _: Any) -> tuple[Any, dict[str, Any]]:
        weights, memory = state
        first, second = jax.random.split(key)
        inside = z[jax.random.randint(first, (c.batch,), 0, len(z))]
        beyond = outside[jax.random.randint(second, (c.batch,), 0, len(outside))]

        def output(weights: Any, z: Any) -> Any:
            return apply_mlp(weights, z, c.activation)[:, 0]

        def loss(weights: Any) -> Any:
            if lowering:
                floor = output(margin_net, beyond) + depth
                short = jax.nn.relu(floor - output(weights, beyond))
                intrudes = jax.nn.relu(output(weights, inside) - idle)
            else:
                short = jax.nn.relu(output(weights, beyond) + depth)
                intrudes = jax.nn.relu(-idle - output(weights, inside))
            return (short**2).mean() + (intrudes**2).mean()

        error, gradient = jax.value_and_grad(loss)(weights)
        change, memory = optimiser.update(gradient, memory)
        return (optax.apply_updates(weights, change), memory), {"loss": error}

    (weights, _), _ = fit((weights, optimiser.init(weights)), step, c.support_steps, seed + 2)
    return weights


def discount(dt: Any, done: Any, horizon: float, anneal: float) -> Any:
    """Return exp(-dt / tau_h) with tau_h = horizon / (1 - done / anneal): the same per second for every dt, 1 at last.

    Args:
        dt: duration of a transition. [s]
        done: share of the training that is done.
        horizon: tau_h at the start. [s]
        anneal: share of the training after which there is no discount.
    """
    return jnp.exp(-dt * jnp.maximum(0.0, 1.0 - done / anneal) / horizon)


def focus(value: Any, width: float) -> Any:
    """Return weights that emphasise states near the zero level; 1 at V = 0."""
    return width / (width + jnp.abs(value))


def _checked(config: Mapping[str, Any]) -> VocbfConfig:
    c = config_from(VocbfConfig, config, "vocbf")
    if c.form not in ("min", "margin_minus"):
        raise ConfigError(f"vocbf: form {c.form!r} is not one of min, margin_minus")
    if not 0.5 <= c.expectile < 1.0 or not c.expectile <= c.last_expectile < 1.0:
        raise ConfigError(
            f"vocbf: expectiles {c.expectile} and {c.last_expectile}; allowed: 0.5 <= first <= last < 1"
        )
    for name in ("steps", "batch", "members", "horizon", "anneal", "polyak", "learning_rate", "margin_steps"):
        if getattr(c, name) <= 0:
            raise ConfigError(f"vocbf: {name} must be positive, got {getattr(c, name)}")
    if not c.compose or min(c.compose) < 1:
        raise ConfigError(f"vocbf: compose must list step counts of at least 1, got {c.compose}")
    return c
