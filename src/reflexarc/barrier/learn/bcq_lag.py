# SPDX-License-Identifier: Apache-2.0
r"""Batch-constrained Q-learning with a Lagrangian for the cost, learner `bcq_lag`.

The policy chooses among inputs that a conditional variational auto-encoder of the recorded ones draws, each moved by at
most `reach` (of the inputs' half range) by a perturbation network:  u = decode(x, latent) + reach tanh(...). Critics of
reward and of cost c = 1{l < 0}, two of each, back up the best of N such inputs,

    Q(x, u) <- r + g max_i [ w min_j Q'_j + (1 - w) max_j Q'_j ](x', u_i),     w = 0.75,

and the perturbation maximises  min_j Q_j - k (min_j Qc_j - limit), the multiplier k set by a PID controller on the mean
cost of the policy above the limit.

Sources: Fujimoto et al., BCQ, arXiv 1812.02900; Stooke et al., PID Lagrangian, arXiv 2007.03964; constants and the
cost's backup (largest of the candidates) of OSRL, liuzuxin/OSRL 03a4586. What differs: values scaled by 1 - g, and
costs with them; backups may run over several recorded steps (`backup`; 1 is the published one); smaller networks,
batches, numbers of candidates and weight of the auto-encoder's divergence; at run time the best of N candidates by
Q - k Qc is sent, as in BCQ (OSRL sends one draw), with the same latents at every state, which makes the policy a
function of the state.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax

from reflexarc.barrier.learn.behaviour import cvae_loss, decode, draw_latents, init_cvae
from reflexarc.barrier.learn.descent import descend
from reflexarc.barrier.learn.learner import Learned, Progress, config_from
from reflexarc.barrier.learn.networks import apply_mlp, init_ensemble, init_mlp, polyak
from reflexarc.barrier.learn.replay import (
    Rows,
    apply_critics,
    discounted_share,
    longest_recording,
    replay,
)
from reflexarc.barrier.learn.transitions import Transitions
from reflexarc.core.errors import ConfigError
from reflexarc.core.training import Checkpoint, fit
from reflexarc.core.types import Array


@dataclass(frozen=True)
class BcqLagConfig:
    """Parameters of the learner."""

    steps: int = 12_000
    batch: int = 128
    hidden: tuple[int, ...] = (64, 64)
    backup: int = 4
    """Recorded steps per backup."""
    gamma: float = 0.99
    """Discount per recorded step."""
    cost_limit: float = 10.0
    """Steps in the failure set that an episode may have, in expectation."""
    episode: int = 0
    """Steps of an episode; 0 takes the longest recording."""
    candidates: int = 6
    reach: float = 0.05
    pessimism: float = 0.75
    """w."""
    kl_weight: float = 0.1
    """Of the auto-encoder's divergence."""
    pid: tuple[float, ...] = (0.1, 0.003, 0.001)
    """Proportional, integral and differential gain, for costs that are not scaled by 1 - g."""
    polyak: float = 0.005
    learning_rate: float = 1e-3


class _Networks:
    """Pure functions of the weights."""

    def __init__(self, c: BcqLagConfig, limit: float):
        self.c, self.limit = c, limit

    def inputs(self, params: Any, z: Any, latent: Any) -> Any:
        """Return perturbed inputs for states (..., n) and latents (..., 2 m)."""
        drawn = decode(params["cvae"], z, latent)
        shift = jnp.tanh(apply_mlp(params["actor"], jnp.concatenate([z, drawn], axis=-1)))
        return jnp.clip(drawn + self.c.reach * shift, -1.0, 1.0)

    def backed_up(self, critic: Any, z: Any, a: Any) -> Any:
        """Return the largest value of the candidates a (batch, N, m) at z (batch, N, n): (batch,)."""
        each = apply_critics(critic, z, a)
        w = self.c.pessimism
        return (w * each.min(axis=0) + (1.0 - w) * each.max(axis=0)).max(axis=1)

    def losses(self, online: Any, target: Any, rows: Rows, pid: Any, key: Any) -> tuple[Any, Any]:
        """Return the sum of all losses, figures and the controller's state; each network gets its own gradient."""
        c, stop = self.c, jax.lax.stop_gradient
        keys = jax.random.split(key, 3)
        count, m = rows.a.shape
        after = jnp.broadcast_to(rows.after[:, None], (count, c.candidates, rows.after.shape[-1]))
        latent = draw_latents(keys[0], (count, c.candidates, 2 * m))
        next_a = stop(self.inputs({"cvae": online["cvae"], "actor": target["actor"]}, after, latent))
        live = rows.discount * (1.0 - rows.terminal)
        reward_goal = rows.reward + live * self.backed_up(target["reward"], after, next_a)
        cost_goal = rows.cost + live * self.backed_up(target["cost"], after, next_a)
        frozen = {"cvae": stop(online["cvae"]), "actor": online["actor"]}
        a = self.inputs(frozen, rows.z, draw_latents(keys[1], (count, 2 * m)))
        gain = apply_critics(stop(online["reward"]), rows.z, a).min(axis=0).mean()
        cost = apply_critics(stop(online["cost"]), rows.z, a).min(axis=0).mean()
        multiplier, pid = self.controlled(stop(cost) - self.limit, pid)
        errors = {
            "cvae": cvae_loss(online["cvae"], rows.z, rows.a, keys[2], c.kl_weight),
            "reward": ((apply_critics(online["reward"], rows.z, rows.a) - reward_goal) ** 2).mean(),
            "cost": ((apply_critics(online["cost"], rows.z, rows.a) - cost_goal) ** 2).mean(),
            "actor": -gain + multiplier * (cost - self.limit),
        }
        figures = {**errors, "policy_cost": cost, "multiplier": multiplier}
        return sum(errors.values()), ({name: stop(figure) for name, figure in figures.items()}, pid)

    def controlled(self, excess: Any, pid: Any) -> tuple[Any, Any]:
        """Return the multiplier for the mean scaled cost above the limit, and (last excess, integral, multiplier)."""
        last, integral, _ = pid
        excess = excess / (1.0 - self.c.gamma)
        integral = jnp.maximum(0.0, integral + excess)
        p, i, d = self.c.pid
        multiplier = p * jnp.maximum(0.0, excess) + i * integral + d * jnp.maximum(0.0, excess - last)
        return multiplier, (excess, integral, multiplier)


