# SPDX-License-Identifier: Apache-2.0
"""Each remedy of the learned barrier, on problems small enough to know the answer."""

from dataclasses import replace

import jax.numpy as jnp
import numpy as np
import pytest
import scipy.optimize
from safetensors.numpy import load_file
from tests.barrier.learn.oracles import sliding, transitions

from reflexarc.barrier.learn.networks import expectile_loss
from reflexarc.barrier.learn.vocbf import discount, train
from reflexarc.core.errors import ConfigError, ModelError
from reflexarc.core.training import Checkpoint, fit

SMALL = {
    "steps": 1500,
    "batch": 128,
    "hidden": (16, 16),
    "members": 1,
    "compose": (1,),
    "learning_rate": 5e-3,
    "margin_steps": 1500,
    "support": False,
    "focus": 10.0,
}
STILL = {**SMALL, "form": "min", "anneal": 1e9, "expectile": 0.5, "last_expectile": 0.5, "held_out": 0.0}
"""No annealing, least squares, the network itself: what remains is the backup."""


def test_the_discount_is_per_second_whatever_the_period():
    for done in (0.0, 0.1, 0.3):
        once = float(discount(0.2, done, 0.5, 0.4))
        assert once == pytest.approx(float(discount(0.005, done, 0.5, 0.4)) ** 40, rel=1e-5)
    assert float(discount(0.5, 0.0, 0.5, 0.4)) == pytest.approx(np.exp(-1.0), rel=1e-6)


def test_the_discount_ends_at_one():
    assert float(discount(3.0, 0.4, 0.5, 0.4)) == 1.0
    assert float(discount(3.0, 1.0, 0.5, 0.4)) == 1.0


@pytest.mark.parametrize("tau", [0.5, 0.9, 0.99])
@pytest.mark.parametrize("share", [0.1, 0.5])
def test_the_expectile_loss_is_minimal_at_the_known_expectile(tau, share):
    """Outcomes 1 with probability p and 0 otherwise: e = tau p / (tau p + (1 - tau) (1 - p))."""

    def loss(e):
        return share * float(expectile_loss(jnp.asarray(1.0 - e), tau)) + (1 - share) * float(
            expectile_loss(jnp.asarray(-e), tau)
        )

    found = scipy.optimize.minimize_scalar(loss, bounds=(0.0, 1.0), method="bounded", options={"xatol": 1e-6})
    assert found.x == pytest.approx(tau * share / (tau * share + (1 - tau) * (1 - share)), abs=2e-3)


def test_every_transition_is_discounted_by_its_own_duration():
    rng = np.random.default_rng(0)
    x = np.concatenate((rng.uniform(-1.0, -0.8, 300), rng.uniform(0.8, 1.0, 300)))
    dt = np.repeat([0.1, 0.4], 300)
    ends = np.ones(600, dtype=bool)
    data = transitions(x, np.zeros(600), x, np.ones(600), np.zeros(600), dt=dt, terminal=ends)
    learned = train(data, 0, {**STILL, "horizon": 0.5})
    values = learned.value(np.array([[-0.9], [0.9]]))
    assert values == pytest.approx(1.0 - np.exp([-0.2, -0.8]), abs=0.03)


def test_the_backup_takes_its_value_from_the_target_network(tmp_path):
    """x' = x, l = 1: the target at rest gives V = (1 - g) + g V_0; the online network's own value would give 1."""
    x = np.linspace(-1.0, 1.0, 200)
    data = transitions(x, np.zeros(200), x, np.ones(200), np.ones(200), dt=0.5)
    config = {**STILL, "horizon": 0.5 / np.log(2.0), "polyak": 1e-9}
    learned = train(data, 0, config, checkpoint=Checkpoint(tmp_path / "c.safetensors", "test"))
    arrays = load_file(tmp_path / "c.safetensors")
    layers = [(arrays[str(2 * i)][0], arrays[str(2 * i + 1)][0]) for i in range(3)]  # "online" comes first
    z = x[:, None]
    for weight, bias in layers[:-1]:
        z = np.tanh(z @ weight.T + bias)
    online = (z @ layers[-1][0].T + layers[-1][1])[:, 0]
    first = learned.value(x[:, None])
    assert first.min() < 0.4
    assert online == pytest.approx(0.5 + 0.5 * np.minimum(1.0, first), abs=0.12)


