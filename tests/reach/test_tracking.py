# SPDX-License-Identifier: Apache-2.0
"""Tracking errors against the vehicles themselves, simulated in the world frame."""

import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.integrate import solve_ivp

from reflexarc.core.errors import ConfigError
from reflexarc.reach.systems import SYSTEMS, driving, hovercraft
from reflexarc.reach.systems.tracking import Gains, Reference, errors, poses, world

REFERENCE = Reference(
    time=np.array([0.0, 0.8, 1.5, 3.0]),
    speed=np.array([1.0, 1.6, 0.7, 1.2]),
    turn_rate=np.array([0.0, 0.9, -1.2, 0.4]),
    climb_rate=np.array([0.2, -0.3, 0.1, 0.0]),
)
START = (2.0, -1.0, 0.7, 5.0)
TIMES = np.linspace(0.0, 3.0, 31)


def world_frame(robot, drifts, gains):
    """Simulate reference and vehicle in the world: poses (31, 4) each. Every drift pushes away from the reference."""
    k1, k2, k3, kp = gains
    a, az = drifts

    def rates(t, s):
        v_ref, w_ref, c_ref = (np.interp(t, REFERENCE.time, part) for part in REFERENCE[1:])
        xr, yr, hr, zr, x, y, h, z = s
        dx, dy = xr - x, yr - y
        ahead = math.cos(h) * dx + math.sin(h) * dy
        left = -math.sin(h) * dx + math.cos(h) * dy
        v = v_ref * math.cos(hr - h) + k1 * ahead
        w = w_ref + v_ref * (k2 * left + k3 * math.sin(hr - h))
        climb = c_ref + kp * (zr - z)
        return [
            v_ref * math.cos(hr),
            v_ref * math.sin(hr),
            w_ref,
            c_ref,
            v * math.cos(h) - a * dx,
            v * math.sin(h) - a * dy,
            w,
            climb - az * (zr - z),
        ]

    found = solve_ivp(
        rates, (0.0, 3.0), [*START, *robot], t_eval=TIMES, rtol=1e-10, atol=1e-12, max_step=0.05
    )
    return found.y[:4].T, found.y[4:].T


def error_frame(system, start):
    def rates(t, e):
        return np.asarray(compiled(e, t))

    with jax.enable_x64(True):
        compiled = jax.jit(lambda e, t: system.field(e, t, REFERENCE))
        return solve_ivp(rates, (0.0, 3.0), start, t_eval=TIMES, rtol=1e-9, atol=1e-11, max_step=0.05).y.T


@pytest.mark.parametrize("robot", [(1.6, -0.6, 0.6, 5.3), (2.5, -1.4, 1.3, 4.8)])
@pytest.mark.parametrize("name", ["driving", "hovercraft"])
def test_error_model_and_world_give_the_same_path(name, robot):
    """The convention: reference minus robot in the robot's frame, drift away from the reference."""
    craft = name == "hovercraft"
    a, az = 0.35, 0.2
    gains = hovercraft.GAINS if craft else driving.GAINS
    reference, vehicle = world_frame(robot, (a, az), gains)
    columns = 4 if craft else 3
    with jax.enable_x64(True):
        first = np.asarray(errors(jnp.asarray(robot[:columns]), jnp.asarray(START[:columns])))
        start = [*first, a, az] if craft else [*first, a]
        error = error_frame(SYSTEMS[name], start)
        path = np.asarray(world(jnp.asarray(error), jnp.asarray(reference[:, :columns])))
    assert np.abs(path - vehicle[:, :columns]).max() < 1e-6
    assert np.abs(first[:2]).min() > 0.05


def test_errors_and_positions_are_inverse():
    rng = np.random.default_rng(0)
    pose, error = rng.normal(size=(50, 4)), rng.normal(size=(50, 4))
    with jax.enable_x64(True):
        back = errors(world(jnp.asarray(error), jnp.asarray(pose)), jnp.asarray(pose))
    assert np.asarray(back) == pytest.approx(error, abs=1e-12)


def test_a_robot_behind_and_to_the_right_of_its_reference_has_positive_errors():
    error = errors(jnp.array([0.0, 0.0, math.pi / 2]), jnp.array([-1.0, 2.0, math.pi / 2 + 0.1]))
    assert np.asarray(error) == pytest.approx([2.0, 1.0, 0.1], abs=1e-6)


def test_reference_poses_are_the_integral_of_its_speeds():
    def rates(t, s):
        v, w, c = (np.interp(t, REFERENCE.time, part) for part in REFERENCE[1:])
        return [v * math.cos(s[2]), v * math.sin(s[2]), w, c]

    exact = solve_ivp(rates, (0, 3), START, t_eval=TIMES, rtol=1e-10, atol=1e-12, max_step=0.05).y.T
    with jax.enable_x64(True):
        found = np.asarray(poses(REFERENCE, START, TIMES))
        flat = np.asarray(poses(REFERENCE, START[:3], TIMES))
    assert np.abs(found - exact).max() < 2e-6
    assert flat == pytest.approx(found[:, :3], abs=1e-12)


def test_a_batch_of_references_gives_each_its_own_rates():
    system = SYSTEMS["driving"]
    x = jnp.array([0.3, -0.2, 0.05, 0.1])
    speeds = np.array([[0.5, 0.5], [1.0, 2.0]])
    batch = Reference(np.broadcast_to([0.0, 1.0], (2, 2)), speeds, np.zeros((2, 2)))
    both = jax.vmap(lambda p: system.field(x, 0.5, p))(batch)
    for k, speed in enumerate((0.5, 1.5)):
        w = speed * (0.5 * -0.2 + math.sin(0.05))
        assert float(both[k, 2]) == pytest.approx(-w, rel=1e-5)


def test_a_reference_is_held_before_its_first_and_after_its_last_knot():
    speed, turn_rate, climb = REFERENCE.at(jnp.array([-1.0, 0.4, 9.0]))
    assert np.asarray(speed) == pytest.approx([1.0, 1.3, 1.2])
    assert np.asarray(turn_rate) == pytest.approx([0.0, 0.45, 0.4])
    assert np.asarray(climb) == pytest.approx([0.2, -0.05, 0.0])
    flat = Reference(REFERENCE.time, REFERENCE.speed, REFERENCE.turn_rate)
    assert not np.asarray(flat.at(jnp.array([0.5]))[2]).any()


def test_the_position_is_differentiable_in_the_reference():
    def end(speed):
        return poses(Reference(REFERENCE.time, speed, REFERENCE.turn_rate), START[:3], TIMES)[-1, 0]

    with jax.enable_x64(True):
        slope = np.asarray(jax.grad(end)(jnp.asarray(REFERENCE.speed)))
        nudge = 1e-6 * np.eye(4)[1]
        ahead, behind = (float(end(jnp.asarray(REFERENCE.speed + s * nudge))) for s in (1, -1))
    assert slope[1] == pytest.approx((ahead - behind) / 2e-6, rel=1e-6)


@pytest.mark.parametrize("make", [driving.system, hovercraft.system])
@pytest.mark.parametrize("value", [0.0, -1.0, math.nan, math.inf])
def test_a_gain_that_does_not_hold_the_robot_is_refused(make, value):
    with pytest.raises(ConfigError, match="gain across of the tracking controller must be positive"):
        make(gains=Gains(1.0, value, 1.0, 1.0))
