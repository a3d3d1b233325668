# SPDX-License-Identifier: Apache-2.0
"""Steps of its own for every particle: exact at kinks, backward too, and honest about escape."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from reflexarc.core.errors import ConfigError
from reflexarc.reach.adaptive import integrate_adaptive
from reflexarc.reach.flow import Flow
from reflexarc.reach.initial import Uniform
from reflexarc.reach.liouville import law
from reflexarc.reach.query import log_density
from reflexarc.reach.system import ClosedLoop
from reflexarc.reach.systems import SYSTEMS
from reflexarc.robots.systems.system import Coordinate

PLANE = (Coordinate("x", "m"), Coordinate("y", "m"))


def loop(field, low, high, dt=0.1, steps=10, kind="flow", state=PLANE):
    return ClosedLoop("tried", "test", state, field, np.array(low), np.array(high), dt, steps, 4, kind)


def carried(system, x0, horizon, **settings):
    with jax.enable_x64(True):
        return [np.asarray(a) for a in integrate_adaptive(law(system), x0, horizon, None, 0.0, **settings)]


KINKED = loop(
    lambda x, t, p: jnp.stack([jnp.ones_like(x[0]), jnp.maximum(x[0], 0.0) * x[1]]),
    [-2.0, 0.5],
    [-0.1, 1.0],
    0.3,
)
"""y grows only right of x = 0, which a particle crosses at t = -x0: div f jumps in slope there."""
STEPPED = loop(
    lambda x, t, p: jnp.stack([-jnp.where(x[0] > 1.0, 3.0 * x[0] - 2.0, x[0]), -x[1]]),
    [1.5, 0.5],
    [2.0, 1.0],
    0.25,
)
"""x decays with the rate 3 above x = 1 and with 1 below: the field is continuous, div f jumps by 2."""


def stepped_gain(x0, t):
    """In closed form: x - 2/3 decays with the rate 3 until x = 1."""
    switch = np.log((x0[:, 0] - 2.0 / 3.0) * 3.0) / 3.0
    return t + 3.0 * np.minimum(t, switch) + np.maximum(t - switch, 0.0)


def test_the_increment_is_exact_where_the_divergence_jumps():
    x0 = np.random.default_rng(0).uniform(STEPPED.low, STEPPED.high, (300, 2))
    x, gain = carried(STEPPED, x0, 2.5)
    assert gain == pytest.approx(stepped_gain(x0, 2.5), abs=1e-9)
    assert x[:, 1] == pytest.approx(x0[:, 1] * np.exp(-2.5), abs=1e-10)
    fixed = Flow(STEPPED, "tsit5", "float64").run(x0).gain[-1]
    assert np.abs(fixed - stepped_gain(x0, 2.5)).max() > 1e-3  # what it is for


def test_particles_cross_a_kink_each_at_its_own_time():
    x0 = np.random.default_rng(1).uniform(KINKED.low, KINKED.high, (200, 2))
    x, gain, tangent = carried(KINKED, x0, 3.0, tangent=True)
    grown = 0.5 * (3.0 + x0[:, 0]) ** 2
    assert gain == pytest.approx(-grown, abs=1e-9)
    assert x[:, 1] == pytest.approx(x0[:, 1] * np.exp(grown), rel=1e-9)
    assert np.linalg.slogdet(tangent)[1] == pytest.approx(grown, abs=1e-6)


def test_a_backward_run_undoes_a_forward_one():
    system = SYSTEMS["robot"]
    x0 = np.random.default_rng(2).uniform(system.low, system.high, (20, 4))
    x, gain = carried(system, x0, 2.5)
    again, whole, inverse = carried(system, x, 2.5, tangent=True, back=True)
    assert again == pytest.approx(x0, abs=1e-8)
    assert whole == pytest.approx(gain, abs=1e-5)
    assert np.linalg.slogdet(inverse)[1] == pytest.approx(gain, abs=1e-5)


def test_it_agrees_with_fixed_steps_on_a_smooth_field_of_time():
    system = loop(
        lambda x, t, p: jnp.stack([x[1], -jnp.sin(x[0]) - (1.0 + t) * x[1]]), [-1.0, -1.0], [1.0, 1.0]
    )
    x0 = np.random.default_rng(3).uniform(-1.0, 1.0, (40, 2))
    x, gain = carried(system, x0, 1.0)
    fixed = Flow(system, "tsit5", "float64", 20).run(x0)
    assert x == pytest.approx(fixed.x[-1], abs=1e-9)
    assert gain == pytest.approx(np.full(40, 1.5), abs=1e-9)  # the integral of 1 + t
    assert carried(system, fixed.x[-1], 1.0, back=True)[0] == pytest.approx(x0, abs=1e-8)


def test_a_particle_that_escapes_is_not_a_number_and_spares_the_others():
    line = (Coordinate("x", "m"),)
    system = loop(lambda x, t, p: x**2, [0.2], [2.0], state=line)
    x, gain = carried(system, np.array([[0.5], [2.0]]), 1.0)
    assert x[0] == pytest.approx([1.0], abs=1e-9) and gain[0] == pytest.approx(-2.0 * np.log(2.0), abs=1e-9)
    assert np.isnan(x[1]).all() and np.isnan(gain[1])


def test_the_density_of_a_network_controller_no_longer_depends_on_steps():
    system = SYSTEMS["dint"]
    initial = Uniform(system.low, system.high)
    x0 = initial.sample(np.random.default_rng(4), 200)
    x, gain = carried(system, x0, 3.0)
    query = log_density(system, initial, x, 3, method="adaptive")
    assert query.backward.all()
    assert query.log_density == pytest.approx(initial.log_density(x0) + gain, abs=1e-5)
    fixed = log_density(system, initial, x, 3)
    assert np.abs(fixed.log_density - query.log_density).max() > 1e-2


def test_maps_take_no_steps_of_their_own():
    system = loop(lambda x, k, p: 0.5 * x, [-1.0, -1.0], [1.0, 1.0], kind="map")
    with pytest.raises(ConfigError, match="'adaptive' one of rk4, tsit5"):
        log_density(system, Uniform(system.low, system.high), np.zeros((1, 2)), method="adaptive")
