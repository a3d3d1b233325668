# SPDX-License-Identifier: Apache-2.0
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from tests.barrier.learn.small_problems import cliff_data, cliff_step

from reflexarc.barrier.learn.behaviour import denoise, diffusion_loss, init_diffusion
from reflexarc.barrier.learn.descent import descend
from reflexarc.barrier.learn.fisor import FisorConfig, _Networks, train, with_binary_margin
from reflexarc.barrier.learn.replay import replay
from reflexarc.core.errors import ConfigError
from reflexarc.core.training import fit

SMALL = {
    "steps": 2500,
    "batch": 128,
    "hidden": (32, 32),
    "actor_hidden": (32, 32),
    "backup": 1,
    "polyak": 0.02,
    "learning_rate": 2e-3,
    "gamma": 0.95,
}


def value_on_a_grid(gamma, average):
    """Fixed point of the feasible value on the cliff, over the best input or over the mean of all inputs."""
    x = np.linspace(-1.5, 1.2, 1081)
    margin, inputs = 0.8 - x, np.linspace(-1.0, 1.0, 41)
    after = np.stack([cliff_step(x, u) for u in inputs])
    value = margin.copy()
    for _ in range(400):
        reached = np.where(after > 1.0, 0.8 - after, np.interp(after, x, value))
        backup = (1.0 - gamma) * margin + gamma * np.minimum(margin, reached)
        value = backup.mean(axis=0) if average else backup.max(axis=0)
    return lambda q: np.interp(q, x, value)


@pytest.fixture(scope="module")
def learned():
    return train(cliff_data(), 0, SMALL)


def test_the_value_is_that_of_dynamic_programming_and_negative_where_the_current_wins(learned):
    q = np.array([-0.8, -0.5, -0.2, 0.2, 0.4, 0.6, 0.75])
    truth = value_on_a_grid(0.95, average=False)(q)
    assert learned.value(q[:, None]) == pytest.approx(truth, abs=0.12)
    assert (learned.value(np.array([[0.5], [0.6], [0.75]])) < 0.05).all(), "no collision yet, but doomed"
    assert (learned.value(np.array([[-0.8], [-0.3]])) > 0.9).all()


def test_the_reversed_expectile_is_what_finds_the_best_recorded_input(learned):
    # at 0.5 the value is that of the average input, which drifts over the cliff's edge
    plain = train(cliff_data(), 0, {**SMALL, "expectile": 0.5})
    q = np.array([[-0.05], [-0.1]])
    best = value_on_a_grid(0.95, average=False)(q[:, 0])
    mean = value_on_a_grid(0.95, average=True)(q[:, 0])
    assert (best - mean > 0.1).all(), "the problem must tell them apart"
    assert (learned.value(q) > plain.value(q) + 0.5 * (best - mean)).all()


def test_the_fallback_turns_back_at_the_edge_and_lets_a_safe_input_pass(learned):
    edge, deep = np.array([[-0.02]]), np.array([[-0.8]])
    assert learned.policy(edge)[0, 0] < -0.3
    push = np.array([[1.0]])
    assert np.array_equal(learned.filter(deep, push), push)
    lost = np.array([[0.7]])
    assert learned.filter(lost, push)[0, 0] < 0.0, "unsafe everywhere: the safest input"


def test_the_exported_barrier_and_the_gradient_belong_to_the_value(learned):
    q = np.linspace(-0.9, 0.9, 7)[:, None]
    value, gradient = learned.value_and_gradient(q)
    assert value == pytest.approx(learned.barrier.values(q), abs=1e-5)
    step = 1e-3
    by_differences = (learned.value(q + step) - learned.value(q - step)) / (2 * step)
    assert np.median(np.abs(by_differences - gradient[:, 0])) < 0.02


def test_the_same_seed_gives_the_same_value():
    short = {**SMALL, "steps": 20}
    q = np.linspace(-0.9, 0.9, 5)[:, None]
    first, second = train(cliff_data(500), 1, short), train(cliff_data(500), 1, short)
    assert np.array_equal(first.value(q), second.value(q))


def test_a_states_answer_does_not_depend_on_its_company(learned):
    q = np.linspace(-0.9, 0.9, 5)[:, None]
    assert learned.policy(q[2:3]) == pytest.approx(learned.policy(q)[2:3], abs=1e-5)


def test_weights_forbid_unsafe_inputs_in_safe_states_and_follow_safety_in_unsafe_ones():
    networks = _Networks(FisorConfig())
    safe_v = jnp.array([1.0, 1.0, 1.0, -1.0, -1.0])
    safe_q = jnp.array([0.5, -0.1, 0.5, -0.2, -1.8])
    reward_v = jnp.zeros(5)
    reward_q = jnp.array([1.0, 5.0, -1.0, -9.0, 9.0])
    weights = np.asarray(networks.weights(safe_v, safe_q, reward_v, reward_q))
    assert weights[1] == 0.0
    assert weights[0] > weights[2] > 0.0
    assert weights[3] > 100 * weights[4], "in an unsafe state reward does not count"
    assert weights.max() <= 150.0


def test_diffusion_draws_both_of_two_habits_and_little_between():
    rng = np.random.default_rng(0)
    z = jnp.asarray(rng.uniform(-1.0, 1.0, (4000, 1)), dtype=jnp.float32)
    side = np.where(rng.random(4000) < 0.5, 0.7, -0.7)
    a = jnp.asarray((side + 0.03 * rng.standard_normal(4000))[:, None], dtype=jnp.float32)
    optimiser = optax.adam(optax.cosine_decay_schedule(5e-3, 2000))

    def step(state, key, _):
        rows = jax.random.randint(key, (256,), 0, 4000)
        loss, slope = jax.value_and_grad(lambda p: diffusion_loss(p, z[rows], a[rows], key, 5).mean())(
            state[0]
        )
        return descend(optimiser, state[0], slope, state[1]), {"loss": loss}

    weights = init_diffusion(jax.random.key(0), 1, 1, (64, 64), 5)
    (weights, _), _ = fit((weights, optimiser.init(weights)), step, 2000, 0)
    drawn = np.asarray(
        denoise(
            weights,
            z[:1000],
            jax.random.normal(jax.random.key(1), (1000, 1)),
            jax.random.normal(jax.random.key(2), (5, 1000, 1)),
        )
    )[:, 0]
    # a normal distribution of the same mean and variance would have 0.34 near the habits and 0.33 in the middle
    near = np.abs(np.abs(drawn) - 0.7) < 0.2
    assert near.mean() > 0.65
    assert 0.4 < (drawn > 0).mean() < 0.6
    assert (np.abs(drawn) < 0.3).mean() < 0.2


def test_binary_costs_replace_the_margin():
    rows, _ = replay(cliff_data(500), 0.95, 1)
    binary = with_binary_margin(rows, 25.0)
    assert set(np.unique(binary.least)) == set(np.unique(binary.end_margin)) == {-25.0, 1.0}
    assert np.array_equal(binary.least < 0.0, rows.least < 0.0)
    assert np.array_equal(binary.end_margin < 0.0, rows.end_margin < 0.0)


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({"expectile": 1.0}, "0 < expectile < 1"),
        ({"candidates": 0}, "candidates must be positive"),
        ({"nme": 1}, "nme"),
    ],
)
def test_a_bad_parameter_is_refused(config, message):
    with pytest.raises(ConfigError, match=message):
        train(cliff_data(100), 0, config)