def train(
    data: Transitions,
    seed: int,
    config: Mapping[str, Any],
    progress: Progress | None = None,
    checkpoint: Checkpoint | None = None,
) -> Learned:
    """Learn a policy from `data`; see the module, and `learner.Learner` for the arguments."""
    c = _checked(config)
    rows, scaling = replay(data, c.gamma, c.backup)
    limit = discounted_share(c.cost_limit, c.episode or longest_recording(data), c.gamma)
    networks = _Networks(c, limit)
    n, m = len(data.state), len(data.input)
    keys = jax.random.split(jax.random.key(seed), 5)
    online = {
        "actor": init_mlp(keys[0], (n + m, *c.hidden, m), "relu", 0.1),
        "reward": init_ensemble(keys[1], 2, (n + m, *c.hidden, 1), last=0.01),
        "cost": init_ensemble(keys[2], 2, (n + m, *c.hidden, 1), last=0.01),
        "cvae": init_cvae(keys[3], n, m, c.hidden),
    }
    target = {name: online[name] for name in ("actor", "reward", "cost")}
    optimiser = optax.adam(c.learning_rate)
    nothing = jnp.zeros(())
    state: Any = {
        "online": online,
        "target": target,
        "memory": optimiser.init(online),
        "pid": (nothing, nothing, nothing),
    }

    def step(state: Any, key: Any, _: Any) -> tuple[Any, dict[str, Any]]:
        rows_key, noise_key = jax.random.split(key)
        batch = rows.draw(rows_key, c.batch)
        gradient, (figures, pid) = jax.grad(networks.losses, has_aux=True)(
            state["online"], state["target"], batch, state["pid"], noise_key
        )
        online, memory = descend(optimiser, state["online"], gradient, state["memory"])
        moved = {name: online[name] for name in state["target"]}
        target = polyak(state["target"], moved, c.polyak)
        return {"online": online, "target": target, "memory": memory, "pid": pid}, figures

    state, log = fit(state, step, c.steps, seed, progress, checkpoint)
    online, multiplier = state["online"], state["pid"][2]
    latents = draw_latents(keys[4], (c.candidates, 2 * m))

    def chosen(z: Any) -> Any:
        repeated = jnp.broadcast_to(z[:, None], (z.shape[0], c.candidates, n))
        a = networks.inputs(online, repeated, jnp.broadcast_to(latents, (z.shape[0], *latents.shape)))
        gain = apply_critics(online["reward"], repeated, a).min(axis=0)
        cost = apply_critics(online["cost"], repeated, a).min(axis=0)
        best = (gain - multiplier * cost).argmax(axis=1)
        return jnp.take_along_axis(a, best[:, None, None], axis=1)[:, 0]

    compiled = jax.jit(chosen)
    judge = jax.jit(lambda z: apply_critics(online["cost"], z, chosen(z)).max(axis=0))

    def policy(x: Array) -> Array:
        return scaling.unscaled_input(compiled(scaling.state(x)))

    def value(x: Array) -> Array:
        return limit - np.asarray(judge(scaling.state(x)), dtype=np.float64)

    return Learned("bcq_lag", asdict(c), value=value, policy=policy, log=log)


def _checked(config: Mapping[str, Any]) -> BcqLagConfig:
    c = config_from(BcqLagConfig, config, "bcq_lag")
    for name in ("steps", "batch", "backup", "polyak", "learning_rate", "candidates"):
        if getattr(c, name) <= 0:
            raise ConfigError(f"bcq_lag: {name} must be positive, got {getattr(c, name)}")
    if c.cost_limit < 0.0 or not 0.0 <= c.gamma < 1.0:
        raise ConfigError(
            f"bcq_lag: cost_limit {c.cost_limit} and gamma {c.gamma}; allowed: 0 <= cost_limit, 0 <= gamma < 1"
        )
    if len(c.pid) != 3 or min(c.pid) < 0.0:
        raise ConfigError(f"bcq_lag: pid must be three gains that are not negative, got {c.pid}")
    return c
