# SPDX-License-Identifier: Apache-2.0
"""The standard systems themselves, against physics, and the loop that runs them."""

import math

import jax
import numpy as np
import pytest
from scipy.integrate import solve_ivp
from scipy.linalg import solve_continuous_are

from reflexarc.core.errors import ConfigError, ModelError
from reflexarc.robots.systems import SYSTEMS, cart_pole, inverted_pendulum, planar_quadrotor, segway
from reflexarc.robots.systems.integrate import batched, clip_input, stepper
from reflexarc.robots.systems.rectangles import gaps, ranges, scattered
from reflexarc.robots.systems.rollout import Decision, rollout


def states(system, count, seed=0):
    return np.random.default_rng(seed).uniform(system.low, system.high, (count, system.n))


@pytest.mark.parametrize("name", SYSTEMS)
def test_system_is_consistent(name):
    system = SYSTEMS[name]
    x = states(system, 200)
    u = batched(system.nominal)(x)
    assert batched(system.f)(x).shape == (200, system.n)
    assert batched(system.g)(x).shape == (200, system.n, system.m)
    assert u.shape == (200, system.m)
    assert clip_input(system, u) == pytest.approx(u, abs=1e-6)  # the nominal input is admissible
    assert np.isfinite(batched(system.margin)(x)).all()
    assert np.isfinite(batched(system.reward)(x)).all()
    with jax.enable_x64(True):
        assert np.isfinite(np.asarray(jax.vmap(jax.jacfwd(system.margin))(x))).all()


@pytest.mark.parametrize("name", ["cart_pole", "inverted_pendulum", "segway", "unicycle", "boat"])
def test_step_agrees_with_an_adaptive_integrator(name):
    system = SYSTEMS[name]
    x, u = states(system, 5, seed=1), clip_input(system, np.full((5, system.m), 0.7))
    end = stepper(system)(x, u)[-1]
    f, g = batched(system.f), batched(system.g)
    for k in range(5):

        def rate(_, s, held=u[k]):
            return f(s[None])[0] + g(s[None])[0] @ held

        exact = solve_ivp(rate, (0.0, system.period), x[k], rtol=1e-10, atol=1e-12).y[:, -1]
        gap = end[k] - exact
        for i in system.periodic:
            gap[i] = (gap[i] + math.pi) % (2.0 * math.pi) - math.pi
        assert np.abs(gap).max() < 1e-5


def test_angles_are_wrapped():
    system = SYSTEMS["unicycle"]
    end = stepper(system)(np.array([[0.0, 0.0, 0.0, math.pi - 0.01]]), np.array([[0.0, 1.0]]))[-1]
    assert end[0, 3] == pytest.approx(-math.pi + 0.04)


def test_cart_pole_without_force_keeps_its_energy():
    system = SYSTEMS["cart_pole"]
    x = np.array([[0.1, 0.5, 0.15, -1.0]])
    m, cart, length = cart_pole.POLE, cart_pole.CART, cart_pole.HALF_LENGTH

    def energy(s):
        _, v, theta, rate = s
        vx, vz = v + length * rate * math.cos(theta), -length * rate * math.sin(theta)
        spin = 0.5 * (m * length**2 / 3.0) * rate**2  # rod about its centre
        height = cart_pole.GRAVITY * m * length * math.cos(theta)
        return 0.5 * cart * v**2 + 0.5 * m * (vx**2 + vz**2) + spin + height

    start = energy(x[0])
    advance = stepper(system, 0.01, 0.001)
    for _ in range(100):
        x = advance(x, np.zeros((1, 1)))[-1]
    assert energy(x[0]) == pytest.approx(start, rel=1e-6)
    assert abs(x[0, 2]) > 0.3  # it did fall


def test_quadrotors_hover_and_the_pendulum_can_just_be_held():
    for name, mass in (("planar_quadrotor_a", planar_quadrotor.MASS_A), ("planar_quadrotor_b", 1.0)):
        system = SYSTEMS[name]
        u = np.full((1, 2), 0.5 * mass * 9.8)
        assert stepper(system)(np.zeros((1, 6)), u)[-1] == pytest.approx(np.zeros((1, 6)), abs=1e-9)
    assert inverted_pendulum.GRAVITY * math.sin(inverted_pendulum.UNSAFE_RADIUS) < 10.0


@pytest.mark.parametrize(("name", "gain"), [("cart_pole", cart_pole.LQR), ("segway", segway.LQR)])
def test_stored_gain_is_the_lqr_of_the_linearised_system(name, gain):
    system, step = SYSTEMS[name], 1e-5
    f, g = batched(system.f), batched(system.g)
    a = np.array([(f(step * e[None])[0] - f(-step * e[None])[0]) / (2.0 * step) for e in np.eye(4)]).T
    b = g(np.zeros((1, 4)))[0]
    p = solve_continuous_are(a, b, np.eye(4), 0.1 * np.eye(1))
    assert gain == pytest.approx((b.T @ p / 0.1)[0], rel=1e-5)


def test_rays_meet_the_rectangles_where_marching_does():
    obstacles = scattered(8, (0.1, 0.5), 4.0, seed=4)
    point = np.array([1.5, 1.7])
    measured = np.asarray(ranges(obstacles, point, 32, 1.5))
    distance = batched(lambda p: gaps(obstacles, p))
    along = np.linspace(0.0, 1.5, 3001)
    for k in range(32):
        way = np.array([math.cos(2.0 * math.pi * k / 32), math.sin(2.0 * math.pi * k / 32)])
        inside = distance(point + along[:, None] * way).min(axis=1) <= 0.0
        first = along[np.argmax(inside)] if inside.any() else 1.5
        assert measured[k] == pytest.approx(first, abs=2e-3)
    assert (measured < 1.5).any()
    assert np.asarray(ranges(obstacles, obstacles.centre[0], 8, 1.5)) == pytest.approx(np.zeros(8))


def test_loop_counts_what_happened_between_the_samples():
    system = SYSTEMS["double_integrator"]

    def slam(x, u):  # reverses each period: the deepest point lies between the samples
        return Decision(-np.sign(x[:, 1:]) * np.ones_like(u), np.ones(len(x), dtype=bool))

    result = rollout(system, np.array([[-0.004, 0.05]]), slam, period=0.1, steps=1, longest=0.001)
    assert result.margin[0] == pytest.approx(0.004 - 0.05**2 / 2.0, abs=1e-5)
    assert result.infeasible[0] == 1.0
    assert result.intervened[0] == 1.0


def test_delayed_input_acts_later():
    system = SYSTEMS["double_integrator"]
    result = rollout(system, np.array([[-4.0, 0.0]]), period=0.1, steps=5, delay=2, keep_path=True)
    assert result.path[:, 0, 1] == pytest.approx([0.0, 0.0, 0.0, 0.1, 0.2, 0.3], abs=1e-12)


def test_filter_that_answers_nonsense_stops_the_loop():
    def nan(x, u):
        return Decision(u * np.nan, np.zeros(len(x), dtype=bool))

    with pytest.raises(ModelError, match="the filter answered"):
        rollout(SYSTEMS["double_integrator"], np.array([[-4.0, 0.0]]), nan, steps=1)


@pytest.mark.parametrize("period", [0.0, -0.1, float("nan")])
def test_period_that_is_none_is_refused(period):
    with pytest.raises(ConfigError, match="positive"):
        stepper(SYSTEMS["boat"], period)
