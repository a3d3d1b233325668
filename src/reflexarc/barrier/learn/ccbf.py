# SPDX-License-Identifier: Apache-2.0
r"""A conservative neural control barrier function, learner `ccbf`: labels, descent and a push on unseen inputs.

With the learned control-affine model x' = f + g u (its gradient kept apart) the loss on B, a network that ends in
tanh, is

    w_s mean_safe max(0, e_s - B(x+))  +  w_u mean_unsafe max(0, e_u + B(x+))
    + w_d mean_safe max(0, e_d - grad B(x) . (f + g u) - a B(x))
    + w_l mean |B(x+) - B(x)|
    + w_c mean_safe [ t log sum_i exp(B(x_i) / t) - B(x+) ],

where x+ follows x in the data (safe: l(x+) >= 0), and the x_i are x+ itself and what the model predicts for inputs
drawn uniformly within the bounds. The last term, modelled on conservative Q-learning, lowers B where inputs lead that
the data do not take, relative to where they did.

Source: Tabbara and Sibai, arXiv 2505.00908, and its code, tabz23/CCBF 57d30a8 (weights and margins of its stored runs).
What differs: every transition has its own duration; the states of the last term are `ahead` seconds away instead of one
period (after 5 ms all inputs lead to the same place, so that the term would vanish); smaller networks.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax

from reflexarc.barrier.learn.descent import descend
from reflexarc.barrier.learn.learner import Learned, Progress, config_from
from reflexarc.barrier.learn.networks import apply_mlp, init_mlp
from reflexarc.barrier.learn.replay import Scaling, scaling_of
from reflexarc.barrier.learn.transitions import Transitions, compose
from reflexarc.core.errors import ConfigError
from reflexarc.core.training import Checkpoint, fit
from reflexarc.core.types import Array


@dataclass(frozen=True)
class CcbfConfig:
    """Parameters of the learner."""

    steps: int = 20_000
    batch: int = 256
    hidden: tuple[int, ...] = (64, 64)
    """Of B."""
    model_hidden: tuple[int, ...] = (64, 64)
    """Of f and of g."""
    alpha: float = 1.0
    """a. [1/s]"""
    safe_margin: float = 0.08
    unsafe_margin: float = 0.15
    descent_margin: float = 0.02
    safe_weight: float = 1.0
    unsafe_weight: float = 1.2
    descent_weight: float = 2.0
    smooth_weight: float = 20.0
    conservative_weight: float = 1.0
    """w_c; 0 gives a plain neural control barrier function."""
    temperature: float = 0.9
    """t."""
    samples: int = 10
    """Inputs drawn per state."""
    ahead: float = 0.1
    """How far the conservative term looks. [s]"""
    learning_rate: float = 5e-4


class Model:
    """The learned control-affine model, in the units of the data."""

    def __init__(self, drift: Any, actuation: Any, scaling: Scaling):
        n, m = len(scaling.scale), len(scaling.half)

        def affine(z: Any) -> tuple[Any, Any]:
            g = apply_mlp(actuation, z).reshape(-1, n, m)
            return apply_mlp(drift, z), g

        self._affine, self._scaling = jax.jit(affine), scaling

    def affine(self, x: Array) -> tuple[Array, Array]:
        """Return f (batch, n) and g (batch, n, m) at states (batch, n), in units of x per second."""
        s = self._scaling
        f, g = (np.asarray(part, dtype=np.float64) for part in self._affine(s.state(x)))
        g = g / s.half  # the network's input is (u - middle) / half
        return s.scale * (f - g @ s.middle), s.scale[:, None] * g


class _Rows(dict[str, Any]):
    """Arrays with the rows first."""

    def draw(self, key: Any, count: int) -> dict[str, Any]:
        rows = jax.random.randint(key, (count,), 0, self["z"].shape[0])
        return {name: array[rows] for name, array in self.items()}


class _Networks:
    """Pure functions of the weights."""

    def __init__(self, c: CcbfConfig):
        self.c = c

    def barrier(self, params: Any, z: Any) -> Any:
        return jnp.tanh(apply_mlp(params, z)[..., 0])

    def rate(self, params: Any, z: Any, a: Any) -> Any:
        """Return the model's rate of scaled states (..., n) for inputs (..., m). [1/s]"""
        g = apply_mlp(params["g"], z).reshape(*z.shape, a.shape[-1])
        return apply_mlp(params["f"], z) + jnp.einsum("...nm,...m->...n", g, a)

    def losses(self, online: Any, rows: dict[str, Any], key: Any) -> tuple[Any, dict[str, Any]]:
        """Return the sum of all losses and figures."""
        c, stop = self.c, jax.lax.stop_gradient
        z, after, far = rows["z"], rows["after"], rows["far"]
        moved = self.rate(online, z, rows["a"])
        measured = (after - z) / rows["dt"][:, None]
        value = jax.vmap(jax.value_and_grad(lambda z: self.barrier(online["barrier"], z)))
        here, slope = value(z)
        then = self.barrier(online["barrier"], after)
        safe = (rows["margin"] >= 0.0).astype(z.dtype)
        far_safe = (rows["far_margin"] >= 0.0).astype(z.dtype)
        descent = (slope * stop(moved)).sum(axis=-1) + c.alpha * here
        drawn = jax.random.uniform(key, (c.samples, *rows["a"].shape), minval=-1.0, maxval=1.0)
        start = jnp.broadcast_to(z, (c.samples, *z.shape))
        reached = stop(start + rows["far_dt"][:, None] * self.rate(online, start, drawn))
        there = self.barrier(online["barrier"], far)
        pool = jnp.concatenate([self.barrier(online["barrier"], reached), there[None]])
        excess = c.temperature * jax.nn.logsumexp(pool / c.temperature, axis=0) - there
        errors = {
            "model": ((moved - measured) ** 2).mean(),
            "safe": c.safe_weight * _mean(jax.nn.relu(c.safe_margin - then), safe),
            "unsafe": c.unsafe_weight * _mean(jax.nn.relu(c.unsafe_margin + then), 1.0 - safe),
            "descent": c.descent_weight * _mean(jax.nn.relu(c.descent_margin - descent), safe),
            "smooth": c.smooth_weight * jnp.abs(then - here).mean(),
            "conservative": c.conservative_weight * _mean(excess, far_safe),
        }
        return sum(errors.values()), errors


