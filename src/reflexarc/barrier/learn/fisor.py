# SPDX-License-Identifier: Apache-2.0
r"""Feasibility-guided safe offline learning, learner `fisor`, with the sign turned to ours (V >= 0 safe).

With h = -l the published feasible value is V_h = min over recorded inputs of Q_h; ours are Q = -Q_h and V = -V_h:

    Q_j(x, u) <- (1 - g) l + g min( l, V(x') ),      V <- upper expectile of min_j Q'_j(x, u),

l the least margin on the recorded way to x'. The expectile is the published "reversed" one: V_h is drawn to the least
Q_h that the data show, no unseen input is asked for. A reward critic and value are learned beside it (implicit
Q-learning), and a diffusion model of the recorded inputs, each weighted by

    V >= 0:  exp(b_r A_r) if Q >= 0, else 0;      V < 0:  exp(b_h (Q - V)).

The policy draws N inputs from it and takes the one of largest Q (least Q_h). `filter` is the same as a fallback: a
nominal input with Q >= `fallback_margin` passes, another is replaced.

Where this differs from the publication (Zheng et al., ICLR 2024, arXiv 2401.10700): the signed margin instead of
+25 / -1 (`violation` brings the latter back), backups over several recorded steps (`backup`; 1 is the published one),
the advantages in the weights are divided by their mean size in the batch (theirs depend on the units), smaller networks
without dropout, residual blocks and weight averaging, and candidates drawn with the same noise at every state, which
makes the policy a function of the state.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax

from reflexarc.barrier.learn.behaviour import denoise, diffusion_loss, init_diffusion
from reflexarc.barrier.learn.descent import descend
from reflexarc.barrier.learn.learner import Learned, Progress, config_from
from reflexarc.barrier.learn.networks import (
    apply_mlp,
    expectile_loss,
    init_ensemble,
    init_mlp,
    polyak,
    to_mlp,
)
from reflexarc.barrier.learn.replay import Rows, Scaling, apply_critics, replay
from reflexarc.barrier.learn.transitions import Transitions
from reflexarc.barrier.learned import LearnedBarrier
from reflexarc.core.errors import ConfigError
from reflexarc.core.training import Checkpoint, fit
from reflexarc.core.types import Array


@dataclass(frozen=True)
class FisorConfig:
    """Parameters of the learner."""

    steps: int = 20_000
    batch: int = 256
    hidden: tuple[int, ...] = (64, 64)
    """Of critics and values."""
    actor_hidden: tuple[int, ...] = (64, 64)
    critics: int = 2
    backup: int = 4
    """Recorded steps per backup."""
    gamma: float = 0.99
    """Discount per recorded step."""
    expectile: float = 0.9
    """0.5 would average over the recorded inputs."""
    polyak: float = 0.005
    learning_rate: float = 1e-3
    diffusion_steps: int = 5
    candidates: int = 16
    reward_temperature: float = 3.0
    safety_temperature: float = 5.0
    reward_weight_limit: float = 100.0
    safety_weight_limit: float = 150.0
    fallback_margin: float = 0.05
    """A nominal input passes `filter` where Q is at least this. [unit of l]"""
    violation: float = 0.0
    """0: l is the recorded margin. Above 0: l = -violation in the failure set and 1 outside, as with binary costs."""


class _Networks:
    """Pure functions of the weights."""

    def __init__(self, c: FisorConfig):
        self.c = c

    def value(self, params: Any, z: Any) -> Any:
        return apply_mlp(params, z)[:, 0]

    def losses(self, online: Any, target: Any, rows: Rows, key: Any) -> tuple[Any, dict[str, Any]]:
        """Return the sum of all losses and figures; each network gets the gradient of its own loss only."""
        c, stop = self.c, jax.lax.stop_gradient
        live = 1.0 - rows.terminal
        safe_q = apply_critics(target["safe_q"], rows.z, rows.a).min(axis=0)
        reward_q = apply_critics(target["reward_q"], rows.z, rows.a).min(axis=0)
        safe_v, reward_v = self.value(online["safe_v"], rows.z), self.value(online["reward_v"], rows.z)
        reached = live * stop(self.value(online["safe_v"], rows.after)) + rows.terminal * rows.end_margin
        goal = (1.0 - rows.discount) * rows.least + rows.discount * jnp.minimum(rows.least, reached)
        later = stop(self.value(online["reward_v"], rows.after))
        reward_goal = rows.reward + rows.discount * live * later
        weights = stop(self.weights(safe_v, safe_q, reward_v, reward_q))
        errors = {
            "safe_v": expectile_loss(safe_q - safe_v, c.expectile).mean(),
            "safe_q": ((apply_critics(online["safe_q"], rows.z, rows.a) - goal) ** 2).mean(),
            "reward_v": expectile_loss(reward_q - reward_v, c.expectile).mean(),
            "reward_q": ((apply_critics(online["reward_q"], rows.z, rows.a) - reward_goal) ** 2).mean(),
            "actor": (
                weights * diffusion_loss(online["actor"], rows.z, rows.a, key, c.diffusion_steps)
            ).mean(),
        }
        return sum(errors.values()), {**errors, "mean_value": safe_v.mean(), "mean_weight": weights.mean()}

    def weights(self, safe_v: Any, safe_q: Any, reward_v: Any, reward_q: Any) -> Any:
        """Return the weight of each recorded input in the behaviour model."""
        c = self.c
        gain, ease = reward_q - reward_v, safe_q - safe_v
        gain = gain / (jnp.abs(gain).mean() + 1e-8)
        ease = ease / (jnp.abs(ease).mean() + 1e-8)
        by_reward = jnp.minimum(jnp.exp(c.reward_temperature * gain), c.reward_weight_limit)
        by_safety = jnp.minimum(jnp.exp(c.safety_temperature * ease), c.safety_weight_limit)
        return jnp.where(safe_v >= 0.0, jnp.where(safe_q >= 0.0, by_reward, 0.0), by_safety)


def train(
    data: Transitions,
    seed: int,
    config: Mapping[str, Any],
    progress: Progress | None = None,
    checkpoint: Checkpoint | None = None,
) -> Learned:
    """Learn from `data`; see the module, and `learner.Learner` for the arguments."""
    c = _checked(config)
    rows, scaling = replay(data, c.gamma, c.backup)
    if c.violation > 0.0:
        rows = with_binary_margin(rows, c.violation)
    networks = _Networks(c)
    n, m = len(data.state), len(data.input)
    online = _weights(jax.random.key(seed), n, m, c)
    target = {name: online[name] for name in ("safe_q", "reward_q")}
    optimiser = optax.adam(c.learning_rate)
    state: Any = {"online": online, "target": target, "memory": optimiser.init(online)}

    def step(state: Any, key: Any, _: Any) -> tuple[Any, dict[str, Any]]:
        rows_key, noise_key = jax.random.split(key)
        batch = rows.draw(rows_key, c.batch)
        gradient, figures = jax.grad(networks.losses, has_aux=True)(
            state["online"], state["target"], batch, noise_key
        )
        online, memory = descend(optimiser, state["online"], gradient, state["memory"])
        moved = {name: online[name] for name in state["target"]}
        return {
            "online": online,
            "target": polyak(state["target"], moved, c.polyak),
            "memory": memory,
        }, figures

    state, log = fit(state, step, c.steps, seed, progress, checkpoint)
    recipe = {"learner": "fisor", "seed": seed, **asdict(c)}
    barrier = LearnedBarrier(
        (to_mlp(state["online"]["safe_v"], "relu"),),
        "min",
        scaling.centre,
        scaling.scale,
        0.0,
        data.system,
        data.state,
        recipe,
    )
    fallback = _Fallback(c, state["online"]["actor"], state["target"]["safe_q"], scaling, seed)
    gradients = jax.jit(
        jax.vmap(jax.value_and_grad(lambda z: apply_mlp(state["online"]["safe_v"], z[None])[0, 0]))
    )

    def value_and_gradient(x: Array) -> tuple[Array, Array]:
        values, slopes = gradients(scaling.state(x))
        return np.asarray(values, dtype=np.float64), np.asarray(slopes, dtype=np.float64) / scaling.scale

    return Learned(
        "fisor",
        asdict(c),
        value=barrier.values,
        value_and_gradient=value_and_gradient,
        policy=fallback.policy,
        filter=fallback.filter,
        barrier=barrier,
        log=log,
    )


def with_binary_margin(rows: Rows, violation: float) -> Rows:
    """Replace the margin by -violation in the failure set and by 1 outside."""
    return rows._replace(
        least=jnp.where(rows.least < 0.0, -violation, 1.0),
        end_margin=jnp.where(rows.end_margin < 0.0, -violation, 1.0),
    )


class _Fallback:
    """Candidates from the behaviour model, judged by the safety critic."""

    def __init__(self, c: FisorConfig, actor: Any, critic: Any, scaling: Scaling, seed: int):
        m = len(scaling.middle)
        start_key, noise_key = jax.random.split(jax.random.key(seed + 1))
        start = jax.random.normal(start_key, (c.candidates, m))
        noises = jax.random.normal(noise_key, (c.diffusion_steps, c.candidates, m))
        self._scaling, self._margin = scaling, c.fallback_margin

        def candidates(z: Any) -> tuple[Any, Any]:
            batch = z.shape[0]
            repeated = jnp.repeat(z, c.candidates, axis=0)
            a = denoise(actor, repeated, jnp.tile(start, (batch, 1)), jnp.tile(noises, (1, batch, 1)))
            return repeated.reshape(batch, c.candidates, -1), a.reshape(batch, c.candidates, m)

        def best(z: Any) -> Any:
            repeated, a = candidates(z)
            judged = apply_critics(critic, repeated, a).min(axis=0)
            return jnp.take_along_axis(a, judged.argmax(axis=1)[:, None, None], axis=1)[:, 0]

        self._best = jax.jit(best)
        self._judge = jax.jit(lambda z, a: apply_critics(critic, z, a).min(axis=0))

    def policy(self, x: Array) -> Array:
        """Return the safest of the candidates at states (batch, n)."""
        return self._scaling.unscaled_input(self._best(self._scaling.state(x)))

    def filter(self, x: Array, nominal: Array) -> Array:
        """Return the nominal inputs (batch, m) where the critic calls them safe, else the safest candidates."""
        judged = np.asarray(self._judge(self._scaling.state(x), self._scaling.input(nominal)))
        safe = judged >= self._margin
        return np.where(safe[:, None], nominal, self.policy(x))


def _weights(key: Any, n: int, m: int, c: FisorConfig) -> dict[str, Any]:
    keys = jax.random.split(key, 5)
    return {
        "safe_q": init_ensemble(keys[0], c.critics, (n + m, *c.hidden, 1)),
        "safe_v": init_mlp(keys[1], (n, *c.hidden, 1)),
        "reward_q": init_ensemble(keys[2], c.critics, (n + m, *c.hidden, 1)),
        "reward_v": init_mlp(keys[3], (n, *c.hidden, 1)),
        "actor": init_diffusion(keys[4], n, m, c.actor_hidden, c.diffusion_steps),
    }


def _checked(config: Mapping[str, Any]) -> FisorConfig:
    c = config_from(FisorConfig, config, "fisor")
    for name in (
        "steps",
        "batch",
        "critics",
        "backup",
        "polyak",
        "learning_rate",
        "diffusion_steps",
        "candidates",
    ):
        if getattr(c, name) <= 0:
            raise ConfigError(f"fisor: {name} must be positive, got {getattr(c, name)}")
    if not 0.0 < c.expectile < 1.0 or not 0.0 <= c.gamma < 1.0:
        raise ConfigError(
            f"fisor: expectile {c.expectile} and gamma {c.gamma}; allowed: 0 < expectile < 1, 0 <= gamma < 1"
        )
    return c
