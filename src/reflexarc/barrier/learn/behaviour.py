# SPDX-License-Identifier: Apache-2.0
r"""Generative models of the recorded inputs: a conditional variational auto-encoder, and diffusion in a few steps.

Both draw inputs that the data support at a state. Inputs are scaled to [-1, 1].

Sources: Fujimoto et al., BCQ, arXiv 1812.02900 (auto-encoder); Ho et al., DDPM, arXiv 2006.11239, with the
variance-preserving schedule of Song et al., arXiv 2011.13456, in T steps, beta from 0.1 to 10 (as FISOR uses it).
"""

from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from reflexarc.barrier.learn.networks import Params, apply_mlp, init_mlp

LATENT_REACH = 0.5
"""Latents are drawn from a normal distribution clipped to +- this: the likely middle of the behaviour."""
_LOG_STD = (-4.0, 15.0)


def init_cvae(key: Any, n: int, m: int, hidden: Sequence[int]) -> Params:
    """Return weights of encoder (state, input -> mean and log std of 2 m latents) and decoder."""
    first, second = jax.random.split(key)
    return {
        "encoder": init_mlp(first, (n + m, *hidden, 4 * m)),
        "decoder": init_mlp(second, (n + 2 * m, *hidden, m)),
    }


def encode(params: Params, z: Any, a: Any) -> tuple[Any, Any]:
    """Return mean and log standard deviation of the latents, (batch, 2 m) each."""
    mean, log_std = jnp.split(apply_mlp(params["encoder"], jnp.concatenate([z, a], axis=-1)), 2, axis=-1)
    return mean, jnp.clip(log_std, *_LOG_STD)


def decode(params: Params, z: Any, latent: Any) -> Any:
    """Return inputs within [-1, 1] for states (..., n) and latents (..., 2 m)."""
    return jnp.tanh(apply_mlp(params["decoder"], jnp.concatenate([z, latent], axis=-1)))


def divergence(mean: Any, log_std: Any) -> Any:
    """Return the KL divergence of the latents from the standard normal, mean over the latents: (batch,)."""
    return -0.5 * (1.0 + 2.0 * log_std - mean**2 - jnp.exp(2.0 * log_std)).mean(axis=-1)


def cvae_loss(params: Params, z: Any, a: Any, key: Any, beta: float) -> Any:
    """Return squared reconstruction error plus `beta` times the divergence."""
    mean, log_std = encode(params, z, a)
    latent = mean + jnp.exp(log_std) * jax.random.normal(key, mean.shape)
    return ((decode(params, z, latent) - a) ** 2).mean() + beta * divergence(mean, log_std).mean()


def draw_latents(key: Any, shape: tuple[int, ...]) -> Any:
    """Return latents from the clipped normal distribution."""
    return jnp.clip(jax.random.normal(key, shape), -LATENT_REACH, LATENT_REACH)


def init_diffusion(key: Any, n: int, m: int, hidden: Sequence[int], steps: int) -> Params:
    """Return weights of the noise model: (state, noisy input, one-hot step) -> noise."""
    return init_mlp(key, (n + m + steps, *hidden, m))


def noise_schedule(steps: int) -> tuple[np.ndarray, np.ndarray]:
    """Return beta_t and the product of 1 - beta up to t, shape (steps,) each."""
    t = np.arange(1, steps + 1)
    alphas = np.exp(-0.1 / steps - 0.5 * 9.9 * (2 * t - 1) / steps**2)
    return 1.0 - alphas, np.cumprod(alphas)


def predict_noise(params: Params, z: Any, noisy: Any, t: Any, steps: int) -> Any:
    """Return the noise in `noisy` at step t (batch,)."""
    return apply_mlp(params, jnp.concatenate([z, noisy, jax.nn.one_hot(t, steps)], axis=-1))


def diffusion_loss(params: Params, z: Any, a: Any, key: Any, steps: int) -> Any:
    """Return the squared error of the predicted noise per row, (batch,)."""
    step_key, noise_key = jax.random.split(key)
    t = jax.random.randint(step_key, (a.shape[0],), 0, steps)
    kept = jnp.asarray(noise_schedule(steps)[1], dtype=a.dtype)[t][:, None]
    noise = jax.random.normal(noise_key, a.shape)
    noisy = jnp.sqrt(kept) * a + jnp.sqrt(1.0 - kept) * noise
    return ((predict_noise(params, z, noisy, t, steps) - noise) ** 2).sum(axis=-1)


def denoise(params: Params, z: Any, start: Any, noises: Any) -> Any:
    """Turn noise into inputs.

    Args:
        params: noise model.
        z: scaled states, shape (batch, n).
        start: standard normal numbers, shape (batch, m).
        noises: the same for each step, shape (steps, batch, m); that of the last step done is not used.

    Returns:
        Inputs within [-1, 1], shape (batch, m).
    """
    steps = noises.shape[0]
    betas, kept = noise_schedule(steps)
    a = start
    for t in range(steps - 1, -1, -1):
        predicted = predict_noise(params, z, a, jnp.full(a.shape[0], t), steps)
        a = (a - betas[t] / np.sqrt(1.0 - kept[t]) * predicted) / np.sqrt(1.0 - betas[t])
        if t > 0:
            a = a + np.sqrt(betas[t]) * noises[t]
        a = jnp.clip(a, -1.0, 1.0)
    return a