def train(
    data: Transitions,
    seed: int,
    config: Mapping[str, Any],
    progress: Progress | None = None,
    checkpoint: Checkpoint | None = None,
) -> Learned:
    """Learn a barrier and a model from `data`; see the module, and `learner.Learner` for the arguments."""
    c = _checked(config, data)
    rows, scaling = _prepare(data, c)
    networks = _Networks(c)
    n, m = len(data.state), len(data.input)
    keys = jax.random.split(jax.random.key(seed), 3)
    online = {
        "barrier": init_mlp(keys[0], (n, *c.hidden, 1)),
        "f": init_mlp(keys[1], (n, *c.model_hidden, n)),
        "g": init_mlp(keys[2], (n, *c.model_hidden, n * m)),
    }
    optimiser = optax.adam(c.learning_rate)
    state: Any = {"online": online, "memory": optimiser.init(online)}

    def step(state: Any, key: Any, _: Any) -> tuple[Any, dict[str, Any]]:
        rows_key, noise_key = jax.random.split(key)
        gradient, figures = jax.grad(networks.losses, has_aux=True)(
            state["online"], rows.draw(rows_key, c.batch), noise_key
        )
        online, memory = descend(optimiser, state["online"], gradient, state["memory"])
        return {"online": online, "memory": memory}, figures

    state, log = fit(state, step, c.steps, seed, progress, checkpoint)
    params = state["online"]["barrier"]
    both = jax.jit(jax.vmap(jax.value_and_grad(lambda z: networks.barrier(params, z))))

    def value_and_gradient(x: Array) -> tuple[Array, Array]:
        values, slopes = both(scaling.state(x))
        return np.asarray(values, dtype=np.float64), np.asarray(slopes, dtype=np.float64) / scaling.scale

    def value(x: Array) -> Array:
        return value_and_gradient(x)[0]

    model = Model(state["online"]["f"], state["online"]["g"], scaling)
    return Learned(
        "ccbf", asdict(c), value=value, value_and_gradient=value_and_gradient, dynamics=model, log=log
    )


def _prepare(data: Transitions, c: CcbfConfig) -> tuple[_Rows, Scaling]:
    scaling = scaling_of(data)
    paths = compose(data, max(1, round(c.ahead / float(np.median(data.dt)))))

    def single(array: np.ndarray) -> Any:
        return jnp.asarray(array, dtype=jnp.float32)

    rows = _Rows(
        z=scaling.state(data.x),
        a=scaling.input(data.u),
        after=scaling.state(data.next_x),
        dt=single(data.dt),
        margin=single(data.next_margin),
        far=scaling.state(data.next_x[paths.end]),
        far_dt=single(paths.dt),
        far_margin=single(data.next_margin[paths.end]),
    )
    return rows, scaling


def _mean(values: Any, mask: Any) -> Any:
    return (values * mask).sum() / (mask.sum() + 1e-8)


def _checked(config: Mapping[str, Any], data: Transitions) -> CcbfConfig:
    c = config_from(CcbfConfig, config, "ccbf")
    for name in ("steps", "batch", "samples", "temperature", "ahead", "learning_rate"):
        if getattr(c, name) <= 0:
            raise ConfigError(f"ccbf: {name} must be positive, got {getattr(c, name)}")
    if (data.next_margin >= 0.0).all() or (data.next_margin < 0.0).all():
        raise ConfigError("ccbf: the data must hold safe and unsafe states, both kinds are needed as labels")
    return c