def test_the_value_of_a_known_problem_is_found():
    data, exact = sliding(3000, 0, duration=40)
    config = {**SMALL, "steps": 3000, "compose": (4, 12), "margin_steps": 3000, "held_out": 0.1, "focus": 0.2}
    learned = train(data, 0, config)
    x = np.concatenate((np.linspace(0.1, 0.85, 40), np.linspace(1.2, 1.9, 40)))
    value = learned.value(x[:, None])
    assert np.abs(value - exact(x)).max() < 0.15
    assert (value[x < 0.85] < 0.0).all() and (value[x > 1.3] > 0.0).all()


def test_the_margin_form_never_exceeds_the_learned_margin():
    data, _ = sliding(500, 0)
    barrier = train(data, 0, {**SMALL, "steps": 300, "form": "margin_minus"}).barrier
    x = np.random.default_rng(0).uniform(-3.0, 5.0, (2000, 1))
    margin = barrier.members[0].values((x - barrier.centre) / barrier.scale)
    assert (barrier.shifted(0.0).values(x) <= margin).all()


def test_states_without_data_are_unsafe_only_with_the_support_member():
    rng = np.random.default_rng(0)
    x = rng.uniform(-1.0, 1.0, (3000, 2))
    ends = np.ones(3000, dtype=bool)
    data = transitions(x, np.zeros((3000, 1)), x, np.ones(3000), np.ones(3000), terminal=ends)
    away = np.array([[1.5, 0.0], [0.0, -1.5], [1.5, 1.5], [-1.5, 0.5]])
    inside = rng.uniform(-0.9, 0.9, (500, 2))
    for form in ("min", "margin_minus"):
        guarded = train(
            data, 0, {**SMALL, "steps": 500, "form": form, "support": True, "support_steps": 2500}
        )
        assert (guarded.value(away) < 0.0).all()
        assert (guarded.value(inside) > 0.5).mean() > 0.95
    members = guarded.barrier.members
    open_ended = replace(guarded.barrier, members=members[:-1])
    assert (open_ended.values(away) > 0.0).any()


def test_the_same_seed_gives_the_same_weights():
    data, _ = sliding(300, 0)
    x = np.linspace(0.0, 2.0, 50)[:, None]
    config = {**SMALL, "form": "min", "steps": 100}
    first, again, other = (train(data, seed, config) for seed in (0, 0, 1))
    assert (first.value(x) == again.value(x)).all()
    assert (first.value(x) != other.value(x)).any()


@pytest.mark.parametrize(
    ("config", "words"),
    [
        ({"stepz": 3}, "unknown parameter 'stepz'"),
        ({"form": "max"}, "'max'"),
        ({"expectile": 0.3}, "0.5 <= first <= last < 1"),
        ({"steps": 0}, "steps must be positive"),
        ({"compose": ()}, "compose"),
        ({"batch": "many"}, "batch must be of type int"),
    ],
)
def test_an_unacceptable_parameter_is_refused(config, words):
    data, _ = sliding(50, 0)
    with pytest.raises(ConfigError, match=words):
        train(data, 0, {**SMALL, **config})


def test_a_stopped_training_goes_on_to_the_very_same_weights(tmp_path):
    def step(state, key, done):
        import jax  # noqa: PLC0415

        state = state + jax.random.normal(key, (3,)) * (1.0 + done)
        return state, {"mean": state.mean()}

    whole, log = fit(jnp.zeros(3), step, 1000, 7, chunk=100)

    def stop(done, total, figures):
        if done == 600:
            raise KeyboardInterrupt

    kept = Checkpoint(tmp_path / "c.safetensors", "a", every=100)
    with pytest.raises(KeyboardInterrupt):
        fit(jnp.zeros(3), step, 1000, 7, stop, kept, chunk=100)
    calls = []
    again, resumed = fit(jnp.zeros(3), step, 1000, 7, lambda *a: calls.append(a[0]), kept, chunk=100)
    assert (np.asarray(again) == np.asarray(whole)).all()
    assert resumed == log and calls[0] == 600
    with pytest.raises(ModelError, match="another training"):
        fit(jnp.zeros(3), step, 1000, 7, None, Checkpoint(tmp_path / "c.safetensors", "b"), chunk=100)
    (tmp_path / "c.safetensors").write_bytes(b"rubbish")
    with pytest.raises(ModelError, match="not a readable checkpoint"):
        fit(jnp.zeros(3), step, 1000, 7, None, kept, chunk=100)
