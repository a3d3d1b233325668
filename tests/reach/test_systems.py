# SPDX-License-Identifier: Apache-2.0
"""The benchmark systems: equations, divergences, invariants, controllers."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from safetensors.numpy import load_file, save_file
from scipy.linalg import solve_continuous_are

from reflexarc.core.errors import ConfigError, ModelError, UnknownNameError
from reflexarc.reach.systems import SYSTEMS, dint, pend, train_controllers
from reflexarc.reach.systems.networks import FORMAT, controller_path, load_controller

BY_HAND = [name for name in SYSTEMS if name != "gcas"]
LEARNED = ("dint", "robot", "quad", "acc", "toon")
SIZES = {"vdp": 2, "dint": 2, "kop": 3, "pend": 4, "robot": 4, "car": 4, "quad": 6, "acc": 7, "gcas": 16}
SIZES |= {"toon": 16, "driving": 4, "hovercraft": 6}


def samples(system, count, seed=0, wider=0.0):
    margin = wider * (system.high - system.low)
    return np.random.default_rng(seed).uniform(system.low - margin, system.high + margin, (count, system.n))


def rollout(system, x):
    """RK4 of a batch over the system's horizon, without the library's flow."""
    width = system.dt / system.substeps

    def field(x, t):
        return jax.vmap(lambda s: system.field(s, t, system.parameters))(x)

    def step(x, t):
        a = field(x, t)
        b = field(x + 0.5 * width * a, t + 0.5 * width)
        c = field(x + 0.5 * width * b, t + 0.5 * width)
        d = field(x + width * c, t + width)
        return x + width / 6.0 * (a + 2.0 * b + 2.0 * c + d), x

    times = width * np.arange(system.steps * system.substeps)
    last, before = jax.jit(lambda x, t: jax.lax.scan(step, x, t))(jnp.asarray(x), jnp.asarray(times))
    return np.concatenate([np.asarray(before), np.asarray(last)[None]])


def forward(path, x):
    """Network of a safetensors file in numpy."""
    tensors = load_file(path)
    for k in range(len(tensors) // 2):
        x = x @ tensors[f"{k}.weight"].T.astype(float) + tensors[f"{k}.bias"]
        if k + 1 < len(tensors) // 2:
            x = np.maximum(x, 0.0)
    return x


def lqr(a, b, q):
    return (b.T @ solve_continuous_are(a, b, q, np.eye(b.shape[1]))).ravel()


def test_the_table_lists_every_system_and_refuses_another():
    assert {name: SYSTEMS[name].n for name in SYSTEMS} == SIZES
    assert "vdp" in SYSTEMS and "rocket" not in SYSTEMS
    assert SYSTEMS["toon"] is SYSTEMS["toon"]
    with pytest.raises(UnknownNameError, match=r"unknown system 'rocket'; allowed: acc, car, dint"):
        SYSTEMS["rocket"]


@pytest.mark.parametrize("name", BY_HAND)
def test_divergence_by_hand_is_the_exact_trace(name):
    system = SYSTEMS[name]
    p = system.parameters
    with jax.enable_x64(True):
        x = jnp.asarray(samples(system, 300, seed=1, wider=0.2))
        both = jax.jit(
            jax.vmap(lambda s: (system.divergence(s, 0.7, p), jnp.trace(jax.jacfwd(system.field)(s, 0.7, p))))
        )
        by_hand, trace = map(np.asarray, both(x))
    assert np.max(np.abs(by_hand - trace) / (1.0 + np.abs(trace))) < 1e-9
    assert by_hand.shape == (300,)


@pytest.mark.parametrize("name", BY_HAND)  # the F-16 has a file of its own
def test_whole_horizon_stays_finite_and_in_its_precision(name):
    system = SYSTEMS[name]
    with jax.enable_x64(True):
        double = rollout(system, samples(system, 200))
        single = jax.eval_shape(system.field, jnp.zeros(system.n, "float32"), 0.0, system.parameters)
    assert np.isfinite(double).all()
    assert double.dtype == np.float64 and single.dtype == np.float32
    assert np.ptp(double, axis=0).max() > 0.0


def test_van_der_pol_and_car_have_the_published_numbers():
    with jax.enable_x64(True):
        vdp = SYSTEMS["vdp"].field(jnp.asarray([2.0, -1.0]), 0.0, None)
        x, y, theta, a = 0.8, -0.6, 0.05, 0.3
        car = SYSTEMS["car"].field(jnp.asarray([x, y, theta, a]), 0.0, SYSTEMS["car"].parameters)
    w = 0.5 * y + np.sin(theta)
    assert np.asarray(vdp) == pytest.approx([-1.0, 1.0])
    expected = [w * y - 0.5 * x + a * x, -w * x + np.sin(theta) + a * y, -w, 0.0]
    assert np.asarray(car) == pytest.approx(expected)


def test_kraichnan_orszag_keeps_its_two_invariants():
    with jax.enable_x64(True):
        x = rollout(SYSTEMS["kop"], samples(SYSTEMS["kop"], 200))
    product, square = x[..., 0] * x[..., 1], np.sum(x**2, axis=-1)
    assert np.abs(product - product[0]).max() < 1e-4
    assert np.abs(square - square[0]).max() < 1e-4


def test_the_pendulum_s_divergence_follows_the_gain_that_moves_it():
    system = SYSTEMS["pend"]
    x = samples(system, 200)
    with jax.enable_x64(True):
        divergence = np.asarray(jax.vmap(lambda s: system.divergence(s, 0.0, None))(jnp.asarray(x)))
        slope = np.asarray(jax.vmap(lambda s: jax.jacfwd(system.field)(s, 0.0, None)[1, 1])(jnp.asarray(x)))
    assert divergence == pytest.approx(-2.8342456 * np.exp(x[:, 2]), rel=1e-6)
    published = (pend.K[1] * np.exp(x[:, 3]) - pend.DAMPING) / pend.INERTIA
    assert np.abs(divergence - slope).max() < 1e-12
    assert (
        np.sqrt(np.mean((published - slope) ** 2)) > 3.0
    )  # kappa2 instead of kappa1: wrong by nats per second


@pytest.mark.parametrize("name", LEARNED)
def test_a_controller_imitates_its_law(name):
    module = train_controllers.MODULES[name]
    folder = controller_path(name).parent
    recipe = train_controllers.read_recipe(folder / "recipe.yaml", module.WIDTHS[0])
    layers = load_controller(controller_path(name), module.WIDTHS)
    rng = np.random.default_rng(99)
    error = train_controllers.relative_error(name, layers, recipe["low"], recipe["high"], rng)
    assert error < {"dint": 0.002, "robot": 0.03, "quad": 0.01, "acc": 0.004, "toon": 0.03}[name]


def test_the_laws_are_the_optimal_ones_they_claim_to_be():
    integrator = np.array([[0.0, 1.0], [0.0, 0.0]])
    assert dint.LQR == pytest.approx(lqr(integrator, np.array([[0.5], [1.0]]), np.eye(2)))
    quad, toon = train_controllers.MODULES["quad"], train_controllers.MODULES["toon"]
    by_force = np.array([[0.0], [1.0]])
    gains = lqr(integrator, by_force, np.diag(quad.WEIGHTS))
    assert (quad.STIFFNESS, quad.DAMPING) == pytest.approx(gains)
    assert toon.FOLLOWER == pytest.approx(lqr(integrator, by_force, np.eye(2)))


def test_learned_systems_move_as_their_equations_say():
    def field(name, x):
        return np.asarray(SYSTEMS[name].field(jnp.asarray(x), 0.0, None))

    with jax.enable_x64(True):
        x = np.array([3.0, 0.4])
        u = np.clip(forward(controller_path("dint"), x)[0], -1.0, 1.0)
        assert field("dint", x) == pytest.approx([x[1] + 0.5 * u, u])

        x = np.array([-1.5, -1.3, 0.6, 1.2])
        u = 4.0 * np.tanh(forward(controller_path("robot"), x))
        assert field("robot", x) == pytest.approx([1.2 * np.cos(0.6), 1.2 * np.sin(0.6), *u])

        x = np.array([4.7, 4.68, 3.0, 0.95, 0.01, 0.2])
        u = forward(controller_path("quad"), x)
        assert field("quad", x) == pytest.approx([*x[3:], 9.8 * u[0], -9.8 * u[1], u[2] - 9.8])

        d, vl, rl, ve, re, al, tau = x = np.array([60.0, 28.0, 0.3, 30.2, -0.4, -10.0, 1.5])
        seen = ve + re * tau
        u = forward(controller_path("acc"), np.array([30.0, 1.4, d, vl - seen, seen]))[0]
        assert field("acc", x) == pytest.approx([vl - ve, rl, al, re, -2 * re + 2 * u, -2 * rl, 0.0])

        x = np.random.default_rng(3).uniform(-0.1, 0.1, 16)
        u = 10.0 * np.tanh(forward(controller_path("toon"), x[:15]))
        expected = np.zeros(16)
        expected[0] = u[0]
        for i in range(1, 8):
            expected[2 * i - 1] = x[2 * i] + x[15]
            expected[2 * i] = u[i - 1] - u[i]
        assert field("toon", x) == pytest.approx(expected)


def test_controllers_do_their_task():
    with jax.enable_x64(True):
        ends = {
            name: rollout(SYSTEMS[name], samples(SYSTEMS[name], 100))
            for name in ("dint", "robot", "quad", "toon")
        }
    robot, quad, toon = ends["robot"], ends["quad"], ends["toon"]
    assert np.abs(ends["dint"][-1]).max() < 0.05
    assert np.hypot(*robot[-1, :, :2].T).max() < 0.35 * np.hypot(*robot[0, :, :2].T).min()
    assert (quad[-1, :, :2] < quad[0, :, :2]).all()  # on its way to the origin
    assert np.abs(toon[-1, :, ::2]).max() < 0.05  # leader's speed and relative speeds have died out


def test_the_discrete_double_integrator_has_the_exact_factor_of_its_map():
    system = dint.discrete()
    assert system.kind == "map" and system.divergence is None
    with jax.enable_x64(True):
        x = jnp.asarray(samples(system, 100))
        factor = np.linalg.det(np.asarray(jax.vmap(lambda s: jax.jacfwd(system.field)(s, 0, None))(x)))
        slopes = np.asarray(jax.vmap(lambda s: jax.jacfwd(SYSTEMS["dint"].field)(s, 0.0, None))(x))[:, 1]
        held = np.asarray(system.field(jnp.asarray([0.5, 0.2]), 0, None))
    a, b = slopes[:, 0], slopes[:, 1]
    assert factor == pytest.approx(1.0 - 0.5 * a + b, abs=1e-9)
    u = np.clip(forward(controller_path("dint"), np.array([0.5, 0.2]))[0], -1.0, 1.0)
    assert held == pytest.approx([0.5 + 0.2 + 0.5 * u, 0.2 + u])


def write(path, change=None, metadata=None):
    tensors = load_file(controller_path("dint"))
    if change is not None:
        change(tensors)
    save_file(tensors, path, metadata={"format": FORMAT} if metadata is None else metadata)


@pytest.mark.parametrize(
    ("change", "metadata", "message"),
    [
        (lambda t: t.update({"1.weight": t["1.weight"].T.copy()}), None, "not those of a 2-10-5-1 network"),
        (lambda t: t.pop("2.bias"), None, "not those of a 2-10-5-1 network"),
        (lambda t: t["0.bias"].fill(np.nan), None, r"not finite in 0\.bias"),
        (None, {"format": "other"}, "format 'other'"),
    ],
)
def test_a_controller_of_another_kind_is_refused(tmp_path, change, metadata, message):
    path = tmp_path / "controller.safetensors"
    write(path, change, metadata)
    with pytest.raises(ModelError, match=message):
        load_controller(path, dint.WIDTHS)


def test_a_missing_or_broken_controller_is_refused(tmp_path):
    with pytest.raises(ModelError, match="there is no such controller.*train_controllers"):
        load_controller(tmp_path / "dint" / "controller.safetensors", dint.WIDTHS)
    broken = tmp_path / "broken.safetensors"
    broken.write_bytes(b"nothing")
    with pytest.raises(ModelError, match="not a readable safetensors file"):
        load_controller(broken, dint.WIDTHS)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (None, "no readable recipe"),
        ("low: [0]", "exactly the keys batch, high"),
        (
            "{low: [0, 1], high: [1, 1], iterations: 1, batch: 1, learning_rate: 1, seed: 0}",
            "2 numbers each, low below high",
        ),
    ],
)
def test_a_bad_recipe_is_refused(tmp_path, text, message):
    path = tmp_path / "recipe.yaml"
    if text is not None:
        path.write_text(text, encoding="utf-8")
    with pytest.raises(ConfigError, match=message):
        train_controllers.read_recipe(path, 2)


def test_training_learns_the_law_and_repeats_itself():
    recipe = {"low": np.array([-1.0, -1.0]), "high": np.array([2.0, 1.0]), "iterations": 150, "batch": 128}
    recipe |= {"learning_rate": 0.02, "seed": 1}
    layers, error = train_controllers.train("dint", recipe)
    again, _ = train_controllers.train("dint", recipe)
    assert error < 0.2
    assert all(np.array_equal(w, v) for (w, _), (v, _) in zip(layers, again, strict=True))
