# SPDX-License-Identifier: Apache-2.0
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from tests.barrier.learn.small_problems import jump_data

from reflexarc.barrier.learn.bcq_lag import BcqLagConfig, _Networks, train
from reflexarc.barrier.learn.behaviour import cvae_loss, decode, draw_latents, init_cvae
from reflexarc.barrier.learn.descent import descend
from reflexarc.barrier.learn.networks import init_mlp
from reflexarc.core.errors import ConfigError
from reflexarc.core.training import fit

SMALL = {
    "steps": 1500,
    "batch": 64,
    "hidden": (24, 24),
    "backup": 1,
    "gamma": 0.8,
    "polyak": 0.02,
    "cost_limit": 0.1,
    "episode": 10,
    "kl_weight": 0.05,
    "reach": 0.3,
    "learning_rate": 3e-3,
    "pid": (2.0, 0.05, 0.0),
}
STATES = np.linspace(-0.9, 0.9, 7)[:, None]


def test_the_multiplier_holds_the_policy_out_of_the_failure_set_and_without_it_the_reward_wins():
    # The input is the next state; reward grows with it, above 0.3 lies the failure set.
    held = train(jump_data(), 0, SMALL)
    free = train(jump_data(), 0, {**SMALL, "pid": (0.0, 0.0, 0.0)})
    assert free.policy(STATES).mean() > 0.5
    assert held.policy(STATES).max() < 0.32
    assert held.policy(STATES).mean() > -0.6


def test_the_controller_adds_proportion_integral_and_rise_and_never_pays_for_safety():
    networks = _Networks(BcqLagConfig(gamma=0.9, pid=(0.5, 0.1, 2.0)), 0.0)
    state = (0.0, 0.0, 0.0)
    # excesses of the scaled cost; the controller works on ten times these, since gamma is 0.9
    expected = [0.5 * 2 + 0.1 * 2 + 2.0 * 2, 0.5 * 1 + 0.1 * 3, 0.0, 0.5 * 1 + 0.1 * 1 + 2.0 * 6]
    for excess, multiplier in zip((0.2, 0.1, -0.5, 0.1), expected, strict=True):
        got, state = networks.controlled(excess, state)
        assert float(got) == pytest.approx(multiplier, abs=1e-6)


def test_the_behaviour_model_draws_what_was_recorded_at_a_state():
    rng = np.random.default_rng(0)
    z = rng.uniform(-1.0, 1.0, (4000, 1))
    habit = 0.6 * np.sin(3.0 * z)
    z, a = (jnp.asarray(part, dtype=jnp.float32) for part in (z, habit + rng.uniform(-0.1, 0.1, z.shape)))
    optimiser = optax.adam(3e-3)

    def step(state, key, _):
        rows = jax.random.randint(key, (128,), 0, 4000)
        loss, slope = jax.value_and_grad(lambda p: cvae_loss(p, z[rows], a[rows], key, 0.02))(state[0])
        return descend(optimiser, state[0], slope, state[1]), {"loss": loss}

    weights = init_cvae(jax.random.key(0), 1, 1, (32, 32))
    (weights, _), _ = fit((weights, optimiser.init(weights)), step, 1500, 0)
    drawn = np.asarray(decode(weights, z, draw_latents(jax.random.key(1), (4000, 2))))
    assert np.abs(drawn - habit).max() < 0.2
    assert np.abs(drawn - habit).mean() < 0.1


def test_the_perturbation_moves_an_input_by_its_reach_at_most():
    keys = jax.random.split(jax.random.key(0), 4)
    params = {"cvae": init_cvae(keys[0], 2, 1, (8, 8)), "actor": init_mlp(keys[1], (3, 8, 1), last=50.0)}
    z, latent = jax.random.normal(keys[2], (200, 2)), draw_latents(keys[3], (200, 2))
    drawn = decode(params["cvae"], z, latent)
    moved = _Networks(BcqLagConfig(reach=0.07), 0.0).inputs(params, z, latent)
    distance = np.abs(np.asarray(moved - drawn))
    assert distance.max() <= 0.07 + 1e-6 and distance.mean() > 0.03
    assert np.abs(np.asarray(moved)).max() <= 1.0


def test_a_bad_parameter_is_refused():
    with pytest.raises(ConfigError, match="three gains"):
        train(jump_data(100), 0, {"pid": (0.1, 0.0)})
